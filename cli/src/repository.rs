//! Reads a specification repository from disk: its texts, its assets, and whom each file is to be trusted as.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blueprint::lock;
use spec::{Asset, SourceFile, Sources, Trust};

use crate::failure::Failure;
use crate::pins::{self, Reach};

/// Files larger than this are refused by the reader anyway; one byte more is enough to say so.
const LARGEST_SOURCE: u64 = 16 * 1024 * 1024 + 1;
/// An asset is a logo or a letter; more than this is not kept in memory.
const LARGEST_ASSET: u64 = 1024 * 1024;
/// Folders deeper than this are not looked into.
const DEEPEST_FOLDER: usize = 12;

/// What is said of a folder without any text.
pub(crate) const NOTHING_THERE: &str = "holds no specification";

/// A repository as it was found.
pub(crate) struct Repository {
    /// Its canonical path.
    pub(crate) path: PathBuf,
    /// What it holds, and the resellers' revisions that its lock pins.
    pub(crate) sources: Sources,
}

/// Reads the repository at a path; pinned revisions that are not in the cache are fetched.
///
/// Symbolic links, devices and pipes are passed over, so that no file from outside the repository is ever read as its own.
pub(crate) fn read(path: &Path) -> Result<Repository, Failure> {
    read_with(path, Reach::Fetch)
}

/// Reads the repository at a path as far as it can be had from this machine.
pub(crate) fn read_with(path: &Path, reach: Reach) -> Result<Repository, Failure> {
    let (path, found) = find(path)?;
    let sources = join(&path, found, reach)?;
    Ok(Repository { path, sources })
}

/// Puts the resellers' revisions that a repository's lock pins beside its own files.
pub(crate) fn join(path: &Path, found: Found, reach: Reach) -> Result<Sources, Failure> {
    let lock = lock_of(path)?;
    pins::join(found, path, lock.as_deref(), reach).ok_or_else(|| {
        Failure::usage(format!("{} {NOTHING_THERE}", path.display()))
            .help("a repository has a platform.kdl, resellers/NAME/*.kdl and environments/*.kdl")
    })
}

/// Returns the canonical path of a repository, and what lies in it, sorted by path and unread.
pub(crate) fn list(path: &Path) -> Result<(PathBuf, Vec<Listed>), Failure> {
    let canonical = fs::canonicalize(path).map_err(|error| {
        Failure::usage(format!("there is no specification repository at {}", path.display()))
            .cause(&error)
            .help("name a folder that holds platform.kdl, or try the built-in example: mailwright try")
    })?;
    if !canonical.is_dir() {
        return Err(Failure::usage(format!("{} is not a folder", path.display()))
            .help("name the folder that holds platform.kdl"));
    }
    let mut listed = Vec::new();
    walk(&canonical, "", 0, &mut listed)?;
    Ok((canonical, listed))
}

/// Returns the canonical path of a repository, and the files that lie in it.
pub(crate) fn find(path: &Path) -> Result<(PathBuf, Found), Failure> {
    let (path, listed) = list(path)?;
    let read = side_by_side(&listed, |file| file.read(&path));
    let mut found = Found::default();
    for (file, bytes) in listed.into_iter().zip(read) {
        found.add(file.kind, file.path, bytes?);
    }
    Ok((path, found))
}

/// Returns the bytes of a repository's lock; `None` where it has none.
pub(crate) fn lock_of(repository: &Path) -> Result<Option<Vec<u8>>, Failure> {
    written_by_us(&repository.join(lock::FILE))
}

