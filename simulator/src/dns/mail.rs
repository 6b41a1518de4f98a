//! Where mail for a domain goes (RFC 5321 §5.1), and names made from addresses.

use std::net::IpAddr;

use super::{Data, Found, Kind, Zones};

/// Hosts that are kept of one domain.
const HOSTS: usize = 50;

/// Where mail for a domain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailRoute {
    /// To these hosts, in this order.
    Hosts(Vec<MailHost>),
    /// The domain takes no mail (RFC 7505): failed for good, 556 5.1.10.
    Null,
    /// The domain does not exist: failed for good, 5.4.4.
    NoDomain,
    /// It exists and names no host with an address: failed for good, 5.4.4.
    NoHost,
    /// Its records cannot be followed: tried again later, 4.4.3.
    Broken,
}

/// A host that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Its name.
    pub name: String,
    /// The lowest is tried first.
    pub preference: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Finds the hosts that take mail for a domain: its MX records, or where there are none the domain itself.
///
/// Hosts of one preference stand in the order of their names; a queue may mix them.
pub fn mail_route(zones: &Zones, domain: &str) -> MailRoute {
    let lookup = zones.lookup(domain, Kind::Mx);
    let mut exchanges: Vec<(u16, String)> = match lookup.found {
        Found::NoName => return MailRoute::NoDomain,
        Found::Loop => return MailRoute::Broken,
        Found::NoData => vec![(0, domain.to_owned())],
        Found::Records => lookup
            .records
            .into_iter()
            .filter_map(|(_, record)| match record.data {
                Data::Mx { preference, exchange } => Some((preference, exchange.trim_end_matches('.').to_owned())),
                _ => None,
            })
            .collect(),
    };
    if exchanges.iter().all(|(_, name)| name.is_empty()) {
        return MailRoute::Null;
    }
    exchanges.sort();
    let mut broken = false;
    let hosts: Vec<MailHost> = exchanges
        .into_iter()
        .filter(|(_, name)| !name.is_empty())
        .take(HOSTS)
        .filter_map(|(preference, name)| {
            let mut addresses = Vec::new();
            for kind in [Kind::Aaaa, Kind::A] {
                let lookup = zones.lookup(&name, kind);
                broken |= lookup.found == Found::Loop;
                addresses.extend(lookup.records.into_iter().filter_map(|(_, record)| match record.data {
                    Data::A(address) => Some(IpAddr::V4(address)),
                    Data::Aaaa(address) => Some(IpAddr::V6(address)),
                    _ => None,
                }));
            }
            addresses.retain(|address| reachable(*address));
            (!addresses.is_empty()).then_some(MailHost { name, preference, addresses })
        })
        .collect();
    match (hosts.is_empty(), broken) {
        (false, _) => MailRoute::Hosts(hosts),
        (true, true) => MailRoute::Broken,
        (true, false) => MailRoute::NoHost,
    }
}

/// A name may point anywhere; no mail goes to ourselves, to everybody or to nobody because somebody else's zone says so.
fn reachable(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let everybody = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || everybody)
}

/// Returns the name under which an address is looked up (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{}.in-addr.arpa", reversed(address)),
        IpAddr::V6(_) => format!("{}.ip6.arpa", reversed(address)),
    }
}

/// Returns the name under which an address is looked up in a block list (RFC 5782 §2.1, §2.4); it is listed when that name has an
/// A record.
pub fn block_list_name(address: IpAddr, list: &str) -> String {
    format!("{}.{list}", reversed(address.to_canonical()))
}

fn reversed(address: IpAddr) -> String {
    let parts: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(address) => address
            .octets()
            .iter()
            .rev()
            .flat_map(|octet| [octet & 15, octet >> 4])
            .map(|half| format!("{half:x}"))
            .collect(),
    };
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Zone;

    fn zones() -> Zones {
        let mut zones = Zones::default();
        let mut zone = Zone::new("example", 1).unwrap();
        let mx = |preference, exchange: &str| Data::Mx { preference, exchange: exchange.to_owned() };
        let address = |text: &str| match text.parse().unwrap() {
            IpAddr::V4(address) => Data::A(address),
            IpAddr::V6(address) => Data::Aaaa(address),
        };
        for (name, data) in [
            ("big.example", mx(20, "mx2.big.example.")),
            ("big.example", mx(10, "mx1.big.example")),
            ("big.example", mx(10, "mx0.big.example")),
            ("big.example", mx(30, "missing.big.example")),
            ("mx0.big.example", address("192.0.2.10")),
            ("mx1.big.example", address("192.0.2.11")),
            ("mx1.big.example", address("2001:db8::11")),
            ("mx2.big.example", Data::Cname("mx0.big.example".to_owned())),
            ("plain.example", address("192.0.2.20")),
            ("alias.example", Data::Cname("big.example".to_owned())),
            ("null.example", mx(0, ".")),
            ("empty.example", mx(10, "missing.example")),
            ("text.example", Data::Txt("x".to_owned())),
            ("self.example", mx(10, "lo.example")),
            ("lo.example", address("127.0.0.1")),
            ("lo.example", address("0.0.0.0")),
            ("lo.example", address("::ffff:127.0.0.1")),
            ("a.circle.example", Data::Cname("b.circle.example".to_owned())),
            ("b.circle.example", Data::Cname("a.circle.example".to_owned())),
            ("round.example", mx(10, "a.circle.example")),
        ] {
            zone.add(name, 60, data).unwrap();
        }
        zones.add(zone);
        zones
    }

    fn check(domain: &str, expected: &str) {
        let shown = match mail_route(&zones(), domain) {
            MailRoute::Hosts(hosts) => hosts
                .iter()
                .map(|host| format!("{} {} {:?}", host.preference, host.name, host.addresses))
                .collect::<Vec<_>>()
                .join(", "),
            other => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{domain}");
    }

    #[test]
    fn mail_goes_to_the_hosts_a_domain_names() {
        let big = "10 mx0.big.example [192.0.2.10], 10 mx1.big.example [2001:db8::11, 192.0.2.11], 20 mx2.big.example [192.0.2.10]";
        check("big.example", big);
        check("BIG.example", big);
        check("alias.example", big);
        check("plain.example", "0 plain.example [192.0.2.20]");
    }

    #[test]
    fn a_domain_without_a_host_has_its_reason() {
        check("null.example", "Null");
        check("nowhere.example", "NoDomain");
        check("nowhere.test", "NoDomain");
        check("empty.example", "NoHost");
        check("text.example", "NoHost");
        check("self.example", "NoHost");
        check("a.circle.example", "Broken");
        check("round.example", "Broken");
    }

    #[test]
    fn addresses_have_names() {
        let address = "192.0.2.5".parse().unwrap();
        assert_eq!(reverse_name(address), "5.2.0.192.in-addr.arpa");
        assert_eq!(block_list_name(address, "bl.example"), "5.2.0.192.bl.example");
        assert!(reverse_name("2001:db8::1".parse().unwrap()).starts_with("1.0.0.0."));
    }
}
