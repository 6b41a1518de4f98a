//! Mail for the platform itself: its postmaster and its abuse desk, which RFC 5321 §4.5.1 and RFC 2142 want to be read by somebody.
//!
//! Where the operator's addresses lie in its own names, which are nobody's domain, their mail is kept in a mailbox of the platform.
//! Domains of customers that have no such address of their own have theirs read by the operator.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use values::{ByteSize, Duration, HostName, MailAddress, Name};

use crate::platform::{Blueprint, Role};
use crate::roster::{DefenseSettings, Domain, MailService, Mailbox, OnRemoval, Roster, Tier, TierKind};
use crate::secret;

/// Local parts that every domain has, by the offices they stand for.
pub const OFFICES: [&str; 2] = ["abuse", "postmaster"];

/// The tier of the operator's own mailboxes, which no contract can name.
pub const TIER: &str = "offices-of-the-operator";

/// How much the operator's own mailboxes may hold.
const ROOM: u64 = 1 << 30;

/// Returns the operator's address for an office.
///
/// - `office`: a local part in lower case; `None` for one that is no office.
pub fn reader<'b>(blueprint: &'b Blueprint, office: &str) -> Option<&'b MailAddress> {
    match office {
        "postmaster" => Some(&blueprint.operator.postmaster),
        "abuse" => Some(&blueprint.operator.abuse),
        _ => None,
    }
}

/// Returns the operator's addresses whose mail the platform itself keeps: those in a name that is the service domain or that it
/// lies below, and that is no customer's.
pub fn kept(blueprint: &Blueprint, roster: &Roster) -> BTreeSet<MailAddress> {
    let customers: BTreeSet<&HostName> =
        roster.domains.iter().flat_map(|domain| std::iter::once(&domain.name).chain(&domain.aliases)).collect();
    let own = |address: &&MailAddress| {
        blueprint.service_domain.is_within(address.domain()) && !customers.contains(address.domain())
    };
    OFFICES.iter().filter_map(|office| reader(blueprint, office)).filter(own).cloned().collect()
}

/// Adds the operator's own mailboxes to those of its customers.
pub fn with_own<'r>(blueprint: &Blueprint, roster: &'r Roster) -> Cow<'r, Roster> {
    let kept = kept(blueprint, roster);
    let cluster = blueprint.nodes.iter().find(|node| node.role == Role::Store).map(|node| node.cluster.clone());
    let names = TIER.parse::<Name>().ok().zip(secret::OPERATOR.parse::<Name>().ok());
    let (Some(cluster), Some((tier, owner)), false) = (cluster, names, kept.is_empty()) else {
        return Cow::Borrowed(roster);
    };
    let mut all = roster.clone();
    all.tiers.push(Tier {
        name: tier.clone(),
        kind: TierKind::Mailbox,
        quota: Some(ByteSize::from_bytes(ROOM)),
        services: vec![
            MailService::Smtpin,
            MailService::Smtprelay,
            MailService::Imap,
            MailService::Pop3,
            MailService::Webmail,
            MailService::Sieve,
        ],
        send_limit: None,
    });
    let mut boxes: BTreeMap<HostName, Vec<MailAddress>> = BTreeMap::new();
    for address in kept {
        boxes.entry(address.domain().clone()).or_default().push(address);
    }
    let taken = |name: &HostName| {
        roster.domains.iter().any(|domain| domain.name == *name || domain.aliases.iter().any(|alias| alias == name))
    };
    let service = &blueprint.service_domain;
    // An environment's own name for it is the operator's as well.
    let mut alias = Some(service).filter(|service| !boxes.contains_key(*service) && !taken(service)).cloned();
    for (name, mut addresses) in boxes {
        // The postmaster comes last by name and reads what the others get.
        let Some(main) = addresses.pop() else { continue };
        all.domains.push(Domain {
            name,
            reseller: owner.clone(),
            tier: tier.clone(),
            brand: None,
            cluster: cluster.clone(),
            outbound: None,
            aliases: alias.take().into_iter().collect(),
            catch_all: None,
            filter_mx: None,
            defense: DefenseSettings::default(),
            workgroups: Vec::new(),
        });
        all.mailboxes.push(Mailbox {
            address: main,
            workgroup: None,
            tier: None,
            brand: None,
            name: Some(blueprint.operator.name.clone()),
            quota: None,
            aliases: addresses,
            forward: Vec::new(),
            keep: false,
            preferences: None,
            autoreply: None,
            defense: DefenseSettings::default(),
            initial_password: None,
            on_removal: OnRemoval { action: "suspend".to_owned(), hold: Duration::ZERO },
        });
    }
    Cow::Owned(all)
}

/// Returns the mailboxes in which the operator reads what is kept for it.
pub fn mailboxes(blueprint: &Blueprint, roster: &Roster) -> Vec<MailAddress> {
    let mut last: BTreeMap<HostName, MailAddress> = BTreeMap::new();
    for address in kept(blueprint, roster) {
        last.insert(address.domain().clone(), address);
    }
    last.into_values().collect()
}
