//! The secrets that nodes need, by reference.
//!
//! What a secret is, stands in the first part of its name: whoever makes one up for an environment goes by it
//! ([`blueprint::secret::Kind`]).

use blueprint::platform::SecretReference;
use sha2::{Digest as _, Sha256};
use values::{HostName, Name};

/// Whose namespace the platform's own secrets are in.
pub const OPERATOR: &str = "operator";

/// Returns the secret that holds a node's private key with its certificate chain, as PEM.
pub fn node_key(node: &Name) -> SecretReference {
    let owner: Name = OPERATOR.parse().expect("a constant in kebab-case");
    // Node names leave room for this prefix in all but absurd cases; the bare name is still unique.
    let name = format!("tls-{node}").parse().unwrap_or_else(|_| node.clone());
    SecretReference { owner, name }
}

/// Returns the certificate of the platform's own authority, as PEM. It is no secret, but only the environment knows it.
pub fn authority() -> SecretReference {
    operators("authority")
}

/// Returns the password by which a daemon signs in to another: a database's user, a cache, a controller.
///
/// - `user`: who signs in, in kebab-case, such as `directory-postfix`.
pub fn password(user: &str) -> SecretReference {
    operators(&format!("password-{user}"))
}

/// Returns the private key that signs a domain's mail, as PEM.
///
/// - `algorithm`: `ed25519` or `rsa2048`.
/// - `selector`: the key's name in the domain's zone, such as `s1`.
pub fn dkim_key(algorithm: &str, selector: &str, domain: &HostName) -> SecretReference {
    operators(&format!("dkim-{algorithm}-{selector}-{}", domain.as_str().replace('.', "--")))
}

fn operators(name: &str) -> SecretReference {
    let owner: Name = OPERATOR.parse().expect("a constant in kebab-case");
    // What is no name as it stands (too long, a label that ends in a hyphen) is named by its digest.
    let name = name.parse().unwrap_or_else(|_| digest_name(name));
    SecretReference { owner, name }
}

/// Keeps the parts that say what the secret is, and a digest of all.
fn digest_name(name: &str) -> Name {
    let digest = Sha256::digest(name).iter().take(10).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let kind: String = name.split('-').take(2).collect::<Vec<_>>().join("-");
    format!("{kind}-x{digest}").parse().expect("a known kind and hexadecimal digits are kebab-case")
}
