//! A typed writer for Sieve scripts.
//!
//! Source: RFC 5228 §2.4.2 (a quoted string takes `\"` and `\\`), RFC 5229 §3 (`${name}` is a variable wherever variables are
//! required; what a variable holds is not looked at again).

use std::collections::BTreeSet;
use std::fmt;

/// The variable that holds a dollar, for texts that hold `${` themselves.
const DOLLAR: &str = "dollar";

/// A script: what it requires is gathered from what it holds.
#[derive(Clone, Debug, Default)]
pub struct Script {
    requires: BTreeSet<&'static str>,
    commands: Vec<Command>,
}

/// One command.
#[derive(Clone, Debug)]
pub enum Command {
    /// A comment of ours.
    Note(&'static str),
    /// An action or `set`, with its arguments.
    Do(&'static str, Vec<Argument>),
    /// Tests with what is done where they hold; only the first that holds counts.
    If(Vec<(Test, Vec<Command>)>),
}

/// One test.
#[derive(Clone, Debug)]
pub enum Test {
    /// A test by name with its arguments.
    Is(&'static str, Vec<Argument>),
    /// All of several.
    All(Vec<Test>),
    /// Any of several.
    Any(Vec<Test>),
    /// The opposite.
    Not(Box<Test>),
}

/// One argument.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A tag, such as `:matches`.
    Tag(&'static str),
    /// A number.
    Number(u32),
    /// A text.
    Text(Text),
    /// Several texts.
    Texts(Vec<Text>),
}

/// A text: characters as they are, or the value of a variable.
#[derive(Clone, Debug)]
pub enum Text {
    /// These characters.
    Plain(String),
    /// A variable.
    Variable(&'static str),
}

impl Text {
    /// Makes a text of ours.
    pub fn own(text: &'static str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<&'static str> for Argument {
    fn from(text: &'static str) -> Self {
        Self::Text(Text::own(text))
    }
}

impl Script {
    /// Requires an extension.
    pub fn require(&mut self, extension: &'static str) {
        self.requires.insert(extension);
    }

    /// Adds a command.
    pub fn add(&mut self, command: Command) {
        self.commands.push(command);
    }

    fn has_variables(&self) -> bool {
        self.requires.contains("variables")
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requires: Vec<String> = self.requires.iter().map(|extension| format!("\"{extension}\"")).collect();
        if !requires.is_empty() {
            writeln!(f, "require [{}];", requires.join(", "))?;
        }
        if self.has_variables() && self.commands.iter().any(Command::holds_dollar) {
            writeln!(f, "set \"{DOLLAR}\" \"$\";")?;
        }
        self.commands.iter().try_for_each(|command| command.write(f, 0, self.has_variables()))
    }
}

impl Command {
    fn holds_dollar(&self) -> bool {
        match self {
            Self::Note(_) => false,
            Self::Do(_, arguments) => arguments.iter().any(Argument::holds_dollar),
            Self::If(branches) => {
                branches.iter().any(|(test, commands)| test.holds_dollar() || commands.iter().any(Self::holds_dollar))
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize, variables: bool) -> fmt::Result {
        let indent = "    ".repeat(depth);
        match self {
            Self::Note(text) => writeln!(f, "{indent}# {text}"),
            Self::Do(name, arguments) => {
                write!(f, "{indent}{name}")?;
                arguments.iter().try_for_each(|argument| argument.write(f, variables))?;
                writeln!(f, ";")
            }
            Self::If(branches) => {
                for (index, (test, commands)) in branches.iter().enumerate() {
                    match index {
                        0 => write!(f, "{indent}if ")?,
                        _ => write!(f, " elsif ")?,
                    }
                    test.write(f, variables)?;
                    writeln!(f, " {{")?;
                    commands.iter().try_for_each(|command| command.write(f, depth + 1, variables))?;
                    write!(f, "{indent}}}")?;
                }
                writeln!(f)
            }
        }
    }
}

impl Test {
    fn holds_dollar(&self) -> bool {
        match self {
            Self::Is(_, arguments) => arguments.iter().any(Argument::holds_dollar),
            Self::All(tests) | Self::Any(tests) => tests.iter().any(Self::holds_dollar),
            Self::Not(test) => test.holds_dollar(),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, variables: bool) -> fmt::Result {
        match self {
            Self::Is(name, arguments) => {
                f.write_str(name)?;
                arguments.iter().try_for_each(|argument| argument.write(f, variables))
            }
            Self::All(tests) | Self::Any(tests) => {
                f.write_str(if matches!(self, Self::All(_)) { "allof (" } else { "anyof (" })?;
                for (index, test) in tests.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    test.write(f, variables)?;
                }
                f.write_str(")")
            }
            Self::Not(test) => {
                f.write_str("not ")?;
                test.write(f, variables)
            }
        }
    }
}

impl Argument {
    fn holds_dollar(&self) -> bool {
        let holds = |text: &Text| matches!(text, Text::Plain(text) if text.contains("${"));
        match self {
            Self::Text(text) => holds(text),
            Self::Texts(texts) => texts.iter().any(holds),
            Self::Tag(_) | Self::Number(_) => false,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, variables: bool) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, " {tag}"),
            Self::Number(number) => write!(f, " {number}"),
            Self::Text(text) => {
                f.write_str(" ")?;
                text.write(f, variables)
            }
            Self::Texts(texts) => {
                f.write_str(" [")?;
                for (index, text) in texts.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    text.write(f, variables)?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Text {
    /// Line feeds and tabs stand; any other control character becomes a blank.
    fn write(&self, f: &mut fmt::Formatter<'_>, variables: bool) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "\"${{{name}}}\""),
            Self::Plain(text) => {
                let text = match variables {
                    // A character that no script may hold stands in for what is to be spelled in another way.
                    true => text.replace('\u{1}', " ").replace("${", "\u{1}"),
                    false => text.clone(),
                };
                f.write_str("\"")?;
                text.chars().try_for_each(|character| match character {
                    '"' | '\\' => write!(f, "\\{character}"),
                    '\u{1}' if variables => write!(f, "${{{DOLLAR}}}{{"),
                    '\n' | '\t' => write!(f, "{character}"),
                    hostile if values::hostile(hostile) => f.write_str(" "),
                    other => write!(f, "{other}"),
                })?;
                f.write_str("\"")
            }
        }
    }
}
