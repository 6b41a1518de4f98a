//! How much addresses send that nobody knows yet: little on their first day, and each day more.

/// Messages, counted by recipients, that an address sends on its first day.
pub const FIRST_DAY: u64 = 50;

/// How often that doubles up to the last day: a thousandfold.
const DOUBLINGS: u64 = 10;

/// Returns how much an address may send on a day; `None` once it is warm.
///
/// - `day`: counted from 1, the first one that it is used on.
/// - `days`: how long it is warmed up, at least 1.
/// - Returns: recipients; never less than on the day before. Whole numbers alone make it, so that it is the same everywhere.
pub fn allowance(day: u64, days: u64) -> Option<u64> {
    if day > days {
        return None;
    }
    let steps = days.saturating_sub(1).max(1);
    let doublings = day.saturating_sub(1).saturating_mul(DOUBLINGS);
    // Between two doublings it grows by the same number each day.
    let (whole, rest) = (doublings.checked_div(steps)?, doublings.checked_rem(steps)?);
    let base = FIRST_DAY << whole.min(DOUBLINGS);
    base.saturating_mul(steps.saturating_add(rest)).checked_div(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_small_and_ends_a_thousandfold() {
        let all: Vec<u64> = (1..=30).filter_map(|day| allowance(day, 30)).collect();
        assert_eq!(all.len(), 30);
        assert_eq!(all[..4], [50, 67, 84, 103]);
        assert_eq!((all[29], allowance(31, 30)), (51_200, None));
        assert!(all.windows(2).all(|pair| pair[0] < pair[1] && pair[1] < pair[0] * 2));
    }

    #[test]
    fn it_never_shrinks_however_long_it_takes() {
        for days in [1, 2, 3, 7, 10, 11, 90, 400, 100_000] {
            let all: Vec<u64> =
                (1..=days).step_by(if days > 1000 { 97 } else { 1 }).filter_map(|day| allowance(day, days)).collect();
            assert_eq!(all.first(), Some(&FIRST_DAY), "{days}");
            assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "{days}");
            assert_eq!(allowance(days + 1, days), None);
        }
    }
}
