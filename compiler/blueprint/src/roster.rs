//! The Roster: the tenants of a platform and the values that were set for them.
//!
//! A sorted stream of entries; what a mailbox really gets is [`crate::effective_mailbox`]'s business, since inheritance
//! needs to know what was set and what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use values::{ByteSize, Colour, Date, Duration, HostName, MailAddress, Name, Rate, Score};

use crate::rename::Rename;

/// Who uses the platform. Every list is sorted by name or address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// [`crate::VERSION`].
    pub version: u32,
    /// The operator's tiers.
    pub tiers: Vec<Tier>,
    /// The resellers.
    pub resellers: Vec<Reseller>,
    /// Brands of all resellers, by reseller and name.
    pub brands: Vec<Brand>,
    /// Domains of all resellers, by name.
    pub domains: Vec<Domain>,
    /// Mailboxes of all domains, by address.
    pub mailboxes: Vec<Mailbox>,
    /// Addresses that only send on, by address.
    pub forwards: Vec<Forward>,
    /// Lists, by address.
    pub lists: Vec<List>,
    /// Names that tenants and what they declare had before, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renames: Vec<Rename>,
}

/// What a mailbox of a tier may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The tier's name.
    pub name: Name,
    /// What its accounts are.
    pub kind: TierKind,
    /// Bytes a mailbox may hold.
    pub quota: Option<ByteSize>,
    /// Services that are on, sorted.
    pub services: Vec<MailService>,
    /// Recipients a mailbox may send to.
    pub send_limit: Option<Rate>,
}

/// What the accounts of a tier are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierKind {
    /// A mailbox.
    Mailbox,
    /// Defense only, delivered to the customer's own server.
    Filter,
    /// Sent on elsewhere.
    Forward,
}

impl Roster {
    /// Returns every host name under which a brand's customers meet the platform: the brand's own, and those that programs and
    /// other servers look for in its domains (MTA-STS, RFC 8461 §3.3; autoconfig; autodiscover).
    pub fn brand_names(&self, brand: &Brand) -> BTreeSet<HostName> {
        let its = self
            .domains
            .iter()
            .filter(|domain| domain.reseller == brand.reseller && domain.brand.as_ref() == Some(&brand.name));
        brand.hosts.iter().map(|host| host.host.clone()).chain(its.flat_map(Domain::looked_for)).collect()
    }
}

impl Domain {
    /// Returns the host names that programs and other servers look for in a domain and in its other names.
    pub fn looked_for(&self) -> impl Iterator<Item = HostName> {
        let names = [&self.name].into_iter().chain(&self.aliases);
        names.flat_map(|name| ["mta-sts", "autoconfig", "autodiscover"].map(|label| name.below(label).ok())).flatten()
    }
}

/// A customer's own server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterMx {
    /// The host, whose addresses are asked for; its domain's exchangers are not.
    pub host: HostName,
    /// The port it takes mail at.
    pub port: u16,
}

impl FilterMx {
    /// Reads `host` or `host:port`, as [`fmt::Display`] writes it; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port.parse().ok()?),
            Some(_) => return None,
            None => (text, 25),
        };
        Some(Self { host: host.parse().ok()?, port }).filter(|_| port > 0)
    }
}

impl fmt::Display for FilterMx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            25 => write!(f, "{}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

/// A service that a tier switches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailService {
    /// Receiving mail.
    Smtpin,
    /// Sending through submission.
    Smtprelay,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// Webmail.
    Webmail,
    /// Sieve and ManageSieve.
    Sieve,
    /// Calendar and contacts.
    Calendar,
}

/// A reseller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reseller {
    /// The reseller's name.
    pub name: Name,
    /// The company's name as people write it.
    pub company: String,
    /// Where notices go.
    pub contact: Option<MailAddress>,
    /// Language tag of its interfaces.
    pub language: Option<String>,
    /// IANA time zone.
    pub time_zone: Option<String>,
    /// Admins that sign in to the API and the console, such as `admin@acme.adm`.
    pub admins: Vec<MailAddress>,
    /// The secrets that hold first passwords of admins, by their addresses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_passwords: BTreeMap<MailAddress, Name>,
    /// What its contract allows.
    pub contract: Option<Contract>,
}

/// What a reseller may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// First day.
    pub from: Option<Date>,
    /// Mailboxes at most.
    pub mailboxes: Option<u64>,
    /// Domains at most.
    pub domains: Option<u64>,
    /// Bytes that may be promised.
    pub storage: Option<ByteSize>,
    /// Tiers it may use, sorted.
    pub tiers: Vec<Name>,
    /// Clusters it may use, sorted.
    pub clusters: Vec<Name>,
}

