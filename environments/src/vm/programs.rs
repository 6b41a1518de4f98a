//! The layer with this program: what machines run beside the image, on a read-only disk of its own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::machine::MachineFailure;
use crate::files;
use crate::state::{digest_of_file, hexadecimal};

/// Where programs lie in the layer.
const PLACE: &str = "usr/lib/mailwright";

/// Returns the layer with a program, made once for each; it is known by what it holds, so that a machine that was stored goes on
/// with the same program wherever that lies.
pub(super) fn layer(cache: &Path, program: &Path) -> Result<PathBuf, MachineFailure> {
    let failed = |source| MachineFailure::Programs { source };
    let all = cache.join("programs");
    let key = key(&all, program).map_err(failed)?;
    let made = all.join(format!("{key}.erofs"));
    if made.is_file() {
        return Ok(made);
    }
    let outcome = make(&all, &key, program, &made).map_err(failed);
    let _ = files::remove(&all.join(format!(".{key}.{}", std::process::id())));
    outcome?;
    Ok(made)
}

/// Returns what a program is known by: a digest of its bytes, which is worked out once for each file and kept.
fn key(all: &Path, program: &Path) -> std::io::Result<String> {
    let about = std::fs::metadata(program)?;
    let mut hash = Sha256::new();
    hash.update(program.as_os_str().as_encoded_bytes());
    hash.update(format!("\0{} {} {} {}", about.len(), about.mtime(), about.mtime_nsec(), about.ino()));
    let known = all.join(format!("{}.key", hexadecimal(hash.finalize().get(..8).unwrap_or_default())));
    let plain = |key: &String| key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(key) = std::fs::read_to_string(&known).ok().filter(plain) {
        return Ok(key);
    }
    let mut key = digest_of_file(program)?;
    key.truncate(16);
    files::make_folder(all)
        .and_then(|()| files::write_lightly(&known, key.as_bytes(), 0o600))
        .map_err(std::io::Error::other)?;
    Ok(key)
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
    for name in
        files::names(all).unwrap_or_default().iter().filter(|name| name.ends_with(".erofs") || name.ends_with(".key"))
    {
        let path = all.join(name);
        let old = std::fs::metadata(&path).and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
        if old.is_some_and(|age| age.as_secs() > 7 * 86_400) {
            let _ = files::remove(&path);
        }
    }
    std::fs::rename(&image, made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_it_holds_and_not_by_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("programs");
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let (one, same, other) = (write("one", b"program"), write("same", b"program"), write("other", b"programs"));
        let first = key(&all, &one).unwrap();
        assert_eq!(first, key(&all, &one).unwrap());
        assert_eq!(first, key(&all, &same).unwrap());
        assert_ne!(first, key(&all, &other).unwrap());
        // What is kept and is none is worked out anew.
        for name in files::names(&all).unwrap() {
            std::fs::write(all.join(name), "half").unwrap();
        }
        assert_eq!(first, key(&all, &one).unwrap());
    }
}
