//! The platform's control plane: the accounts directory, the provisioning API, the console.
//!
//! One code base in every environment. It is given its clock, its chance and its database file; it opens no socket, knows
//! no specification and no backend, and holds nothing that exists only for tests or faults.
//!
//! - [`Directory`]: who exists, what they may use, where their mail goes.
//! - [`router`]: the provisioning API (OMA) as an HTTP service.
//! - [`console`]: the reseller interface as an HTTP service.

mod answers;
pub mod console;
mod directory;
mod oma;
mod password;
mod time;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

pub use answers::{
    Autoreply, DefensePolicy, Delivery, DeliveryMailbox, Identity, RecipientAnswer, Service, SignInRefusal,
};
pub use directory::{Directory, DirectoryError, Seed, SeedReport};
pub use oma::router;
pub use time::{Chance, Clock, OsChance};

/// Brand files as bytes, by the keys that brands name them by (`RESELLER/BRAND/NAME`).
pub type BrandAssets = BTreeMap<String, Vec<u8>>;

/// What the API and the console work on.
pub struct Control {
    /// The directory.
    pub directory: Arc<Directory>,
    /// Files of the brands.
    pub assets: BrandAssets,
    /// What mailboxes hold, when that can be asked.
    pub usage: Option<Arc<dyn Usage>>,
    pub(crate) sessions: console::Sessions,
}

impl Control {
    /// Joins a directory and what the caller knows beside it.
    pub fn new(directory: Arc<Directory>, assets: BrandAssets, usage: Option<Arc<dyn Usage>>) -> Self {
        Self { directory, assets, usage, sessions: console::Sessions::default() }
    }
}

/// What a mailbox holds; its store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxUse {
    /// Bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// Asked for what mailboxes hold.
pub trait Usage: Send + Sync + 'static {
    /// Returns what a mailbox holds; `None` where that is not known.
    fn of(&self, mailbox: &MailAddress) -> Option<MailboxUse>;
}

/// Where an HTTP request comes from; whoever accepts the connection puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Remote(pub IpAddr);