/// Returns the bytes of a file that only the program writes; `None` where there is none.
pub(crate) fn written_by_us(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: &std::io::Error| Failure::failed(format!("could not read {}", path.display())).cause(error);
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(Failure::usage(format!("{} is not a file", path.display()))
                .help("the program writes it; move what is there out of the way"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    }
    fs::read(path).map(Some).map_err(|error| failed(&error))
}

/// A file of a repository that is something to a specification.
pub(crate) struct Listed {
    /// Its path relative to the repository.
    pub(crate) path: String,
    /// What it is.
    pub(crate) kind: Kind,
}

impl Listed {
    /// Returns the file's bytes, as many as are ever read.
    pub(crate) fn read(&self, root: &Path) -> Result<Vec<u8>, Failure> {
        let full = root.join(&self.path);
        let mut bytes = Vec::new();
        fs::File::open(&full)
            .and_then(|file| file.take(self.kind.limit()).read_to_end(&mut bytes))
            .map_err(|error| unreadable(&full, &error))?;
        Ok(bytes)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("could not read {}", path.display()))
        .cause(error)
        .help("a specification is judged as a whole: let it be read, or take it out of the repository")
}

/// Below this many things a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 32;

/// Does something with each of many things on all processors; returns the results in the order of the things.
pub(crate) fn side_by_side<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(things.len() / WORTH_A_THREAD + 1);
    if threads < 2 {
        return things.iter().map(work).collect();
    }
    // Each thread takes the next thing that nobody has taken; the order is put right afterwards.
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(index) else { return done };
            done.push((index, work(thing)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn walk(root: &Path, below: &str, depth: usize, listed: &mut Vec<Listed>) -> Result<(), Failure> {
    let folder = root.join(below);
    let unreadable = |error: &std::io::Error| unreadable(&folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let kind = entry.file_type().map_err(|error| unreadable(&error))?;
        let name = match entry.file_name().into_string() {
            Ok(name) => name,
            Err(name) => {
                let name = name.to_string_lossy();
                let path = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
                pass_over(&path, "called by a name that is not UTF-8");
                continue;
            }
        };
        entries.push((name, kind));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries {
        if name.starts_with('.') {
            continue;
        }
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if kind.is_dir() {
            if depth < DEEPEST_FOLDER && belongs(&path) {
                walk(root, &path, depth + 1, listed)?;
            } else if depth == 0 {
                pass_over(&path, "a folder");
            }
        } else if kind.is_file()
            && let Some(kind) = Kind::of(&path)
        {
            listed.push(Listed { path, kind });
        } else if !kind.is_file() {
            pass_over(&path, if kind.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" });
        }
    }
    Ok(())
}

/// Says once of something that looks like a part of the specification that it is not read.
fn pass_over(path: &str, what: &str) {
    /// More than these nobody reads.
    const MOST: usize = 20;
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let inside = path.split_once('/').is_some_and(|(top, _)| belongs(top));
    if !inside && !matches!(Kind::of(path), Some(Kind::Source(_))) {
        return;
    }
    let Ok(mut told) = TOLD.lock() else { return };
    if told.len() < MOST && told.insert(path.to_owned()) {
        let _ = writeln!(std::io::stderr(), "note: {path} is {what}, and is not read");
    }
}

/// At the top only the folders the language knows are looked into: a repository may hold other things beside them.
fn belongs(path: &str) -> bool {
    path.contains('/') || matches!(path, "resellers" | "environments" | "scenarios" | "assets")
}

/// What a file is to a specification; most files of a repository are nothing to it.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A text to read, trusted as its folder says.
    Source(Trust),
    /// A file that a text may point to.
    Asset,
}

impl Kind {
    /// Returns what the file at a path, relative to the repository, is to the specification.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path.split('/').any(|part| part.starts_with('.')) {
            return None;
        }
        if path.split_once('/').is_some_and(|(top, _)| !belongs(top)) {
            return None;
        }
        if [".kdl", ".yaml", ".yml"].iter().any(|ending| path.ends_with(ending)) {
            let reseller = path.strip_prefix("resellers/").and_then(|rest| rest.split_once('/'));
            return Some(Self::Source(match reseller {
                Some((name, _)) => Trust::Reseller(name.to_owned()),
                None => Trust::Operator,
            }));
        }
        path.contains('/').then_some(Self::Asset)
    }

    /// Returns how many bytes of such a file are read.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Source(_) => LARGEST_SOURCE,
            Self::Asset => LARGEST_ASSET,
        }
    }
}

/// The files of a repository while they are gathered.
#[derive(Clone, Default)]
pub(crate) struct Found {
    files: Vec<SourceFile>,
    assets: Vec<Asset>,
}

impl Found {
    /// Adds a file.
    pub(crate) fn add(&mut self, kind: Kind, path: String, bytes: Vec<u8>) {
        match kind {
            Kind::Source(trust) => self.files.push(SourceFile { path, bytes, trust }),
            Kind::Asset => self.assets.push(Asset { path, bytes }),
        }
    }

    /// Returns the operator's own texts.
    pub(crate) fn operators(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.trust == Trust::Operator)
    }

    /// Takes the files of a reseller's folder out; returns the path of the first.
    pub(crate) fn take_reseller(&mut self, name: &str) -> Option<String> {
        let folder = format!("resellers/{name}/");
        let first = self.files.iter().map(|file| &file.path).find(|path| path.starts_with(&folder)).cloned();
        self.files.retain(|file| !file.path.starts_with(&folder));
        self.assets.retain(|asset| !asset.path.starts_with(&folder));
        first
    }

    /// Returns the sources, or nothing when there is no text among them.
    pub(crate) fn into_sources(self) -> Option<Sources> {
        (!self.files.is_empty()).then(|| Sources::new(self.files, self.assets))
    }
}
