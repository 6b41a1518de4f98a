//! Spans of time in whole milliseconds, such as `5d`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted, text_form::text_form};

/// A span of time in whole milliseconds; written with one unit of `ms s m h d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

pub(crate) const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Takes milliseconds.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Takes seconds; what is too long counts as the longest span.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Takes days of 24 hours; what is too long counts as the longest span.
    pub const fn from_days(days: u64) -> Self {
        Self(days.saturating_mul(86_400_000))
    }

    /// Returns the milliseconds.
    pub const fn as_milliseconds(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds; what is left of one is dropped.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns the span as the standard library's type.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.to_std()
    }
}

/// Returns how many of which unit a word means that people write for one.
pub(crate) fn unit_of_word(word: &str) -> Option<(u64, &'static str)> {
    match word.trim().to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => Some((1, "s")),
        "min" | "mins" | "minute" | "minutes" => Some((1, "m")),
        "hour" | "hours" | "hr" | "hrs" => Some((1, "h")),
        "day" | "days" => Some((1, "d")),
        "w" | "week" | "weeks" => Some((7, "d")),
        "month" | "months" => Some((30, "d")),
        "y" | "year" | "years" => Some((365, "d")),
        _ => None,
    }
}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const EXAMPLE: &str = "write a whole number and one of ms, s, m, h, d, such as `30s`, `5m` or `5d`";
        refuse_hostile(text)?;
        let (number, unit) = decimal::split_number(text);
        let wrong = || {
            let help = match unit_of_word(text) {
                Some((times, unit)) => format!("write `{times}{unit}`"),
                None => EXAMPLE.to_owned(),
            };
            ParseError::new(format!("{} is not a duration", quoted(text)), help)
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(wrong());
        }
        if unit.is_empty() {
            return Err(ParseError::new(
                format!("the duration {} has no unit", quoted(text)),
                format!("write `{number}s` for seconds, or another unit of ms, m, h, d"),
            ));
        }
        let Some((_, factor)) = UNITS.into_iter().find(|(known, _)| *known == unit) else {
            let trimmed = unit.trim();
            if trimmed != unit && UNITS.into_iter().any(|(known, _)| known == trimmed) {
                return Err(ParseError::new(
                    format!("the duration {} has a blank in it", quoted(text)),
                    format!("write `{number}{trimmed}`"),
                ));
            }
            let help = match (unit_of_word(unit), number.parse::<u64>()) {
                (Some((1, unit)), _) => format!("write `{number}{unit}`"),
                (Some((times, unit)), Ok(count)) => format!("write `{}{unit}`", count.saturating_mul(times)),
                _ => EXAMPLE.to_owned(),
            };
            return Err(ParseError::new(
                format!("the duration {} has an unknown unit {}", quoted(text), quoted(unit)),
                help,
            ));
        };
        if number.contains('.') {
            return Err(ParseError::new(
                format!("the duration {} is not a whole number", quoted(text)),
                "write it in a smaller unit: `90m` and not `1.5h`",
            ));
        }
        number.parse::<u64>().ok().and_then(|count| count.checked_mul(factor)).map(Self).ok_or_else(|| {
            ParseError::new(format!("the duration {} is too long", quoted(text)), "write at most 200000000000d")
        })
    }
}

impl fmt::Display for Duration {
    /// Writes the largest unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            UNITS.into_iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)).unwrap_or(("s", 1_000));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

text_form!(Duration);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, milliseconds, shown) in [
            ("30s", 30_000, "30s"),
            ("5m", 300_000, "5m"),
            ("5d", 432_000_000, "5d"),
            ("800ms", 800, "800ms"),
            ("24h", 86_400_000, "1d"),
            ("0s", 0, "0s"),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!((duration.as_milliseconds(), duration.to_string().as_str()), (milliseconds, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_what_to_write() {
        for (text, help) in [
            ("5", "write `5s` for seconds, or another unit of ms, m, h, d"),
            ("2w", "write `14d`"),
            ("month", "write `30d`"),
            ("5min", "write `5m`"),
            ("1.5h", "write it in a smaller unit: `90m` and not `1.5h`"),
            ("soon", "write a whole number and one of ms, s, m, h, d, such as `30s`, `5m` or `5d`"),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap_err().help(), help, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_reads_back(milliseconds: u64) {
            let duration = Duration::from_milliseconds(milliseconds);
            prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }

        #[test]
        fn any_text_is_a_duration_or_refused(text in "[0-9.]{0,25}[ a-z]{0,3}") {
            let _ = text.parse::<Duration>();
        }
    }
}
