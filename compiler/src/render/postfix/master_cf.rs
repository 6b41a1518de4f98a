//! A typed writer for master.cf, and the daemons that every Postfix of ours runs.
//!
//! Source: master(5). A line is eight fields; options follow on lines that begin with a blank. An option
//! whose value holds blanks stands in braces.

use std::fmt;

use super::main_cf::{Item, Parameter, Transport, Value};
use super::release::Version;

/// How a service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP port on all addresses.
    Inet(u16),
    /// A TCP port on loopback alone.
    Loopback(u16),
    /// A socket in the queue folder.
    Unix(&'static str),
    /// A socket in the queue folder, of a transport of ours.
    Transport(Transport),
    /// A datagram socket in the queue folder.
    Datagram(&'static str),
    /// A socket that takes connections from another daemon.
    Pass(&'static str),
}

/// Who may reach a service's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {
    /// The default: only Postfix itself, but for TCP ports.
    Default,
    /// Everybody on the node.
    No,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How it is reached.
    pub kind: Kind,
    /// Who may reach it.
    pub private: Private,
    /// Seconds between two wake-ups, and whether only once it is in use.
    pub wake_up: Option<(u32, bool)>,
    /// Processes at most; `None` for the default, zero for no limit.
    pub processes: Option<u32>,
    /// The program.
    pub command: &'static str,
    /// Parameters that differ for this service.
    pub options: Vec<(Parameter, Value)>,
}

impl Entry {
    /// Makes a service with the defaults of all others.
    pub fn new(kind: Kind, command: &'static str) -> Self {
        Self { kind, private: Private::Default, wake_up: None, processes: None, command, options: Vec::new() }
    }

    /// Lets everybody on the node reach it.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.private = Private::No;
        self
    }

    /// Wakes it up every so many seconds.
    #[must_use]
    pub fn every(mut self, seconds: u32) -> Self {
        self.wake_up = Some((seconds, false));
        self
    }

    /// Wakes it up every so many seconds once it is in use.
    #[must_use]
    pub fn every_in_use(mut self, seconds: u32) -> Self {
        self.wake_up = Some((seconds, true));
        self
    }

    /// Limits its processes; zero lifts the limit.
    #[must_use]
    pub fn processes(mut self, most: u32) -> Self {
        self.processes = Some(most);
        self
    }

    /// Sets a parameter for this service alone. One that no version knows is a bug of whoever renders.
    #[must_use]
    pub fn option(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        Version::V3_7.must_know(name);
        self.options.push((Parameter::Own(name), value.into()));
        self
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind) = match &self.kind {
            Kind::Inet(port) => (port.to_string(), "inet"),
            Kind::Loopback(port) => (format!("127.0.0.1:{port}"), "inet"),
            Kind::Unix(name) => ((*name).to_owned(), "unix"),
            Kind::Transport(transport) => (transport.to_string(), "unix"),
            Kind::Datagram(name) => ((*name).to_owned(), "unix-dgram"),
            Kind::Pass(name) => ((*name).to_owned(), "pass"),
        };
        let private = match (self.private, &self.kind) {
            (Private::No, _) | (Private::Default, Kind::Inet(_) | Kind::Loopback(_)) => "n",
            (Private::Default, _) => "-",
        };
        let wake_up = match self.wake_up {
            None => "-".to_owned(),
            Some((seconds, false)) => seconds.to_string(),
            Some((seconds, true)) => format!("{seconds}?"),
        };
        let processes = self.processes.map_or("-".to_owned(), |most| most.to_string());
        // No service is put into a chroot: the node is one.
        writeln!(
            f,
            "{name:<10} {kind:<10} {private:<7} {:<7} {:<7} {wake_up:<7} {processes:<7} {}",
            "-", "n", self.command
        )?;
        self.options.iter().try_for_each(|(parameter, value)| {
            let value = value.to_string();
            let value = value.trim();
            match value.contains(char::is_whitespace) || value.starts_with('{') {
                true => writeln!(f, "  -o {{ {parameter} = {value} }}"),
                false => writeln!(f, "  -o {parameter}={value}"),
            }
        })
    }
}

/// The file: services in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct MasterCf {
    /// The services.
    pub entries: Vec<Entry>,
}

impl fmt::Display for MasterCf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# {:<8} {:<10} {:<7} {:<7} {:<7} {:<7} {:<7} command",
            "service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc"
        )?;
        self.entries.iter().try_for_each(|entry| write!(f, "{entry}"))
    }
}

/// Returns the services that every Postfix of ours runs, whatever takes its mail.
pub fn inner_services() -> Vec<Entry> {
    use Kind::{Datagram, Unix};
    vec![
        Entry::new(Unix("pickup"), "pickup").public().every(60).processes(1),
        Entry::new(Unix("cleanup"), "cleanup").public().processes(0),
        Entry::new(Unix("qmgr"), "qmgr").public().every(300).processes(1),
        Entry::new(Unix("tlsmgr"), "tlsmgr").every_in_use(1000).processes(1),
        // These two hold connections to the directory, one for each table.
        Entry::new(Unix("rewrite"), "trivial-rewrite").processes(4),
        Entry::new(Unix("bounce"), "bounce").processes(0),
        Entry::new(Unix("defer"), "bounce").processes(0),
        Entry::new(Unix("trace"), "bounce").processes(0),
        Entry::new(Unix("verify"), "verify").processes(1),
        Entry::new(Unix("flush"), "flush").public().every_in_use(1000).processes(0),
        Entry::new(Unix("proxymap"), "proxymap").processes(4),
        Entry::new(Unix("proxywrite"), "proxymap").processes(1),
        Entry::new(Unix("smtp"), "smtp"),
        Entry::new(Unix("relay"), "smtp"),
        // The store's scripts learn which of a mailbox's addresses was written to.
        Entry::new(Unix("lmtp"), "lmtp flags=O"),
        Entry::new(Unix("showq"), "showq").public(),
        Entry::new(Unix("error"), "error"),
        Entry::new(Unix("retry"), "error"),
        Entry::new(Unix("discard"), "discard"),
        Entry::new(Unix("anvil"), "anvil").processes(1),
        Entry::new(Unix("scache"), "scache").processes(1),
        Entry::new(Datagram("postlog"), "postlogd").public().processes(1),
    ]
}

/// Returns a list that lets only the platform's own nodes in.
pub fn only_own_nodes() -> Vec<Item> {
    vec![Item::Word("permit_mynetworks"), Item::Word("reject")]
}
