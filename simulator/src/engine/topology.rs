//! The plan of one world: hosts, what they are for, how they are set. It is the simulator's own; a caller makes it from
//! whatever it knows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use values::{HostName, LocalPart, MailAddress, Score};

use crate::defense;
use crate::dns::Zones;
use crate::network::Line;
use crate::queue::Patience;
use crate::signing::Signing;

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes mail from the internet.
    Mx,
    /// Judges messages.
    Defense,
    /// Takes mail from users.
    Submission,
    /// Sends mail to the internet; nobody else does.
    Outbound,
    /// Keeps mailboxes.
    Store,
    /// Lets users in to their mailboxes on the stores.
    Access,
    /// Keeps the mailboxes of the simulated internet and lets them be read.
    Internet,
}

impl Role {
    /// Returns the role's name in logs and on disks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Defense => "defense",
            Self::Submission => "submission",
            Self::Outbound => "outbound",
            Self::Store => "store",
            Self::Access => "access",
            Self::Internet => "internet",
        }
    }

    /// Returns whether the role keeps something on a disk.
    pub fn has_disk(self) -> bool {
        !matches!(self, Self::Defense | Self::Access)
    }

    pub(super) fn has_queue(self) -> bool {
        matches!(self, Self::Mx | Self::Submission | Self::Outbound)
    }
}

/// A host of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in the plan.
    pub name: String,
    /// Its name in the world.
    pub hostname: HostName,
    /// Its address in the world.
    pub address: IpAddr,
    /// Further addresses of the world at which it takes mail: those of what stands in front of it.
    pub fronts: Vec<IpAddr>,
    /// What it is for.
    pub roles: Vec<Role>,
    /// How packets travel to and from it.
    pub line: Line,
}

/// A domain of the simulated internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternetDomain {
    /// Its name.
    pub name: HostName,
    /// Its mailboxes with the passwords they are read with; mail to any other address is refused.
    pub mailboxes: Vec<(LocalPart, String)>,
    /// Domains that the platform filters, whose mail its host takes for mailboxes of the same names.
    pub takes: Vec<HostName>,
    /// Milliseconds for which it puts off a sender it has not seen.
    pub greylist_milliseconds: Option<u64>,
    /// The policy it publishes under DMARC: `none`, `quarantine` or `reject`.
    pub dmarc: Option<String>,
    /// The key it signs with, as it is published: the selector and the record (RFC 6376 §3.6).
    pub dkim: Option<(String, String)>,
    /// How packets travel to and from its host.
    pub line: Line,
    /// Whether its host cannot be reached.
    pub unreachable: bool,
}

/// How mail is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The operator's domain, for notices and for addresses without a domain.
    pub origin: HostName,
    /// Largest message, in bytes.
    pub max_message_bytes: u64,
    /// The last line of what notices tell people: whom to ask.
    pub help: String,
    /// How long a queue tries.
    pub patience: Patience,
    /// What separates a subaddress from the local part it extends.
    pub subaddress_separator: Option<char>,
    /// The domain of rewritten senders of forwarded mail (SRS), and the secret of its signatures.
    pub forwarding: Option<Forwarding>,
}

/// How the senders of forwarded mail are rewritten.
#[derive(Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The domain.
    pub domain: HostName,
    /// The secret.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Forwarding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Forwarding").field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// How messages from outside are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defense {
    /// What is looked at, and what becomes of viruses.
    pub settings: defense::Settings,
    /// Block lists that are asked.
    pub lists: Vec<BlockList>,
    /// Who is put off at first: the score from which, and for how many milliseconds.
    pub greylist: Option<(Score, u64)>,
    /// What becomes of messages while no defense host answers.
    pub unscanned: Unscanned,
}

/// What becomes of messages that nobody has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscanned {
    /// They are put off.
    Defer,
    /// They are refused.
    Refuse,
    /// They pass.
    Pass,
}

