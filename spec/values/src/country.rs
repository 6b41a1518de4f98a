//! Countries.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_hostile, quoted, registries, text_form::text_form};

/// A country by its two capitals (ISO 3166-1 alpha-2); only the shape is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Returns the two capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country is made of ASCII letters")
    }
}

impl FromStr for Country {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        match <[u8; 2]>::try_from(text.as_bytes()) {
            Ok(letters) if registries::knows(registries::COUNTRIES, text) => Ok(Self(letters)),
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Err(ParseError::new(
                format!("no country has the letters {}", quoted(text)),
                if text == "UK" { "write `GB`" } else { "write two letters of ISO 3166, such as `CA`" },
            )),
            Ok(letters) if letters.iter().all(u8::is_ascii_alphabetic) => Err(ParseError::new(
                format!("{} is not a country", quoted(text)),
                format!("write `{}`", text.to_ascii_uppercase()),
            )),
            _ => Err(ParseError::new(
                format!("{} is not a country", quoted(text)),
                "write the two capitals of ISO 3166, such as `CA`",
            )),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

text_form!(Country);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_capitals() {
        assert_eq!("CA".parse::<Country>().unwrap().to_string(), "CA");
        assert_eq!("ca".parse::<Country>().unwrap_err().help(), "write `CA`");
        for text in ["", "Canada", "C", "C1", "Ü"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
        assert_eq!("UK".parse::<Country>().unwrap_err().help(), "write `GB`");
        assert!("ZZ".parse::<Country>().is_err());
    }
}
