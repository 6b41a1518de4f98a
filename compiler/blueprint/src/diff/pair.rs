//! Two lists of things with names, compared by name.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fields::{fields, value};
use super::renames::Renames;
use crate::changes::{Action, Change, FieldChange};

/// How a change is carried out.
pub(super) struct Effect {
    pub(super) action: Action,
    pub(super) destructive: bool,
    pub(super) note: Option<String>,
}

impl Effect {
    pub(super) const CHANGE: Self = Self { action: Action::Changed, destructive: false, note: None };

    /// Something is lost by it.
    pub(super) fn lost(note: impl Into<String>) -> Self {
        Self { destructive: true, note: Some(note.into()), ..Self::CHANGE }
    }
}

/// What is compared: things of one kind.
pub(super) struct Things<'a, T> {
    pub(super) kind: &'static str,
    pub(super) source: &'a [T],
    pub(super) target: &'a [T],
}

impl<T: Serialize + PartialEq> Things<'_, T> {
    /// Compares the two lists. What is on one side only is created or destroyed, what has another name is renamed, whatever
    /// the effect says of the action.
    ///
    /// - `key`: what a thing is found by on the other side.
    /// - `name`: what it is called for people.
    pub(super) fn compare(
        self,
        key: impl Fn(&T) -> String,
        name: impl Fn(&T) -> String,
        renames: &Renames<'_>,
        changes: &mut Vec<Change>,
        effect: impl Fn(Option<&T>, Option<&T>, &[FieldChange]) -> Effect,
    ) {
        let kind = self.kind;
        let mut same = Same::default();
        // Most of a large list is on both sides and the same. What was renamed needs all names of both.
        let (source, target) = match renames.any(kind) {
            true => (self.source.iter().collect(), self.target.iter().collect()),
            false => apart(self.source, self.target, &key, |old, new| same.are(old, new)),
        };
        let (before, after) = (index(&source, &key), index(&target, &key));
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        for (key, &new) in &after {
            let renamed =
                renames.former(kind, key).filter(|former| !after.contains_key(*former) && !kept.contains(former));
            let found = before.get_key_value(key.as_str()).or_else(|| before.get_key_value(renamed?));
            let Some((was, &old)) = found else {
                changes.push(change(Action::Created, kind, name(new), effect(None, Some(new), &[]), Vec::new()));
                continue;
            };
            kept.insert(was);
            let is_renamed = was != key;
            if !is_renamed && same.are(old, new) {
                continue;
            }
            let (old_value, new_value) = (value(old), value(new));
            let mut fields = fields(&old_value, &new_value);
            fields.retain(|field| !renames.explain(kind, &new_value, field));
            if fields.is_empty() && !is_renamed {
                continue;
            }
            let mut effect = effect(Some(old), Some(new), &fields);
            let mut action = effect.action;
            if is_renamed {
                action = Action::Renamed;
                let was = format!("it was {}", name(old));
                effect.note = Some(effect.note.map_or_else(|| was.clone(), |note| format!("{was}; {note}")));
            }
            changes.push(change(action, kind, name(new), effect, fields));
        }
        for (_, &old) in before.iter().filter(|(key, _)| !kept.contains(key.as_str())) {
            changes.push(change(Action::Destroyed, kind, name(old), effect(Some(old), None, &[]), Vec::new()));
        }
    }
}

/// Walks two lists side by side and returns what is left of them without the things that are the same on both sides.
///
/// Lists in another order leave more, which costs only time.
///
/// - `is_same`: tells of two things with one key whether nothing has to be said of them; whatever it does with them.
pub(crate) fn apart<'a, T>(
    source: &'a [T],
    target: &'a [T],
    key: impl Fn(&T) -> String,
    mut is_same: impl FnMut(&'a T, &'a T) -> bool,
) -> (Vec<&'a T>, Vec<&'a T>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (source.iter().peekable(), target.iter().peekable());
    while let (Some(&old), Some(&new)) = (olds.peek(), news.peek()) {
        if is_same(old, new) {
            olds.next();
            news.next();
            continue;
        }
        match key(old).cmp(&key(new)) {
            Ordering::Less => left.extend(olds.next()),
            Ordering::Greater => right.extend(news.next()),
            Ordering::Equal => {
                left.extend(olds.next());
                right.extend(news.next());
            }
        }
    }
    left.extend(olds);
    right.extend(news);
    (left, right)
}

/// Returns things by their key; should two have one, the second is told from the first by a number.
fn index<'a, T>(things: &[&'a T], key: impl Fn(&T) -> String) -> BTreeMap<String, &'a T> {
    let mut found: BTreeMap<String, &T> = BTreeMap::new();
    for &thing in things {
        let plain = key(thing);
        let mut unique = plain.clone();
        let mut number = 1;
        while found.contains_key(&unique) {
            number += 1;
            unique = format!("{plain} ({number})");
        }
        found.insert(unique, thing);
    }
    found
}

/// Compares things by their bytes: addresses that are equal by the rules of mail may be spelled otherwise, and that is a
/// change too.
#[derive(Default)]
struct Same {
    left: Vec<u8>,
    right: Vec<u8>,
}

impl Same {
    fn are<T: Serialize + PartialEq>(&mut self, old: &T, new: &T) -> bool {
        if old != new {
            return false;
        }
        self.left.clear();
        self.right.clear();
        serde_json::to_writer(&mut self.left, old).expect("plain data of this crate always serializes");
        serde_json::to_writer(&mut self.right, new).expect("plain data of this crate always serializes");
        self.left == self.right
    }
}

fn change(action: Action, kind: &str, name: String, effect: Effect, fields: Vec<FieldChange>) -> Change {
    Change { action, kind: kind.to_owned(), name, destructive: effect.destructive, note: effect.note, fields }
}
