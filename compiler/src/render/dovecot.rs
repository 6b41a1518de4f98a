//! Dovecot: the stores that keep mail, and the access nodes that send each user to the right store.
//!
//! Two dialects: 2.3.19 of bookworm and 2.4.1 of trixie, which refuses the files of the other. What both mean alike is
//! said once, with its name in each.

pub mod access;
pub mod base;
pub mod conf;
pub mod directory;
pub mod filing;
pub mod settings;
pub mod sieve;
pub mod store;
pub mod ways;

use blueprint::Blueprint;

/// The version of Dovecot that files are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 2.3.19 with Pigeonhole 0.5.19, as bookworm ships them.
    V2_3,
    /// 2.4.1, as trixie ships it.
    V2_4,
}

impl Version {
    /// Returns the version that a platform's distribution ships.
    pub fn of(blueprint: &Blueprint) -> Self {
        match blueprint.release.distribution.as_str() {
            "trixie" => Self::V2_4,
            _ => Self::V2_3,
        }
    }

    /// Returns one of two spellings.
    pub fn pick<T>(self, older: T, newer: T) -> T {
        match self {
            Self::V2_3 => older,
            Self::V2_4 => newer,
        }
    }
}
