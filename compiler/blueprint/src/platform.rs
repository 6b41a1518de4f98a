//! The Blueprint: nodes, the hosts they sit on, addresses, services and the settings that every daemon is made from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use values::{ByteSize, Duration, HostName, MailAddress, Name, Network, Rate, Score};

use crate::noted::Noted;
use crate::rename::Rename;

/// What production's kernels are told beside their console: whatever vouches for an image boots it with these words.
pub const COMMAND_LINE: &str = "quiet loglevel=3 net.ifnames=0 mailwright.lane=stock";

/// Every choice made about one platform in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// [`crate::VERSION`].
    pub version: u32,
    /// The platform's name.
    pub platform: Name,
    /// The environment's name.
    pub environment: Name,
    /// Who runs it.
    pub operator: Operator,
    /// The operator's own host names live below it, the environment's suffix included.
    pub service_domain: HostName,
    /// The software set.
    pub release: Release,
    /// Sites, sorted by name.
    pub sites: Vec<Site>,
    /// Hosts, sorted by name.
    pub hosts: Vec<Host>,
    /// Nodes, sorted by name.
    pub nodes: Vec<Node>,
    /// What the defense does.
    pub defense: Defense,
    /// What holds for all mail.
    pub mail: Mail,
    /// Pools of source addresses, sorted by name.
    pub outbound: Vec<OutboundPool>,
    /// Who answers for which names.
    #[serde(default)]
    pub dns: Dns,
    /// What lies outside the platform.
    #[serde(default)]
    pub world: World,
    /// How long things are kept.
    pub retention: Retention,
    /// What is copied where.
    #[serde(default, skip_serializing_if = "Backup::is_nothing")]
    pub backup: Backup,
    /// When somebody is to be called, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// Secrets that a node needs, by reference, sorted.
    pub secrets: Vec<SecretReference>,
    /// Names that sites, hosts, clusters, nodes and pools had before, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renames: Vec<Rename>,
    /// What was agreed on and is in no file, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noted: Vec<Noted>,
}

/// Who runs the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The company's name as people write it.
    pub name: String,
    /// Where mail for the postmaster goes.
    pub postmaster: MailAddress,
    /// Where complaints go.
    pub abuse: MailAddress,
}

impl Operator {
    /// Returns the last line of what notices tell people: whom to ask.
    pub fn help(&self) -> String {
        format!("For help, write to {} at {}.", self.name, self.postmaster)
    }
}

/// The software set: a release of the platform on a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The operator's name for it, such as `2026.11`.
    pub name: String,
    /// The distribution's code name, such as `bookworm`.
    pub distribution: String,
}

/// A place with networks and hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The site's name.
    pub name: Name,
    /// Networks the nodes are addressed from.
    pub networks: Vec<Network>,
    /// Networks the world sees.
    pub fronts: Vec<Network>,
    /// Storage that state disks can lie on, sorted by name.
    #[serde(default)]
    pub storages: Vec<Storage>,
}

/// Storage of a site, beside the disks of its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The storage's name.
    pub name: Name,
    /// What it holds.
    pub size: ByteSize,
    /// Whether every host of the site reaches it, so that a node on it can move.
    pub shared: bool,
}

/// A machine that nodes are placed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The host's name, such as `x4600-1`.
    pub name: Name,
    /// The site it stands in.
    pub site: Name,
    /// `xen`, `qemu`, …, as the specification says.
    pub hypervisor: String,
    /// Processor cores.
    pub cores: u32,
    /// Memory.
    pub memory: ByteSize,
    /// Disk.
    pub disk: ByteSize,
}

/// What a node is for; one role a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// HAProxy and keepalived: the front addresses.
    Balancer,
    /// Postfix: takes mail from the internet.
    Mx,
    /// Rspamd and ClamAV: Email Defense.
    Defense,
    /// Redis: what all defense nodes share.
    Cache,
    /// Postfix with Dovecot SASL: takes mail from users.
    Submission,
    /// Postfix: the only way out.
    Outbound,
    /// Dovecot: holds mailboxes.
    Store,
    /// Dovecot proxy: sends each user to the right store.
    Access,
    /// nginx and Roundcube: webmail and pages.
    Web,
    /// The provisioning API and the console.
    Control,
    /// PostgreSQL: accounts, domains, tiers.
    Directory,
    /// Radicale.
    Calendar,
    /// Knot and Unbound.
    Dns,
    /// Prometheus.
    Monitor,
}

