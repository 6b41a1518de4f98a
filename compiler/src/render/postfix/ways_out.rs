//! Where mail to the world goes: which outbound nodes take it for which pool of source addresses.

use blueprint::platform::OutboundPool;
use blueprint::{Node, Role};
use values::Name;

use super::foundation::Site;
use super::main_cf::{Endpoint, Item};
use super::maps::{Key, Map};
use crate::decide::{pools, ports};
use crate::render::place;

/// Returns the next hop for what was forwarded: its senders are rewritten there, where the platform does that.
pub fn forwarded(site: Site<'_>) -> Item {
    let port = if site.blueprint.mail.srs.is_some() { ports::FORWARDED } else { ports::RELAY };
    let pool = pools::default(pools::candidates(&site.blueprint.outbound));
    next_hop(site, pool.and_then(|name| named(site, name)), port)
}

/// Returns the next hop for mail whose sender's domain names no pool.
pub fn of_nobody(site: Site<'_>) -> Item {
    let pool = pools::default(pools::candidates(&site.blueprint.outbound));
    next_hop(site, pool.and_then(|name| named(site, name)), ports::RELAY)
}

/// Returns the next hop of each pool, by its name.
pub fn of_pools(site: Site<'_>) -> Map {
    let mut map = Map::default();
    for (name, port) in pools::ports(pools::candidates(&site.blueprint.outbound)) {
        map.insert(Key::Pool(name.clone()), next_hop(site, named(site, name), port));
    }
    map
}

/// Returns the outbound nodes that have addresses of a pool; all of them where none has.
pub fn carriers<'b>(site: Site<'b>, pool: Option<&OutboundPool>) -> Vec<&'b Node> {
    let Some(cluster) = place::nearest(site.blueprint, site.node, Role::Outbound) else { return Vec::new() };
    let all: Vec<&Node> = place::members(site.blueprint, cluster, Role::Outbound).collect();
    let with: Vec<&Node> = all
        .iter()
        .copied()
        .filter(|node| pool.is_some_and(|pool| !pools::own(pool, &node.front_addresses).is_empty()))
        .collect();
    if with.is_empty() { all } else { with }
}

fn named<'b>(site: Site<'b>, name: &Name) -> Option<&'b OutboundPool> {
    site.blueprint.outbound.iter().find(|pool| pool.name == *name)
}

fn next_hop(site: Site<'_>, pool: Option<&OutboundPool>, port: u16) -> Item {
    let mut nodes = carriers(site, pool);
    if nodes.is_empty() {
        return Item::Reply("error:5.4.4 no mail leaves this platform");
    }
    // Neighbours begin at different nodes, so that load spreads; the others are tried after it.
    let position = place::members(site.blueprint, &site.node.cluster, site.node.role)
        .position(|peer| peer.name == site.node.name)
        .unwrap_or(0);
    let first = position.checked_rem(nodes.len()).unwrap_or(0);
    nodes.rotate_left(first);
    Item::NextHop("relay", nodes.iter().map(|node| Endpoint { host: node.hostname.clone(), port }).collect())
}
