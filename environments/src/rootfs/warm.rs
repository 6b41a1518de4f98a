//! What daemons took long to work out and find again by its content: kept beside the image as a layer for other environments.
//!
//! Rspamd compiles its patterns for ten seconds when it starts first, and keeps the outcome in files that are named by what they
//! were compiled from; files of other patterns are passed over.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

/// Folders below a node's `/var` with what is worth keeping, by how the names end.
const WORTH: [(&str, &[&str]); 1] = [("lib/rspamd", &[".hs", ".hsmp", ".unser"])];

/// Keeps what nodes have worked out, where nothing is kept yet; a failure costs time later and nothing else.
///
/// - `warm`: the layer; never changed once it is there, since nodes may stand on it.
/// - `states`: the nodes' own layers of `/var`.
pub(crate) fn keep_warm(warm: &Path, states: &[PathBuf]) {
    if warm.exists() {
        return;
    }
    let Some(parent) = warm.parent() else { return };
    let making = parent.join(format!(".warm-{}", std::process::id()));
    let kept = states.iter().filter(|state| matches!(gather(state, &making), Ok(count) if count > 0)).count();
    if kept == 0 || fs::rename(&making, warm).is_err() {
        let _ = files::remove(&making);
    }
}

fn gather(state: &Path, layer: &Path) -> std::io::Result<usize> {
    let mut count = 0;
    for (folder, endings) in WORTH {
        let from = state.join(folder);
        let names = files::names(&from).unwrap_or_default();
        for name in names.iter().filter(|name| endings.iter().any(|ending| name.ends_with(ending))) {
            let into = layer.join("var").join(folder);
            fs::create_dir_all(&into)?;
            copy(&from.join(name), &into.join(name))?;
            count += 1;
        }
        if count > 0 {
            // The layer's folders stand in for the image's, owner and mode included.
            for path in Path::new(folder).ancestors().filter(|path| !path.as_os_str().is_empty()) {
                same_owner(&state.join(path), &layer.join("var").join(path))?;
            }
            same_owner(state, &layer.join("var"))?;
        }
    }
    Ok(count)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from, to)?;
    same_owner(from, to)
}

fn same_owner(from: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let about = fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(about.uid()), Some(about.gid()))?;
    fs::set_permissions(to, about.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_it_is_kept_once_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (state, warm) = (folder.path().join("state"), folder.path().join("warm"));
        fs::create_dir_all(state.join("lib/rspamd")).unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        assert!(!warm.exists());
        fs::write(state.join("lib/rspamd/aa.hs"), "compiled").unwrap();
        fs::write(state.join("lib/rspamd/stats.json"), "mine").unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        assert_eq!(files::names(&warm.join("var/lib/rspamd")).unwrap(), ["aa.hs"]);
        fs::write(state.join("lib/rspamd/bb.hs"), "compiled").unwrap();
        keep_warm(&warm, &[state]);
        assert_eq!(files::names(&warm.join("var/lib/rspamd")).unwrap(), ["aa.hs"]);
        assert_eq!(files::names(folder.path()).unwrap(), ["state", "warm"]);
    }
}
