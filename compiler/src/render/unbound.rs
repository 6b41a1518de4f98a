//! Unbound: the resolver that the platform's own nodes ask, on the inner addresses of a dns node.
//!
//! Names of the platform it asks of the server beside it, all others of the world.

pub mod conf;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use blueprint::dns::Zone;
use blueprint::platform::World;
use blueprint::{Blueprint, Check, File, Node, Process, Tree};

use self::conf::{Clause, Value};
use super::zone;
use crate::decide::ports;

/// Where the file is.
const CONF: &str = "/etc/unbound/unbound.conf";

/// Where the simulated internet answers for the root of all names: from the range for tests between networks (RFC 2544).
pub const INTERNET: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 254));

/// Returns what a resolver is made of.
pub fn tree(blueprint: &Blueprint, node: &Node, zones: &[Zone]) -> Tree {
    let files = BTreeMap::from([(CONF.to_owned(), File::text(configuration(blueprint, node, zones)))]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let process = Process {
        name: "unbound".to_owned(),
        unit: "unbound.service".to_owned(),
        prepare: anchor(blueprint),
        command: words(&["/usr/sbin/unbound", "-d", "-p", "-c", CONF]),
        // It drops its rights itself, once it has its port.
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: vec![format!("127.0.0.1:{}", ports::ZONES)],
        ready: vec![ports::RESOLVER],
        reload: None,
        restart_on: Vec::new(),
        reads: vec!["/etc/unbound/".to_owned()],
    };
    let check = Check {
        name: "unbound".to_owned(),
        command: checker(blueprint),
        files: vec![CONF.to_owned()],
        harmless: vec!["no errors in".to_owned()],
    };
    let packages = ["unbound", "unbound-anchor"].map(str::to_owned).into();
    Tree { files, processes: vec![process], checks: vec![check], packages }
}

/// Where the root key is kept up to date (RFC 5011); there is none in a simulated world.
const ROOT_KEY: &str = "/var/lib/unbound/root.key";

/// Gets the root key before the first start. The program ends with one when it had to renew it, which is no failure.
fn anchor(blueprint: &Blueprint) -> Vec<Vec<String>> {
    if blueprint.world == World::Simulated {
        return Vec::new();
    }
    let script = format!(
        "install -d -o unbound -g unbound -m 0750 /var/lib/unbound && {{ unbound-anchor -a {ROOT_KEY} || [ -s {ROOT_KEY} ]; }} \
         && chown unbound:unbound {ROOT_KEY}"
    );
    vec![vec!["/bin/sh".to_owned(), "-c".to_owned(), script]]
}

/// The checker of 1.22 wants to read the root key, which nobody has fetched where nothing was started yet: it gets the one that the
/// program was built with.
fn checker(blueprint: &Blueprint) -> Vec<String> {
    if blueprint.world == World::Simulated {
        return vec!["/usr/sbin/unbound-checkconf".to_owned(), CONF.to_owned()];
    }
    let script = format!(
        "[ -s {ROOT_KEY} ] || {{ install -d /var/lib/unbound && unbound-anchor -l | sed '/^$/q' > {ROOT_KEY}; }} && exec unbound-checkconf {CONF}"
    );
    vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
}

fn configuration(blueprint: &Blueprint, node: &Node, zones: &[Zone]) -> String {
    let simulated = blueprint.world == World::Simulated;
    let mut server = Clause::new("server");
    for address in node.addresses.iter().copied().chain([IpAddr::V4(Ipv4Addr::LOCALHOST)]) {
        server.set("interface", Value::Ip(address));
    }
    server.set("port", Value::Number(ports::RESOLVER.into()));
    server.set("access-control", Value::Words("127.0.0.0/8 allow"));
    for network in blueprint.sites.iter().flat_map(|site| &site.networks) {
        server.set("access-control", Value::Access(*network));
    }
    let ipv6 = node.addresses.iter().any(IpAddr::is_ipv6);
    server.set("do-ip6", Value::Flag(ipv6));
    server.set("username", Value::Text("unbound".to_owned()));
    server.set("chroot", Value::Text(String::new()));
    server.set("directory", Value::Text("/etc/unbound".to_owned()));
    server.set("pidfile", Value::Text(String::new()));
    server.set("use-syslog", Value::Flag(false));
    server.set("logfile", Value::Text(String::new()));
    server.set("log-time-ascii", Value::Flag(false));
    server.set("num-threads", Value::Number(node.cores.clamp(1, 4).into()));
    server.set("hide-identity", Value::Flag(true));
    server.set("hide-version", Value::Flag(true));
    server.set("do-not-query-localhost", Value::Flag(false));
    // Answers from outside must not lead into the platform.
    for network in blueprint.sites.iter().flat_map(|site| &site.networks) {
        server.set("private-address", Value::Network(*network));
    }
    server.set("module-config", Value::Text(if simulated { "iterator" } else { "validator iterator" }.to_owned()));
    if simulated {
        // What changes between two scenarios must not be remembered, least of all that something was not there.
        server.set("cache-max-ttl", Value::Number(60));
        server.set("cache-max-negative-ttl", Value::Number(1));
        server.set("infra-host-ttl", Value::Number(1));
        server.set("qname-minimisation", Value::Flag(false));
        for name in ["test.", "invalid.", "onion.", "home.arpa."] {
            server.set("local-zone", Value::Plain(name));
        }
    } else {
        server.set("auto-trust-anchor-file", Value::Text(ROOT_KEY.to_owned()));
        server.set("qname-minimisation", Value::Flag(true));
        server.set("prefetch", Value::Flag(true));
        server.set("serve-expired", Value::Flag(true));
        server.set("serve-expired-ttl", Value::Number(3600));
    }
    let mut clauses = vec![server];
    let mut control = Clause::new("remote-control");
    control.set("control-enable", Value::Flag(false));
    clauses.push(control);
    for zone in zone::served(blueprint, zones) {
        // Addresses of documentation and private networks are never asked about (RFC 6303), but for the platform's own.
        if let Some(server) = clauses.first_mut().filter(|_| zone.name.ends_with(".arpa")) {
            server.set("local-zone", Value::Transparent(zone.name.clone()));
        }
        let mut stub = Clause::new("stub-zone");
        stub.set("name", Value::Text(format!("{}.", zone.name)));
        stub.set("stub-addr", Value::Endpoint(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::ZONES));
        clauses.push(stub);
    }
    if simulated {
        let mut root = Clause::new("stub-zone");
        root.set("name", Value::Text(".".to_owned()));
        root.set("stub-addr", Value::Ip(INTERNET));
        clauses.push(root);
    }
    clauses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
