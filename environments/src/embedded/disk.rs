//! A node's disk as real files: appends go to the system at once, syncs to a thread, their outcome to whoever owns the disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use simulator::disk::{Disk, DiskError, SyncTicket};

use crate::files::{self, FileFailure};

/// Files kept open at once; a disk has one that grows and now and then an older one that is read.
const OPEN_FILES: usize = 16;

/// Parts are joined into one write up to this many bytes.
const JOIN_BYTES: usize = 256 * 1024;

/// What is told of each sync that ends: its ticket and its outcome. Runs on the disk's sync thread.
pub(crate) type SyncReport = Box<dyn Fn(SyncTicket, Result<(), DiskError>) + Send>;

/// A folder of append-only files.
pub(crate) struct FileDisk {
    folder: PathBuf,
    open: BTreeMap<String, OpenFile>,
    /// Files were made or removed since the last sync began.
    folder_changed: bool,
    joined: Vec<u8>,
    /// `None` once the disk is being dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct OpenFile {
    file: Arc<File>,
    length: u64,
    changed: bool,
    /// When it was used last, counted in uses.
    used: u64,
}

struct Job {
    ticket: SyncTicket,
    files: Vec<Arc<File>>,
    folder: Option<PathBuf>,
}

impl FileDisk {
    /// Opens the folder, which is made when it is not there, and starts the thread that syncs.
    ///
    /// - `report`: gets the outcome of each sync, in the order they were begun.
    pub(crate) fn open(folder: &Path, report: SyncReport) -> Result<Self, FileFailure> {
        files::make_folder(folder)?;
        let failed = |source| FileFailure::MakeFolder { path: folder.to_owned(), source };
        // The folder itself must survive before anything in it can.
        for above in folder.ancestors().skip(1).take(2) {
            files::sync_folder(above).map_err(failed)?;
        }
        let (jobs, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("disk-sync".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || sync(&waiting, &report))
            .map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            open: BTreeMap::new(),
            folder_changed: true,
            joined: Vec::new(),
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Returns a file opened for reading and writing, with its length.
    fn take(&mut self, name: &str, make: bool) -> Result<&mut OpenFile, DiskError> {
        let used = self.open.values().map(|file| file.used).max().unwrap_or_default() + 1;
        if !self.open.contains_key(name) {
            let path = self.folder.join(checked(name)?);
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound && make => {
                    self.folder_changed = true;
                    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)
                }
                other => other,
            }
            .map_err(mapped)?;
            let length = file.metadata().map_err(mapped)?.len();
            self.make_room();
            self.open.insert(name.to_owned(), OpenFile { file: Arc::new(file), length, changed: false, used });
        }
        let file = self.open.get_mut(name).ok_or(DiskError::Missing)?;
        file.used = used;
        Ok(file)
    }

    /// Closes the file that was used longest ago; one that still has to be synced stays open.
    fn make_room(&mut self) {
        while self.open.len() >= OPEN_FILES {
            let oldest = self.open.iter().filter(|(_, file)| !file.changed).min_by_key(|(_, file)| file.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            self.open.remove(&name);
        }
    }
}

/// Takes a plain file name only: no folder, nothing hidden.
fn checked(name: &str) -> Result<&str, DiskError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(DiskError::Missing);
    }
    Ok(name)
}

/// Tells a full disk, missing data and everything else apart.
fn mapped(error: std::io::Error) -> DiskError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => DiskError::Full,
        ErrorKind::NotFound | ErrorKind::UnexpectedEof => DiskError::Missing,
        _ => DiskError::Broken,
    }
}

