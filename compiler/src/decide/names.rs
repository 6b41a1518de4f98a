//! How nodes and groups of nodes are called.

use blueprint::Role;
use values::{HostName, Name};

/// Returns the name of a node.
///
/// - `prefixed`: whether the cluster's name stands in front, since another cluster has the bare names of this role.
/// - `number`: counted from 1 within role and cluster.
/// - Returns: `None` where the cluster's name is too long to be part of it.
pub fn node_name(role: Role, cluster: &Name, prefixed: bool, number: u32) -> Option<Name> {
    match prefixed {
        true => format!("{cluster}-{}-{number}", role.name()).parse().ok(),
        false => format!("{}-{number}", role.name()).parse().ok(),
    }
}

/// Returns the host name by which all nodes of a role in a cluster are reached: each node's table of hosts has it.
pub fn group_host(role: Role, cluster: &Name, service_domain: &HostName) -> HostName {
    // The cluster's name was checked when node names were made; a domain near 253 octets keeps its own name instead.
    service_domain.below(&format!("{}.{cluster}", role.name())).unwrap_or_else(|_| service_domain.clone())
}
