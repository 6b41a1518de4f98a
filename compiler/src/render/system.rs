//! What every node has, whatever its role: its name, its table of hosts and whom it asks for other names.
//!
//! Source: hostname(5), hosts(5), resolv.conf(5). Values are host names and addresses, which hold nothing that either file could misread.

use std::collections::BTreeMap;
use std::fmt::Write;

use blueprint::{Blueprint, File, Node, Piece, Role, Tree};
use values::Name;

use crate::decide::names::group_host;
use crate::decide::secrets;

/// The certificates that nodes trust each other by, as PEM: the platform's own authority.
pub const AUTHORITY: &str = "/etc/mailwright/authority.pem";

/// Returns what every node has.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let files = BTreeMap::from([
        ("/etc/hostname".to_owned(), File::text(format!("{}\n", node.name))),
        ("/etc/hosts".to_owned(), File::text(hosts(blueprint, node))),
        ("/etc/resolv.conf".to_owned(), File::text(resolvers(blueprint, node))),
        (AUTHORITY.to_owned(), File { pieces: vec![Piece::Secret(secrets::authority())], ..File::text("") }),
    ]);
    Tree { files, ..Tree::default() }
}

/// Resolvers that a system asks at most (resolv.conf(5)).
const RESOLVERS: usize = 3;

/// Names the resolvers to ask for names that the table of hosts does not have: those of the node's own site first.
fn resolvers(blueprint: &Blueprint, node: &Node) -> String {
    let mut servers: Vec<&Node> = blueprint.nodes.iter().filter(|other| other.role == Role::Dns).collect();
    servers.sort_by_key(|server| (server.name != node.name, server.site != node.site));
    let addresses = servers.iter().filter_map(|server| server.addresses.first());
    let mut text: String = addresses.take(RESOLVERS).map(|address| format!("nameserver {address}\n")).collect();
    // One that does not answer is passed over before a mail client or a server loses patience.
    text.push_str("options timeout:2 attempts:2 edns0\n");
    text
}

/// Names each node, and each group of nodes by as many lines as it has nodes.
fn hosts(blueprint: &Blueprint, node: &Node) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    for other in &blueprint.nodes {
        for address in &other.addresses {
            let _ = writeln!(text, "{address} {} {}", other.hostname, other.name);
        }
    }
    let mut groups: BTreeMap<(Role, &Name), Vec<&Node>> = BTreeMap::new();
    for other in &blueprint.nodes {
        groups.entry((other.role, &other.cluster)).or_default().push(other);
    }
    let position = |members: &[&Node]| {
        let peers = groups
            .get(&(node.role, &node.cluster))
            .map_or(0, |peers| peers.iter().position(|peer| peer.name == node.name).unwrap_or(0));
        peers.checked_rem(members.len()).unwrap_or(0)
    };
    for ((role, cluster), members) in &groups {
        let host = group_host(*role, cluster, &blueprint.service_domain);
        // The first line is asked first: neighbours begin at different members, so that load spreads.
        let mut members = members.clone();
        let first = position(&members);
        members.rotate_left(first);
        for address in members.iter().flat_map(|member| &member.addresses) {
            let _ = writeln!(text, "{address} {host}");
        }
    }
    text
}
