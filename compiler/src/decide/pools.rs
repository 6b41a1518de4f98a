//! Which pool of source addresses is which: the one that takes what belongs to no other, and where each is reached.

use std::net::IpAddr;

use blueprint::platform::OutboundPool;
use values::Name;

use super::ports;

/// What a choice among pools is made by.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'n> {
    /// Its name.
    pub name: &'n Name,
    /// Whether its addresses are still being warmed up.
    pub warms_up: bool,
    /// How many addresses it has.
    pub addresses: usize,
}

/// Returns the pool of mail whose sender's domain names none: one that is warm, with the most addresses, the first by name.
pub fn default<'n>(pools: impl Iterator<Item = Candidate<'n>>) -> Option<&'n Name> {
    pools.min_by_key(|pool| (pool.warms_up, usize::MAX - pool.addresses, pool.name)).map(|pool| pool.name)
}

/// Returns the port of an outbound node where each pool takes mail, sorted by the pools' names.
pub fn ports<'n>(pools: impl Iterator<Item = Candidate<'n>> + Clone) -> Vec<(&'n Name, u16)> {
    let default = default(pools.clone());
    let mut names: Vec<&Name> = pools.map(|pool| pool.name).collect();
    names.sort_unstable();
    (0_u16..)
        .zip(names)
        .map(|(position, name)| {
            let own = ports::POOLS.saturating_add(position);
            (name, if default == Some(name) { ports::RELAY } else { own })
        })
        .collect()
}

/// Returns what a choice among a Blueprint's pools is made by.
pub fn candidates(pools: &[OutboundPool]) -> impl Iterator<Item = Candidate<'_>> + Clone {
    pools.iter().map(|pool| Candidate {
        name: &pool.name,
        warms_up: pool.warm_up.is_some(),
        addresses: pool.addresses.len(),
    })
}

/// Returns the addresses of a pool that a node has, in the pool's order.
pub fn own<'p>(pool: &'p OutboundPool, front: &[IpAddr]) -> Vec<&'p blueprint::platform::OutboundAddress> {
    pool.addresses.iter().filter(|address| front.contains(&address.address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_warm_and_has_the_most_addresses() {
        let (bulk, large, shared): (Name, Name, Name) =
            ("bulk".parse().unwrap(), "large".parse().unwrap(), "shared".parse().unwrap());
        let pools = [
            Candidate { name: &bulk, warms_up: true, addresses: 9 },
            Candidate { name: &large, warms_up: false, addresses: 2 },
            Candidate { name: &shared, warms_up: false, addresses: 2 },
        ];
        assert_eq!(default(pools.iter().copied()), Some(&large));
        assert_eq!(ports(pools.iter().copied()), [(&bulk, 10_100), (&large, 10_025), (&shared, 10_102)]);
        assert_eq!(default(std::iter::empty()), None);
    }
}
