//! A typed writer for clamd.conf and freshclam.conf.
//!
//! Source: clamd.conf(5): a line is an option, a blank and its value, to the end of the line.

use std::fmt;

/// What an option is set to. There is no value from a specification: nothing but words of ours, numbers and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word of ClamAV's own or a path of ours.
    Own(&'static str),
    /// A number.
    Number(u64),
    /// `yes` or `no`.
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(word) => f.write_str(word),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
        }
    }
}

/// Options in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    lines: Vec<(&'static str, Value)>,
}

impl Options {
    /// Sets an option.
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.lines.push((name, value));
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}
