//! The layer with this program: what machines run beside the image, on a read-only disk of its own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::machine::MachineFailure;
use crate::files;
use crate::state::hexadecimal;

/// Where programs lie in the layer.
const PLACE: &str = "usr/lib/mailwright";

/// Returns the layer with a program, made once for each.
pub(super) fn layer(cache: &Path, program: &Path) -> Result<PathBuf, MachineFailure> {
    let failed = |source| MachineFailure::Programs { source };
    let about = std::fs::metadata(program).map_err(failed)?;
    let mut hash = Sha256::new();
    hash.update(program.as_os_str().as_encoded_bytes());
    hash.update(format!("\0{} {} {} {}", about.len(), about.mtime(), about.mtime_nsec(), about.ino()));
    let key = hexadecimal(hash.finalize().get(..8).unwrap_or_default());
    let all = cache.join("programs");
    let made = all.join(format!("{key}.erofs"));
    if made.is_file() {
        return Ok(made);
    }
    let outcome = make(&all, &key, program, &made).map_err(failed);
    let _ = files::remove(&all.join(format!(".{key}.{}", std::process::id())));
    outcome?;
    Ok(made)
}

fn make(all: &Path, key: &str, program: &Path, made: &Path) -> std::io::Result<()> {
    let making = all.join(format!(".{key}.{}", std::process::id()));
    let place = making.join("root").join(PLACE);
    std::fs::create_dir_all(&place)?;
    let serve = place.join("mailwright-serve");
    // What only debuggers read would be most of it.
    let stripped = Command::new("strip").arg("-o").arg(&serve).arg(program).stdin(Stdio::null()).output();
    if !stripped.is_ok_and(|output| output.status.success()) {
        std::fs::copy(program, &serve)?;
    }
    std::os::unix::fs::symlink("mailwright-serve", place.join("mailwright"))?;
    let image = making.join("layer.erofs");
    let output = Command::new("mkfs.erofs")
        .args(["--quiet", "-zlz4", "-T1700000000", "-U00000000-0000-0000-0000-000000000000", "--all-root"])
        .arg(&image)
        .arg(making.join("root"))
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(std::io::Error::other(format!("mkfs.erofs: {said}")));
    }
    // Layers of programs that were built over since.
    for name in files::names(all).unwrap_or_default().iter().filter(|name| name.ends_with(".erofs")) {
        let path = all.join(name);
        let old = std::fs::metadata(&path).and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
        if old.is_some_and(|age| age.as_secs() > 7 * 86_400) {
            let _ = files::remove(&path);
        }
    }
    std::fs::rename(&image, made)
}
