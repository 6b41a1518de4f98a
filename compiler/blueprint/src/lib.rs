//! The treaty between the compiler and everything downstream: plain data, versioned and byte-stable.
//!
//! A [`Blueprint`] says what runs where, a [`Roster`] who uses it, a [`Launch`] how one environment is to be run, a
//! [`Bundle`] the bytes of every file. Nothing here knows texts, spans or backends.

pub mod bundle;
pub mod changes;
pub mod diff;
pub mod dns;
pub mod effective;
mod impact;
pub mod launch;
pub mod ledger;
pub mod lock;
pub mod noted;
pub mod offices;
pub mod platform;
pub mod proof;
pub mod rename;
pub mod roster;
pub mod scenario;
pub mod secret;
pub mod serve;
pub mod shard;
pub mod warm_up;

pub use bundle::{Bundle, Check, File, Piece, Process, Tree};
pub use changes::Changes;
pub use diff::{Revision, diff};
pub use effective::{EffectiveMailbox, effective_mailbox};
pub use impact::quotas_below_use;
pub use launch::Launch;
pub use ledger::Ledger;
pub use lock::{Lock, PinnedReseller};
pub use noted::Noted;
pub use platform::{Blueprint, Host, Node, Role};
pub use proof::Claim;
pub use rename::Rename;
pub use roster::Roster;
pub use scenario::Scenario;
pub use shard::first_store;

/// The version of every document of this crate; a reader refuses any other.
pub const VERSION: u32 = 1;
