//! The nodes of an environment: how many, how large, what they are called, where they sit and how they are reached.

use std::collections::BTreeMap;
use std::net::IpAddr;

use blueprint::Role;
use blueprint::platform::{Hookup, Node, Service};
use spec::model::{Environment, Site};
use spec::{Problem, Span};
use values::{ByteSize, HostName, Name, Network};

use super::addresses::{self, Front};
use super::environment::{count, spec_role};
use super::placement::{self, Demand, Homeless, Resource, Supply};
use super::{hosts, names, pools, ports, services, sizes};
use crate::report::Report;
use crate::resolve::{Cluster, Model};

/// A node before it has a place.
#[derive(Clone, Debug)]
struct Planned<'s> {
    name: Name,
    role: Role,
    number: u32,
    cluster: Cluster<'s>,
    cores: u32,
    memory: ByteSize,
    disk: ByteSize,
    span: Span,
}

/// A node with the place in the text that asked for it.
pub type Asked = (Node, Span);

/// Most sets of failing hosts that are tried; beyond, a sample in a fixed order must do.
const FAILURES: usize = 2_000;

/// Returns the nodes of an environment, sorted by name. Those without a place or an address are told and left out.
pub fn nodes(
    model: &Model<'_>,
    environment: &Environment,
    service_domain: &HostName,
    hookup: Hookup,
    report: &mut Report,
) -> Vec<Asked> {
    let planned = plan(model, environment, report);
    let mut found = Vec::new();
    for site in model.sites.values() {
        let here: Vec<&Planned<'_>> =
            planned.iter().filter(|node| node.cluster.site.name.value == site.name.value).collect();
        let hosts = place(site, &here, report);
        let mut fronts = front_addresses(model, site, &here, report);
        let clusters: Vec<&Name> = model
            .clusters
            .iter()
            .filter(|cluster| cluster.site.name.value == site.name.value)
            .map(|cluster| &cluster.spec.name.value)
            .collect();
        for node in here {
            let Some(host) = hosts.get(&node.name) else { continue };
            // One node that does not fit says enough of the network it does not fit into.
            let Some(addresses) = inner_addresses(site, &clusters, node, report) else { break };
            let Ok(hostname) = service_domain.below(node.name.as_str()) else {
                report.tell(
                    Problem::error(
                        "compiler::host-name-too-long",
                        node.cluster.spec.name.span,
                        format!("the node {} has no room below {service_domain}", node.name),
                    )
                    .help("choose a shorter name for the cluster or a shorter service domain"),
                );
                break;
            };
            let built = Node {
                name: node.name.clone(),
                role: node.role,
                cluster: node.cluster.spec.name.value.clone(),
                site: site.name.value.clone(),
                host: host.clone(),
                hostname,
                cores: node.cores,
                memory: node.memory,
                disk: node.disk,
                storage: node.cluster.storage.map(|storage| storage.name.value.clone()),
                addresses,
                front_addresses: fronts.remove(&node.name).unwrap_or_default(),
                services: with_pools(model, services::services(node.role, hookup), node.role),
            };
            found.push((built, node.span));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    found
}

/// Adds what an outbound node answers for the pools that have ports of their own.
fn with_pools(model: &Model<'_>, mut services: Vec<Service>, role: Role) -> Vec<Service> {
    if role == Role::Outbound {
        let candidates = model.pools.iter().map(|(name, pool)| pools::Candidate {
            name,
            warms_up: pool.warm_up.is_some(),
            addresses: pool.addresses.len(),
        });
        let ported = pools::ports(candidates).into_iter().filter(|(_, port)| *port != ports::RELAY);
        services.extend(ported.map(|(name, port)| services::pool(name, port)));
        services.sort_by(|a, b| (a.port, &a.name).cmp(&(b.port, &b.name)));
    }
    services
}

/// A node's name, its role, and where it was asked for.
pub(crate) struct Called<'s> {
    pub(crate) name: Name,
    pub(crate) role: Role,
    pub(crate) cluster: &'s Name,
    pub(crate) span: Span,
}

/// Returns what the nodes of an environment are called, whether they have a place or not.
pub(crate) fn called<'s>(model: &Model<'s>, environment: &Environment) -> Vec<Called<'s>> {
    let planned = plan(model, environment, &mut Report::default());
    let called = |node: Planned<'s>| Called {
        name: node.name,
        role: node.role,
        cluster: &node.cluster.spec.name.value,
        span: node.span,
    };
    planned.into_iter().map(called).collect()
}

