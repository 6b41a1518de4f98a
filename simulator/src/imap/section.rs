//! Sections of a message, as FETCH names them (RFC 3501 §6.4.5).

use std::fmt;

use super::cursor::{Cursor, Parsed, Syntax};

/// How deep a part may lie.
const MAX_DEPTH: usize = 64;
const MAX_FIELDS: usize = 512;

/// What is between the brackets of `BODY[…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Part numbers from the outside; empty for the message itself.
    pub(super) part: Vec<u32>,
    pub(super) what: What,
}

/// Which bytes of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All of it: a part's body, or the whole message.
    Whole,
    Header,
    /// Header fields of these names; with `not`, all others.
    Fields {
        names: Vec<String>,
        not: bool,
    },
    Text,
    Mime,
}

impl Section {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.expect(b'[', "Missing section.")?;
        let part = part_numbers(cursor)?;
        let what = if cursor.peek() == Some(b']') {
            What::Whole
        } else {
            match cursor.item_name().as_str() {
                "HEADER" => What::Header,
                "TEXT" => What::Text,
                "MIME" if !part.is_empty() => What::Mime,
                "HEADER.FIELDS" => What::Fields { names: field_names(cursor)?, not: false },
                "HEADER.FIELDS.NOT" => What::Fields { names: field_names(cursor)?, not: true },
                _ => return Err(Syntax("Invalid section.")),
            }
        };
        cursor.expect(b']', "Invalid section.")?;
        Ok(Self { part, what })
    }

    /// Reads a section of part numbers alone, as BINARY takes it (RFC 3516 §4).
    pub(super) fn parse_part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
        cursor.expect(b'[', "Missing section.")?;
        let part = part_numbers(cursor)?;
        cursor.expect(b']', "Invalid section.")?;
        Ok(part)
    }
}

/// Reads `1.2.`, leaving the cursor behind a last dot when a word follows it.
fn part_numbers(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() >= MAX_DEPTH {
            return Err(Syntax("A section is too deep."));
        }
        part.push(cursor.nonzero()?);
        if !cursor.eat(b'.') {
            if cursor.peek() != Some(b']') {
                return Err(Syntax("Invalid section."));
            }
            return Ok(part);
        }
        if cursor.peek() == Some(b']') {
            return Err(Syntax("Invalid section."));
        }
    }
    Ok(part)
}

fn field_names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut names = Vec::new();
    cursor.space()?;
    cursor.list(|cursor| {
        if names.len() >= MAX_FIELDS {
            return Err(Syntax("Too many header fields."));
        }
        let name = cursor.text()?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Syntax("Invalid header field name."));
        }
        names.push(name);
        Ok(())
    })?;
    if names.is_empty() { Err(Syntax("Empty header field list.")) } else { Ok(names) }
}

impl fmt::Display for Section {
    /// Writes what stands between the brackets; fields' names in capitals, as Dovecot does.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.part.iter().map(u32::to_string).collect();
        formatter.write_str(&numbers.join("."))?;
        let dot = if self.part.is_empty() { "" } else { "." };
        match &self.what {
            What::Whole => Ok(()),
            What::Header => write!(formatter, "{dot}HEADER"),
            What::Text => write!(formatter, "{dot}TEXT"),
            What::Mime => write!(formatter, "{dot}MIME"),
            What::Fields { names, not } => {
                let names: Vec<String> = names.iter().map(|name| field_name(&name.to_ascii_uppercase())).collect();
                let not = if *not { ".NOT" } else { "" };
                write!(formatter, "{dot}HEADER.FIELDS{not} ({})", names.join(" "))
            }
        }
    }
}

/// Writes a header field's name as an `astring`; one that no atom can hold is quoted.
fn field_name(name: &str) -> String {
    let is_atom = name.bytes().all(|byte| {
        matches!(byte, 0x21..=0x7E) && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
    });
    if is_atom {
        name.to_owned()
    } else if name.is_ascii() {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{{{}}}\r\n{name}", name.len())
    }
}
