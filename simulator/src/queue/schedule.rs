//! When a message is tried again, when its sender hears of the delay, and when it is given up.

use super::Route;
use crate::Moment;

/// Milliseconds in a second.
const SECOND: u64 = 1_000;

/// What a queue is told about patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Milliseconds after which a message that still waits goes back to its sender (RFC 5321 §4.5.4.1: 4 to 5 days).
    pub lifetime_milliseconds: u64,
    /// Milliseconds after which the sender is told once that a message is late; `None` tells nobody.
    pub notice_milliseconds: Option<u64>,
}

impl Patience {
    /// Five days, a notice after four hours.
    pub const STANDARD: Self =
        Self { lifetime_milliseconds: 5 * 86_400 * SECOND, notice_milliseconds: Some(4 * 3_600 * SECOND) };
}

/// Returns how long a recipient waits after its `failed`th failed delivery.
///
/// - `failed`: failures so far, counted from 1; zero is a caller's bug and counts as 1.
/// - Returns: simulated milliseconds, never shorter than the wait before. Out to the world 1,800 to 28,800 seconds,
///   between the platform's own hosts 300 to 4,000.
/// - Source: RFC 5321 §4.5.4.1 (at least 30 minutes between attempts); Postfix's `minimal_backoff_time` and
///   `maximal_backoff_time` for the others.
pub fn wait(route: &Route, failed: u32) -> u64 {
    let (first, longest) = match route {
        Route::Remote | Route::Server { .. } => (1_800, 28_800),
        Route::Expand | Route::Mailbox { .. } | Route::Outbound | Route::Filtered { .. } => (300, 4_000),
    };
    let doublings = failed.saturating_sub(1).min(32);
    (first << doublings).min(longest) * SECOND
}

/// Returns whether a message that was accepted then is to be given up now.
pub fn expired(accepted: Moment, now: Moment, patience: &Patience) -> bool {
    now.since(accepted) >= patience.lifetime_milliseconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(route: &Route, expected: &[u64]) {
        for (failed, seconds) in (1..).zip(expected) {
            assert_eq!(wait(route, failed), seconds * 1_000, "after failure {failed}");
        }
    }

    #[test]
    fn the_world_is_tried_again_after_half_an_hour_and_at_most_eight_hours() {
        check(&Route::Remote, &[1_800, 3_600, 7_200, 14_400, 28_800, 28_800, 28_800]);
    }

    #[test]
    fn hosts_of_the_platform_are_tried_again_as_postfix_does() {
        check(&Route::Outbound, &[300, 600, 1_200, 2_400, 4_000, 4_000]);
        check(&Route::Expand, &[300, 600, 1_200, 2_400, 4_000, 4_000]);
    }

    #[test]
    fn no_number_of_failures_is_too_great() {
        assert_eq!(wait(&Route::Remote, u32::MAX), 28_800_000);
        assert_eq!(wait(&Route::Remote, 0), 1_800_000);
    }

    #[test]
    fn a_message_expires_at_its_lifetime_and_not_before() {
        let day = 86_400_000;
        let accepted = Moment(1_000);
        assert!(!expired(accepted, accepted.plus(5 * day - 1), &Patience::STANDARD));
        assert!(expired(accepted, accepted.plus(5 * day), &Patience::STANDARD));
    }
}
