//! Whom an mx takes mail for, what becomes of it, and who is asked first: its lookup tables, made from the Roster.
//!
//! Gap: RFC 5321 §4.5.1 wants `postmaster` in every domain; a customer who declares none has none.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::roster::{Domain, List, Mailbox, Tier, TierKind};
use blueprint::shard::draw;
use blueprint::{Blueprint, Node, Role, Roster, first_store};
use values::{HostName, MailAddress, Name};

use super::main_cf::{Endpoint, LISTS, Parameter};
use super::maps::{Found, Key, Map};
use crate::decide::ports;

/// The tables of one mx.
#[derive(Debug)]
pub struct Maps<'b> {
    /// Domains it takes mail for.
    pub domains: Map,
    /// Addresses that a store keeps mail for.
    pub recipients: Map,
    /// Addresses that stand for others.
    pub aliases: Map,
    /// The store of each recipient.
    pub transport: Map,
    /// Who is asked before a recipient is taken.
    pub access: Map,
    /// Lists that only their members may write to, by name.
    pub lists: Vec<RestrictedList>,
    /// The cluster's stores.
    pub stores: Vec<&'b Node>,
}

/// A list that only its members may write to.
#[derive(Debug)]
pub struct RestrictedList {
    /// A name of its own, since an address is no file name.
    pub name: Name,
    /// Who may write to it.
    pub members: Map,
}

impl RestrictedList {
    /// Returns the restriction class that asks the list's table.
    pub fn class(&self) -> Parameter {
        Parameter::Class("members", self.name.clone())
    }

    /// Returns the path of the list's table.
    pub fn path(&self) -> String {
        format!("{LISTS}/{}", self.name)
    }
}

/// Returns the restriction class that asks a store whether a mailbox has room.
pub fn quota_class(store: &Node) -> Parameter {
    Parameter::Class("quota", store.name.clone())
}

impl<'b> Maps<'b> {
    /// Makes the tables of an mx for the domains of its cluster.
    pub fn new(blueprint: &'b Blueprint, roster: &Roster, node: &Node) -> Self {
        let mut maps = Self {
            domains: Map::default(),
            recipients: Map::default(),
            aliases: Map::default(),
            transport: Map::default(),
            access: Map::default(),
            lists: Vec::new(),
            stores: blueprint
                .nodes
                .iter()
                .filter(|other| other.role == Role::Store && other.cluster == node.cluster)
                .collect(),
        };
        let domains: BTreeMap<&HostName, &Domain> = roster
            .domains
            .iter()
            .filter(|domain| domain.cluster == node.cluster)
            .map(|domain| (&domain.name, domain))
            .collect();
        for domain in domains.values() {
            maps.add_domain(domain);
        }
        let tiers: BTreeMap<&Name, &Tier> = roster.tiers.iter().map(|tier| (&tier.name, tier)).collect();
        for mailbox in &roster.mailboxes {
            if let Some(domain) = domains.get(mailbox.address.domain()) {
                let tier = tiers.get(mailbox.tier.as_ref().unwrap_or(&domain.tier));
                maps.add_mailbox(blueprint, domain, mailbox, tier.map_or(TierKind::Mailbox, |tier| tier.kind));
            }
        }
        for forward in &roster.forwards {
            if let Some(domain) = domains.get(forward.address.domain()) {
                maps.stand_for(domain, &forward.address, &forward.to);
            }
        }
        for list in &roster.lists {
            if let Some(domain) = domains.get(list.address.domain()) {
                maps.add_list(domain, list);
            }
        }
        maps
    }

    fn add_domain(&mut self, domain: &Domain) {
        for name in every_name(domain) {
            self.domains.insert(Key::Domain(name.clone()), Found::Present);
            if let Some(office) = &domain.catch_all {
                self.aliases.insert(Key::Everyone(name.clone()), Found::Addresses(vec![office.clone()]));
            }
        }
    }

    fn add_mailbox(&mut self, blueprint: &Blueprint, domain: &Domain, mailbox: &Mailbox, kind: TierKind) {
        let address = &mailbox.address;
        let keeps = kind != TierKind::Forward && (mailbox.keep || mailbox.forward.is_empty());
        let mut targets: BTreeSet<MailAddress> = mailbox.forward.iter().cloned().collect();
        if keeps {
            targets.insert(address.clone());
        }
        let plain = targets.len() == 1 && targets.contains(address);
        // Without an entry of its own a mailbox would be taken for unknown and caught by the domain's catch-all.
        if !plain || domain.catch_all.is_some() {
            self.aliases.insert(Key::Address(address.clone()), Found::Addresses(targets.into_iter().collect()));
        }
        for other in spellings(domain, address) {
            self.aliases.insert(Key::Address(other), Found::Addresses(vec![address.clone()]));
        }
        for alias in &mailbox.aliases {
            self.aliases.insert(Key::Address(alias.clone()), Found::Addresses(vec![address.clone()]));
            for other in spellings(domain, alias) {
                self.aliases.insert(Key::Address(other), Found::Addresses(vec![address.clone()]));
            }
        }
        if kind != TierKind::Mailbox {
            return;
        }
        self.recipients.insert(Key::Address(address.clone()), Found::Present);
        if let Some(store) = first_store(blueprint, &domain.cluster, address) {
            let at = Endpoint { host: store.hostname.clone(), port: ports::LMTP };
            self.transport.insert(Key::Address(address.clone()), Found::Lmtp(at));
            self.access.insert(Key::Address(address.clone()), Found::Classes(vec![quota_class(store)]));
        }
    }

    /// Lets an address and its spellings in the domain's other names stand for others.
    fn stand_for(&mut self, domain: &Domain, address: &MailAddress, targets: &[MailAddress]) {
        self.aliases.insert(Key::Address(address.clone()), Found::Addresses(targets.to_vec()));
        for other in spellings(domain, address) {
            self.aliases.insert(Key::Address(other), Found::Addresses(vec![address.clone()]));
        }
    }

    fn add_list(&mut self, domain: &Domain, list: &List) {
        self.stand_for(domain, &list.address, &list.members);
        if !list.restricted {
            return;
        }
        let Some(name) = list_name(&list.address) else { return };
        let mut members = Map::default();
        for member in &list.members {
            members.insert(Key::Address(member.clone()), Found::Present);
        }
        let restricted = RestrictedList { name, members };
        for address in spellings(domain, &list.address).chain([list.address.clone()]) {
            self.access.insert(Key::Address(address), Found::Classes(vec![restricted.class()]));
        }
        self.lists.push(restricted);
    }
}

/// Returns all names of a domain, its own first.
fn every_name(domain: &Domain) -> impl Iterator<Item = &HostName> {
    [&domain.name].into_iter().chain(&domain.aliases)
}

/// Returns an address as it reads in the domain's other names.
fn spellings<'d>(domain: &'d Domain, address: &'d MailAddress) -> impl Iterator<Item = MailAddress> + 'd {
    domain.aliases.iter().map(|name| MailAddress::new(address.local().clone(), name.clone()))
}

/// Returns a name for a list: what can be read of its address, and enough of a digest to tell it from all others.
fn list_name(address: &MailAddress) -> Option<Name> {
    let mut readable = String::new();
    for character in address.key().chars() {
        if character.is_ascii_alphanumeric() {
            readable.push(character.to_ascii_lowercase());
        } else if !readable.is_empty() && !readable.ends_with('-') {
            readable.push('-');
        }
        if readable.len() >= 40 {
            break;
        }
    }
    let digest: String = draw("list", &address.key()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-x{digest}", readable.trim_matches('-')).trim_start_matches('-').parse().ok()
}
