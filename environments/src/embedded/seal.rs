//! The note a disk carries after a clean end: what lies there is whole, so nothing of it may be cut off as unfinished.
//!
//! A journal that finds a damaged record at its end cannot tell a write that a power loss cut short from one that went bad
//! later. After a clean end only the latter is possible, and it must be told to people instead of being mended away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use simulator::disk::{Disk, DiskError, SyncTicket};

use crate::files::{self, FileFailure};

/// Hidden, so that it is no file of the disk itself.
const NAME: &str = ".sealed";

/// Notes that a disk is whole as it lies there; every sync has ended.
pub(crate) fn seal(folder: &Path) -> Result<(), FileFailure> {
    files::write_json(&folder.join(NAME), &lengths(folder)?, 0o600)
}

/// Returns every file of a disk with its length.
fn lengths(folder: &Path) -> Result<BTreeMap<String, u64>, FileFailure> {
    let mut lengths = BTreeMap::new();
    for name in files::names(folder)?.into_iter().filter(|name| !name.starts_with('.')) {
        let path = folder.join(&name);
        let about = std::fs::metadata(&path).map_err(|source| FileFailure::Read { path, source })?;
        lengths.insert(name, about.len());
    }
    Ok(lengths)
}

/// The note of the last end, watched over while a disk is opened.
pub(crate) struct Seal {
    folder: PathBuf,
    lengths: Option<BTreeMap<String, u64>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    opened: AtomicBool,
    broken: AtomicBool,
}

impl Seal {
    /// Reads the note of a disk, if the last end left one.
    pub(crate) fn read(folder: &Path) -> Result<Self, FileFailure> {
        let lengths = files::read_json(&folder.join(NAME))?;
        Ok(Self { folder: folder.to_owned(), lengths, state: Arc::default() })
    }

    /// Returns what is missing of what the note says, in a sentence.
    pub(crate) fn lost(&self) -> Result<Option<String>, FileFailure> {
        let Some(noted) = &self.lengths else { return Ok(None) };
        let found = lengths(&self.folder)?;
        let lost = noted.iter().find(|(name, length)| found.get(*name).is_none_or(|now| now < length));
        Ok(lost.map(|(name, length)| format!("{name} had {length} bytes at the last clean end, and has less now")))
    }

    /// Puts the disk under watch until [`Seal::open`].
    pub(crate) fn watch(&self, disk: Box<dyn Disk + Send>) -> Box<dyn Disk + Send> {
        match &self.lengths {
            None => disk,
            Some(lengths) => Box::new(Watched { disk, lengths: lengths.clone(), state: Arc::clone(&self.state) }),
        }
    }

    /// Whether somebody tried to cut off what was whole.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.broken.load(Ordering::Relaxed)
    }

    /// Takes the note away, durably: from now on the disk changes.
    pub(crate) fn open(&self) -> Result<(), FileFailure> {
        self.state.opened.store(true, Ordering::Relaxed);
        if self.lengths.is_some() {
            files::remove(&self.folder.join(NAME))?;
            files::sync_folder(&self.folder)
                .map_err(|source| FileFailure::Write { path: self.folder.clone(), source })?;
        }
        Ok(())
    }

    /// Returns where the note lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }
}

/// A disk that was closed cleanly, while it is opened.
struct Watched {
    disk: Box<dyn Disk + Send>,
    lengths: BTreeMap<String, u64>,
    state: Arc<State>,
}

impl Watched {
    fn refuse_if(&self, cuts: bool) -> Result<(), DiskError> {
        if cuts && !self.state.opened.load(Ordering::Relaxed) {
            self.state.broken.store(true, Ordering::Relaxed);
            return Err(DiskError::Broken);
        }
        Ok(())
    }
}

impl Disk for Watched {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        self.disk.files()
    }

    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError> {
        self.disk.append(file, parts)
    }

    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read(file, offset, length)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        self.refuse_if(self.lengths.get(file).is_some_and(|noted| length < *noted))?;
        self.disk.truncate(file, length)
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        // Old segments that were given up may go at any time; the newest file never was.
        self.refuse_if(self.lengths.last_key_value().is_some_and(|(newest, _)| newest == file))?;
        self.disk.remove(file)
    }

    fn begin_sync(&mut self, ticket: SyncTicket) {
        self.disk.begin_sync(ticket);
    }
}

#[cfg(test)]
mod tests {
    use simulator::disk::MemoryDisk;

    use super::*;

    fn sealed() -> (tempfile::TempDir, Seal) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("journal-1"), b"old").unwrap();
        std::fs::write(folder.path().join("journal-2"), b"newest").unwrap();
        seal(folder.path()).unwrap();
        let found = Seal::read(folder.path()).unwrap();
        (folder, found)
    }

    #[test]
    fn what_was_whole_is_not_cut_off_while_the_disk_is_opened() {
        let (_folder, seal) = sealed();
        let mut disk = seal.watch(Box::new(MemoryDisk::default()));
        disk.append("journal-2", &[b"newest"]).unwrap();
        assert_eq!(disk.truncate("journal-2", 3), Err(DiskError::Broken));
        assert_eq!(disk.remove("journal-2"), Err(DiskError::Broken));
        assert!(seal.is_broken());
        assert_eq!(disk.remove("journal-1"), Ok(()), "what was given up may go");
        seal.open().unwrap();
        assert_eq!(disk.truncate("journal-2", 3), Ok(()));
    }

    #[test]
    fn a_file_that_shrank_after_a_clean_end_is_told() {
        let (folder, seal) = sealed();
        assert_eq!(seal.lost().unwrap(), None);
        std::fs::write(folder.path().join("journal-2"), b"new").unwrap();
        assert!(seal.lost().unwrap().unwrap().contains("journal-2 had 6 bytes"));
    }

    #[test]
    fn the_note_is_good_for_one_opening() {
        let (folder, first) = sealed();
        first.open().unwrap();
        assert!(!first.path().exists());
        let second = Seal::read(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join("journal-2")).unwrap();
        assert_eq!(second.lost().unwrap(), None);
    }
}
