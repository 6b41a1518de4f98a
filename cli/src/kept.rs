//! Outlines of a repository's files, kept in the cache between two checks so that only what changed is read again.
//!
//! One file a repository. Each outline stands under its file's path and the SHA-256 of its content; beside it stands what the file
//! system said of the file, by which an unchanged one is known without reading it, as git knows it. Nothing here is trusted: a
//! file that another build wrote, or whose checksum is wrong, counts as absent, and all that is in it can be had again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// What a file begins with; the program's own text is part of it.
const MAGIC: &str = concat!("mailwright outlines ", env!("CARGO_PKG_VERSION"), " ", env!("MAILWRIGHT_READER"), "\n");
/// The name's ending.
const ENDING: &str = "outlines";
/// Outlines of one repository take no more bytes than these; what is beyond is read at each check.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Files of all repositories together take no more bytes than these; the oldest go first.
const MOST_BYTES_OF_ALL: u64 = 256 * 1024 * 1024;
/// A file that changed so shortly before a check may change again without the file system's clock telling.
const SETTLED: Duration = Duration::from_secs(2);

/// The SHA-256 of a file's path and content.
pub(crate) type ContentDigest = [u8; 32];

/// What the file system says of a file: device, inode, size, and the times of the last change of content and of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp([i64; 7]);

impl Stamp {
    /// Takes what the file system says.
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self([
            metadata.dev().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.size().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ])
    }

    /// Returns the file's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        let [_, _, size, ..] = self.0;
        size.cast_unsigned()
    }

    /// Tells whether the file had not changed for a while when a check began.
    fn is_settled(&self, began: SystemTime) -> bool {
        let [.., modified, _, changed, _] = self.0;
        let limit = began.checked_sub(SETTLED).and_then(|limit| limit.duration_since(UNIX_EPOCH).ok());
        let seconds = limit.and_then(|limit| i64::try_from(limit.as_secs()).ok());
        seconds.is_some_and(|limit| modified < limit && changed < limit)
    }
}

/// What is kept of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What the file system said of it; `None` where it says too little, and for files that lie elsewhere.
    pub(crate) stamp: Option<Stamp>,
    /// Its content.
    pub(crate) digest: ContentDigest,
    /// Its outline.
    pub(crate) outline: Vec<u8>,
}

/// Returns the digest of a file.
pub(crate) fn digest(path: &str, bytes: &[u8]) -> ContentDigest {
    let mut hasher = Sha256::new();
    hasher.update((path.len() as u64).to_le_bytes());
    hasher.update(path.as_bytes());
    hasher.update(bytes);
    hasher.finalize().into()
}

/// What was kept of a repository's files.
#[derive(Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    files: BTreeMap<String, Place>,
}

struct Place {
    stamp: Option<Stamp>,
    digest: ContentDigest,
    outline: Range<usize>,
}

impl Kept {
    /// Reads what was kept of a repository; nothing where it cannot be trusted.
    ///
    /// - `cache`: the program's folder of what can be had again.
    /// - `repository`: the repository's canonical path.
    pub(crate) fn read(cache: &Path, repository: &Path) -> Self {
        fs::read(path(cache, repository)).ok().and_then(Self::from_bytes).unwrap_or_default()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<32>()?;
        let mut rest = body.strip_prefix(MAGIC.as_bytes())?;
        let actual: [u8; 32] = Sha256::digest(body).into();
        if actual != *sum {
            return None;
        }
        let end = body.len();
        let mut files = BTreeMap::new();
        while !rest.is_empty() {
            let path = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
            let stamp = stamp_from(take(&mut rest)?)?;
            let digest = take(&mut rest)?.try_into().ok()?;
            let outline = take(&mut rest)?.len();
            let behind = end - rest.len();
            files.insert(path, Place { stamp, digest, outline: behind - outline..behind });
        }
        Some(Self { bytes, files })
    }

    /// Returns the digest of a file of which the file system says the same as before.
    pub(crate) fn known(&self, path: &str, stamp: Stamp) -> Option<ContentDigest> {
        self.files.get(path).filter(|place| place.stamp == Some(stamp)).map(|place| place.digest)
    }

    /// Returns the outline of a file with this content.
    pub(crate) fn outline(&self, path: &str, digest: ContentDigest) -> Option<&[u8]> {
        let place = self.files.get(path).filter(|place| place.digest == digest)?;
        self.bytes.get(place.outline.clone())
    }

    /// Tells whether exactly these entries were kept.
    fn holds(&self, entries: &BTreeMap<&str, Entry>) -> bool {
        self.files.len() == entries.len()
            && self.files.iter().zip(entries).all(|((path, place), (other, entry))| {
                path == other && place.stamp == entry.stamp && place.digest == entry.digest
            })
    }

