//! How names and values are spelled in the canonical form.
//!
//! Kinds and the names of properties stand without quotes where they can, texts always in quotes. Numbers, keywords, raw strings
//! and strings over several lines stay as they are written. In quotes an escape stays one only where the character itself could not
//! be read or not be written.

use crate::kdl::{Quotes, Token, TokenKind, is_bare_word};
use std::borrow::Cow;
use std::fmt::Write;

/// Returns the spelling of a kind or of a property's name.
pub(super) fn name(text: &str, token: Token) -> Cow<'_, str> {
    match value(text, token) {
        Cow::Borrowed(spelled) => match within_quotes(spelled) {
            Some(word) if is_bare_word(word) => Cow::Borrowed(word),
            _ => Cow::Borrowed(spelled),
        },
        Cow::Owned(spelled) => match within_quotes(&spelled) {
            Some(word) if is_bare_word(word) => Cow::Owned(word.to_owned()),
            _ => Cow::Owned(spelled),
        },
    }
}

/// Returns the spelling of a value.
pub(super) fn value(text: &str, token: Token) -> Cow<'_, str> {
    let source = token.text(text);
    match token.kind {
        TokenKind::Word => Cow::Owned(format!("\"{source}\"")),
        TokenKind::String(Quotes::Single) if source.contains('\\') => quoted(source),
        TokenKind::String(_) => with_line_feeds(source),
        _ => Cow::Borrowed(source),
    }
}

/// Returns a text whose lines end with line feeds alone.
pub(super) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        // A carriage return alone ends a line too.
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    }
}

fn within_quotes(spelled: &str) -> Option<&str> {
    spelled.strip_prefix('"')?.strip_suffix('"')
}

/// Spells the escapes of a string canonically.
fn quoted(source: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let behind = escape.get(1..).unwrap_or_default();
        let Some(first) = behind.chars().next() else { return Cow::Borrowed(source) };
        if first == 'u' {
            let Some((character, length)) = numbered(behind) else { return Cow::Borrowed(source) };
            push(&mut out, character);
            rest = behind.get(length..).unwrap_or_default();
        } else if matches!(first, 'n' | 'r' | 't' | 'b' | 'f' | 's' | '"' | '\\') {
            out.extend(['\\', first]);
            rest = behind.get(1..).unwrap_or_default();
        } else {
            // A line that is broken within the string was broken on purpose.
            return with_line_feeds(source);
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads `u{…}`; returns the character and how long it is.
fn numbered(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("u{")?;
    let length = digits.find('}')?;
    let code = u32::from_str_radix(digits.get(..length)?, 16).ok()?;
    Some((char::from_u32(code)?, length + 3))
}

/// Writes a character that was escaped by its number.
fn push(out: &mut String, character: char) {
    match character {
        '"' | '\\' => out.extend(['\\', character]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{C}' => out.push_str("\\f"),
        ' ' => out.push_str("\\s"),
        _ if character.is_alphanumeric() || character.is_ascii_graphic() => out.push(character),
        _ => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kdl::tokens;

    fn spelled(text: &str) -> (String, String) {
        let all = tokens(text);
        assert_eq!(all.len(), 1, "{text}");
        (name(text, all[0]).into_owned(), value(text, all[0]).into_owned())
    }

    #[test]
    fn names_stand_bare_where_they_can_and_values_in_quotes() {
        for (text, name, value) in [
            ("mailbox", "mailbox", "\"mailbox\""),
            ("\"mailbox\"", "mailbox", "\"mailbox\""),
            ("\"m\\u{61}ilbox\"", "mailbox", "\"mailbox\""),
            ("\"\"", "\"\"", "\"\""),
            ("\"a b\"", "\"a b\"", "\"a b\""),
            ("\"true\"", "\"true\"", "\"true\""),
            ("\"-1\"", "\"-1\"", "\"-1\""),
            ("\"/-a\"", "\"/-a\"", "\"/-a\""),
            ("#\"a\"#", "#\"a\"#", "#\"a\"#"),
        ] {
            assert_eq!(spelled(text), (name.to_owned(), value.to_owned()));
        }
    }

    #[test]
    fn an_escape_stays_where_the_character_could_not_be_seen() {
        for (text, expected) in [
            (r#""\u{e9}\u{0}\u{A0}\u{202E}\u{22}\u{a}""#, r#""é\u{0}\u{a0}\u{202e}\"\n""#),
            (r#""a\tb\\c\"\s""#, r#""a\tb\\c\"\s""#),
            ("\"a \\\r\n  b\"", "\"a \\\n  b\""),
            ("0x1_F", "0x1_F"),
            ("#true", "#true"),
        ] {
            assert_eq!(spelled(text).1, expected);
        }
    }
}
