//! What a secret of the operator is, by its name.

use crate::platform::SecretReference;

/// What a secret is, so that an environment can make one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A node's private key with its certificate chain, as PEM: `tls-NODE`.
    NodeKey,
    /// The certificate of the platform's own authority, as PEM: `authority`.
    Authority,
    /// A private key that signs mail, as PEM: `dkim-ed25519-SELECTOR-DOMAIN`.
    DkimEd25519,
    /// A private key that signs mail, as PEM: `dkim-rsa2048-SELECTOR-DOMAIN`.
    DkimRsa2048,
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
            _ => Self::Password,
        }
    }
}
