//! The addresses of the nodes, and the one wire between them: what `ip -batch` is told.
//!
//! Every node hangs on a bridge in a network namespace that has no way out. That namespace is the world outside as well: all of
//! its addresses are answered there, and it is every node's way to whatever is not the platform's. Nothing else is reachable,
//! and who asks for it is told at once.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use blueprint::platform::World;
use blueprint::{Blueprint, Node};

/// The address of the world outside, which is also every node's way out; as in the embedded backend.
const WORLD: &str = "198.19.255.254";

/// The addresses of the world outside: networks for tests between networks (RFC 2544 §C.2.2).
const WORLD_NETWORK: &str = "198.18.0.0/15";

/// The same for IPv6 (RFC 5180 §8).
const WORLD_6: &str = "2001:2::fffe";

/// The IPv6 addresses of the world outside.
const WORLD_NETWORK_6: &str = "2001:2::/48";

/// Returns the names of the nodes' ends of the wire, in order: short, since the kernel takes 15 octets.
pub(crate) fn wire(place: usize) -> String {
    format!("node{place}")
}

/// How the wire is made where nodes hang on it by pairs of devices. Without a hardware address of its own a bridge has the lowest of
/// its ports', so that the world would have another one for its neighbours whenever a node goes or comes back.
pub(crate) const BRIDGE: &str = "link add wire address 02:00:01:00:00:00 type bridge\n";

/// The name of a node's end of the wire.
pub(crate) const END: &str = "eth0";

/// The name of the wire in the namespace that is the world.
pub(crate) const WIRE: &str = "wire";

/// Returns how the namespace of the wire is set up, before any node hangs on it.
///
/// - `made`: how the wire is made; empty where it is there already.
pub(crate) fn fabric(blueprint: &Blueprint, made: &str) -> String {
    let mut batch = format!(
        "link set lo up\n\
         {made}\
         addr add {WORLD}/32 dev wire\n\
         addr add {WORLD_6}/128 dev wire nodad\n\
         link set wire up\n\
         route add local {WORLD_NETWORK} dev lo\n\
         route add local {WORLD_NETWORK_6} dev lo\n"
    );
    for network in networks(blueprint) {
        let _ = writeln!(batch, "route add {network} dev wire");
    }
    // What is nobody's is refused at once, so that nobody waits for it.
    batch.push_str("route add unreachable default\nroute add unreachable ::/0 metric 4096\n");
    batch
}

/// Returns the address of the world outside.
pub(crate) fn world() -> IpAddr {
    WORLD.parse().expect("a constant address")
}

/// Returns how addresses of the world are made unreachable.
pub(crate) fn silent(addresses: &[IpAddr]) -> String {
    addresses.iter().map(|address| format!("route add unreachable {address} table local\n")).collect()
}

/// Returns how nodes are hung on the wire.
///
/// - `processes`: a process in each node's network namespace, in the nodes' order.
pub(crate) fn hang(processes: &[u32]) -> String {
    processes.iter().enumerate().map(|(place, process)| hang_at(place, *process)).collect()
}

/// Returns how one node is hung on the wire.
///
/// - `place`: its place among the nodes.
pub(super) fn hang_at(place: usize, process: u32) -> String {
    let end = wire(place);
    let hardware = card(place);
    format!(
        "link add {end} type veth peer name eth0 address {hardware} netns {process}\nlink set {end} master wire up\n"
    )
}

/// Returns the address of a node's network card: the same whenever it comes back, since others remember it.
fn card(place: usize) -> String {
    let [.., third, second, first] = place.to_be_bytes();
    format!("02:00:00:{third:02x}:{second:02x}:{first:02x}")
}

/// Returns how a node is cut off, or comes back.
pub(super) fn cut(place: usize, off: bool) -> String {
    format!("link set {} {}\n", wire(place), if off { "down" } else { "up" })
}

/// The port that frames between containers go through (RFC 7348 §4.1).
const TUNNEL_PORT: u16 = 4789;

