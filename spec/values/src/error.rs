//! Why a text is not a value, and what to write instead.

/// A text that is not a value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ParseError {
    message: String,
    help: String,
}

impl ParseError {
    /// Makes an error from what is wrong and what to write, both in lower case without a full stop.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// Returns what is wrong, in the user's words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }
}

/// Returns a foreign text between backticks, cut to a readable length and with everything escaped that could confuse a terminal.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::from("`");
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN {
            shown.push('…');
            break;
        }
        if crate::hostile(character) || crate::invisible(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown.push('`');
    shown
}
