//! Names of time zones.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_hostile, quoted, registries, text_form::text_form};

/// A time zone by the shape of its IANA name, such as `America/Toronto` or `UTC`; not looked up in a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeZone(String);

impl TimeZone {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TimeZone {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_uppercase())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let shaped = text == "UTC" || ((2..=3).contains(&parts.len()) && parts.iter().copied().all(part));
        if shaped && registries::knows(registries::TIME_ZONES, text) {
            return Ok(Self(text.to_owned()));
        }
        let near = || registries::nearest(registries::TIME_ZONES, text).filter(|near| near.contains('/'));
        let help = match (text.to_ascii_uppercase().as_str(), near()) {
            ("UTC" | "GMT" | "Z" | "UT", _) => "write `UTC`".to_owned(),
            (_, Some(near)) => format!("write `{near}`"),
            _ => "write an area and a place of the IANA database, such as `America/Toronto`, or `UTC`".to_owned(),
        };
        Err(ParseError::new(format!("{} is not a time zone", quoted(text)), help))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(TimeZone);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_an_area_and_a_place() {
        for text in ["UTC", "America/Toronto", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"]
        {
            assert_eq!(text.parse::<TimeZone>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "EST",
            "america/toronto",
            "America/",
            "/etc/localtime",
            "../zone",
            "America/To ronto",
            "A/B/C/D",
            "Europe/Munich",
        ] {
            assert!(text.parse::<TimeZone>().is_err(), "{text}");
        }
        assert_eq!("america/toronto".parse::<TimeZone>().unwrap_err().help(), "write `America/Toronto`");
        assert_eq!("gmt".parse::<TimeZone>().unwrap_err().help(), "write `UTC`");
    }
}
