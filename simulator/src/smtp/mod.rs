//! SMTP, submission and LMTP without IO: one server session for the three, one client session (RFC 5321, 6409, 2033).
//!
//! Bytes and completions go in, effects come out. Nothing here opens a socket, ends TLS, asks a directory or writes a queue.

pub mod client;
pub mod command;
pub mod data;
pub mod date;
pub mod path;
pub mod server;
pub mod trace;

mod alignment;
mod envelope;
mod reply;
mod sasl;
mod settings;
mod submitted;

pub use envelope::{Body, Envelope, Notify, Peer, Received, Recipient, Return, Setting};
pub use reply::{Enhanced, Reply};
pub use settings::{Limits, Settings};
