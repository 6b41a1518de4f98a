//! Windows of time in each week, such as `Sun 02:00-04:00 America/Toronto`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, TimeZone, line::refuse_hostile, quoted, text_form::text_form};

/// A window of time that comes back each week; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WeeklyWindow {
    day: u8,
    begin: u16,
    end: u16,
    zone: TimeZone,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl WeeklyWindow {
    /// Returns the day on which it begins: 1 for Monday to 7 for Sunday (ISO 8601).
    pub const fn day(&self) -> u8 {
        self.day
    }

    /// Returns the beginning in minutes after midnight.
    pub const fn begin_minute(&self) -> u16 {
        self.begin
    }

    /// Returns the end in minutes after midnight, 1,440 for the end of the day.
    pub const fn end_minute(&self) -> u16 {
        self.end
    }

    /// Returns the zone whose clocks are meant.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 || !hour.bytes().chain(minute.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

impl FromStr for WeeklyWindow {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let wrong = || {
            let help = match respelt(text) {
                Some(help) => help,
                None => "write a day, two times and a time zone, such as `Sun 02:00-04:00 America/Toronto`".to_owned(),
            };
            ParseError::new(format!("{} is not a window of a week", quoted(text)), help)
        };
        let parts: Vec<&str> = text.split(' ').collect();
        let [day, times, zone] = parts.as_slice() else { return Err(wrong()) };
        let day = (1..).zip(DAYS).find(|(_, name)| name == day).map(|(day, _)| day).ok_or_else(wrong)?;
        let (begin, end) = times.split_once('-').ok_or_else(wrong)?;
        let (begin, end) = (minute(begin).ok_or_else(wrong)?, minute(end).ok_or_else(wrong)?);
        if begin == end || begin == 1440 {
            return Err(ParseError::new(
                format!("the window {} has no length", quoted(text)),
                "write an end that differs from the beginning",
            ));
        }
        Ok(Self { day, begin, end, zone: zone.parse().map_err(|error| in_window(&error, text, zone))? })
    }
}

/// Says which window is meant where its day is spelled out or its times lack a digit.
fn respelt(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [day, times, zone] = parts.as_slice() else { return None };
    let day = day.trim_end_matches(',').to_ascii_lowercase();
    let is_day = |name: &&str| day.len() >= 2 && day.starts_with(&name.to_ascii_lowercase());
    let day = DAYS.into_iter().find(is_day)?;
    let padded = |time: &str| if time.find([':', '.']) == Some(1) { format!("0{time}") } else { time.to_owned() };
    let (begin, end) = times.split_once(['-', '–'])?;
    let spelled = format!("{day} {}-{} {zone}", padded(begin).replace('.', ":"), padded(end).replace('.', ":"));
    let window = (spelled != text).then(|| spelled.parse::<WeeklyWindow>())?;
    Some(match window {
        Ok(window) => format!("write `{window}`"),
        Err(error) => error.help().to_owned(),
    })
}

/// Says of a window what is wrong with its zone.
fn in_window(error: &ParseError, text: &str, zone: &str) -> ParseError {
    let meant = error.help().strip_prefix("write `").and_then(|help| help.strip_suffix('`'));
    let help = match meant.filter(|meant| !meant.contains('`')).zip(text.strip_suffix(zone)) {
        Some((meant, front)) => format!("write `{front}{meant}`"),
        None => error.help().to_owned(),
    };
    ParseError::new(error.message().to_owned(), help)
}

impl fmt::Display for WeeklyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.get(usize::from(self.day) - 1).copied().unwrap_or_default();
        let (begin, end) = (self.begin, self.end);
        write!(f, "{day} {:02}:{:02}-{:02}:{:02} {}", begin / 60, begin % 60, end / 60, end % 60, self.zone)
    }
}

text_form!(WeeklyWindow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_back() {
        for text in ["Sun 02:00-04:00 America/Toronto", "Mon 23:30-01:00 UTC", "Fri 00:00-24:00 UTC"] {
            assert_eq!(text.parse::<WeeklyWindow>().unwrap().to_string(), text);
        }
        for (text, help) in [
            ("Sunday 02:00-04:00 UTC", "write `Sun 02:00-04:00 UTC`"),
            ("sun 2:00-4:00 UTC", "write `Sun 02:00-04:00 UTC`"),
            ("Sunday 2:00-4:00 America/Tornto", "write `Sun 02:00-04:00 America/Toronto`"),
            ("Tue 03:00-05:00 Europe/Roma", "write `Tue 03:00-05:00 Europe/Rome`"),
        ] {
            assert_eq!(text.parse::<WeeklyWindow>().unwrap_err().help(), help);
        }
        for text in [
            "",
            "Sunday 02:00-04:00 UTC",
            "Sun 2:00-4:00 UTC",
            "Sun 02:00-02:00 UTC",
            "Sun 02:00-25:00 UTC",
            "Sun 02:00-04:00",
        ] {
            assert!(text.parse::<WeeklyWindow>().is_err(), "{text}");
        }
    }
}
