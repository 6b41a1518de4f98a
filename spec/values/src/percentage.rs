//! Percentages in thousandths, such as `99.9%`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted, text_form::text_form};

/// A percentage with at most three places; it may be above 100, where growth is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u64);

impl Percentage {
    /// All of it.
    pub const WHOLE: Self = Self(100_000);

    /// Returns thousandths of a percent: 80% is 80,000.
    pub const fn as_thousandths(self) -> u64 {
        self.0
    }

    /// Returns this share of an amount, rounded down; what is too large counts as the largest amount.
    pub fn of(self, amount: u64) -> u64 {
        u64::try_from(u128::from(amount) * u128::from(self.0) / 100_000).unwrap_or(u64::MAX)
    }
}

impl FromStr for Percentage {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let thousandths = text.strip_suffix('%').and_then(|number| decimal::read(number, 3));
        thousandths.map(Self).ok_or_else(|| {
            let number = text.trim_end_matches(['%', ' ']).replacen(',', ".", 1);
            let help = match decimal::read(&number, 3) {
                Some(_) => format!("write `{number}%`"),
                None => "write a number with at most three places and `%`, such as `80%` or `99.9%`".to_owned(),
            };
            ParseError::new(format!("{} is not a percentage", quoted(text)), help)
        })
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal::write(self.0, 3, 0))
    }
}

text_form!(Percentage);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_keep_three_places() {
        assert_eq!("99.9%".parse::<Percentage>().unwrap().as_thousandths(), 99_900);
        assert_eq!("80%".parse::<Percentage>().unwrap().of(50), 40);
        assert_eq!("80".parse::<Percentage>().unwrap_err().help(), "write `80%`");
        assert_eq!("80 %".parse::<Percentage>().unwrap_err().help(), "write `80%`");
        assert_eq!("99,5%".parse::<Percentage>().unwrap_err().help(), "write `99.5%`");
        assert!("99.9999%".parse::<Percentage>().is_err());
    }

    proptest! {
        #[test]
        fn every_percentage_reads_back(thousandths: u64) {
            let percentage = Percentage(thousandths);
            prop_assert_eq!(percentage.to_string().parse::<Percentage>().unwrap(), percentage);
        }
    }
}
