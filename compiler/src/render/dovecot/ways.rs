//! The ways from an access node to the stores, where Dovecot 2.4 is: HAProxy on loopback speaks TLS to them in its place.
//!
//! The login process of 2.4.1 loses an answer of a store that arrives just as it has sent a command over TLS: what was read then lies
//! in its buffers until the client says something more, and a client that waits for the answer waits for ever. A store on the same
//! network is fast enough for one sign-in in five. Between the two daemons of one node there is no TLS, and HAProxy holds the stores'
//! certificates against the platform's authority as Dovecot would.
//!
//! Source: configuration manual of HAProxy 3.0, §4.2 `use-server` and §5.2 `verifyhost`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};

use super::base::words;
use crate::decide::ports;
use crate::render::haproxy::config::{Config, Section, Word};
use crate::render::patroni;
use crate::render::system::AUTHORITY;

/// The file that HAProxy reads.
const WAYS: &str = "/etc/mailwright/stores.cfg";

/// A protocol: its name as Dovecot has it, the first port on loopback, and the port of a store that begins with TLS.
pub const PROTOCOLS: [(&str, u16, u16); 3] = [
    ("imap", ports::STORES_IMAP, ports::IMAPS),
    ("pop3", ports::STORES_POP3, ports::POP3S),
    ("sieve", ports::STORES_MANAGESIEVE, ports::INNER_MANAGESIEVE),
];

/// Returns all stores with what is added to the first ports for each.
pub fn stores(blueprint: &Blueprint) -> impl Iterator<Item = (u16, &Node)> {
    (0..1000).zip(blueprint.nodes.iter().filter(|node| node.role == Role::Store))
}

/// Returns what leads to the stores.
pub fn tree(blueprint: &Blueprint) -> Tree {
    let mut global = Section::new("global", None);
    for line in ["log stdout format raw daemon warning", "user haproxy", "group haproxy"] {
        global.own(line);
    }
    let mut defaults = Section::new("defaults", None);
    for line in ["log global", "mode tcp", "timeout connect 5s", "timeout client 1h", "timeout server 1h"] {
        defaults.own(line);
    }
    let mut sections = vec![global, defaults];
    for (protocol, first, port) in PROTOCOLS {
        let mut listen = Section::new("listen", Some(protocol));
        for (offset, _) in stores(blueprint) {
            listen.line([Word::Own("bind"), Word::At(Ipv4Addr::LOCALHOST.into(), first + offset)]);
        }
        for (offset, store) in stores(blueprint) {
            let Some(&address) = store.addresses.first() else { continue };
            listen.line([
                Word::Own("use-server"),
                Word::Name(store.name.clone()),
                Word::Own("if { dst_port"),
                Word::Number(u64::from(first + offset)),
                Word::Own("}"),
            ]);
            listen.line([
                Word::Own("server"),
                Word::Name(store.name.clone()),
                Word::At(address, port),
                Word::Own("ssl verify required ca-file"),
                Word::Own(AUTHORITY),
                Word::Own("verifyhost"),
                Word::Host(store.hostname.clone()),
            ]);
        }
        sections.push(listen);
    }
    let name = "mailwright-stores.service";
    let command = words(&["/usr/sbin/haproxy", "-W", "-db", "-f", WAYS]);
    let files = BTreeMap::from([
        (WAYS.to_owned(), File::text(Config { sections }.to_string())),
        (format!("/etc/systemd/system/{name}"), patroni::unit("The ways to the stores: HAProxy", "root", "", &command)),
    ]);
    let process = Process {
        name: "stores".to_owned(),
        unit: name.to_owned(),
        prepare: Vec::new(),
        command,
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: PROTOCOLS.iter().map(|&(_, first, _)| first).collect(),
        reload: None,
        restart_on: Vec::new(),
        reads: words(&[WAYS, AUTHORITY]),
    };
    let check = Check {
        name: "haproxy".to_owned(),
        command: words(&["/usr/sbin/haproxy", "-c", "-q", "-f", WAYS]),
        files: words(&[WAYS]),
        harmless: Vec::new(),
    };
    Tree { files, processes: vec![process], checks: vec![check], packages: ["haproxy"].map(str::to_owned).into() }
}

/// Returns the fields by which a user is sent on: the loopback port that leads to his store.
///
/// - `host`: what says the name of the store, in SQL.
/// - `protocol`: what says the protocol.
pub fn fields(blueprint: &Blueprint, host: &str, protocol: &str) -> String {
    let cases = |words: &[(String, u16)]| -> String {
        words.iter().map(|(word, number)| format!("WHEN '{word}' THEN {number} ")).collect()
    };
    let firsts: Vec<(String, u16)> = PROTOCOLS.iter().map(|&(name, first, _)| (name.to_owned(), first)).collect();
    let offsets: Vec<(String, u16)> =
        stores(blueprint).map(|(offset, store)| (store.hostname.to_string(), offset)).collect();
    format!(
        "'{}' AS host, CASE '{protocol}' {}END + CASE {host} {}END AS port",
        Ipv4Addr::LOCALHOST,
        cases(&firsts),
        cases(&offsets)
    )
}
