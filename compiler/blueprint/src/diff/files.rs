//! The files of two Bundles compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::fields;
use super::renames::Renames;
use crate::bundle::{Bundle, File, Piece, Process, Tree};
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
        changes.push(taken_over(target, change(action, path, fields)));
    }
    for path in before.into_keys() {
        changes.push(taken_over(source, change(Action::Destroyed, &path, Vec::new())));
    }
    for (node, tree) in &target.nodes {
        let old = source.nodes.get(node).or_else(|| source.nodes.get(renames.former("node", node)?));
        if let Some(old) = old {
            daemons(node, old, tree, changes);
        }
    }
}

/// Says what a node's daemons do about a file that is different.
fn taken_over(bundle: &Bundle, mut change: Change) -> Change {
    let place = change.name.strip_prefix("nodes/").and_then(|rest| rest.split_once('/'));
    let Some((tree, path)) = place.and_then(|(node, path)| Some((bundle.nodes.get(node)?, format!("/{path}")))) else {
        return change;
    };
    let names = |processes: &[&Process]| processes.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let restarted: Vec<&Process> = tree.processes.iter().filter(|it| it.is_restarted_by(&path)).collect();
    let reloaded: Vec<&Process> = tree.processes.iter().filter(|it| it.is_reloaded_by(&path)).collect();
    change.note = match (restarted.is_empty(), reloaded.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("{} takes it over while it runs", names(&reloaded))),
        (false, true) => Some(format!("{} is restarted", names(&restarted))),
        (false, false) => {
            Some(format!("{} is restarted, {} takes it over while it runs", names(&restarted), names(&reloaded)))
        }
    };
    if !restarted.is_empty() && change.action == Action::Changed {
        change.action = Action::Restarted;
    }
    change
}

/// Compares how a node's daemons are run, what they are checked with, and what its image has to have.
fn daemons(node: &str, before: &Tree, after: &Tree, changes: &mut Vec<Change>) {
    let by_name = |tree: &Tree| -> BTreeMap<String, Value> {
        tree.processes.iter().map(|process| (process.name.clone(), super::fields::value(process))).collect()
    };
    let mut old = by_name(before);
    for (name, process) in by_name(after) {
        let (action, fields) = match old.remove(&name) {
            None => (Action::Created, Vec::new()),
            Some(then) if then == process => continue,
            Some(then) => {
                let fields = fields(&then, &process);
                // How it takes files over, and what shows that it runs, is nobody's business but the supervisor's.
                let quiet = ["ready", "reload", "restart_on", "reads"];
                let is_quiet = fields.iter().all(|field| quiet.iter().any(|name| field.field.starts_with(name)));
                (if is_quiet { Action::Changed } else { Action::Restarted }, fields)
            }
        };
        changes.push(Change { fields, ..daemon(action, node, &name) });
    }
    changes.extend(old.into_keys().map(|name| daemon(Action::Destroyed, node, &name)));
    if before.packages != after.packages || before.checks != after.checks {
        let describe = |tree: &Tree| json!({ "packages": tree.packages, "checks": tree.checks.iter().map(|check| check.command.join(" ")).collect::<Vec<_>>() });
        let fields = fields(&describe(before), &describe(after));
        let packages = before.packages != after.packages;
        changes.push(Change {
            action: if packages { Action::Restarted } else { Action::Changed },
            kind: "image".to_owned(),
            name: node.to_owned(),
            destructive: false,
            note: packages.then(|| "the node starts from an image with other packages".to_owned()),
            fields,
        });
    }
}

fn daemon(action: Action, node: &str, name: &str) -> Change {
    Change {
        action,
        kind: "daemon".to_owned(),
        name: format!("{node}/{name}"),
        destructive: false,
        note: None,
        fields: Vec::new(),
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
            Piece::ServerKeys { key, line } => {
                secrets.push(format!("digests of {}/{} as `{line}` at byte {offset}", key.owner, key.name))
            }
            Piece::Digest(_) => {}
        }
    }
    json!({
        "mode": format!("{:04o}", file.mode),
        "owner": file.owner,
        "secrets": secrets,
        "sha256": file.digest(),
    })
}
