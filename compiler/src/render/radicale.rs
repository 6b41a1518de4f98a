//! Radicale: calendars and contacts behind the sign-in of mail.
//!
//! Source: Radicale 3.1's documentation, "Configuration" and "Plugins". Its files are read by Python's `configparser`: a line a
//! setting, `%` stands for itself in Radicale's own reader.
//!
//! Who signs in is asked of an access node over IMAP; stores know by where the question comes from that it is for the calendar, and
//! answer by that service of the mailbox's tier. Users reach it through the web nodes.
//!
//! Gap: who signs in by an alias has calendars under the alias, since IMAP does not tell the main address.

use std::collections::BTreeMap;

use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Tree};

use super::place;
use super::system::AUTHORITY;
use crate::decide::{ports, secrets};

const CONFIG: &str = "/etc/radicale/config";
const KEY_AND_CHAIN: &str = "/etc/radicale/tls/node.pem";
/// Python finds it beside Radicale's own modules.
const SIGN_IN: &str = "/usr/lib/python3/dist-packages/platform_sign_in.py";

/// Asks an access node over IMAP who somebody is.
const SIGN_IN_TEXT: &str = r#""""Signs users of the calendar in by asking an access node over IMAP."""

import hashlib
import imaplib
import os
import ssl
import threading
import time

from radicale.auth import BaseAuth

SCHEMA = {"auth": {
    "host": {"value": "", "type": str},
    "port": {"value": "143", "type": int},
    "authority": {"value": "", "type": str},
}}

# Seconds that an answer is remembered, since programs sign in with each request.
REMEMBERED = 60


class Auth(BaseAuth):
    def __init__(self, configuration):
        super().__init__(configuration.copy(SCHEMA))
        self._host = self.configuration.get("auth", "host")
        self._port = self.configuration.get("auth", "port")
        self._tls = ssl.create_default_context(cafile=self.configuration.get("auth", "authority"))
        self._salt = os.urandom(16)
        self._known = {}
        self._lock = threading.Lock()

    def login(self, login, password):
        login = login.lower()
        # A name becomes a folder; nothing that could be a path is asked for.
        if not login or "/" in login or login.startswith(".") or "\0" in login + password:
            return ""
        key = hashlib.sha256(self._salt + repr((login, password)).encode()).digest()
        now = time.monotonic()
        with self._lock:
            self._known = {known: until for known, until in self._known.items() if until > now}
            if key in self._known:
                return login
        if not self._asked(login, password):
            return ""
        with self._lock:
            self._known[key] = now + REMEMBERED
        return login

    def _asked(self, login, password):
        connection = imaplib.IMAP4(self._host, self._port, timeout=30)
        try:
            connection.starttls(self._tls)
            initial = b"\0" + login.encode() + b"\0" + password.encode()
            connection.authenticate("PLAIN", lambda challenge: initial)
            return True
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            return False
        finally:
            try:
                connection.logout()
            except (OSError, imaplib.IMAP4.error):
                pass
"#;

/// Returns what a calendar node is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let access = place::group(blueprint, node, Role::Access).unwrap_or_else(|| node.hostname.clone());
    let both = node.addresses.iter().any(std::net::IpAddr::is_ipv6);
    let hosts = match both {
        true => format!("0.0.0.0:{port}, [::]:{port}", port = ports::CALDAV),
        false => format!("0.0.0.0:{}", ports::CALDAV),
    };
    let config = format!(
        "[server]\nhosts = {hosts}\nmax_connections = 100\nssl = True\ncertificate = {KEY_AND_CHAIN}\nkey = {KEY_AND_CHAIN}\n\n\
         [auth]\ntype = platform_sign_in\nhost = {access}\nport = {}\nauthority = {AUTHORITY}\n\
         realm = Calendar\ndelay = 2\n\n[rights]\ntype = owner_only\n\n\
         [storage]\nfilesystem_folder = /var/lib/radicale/collections\n\n[web]\ntype = none\n\n[logging]\nlevel = info\n",
        ports::INNER_IMAP
    );
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    let process = Process {
        name: "radicale".to_owned(),
        unit: "radicale.service".to_owned(),
        prepare: vec![words(&[
            "/usr/bin/install",
            "-d",
            "-o",
            "radicale",
            "-g",
            "radicale",
            "-m",
            "0750",
            "/var/lib/radicale/collections",
            // What 3.5 warns of making itself.
            "/var/lib/radicale/collections/collection-root",
        ])],
        command: words(&["/usr/bin/radicale", "-C", CONFIG]),
        user: "radicale".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::CALDAV],
        reload: None,
        restart_on: Vec::new(),
        reads: words(&["/etc/radicale/", SIGN_IN, AUTHORITY]),
    };
    let check = Check {
        name: "radicale".to_owned(),
        command: words(&["/usr/bin/radicale", "-C", CONFIG, "--verify-storage"]),
        files: words(&[CONFIG]),
        harmless: words(&["[INFO]", "[WARNING] Skipped"]),
    };
    let files = BTreeMap::from([
        (CONFIG.to_owned(), File::text(config)),
        (SIGN_IN.to_owned(), File::text(SIGN_IN_TEXT)),
        (
            KEY_AND_CHAIN.to_owned(),
            File::private("radicale:radicale", vec![Piece::Secret(secrets::node_key(&node.name))]),
        ),
    ]);
    Tree { files, processes: vec![process], checks: vec![check], packages: ["radicale"].map(str::to_owned).into() }
}
