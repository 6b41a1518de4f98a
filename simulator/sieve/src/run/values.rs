//! What is done to values: modifiers, lists of flags.

use crate::program::Modifier;

/// Applies modifiers in their order (RFC 5229 §4.1).
pub(super) fn modified(mut value: String, modifiers: &[Modifier]) -> String {
    for modifier in modifiers {
        value = match modifier {
            Modifier::Lower => value.to_ascii_lowercase(),
            Modifier::Upper => value.to_ascii_uppercase(),
            Modifier::LowerFirst => first(&value, |first| first.to_ascii_lowercase()),
            Modifier::UpperFirst => first(&value, |first| first.to_ascii_uppercase()),
            Modifier::QuoteWildcard => escaped(&value, "*?\\"),
            Modifier::EncodeUrl => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
                value.bytes().map(encode).collect()
            }
            Modifier::Length => value.chars().count().to_string(),
        };
    }
    value
}

fn first(value: &str, change: impl Fn(char) -> char) -> String {
    let mut characters = value.chars();
    characters.next().map(change).into_iter().chain(characters).collect()
}

fn escaped(value: &str, special: &str) -> String {
    let mut out = String::new();
    for character in value.chars() {
        if special.contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Returns the flags in texts, each once, without those that mean nothing (RFC 5232 §2).
pub(super) fn flag_list(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for text in texts {
        for flag in text.split([' ', '\t', '\r', '\n']).filter(|flag| is_flag(flag)) {
            if !flags.iter().any(|other| other.eq_ignore_ascii_case(flag)) {
                flags.push(flag.to_owned());
            }
        }
    }
    flags
}

fn is_flag(flag: &str) -> bool {
    match flag.strip_prefix('\\') {
        Some(name) => ["answered", "flagged", "deleted", "seen", "draft"].contains(&name.to_ascii_lowercase().as_str()),
        None => {
            !flag.is_empty()
                && flag.chars().all(|character| character.is_ascii_graphic() && !"(){%*\"\\]".contains(character))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_do_what_they_say() {
        let check = |modifiers: &[Modifier], expected: &str| {
            assert_eq!(modified("juMBlEd?lETteRS".to_owned(), modifiers), expected);
        };
        check(&[Modifier::Length], "15");
        check(&[Modifier::Lower], "jumbled?letters");
        check(&[Modifier::Lower, Modifier::UpperFirst], "Jumbled?letters");
        check(&[Modifier::QuoteWildcard], "juMBlEd\\?lETteRS");
        check(&[Modifier::EncodeUrl], "juMBlEd%3FlETteRS");
    }

    #[test]
    fn each_flag_stands_once() {
        let flags = flag_list(["\\Seen  $Work".to_owned(), "\\seen \\Recent \\Other".to_owned()]);
        assert_eq!(flags, ["\\Seen", "$Work"]);
    }
}
