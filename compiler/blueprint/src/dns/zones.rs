//! Every zone of a platform.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use values::{HostName, Name};

use super::{Data, Edition, Held, Record, Zone, hosts, policy};
use crate::platform::{Blueprint, Role, Tls, World, ZoneAuthority};
use crate::roster::{Domain, Roster, TierKind};
use crate::secret;

/// Seconds that answers are kept where the world is simulated: short, since it changes under those who ask.
const SIMULATED_TTL: u32 = 60;

/// Seconds that answers are kept in the world.
const TTL: u32 = 3600;

/// Octets of a name (RFC 1035 §2.3.4), without the dot at the end.
const NAME_LENGTH: usize = 253;

/// What mail programs look for (RFC 6186 §3, RFC 8314 §5.1, RFC 5804 §1.8), with the role and the service behind it and the
/// purpose a brand's host has.
const SERVICES: [(&str, &str, Role, &str); 7] = [
    ("_submissions._tcp", "submissions", Role::Submission, "smtp"),
    ("_submission._tcp", "submission", Role::Submission, "smtp"),
    ("_imaps._tcp", "imaps", Role::Access, "imap"),
    ("_imap._tcp", "imap", Role::Access, "imap"),
    ("_pop3s._tcp", "pop3s", Role::Access, "pop3"),
    ("_pop3._tcp", "pop3", Role::Access, "pop3"),
    ("_sieve._tcp", "managesieve", Role::Access, "imap"),
];

/// Returns every zone that a platform answers for or would like somebody to, sorted by name.
///
/// A name longer than DNS carries is left out. Where zones lie in each other, the outer one has the inner one's servers and
/// nothing else at or below its name.
pub fn zones(blueprint: &Blueprint, roster: &Roster, edition: Edition) -> Vec<Zone> {
    let mut world =
        Names { blueprint, roster, edition, with_mailboxes: with_mailboxes(roster), zones: BTreeMap::new() };
    world.open();
    world.platform();
    for domain in &roster.domains {
        for name in std::iter::once(&domain.name).chain(&domain.aliases) {
            world.customer(name, Some(domain));
        }
    }
    world.operator();
    world.brands();
    world.reverse();
    world.finish()
}

/// A zone's records by owner, and who answers for it.
struct Filling {
    held: Held,
    names: BTreeMap<String, BTreeSet<Data>>,
}

struct Names<'a> {
    blueprint: &'a Blueprint,
    roster: &'a Roster,
    edition: Edition,
    with_mailboxes: BTreeSet<&'a HostName>,
    zones: BTreeMap<String, Filling>,
}

