//! Placement by trying: depth first, with what cannot lead anywhere left out, for hosts that are too full for anything simpler.

use std::collections::BTreeMap;

use super::{Demand, Supply, order, rank_by_draw};

/// Nodes that are placed by trying; more of them are only ever placed one after the other.
const MOST_NODES: usize = 256;
/// Words of a set of groups; there are no more groups than nodes.
const WORDS: usize = MOST_NODES / 64;

/// What a host still has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Free {
    cores: u64,
    memory: u64,
    disk: u64,
    /// Groups that have a node here, as bits.
    groups: [u64; WORDS],
}

/// A node in the order in which it is tried.
struct Tried<'d> {
    demand: &'d Demand,
    index: usize,
    group: Option<usize>,
    /// The node before it needs the same and may stand in its place, so that only one order of the two is tried.
    like_before: bool,
    ranking: Vec<usize>,
}

struct Search<'d> {
    order: Vec<Tried<'d>>,
    free: Vec<Free>,
    chosen: Vec<usize>,
    steps: usize,
}

/// Places every demand that has no place yet, without moving any other; tells whether that was possible.
///
/// - `steps`: hosts that are looked at before it gives up. Up to that it finds a placement wherever there is one.
pub(super) fn search(demands: &[Demand], supplies: &[Supply], places: &mut [Option<usize>], steps: usize) -> bool {
    if demands.len() > MOST_NODES {
        return false;
    }
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for group in demands.iter().filter_map(|demand| demand.group.as_deref()) {
        let next = groups.len();
        groups.entry(group).or_insert(next);
    }
    let group_of = |demand: &Demand| demand.group.as_deref().and_then(|group| groups.get(group).copied());
    let mut free: Vec<Free> = supplies
        .iter()
        .map(|supply| Free { cores: supply.cores, memory: supply.memory, disk: supply.disk, groups: [0; WORDS] })
        .collect();
    for (demand, place) in demands.iter().zip(places.iter()) {
        if let Some(free) = place.and_then(|host| free.get_mut(host)) {
            take(free, demand, group_of(demand));
        }
    }
    let homeless = places.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(index, _)| index).collect();
    let mut tried: Vec<Tried<'_>> = Vec::new();
    for index in order(demands, homeless) {
        let Some(demand) = demands.get(index) else { continue };
        let like_before = tried.last().is_some_and(|before| {
            let other = before.demand;
            (other.cores, other.memory, other.disk, &other.group)
                == (demand.cores, demand.memory, demand.disk, &demand.group)
        });
        let ranking = rank_by_draw(demand, supplies);
        tried.push(Tried { demand, index, group: group_of(demand), like_before, ranking });
    }
    // What nothing could help with needs no trying.
    let hosts_of = |one: &Tried<'_>| free.iter().filter(|free| fits(free, one.demand, one.group)).count();
    // Those of a group that need at least as much need a host each of those that are large enough.
    let peers = |one: &Tried<'_>| {
        let needs = |demand: &Demand| (demand.memory, demand.cores, demand.disk);
        let (memory, cores, disk) = needs(one.demand);
        let is_larger = |other: &&Tried<'_>| {
            let other = needs(other.demand);
            other.0 >= memory && other.1 >= cores && other.2 >= disk
        };
        tried.iter().filter(|other| other.group == one.group).filter(is_larger).count()
    };
    if tried.iter().any(|one| hosts_of(one) < if one.group.is_some() { peers(one) } else { 1 }) {
        return false;
    }
    let mut search = Search { order: tried, free, chosen: Vec::new(), steps };
    if !search.descend() {
        return false;
    }
    for (tried, host) in search.order.iter().zip(&search.chosen) {
        if let Some(place) = places.get_mut(tried.index) {
            *place = Some(*host);
        }
    }
    true
}

impl Search<'_> {
    fn descend(&mut self) -> bool {
        let depth = self.chosen.len();
        let Some(tried) = self.order.get(depth) else { return true };
        if !self.has_room() {
            return false;
        }
        let (demand, group) = (tried.demand, tried.group);
        let least = tried.like_before.then(|| self.chosen.last().copied()).flatten().unwrap_or(0);
        let mut seen: Vec<Free> = Vec::new();
        for host in tried.ranking.clone() {
            if self.steps == 0 {
                return false;
            }
            self.steps -= 1;
            // Of two nodes that are alike, the one that comes first has the host that comes first.
            let Some(free) = self.free.get_mut(host).filter(|free| host >= least && fits(free, demand, group)) else {
                continue;
            };
            // A host that is as another was is no other choice; but not where hosts before the last are left out.
            if seen.contains(free) && !self.order.get(depth + 1).is_some_and(|next| next.like_before) && least == 0 {
                continue;
            }
            let before = free.clone();
            take(free, demand, group);
            seen.push(before.clone());
            self.chosen.push(host);
            if self.descend() {
                return true;
            }
            self.chosen.pop();
            if let Some(free) = self.free.get_mut(host) {
                *free = before;
            }
        }
        false
    }

    /// Tells whether what is left of all hosts together is enough for all nodes that are left.
    fn has_room(&self) -> bool {
        let left = self.order.get(self.chosen.len()..).unwrap_or_default();
        let sum = |of: fn(&Demand) -> u64| left.iter().map(|tried| u128::from(of(tried.demand))).sum::<u128>();
        let free = |of: fn(&Free) -> u64| self.free.iter().map(|free| u128::from(of(free))).sum::<u128>();
        sum(|it| it.memory) <= free(|it| it.memory)
            && sum(|it| it.cores) <= free(|it| it.cores)
            && sum(|it| it.disk) <= free(|it| it.disk)
    }
}

fn fits(free: &Free, demand: &Demand, group: Option<usize>) -> bool {
    let is_apart = group.is_none_or(|group| free.groups.get(group / 64).is_some_and(|word| word & bit(group) == 0));
    is_apart && demand.cores <= free.cores && demand.memory <= free.memory && demand.disk <= free.disk
}

fn take(free: &mut Free, demand: &Demand, group: Option<usize>) {
    free.cores = free.cores.saturating_sub(demand.cores);
    free.memory = free.memory.saturating_sub(demand.memory);
    free.disk = free.disk.saturating_sub(demand.disk);
    if let Some(word) = group.and_then(|group| free.groups.get_mut(group / 64)) {
        *word |= group.map_or(0, bit);
    }
}

fn bit(group: usize) -> u64 {
    1 << (group % 64)
}
