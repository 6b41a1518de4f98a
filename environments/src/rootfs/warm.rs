//! What daemons took long to work out and find again: kept beside the image as layers for other environments.
//!
//! Rspamd compiles its patterns for ten seconds when it starts first, and keeps the outcome in files that are named by what they
//! were compiled from. A directory's first data take a second to make; they hold no password, and their folder is named by what they
//! were made from. Files of other patterns and data of other schemas are passed over by who reads them, so that layers of all
//! platforms lie over one another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::files;
use crate::state::hexadecimal;

/// Tells by its name whether a file is worth keeping.
type Judge = fn(&str) -> bool;

/// Folders below a node's `/var`, and what in them is worth keeping.
const WORTH: [(&str, Judge); 2] = [("lib/rspamd", is_compiled), (TEMPLATES, is_template)];

/// Where nodes keep what they begin their data with.
const TEMPLATES: &str = "lib/mailwright/templates";

/// Layers that are kept; beyond these a platform waits as long as it did the first time.
const MOST: usize = 12;

fn is_compiled(name: &str) -> bool {
    [".hs", ".hsmp", ".unser"].iter().any(|ending| name.ends_with(ending))
}

/// Whole ones only: what is being made has an ending.
fn is_template(name: &str) -> bool {
    !name.contains('.')
}

/// Returns the layers that are kept.
///
/// - `warm`: the folder with a folder for each.
pub(super) fn layers(warm: &Path) -> Vec<PathBuf> {
    let names = files::names(warm).unwrap_or_default();
    let whole = names.iter().filter(|name| name.starts_with("layer-"));
    whole.map(|name| warm.join(name)).filter(|layer| layer.join("var").is_dir()).collect()
}

/// Keeps what nodes have worked out and no layer has yet, as one layer more; a failure costs time later and nothing else.
///
/// Layers are never changed once they are there, since nodes may stand on them.
///
/// - `warm`: the folder with a folder for each layer.
/// - `states`: the nodes' own layers of `/var`.
pub(crate) fn keep_warm(warm: &Path, states: &[PathBuf]) {
    let before = layers(warm);
    if before.len() >= MOST {
        return;
    }
    let is_there = |path: &str| before.iter().any(|layer| layer.join("var").join(path).exists());
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut sources = Vec::new();
    for state in states {
        for (folder, is_worth) in WORTH {
            for name in files::names(&state.join(folder)).unwrap_or_default() {
                let path = format!("{folder}/{name}");
                if is_worth(&name) && !is_there(&path) && found.insert(path.clone()) {
                    sources.push((state, folder, path));
                }
            }
        }
    }
    if sources.is_empty() {
        return;
    }
    let mut hash = Sha256::new();
    for path in &found {
        hash.update(format!("{path}\n"));
    }
    let key = hexadecimal(hash.finalize().get(..8).unwrap_or_default());
    let making = warm.join(format!(".making-{}-{key}", std::process::id()));
    let kept = sources.iter().try_for_each(|(state, folder, path)| keep(state, folder, path, &making));
    if kept.is_err() || fs::rename(&making, warm.join(format!("layer-{key}"))).is_err() {
        let _ = files::remove(&making);
    }
}

/// Copies a file or a folder with everything that it is, and the folders above it as they are.
fn keep(state: &Path, folder: &str, path: &str, layer: &Path) -> std::io::Result<()> {
    let var = layer.join("var");
    fs::create_dir_all(var.join(folder))?;
    let copied = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .args([state.join(path), var.join(path)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !copied.success() {
        return Err(std::io::Error::other("it could not be copied"));
    }
    // The layer's folders stand in for the image's, owner and mode included.
    for above in Path::new(folder).ancestors().filter(|above| !above.as_os_str().is_empty()) {
        same_owner(&state.join(above), &var.join(above))?;
    }
    same_owner(state, &var)
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
        assert_eq!(layers(&warm), Vec::<PathBuf>::new());
        fs::write(state.join("lib/rspamd/aa.hs"), "compiled").unwrap();
        fs::write(state.join("lib/rspamd/stats.json"), "mine").unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        keep_warm(&warm, std::slice::from_ref(&state));
        let first = layers(&warm);
        assert_eq!(first.len(), 1);
        assert_eq!(files::names(&first[0].join("var/lib/rspamd")).unwrap(), ["aa.hs"]);
        // What comes later is a layer of its own, since nodes stand on the first.
        let template = state.join(TEMPLATES).join("directory-00-15");
        fs::create_dir_all(template.join("base")).unwrap();
        fs::write(template.join("PG_VERSION"), "15\n").unwrap();
        fs::create_dir_all(state.join(TEMPLATES).join("directory-01-15.new")).unwrap();
        keep_warm(&warm, &[state]);
        let both = layers(&warm);
        assert_eq!(both.len(), 2);
        let second = both.iter().find(|layer| !first.contains(layer)).unwrap();
        assert_eq!(files::names(&second.join("var").join(TEMPLATES)).unwrap(), ["directory-00-15"]);
        assert!(second.join("var").join(TEMPLATES).join("directory-00-15/base").is_dir());
        assert!(!second.join("var/lib/rspamd").exists());
    }
}
