//! Two revisions of a platform compared, entity by entity and field by field.
//!
//! Every field of every entity takes part: what is compared is the serialized form, so a field added to the treaty can not
//! be forgotten here. Only how a change is carried out is said by name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::changes::{Action, Change, Changes, FieldChange, Summary};
use crate::impact;
use crate::platform::{Blueprint, Node, Role};
use crate::roster::Roster;

/// One revision of a platform.
#[derive(Clone, Copy)]
pub struct Revision<'a> {
    /// What runs where.
    pub blueprint: &'a Blueprint,
    /// Who uses it.
    pub roster: &'a Roster,
    /// The bytes of its files; without them no file is compared.
    pub bundle: Option<&'a Bundle>,
}

/// Returns everything that changes from one revision to another.
pub fn diff(source: Revision<'_>, target: Revision<'_>) -> Changes {
    let mut changes = Vec::new();
    settings(source.blueprint, target.blueprint, &mut changes);
    nodes(source.blueprint, target.blueprint, &mut changes);
    tenants(source.roster, target.roster, &mut changes);
    if let (Some(before), Some(after)) = (source.bundle, target.bundle) {
        files(before, after, &mut changes);
    }
    changes.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut summary = Summary::default();
    for change in &changes {
        *match change.action {
            Action::Created => &mut summary.created,
            Action::Changed => &mut summary.changed,
            Action::Restarted => &mut summary.restarted,
            Action::Moved => &mut summary.moved,
            Action::Renamed => &mut summary.renamed,
            Action::Destroyed => &mut summary.destroyed,
        } += 1;
    }
    let impacts = impact::impacts(source, target, &changes);
    Changes { version: crate::VERSION, summary, changes, impacts }
}

fn order(change: &Change) -> (bool, Action, &str, &str) {
    (!change.destructive, change.action, &change.kind, &change.name)
}

/// What holds for the platform as a whole: every field of the Blueprint that is no list of things with names.
fn settings(source: &Blueprint, target: &Blueprint, changes: &mut Vec<Change>) {
    let (Value::Object(before), Value::Object(after)) = (value(source), value(target)) else { return };
    let named = ["nodes", "hosts", "sites", "outbound"];
    for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
        if named.contains(&key.as_str()) {
            continue;
        }
        let (old, new) = (before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null));
        if old == new {
            continue;
        }
        // Another software set is another image: every node starts again from it.
        let restarts = matches!(key.as_str(), "release" | "platform" | "environment" | "service_domain");
        changes.push(Change {
            action: if restarts { Action::Restarted } else { Action::Changed },
            kind: "setting".to_owned(),
            name: key.clone(),
            destructive: false,
            note: restarts.then(|| "every node is restarted".to_owned()),
            fields: fields(old, new),
        });
    }
    pair("site", &source.sites, &target.sites, |site| site.name.to_string(), changes, |_, _, _| Effect::RESTART);
    pair("host", &source.hosts, &target.hosts, |host| host.name.to_string(), changes, |_, _, _| Effect::CHANGE);
    pair(
        "outbound",
        &source.outbound,
        &target.outbound,
        |pool| pool.name.to_string(),
        changes,
        |_, _, _| Effect::CHANGE,
    );
}

fn nodes(source: &Blueprint, target: &Blueprint, changes: &mut Vec<Change>) {
    pair("node", &source.nodes, &target.nodes, |node| node.name.to_string(), changes, node_effect);
}

/// Returns whether a node of this role keeps something that is nowhere else.
pub(crate) fn is_stateful(role: Role) -> bool {
    matches!(
        role,
        Role::Mx | Role::Submission | Role::Outbound | Role::Store | Role::Directory | Role::Cache | Role::Calendar
    )
}

fn node_effect(before: Option<&Node>, after: Option<&Node>, fields: &[FieldChange]) -> Effect {
    let (Some(before), Some(after)) = (before, after) else {
        let gone = before.is_some_and(|node| is_stateful(node.role));
        return Effect {
            destructive: gone,
            note: gone.then(|| "what its state disk holds is lost".to_owned()),
            ..Effect::CHANGE
        };
    };
    let changed = |field: &str| fields.iter().any(|change| change.field.split('.').next() == Some(field));
    if changed("role") || changed("site") || changed("cluster") || changed("storage") {
        return Effect {
            action: Action::Moved,
            destructive: is_stateful(before.role),
            note: Some("it is made anew; what its state disk holds does not come along".to_owned()),
        };
    }
    if after.disk < before.disk {
        return Effect {
            action: Action::Restarted,
            destructive: is_stateful(before.role),
            note: Some("its state disk becomes smaller".to_owned()),
        };
    }
    if changed("host") {
        let stays = before.storage.is_none() && is_stateful(before.role);
        return Effect {
            action: Action::Moved,
            destructive: stays,
            note: stays.then(|| "its state lies on a disk of the old host and does not come along".to_owned()),
        };
    }
    let in_place =
        fields.iter().all(|change| change.field.starts_with("services") || change.field == "front_addresses");
    if in_place { Effect::CHANGE } else { Effect::RESTART }
}

