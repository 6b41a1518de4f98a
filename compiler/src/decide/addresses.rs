//! Which address each node gets: a stable rule, so that one more node renumbers nobody.
//!
//! A network is cut into equal blocks, one for each role of each cluster in order of their names; a node's address is its
//! block and its number. The first block stays empty: routers, balancers' shared addresses and people's own machines
//! are there.

use std::net::IpAddr;

use blueprint::Role;
use values::Network;

/// How many blocks a network is cut into for each cluster: one per role and some to spare for roles to come.
const ROLES: u128 = 16;

/// Returns the address of a node in a network of its site.
///
/// - `cluster`: position of the cluster among those of the site, from 0.
/// - `clusters`: how many the site has.
/// - `number`: the node's, from 1.
/// - Returns: `None` where the network is too small.
pub fn inner(network: Network, cluster: usize, clusters: usize, role: Role, number: u32) -> Option<IpAddr> {
    // A host part of 24 bits is as much as anybody numbers; the rest of an IPv6 network stays empty.
    let size = network.size().min(1 << 24);
    // Room for as many clusters as the next power of two before anything is renumbered, in a large network for four.
    let least = if size >= 1 << 12 { 4 } else { 1 };
    let clusters = u128::try_from(clusters.next_power_of_two().max(least)).ok()?;
    let block = size.checked_div(ROLES.checked_mul(clusters)?.checked_add(1)?.next_power_of_two())?;
    let position = Role::ALL.iter().position(|known| *known == role)?;
    let index = 1 + u128::try_from(cluster).ok()? * ROLES + u128::try_from(position).ok()?;
    (u128::from(number) < block).then(|| network.nth(index.checked_mul(block)?.checked_add(number.into())?))?
}

/// Returns the address of the router that stands before a front network: the first.
pub fn router(network: Network) -> Option<IpAddr> {
    network.hosts().next()
}

/// Hands out the addresses that the world sees, in order, past those that are spoken for.
///
/// The first address of a network is its [`router`]'s.
#[derive(Debug)]
pub struct Front {
    free: Vec<IpAddr>,
}

/// How many addresses of a front network are ever looked at; an IPv6 one has more than anybody counts.
const LOOKED_AT: usize = 65_536;

impl Front {
    /// Takes the front networks of a site and the addresses that something has already.
    pub fn new(networks: &[Network], taken: &[IpAddr]) -> Self {
        let mut free: Vec<IpAddr> = networks
            .iter()
            .flat_map(|network| network.hosts().skip(1).take(LOOKED_AT))
            .filter(|address| !taken.contains(address))
            .collect();
        free.reverse();
        Self { free }
    }

    /// Returns the next free address of a family.
    pub fn next(&mut self, ipv4: bool) -> Option<IpAddr> {
        let at = self.free.iter().rposition(|address| address.is_ipv4() == ipv4)?;
        Some(self.free.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_nodes_share_an_address() {
        for network in ["10.20.0.0/16", "fd00:20::/48", "10.0.0.0/8", "10.1.0.0/20"] {
            let network: Network = network.parse().unwrap();
            let mut seen = BTreeSet::new();
            for cluster in 0..3 {
                for role in Role::ALL {
                    for number in 1..=9 {
                        let address = inner(network, cluster, 3, role, number).unwrap();
                        assert!(network.contains(address));
                        assert!(seen.insert(address), "{address}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_second_cluster_renumbers_nobody() {
        let network: Network = "10.20.0.0/16".parse().unwrap();
        assert_eq!(inner(network, 0, 1, Role::Mx, 1), inner(network, 0, 2, Role::Mx, 1));
    }

    #[test]
    fn a_network_without_room_gives_nothing() {
        assert!(inner("10.20.0.0/24".parse().unwrap(), 0, 1, Role::Mx, 7).is_some());
        assert_eq!(inner("10.20.0.0/24".parse().unwrap(), 0, 1, Role::Mx, 8), None);
        assert_eq!(inner("10.20.0.0/32".parse().unwrap(), 0, 1, Role::Mx, 1), None);
    }

    #[test]
    fn front_addresses_leave_out_the_router_and_what_is_taken() {
        let taken = ["203.0.113.3".parse().unwrap()];
        let mut front = Front::new(&["203.0.113.0/29".parse().unwrap(), "2001:db8:20::/64".parse().unwrap()], &taken);
        let all: Vec<String> = std::iter::from_fn(|| front.next(true)).map(|address| address.to_string()).collect();
        assert_eq!(all, ["203.0.113.2", "203.0.113.4", "203.0.113.5", "203.0.113.6"]);
        assert_eq!(front.next(false), Some("2001:db8:20::2".parse().unwrap()));
    }
}
