//! Zones as bytes: master files for servers, change lists for outside providers.

pub mod changes;
pub mod master;

use std::collections::BTreeMap;

use blueprint::dns::{Edition, Held, Zone};
use blueprint::platform::World;
use blueprint::{Blueprint, File};

/// Returns the files of all zones, and for each what an outside provider of it would be asked to set.
pub fn files(zones: &[Zone], edition: Edition) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for zone in zones {
        files.insert(format!("zones/{}.zone", zone.name), master::file(zone, edition.serial));
        files.insert(format!("changes/{}.nsupdate", zone.name), changes::file(zone));
    }
    files
}

/// Returns the zones that the platform's own servers answer for.
///
/// Where the world is simulated, nobody else would answer for the others.
pub fn served<'z>(blueprint: &Blueprint, zones: &'z [Zone]) -> impl Iterator<Item = &'z Zone> {
    let simulated = blueprint.world == World::Simulated;
    zones.iter().filter(move |zone| simulated || zone.held == Held::Platform)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use blueprint::dns::{Data, policy, zones};
    use blueprint::platform::{Dkim, OutboundAddress, OutboundPool, ZoneAuthority};

    use super::*;
    use crate::render::sample;

    fn pool(addresses: &[String]) -> OutboundPool {
        let address = |text: &String| OutboundAddress {
            address: text.parse().unwrap(),
            helo: sample::host(&format!("out-{}.northmail.example", text.replace(['.', ':'], "-"))),
        };
        OutboundPool {
            name: sample::name("shared"),
            addresses: addresses.iter().map(address).collect(),
            warm_up: None,
            destinations: Vec::new(),
        }
    }

    fn platform() -> Blueprint {
        let mut platform = sample::platform();
        platform.mail.dkim = Some(Dkim { algorithms: vec!["ed25519".to_owned(), "rsa2048".to_owned()], rotate: None });
        platform.mail.dmarc = Some("reject".to_owned());
        platform.mail.mta_sts = Some("enforce".to_owned());
        platform.nodes.push(sample::node(blueprint::Role::Dns, 1));
        platform
    }

    fn texts(zones: &[Zone], name: &str) -> Vec<String> {
        let records = zones.iter().flat_map(|zone| &zone.records).filter(|record| record.name == name);
        records
            .filter_map(|record| if let Data::Text(text) = &record.data { Some(text.clone()) } else { None })
            .collect()
    }

    fn zone<'z>(zones: &'z [Zone], name: &str) -> &'z Zone {
        zones.iter().find(|zone| zone.name == name).unwrap_or_else(|| panic!("there is no zone {name}"))
    }

    #[test]
    fn a_policy_of_many_senders_covers_each_and_takes_at_most_ten_look_ups() {
        for count in [0, 1, 3, 40, 700] {
            // Odd ones only, so that no two make a network.
            let addresses: Vec<String> = (0..count)
                .map(|number| format!("203.{}.{}.{}", number / 100, number % 100, 1 + 2 * (number % 7)))
                .chain((0..count / 10).map(|number| format!("2001:db8::{number:x}:1")))
                .collect();
            let platform = Blueprint { outbound: vec![pool(&addresses)], ..platform() };
            let zones = zones(&platform, &sample::tenants(), Edition::FIRST);
            let mut look_ups = 0;
            let mut networks: Vec<values::Network> = Vec::new();
            let mut ask = vec!["acme.example".to_owned()];
            while let Some(name) = ask.pop() {
                let policies = texts(&zones, &name);
                assert_eq!(policies.len(), 1, "{name}");
                for term in policies[0].split(' ').skip(1) {
                    match term.split_once(':') {
                        Some(("include", other)) => {
                            look_ups += 1;
                            ask.push(other.to_owned());
                        }
                        Some((_, network)) => networks.push(match network.contains('/') {
                            true => network.parse().unwrap(),
                            false => values::Network::new(
                                network.parse().unwrap(),
                                if network.contains(':') { 128 } else { 32 },
                            )
                            .unwrap(),
                        }),
                        None => assert_eq!(term, "-all"),
                    }
                }
            }
            assert!(look_ups <= 10, "{look_ups}");
            assert!(addresses.iter().all(|address| networks.iter().any(|it| it.contains(address.parse().unwrap()))));
            let covered: u128 = networks.iter().map(|network| network.size()).sum();
            assert_eq!(covered, addresses.len() as u128, "no other address may send");
        }
    }

    #[test]
    fn neighbours_are_one_network() {
        let addresses: Vec<String> = (0..16).map(|number| format!("203.0.113.{number}")).collect();
        let platform = Blueprint { outbound: vec![pool(&addresses)], ..platform() };
        assert_eq!(policy::sender_policy(&platform), "v=spf1 ip4:203.0.113.0/28 -all");
    }

    #[test]
    fn a_customer_with_servers_of_its_own_leads_to_names_of_the_platform() {
        let mut platform = platform();
        platform.dns.customers = ZoneAuthority::Customer;
        let zones = zones(&platform, &sample::tenants(), Edition::FIRST);
        let customer = zone(&zones, "acme.example");
        assert_eq!(customer.held, Held::Elsewhere);
        let aliases: BTreeMap<&str, &str> = customer
            .records
            .iter()
            .filter_map(|record| match &record.data {
                Data::Alias(target) => Some((record.name.as_str(), target.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(aliases["e1._domainkey.acme.example"], "e1.acme.example.dkim.northmail.example");
        assert_eq!(aliases["_dmarc.acme.example"], "_dmarc.hosted.northmail.example");
        let own = zone(&zones, "northmail.example");
        for target in aliases.values() {
            assert!(own.records.iter().any(|record| record.name == *target), "{target}");
        }
        assert_eq!(texts(&zones, "acme.example"), ["v=spf1 include:_spf.northmail.example -all"]);
    }

    #[test]
    fn an_outer_zone_leads_to_the_inner_one_and_says_nothing_for_it() {
        let mut roster = sample::tenants();
        let mut inner = roster.domains[0].clone();
        inner.name = sample::host("mta-sts.acme.example");
        inner.aliases = vec![sample::host("sub.acme.example")];
        roster.domains.push(inner);
        let zones = zones(&platform(), &roster, Edition::FIRST);
        let outer = zone(&zones, "acme.example");
        for name in ["mta-sts.acme.example", "sub.acme.example"] {
            let of_it: Vec<&Data> =
                outer.records.iter().filter(|record| record.name == name).map(|record| &record.data).collect();
            assert!(matches!(of_it.as_slice(), [Data::Server(_)]), "{name}: {of_it:?}");
            assert!(zone(&zones, name).records.iter().any(|record| matches!(record.data, Data::Exchanger(..))));
        }
    }

    #[test]
    fn a_name_that_is_an_alias_is_nothing_else() {
        let zones = zones(&platform(), &sample::tenants(), Edition::FIRST);
        for zone in &zones {
            for record in zone.records.iter().filter(|record| matches!(record.data, Data::Alias(_))) {
                assert_eq!(zone.records.iter().filter(|other| other.name == record.name).count(), 1, "{}", record.name);
            }
        }
    }

    #[test]
    fn a_domains_other_names_are_signed_with_its_own_keys() {
        let zones = zones(&platform(), &sample::tenants(), Edition { generation: 3, ..Edition::FIRST });
        let keys = |name: &str| -> Vec<_> {
            let records = &zone(&zones, name).records;
            records
                .iter()
                .filter(|record| matches!(record.data, Data::SigningKey(_)))
                .map(|record| record.data.clone())
                .collect()
        };
        assert_eq!(keys("acme.example").len(), 6, "two algorithms, the last, this and the next generation");
        assert_eq!(keys("acme.example"), keys("acme-mail.example"));
    }
}
