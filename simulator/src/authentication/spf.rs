//! Whether a host may send for a domain (RFC 7208).
//!
//! Gap: RFC 7208 §7, macros; a policy with one is a permanent error. §5.5, `ptr` never matches.

use std::net::IpAddr;

use values::MailAddress;

use super::{Outcome, plain_texts};
use crate::dns::{Data, Found, Kind, Zones};

/// Terms that cause a look-up (RFC 7208 §4.6.4).
const LOOKUPS: u32 = 10;

/// Checks a host against a domain's policy.
pub(super) fn check(peer: IpAddr, domain: &str, _sender: Option<&MailAddress>, zones: &Zones) -> Outcome {
    let mut lookups = 0;
    evaluate(peer, domain, zones, &mut lookups).unwrap_or(Outcome::PermError)
}

/// Returns `None` for a permanent error.
fn evaluate(peer: IpAddr, domain: &str, zones: &Zones, lookups: &mut u32) -> Option<Outcome> {
    let policies: Vec<String> = plain_texts(zones, domain)
        .filter(|text| text.eq_ignore_ascii_case("v=spf1") || text.to_ascii_lowercase().starts_with("v=spf1 "))
        .collect();
    let policy = match policies.as_slice() {
        [] => return Some(Outcome::None),
        [one] => one,
        _ => return None,
    };
    let mut redirect = None;
    for term in policy.split_ascii_whitespace().skip(1) {
        if term.contains('%') {
            return None;
        }
        if let Some((name, value)) = term.split_once('=')
            && !name.contains([':', '/'])
        {
            if name.eq_ignore_ascii_case("redirect") {
                redirect = Some(value.to_owned());
            }
            continue;
        }
        let (outcome, term) = match term.split_at_checked(1)? {
            ("+", rest) => (Outcome::Pass, rest),
            ("-", rest) => (Outcome::Fail, rest),
            ("~", rest) => (Outcome::SoftFail, rest),
            ("?", rest) => (Outcome::Neutral, rest),
            _ => (Outcome::Pass, term),
        };
        if matches(peer, domain, &term.to_ascii_lowercase(), zones, lookups)? {
            return Some(outcome);
        }
    }
    match redirect {
        Some(target) => {
            spend(lookups)?;
            match evaluate(peer, &target, zones, lookups)? {
                Outcome::None => None,
                outcome => Some(outcome),
            }
        }
        None => Some(Outcome::Neutral),
    }
}

fn spend(lookups: &mut u32) -> Option<()> {
    *lookups += 1;
    (*lookups <= LOOKUPS).then_some(())
}

fn matches(peer: IpAddr, domain: &str, term: &str, zones: &Zones, lookups: &mut u32) -> Option<bool> {
    let (name, rest) = match term.find([':', '/']) {
        Some(at) => term.split_at_checked(at)?,
        None => (term, ""),
    };
    match name {
        "all" => Some(true),
        "ip4" | "ip6" => {
            let network = rest.strip_prefix(':')?;
            let (address, length) = match network.split_once('/') {
                Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
                None => (network, None),
            };
            let address: IpAddr = address.parse().ok()?;
            (address.is_ipv4() == (name == "ip4")).then(|| within(peer, address, length))
        }
        "a" | "mx" => {
            spend(lookups)?;
            let (target, lengths) = match rest.strip_prefix(':') {
                Some(rest) => rest.split_once('/').map_or((rest, ""), |(target, lengths)| (target, lengths)),
                None => (domain, rest.strip_prefix('/').unwrap_or("")),
            };
            let (four, six) = lengths.split_once("//").unwrap_or((lengths, ""));
            let length = if peer.is_ipv4() { four } else { six };
            let length = if length.is_empty() { None } else { Some(length.trim_matches('/').parse::<u32>().ok()?) };
            let hosts = if name == "a" { vec![target.to_owned()] } else { exchanges(zones, target) };
            let mut addresses = hosts.iter().flat_map(|host| addresses(zones, host));
            Some(addresses.any(|address| within(peer, address, length)))
        }
        "include" => {
            spend(lookups)?;
            match evaluate(peer, rest.strip_prefix(':')?, zones, lookups)? {
                Outcome::Pass => Some(true),
                Outcome::None | Outcome::PermError => None,
                _ => Some(false),
            }
        }
        "exists" => {
            spend(lookups)?;
            Some(zones.lookup(rest.strip_prefix(':')?, Kind::A).found == Found::Records)
        }
        "ptr" => {
            spend(lookups)?;
            Some(false)
        }
        _ => None,
    }
}

fn exchanges(zones: &Zones, domain: &str) -> Vec<String> {
    let found = zones.lookup(domain, Kind::Mx).records.into_iter();
    found
        .filter_map(|(_, record)| match record.data {
            Data::Mx { exchange, .. } => Some(exchange.trim_end_matches('.').to_owned()),
            _ => None,
        })
        .take(10)
        .collect()
}

fn addresses(zones: &Zones, host: &str) -> Vec<IpAddr> {
    let records = [Kind::A, Kind::Aaaa].into_iter().flat_map(|kind| zones.lookup(host, kind).records);
    records
        .filter_map(|(_, record)| match record.data {
            Data::A(address) => Some(address.into()),
            Data::Aaaa(address) => Some(address.into()),
            _ => None,
        })
        .collect()
}

/// Tells whether an address lies in a network; one of another family never does.
fn within(peer: IpAddr, network: IpAddr, length: Option<u32>) -> bool {
    match (peer, network) {
        (IpAddr::V4(peer), IpAddr::V4(network)) => {
            let shift = 32_u32.saturating_sub(length.unwrap_or(32));
            let cut = |address: u32| address.checked_shr(shift).unwrap_or(0);
            cut(peer.into()) == cut(network.into())
        }
        (IpAddr::V6(peer), IpAddr::V6(network)) => {
            let shift = 128_u32.saturating_sub(length.unwrap_or(128));
            let cut = |address: u128| address.checked_shr(shift).unwrap_or(0);
            cut(peer.into()) == cut(network.into())
        }
        _ => false,
    }
}
