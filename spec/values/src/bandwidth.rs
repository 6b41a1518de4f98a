//! Bandwidths in bits a second, such as `64kbit`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted, text_form::text_form};

/// A bandwidth in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth(u64);

const UNITS: [(&str, u64, u32); 5] = [
    ("Tbit", 1_000_000_000_000, 12),
    ("Gbit", 1_000_000_000, 9),
    ("Mbit", 1_000_000, 6),
    ("kbit", 1_000, 3),
    ("bit", 1, 0),
];

impl Bandwidth {
    /// Takes bits a second.
    pub const fn from_bits_per_second(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns bits a second.
    pub const fn as_bits_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for Bandwidth {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let (number, unit) = decimal::split_number(text);
        let places = UNITS.into_iter().find(|(known, _, _)| *known == unit).map(|(_, _, places)| places);
        let bits = places.and_then(|places| decimal::read(number, places));
        bits.map(Self).ok_or_else(|| {
            let number = if number.is_empty() { "64" } else { number };
            let meant = match unit.trim().to_ascii_lowercase().chars().next() {
                Some('t') => "Tbit",
                Some('g') => "Gbit",
                Some('m') => "Mbit",
                _ => "kbit",
            };
            ParseError::new(
                format!("{} is not a bandwidth", quoted(text)),
                format!("write a number and bit, kbit, Mbit or Gbit (a second), such as `{number}{meant}`"),
            )
        })
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .map(|(unit, factor, _)| (unit, factor))
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(("bit", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

text_form!(Bandwidth);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bandwidths_are_read_with_their_units() {
        assert_eq!("64kbit".parse::<Bandwidth>().unwrap().as_bits_per_second(), 64_000);
        assert_eq!("10Gbit".parse::<Bandwidth>().unwrap().as_bits_per_second(), 10_000_000_000);
        assert_eq!("2.5Gbit".parse::<Bandwidth>().unwrap().to_string(), "2500Mbit");
        for text in ["64", "64kB", "kbit", "", "-1bit", "0.5bit", "64 kbit"] {
            assert!(text.parse::<Bandwidth>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_bandwidth_reads_back(bits: u64) {
            let bandwidth = Bandwidth::from_bits_per_second(bits);
            prop_assert_eq!(bandwidth.to_string().parse::<Bandwidth>().unwrap(), bandwidth);
        }
    }
}