/// Returns how a container makes its end of the wire: frames of the platform go through datagrams between the addresses that the
/// engine gave, so that the platform's own are nothing to the engine, its filters, or another environment.
///
/// - `device`: what its end is called.
/// - `place`: its place among the containers.
/// - `own`: the address that the engine gave it.
/// - Source: ip-link(8), "VXLAN Type Support"; the made device goes to the namespace of process 1.
pub(crate) fn tunnel(device: &str, place: usize, own: IpAddr) -> String {
    let hardware = card(place);
    format!(
        "link add tunnel address {hardware} type vxlan id 1 dev eth0 local {own} dstport {TUNNEL_PORT}\n\
         link set tunnel netns 1 name {device}\n"
    )
}

/// Returns where a container sends what is for everybody, for `bridge -batch`.
///
/// - `others`: the addresses that the engine gave the others.
pub(crate) fn flood(device: &str, others: impl IntoIterator<Item = IpAddr>) -> String {
    others.into_iter().map(|other| format!("fdb append 00:00:00:00:00:00 dev {device} dst {other}\n")).collect()
}

/// Returns what a container is told of another one that has come back elsewhere, for `bridge -batch`.
///
/// - `place`: the other's place among the containers.
/// - `other`: the address that the engine gave it now.
pub(crate) fn moved(device: &str, place: usize, other: IpAddr) -> String {
    let hardware = card(place);
    let everybody = flood(device, [other]);
    format!("fdb replace {hardware} dev {device} dst {other} dynamic\n{everybody}")
}

/// Returns how what the engine gave a container is cut, or comes back; the container's own end of the wire stays as it is.
pub(crate) fn cut_tunnel(off: bool) -> &'static str {
    if off { "link set eth0 down\n" } else { "link set eth0 up\n" }
}

/// Returns how a node sets its own end up.
pub(crate) fn node(blueprint: &Blueprint, node: &Node) -> String {
    let mut batch = String::from("link set lo up\n");
    if blueprint.world == World::Real && !node.front_addresses.is_empty() {
        batch.push_str("link set eth1 up\n");
    }
    for address in node.addresses.iter().chain(&node.front_addresses) {
        let _ = writeln!(batch, "addr add {address}/{} dev eth0{}", bits(address), nodad(address));
    }
    batch.push_str("link set eth0 up\n");
    for network in networks(blueprint) {
        // Nodes speak to each other as who they are inside, whatever else they are called by.
        let source = node.addresses.iter().find(|address| address.is_ipv6() == network.contains(':'));
        let source = source.map_or_else(String::new, |address| format!(" src {address}"));
        // A client that says something in two parts, as some do when they begin a session over TLS, would wait 40 ms for the first to
        // be acknowledged (RFC 9293 §3.8.6.3), each time.
        let _ = writeln!(batch, "route add {network} dev eth0{source} quickack 1");
    }
    let has = |six: bool| node.addresses.iter().find(|address| address.is_ipv6() == six);
    if let Some(source) = has(false) {
        let _ = writeln!(batch, "route add default via {WORLD} dev eth0 onlink src {source}");
    }
    if let Some(source) = has(true) {
        let _ = writeln!(batch, "route add ::/0 via {WORLD_6} dev eth0 onlink src {source}");
    }
    batch
}

/// Returns how systemd-networkd sets a node's end up: the same as [`node`] does.
///
/// - Source: systemd.network(5).
pub(crate) fn networkd(blueprint: &Blueprint, node: &Node) -> String {
    let mut text =
        String::from("[Match]\nName=eth0\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\n\n");
    for address in node.addresses.iter().chain(&node.front_addresses) {
        let nodad = if address.is_ipv6() { "DuplicateAddressDetection=none\n" } else { "" };
        let _ = writeln!(text, "[Address]\nAddress={address}/{}\n{nodad}", bits(address));
    }
    let has = |six: bool| node.addresses.iter().find(|address| address.is_ipv6() == six);
    let source = |six: bool| has(six).map_or_else(String::new, |source| format!("PreferredSource={source}\n"));
    for network in networks(blueprint) {
        // Routes of IPv6 have none.
        let scope = if network.contains(':') { "" } else { "Scope=link\n" };
        let _ = writeln!(text, "[Route]\nDestination={network}\n{scope}{}", source(network.contains(':')));
    }
    for (six, gateway) in [(false, WORLD), (true, WORLD_6)] {
        if has(six).is_some() {
            let _ = writeln!(text, "[Route]\nGateway={gateway}\nGatewayOnLink=yes\n{}", source(six));
        }
    }
    text
}

