//! What a script leads to.

use crate::reply::{Notification, Reply};

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes into a folder.
    Store {
        /// The folder's name, `/` between levels.
        folder: String,
        /// Flags and keywords it gets.
        flags: Vec<String>,
        /// Whether the folder is made where it does not exist.
        create: bool,
    },
    /// It is sent on under the sender it came with.
    Redirect {
        /// To this address.
        to: String,
    },
    /// It is refused with a message to its sender.
    Reject {
        /// Why, in the author's words.
        reason: String,
    },
    /// Its sender is answered, unless he was lately.
    Vacation(Reply),
    /// Somebody is told of it.
    Notify(Notification),
    /// It is thrown away.
    Discard,
}

/// Why a script came to no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line, counted from 1; zero where it is of no line.
    pub line: u32,
    /// What happened.
    pub message: String,
}

/// Something to be remembered when all actions have been carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What, with the handle it belongs to.
    pub key: String,
    /// For how long.
    pub seconds: u64,
}

/// What a script leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// Whether the message is kept in the inbox as well, with these flags, since nothing took its place.
    pub keep: Option<Vec<String>>,
    /// Why nothing but the keep is left.
    pub failure: Option<Failure>,
    /// What the `duplicate` tests saw.
    pub marks: Vec<Mark>,
}

impl Outcome {
    /// Makes the outcome of a script that failed: the message is kept.
    pub fn failed(line: u32, message: impl Into<String>) -> Self {
        let failure = Failure { line, message: message.into() };
        Self { keep: Some(Vec::new()), failure: Some(failure), ..Self::default() }
    }
}
