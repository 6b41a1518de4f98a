//! The names of the platform and of its customers' domains, as zones; the engine adds those of the simulated internet.
//!
//! They say what production's zones would: addresses of the simulated network, not of this machine's doors.
//!
//! Gap: keys of servers and who may issue certificates are left out, since nothing here signs zones, or asks an authority.

use std::net::IpAddr;

use blueprint::dns::{self, Edition, Record};
use blueprint::{Blueprint, Roster};
use simulator::dns::{Data, Zone, ZoneError, Zones};

/// Returns the platform's zones; names that the wire format cannot carry are left out and told.
///
/// - `serial`: of all zones.
pub(crate) fn zones(blueprint: &Blueprint, roster: &Roster, serial: u32) -> (Zones, Vec<ZoneError>) {
    let mut problems = Vec::new();
    let mut zones = Zones::default();
    for published in dns::zones(blueprint, roster, Edition { serial, ..Edition::FIRST }) {
        match Zone::new(&published.name, serial) {
            Ok(mut zone) => {
                for record in &published.records {
                    let Some(data) = data(record) else { continue };
                    if let Err(problem) = zone.add(&record.name, published.ttl, data) {
                        problems.push(problem);
                    }
                }
                zones.add(zone);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (zones, problems)
}

fn data(record: &Record) -> Option<Data> {
    Some(match &record.data {
        dns::Data::Server(host) => Data::Ns(host.to_string()),
        dns::Data::Address(IpAddr::V4(address)) => Data::A(*address),
        dns::Data::Address(IpAddr::V6(address)) => Data::Aaaa(*address),
        dns::Data::Alias(name) => Data::Cname(name.clone()),
        dns::Data::Exchanger(preference, host) => Data::Mx { preference: *preference, exchange: host.to_string() },
        dns::Data::Service { priority, port, host } => {
            Data::Srv { priority: *priority, weight: 1, port: *port, target: host.to_string() }
        }
        dns::Data::Text(text) => Data::Txt(text.clone()),
        dns::Data::Pointer(host) => Data::Ptr(host.to_string()),
        dns::Data::SigningKey(key) => Data::SigningKey(key.name.to_string()),
        dns::Data::ServerKeys(_) | dns::Data::Certification(..) => return None,
    })
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
        assert_eq!(hosts(&zones, "acme.example"), ["mx.a.northmail.example"]);
        assert_eq!(hosts(&zones, "northmail.example"), ["mx.a.northmail.example"]);
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
