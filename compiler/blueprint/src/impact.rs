//! What users notice of a change, told in mailboxes of resellers.

use std::collections::{BTreeMap, BTreeSet};

use values::{HostName, Name};

use crate::changes::{Action, Change, Impact};
use crate::diff::{Renames, Revision, apart};
use crate::effective::{EffectiveMailbox, effective_mailbox};
use crate::platform::{Defense, Node, Role};
use crate::roster::{Domain, MailService, Mailbox, Tier, TierKind};
use crate::shard::first_store;

/// Returns what users notice, most mailboxes first.
pub(crate) fn impacts(
    source: Revision<'_>,
    target: Revision<'_>,
    renames: &Renames<'_>,
    changes: &[Change],
) -> Vec<Impact> {
    let mut counts = Counts::default();
    outages(source, target, changes, &mut counts);
    accounts(source, target, renames, &mut counts);
    let mut impacts: Vec<Impact> = counts
        .0
        .into_iter()
        .map(|((reseller, what), mailboxes)| Impact { reseller: reseller.clone(), mailboxes, what })
        .collect();
    impacts.sort_by(|a, b| b.mailboxes.cmp(&a.mailboxes).then_with(|| a.cmp(b)));
    impacts
}

/// How many mailboxes of a reseller notice what.
#[derive(Default)]
struct Counts<'a>(BTreeMap<(&'a Name, String), u64>);

impl<'a> Counts<'a> {
    fn add(&mut self, reseller: &'a Name, what: impl Into<String>, mailboxes: u64) {
        *self.0.entry((reseller, what.into())).or_default() += mailboxes;
    }
}

/// Returns whose quotas fall below what their mailboxes really hold, by reseller.
///
/// - `used`: bytes that a mailbox of the source holds; `None` where nobody knows.
pub fn quotas_below_use(
    source: Revision<'_>,
    target: Revision<'_>,
    used: &dyn Fn(&values::MailAddress) -> Option<u64>,
) -> Vec<Impact> {
    let renames = Renames::of(source, target);
    let (before, after) = (Book::of(source), Book::of(target));
    let left: BTreeMap<String, &Mailbox> =
        source.roster.mailboxes.iter().map(|mailbox| (mailbox.address.key(), mailbox)).collect();
    let mut counts = Counts::default();
    for new in &target.roster.mailboxes {
        let key = new.address.key();
        let former = || left.get(renames.former("mailbox", &key)?);
        let Some(old) = left.get(&key).or_else(former) else { continue };
        let (Some(had), Some(has)) = (before.effective(old), after.effective(new)) else { continue };
        let Some(quota) = has.quota.filter(|now| had.quota.is_none_or(|then| *now < then)) else { continue };
        if used(&old.address).is_some_and(|bytes| bytes > quota.as_bytes()) {
            one(&after, new, "have a quota that falls below what they use", &mut counts);
        }
    }
    let impacts = counts.0.into_iter();
    impacts.map(|((reseller, what), mailboxes)| Impact { reseller: reseller.clone(), mailboxes, what }).collect()
}

/// What becomes of a node that users notice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It is away for a moment.
    Pause,
    /// It is gone, or begins anew without what it held.
    Loss,
}

