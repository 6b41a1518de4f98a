//! Dates as IMAP and mail headers write them; days and seconds since 1970.

use crate::store::InternalDate;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar; `None` when there is no such date.
fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day == 0 || day > length || !(0..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn date_of(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + years + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

fn month_of(name: &str) -> Option<u32> {
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    u32::try_from(at + 1).ok()
}

/// Reads RFC 3501's `date-text`, such as `1-Feb-2026`, as days since 1970.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || day.len() > 2 || year.len() != 4 {
        return None;
    }
    days_of(number(year)?, month_of(month)?, u32::try_from(number(day)?).ok()?)
}

/// Reads RFC 3501's `date-time` without its quotes, such as ` 1-Feb-2026 09:05:00 +0100`.
pub(super) fn parse_date_time(text: &str) -> Option<InternalDate> {
    let mut parts = text.trim_start_matches(' ').split(' ');
    let days = parse_date(parts.next()?)?;
    let mut clock = parts.next()?.split(':');
    let (hours, minutes, seconds) = (number(clock.next()?)?, number(clock.next()?)?, number(clock.next()?)?);
    if clock.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let offset = parse_zone(parts.next()?)?;
    if parts.next().is_some() {
        return None;
    }
    let local = days * 86_400 + hours * 3600 + minutes * 60 + seconds;
    Some(InternalDate { seconds: local - i64::from(offset) * 60, offset_minutes: offset })
}

/// Reads `+hhmm` as minutes east of UTC.
fn parse_zone(text: &str) -> Option<i16> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes) = (number(digits.get(..2)?)?, number(digits.get(2..)?)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    i16::try_from(sign * (hours * 60 + minutes)).ok()
}

fn number(digits: &str) -> Option<i64> {
    (!digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Writes a date as INTERNALDATE shows it, with its quotes.
pub(super) fn write_date_time(date: InternalDate) -> String {
    let local = date.seconds + i64::from(date.offset_minutes) * 60;
    let (year, month, day) = date_of(local.div_euclid(86_400));
    let clock = local.rem_euclid(86_400);
    let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
    let sign = if date.offset_minutes < 0 { '-' } else { '+' };
    let zone = date.offset_minutes.unsigned_abs();
    let month = MONTHS.get(month - 1).copied().unwrap_or_default();
    format!(
        "\"{day:02}-{month}-{year:04} {hours:02}:{minutes:02}:{seconds:02} {sign}{:02}{:02}\"",
        zone / 60,
        zone % 60
    )
}

/// Returns the day a message arrived on, in the zone it was told in, as days since 1970.
pub(super) fn local_day(date: InternalDate) -> i64 {
    (date.seconds + i64::from(date.offset_minutes) * 60).div_euclid(86_400)
}

/// Reads a `Date:` header (RFC 5322 §3.3, obsolete forms included) as a moment with its zone.
pub(super) fn parse_header_date(text: &str) -> Option<InternalDate> {
    let text = without_comments(text);
    let text = text.rsplit_once(',').map_or(text.as_str(), |(_, date)| date);
    let mut parts = text.split_ascii_whitespace().peekable();
    // An obsolete date may have a weekday without its comma.
    if parts.peek()?.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        parts.next();
    }
    let (day, month) = (number(parts.next()?)?, month_of(parts.next()?)?);
    let year_digits = parts.next()?;
    let year = match (year_digits.len(), number(year_digits)?) {
        (2, year) if year < 50 => 2000 + year,
        (2 | 3, year) => 1900 + year,
        (_, year) => year,
    };
    let mut clock = parts.next().unwrap_or("0:0").split(':');
    let (hours, minutes) = (number(clock.next()?)?, number(clock.next().unwrap_or("0"))?);
    let seconds = number(clock.next().unwrap_or("0"))?;
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let zone = parts.next().unwrap_or("+0000");
    let offset_minutes = parse_zone(zone).unwrap_or_else(|| match zone.to_ascii_uppercase().as_str() {
        "EDT" => -240,
        "EST" | "CDT" => -300,
        "CST" | "MDT" => -360,
        "MST" | "PDT" => -420,
        "PST" => -480,
        _ => 0,
    });
    let days = days_of(year, month, u32::try_from(day).ok()?)?;
    let local = days * 86_400 + hours * 3600 + minutes * 60 + seconds;
    Some(InternalDate { seconds: local - i64::from(offset_minutes) * 60, offset_minutes })
}

fn without_comments(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(parse_date("1-Jan-1970"), Some(0));
        assert_eq!(parse_date("29-Feb-2000"), Some(11_016));
        assert_eq!(parse_date("29-Feb-1900"), None);
        assert_eq!(parse_date("31-apr-2026"), None);
        assert_eq!(parse_date("01-DEC-2026"), Some(20_788));
        assert_eq!(parse_date("1-Jan-26"), None);
    }

    #[test]
    fn a_date_is_shown_in_the_zone_it_was_told_in() {
        let date = parse_date_time(" 1-Feb-2026 00:05:09 +0130").expect("a date");
        assert_eq!(write_date_time(date), "\"01-Feb-2026 00:05:09 +0130\"");
        assert_eq!(date.seconds, 1_769_898_909);
        assert_eq!(local_day(date), parse_date("1-Feb-2026").expect("a date"));
        for bad in ["1-Feb-2026", "1-Feb-2026 24:00:00 +0000", "1-Feb-2026 00:00:00", "1-Feb-2026 00:00:00 +2460"] {
            assert_eq!(parse_date_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn header_dates_old_and_new_are_read() {
        let expected = parse_date_time("21-Nov-1997 09:55:06 -0600");
        assert_eq!(parse_header_date("Fri, 21 Nov 1997 09:55:06 -0600 (CST)"), expected);
        assert_eq!(parse_header_date("21 Nov 97 09:55:06 CST"), expected);
        assert_eq!(parse_header_date("Fri 21 Nov 1997 09:55:06 -0600"), expected);
        assert_eq!(parse_header_date("tomorrow"), None);
    }

    proptest! {
        #[test]
        fn every_moment_is_written_as_it_is_read(seconds in -60_000_000_000_i64..250_000_000_000, offset in -1439_i16..1440) {
            let date = InternalDate { seconds, offset_minutes: offset };
            let text = write_date_time(date);
            prop_assert_eq!(parse_date_time(text.trim_matches('"')), Some(date));
        }

        #[test]
        fn foreign_text_never_panics(text in "\\PC{0,40}") {
            let _ = (parse_date(&text), parse_date_time(&text), parse_header_date(&text));
        }
    }
}
