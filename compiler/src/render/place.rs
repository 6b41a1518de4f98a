//! Which nodes of a role another node asks, and where brands' keys lie.

use blueprint::roster::Brand;
use blueprint::{Blueprint, File, Node, Piece, Role};
use values::{HostName, Name};

use crate::decide::names::group_host;
use crate::decide::secrets;

/// Tells whether a cluster has nodes of a role.
pub fn has(blueprint: &Blueprint, cluster: &Name, role: Role) -> bool {
    members(blueprint, cluster, role).next().is_some()
}

/// Returns the nodes of a role in a cluster.
pub fn members<'b>(blueprint: &'b Blueprint, cluster: &Name, role: Role) -> impl Iterator<Item = &'b Node> {
    blueprint.nodes.iter().filter(move |node| node.role == role && node.cluster == *cluster)
}

/// Returns the cluster whose nodes of a role a node asks: its own where that has some, else the first that has.
pub fn nearest<'b>(blueprint: &'b Blueprint, node: &'b Node, role: Role) -> Option<&'b Name> {
    if has(blueprint, &node.cluster, role) {
        return Some(&node.cluster);
    }
    blueprint.nodes.iter().filter(|other| other.role == role).map(|other| &other.cluster).min()
}

/// Returns the name by which a node asks the nodes of a role.
pub fn group(blueprint: &Blueprint, node: &Node, role: Role) -> Option<HostName> {
    nearest(blueprint, node, role).map(|cluster| group_host(role, cluster, &blueprint.service_domain))
}

/// Returns a brand's private key with its certificate chain, as a file below a folder: names hold no dots, so that no two share one.
pub fn brand_key(folder: &str, brand: &Brand) -> (String, File) {
    let key = secrets::brand_key(&brand.reseller, &brand.name);
    let path = format!("{folder}/{}.{}.pem", brand.reseller, brand.name);
    (path, File::private("root:root", vec![Piece::Secret(key)]))
}
