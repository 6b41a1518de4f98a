//! The secrets that nodes need, by reference.

use blueprint::platform::SecretReference;
use values::Name;

/// Whose namespace the platform's own secrets are in.
pub const OPERATOR: &str = "operator";

/// Returns the secret that holds a node's private key with its certificate chain, as PEM.
pub fn node_key(node: &Name) -> SecretReference {
    let owner: Name = OPERATOR.parse().expect("a constant in kebab-case");
    // Node names leave room for this prefix in all but absurd cases; the bare name is still unique.
    let name = format!("tls-{node}").parse().unwrap_or_else(|_| node.clone());
    SecretReference { owner, name }
}
