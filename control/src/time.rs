//! Time and chance, which the control plane is given and never takes for itself.

use std::time::Duration;

/// Tells what time it is.
pub trait Clock: Send + Sync + 'static {
    /// Returns milliseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync + 'static> Clock for F {
    fn now(&self) -> u64 {
        self()
    }
}

/// Where salts, tokens and identifiers come from.
pub trait Chance: Send + Sync + 'static {
    /// Fills a buffer with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's source of chance.
#[derive(Clone, Copy, Debug)]
pub struct OsChance;

impl Chance for OsChance {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("an operating system without randomness cannot keep a secret");
    }
}

/// Returns a moment of [`Clock::now`] in whole seconds.
pub(crate) fn seconds(milliseconds: u64) -> i64 {
    i64::try_from(Duration::from_millis(milliseconds).as_secs()).unwrap_or(i64::MAX)
}
