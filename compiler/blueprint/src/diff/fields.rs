//! Two things compared field by field, in their serialized form.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::changes::FieldChange;

/// What the entries of a list are told apart by, where each has one of its own.
const KEYS: [&str; 6] = ["name", "zone", "domain", "address", "purpose", "language"];

/// Returns a thing in its serialized form.
pub(super) fn value(thing: &impl Serialize) -> Value {
    serde_json::to_value(thing).expect("plain data of this crate always serializes")
}

/// Returns every field that differs, by its path; what has no fields differs as `value`.
pub(super) fn fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    collect(String::new(), before, after, &mut found);
    found
}

fn collect(path: String, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let side = |object: &Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                collect(below(&path, key), &side(old), &side(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let already = found.len();
            if let Some((old, new)) = by_key(old, new) {
                for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                    let side =
                        |entries: &BTreeMap<&str, &Value>| entries.get(key).map_or(Value::Null, |&it| it.clone());
                    collect(below(&path, key), &side(&old), &side(&new), found);
                }
            }
            // Entries that cannot be told apart, or the same ones in another order.
            if found.len() == already {
                found.push(whole(path, before, after));
            }
        }
        _ => found.push(whole(path, before, after)),
    }
}

fn whole(path: String, before: &Value, after: &Value) -> FieldChange {
    let field = if path.is_empty() { "value".to_owned() } else { path };
    FieldChange { field, before: before.clone(), after: after.clone() }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

type Keyed<'v> = BTreeMap<&'v str, &'v Value>;

/// Returns the entries of two lists by what tells them apart, where that is possible.
fn by_key<'v>(before: &'v [Value], after: &'v [Value]) -> Option<(Keyed<'v>, Keyed<'v>)> {
    fn keyed<'v>(entries: &'v [Value], key: &str) -> Option<Keyed<'v>> {
        let found: Option<Keyed<'v>> = entries.iter().map(|entry| Some((entry.get(key)?.as_str()?, entry))).collect();
        found.filter(|found| found.len() == entries.len())
    }
    KEYS.iter().find_map(|key| Some((keyed(before, key)?, keyed(after, key)?)))
}

/// Returns the first part of a field's path.
pub(super) fn top(change: &FieldChange) -> &str {
    change.field.split('.').next().unwrap_or_default()
}

/// Returns the texts of a list, in order.
pub(super) fn texts(value: &Value) -> Option<BTreeSet<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}
