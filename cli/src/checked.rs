//! Checks a repository, and reads only those files again that changed since it was last checked.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use spec::{FileId, Outline, Problem, SourceFile, Sources, Trust};

use crate::failure::Failure;
use crate::kept::{ContentDigest, Entry, Kept, Stamp, digest};
use crate::pins::{self, Reach};
use crate::repository::{self, Found, Kind, Listed, join, side_by_side};

/// A repository whose resellers' texts take fewer bytes is read faster than anything could be looked up.
const WORTH_KEEPING: u64 = 1024 * 1024;

/// A repository and all that is wrong with it.
pub(crate) struct Checked {
    /// Its files; those without a problem may be without their bytes.
    pub(crate) sources: Sources,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
}

/// Checks the repository at a path.
///
/// - `cache`: the folder of what can be had again; `None` reads every file.
pub(crate) fn check(path: &Path, cache: Option<&Path>) -> Result<Checked, Failure> {
    if let Some(cache) = cache
        // Taken before any file is looked at, so that a change during the check is younger.
        && let Some(checked) = with_kept(path, cache, SystemTime::now())?
    {
        return Ok(checked);
    }
    let sources = repository::read(path)?.sources;
    let problems = compiler::check_all(&sources);
    Ok(Checked { sources, problems })
}

/// A file as far as it had to be read.
struct Taken {
    stamp: Option<Stamp>,
    /// The digest that its stamp stands for, where it was not read.
    known: Option<ContentDigest>,
    bytes: Vec<u8>,
}

/// Checks with what was kept; `None` where that is not worth it, or a file changed meanwhile.
fn with_kept(path: &Path, cache: &Path, began: SystemTime) -> Result<Option<Checked>, Failure> {
    let (root, listed) = repository::list(path)?;
    let stamps: Vec<Option<Stamp>> = listed.iter().map(|file| stamp(&root, file)).collect();
    let sizes = listed.iter().zip(&stamps).filter(|(file, _)| is_resellers(&file.kind));
    if sizes.filter_map(|(_, stamp)| stamp.as_ref()).map(Stamp::size).sum::<u64>() < WORTH_KEEPING {
        return Ok(None);
    }
    let kept = Kept::read(cache, &root);
    let pinned = pinned(&root, &listed)?;
    let listed: Vec<(Listed, Option<Stamp>)> = listed.into_iter().zip(stamps).collect();
    let taken = side_by_side(&listed, |(file, stamp)| take(&root, file, *stamp, &pinned, &kept));
    let mut found = Found::default();
    let mut known: BTreeMap<String, (Option<Stamp>, Option<ContentDigest>)> = BTreeMap::new();
    for ((file, _), taken) in listed.into_iter().zip(taken) {
        let taken = taken?;
        known.insert(file.path.clone(), (taken.stamp, taken.known));
        found.add(file.kind, file.path, taken.bytes);
    }
    let mut sources = join(&root, found, Reach::Fetch)?;
    let files: Vec<(FileId, &SourceFile)> = sources.files().collect();
    let outlines = side_by_side(&files, |(id, file)| {
        let (stamp, known) = known.get(&file.path).copied().unwrap_or_default();
        outline(&root, *id, file, known, &kept)
            .map(|(outline, entry)| (outline, entry.map(|entry| Entry { stamp, ..entry })))
    });
    let (mut parts, mut entries) = (Vec::new(), BTreeMap::new());
    for ((_, file), outline) in files.iter().zip(outlines) {
        let (outline, entry) = outline?;
        parts.push(outline);
        if let Some(entry) = entry {
            entries.insert(file.path.as_str(), entry);
        }
    }
    let changed = Cell::new(false);
    // The text of a file that was known by its stamp, read after all; it has to be the one that was kept.
    let late = |id: FileId| {
        let file = sources.file(id)?;
        let Some(expected) = known.get(&file.path).and_then(|(_, known)| *known) else { return Some(file.clone()) };
        let bytes = reread(&root, file).ok().filter(|bytes| digest(&file.path, bytes) == expected);
        changed.set(changed.get() || bytes.is_none());
        Some(SourceFile { bytes: bytes?, ..file.clone() })
    };
    let parsed = spec::outline::join(parts);
    let problems = compiler::check_outlines(&sources, parsed, |id| late(id).map(|file| Outline::whole(id, &file)));
    let shown: BTreeSet<FileId> = problems
        .iter()
        .flat_map(|problem| [problem.span].into_iter().chain(problem.related.iter().map(|related| related.span)))
        .map(|span| span.file)
        .collect();
    let shown: Vec<SourceFile> = shown.into_iter().filter_map(late).collect();
    if changed.get() {
        return Ok(None);
    }
    kept.write(cache, &root, began, entries);
    for file in shown {
        if let Some(id) = sources.find(&file.path) {
            sources.fill(id, file.bytes);
        }
    }
    Ok(Some(Checked { sources, problems }))
}