/// Nodes that stop for a moment, or for good.
fn outages<'a>(source: Revision<'a>, target: Revision<'_>, changes: &[Change], counts: &mut Counts<'a>) {
    let plan = source.blueprint;
    let whole_platform = changes.iter().any(|change| change.kind == "setting" && change.action == Action::Restarted);
    let mut told: BTreeMap<&str, Stop> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.kind == "node") {
        match change.action {
            Action::Destroyed => told.insert(change.name.as_str(), Stop::Loss),
            Action::Created | Action::Changed => None,
            Action::Moved | Action::Restarted | Action::Renamed => {
                let before = change.fields.iter().find(|field| field.field == "name");
                let name = before.and_then(|field| field.before.as_str()).unwrap_or(&change.name);
                told.insert(name, if change.destructive { Stop::Loss } else { Stop::Pause })
            }
        };
    }
    for change in changes.iter().filter(|change| change.action == Action::Restarted) {
        // A daemon that is restarted is away for a moment, and with it what its node does.
        let node = match change.kind.as_str() {
            "file" => change.name.strip_prefix("nodes/").and_then(|rest| rest.split_once('/')),
            "daemon" => change.name.split_once('/'),
            "image" => Some((change.name.as_str(), "")),
            _ => None,
        };
        let node = node.filter(|(node, rest)| serves(target, node, &change.kind, rest)).map(|(node, _)| node);
        if let Some(node) = node {
            told.entry(node).or_insert(Stop::Pause);
        }
    }
    let moves_live: BTreeSet<&str> =
        changes.iter().filter(|change| is_live_move(change)).map(|it| it.name.as_str()).collect();
    let stop = |node: &Node| match told.get(node.name.as_str()) {
        Some(Stop::Loss) => Some(Stop::Loss),
        _ if whole_platform => Some(Stop::Pause),
        Some(Stop::Pause) if !moves_live.contains(node.name.as_str()) => Some(Stop::Pause),
        _ => None,
    };
    let stops: BTreeMap<&Name, Stop> = plan.nodes.iter().filter_map(|node| Some((&node.name, stop(node)?))).collect();
    if stops.is_empty() {
        return;
    }
    let mut roles: BTreeMap<(&Name, Role), (usize, usize)> = BTreeMap::new();
    for node in &plan.nodes {
        let (all, down) = roles.entry((&node.cluster, node.role)).or_default();
        *all += 1;
        *down += usize::from(stops.contains_key(&node.name));
    }
    let a_store = plan.nodes.iter().any(|node| node.role == Role::Store && stops.contains_key(&node.name));
    let book = Book::of(source);
    // Mailboxes by all that decides what they notice of a role.
    let mut groups: BTreeMap<(&Name, &Name, &[MailService]), u64> = BTreeMap::new();
    for mailbox in &source.roster.mailboxes {
        let Some((domain, tier)) = book.find(mailbox) else { continue };
        *groups.entry((&domain.reseller, &domain.cluster, &tier.services)).or_default() += 1;
        if !a_store || tier.kind != TierKind::Mailbox {
            continue;
        }
        let store = first_store(plan, &domain.cluster, &mailbox.address);
        match store.and_then(|store| stops.get(&store.name)) {
            Some(Stop::Loss) => counts.add(&domain.reseller, "lose the store that holds their mail", 1),
            Some(Stop::Pause) => {
                let what = "reconnect while their store restarts; new mail for them waits in the queue";
                counts.add(&domain.reseller, what, 1);
            }
            None => {}
        }
    }
    for ((reseller, cluster, services), mailboxes) in groups {
        for (&(_, role), &(all, down)) in roles.iter().filter(|((place, _), _)| *place == cluster) {
            if let Some(what) = noticed(role, down == all, services).filter(|_| down > 0) {
                counts.add(reseller, what, mailboxes);
            }
        }
    }
}

/// Tells whether anything is restarted that users of a node are served by.
fn serves(revision: Revision<'_>, node: &str, kind: &str, rest: &str) -> bool {
    let Some(tree) = revision.bundle.and_then(|bundle| bundle.nodes.get(node)) else { return true };
    let path = format!("/{rest}");
    let mut restarted = tree.processes.iter().filter(|process| match kind {
        "file" => process.is_restarted_by(&path),
        "daemon" => process.name == rest,
        _ => true,
    });
    // What the node has no more was running until now.
    restarted.clone().next().is_none() || restarted.any(|process| !process.is_aside())
}

/// Tells whether a node moves without anybody noticing, its state being reached from both hosts.
fn is_live_move(change: &Change) -> bool {
    let live = crate::diff::MOVES_LIVE;
    change.action == Action::Moved && !change.destructive && change.note.as_deref() == Some(live)
}

