//! Dates as mail writes them (RFC 5322 §3.3), in UTC.

use crate::Moment;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns a moment as a header's date: `Sun, 22 Nov 2026 16:38:41 +0000`.
pub fn text(moment: Moment) -> String {
    let seconds = moment.0 / 1_000;
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let weekday = usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"Thu");
    let name = MONTHS.get(month).unwrap_or(&"Jan");
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day} {name} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Turns days since 1970-01-01 into year, month counted from 0 and day: whole 400-year cycles, then the rest, in years that
/// begin in March so that the leap day comes last.
fn civil(days: u64) -> (u64, usize, u64) {
    let since_march_0000 = days + 719_468;
    let cycle = since_march_0000 / 146_097;
    let day_of_cycle = since_march_0000 % 146_097;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12;
    let year = cycle * 400 + year_of_cycle + u64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_mail_dates() {
        for (seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_795_365_521, "Sun, 22 Nov 2026 16:38:41 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(text(Moment(seconds * 1_000)), expected);
        }
    }

    #[test]
    fn no_moment_is_too_late() {
        text(Moment(u64::MAX));
    }
}
