//! A typed writer for knot.conf.
//!
//! Source: knot.conf(5) of Knot DNS 3.2, "Description": sections of items, an item's first key is its identifier. A text stands
//! in double quotes, in which a backslash escapes a quote and itself.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use blueprint::platform::SecretReference;
use blueprint::{File, Piece};

/// What a key is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word of Knot's own.
    Word(&'static str),
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// An address.
    Ip(IpAddr),
    /// An address and a port.
    Endpoint(IpAddr, u16),
    /// Several of these.
    List(Vec<Value>),
    /// A secret, which only environments know.
    Secret(SecretReference),
}

/// A section: items, of which one without an identifier is the section itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    name: &'static str,
    lines: Vec<(Line, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Item(&'static str),
    Key(&'static str),
}

impl Block {
    /// Begins a section.
    pub fn section(name: &'static str) -> Self {
        Self { name, lines: Vec::new() }
    }

    /// Begins an item.
    ///
    /// - `key`: what its kind is told apart by, such as `id`.
    #[must_use]
    pub fn item(mut self, key: &'static str, identifier: &str) -> Self {
        self.lines.push((Line::Item(key), Value::Text(identifier.to_owned())));
        self
    }

    /// Sets a key of the item, or of the section where no item was begun.
    #[must_use]
    pub fn set(mut self, key: &'static str, value: Value) -> Self {
        self.lines.push((Line::Key(key), value));
        self
    }
}

/// Returns the file.
pub fn file(blocks: &[Block]) -> File {
    let mut pieces = Vec::new();
    let mut text = String::new();
    for block in blocks {
        let _ = writeln!(text, "{}:", block.name);
        for (line, value) in &block.lines {
            let _ = match line {
                Line::Item(key) => write!(text, "  - {key}: "),
                Line::Key(key) => write!(text, "    {key}: "),
            };
            if let Value::Secret(secret) = value {
                // Secrets of this kind hold nothing that ends a quoted text.
                text.push('"');
                pieces.push(Piece::Bytes(std::mem::take(&mut text).into_bytes()));
                pieces.push(Piece::Secret(secret.clone()));
                text.push_str("\"\n");
            } else {
                let _ = writeln!(text, "{value}");
            }
        }
    }
    pieces.push(Piece::Bytes(text.into_bytes()));
    File { mode: 0o640, owner: "root:knot".to_owned(), pieces }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => {
                f.write_char('"')?;
                for character in text.chars() {
                    match character {
                        '"' | '\\' => write!(f, "\\{character}")?,
                        // Nothing here ends a line; typed values hold none of these.
                        hostile if values::hostile(hostile) => f.write_char(' ')?,
                        other => f.write_char(other)?,
                    }
                }
                f.write_char('"')
            }
            Self::Number(number) => write!(f, "{number}"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Endpoint(address, port) => write!(f, "{address}@{port}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Secret(_) => Ok(()),
        }
    }
}
