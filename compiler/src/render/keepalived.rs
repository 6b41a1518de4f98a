//! keepalived: a typed writer for its file, and how several balancers share their front addresses.
//!
//! Source: keepalived.conf(5) of 2.2; RFC 9568. A line is words between blanks, a block stands in braces; all words here are
//! addresses, numbers and names of ours, which hold nothing that the file could misread.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};
use values::Name;

use crate::render::{cards, place};

const FILE: &str = "/etc/keepalived/keepalived.conf";

/// Seconds between two signs of life; three missed ones and the next takes over.
const ADVERTISED: u64 = 1;

/// A word of a line.
#[derive(Clone, Debug)]
enum Word {
    Own(&'static str),
    Node(Name),
    Number(u64),
    Address(IpAddr),
    /// An address that an interface gets.
    Held(IpAddr),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(word) => f.write_str(word),
            Self::Node(name) => write!(f, "{name}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Held(address) => write!(f, "{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
        }
    }
}

/// A line, or a block of lines under one.
#[derive(Clone, Debug)]
enum Item {
    Line(Vec<Word>),
    Block(Vec<Word>, Vec<Item>),
}

impl Item {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let words = match self {
            Self::Line(words) | Self::Block(words, _) => words,
        };
        write!(f, "{:1$}", "", depth * 4)?;
        words
            .iter()
            .enumerate()
            .try_for_each(|(index, word)| write!(f, "{}{word}", if index == 0 { "" } else { " " }))?;
        match self {
            Self::Line(_) => writeln!(f),
            Self::Block(_, items) => {
                writeln!(f, " {{")?;
                items.iter().try_for_each(|item| item.write(f, depth + 1))?;
                writeln!(f, "{:1$}}}", "", depth * 4)
            }
        }
    }
}

struct Config(Vec<Item>);

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| item.write(f, 0))
    }
}

/// Tells whether a node has its front addresses of keepalived, and only as long as it is to have them.
pub fn is_held(blueprint: &Blueprint, node: &Node) -> bool {
    node.role == Role::Balancer && place::members(blueprint, &node.cluster, Role::Balancer).count() > 1
}

/// Returns what a balancer has that shares front addresses with others; nothing where it is the only one.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    if !is_held(blueprint, node) {
        return Tree::default();
    }
    let peers: Vec<&Node> = place::members(blueprint, &node.cluster, Role::Balancer).collect();
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    Tree {
        files: BTreeMap::from([(FILE.to_owned(), File::text(config(blueprint, node, &peers).to_string()))]),
        processes: vec![Process {
            name: "keepalived".to_owned(),
            unit: "keepalived.service".to_owned(),
            prepare: Vec::new(),
            command: words(&["/usr/sbin/keepalived", "-n", "-l", "-f", FILE]),
            user: "root".to_owned(),
            variables: BTreeMap::new(),
            after: Vec::new(),
            ready: Vec::new(),
            reload: Some(words(&["/bin/sh", "-c", "kill -HUP \"$(cat /run/keepalived.pid)\""])),
            restart_on: Vec::new(),
            reads: vec![FILE.to_owned()],
        }],
        checks: vec![Check {
            name: "keepalived".to_owned(),
            command: words(&["/usr/sbin/keepalived", "-t", "-f", FILE]),
            files: vec![FILE.to_owned()],
            harmless: Vec::new(),
        }],
        packages: BTreeSet::from(["keepalived".to_owned()]),
    }
}