/// Returns what the nodes of an environment are called.
pub fn names(model: &Model<'_>, environment: &Environment) -> Vec<Name> {
    // Names that cannot be made are told where the nodes are.
    plan(model, environment, &mut Report::default()).into_iter().map(|node| node.name).collect()
}

/// Tells why a node sits on its host, in sentences.
pub fn reasons(model: &Model<'_>, environment: &Environment, name: &Name) -> Vec<String> {
    let planned = plan(model, environment, &mut Report::default());
    let Some(asked) = planned.iter().find(|node| node.name == *name) else { return Vec::new() };
    let site = asked.cluster.site;
    let here: Vec<&Planned<'_>> =
        planned.iter().filter(|node| node.cluster.site.name.value == site.name.value).collect();
    let (supplies, demands) = (supplies(site), here.iter().map(|node| demand(node)).collect::<Vec<Demand>>());
    let Ok(places) = placement::place(&demands, &supplies) else { return Vec::new() };
    let passed = placement::passed_over(&demands, &supplies, &places);
    let Some(index) = here.iter().position(|node| node.name == *name) else { return Vec::new() };
    let host = |index: usize| supplies.get(index).map_or("", |supply| supply.name.as_str());
    let Some(passed) = passed else {
        let own = places.get(index).map_or("", |&own| host(own));
        return vec![format!(
            "the site's {} hosts are nearly full: no order of placing nodes one after the other had a place for each, so that places \
             were looked for by trying, the largest nodes first; {own} is the one for {name} in what was found",
            supplies.len()
        )];
    };
    let mut reasons = vec![format!(
        "large nodes are placed first, each on the first of the site's {} hosts that has room, in an order drawn from the \
         names of node and host, so that one more node or host moves no other that need not make room",
        supplies.len()
    )];
    for &(passed, lacks) in passed.get(index).into_iter().flatten() {
        let why = match lacks {
            Resource::Cores => "has too few cores left".to_owned(),
            Resource::Memory => "has too little memory left".to_owned(),
            Resource::Disk => "has too little disk left".to_owned(),
            Resource::Separation => {
                format!("already has a node of the role {}, and the cluster is spread by host", asked.role.name())
            }
        };
        reasons.push(format!("{} {why}", host(passed)));
    }
    if let Some(&own) = places.get(index) {
        reasons.push(format!("{} has room", host(own)));
    }
    reasons
}

/// Decides how many nodes there are, how large and what they are called.
fn plan<'s>(model: &Model<'s>, environment: &Environment, report: &mut Report) -> Vec<Planned<'s>> {
    let mut planned = Vec::new();
    for role in Role::ALL {
        let with_role = model.clusters.iter().filter(|cluster| cluster.spec.role(spec_role(role)).is_some());
        for (position, cluster) in with_role.enumerate() {
            let Some(asked) = cluster.spec.role(spec_role(role)) else { continue };
            for number in 1..=count(environment, cluster.spec, role) {
                // The first cluster with a role has the bare names, so that a second one renames nobody.
                let Some(name) = names::node_name(role, &cluster.spec.name.value, position > 0, number) else {
                    report.tell(
                        Problem::error(
                            "compiler::host-name-too-long",
                            cluster.spec.name.span,
                            format!("the name of the cluster {} is too long for its nodes", cluster.spec.name.value),
                        )
                        .help("choose one of at most 40 characters"),
                    );
                    break;
                };
                planned.push(Planned {
                    name,
                    role,
                    number,
                    cluster: *cluster,
                    cores: asked
                        .cores
                        .as_ref()
                        .map_or(sizes::CORES, |cores| u32::try_from(cores.value).unwrap_or(u32::MAX)),
                    memory: asked.memory.as_ref().map_or(sizes::memory(role), |memory| memory.value),
                    disk: asked.disk.as_ref().map_or(sizes::disk(role), |disk| disk.value),
                    span: asked.span,
                });
            }
        }
    }
    planned
}

