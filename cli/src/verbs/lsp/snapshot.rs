//! A repository as an editor sees it, kept between keystrokes: of what did not change, nothing is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blueprint::lock;
use compiler::Output;
use spec::editor::{FileNames, Names};
use spec::{FileId, Outline, Parsed, Problem, SourceFile, Sources, Trust};

use crate::kept::Stamp;
use crate::pins::{self, Reach};
use crate::repository::{self, Found, Kind, Listed, side_by_side};

/// Texts together larger than this are not compiled for a hover.
const LARGEST_COMPILED: usize = 4 * 1024 * 1024;

/// A text as it stands in the editor.
#[derive(Clone, Copy)]
pub(super) struct Typed<'d> {
    /// The text.
    pub(super) text: &'d str,
    /// Another one for each state of each document.
    pub(super) state: u64,
}

/// Where the bytes of a file are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From the disk, where the file system said this of the file; nothing where it said nothing.
    Disk(Option<Stamp>),
    /// From the editor.
    Typed(u64),
}

/// A repository with the open documents in place of its files.
pub(super) struct Snapshot {
    /// Its folder.
    pub(super) root: PathBuf,
    /// Its texts.
    pub(super) sources: Sources,
    /// When the disk was last looked at; `None` where it may have changed since.
    pub(super) looked: Option<Instant>,
    /// What the file system says of the lock.
    lock: Option<Stamp>,
    /// Where each of its files is from, and what it is.
    origins: BTreeMap<String, (Origin, Kind)>,
    /// Whether revisions of other repositories stand in the place of folders.
    pinned: bool,
    outlines: BTreeMap<FileId, Outline>,
    names: Names,
    /// Files whose names are in [`Self::names`].
    named: BTreeSet<FileId>,
    problems: Option<Vec<Problem>>,
    compiled: Option<Option<(Parsed, Output)>>,
}

impl Snapshot {
    /// Returns a repository as it is now.
    ///
    /// - `before`: as it was; what did not change since is taken over.
    /// - `typed`: documents that stand in the place of files, by path.
    /// - `believed`: how long the disk is not looked at again.
    /// - Returns: nothing where there is no text at all.
    pub(super) fn refreshed(
        root: &Path,
        before: Option<Self>,
        typed: &BTreeMap<&str, Typed<'_>>,
        believed: Duration,
    ) -> Option<Self> {
        let known = before.as_ref().filter(|it| it.looked.is_some_and(|looked| looked.elapsed() < believed));
        let (mut origins, lock, looked) = match known {
            Some(known) => (known.origins.clone(), known.lock, known.looked),
            None => {
                let now = Instant::now();
                let listed = repository::list(root).map(|(_, listed)| listed).unwrap_or_default();
                let on_disk = |file: Listed| {
                    let stamp = stamp(&root.join(&file.path));
                    (file.path, (Origin::Disk(stamp), file.kind))
                };
                (listed.into_iter().map(on_disk).collect(), stamp(&root.join(lock::FILE)), Some(now))
            }
        };
        // What was closed is as it is on the disk.
        origins.retain(|path, (origin, _)| {
            if matches!(origin, Origin::Typed(_)) && !typed.contains_key(path.as_str()) {
                *origin = Origin::Disk(stamp(&root.join(path.as_str())));
            }
            !matches!(origin, Origin::Disk(None))
        });
        for (path, typed) in typed {
            if let Some(kind @ Kind::Source(_)) = Kind::of(path) {
                origins.insert((*path).to_owned(), (Origin::Typed(typed.state), kind));
            }
        }
        let snapshot = match before {
            Some(mut before) => match before.take_over(&origins, lock, typed) {
                true => Some(before),
                false => Self::anew(root, Some(before), origins, lock, typed),
            },
            None => Self::anew(root, None, origins, lock, typed),
        };
        snapshot.map(|snapshot| Self { looked, ..snapshot })
    }

    /// Takes changed contents over; tells whether that was enough, since no file came or went and no folder is another one's.
    fn take_over(
        &mut self,
        origins: &BTreeMap<String, (Origin, Kind)>,
        lock: Option<Stamp>,
        typed: &BTreeMap<&str, Typed<'_>>,
    ) -> bool {
        if self.lock != lock || self.origins.len() != origins.len() {
            return false;
        }
        let mut changed = Vec::new();
        for ((path, (before, _)), (other, (now, kind))) in self.origins.iter().zip(origins) {
            if path != other {
                return false;
            }
            if before != now {
                let Kind::Source(trust) = kind else { return false };
                changed.push((path, *now, trust));
            }
        }
        let mut read = Vec::new();
        for (path, now, trust) in changed {
            let Some(bytes) = bytes(&self.root, path, now, &Kind::Source(trust.clone()), typed) else { return false };
            let file = SourceFile { path: path.clone(), bytes, trust: trust.clone() };
            let is_operators = *trust == Trust::Operator;
            // Another place of a pinned repository, or a new one, is a matter for all files.
            if is_operators && (self.pinned || pins::says_repository(&file)) {
                return false;
            }
            // A file that a pinned revision hides is not there.
            if let Some(id) = self.sources.find(path) {
                read.push((id, file.bytes));
            } else if !self.pinned {
                return false;
            }
        }
        for (id, bytes) in read {
            if self.sources.file(id).is_some_and(|file| file.bytes != bytes) {
                self.sources.fill(id, bytes);
                self.outlines.remove(&id);
                self.named.remove(&id);
                self.problems = None;
                self.compiled = None;
            }
        }
        self.origins.clone_from(origins);
        true
    }

