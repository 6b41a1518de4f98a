//! Counts per span of time, such as `100/h`.

use std::fmt;
use std::str::FromStr;

use crate::{Duration, ParseError, duration::unit_of_word, line::refuse_hostile, quoted, text_form::text_form};

/// So many of something in a span of time; `250/24h` is not the same as `10/h`, since it allows a burst of 250.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    count: u64,
    per: Duration,
}

impl Rate {
    /// Takes a count and a span; `None` where the span is zero.
    pub fn new(count: u64, per: Duration) -> Option<Self> {
        (per != Duration::ZERO).then_some(Self { count, per })
    }

    /// Returns how many.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Returns the span of time, never zero.
    pub const fn per(self) -> Duration {
        self.per
    }
}

impl FromStr for Rate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const EXAMPLE: &str = "write a count, `/` and a span of time, such as `50/s`, `100/h` or `250/24h`";
        refuse_hostile(text)?;
        let wrong = || {
            let word = without_slash(&text.replacen('/', " ", 1));
            let help = match word {
                Some((count, (1, unit))) => format!("write `{count}/{unit}`"),
                Some((count, (times, unit))) => format!("write `{count}/{times}{unit}`"),
                None => EXAMPLE.to_owned(),
            };
            ParseError::new(format!("{} is not a rate", quoted(text)), help)
        };
        let (count, span) = text.split_once('/').ok_or_else(wrong)?;
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let count = count.parse().map_err(|_| wrong())?;
        let spelled =
            if span.starts_with(|first: char| first.is_ascii_digit()) { span.to_owned() } else { format!("1{span}") };
        let per = spelled.parse().map_err(|_| wrong())?;
        Self::new(count, per)
            .ok_or_else(|| ParseError::new(format!("the rate {} counts over no time", quoted(text)), EXAMPLE))
    }
}

/// Returns the count and the unit of a rate that is written without its slash, as in `100h` or `100 per hour`.
fn without_slash(text: &str) -> Option<(String, (u64, &'static str))> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, rest) = text.split_at_checked(digits).filter(|(count, _)| !count.is_empty())?;
    let rest = rest.trim();
    let word = rest.strip_prefix("per ").or_else(|| rest.strip_prefix("a ")).unwrap_or(rest);
    let short = ["s", "m", "h", "d"].into_iter().find(|unit| *unit == word).map(|unit| (1, unit));
    Some((count.to_owned(), short.or_else(|| unit_of_word(word))?))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.per.to_string();
        let unit = span.strip_prefix('1').filter(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.count, unit.unwrap_or(&span))
    }
}

text_form!(Rate);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_read_and_written() {
        for (text, count, seconds, shown) in [
            ("100/h", 100, 3600, "100/h"),
            ("250/24h", 250, 86_400, "250/d"),
            ("50/s", 50, 1, "50/s"),
            ("0/15m", 0, 900, "0/15m"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count(), rate.per().as_seconds(), rate.to_string().as_str()), (count, seconds, shown));
        }
        assert_eq!("1000/day".parse::<Rate>().unwrap_err().help(), "write `1000/d`");
        assert_eq!("200h".parse::<Rate>().unwrap_err().help(), "write `200/h`");
        assert_eq!("100 per hour".parse::<Rate>().unwrap_err().help(), "write `100/h`");
        assert_eq!("100 / h".parse::<Rate>().unwrap_err().help(), "write `100/h`");
        for text in ["100", "100/", "/h", "100/0s", "-1/h", "+1/h", "1.5/h", "100 /h", "100/hour"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_rate_reads_back(count: u64, per in 1u64..) {
            let rate = Rate::new(count, Duration::from_milliseconds(per)).unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }

        #[test]
        fn any_text_is_a_rate_or_refused(text in ".*") {
            let _ = text.parse::<Rate>();
        }
    }
}
