//! What the platform's hosts ask of the directory, and what they are told.
//!
//! The directory itself lives elsewhere (the control plane, or a map in the deterministic world); a question may take
//! its time, so that a slow password hash delays nobody else. Whoever answers has the keys that sign, too.

use values::{HostName, MailAddress, Score};

use crate::signing::Order;

/// A question to the directory, or to who has the keys.
#[derive(Clone, Debug)]
pub enum Question {
    /// Where mail for an address goes; asked at RCPT and again when a queued message is expanded.
    Recipient {
        /// The envelope recipient.
        address: MailAddress,
        /// Whether the mail was taken already, so that the address may have been another's name then.
        taken: bool,
    },
    /// Whether somebody may sign in.
    SignIn {
        /// What the caller wants to use.
        service: Service,
        /// The authentication identity as the client spelled it.
        user: String,
        /// The password or token as the client spelled it.
        password: Password,
    },
    /// How many recipients a signed-in user may still send to; asked once a message with that many recipients.
    SendAllowance {
        /// The user's main address.
        user: MailAddress,
        /// Recipients of this message.
        recipients: u32,
    },
    /// A message is to be signed.
    Sign(Box<Order>),
}

/// A password on its way to the directory; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// A service that is switched on and off for each mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Message submission.
    Submission,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// ManageSieve.
    Sieve,
}

/// The directory's answer.
#[expect(clippy::large_enum_variant, reason = "most answers are the large one, and none is kept for long")]
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Question::Recipient`].
    Recipient(Recipient),
    /// To [`Question::SignIn`].
    SignIn(Result<Identity, SignInRefusal>),
    /// To [`Question::SendAllowance`]: whether the message may go.
    SendAllowance(bool),
    /// To [`Question::Sign`]: the fields that go on top of the message; nothing where there is no key.
    Signed(Option<Vec<u8>>),
    /// The directory could not be reached; the asker answers with a temporary failure.
    Unavailable,
}

/// Where mail for an address goes.
#[expect(clippy::large_enum_variant, reason = "most answers are the large one, and none is kept for long")]
#[derive(Clone, Debug)]
pub enum Recipient {
    /// Not an address of this platform.
    Elsewhere,
    /// The domain is the platform's, the address does not exist: 550 5.1.1.
    Unknown,
    /// The address exists and takes no mail now (suspended, disabled): 550 5.2.1.
    Disabled,
    /// The mailbox is over its quota: 552 5.2.2.
    OverQuota,
    /// It had this name when the mail was taken, and has another one now. Only told of mail that was taken.
    Renamed(MailAddress),
    /// The address exists.
    Known(Delivery),
}

/// Everything mail for one known address leads to: its own mailbox, forwards, a list's members, all already expanded.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Mailboxes it is delivered to.
    pub mailboxes: Vec<Mailbox>,
    /// Addresses it is sent on to, outside the platform.
    pub forwards: Vec<MailAddress>,
    /// Addresses whose mail goes to their customers' own servers.
    pub filtered: Vec<Filtered>,
    /// What the defense does for this recipient.
    pub policy: DefensePolicy,
    /// When given, only these senders may post (a restricted list): others are refused with 550 5.7.1.
    pub senders: Option<Vec<MailAddress>>,
    /// An automatic reply, when one is on.
    pub autoreply: Option<Autoreply>,
}

/// An address whose mail is only looked at, and goes to the customer's own server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The address, under which that server knows its mailbox.
    pub address: MailAddress,
    /// The server.
    pub host: HostName,
    /// The port it takes mail at.
    pub port: u16,
    /// Name of the store host that keeps what is held apart.
    pub store: String,
    /// Whether spam is held apart instead of being handed on with a mark.
    pub holds: bool,
}

/// A mailbox on a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mailbox {
    /// The mailbox's main address; it names the mailbox on its store.
    pub address: MailAddress,
    /// Name of the store host that holds it.
    pub store: String,
    /// Bytes it may hold; `None` means no limit.
    pub quota: Option<u64>,
    /// Whether its owner's Sieve scripts run.
    pub sieve: bool,
    /// The script that runs where its owner has made none the active one.
    pub script: Option<String>,
}

/// What the defense does with mail of a given score for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefensePolicy {
    /// Score from which the subject and headers are tagged.
    pub tag: Score,
    /// Score from which the message goes to the Spam folder.
    pub quarantine: Score,
    /// Score from which the message is refused after DATA.
    pub reject: Score,
    /// What is put before the subject of tagged mail; empty for nothing.
    pub subject_tag: String,
    /// Name of the folder spam is filed in, `/` between levels.
    pub spam_folder: String,
    /// Patterns of senders that are never spam (`*@partner.example`), most specific owner first.
    pub allow: Vec<String>,
    /// Patterns of senders that are refused.
    pub block: Vec<String>,
}

/// An automatic reply (RFC 3834).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoreply {
    /// The mailbox that answers.
    pub from: MailAddress,
    /// The text.
    pub text: String,
    /// The subject; made of the sender's where there is none.
    pub subject: Option<String>,
    /// No sender is answered twice within this many seconds.
    pub interval_seconds: u64,
}

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The mailbox's main address.
    pub mailbox: MailAddress,
    /// Name of the store host that holds it.
    pub store: String,
    /// Bytes it may hold; `None` means no limit.
    pub quota: Option<u64>,
    /// Every address it may send as, its own and its aliases.
    pub senders: Vec<MailAddress>,
}

/// Why somebody may not sign in; a client learns only the first as an authentication failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInRefusal {
    /// Unknown user or wrong password; the two are one.
    Credentials,
    /// The password is right, the service is switched off for this mailbox.
    ServiceOff,
}