fn is_resellers(kind: &Kind) -> bool {
    matches!(kind, Kind::Source(Trust::Reseller(_)))
}

fn stamp(root: &Path, file: &Listed) -> Option<Stamp> {
    let metadata = std::fs::symlink_metadata(root.join(&file.path)).ok()?;
    Some(Stamp::of(&metadata))
}

/// Returns the folders in whose place revisions of other repositories stand.
fn pinned(root: &Path, listed: &[Listed]) -> Result<Vec<String>, Failure> {
    let mut operators = Found::default();
    for file in listed.iter().filter(|file| matches!(file.kind, Kind::Source(Trust::Operator))) {
        operators.add(file.kind.clone(), file.path.clone(), file.read(root)?);
    }
    Ok(pins::declared(&operators).iter().map(pins::Declared::folder).collect())
}

/// Reads a file, unless it is known.
fn take(root: &Path, file: &Listed, stamp: Option<Stamp>, pinned: &[String], kept: &Kept) -> Result<Taken, Failure> {
    let stamp =
        stamp.filter(|_| is_resellers(&file.kind) && !pinned.iter().any(|folder| file.path.starts_with(folder)));
    let known = stamp.and_then(|stamp| kept.known(&file.path, stamp));
    let bytes = if known.is_some() { Vec::new() } else { file.read(root)? };
    Ok(Taken { stamp, known, bytes })
}

/// Returns the outline of a file, and what is to be kept of it.
fn outline(
    root: &Path,
    id: FileId,
    file: &SourceFile,
    known: Option<ContentDigest>,
    kept: &Kept,
) -> Result<(Outline, Option<Entry>), Failure> {
    if file.trust == Trust::Operator {
        return Ok((Outline::of(id, file), None));
    }
    let digest_now = known.unwrap_or_else(|| digest(&file.path, &file.bytes));
    if let Some(bytes) = kept.outline(&file.path, digest_now)
        && let Some(outline) = Outline::from_bytes(id, bytes)
    {
        return Ok((outline, Some(Entry { stamp: None, digest: digest_now, outline: bytes.to_vec() })));
    }
    let read;
    let file = match known {
        None => file,
        Some(_) => {
            read = SourceFile { bytes: reread(root, file)?, ..file.clone() };
            &read
        }
    };
    let outline = Outline::of(id, file);
    let entry =
        outline.to_bytes().map(|outline| Entry { stamp: None, digest: digest(&file.path, &file.bytes), outline });
    Ok((outline, entry))
}

