//! A typed writer for main.cf.
//!
//! Source: postconf(5). A value is one logical line: `$name` and `${name}` are expanded, `$$` is a dollar, a line that begins
//! with a blank continues the one before, and a `#` begins a comment only where a line begins.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use values::{HostName, MailAddress, Name, Network};

use super::release::Version;

/// The name of a parameter: one of Postfix's own, or one that is made of a name of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// One of Postfix's own.
    Own(&'static str),
    /// A restriction class of a fixed name.
    Fixed(&'static str),
    /// A restriction class: a fixed prefix and a name, joined by `_`.
    Class(&'static str, Name),
    /// One of Postfix's own for one transport: the transport's name and the rest, joined by `_`.
    Transport(Transport, &'static str),
}

/// The name of a transport of ours: what stands in master.cf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transport {
    pool: Name,
    purpose: &'static str,
    number: usize,
}

impl Transport {
    /// Names the transport of a pool's address.
    ///
    /// - `purpose`: a word between pool and number; empty for none.
    pub fn new(pool: &Name, purpose: &'static str, number: usize) -> Self {
        Self { pool: pool.clone(), purpose, number }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.purpose.is_empty() { "" } else { "-" };
        write!(f, "{}{separator}{}-{}", self.pool, self.purpose, self.number)
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) | Self::Fixed(name) => f.write_str(name),
            Self::Transport(transport, rest) => write!(f, "{transport}_{rest}"),
            // Names are kebab-case; a class is spelled as Postfix spells its own parameters.
            Self::Class(prefix, name) => write!(f, "{prefix}_{}", name.as_str().replace('-', "_")),
        }
    }
}

/// A lookup table by type and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The table's type, such as `texthash`.
    pub kind: &'static str,
    /// The table's absolute path.
    pub path: Cow<'static, str>,
}

impl Table {
    /// Names a table whose path holds nothing of anybody's.
    pub const fn fixed(kind: &'static str, path: &'static str) -> Self {
        Self { kind, path: Cow::Borrowed(path) }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind)?;
        write_literal(f, &self.path)
    }
}

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host's name, found in the node's own table of hosts.
    pub host: HostName,
    /// The port.
    pub port: u16,
}