/// A reseller's look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brand {
    /// Whose it is.
    pub reseller: Name,
    /// The brand's name.
    pub name: Name,
    /// What the product is called.
    pub product: String,
    /// Key of the logo in [`crate::Bundle::brands`].
    pub logo: Option<String>,
    /// Key of the icon in [`crate::Bundle::brands`].
    pub favicon: Option<String>,
    /// The colours.
    pub colours: Colours,
    /// Host names by what they are for (`webmail`, `imap`, `pop3`, `smtp`), sorted.
    pub hosts: Vec<BrandHost>,
    /// Where users find help.
    pub support: Support,
    /// Texts by language, sorted.
    pub texts: Vec<BrandTexts>,
    /// Switched-on features, sorted.
    pub features: Vec<Name>,
}

/// A brand's colours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colours {
    /// Buttons and bars.
    pub primary: Colour,
    /// Text on the primary colour.
    pub on_primary: Colour,
    /// Pages.
    pub background: Colour,
    /// Text on pages.
    pub text: Colour,
}

/// A host name of a brand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BrandHost {
    /// `webmail`, `imap`, `pop3`, `smtp`.
    pub purpose: String,
    /// The name.
    pub host: HostName,
}

/// Where users find help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// A page.
    pub url: Option<String>,
    /// An address.
    pub email: Option<MailAddress>,
    /// A number.
    pub phone: Option<String>,
}

/// A brand's words in one language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BrandTexts {
    /// Language tag.
    pub language: String,
    /// Over the sign-in form.
    pub sign_in: Option<String>,
    /// Below every page.
    pub footer: Option<String>,
}

/// A customer's domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The domain.
    pub name: HostName,
    /// Whose it is.
    pub reseller: Name,
    /// Tier of mailboxes that name none.
    pub tier: Name,
    /// Brand of mailboxes that name none.
    pub brand: Option<Name>,
    /// The cluster its mailboxes live on.
    pub cluster: Name,
    /// The outbound pool its mail leaves through.
    pub outbound: Option<Name>,
    /// Other domains with the same users, sorted.
    pub aliases: Vec<HostName>,
    /// Takes mail for unknown local parts.
    pub catch_all: Option<MailAddress>,
    /// The customer's own server, which gets what is clean of filtered addresses' mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_mx: Option<FilterMx>,
    /// What is set for its defense.
    pub defense: DefenseSettings,
    /// Workgroups, sorted.
    pub workgroups: Vec<Name>,
}

/// What a domain or a mailbox sets for its defense; what is not set is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefenseSettings {
    /// From this score mail is tagged.
    pub tag: Option<Score>,
    /// From this score mail goes to the Spam folder.
    pub quarantine: Option<Score>,
    /// From this score mail is refused.
    pub reject: Option<Score>,
    /// Patterns of senders that are never spam, sorted.
    pub allow: Vec<String>,
    /// Patterns of senders that are refused, sorted.
    pub block: Vec<String>,
}

/// A mailbox that was declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Its main address.
    pub address: MailAddress,
    /// Its workgroup, when it stands in one.
    pub workgroup: Option<Name>,
    /// Its tier, when it names one.
    pub tier: Option<Name>,
    /// Its brand, when it names one.
    pub brand: Option<Name>,
    /// Its user's name.
    pub name: Option<String>,
    /// Its quota, when it names one.
    pub quota: Option<ByteSize>,
    /// Other local parts of the same domain, as whole addresses, sorted.
    pub aliases: Vec<MailAddress>,
    /// Where its mail is sent on to, sorted.
    pub forward: Vec<MailAddress>,
    /// Whether forwarded mail is kept as well.
    pub keep: bool,
    /// What its user is shown pages in, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<Box<Preferences>>,
    /// An automatic reply.
    pub autoreply: Option<Box<Autoreply>>,
    /// What is set for its defense.
    pub defense: DefenseSettings,
    /// The secret that holds its first password.
    pub initial_password: Option<Name>,
    /// What happens when its declaration is removed.
    pub on_removal: OnRemoval,
}

/// What a user is shown pages in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// An automatic reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autoreply {
    /// The text.
    pub text: String,
    /// The subject; made of the sender's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Last day.
    pub until: Option<Date>,
}

/// What happens when a declaration is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnRemoval {
    /// `suspend` or `delete`.
    pub action: String,
    /// How long it is held before it is destroyed.
    pub hold: Duration,
}

/// An address that only sends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The address.
    pub address: MailAddress,
    /// Its workgroup, when it stands in one.
    pub workgroup: Option<Name>,
    /// Where its mail goes, sorted.
    pub to: Vec<MailAddress>,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The address.
    pub address: MailAddress,
    /// Its workgroup, when it stands in one.
    pub workgroup: Option<Name>,
    /// Its members, sorted.
    pub members: Vec<MailAddress>,
    /// Whether only members may post.
    pub restricted: bool,
}
