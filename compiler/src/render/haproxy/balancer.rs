//! The balancer role: the front addresses, behind which every node hears in the PROXY protocol who really speaks.
//!
//! Source: configuration manual of HAProxy 2.6, which 3.0 reads alike; the PROXY protocol, version 2.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};
use values::HostName;

use super::config::{Config, Family, Section, Word};
use crate::decide::names::group_host;
use crate::decide::ports;
use crate::render::{keepalived, place};

const FILE: &str = "/etc/haproxy/haproxy.cfg";
const PROCESS_FILE: &str = "/run/haproxy.pid";

/// Bytes a connection takes: two buffers of 16 KiB, what the kernel holds for both sides, and what is noted of it.
const CONNECTION_BYTES: u64 = 64 << 10;

/// Seconds between two questions to a server that answers. Passing traffic tells of one that does not at once.
const INTERVAL: u64 = 30;

/// How a server shows that it is there.
#[derive(Clone, Copy)]
enum Probe {
    Smtp,
    Greeting { send: &'static str, expect: &'static str },
    Connection,
}

/// A port of the front, and what stands behind it.
struct Door {
    name: &'static str,
    port: u16,
    role: Role,
    probe: Probe,
    /// The door whose servers are asked, where it is another: one question is enough for both.
    like: Option<&'static str>,
    /// Seconds without a word from either side.
    idle: u64,
}

/// SMTP waits ten minutes for the end of a message (RFC 5321 §4.5.3.2.6).
const SMTP_IDLE: u64 = 610;
/// IDLE is renewed every 29 minutes (RFC 9051 §6.3.13).
const IMAP_IDLE: u64 = 31 * 60;
/// POP3 sessions end after ten minutes (RFC 1939 §3).
const POP3_IDLE: u64 = 610;

const DOORS: [Door; 8] = [
    Door { name: "smtp", port: ports::SMTP, role: Role::Mx, probe: Probe::Smtp, like: None, idle: SMTP_IDLE },
    Door {
        name: "submission",
        port: ports::SUBMISSION,
        role: Role::Submission,
        probe: Probe::Smtp,
        like: None,
        idle: SMTP_IDLE,
    },
    Door {
        name: "submissions",
        port: ports::SUBMISSIONS,
        role: Role::Submission,
        probe: Probe::Smtp,
        like: Some("submission"),
        idle: SMTP_IDLE,
    },
    Door { name: "imap", port: ports::IMAP, role: Role::Access, probe: IMAP, like: None, idle: IMAP_IDLE },
    Door { name: "imaps", port: ports::IMAPS, role: Role::Access, probe: IMAP, like: Some("imap"), idle: IMAP_IDLE },
    Door { name: "pop3", port: ports::POP3, role: Role::Access, probe: POP3, like: None, idle: POP3_IDLE },
    Door { name: "pop3s", port: ports::POP3S, role: Role::Access, probe: POP3, like: Some("pop3"), idle: POP3_IDLE },
    Door {
        name: "managesieve",
        port: ports::MANAGESIEVE,
        role: Role::Access,
        probe: Probe::Greeting { send: "LOGOUT\\r\\n", expect: "IMPLEMENTATION" },
        like: None,
        idle: IMAP_IDLE,
    },
];
const IMAP: Probe = Probe::Greeting { send: "z\\ LOGOUT\\r\\n", expect: "OK" };
const POP3: Probe = Probe::Greeting { send: "QUIT\\r\\n", expect: "+OK" };

