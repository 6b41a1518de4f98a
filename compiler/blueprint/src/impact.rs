//! What users notice of a change, told in mailboxes of resellers.

use std::collections::{BTreeMap, BTreeSet};

use values::{ByteSize, Name};

use crate::changes::{Action, Change, Impact};
use crate::diff::Revision;
use crate::platform::Role;
use crate::roster::{Domain, MailService, Mailbox, Roster, Tier};
use crate::shard::first_store;

/// Returns what users notice, by reseller, most mailboxes first.
pub(crate) fn impacts(source: Revision<'_>, target: Revision<'_>, changes: &[Change]) -> Vec<Impact> {
    let mut counts: BTreeMap<(Name, String), u64> = BTreeMap::new();
    let mut count = |reseller: &Name, what: String, mailboxes: u64| {
        if mailboxes > 0 {
            *counts.entry((reseller.clone(), what)).or_default() += mailboxes;
        }
    };
    outages(source, changes, &mut count);
    accounts(source.roster, target.roster, &mut count);
    let mut impacts: Vec<Impact> =
        counts.into_iter().map(|((reseller, what), mailboxes)| Impact { reseller, mailboxes, what }).collect();
    impacts.sort_by(|a, b| b.mailboxes.cmp(&a.mailboxes).then_with(|| a.cmp(b)));
    impacts
}

/// Nodes that stop for a moment, or for good.
fn outages(source: Revision<'_>, changes: &[Change], count: &mut impl FnMut(&Name, String, u64)) {
    let whole_platform = changes.iter().any(|change| change.kind == "setting" && change.action == Action::Restarted);
    let stopped: BTreeSet<&str> = changes
        .iter()
        .filter(|change| change.kind == "node")
        .filter(|change| matches!(change.action, Action::Restarted | Action::Moved | Action::Destroyed))
        .map(|change| change.name.as_str())
        .collect();
    if stopped.is_empty() && !whole_platform {
        return;
    }
    let plan = source.blueprint;
    let mut stores: BTreeSet<&Name> = BTreeSet::new();
    let mut roles: BTreeMap<(&Name, Role), (usize, usize)> = BTreeMap::new();
    for node in &plan.nodes {
        let (all, down) = roles.entry((&node.cluster, node.role)).or_default();
        *all += 1;
        if whole_platform || stopped.contains(node.name.to_string().as_str()) {
            *down += 1;
            if node.role == Role::Store {
                stores.insert(&node.name);
            }
        }
    }
    let domains: BTreeMap<String, &Domain> =
        source.roster.domains.iter().map(|domain| (domain.name.to_string(), domain)).collect();
    let mut by_place: BTreeMap<(&Name, &Name), u64> = BTreeMap::new();
    let mut on_stores: BTreeMap<&Name, u64> = BTreeMap::new();
    for mailbox in &source.roster.mailboxes {
        let Some(domain) = domains.get(&mailbox.address.domain().to_string()) else { continue };
        *by_place.entry((&domain.reseller, &domain.cluster)).or_default() += 1;
        if !stores.is_empty() {
            let store = first_store(plan, &domain.cluster, &mailbox.address);
            if store.is_some_and(|store| stores.contains(&store.name)) {
                *on_stores.entry(&domain.reseller).or_default() += 1;
            }
        }
    }
    for (reseller, mailboxes) in on_stores {
        count(
            reseller,
            "IMAP and POP3 reconnect while their store restarts; new mail waits in the queue".to_owned(),
            mailboxes,
        );
    }
    for ((cluster, role), (all, down)) in roles {
        let Some(what) = noticed(role, all, down) else { continue };
        for ((reseller, place), mailboxes) in &by_place {
            if *place == cluster {
                count(reseller, what.to_owned(), *mailboxes);
            }
        }
    }
}

