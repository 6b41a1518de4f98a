//! What every Dovecot of the platform is set to: who it is, TLS, how much it may take.

use std::collections::BTreeMap;
use std::net::IpAddr;

use blueprint::{Blueprint, File, Node, Piece, Process, Role};
use values::{ByteSize, HostName, Network};

use super::Version;
use super::conf::{Block, Part, SectionName, Value};
use super::directory::Directory;
use crate::decide::{ports, secrets};
use crate::render::system::AUTHORITY;

/// The file that everything is in.
pub const CONF: &str = "/etc/dovecot/dovecot.conf";
/// The node's private key with its certificate chain.
pub const KEY_AND_CHAIN: &str = "/etc/dovecot/tls/node.pem";
/// The user and group of mail's files, made by the image.
pub const MAIL_USER: u64 = 5000;

/// Begins a file.
pub fn begin(blueprint: &Blueprint, node: &Node) -> Block {
    let version = Version::of(blueprint);
    let mut conf = Block::new(version);
    if version == Version::V2_4 {
        // 2.4 refuses a file that does not say this first.
        conf.words("dovecot_config_version", "2.4.1");
        conf.words("dovecot_storage_version", "2.4.1");
    }
    conf.heading("Who this node is");
    conf.set("hostname", Value::Host(node.hostname.clone()));
    let postmaster = Part::Literal(blueprint.operator.postmaster.to_string());
    conf.set("postmaster_address", Value::Text(vec![postmaster]));
    let both = node.addresses.iter().any(IpAddr::is_ipv6);
    conf.words("listen", if both { "*, ::" } else { "*" });
    conf.words("log_path", "/dev/stderr");
    conf.words("login_greeting", "ready");
    conf
}

/// Says how names and passwords are taken.
pub fn signing_in(conf: &mut Block) {
    let version = conf.version();
    conf.heading("Signing in");
    conf.words("auth_mechanisms", "plain login");
    // Addresses hold more than the default allows; every query escapes what goes into it.
    conf.set("auth_username_chars", Value::Text(Vec::new()));
    conf.set("auth_username_format", Value::own(version.pick("%Lu", "%{user | lower}")));
    conf.set(version.pick("disable_plaintext_auth", "auth_allow_cleartext"), Value::Flag(version == Version::V2_3));
    conf.set("auth_verbose", Value::Flag(true));
    // All users of a carrier, or of webmail, come from one address: nobody waits for the mistakes of another.
    conf.own_section("service", "anvil", |section| {
        section.own_section("unix_listener", "anvil-auth-penalty", |listener| listener.words("mode", "0"));
    });
}

/// Says what TLS it speaks, as a server and as a client of other nodes.
pub fn tls(conf: &mut Block, blueprint: &Blueprint) {
    let version = conf.version();
    conf.heading("TLS");
    // Nobody signs in without TLS, wherever the connection comes from.
    conf.words("ssl", "required");
    conf.words("ssl_min_protocol", if blueprint.mail.tls_minimum == "1.3" { "TLSv1.3" } else { "TLSv1.2" });
    match version {
        Version::V2_3 => {
            conf.set("ssl_cert", Value::ContentOf(KEY_AND_CHAIN.to_owned()));
            conf.set("ssl_key", Value::ContentOf(KEY_AND_CHAIN.to_owned()));
            // Processes that meet clients cannot open files: what they check stores by is handed to them as content.
            conf.set("ssl_ca", Value::ContentOf(AUTHORITY.to_owned()));
            conf.set("ssl_require_crl", Value::Flag(false));
        }
        Version::V2_4 => {
            conf.words("ssl_server_cert_file", KEY_AND_CHAIN);
            conf.words("ssl_server_key_file", KEY_AND_CHAIN);
        }
    }
    conf.words("ssl_client_ca_file", AUTHORITY);
}

/// Says which certificate is shown to who asks for a host by its name.
pub fn shown(conf: &mut Block, host: &HostName, path: &str) {
    let version = conf.version();
    conf.section("local_name", SectionName::Host(host.clone()), |section| match version {
        Version::V2_3 => {
            section.set("ssl_cert", Value::ContentOf(path.to_owned()));
            section.set("ssl_key", Value::ContentOf(path.to_owned()));
        }
        Version::V2_4 => {
            for name in ["ssl_server_cert_file", "ssl_server_key_file"] {
                section.set(name, Value::Text(vec![Part::Plain(path.to_owned())]));
            }
        }
    });
}

/// Says what is counted for the monitor, and where it asks.
pub fn metrics(conf: &mut Block, blueprint: &Blueprint) {
    if !blueprint.nodes.iter().any(|node| node.role == Role::Monitor) {
        return;
    }
    conf.heading("What is counted");
    for (name, filter) in [
        ("sign_ins", "event=auth_request_finished AND success=yes"),
        ("sign_ins_refused", "event=auth_request_finished AND NOT success=yes"),
        ("deliveries", "event=mail_delivery_finished"),
        ("imap_commands", "event=imap_command_finished"),
    ] {
        conf.own_section("metric", name, |metric| metric.words("filter", filter));
    }
    conf.own_section("service", "stats", |section| {
        section.own_section("inet_listener", "http", |listener| {
            listener.set("port", Value::Number(ports::DOVECOT_METRICS.into()));
        });
    });
}

/// The addresses of nodes, as networks of one.
pub fn networks(blueprint: &Blueprint, node: &Node, role: Role) -> Vec<Network> {
    let others = blueprint.nodes.iter().filter(|other| other.role == role && other.cluster == node.cluster);
    let addresses = others.flat_map(|other| &other.addresses);
    addresses.filter_map(|&address| Network::new(address, if address.is_ipv4() { 32 } else { 128 })).collect()
}

/// How many processes of a kind a node has memory for.
///
/// - `each`: bytes of one process, shared pages left out.
pub fn processes(node: &Node, share_percent: u64, each: ByteSize) -> u64 {
    (node.memory.as_bytes() / 100 * share_percent / each.as_bytes().max(1)).clamp(16, 4096)
}

/// The files that each has beside its own.
pub fn key_file(node: &Node) -> (String, File) {
    let pieces = vec![Piece::Secret(secrets::node_key(&node.name))];
    (KEY_AND_CHAIN.to_owned(), File::private("root:root", pieces))
}

/// The daemon.
pub fn process(prepare: Vec<Vec<String>>, directory: Option<&Directory>, ready: Vec<u16>, reload: &[&str]) -> Process {
    Process {
        name: "dovecot".to_owned(),
        unit: "dovecot.service".to_owned(),
        prepare,
        command: words(&["/usr/sbin/dovecot", "-F"]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: directory.map(Directory::endpoint).into_iter().collect(),
        ready,
        reload: Some(words(reload)),
        restart_on: Vec::new(),
        reads: vec!["/etc/dovecot/".to_owned(), AUTHORITY.to_owned()],
    }
}

/// Returns a command.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
