//! The names of a platform and of its customers as they would be published: one pure function gives every zone.
//!
//! Whoever answers for names goes by it: the zone files of real servers, the change lists for outside providers, and the
//! backend that has its servers in its own process. [`hosts`] says which names people and the world connect to, [`policy`] what
//! a domain says about its mail.

pub mod hosts;
pub mod policy;
mod zones;

use std::net::IpAddr;

use values::HostName;

use crate::platform::SecretReference;
pub use zones::zones;

/// What depends on when zones are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    /// The serial number of all zones (RFC 1982).
    pub serial: u32,
    /// How often signing keys were changed, counted from 1.
    pub generation: u32,
}

impl Edition {
    /// The first one.
    pub const FIRST: Self = Self { serial: 1, generation: 1 };
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name: A-labels in lower case, without the dot at the end.
    pub name: String,
    /// Who answers for it.
    pub held: Held,
    /// Seconds an answer may be kept.
    pub ttl: u32,
    /// The server it is written on, and the mailbox of who is responsible as a name, dots in its local part escaped.
    pub authority: (HostName, String),
    /// Its records, sorted by name, parents before children, without its start of authority.
    pub records: Vec<Record>,
}

/// Who answers for a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// The platform, whatever lies outside.
    Platform,
    /// Somebody outside; the platform answers only where the outside is simulated.
    Elsewhere,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Its owner: an absolute name as [`Zone::name`], with labels that may begin with `_`.
    pub name: String,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// A server of the zone (`NS`).
    Server(HostName),
    /// An address (`A`, `AAAA`).
    Address(IpAddr),
    /// Another name for a name (`CNAME`).
    Alias(String),
    /// A host that takes mail (`MX`); the lowest preference is tried first.
    Exchanger(u16, HostName),
    /// A service's host and port (`SRV`, RFC 2782).
    Service {
        /// The lowest is tried first.
        priority: u16,
        /// The port.
        port: u16,
        /// The host.
        host: HostName,
    },
    /// Text (`TXT`).
    Text(String),
    /// The public half of a signing key (`TXT`, RFC 6376 §3.6.1), which only environments know.
    SigningKey(SecretReference),
    /// The digests of a server's keys, of this one and those around it (`TLSA 3 1 1`, RFC 7672 §3.1.1), which only environments know.
    ServerKeys(SecretReference),
    /// The name of an address (`PTR`).
    Pointer(HostName),
    /// Who may issue certificates (`CAA`, RFC 8659): a property's tag and its value.
    Certification(&'static str, String),
}
