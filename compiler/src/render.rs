//! Blueprint and Roster to Bundle: the bytes of every file, through typed writers only.
//!
//! Each daemon has a folder, each of its files a file. Postfix for the mx is the pattern that the other daemons follow.

pub mod backup;
pub mod cards;
pub mod clamav;
pub mod control;
pub mod dovecot;
pub mod exporters;
pub mod haproxy;
pub mod hypervisor;
pub mod keepalived;
pub mod knot;
pub mod nginx;
pub mod patroni;
pub mod place;
pub mod postfix;
pub mod postgresql;
pub mod prometheus;
pub mod radicale;
pub mod redis;
pub mod rspamd;
#[cfg(test)]
pub(crate) mod sample;
pub mod system;
pub mod ucl;
pub mod unbound;
pub mod web;
pub mod zone;

use std::collections::BTreeMap;

use blueprint::dns::{Edition, Zone, zones};
use blueprint::{Blueprint, Bundle, File, Node, Piece, Role, Tree};
use serde_json::{Value, json};
use spec::Sources;

use crate::compile::Output;

/// Renders every file of a platform.
///
/// - `sources`: what was compiled; the brands' files are taken from it.
pub fn render(output: &Output, sources: &Sources) -> Bundle {
    render_edition(output, sources, Edition::FIRST)
}

/// Renders every file of a platform as of an edition of its zones and signing keys.
pub fn render_edition(output: &Output, sources: &Sources, edition: Edition) -> Bundle {
    whole(output, sources, edition, &control::roster(&output.roster))
}

/// Renders every file of a platform so that it can be compared with another one: of the Roster, which may be large, only the digest
/// is made.
pub fn render_to_compare(output: &Output, sources: &Sources) -> Bundle {
    whole(output, sources, Edition::FIRST, &control::roster_digest(&output.roster))
}

fn whole(output: &Output, sources: &Sources, edition: Edition, roster: &File) -> Bundle {
    let zones = zones(&output.blueprint, &output.roster, edition);
    let mut bundle = Bundle { dns: zone::files(&zones, edition), ..Bundle::default() };
    for (key, path) in &output.brand_files {
        if let Some(asset) = sources.asset(path) {
            let pieces = vec![Piece::Bytes(asset.bytes.clone())];
            bundle.brands.insert(key.clone(), File { mode: 0o644, owner: "root:root".to_owned(), pieces });
        }
    }
    // Monitors come last: they look at what the others run.
    let mut nodes: Vec<&Node> = output.blueprint.nodes.iter().collect();
    nodes.sort_by_key(|node| node.role == Role::Monitor);
    let mut answers = Vec::new();
    for node in nodes {
        let mut role = match node.role {
            Role::Monitor => prometheus::tree(&output.blueprint, node, &answers),
            _ => role(output, node, &zones, edition, (&bundle.brands, roster)),
        };
        role.extend(backup::tree(&output.blueprint, node));
        role.extend(exporters::tree(&output.blueprint, node));
        answers.extend(prometheus::answers(node, &role));
        let mut tree = system::tree(&output.blueprint, node, &role);
        tree.extend(role);
        bundle.nodes.insert(node.name.to_string(), tree);
    }
    bundle.hypervisor = hypervisor::files(&output.blueprint, &bundle);
    bundle
}

/// Returns what a node's role adds to what every node has.
///
/// - `brands`: brand files by their keys, and the file that holds the Roster.
fn role(
    output: &Output,
    node: &Node,
    zones: &[Zone],
    edition: Edition,
    (brands, roster): (&BTreeMap<String, File>, &File),
) -> Tree {
    let blueprint = &output.blueprint;
    match node.role {
        Role::Balancer => haproxy::balancer::tree(blueprint, node),
        Role::Mx => postfix::mx::tree(blueprint, node),
        Role::Submission => postfix::submission::tree(blueprint, &output.roster, node),
        Role::Outbound => postfix::outbound::tree(blueprint, node),
        Role::Defense => {
            let mut tree = clamav::tree(blueprint, node);
            tree.extend(redis::way_to_master(blueprint, node));
            tree.extend(rspamd::tree(blueprint, &output.roster, node, edition.generation));
            tree.extend(postfix::gateway::tree(blueprint, node));
            tree
        }
        Role::Cache => redis::tree(blueprint, node),
        Role::Dns => {
            let mut tree = knot::tree(blueprint, node, zones, edition);
            tree.extend(unbound::tree(blueprint, node, zones));
            tree
        }
        Role::Store => dovecot::store::tree(blueprint, node),
        Role::Access => dovecot::access::tree(blueprint, &output.roster, node),
        Role::Control => control::tree(output, node, brands, roster),
        Role::Directory if place::members(blueprint, &node.cluster, Role::Directory).nth(1).is_some() => {
            patroni::tree(blueprint, node)
        }
        Role::Directory => postgresql::tree(blueprint, node),
        Role::Web => web::tree(output, node, brands),
        Role::Calendar => radicale::tree(blueprint, node),
        // Made from all other nodes' trees.
        Role::Monitor => Tree::default(),
    }
}

/// Describes a Bundle: the digest, mode and owner of each file, under the path that `build` writes it to.
pub fn manifest(blueprint: &Blueprint, bundle: &Bundle) -> Value {
    let mut files = BTreeMap::new();
    for (node, tree) in &bundle.nodes {
        files.extend(tree.files.iter().map(|(path, file)| (format!("nodes/{node}{path}"), describe(file))));
    }
    for (folder, tree) in [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)] {
        files.extend(tree.iter().map(|(path, file)| (format!("{folder}/{path}"), describe(file))));
    }
    json!({
        "version": blueprint::VERSION,
        "platform": blueprint.platform,
        "environment": blueprint.environment,
        "release": blueprint.release.name,
        "files": files,
    })
}

fn describe(file: &File) -> Value {
    let (_, holes) = file.unfilled();
    json!({
        "sha256": file.digest(),
        "mode": format!("{:04o}", file.mode),
        "owner": file.owner,
        "secrets": holes,
    })
}