impl Defense {
    /// The standard settings, no lists, no greylisting, nothing passes unseen.
    pub const STANDARD: Self =
        Self { settings: defense::Settings::STANDARD, lists: Vec::new(), greylist: None, unscanned: Unscanned::Defer };
}

/// A DNS block list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockList {
    /// Its zone.
    pub zone: HostName,
    /// What being on it scores.
    pub weight: Score,
    /// Sender domains of the simulated internet that are on it.
    pub domains: Vec<HostName>,
}

/// Bounds of what strangers can make the platform hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections from outside at a time.
    pub connections: usize,
    /// Connections from one outside address at a time.
    pub connections_per_peer: usize,
    /// Bytes of messages under reception; above it new ones are refused for now (452 4.3.1).
    pub reception_bytes: usize,
    /// Bytes of messages on their way to the next host; above it no more are begun.
    pub delivery_bytes: usize,
    /// Unsent bytes of a connection above which nothing more is done for it.
    pub unsent_bytes: usize,
    /// Deliveries to one place at a time.
    pub deliveries_per_destination: usize,
}

impl Bounds {
    /// What holds where a caller has no opinion.
    pub const STANDARD: Self = Self {
        connections: 1_000,
        connections_per_peer: 200,
        reception_bytes: 256 << 20,
        delivery_bytes: 256 << 20,
        unsent_bytes: 256 << 10,
        deliveries_per_destination: 20,
    };
}

/// The names that outbound hosts greet other hosts with (RFC 5321 §4.1.1.1), by whose mail it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    /// The names of a domain's pool, in turn.
    pub domains: BTreeMap<HostName, Arc<[HostName]>>,
    /// The names of everybody else's.
    pub others: Arc<[HostName]>,
}

impl Pools {
    /// Returns the name that a message leaves under; `None` where there are no pools.
    ///
    /// - `sender`: the domain of its reverse-path.
    /// - `turn`: which of the pool's names it is.
    pub(super) fn name(&self, sender: Option<&HostName>, turn: u64) -> Option<&HostName> {
        let names = sender.and_then(|domain| self.domains.get(domain)).unwrap_or(&self.others);
        let turn = turn.checked_rem(names.len() as u64)?;
        names.get(usize::try_from(turn).ok()?)
    }
}

/// The plan.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The domains of the simulated internet; they need a host with [`Role::Internet`].
    pub internet: Vec<InternetDomain>,
    /// The platform's own zones; those of the simulated internet and of the block lists are made from the rest of the plan.
    pub zones: Zones,
    /// How messages are judged.
    pub defense: Defense,
    /// How mail is handled.
    pub mail: Mail,
    /// What users send is signed, and what comes from outside is sealed.
    pub signing: Signing,
    /// Under which names mail leaves for the internet.
    pub pools: Pools,
    /// Bounds.
    pub bounds: Bounds,
    /// How journals are kept.
    pub journal: crate::journal::Options,
    /// Whether users may sign in without TLS; for tests.
    pub plaintext_login: bool,
}

impl Topology {
    /// Returns the simulated mailbox of an address.
    /// Returns the address outside under which mail for an address lies: another one where a host takes a domain that is
    /// filtered for it.
    pub(super) fn outside(&self, address: &MailAddress) -> MailAddress {
        let host = self.internet.iter().find(|domain| domain.takes.contains(address.domain()));
        host.map_or_else(|| address.clone(), |host| MailAddress::new(address.local().clone(), host.name.clone()))
    }

    pub(super) fn internet_mailbox(&self, address: &MailAddress) -> Option<&str> {
        let domain = self.internet_domain(address.domain())?;
        let found = domain.mailboxes.iter().find(|(local, _)| local == address.local());
        found.map(|(_, password)| password.as_str())
    }

    pub(super) fn internet_domain(&self, name: &HostName) -> Option<&InternetDomain> {
        self.internet.iter().find(|domain| domain.name == *name)
    }
}
