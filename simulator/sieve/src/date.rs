//! Dates of messages and of the day (RFC 5260).

/// A moment with the zone it was told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) seconds: i64,
    /// Minutes east of UTC.
    pub(crate) zone: i32,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Reads a zone such as `+0200`, in minutes.
pub(crate) fn zone(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    (number % 100 < 60).then_some(sign * (number / 100 * 60 + number % 100))
}

/// Returns the days since 1970-01-01 of a date.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl Date {
    /// Reads a date as fields have it (RFC 5322 §3.3), with comments, two-digit years and zone names of old.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // A comment may follow.
        let text = text.split('(').next().unwrap_or_default();
        let text = text.split_once(',').map_or(text, |(_, rest)| rest);
        let mut words = text.split_ascii_whitespace();
        let day: i64 = words.next()?.parse().ok()?;
        let name = words.next()?;
        let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
        let year_text = words.next()?;
        let year: i64 = year_text.parse().ok()?;
        let year = match (year_text.len(), year) {
            (2, 0..=49) => year + 2000,
            (2 | 3, _) => year + 1900,
            _ => year,
        };
        let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
        let (hour, minute) = (clock.next()??, clock.next()??);
        let second = clock.next().unwrap_or(Some(0))?;
        let zone_text = words.next().unwrap_or("+0000");
        let zone = zone(zone_text).unwrap_or_else(|| named_zone(zone_text));
        let fits = (1..=31).contains(&day)
            && (0..=9999).contains(&year)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        if !fits {
            return None;
        }
        let days = days_from_civil(year, i64::try_from(month).ok()? + 1, day);
        let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { seconds: local - i64::from(zone) * 60, zone })
    }

    /// Returns one part of it, as text.
    pub(crate) fn part(self, name: &str) -> Option<String> {
        let local = self.seconds + i64::from(self.zone) * 60;
        let days = local.div_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        let clock = local.rem_euclid(86_400);
        let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
        let weekday = (days + 4).rem_euclid(7);
        let (sign, offset) = (if self.zone < 0 { '-' } else { '+' }, self.zone.abs());
        let (zone_hour, zone_minute) = (offset / 60, offset % 60);
        Some(match name.to_ascii_lowercase().as_str() {
            "year" => format!("{year:04}"),
            "month" => format!("{month:02}"),
            "day" => format!("{day:02}"),
            "date" => format!("{year:04}-{month:02}-{day:02}"),
            // The modified Julian day.
            "julian" => (days + 40_587).to_string(),
            "hour" => format!("{hour:02}"),
            "minute" => format!("{minute:02}"),
            "second" => format!("{second:02}"),
            "time" => format!("{hour:02}:{minute:02}:{second:02}"),
            "iso8601" => {
                let zone = match offset {
                    0 => "Z".to_owned(),
                    _ => format!("{sign}{zone_hour:02}:{zone_minute:02}"),
                };
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
            }
            "std11" => {
                let weekday = usize::try_from(weekday).ok().and_then(|day| DAYS.get(day))?;
                let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month))?;
                format!(
                    "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{zone_hour:02}{zone_minute:02}"
                )
            }
            "zone" => format!("{sign}{zone_hour:02}{zone_minute:02}"),
            "weekday" => weekday.to_string(),
            _ => return None,
        })
    }
}

fn named_zone(name: &str) -> i32 {
    match name.to_ascii_uppercase().as_str() {
        "EST" => -300,
        "EDT" => -240,
        "CST" => -360,
        "CDT" => -300,
        "MST" => -420,
        "MDT" => -360,
        "PST" => -480,
        "PDT" => -420,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_told_in_all_its_parts() {
        let date = Date::parse("Fri, 21 Nov 1997 09:55:06 -0600 (CST)").unwrap();
        for (part, expected) in [
            ("year", "1997"),
            ("month", "11"),
            ("day", "21"),
            ("date", "1997-11-21"),
            ("julian", "50773"),
            ("hour", "09"),
            ("time", "09:55:06"),
            ("iso8601", "1997-11-21T09:55:06-06:00"),
            ("std11", "Fri, 21 Nov 1997 09:55:06 -0600"),
            ("zone", "-0600"),
            ("weekday", "5"),
        ] {
            assert_eq!(date.part(part).as_deref(), Some(expected), "{part}");
        }
        assert_eq!(Date { zone: 0, ..date }.part("hour").as_deref(), Some("15"));
        assert_eq!(Date::parse("1 Jan 70 00:00 GMT"), Some(Date { seconds: 0, zone: 0 }));
        assert_eq!(Date::parse("yesterday"), None);
    }
}
