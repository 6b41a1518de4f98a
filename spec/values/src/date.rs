//! Calendar days, such as `2026-12-01`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_hostile, quoted, text_form::text_form};

/// A day of the Gregorian calendar, from year 1 to year 9999, without a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// Takes year, month and day, the latter two counted from 1; `None` where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        let day = jiff::civil::Date::new(year as i16, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Self(day))
    }

    /// Returns the year.
    pub fn year(self) -> u16 {
        self.0.year().unsigned_abs()
    }

    /// Returns the month, from 1.
    pub fn month(self) -> u8 {
        self.0.month().unsigned_abs()
    }

    /// Returns the day of the month, from 1.
    pub fn day(self) -> u8 {
        self.0.day().unsigned_abs()
    }

    /// Returns the days since 1970-01-01, negative before it.
    pub fn days_since_epoch(self) -> i64 {
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        i64::from(self.0.since(epoch).map_or(0, |span| span.get_days()))
    }
}

impl FromStr for Date {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let parts: Vec<&str> = text.split('-').collect();
        let digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let ([year, month, day], true) = (parts.as_slice(), digits) else {
            return Err(ParseError::new(format!("{} is not a date", quoted(text)), rearranged(text)));
        };
        if year.len() != 4 || month.len() != 2 || day.len() != 2 {
            return Err(ParseError::new(format!("{} is not a date", quoted(text)), rearranged(text)));
        }
        let numbers = (year.parse().ok(), month.parse().ok(), day.parse().ok());
        if let (Some(year), Some(month), Some(day)) = numbers
            && let Some(date) = Self::new(year, month, day)
        {
            return Ok(date);
        }
        Err(ParseError::new(
            format!("there is no day {}", quoted(text)),
            "write a day that the calendar has, such as `2026-12-01`",
        ))
    }
}

/// Says how a day is written that is spelled as other people do, where there is no doubt which one is meant.
fn rearranged(text: &str) -> String {
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['-', '.', '/']).collect();
    let numbers: Option<Vec<u16>> = parts.iter().map(|part| part.parse().ok()).collect();
    let date = match (parts.as_slice(), numbers.as_deref()) {
        ([year, ..], Some(&[y, m, d])) if year.len() == 4 => Some((y, m, d)),
        // Which of the two is the month is certain only with points between them, or where one of them can be none.
        ([_, _, year], Some(&[d, m, y])) if year.len() == 4 && (day.contains('.') || d > 12) => Some((y, m, d)),
        ([_, _, year], Some(&[m, d, y])) if year.len() == 4 && d > 12 => Some((y, m, d)),
        _ => None,
    };
    let date = date.and_then(|(y, m, d)| Date::new(y, u8::try_from(m).ok()?, u8::try_from(d).ok()?));
    match date {
        Some(date) => format!("write `{date}`"),
        None => "write four digits of the year, two of the month and two of the day, such as `2026-12-01`".to_owned(),
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year(), self.month(), self.day())
    }
}

text_form!(Date);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        let date: Date = "2028-02-29".parse().unwrap();
        assert_eq!((date.year(), date.month(), date.day(), date.to_string().as_str()), (2028, 2, 29, "2028-02-29"));
        assert_eq!("1970-01-02".parse::<Date>().unwrap().days_since_epoch(), 1);
        assert_eq!("2026-12-01".parse::<Date>().unwrap().days_since_epoch(), 20_788);
        for (text, help) in [
            ("01.03.2026", "write `2026-03-01`"),
            ("2026/12/1", "write `2026-12-01`"),
            ("12/31/2026", "write `2026-12-31`"),
            ("2026-12-01T00:00", "write `2026-12-01`"),
        ] {
            assert_eq!(text.parse::<Date>().unwrap_err().help(), help);
        }
        assert!(!"01/02/2026".parse::<Date>().unwrap_err().help().contains("2026-0"));
        for text in ["2027-02-29", "2026-13-01", "2026-1-1", "01-12-2026", "2026-12-01T00:00", "", "0000-01-01"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_date_reads_back(year in 1u16..=9999, month in 1u8..=12, day in 1u8..=28) {
            let date = Date::new(year, month, day).unwrap();
            prop_assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        }

        #[test]
        fn any_text_is_a_date_or_refused(text in "[0-9-]{0,12}") {
            let _ = text.parse::<Date>();
        }
    }
}