fn demand(node: &Planned<'_>) -> Demand {
    let overcommit = node.cluster.spec.overcommit.as_ref().map_or(sizes::OVERCOMMIT_THOUSANDTHS, |overcommit| {
        overcommit.cores.value.as_thousandths().unsigned_abs().max(1)
    });
    let own_disk = if node.cluster.storage.is_some() { 0 } else { node.disk.as_bytes() };
    Demand {
        name: node.name.to_string(),
        group: node
            .cluster
            .spec
            .spread
            .as_ref()
            .map(|_| format!("{} {}", node.cluster.spec.name.value, node.role.name())),
        cores: u64::from(node.cores).saturating_mul(1_000_000).div_ceil(overcommit),
        memory: node.memory.as_bytes(),
        disk: sizes::SYSTEM_DISK.as_bytes().saturating_add(own_disk),
    }
}

/// Returns what the hosts of a site have, in their order.
fn supplies(site: &Site) -> Vec<Supply> {
    hosts::hosts(site)
        .iter()
        .map(|(host, _)| Supply {
            name: host.name.to_string(),
            cores: u64::from(host.cores).saturating_mul(1000),
            memory: host.memory.as_bytes(),
            disk: host.disk.as_bytes(),
        })
        .collect()
}

/// Places the nodes of a site on its hosts and makes sure that they survive what they are to survive.
fn place(site: &Site, nodes: &[&Planned<'_>], report: &mut Report) -> BTreeMap<Name, Name> {
    let hosts = hosts::hosts(site);
    let supplies = supplies(site);
    let demands: Vec<Demand> = nodes.iter().map(|node| demand(node)).collect();
    // That there are none at all is told of each node.
    if !supplies.is_empty() {
        survivable(site, nodes, &supplies, report);
    }
    match placement::place(&demands, &supplies) {
        Ok(places) => {
            survive(nodes, &demands, &supplies, &places, report);
            let named = nodes.iter().zip(places);
            named.filter_map(|(node, host)| Some((node.name.clone(), hosts.get(host)?.0.name.clone()))).collect()
        }
        Err(homeless) => {
            if let Some(node) = nodes.get(homeless.demand) {
                report.tell(no_place(site, nodes, node, homeless));
            }
            // Those that not even an empty host has room for are told too, one of each role.
            let mut told = vec![nodes.get(homeless.demand).map(|node| node.span)];
            for (node, demand) in nodes.iter().zip(&demands) {
                if let Err(Homeless { lacks, .. }) = placement::place(std::slice::from_ref(demand), &supplies)
                    && !told.contains(&Some(node.span))
                {
                    told.push(Some(node.span));
                    report.tell(no_place(site, nodes, node, Homeless { demand: 0, lacks }));
                }
            }
            BTreeMap::new()
        }
    }
}

fn no_place(site: &Site, nodes: &[&Planned<'_>], node: &Planned<'_>, homeless: Homeless) -> Problem {
    let hosts: u64 = site.hosts.iter().map(|group| group.count.value).sum();
    let (message, help) = match homeless.lacks {
        _ if hosts == 0 => (
            format!("the site {} has no hosts for {}", site.name.value, node.name),
            "declare some with `hosts \"NAME\" count=… cores=… memory=… disk=…`".to_owned(),
        ),
        Resource::Separation => {
            let peers = nodes
                .iter()
                .filter(|peer| peer.role == node.role && peer.cluster.spec.name.value == node.cluster.spec.name.value)
                .count();
            (
                format!(
                    "{} has no host of its own: there are {peers} {} nodes and {hosts} hosts",
                    node.name,
                    node.role.name()
                ),
                match site.hosts.first() {
                    Some(group) => format!(
                        "write a count of at most `{hosts}`, `count={}` in `hosts \"{}\"`, or remove `spread by=\"host\"`",
                        group.count.value + (peers as u64).saturating_sub(hosts),
                        group.name.value
                    ),
                    None => "lower the count, or add hosts".to_owned(),
                },
            )
        }
        resource => {
            let (what, asked) = match resource {
                Resource::Memory => ("memory", node.memory.to_string()),
                Resource::Disk => ("disk", node.disk.to_string()),
                _ => ("cores", node.cores.to_string()),
            };
            (
                format!("no host of {} has {what} left for {}", site.name.value, node.name),
                match (most(site, resource), more_hosts(site, nodes)) {
                    (Some(most), _) if !fits_alone(site, node) => {
                        format!(
                            "it takes {asked} and the largest host has {most}; make the node smaller or the hosts larger"
                        )
                    }
                    (_, Some((group, count))) => {
                        format!("it takes {asked}; write `count={count}` in `hosts \"{group}\"`, or make nodes smaller")
                    }
                    _ => format!("it takes {asked}; make nodes smaller, make hosts larger, or add hosts"),
                },
            )
        }
    };
    Problem::error("compiler::no-place", node.span, message)
        .label("asked for here")
        .help(help)
        .related(site.hosts.first().map_or(site.span, |group| group.span), "the hosts it could sit on")
}

/// Tells whether one of the site's hosts has room for a node while it is empty.
fn fits_alone(site: &Site, node: &Planned<'_>) -> bool {
    placement::place(&[demand(node)], &supplies(site)).is_ok()
}

/// Returns the most of a resource that a host of the site has, in words.
fn most(site: &Site, resource: Resource) -> Option<String> {
    let groups = || site.hosts.iter();
    match resource {
        Resource::Memory => groups().map(|group| group.memory.value).max().map(|most| most.to_string()),
        Resource::Disk => groups().map(|group| group.disk.value).max().map(|most| most.to_string()),
        _ => groups().map(|group| group.cores.value).max().map(|most| most.to_string()),
    }
}

/// Returns how many hosts of the first group would be enough for all nodes, where a few more are.
fn more_hosts(site: &Site, nodes: &[&Planned<'_>]) -> Option<(String, u64)> {
    const MOST_MORE: u64 = 8;
    // What a help is worth ends where looking for it takes long.
    const MOST_NODES: usize = 200;
    let group = site.hosts.first().filter(|_| nodes.len() <= MOST_NODES)?;
    let demands: Vec<Demand> = nodes.iter().map(|node| demand(node)).collect();
    let mut more = site.clone();
    (1..=MOST_MORE).map(|added| group.count.value + added).find_map(|count| {
        more.hosts.first_mut()?.count.value = count;
        placement::place(&demands, &supplies(&more)).is_ok().then(|| (group.name.value.to_string(), count))
    })
}

/// Returns what is to be survived, by the clusters that ask for it.
fn survivals<'s>(nodes: &[&Planned<'s>]) -> BTreeMap<&'s Name, &'s spec::model::Survive> {
    let asked =
        nodes.iter().filter_map(|node| Some((&node.cluster.spec.name.value, node.cluster.spec.survive.as_ref()?)));
    asked.collect()
}

/// Checks that not all hosts are to be lost, which nothing survives wherever nodes are placed.
fn survivable(site: &Site, nodes: &[&Planned<'_>], supplies: &[Supply], report: &mut Report) {
    for survive in survivals(nodes).into_values().filter(|survive| survive.hosts.value >= supplies.len() as u64) {
        report.tell(
            Problem::error(
                "compiler::cannot-survive",
                survive.hosts.span,
                format!("{} hosts cannot be lost where there are {}", survive.hosts.value, supplies.len()),
            )
            .help("ask for less, or add hosts")
            .related(site.span, "the site"),
        );
    }
}

fn survive(nodes: &[&Planned<'_>], demands: &[Demand], supplies: &[Supply], places: &[usize], report: &mut Report) {
    for (cluster, survive) in survivals(nodes) {
        let count = usize::try_from(survive.hosts.value).unwrap_or(usize::MAX);
        if count >= supplies.len() {
            continue;
        }
        for gone in placement::failures(supplies.len(), count, FAILURES) {
            // Nodes that nobody asked to survive need no new place, but keep the one they have.
            let stays = |index: usize| {
                nodes.get(index).is_some_and(|node| node.cluster.spec.name.value == *cluster)
                    || places.get(index).is_some_and(|place| !gone.contains(place))
            };
            let kept: Vec<usize> = (0..demands.len()).filter(|&index| stays(index)).collect();
            let kept_demands: Vec<Demand> = kept.iter().filter_map(|&index| demands.get(index).cloned()).collect();
            let kept_places: Vec<usize> = kept.iter().filter_map(|&index| places.get(index).copied()).collect();
            let Err(homeless) = placement::survive(&kept_demands, supplies, &kept_places, &gone) else { continue };
            let node = kept.get(homeless.demand).and_then(|&index| nodes.get(index));
            let lost: Vec<&str> = gone.iter().filter_map(|&host| Some(supplies.get(host)?.name.as_str())).collect();
            let lacking = match homeless.lacks {
                Resource::Cores => "cores",
                Resource::Memory => "memory",
                Resource::Disk => "disk",
                Resource::Separation => "a host without another node of its role",
            };
            let name = node.map_or("a node", |node| node.name.as_str());
            report.tell(
                Problem::error(
                    "compiler::cannot-survive",
                    survive.span,
                    format!("without {} there is no place for {name}, for lack of {lacking}", lost.join(" and ")),
                )
                .label("asked for here")
                .help("add hosts, make nodes smaller, or ask to survive less")
                .related(node.map_or(Span::HOLE, |node| node.span), format!("{name} is asked for here")),
            );
            break;
        }
    }
}

fn networks(addresses: &spec::model::Addresses) -> Vec<Network> {
    [Some(&addresses.ipv4), addresses.ipv6.as_ref()].into_iter().flatten().map(|network| network.value).collect()
}

fn inner_addresses(site: &Site, clusters: &[&Name], node: &Planned<'_>, report: &mut Report) -> Option<Vec<IpAddr>> {
    let cluster = clusters.iter().position(|name| **name == node.cluster.spec.name.value)?;
    let mut found = Vec::new();
    for network in networks(&site.network) {
        match addresses::inner(network, cluster, clusters.len(), node.role, node.number) {
            Some(address) => found.push(address),
            None => {
                report.tell(
                    Problem::error(
                        "compiler::network-too-small",
                        site.network.span,
                        format!("the network {network} has no address for {}", node.name),
                    )
                    .help("write a larger network, such as a /16; each role of each cluster gets a block of its own")
                    .related(node.span, "the node is asked for here"),
                );
                return None;
            }
        }
    }
    Some(found)
}

/// Tells whether nodes of a role have addresses that the world sees.
///
/// The balancers have them for all that stand behind them; where a cluster has none, its front nodes have their own. DNS is
/// answered without a balancer, and outbound nodes have what their pools say.
fn is_front(node: &Planned<'_>) -> bool {
    match node.role {
        Role::Balancer | Role::Dns => true,
        Role::Mx | Role::Submission | Role::Access | Role::Web | Role::Control => node.cluster.spec.balancer.is_none(),
        _ => false,
    }
}

fn front_addresses(
    model: &Model<'_>,
    site: &Site,
    nodes: &[&Planned<'_>],
    report: &mut Report,
) -> BTreeMap<Name, Vec<IpAddr>> {
    let fronts = networks(&site.front);
    let taken: Vec<IpAddr> = model
        .pools
        .values()
        .flat_map(|pool| &pool.addresses)
        .map(|address| address.address.value)
        .filter(|address| fronts.iter().any(|front| front.contains(*address)))
        .collect();
    let mut found: BTreeMap<Name, Vec<IpAddr>> = BTreeMap::new();
    let outbound: Vec<&&Planned<'_>> = nodes.iter().filter(|node| node.role == Role::Outbound).collect();
    let mut pooled = taken.clone();
    pooled.sort_unstable();
    pooled.dedup();
    for (node, address) in outbound.iter().cycle().zip(pooled) {
        found.entry(node.name.clone()).or_default().push(address);
    }
    let mut free = Front::new(&fronts, &taken);
    let mut order: Vec<&&Planned<'_>> = nodes.iter().filter(|node| is_front(node)).collect();
    // By number before role, so that one more node of a role comes behind those that are there.
    order.sort_by_key(|node| (&node.cluster.spec.name.value, node.number, node.role));
    for node in order {
        for front in &fronts {
            match free.next(front.is_ipv4()) {
                Some(address) => found.entry(node.name.clone()).or_default().push(address),
                None => {
                    report.tell(
                        Problem::error(
                            "compiler::front-too-small",
                            site.front.span,
                            format!("the network {front} has no address left for {}", node.name),
                        )
                        .help("write a larger front network, or lower the count")
                        .related(node.span, "the node is asked for here"),
                    );
                    return found;
                }
            }
        }
    }
    found
}
