//! The host names that users and the world connect to, and where they lead.

use std::collections::BTreeSet;
use std::net::IpAddr;

use values::{HostName, Name};

use crate::platform::{Blueprint, Node, Role};
use crate::roster::{Domain, Roster};

/// Roles that the world reaches by the name of their group.
pub const REACHED: [Role; 5] = [Role::Mx, Role::Submission, Role::Access, Role::Web, Role::Control];

/// Returns the host name by which all nodes of a role in a cluster are reached.
///
/// Inside, each node's table of hosts leads to the nodes; outside, the name leads to their balancers where there are some.
pub fn group_host(role: Role, cluster: &Name, service_domain: &HostName) -> HostName {
    // The cluster's name was checked when node names were made; a domain near 253 octets keeps its own name instead.
    service_domain.below(&format!("{}.{cluster}", role.name())).unwrap_or_else(|_| service_domain.clone())
}

/// Returns the clusters that have nodes of a role, sorted.
pub fn clusters(blueprint: &Blueprint, role: Role) -> BTreeSet<&Name> {
    blueprint.nodes.iter().filter(|node| node.role == role).map(|node| &node.cluster).collect()
}

/// Returns the cluster whose nodes of a role serve a cluster: itself where it has some, else the first that has.
pub fn serving<'b>(blueprint: &'b Blueprint, role: Role, cluster: Option<&Name>) -> Option<&'b Name> {
    let clusters = clusters(blueprint, role);
    clusters.iter().find(|known| Some(**known) == cluster).or_else(|| clusters.first()).copied()
}

/// Returns the name by which a cluster's users and the world reach a role; `None` where no node has it.
///
/// - `cluster`: the one that a domain lives on; `None` for what belongs to none.
pub fn reached(blueprint: &Blueprint, role: Role, cluster: Option<&Name>) -> Option<HostName> {
    serving(blueprint, role, cluster).map(|serving| group_host(role, serving, &blueprint.service_domain))
}

/// Returns the addresses at which the world reaches a role of a cluster: its balancers', else the nodes' own.
pub fn addresses(blueprint: &Blueprint, role: Role, cluster: &Name) -> BTreeSet<IpAddr> {
    let of = |role: Role| blueprint.nodes.iter().filter(move |node| node.role == role && node.cluster == *cluster);
    let balanced: BTreeSet<IpAddr> = of(Role::Balancer).flat_map(|node| node.front_addresses.iter().copied()).collect();
    if !balanced.is_empty() {
        return balanced;
    }
    of(role).flat_map(outside).copied().collect()
}

/// Returns the addresses the world sees of a node; one that the world does not see is known by its inner ones.
pub fn outside(node: &Node) -> &[IpAddr] {
    if node.front_addresses.is_empty() { &node.addresses } else { &node.front_addresses }
}

/// Returns what a brand's host is reached as: the roles behind it.
pub fn brand_role(purpose: &str) -> Role {
    match purpose {
        "smtp" => Role::Submission,
        "imap" | "pop3" => Role::Access,
        _ => Role::Web,
    }
}

/// Returns the host that a domain's users are told for a purpose (`smtp`, `imap`, `pop3`, `webmail`): its brand's, else the
/// platform's.
pub fn told(blueprint: &Blueprint, roster: &Roster, domain: &Domain, purpose: &str) -> Option<HostName> {
    let brand = domain
        .brand
        .as_ref()
        .and_then(|name| roster.brands.iter().find(|brand| brand.name == *name && brand.reseller == domain.reseller));
    let own = brand.and_then(|brand| brand.hosts.iter().find(|host| host.purpose == purpose));
    own.map(|host| host.host.clone()).or_else(|| reached(blueprint, brand_role(purpose), Some(&domain.cluster)))
}