/// Returns what a balancer is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let process = Process {
        name: "haproxy".to_owned(),
        unit: "haproxy.service".to_owned(),
        prepare: vec![words(&["/usr/bin/install", "-d", "-o", "haproxy", "-g", "haproxy", "/run/haproxy"])],
        command: words(&["/usr/sbin/haproxy", "-W", "-db", "-f", FILE, "-p", PROCESS_FILE]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: doors(blueprint, node).map(|door| door.port).chain([ports::BALANCER_STATUS]).collect(),
        // The new workers take over the listening sockets; the old ones go when their last connection has.
        reload: Some(words(&["/bin/sh", "-c", "kill -USR2 \"$(cat /run/haproxy.pid)\""])),
        restart_on: Vec::new(),
        reads: vec![FILE.to_owned()],
    };
    let mut tree = Tree {
        files: BTreeMap::from([(FILE.to_owned(), File::text(config(blueprint, node).to_string()))]),
        processes: vec![process],
        checks: vec![Check {
            name: "haproxy".to_owned(),
            command: words(&["/usr/sbin/haproxy", "-c", "-q", "-f", FILE]),
            files: vec![FILE.to_owned()],
            harmless: Vec::new(),
        }],
        packages: BTreeSet::from(["haproxy".to_owned()]),
    };
    tree.extend(keepalived::tree(blueprint, node));
    tree
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

fn doors(blueprint: &Blueprint, node: &Node) -> impl Iterator<Item = &'static Door> {
    DOORS.iter().filter(move |door| place::has(blueprint, &node.cluster, door.role))
}

fn config(blueprint: &Blueprint, node: &Node) -> Config {
    let mut sections = vec![global(node), defaults()];
    for door in doors(blueprint, node) {
        sections.extend(passed(blueprint, node, door));
    }
    if place::has(blueprint, &node.cluster, Role::Web) || place::has(blueprint, &node.cluster, Role::Control) {
        sections.extend(web(blueprint, node));
    }
    sections.push(status(node));
    Config { sections }
}

/// Connections that half of the node's memory holds.
fn most_connections(node: &Node) -> u64 {
    (node.memory.as_bytes() / 2 / CONNECTION_BYTES).max(256)
}

fn global(node: &Node) -> Section {
    let mut section = Section::new("global", None);
    section.own("user haproxy");
    section.own("group haproxy");
    section.own("log stdout format raw local0 info");
    section.comment("Half of the node's memory, at 64 KiB a connection.");
    section.line([Word::Own("maxconn"), Word::Number(most_connections(node))]);
    section.comment("Where the system allows fewer files, there are fewer connections, not none.");
    section.own("no strict-limits");
    section.comment("Connections of before a reload may end by themselves for so long.");
    section.own("hard-stop-after 1h");
    section.own("stats socket /run/haproxy/admin.sock mode 600 level admin expose-fd listeners");
    section
}

fn defaults() -> Section {
    let mut section = Section::new("defaults", None);
    section.own("log global");
    section.own("mode tcp");
    section.own("option tcplog");
    section.comment("Whoever connects and says nothing is not worth a line.");
    section.own("option dontlognull");
    section.own("option clitcpka");
    section.own("option srvtcpka");
    section.own("retries 2");
    section.own("option redispatch");
    section.own("timeout connect 5s");
    section.own("timeout client 60s");
    section.own("timeout server 60s");
    section.own("timeout check 10s");
    section.own("timeout queue 30s");
    section
}

fn binds(section: &mut Section, node: &Node, port: u16) {
    section.line([Word::Own("bind"), Word::Everywhere(port, Family::Four)]);
    if node.addresses.iter().any(std::net::IpAddr::is_ipv6) {
        section.line([Word::Own("bind"), Word::Everywhere(port, Family::Six), Word::Own("v6only")]);
    }
}

/// A door whose bytes are passed on as they are.
fn passed(blueprint: &Blueprint, node: &Node, door: &Door) -> [Section; 2] {
    let mut front = Section::new("frontend", Some(door.name));
    binds(&mut front, node, door.port);
    front.line([Word::Own("timeout client"), Word::Seconds(door.idle)]);
    front.line([Word::Own("default_backend"), Word::Own(door.name)]);

    let mut back = Section::new("backend", Some(door.name));
    back.comment("Sessions last from a second to days: who has the fewest gets the next.");
    back.own("balance leastconn");
    back.line([Word::Own("timeout server"), Word::Seconds(door.idle)]);
    if door.like.is_none() {
        probe(&mut back, door.probe, node);
    }
    servers(&mut back, blueprint, node, door.role, door.port, door.like);
    [front, back]
}

