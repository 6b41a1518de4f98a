//! The names of the platform and of its customers' domains, as zones; the engine adds those of the simulated internet.
//!
//! They say what production's zones would: addresses of the simulated network, not of this machine's doors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use blueprint::{Blueprint, Node, Role, Roster};
use simulator::dns::{Data, Zone, ZoneError, Zones, reverse_name};
use values::HostName;

/// Seconds an answer may be kept: short, since environments change under those who ask.
const TTL: u32 = 60;

/// Returns the platform's zones; names that the wire format cannot carry are left out and told.
///
/// - `serial`: of all zones.
pub(crate) fn zones(blueprint: &Blueprint, roster: &Roster, serial: u32) -> (Zones, Vec<ZoneError>) {
    let mut world = World { serial, zones: Zones::default(), problems: Vec::new() };
    world.platform(blueprint, roster);
    for domain in &roster.domains {
        for name in std::iter::once(&domain.name).chain(&domain.aliases) {
            world.customer(blueprint, name);
        }
    }
    world.brands(blueprint, roster);
    world.reverse(blueprint);
    (world.zones, world.problems)
}

struct World {
    serial: u32,
    zones: Zones,
    problems: Vec<ZoneError>,
}

impl World {
    /// Puts a zone together; records that do not fit are told and left out.
    fn zone(&mut self, name: &str, fill: impl FnOnce(&mut Filling<'_>)) {
        match Zone::new(name, self.serial) {
            Ok(mut zone) => {
                fill(&mut Filling { zone: &mut zone, serial: self.serial, problems: &mut self.problems });
                self.zones.add(zone);
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// The operator's own zone: its hosts, and mail for itself. Hosts outside it get zones of their own.
    fn platform(&mut self, blueprint: &Blueprint, roster: &Roster) {
        let apex = &blueprint.service_domain;
        let operator = [blueprint.operator.postmaster.domain(), blueprint.operator.abuse.domain()];
        let foreign: Vec<&Node> = blueprint.nodes.iter().filter(|node| !node.hostname.is_within(apex)).collect();
        self.zone(apex.as_str(), |zone| {
            zone.mail(blueprint, apex);
            for node in blueprint.nodes.iter().filter(|node| node.hostname.is_within(apex)) {
                zone.addresses(node.hostname.as_str(), outside(node));
            }
            for pool in &blueprint.outbound {
                for address in pool.addresses.iter().filter(|address| address.helo.is_within(apex)) {
                    zone.address(address.helo.as_str(), address.address);
                }
            }
            if let Some(srs) = blueprint.mail.srs.as_ref().filter(|srs| srs.is_within(apex)) {
                zone.exchangers(blueprint, srs);
            }
        });
        for node in foreign {
            self.zone(node.hostname.as_str(), |zone| zone.addresses(node.hostname.as_str(), outside(node)));
        }
        let declared: BTreeSet<&HostName> = roster.domains.iter().map(|domain| &domain.name).collect();
        let own: BTreeSet<&HostName> =
            operator.into_iter().filter(|name| !name.is_within(apex) && !declared.contains(name)).collect();
        for name in own {
            self.customer(blueprint, name);
        }
    }

    fn customer(&mut self, blueprint: &Blueprint, name: &HostName) {
        if name == &blueprint.service_domain {
            return;
        }
        self.zone(name.as_str(), |zone| {
            zone.mail(blueprint, name);
            zone.services(blueprint, name);
        });
    }

    /// Brands' hosts lead to the nodes of what they are for. They may lie in a customer's domain or anywhere else, and one
    /// host may serve several purposes.
    fn brands(&mut self, blueprint: &Blueprint, roster: &Roster) {
        let mut hosts: BTreeMap<&HostName, BTreeSet<Role>> = BTreeMap::new();
        for host in roster.brands.iter().flat_map(|brand| &brand.hosts) {
            let role = match host.purpose.as_str() {
                "smtp" => Role::Submission,
                "imap" | "pop3" => Role::Access,
                _ => Role::Web,
            };
            hosts.entry(&host.host).or_default().insert(role);
        }
        for (host, roles) in hosts {
            let nodes: Vec<&Node> = blueprint.nodes.iter().filter(|node| roles.contains(&node.role)).collect();
            let fill = |zone: &mut Filling<'_>| {
                for node in nodes {
                    zone.addresses(host.as_str(), outside(node));
                }
            };
            match self.zones.zone_mut(host.as_str()) {
                // A host that is a domain of its own too.
                Some(zone) => fill(&mut Filling { zone, serial: self.serial, problems: &mut self.problems }),
                // A zone below the customer's: the longest one that covers a name answers.
                None => self.zone(host.as_str(), fill),
            }
        }
    }

    /// Source addresses carry the names they greet with.
    fn reverse(&mut self, blueprint: &Blueprint) {
        for address in blueprint.outbound.iter().flat_map(|pool| &pool.addresses) {
            let name = reverse_name(address.address);
            self.zone(&name, |zone| zone.add(&name, Data::Ptr(address.helo.to_string())));
        }
    }
}

/// A zone being filled.
struct Filling<'a> {
    zone: &'a mut Zone,
    serial: u32,
    problems: &'a mut Vec<ZoneError>,
}

impl Filling<'_> {
    fn add(&mut self, name: &str, data: Data) {
        if let Err(problem) = self.zone.add(name, TTL, data) {
            self.problems.push(problem);
        }
    }

    fn address(&mut self, name: &str, address: IpAddr) {
        self.add(
            name,
            match address {
                IpAddr::V4(address) => Data::A(address),
                IpAddr::V6(address) => Data::Aaaa(address),
            },
        );
    }

    fn addresses(&mut self, name: &str, addresses: &[IpAddr]) {
        for address in addresses {
            self.address(name, *address);
        }
    }

    fn exchangers(&mut self, blueprint: &Blueprint, name: &HostName) {
        for node in blueprint.nodes.iter().filter(|node| node.role == Role::Mx) {
            self.add(name.as_str(), Data::Mx { preference: 10, exchange: node.hostname.to_string() });
        }
    }

    /// Where mail for a domain goes, who may send for it, and what it asks of those who receive.
    fn mail(&mut self, blueprint: &Blueprint, name: &HostName) {
        self.exchangers(blueprint, name);
        let mut policy = "v=spf1".to_owned();
        for pool in &blueprint.outbound {
            for source in &pool.addresses {
                match source.address {
                    IpAddr::V4(address) => policy.push_str(&format!(" ip4:{address}")),
                    IpAddr::V6(address) => policy.push_str(&format!(" ip6:{address}")),
                }
            }
        }
        policy.push_str(" -all");
        self.add(name.as_str(), Data::Txt(policy));
        let mail = &blueprint.mail;
        if let Some(policy) = &mail.dmarc {
            self.add(&format!("_dmarc.{name}"), Data::Txt(format!("v=DMARC1; p={policy}")));
        }
        if mail.mta_sts.is_some() {
            self.add(&format!("_mta-sts.{name}"), Data::Txt(format!("v=STSv1; id={}", self.serial)));
        }
        if mail.tls_rpt {
            let report = format!("v=TLSRPTv1; rua=mailto:{}", blueprint.operator.postmaster);
            self.add(&format!("_smtp._tls.{name}"), Data::Txt(report));
        }
    }

    /// Where mail programs find a domain's services (RFC 6186, RFC 8314 §5.1).
    fn services(&mut self, blueprint: &Blueprint, name: &HostName) {
        for (label, service, role) in [
            ("_submission._tcp", "submission", Role::Submission),
            ("_submissions._tcp", "submissions", Role::Submission),
            ("_imap._tcp", "imap", Role::Access),
            ("_imaps._tcp", "imaps", Role::Access),
            ("_pop3._tcp", "pop3", Role::Access),
            ("_pop3s._tcp", "pop3s", Role::Access),
        ] {
            for node in blueprint.nodes.iter().filter(|node| node.role == role) {
                let answered = node.services.iter().find(|answered| answered.name == service && answered.front);
                if let Some(answered) = answered {
                    let target = node.hostname.to_string();
                    self.add(
                        &format!("{label}.{name}"),
                        Data::Srv { priority: 0, weight: 1, port: answered.port, target },
                    );
                }
            }
        }
    }
}

/// Returns the addresses the world sees of a node; one that the world does not see is known by its inner ones.
fn outside(node: &Node) -> &[IpAddr] {
    if node.front_addresses.is_empty() { &node.addresses } else { &node.front_addresses }
}

#[cfg(test)]
mod tests {
    use simulator::dns::{Found, Kind, MailRoute, mail_route};

