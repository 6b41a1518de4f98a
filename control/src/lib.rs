//! The platform's control plane: the accounts directory, the provisioning API, the console.
//!
//! One code base in every environment. It is given its clock, its chance and its database; it knows no specification and no
//! backend, opens no socket but in [`serve`], and holds nothing that exists only for tests or faults.
//!
//! - [`Directory`]: who exists, what they may use, where their mail goes.
//! - [`router`]: the provisioning API (OMA) as an HTTP service.
//! - [`console`]: the reseller interface as an HTTP service.
//! - [`serve`]: all of it as a program of its own.
//! - [`Mailboxes`]: what it asks of stores, so that nobody gets the mail of who had an address before.

mod answers;
pub mod console;
mod directory;
mod mailboxes;
mod oma;
pub mod password;
mod policy;
pub mod serve;
mod time;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

pub use answers::{
    Autoreply, DefensePolicy, Delivery, DeliveryMailbox, Filtered, Identity, RecipientAnswer, Service, SignInRefusal,
};
pub use directory::{Directory, DirectoryError, Seed, SeedReport, Server, Unmanaged, forget_secrets};
pub use mailboxes::{Mailboxes, Moving, NotMoved};
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
    /// What moves mailboxes out of the way; without it they are left where they are.
    pub mailboxes: Option<Arc<dyn Mailboxes>>,
    pub(crate) sessions: console::Sessions,
    /// Held from the first move of a mailbox to the change of the directory that it was made for.
    pub(crate) moves: tokio::sync::Mutex<()>,
}

impl Control {
    /// Joins a directory and what the caller knows beside it.
    pub fn new(
        directory: Arc<Directory>,
        assets: BrandAssets,
        usage: Option<Arc<dyn Usage>>,
        mailboxes: Option<Arc<dyn Mailboxes>>,
    ) -> Self {
        let (sessions, moves) = (console::Sessions::default(), tokio::sync::Mutex::default());
        Self { directory, assets, usage, mailboxes, sessions, moves }
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
