//! How values are spelled so that any reader of the syntax reads them back as they were.

use crate::kdl::{is_bare_word, is_number};
use crate::tree::Scalar;
use std::fmt::Write;

/// Words that some readers of YAML take for something else than a text.
const WORDS: [&str; 11] = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// Returns a key of YAML.
pub(super) fn yaml_key(text: &str) -> String {
    if is_plain(text) && !text.contains(':') { text.to_owned() } else { yaml_quoted(text) }
}

/// Returns a value of YAML, which may stand in any place.
pub(super) fn yaml_scalar(scalar: &Scalar<'_>) -> String {
    match scalar {
        Scalar::Text(text) if is_plain(text) => text.to_string(),
        Scalar::Number(number) if !number.starts_with('#') => number.to_string(),
        Scalar::Text(text) | Scalar::Number(text) => yaml_quoted(text),
        Scalar::Flag(flag) => flag.to_string(),
        Scalar::Null => "null".to_owned(),
    }
}

/// Tells whether a text can stand in YAML without quotes, in any place, and is a text for any reader.
fn is_plain(text: &str) -> bool {
    let starts = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '+' | '(' | '$');
    let within = |c: char| c.is_alphanumeric() || c == ' ' || (c.is_ascii_graphic() && !"\"'`,[]{}#&!|\\?".contains(c));
    text.starts_with(starts)
        && text.chars().all(within)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.starts_with("...")
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && !looks_like_number(text)
}

/// Tells whether some reader may take a text for a number.
fn looks_like_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-', '.']);
    is_number(text)
        || text.parse::<f64>().is_ok()
        || (digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || "_.:eE+-".contains(c))
            && !is_date(text))
        || matches!(digits.to_ascii_lowercase().as_str(), "inf" | "nan")
}

/// Tells whether a text is a date or an address of digits, which look like no number.
fn is_date(text: &str) -> bool {
    text.matches('-').count() == 2 || text.matches('.').count() > 1
}

fn yaml_quoted(text: &str) -> String {
    quoted(text, |out, character| {
        let code = u32::from(character);
        let _ = if code > 0xFFFF { write!(out, "\\U{code:08X}") } else { write!(out, "\\u{code:04X}") };
    })
}

/// Returns a kind or the name of a property in KDL.
pub(super) fn kdl_name(text: &str) -> String {
    if is_bare_word(text) { text.to_owned() } else { kdl_text(text) }
}

/// Returns a text in KDL.
pub(super) fn kdl_text(text: &str) -> String {
    quoted(text, |out, character| {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
    })
}

fn quoted(text: &str, by_number: fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character.is_control() || is_unseen(character) => by_number(&mut out, character),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Tells whether a character ends lines, turns the direction of writing, or is not seen at all; such characters are escaped.
pub(super) fn is_unseen(character: char) -> bool {
    let blank = character.is_whitespace() && character != ' ';
    let noncharacter = u32::from(character) & 0xFFFE == 0xFFFE;
    let marks = matches!(
        character,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E000}'..='\u{F8FF}'
    );
    blank || noncharacter || marks
}
