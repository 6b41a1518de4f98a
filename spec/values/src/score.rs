//! Scores of the defense in thousandths, such as `5.5`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted};

/// A number with at most three places between -1,000,000 and 1,000,000, compared exactly.
///
/// In serialized data it is a number; within its bounds a double holds every score apart, so nothing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(i64);

const MOST: i64 = 1_000_000_000;

impl Score {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Takes thousandths; `None` beyond a million.
    pub const fn from_thousandths(thousandths: i64) -> Option<Self> {
        if thousandths >= -MOST && thousandths <= MOST { Some(Self(thousandths)) } else { None }
    }

    /// Returns thousandths: 5.5 is 5,500.
    pub const fn as_thousandths(self) -> i64 {
        self.0
    }

    /// Adds two scores; what is beyond a million counts as a million.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self((self.0 + other.0).clamp(-MOST, MOST))
    }
}

impl FromStr for Score {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let (sign, number) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        decimal::read(number, 3)
            .and_then(|thousandths| i64::try_from(thousandths).ok())
            .and_then(|thousandths| Self::from_thousandths(sign * thousandths))
            .ok_or_else(|| {
                let pointed = text.replacen(',', ".", 1);
                let help = match pointed != text && pointed.parse::<Self>().is_ok() {
                    true => format!("write `{pointed}`"),
                    false if finer(text).is_some() => format!("write `{}`", finer(text).unwrap_or_default()),
                    false => "write a number between -1000000 and 1000000, such as `5.5`".to_owned(),
                };
                ParseError::new(format!("{} is not a number with at most three places", quoted(text)), help)
            })
    }
}

/// Returns a number with more than three places cut after the third.
fn finer(text: &str) -> Option<&str> {
    let (whole, places) = text.split_once('.')?;
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_finer = places.len() > 3 && all_digits(places) && all_digits(whole.trim_start_matches('-'));
    text.get(..whole.len() + 4).filter(|cut| is_finer && cut.parse::<Score>().is_ok())
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", decimal::write(self.0.unsigned_abs(), 3, 0))
    }
}

impl serde::Serialize for Score {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> serde::Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        // Casting saturates, and the comparison afterwards refuses what was cut, NaN included.
        let thousandths = (number * 1000.0).round() as i64;
        Self::from_thousandths(thousandths)
            .filter(|score| score.0 as f64 / 1000.0 == number)
            .ok_or_else(|| serde::de::Error::custom(format!("{number} is not a number with at most three places")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_keep_three_places() {
        for (text, thousandths, shown) in
            [("5.5", 5500, "5.5"), ("15", 15000, "15"), ("-0.25", -250, "-0.25"), ("8.0", 8000, "8")]
        {
            let score: Score = text.parse().unwrap();
            assert_eq!((score.as_thousandths(), score.to_string().as_str()), (thousandths, shown));
        }
        assert_eq!("15,0".parse::<Score>().unwrap_err().help(), "write `15.0`");
        for text in ["", "1e3", "NaN", "5.5555", "--1", "2000000", "1_000", "."] {
            assert!(text.parse::<Score>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_score_reads_back(thousandths in -MOST..=MOST) {
            let score = Score(thousandths);
            prop_assert_eq!(score.to_string().parse::<Score>().unwrap(), score);
            let number = score.0 as f64 / 1000.0;
            let back = <Score as serde::Deserialize>::deserialize(
                serde::de::value::F64Deserializer::<serde::de::value::Error>::new(number));
            prop_assert_eq!(back.unwrap(), score);
        }
    }
}
