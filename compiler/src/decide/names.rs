//! How nodes and groups of nodes are called.

use blueprint::Role;
pub use blueprint::dns::hosts::group_host;
use values::Name;

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
