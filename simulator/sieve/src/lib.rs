//! Sieve scripts: read, checked, and interpreted over a message, as Pigeonhole 0.5 does.
//!
//! What a script leads to is told as [`Action`]s; carrying them out is the caller's. Nothing here reads a clock, a file or a
//! network, and no script or message makes it run for long: what takes too long fails, and who asks keeps the message.
//!
//! Source: RFC 5228 with 5173, 5183, 5229, 5230, 5231, 5232, 5233, 5235, 5260, 5429, 5435, 5436, 5463, 5490, 5703, 6131, 6609,
//! 7352, 3894 and the drafts of `regex`; where they leave a choice, Pigeonhole's.

mod address;
mod check;
mod date;
mod extension;
mod lexer;
mod matching;
mod message;
mod notify;
mod outcome;
mod program;
mod regex;
mod reply;
mod run;
mod syntax;
mod text;

pub use extension::offered;
pub use outcome::{Action, Failure, Mark, Outcome};
pub use reply::{Notification, Reply};
pub use run::{Envelope, Surroundings};

/// Largest script, in bytes (Pigeonhole's `sieve_max_script_size`).
pub const SCRIPT_BYTES: usize = 1 << 20;
/// Most redirects of one message, as the stores are set.
pub const REDIRECTS: usize = 25;
/// Most actions of one script (Pigeonhole's `sieve_max_actions`).
pub const ACTIONS: usize = 32;
/// Longest name of a script, in bytes.
pub const NAME_BYTES: usize = 256;
/// Most problems that are told of one script.
const PROBLEMS: usize = 20;

/// What a script's author may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether `vacation-seconds` is offered; the platform's own scripts have it.
    pub vacation_seconds: bool,
}

impl Options {
    /// What users' scripts get.
    pub const PERSONAL: Self = Self { vacation_seconds: false };
}

/// Something wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: u32,
    /// What it is.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}: error: {}", self.line, self.message)
    }
}

/// A script that may be run.
#[derive(Clone, Debug)]
pub struct Script(program::Program);

impl Script {
    /// Reads and checks a script.
    ///
    /// - Errors: all problems, in the order of what finds them: those of words and commas hide those of commands.
    pub fn compile(text: &[u8], options: &Options) -> Result<Self, Vec<Problem>> {
        if text.len() > SCRIPT_BYTES {
            let message = format!("sieve script is too large (max {SCRIPT_BYTES} bytes)");
            return Err(vec![Problem { line: 1, message }]);
        }
        check::check(&String::from_utf8_lossy(text), options).map(Self)
    }

    /// Returns the names of the user's other scripts that this one needs, each with the line that says so.
    pub fn includes(&self) -> Vec<(u32, &str)> {
        let mut found = Vec::new();
        self.0.includes(&mut found);
        found
    }

    /// Runs the script over a message.
    ///
    /// A failure leads to nothing but the implicit keep.
    pub fn run(&self, message: &[u8], envelope: &Envelope<'_>, surroundings: &dyn Surroundings) -> Outcome {
        run::run(&self.0, message, envelope, surroundings)
    }
}

/// Whether a script may be called so (RFC 5804 §1.6).
pub fn is_script_name(name: &str) -> bool {
    let is_hostile = |character: char| matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '/' | '\u{ff}');
    !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(is_hostile)
}