    /// Puts a repository together; what a former snapshot has of its files is not read again.
    fn anew(
        root: &Path,
        before: Option<Self>,
        origins: BTreeMap<String, (Origin, Kind)>,
        lock: Option<Stamp>,
        typed: &BTreeMap<&str, Typed<'_>>,
    ) -> Option<Self> {
        let mut found = Found::default();
        let list: Vec<_> = origins.iter().collect();
        let kept = |path: &str, origin| {
            let before = before.as_ref()?;
            before.origins.get(path).filter(|(known, _)| *known == origin)?;
            let text = before.sources.find(path).and_then(|id| before.sources.file(id)).map(|file| &file.bytes);
            text.or_else(|| before.sources.asset(path).map(|asset| &asset.bytes)).cloned()
        };
        let read = side_by_side(&list, |(path, (origin, kind))| {
            kept(path, *origin).or_else(|| bytes(root, path, *origin, kind, typed))
        });
        for ((path, (_, kind)), bytes) in list.into_iter().zip(read) {
            if let Some(bytes) = bytes {
                found.add(kind.clone(), path.clone(), bytes);
            }
        }
        let pinned = !pins::declared(&found).is_empty();
        // An editor does not wait for a network.
        let sources = repository::join(root, found, Reach::Cache).ok()?;
        let mut outlines = BTreeMap::new();
        if let Some(mut before) = before {
            for (id, file) in sources.files() {
                let same = before.sources.find(&file.path).filter(|&old| {
                    before.sources.file(old).is_some_and(|old| old.bytes == file.bytes && old.trust == file.trust)
                });
                let outline = same.and_then(|old| Some((old, before.outlines.remove(&old)?)));
                // Places know their file by its number.
                let outline = outline.and_then(|(old, outline)| match old == id {
                    true => Some(outline),
                    false => Outline::from_bytes(id, &outline.to_bytes()?),
                });
                outlines.extend(outline.map(|outline| (id, outline)));
            }
        }
        Some(Self {
            root: root.to_path_buf(),
            sources,
            looked: None,
            lock,
            origins,
            pinned,
            outlines,
            names: Names::default(),
            named: BTreeSet::new(),
            problems: None,
            compiled: None,
        })
    }

    /// Returns the file at a path.
    pub(super) fn file(&self, path: &Path) -> Option<(FileId, &SourceFile)> {
        let id = self.sources.find(path.strip_prefix(&self.root).ok()?.to_str()?)?;
        Some((id, self.sources.file(id)?))
    }

    /// Finds every problem of the repository, unless it was found already.
    pub(super) fn check(&mut self) {
        let Self { sources, outlines, problems, .. } = self;
        problems.get_or_insert_with(|| {
            let missing: Vec<_> = sources.files().filter(|(id, _)| !outlines.contains_key(id)).collect();
            let read = side_by_side(&missing, |(id, file)| (*id, Outline::of(*id, file)));
            outlines.extend(read);
            let parsed = spec::outline::join(outlines.values().cloned());
            compiler::check_outlines(sources, parsed, |id| Some(Outline::whole(id, sources.file(id)?)))
        });
    }

    /// Returns the problems that were last found, sorted by place.
    pub(super) fn problems(&self) -> &[Problem] {
        self.problems.as_deref().unwrap_or_default()
    }

    /// Returns all names of the repository, and its texts.
    pub(super) fn names(&mut self) -> (&Names, &Sources) {
        let missing: Vec<_> = self.sources.files().filter(|(id, _)| !self.named.contains(id)).collect();
        for (id, names) in side_by_side(&missing, |(id, file)| (*id, FileNames::of(*id, file))) {
            self.names.put(id, names);
            self.named.insert(id);
        }
        (&self.names, &self.sources)
    }

    /// Returns what the repository means for one of its environments: `dev`, else the first one.
    pub(super) fn compiled(&mut self) -> Option<(&Sources, &Parsed, &Output)> {
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
        let (parsed, output) = self.compiled.get_or_insert_with(compile).as_ref()?;
        Some((sources, parsed, output))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

/// Returns what a file holds now.
fn bytes(root: &Path, path: &str, origin: Origin, kind: &Kind, typed: &BTreeMap<&str, Typed<'_>>) -> Option<Vec<u8>> {
    match origin {
        Origin::Typed(_) => typed.get(path).map(|typed| typed.text.as_bytes().to_vec()),
        Origin::Disk(_) => Listed { path: path.to_owned(), kind: kind.clone() }.read(root).ok(),
    }
}
