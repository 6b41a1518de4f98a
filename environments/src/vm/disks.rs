//! A machine's own disks: what makes it the node it is, and what must survive it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use blueprint::Node;
use images::disk::{Item, disk};

use super::Laid;
use super::lane::{Beside, FRONT_NETWORK, NETWORK};
use super::machine::MachineFailure;
use crate::failure::Failure;
use crate::files;
use crate::node::{Manifest, below};
use crate::state::StateFailure;

/// The config disk's file.
pub(super) const CONFIG: &str = "config.tar";

/// The state disk's file.
pub(super) const STATE: &str = "state.img";

/// The largest state disk; a file with holes, so that only what is written takes room.
const LARGEST: u64 = 8 << 30;

/// Writes a node's config disk from its tree.
///
/// - `tree`: the folder the tree was laid out in, with its secrets.
/// - `beside`: what it needs for the lane it boots in.
/// - Returns: the paths it brings.
pub(super) fn config(tree: &Path, machine: &Path, node: &str, beside: &Beside) -> Result<Laid, Failure> {
    let bytes = config_bytes(tree, node, beside)?;
    files::write_lightly(&machine.join(CONFIG), &bytes, 0o600).map_err(StateFailure::from)?;
    Ok(manifest(tree)?.files.into_keys().collect())
}

/// Whether a machine's config disk is this one.
pub(super) fn is_config(machine: &Path, bytes: &[u8]) -> bool {
    files::read(&machine.join(CONFIG)).ok().flatten().as_deref() == Some(bytes)
}

/// Returns a node's config disk, of its tree.
pub(super) fn config_bytes(tree: &Path, node: &str, beside: &Beside) -> Result<Vec<u8>, Failure> {
    let manifest = manifest(tree)?;
    let mut contents = BTreeMap::new();
    for path in manifest.files.keys() {
        contents.insert(path.as_str(), content(tree, path)?);
    }
    let mut items: BTreeMap<&str, Item<'_>> = manifest
        .files
        .iter()
        .map(|(path, item)| {
            let content = contents.get(path.as_str()).map(Vec::as_slice).unwrap_or_default();
            (path.as_str(), Item { mode: item.mode, owner: &item.owner, content })
        })
        .collect();
    for (path, text) in &beside.files {
        let item = Item { mode: 0o644, owner: "root:root", content: text.as_bytes() };
        items.insert(path, item);
    }
    let units: Vec<&str> = beside.units.iter().map(String::as_str).collect();
    Ok(disk(&items, &units).map_err(|source| MachineFailure::Disk { node: node.to_owned(), source })?)
}

/// Reads what a tree consists of, but for production's network: a test environment's wire is another one.
pub(super) fn manifest(tree: &Path) -> Result<Manifest, Failure> {
    let kept = files::read_json(&tree.join("manifest.json")).map_err(StateFailure::from)?;
    let mut manifest: Manifest = kept.unwrap_or_default();
    for path in [NETWORK, FRONT_NETWORK] {
        manifest.files.remove(path);
    }
    Ok(manifest)
}

/// Reads a file of a tree.
pub(super) fn content(tree: &Path, path: &str) -> Result<Vec<u8>, Failure> {
    let place = below(&tree.join("files"), path).map_err(|failure| Failure::Broke { reason: failure.to_string() })?;
    Ok(files::read(&place).map_err(StateFailure::from)?.unwrap_or_default())
}

/// Makes a node's state disk, unless it is there.
pub(super) fn state(machine: &Path, node: &Node) -> Result<(), Failure> {
    let (place, making) = (machine.join(STATE), machine.join(".state.making"));
    if place.exists() {
        return Ok(());
    }
    let failed = |source| MachineFailure::StateDisk { node: node.name.to_string(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&making).map_err(failed)?;
    file.set_len(node.disk.as_bytes().min(LARGEST)).map_err(failed)?;
    drop(file);
    let output = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-J", "size=16", "-E", "lazy_itable_init=1,nodiscard"])
        .arg(&making)
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(std::io::Error::other(format!("mke2fs: {said}"))).into());
    }
    // One that was made half is never taken for one.
    std::fs::rename(&making, &place).map_err(failed)?;
    Ok(())
}
