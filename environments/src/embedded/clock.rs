//! The platform's clock: the machine's own, and what was added to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use simulator::Moment;

/// A clock that can be moved forward; its copies move with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    ahead_milliseconds: Arc<AtomicU64>,
}

impl Clock {
    /// Returns the time in milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> u64 {
        let real = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        real.saturating_add(self.ahead_milliseconds.load(Ordering::Relaxed))
    }

    /// Returns the time as the engine wants it.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.milliseconds())
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_milliseconds.fetch_add(by, Ordering::Relaxed);
    }
}