fn source(section: &mut Section) {
    section.comment("One client stays with one server while that is there: its TLS sessions are resumed there.");
    section.own("balance source");
    section.own("hash-type consistent");
}

fn probe(section: &mut Section, probe: Probe, node: &Node) {
    match probe {
        Probe::Smtp => section.line([Word::Own("option smtpchk EHLO"), Word::Host(node.hostname.clone())]),
        Probe::Greeting { send, expect } => {
            section.own("option tcp-check");
            section.own("tcp-check connect send-proxy");
            section.line([Word::Own("tcp-check expect string"), Word::Text(expect.to_owned())]);
            // The word holds HAProxy's own escapes for blanks and the line end.
            section.line([Word::Own("tcp-check send"), Word::Own(send)]);
            section.own("tcp-check expect comment bye rstring .");
        }
        Probe::Connection => {}
    }
}

/// The servers of a role. A server that fails under traffic is asked at once; one that answers is asked rarely, since each question
/// is a line in its log.
///
/// - `like`: the door whose questions count for this one as well.
fn servers(
    section: &mut Section,
    blueprint: &Blueprint,
    node: &Node,
    role: Role,
    port: u16,
    like: Option<&'static str>,
) {
    match like {
        None => section.line([
            Word::Own(
                "default-server send-proxy-v2 check check-send-proxy observe layer4 error-limit 3 on-error fastinter",
            ),
            Word::Own("inter"),
            Word::Seconds(INTERVAL),
            Word::Own("fastinter 2s downinter 300ms rise 1 fall 2"),
        ]),
        Some(_) => section.own("default-server send-proxy-v2"),
    }
    for server in place::members(blueprint, &node.cluster, role) {
        let Some(&address) = server.addresses.first() else { continue };
        let mut line = vec![Word::Own("server"), Word::Name(server.name.clone()), Word::At(address, port)];
        if let Some(door) = like {
            line.extend([Word::Own("track"), Word::Within(door, server.name.clone())]);
        }
        section.line(line);
    }
}

/// Host names that the control nodes answer to.
fn control_hosts(blueprint: &Blueprint, node: &Node) -> Vec<HostName> {
    let domain = &blueprint.service_domain;
    let named = ["api", "console", "control"].iter().filter_map(|label| domain.below(label).ok());
    let nodes = place::members(blueprint, &node.cluster, Role::Control).map(|node| node.hostname.clone());
    let group = group_host(Role::Control, &node.cluster, domain);
    let all: BTreeSet<HostName> = named.chain(nodes).chain([group]).collect();
    all.into_iter().collect()
}

/// 443 by the name in the TLS hello, which is passed on unopened; 80 only to say where else to go.
fn web(blueprint: &Blueprint, node: &Node) -> Vec<Section> {
    let (has_web, has_control) =
        (place::has(blueprint, &node.cluster, Role::Web), place::has(blueprint, &node.cluster, Role::Control));
    let mut https = Section::new("frontend", Some("https"));
    binds(&mut https, node, ports::HTTPS);
    https.own("timeout client 10m");
    https.own("tcp-request inspect-delay 5s");
    https.own("tcp-request content accept if { req.ssl_hello_type 1 }");
    if has_web && has_control {
        for host in control_hosts(blueprint, node) {
            https.line([Word::Own("acl control req.ssl_sni -i"), Word::Host(host)]);
        }
        https.comment("Programs that name no host ask for the interface for programs.");
        https.own("acl nameless req.ssl_sni -m len 0");
        https.own("acl named req.ssl_sni -m found");
        https.own("use_backend control if control or nameless or !named");
    }
    https.own(if has_web { "default_backend web" } else { "default_backend control" });
    let mut sections = vec![https];

    let mut http = Section::new("frontend", Some("http"));
    http.own("mode http");
    http.own("option httplog");
    binds(&mut http, node, ports::HTTP);
    http.own("timeout client 30s");
    if has_web {
        http.comment("Mail programs ask here how a domain is set up, and authorities whether a name is ours.");
        http.own("acl plain path_beg /mail/config-v1.1.xml /.well-known/ /autodiscover/ /Autodiscover/");
        http.own("http-request redirect scheme https code 301 unless plain");
        http.own("default_backend plain");
    } else {
        http.own("http-request redirect scheme https code 301");
    }
    sections.push(http);

    for (name, role, port, present) in [
        ("web", Role::Web, ports::HTTPS, has_web),
        ("control", Role::Control, ports::HTTPS, has_control),
        ("plain", Role::Web, ports::HTTP, has_web),
    ] {
        if !present {
            continue;
        }
        let mut back = Section::new("backend", Some(name));
        if port == ports::HTTP {
            back.own("mode http");
        }
        source(&mut back);
        back.own("timeout server 10m");
        probe(&mut back, Probe::Connection, node);
        servers(&mut back, blueprint, node, role, port, None);
        sections.push(back);
    }
    sections
}