impl Names<'_> {
    fn zone(&mut self, name: &str, held: Held) {
        self.zones.entry(name.to_owned()).or_insert_with(|| Filling { held, names: BTreeMap::new() });
    }

    /// Opens the zones that exist by themselves, so that each name finds the innermost one.
    fn open(&mut self) {
        self.zone(self.blueprint.service_domain.as_str(), Held::Platform);
        let customers = match self.blueprint.dns.customers {
            ZoneAuthority::Platform => Held::Platform,
            ZoneAuthority::Customer => Held::Elsewhere,
        };
        for domain in &self.roster.domains {
            for name in std::iter::once(&domain.name).chain(&domain.aliases) {
                self.zone(name.as_str(), customers);
            }
        }
        for name in self.operators_domains() {
            self.zone(name.as_str(), Held::Platform);
        }
    }

    /// Returns the domains of the operator's own addresses that are nobody else's.
    fn operators_domains(&self) -> BTreeSet<HostName> {
        let operator = &self.blueprint.operator;
        let own = [operator.postmaster.domain(), operator.abuse.domain()].into_iter();
        let own = own.filter(|name| !name.is_within(&self.blueprint.service_domain));
        let hosted = |name: &HostName| {
            self.roster.domains.iter().any(|domain| domain.name == *name || domain.aliases.contains(name))
        };
        own.filter(|name| !hosted(name)).cloned().collect()
    }

    /// Adds a record to the innermost zone that its name lies in.
    fn add(&mut self, name: &str, data: Data) {
        if name.len() > NAME_LENGTH {
            return;
        }
        if let Some(zone) = enclosing(&self.zones, name).and_then(|zone| self.zones.get_mut(&zone)) {
            zone.names.entry(name.to_owned()).or_default().insert(data);
        }
    }

    fn add_addresses(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            self.add(name, Data::Address(address));
        }
    }

    /// Adds a host's addresses; one outside all zones gets a zone of its own, which somebody else's has to lead to.
    fn add_host(&mut self, host: &HostName, addresses: impl IntoIterator<Item = IpAddr>) {
        if enclosing(&self.zones, host.as_str()).is_none() {
            self.zone(host.as_str(), Held::Elsewhere);
        }
        self.add_addresses(host.as_str(), addresses);
    }

    /// The operator's own zone: hosts that the world sees, mail for the operator, and what customers' records lead to.
    fn platform(&mut self) {
        let blueprint = self.blueprint;
        let apex = &blueprint.service_domain;
        self.mail(apex, None);
        for node in blueprint.nodes.iter().filter(|node| !node.front_addresses.is_empty()) {
            self.add_host(&node.hostname, node.front_addresses.iter().copied());
        }
        for role in hosts::REACHED {
            for cluster in hosts::clusters(blueprint, role) {
                let host = hosts::group_host(role, cluster, apex);
                self.add_host(&host, hosts::addresses(blueprint, role, cluster));
            }
        }
        // A server that has no address of the world is still the one that answers.
        for node in blueprint.nodes.iter().filter(|node| node.role == Role::Dns) {
            self.add_host(&node.hostname, hosts::outside(node).iter().copied());
        }
        for source in blueprint.outbound.iter().flat_map(|pool| &pool.addresses) {
            self.add_host(&source.helo, [source.address]);
            // Bounces have no other sender than this name (RFC 7208 §2.4).
            if source.helo != *apex {
                self.add(source.helo.as_str(), Data::Text("v=spf1 a -all".to_owned()));
            }
        }
        for (label, policy) in policy::senders(blueprint) {
            self.add(&format!("{label}.{apex}"), Data::Text(policy));
        }
        if let Some(srs) = blueprint.mail.srs.as_ref().filter(|srs| *srs != apex) {
            self.add_host(srs, []);
            self.exchangers(srs, None);
            self.add(srs.as_str(), Data::Text(policy::sender_policy(blueprint)));
        }
        // Only where the platform itself signs the zone: senders believe no others (RFC 7672 §2.2).
        for node in blueprint.nodes.iter().filter(|node| blueprint.mail.dane && node.role == Role::Mx) {
            let host = hosts::group_host(Role::Mx, &node.cluster, apex);
            self.add(&format!("_25._tcp.{host}"), Data::ServerKeys(secret::node_key(&node.name)));
        }
        let issuer = blueprint.dns.issuer.as_ref().map_or(";".to_owned(), |issuer| issuer.to_string());
        self.add(apex.as_str(), Data::Certification("issue", issuer));
        self.add(apex.as_str(), Data::Certification("iodef", format!("mailto:{}", blueprint.operator.abuse)));
        if blueprint.dns.customers == ZoneAuthority::Customer {
            for (label, text) in self.shared_policies(None) {
                self.add(&format!("{label}.hosted.{apex}"), Data::Text(text));
            }
        }
    }

    /// Returns what the domains of a cluster say alike, by the labels in front of a domain.
    fn shared_policies(&self, domain: Option<&Domain>) -> Vec<(&'static str, String)> {
        let cluster = domain.map(|domain| &domain.cluster);
        [
            ("_dmarc", policy::dmarc(&self.blueprint.mail)),
            ("_mta-sts", policy::mta_sts_record(self.blueprint, cluster)),
            ("_smtp._tls", policy::tls_reports(self.blueprint)),
        ]
        .into_iter()
        .filter_map(|(label, text)| Some((label, text?)))
        .collect()
    }

    /// The domains of the operator's own addresses.
    fn operator(&mut self) {
        for name in self.operators_domains() {
            self.mail(&name, None);
        }
    }

    /// A customer's domain, under one of its names.
    fn customer(&mut self, name: &HostName, domain: Option<&Domain>) {
        if *name == self.blueprint.service_domain {
            return;
        }
        self.mail(name, domain);
        self.services(name, domain);
    }

    fn exchangers(&mut self, name: &HostName, domain: Option<&Domain>) {
        for host in policy::exchangers(self.blueprint, domain.map(|domain| &domain.cluster)) {
            self.add(name.as_str(), Data::Exchanger(10, host));
        }
    }

    /// Where mail for a domain goes, who may send for it, and what it asks of those who receive.
    fn mail(&mut self, name: &HostName, domain: Option<&Domain>) {
        let blueprint = self.blueprint;
        let apex = &blueprint.service_domain;
        let leads = domain.is_some() && blueprint.dns.customers == ZoneAuthority::Customer;
        self.exchangers(name, domain);
        let senders = if leads { policy::included_policy(blueprint) } else { policy::sender_policy(blueprint) };
        self.add(name.as_str(), Data::Text(senders));
        for (label, text) in self.shared_policies(domain) {
            // Policies of single clusters differ in their hosts.
            let data = match leads && label != "_mta-sts" {
                true => Data::Alias(format!("{label}.hosted.{apex}")),
                false => Data::Text(text),
            };
            self.add(&format!("{label}.{name}"), data);
        }
        // A domain's other names are signed with its own keys.
        let signer = domain.map_or(name, |domain| &domain.name);
        for selector in policy::published(&blueprint.mail, self.edition.generation) {
            let key = Data::SigningKey(secret::dkim_key(&selector.algorithm, &selector.name, signer));
            let owner = format!("{}._domainkey.{name}", selector.name);
            let held_here = format!("{}.{signer}.dkim.{apex}", selector.name);
            if leads && held_here.len() <= NAME_LENGTH {
                self.add(&held_here, key);
                self.add(&owner, Data::Alias(held_here));
            } else {
                self.add(&owner, key);
            }
        }
    }

    /// Where programs find what a domain's users have.
    fn services(&mut self, name: &HostName, domain: Option<&Domain>) {
        let (blueprint, roster) = (self.blueprint, self.roster);
        let Some(domain) = domain else { return };
        if let Some(web) = hosts::reached(blueprint, Role::Web, Some(&domain.cluster)) {
            if blueprint.mail.mta_sts.is_some() {
                self.add(&format!("mta-sts.{name}"), Data::Alias(web.to_string()));
            }
            if self.with_mailboxes.contains(&domain.name) {
                self.add(&format!("autoconfig.{name}"), Data::Alias(web.to_string()));
                self.add(&format!("autodiscover.{name}"), Data::Alias(web.to_string()));
                let service = Data::Service { priority: 0, port: 443, host: web };
                self.add(&format!("_autodiscover._tcp.{name}"), service);
            }
        }
        if !self.with_mailboxes.contains(&domain.name) {
            return;
        }
        for (label, service, role, purpose) in SERVICES {
            let Some(cluster) = hosts::serving(blueprint, role, Some(&domain.cluster)) else { continue };
            let mut nodes = blueprint.nodes.iter().filter(|node| node.role == role && node.cluster == *cluster);
            let answered = nodes.find_map(|node| node.services.iter().find(|it| it.name == service && it.front));
            let (Some(answered), Some(host)) = (answered, hosts::told(blueprint, roster, domain, purpose)) else {
                continue;
            };
            let priority = if answered.tls == Tls::Implicit { 0 } else { 10 };
            self.add(&format!("{label}.{name}"), Data::Service { priority, port: answered.port, host });
        }
    }

    /// Brands' hosts lead to what they are for. They may lie in a customer's domain or anywhere else, and one host may serve
    /// several purposes.
    fn brands(&mut self) {
        let (blueprint, roster) = (self.blueprint, self.roster);
        let mut found: BTreeMap<&HostName, BTreeSet<IpAddr>> = BTreeMap::new();
        for brand in &roster.brands {
            let used = roster.domains.iter().filter(|domain| domain.reseller == brand.reseller);
            let mut clusters = used.filter(|domain| domain.brand.as_ref() == Some(&brand.name)).map(|it| &it.cluster);
            // Brand hosts are few and lead to one cluster; the stores behind it are found from any.
            let cluster = clusters.next();
            for host in &brand.hosts {
                let role = hosts::brand_role(&host.purpose);
                let Some(serving) = hosts::serving(blueprint, role, cluster) else { continue };
                found.entry(&host.host).or_default().extend(hosts::addresses(blueprint, role, serving));
            }
        }
        for (host, addresses) in found {
            self.add_host(host, addresses);
        }
    }

    /// The names of addresses that the world sees.
    fn reverse(&mut self) {
        let blueprint = self.blueprint;
        let sources = blueprint.outbound.iter().flat_map(|pool| &pool.addresses);
        let mut named: BTreeMap<IpAddr, &HostName> = sources.map(|source| (source.address, &source.helo)).collect();
        for node in &blueprint.nodes {
            for address in &node.front_addresses {
                named.entry(*address).or_insert(&node.hostname);
            }
        }
        for (address, host) in named {
            let name = reverse_name(address);
            self.zone(&name, Held::Platform);
            self.add(&name, Data::Pointer(host.clone()));
        }
    }

    fn finish(mut self) -> Vec<Zone> {
        self.cut();
        let blueprint = self.blueprint;
        let servers: Vec<HostName> =
            blueprint.nodes.iter().filter(|node| node.role == Role::Dns).map(|node| node.hostname.clone()).collect();
        let primary = servers.first().unwrap_or(&blueprint.service_domain).clone();
        let postmaster = &blueprint.operator.postmaster;
        let contact = format!("{}.{}", escaped_label(postmaster.local().as_str()), postmaster.domain());
        let ttl = if blueprint.world == World::Simulated { SIMULATED_TTL } else { TTL };
        let zones = self.zones.into_iter();
        zones
            .map(|(name, filling)| {
                let mut records: Vec<Record> = servers
                    .iter()
                    .map(|server| Record { name: name.clone(), data: Data::Server(server.clone()) })
                    .collect();
                for (owner, data) in filling.names {
                    // An alias stands alone at its name (RFC 1034 §3.6.2) and never at a zone's own.
                    let alone = data.len() == 1 && owner != name;
                    let data = data.into_iter().filter(|data| alone || !matches!(data, Data::Alias(_)));
                    records.extend(data.map(|data| Record { name: owner.clone(), data }));
                }
                records.sort_by_cached_key(|record| (canonical_key(&record.name), record.data.clone()));
                records.dedup();
                Zone { name, held: filling.held, ttl, authority: (primary.clone(), contact.clone()), records }
            })
            .collect()
    }

    /// Lets outer zones lead to inner ones: their servers, and these servers' addresses where they lie inside.
    fn cut(&mut self) {
        let blueprint = self.blueprint;
        let names: BTreeSet<String> = self.zones.keys().cloned().collect();
        let mut cuts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for inner in &names {
            let outer = inner.split_once('.').and_then(|(_, above)| enclosing(&self.zones, above));
            cuts.entry(outer.unwrap_or_default()).or_default().insert(inner.clone());
        }
        for (outer, zone) in &mut self.zones {
            let Some(inners) = cuts.get(outer) else { continue };
            zone.names.retain(|name, _| !above(name).take_while(|up| up != outer).any(|up| inners.contains(up)));
            for inner in inners {
                for node in blueprint.nodes.iter().filter(|node| node.role == Role::Dns) {
                    zone.names.entry(inner.clone()).or_default().insert(Data::Server(node.hostname.clone()));
                    if above(node.hostname.as_str()).any(|up| up == inner) {
                        let glue = hosts::outside(node).iter().map(|address| Data::Address(*address));
                        zone.names.entry(node.hostname.to_string()).or_default().extend(glue);
                    }
                }
            }
        }
    }
}