/// Returns what a mailbox with some services notices when nodes of a role stop for a moment.
///
/// - `every`: whether all nodes of the role in its cluster do.
fn noticed(role: Role, every: bool, services: &[MailService]) -> Option<&'static str> {
    let has = |wanted: &[MailService]| services.iter().any(|service| wanted.contains(service));
    match (role, every) {
        (Role::Access, true) if has(&[MailService::Imap, MailService::Pop3]) => Some("reconnect with IMAP and POP3"),
        (Role::Access, false) if has(&[MailService::Imap, MailService::Pop3]) => {
            Some("may have to reconnect with IMAP and POP3")
        }
        (Role::Balancer, true) => Some("lose every connection for a moment"),
        (Role::Balancer, false) => Some("may have to connect anew"),
        (Role::Mx, true) => Some("get mail from outside later: it waits at its senders"),
        (Role::Submission, true) if has(&[MailService::Smtprelay]) => Some("cannot send for a moment"),
        (Role::Outbound, true) if has(&[MailService::Smtprelay]) => Some("have mail to the world sent later"),
        (Role::Web, true) if has(&[MailService::Webmail]) => Some("are without webmail for a moment"),
        (Role::Directory, true) => Some("can neither sign in nor get new mail for a moment"),
        (Role::Calendar, true) if has(&[MailService::Calendar]) => Some("are without calendars for a moment"),
        _ => None,
    }
}

/// Mailboxes whose own values change.
fn accounts<'a>(source: Revision<'a>, target: Revision<'a>, renames: &Renames<'_>, counts: &mut Counts<'a>) {
    let (before, after) = (Book::of(source), Book::of(target));
    let (olds, news) = (&source.roster.mailboxes, &target.roster.mailboxes);
    let (olds, news): (Vec<&Mailbox>, Vec<&Mailbox>) = match renames.any("mailbox") {
        true => (olds.iter().collect(), news.iter().collect()),
        false => apart(
            olds,
            news,
            |mailbox| mailbox.address.key(),
            |old, new| {
                // Where what holds for a mailbox stands in the same words on both sides, nothing changes for it.
                old == new && before.says_the_same(&after, old)
            },
        ),
    };
    let mut left: BTreeMap<String, &Mailbox> =
        olds.into_iter().map(|mailbox| (mailbox.address.key(), mailbox)).collect();
    let right: BTreeMap<String, &Mailbox> = news.into_iter().map(|mailbox| (mailbox.address.key(), mailbox)).collect();
    for (key, new) in &right {
        let renamed = renames.former("mailbox", key).filter(|former| !right.contains_key(*former));
        match left.remove(key).or_else(|| left.remove(renamed?)) {
            Some(old) => compare((&before, old), (&after, new), renames, counts),
            None => one(&after, new, "are new", counts),
        }
    }
    for old in left.into_values() {
        one(&before, old, "are taken away", counts);
    }
}

fn one<'a>(book: &Book<'a>, mailbox: &Mailbox, what: &str, counts: &mut Counts<'a>) {
    if let Some(domain) = book.domain(mailbox) {
        counts.add(&domain.reseller, what, 1);
    }
}