    /// Keeps entries in the place of what was kept before; what cannot be written is not kept, which costs only time.
    ///
    /// - `began`: when the check began, before it looked at any file.
    pub(crate) fn write(&self, cache: &Path, repository: &Path, began: SystemTime, mut entries: BTreeMap<&str, Entry>) {
        let mut bytes = MAGIC.as_bytes().to_vec();
        entries.retain(|path, entry| {
            entry.stamp = entry.stamp.filter(|stamp| stamp.is_settled(began));
            let fits = bytes.len() + path.len() + entry.outline.len() < MOST_BYTES;
            if fits {
                put(&mut bytes, path.as_bytes());
                put(&mut bytes, &stamp_bytes(entry.stamp));
                put(&mut bytes, &entry.digest);
                put(&mut bytes, &entry.outline);
            }
            fits
        });
        if self.holds(&entries) {
            return;
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        let path = path(cache, repository);
        if write_whole(&path, &bytes).is_ok() {
            bound(&path);
        }
    }
}

/// Returns where a repository's outlines are kept.
fn path(cache: &Path, repository: &Path) -> PathBuf {
    let digest = Sha256::digest(repository.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    cache.join("outlines").join(format!("{name}.{ENDING}"))
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, behind) = rest.split_first_chunk::<8>()?;
    let (part, behind) = behind.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *rest = behind;
    Some(part)
}

fn stamp_bytes(stamp: Option<Stamp>) -> Vec<u8> {
    stamp.iter().flat_map(|stamp| stamp.0).flat_map(i64::to_le_bytes).collect()
}

fn stamp_from(bytes: &[u8]) -> Option<Option<Stamp>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let (chunks, []) = bytes.as_chunks::<8>() else { return None };
    let numbers: Vec<i64> = chunks.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect();
    Some(Some(Stamp(numbers.try_into().ok()?)))
}

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Removes the oldest files beside a new one until all together are small enough.
fn bound(newest: &Path) {
    let Some(entries) = newest.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    let mut all: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    all.sort();
    let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in all {
        if total <= MOST_BYTES_OF_ALL {
            return;
        }
        if path != newest && fs::remove_file(&path).is_ok() {
            total -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(seconds: i64, outline: &[u8]) -> Entry {
        Entry {
            stamp: Some(Stamp([1, 2, 3, seconds, 5, seconds, 7])),
            digest: digest("a.kdl", outline),
            outline: outline.to_vec(),
        }
    }

    fn stored(cache: &Path) -> Vec<PathBuf> {
        fs::read_dir(cache.join("outlines")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_is_kept_is_found_again_by_its_stamp_and_its_content() {
        let cache = tempfile::tempdir().unwrap();
        let (cache, repository) = (cache.path(), Path::new("/specification"));
        let entries = BTreeMap::from([("a.kdl", entry(100, b"one")), ("b.kdl", entry(i64::MAX, b"two"))]);
        Kept::default().write(cache, repository, SystemTime::now(), entries.clone());
        let kept = Kept::read(cache, repository);
        let (a, b) = (&entries["a.kdl"], &entries["b.kdl"]);
        assert_eq!(kept.known("a.kdl", a.stamp.unwrap()), Some(a.digest));
        assert_eq!(kept.outline("a.kdl", a.digest), Some(&b"one"[..]));
        assert_eq!(kept.outline("a.kdl", b.digest), None);
        assert_eq!(kept.known("a.kdl", Stamp([1, 2, 4, 100, 5, 100, 7])), None, "another size");
        // It changed while the check ran, or its clock is ahead of ours: only its content can say whether it is the same.
        assert_eq!(kept.known("b.kdl", b.stamp.unwrap()), None);
        assert_eq!(kept.outline("b.kdl", b.digest), Some(&b"two"[..]));
        assert_eq!(stored(cache).len(), 1, "nothing is left beside it");
        assert!(Kept::read(cache, Path::new("/other")).files.is_empty());
    }

    #[test]
    fn what_is_damaged_or_from_another_build_counts_as_absent() {
        let cache = tempfile::tempdir().unwrap();
        let (cache, repository) = (cache.path(), Path::new("/specification"));
        let entries = BTreeMap::from([("a.kdl", entry(100, b"one"))]);
        Kept::default().write(cache, repository, SystemTime::now(), entries);
        let path = stored(cache).pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Kept::from_bytes(damaged).is_none(), "byte {at}");
            assert!(Kept::from_bytes(bytes[..at].to_vec()).is_none(), "cut at {at}");
        }
        let mut other = b"mailwright outlines 0.0.0 of another build\n".to_vec();
        other.extend(Sha256::digest(&other).to_vec());
        assert!(Kept::from_bytes(other).is_none());
    }

    #[test]
    fn the_oldest_go_when_all_take_too_much() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("outlines");
        fs::create_dir(&folder).unwrap();
        for (name, seconds) in [("old.outlines", 10), ("older.outlines", 5)] {
            let file = fs::File::create(folder.join(name)).unwrap();
            // A file of holes takes no disk.
            file.set_len(MOST_BYTES_OF_ALL - 1024).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        let entries = BTreeMap::from([("a.kdl", entry(100, b"one"))]);
        Kept::default().write(cache.path(), Path::new("/specification"), SystemTime::now(), entries);
        let left = stored(cache.path());
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&folder.join("old.outlines")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let mut bytes = MAGIC.as_bytes().to_vec();
            bytes.extend(body);
            let sum = Sha256::digest(&bytes);
            bytes.extend_from_slice(&sum);
            let _ = Kept::from_bytes(bytes);
        }
    }
}
