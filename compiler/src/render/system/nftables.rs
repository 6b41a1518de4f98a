//! nftables: what may come in and go out. Everything else is dropped.
//!
//! Source: nft(8). Nothing here is text of anybody: ports, addresses and networks, and words of nftables.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use blueprint::platform::World;
use blueprint::{Blueprint, Node, Role, Tree};
use values::Network;

use crate::decide::ports;
use crate::render::{cards, place};

/// Where the file is.
pub(super) const FILE: &str = "/etc/nftables.conf";

/// Returns the rules of a node.
///
/// - `tree`: what runs on it, whose ports are reached from inside.
pub(super) fn rules(blueprint: &Blueprint, node: &Node, tree: &Tree) -> String {
    let networks: Vec<Network> = blueprint.sites.iter().flat_map(|site| site.networks.iter().copied()).collect();
    let mut text = String::from("#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n");
    for (name, kind, family) in [("inside4", "ipv4_addr", true), ("inside6", "ipv6_addr", false)] {
        let members: Vec<String> =
            networks.iter().filter(|network| network.is_ipv4() == family).map(ToString::to_string).collect();
        let _ = writeln!(text, "    set {name} {{\n        type {kind}\n        flags interval");
        if !members.is_empty() {
            let _ = writeln!(text, "        elements = {{ {} }}", members.join(", "));
        }
        text.push_str("    }\n");
    }
    input(&mut text, blueprint, node, tree);
    output(&mut text, blueprint, node);
    text.push_str("    chain forward {\n        type filter hook forward priority filter; policy drop;\n    }\n}\n");
    text
}

/// Returns ports that the world reaches on a node, and those that only nodes do.
fn reached(blueprint: &Blueprint, node: &Node, tree: &Tree) -> (BTreeSet<u16>, BTreeSet<u16>) {
    let mut front = BTreeSet::new();
    // What measures a node is asked by monitors alone.
    let daemons = tree.processes.iter().filter(|process| !process.is_aside());
    let mut inside: BTreeSet<u16> = daemons.flat_map(|process| process.ready.iter().copied()).collect();
    for service in &node.services {
        inside.insert(service.port);
        // Behind a balancer nobody from outside comes by another way.
        let balanced = node.role != Role::Dns && place::has(blueprint, &node.cluster, Role::Balancer);
        if service.front && !balanced {
            front.insert(service.port);
        }
    }
    if node.role == Role::Balancer {
        let others = blueprint.nodes.iter().filter(|other| other.cluster == node.cluster);
        let services = others.flat_map(|other| &other.services).filter(|service| service.front);
        front.extend(services.map(|service| service.port).filter(|port| *port != ports::DNS));
        // Pages are asked for in plain HTTP first, and told to come again.
        front.insert(80);
    }
    (front, inside)
}

fn input(text: &mut String, blueprint: &Blueprint, node: &Node, tree: &Tree) {
    let (front, inside) = reached(blueprint, node, tree);
    text.push_str(
        "    chain input {\n        type filter hook input priority filter; policy drop;\n        iif \"lo\" accept\n        \
         ct state vmap { established : accept, related : accept, invalid : drop }\n        \
         meta l4proto { icmp, ipv6-icmp } limit rate 100/second accept\n",
    );
    if blueprint.world == World::Real && !node.front_addresses.is_empty() {
        // Nobody is inside who comes from the world.
        let card = cards::FRONT;
        let _ = writeln!(text, "        iifname \"{card}\" ip saddr @inside4 drop");
        let _ = writeln!(text, "        iifname \"{card}\" ip6 saddr @inside6 drop");
    }
    let list = |ports: &BTreeSet<u16>| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    if !front.is_empty() {
        let _ = writeln!(text, "        tcp dport {{ {} }} accept", list(&front));
    }
    if node.role == Role::Dns {
        let _ = writeln!(text, "        udp dport {} accept", ports::DNS);
        text.push_str("        ip saddr @inside4 udp dport { 123, 5353 } accept\n        ip6 saddr @inside6 udp dport { 123, 5353 } accept\n");
    }
    if !inside.is_empty() {
        let _ = writeln!(text, "        ip saddr @inside4 tcp dport {{ {} }} accept", list(&inside));
        let _ = writeln!(text, "        ip6 saddr @inside6 tcp dport {{ {} }} accept", list(&inside));
    }
    // Who watches asks exporters, whose ports are above all others.
    for address in blueprint.nodes.iter().filter(|other| other.role == Role::Monitor).flat_map(|other| &other.addresses)
    {
        let _ = writeln!(text, "        {} saddr {address} tcp dport 9090-9999 accept", family(*address));
    }
    if node.role == Role::Balancer {
        text.push_str(
            "        ip saddr @inside4 ip protocol vrrp accept\n        ip6 saddr @inside6 ip6 nexthdr vrrp accept\n",
        );
    }
    text.push_str("    }\n");
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

fn output(text: &mut String, blueprint: &Blueprint, node: &Node) {
    text.push_str(
        "    chain output {\n        type filter hook output priority filter; policy drop;\n        oif \"lo\" accept\n        \
         ct state vmap { established : accept, related : accept, invalid : drop }\n        \
         meta l4proto { icmp, ipv6-icmp } accept\n        ip daddr @inside4 accept\n        ip6 daddr @inside6 accept\n",
    );
    match node.role {
        // The only way out for mail.
        Role::Outbound => {
            let _ = writeln!(text, "        tcp dport {} accept", ports::SMTP);
        }
        // Names and the time are asked of the world here, and here alone.
        Role::Dns => text.push_str("        udp dport { 53, 123 } accept\n        tcp dport 53 accept\n"),
        // Signatures of viruses.
        Role::Defense if blueprint.world == World::Real => text.push_str("        tcp dport { 80, 443 } accept\n"),
        // Certificates, where a public authority gives them.
        Role::Web | Role::Control | Role::Balancer if blueprint.dns.issuer.is_some() => {
            text.push_str("        tcp dport { 80, 443 } accept\n");
        }
        _ => {}
    }
    if node.role == Role::Balancer {
        text.push_str("        ip protocol vrrp accept\n        ip6 nexthdr vrrp accept\n");
    }
    text.push_str("    }\n");
}