/// What users notice when some of a role's nodes stop for a moment.
fn noticed(role: Role, all: usize, down: usize) -> Option<&'static str> {
    let every = down == all;
    match role {
        _ if down == 0 => None,
        Role::Access => Some("IMAP and POP3 reconnect"),
        Role::Mx if every => Some("mail from outside waits at its senders for a moment"),
        Role::Submission if every => Some("sending waits for a moment"),
        Role::Balancer if every => Some("every connection is made anew"),
        Role::Web if every => Some("webmail and pages are away for a moment"),
        Role::Control if every => Some("provisioning is away for a moment"),
        Role::Directory if every => Some("sign-in and new mail wait for a moment"),
        _ => None,
    }
}

/// Mailboxes whose own values change.
fn accounts(source: &Roster, target: &Roster, count: &mut impl FnMut(&Name, String, u64)) {
    let (before, after) = (Book::of(source), Book::of(target));
    let mut left = source.mailboxes.iter().peekable();
    let mut right = target.mailboxes.iter().peekable();
    // Both lists are sorted by address: one walk over both finds every pair.
    loop {
        match (left.peek(), right.peek()) {
            (Some(old), Some(new)) if old.address == new.address => {
                compare(&before, &after, old, new, count);
                left.next();
                right.next();
            }
            (Some(old), Some(new)) if old.address < new.address => {
                one(&before, old, "are taken away", count);
                left.next();
            }
            (Some(old), None) => {
                one(&before, old, "are taken away", count);
                left.next();
            }
            (_, Some(new)) => {
                one(&after, new, "are new", count);
                right.next();
            }
            (None, None) => return,
        }
    }
}

fn one(book: &Book<'_>, mailbox: &Mailbox, what: &str, count: &mut impl FnMut(&Name, String, u64)) {
    if let Some(domain) = book.domain(mailbox) {
        count(&domain.reseller, what.to_owned(), 1);
    }
}

fn compare(
    before: &Book<'_>,
    after: &Book<'_>,
    old: &Mailbox,
    new: &Mailbox,
    count: &mut impl FnMut(&Name, String, u64),
) {
    let (Some(domain), Some(then)) = (after.domain(new), before.domain(old)) else { return };
    let mut say = |what: &str| count(&domain.reseller, what.to_owned(), 1);
    match (before.quota(old), after.quota(new)) {
        (was, is) if was == is => {}
        (None, Some(_)) => say("get a quota"),
        (Some(was), Some(is)) if is < was => say("have their quota lowered"),
        _ => say("have their quota raised"),
    }
    let (had, has) = (before.services(old), after.services(new));
    if had.iter().any(|service| !has.contains(service)) {
        say("lose a service");
    }
    if has.iter().any(|service| !had.contains(service)) {
        say("gain a service");
    }
    if then.cluster != domain.cluster {
        say("move to another cluster");
    }
    let brand = |mailbox: &Mailbox, domain: &Domain| mailbox.brand.clone().or_else(|| domain.brand.clone());
    if brand(old, then) != brand(new, domain) {
        say("see another brand");
    }
}

/// A roster with its domains and tiers by name.
struct Book<'a> {
    domains: BTreeMap<String, &'a Domain>,
    tiers: BTreeMap<&'a Name, &'a Tier>,
}

impl<'a> Book<'a> {
    fn of(roster: &'a Roster) -> Self {
        Self {
            domains: roster.domains.iter().map(|domain| (domain.name.to_string(), domain)).collect(),
            tiers: roster.tiers.iter().map(|tier| (&tier.name, tier)).collect(),
        }
    }

    fn domain(&self, mailbox: &Mailbox) -> Option<&'a Domain> {
        self.domains.get(&mailbox.address.domain().to_string()).copied()
    }

    fn tier(&self, mailbox: &Mailbox) -> Option<&'a Tier> {
        let name = mailbox.tier.as_ref().or_else(|| self.domain(mailbox).map(|domain| &domain.tier))?;
        self.tiers.get(name).copied()
    }

    fn quota(&self, mailbox: &Mailbox) -> Option<ByteSize> {
        mailbox.quota.or_else(|| self.tier(mailbox)?.quota)
    }

    fn services(&self, mailbox: &Mailbox) -> &'a [MailService] {
        self.tier(mailbox).map_or(&[], |tier| tier.services.as_slice())
    }
}
