//! What is kept to be quick, with its size and age, and what can go.
//!
//! What a process holds open, works below, was told on its command line, or has mounted stays. What is being made is not touched while
//! whoever makes it lives.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::failure::could_not;
use crate::{ImageFailure, Store, build, files, turn};

/// Folders of caches whose entries stand each for itself: by name, and what one is.
const SEPARATE: [(&str, &str); 3] =
    [("images", "image"), ("rootfs", "root file system"), ("programs", "layer of programs")];

/// Folders that are one cache each, and what they hold.
const WHOLE: [(&str, &str); 4] = [
    ("debs", "packages by hash"),
    ("apt", "lists of packages"),
    ("repositories", "resellers' repositories"),
    ("outlines", "outlines of specifications"),
];

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Seconds since it was made or last found whole.
    pub age_seconds: u64,
    /// Whether something that runs uses it.
    pub used: bool,
    /// Whether it was left half-made.
    pub unfinished: bool,
}

/// Returns what is kept, sorted by kind and name.
pub fn list(cache: &Path) -> Result<Vec<Entry>, ImageFailure> {
    let used = in_use();
    let mut entries = Vec::new();
    for (folder, kind) in SEPARATE {
        let below = cache.join(folder);
        for name in files::names(&below)? {
            let path = below.join(&name);
            if path.is_dir() && name != "keys" && name != "wanted" {
                entries.push(entry(kind, name, path, &used)?);
            }
        }
    }
    for (name, kind) in WHOLE {
        let path = cache.join(name);
        if path.is_dir() {
            entries.push(entry(kind, name.to_owned(), path, &used)?);
        }
    }
    Ok(entries)
}

/// Removes what nothing uses and is older than some time, and what was left half-made.
///
/// - `old`: zero removes all that is not used.
/// - `rehearse`: nothing is removed, only told.
/// - Returns: what was removed.
pub fn prune(cache: &Path, old: Duration, rehearse: bool) -> Result<Vec<Entry>, ImageFailure> {
    let mut removed = Vec::new();
    for entry in list(cache)? {
        if entry.used || !(entry.unfinished || entry.age_seconds >= old.as_secs()) {
            continue;
        }
        // Whoever makes something holds its lock; so does whoever fetches packages or asks the archive.
        let lock = match entry.kind {
            "image" if entry.unfinished => Some(build::lock_of_building(&Store::new(cache), &entry.name)),
            "root file system" => {
                let digest = entry.name.trim_start_matches('.').trim_end_matches(".unpacking");
                Some(cache.join("rootfs").join(format!("{digest}.lock")))
            }
            "packages by hash" => Some(entry.path.join(".lock")),
            _ => None,
        };
        let held = lock.as_deref().map(turn::try_take).transpose()?;
        if matches!(held, Some(None)) {
            continue;
        }
        if !rehearse {
            build::clear(&entry.path)?;
        }
        removed.push(entry);
    }
    Ok(removed)
}

fn entry(kind: &'static str, name: String, path: PathBuf, used: &BTreeSet<String>) -> Result<Entry, ImageFailure> {
    let about = fs::metadata(&path).map_err(could_not(format!("look at {}", path.display())))?;
    let touched = fs::metadata(path.join(".stamp")).and_then(|about| about.modified()).or_else(|_| about.modified());
    let age = touched.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
    let text = path.to_string_lossy();
    let real = fs::canonicalize(&path).unwrap_or_default();
    let real = real.to_string_lossy();
    Ok(Entry {
        kind,
        unfinished: build::is_building(&name) || name.ends_with(".unpacking"),
        bytes: size(&path),
        age_seconds: age.as_secs(),
        used: used
            .iter()
            .any(|line| line.contains(text.as_ref()) || (!real.is_empty() && line.contains(real.as_ref()))),
        name,
        path,
    })
}

/// Returns the bytes that a folder takes; what cannot be looked at is not counted, files with several names are counted once each.
fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let one = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()) + about.blocks() * 512,
        Ok(about) => about.blocks() * 512,
        Err(_) => 0,
    };
    entries.filter_map(|entry| entry.ok().map(one)).sum()
}

/// Returns what processes hold, as far as this user may know it: open files, folders they work in, command lines, mounts.
fn in_use() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for name in files::names(Path::new("/proc")).unwrap_or_default() {
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || name == std::process::id().to_string() {
            continue;
        }
        let process = Path::new("/proc").join(&name);
        for link in ["cwd", "root", "exe"] {
            lines.extend(fs::read_link(process.join(link)).ok().map(|path| path.to_string_lossy().into_owned()));
        }
        for file in files::names(&process.join("fd")).unwrap_or_default() {
            let link = fs::read_link(process.join("fd").join(file));
            lines.extend(link.ok().map(|path| path.to_string_lossy().into_owned()));
        }
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        lines.insert(String::from_utf8_lossy(&words).replace('\0', " "));
        // Processes of one mount namespace see the same.
        let space = fs::read_link(process.join("ns/mnt")).unwrap_or_else(|_| process.clone());
        if seen.insert(space) {
            lines.extend(fs::read_to_string(process.join("mountinfo")).unwrap_or_default().lines().map(str::to_owned));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    fn make(cache: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(cache.join(name)).unwrap();
            fs::write(cache.join(name).join("file"), vec![1; 10_000]).unwrap();
        }
    }

    #[test]
    fn what_is_kept_is_listed_with_its_size_and_pruned_when_nothing_uses_it() {
        let cache = tempfile::tempdir().unwrap();
        let digest = "ab".repeat(32);
        let image = format!("images/{digest}");
        make(cache.path(), &[&image, "rootfs/one", "debs", "repositories"]);
        let listed = list(cache.path()).unwrap();
        assert_eq!(listed.len(), 4);
        assert!(listed.iter().all(|entry| entry.bytes >= 10_000 && !entry.used && !entry.unfinished), "{listed:?}");
        assert_eq!(prune(cache.path(), Duration::from_secs(86_400), false).unwrap(), []);
        let open = fs::File::open(cache.path().join("rootfs/one/file")).unwrap();
        let mut holder = std::process::Command::new("sleep").arg("60").stdin(open).spawn().unwrap();
        let rehearsed = prune(cache.path(), Duration::ZERO, true).unwrap();
        assert_eq!(rehearsed.len(), 3);
        assert!(cache.path().join(&image).exists());
        assert_eq!(prune(cache.path(), Duration::ZERO, false).unwrap().len(), 3);
        assert!(!cache.path().join(&image).exists() && cache.path().join("rootfs/one/file").exists());
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_eq!(prune(cache.path(), Duration::ZERO, false).unwrap().len(), 1);
    }

    #[test]
    fn what_was_left_half_made_goes_and_what_is_being_made_stays() {
        let cache = tempfile::tempdir().unwrap();
        make(cache.path(), &["images/.aa.building", "images/.bb.building", "rootfs/.cc.unpacking"]);
        let held = turn::wait(&cache.path().join("images/.bb.lock"), &Quiet).unwrap();
        let removed = prune(cache.path(), Duration::from_secs(86_400), false).unwrap();
        let names: Vec<&str> = removed.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, [".aa.building", ".cc.unpacking"]);
        drop(held);
        assert_eq!(prune(cache.path(), Duration::from_secs(86_400), false).unwrap().len(), 1);
    }
}