/// Returns the domains whose users have something to connect to.
fn with_mailboxes(roster: &Roster) -> BTreeSet<&HostName> {
    let tiers: BTreeSet<&Name> =
        roster.tiers.iter().filter(|tier| tier.kind == TierKind::Mailbox).map(|tier| &tier.name).collect();
    let domains = roster.domains.iter().filter(|domain| tiers.contains(&domain.tier)).map(|domain| &domain.name);
    let mailboxes = roster.mailboxes.iter();
    let own = mailboxes.filter(|mailbox| mailbox.tier.as_ref().is_some_and(|tier| tiers.contains(tier)));
    domains.chain(own.map(|mailbox| mailbox.address.domain())).collect()
}

/// Returns a name and each name above it.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1))
}

/// Returns the innermost zone that a name lies in.
fn enclosing(zones: &BTreeMap<String, Filling>, name: &str) -> Option<String> {
    above(name).find(|up| zones.contains_key(*up)).map(str::to_owned)
}

/// Returns labels from right to left, which puts parents before children (RFC 4034 §6.1).
fn canonical_key(name: &str) -> Vec<String> {
    name.rsplit('.').map(str::to_owned).collect()
}

/// Returns a local part as the first label of a name (RFC 1035 §8), in master-file form.
fn escaped_label(local: &str) -> String {
    let mut label = String::new();
    for byte in local.bytes().take(63) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label.push(char::from(byte)),
            other => label.push_str(&format!("\\{other:03}")),
        }
    }
    label
}

/// Returns the name under which an address's name is found (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            let labels: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{labels}ip6.arpa")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_spelled_backwards() {
        assert_eq!(reverse_name("203.0.113.4".parse().unwrap()), "4.113.0.203.in-addr.arpa");
        let name = reverse_name("2001:db8::1".parse().unwrap());
        assert!(name.starts_with("1.0.0.0.") && name.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{name}");
        assert_eq!(name.split('.').count(), 34);
    }

    #[test]
    fn a_contacts_dots_are_no_label_ends() {
        assert_eq!(escaped_label("host.master"), "host\\046master");
        assert_eq!(escaped_label("a\"b\n"), "a\\034b\\010");
    }
}
