//! The names of a world.

use std::net::{IpAddr, Ipv4Addr};

use super::{Machine, Topology};
use crate::dns::{Data, Zone, Zones};

const TTL_SECONDS: u32 = 3_600;

/// Who a client on this machine is to the platform, unless it comes from an address of somebody else: every domain of the
/// simulated internet lets it send, so that whoever tries things out by hand is taken for what they say they are there.
pub const VISITOR: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 250);

/// Returns the plan's zones with those of the simulated internet and of the block lists.
pub(super) fn zones(topology: &Topology, machines: &[Machine]) -> Zones {
    let mut zones = topology.zones.clone();
    for machine in machines {
        let Some(domain) = machine.exchanger.and_then(|index| topology.internet.get(index)) else { continue };
        let (name, host) = (domain.name.as_str(), machine.plan.hostname.as_str());
        let Ok(mut zone) = Zone::new(name, 1) else { continue };
        let address = match machine.plan.address {
            IpAddr::V4(address) => Data::A(address),
            IpAddr::V6(address) => Data::Aaaa(address),
        };
        let records = [
            (name, Data::Mx { preference: 10, exchange: host.to_owned() }),
            (name, Data::Txt(format!("v=spf1 ip4:{} ip4:{VISITOR} -all", machine.plan.address))),
            (host, address),
            // What comes without a sender is judged by the name its host greets with (RFC 7208 §2.4).
            (host, Data::Txt(format!("v=spf1 a ip4:{VISITOR} -all"))),
        ];
        for (owner, data) in records {
            // A name that is no name in DNS is not published.
            let _ = zone.add(owner, TTL_SECONDS, data);
        }
        if let Some(policy) = &domain.dmarc {
            let _ = zone.add(&format!("_dmarc.{name}"), TTL_SECONDS, Data::Txt(format!("v=DMARC1; p={policy}")));
        }
        if let Some((selector, record)) = &domain.dkim {
            let _ = zone.add(&format!("{selector}._domainkey.{name}"), TTL_SECONDS, Data::Txt(record.clone()));
        }
        zones.add(zone);
    }
    for list in &topology.defense.lists {
        let Ok(mut zone) = Zone::new(list.zone.as_str(), 1) else { continue };
        for domain in &list.domains {
            let listed = Data::A([127, 0, 0, 2].into());
            let _ = zone.add(&format!("{domain}.{}", list.zone), TTL_SECONDS, listed);
        }
        zones.add(zone);
    }
    zones
}
