//! How a verb ends when it does not end well, and the exit codes that programs may rely on.

use std::error::Error;
use std::fmt::Write;

/// The exit codes of every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Problems found, or an expectation not met.
    Problems = 1,
    /// Wrong usage.
    Usage = 2,
    /// Our own fault.
    Fault = 3,
    /// Changes found, where that was asked for.
    Changes = 4,
    /// The environment failed: a node, an engine, a gate.
    Environment = 5,
    /// Interrupted.
    Interrupted = 130,
}

/// What went wrong, with the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
}

impl Failure {
    /// The caller asked for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), causes: Vec::new(), help: None }
    }

    /// Something outside failed: a file, an environment.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Environment, ..Self::usage(message) }
    }

    /// A bug of ours.
    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self { exit: Exit::Fault, ..Self::usage(message) }
    }

    /// The problems were already shown; nothing is left to say.
    pub(crate) fn problems() -> Self {
        Self { exit: Exit::Problems, ..Self::usage("") }
    }

    /// Adds why it happened, with the whole chain of causes.
    pub(crate) fn cause(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if !self.causes.contains(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds what to do next.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the whole text for stderr; empty when everything was said already.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.message.is_empty() {
            return text;
        }
        let _ = writeln!(text, "error: {}", self.message);
        for cause in &self.causes {
            let _ = writeln!(text, "  because: {cause}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "  help: {help}");
        }
        text
    }
}

impl From<std::io::Error> for Failure {
    /// Writing the result failed; a reader that went away is not worth a word.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, ..Self::usage("") };
        }
        Self::failed("could not write the result").cause(&error)
    }
}
