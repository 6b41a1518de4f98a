//! What daemons took long to work out and find again: kept beside the image as layers for other environments.
//!
//! Rspamd compiles its patterns for ten seconds when it starts first, and keeps the outcome in files that are named by what they
//! were compiled from. A directory's first data take a second to make; they hold no password, and their folder is named by what they
//! were made from. Files of other patterns and data of other schemas are passed over by who reads them, so that layers of all
//! platforms lie over one another.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::files;
use crate::state::hexadecimal;

/// Tells by its name and its kind whether a file or folder is worth keeping.
type Judge = fn(&str, &Metadata) -> bool;

/// Folders below a node's `/var`, and what in them is worth keeping.
const WORTH: [(&str, Judge); 2] = [("lib/rspamd", is_compiled), (TEMPLATES, is_template)];

/// Where nodes keep what they begin their data with.
const TEMPLATES: &str = "lib/mailwright/templates";

/// Layers that are kept; for one more, the one goes that was made longest ago.
const MOST: usize = 12;

/// The length in octets from which several patterns in one file are worth keeping. Short ones are compiled at once, and most of
/// them are named by an order that is another each time.
const LONG: u64 = 256 << 10;

/// What an upper folder has in place of a removed file is none.
fn is_compiled(name: &str, about: &Metadata) -> bool {
    let single = [".hs", ".hs.unser"].iter().any(|ending| name.ends_with(ending));
    let several = [".hsmp", ".hsmp.unser"].iter().any(|ending| name.ends_with(ending));
    about.is_file() && (single || several && about.len() >= LONG)
}

/// Whole ones only: what is being made has an ending.
fn is_template(name: &str, about: &Metadata) -> bool {
    about.is_dir() && !name.contains('.')
}

/// Returns the layers that are kept.
///
/// - `warm`: the folder with a folder for each.
pub(super) fn layers(warm: &Path) -> Vec<PathBuf> {
    folders(warm).into_iter().filter(|layer| layer.join("var").is_dir() && !old(layer).exists()).collect()
}

/// Returns the folders of layers, those included that make room.
fn folders(warm: &Path) -> Vec<PathBuf> {
    let names = files::names(warm).unwrap_or_default();
    let layers = names.iter().filter(|name| name.starts_with("layer-") && !name.contains('.'));
    layers.map(|name| warm.join(name)).collect()
}

/// Layers that nodes stand on: none of them is taken away while this lives.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _locks: Vec<File>,
}

/// Returns the file that is locked while nodes stand on a layer.
fn used(layer: &Path) -> PathBuf {
    layer.with_extension("used")
}

/// Returns the file that is there when a layer makes room for others: nothing new stands on it.
fn old(layer: &Path) -> PathBuf {
    layer.with_extension("old")
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
        let is_there = || folder.join("var").is_dir();
        let Some(file) = is_there().then(|| File::create(used(folder)).ok()).flatten() else { return false };
        let is_held = flock(&file, FlockOperation::NonBlockingLockShared).is_ok() && is_there();
        locks.extend(is_held.then_some(file));
        is_held
    });
    Held { _locks: locks }
}

/// Marks the layers that were made longest ago as old until there is room for one more.
///
/// Each environment stands on all layers there are, whatever it finds in them: which was used last says nothing. Nodes may go on
/// standing on one that is old, and others of their environment begin to; it goes once none does. What was still of use in it is
/// made once more.
///
/// - Returns: whether there is room.
fn make_room(mut layers: Vec<PathBuf>) -> bool {
    let made = |layer: &PathBuf| fs::metadata(layer).and_then(|about| about.modified()).ok();
    layers.sort_by_cached_key(made);
    let too_many = (layers.len() + 1).saturating_sub(MOST);
    layers.iter().take(too_many).all(|layer| File::create(old(layer)).is_ok())
}

/// Removes old layers that nobody stands on.
fn sweep(warm: &Path) {
    for layer in folders(warm).into_iter().filter(|layer| old(layer).exists()) {
        let Ok(file) = File::options().create(true).append(true).open(used(&layer)) else { continue };
        // Who stands on a layer holds its file; who opens the file now finds no layer when it is theirs.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && files::remove(&layer).is_ok() {
            let _ = (fs::remove_file(old(&layer)), fs::remove_file(used(&layer)));
        }
    }
}