fn reread(root: &Path, file: &SourceFile) -> Result<Vec<u8>, Failure> {
    Listed { path: file.path.clone(), kind: Kind::Source(file.trust.clone()) }.read(root)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::problems;

    struct World {
        _folder: tempfile::TempDir,
        repository: PathBuf,
        cache: PathBuf,
    }

    const RESELLERS: [&str; 4] = ["east", "north", "south", "west"];

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (repository, cache) = (folder.path().join("specification"), folder.path().join("cache"));
            let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/northmail");
            let platform = fs::read_to_string(example.join("platform.kdl")).unwrap();
            let (before, _) = platform.split_once("    contract \"acme\"").unwrap();
            let contract = |name: &&str| {
                format!(
                    "    contract \"{name}\" from=\"2026-12-01\" {{\n        storage \"1TiB\"\n        tiers \"basic\" \"premium\"\n        \
                     clusters \"a\"\n        outbound \"shared\"\n    }}\n"
                )
            };
            let world = Self { repository, cache, _folder: folder };
            world.write("platform.kdl", &format!("{before}{}}}\n", RESELLERS.iter().map(contract).collect::<String>()));
            let dev = fs::read_to_string(example.join("environments/dev.kdl")).unwrap();
            world.write("environments/dev.kdl", &dev);
            for name in RESELLERS {
                world.write(&file(name), &text(name));
            }
            world
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn edit(&self, path: &str, old: &str, new: &str) {
            let text = fs::read_to_string(self.repository.join(path)).unwrap();
            assert!(text.contains(old), "{path} does not say {old}");
            self.write(path, &text.replace(old, new));
        }

        /// Checks as if some time had passed since anything changed, and returns what a program would be told.
        fn kept(&self) -> String {
            let later = SystemTime::now() + Duration::from_secs(10);
            shown(&with_kept(&self.repository, &self.cache, later).unwrap().expect("it is worth keeping"))
        }

        /// Checks with and without the cache, and returns the codes of what is told.
        fn codes(&self) -> Vec<&'static str> {
            let fresh = check(&self.repository, None).unwrap();
            for round in 0..3 {
                assert_eq!(self.kept(), shown(&fresh), "round {round}");
            }
            fresh.problems.iter().map(|problem| problem.code).collect()
        }

        fn known(&self) -> usize {
            let root = fs::canonicalize(&self.repository).unwrap();
            let (_, listed) = repository::list(&root).unwrap();
            let kept = Kept::read(&self.cache, &root);
            listed.iter().filter(|file| kept.known(&file.path, stamp(&root, file).unwrap()).is_some()).count()
        }
    }

    fn file(name: &str) -> String {
        format!("resellers/{name}/{name}.kdl")
    }

    fn text(name: &str) -> String {
        // A long remark makes the file worth keeping and is read fast.
        let remark = "a remark that says nothing\n".repeat(20_000);
        format!(
            "language 1\n/* {remark} */\nreseller \"{name}\" {{\n    company \"{name}\"\n    contact \"it@{name}.example\"\n    \
             admin \"admin@{name}.adm\"\n    domain \"{name}.example\" tier=\"basic\" cluster=\"a\" outbound=\"shared\" {{\n        \
             workgroup \"all\" {{\n            mailbox \"ann\"\n            mailbox \"bob\" tier=\"premium\" {{ alias \"b\"; }}\n        }}\n    }}\n}}\n"
        )
    }

    fn shown(checked: &Checked) -> String {
        problems::json(&checked.sources, &checked.problems).to_string()
    }

    #[test]
    fn a_check_says_the_same_with_and_without_what_was_kept() {
        let world = World::new();
        assert_eq!(world.codes(), [""; 0]);
        assert_eq!(world.known(), RESELLERS.len(), "all are known by their stamps");
        // One file changes: what is wrong stands in it, or in another one, which was not read.
        world.edit(&file("north"), "tier=\"premium\"", "tier=\"premum\"");
        assert_eq!(world.codes(), ["spec::unknown-tier"]);
        assert_eq!(world.known(), RESELLERS.len());
        world.edit(&file("north"), "domain \"north.example\"", "domain \"south.example\"");
        assert_eq!(world.codes(), ["spec::unknown-tier", "compiler::domain-claimed-twice"]);
        world.write(&file("north"), &text("north"));
        // The operator changes what the mailboxes that are only counted ask for.
        world.edit("platform.kdl", "tier \"premium\"", "tier \"gold\"");
        let codes = world.codes();
        assert_eq!(codes.iter().filter(|code| **code == "spec::unknown-tier").count(), 8, "{codes:?}");
        world.edit("platform.kdl", "tier \"gold\"", "tier \"premium\"");
        // Files come and go.
        fs::remove_file(world.repository.join(file("west"))).unwrap();
        assert_eq!(world.codes(), ["spec::unknown-reseller"]);
        assert_eq!(world.known(), RESELLERS.len() - 1);
        world.write("resellers/east/more.kdl", "language 1\nreseller \"east\" {\n");
        assert!(world.codes().contains(&"spec::unknown-reseller"));
    }

    #[test]
    fn what_is_damaged_in_the_cache_is_made_anew() {
        let world = World::new();
        let expected = world.kept();
        let path = fs::read_dir(world.cache.join("outlines")).unwrap().next().unwrap().unwrap().path();
        let good = fs::read(&path).unwrap();
        for damage in [Vec::new(), good[..good.len() / 2].to_vec(), {
            let mut bytes = good.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
            bytes
        }] {
            fs::write(&path, damage).unwrap();
            assert_eq!(world.kept(), expected);
            assert!(fs::read(&path).unwrap() == good, "it is whole again");
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_only_time() {
        let world = World::new();
        fs::write(&world.cache, "a file and no folder").unwrap();
        assert_eq!(world.codes(), [""; 0]);
    }
}