impl Disk for FileDisk {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(mapped)? {
            let entry = entry.map_err(mapped)?;
            let about = entry.metadata().map_err(mapped)?;
            if let Ok(name) = entry.file_name().into_string()
                && about.is_file()
                && checked(&name).is_ok()
            {
                found.push((name, about.len()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError> {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let target = self.take(file, true)?;
        target.changed = true;
        let start = target.length;
        let mut written = Ok(());
        for part in parts {
            if !joined.is_empty() && joined.len() + part.len() > JOIN_BYTES {
                written = put(target, &joined);
                joined.clear();
            }
            if written.is_ok() && part.len() > JOIN_BYTES {
                written = put(target, part);
            } else {
                joined.extend_from_slice(part);
            }
            if written.is_err() {
                break;
            }
        }
        let written = written.and_then(|()| put(target, &joined));
        if written.is_err() {
            // What part of it reached the file is the file's to say.
            target.length = target.file.metadata().map_err(mapped)?.len();
        }
        self.joined = joined;
        written.map_err(mapped).map(|()| start)
    }

    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let mut bytes = vec![0; length];
        match self.open.get(file) {
            Some(open) => open.file.read_exact_at(&mut bytes, offset),
            None => {
                File::open(self.folder.join(checked(file)?)).and_then(|file| file.read_exact_at(&mut bytes, offset))
            }
        }
        .map_err(mapped)?;
        Ok(bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        let target = self.take(file, false)?;
        if target.length < length {
            return Err(DiskError::Missing);
        }
        target.changed = true;
        target.file.set_len(length).map_err(mapped)?;
        target.length = length;
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.open.remove(file);
        match std::fs::remove_file(self.folder.join(checked(file)?)) {
            Ok(()) => self.folder_changed = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(mapped(error)),
        }
        Ok(())
    }

    fn begin_sync(&mut self, ticket: SyncTicket) {
        let changed = self.open.values_mut().filter(|file| file.changed);
        let files = changed
            .map(|file| {
                file.changed = false;
                Arc::clone(&file.file)
            })
            .collect();
        let folder = std::mem::take(&mut self.folder_changed).then(|| self.folder.clone());
        if let Some(jobs) = &self.jobs {
            // The thread ends only after this sender; should it have panicked, the sync is never reported and nothing
            // that waits for it is answered, which is the safe side.
            let _ = jobs.send(Job { ticket, files, folder });
        }
    }
}

fn put(target: &mut OpenFile, bytes: &[u8]) -> std::io::Result<()> {
    target.file.write_all_at(bytes, target.length)?;
    target.length += bytes.len() as u64;
    Ok(())
}

/// Carries out syncs one after another until the disk is dropped.
fn sync(waiting: &Receiver<Job>, report: &SyncReport) {
    while let Ok(job) = waiting.recv() {
        // Data before names: a file that can be found has its content.
        let files = job.files.iter().try_for_each(|file| file.sync_data());
        let outcome = files.and_then(|()| job.folder.as_deref().map_or(Ok(()), files::sync_folder));
        report(job.ticket, outcome.map_err(mapped));
    }
}

impl Drop for FileDisk {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::journal::{Journal, Location, Options, Position, SyncOutcome};

    use super::*;

    type Reports = Receiver<(SyncTicket, Result<(), DiskError>)>;

    fn open(folder: &Path) -> (FileDisk, Reports) {
        let (sender, receiver) = channel();
        let report = Box::new(move |ticket, outcome| {
            let _ = sender.send((ticket, outcome));
        });
        (FileDisk::open(folder, report).unwrap(), receiver)
    }

    fn next(reports: &Reports) -> (SyncTicket, Result<(), DiskError>) {
        reports.recv_timeout(Duration::from_secs(20)).expect("every sync is reported")
    }

    #[test]
    fn appends_lie_one_after_another_and_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, _reports) = open(folder.path());
        assert_eq!(disk.append("log", &[b"one", b"two"]), Ok(0));
        let large = vec![7; JOIN_BYTES + 5];
        assert_eq!(disk.append("log", &[b"three", &large, b"four"]), Ok(6));
        assert_eq!(disk.append("log", &[]), Ok(6 + 5 + large.len() as u64 + 4));
        assert_eq!(disk.read("log", 3, 8).unwrap(), b"twothree");
        assert_eq!(disk.read("log", 11, large.len()).unwrap(), large);
        assert_eq!(disk.read("log", 11 + large.len() as u64, 4).unwrap(), b"four");
        assert_eq!(disk.read("log", 11 + large.len() as u64, 5), Err(DiskError::Missing));
        assert_eq!(disk.read("none", 0, 1), Err(DiskError::Missing));
    }

    #[test]
    fn a_disk_opened_again_holds_what_was_written_and_goes_on_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, _reports) = open(folder.path());
        disk.append("b", &[b"12345"]).unwrap();
        disk.append("a", &[b"1"]).unwrap();
        drop(disk);
        let (mut disk, _reports) = open(folder.path());
        assert_eq!(disk.files().unwrap(), [("a".to_owned(), 1), ("b".to_owned(), 5)]);
        assert_eq!(disk.append("b", &[b"6"]), Ok(5));
        disk.truncate("b", 2).unwrap();
        assert_eq!(disk.append("b", &[b"x"]), Ok(2));
        assert_eq!(disk.read("b", 0, 3).unwrap(), b"12x");
        assert_eq!(disk.truncate("b", 9), Err(DiskError::Missing));
        disk.remove("b").unwrap();
        disk.remove("b").unwrap();
        assert_eq!(disk.files().unwrap(), [("a".to_owned(), 1)]);
    }

