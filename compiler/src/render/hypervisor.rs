//! What a hypervisor, an engine or an orchestrator is told about each node, for those who run the platform on their own.
//!
//! Every node has the same devices in the same order: the release's image, read only; a config disk, which is the node's tree; a state
//! disk for what must survive; the platform's own programs, read only; an inner network and, where the world reaches it, an outer one. Images and disks are named by paths that
//! whoever runs them fills; the image's digest is the lock's.

mod machine;
mod manifests;
pub mod xml;

use std::collections::BTreeMap;

use blueprint::{Blueprint, Bundle, File};

pub use machine::Machine;

/// Returns the definitions of all nodes.
///
/// - `bundle`: what runs on each node, whose ports and folders a container needs to be told.
pub fn files(blueprint: &Blueprint, bundle: &Bundle) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for node in &blueprint.nodes {
        let machine = Machine::new(blueprint, node);
        files.insert(format!("xen/{}.cfg", node.name), File::text(machine.xen()));
        files.insert(format!("libvirt/{}.xml", node.name), File::text(machine.libvirt().to_string()));
        files.insert(format!("qemu/{}.args", node.name), File::text(machine.qemu()));
    }
    files.insert("compose.json".to_owned(), File::text(manifests::compose(blueprint)));
    files.insert("kubernetes.json".to_owned(), File::text(manifests::kubernetes(blueprint, bundle)));
    files
}
