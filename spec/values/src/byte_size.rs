//! Sizes in bytes, such as `2GiB`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted};

/// A size in bytes; decimal units (`kB MB GB TB PB`) and binary ones (`KiB MiB GiB TiB PiB`).
///
/// In serialized data it is a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

const UNITS: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// Takes a number of bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Takes a number of mebibytes; what is too large counts as the largest size.
    pub const fn from_mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes.saturating_mul(1 << 20))
    }

    /// Takes a number of gibibytes; what is too large counts as the largest size.
    pub const fn from_gibibytes(gibibytes: u64) -> Self {
        Self(gibibytes.saturating_mul(1 << 30))
    }

    /// Returns the bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Adds two sizes; `None` where the sum is too large.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Multiplies a size; `None` where the product is too large.
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(times).map(Self)
    }
}

impl FromStr for ByteSize {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let (number, unit) = decimal::split_number(text);
        if decimal::read(number, 18).is_none() && number.parse::<u64>().is_err() {
            return Err(ParseError::new(
                format!("{} is not a size", quoted(text)),
                "write a number and a unit, such as `500MB` or `2GiB`",
            ));
        }
        if unit.is_empty() {
            return Err(ParseError::new(
                format!("the size {} has no unit", quoted(text)),
                format!("write `{number}MiB`, `{number}GiB` or another unit of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"),
            ));
        }
        if unit.starts_with(' ') && UNITS.into_iter().any(|(known, _)| known == unit.trim()) {
            return Err(ParseError::new(
                format!("the size {} has a blank in it", quoted(text)),
                format!("write `{number}{}`", unit.trim()),
            ));
        }
        let Some((unit, factor)) = UNITS.into_iter().find(|(known, _)| *known == unit) else {
            return Err(ParseError::new(
                format!("the size {} has an unknown unit {}", quoted(text), quoted(unit)),
                similar_unit(number, unit),
            ));
        };
        bytes(number, factor).map(Self).ok_or_else(|| {
            ParseError::new(
                format!("{} is not a whole number of bytes below 2^64", quoted(text)),
                format!("write fewer places after the point, or a smaller unit than {unit}"),
            )
        })
    }
}

/// Returns `number` times `factor` where that is whole and fits.
fn bytes(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).ok().filter(|&places| places <= 18)?;
    let scale = 10u128.pow(places);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scaled = whole.parse::<u64>().ok().map(u128::from)? * scale + fraction;
    let product = scaled.checked_mul(u128::from(factor))?;
    if product % scale != 0 {
        return None;
    }
    u64::try_from(product / scale).ok()
}

fn similar_unit(number: &str, unit: &str) -> String {
    let unit = unit.split_whitespace().next().unwrap_or_default();
    if let Some((known, _)) = UNITS.into_iter().find(|(known, _)| *known == unit) {
        return format!("write `{number}{known}`");
    }
    let bare = unit.trim_end_matches(['b', 'B']).trim_end_matches(['i', 'I']);
    let meant: Vec<String> = UNITS
        .into_iter()
        .filter(|(known, _)| {
            *known != "B" && known.trim_end_matches('B').trim_end_matches('i').eq_ignore_ascii_case(bare)
        })
        .map(|(known, _)| format!("`{number}{known}`"))
        .collect();
    match meant.is_empty() {
        true => "write one of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB directly after the number".to_owned(),
        false => format!("write {}", meant.join(" or ")),
    }
}

impl fmt::Display for ByteSize {
    /// Writes the form with the smallest whole number, binary before decimal where both are the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .filter(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .max_by_key(|(_, factor)| *factor)
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [("2GiB", 2 << 30), ("500MB", 500_000_000), ("1.5KiB", 1536), ("0B", 0), ("8TiB", 8 << 40)]
        {
            assert_eq!(text.parse::<ByteSize>().unwrap().as_bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_what_to_write() {
        for (text, help) in [
            ("2", "write `2MiB`, `2GiB` or another unit of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"),
            ("2gb", "write `2GiB` or `2GB`"),
            ("2 GiB", "write `2GiB`"),
            ("2GB RAM", "write `2GB`"),
            ("2G", "write `2GiB` or `2GB`"),
            ("much", "write a number and a unit, such as `500MB` or `2GiB`"),
            ("-2GiB", "write a number and a unit, such as `500MB` or `2GiB`"),
            ("99999999PiB", "write fewer places after the point, or a smaller unit than PiB"),
            ("0.1B", "write fewer places after the point, or a smaller unit than B"),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap_err().help(), help, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_size_reads_back(bytes: u64) {
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
        }

        #[test]
        fn any_text_is_a_size_or_refused(text in "[0-9.]{0,30}[ A-Za-zµ]{0,4}") {
            if let Ok(size) = text.parse::<ByteSize>() {
                prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            }
        }
    }
}
