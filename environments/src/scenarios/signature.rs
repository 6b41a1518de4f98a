//! Signing messages for a domain of the simulated internet (RFC 6376, RFC 8463), as the platform signs its own.

use blueprint::launch::{OUTSIDE_SEED, OUTSIDE_SELECTOR};
use simulator::signing::{self, PrivateKey};

/// Returns a message with a signature of a domain on top; `None` where the key cannot be used.
pub(super) fn sign(message: &[u8], domain: &str) -> Option<Vec<u8>> {
    let key = PrivateKey::from_seed(OUTSIDE_SEED)?;
    // Without a time: the machine's need not be the environment's.
    let field = signing::sign(message, domain, OUTSIDE_SELECTOR, &key, None)?;
    Some([field.as_bytes(), message].concat())
}
