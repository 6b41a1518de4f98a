//! How one environment is to be run: the backend's name, doors, accounts to try, secrets, the simulated internet.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use values::{Bandwidth, Duration, HostName, LocalPart, MailAddress, Name};

/// How one environment is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// [`crate::VERSION`].
    pub version: u32,
    /// The environment's name.
    pub environment: Name,
    /// The backend the specification names; the command line may say another.
    pub backend: String,
    /// The environment this one is promoted from.
    pub from: Option<Name>,
    /// The address front doors are opened on.
    pub address: IpAddr,
    /// Added to a service's standard port.
    pub base_port: u16,
    /// The doors to open, in the order they get their ports.
    pub doors: Vec<Door>,
    /// Accounts whose passwords are generated and shown, at most a hundred.
    pub accounts: Vec<Account>,
    /// Where secrets come from.
    pub secrets: Secrets,
    /// The world outside.
    pub internet: Internet,
    /// Whether generated passwords may be printed: everywhere but in production.
    pub show_passwords: bool,
    /// Scenarios that must have passed here before the next environment may take it.
    pub gates: Vec<String>,
    /// When the environment may be thrown away.
    pub expires_after: Option<Duration>,
}

/// A front door: a service of a node that people reach on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The service's name: `mx`, `submission`, `submissions`, `imap`, `imaps`, `pop3`, `pop3s`, `managesieve`, `api`,
    /// `app`, `console`, `webmail`, `dns`, `internet-imap`.
    pub service: String,
    /// `smtp`, `imap`, `pop3`, `https`, `dns`, …
    pub protocol: String,
    /// How TLS is spoken.
    pub tls: crate::platform::Tls,
    /// The node behind it; `internet` for the world outside.
    pub node: Name,
    /// The service's standard port.
    pub port: u16,
}

/// An account to try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// Its address.
    pub address: MailAddress,
    /// What it is.
    pub kind: AccountKind,
}

/// What an account to try is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// An admin of the API and the console.
    Reseller,
    /// A mailbox.
    Mailbox,
    /// The operator's admin.
    Operator,
    /// A mailbox of the simulated internet.
    Internet,
}

/// Where secrets come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secrets {
    /// Made up when first needed and kept with the environment.
    Generate,
    /// Read from an encrypted file, relative to the repository.
    File(String),
    /// Read from variables of the process.
    EnvironmentVariables,
}

/// The world outside the platform, as simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Internet {
    /// Domains that receive and send, sorted by name.
    pub domains: Vec<InternetDomain>,
    /// Senders without a mailbox, sorted by name.
    pub senders: Vec<InternetSender>,
}

/// The selector under which every domain of the simulated internet publishes its signing key.
pub const OUTSIDE_SELECTOR: &str = "mail";

/// The record of that key (RFC 8463): one for all domains, since nobody there has anything to hide.
pub const OUTSIDE_KEY: &str = "v=DKIM1; k=ed25519; p=BKAhAZHyWwRHyy4Rt01X9bflEB9NtURB0gWpyHMLYfM=";

/// What the private key is made from. It is no secret: it only signs for names that exist nowhere.
pub const OUTSIDE_SEED: &[u8; 32] = b"mailwright simulated internet 01";

impl Internet {
    /// Returns the address of a domain's host, or of a sender's: from the range for tests between networks (RFC 2544), in the
    /// order in which they stand here. At most 50,000 of them have one.
    pub fn address_of(&self, domain: &HostName) -> Option<Ipv4Addr> {
        let domains = self.domains.iter().map(|known| &known.name);
        let index = domains.chain(self.senders.iter().map(|known| &known.name)).position(|known| known == domain)?;
        let third = u8::try_from(index / 250).ok().filter(|third| *third < 200)?;
        let last = u8::try_from(index % 250).ok()?.checked_add(1)?;
        Some(Ipv4Addr::new(198, 18, third, last))
    }
}

/// A domain of the simulated internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetDomain {
    /// The domain.
    pub name: HostName,
    /// Local parts of its mailboxes, sorted.
    pub mailboxes: Vec<LocalPart>,
    /// Domains that the platform filters, whose mail its host takes for mailboxes of the same names, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<HostName>,
    /// It defers the first attempt for so long.
    pub greylist_delay: Option<Duration>,
    /// Its DMARC policy.
    pub dmarc: Option<String>,
    /// Added to every answer.
    pub latency: Option<Duration>,
    /// What it takes and gives at most.
    pub bandwidth: Option<Bandwidth>,
    /// Nothing there answers.
    pub unreachable: bool,
}

/// A sender of the simulated internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetSender {
    /// The domain it sends from.
    pub name: HostName,
    /// DNS lists that name it, sorted.
    pub listed_on: Vec<HostName>,
}