impl Role {
    /// Every role, in the order of mail's way through the platform.
    pub const ALL: [Self; 14] = [
        Self::Balancer,
        Self::Mx,
        Self::Defense,
        Self::Cache,
        Self::Submission,
        Self::Outbound,
        Self::Store,
        Self::Access,
        Self::Web,
        Self::Control,
        Self::Directory,
        Self::Calendar,
        Self::Dns,
        Self::Monitor,
    ];

    /// Returns the role as the language spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Mx => "mx",
            Self::Defense => "defense",
            Self::Cache => "cache",
            Self::Submission => "submission",
            Self::Outbound => "outbound",
            Self::Store => "store",
            Self::Access => "access",
            Self::Web => "web",
            Self::Control => "control",
            Self::Directory => "directory",
            Self::Calendar => "calendar",
            Self::Dns => "dns",
            Self::Monitor => "monitor",
        }
    }
}

/// A virtual machine with one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node's name, such as `mx-1`; unique in the platform.
    pub name: Name,
    /// What it is for.
    pub role: Role,
    /// The cluster it belongs to.
    pub cluster: Name,
    /// The site it stands in.
    pub site: Name,
    /// The host it was placed on.
    pub host: Name,
    /// Its own host name below the service domain.
    pub hostname: HostName,
    /// Processor cores.
    pub cores: u32,
    /// Memory.
    pub memory: ByteSize,
    /// State disk.
    pub disk: ByteSize,
    /// The storage its state disk lies on; `None` for a disk of its host.
    #[serde(default)]
    pub storage: Option<Name>,
    /// Its addresses inside the platform.
    pub addresses: Vec<IpAddr>,
    /// Addresses the world sees, for nodes that have some.
    pub front_addresses: Vec<IpAddr>,
    /// What it answers, sorted by port.
    pub services: Vec<Service>,
}

/// Something a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The service's name, as doors are named: `mx`, `submission`, `imaps`, …, or an inner one such as `lmtp`.
    pub name: String,
    /// `smtp`, `lmtp`, `imap`, `pop3`, `https`, `dns`, `milter`, …
    pub protocol: String,
    /// The port on the node.
    pub port: u16,
    /// How TLS is spoken.
    pub tls: Tls,
    /// Whether users and the internet reach it (a front door) or only other nodes.
    pub front: bool,
}

/// How a service speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Not at all.
    None,
    /// After STARTTLS.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// What the defense does, before a domain or a mailbox says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defense {
    /// The defense's name.
    pub name: Name,
    /// How it is hooked up.
    pub hookup: Hookup,
    /// From this score mail is tagged.
    pub tag: Score,
    /// From this score mail goes to the Spam folder.
    pub quarantine: Score,
    /// From this score mail is refused.
    pub reject: Score,
    /// Put before the subject of tagged mail.
    pub subject: String,
    /// What happens to a virus.
    pub virus: VirusAction,
    /// What happens while the scanner does not answer.
    pub on_unavailable: Unavailable,
    /// Larger messages are not scanned for viruses.
    pub virus_max_size: ByteSize,
    /// Greylisting, when on.
    pub greylist: Option<Greylist>,
    /// DNS lists of bad senders, sorted by zone.
    pub dnsbl: Vec<Dnsbl>,
    /// Messages a sender may send.
    pub sender_rate: Option<Rate>,
    /// Messages an address may send.
    pub address_rate: Option<Rate>,
}

/// How the defense is hooked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hookup {
    /// The mx asks it over the milter protocol.
    Milter,
    /// A filtering hop in front of the mx.
    Gateway,
}

/// What happens to a message with a virus in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VirusAction {
    /// Held apart, where no mailbox protocol reaches it.
    Quarantine,
    /// Refused with a permanent error.
    Reject,
    /// Accepted and dropped.
    Discard,
}

/// What happens while a scanner does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// The sender is asked to try again later.
    Defer,
    /// The message is refused.
    Reject,
    /// The message passes unscanned, with a header that says so.
    Accept,
}

