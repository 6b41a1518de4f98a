//! A typed writer for dovecot.conf and the files it includes.
//!
//! Source: doc.dovecot.org, "Configuration file syntax" of 2.3 and 2.4. A setting is one line; a value in double quotes takes
//! `\"` and `\\` and nothing else, a `#` begins a comment outside quotes only, `<` before a path stands for the file's content,
//! and `%` begins a variable in the settings that know them: `%u` in 2.3, `%{user}` in 2.4, a doubled one is a percent sign.

use std::fmt;

use values::{ByteSize, HostName, Network};

use super::Version;
use super::settings;

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word or several of Dovecot's own, or an absolute path: written as it stands.
    Words(&'static str),
    /// On or off.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A size.
    Size(ByteSize),
    /// Seconds.
    Seconds(u64),
    /// The content of a file.
    ContentOf(String),
    /// A host name.
    Host(HostName),
    /// Networks, with a blank between.
    Networks(Vec<Network>),
    /// Any text, in quotes.
    Text(Vec<Part>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These characters, in a setting that knows no variables in 2.3; in 2.4 all do.
    Plain(String),
    /// These characters, in a setting that expands variables.
    Literal(String),
    /// Variables of Dovecot's own, such as `%u` or `%{user}`, with what is ours around them.
    Template(String),
}

impl Value {
    /// Makes a text of Dovecot's own words, variables and all.
    pub fn own(text: &'static str) -> Self {
        Self::Text(vec![Part::Template(text.to_owned())])
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, version: Version) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Size(size) => write!(f, "{} B", size.as_bytes()),
            Self::Seconds(seconds) => write!(f, "{seconds} secs"),
            Self::ContentOf(path) => write!(f, "<{path}"),
            Self::Host(host) => f.write_str(host.as_str()),
            Self::Networks(networks) => networks.iter().enumerate().try_for_each(|(index, network)| {
                write!(f, "{}{}/{}", if index == 0 { "" } else { " " }, network.address(), network.prefix())
            }),
            Self::Text(parts) => {
                f.write_str("\"")?;
                parts.iter().try_for_each(|part| match part {
                    Part::Plain(text) if version == Version::V2_3 => quoted(f, text),
                    Part::Plain(text) | Part::Literal(text) => quoted(f, &text.replace('%', "%%")),
                    Part::Template(text) => quoted(f, text),
                })?;
                f.write_str("\"")
            }
        }
    }
}

/// Writes what stands between quotes. What would end the line becomes a blank: no setting can hold it.
///
/// Typed values hold no control characters; this is the second wall.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        '"' | '\\' => write!(f, "\\{character}"),
        hostile if values::hostile(hostile) => f.write_str(" "),
        other => write!(f, "{other}"),
    })
}

/// What a section is called behind its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionName {
    /// Nothing, as in `plugin {`.
    None,
    /// A name of ours or Dovecot's own.
    Own(&'static str),
    /// A host name.
    Host(HostName),
    /// Any text, in quotes.
    Text(String),
}

#[derive(Clone, Debug)]
enum Line {
    Heading(&'static str),
    Setting(&'static str, Value),
    Section(&'static str, SectionName, Block),
    Include(&'static str),
}

/// Settings and sections, in the order they were added.
#[derive(Clone, Debug)]
pub struct Block {
    version: Version,
    lines: Vec<Line>,
}

impl Block {
    /// Makes an empty file, or what stands in a section.
    pub fn new(version: Version) -> Self {
        Self { version, lines: Vec::new() }
    }

    /// Returns the version it is written for.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Adds a comment.
    pub fn heading(&mut self, text: &'static str) {
        self.lines.push(Line::Heading(text));
    }

    /// Sets a setting.
    ///
    /// Its name must be one that this version knows: another one is a bug of the renderer, found by its tests.
    pub fn set(&mut self, name: &'static str, value: Value) {
        assert!(settings::known(self.version, name), "Dovecot {:?} has no setting {name}", self.version);
        self.lines.push(Line::Setting(name, value));
    }

    /// Sets a setting to words of Dovecot's own.
    pub fn words(&mut self, name: &'static str, words: &'static str) {
        self.set(name, Value::Words(words));
    }

    /// Adds a section.
    pub fn section(&mut self, kind: &'static str, name: SectionName, fill: impl FnOnce(&mut Self)) {
        assert!(settings::known_section(self.version, kind), "Dovecot {:?} has no section {kind}", self.version);
        let mut body = Self::new(self.version);
        fill(&mut body);
        self.lines.push(Line::Section(kind, name, body));
    }

    /// Adds a section with a name of ours or Dovecot's own.
    pub fn own_section(&mut self, kind: &'static str, name: &'static str, fill: impl FnOnce(&mut Self)) {
        self.section(kind, SectionName::Own(name), fill);
    }

    /// Takes in another file.
    pub fn include(&mut self, path: &'static str) {
        self.lines.push(Line::Include(path));
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        for (index, line) in self.lines.iter().enumerate() {
            match line {
                Line::Heading(text) => writeln!(f, "{}{indent}# {text}", if index == 0 { "" } else { "\n" })?,
                Line::Setting(name, Value::Words("")) => writeln!(f, "{indent}{name} =")?,
                Line::Setting(name, value) => {
                    write!(f, "{indent}{name} = ")?;
                    value.write(f, self.version)?;
                    writeln!(f)?;
                }
                Line::Include(path) => writeln!(f, "{indent}!include {path}")?,
                Line::Section(kind, name, body) => {
                    write!(f, "{indent}{kind} ")?;
                    match name {
                        SectionName::None => {}
                        SectionName::Own(name) => write!(f, "{name} ")?,
                        SectionName::Host(host) => write!(f, "{host} ")?,
                        SectionName::Text(text) => {
                            f.write_str("\"")?;
                            quoted(f, text)?;
                            f.write_str("\" ")?;
                        }
                    }
                    writeln!(f, "{{")?;
                    body.write(f, depth + 1)?;
                    writeln!(f, "{indent}}}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}