/// Keeps what nodes have worked out and no layer has yet, as one layer more; a failure costs time later and nothing else.
///
/// Layers are never changed once they are there, since nodes may stand on them.
///
/// - `warm`: the folder with a folder for each layer.
/// - `states`: the nodes' own layers of `/var`.
pub(crate) fn keep_warm(warm: &Path, states: &[PathBuf]) {
    sweep(warm);
    let before = layers(warm);
    let is_there = |path: &str| before.iter().any(|layer| layer.join("var").join(path).exists());
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut sources = Vec::new();
    for state in states {
        for (folder, is_worth) in WORTH {
            for name in files::names(&state.join(folder)).unwrap_or_default() {
                let path = format!("{folder}/{name}");
                let Ok(about) = fs::symlink_metadata(state.join(&path)) else { continue };
                if is_worth(&name, &about) && !is_there(&path) && found.insert(path.clone()) {
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
    // On disk before it has its name: nobody trusts a half after a loss of power.
    let kept = kept.and_then(|()| Ok(rustix::fs::syncfs(File::open(&making)?)?));
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
        fs::write(state.join("lib/rspamd/short.hsmp"), "compiled at once").unwrap();
        fs::write(state.join("lib/rspamd/long.hsmp"), [0; 256 << 10]).unwrap();
        fs::write(state.join("lib/rspamd/stats.json"), "mine").unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        keep_warm(&warm, std::slice::from_ref(&state));
        let first = layers(&warm);
        assert_eq!(first.len(), 1);
        let kept: BTreeSet<String> = files::names(&first[0].join("var/lib/rspamd")).unwrap().into_iter().collect();
        assert_eq!(Vec::from_iter(kept), ["aa.hs", "long.hsmp"]);
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

    /// Makes so many layers, in the order of their numbers.
    fn many(warm: &Path, count: u32) -> Vec<PathBuf> {
        let begun = std::time::SystemTime::now() - std::time::Duration::from_secs(1_000);
        let layers: Vec<PathBuf> = (0..count).map(|number| warm.join(format!("layer-{number:02}"))).collect();
        for (number, layer) in (0..).zip(&layers) {
            fs::create_dir_all(layer.join("var/lib/rspamd")).unwrap();
            let made = begun + std::time::Duration::from_secs(number);
            File::open(layer).unwrap().set_modified(made).unwrap();
        }
        layers
    }

    #[test]
    fn the_oldest_layer_makes_room_and_is_there_for_those_who_stand_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let (state, warm) = (folder.path().join("state"), folder.path().join("warm"));
        let kept = many(&warm, 12);
        // As environments do: this one stands on all of them.
        let mut stood_on = [kept.clone(), vec![folder.path().join("root")]].concat();
        let held = hold(&warm, &mut stood_on);
        assert_eq!(stood_on.len(), 13);
        fs::create_dir_all(state.join("lib/rspamd")).unwrap();
        fs::write(state.join("lib/rspamd/aa.hs"), "compiled").unwrap();
        keep_warm(&warm, std::slice::from_ref(&state));
        let left = layers(&warm);
        assert_eq!(left.len(), 12);
        assert!(!left.contains(&kept[0]) && kept[1..].iter().all(|layer| left.contains(layer)), "{left:?}");
        keep_warm(&warm, std::slice::from_ref(&state));
        assert!(kept[0].join("var").is_dir(), "nodes that begin later look for it by its name");
        let mut anew = vec![kept[1].clone(), kept[0].clone()];
        drop(held);
        // A program that another test begins just now has a lock's file for a moment, too.
        let is_gone = (0..1000).any(|_| {
            keep_warm(&warm, std::slice::from_ref(&state));
            !kept[0].exists()
        });
        assert!(is_gone);
        hold(&warm, &mut anew);
        assert_eq!(anew, [kept[1].clone()]);
        assert_eq!(layers(&warm), left);
        assert!(!files::names(&warm).unwrap().iter().any(|name| name.starts_with("layer-00")));
    }
}