/// One item of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A word of Postfix's own, such as `permit_mynetworks` or `>=TLSv1.2`, or an absolute path.
    Word(&'static str),
    /// A TLS protocol bound, such as `>=TLSv1.2`.
    AtLeast(TlsVersion),
    /// The value of another parameter.
    Reference(Parameter),
    /// A restriction class by name.
    Class(Parameter),
    /// A number.
    Number(u64),
    /// Seconds.
    Seconds(u64),
    /// A single character, such as the one before an address's detail.
    Character(char),
    /// A host name.
    Host(HostName),
    /// A host name with a weight, for DNS lists.
    Weighted(HostName, u64),
    /// A mail address.
    Address(MailAddress),
    /// An IP address.
    Ip(IpAddr),
    /// A network as Postfix spells it, IPv6 in brackets.
    Network(Network),
    /// A lookup table.
    Table(Table),
    /// A restriction with a table: `check_recipient_access texthash:/…`.
    Lookup(&'static str, Table),
    /// What is found in the first table, looked up in the second.
    Piped(Table, Table),
    /// What stands in for every answer of a table.
    Instead(Table, Box<Item>),
    /// One of these by chance: transports without a next hop.
    AnyOf(Vec<Transport>),
    /// A policy service over TCP that is asked once; whom it does not answer in time passes.
    Advice(Endpoint, u64),
    /// A policy service of this node.
    LocalPolicy(u16),
    /// A milter of this node without which no mail is taken.
    LocalMilter(u16),
    /// A TCP table of this node.
    LocalTable(u16),
    /// A TCP port of this node.
    LocalPort(u16),
    /// A path below a folder of ours.
    Path(String),
    /// A restriction that answers the same to everybody: `check_client_access static:{…}`.
    Always(&'static str, &'static str),
    /// `inet:host:port`, as milters are named.
    Inet(Endpoint),
    /// `transport:[host]:port`: a next hop without MX lookup, and those that are tried after it.
    NextHop(&'static str, Vec<Endpoint>),
    /// A transport of ours, with the next hop that the recipient's domain names.
    Through(Transport),
    /// Several words of a value that is no list of restrictions, with blanks between them.
    Words(Vec<&'static str>),
    /// `error:` or a reply with a text of our own.
    Reply(&'static str),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Reply(text) => write_literal(f, text),
            Self::AtLeast(TlsVersion::V1_2) => f.write_str(">=TLSv1.2"),
            Self::AtLeast(TlsVersion::V1_3) => f.write_str(">=TLSv1.3"),
            Self::Reference(parameter) => write!(f, "${{{parameter}}}"),
            Self::Class(parameter) => write!(f, "{parameter}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
            Self::Character(character) => write_literal(f, character.encode_utf8(&mut [0; 4])),
            Self::Host(host) => write_literal(f, host.as_str()),
            Self::Path(path) => write_literal(f, path),
            Self::Weighted(host, weight) => {
                write_literal(f, host.as_str())?;
                write!(f, "*{weight}")
            }
            Self::Address(address) => write_literal(f, &address.to_string()),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Network(network) => write_network(f, *network),
            Self::Table(table) => write!(f, "{table}"),
            Self::Lookup(restriction, table) => write!(f, "{restriction} {table}"),
            Self::Piped(first, second) => write!(f, "pipemap:{{{first}, {second}}}"),
            Self::Instead(table, item) => write!(f, "pipemap:{{{table}, static:{{{item}}}}}"),
            Self::AnyOf(transports) => {
                f.write_str("randmap:{")?;
                transports.iter().enumerate().try_for_each(|(index, transport)| {
                    write!(f, "{}{transport}:", if index == 0 { "" } else { ", " })
                })?;
                f.write_str("}")
            }
            Self::Advice(at, seconds) => write!(
                f,
                "check_policy_service {{ inet:{}:{}, timeout={seconds}s, try_limit=1, default_action=DUNNO }}",
                at.host, at.port
            ),
            Self::LocalPolicy(port) => write!(f, "check_policy_service inet:127.0.0.1:{port}"),
            Self::LocalMilter(port) => write!(f, "{{ inet:127.0.0.1:{port}, default_action=tempfail }}"),
            Self::LocalPort(port) => write!(f, "inet:127.0.0.1:{port}"),
            Self::LocalTable(port) => write!(f, "tcp:127.0.0.1:{port}"),
            Self::Always(restriction, reply) => {
                write!(f, "{restriction} static:{{")?;
                write_literal(f, reply)?;
                f.write_str("}")
            }
            Self::Inet(at) => write!(f, "inet:{}:{}", at.host, at.port),
            Self::NextHop(transport, hosts) => {
                write!(f, "{transport}:")?;
                hosts.iter().enumerate().try_for_each(|(index, at)| {
                    write!(f, "{}[{}]:{}", if index == 0 { "" } else { ", " }, at.host, at.port)
                })
            }
            Self::Through(transport) => write!(f, "{transport}:"),
            Self::Words(words) => words.iter().enumerate().try_for_each(|(index, word)| {
                f.write_str(if index == 0 { "" } else { " " })?;
                write_literal(f, word)
            }),
        }
    }
}

/// Writes a text so that Postfix reads it as it stands: a dollar is doubled, and what would end the line becomes a blank.
///
/// Typed values hold no control characters; this is the second wall.
fn write_literal(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        '$' => f.write_str("$$"),
        hostile if values::hostile(hostile) => f.write_str(" "),
        other => write!(f, "{other}"),
    })
}

fn write_network(f: &mut fmt::Formatter<'_>, network: Network) -> fmt::Result {
    match network.address() {
        IpAddr::V4(address) => write!(f, "{address}/{}", network.prefix()),
        IpAddr::V6(address) => write!(f, "[{address}]/{}", network.prefix()),
    }
}

/// What a parameter is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Items with a comma between them; none at all empties the parameter.
    List(Vec<Item>),
    /// A text to be taken as it stands, with the values of parameters in it.
    Text(Vec<Part>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These characters.
    Literal(String),
    /// The value of a parameter.
    Reference(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{item}")
            }),
            Self::Text(parts) => parts.iter().try_for_each(|part| match part {
                Part::Literal(text) => write_literal(f, text),
                Part::Reference(name) => write!(f, "${{{name}}}"),
            }),
        }
    }
}

