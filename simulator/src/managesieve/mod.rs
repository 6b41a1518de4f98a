//! ManageSieve (RFC 5804) as two machines without IO: [`Front`] stands on the access host and lets a client sign in,
//! [`Session`] on the store host and keeps the scripts.
//!
//! What is said is what Dovecot's Pigeonhole 0.5 says. Gap: RFC 5804 §2.14.1, UNAUTHENTICATE is not understood, as there.

mod front;
mod input;
mod session;
#[cfg(test)]
mod tests;

pub use crate::store::Effect;
pub use front::{Front, Settings};
pub use session::Session;

use input::Word;

/// What answers call the daemon of the stores.
const IMPLEMENTATION: &str = "Dovecot (Debian) Pigeonhole";

/// Returns the lines that say what is offered, before those of SASL and TLS.
fn offered() -> String {
    let extensions: Vec<&str> = sieve::offered().collect();
    format!("\"IMPLEMENTATION\" \"{IMPLEMENTATION}\"\r\n\"SIEVE\" \"{}\"\r\n", extensions.join(" "))
}

/// Writes a string: in quotes where it is short and plain, else as a literal.
fn string(text: &str) -> String {
    if text.len() <= 1_024 && !text.contains(['\r', '\n', '\0']) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    format!("{{{}}}\r\n{text}", text.len())
}

/// Answers NOOP with the string it was given (RFC 5804 §2.13).
fn noop(arguments: &[Word]) -> String {
    match arguments {
        [] => "OK \"NOOP Completed\"\r\n".to_owned(),
        [Word::Text(tag)] => format!("OK (TAG {}) \"Done\"\r\n", string(tag)),
        [_] => "NO \"Error in MANAGESIEVE command NOOP: Invalid arguments.\"\r\n".to_owned(),
        _ => "NO \"Error in MANAGESIEVE command NOOP: Too many arguments.\"\r\n".to_owned(),
    }
}
