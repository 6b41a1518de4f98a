//! What makes no difference to any file of any node, compared all the same: what was agreed on, how an environment is run,
//! what is tried in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{fields, value};
use super::renames::Renames;
use crate::changes::{Action, Change, FieldChange};
use crate::launch::Launch;
use crate::noted::Noted;
use crate::scenario::Scenario;

/// What a person wants to know first of such a change.
const NO_FILE: &str = "no file of any node is made from it";

/// What a Launch says again that nodes and accounts say already.
const ECHOES: [&str; 3] = ["doors", "accounts", "version"];

/// Compares what was agreed on, thing by thing.
pub(super) fn compare(source: &[Noted], target: &[Noted], renames: &Renames<'_>, changes: &mut Vec<Change>) {
    let (mut before, after) = (by_thing(source), by_thing(target));
    for (&(kind, name), new) in &after {
        let renamed = renames.former(kind, name).filter(|former| !after.contains_key(&(kind, *former)));
        let old = before.remove(&(kind, name)).or_else(|| before.remove(&(kind, renamed?))).unwrap_or_default();
        thing((kind, name), &old, new, changes);
    }
    for ((kind, name), old) in before {
        thing((kind, name), &old, &BTreeMap::new(), changes);
    }
}

type Said<'a> = BTreeMap<&'a str, &'a str>;

fn by_thing(notes: &[Noted]) -> BTreeMap<(&str, &str), Said<'_>> {
    let mut things: BTreeMap<(&str, &str), Said<'_>> = BTreeMap::new();
    for note in notes {
        things.entry((&note.kind, &note.name)).or_default().insert(&note.field, &note.value);
    }
    things
}

fn thing((kind, name): (&str, &str), old: &Said<'_>, new: &Said<'_>, changes: &mut Vec<Change>) {
    let text = |said: &Said<'_>, field: &str| said.get(field).map_or(Value::Null, |it| Value::String((*it).to_owned()));
    let all: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let differing = all.into_iter().filter(|field| old.get(field) != new.get(field));
    let fields: Vec<FieldChange> = differing
        .map(|field| FieldChange { field: field.to_owned(), before: text(old, field), after: text(new, field) })
        .collect();
    // A migration is asked for and nobody carries it out; who plans one has to know.
    let migrates = fields.iter().any(|field| field.field.starts_with("migrate."));
    let note = match migrates {
        true => format!("{NO_FILE}, and nothing fetches the mail yet"),
        false => NO_FILE.to_owned(),
    };
    if !fields.is_empty() {
        changes.push(changed(Action::Changed, kind, name, note, fields));
    }
}

fn changed(action: Action, kind: &str, name: &str, note: String, fields: Vec<FieldChange>) -> Change {
    Change { action, kind: kind.to_owned(), name: name.to_owned(), destructive: false, note: Some(note), fields }
}

/// Compares how an environment is run: on what, behind which doors, with which world outside.
pub fn launches(source: &Launch, target: &Launch) -> Option<Change> {
    let mut found = fields(&value(source), &value(target));
    let is_echo = |change: &FieldChange| ECHOES.contains(&change.field.split('.').next().unwrap_or_default());
    found.retain(|change| !is_echo(change));
    let note = "how it is run, which the next `up` takes over; no file of any node is made from it".to_owned();
    (!found.is_empty()).then(|| changed(Action::Changed, "environment", target.environment.as_str(), note, found))
}

/// Compares what can be tried.
pub fn scenarios(source: &[Scenario], target: &[Scenario]) -> Vec<Change> {
    let named = |scenarios: &[Scenario]| -> BTreeMap<String, Value> {
        scenarios.iter().map(|scenario| (scenario.name.clone(), value(scenario))).collect()
    };
    let (before, after) = (named(source), named(target));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let (action, fields) = match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(old), Some(new)) => (Action::Changed, fields(old, new)),
            (None, _) => (Action::Created, Vec::new()),
            (_, None) => (Action::Destroyed, Vec::new()),
        };
        let note = "it is only tried; nothing that runs changes".to_owned();
        changes.push(changed(action, "scenario", name, note, fields));
    }
    changes
}
