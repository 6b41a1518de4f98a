//! The envelope and what travels with it (RFC 5321 §2.3.1, RFC 3461).

use std::net::IpAddr;

use values::MailAddress;

use crate::Moment;
use crate::directory::Identity;

/// Which part a server's session plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Takes mail from the internet for the platform's own domains (port 25).
    Receiving,
    /// Takes mail from users who signed in (RFC 6409; ports 465 and 587).
    Submission,
    /// Takes mail on a store, each recipient answered for itself (RFC 2033).
    Lmtp,
}

/// Who is on the other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether TLS protects the connection.
    pub tls: bool,
}

/// What of a message its delivery status notifications return (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Return {
    /// The whole message.
    Full,
    /// Only its header.
    Headers,
}

/// When a recipient's fate is reported (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notify {
    /// On delivery.
    pub success: bool,
    /// On final failure.
    pub failure: bool,
    /// On delay.
    pub delay: bool,
}

/// What a message's body holds (RFC 6152).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// Seven bits: declared, or nothing was declared.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBit,
}

/// An envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The reverse-path; `None` is the null one.
    pub sender: Option<MailAddress>,
    /// The recipients in the order they were accepted, none twice removed.
    pub recipients: Vec<Recipient>,
    /// `RET`, when given.
    pub returned: Option<Return>,
    /// `ENVID` as it was spelled, still in xtext.
    pub identifier: Option<String>,
    /// `BODY`.
    pub body: Body,
    /// Whether `SMTPUTF8` was asked for (RFC 6531).
    pub internationalized: bool,
    /// On LMTP between the platform's nodes: names this delivery, so that a store refuses to do it twice.
    pub delivery: Option<String>,
}

/// An envelope recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The forward-path.
    pub address: MailAddress,
    /// `NOTIFY`, when given; all three false is `NEVER`.
    pub notify: Option<Notify>,
    /// `ORCPT` as it was spelled: address type, `;`, xtext.
    pub original: Option<String>,
}

/// A message that a server's session took and that nobody has promised anything about yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The part the session plays.
    pub setting: Setting,
    /// Who sent it.
    pub peer: Peer,
    /// What the peer called itself in HELO, EHLO or LHLO.
    pub helo: String,
    /// Whether it was EHLO or LHLO.
    pub extended: bool,
    /// Who signed in, on submission.
    pub identity: Option<Identity>,
    /// The envelope.
    pub envelope: Envelope,
    /// The message without dot-stuffing; every line ends with CRLF and no CR, LF or NUL stands alone in it.
    pub content: Vec<u8>,
    /// When its last octet arrived.
    pub at: Moment,
}
