//! IMAP4rev1 (RFC 3501) with the extensions it announces, as two machines without IO.
//!
//! [`Front`] stands on the access host: it greets, ends up behind TLS, lets a client sign in and hands the connection over
//! with a [`Preamble`](crate::store::handover::Preamble). [`Session`] stands on the store host: it begins signed in, sends
//! the sign-in's tagged answer and does all the rest. Both are told bytes and moments and are asked for effects; a session
//! is lent the store with each call.
//!
//! Answers are made as they are taken: past 64 KiB of output a session rests until its driver has taken them, so that a
//! FETCH of a whole mailbox holds one message in memory. What depends on a change that is not durable waits for it.

mod append;
mod changes;
mod command;
mod cursor;
mod date;
mod envelope;
mod fetch;
mod front;
mod input;
mod list;
mod mailboxes;
mod pattern;
mod response;
mod search;
mod search_key;
mod search_text;
mod section;
mod select;
mod sequence;
mod session;
mod settings;
mod sort;
mod structure;
#[cfg(test)]
pub(crate) mod tests;
mod thread;
mod utf7;

pub use crate::store::Effect;
pub use front::{Front, FrontEffect};
pub use session::Session;
pub use settings::Settings;
