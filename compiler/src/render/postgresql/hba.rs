//! A typed writer for `pg_hba.conf`.
//!
//! Source: PostgreSQL 15, 21.1. A line is fields with blanks between; in quotes a name is no keyword, whatever it is.

use std::fmt;

use values::Network;

/// How somebody proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the name of the user of the system.
    Peer,
    /// By password, which never crosses the wire (RFC 7677).
    Scram,
}

/// Who may connect from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None` for sockets of the node itself.
    network: Option<Network>,
    database: &'static str,
    user: &'static str,
    method: Method,
}

impl Rule {
    /// Lets a user connect over the node's own socket; `all` is every database.
    pub fn local(database: &'static str, user: &'static str, method: Method) -> Self {
        Self { network: None, database, user, method }
    }

    /// Lets a user connect over TLS.
    pub fn tls(database: &'static str, user: &'static str, network: Network, method: Method) -> Self {
        Self { network: Some(network), database, user, method }
    }
}

/// The file: the first rule that fits decides, and who fits none is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hba {
    rules: Vec<Rule>,
}

impl Hba {
    /// Adds a rule behind the others, unless it is there.
    pub fn add(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

/// Writes a name; `all` and `replication` are keywords.
fn name(name: &str) -> String {
    if matches!(name, "all" | "replication") { name.to_owned() } else { format!("\"{name}\"") }
}

impl fmt::Display for Hba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.iter().try_for_each(|rule| {
            let (database, user) = (name(rule.database), name(rule.user));
            let method = match rule.method {
                Method::Peer => "peer",
                Method::Scram => "scram-sha-256",
            };
            match &rule.network {
                None => writeln!(f, "local {database} {user} {method}"),
                Some(network) => writeln!(f, "hostssl {database} {user} {network} {method}"),
            }
        })
    }
}
