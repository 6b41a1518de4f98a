//! The repositories that an editor works on: files on disk, and the open ones as they are typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use compiler::Output;
use serde_json::Value;
use spec::editor::{Lines, Names, Position};
use spec::{FileId, Parsed, SourceFile, Sources};

use super::uri;
use crate::pins::Reach;
use crate::repository::{self, Kind};

/// What an operator's repository begins with.
const PLATFORM_FILES: [&str; 3] = ["platform.kdl", "platform.yaml", "platform.yml"];
/// Texts together larger than this are not compiled for a hover.
const LARGEST_COMPILED: usize = 4 * 1024 * 1024;

/// A document that is open in the editor.
pub(super) struct Document {
    /// As the editor names it.
    pub(super) uri: String,
    /// Its text as it was typed.
    pub(super) text: String,
    /// The editor's count of its changes.
    pub(super) version: i64,
}

/// All that is open.
#[derive(Default)]
pub(super) struct Workspace {
    /// Folders that the editor opened.
    folders: Vec<PathBuf>,
    /// Documents by their path.
    open: BTreeMap<PathBuf, Document>,
    /// Repositories as they were last read, until something changes.
    snapshots: BTreeMap<PathBuf, Snapshot>,
}

/// A repository with the open documents in place of its files.
pub(super) struct Snapshot {
    /// Its folder.
    pub(super) root: PathBuf,
    /// Its texts.
    pub(super) sources: Sources,
    /// Its names.
    pub(super) names: Names,
    compiled: Option<Option<(Parsed, Output)>>,
}

impl Snapshot {
    /// Returns the id of the file at a path.
    pub(super) fn file(&self, path: &Path) -> Option<(FileId, &SourceFile)> {
        let below = path.strip_prefix(&self.root).ok()?.to_str()?;
        self.sources.files().find(|(_, file)| file.path == below)
    }

    /// Returns what the repository means for one of its environments: `dev`, else the first one.
    pub(super) fn compiled(&mut self) -> Option<&(Parsed, Output)> {
        let sources = &self.sources;
        let compile = || {
            if sources.files().map(|(_, file)| file.bytes.len()).sum::<usize>() > LARGEST_COMPILED {
                return None;
            }
            let parsed = spec::parse(sources);
            let names = compiler::environments(&parsed);
            let environment = names.iter().find(|name| *name == "dev").or(names.first())?;
            let output = compiler::compile(sources, &parsed, environment).output?;
            Some((parsed, output))
        };
        self.compiled.get_or_insert_with(compile).as_ref()
    }
}

impl Workspace {
    /// Adds a folder that the editor opened.
    pub(super) fn add_folder(&mut self, uri: &str) {
        if let Some(path) = uri::to_path(uri).and_then(|path| fs::canonicalize(path).ok()) {
            self.folders.push(path);
        }
    }

    pub(super) fn open(&mut self, uri: &str, text: String, version: i64) {
        if let Some(path) = path_of(uri) {
            self.open.insert(path, Document { uri: uri.to_owned(), text, version });
        }
        self.forget();
    }

    /// Takes changes of an open document over, in their order.
    pub(super) fn change(&mut self, uri: &str, changes: &[Value], version: i64) {
        self.forget();
        let Some(document) = path_of(uri).and_then(|path| self.open.get_mut(&path)) else { return };
        document.version = version;
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

    /// Has files be read again when they are next asked for.
    pub(super) fn forget(&mut self) {
        self.snapshots.clear();
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
        if !self.snapshots.contains_key(root) {
            let sources = self.sources(root)?;
            let names = Names::of(&sources);
            let snapshot = Snapshot { root: root.to_path_buf(), sources, names, compiled: None };
            self.snapshots.insert(root.to_path_buf(), snapshot);
        }
        self.snapshots.get_mut(root)
    }

    fn sources(&self, root: &Path) -> Option<Sources> {
        let mut typed = BTreeMap::new();
        for (path, document) in &self.open {
            if let Some(below) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                typed.insert(below, document);
            }
        }
        let (mut files, mut assets) = (Vec::new(), Vec::new());
        // An editor does not wait for a network.
        if let Ok(repository) = repository::read_with(root, Reach::Cache) {
            files.extend(repository.sources.files().map(|(_, file)| file.clone()));
            assets.extend(repository.sources.assets().iter().cloned());
        }
        files.retain(|file| !typed.contains_key(file.path.as_str()));
        for (path, document) in typed {
            if let Some(Kind::Source(trust)) = Kind::of(path) {
                let bytes = document.text.clone().into_bytes();
                files.push(SourceFile { path: path.to_owned(), bytes, trust });
            }
        }
        (!files.is_empty()).then(|| Sources::new(files, assets))
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
