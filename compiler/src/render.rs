//! Blueprint and Roster to Bundle: the bytes of every file, through typed writers only.
//!
//! Each daemon has a folder, each of its files a file. Postfix for the mx is the pattern that the other daemons follow.

pub mod postfix;
#[cfg(test)]
pub(crate) mod sample;
pub mod system;

use std::collections::BTreeMap;

use blueprint::{Blueprint, Bundle, File, Role, Roster};
use serde_json::{Value, json};

/// Renders every file of a platform.
///
/// - `brands`: the assets of brands by their key, as [`crate::Output::brands`] has them.
pub fn render(blueprint: &Blueprint, roster: &Roster, brands: &BTreeMap<String, File>) -> Bundle {
    let mut bundle = Bundle { brands: brands.clone(), ..Bundle::default() };
    for node in &blueprint.nodes {
        let mut files = system::files(blueprint, node);
        if node.role == Role::Mx {
            files.extend(postfix::mx::files(blueprint, roster, node));
        }
        bundle.nodes.insert(node.name.to_string(), files);
    }
    bundle
}

/// Describes a Bundle: the digest, mode and owner of each file, under the path that `build` writes it to.
pub fn manifest(bundle: &Bundle) -> Value {
    let mut files = BTreeMap::new();
    for (node, tree) in &bundle.nodes {
        files.extend(tree.iter().map(|(path, file)| (format!("nodes/{node}{path}"), describe(file))));
    }
    for (folder, tree) in [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)] {
        files.extend(tree.iter().map(|(path, file)| (format!("{folder}/{path}"), describe(file))));
    }
    json!({ "version": blueprint::VERSION, "files": files })
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