    #[test]
    fn every_sync_is_reported_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, reports) = open(folder.path());
        for ticket in 1..=20 {
            disk.append("log", &[&[0; 100]]).unwrap();
            disk.begin_sync(SyncTicket(ticket));
        }
        for ticket in 1..=20 {
            assert_eq!(next(&reports), (SyncTicket(ticket), Ok(())));
        }
        drop(disk);
        assert!(reports.recv().is_err(), "nothing is reported after the last sync");
    }

    #[test]
    fn a_file_removed_while_its_sync_runs_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, reports) = open(folder.path());
        disk.append("log", &[b"x"]).unwrap();
        disk.begin_sync(SyncTicket(1));
        disk.remove("log").unwrap();
        assert_eq!(next(&reports), (SyncTicket(1), Ok(())));
    }

    #[test]
    fn a_write_beyond_the_largest_file_is_a_full_disk_and_can_be_cut_off() {
        // /dev/full is the one device that fails as a full disk does.
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("full")).unwrap();
        let (mut disk, _reports) = open(folder.path());
        assert_eq!(disk.append("full", &[b"x"]), Err(DiskError::Full));
        assert_eq!(disk.append("log", &[b"x"]), Ok(0), "other files go on");
    }

    #[test]
    fn a_folder_that_is_gone_makes_the_sync_fail() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("node");
        let (mut disk, reports) = open(&inner);
        disk.append("log", &[b"x"]).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        disk.begin_sync(SyncTicket(1));
        assert!(next(&reports).1.is_err());
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_files_of_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, _reports) = open(&folder.path().join("node"));
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "nul\0"] {
            assert!(disk.append(name, &[b"x"]).is_err(), "{name:?}");
            assert!(disk.read(name, 0, 1).is_err(), "{name:?}");
            assert!(disk.remove(name).is_err(), "{name:?}");
        }
        assert_eq!(files::names(folder.path()).unwrap(), ["node"]);
    }

    #[test]
    fn many_files_do_not_keep_many_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, reports) = open(folder.path());
        for number in 0..100_u64 {
            disk.append(&format!("file-{number:03}"), &[b"x"]).unwrap();
            disk.begin_sync(SyncTicket(number));
            assert_eq!(next(&reports), (SyncTicket(number), Ok(())));
        }
        assert!(disk.open.len() <= OPEN_FILES);
        assert_eq!(disk.files().unwrap().len(), 100);
        assert_eq!(disk.append("file-000", &[b"y"]), Ok(1));
    }

    fn bodies(disk: &mut FileDisk) -> (Journal, Vec<Vec<u8>>) {
        let mut places: Vec<Location> = Vec::new();
        let mut visit = |_: &[u8], body: Location, _: Position| {
            places.push(body);
            Ok(())
        };
        let options = Options { segment_bytes: 4096, ..Options::STANDARD };
        let (journal, _) = Journal::open(disk, options, &mut visit).unwrap();
        let read = places.iter().map(|place| journal.read(disk, *place).unwrap()).collect();
        (journal, read)
    }

    #[test]
    fn a_journal_on_real_files_replays_all_that_was_synced_after_a_torn_end() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, reports) = open(folder.path());
        let (mut journal, found) = bodies(&mut disk);
        assert!(found.is_empty());
        for number in 0..100_u32 {
            let appended =
                journal.append(&mut disk, b"meta", &[format!("message {number}").repeat(20).as_bytes()]).unwrap();
            journal.request_sync(&mut disk);
            while !journal.is_durable(appended.position) {
                let (ticket, outcome) = next(&reports);
                assert!(matches!(journal.synced(&mut disk, ticket, outcome), SyncOutcome::Durable(_)));
            }
        }
        drop(disk);
        let last = files::names(folder.path()).unwrap().pop().unwrap();
        let mut torn = OpenOptions::new().append(true).open(folder.path().join(last)).unwrap();
        std::io::Write::write_all(&mut torn, b"half a reco").unwrap();
        let (mut disk, _reports) = open(folder.path());
        let (_, found) = bodies(&mut disk);
        assert_eq!(found.len(), 100);
        assert!(
            found.iter().enumerate().all(|(number, body)| body.starts_with(format!("message {number}").as_bytes()))
        );
    }
}
