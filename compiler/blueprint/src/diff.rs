//! Two revisions of a platform compared, entity by entity and field by field.
//!
//! Every field of every entity takes part: what is compared is the serialized form, so a field added to the treaty can not
//! be forgotten here. Only how a change is carried out is said by name.

mod fields;
mod files;
mod nodes;
mod noted;
mod pair;
mod renames;
mod tenants;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::changes::{Action, Change, Changes, Summary};
use crate::impact;
use crate::platform::{Blueprint, Retention};
use crate::roster::Roster;
use fields::value;

pub(crate) use nodes::MOVES_LIVE;
pub use noted::{launches, scenarios};
pub(crate) use pair::apart;
pub(crate) use renames::Renames;

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
    let renames = Renames::of(source, target);
    settings(source, target, &mut changes);
    renames::bare(source, &renames, &mut changes);
    nodes::compare(source, target, &renames, &mut changes);
    tenants::compare(source.roster, target.roster, &renames, &mut changes);
    if let (Some(before), Some(after)) = (source.bundle, target.bundle) {
        files::compare(before, after, &renames, &mut changes);
    }
    noted::compare(&source.blueprint.noted, &target.blueprint.noted, &renames, &mut changes);
    changes.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut summary = Summary::default();
    changes.iter().for_each(|change| summary.count(change.action));
    let impacts = impact::impacts(source, target, &renames, &changes);
    let renamed_from_nothing = renames::from_nothing(source, target, &renames);
    Changes { version: crate::VERSION, summary, changes, impacts, renamed_from_nothing }
}

/// What holds for the platform as a whole: every field that is no list of things with names.
fn settings(source: Revision<'_>, target: Revision<'_>, changes: &mut Vec<Change>) {
    let (old, new) = (source.blueprint, target.blueprint);
    let (Value::Object(before), Value::Object(after)) = (value(old), value(new)) else { return };
    // Renames say how two revisions belong together, and are no part of either.
    let named = ["nodes", "hosts", "sites", "outbound", "renames", "noted"];
    for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
        if named.contains(&key.as_str()) {
            continue;
        }
        let shorter = key == "retention" && is_shorter(&old.retention, &new.retention);
        // Another software set is another image: every node starts again from it.
        let restarts = matches!(key.as_str(), "release" | "platform" | "environment" | "service_domain");
        let note = match (shorter, restarts) {
            (true, _) => Some("what was kept for longer is destroyed"),
            (_, true) => Some("every node is restarted"),
            _ => None,
        };
        let action = if restarts { Action::Restarted } else { Action::Changed };
        setting(action, key, [before.get(key), after.get(key)], (shorter, note), changes);
    }
    // Nothing of a roster but its lists is left over; all of them have names.
    let versions = [value(&source.roster.version), value(&target.roster.version)];
    let [before, after] = &versions;
    setting(Action::Changed, "roster.version", [Some(before), Some(after)], (false, None), changes);
}

fn is_shorter(before: &Retention, after: &Retention) -> bool {
    after.deleted_mailbox < before.deleted_mailbox
        || after.deleted_message < before.deleted_message
        || after.logs < before.logs
        || after.audit < before.audit
}

fn setting(
    action: Action,
    name: &str,
    [before, after]: [Option<&Value>; 2],
    (destructive, note): (bool, Option<&str>),
    changes: &mut Vec<Change>,
) {
    let (before, after) = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
    if before != after {
        changes.push(Change {
            action,
            kind: "setting".to_owned(),
            name: name.to_owned(),
            destructive,
            note: note.map(str::to_owned),
            fields: fields::fields(before, after),
        });
    }
}
