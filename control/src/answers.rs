//! What the mail path asks of the directory, and what it is told.
//!
//! The shapes follow the simulator's directory seam, so that one maps to the other field by field.

use values::{HostName, MailAddress, Score};

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every answer is the large one")]
pub enum RecipientAnswer {
    /// Not an address of this platform.
    Elsewhere,
    /// The domain is the platform's, the address does not exist: 550 5.1.1.
    Unknown,
    /// The address exists and takes no mail now (suspended, switched off, leads nowhere): 550 5.2.1.
    Disabled,
    /// The address exists.
    Known(Delivery),
}

/// Everything mail for one known address leads to, already expanded: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Mailboxes it is delivered to, sorted.
    pub mailboxes: Vec<DeliveryMailbox>,
    /// Addresses outside the platform it is sent on to, sorted.
    pub forwards: Vec<MailAddress>,
    /// Addresses whose mail goes to their customers' own servers, sorted.
    pub filtered: Vec<Filtered>,
    /// What the defense does for this recipient.
    pub policy: DefensePolicy,
    /// When given, only these senders may post (a restricted list): others are refused with 550 5.7.1.
    pub senders: Option<Vec<MailAddress>>,
    /// An automatic reply, when one is on.
    pub autoreply: Option<Autoreply>,
}

/// A mailbox on a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryMailbox {
    /// The mailbox's main address; it names the mailbox on its store.
    pub address: MailAddress,
    /// Name of the store node that holds it.
    pub store: String,
    /// Bytes it may hold; `None` means no limit.
    pub quota: Option<u64>,
    /// Whether its owner may sort mail with Sieve scripts.
    pub sieve: bool,
    /// The script that was set through the API; it runs where the owner has made none the active one.
    pub script: Option<String>,
}

/// An address whose mail is only looked at, and goes to the customer's own server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filtered {
    /// The address, under which that server knows its mailbox.
    pub address: MailAddress,
    /// The server.
    pub host: HostName,
    /// The port it takes mail at.
    pub port: u16,
    /// Name of the store node that keeps what is held apart.
    pub store: String,
    /// Whether spam is held apart instead of being handed on with a mark.
    pub holds: bool,
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
    /// Patterns of senders that are never spam (`*` any run, `+` one character), most specific owner first.
    pub allow: Vec<String>,
    /// Patterns of senders that are refused, in the same form and order.
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

/// A service that somebody signs in to.
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
    /// Webmail.
    Webmail,
}

impl Service {
    /// Returns the name under which logins of this service are recorded.
    pub(crate) fn recorded(self) -> &'static str {
        match self {
            Self::Submission => "smtprelay",
            Self::Imap => "imap4",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
            Self::Webmail => "webmail",
        }
    }
}

/// Somebody who signed in to a mail service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The mailbox's main address.
    pub mailbox: MailAddress,
    /// Name of the store node that holds it.
    pub store: String,
    /// Bytes it may hold; `None` means no limit.
    pub quota: Option<u64>,
    /// Every address it may send as: its own, its aliases, and both in each alias domain; sorted.
    pub senders: Vec<MailAddress>,
}

/// Why somebody may not sign in; a client learns only the first as an authentication failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInRefusal {
    /// Unknown user or wrong password; the two are one.
    Credentials,
    /// The password is right, the service is switched off for this mailbox.
    ServiceOff,
    /// Too many failures for this account from this address: try again later.
    TooManyFailures,
}
