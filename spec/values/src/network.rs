//! Networks of addresses, such as `10.20.0.0/16`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{ParseError, line::refuse_hostile, quoted, text_form::text_form};

/// An IPv4 or IPv6 network in CIDR notation, without host bits (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Takes an address and a prefix length and clears the host bits; `None` where the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let spare = width(address).checked_sub(prefix)?;
        let address = to_ip(
            address,
            (to_bits(address).checked_shr(spare.into()).unwrap_or(0)).checked_shl(spare.into()).unwrap_or(0),
        );
        Some(Self { address, prefix })
    }

    /// Returns the first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Returns the prefix length in bits.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Tells whether this is an IPv4 network.
    pub const fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Returns how many addresses there are; the whole of IPv6 counts as one less.
    pub fn size(self) -> u128 {
        1u128.checked_shl(self.spare().into()).unwrap_or(u128::MAX)
    }

    /// Returns the address at an offset from the first; `None` beyond the last.
    pub fn nth(self, offset: u128) -> Option<IpAddr> {
        let last = self.size() - 1;
        (offset <= last).then(|| to_ip(self.address, to_bits(self.address) + offset))
    }

    /// Returns the last address.
    pub fn last(self) -> IpAddr {
        let mask = 1u128.checked_shl(self.spare().into()).map_or(u128::MAX, |size| size - 1);
        to_ip(self.address, to_bits(self.address) | mask)
    }

    /// Tells whether an address lies in the network.
    pub fn contains(self, address: IpAddr) -> bool {
        self.is_ipv4() == address.is_ipv4() && Self::new(address, self.prefix) == Some(self)
    }

    /// Tells whether another network lies wholly in this one.
    pub fn contains_network(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// Tells whether two networks share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains_network(other) || other.contains_network(self)
    }

    /// Returns the addresses that a host may have, in order.
    ///
    /// IPv4 leaves out the network's own and the broadcast address (RFC 3021: not in a /31 or /32); IPv6 leaves out the
    /// subnet-router anycast address (RFC 4291 §2.6.1), but not in a /127 or /128.
    pub fn hosts(self) -> impl Iterator<Item = IpAddr> {
        let small = self.spare() <= 1;
        let first = if small { 0 } else { 1 };
        let last = self.size() - if self.is_ipv4() && !small { 2 } else { 1 };
        (first..=last).filter_map(move |offset| self.nth(offset))
    }

    fn spare(self) -> u8 {
        width(self.address) - self.prefix
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Makes an address of the same family as `like`; bits above 32 are dropped for IPv4.
fn to_ip(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

impl FromStr for Network {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const EXAMPLE: &str = "write an address and the length of its prefix, such as `10.20.0.0/16` or `fd00:20::/48`";
        refuse_hostile(text)?;
        let wrong = || ParseError::new(format!("{} is not a network", quoted(text)), EXAMPLE);
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(match text.parse::<IpAddr>() {
                Ok(address) => ParseError::new(
                    format!("the network {} has no prefix length", quoted(text)),
                    format!("write `{address}/{}` for that address alone, or the prefix you mean", width(address)),
                ),
                Err(_) => wrong(),
            });
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let network = prefix.parse().ok().and_then(|prefix| Self::new(address, prefix)).ok_or_else(|| {
            ParseError::new(
                format!("the prefix of {} is longer than its address", quoted(text)),
                format!("write a prefix of at most {}", width(address)),
            )
        })?;
        if network.address != address {
            return Err(ParseError::new(
                format!("{} has bits set beyond its prefix", quoted(text)),
                format!("write `{network}`"),
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

text_form!(Network);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_leave_out_network_and_broadcast() {
        let hosts: Vec<String> = network("203.0.113.0/29").hosts().map(|host| host.to_string()).collect();
        assert_eq!(hosts.first().unwrap(), "203.0.113.1");
        assert_eq!(hosts.last().unwrap(), "203.0.113.6");
        assert_eq!(network("10.0.0.0/31").hosts().count(), 2);
        assert_eq!(network("10.0.0.7/32").hosts().count(), 1);
        assert_eq!(network("2001:db8::/126").hosts().count(), 3);
        assert_eq!(network("fd00:20::/48").hosts().next().unwrap().to_string(), "fd00:20::1");
    }

    #[test]
    fn networks_hold_their_addresses_only() {
        let toronto = network("10.20.0.0/16");
        assert!(toronto.contains("10.20.255.255".parse().unwrap()));
        assert!(!toronto.contains("10.21.0.0".parse().unwrap()));
        assert!(!toronto.contains("::ffff:10.20.0.1".parse().unwrap()));
        assert!(toronto.overlaps(network("10.0.0.0/8")) && !toronto.contains_network(network("10.0.0.0/8")));
        assert_eq!((toronto.size(), toronto.last().to_string().as_str()), (65_536, "10.20.255.255"));
        assert_eq!(toronto.nth(65_536), None);
        assert!(network("::/0").contains("::1".parse().unwrap()));
        assert!(network("0.0.0.0/0").nth(u128::from(u32::MAX)).is_some());
    }

    #[test]
    fn host_bits_are_shown_without_them() {
        assert_eq!("10.20.0.1/16".parse::<Network>().unwrap_err().help(), "write `10.20.0.0/16`");
        for text in ["10.20.0.0", "10.20.0.0/33", "10.20/16", "::/129", "10.0.0.0/+8", "10.0.0.0/", "x/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_network_reads_back(bits: u128, prefix in 0u8..=128, four: bool) {
            let address = if four { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(bits)) };
            if let Some(network) = Network::new(address, prefix) {
                prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
                prop_assert!(network.contains(address));
                prop_assert!(network.contains(network.last()));
                prop_assert_eq!(network.hosts().take(3).all(|host| network.contains(host)), true);
            }
        }

        #[test]
        fn any_text_is_a_network_or_refused(text in "[0-9a-f.:/]{0,40}") {
            let _ = text.parse::<Network>();
        }
    }
}
