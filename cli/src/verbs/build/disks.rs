//! The disks of virtual machines that are started from their definitions, by whoever runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use compiler::Output;
use environments::StateRoot;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::folders;
use crate::repository::Repository;
use crate::verbs::address;
use crate::verbs::up::{self, Manner};

/// Disks by the names of their files.
pub(super) type Disks = BTreeMap<String, Disk>;

/// A disk.
pub(super) enum Disk {
    /// A node's own, with its secrets.
    Config(Vec<u8>),
    /// The platform's own programs, to be copied from there.
    Programs(PathBuf),
}

/// Makes the disks of every node, under the names that definitions give them.
pub(super) fn made(repository: &Repository, output: &Output) -> Result<Disks, Failure> {
    let manner = Manner {
        backend: Some("vm".to_owned()),
        seed: 1,
        root: None,
        image: None,
        snapshot: None,
        boot: up::Lane::Stock,
        ready_within: None,
    };
    let request = up::request(repository, output.clone(), StateRoot::new(folders::state()?), &manner)?;
    let made = environments::disks(&request).map_err(address::from_environments)?;
    let before = format!("{}-{}", request.blueprint.platform, request.launch.environment);
    let config = made.config.into_iter();
    let config = config.map(|(node, bytes)| (format!("{before}-{node}.tar"), Disk::Config(bytes)));
    Ok(config.chain([("programs.erofs".to_owned(), Disk::Programs(made.programs))]).collect())
}

/// Returns what the manifest says of them.
pub(super) fn told(disks: &Disks) -> Result<Value, Failure> {
    let mut told = serde_json::Map::new();
    for (name, disk) in disks {
        let read;
        let bytes = match disk {
            Disk::Config(bytes) => bytes,
            Disk::Programs(path) => {
                read = std::fs::read(path)
                    .map_err(|source| Failure::failed("could not read the programs").cause(&source))?;
                &read
            }
        };
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        told.insert(name.clone(), json!({ "bytes": bytes.len(), "sha256": digest }));
    }
    Ok(Value::Object(told))
}
