//! What the control plane's program is told: its settings on a node, as the file that it reads.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use values::MailAddress;

/// Settings of `mailwright-serve api`, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Where plain HTTP is answered.
    pub listen: SocketAddr,
    /// Who may say in `X-Real-IP` where a request comes from.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where the directory is.
    pub directory: Server,
    /// The file that holds the Blueprint.
    pub blueprint: String,
    /// The file that holds the Roster.
    pub roster: String,
    /// The folder that holds brand files by their keys.
    pub brands: String,
    /// The operator's own admins, who see every tenant.
    pub operators: Vec<MailAddress>,
    /// Files that hold first passwords and nothing else, by the account's address.
    pub passwords: BTreeMap<MailAddress, String>,
}

/// Where a PostgreSQL database is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The host's name, or the folder of a socket, which begins with `/`.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who signs in.
    pub user: String,
    /// The file that holds the password and nothing else.
    pub password_file: String,
    /// The file that holds the authority that the server's certificate has to be of; `None` for no TLS.
    pub authority: Option<String>,
}
