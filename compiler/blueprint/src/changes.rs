//! What changes between two revisions of a platform, and who notices: the plain data that `plan` prints.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use values::Name;

use crate::rename::Rename;

/// Everything that changes, destructive changes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// [`crate::VERSION`].
    pub version: u32,
    /// How many things change in each way.
    pub summary: Summary,
    /// Each change.
    pub changes: Vec<Change>,
    /// What users notice, by reseller.
    pub impacts: Vec<Impact>,
    /// What is said to be renamed from a name that nothing had: it is new, and its `renamed-from` says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed_from_nothing: Vec<Rename>,
}

/// How many things change in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Things that are new.
    pub created: usize,
    /// Things changed while they run.
    pub changed: usize,
    /// Things that must be restarted.
    pub restarted: usize,
    /// Things that move to another place.
    pub moved: usize,
    /// Things that keep everything but their name.
    pub renamed: usize,
    /// Things that are gone.
    pub destroyed: usize,
}

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// How.
    pub action: Action,
    /// What kind of thing: `node`, `host`, `file`, `tier`, `domain`, `mailbox`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether data or a place for data is lost by it, so that it needs to be allowed.
    pub destructive: bool,
    /// What it leads to, where that is not said by the action.
    pub note: Option<String>,
    /// What is different, field by field.
    pub fields: Vec<FieldChange>,
}

/// How a thing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is gone.
    Destroyed,
    /// It keeps everything but its place.
    Moved,
    /// It is stopped and started.
    Restarted,
    /// It changes while it runs.
    Changed,
    /// It keeps everything but its name.
    Renamed,
    /// It is new.
    Created,
}

/// One field that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's path, with dots between its parts.
    pub field: String,
    /// What it was; null where it was not set.
    pub before: Value,
    /// What it becomes; null where it is not set any more.
    pub after: Value,
}

/// What some users of a reseller notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Impact {
    /// The reseller.
    pub reseller: Name,
    /// How many of its mailboxes.
    pub mailboxes: u64,
    /// What they notice.
    pub what: String,
}

impl Summary {
    /// Counts one more.
    pub(crate) fn count(&mut self, action: Action) {
        *match action {
            Action::Created => &mut self.created,
            Action::Changed => &mut self.changed,
            Action::Restarted => &mut self.restarted,
            Action::Moved => &mut self.moved,
            Action::Renamed => &mut self.renamed,
            Action::Destroyed => &mut self.destroyed,
        } += 1;
    }
}

impl Change {
    /// Returns what changes are sorted by: destructive ones first.
    pub(crate) fn order(&self) -> (bool, Action, &str, &str) {
        (!self.destructive, self.action, &self.kind, &self.name)
    }
}

impl Changes {
    /// Tells whether nothing changes at all.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a change that only the caller can know of, such as that of a file whose bytes lie elsewhere.
    pub fn include(&mut self, change: Change) {
        self.summary.count(change.action);
        let at = self.changes.partition_point(|there| there.order() <= change.order());
        self.changes.insert(at, change);
    }

    /// Returns the changes that have to be allowed before they are carried out.
    pub fn destructive(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.destructive)
    }
}
