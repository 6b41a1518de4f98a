//! Turns: what two processes must not do at once, one does after the other.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::failure::could_not;
use crate::{ImageFailure, Progress};

/// Takes the lock of a file, and waits for whoever holds it; it is let go when what is returned is dropped, or its process ends.
pub fn wait(path: &Path, progress: &dyn Progress) -> Result<File, ImageFailure> {
    let file = open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress.tell("another process does the same: waiting for it");
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| could_not(format!("lock {}", path.display()))(error.into()))?;
    }
    Ok(file)
}

/// Takes the lock of a file where nobody holds it.
pub(crate) fn try_take(path: &Path) -> Result<Option<File>, ImageFailure> {
    let file = open(path)?;
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file))
}

fn open(path: &Path) -> Result<File, ImageFailure> {
    if let Some(folder) = path.parent() {
        crate::files::make_folder(folder)?;
    }
    let options = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    options.map_err(could_not(format!("open {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    #[test]
    fn a_turn_is_had_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/lock");
        let held = wait(&path, &Quiet).unwrap();
        assert!(try_take(&path).unwrap().is_none());
        drop(held);
        assert!(try_take(&path).unwrap().is_some());
    }
}
