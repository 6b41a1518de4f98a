//! What a domain says about its mail: who may send it, who signs it, and how it wants to be written to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use values::{HostName, Name, Network};

use super::hosts;
use crate::platform::{Blueprint, Mail, Role};
use crate::roster::Roster;

/// Octets of a policy that is published in one piece; a longer one is spread over several names.
const POLICY_LENGTH: usize = 450;

/// Names that one policy may include: ten look-ups are the most that a receiver makes (RFC 7208 §4.6.4), and whoever includes
/// the policy has made one already.
const POLICY_PARTS: usize = 8;

/// Seconds that a policy of MTA-STS holds (RFC 8461 §3.2): a week.
pub const MTA_STS_SECONDS: u32 = 604_800;

/// A key that signs mail, by how it is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// `ed25519` or `rsa2048`.
    pub algorithm: String,
    /// Its name below `_domainkey`.
    pub name: String,
}

/// Returns the keys that sign a domain's mail, in the order they sign.
pub fn signing(mail: &Mail, generation: u32) -> Vec<Selector> {
    let algorithms = mail.dkim.iter().flat_map(|dkim| &dkim.algorithms);
    algorithms
        .map(|algorithm| {
            let letter = if algorithm == "ed25519" { 'e' } else { 'r' };
            Selector { algorithm: algorithm.clone(), name: format!("{letter}{generation}") }
        })
        .collect()
}

/// Returns the domains that mail is signed for, each with the domain whose keys do: a domain's other names are signed with its own.
pub fn signers<'r>(blueprint: &'r Blueprint, roster: &'r Roster) -> BTreeMap<&'r HostName, &'r HostName> {
    let mut found = BTreeMap::from([(&blueprint.service_domain, &blueprint.service_domain)]);
    for own in [blueprint.operator.postmaster.domain(), blueprint.operator.abuse.domain()] {
        found.insert(own, own);
    }
    for domain in &roster.domains {
        found.extend(std::iter::once(&domain.name).chain(&domain.aliases).map(|name| (name, &domain.name)));
    }
    found
}

/// Returns the keys that are published: those that sign, those that will next, so that the world knows them before, and those
/// that did before, for mail that is still on its way.
pub fn published(mail: &Mail, generation: u32) -> Vec<Selector> {
    let generations = generation.saturating_sub(1).max(1)..=generation.saturating_add(1);
    generations.flat_map(|generation| signing(mail, generation)).collect()
}

/// Returns the policies that say who sends for the platform (RFC 7208): the one that is published at a name of its own, and
/// the parts it includes where it would be too long, by the label below the service domain.
pub fn senders(blueprint: &Blueprint) -> Vec<(String, String)> {
    let terms: Vec<String> = sources(blueprint).into_iter().map(term).collect();
    let whole = format!("v=spf1{} -all", terms.concat());
    if whole.len() <= POLICY_LENGTH {
        return vec![("_spf".to_owned(), whole)];
    }
    let per_part = terms.len().div_ceil(POLICY_PARTS).max(POLICY_LENGTH / 24);
    let parts: Vec<String> = terms.chunks(per_part).map(|part| format!("v=spf1{} -all", part.concat())).collect();
    let includes: String =
        (1..=parts.len()).map(|number| format!(" include:_spf{number}.{}", blueprint.service_domain)).collect();
    let mut policies = vec![("_spf".to_owned(), format!("v=spf1{includes} -all"))];
    policies.extend(parts.into_iter().enumerate().map(|(index, part)| (format!("_spf{}", index + 1), part)));
    policies
}

/// Returns the policy of one domain that the platform answers for: its senders, or where to read them.
pub fn sender_policy(blueprint: &Blueprint) -> String {
    match senders(blueprint).as_slice() {
        [(_, whole)] => whole.clone(),
        _ => included_policy(blueprint),
    }
}

/// Returns the policy of a domain that somebody else answers for: where to read the senders, which may change.
pub fn included_policy(blueprint: &Blueprint) -> String {
    format!("v=spf1 include:_spf.{} -all", blueprint.service_domain)
}

