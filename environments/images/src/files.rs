//! Files that are written whole or not at all, and are on the disk before anything says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a file of an environment could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FileFailure {
    /// The folder could not be made.
    #[error("could not make the folder {}", path.display())]
    MakeFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder could not be listed.
    #[error("could not list the folder {}", path.display())]
    ListFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file or folder could not be removed.
    #[error("could not remove {}", path.display())]
    Remove {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file does not hold what it should.
    #[error("{} does not hold what this program writes there", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
}

impl FileFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Form { path, .. } => {
                format!(
                    "the file was changed or cut off; move {} away and bring the environment up again",
                    path.display()
                )
            }
            Self::MakeFolder { path, source }
            | Self::ListFolder { path, source }
            | Self::Write { path, source }
            | Self::Read { path, source }
            | Self::Remove { path, source } => match source.kind() {
                ErrorKind::PermissionDenied => format!("give this user access to {}", path.display()),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk".to_owned(),
                ErrorKind::ReadOnlyFilesystem => {
                    "choose a state folder that can be written to, by XDG_STATE_HOME".to_owned()
                }
                _ => format!("look after {}; nothing was changed beyond it", path.display()),
            },
        }
    }
}

/// Makes a folder and those above it, for its owner only; one that is there is left as it is.
pub fn make_folder(path: &Path) -> Result<(), FileFailure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| FileFailure::MakeFolder { path: path.to_owned(), source })
}

/// Writes a file whole or not at all: a temporary file beside it, synced, renamed over it, and the folder synced.
///
/// - `mode`: permission bits, set when the temporary file is made and whatever the umask says no wider.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileFailure> {
    let failed = |source| FileFailure::Write { path: path.to_owned(), source };
    let (temporary, mut file) = temporary_beside(path, mode).map_err(failed)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder_of(path));
    if written.is_err() {
        // The temporary file is worth nothing; that it may stay behind does not make the failure another one.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Writes a file whole where there is none yet; of several who do so at once, one does.
///
/// - Returns: whether it was this one.
pub fn write_first(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, FileFailure> {
    let failed = |source| FileFailure::Write { path: path.to_owned(), source };
    let (temporary, mut file) = temporary_beside(path, mode).map_err(failed)?;
    // A link is made only where nothing is, which a renamed file is not.
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match written.and_then(|()| sync_folder_of(path)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file that is made again when it is lost: nothing is synced, and a reader may see half of it.
pub fn write_lightly(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileFailure> {
    let failed = |source| FileFailure::Write { path: path.to_owned(), source };
    // Anew, so that the mode is the one asked for.
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}

/// Writes a document as JSON, whole or not at all.
pub fn write_json<T: Serialize>(path: &Path, document: &T, mode: u32) -> Result<(), FileFailure> {
    let mut bytes =
        serde_json::to_vec_pretty(document).map_err(|source| FileFailure::Form { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    write(path, &bytes, mode)
}

/// Writes a document as JSON in one line, as [`write_lightly`] does.
pub fn write_json_lightly<T: Serialize>(path: &Path, document: &T) -> Result<(), FileFailure> {
    let bytes = serde_json::to_vec(document).map_err(|source| FileFailure::Form { path: path.to_owned(), source })?;
    write_lightly(path, &bytes, 0o644)
}

/// Reads a file; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileFailure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileFailure::Read { path: path.to_owned(), source }),
    }
}

/// Reads a JSON document; `None` when there is no file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileFailure> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| FileFailure::Form { path: path.to_owned(), source })
}

/// Removes a file or a folder with everything in it; what is not there is no failure.
pub fn remove(path: &Path) -> Result<(), FileFailure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(source) => Err(source),
    };
    match removed {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(FileFailure::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Returns the names in a folder, sorted; names that are not UTF-8 are not ours and left out. Empty without a folder.
pub fn names(path: &Path) -> Result<Vec<String>, FileFailure> {
    let failed = |source| FileFailure::ListFolder { path: path.to_owned(), source };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes what happened in a folder durable: files made, renamed and removed.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// Makes a file that nobody else has, beside the one it will replace.
fn temporary_beside(path: &Path, mode: u32) -> std::io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{name}.{}.{count}.new", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary) {
            // Left behind by a process of the same number that died.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(&temporary)?,
            Err(error) => return Err(error),
            Ok(file) => return Ok((temporary, file)),
        }
    }
}

/// Returns whether only the owner can reach a file or folder.
pub fn private(path: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        write(&path, b"first", 0o600).unwrap();
        write(&path, b"second", 0o600).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"second");
        assert_eq!(names(folder.path()).unwrap(), ["record"]);
        assert!(private(&path).unwrap());
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        write(&path, b"first", 0o600).unwrap();
        // A folder cannot be replaced by a file, so the rename fails after the temporary file was written.
        let taken = folder.path().join("taken");
        make_folder(&taken.join("inner")).unwrap();
        assert!(matches!(write(&taken, b"x", 0o600), Err(FileFailure::Write { .. })));
        assert_eq!(names(folder.path()).unwrap(), ["record", "taken"]);
        assert_eq!(read(&path).unwrap().unwrap(), b"first");
    }

    #[test]
    fn what_is_left_of_a_dead_writer_does_not_disturb() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        for count in 0..64 {
            fs::write(folder.path().join(format!(".record.{}.{count}.new", std::process::id())), b"half").unwrap();
        }
        write(&path, b"whole", 0o600).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"whole");
    }

    #[test]
    fn a_document_cut_short_is_refused_and_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("document");
        fs::write(&path, b"{\"version\": 1").unwrap();
        let failure = read_json::<serde_json::Value>(&path).unwrap_err();
        assert!(matches!(failure, FileFailure::Form { .. }));
        assert!(failure.help().contains("move"));
        assert!(read_json::<serde_json::Value>(&folder.path().join("none")).unwrap().is_none());
    }
}
