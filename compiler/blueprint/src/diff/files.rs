//! The files of two Bundles compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::fields;
use super::renames::Renames;
use crate::bundle::{Bundle, File, Piece};
use crate::changes::{Action, Change};

/// Compares the files of two Bundles. Those of a renamed node are compared with its former ones.
pub(super) fn compare(source: &Bundle, target: &Bundle, renames: &Renames<'_>, changes: &mut Vec<Change>) {
    let mut before = by_path(source);
    let after = by_path(target);
    for (path, new) in &after {
        let old = before.remove(path).or_else(|| before.remove(&former(path, &after, renames)?));
        let (action, old) = match old {
            None => (Action::Created, Value::Null),
            Some(old) if old == *new => continue,
            Some(old) => (Action::Changed, describe(old)),
        };
        let fields = if old.is_null() { Vec::new() } else { fields(&old, &describe(new)) };
        // Secrets cut apart in another way are the same file.
        if action == Action::Changed && fields.is_empty() {
            continue;
        }
        changes.push(change(action, path, fields));
    }
    for path in before.into_keys() {
        changes.push(change(Action::Destroyed, &path, Vec::new()));
    }
}

/// Returns the path of a file before its node was renamed, unless that path is still in use.
fn former(path: &str, after: &BTreeMap<String, &File>, renames: &Renames<'_>) -> Option<String> {
    let (node, rest) = path.strip_prefix("nodes/")?.split_once('/')?;
    let path = format!("nodes/{}/{rest}", renames.former("node", node)?);
    (!after.contains_key(&path)).then_some(path)
}

fn change(action: Action, path: &str, fields: Vec<crate::changes::FieldChange>) -> Change {
    Change { action, kind: "file".to_owned(), name: path.to_owned(), destructive: false, note: None, fields }
}

fn by_path(bundle: &Bundle) -> BTreeMap<String, &File> {
    let nodes = bundle.nodes.iter().flat_map(|(node, tree)| {
        tree.files.iter().map(move |(path, file)| (format!("nodes/{node}/{}", path.trim_start_matches('/')), file))
    });
    let beside = [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)];
    let beside = beside
        .into_iter()
        .flat_map(|(folder, files)| files.iter().map(move |(path, file)| (format!("{folder}/{path}"), file)));
    nodes.chain(beside).collect()
}

fn describe(file: &File) -> Value {
    let mut offset = 0;
    let mut secrets = Vec::new();
    for piece in &file.pieces {
        match piece {
            Piece::Bytes(bytes) => offset += bytes.len(),
            // The place counts too: a secret is not the same as text that looks like its hole.
            Piece::Secret(secret) => secrets.push(format!("{}/{} at byte {offset}", secret.owner, secret.name)),
            Piece::DkimRecord(key) => {
                secrets.push(format!("public half of {}/{} at byte {offset}", key.owner, key.name))
            }
        }
    }
    json!({
        "mode": format!("{:04o}", file.mode),
        "owner": file.owner,
        "secrets": secrets,
        "sha256": file.digest(),
    })
}