/// How the balancer is, for the monitor, on its inner addresses alone.
fn status(node: &Node) -> Section {
    let mut section = Section::new("frontend", Some("status"));
    section.own("mode http");
    section.own("option httplog");
    section.own("http-request set-log-level silent");
    for &address in &node.addresses {
        section.line([Word::Own("bind"), Word::At(address, ports::BALANCER_STATUS)]);
    }
    section.own("http-request use-service prometheus-exporter if { path /metrics }");
    section.own("http-request return status 200 content-type text/plain string ok if { path /health }");
    section.own("stats enable");
    section.own("stats uri /");
    section.own("stats hide-version");
    section
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::read;
    use super::*;
    use crate::render::sample;

    fn written(blueprint: &Blueprint) -> String {
        let node = sample::node(Role::Balancer, 1);
        String::from_utf8(tree(blueprint, &node).files[FILE].unfilled().0).unwrap()
    }

    #[test]
    fn each_door_leads_to_the_nodes_of_its_role_and_says_who_speaks() {
        let text = written(&sample::platform());
        let backend = text.split("\n\n").find(|section| section.starts_with("backend smtp\n")).unwrap();
        assert!(backend.contains("server mx-1 10.20.2.1:25"), "{backend}");
        assert!(backend.contains("server mx-2 10.20.2.2:25"), "{backend}");
        assert!(backend.contains("send-proxy-v2"), "{backend}");
        // Nobody there reads mail.
        assert!(!text.contains("frontend imap"), "{text}");
    }

    #[test]
    fn idle_clients_of_imap_are_left_in_peace() {
        let mut blueprint = sample::platform();
        blueprint.nodes.push(sample::node(Role::Access, 1));
        let text = written(&blueprint);
        for section in text.split("\n\n").filter(|section| section.contains(" imap\n")) {
            assert!(section.contains(" 1860s\n"), "{section}");
        }
    }

    #[test]
    fn connections_fit_the_memory() {
        let mut node = sample::node(Role::Balancer, 1);
        assert_eq!(most_connections(&node), 8192);
        node.memory = values::ByteSize::from_mebibytes(1);
        assert_eq!(most_connections(&node), 256);
    }

    #[test]
    fn names_of_the_console_lead_to_control_and_all_others_to_webmail() {
        let mut blueprint = sample::platform();
        blueprint.nodes.extend([sample::node(Role::Web, 1), sample::node(Role::Control, 1)]);
        let text = written(&blueprint);
        let https = text.split("\n\n").find(|section| section.starts_with("frontend https\n")).unwrap();
        for host in ["console.northmail.example", "control-1.northmail.example", "control.a.northmail.example"] {
            let line = https.lines().find(|line| line.ends_with(host)).unwrap();
            assert_eq!(read(line), ["acl", "control", "req.ssl_sni", "-i", host]);
        }
        assert!(https.ends_with("default_backend web"), "{https}");
    }
}