fn tenants(source: &Roster, target: &Roster, changes: &mut Vec<Change>) {
    pair("tier", &source.tiers, &target.tiers, |tier| tier.name.to_string(), changes, |_, _, _| Effect::CHANGE);
    pair(
        "reseller",
        &source.resellers,
        &target.resellers,
        |one| one.name.to_string(),
        changes,
        |_, after, _| lost(after.is_none(), "its admins can sign in no more"),
    );
    let brand = |brand: &crate::roster::Brand| format!("{}/{}", brand.reseller, brand.name);
    pair("brand", &source.brands, &target.brands, brand, changes, |_, _, _| Effect::CHANGE);
    pair(
        "domain",
        &source.domains,
        &target.domains,
        |one| one.name.to_string(),
        changes,
        |before, after, fields| match (before, after) {
            (Some(_), None) => lost(true, "mail for it is refused, and its mailboxes are held and then destroyed"),
            (Some(_), Some(_)) if fields.iter().any(|change| change.field == "cluster") => Effect {
                action: Action::Moved,
                destructive: false,
                note: Some("its mailboxes are moved to the other cluster's stores".to_owned()),
            },
            _ => Effect::CHANGE,
        },
    );
    let address = |mailbox: &crate::roster::Mailbox| mailbox.address.to_string();
    pair("mailbox", &source.mailboxes, &target.mailboxes, address, changes, |before, after, _| match (before, after) {
        (Some(before), None) => {
            let note = match before.on_removal.action.as_str() {
                "suspend" => format!("it is suspended, and destroyed after {}", before.on_removal.hold),
                _ => "it is destroyed with everything in it".to_owned(),
            };
            Effect { action: Action::Destroyed, destructive: true, note: Some(note) }
        }
        _ => Effect::CHANGE,
    });
    pair(
        "forward",
        &source.forwards,
        &target.forwards,
        |one| one.address.to_string(),
        changes,
        |_, after, _| lost(after.is_none(), "mail for it is refused"),
    );
    pair(
        "list",
        &source.lists,
        &target.lists,
        |one| one.address.to_string(),
        changes,
        |_, after, _| lost(after.is_none(), "mail for it is refused"),
    );
}

fn files(source: &Bundle, target: &Bundle, changes: &mut Vec<Change>) {
    let flat = |bundle: &Bundle| -> BTreeMap<String, Value> {
        let nodes = bundle.nodes.iter().flat_map(|(node, files)| {
            files.iter().map(move |(path, file)| (format!("nodes/{node}/{}", path.trim_start_matches('/')), file))
        });
        let beside = [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)];
        let beside = beside
            .into_iter()
            .flat_map(|(folder, files)| files.iter().map(move |(path, file)| (format!("{folder}/{path}"), file)));
        nodes.chain(beside).map(|(path, file)| (path, Value::String(file.digest()))).collect()
    };
    let (before, after) = (flat(source), flat(target));
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let action = match (old, new) {
            (None, _) => Action::Created,
            (_, None) => Action::Destroyed,
            _ => Action::Changed,
        };
        let digest = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
        changes.push(Change {
            action,
            kind: "file".to_owned(),
            name: path.clone(),
            destructive: false,
            note: None,
            fields: vec![FieldChange { field: "sha256".to_owned(), before: digest(old), after: digest(new) }],
        });
    }
}

/// How a change is carried out.
struct Effect {
    action: Action,
    destructive: bool,
    note: Option<String>,
}

impl Effect {
    const CHANGE: Self = Self { action: Action::Changed, destructive: false, note: None };
    const RESTART: Self = Self { action: Action::Restarted, destructive: false, note: None };
}

fn lost(gone: bool, note: &str) -> Effect {
    if gone { Effect { destructive: true, note: Some(note.to_owned()), ..Effect::CHANGE } } else { Effect::CHANGE }
}

/// Compares two lists of things with names. What is on one side only is created or destroyed, whatever the effect says of
/// its action.
fn pair<T: Serialize + PartialEq>(
    kind: &str,
    source: &[T],
    target: &[T],
    name: impl Fn(&T) -> String,
    changes: &mut Vec<Change>,
    effect: impl Fn(Option<&T>, Option<&T>, &[FieldChange]) -> Effect,
) {
    let before: BTreeMap<String, &T> = source.iter().map(|thing| (name(thing), thing)).collect();
    let after: BTreeMap<String, &T> = target.iter().map(|thing| (name(thing), thing)).collect();
    for (key, &old) in &before {
        let new = after.get(key).copied();
        if new == Some(old) {
            continue;
        }
        let fields = new.map_or_else(Vec::new, |new| fields(&value(old), &value(new)));
        let effect = effect(Some(old), new, &fields);
        let action = if new.is_none() { Action::Destroyed } else { effect.action };
        changes.push(change(action, kind, key, effect, fields));
    }
    for (key, &new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        let effect = effect(None, Some(new), &[]);
        changes.push(change(Action::Created, kind, key, effect, Vec::new()));
    }
}

fn change(action: Action, kind: &str, name: &str, effect: Effect, fields: Vec<FieldChange>) -> Change {
    Change {
        action,
        kind: kind.to_owned(),
        name: name.to_owned(),
        destructive: effect.destructive,
        note: effect.note,
        fields,
    }
}

fn value(thing: &impl Serialize) -> Value {
    serde_json::to_value(thing).expect("plain data of this crate always serializes")
}

fn fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    collect(String::new(), before, after, &mut found);
    found
}

fn collect(path: String, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let side = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
            collect(inner, &side(old), &side(new), found);
        }
        return;
    }
    let field = if path.is_empty() { "value".to_owned() } else { path };
    found.push(FieldChange { field, before: before.clone(), after: after.clone() });
}
