//! Which node sits on which host: first fit decreasing, each node along its own ranking of the hosts; by trying where that fails.
//!
//! The ranking is a draw from the names of node and host. Nothing else enters it, so one more node or host moves only
//! those that have to make room, and the same specification is placed the same way everywhere.

#[cfg(test)]
mod exact;
mod search;

use blueprint::shard::draw;

/// Hosts that are looked at before a placement of all nodes is given up.
const STEPS: usize = 100_000;
/// The same where a few nodes look for another place, which is asked for each way in which hosts can be gone.
const STEPS_OF_SURVIVORS: usize = 10_000;

/// What a node needs of a host.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The node's name.
    pub name: String,
    /// Nodes of one group are spread: no two of them on one host, where that is asked for.
    pub group: Option<String>,
    /// Thousandths of a real core, after over-commit.
    pub cores: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of the host's own disk.
    pub disk: u64,
}

/// What a host has.
#[derive(Clone, Debug)]
pub struct Supply {
    /// The host's name.
    pub name: String,
    /// Thousandths of a core.
    pub cores: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
}

/// Something that hosts can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Cores.
    Cores,
    /// Memory.
    Memory,
    /// Disk.
    Disk,
    /// Hosts without another node of the group.
    Separation,
}

/// A node without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Homeless {
    /// Index of the demand.
    pub demand: usize,
    /// What most hosts lack.
    pub lacks: Resource,
}

/// Places every demand; what is returned is the index of a host for each.
///
/// A placement that exists is found, unless there are so many nodes and hosts that trying them takes too long (hundreds).
///
/// - Errors: the first node that has no place, in the order in which they are placed.
pub fn place(demands: &[Demand], supplies: &[Supply]) -> Result<Vec<usize>, Homeless> {
    let mut best = None;
    // By draw first, since that is stable. A packing that is too tight for it is tried host by host.
    for ranking in [rank_by_draw as fn(&Demand, &[Supply]) -> Vec<usize>, rank_by_order] {
        let mut places = vec![None; demands.len()];
        match fill(demands, supplies, &mut places, ranking) {
            Ok(()) => return Ok(places.into_iter().flatten().collect()),
            Err(homeless) => best = best.or(Some(homeless)),
        }
    }
    let mut places = vec![None; demands.len()];
    if search::search(demands, supplies, &mut places, STEPS) {
        return Ok(places.into_iter().flatten().collect());
    }
    Err(best.unwrap_or(Homeless { demand: 0, lacks: Resource::Cores }))
}

/// Returns, for each demand that [`place`] placed, the hosts that stood before its own and what they lacked; `None` where the hosts
/// are so full that places were found by trying.
pub fn passed_over(demands: &[Demand], supplies: &[Supply], placed: &[usize]) -> Option<Vec<Vec<(usize, Resource)>>> {
    for ranking in [rank_by_draw as fn(&Demand, &[Supply]) -> Vec<usize>, rank_by_order] {
        let mut used = vec![Used::default(); supplies.len()];
        let mut passed = vec![Vec::new(); demands.len()];
        let mut explained = true;
        for index in order(demands, (0..demands.len()).collect()) {
            let (Some(demand), Some(own)) = (demands.get(index), placed.get(index)) else { continue };
            for host in ranking(demand, supplies).into_iter().take_while(|host| host != own) {
                let (Some(supply), Some(taken)) = (supplies.get(host), used.get(host)) else { continue };
                match (lacking(supply, taken, demand), passed.get_mut(index)) {
                    (Some(lacks), Some(passed)) => passed.push((host, lacks)),
                    _ => explained = false,
                }
            }
            if let Some(taken) = used.get_mut(*own) {
                take(taken, demand);
            }
        }
        if explained {
            return Some(passed);
        }
    }
    None
}

/// Tells whether the nodes of hosts that are gone find a place on those that are left, without moving any other node.
///
/// - `gone`: indices of hosts.
/// - Errors: a node that has none.
pub fn survive(demands: &[Demand], supplies: &[Supply], placed: &[usize], gone: &[usize]) -> Result<(), Homeless> {
    let mut places: Vec<Option<usize>> =
        placed.iter().map(|host| Some(*host).filter(|host| !gone.contains(host))).collect();
    let left: Vec<Supply> = supplies
        .iter()
        .enumerate()
        .map(|(index, supply)| match gone.contains(&index) {
            true => Supply { cores: 0, memory: 0, disk: 0, ..supply.clone() },
            false => supply.clone(),
        })
        .collect();
    let kept = places.clone();
    let Err(homeless) = fill(demands, &left, &mut places, rank_by_draw) else { return Ok(()) };
    places = kept;
    if search::search(demands, &left, &mut places, STEPS_OF_SURVIVORS) { Ok(()) } else { Err(homeless) }
}

