//! A typed writer for unbound.conf.
//!
//! Source: unbound.conf(5) of Unbound 1.17. A value ends at a blank unless it is quoted; inside quotes there is no escape, so a text
//! with quotes in it cannot be written.

use std::fmt;
use std::net::IpAddr;

use values::Network;

/// What an option is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `yes` or `no`.
    Flag(bool),
    /// A number.
    Number(u64),
    /// An address.
    Ip(IpAddr),
    /// An address and a port.
    Endpoint(IpAddr, u16),
    /// A network.
    Network(Network),
    /// A network that may ask.
    Access(Network),
    /// Words of Unbound's own.
    Words(&'static str),
    /// A zone that is answered like all others, though it is one of those that are not.
    Plain(&'static str),
    /// The same, for a zone of the platform that lies in such a one.
    Transparent(String),
    /// A text.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Endpoint(address, port) => write!(f, "{address}@{port}"),
            Self::Network(network) => write!(f, "{network}"),
            Self::Access(network) => write!(f, "{network} allow"),
            Self::Words(words) => f.write_str(words),
            Self::Plain(zone) => write!(f, "\"{zone}\" nodefault"),
            Self::Transparent(zone) => {
                write_quoted(f, zone)?;
                f.write_str(" transparent")
            }
            Self::Text(text) => write_quoted(f, text),
        }
    }
}

/// Writes a text in quotes. Typed values hold nothing that ends them; this is the second wall.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    text.chars().filter(|c| *c != '"' && !values::hostile(*c)).try_for_each(|c| write!(f, "{c}"))?;
    f.write_str("\"")
}

/// A clause with its options in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    name: &'static str,
    options: Vec<(&'static str, Value)>,
}

impl Clause {
    /// Begins a clause.
    pub fn new(name: &'static str) -> Self {
        Self { name, options: Vec::new() }
    }

    /// Adds an option; some stand several times.
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.options.push((name, value));
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.name)?;
        self.options.iter().try_for_each(|(name, value)| writeln!(f, "    {name}: {value}"))
    }
}