    use super::*;

    fn world() -> Zones {
        let (blueprint, roster, _) = crate::fixture::platform();
        let (zones, problems) = zones(&blueprint, &roster, 1);
        assert!(problems.is_empty(), "{problems:?}");
        zones
    }

    fn hosts(zones: &Zones, domain: &str) -> Vec<String> {
        match mail_route(zones, domain) {
            MailRoute::Hosts(hosts) => {
                assert!(hosts.iter().all(|host| !host.addresses.is_empty()));
                hosts.into_iter().map(|host| host.name).collect()
            }
            other => panic!("{domain}: {other:?}"),
        }
    }

    #[test]
    fn mail_for_a_customer_and_for_the_operator_goes_to_the_mx() {
        let zones = world();
        assert_eq!(hosts(&zones, "acme.example"), ["mx-1.northmail.example"]);
        assert_eq!(hosts(&zones, "northmail.example"), ["mx-1.northmail.example"]);
        assert!(matches!(mail_route(&zones, "nowhere.example"), MailRoute::NoDomain));
    }

    #[test]
    fn a_customers_domain_names_its_services_and_who_may_send_for_it() {
        let zones = world();
        for (name, kind) in [
            ("acme.example", Kind::Txt),
            ("_imaps._tcp.acme.example", Kind::Srv),
            ("imap-1.northmail.example", Kind::A),
            ("4.113.0.203.in-addr.arpa", Kind::Ptr),
        ] {
            let expected = if name.starts_with("imap-1") { Found::NoName } else { Found::Records };
            assert_eq!(zones.lookup(name, kind).found, expected, "{name}");
        }
    }

    #[test]
    fn a_brands_host_for_several_purposes_leads_to_all_of_them() {
        let (blueprint, mut roster, _) = crate::fixture::platform();
        roster
            .brands
            .push(crate::fixture::brand("acme", &[("imap", "mail.acme.example"), ("smtp", "mail.acme.example")]));
        let (zones, problems) = zones(&blueprint, &roster, 1);
        assert!(problems.is_empty());
        assert_eq!(zones.lookup("mail.acme.example", Kind::A).records.len(), 2);
        assert_eq!(zones.lookup("acme.example", Kind::Mx).found, Found::Records);
    }
}
