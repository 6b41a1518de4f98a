//! Renames between two revisions, and the differences that are nothing but their echo.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Revision;
use super::fields::texts;
use crate::changes::{Action, Change, FieldChange};
use crate::rename::Rename;

/// What the target says its things were called before.
pub(crate) struct Renames<'a> {
    former: BTreeMap<&'a str, BTreeMap<&'a str, Cow<'a, str>>>,
}

impl<'a> Renames<'a> {
    /// Takes the renames of the target. One whose new name the source has already was carried out before, and is left out.
    pub(crate) fn of(source: Revision<'a>, target: Revision<'a>) -> Self {
        let mut former: BTreeMap<&str, BTreeMap<&str, Cow<'_, str>>> = BTreeMap::new();
        let owners = [owners(source), owners(target)];
        let mut settled = Settled { source, names: BTreeMap::new() };
        for rename in all(target) {
            if !settled.has(&rename.kind, &rename.to) && stays_with_its_owner(rename, &owners, target) {
                let from = match within_renamed(rename) {
                    Some(here) if !settled.has(&rename.kind, &rename.from) && settled.has(&rename.kind, &here) => {
                        Cow::Owned(here)
                    }
                    _ => Cow::Borrowed(rename.from.as_str()),
                };
                former.entry(&rename.kind).or_default().insert(&rename.to, from);
            }
        }
        Self { former }
    }

    /// Tells whether anything of a kind has another name in the target.
    pub(crate) fn any(&self, kind: &str) -> bool {
        self.former.get(kind).is_some_and(|renamed| !renamed.is_empty())
    }

    /// Returns what a thing of the target was called in the source.
    pub(crate) fn former(&self, kind: &str, name: &str) -> Option<&str> {
        self.former.get(kind)?.get(name).map(AsRef::as_ref)
    }

    /// Tells whether a field differs only because what it names has another name now.
    ///
    /// - `thing`: the target's thing that has the field.
    pub(super) fn explain(&self, kind: &str, thing: &Value, change: &FieldChange) -> bool {
        let Some((referred, scope)) = reference(kind, &change.field, thing) else { return false };
        if !self.former.contains_key(referred) {
            return false;
        }
        // In the form the source would have it: the scope's own rename shows in the former name too.
        let before = |now: &str| {
            let name = format!("{scope}{now}");
            let former = self.former(referred, &name).unwrap_or(&name);
            former.rsplit('/').next().unwrap_or(former).to_owned()
        };
        match (&change.before, &change.after) {
            (Value::String(old), Value::String(new)) => before(new) == *old,
            (old, new) => match (texts(old), texts(new)) {
                (Some(old), Some(new)) => {
                    let new: BTreeSet<String> = new.into_iter().map(before).collect();
                    old.into_iter().map(str::to_owned).collect::<BTreeSet<String>>() == new
                }
                _ => false,
            },
        }
    }
}

/// Returns what a thing was called when only what it is in has another name, and its own rename was carried out before.
fn within_renamed(rename: &Rename) -> Option<String> {
    if let (Some((local, _)), Some((_, domain))) = (rename.to.rsplit_once('@'), rename.from.rsplit_once('@')) {
        return Some(format!("{local}@{domain}"));
    }
    let (scope, name) = (rename.from.split_once('/')?.0, rename.to.split_once('/')?.1);
    Some(format!("{scope}/{name}"))
}

/// Tells whether the domain that a rename is of, or is in, was the same reseller's before.
///
/// Resellers write `renamed-from` themselves: nobody takes over another one's mailboxes by claiming that they were his.
fn stays_with_its_owner(rename: &Rename, owners: &[BTreeMap<&str, &str>; 2], target: Revision<'_>) -> bool {
    let domain = |name: &'_ str| match rename.kind.as_str() {
        "domain" => Some(name.to_owned()),
        "workgroup" => name.split('/').next().map(str::to_owned),
        "mailbox" | "forward" | "list" => name.rsplit('@').next().map(str::to_owned),
        _ => None,
    };
    let (Some(from), Some(to)) = (domain(&rename.from), domain(&rename.to)) else { return true };
    let [source, now] = owners;
    let (Some(before), Some(after)) = (source.get(from.as_str()), now.get(to.as_str())) else { return true };
    let mut renames = target.roster.renames.iter();
    before == after || renames.any(|it| it.kind == "reseller" && it.from == *before && it.to == *after)
}

/// Returns whose each domain is.
fn owners(revision: Revision<'_>) -> BTreeMap<&str, &str> {
    revision.roster.domains.iter().map(|domain| (domain.name.as_str(), domain.reseller.as_str())).collect()
}

fn all<'a>(revision: Revision<'a>) -> impl Iterator<Item = &'a Rename> {
    revision.blueprint.renames.iter().chain(&revision.roster.renames)
}