/// Returns every way in which `count` of `hosts` hosts can be gone; no more than `most` of them.
pub fn failures(hosts: usize, count: usize, most: usize) -> Vec<Vec<usize>> {
    let mut sets = vec![Vec::new()];
    for _ in 0..count {
        let mut longer = Vec::new();
        for set in &sets {
            let from = set.last().map_or(0, |last: &usize| last + 1);
            for host in from..hosts {
                if longer.len() >= most {
                    break;
                }
                let mut next = set.clone();
                next.push(host);
                longer.push(next);
            }
        }
        sets = longer;
    }
    sets
}

fn rank_by_draw(demand: &Demand, supplies: &[Supply]) -> Vec<usize> {
    let mut ranking: Vec<usize> = (0..supplies.len()).collect();
    ranking.sort_by_cached_key(|&index| supplies.get(index).map(|supply| draw(&supply.name, &demand.name)));
    ranking
}

fn rank_by_order(_: &Demand, supplies: &[Supply]) -> Vec<usize> {
    (0..supplies.len()).collect()
}

#[derive(Clone, Default)]
struct Used<'d> {
    cores: u64,
    memory: u64,
    disk: u64,
    groups: Vec<&'d str>,
}

fn fill(
    demands: &[Demand],
    supplies: &[Supply],
    places: &mut [Option<usize>],
    ranking: fn(&Demand, &[Supply]) -> Vec<usize>,
) -> Result<(), Homeless> {
    let mut used = vec![Used::default(); supplies.len()];
    for (demand, place) in demands.iter().zip(places.iter()) {
        if let Some(host) = place.and_then(|host| used.get_mut(host)) {
            take(host, demand);
        }
    }
    let homeless = places.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(index, _)| index).collect();
    for index in order(demands, homeless) {
        let (Some(demand), Some(place)) = (demands.get(index), places.get_mut(index)) else { continue };
        let mut lacks = [0usize; 4];
        for host in ranking(demand, supplies) {
            let (Some(supply), Some(taken)) = (supplies.get(host), used.get_mut(host)) else { continue };
            match lacking(supply, taken, demand) {
                None => {
                    take(taken, demand);
                    *place = Some(host);
                    break;
                }
                Some(resource) => {
                    if let Some(count) = lacks.get_mut(resource as usize) {
                        *count += 1;
                    }
                }
            }
        }
        if place.is_none() {
            let most = [Resource::Cores, Resource::Memory, Resource::Disk, Resource::Separation];
            let lacks = most.into_iter().rev().max_by_key(|resource| lacks.get(*resource as usize).copied());
            return Err(Homeless { demand: index, lacks: lacks.unwrap_or(Resource::Cores) });
        }
    }
    Ok(())
}

/// Sorts demands, the largest first.
fn order(demands: &[Demand], mut indices: Vec<usize>) -> Vec<usize> {
    indices.sort_by_cached_key(|&index| {
        demands
            .get(index)
            .map(|demand| (std::cmp::Reverse((demand.memory, demand.disk, demand.cores)), natural(&demand.name)))
    });
    indices
}

fn take<'d>(used: &mut Used<'d>, demand: &'d Demand) {
    used.cores = used.cores.saturating_add(demand.cores);
    used.memory = used.memory.saturating_add(demand.memory);
    used.disk = used.disk.saturating_add(demand.disk);
    used.groups.extend(demand.group.as_deref());
}

fn lacking(supply: &Supply, used: &Used<'_>, demand: &Demand) -> Option<Resource> {
    let fits = |have: u64, used: u64, more: u64| used.checked_add(more).is_some_and(|sum| sum <= have);
    if !fits(supply.memory, used.memory, demand.memory) {
        Some(Resource::Memory)
    } else if !fits(supply.cores, used.cores, demand.cores) {
        Some(Resource::Cores)
    } else if !fits(supply.disk, used.disk, demand.disk) {
        Some(Resource::Disk)
    } else if demand.group.as_deref().is_some_and(|group| used.groups.contains(&group)) {
        Some(Resource::Separation)
    } else {
        None
    }
}

