//! nginx: TLS in front of what answers HTTP on a node.

pub mod conf;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Tree};

use values::HostName;

use self::conf::{Conf, Directive, Word};
use super::place;
use crate::decide::{ports, secrets};

/// The file.
pub const CONF: &str = "/etc/nginx/nginx.conf";
/// The node's private key with its certificate chain.
pub const KEY_AND_CERTIFICATE: &str = "/etc/nginx/tls/node.pem";

/// Puts a whole configuration together: what every nginx of the platform has, and what this one serves.
///
/// - `http`: directives of the `http` block.
/// - `after`: what has to answer before it is started, as in [`Process`].
pub fn tree(node: &Node, http: Vec<Directive>, after: Vec<String>) -> Tree {
    let conf = configuration(http);
    let files = BTreeMap::from([
        (CONF.to_owned(), File::text(conf.to_string())),
        (
            KEY_AND_CERTIFICATE.to_owned(),
            File::private("root:root", vec![Piece::Secret(secrets::node_key(&node.name))]),
        ),
    ]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let process = Process {
        name: "nginx".to_owned(),
        unit: "nginx.service".to_owned(),
        prepare: vec![words(&["/usr/bin/install", "-d", "-m", "0755", "/var/lib/nginx", "/var/log/nginx"])],
        command: words(&["/usr/sbin/nginx", "-c", CONF, "-g", "daemon off;"]),
        // It binds low ports and drops its rights itself.
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after,
        ready: vec![ports::HTTPS],
        reload: Some(words(&["/usr/sbin/nginx", "-c", CONF, "-s", "reload"])),
        restart_on: Vec::new(),
        reads: words(&["/etc/nginx/"]),
    };
    let check = Check {
        name: "nginx".to_owned(),
        command: words(&["/usr/sbin/nginx", "-t", "-q", "-c", CONF]),
        files: words(&[CONF]),
        harmless: Vec::new(),
    };
    Tree { files, processes: vec![process], checks: vec![check], packages: ["nginx-light"].map(str::to_owned).into() }
}

fn configuration(http: Vec<Directive>) -> Conf {
    let mut inside = vec![
        Directive::new("default_type", [Word::Own("application/octet-stream")]),
        Directive::new("include", [Word::Own("/etc/nginx/mime.types")]),
        Directive::new(
            "log_format",
            [
                Word::Own("platform"),
                Word::Own("escape=json"),
                Word::Expanded("$remote_addr $host \"$request\" $status $body_bytes_sent $request_time"),
            ],
        ),
        // Not to the standard output by its name: under systemd that is a socket, which nobody can open.
        Directive::new("access_log", [Word::Own("syslog:server=unix:/dev/log,nohostname"), Word::Own("platform")]),
        Directive::new("server_tokens", [Word::Own("off")]),
        Directive::new("sendfile", [Word::Own("on")]),
        Directive::new("keepalive_timeout", [Word::Own("65s")]),
        Directive::new("client_header_timeout", [Word::Own("20s")]),
    ];
    inside.extend(http);
    Conf::new(vec![
        Directive::new("user", [Word::Own("www-data")]),
        Directive::new("worker_processes", [Word::Own("auto")]),
        Directive::new("pid", [Word::Own("/run/nginx.pid")]),
        Directive::new("error_log", [Word::Own("stderr"), Word::Own("warn")]),
        Directive::block("events", [], vec![Directive::new("worker_connections", [Word::Own("4096")])]),
        Directive::block("http", [], inside),
    ])
}

/// Returns what a server on 443 begins with: where it listens, TLS, and whom it believes about where clients come from.
pub fn front(blueprint: &Blueprint, node: &Node) -> Vec<Directive> {
    server(blueprint, node, Word::Own("default_server").into(), Word::Own(KEY_AND_CERTIFICATE))
}

/// The same for a server of hosts that have a certificate of their own.
pub fn named(blueprint: &Blueprint, node: &Node, hosts: &BTreeSet<HostName>, key: &str) -> Vec<Directive> {
    let mut directives = server(blueprint, node, None, Word::Text(key.to_owned()));
    directives.push(Directive::new("server_name", hosts.iter().cloned().map(Word::Host)));
    directives
}

fn server(blueprint: &Blueprint, node: &Node, default: Option<Word>, key: Word) -> Vec<Directive> {
    let balanced = place::has(blueprint, &node.cluster, Role::Balancer);
    let mut words = vec![Word::Number(ports::HTTPS.into()), Word::Own("ssl")];
    words.extend(default);
    words.extend(balanced.then_some(Word::Own("proxy_protocol")));
    let mut directives = vec![Directive::new("listen", words.clone())];
    if node.addresses.iter().any(IpAddr::is_ipv6) {
        if let Some(first) = words.first_mut() {
            *first = Word::Own("[::]:443");
        }
        directives.push(Directive::new("listen", words));
    }
    directives.extend([
        Directive::new("ssl_certificate", [key.clone()]),
        Directive::new("ssl_certificate_key", [key]),
        Directive::new("ssl_session_cache", [Word::Own("shared:tls:2m")]),
        Directive::new("ssl_session_tickets", [Word::Own("off")]),
    ]);
    let mut versions = vec![Word::Own("TLSv1.3")];
    if blueprint.mail.tls_minimum != "1.3" {
        versions.insert(0, Word::Own("TLSv1.2"));
    }
    directives.push(Directive::new("ssl_protocols", versions));
    if balanced {
        for address in place::members(blueprint, &node.cluster, Role::Balancer).flat_map(|node| &node.addresses) {
            directives.push(Directive::new("set_real_ip_from", [Word::Address(*address)]));
        }
        directives.push(Directive::new("real_ip_header", [Word::Own("proxy_protocol")]));
    }
    directives
}
