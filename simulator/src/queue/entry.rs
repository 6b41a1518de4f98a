//! What a queue knows of a message and of each place it goes to.

use values::{HostName, MailAddress};

use crate::Moment;
use crate::journal::{Location, Position};
use crate::smtp::{Body, Enhanced, Notify, Return};

/// Names a message in its queue; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

impl std::fmt::Display for QueueId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:010X}", self.0)
    }
}

/// Where a copy goes next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// The directory is asked what the address leads to.
    Expand,
    /// A mailbox on one of the platform's stores.
    Mailbox {
        /// Name of the store host.
        store: String,
    },
    /// An outbound host of the platform, which sends it on.
    Outbound,
    /// The exchangers of the address's domain.
    Remote,
    /// An outbound host of the platform, which hands it to a customer's own server.
    Filtered {
        /// The server.
        host: HostName,
        /// Its port.
        port: u16,
    },
    /// A customer's own server.
    Server {
        /// The server.
        host: HostName,
        /// Its port.
        port: u16,
    },
}

/// How a copy differs from the message that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variant {
    /// Header fields put on top, each ended by CRLF.
    pub fields: Vec<u8>,
    /// What is put before the subject; empty for nothing.
    pub subject_tag: String,
    /// What the store does with it.
    pub filing: Filing,
}

/// What the store does with a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filing {
    /// It goes to the inbox.
    #[default]
    Inbox,
    /// It goes to the folder where the mailbox wants its spam.
    Spam,
    /// It is held apart, where no mailbox protocol reaches it.
    Held,
}

/// An envelope recipient, as notices speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The forward-path that was accepted.
    pub address: MailAddress,
    /// `NOTIFY`, when given.
    pub notify: Option<Notify>,
    /// `ORCPT` as it was spelled.
    pub original: Option<String>,
}

impl Addressee {
    /// Whether a failure is reported; yes unless somebody said otherwise (RFC 3461 §4.1).
    pub fn wants_failure(&self) -> bool {
        self.notify.is_none_or(|notify| notify.failure)
    }

    /// Whether a delay is reported.
    pub fn wants_delay(&self) -> bool {
        self.notify.is_none_or(|notify| notify.delay)
    }

    /// Whether a delivery is reported; only when it was asked for.
    pub fn wants_success(&self) -> bool {
        self.notify.is_some_and(|notify| notify.success)
    }
}

/// A copy that is still to be made or was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Index of the envelope recipient it comes from.
    pub addressee: usize,
    /// Where it goes.
    pub address: MailAddress,
    /// The reverse-path it goes with, where it is not the message's: a forward under a rewritten sender.
    pub sender: Option<MailAddress>,
    /// The way there.
    pub route: Route,
    /// How it differs.
    pub variant: Variant,
    /// How far it is.
    pub state: TargetState,
}

/// A copy to be made, as the one who accepts or expands a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTarget {
    /// Index of the envelope recipient it comes from.
    pub addressee: usize,
    /// Where it goes.
    pub address: MailAddress,
    /// The reverse-path it goes with, where it is not the message's.
    pub sender: Option<MailAddress>,
    /// The way there.
    pub route: Route,
    /// How it differs.
    pub variant: Variant,
}

/// How far a copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// It is to be tried.
    Waiting {
        /// Not before then.
        next: Moment,
        /// Failed attempts so far.
        failed: u32,
        /// The last one.
        last: Option<Failure>,
        /// Whether the sender knows that it is late.
        told: bool,
    },
    /// It was delivered or expanded, or its failure needs no report.
    Done,
    /// It cannot be delivered; the sender is to be told.
    Failed(Failure),
    /// It was delivered, and the sender asked to be told (RFC 3461 §4.1).
    Delivered {
        /// Whether it went to a host that reports no further (RFC 3464 §2.3.3, `relayed`).
        relayed: bool,
    },
}

impl TargetState {
    pub(super) fn fresh(now: Moment) -> Self {
        Self::Waiting { next: now, failed: 0, last: None, told: false }
    }

    /// Whether there is still something to try.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }
}

/// Why a copy was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status (RFC 3463).
    pub status: Enhanced,
    /// The other side's reply, or our own words, on one line.
    pub text: String,
    /// The host that gave the reply; `None` when the words are ours.
    pub host: Option<String>,
}

impl Failure {
    /// Makes a failure in our own words.
    pub fn ours(status: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { status: Enhanced(status.0, status.1, status.2), text: text.into(), host: None }
    }
}

/// What a message is, apart from where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was accepted.
    pub accepted: Moment,
    /// The reverse-path; `None` is the null one, to which nothing is ever reported.
    pub sender: Option<MailAddress>,
    /// The envelope recipients.
    pub addressees: Vec<Addressee>,
    /// `RET`.
    pub returned: Option<Return>,
    /// `ENVID`, still in xtext.
    pub identifier: Option<String>,
    /// `BODY`.
    pub body: Body,
    /// Whether it goes with SMTPUTF8.
    pub internationalized: bool,
    /// Whether failures are told to nobody (spam, viruses: their senders are forged).
    pub quiet: bool,
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub header: Header,
    /// Where it goes.
    pub targets: Vec<Target>,
    pub(super) content: Location,
    /// The end of its record.
    pub(super) position: Position,
}

impl Entry {
    /// Returns the bytes of the content as it was accepted.
    pub fn bytes(&self) -> u64 {
        u64::from(self.content.length)
    }

    /// Returns the envelope recipient that a target comes from.
    pub fn addressee_of(&self, target: usize) -> Option<&Addressee> {
        self.header.addressees.get(self.targets.get(target)?.addressee)
    }
}
