//! Names that specifications give to things.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// A kebab-case name: `a` to `z`, digits and inner single hyphens, at least one letter, at most 63 characters.
///
/// It can stand as a label of a host name, in a file name and in SQL without a second look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn is_kebab(text: &str) -> bool {
    text.split('-')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// Returns the kebab-case name nearest to a text; `None` where nothing is left of it.
fn kebab(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut before: Option<char> = None;
    for character in text.chars() {
        let hump = character.is_ascii_uppercase() && before.is_some_and(|before| before.is_ascii_lowercase());
        if (hump || !character.is_ascii_alphanumeric()) && !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        }
        before = Some(character);
    }
    name.truncate(63);
    let name = name.trim_end_matches('-').to_owned();
    name.parse::<Name>().ok().map(|name| name.0)
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        if text.is_empty() {
            return Err(ParseError::new("this name is empty", "write a name such as `old-host`"));
        }
        if text.len() > 63 && is_kebab(text) {
            return Err(ParseError::new(
                format!("this name has {} characters", text.len()),
                "write at most 63 characters",
            ));
        }
        if !is_kebab(text) {
            let help = match kebab(text) {
                Some(name) => format!("write `{name}`"),
                None => "write small letters, digits and single hyphens, such as `old-host`".to_owned(),
            };
            return Err(ParseError::new(format!("the name {} is not kebab-case", quoted(text)), help));
        }
        if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(ParseError::new(
                format!("the name {} has no letter", quoted(text)),
                "write at least one letter into it",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reference to a secret in its owner's own namespace: `secret:NAME`. It never holds the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Name);

impl SecretName {
    /// Returns the name after `secret:`.
    pub fn name(&self) -> &Name {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = ParseError;

    /// Reads `secret:NAME`; a message never repeats a text without that prefix, since it may be a real password.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.strip_prefix("secret:") {
            Some(name) => name.parse().map(Self).map_err(|error| {
                let help = match error.help().strip_prefix("write `") {
                    Some(name) => format!("write `secret:{name}"),
                    None => error.help().to_owned(),
                };
                ParseError::new(error.message(), help)
            }),
            None => Err(ParseError::new(
                "a secret never stands in a specification, only its name does",
                "write `secret:` and the name under which the secret is kept, such as `secret:alice`",
            )),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret:{}", self.0)
    }
}

/// A release of the software set or of a distribution, such as `2026.11` or `bookworm`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(String);

impl Release {
    /// Returns the release.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Release {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        let edges = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.ends_with(|last: char| last.is_ascii_alphanumeric());
        if !plain || !edges || text.len() > 63 || text.contains("..") {
            return Err(ParseError::new(
                format!("{} is not a release", quoted(text)),
                "write letters, digits, dots and hyphens, such as `2026.11`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Name, SecretName, Release);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_kebab_case_is_shown_in_it() {
        for (text, help) in [
            ("OldHost", "write `old-host`"),
            ("old_host", "write `old-host`"),
            ("old host", "write `old-host`"),
            ("-old--host-", "write `old-host`"),
            ("Café", "write `caf`"),
            ("漢字", "write small letters, digits and single hyphens, such as `old-host`"),
            ("2026", "write at least one letter into it"),
            ("", "write a name such as `old-host`"),
        ] {
            assert_eq!(text.parse::<Name>().unwrap_err().help(), help, "{text}");
        }
        for text in ["a", "x4600-2", "3com", "old-host"] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_password_in_place_of_a_reference_is_not_repeated() {
        let error = "hunter2".parse::<SecretName>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!("secret:Bob Smith".parse::<SecretName>().unwrap_err().help(), "write `secret:bob-smith`");
        assert_eq!("secret:alice".parse::<SecretName>().unwrap().name().as_str(), "alice");
    }

    #[test]
    fn releases_are_kept_as_they_are_spelled() {
        assert_eq!("2026.10".parse::<Release>().unwrap().to_string(), "2026.10");
        for text in ["", "../x", "a b", ".1", "1..2"] {
            assert!(text.parse::<Release>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_shown_as_one(text in ".*") {
            match text.parse::<Name>() {
                Ok(name) => prop_assert_eq!(name.to_string(), text),
                Err(error) => {
                    if let Some(name) = error.help().strip_prefix("write `").and_then(|rest| rest.strip_suffix('`')) {
                        prop_assert!(name.parse::<Name>().is_ok());
                    }
                }
            }
        }
    }
}
