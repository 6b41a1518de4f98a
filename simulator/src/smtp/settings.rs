//! What a server's session is told once.

use super::Setting;

/// What a server's session is told once; the same for all sessions of a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The part the sessions play.
    pub setting: Setting,
    /// The host's name in greeting, EHLO reply and trace fields.
    pub hostname: String,
    /// What stands after the name in the greeting, `ESMTP` for instance.
    pub greeting: String,
    /// The domain put behind an address that has none (`<postmaster>`).
    pub origin: String,
    /// Largest message in bytes, announced by SIZE (RFC 1870).
    pub max_message_bytes: u64,
    /// Whether STARTTLS may be offered.
    pub starttls: bool,
    /// Whether AUTH, MAIL and the rest are refused before TLS. Only submission asks for that.
    pub require_tls_for_auth: bool,
    /// What separates a subaddress from the local part it extends (`+`), for what a user may send as.
    pub subaddress_separator: Option<char>,
    /// Milliseconds the greeting waits; who talks before it is refused. Zero greets at once.
    pub greeting_delay_milliseconds: u64,
    /// Whether more may be sent before a command is answered whose answer must be waited for (RFC 2920 §3.1); Postfix's
    /// `smtpd_forbid_unauth_pipelining` ends such a session.
    pub early_commands: bool,
    /// The limits.
    pub limits: Limits,
}

/// Limits of one session; the defaults are Postfix's where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line with its end (`line_length_limit`).
    pub command_bytes: usize,
    /// Octets of a line in an authentication exchange (RFC 4954 §4).
    pub sasl_bytes: usize,
    /// Octets of a command line that are thrown away before the session ends.
    pub discarded_bytes: u64,
    /// Recipients of one message (`smtpd_recipient_limit`).
    pub recipients: usize,
    /// Recipients refused for being too many before that counts as an error (`smtpd_recipient_overshoot_limit`).
    pub recipient_overshoot: usize,
    /// Errors after which the session ends (`smtpd_hard_error_limit`).
    pub errors: u32,
    /// NOOP, RSET, VRFY and the like that are free between two messages (`smtpd_junk_command_limit`).
    pub junk_commands: u32,
    /// `Received` fields from which a message is a loop (`hopcount_limit`).
    pub hops: usize,
    /// Octets of a message's header.
    pub header_bytes: usize,
    /// Octets kept of what arrives while an answer is awaited.
    pub pending_bytes: usize,
    /// Milliseconds to wait for a command or for more of a message (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub idle_milliseconds: u64,
    /// Octets of a message that must arrive in a second, on average, after the first idle wait.
    pub data_bytes_per_second: u64,
    /// Milliseconds a session may last.
    pub session_milliseconds: u64,
}

impl Limits {
    /// The limits that hold where a specification says nothing.
    pub const STANDARD: Self = Self {
        command_bytes: 2_048,
        sasl_bytes: 12_288,
        discarded_bytes: 64 * 1_024 * 1_024,
        recipients: 1_000,
        recipient_overshoot: 1_000,
        errors: 20,
        junk_commands: 100,
        hops: 50,
        header_bytes: 10 * 1_024 * 1_024,
        pending_bytes: 1_024 * 1_024,
        idle_milliseconds: 300_000,
        data_bytes_per_second: 500,
        session_milliseconds: 4 * 3_600_000,
    };
}

impl Settings {
    /// Settings of a door of that kind with the standard limits and 35 MiB messages.
    pub fn standard(setting: Setting, hostname: &str) -> Self {
        Self {
            setting,
            hostname: hostname.to_owned(),
            greeting: if setting == Setting::Lmtp { "LMTP" } else { "ESMTP" }.to_owned(),
            origin: hostname.to_owned(),
            max_message_bytes: 35 * 1_024 * 1_024,
            starttls: false,
            require_tls_for_auth: setting == Setting::Submission,
            subaddress_separator: Some('+'),
            greeting_delay_milliseconds: 0,
            early_commands: true,
            // A store's client is the platform's own queue, whose recipients may well be gone by now.
            limits: if setting == Setting::Lmtp {
                Limits { errors: 100_000, ..Limits::STANDARD }
            } else {
                Limits::STANDARD
            },
        }
    }
}
