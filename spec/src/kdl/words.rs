//! Which bare words are texts, which have to be quoted, and what to write instead.

use super::numbers;
use crate::tree::Scalar;
use std::borrow::Cow;

/// What is wrong with a bare word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A keyword without its `#`.
    BareKeyword,
    /// It starts as a number does and is none.
    AlmostNumber,
}

/// Judges a word that does not start with a digit (KDL 2.0.0, Identifier String).
pub(super) fn judge(word: &str) -> Result<(), Fault> {
    match word.as_bytes() {
        b"true" | b"false" | b"null" | b"inf" | b"-inf" | b"nan" => Err(Fault::BareKeyword),
        [b'.', b'0'..=b'9', ..] | [b'+' | b'-', b'.', b'0'..=b'9', ..] => Err(Fault::AlmostNumber),
        _ => Ok(()),
    }
}

/// Returns what a keyword means, its `#` included.
pub(super) fn keyword(text: &str) -> Option<Scalar<'_>> {
    match text {
        "#true" => Some(Scalar::Flag(true)),
        "#false" => Some(Scalar::Flag(false)),
        "#null" => Some(Scalar::Null),
        "#inf" | "#-inf" | "#nan" => Some(Scalar::Number(Cow::Borrowed(text))),
        _ => None,
    }
}

/// Returns the keyword that a bare word lacks the `#` of.
pub(super) fn with_hash(word: &str) -> Option<(&'static str, Scalar<'static>)> {
    Some(match word {
        "true" => ("#true", Scalar::Flag(true)),
        "false" => ("#false", Scalar::Flag(false)),
        "null" => ("#null", Scalar::Null),
        "inf" => ("#inf", Scalar::Number(Cow::Borrowed("#inf"))),
        "-inf" => ("#-inf", Scalar::Number(Cow::Borrowed("#-inf"))),
        "nan" => ("#nan", Scalar::Number(Cow::Borrowed("#nan"))),
        _ => return None,
    })
}

/// Returns the keyword that was probably meant: another case, or the word behind a slip of the keyboard.
pub(super) fn nearest_keyword(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "#yes" | "#on" => return Some("#true"),
        "#no" | "#off" => return Some("#false"),
        "#nil" | "#none" => return Some("#null"),
        _ => {}
    }
    if text.len() > 16 {
        return None;
    }
    let known = ["#true", "#false", "#null", "#inf", "#-inf", "#nan"];
    known
        .into_iter()
        .find(|keyword| lower == *keyword || (keyword.len() > 4 && strsim::damerau_levenshtein(&lower, keyword) == 1))
}

/// Spells a text in quotes, short enough to stand in a message.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        if index == 60 {
            quoted.push('…');
            break;
        }
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if character.is_control() => quoted.extend(character.escape_unicode()),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Spells a piece of the source, short enough to stand in a message.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Says what to write for a word that starts as a number and is none.
pub(super) fn almost_number_help(word: &str) -> String {
    match numbers::meant(word) {
        Some(number) => format!("write `{number}` for the number, or `{}` for the text", quote(word)),
        None => format!("put it in quotes: `{}`", quote(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_points_start_words_unless_a_digit_follows() {
        for word in
            ["a", "-", "+", "--x", ".", ".md", "-.", "+.a", "-a", "..1", "_1", "<>", "é", "truely", "infinity", "r"]
        {
            assert_eq!(judge(word), Ok(()), "{word}");
        }
        for word in [".1", "+.1", "-.0a"] {
            assert_eq!(judge(word), Err(Fault::AlmostNumber), "{word}");
        }
        for word in ["true", "false", "null", "inf", "-inf", "nan"] {
            assert_eq!(judge(word), Err(Fault::BareKeyword), "{word}");
            assert!(with_hash(word).is_some_and(|(keyword, scalar)| self::keyword(keyword) == Some(scalar)), "{word}");
        }
    }

    #[test]
    fn a_misspelled_keyword_finds_the_one_meant_and_a_colour_finds_none() {
        assert_eq!(nearest_keyword("#True"), Some("#true"));
        assert_eq!(nearest_keyword("#flase"), Some("#false"));
        assert_eq!(nearest_keyword("#no"), Some("#false"));
        assert_eq!(nearest_keyword("#0b5fff"), None);
        assert_eq!(nearest_keyword("#fff"), None);
    }

    #[test]
    fn a_quoted_text_is_one_line_and_short() {
        assert_eq!(quote("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert!(quote(&"x".repeat(1_000)).chars().count() < 70);
    }
}
