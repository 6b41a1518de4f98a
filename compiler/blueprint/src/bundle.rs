//! The Bundle: every file of every node as bytes with typed holes for secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::platform::SecretReference;

/// The bytes an environment is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Files by node and by absolute path in the node's root.
    pub nodes: BTreeMap<String, BTreeMap<String, File>>,
    /// Files of zones and change lists.
    pub dns: BTreeMap<String, File>,
    /// Hypervisor definitions.
    pub hypervisor: BTreeMap<String, File>,
    /// Brand files by key, `RESELLER/BRAND/NAME`.
    pub brands: BTreeMap<String, File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// `user:group` as names of the node.
    pub owner: String,
    /// What it holds, in order.
    pub pieces: Vec<Piece>,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A secret, which only `environments` fills in.
    Secret(SecretReference),
}

impl File {
    /// Makes a file that everybody may read.
    pub fn text(content: impl Into<String>) -> Self {
        Self { mode: 0o644, owner: "root:root".to_owned(), pieces: vec![Piece::Bytes(content.into().into_bytes())] }
    }

    /// Returns the file's bytes, with each secret as a readable hole, and whether it has holes.
    pub fn unfilled(&self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut holes = false;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(part) => bytes.extend_from_slice(part),
                Piece::Secret(reference) => {
                    holes = true;
                    bytes
                        .extend_from_slice(format!("{{{{secret:{}/{}}}}}", reference.owner, reference.name).as_bytes());
                }
            }
        }
        (bytes, holes)
    }

    /// Returns the SHA-256 of mode, owner and unfilled bytes, in lower-case hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:o} {}\n", self.mode, self.owner));
        hash.update(self.unfilled().0);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