/// Each balancer holds its own front addresses while it is there; the others wait for them in turn.
fn config(blueprint: &Blueprint, node: &Node, peers: &[&Node]) -> Config {
    use Word::{Address, Held, Node as Named, Number, Own};
    let line = |words: Vec<Word>| Item::Line(words);
    let mut items = vec![
        Item::Block(
            vec![Own("global_defs")],
            vec![
                line(vec![Own("router_id"), Named(node.name.clone())]),
                line(vec![Own("vrrp_version"), Number(3)]),
                line(vec![Own("vrrp_garp_master_refresh"), Number(60)]),
                line(vec![Own("enable_script_security")]),
            ],
        ),
        // A node without its HAProxy holds no address.
        Item::Block(
            vec![Own("vrrp_track_process"), Own("haproxy")],
            vec![
                line(vec![Own("process"), Own("haproxy")]),
                line(vec![Own("weight"), Own("-200")]),
                line(vec![Own("delay"), Number(1)]),
            ],
        ),
    ];
    let front = cards::of_fronts(blueprint);
    let own = peers.iter().position(|peer| peer.name == node.name).unwrap_or(0);
    // Clusters share a network, so each counts on from the one before.
    let before =
        blueprint.nodes.iter().filter(|other| other.role == Role::Balancer && other.cluster < node.cluster).count();
    for (index, holder) in peers.iter().enumerate() {
        for four in [true, false] {
            let inner = |node: &Node| node.addresses.iter().find(|address| address.is_ipv4() == four).copied();
            let fronts: Vec<IpAddr> =
                holder.front_addresses.iter().filter(|address| address.is_ipv4() == four).copied().collect();
            let (Some(source), false) = (inner(node), fronts.is_empty()) else { continue };
            // The holder comes first, then the next in a ring; 254 is the highest that is not an owner's.
            let distance = (own + peers.len() - index) % peers.len();
            let priority = 254_u64.saturating_sub(20 * u64::try_from(distance).unwrap_or(10)).max(1);
            let others = peers.iter().filter(|peer| peer.name != node.name);
            let router = (before + index) * 2 % 254 + if four { 1 } else { 2 };
            items.push(Item::Block(
                vec![Own("vrrp_instance"), instance(four, &holder.name)],
                vec![
                    line(vec![Own("state"), Own("BACKUP")]),
                    line(vec![Own("interface"), Own(cards::INNER)]),
                    line(vec![Own("virtual_router_id"), Number(u64::try_from(router).unwrap_or(1))]),
                    line(vec![Own("priority"), Number(priority)]),
                    line(vec![Own("advert_int"), Number(ADVERTISED)]),
                    line(vec![Own("unicast_src_ip"), Address(source)]),
                    Item::Block(
                        vec![Own("unicast_peer")],
                        others.filter_map(|peer| inner(peer)).map(|address| line(vec![Address(address)])).collect(),
                    ),
                    Item::Block(
                        vec![Own("virtual_ipaddress")],
                        fronts.iter().map(|&address| line(vec![Held(address), Own("dev"), Own(front)])).collect(),
                    ),
                    Item::Block(vec![Own("track_process")], vec![line(vec![Own("haproxy")])]),
                ],
            ));
        }
    }
    Config(items)
}

/// Names an instance after the node whose addresses it is about.
fn instance(four: bool, node: &Name) -> Word {
    let family = if four { "front4" } else { "front6" };
    format!("{family}-{node}").parse().map_or(Word::Node(node.clone()), Word::Node)
}

#[cfg(test)]
mod tests {
    use blueprint::platform::World;

    use super::*;
    use crate::render::sample;

    fn platform() -> Blueprint {
        let mut blueprint = sample::platform();
        for node in blueprint.nodes.iter_mut().filter(|node| node.role == Role::Balancer) {
            let last = if node.name.as_str().ends_with('1') { 2 } else { 7 };
            node.front_addresses = vec![IpAddr::from([203, 0, 113, last])];
        }
        blueprint
    }

    fn written(blueprint: &Blueprint, name: &str) -> String {
        let node = blueprint.nodes.iter().find(|node| node.name.as_str() == name).unwrap();
        tree(blueprint, node)
            .files
            .get(FILE)
            .map_or(String::new(), |file| String::from_utf8(file.unfilled().0).unwrap())
    }

    #[test]
    fn each_front_address_has_one_holder_and_one_who_waits() {
        let blueprint = platform();
        let (first, second) = (written(&blueprint, "balancer-1"), written(&blueprint, "balancer-2"));
        let priorities = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix("priority "));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(priorities(&first), ["254", "234"]);
        assert_eq!(priorities(&second), ["234", "254"]);
        assert!(first.contains("203.0.113.7/32 dev eth0\n"), "{first}");
    }

    #[test]
    fn the_real_world_sees_the_second_card() {
        let mut blueprint = platform();
        blueprint.world = World::Real;
        let text = written(&blueprint, "balancer-1");
        assert!(text.contains("203.0.113.7/32 dev eth1\n") && text.contains("interface eth0\n"), "{text}");
    }

    #[test]
    fn a_balancer_that_is_alone_needs_nobody_to_wait() {
        let mut blueprint = platform();
        blueprint.nodes.retain(|node| node.name.as_str() != "balancer-2");
        assert!(written(&blueprint, "balancer-1").is_empty());
    }
}