fn term(network: Network) -> String {
    let (address, prefix) = (network.address(), network.prefix());
    match address {
        IpAddr::V4(_) if prefix == 32 => format!(" ip4:{address}"),
        IpAddr::V4(_) => format!(" ip4:{network}"),
        IpAddr::V6(_) if prefix == 128 => format!(" ip6:{address}"),
        IpAddr::V6(_) => format!(" ip6:{network}"),
    }
}

/// Returns every address that mail leaves from as the fewest networks that hold these and no others.
fn sources(blueprint: &Blueprint) -> BTreeSet<Network> {
    let addresses = blueprint.outbound.iter().flat_map(|pool| &pool.addresses).map(|source| source.address);
    let single = |address: IpAddr| Network::new(address, if address.is_ipv4() { 32 } else { 128 });
    let mut networks: BTreeSet<Network> = addresses.filter_map(single).collect();
    loop {
        let joined = networks.iter().find_map(|network| {
            let wider = Network::new(network.address(), network.prefix().checked_sub(1)?)?;
            let other = Network::new(wider.last(), network.prefix()).filter(|other| other != network)?;
            networks.contains(&other).then_some((*network, other, wider))
        });
        let Some((one, other, wider)) = joined else { return networks };
        networks.remove(&one);
        networks.remove(&other);
        networks.insert(wider);
    }
}

/// Returns the hosts that take mail for a cluster's domains, in the order they are tried.
pub fn exchangers(blueprint: &Blueprint, cluster: Option<&Name>) -> Vec<HostName> {
    hosts::reached(blueprint, Role::Mx, cluster).into_iter().collect()
}

/// Returns the policy that a cluster's domains have at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 §3.2), each
/// line with its line end; `None` where none is asked for.
pub fn mta_sts(blueprint: &Blueprint, cluster: Option<&Name>) -> Option<String> {
    let mode = blueprint.mail.mta_sts.as_ref()?;
    let hosts: String = exchangers(blueprint, cluster).iter().map(|host| format!("mx: {host}\r\n")).collect();
    Some(format!("version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {MTA_STS_SECONDS}\r\n"))
}

/// Returns the record that tells of that policy (RFC 8461 §3.1). Its identifier changes when the policy does.
pub fn mta_sts_record(blueprint: &Blueprint, cluster: Option<&Name>) -> Option<String> {
    let digest = Sha256::digest(mta_sts(blueprint, cluster)?);
    let identifier: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    Some(format!("v=STSv1; id={identifier};"))
}

/// Returns what receivers are asked to do with mail that fails (RFC 7489 §6.3); `None` where nothing is.
pub fn dmarc(mail: &Mail) -> Option<String> {
    mail.dmarc.as_ref().map(|policy| format!("v=DMARC1; p={policy}"))
}

/// Returns where reports on TLS are asked to (RFC 8460 §3).
///
/// A local part may hold what would end the address or the tag (RFC 3986 §2.1).
pub fn tls_reports(blueprint: &Blueprint) -> Option<String> {
    let postmaster = &blueprint.operator.postmaster;
    let mut local = String::new();
    for byte in postmaster.local().as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' => local.push(char::from(byte)),
            other => local.push_str(&format!("%{other:02X}")),
        }
    }
    blueprint.mail.tls_rpt.then(|| format!("v=TLSRPTv1; rua=mailto:{local}@{}", postmaster.domain()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        serde_json::from_value(serde_json::json!({
            "max_message": 1, "queue_lifetime": "5d", "bounce_notice": "4h", "subaddressing": null,
            "internationalized": true, "dkim": { "algorithms": ["ed25519", "rsa2048"], "rotate": "90d" },
            "dmarc": "reject", "mta_sts": "enforce", "tls_rpt": true, "srs": null, "arc": false, "tls_minimum": "1.2"
        }))
        .unwrap()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after_it_did() {
        let names = |selectors: Vec<Selector>| selectors.into_iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(signing(&mail(), 1)), ["e1", "r1"]);
        assert_eq!(names(published(&mail(), 1)), ["e1", "r1", "e2", "r2"]);
        for generation in 1..5 {
            let alive = published(&mail(), generation);
            for near in [generation.saturating_sub(1).max(1), generation, generation + 1] {
                assert!(signing(&mail(), near).iter().all(|selector| alive.contains(selector)));
            }
        }
    }
}