/// Greylisting: the first attempt of an unknown sender is deferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greylist {
    /// Only mail from this score up.
    pub above: Score,
    /// How long the sender has to wait.
    pub delay: Duration,
}

/// A DNS list of bad senders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dnsbl {
    /// The list's zone.
    pub zone: HostName,
    /// Added to the score of listed senders.
    pub weight: Score,
}

/// What holds for all mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The largest message taken.
    pub max_message: ByteSize,
    /// How long a message is tried before it bounces.
    pub queue_lifetime: Duration,
    /// How long before its sender is told that it waits.
    pub bounce_notice: Duration,
    /// Separates a local part from its detail, when subaddressing is on.
    pub subaddressing: Option<char>,
    /// Whether addresses may be internationalized (RFC 6531).
    pub internationalized: bool,
    /// DKIM algorithm as the specification names it, and how long a key is used.
    pub dkim: Option<Dkim>,
    /// Published DMARC policy: `none`, `quarantine`, `reject`.
    pub dmarc: Option<String>,
    /// MTA-STS mode: `testing`, `enforce`.
    pub mta_sts: Option<String>,
    /// Whether TLS reports are asked for.
    pub tls_rpt: bool,
    /// Whether the keys of the hosts that take mail are published (RFC 7672).
    #[serde(default)]
    pub dane: bool,
    /// Host name that forwarded mail's reverse-path is rewritten to (SRS).
    pub srs: Option<HostName>,
    /// Whether forwarded mail is sealed with ARC.
    pub arc: bool,
    /// Lowest TLS version, such as `1.2`.
    pub tls_minimum: String,
}

/// DKIM signing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dkim {
    /// Key algorithms, in the order they sign.
    pub algorithms: Vec<String>,
    /// How long a key signs.
    pub rotate: Option<Duration>,
}

/// A pool of source addresses for mail to the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundPool {
    /// The pool's name.
    pub name: Name,
    /// Its addresses in the order written.
    pub addresses: Vec<OutboundAddress>,
    /// How long new addresses are warmed up.
    pub warm_up: Option<Duration>,
    /// Limits for single destinations, sorted by domain.
    pub destinations: Vec<DestinationLimit>,
}

/// One source address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundAddress {
    /// The address.
    pub address: IpAddr,
    /// The name it greets with, and its PTR.
    pub helo: HostName,
}

/// How much a destination gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationLimit {
    /// The destination's domain.
    pub domain: HostName,
    /// Messages.
    pub rate: Rate,
}

/// Who answers for which names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Who answers for the customers' zones.
    pub customers: ZoneAuthority,
    /// The public authority that may issue certificates for the platform's own names (RFC 8659); `None` where none may.
    pub issuer: Option<HostName>,
}

/// Who answers for the customers' zones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneAuthority {
    /// The platform's own servers.
    #[default]
    Platform,
    /// The customer, whose records lead to names of the platform wherever they can, so that what changes changes there.
    Customer,
}

/// What lies outside the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// A simulated internet, which has the root of all names too; nothing leaves.
    #[default]
    Simulated,
    /// The internet.
    Real,
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Deleted mailboxes can be restored for so long.
    pub deleted_mailbox: Duration,
    /// Deleted messages can be restored for so long.
    pub deleted_message: Duration,
    /// Logs.
    pub logs: Duration,
    /// The record of who changed what.
    pub audit: Duration,
}

/// What is copied to another place, so that it can be had again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Copies of the mailboxes.
    pub mail: Option<Copies>,
    /// Copies of the directory, and of the keys that nodes made themselves.
    pub directory: Option<Copies>,
    /// How often a copy is restored to see that it can be.
    pub restore_test: Option<Duration>,
}

impl Backup {
    /// Tells whether nothing is copied.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Copies of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// How often one is made.
    pub every: Duration,
    /// How long one is kept.
    pub keep: Duration,
    /// The place, with its keys.
    pub to: SecretReference,
}

/// When somebody is to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What is measured: `storage`, `disk`, `memory`, `cores`, `contract`.
    pub of: String,
    /// How much of it is used, in thousandths of the whole.
    pub above: u64,
}

/// A secret by name; its bytes are known only where it is filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretReference {
    /// Whose namespace the name is in: `operator`, or a reseller's name.
    pub owner: Name,
    /// The secret's name.
    pub name: Name,
}
