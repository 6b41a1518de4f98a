//! Knot: the authoritative server. The first node of the role signs the zones, the others copy them from it.
//!
//! Source: knot.conf(5) of Knot DNS 3.2 and 3.4.

pub mod conf;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use blueprint::dns::{Edition, Zone, hosts};
use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};

use self::conf::{Block, Value};
use super::zone;
use crate::decide::{ports, secrets};

/// Where the file is.
const CONF: &str = "/etc/knot/knot.conf";

/// Where zone files are.
const ZONES: &str = "/etc/knot/zones/";

/// The user the server runs as.
const USER: &str = "knot";

/// The key that secondaries show the primary, and the primary them.
const KEY: &str = "transfer";

/// Returns what a server of the platform's zones is made of.
pub fn tree(blueprint: &Blueprint, node: &Node, zones: &[Zone], edition: Edition) -> Tree {
    let zones: Vec<&Zone> = zone::served(blueprint, zones).collect();
    let servers: Vec<&Node> = blueprint.nodes.iter().filter(|other| other.role == Role::Dns).collect();
    let is_primary = servers.first().is_none_or(|first| first.name == node.name);
    let mut files = BTreeMap::new();
    files.insert(CONF.to_owned(), configuration(node, &servers, &zones));
    let mut checks = vec![Check {
        name: "knot".to_owned(),
        command: command(&["/usr/sbin/knotc", "-c", CONF, "conf-check"]),
        files: vec![CONF.to_owned()],
        harmless: Vec::new(),
    }];
    if is_primary {
        for zone in &zones {
            let path = format!("{ZONES}{}.zone", zone.name);
            let file = File { owner: format!("root:{USER}"), mode: 0o640, ..zone::master::file(zone, edition.serial) };
            files.insert(path.clone(), file);
            checks.push(Check {
                name: format!("zone {}", zone.name),
                command: command(&["/usr/bin/kzonecheck", "-o", &zone.name, &path]),
                files: vec![path],
                harmless: Vec::new(),
            });
        }
    }
    let process = Process {
        name: "knot".to_owned(),
        unit: "knot.service".to_owned(),
        prepare: ["/var/lib/knot", "/run/knot"]
            .iter()
            .map(|folder| command(&["/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "0750", folder]))
            .collect(),
        command: command(&["/usr/sbin/knotd", "-c", CONF]),
        // It drops its rights itself, once it has its port.
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::ZONES],
        reload: Some(command(&["/usr/sbin/knotc", "-c", CONF, "-b", "reload"])),
        restart_on: Vec::new(),
        reads: vec!["/etc/knot/".to_owned()],
    };
    let packages = ["knot", "knot-dnssecutils", "knot-dnsutils"].map(str::to_owned).into();
    Tree { files, processes: vec![process], checks, packages }
}

fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn configuration(node: &Node, servers: &[&Node], zones: &[&Zone]) -> File {
    let primary = servers.first().copied().unwrap_or(node);
    let is_primary = primary.name == node.name;
    let others: Vec<&&Node> = servers.iter().filter(|other| other.name != node.name).collect();
    let mut blocks =
        vec![server(node), Block::section("log").item("target", "stdout").set("any", Value::Word("notice"))];
    if servers.len() > 1 {
        blocks.push(
            Block::section("key")
                .item("id", KEY)
                .set("algorithm", Value::Word("hmac-sha256"))
                .set("secret", Value::Secret(secrets::transfer_key())),
        );
    }
    let mut remotes = Block::section("remote");
    let mut permissions = Block::section("acl");
    let peers: Vec<&Node> = if is_primary { others.iter().map(|other| **other).collect() } else { vec![primary] };
    for peer in &peers {
        let addresses = peer.addresses.iter().map(|address| Value::Endpoint(*address, ports::ZONES)).collect();
        remotes =
            remotes.item("id", peer.name.as_str()).set("address", Value::List(addresses)).set("key", Value::Word(KEY));
        permissions = permissions
            .item("id", peer.name.as_str())
            .set("address", Value::List(peer.addresses.iter().map(|address| Value::Ip(*address)).collect()))
            .set("key", Value::Word(KEY))
            .set("action", Value::Word(if is_primary { "transfer" } else { "notify" }));
    }
    if !peers.is_empty() {
        blocks.extend([remotes, permissions]);
    }
    let names = || Value::List(peers.iter().map(|peer| Value::Text(peer.name.to_string())).collect());
    let mut template = Block::section("template").item("id", "default").set("storage", Value::Text(ZONES.to_owned()));
    if is_primary {
        blocks.push(
            Block::section("policy")
                .item("id", "signed")
                .set("algorithm", Value::Word("ecdsap256sha256"))
                .set("nsec3", Value::Word("off")),
        );
        template = template
            .set("file", Value::Word("%s.zone"))
            // The file never holds what signing adds, and its serial may stay: changes are counted here.
            .set("zonefile-sync", Value::Word("-1"))
            .set("zonefile-load", Value::Word("difference-no-serial"))
            .set("journal-content", Value::Word("all"))
            .set("serial-policy", Value::Word("unixtime"))
            .set("dnssec-signing", Value::Word("on"))
            .set("dnssec-policy", Value::Word("signed"));
        if !peers.is_empty() {
            template = template.set("notify", names()).set("acl", names());
        }
    } else {
        template = template
            .set("file", Value::Word("/var/lib/knot/%s.zone"))
            .set("zonefile-load", Value::Word("none"))
            .set("zonefile-sync", Value::Word("-1"))
            .set("journal-content", Value::Word("all"))
            .set("master", names())
            .set("acl", names());
    }
    blocks.push(template);
    let mut section = Block::section("zone");
    for zone in zones {
        section = section.item("domain", &zone.name);
    }
    blocks.push(section);
    conf::file(&blocks)
}

fn server(node: &Node) -> Block {
    let fronts = hosts::outside(node).iter().filter(|_| !node.front_addresses.is_empty());
    let mut listen: Vec<Value> = fronts.map(|address| Value::Endpoint(*address, ports::DNS)).collect();
    let inner = [IpAddr::V4(Ipv4Addr::LOCALHOST)].into_iter().chain(node.addresses.iter().copied());
    listen.extend(inner.map(|address| Value::Endpoint(address, ports::ZONES)));
    Block::section("server")
        .set("rundir", Value::Word("/run/knot"))
        .set("user", Value::Word("knot:knot"))
        // A server says nothing about itself (RFC 4892 §3).
        .set("identity", Value::Text(String::new()))
        .set("version", Value::Text(String::new()))
        .set("udp-workers", Value::Number(1))
        .set("tcp-workers", Value::Number(1))
        .set("background-workers", Value::Number(1))
        .set("listen", Value::List(listen))
}
