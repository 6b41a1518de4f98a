//! The store a mailbox gets when it is made: the one answer for every backend, before the directory records it.

use sha2::{Digest, Sha256};
use values::{MailAddress, Name};

use crate::platform::{Blueprint, Node, Role};

/// Returns the store that a new mailbox is put on; `None` where the cluster has none.
///
/// Rendezvous hashing: each store draws a number for the address, the highest draw wins. One more store takes an equal
/// share from each of the others and moves nothing between them. Once a mailbox exists, the directory says where it is.
pub fn first_store<'b>(blueprint: &'b Blueprint, cluster: &Name, address: &MailAddress) -> Option<&'b Node> {
    let key = address.key();
    blueprint
        .nodes
        .iter()
        .filter(|node| node.role == Role::Store && node.cluster == *cluster)
        .max_by_key(|node| (draw(node.name.as_str(), &key), node.name.as_str()))
}

/// Returns a number that depends on both texts and nothing else.
pub fn draw(place: &str, key: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(place.as_bytes());
    // A zero byte stands in neither text, so no two pairs run together.
    hash.update([0]);
    hash.update(key.as_bytes());
    hash.finalize().into()
}