/// Returns how a node has its addresses where there is no wire: daemons' checkers look whether they could be taken.
pub(crate) fn alone(blueprint: &Blueprint, planned: &Node) -> String {
    format!(
        "link add eth0 type veth peer name wire\nlink set wire up\n{}{}",
        front(blueprint, planned),
        node(blueprint, planned)
    )
}

/// Returns how a node has the card that production's daemons know the world by, where it has one; the world is on the other card, too,
/// and this one leads nowhere.
pub(crate) fn front(blueprint: &Blueprint, node: &Node) -> String {
    match blueprint.world == World::Real && !node.front_addresses.is_empty() {
        true => "link add eth1 type veth peer name front\nlink set front up\n".to_owned(),
        false => String::new(),
    }
}

/// Returns every network of the platform, inner ones and those the world sees.
fn networks(blueprint: &Blueprint) -> BTreeSet<String> {
    let sites = blueprint.sites.iter();
    sites.flat_map(|site| site.networks.iter().chain(&site.fronts)).map(ToString::to_string).collect()
}

fn bits(address: &IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// Duplicates are looked for on wires that others share; waiting for it would hold up every bind.
fn nodad(address: &IpAddr) -> &'static str {
    if address.is_ipv6() { " nodad" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_its_addresses_and_one_way_out() {
        let (blueprint, _, _) = crate::fixture::platform();
        for planned in &blueprint.nodes {
            let batch = node(&blueprint, planned);
            for address in planned.addresses.iter().chain(&planned.front_addresses) {
                assert!(batch.contains(&format!("addr add {address}/")), "{batch}");
            }
            assert!(batch.contains(&format!("default via {WORLD} ")), "{batch}");
            assert!(batch.lines().all(|line| line.len() < 200));
        }
    }

    #[test]
    fn only_in_the_real_world_a_node_has_a_card_for_it() {
        let (mut blueprint, _, _) = crate::fixture::platform();
        let mut planned = blueprint.nodes.first().unwrap().clone();
        planned.front_addresses = vec!["203.0.113.2".parse().unwrap()];
        assert_eq!(front(&blueprint, &planned), "");
        assert!(!node(&blueprint, &planned).contains("eth1"));
        blueprint.world = World::Real;
        assert!(front(&blueprint, &planned).starts_with("link add eth1 "));
        assert!(node(&blueprint, &planned).contains("link set eth1 up\n"));
        planned.front_addresses.clear();
        assert_eq!(front(&blueprint, &planned), "");
    }

    #[test]
    fn names_on_the_wire_fit_the_kernel() {
        assert!(wire(usize::from(u16::MAX)).len() <= 15);
        assert_eq!(hang(&[12, 13]).lines().count(), 4);
    }

    #[test]
    fn a_container_floods_to_all_others() {
        let others = ["10.0.0.2", "10.0.0.3"].map(|address| address.parse().unwrap());
        assert_eq!(flood("eth0", others).lines().count(), 2);
        let made = tunnel("eth0", 1, "10.0.0.1".parse().unwrap());
        assert!(made.contains(" local 10.0.0.1 ") && made.contains(" name eth0\n"), "{made}");
    }

    #[test]
    fn the_wire_leads_nowhere_else() {
        let (blueprint, _, _) = crate::fixture::platform();
        let batch = fabric(&blueprint, BRIDGE);
        assert!(batch.contains("route add unreachable default"));
        assert!(!batch.contains("masquerade") && !batch.contains("netns 1"));
    }
}