fn compare<'a>(
    (before, old): (&Book<'a>, &Mailbox),
    (after, new): (&Book<'a>, &Mailbox),
    renames: &Renames<'_>,
    counts: &mut Counts<'a>,
) {
    let (Some(then), Some(domain)) = (before.domain(old), after.domain(new)) else { return };
    let mut say = |what: String| counts.add(&domain.reseller, what, 1);
    if old.address != new.address {
        say("get another address".to_owned());
    }
    let former = |kind: &str, scope: &Name, name: &Name| {
        let full = if kind == "brand" { format!("{scope}/{name}") } else { name.to_string() };
        let former = renames.former(kind, &full).unwrap_or(&full);
        former.rsplit('/').next().unwrap_or(former).to_owned()
    };
    if then.reseller.as_str() != former("reseller", &domain.reseller, &domain.reseller) {
        say(format!("pass from {} to {}", then.reseller, domain.reseller));
    }
    if then.cluster.as_str() != former("cluster", &domain.reseller, &domain.cluster) {
        say("move to another cluster".to_owned());
    }
    let brand = |mailbox: &Mailbox, domain: &Domain| mailbox.brand.clone().or_else(|| domain.brand.clone());
    let is = brand(new, domain).map(|name| former("brand", &domain.reseller, &name));
    if brand(old, then).map(|name| name.to_string()) != is {
        say("see another brand".to_owned());
    }
    let (Some(had), Some(has)) = (before.effective(old), after.effective(new)) else { return };
    if had == has {
        return;
    }
    if had.kind == TierKind::Mailbox && has.kind != TierKind::Mailbox {
        say("keep no mail any more".to_owned());
    }
    match (had.quota, has.quota) {
        (was, is) if was == is => {}
        (None, Some(_)) => say("get a quota".to_owned()),
        (Some(_), None) => say("have no quota any more".to_owned()),
        (Some(was), Some(is)) if is < was => say("have their quota lowered".to_owned()),
        _ => say("have their quota raised".to_owned()),
    }
    for service in had.services.iter().filter(|service| !has.services.contains(service)) {
        say(format!("lose {}", service_text(*service)));
    }
    for service in has.services.iter().filter(|service| !had.services.contains(service)) {
        say(format!("gain {}", service_text(*service)));
    }
    if had.send_limit != has.send_limit {
        say("get another limit on sending".to_owned());
    }
    let filter = |it: &EffectiveMailbox| (it.tag, it.quarantine, it.reject, it.allow.clone(), it.block.clone());
    if filter(&had) != filter(&has) {
        say("are filtered by other rules".to_owned());
    }
}

fn service_text(service: MailService) -> &'static str {
    match service {
        MailService::Smtpin => "incoming mail",
        MailService::Smtprelay => "sending",
        MailService::Imap => "IMAP",
        MailService::Pop3 => "POP3",
        MailService::Webmail => "webmail",
        MailService::Sieve => "Sieve",
        MailService::Calendar => "calendars",
    }
}

/// A revision's domains and tiers by name.
struct Book<'a> {
    domains: BTreeMap<&'a HostName, &'a Domain>,
    tiers: BTreeMap<&'a Name, &'a Tier>,
    defense: &'a Defense,
}

impl<'a> Book<'a> {
    fn of(revision: Revision<'a>) -> Self {
        Self {
            domains: revision.roster.domains.iter().map(|domain| (&domain.name, domain)).collect(),
            tiers: revision.roster.tiers.iter().map(|tier| (&tier.name, tier)).collect(),
            defense: &revision.blueprint.defense,
        }
    }

    fn domain(&self, mailbox: &Mailbox) -> Option<&'a Domain> {
        self.domains.get(mailbox.address.domain()).copied()
    }

    /// Tells whether everything that a mailbox inherits is the same in another revision.
    fn says_the_same(&self, other: &Self, mailbox: &Mailbox) -> bool {
        self.defense == other.defense
            && self.find(mailbox).is_some_and(|(domain, tier)| {
                let found = other.find(mailbox);
                found.is_some_and(|(its, other)| {
                    its.name.as_str() == domain.name.as_str() && *its == *domain && *other == *tier
                })
            })
    }

    fn find(&self, mailbox: &Mailbox) -> Option<(&'a Domain, &'a Tier)> {
        let domain = self.domain(mailbox)?;
        let tier = self.tiers.get(mailbox.tier.as_ref().unwrap_or(&domain.tier))?;
        Some((domain, tier))
    }

    fn effective(&self, mailbox: &Mailbox) -> Option<EffectiveMailbox> {
        let (domain, tier) = self.find(mailbox)?;
        Some(effective_mailbox(mailbox, domain, tier, self.defense))
    }
}
