//! Networks do not overlap, hosts have one name each, and what the world sees lies in a front network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use spec::model::Addresses;
use spec::{Problem, Span, Spanned};
use values::{Network, quoted};

use crate::decide::hosts;
use crate::report::Report;
use crate::resolve::Model;

/// Checks networks, hosts and outbound addresses.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    overlaps(model, report);
    host_names(model, report);
    outbound(model, report);
}

fn written(addresses: &Addresses) -> impl Iterator<Item = &Spanned<Network>> {
    [Some(&addresses.ipv4), addresses.ipv6.as_ref()].into_iter().flatten().filter(|network| !network.is_hole())
}

fn overlaps(model: &Model<'_>, report: &mut Report) {
    let mut seen: Vec<&Spanned<Network>> = Vec::new();
    for site in model.sites.values() {
        for addresses in [&site.network, &site.front] {
            for network in written(addresses) {
                if let Some(first) = seen.iter().find(|first| first.value.overlaps(network.value)) {
                    report.tell(
                        Problem::error(
                            "compiler::networks-overlap",
                            network.span,
                            format!("the networks {} and {} share addresses", first.value, network.value),
                        )
                        .label("overlaps another network")
                        .help("choose networks that have no address in common")
                        .related(first.span, "the other network"),
                    );
                }
                seen.push(network);
            }
        }
    }
}

fn host_names(model: &Model<'_>, report: &mut Report) {
    let mut seen: BTreeMap<values::Name, Span> = BTreeMap::new();
    for site in model.sites.values() {
        for (host, span) in hosts::hosts(site) {
            match seen.get(&host.name) {
                // One line for each pair of groups is enough.
                Some(first) => {
                    report.tell(
                        Problem::error(
                            "compiler::declared-twice",
                            span,
                            format!("two hosts are called {}", quoted(host.name.as_str())),
                        )
                        .help("give one of the groups another name")
                        .related(*first, "the other host is from here"),
                    );
                    break;
                }
                None => {
                    seen.insert(host.name, span);
                }
            }
        }
    }
}

fn outbound(model: &Model<'_>, report: &mut Report) {
    let fronts: Vec<&Spanned<Network>> = model.platform.sites.iter().flat_map(|site| written(&site.front)).collect();
    let unread =
        model.platform.sites.is_empty()
            || model.platform.sites.iter().any(|site| {
                site.front.ipv4.is_hole() || site.front.ipv6.as_ref().is_some_and(|network| network.is_hole())
            });
    let mut seen: BTreeMap<IpAddr, (Span, Span)> = BTreeMap::new();
    for pool in model.pools.values() {
        for address in pool.addresses.iter().map(|address| &address.address).filter(|address| !address.is_hole()) {
            let front = fronts.iter().find(|front| front.value.contains(address.value));
            match front {
                // What a front network is that could not be read, nobody knows.
                None if unread => {}
                None => {
                    let list: Vec<String> = fronts.iter().map(|front| front.value.to_string()).collect();
                    report.tell(
                        Problem::error(
                            "compiler::address-not-in-front",
                            address.span,
                            format!("the address {} lies in no front network", address.value),
                        )
                        .label("the world cannot answer it")
                        .help(format!("choose one of {}", list.join(", ")))
                        .related(fronts.first().map_or(Span::HOLE, |front| front.span), "a front network"),
                    );
                }
                Some(front) if !usable(front.value, address.value) => report.tell(
                    Problem::error(
                        "compiler::address-not-in-front",
                        address.span,
                        format!(
                            "the address {} is the router's, the network's own or for all of {}",
                            address.value, front.value
                        ),
                    )
                    .label("no host can have it")
                    .help("choose another")
                    .related(front.span, "the front network"),
                ),
                Some(_) => {}
            }
            // Twice in one pool was told where that was read.
            let before = seen.insert(address.value, (address.span, pool.span)).filter(|(_, its)| *its != pool.span);
            if let Some((first, _)) = before {
                report.tell(
                    Problem::error(
                        "compiler::declared-twice",
                        address.span,
                        format!("the address {} is in two pools", address.value),
                    )
                    .help("let each pool have addresses of its own, so that one's reputation is not the other's")
                    .related(first, "first used here"),
                );
            }
        }
    }
}

/// Tells whether a host may have an address of a front network: not the first, which is the router's.
fn usable(front: Network, address: IpAddr) -> bool {
    let ends = [Some(front.address()), front.nth(1), front.is_ipv4().then(|| front.last())];
    front.size() <= 2 || !ends.contains(&Some(address))
}
