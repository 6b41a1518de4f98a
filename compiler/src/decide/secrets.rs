//! The secrets that nodes need, by reference.
//!
//! What a secret is, stands in the first part of its name: whoever makes one up for an environment goes by it
//! ([`blueprint::secret::Kind`]).

use blueprint::platform::SecretReference;
use blueprint::secret::operators;
pub use blueprint::secret::{OPERATOR, brand_key, dkim_key, node_key};

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

/// Returns the key by which the platform's name servers copy zones from each other.
pub fn transfer_key() -> SecretReference {
    operators("key-zones")
}
