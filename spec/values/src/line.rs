//! One line of free text, and the characters that no value may hold.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::{ParseError, quoted, text_form::text_form};

/// Tells whether a character could add a line or change the reading direction where the text is written or shown.
///
/// These are the control characters (C0, DEL, C1), the line and paragraph separators U+2028 and U+2029, and the
/// bidirectional controls.
pub fn hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Tells whether a character shows nothing, so that two names could look the same and be different.
///
/// Zero-width joiners belong to some scripts and are fine in free text, but never in a name or an address.
pub fn invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Refuses the characters of [`hostile`], naming the first.
pub(crate) fn refuse_hostile(text: &str) -> Result<(), ParseError> {
    // Nearly all texts are printable ASCII, which needs no look at each character.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    match text.chars().find(|&character| hostile(character)) {
        None => Ok(()),
        Some('\n' | '\r' | '\u{2028}' | '\u{2029}') => {
            Err(ParseError::new("a line break stands in this text", "write it on one line"))
        }
        Some(character) => Err(ParseError::new(
            format!("the control character U+{:04X} stands in this text", u32::from(character)),
            "remove that character",
        )),
    }
}

/// Refuses the characters of [`hostile`] and of [`invisible`].
pub(crate) fn refuse_unseen(text: &str) -> Result<(), ParseError> {
    refuse_hostile(text)?;
    if text.is_ascii() {
        return Ok(());
    }
    match text.chars().find(|&character| invisible(character)) {
        None => Ok(()),
        Some(character) => Err(ParseError::new(
            format!("the invisible character U+{:04X} stands in {}", u32::from(character), quoted(text)),
            "remove that character",
        )),
    }
}

/// One line of free text, such as a product's name: not empty, at most 1,000 bytes, in normal form C.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(String);

impl Line {
    /// Longest line in bytes.
    pub const MAX: usize = 1000;

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Line {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let text: String = if text.is_ascii() { text.to_owned() } else { text.nfc().collect() };
        if text.trim().is_empty() {
            return Err(ParseError::new("this text is empty", "write at least one character"));
        }
        if text.len() > Self::MAX {
            return Err(ParseError::new(
                format!("this text is {} bytes long", text.len()),
                format!("write at most {} bytes", Self::MAX),
            ));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Line);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_breaks_and_direction_changes_are_refused() {
        for text in ["a\nb", "a\rb", "a\u{2028}b", "a\u{202e}b", "a\0b", "a\u{85}b", "\u{2067}x", ""] {
            assert!(text.parse::<Line>().is_err(), "{text:?}");
        }
        assert_eq!("©\u{a0}Acme — Ünïcode".parse::<Line>().unwrap().as_str(), "©\u{a0}Acme — Ünïcode");
    }

    #[test]
    fn a_message_never_repeats_a_control_character() {
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
    }

    proptest! {
        #[test]
        fn any_text_is_a_line_or_refused(text in ".*") {
            if let Ok(line) = text.parse::<Line>() {
                prop_assert_eq!(line.to_string().parse::<Line>().unwrap(), line);
            }
        }
    }
}
