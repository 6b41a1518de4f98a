//! What no client can do from outside, and so needs the backend's own hands.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use blueprint::Role;
use values::{HostName, MailAddress};

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cannot {
    /// The backend has no way to do it; the scenario is skipped.
    Lacks(String),
    /// It has one, and it failed; the environment is broken.
    Failed(String),
}

/// What breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happens: `power-off`, `cut-off`, …
    pub what: String,
    /// To this host, node or role.
    pub whom: Whom,
    /// How long after now.
    pub after: Duration,
    /// For how long; until it is healed where nothing is said.
    pub lasts: Option<Duration>,
}

/// Whom a fault happens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A host.
    Host(String),
    /// A node.
    Node(String),
    /// The nodes of a role.
    Role(String),
    /// Everything.
    All,
}

/// What only a backend can do. Each of these says so where it cannot.
pub trait Hands: Sync {
    /// Returns how many scenarios are tried at a time: daemons give up what takes longer than their settings allow, which
    /// more than the environment has processors for would.
    fn at_once(&self) -> usize {
        8
    }

    /// Lets time pass.
    fn advance(&self, _by: Duration) -> Result<(), Cannot> {
        Err(lacks("move time"))
    }

    /// Tells whether something can be broken at all, so that a scenario that needs it is not begun in vain.
    fn can_break(&self) -> Result<(), Cannot> {
        Err(lacks("break things on purpose"))
    }

    /// Breaks something.
    fn fault(&self, _fault: &Fault) -> Result<(), Cannot> {
        Err(lacks("break things on purpose"))
    }

    /// Repairs what was broken.
    fn heal(&self, _whom: &Whom) -> Result<(), Cannot> {
        Err(lacks("repair what was broken"))
    }

    /// Moves a node to a host while it runs.
    fn migrate(&self, _node: &str, _to: &str) -> Result<(), Cannot> {
        Err(lacks("move a node while it runs"))
    }

    /// Moves every node of a host to others while they run.
    fn evacuate(&self, _host: &str) -> Result<(), Cannot> {
        Err(lacks("move nodes while they run"))
    }

    /// Counts the messages that wait on the nodes of a role.
    fn queued(&self, _role: Role) -> Result<u64, Cannot> {
        Err(lacks("look into queues"))
    }

    /// Returns the messages that are held apart for a mailbox.
    fn held(&self, _mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        Err(lacks("look at what is held apart"))
    }

    /// Lets what is held apart for a mailbox go to it; returns how many messages those were.
    fn release(&self, _mailbox: &MailAddress) -> Result<u64, Cannot> {
        Err(lacks("let go what is held apart"))
    }

    /// Tells whether mail from or to some addresses is where it will stay for now: delivered, or waiting for its next attempt.
    /// `None` where nobody can tell.
    ///
    /// - `about`: the addresses by their keys; all mail where there are none.
    fn is_settled(&self, _about: &BTreeSet<String>) -> Option<bool> {
        None
    }

    /// Keeps what goes over the platform's wire from now on, for [`Hands::trace`]; who cannot see it does without.
    fn watch(&self) {}

    /// Returns what went over the platform's wire since a moment, as a capture file that packet analysers read; `None` where nobody
    /// looks.
    fn trace(&self, _since: SystemTime) -> Option<Vec<u8>> {
        None
    }

    /// Returns the local address to connect from, to be taken for the host of a domain of the simulated internet.
    fn source_of(&self, _domain: &HostName) -> Result<IpAddr, Cannot> {
        Err(lacks("send from an address of the simulated internet"))
    }
}

fn lacks(what: &str) -> Cannot {
    Cannot::Lacks(format!("this backend cannot {what}"))
}

/// No hands: an environment that is served by another process.
#[derive(Clone, Copy, Debug)]
pub struct NoHands;

impl Hands for NoHands {}
