//! A typed writer for haproxy.cfg.
//!
//! Source: configuration manual of HAProxy 2.6, §2.1 and §2.2. A line is words between blanks. Inside single quotes every
//! character stands for itself; outside, a backslash takes the next one as it is. A line break always ends the line.

use std::fmt;
use std::net::IpAddr;

use values::{HostName, Name};

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// One of HAProxy's own, or one made of such.
    Own(&'static str),
    /// A text, whatever is in it.
    Text(String),
    /// A name of a node or of a service.
    Name(Name),
    /// A server of another section.
    Within(&'static str, Name),
    /// A host name.
    Host(HostName),
    /// A number.
    Number(u64),
    /// Seconds.
    Seconds(u64),
    /// A port of every address the node has: IPv4, or IPv6 alone.
    Everywhere(u16, Family),
    /// An address and a port.
    At(IpAddr, u16),
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Four,
    /// IPv6.
    Six,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(word) => f.write_str(word),
            Self::Text(text) => write_quoted(f, text),
            Self::Name(name) => write!(f, "{name}"),
            Self::Within(section, name) => write!(f, "{section}/{name}"),
            Self::Host(host) => f.write_str(host.as_str()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
            Self::Everywhere(port, Family::Four) => write!(f, "0.0.0.0:{port}"),
            Self::Everywhere(port, Family::Six) => write!(f, "[::]:{port}"),
            Self::At(IpAddr::V4(address), port) => write!(f, "{address}:{port}"),
            Self::At(IpAddr::V6(address), port) => write!(f, "[{address}]:{port}"),
        }
    }
}

/// Writes a text as one word; what would end the line becomes a blank.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    text.chars().try_for_each(|character| match character {
        '\'' => f.write_str("'\\''"),
        hostile if values::hostile(hostile) => f.write_str(" "),
        other => write!(f, "{other}"),
    })?;
    f.write_str("'")
}

/// A section: what it is, its name where it has one, and its lines.
#[derive(Clone, Debug)]
pub struct Section {
    kind: &'static str,
    name: Option<&'static str>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    Comment(&'static str),
    Words(Vec<Word>),
}

impl Section {
    /// Begins a section.
    pub fn new(kind: &'static str, name: Option<&'static str>) -> Self {
        Self { kind, name, lines: Vec::new() }
    }

    /// Says why something is as it is.
    pub fn comment(&mut self, text: &'static str) {
        self.lines.push(Line::Comment(text));
    }

    /// Adds a line of words that are all HAProxy's own.
    pub fn own(&mut self, line: &'static str) {
        self.lines.push(Line::Words(vec![Word::Own(line)]));
    }

    /// Adds a line.
    pub fn line(&mut self, words: impl IntoIterator<Item = Word>) {
        self.lines.push(Line::Words(words.into_iter().collect()));
    }
}

/// The file: sections in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The sections.
    pub sections: Vec<Section>,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sections.iter().enumerate().try_for_each(|(index, section)| {
            f.write_str(if index == 0 { "" } else { "\n" })?;
            match section.name {
                Some(name) => writeln!(f, "{} {name}", section.kind)?,
                None => writeln!(f, "{}", section.kind)?,
            }
            section.lines.iter().try_for_each(|line| match line {
                Line::Comment(text) => writeln!(f, "    # {text}"),
                Line::Words(words) => {
                    f.write_str("   ")?;
                    words.iter().try_for_each(|word| write!(f, " {word}"))?;
                    writeln!(f)
                }
            })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a line into words as the manual says.
    pub(crate) fn read(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                ' ' | '\t' => words.extend(word.take()),
                '#' if word.is_none() => break,
                '\'' => {
                    let word = word.get_or_insert_default();
                    word.extend(characters.by_ref().take_while(|inner| *inner != '\''));
                }
                '\\' => word.get_or_insert_default().extend(characters.next()),
                '"' | '$' => panic!("expanded in {line}"),
                other => word.get_or_insert_default().push(other),
            }
        }
        words.extend(word);
        words
    }

    proptest! {
        #[test]
        fn a_text_is_one_word_that_reads_back(text in "\\PC*|[\\n\\r\\x00 \\t'\"\\\\#${}%]{0,20}") {
            let mut section = Section::new("defaults", None);
            section.line([Word::Own("email-alert from"), Word::Text(text.clone()), Word::Own("end")]);
            let written = Config { sections: vec![section] }.to_string();
            prop_assert_eq!(written.lines().count(), 2);
            let shown: String = text.chars().map(|c| if values::hostile(c) { ' ' } else { c }).collect();
            prop_assert_eq!(read(written.lines().nth(1).unwrap()), ["email-alert", "from", &shown, "end"]);
        }
    }
}
