//! Sites, hosts, pools and nodes compared, and what becomes of the state that lies on them.

use std::collections::BTreeMap;

use values::Name;

use super::Revision;
use super::fields::top;
use super::pair::{Effect, Things};
use super::renames::Renames;
use crate::changes::{Action, Change, FieldChange};
use crate::platform::{Node, Role, Site, Storage};

/// What is noted of a node that moves without stopping.
pub(crate) const MOVES_LIVE: &str = "its state is on shared storage, so it can move while it runs";

/// Returns whether a node of this role keeps something that is nowhere else.
fn is_stateful(role: Role) -> bool {
    matches!(
        role,
        Role::Mx | Role::Submission | Role::Outbound | Role::Store | Role::Directory | Role::Cache | Role::Calendar
    )
}

pub(super) fn compare(source: Revision<'_>, target: Revision<'_>, renames: &Renames<'_>, changes: &mut Vec<Change>) {
    let (old, new) = (source.blueprint, target.blueprint);
    let site = |site: &Site| site.name.to_string();
    let sites = Things { kind: "site", source: &old.sites, target: &new.sites };
    sites.compare(site, site, renames, changes, |before, after, _| site_effect(before, after, renames));
    let host = |host: &crate::Host| host.name.to_string();
    let hosts = Things { kind: "host", source: &old.hosts, target: &new.hosts };
    hosts.compare(host, host, renames, changes, |_, _, _| Effect::CHANGE);
    let pool = |pool: &crate::platform::OutboundPool| pool.name.to_string();
    let pools = Things { kind: "outbound", source: &old.outbound, target: &new.outbound };
    pools.compare(pool, pool, renames, changes, |_, _, _| Effect::CHANGE);
    let storages = old.sites.iter().flat_map(|site| site.storages.iter().map(move |it| ((&site.name, &it.name), it)));
    let storages: Storages<'_> = storages.collect();
    let node = |node: &Node| node.name.to_string();
    let nodes = Things { kind: "node", source: &old.nodes, target: &new.nodes };
    nodes.compare(node, node, renames, changes, |before, after, fields| node_effect(before, after, fields, &storages));
}

/// Storages by site and name.
type Storages<'a> = BTreeMap<(&'a Name, &'a Name), &'a Storage>;

fn site_effect(before: Option<&Site>, after: Option<&Site>, renames: &Renames<'_>) -> Effect {
    let Some(before) = before else { return Effect::CHANGE };
    let now = |storage: &Storage| {
        after?.storages.iter().find(|now| {
            let name = format!("{}/{}", after.map_or("", |site| site.name.as_str()), now.name);
            let was = format!("{}/{}", before.name, storage.name);
            now.name == storage.name || renames.former("storage", &name) == Some(was.as_str())
        })
    };
    for storage in &before.storages {
        match now(storage) {
            None => return Effect::lost(format!("what lies on its storage {} is lost", storage.name)),
            Some(now) if now.size < storage.size => {
                return Effect::lost(format!("its storage {} becomes smaller", storage.name));
            }
            Some(_) => {}
        }
    }
    Effect::CHANGE
}

fn node_effect(before: Option<&Node>, after: Option<&Node>, fields: &[FieldChange], storages: &Storages<'_>) -> Effect {
    let Some(before) = before else { return Effect::CHANGE };
    let stateful = is_stateful(before.role);
    let Some(after) = after else {
        return if stateful { Effect::lost("what its state disk holds is lost") } else { Effect::CHANGE };
    };
    let changed = |wanted: &[&str]| fields.iter().any(|change| wanted.contains(&top(change)));
    if changed(&["role", "site", "cluster", "storage"]) {
        let note = match stateful {
            true => "it is made anew; what its state disk holds does not come along",
            false => "it is made anew",
        };
        return Effect { action: Action::Moved, destructive: stateful, note: Some(note.to_owned()) };
    }
    let smaller = stateful && after.disk < before.disk;
    let mut notes = Vec::new();
    if smaller {
        notes.push("its state disk becomes smaller");
    }
    let moves = changed(&["host"]);
    let storage = before.storage.as_ref().and_then(|name| storages.get(&(&before.site, name)));
    let stays = moves && stateful && !storage.is_some_and(|storage| storage.shared);
    if stays {
        notes.push("its state lies where the new host does not reach it, and does not come along");
    }
    let in_place = |change: &FieldChange| matches!(top(change), "services" | "front_addresses" | "name");
    let action = match moves {
        true => Action::Moved,
        false if fields.iter().all(in_place) => Action::Changed,
        false => Action::Restarted,
    };
    // Only where nothing else changes: more memory, say, needs a new start on the way.
    if notes.is_empty() && moves && storage.is_some_and(|it| it.shared) && fields.iter().all(|it| top(it) == "host") {
        notes.push(MOVES_LIVE);
    }
    let note = (!notes.is_empty()).then(|| notes.join(", and "));
    Effect { action, destructive: smaller || stays, note }
}
