//! What an IMAP host is set to.

/// Settings of the IMAP service; one for all connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Text of the greeting behind `OK` and the capabilities.
    pub greeting: String,
    /// Whether a client may sign in without TLS; every environment but a bare test says no (RFC 3501 §11.1).
    pub plaintext_login: bool,
    /// Bytes of the largest message that APPEND takes.
    pub max_message_bytes: u64,
    /// Milliseconds a refused sign-in waits for its answer.
    pub refusal_delay: u64,
}

impl Settings {
    /// Milliseconds without a word after which a signed-in client is let go (RFC 3501 §5.4: at least thirty minutes).
    pub(super) const AUTOLOGOUT: u64 = 30 * 60 * 1000;
    /// Milliseconds between two signs of life in IDLE.
    pub(super) const STILL_HERE: u64 = 2 * 60 * 1000;
    /// Milliseconds a client has to sign in.
    pub(super) const SIGN_IN_TIME: u64 = 3 * 60 * 1000;
    /// Commands in a row that make no sense before the connection is ended.
    pub(super) const MAX_BAD: u32 = 20;
}