/// Returns the kind of thing that a field names, and what stands before it in that thing's full name.
fn reference(kind: &str, field: &str, thing: &Value) -> Option<(&'static str, String)> {
    let text = |key: &str| thing.get(key).and_then(Value::as_str).unwrap_or_default();
    let domain = || text("address").rsplit('@').next().unwrap_or_default().to_owned();
    let plain = |referred| Some((referred, String::new()));
    match (kind, field) {
        ("node" | "domain", "cluster") | ("reseller", "contract.clusters") => plain("cluster"),
        ("node" | "host", "site") => plain("site"),
        ("node", "host") => plain("host"),
        ("node", "storage") => Some(("storage", format!("{}/", text("site")))),
        ("domain" | "brand", "reseller") => plain("reseller"),
        ("domain" | "mailbox", "tier") | ("reseller", "contract.tiers") => plain("tier"),
        ("domain", "outbound") => plain("outbound"),
        ("domain", "brand") => Some(("brand", format!("{}/", text("reseller")))),
        ("domain", "workgroups") => Some(("workgroup", format!("{}/", text("name")))),
        ("mailbox" | "forward" | "list", "workgroup") => Some(("workgroup", format!("{}/", domain()))),
        _ => None,
    }
}

/// The names that a revision has, by kind; gathered where they are asked for.
struct Settled<'a> {
    source: Revision<'a>,
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Settled<'_> {
    fn has(&mut self, kind: &str, name: &str) -> bool {
        let source = self.source;
        self.names.entry(kind.to_owned()).or_insert_with(|| names(source, kind)).contains(name)
    }
}

/// Returns the names of a revision's things of a kind, in the form of [`Rename`].
fn names(revision: Revision<'_>, kind: &str) -> BTreeSet<String> {
    let (plan, roster) = (revision.blueprint, revision.roster);
    match kind {
        "site" => plan.sites.iter().map(|site| site.name.to_string()).collect(),
        "host" => plan.hosts.iter().map(|host| host.name.to_string()).collect(),
        "node" => plan.nodes.iter().map(|node| node.name.to_string()).collect(),
        "cluster" => plan.nodes.iter().map(|node| node.cluster.to_string()).collect(),
        "storage" => {
            let storages = plan.sites.iter().flat_map(|site| site.storages.iter().map(move |it| (site, it)));
            storages.map(|(site, storage)| format!("{}/{}", site.name, storage.name)).collect()
        }
        "outbound" => plan.outbound.iter().map(|pool| pool.name.to_string()).collect(),
        "tier" => roster.tiers.iter().map(|tier| tier.name.to_string()).collect(),
        "reseller" => roster.resellers.iter().map(|reseller| reseller.name.to_string()).collect(),
        "brand" => roster.brands.iter().map(|brand| format!("{}/{}", brand.reseller, brand.name)).collect(),
        "domain" => roster.domains.iter().map(|domain| domain.name.to_string()).collect(),
        "workgroup" => {
            let groups = roster.domains.iter().flat_map(|domain| domain.workgroups.iter().map(move |it| (domain, it)));
            groups.map(|(domain, group)| format!("{}/{group}", domain.name)).collect()
        }
        "mailbox" => roster.mailboxes.iter().map(|mailbox| mailbox.address.key()).collect(),
        "forward" => roster.forwards.iter().map(|forward| forward.address.key()).collect(),
        "list" => roster.lists.iter().map(|list| list.address.key()).collect(),
        _ => BTreeSet::new(),
    }
}

/// Tells the renames of things that are only a name in others, which would otherwise be told by nothing at all.
pub(super) fn bare(source: Revision<'_>, renames: &Renames<'_>, changes: &mut Vec<Change>) {
    for kind in ["cluster", "storage", "workgroup"] {
        let Some(renamed) = renames.former.get(kind) else { continue };
        let names = names(source, kind);
        for (to, from) in renamed.iter().filter(|(_, from)| names.contains(from.as_ref())) {
            let text = |name: &str| Value::String(name.to_owned());
            changes.push(Change {
                action: Action::Renamed,
                kind: kind.to_owned(),
                name: (*to).to_owned(),
                destructive: false,
                note: Some(format!("it was {from}")),
                fields: vec![FieldChange { field: "name".to_owned(), before: text(from), after: text(to) }],
            });
        }
    }
}

/// Returns the renames of the target from names that the source does not have, to names that it does not have either.
pub(super) fn from_nothing(source: Revision<'_>, target: Revision<'_>, renames: &Renames<'_>) -> Vec<Rename> {
    let mut known = Settled { source, names: BTreeMap::new() };
    all(target)
        .filter(|rename| {
            let former = renames.former(&rename.kind, &rename.to);
            former.is_some_and(|from| !known.has(&rename.kind, from))
        })
        .cloned()
        .collect()
}
