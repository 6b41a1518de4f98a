//! Language tags (BCP 47, RFC 5646).

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_hostile, quoted, registries, text_form::text_form};

/// A language tag that is well-formed, in the letters' recommended case (RFC 5646 §2.1.1); not looked up in the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageTag(String);

impl LanguageTag {
    /// Returns the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the language alone, such as `fr` of `fr-CA`.
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}

fn letters(part: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn alphanumeric(part: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the tag's parts in their recommended case; `None` where it is not well-formed (RFC 5646 §2.1).
fn well_formed(text: &str) -> Option<Vec<String>> {
    let mut parts = text.split('-').peekable();
    let mut tag = Vec::new();
    let language = parts.next().filter(|part| letters(part, 2..=3))?;
    tag.push(language.to_ascii_lowercase());
    for _ in 0..3 {
        if language.len() <= 3
            && let Some(extended) = parts.next_if(|part| letters(part, 3..=3))
        {
            tag.push(extended.to_ascii_lowercase());
        }
    }
    if let Some(script) = parts.next_if(|part| letters(part, 4..=4)) {
        let (first, rest) = script.split_at(1);
        tag.push(first.to_ascii_uppercase() + &rest.to_ascii_lowercase());
    }
    let number = |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(region) = parts.next_if(|part| letters(part, 2..=2) || number(part)) {
        tag.push(region.to_ascii_uppercase());
    }
    let is_variant = |part: &str| {
        alphanumeric(part, 5..=8)
            || (alphanumeric(part, 4..=4) && part.starts_with(|first: char| first.is_ascii_digit()))
    };
    while let Some(variant) = parts.next_if(|part| is_variant(part)) {
        let variant = variant.to_ascii_lowercase();
        if tag.contains(&variant) {
            return None;
        }
        tag.push(variant);
    }
    let mut singletons = Vec::new();
    while let Some(singleton) = parts.next() {
        let singleton = singleton.to_ascii_lowercase();
        if !alphanumeric(&singleton, 1..=1) || singletons.contains(&singleton) {
            return None;
        }
        let private = singleton == "x";
        let least = if private { 1 } else { 2 };
        tag.push(singleton.clone());
        singletons.push(singleton);
        let mut count = 0;
        while let Some(part) = parts.next_if(|part| alphanumeric(part, least..=8)) {
            tag.push(part.to_ascii_lowercase());
            count += 1;
        }
        if count == 0 || (private && parts.peek().is_some()) {
            return None;
        }
    }
    Some(tag)
}

/// Refuses languages and countries that nobody has.
fn known(tag: &[String]) -> Result<(), ParseError> {
    let language = tag.first().map_or("", String::as_str);
    // Languages of three letters are too many to list.
    if language.len() == 2 && !registries::knows(registries::LANGUAGES, language) {
        return Err(ParseError::new(
            format!("no language has the letters {}", quoted(language)),
            if registries::knows(registries::COUNTRIES, &language.to_ascii_uppercase()) {
                "write the language, not the country, such as `en` or `en-CA`"
            } else {
                "write the letters of ISO 639, such as `en`"
            },
        ));
    }
    let region = tag
        .iter()
        .skip(1)
        .take_while(|part| part.len() > 1)
        .find(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_uppercase()));
    match region.filter(|region| !registries::knows(registries::COUNTRIES, region)) {
        Some(region) => Err(ParseError::new(
            format!("no country has the letters {}", quoted(region)),
            "write two letters of ISO 3166 behind the language, such as `fr-CA`",
        )),
        None => Ok(()),
    }
}

impl FromStr for LanguageTag {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        // No tag in use comes near this length, and checking one costs the square of it.
        if text.len() > 100 {
            return Err(ParseError::new("this language tag is too long", "write at most 100 characters"));
        }
        if let Some(tag) = well_formed(text) {
            return known(&tag).map(|()| Self(tag.join("-")));
        }
        let hyphenated = text.replace('_', "-");
        let help = match well_formed(hyphenated.split('.').next().unwrap_or_default()) {
            Some(tag) => format!("write {}", quoted(&tag.join("-"))),
            None => "write a tag of BCP 47, such as `en` or `fr-CA`".to_owned(),
        };
        Err(ParseError::new(format!("{} is not a language tag", quoted(text)), help))
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(LanguageTag);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_get_their_recommended_case() {
        for (text, shown) in [
            ("en", "en"),
            ("FR-ca", "fr-CA"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            ("de-1901", "de-1901"),
            ("es-419", "es-419"),
            ("en-u-ca-gregory-x-mine", "en-u-ca-gregory-x-mine"),
        ] {
            assert_eq!(text.parse::<LanguageTag>().unwrap().as_str(), shown);
        }
    }

    #[test]
    fn what_is_no_tag_says_what_to_write() {
        assert_eq!("fr_ca".parse::<LanguageTag>().unwrap_err().help(), "write `fr-CA`");
        assert_eq!("fr_CA.UTF-8".parse::<LanguageTag>().unwrap_err().help(), "write `fr-CA`");
        assert!("xx".parse::<LanguageTag>().is_err() && "en-UK".parse::<LanguageTag>().is_err());
        assert!("us".parse::<LanguageTag>().unwrap_err().help().starts_with("write the language, not the country"));
        for text in ["", "e", "english", "en-", "-en", "en--us", "en-x", "en-a-aa-a-bb", "en us"] {
            assert!(text.parse::<LanguageTag>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_tag_or_refused(text in "([a-zA-Z0-9]{0,9}[-_]){0,5}[a-z]{0,4}") {
            if let Ok(tag) = text.parse::<LanguageTag>() {
                prop_assert_eq!(tag.to_string().parse::<LanguageTag>().unwrap(), tag);
            }
        }
    }
}