impl From<Vec<Item>> for Value {
    fn from(items: Vec<Item>) -> Self {
        Self::List(items)
    }
}

impl From<Item> for Value {
    fn from(item: Item) -> Self {
        Self::List(vec![item])
    }
}

/// The file: settings under headings, in the order they were added.
#[derive(Clone, Debug)]
pub struct MainCf {
    version: Version,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    Heading(&'static str),
    Setting(Parameter, Value),
}

impl MainCf {
    /// Begins a file for a version of Postfix.
    pub fn new(version: Version) -> Self {
        Self { version, lines: Vec::new() }
    }

    /// Begins a group of settings.
    pub fn heading(&mut self, text: &'static str) {
        self.lines.push(Line::Heading(text));
    }

    /// Sets one of Postfix's own parameters. One that the version does not know is a bug of whoever renders.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.version.must_know(name);
        self.lines.push(Line::Setting(Parameter::Own(name), value.into()));
    }

    /// Says what a restriction class stands for, or what holds for one transport.
    pub fn define(&mut self, class: Parameter, value: impl Into<Value>) {
        self.lines.push(Line::Setting(class, value.into()));
    }

    /// Empties a parameter.
    pub fn clear(&mut self, name: &'static str) {
        self.set(name, Vec::new());
    }
}

impl fmt::Display for MainCf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().enumerate().try_for_each(|(index, line)| match line {
            Line::Heading(text) => writeln!(f, "{}# {text}", if index == 0 { "" } else { "\n" }),
            Line::Setting(name, value) => {
                let value = value.to_string();
                match value.trim() {
                    "" => writeln!(f, "{name} ="),
                    value => writeln!(f, "{name} = {value}"),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// Reads a main.cf as postconf(5) says: comments, continuations, `name = value`, later ones win; then `$$` and `${name}`.
    fn read(text: &str) -> BTreeMap<String, String> {
        let mut logical: Vec<String> = Vec::new();
        for line in text.split('\n') {
            let bare = line.trim_start();
            if bare.is_empty() || bare.starts_with('#') {
                continue;
            }
            match (line.starts_with(char::is_whitespace), logical.last_mut()) {
                (true, Some(last)) => last.push_str(line),
                _ => logical.push(line.to_owned()),
            }
        }
        logical
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect()
    }

    fn expand(value: &str) -> String {
        let mut text = String::new();
        let mut rest = value;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                text.push_str(&format!("<{name}>"));
                rest = after;
            } else {
                panic!("a lone dollar in {value}");
            }
        }
        text + rest
    }

    #[test]
    fn an_empty_file_and_an_empty_value_are_written() {
        let mut file = MainCf::new(Version::V3_7);
        assert_eq!(file.to_string(), "");
        file.clear("mydestination");
        assert_eq!(file.to_string(), "mydestination =\n");
    }

    #[test]
    fn networks_of_both_families_are_spelled_as_postfix_reads_them() {
        let list: Value = vec!["10.20.0.0/16", "fd00:20::/48"]
            .into_iter()
            .map(|network| Item::Network(network.parse().unwrap()))
            .collect::<Vec<_>>()
            .into();
        assert_eq!(list.to_string(), "10.20.0.0/16, [fd00:20::]/48");
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_was_meant_and_adds_no_setting(
            before in "\\PC*", hostile in "[\\n\\r\\x00 \\t$#{}=,;\"'\\\\\u{2028}a]{0,12}", after in "\\PC*",
        ) {
            let meant = format!("{before}{hostile}{after}");
            let mut file = MainCf::new(Version::V3_7);
            file.heading("A test");
            file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(format!(" {meant}"))]));
            file.set("relayhost", Item::Word("end"));
            let read = read(&file.to_string());
            prop_assert_eq!(read.len(), 2);
            prop_assert_eq!(read.get("relayhost").map(String::as_str), Some("end"));
            let shown: String = format!("<myhostname> {meant}")
                .chars()
                .map(|character| if values::hostile(character) { ' ' } else { character })
                .collect();
            prop_assert_eq!(expand(&read["smtpd_banner"]), shown.trim());
        }
    }
}
