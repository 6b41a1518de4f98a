//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595), SASL PLAIN (RFC 5034), response codes, as two machines without IO.
//!
//! [`Front`] stands on the access host and lets a client sign in, [`Session`] on the store host and serves the inbox. A
//! message that is marked with DELE goes at QUIT and at no other time; several sessions may have one inbox open.

mod front;
mod lines;
mod session;
#[cfg(test)]
mod tests;

pub use crate::store::Effect;
pub use front::{Front, FrontEffect, Settings};
pub use session::Session;
