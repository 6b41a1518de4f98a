//! Who serves an environment: a lock that ends with its process, whatever ends the process.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why an environment could not be taken or asked after.
#[derive(Debug, thiserror::Error)]
pub enum LockFailure {
    /// Another process serves it.
    #[error("the environment is already up{}", process.map(|number| format!(", in process {number}")).unwrap_or_default())]
    Held {
        /// That process, when it said so.
        process: Option<u32>,
    },
    /// The lock file could not be used.
    #[error("could not lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl LockFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Held { .. } => {
                "use it as it is (`mailwright status`), or end it first with `mailwright down`".to_owned()
            }
            Self::Lock { path, .. } => format!("keep state on a local file system, and {} writable", path.display()),
        }
    }
}

/// The process that serves an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number, when it can be told for sure.
    pub process: Option<u32>,
}

/// An environment taken for this process; given back when dropped, or when the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock and writes this process's number into it.
    pub(super) fn take(path: &Path) -> Result<Self, LockFailure> {
        let failed = |source| LockFailure::Lock { path: path.to_owned(), source };
        let mut file = open(path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                let process = holder(path)?.and_then(|holder| holder.process);
                return Err(LockFailure::Held { process });
            }
            Err(error) => return Err(failed(error.into())),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A number that stays behind would be nobody's; the lock itself ends with the file whatever happens here.
        let _ = self.file.set_len(0);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Returns who holds the lock; `None` when nobody does.
pub(super) fn holder(path: &Path) -> Result<Option<Holder>, LockFailure> {
    let failed = |source| LockFailure::Lock { path: path.to_owned(), source };
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // A shared lock, so that two who only ask do not take each other for the holder.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(None),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => {}
        Err(error) => return Err(failed(error.into())),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let written = text.trim().parse::<u32>().ok().filter(|number| *number > 1);
    let process = match std::fs::read_to_string("/proc/locks") {
        Ok(table) => {
            let holders = processes_holding(&table, file.metadata().map_err(failed)?.ino());
            // The table names nobody when it does not cover this file system; then the holder's own word has to do.
            written.filter(|number| holders.is_empty() || holders.contains(number))
        }
        Err(_) => written,
    };
    Ok(Some(Holder { process }))
}

/// Returns the processes that `/proc/locks` names as holders of a `flock` lock on a file.
///
/// - Source: proc_locks(5). Device numbers are not compared: layered file systems show another one than `stat` does.
fn processes_holding(table: &str, inode: u64) -> Vec<u32> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            if fields.next()? != "FLOCK" {
                return None;
            }
            let process = fields.nth(2)?.parse().ok()?;
            let held = fields.next()?.rsplit(':').next()?.parse::<u64>().ok()?;
            (held == inode).then_some(process)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_environment_is_refused_and_its_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let lock = Lock::take(&path).unwrap();
        let holding = Holder { process: Some(std::process::id()) };
        assert_eq!(holder(&path).unwrap(), Some(holding));
        let refused = Lock::take(&path).unwrap_err();
        assert!(matches!(refused, LockFailure::Held { process } if process == holding.process));
        assert!(refused.help().contains("mailwright down"));
        drop(lock);
        assert_eq!(holder(&path).unwrap(), None);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn a_number_in_the_file_is_not_believed_when_another_process_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _lock = Lock::take(&path).unwrap();
        std::fs::write(&path, "1234567\n").unwrap();
        let told = holder(&path).unwrap().unwrap();
        if std::fs::read_to_string("/proc/locks").is_ok_and(|table| table.contains("FLOCK")) {
            assert_eq!(told.process, None);
        } else {
            eprintln!("skipped: /proc/locks does not list locks here");
        }
    }

    #[test]
    fn the_table_of_locks_is_read_by_its_columns() {
        let table = "1: POSIX  ADVISORY  WRITE 10 08:01:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 11 08:01:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 12 00:2b:43 0 EOF\n\
                     4: -> FLOCK ADVISORY WRITE 13 08:01:42 0 EOF\nnonsense\n";
        assert_eq!(processes_holding(table, 42), [11]);
        assert_eq!(processes_holding(table, 43), [12]);
        assert_eq!(processes_holding(table, 44), [0; 0]);
    }
}
