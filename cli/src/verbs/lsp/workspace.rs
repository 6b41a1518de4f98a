//! The repositories that an editor works on: files on disk, and the open ones as they are typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use spec::editor::{Lines, Position};

use super::snapshot::{Snapshot, Typed};
use super::uri;

/// What an operator's repository begins with.
const PLATFORM_FILES: [&str; 3] = ["platform.kdl", "platform.yaml", "platform.yml"];
/// How long what lies on the disk is believed to be as it was; an editor does not tell of every change beside it.
const BELIEVED: Duration = Duration::from_secs(1);

/// A document that is open in the editor.
pub(super) struct Document {
    /// As the editor names it.
    pub(super) uri: String,
    /// Its text as it was typed.
    pub(super) text: String,
    /// The editor's count of its changes.
    pub(super) version: i64,
    /// Our own count of the states that any document was in.
    state: u64,
}

/// All that is open.
#[derive(Default)]
pub(super) struct Workspace {
    /// Folders that the editor opened.
    folders: Vec<PathBuf>,
    /// Documents by their path.
    open: BTreeMap<PathBuf, Document>,
    /// Repositories as they were last read.
    snapshots: BTreeMap<PathBuf, Snapshot>,
    /// States that documents were in so far.
    states: u64,
}

impl Workspace {
    /// Adds a folder that the editor opened.
    pub(super) fn add_folder(&mut self, uri: &str) {
        if let Some(path) = uri::to_path(uri).and_then(|path| fs::canonicalize(path).ok()) {
            self.folders.push(path);
        }
    }

    pub(super) fn open(&mut self, uri: &str, text: String, version: i64) {
        self.states += 1;
        if let Some(path) = path_of(uri) {
            self.open.insert(path, Document { uri: uri.to_owned(), text, version, state: self.states });
        }
        self.forget();
    }

    /// Takes changes of an open document over, in their order.
    pub(super) fn change(&mut self, uri: &str, changes: &[Value], version: i64) {
        let Some(document) = path_of(uri).and_then(|path| self.open.get_mut(&path)) else { return };
        self.states += 1;
        document.version = version;
        document.state = self.states;
        for change in changes {
            let Some(text) = change.get("text").and_then(Value::as_str) else { continue };
            match change.get("range") {
                None | Some(Value::Null) => text.clone_into(&mut document.text),
                Some(range) => {
                    let lines = Lines::of(document.text.as_bytes());
                    let offset = |which: &str| Some(lines.offset(position(range.get(which)?)?));
                    if let (Some(start), Some(end)) = (offset("start"), offset("end"))
                        && start <= end
                    {
                        document.text.replace_range(start..end, text);
                    }
                }
            }
        }
    }

    pub(super) fn close(&mut self, uri: &str) {
        if let Some(path) = path_of(uri) {
            self.open.remove(&path);
        }
        self.forget();
    }

    /// Has the disk be looked at again when something is next asked for.
    pub(super) fn forget(&mut self) {
        self.snapshots.values_mut().for_each(|snapshot| snapshot.looked = None);
    }

    /// Returns the open document at a path.
    pub(super) fn document(&self, path: &Path) -> Option<&Document> {
        self.open.get(path)
    }

    /// Returns all repositories that something is open in.
    pub(super) fn roots(&self) -> BTreeSet<PathBuf> {
        let folders = self.folders.iter().filter(|folder| is_repository(folder)).cloned();
        folders.chain(self.open.keys().filter_map(|path| self.root_of(path))).collect()
    }

    /// Returns the repository that a file belongs to.
    fn root_of(&self, path: &Path) -> Option<PathBuf> {
        let around = path.ancestors().skip(1);
        let above = around.clone().find(|folder| is_repository(folder));
        above.map(Path::to_path_buf).or_else(|| self.folders.iter().find(|folder| path.starts_with(folder)).cloned())
    }

    /// Returns the repository of a file as it is now.
    pub(super) fn snapshot_of(&mut self, path: &Path) -> Option<&mut Snapshot> {
        let root = self.root_of(path)?;
        self.snapshot(&root)
    }

    /// Returns a repository as it is now; `None` where it cannot be read.
    pub(super) fn snapshot(&mut self, root: &Path) -> Option<&mut Snapshot> {
        let typed: BTreeMap<&str, Typed<'_>> = self
            .open
            .iter()
            .filter_map(|(path, document)| {
                let below = path.strip_prefix(root).ok()?.to_str()?;
                Some((below, Typed { text: &document.text, state: document.state }))
            })
            .collect();
        let before = self.snapshots.remove(root);
        let now = Snapshot::refreshed(root, before, &typed, BELIEVED)?;
        Some(self.snapshots.entry(root.to_path_buf()).or_insert(now))
    }

    /// Returns a repository as it was when it was last looked at.
    pub(super) fn known(&self, root: &Path) -> Option<&Snapshot> {
        self.snapshots.get(root)
    }

    /// Returns the open documents below a folder, by their path in it.
    pub(super) fn documents<'w>(&'w self, root: &'w Path) -> impl Iterator<Item = (&'w str, &'w Document)> {
        self.open.iter().filter_map(move |(path, document)| Some((path.strip_prefix(root).ok()?.to_str()?, document)))
    }

    /// Returns how the editor names a file of a repository.
    pub(super) fn uri(&self, root: &Path, below: &str) -> String {
        let path = root.join(below);
        self.open.get(&path).map_or_else(|| uri::of_path(&path), |document| document.uri.clone())
    }
}

/// Returns a document's path, the same for all ways to write it.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let path = uri::to_path(uri)?;
    if let Ok(path) = fs::canonicalize(&path) {
        return Some(path);
    }
    let folder = fs::canonicalize(path.parent()?).ok()?;
    Some(folder.join(path.file_name()?))
}

/// Reads a position as editors send it.
pub(super) fn position(value: &Value) -> Option<Position> {
    let number = |name: &str| u32::try_from(value.get(name)?.as_u64()?).ok();
    Some(Position { line: number("line")?, character: number("character")? })
}

fn is_repository(folder: &Path) -> bool {
    PLATFORM_FILES.iter().any(|file| folder.join(file).is_file())
}
