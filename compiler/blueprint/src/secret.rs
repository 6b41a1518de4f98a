//! The operator's secrets: how they are called, and what each is by its name.

use sha2::{Digest as _, Sha256};
use values::{HostName, MailAddress, Name};

use crate::platform::SecretReference;
use crate::shard::draw;

/// Whose namespace the platform's own secrets are in.
pub const OPERATOR: &str = "operator";

/// What a secret is, so that an environment can make one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A node's or a brand's private key with its certificate chain, as PEM: `tls-NODE`, `tls-brand-xDIGEST`.
    NodeKey,
    /// The certificate of the platform's own authority, as PEM: `authority`.
    Authority,
    /// A private key that signs mail, as PEM: `dkim-ed25519-SELECTOR-DOMAIN`.
    DkimEd25519,
    /// A private key that signs mail, as PEM: `dkim-rsa2048-SELECTOR-DOMAIN`.
    DkimRsa2048,
    /// 32 bytes that nobody guesses, in base64, the SHA-256 of a password of that name: `key-USE`.
    Key,
    /// The password of an account to try, as it is shown to people: what [`account`] names.
    Account,
    /// Letters and digits that nobody guesses: everything else.
    Password,
}

impl Kind {
    /// Returns what a secret is.
    pub fn of(secret: &SecretReference) -> Self {
        if secret.owner.as_str() != "operator" {
            return Self::Password;
        }
        match secret.name.as_str() {
            "authority" => Self::Authority,
            name if name.starts_with("tls-") => Self::NodeKey,
            name if name.starts_with("dkim-ed25519-") => Self::DkimEd25519,
            name if name.starts_with("dkim-rsa2048-") => Self::DkimRsa2048,
            name if name.starts_with("key-") => Self::Key,
            name if name.starts_with("account-") => Self::Account,
            _ => Self::Password,
        }
    }
}

/// Returns the private key that signs a domain's mail, as PEM.
///
/// - `algorithm`: `ed25519` or `rsa2048`.
/// - `selector`: the key's name in the domain's zone, such as `e1`.
pub fn dkim_key(algorithm: &str, selector: &str, domain: &HostName) -> SecretReference {
    operators(&format!("dkim-{algorithm}-{selector}-{}", domain.as_str().replace('.', "--")))
}

/// Returns a secret of the operator by its name; what is no name as it stands (too long, a label that ends in a hyphen) is
/// named by its digest.
pub fn operators(name: &str) -> SecretReference {
    let owner: Name = OPERATOR.parse().expect("a constant in kebab-case");
    let name = name.parse().unwrap_or_else(|_| digest_name(name));
    SecretReference { owner, name }
}

/// Keeps the parts that say what the secret is, and a digest of all.
fn digest_name(name: &str) -> Name {
    let digest = Sha256::digest(name).iter().take(10).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let kind: String = name.split('-').take(2).collect::<Vec<_>>().join("-");
    format!("{kind}-x{digest}").parse().expect("a known kind and hexadecimal digits are kebab-case")
}

/// Returns the secret that holds a node's private key with its certificate chain, as PEM.
pub fn node_key(node: &Name) -> SecretReference {
    let owner: Name = OPERATOR.parse().expect("a constant in kebab-case");
    // Node names leave room for this prefix in all but absurd cases; the bare name is still unique.
    let name = format!("tls-{node}").parse().unwrap_or_else(|_| node.clone());
    SecretReference { owner, name }
}

/// Returns the private key with its certificate chain that nodes show who asks for a brand's hosts, as PEM.
pub fn brand_key(reseller: &Name, brand: &Name) -> SecretReference {
    let digest: String =
        draw("brand-key", &format!("{reseller}/{brand}")).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    operators(&format!("tls-brand-x{digest}"))
}

/// Returns the secret that holds the password of an account to try.
pub fn account(address: &MailAddress) -> SecretReference {
    // An address is no name; a part of its digest is, and tells it from all others.
    let digest = draw("account", &address.key());
    let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    operators(&format!("account-x{digest}"))
}
