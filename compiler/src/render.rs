//! Blueprint and Roster to Bundle: the bytes of every file, through typed writers only.
//!
//! Each daemon has a folder, each of its files a file. Postfix for the mx is the pattern that the other daemons follow.

pub mod postfix;
#[cfg(test)]
pub(crate) mod sample;
pub mod system;

use std::collections::BTreeMap;

use blueprint::{Blueprint, Bundle, File, Piece, Role};
use serde_json::{Value, json};
use spec::Sources;

use crate::compile::Output;

/// Renders every file of a platform.
///
/// - `sources`: what was compiled; the brands' files are taken from it.
pub fn render(output: &Output, sources: &Sources) -> Bundle {
    let mut bundle = Bundle::default();
    for (key, path) in &output.brand_files {
        if let Some(asset) = sources.asset(path) {
            let pieces = vec![Piece::Bytes(asset.bytes.clone())];
            bundle.brands.insert(key.clone(), File { mode: 0o644, owner: "root:root".to_owned(), pieces });
        }
    }
    for node in &output.blueprint.nodes {
        let mut files = system::files(&output.blueprint, node);
        if node.role == Role::Mx {
            files.extend(postfix::mx::files(&output.blueprint, &output.roster, node));
        }
        bundle.nodes.insert(node.name.to_string(), files);
    }
    bundle
}

/// Describes a Bundle: the digest, mode and owner of each file, under the path that `build` writes it to.
pub fn manifest(blueprint: &Blueprint, bundle: &Bundle) -> Value {
    let mut files = BTreeMap::new();
    for (node, tree) in &bundle.nodes {
        files.extend(tree.iter().map(|(path, file)| (format!("nodes/{node}{path}"), describe(file))));
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