/// Returns a key that sorts `mx-10` behind `mx-2`.
pub fn natural(name: &str) -> (String, u64, String) {
    let (stem, number) = name.rsplit_once('-').unwrap_or((name, ""));
    (stem.to_owned(), number.parse().unwrap_or(0), number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand(name: &str, group: &str, memory: u64) -> Demand {
        Demand { name: name.to_owned(), group: Some(group.to_owned()), cores: 1000, memory, disk: 1 }
    }

    fn hosts(count: usize, memory: u64) -> Vec<Supply> {
        (1..=count).map(|number| Supply { name: format!("h-{number}"), cores: 16_000, memory, disk: 100 }).collect()
    }

    #[test]
    fn nodes_of_one_role_never_share_a_host() {
        let demands: Vec<Demand> = (1..=3).map(|number| demand(&format!("store-{number}"), "store", 4)).collect();
        let mut places = place(&demands, &hosts(3, 16)).unwrap();
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2]);
        assert_eq!(place(&demands, &hosts(2, 16)).unwrap_err().lacks, Resource::Separation);
    }

    #[test]
    fn what_was_passed_over_lacked_something_and_what_was_taken_did_not() {
        let demands: Vec<Demand> = (1..=4)
            .flat_map(|number| {
                [demand(&format!("store-{number}"), "store", 6), demand(&format!("mx-{number}"), "mx", 4)]
            })
            .collect();
        let supplies = hosts(4, 10);
        let places = place(&demands, &supplies).unwrap();
        let passed = passed_over(&demands, &supplies, &places).unwrap();
        for ((demand, own), passed) in demands.iter().zip(&places).zip(&passed) {
            let ranking = rank_by_draw(demand, &supplies);
            let before: Vec<usize> = ranking.into_iter().take_while(|host| host != own).collect();
            assert_eq!(passed.iter().map(|(host, _)| *host).collect::<Vec<_>>(), before, "{}", demand.name);
        }
        // Two nodes fill a host, so that memory and other nodes of a role are all that can be in the way.
        let reasons: Vec<Resource> = passed.into_iter().flatten().map(|(_, lacks)| lacks).collect();
        assert!(!reasons.is_empty() && !reasons.contains(&Resource::Cores));
    }

    #[test]
    fn a_node_that_no_host_has_the_memory_for_is_told() {
        let demands = [demand("a-1", "a", 4), demand("b-1", "b", 40)];
        assert_eq!(place(&demands, &hosts(2, 16)), Err(Homeless { demand: 1, lacks: Resource::Memory }));
    }

    #[test]
    fn a_platform_without_hosts_places_nothing() {
        assert!(place(&[demand("a-1", "a", 1)], &[]).is_err());
        assert_eq!(place(&[], &[]), Ok(Vec::new()));
    }

    #[test]
    fn one_more_small_node_moves_no_other() {
        let mut demands: Vec<Demand> =
            (1..=8).map(|number| demand(&format!("n-{number}"), &format!("g{number}"), 2)).collect();
        let before = place(&demands, &hosts(5, 16)).unwrap();
        demands.push(demand("z-1", "z", 1));
        let after = place(&demands, &hosts(5, 16)).unwrap();
        assert_eq!(before, after[..8]);
    }

    #[test]
    fn the_loss_of_a_host_is_survived_only_where_the_others_have_room() {
        let demands: Vec<Demand> =
            (1..=4).map(|number| demand(&format!("n-{number}"), &format!("g{number}"), 8)).collect();
        for (memory, survives) in [(16, true), (8, false)] {
            let hosts = hosts(4, memory);
            let places = place(&demands, &hosts).unwrap();
            let all = failures(4, 1, 1000).iter().all(|gone| survive(&demands, &hosts, &places, gone).is_ok());
            assert_eq!(all, survives, "{memory}");
        }
    }

    #[test]
    fn failures_are_all_sets_of_hosts() {
        assert_eq!(failures(3, 1, 10), [vec![0], vec![1], vec![2]]);
        assert_eq!(failures(3, 2, 10), [vec![0, 1], vec![0, 2], vec![1, 2]]);
        assert!(failures(1, 2, 10).is_empty());
        assert_eq!(failures(1000, 2, 50).len(), 50);
    }

    proptest! {
        #[test]
        fn no_host_is_ever_overfilled(sizes in prop::collection::vec((1u64..9, 0usize..4), 0..30), count in 1usize..6) {
            let demands: Vec<Demand> = sizes.iter().enumerate()
                .map(|(index, (memory, group))| demand(&format!("n-{index}"), &format!("g{group}"), *memory)).collect();
            let hosts = hosts(count, 16);
            if let Ok(places) = place(&demands, &hosts) {
                for host in 0..count {
                    let here: Vec<&Demand> = demands.iter().zip(&places).filter(|(_, place)| **place == host).map(|(demand, _)| demand).collect();
                    prop_assert!(here.iter().map(|demand| demand.memory).sum::<u64>() <= 16);
                    let mut groups: Vec<_> = here.iter().map(|demand| demand.group.clone()).collect();
                    groups.sort();
                    groups.dedup();
                    prop_assert_eq!(groups.len(), here.len());
                }
            }
        }
    }
}
