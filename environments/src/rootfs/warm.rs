//! What daemons took long to work out and find again: kept beside the image as layers for other environments.
//!
//! Rspamd compiles its patterns for ten seconds when it starts first, and keeps the outcome in files that are named by what they
//! were compiled from. A directory's first data take a second to make; they hold no password, and their folder is named by what they
//! were made from. Files of other patterns and data of other schemas are passed over by who reads them, so that layers of all
//! platforms lie over one another.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::files;
use crate::state::hexadecimal;

/// Tells by its name whether a file is worth keeping.
type Judge = fn(&str) -> bool;

/// Folders below a node's `/var`, and what in them is worth keeping.
const WORTH: [(&str, Judge); 2] = [("lib/rspamd", is_compiled), (TEMPLATES, is_template)];

/// Where nodes keep what they begin their data with.
const TEMPLATES: &str = "lib/mailwright/templates";

/// Layers that are kept; for one more, the one goes that nobody has stood on for the longest time.
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
    let whole = whole.filter(|name| !name.contains('.')).map(|name| warm.join(name));
    whole.filter(|layer| layer.join("var").is_dir()).collect()
}

/// Layers that nodes stand on: none of them is taken away while this lives.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _locks: Vec<File>,
}

/// Returns the file that says when a layer was used last, and is locked while it is.
fn used(layer: &Path) -> PathBuf {
    layer.with_extension("used")
}

/// Holds layers, and forgets those that are gone.
///
/// - `folders`: folders that nodes are to stand on; what is below `warm` is a layer.
pub(crate) fn hold(warm: &Path, folders: &mut Vec<PathBuf>) -> Held {
    let mut locks = Vec::new();
    folders.retain(|folder| {
        if !folder.starts_with(warm) {
            return true;
        }
        let Ok(file) = File::create(used(folder)) else { return false };
        let is_ours = flock(&file, FlockOperation::NonBlockingLockShared).is_ok() && folder.join("var").is_dir();
        let is_held = is_ours && file.set_modified(SystemTime::now()).is_ok();
        locks.extend(is_held.then_some(file));
        is_held
    });
    Held { _locks: locks }
}

/// Takes the layers away that were used longest ago until there is room for one more; those that somebody stands on stay.
///
/// - Returns: whether there is room.
fn make_room(mut layers: Vec<PathBuf>) -> bool {
    let last = |layer: &PathBuf| fs::metadata(used(layer)).and_then(|about| about.modified()).ok();
    layers.sort_by_cached_key(last);
    let mut too_many = (layers.len() + 1).saturating_sub(MOST);
    for layer in layers {
        if too_many == 0 {
            break;
        }
        let Ok(file) = File::options().create(true).append(true).open(used(&layer)) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        // Under another name first: nobody takes a half for a layer.
        let going = layer.with_extension("going");
        if fs::rename(&layer, &going).is_ok() {
            let _ = files::remove(&going);
            let _ = fs::remove_file(used(&layer));
            too_many -= 1;
        }
    }
    too_many == 0
}

/// Keeps what nodes have worked out and no layer has yet, as one layer more; a failure costs time later and nothing else.
///
/// Layers are never changed once they are there, since nodes may stand on them.
///
/// - `warm`: the folder with a folder for each layer.
/// - `states`: the nodes' own layers of `/var`.
pub(crate) fn keep_warm(warm: &Path, states: &[PathBuf]) {
    let before = layers(warm);
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
    if sources.is_empty() || !make_room(before) {
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

    /// Makes so many layers, used in the order of their numbers.
    fn many(warm: &Path, count: u32) -> Vec<PathBuf> {
        let begun = SystemTime::now() - std::time::Duration::from_secs(1_000);
        let layers: Vec<PathBuf> = (0..count).map(|number| warm.join(format!("layer-{number:02}"))).collect();
        for (number, layer) in (0..).zip(&layers) {
            fs::create_dir_all(layer.join("var/lib/rspamd")).unwrap();
            let used = File::create(used(layer)).unwrap();
            used.set_modified(begun + std::time::Duration::from_secs(number)).unwrap();
        }
        layers
    }

    #[test]
    fn the_layer_that_nobody_has_used_for_the_longest_time_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let (state, warm) = (folder.path().join("state"), folder.path().join("warm"));
        let kept = many(&warm, 12);
        // The oldest is stood on, and the second oldest was used a moment ago.
        let mut stood_on = vec![kept[0].clone(), kept[1].clone(), folder.path().join("root")];
        let held = hold(&warm, &mut stood_on);
        assert_eq!(stood_on.len(), 3);
        fs::create_dir_all(state.join("lib/rspamd")).unwrap();
        fs::write(state.join("lib/rspamd/aa.hs"), "compiled").unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        let left = layers(&warm);
        assert_eq!(left.len(), 12);
        assert!(left.contains(&kept[0]) && left.contains(&kept[1]) && !left.contains(&kept[2]), "{left:?}");
        drop(held);
        let mut gone = vec![kept[2].clone()];
        hold(&warm, &mut gone);
        assert_eq!(gone, Vec::<PathBuf>::new());
    }

    #[test]
    fn where_all_are_stood_on_none_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (state, warm) = (folder.path().join("state"), folder.path().join("warm"));
        let mut kept = many(&warm, 12);
        let _held = hold(&warm, &mut kept);
        fs::create_dir_all(state.join("lib/rspamd")).unwrap();
        fs::write(state.join("lib/rspamd/aa.hs"), "compiled").unwrap();
        keep_warm(&warm, &[state]);
        assert_eq!(layers(&warm), kept);
    }
}
