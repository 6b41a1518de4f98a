//! A typed writer for tables that lie in the directory.
//!
//! Source: pgsql_table(5). The file is spelled as main.cf is, without expansion of `$`; in a query `%` begins an expansion, and
//! `%%` is a percent sign. Keys are quoted for SQL by Postfix itself.

use std::fmt;

use blueprint::{File, Piece};

use super::main_cf::{Endpoint, Table};
use super::release::Version;
use crate::decide::secrets;

/// What of the key a function is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The key as it is: a domain, a name.
    Whole,
    /// Whole addresses only; domains and addresses without a local part are not asked about.
    Address,
}

/// A table: a function of the schema `lookup` that takes one text and returns rows of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The function.
    pub function: &'static str,
    /// What it is asked with.
    pub key: Key,
    /// The table's file.
    pub path: &'static str,
}

/// Domains of the platform.
pub const DOMAIN: Lookup = Lookup { function: "domain", key: Key::Whole, path: "/etc/postfix/directory/domain.cf" };
/// Addresses that exist.
pub const RECIPIENT: Lookup =
    Lookup { function: "recipient", key: Key::Address, path: "/etc/postfix/directory/recipient.cf" };
/// What is asked before a recipient is taken, in the words of access(5).
pub const ACCESS: Lookup = Lookup { function: "access", key: Key::Address, path: "/etc/postfix/directory/access.cf" };
/// Where mail goes instead.
pub const ALIAS: Lookup = Lookup { function: "alias", key: Key::Address, path: "/etc/postfix/directory/alias.cf" };
/// The store of a mailbox.
pub const TRANSPORT: Lookup =
    Lookup { function: "transport", key: Key::Address, path: "/etc/postfix/directory/transport.cf" };
/// The customer's own server that a filtered address's mail is handed to.
pub const FILTERED: Lookup =
    Lookup { function: "filtered", key: Key::Address, path: "/etc/postfix/directory/filtered.cf" };
/// Who may send as an address.
pub const SENDERS: Lookup =
    Lookup { function: "senders", key: Key::Address, path: "/etc/postfix/directory/senders.cf" };
/// The pool that mail of a sender leaves through.
pub const OUTBOUND: Lookup =
    Lookup { function: "outbound", key: Key::Address, path: "/etc/postfix/directory/outbound.cf" };

impl Lookup {
    /// Names the table as it is asked through Postfix's own pool of connections.
    pub const fn shared(self) -> Table {
        Table::fixed("proxy:pgsql", self.path)
    }

    /// Names the table as it is asked inside another.
    pub const fn direct(self) -> Table {
        Table::fixed("pgsql", self.path)
    }

    /// Returns the table's file.
    ///
    /// - `directories`: where it may be asked; one that fails is left alone for a minute, and the next is asked at once.
    pub fn file(self, version: Version, directories: &[Endpoint]) -> File {
        let before = Settings { lookup: self, version, directories }.to_string();
        let pieces = vec![
            Piece::Bytes(before.into_bytes()),
            Piece::Bytes(b"password = ".to_vec()),
            Piece::Secret(secrets::password("directory-postfix")),
            Piece::Bytes(b"\n".to_vec()),
        ];
        // Daemons that run as `postfix` open it too.
        File { mode: 0o640, owner: "root:postfix".to_owned(), pieces }
    }
}

struct Settings<'h> {
    lookup: Lookup,
    version: Version,
    directories: &'h [Endpoint],
}

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.lookup.key {
            Key::Whole => "%s",
            Key::Address => "%u@%d",
        };
        let function = self.lookup.function;
        f.write_str("hosts =")?;
        self.directories.iter().try_for_each(|at| write!(f, " {}:{}", at.host, at.port))?;
        writeln!(f)?;
        writeln!(f, "user = postfix")?;
        writeln!(f, "dbname = mailwright")?;
        match self.version {
            // Before 3.8 every text is called LATIN1 on its way, whatever it is.
            Version::V3_7 => writeln!(
                f,
                "query = SELECT lookup.told(answer) FROM lookup.{function}(lookup.asked('{key}')) AS answers(answer)"
            ),
            Version::V3_10 => {
                writeln!(f, "encoding = UTF8")?;
                writeln!(f, "query = SELECT answer FROM lookup.{function}('{key}') AS answers(answer)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lookup: Lookup, version: Version) -> String {
        let at = Endpoint { host: "directory.a.northmail.example".parse().unwrap(), port: 5432 };
        let file = lookup.file(version, &[at]);
        assert_eq!((file.mode, file.owner.as_str()), (0o640, "root:postfix"));
        String::from_utf8(file.unfilled().0).unwrap()
    }

    #[test]
    fn a_table_asks_the_directory_and_holds_its_password_as_a_hole() {
        assert_eq!(
            written(ALIAS, Version::V3_7),
            "hosts = directory.a.northmail.example:5432\nuser = postfix\ndbname = mailwright\n\
             query = SELECT lookup.told(answer) FROM lookup.alias(lookup.asked('%u@%d')) AS answers(answer)\n\
             password = {{secret:operator/password-directory-postfix}}\n"
        );
        assert!(written(DOMAIN, Version::V3_10).contains("lookup.domain('%s')"));
    }
}
