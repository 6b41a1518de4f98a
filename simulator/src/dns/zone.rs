//! Zones and lookups in them (RFC 1034 §4.3.2).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::signing::Keys;

/// Aliases followed for one question; a longer chain is a failure, like a loop.
const LINKS: usize = 8;

/// A type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Alias.
    Cname,
    /// Mail exchange.
    Mx,
    /// Name server.
    Ns,
    /// Name of an address.
    Ptr,
    /// Service (RFC 2782).
    Srv,
    /// Text.
    Txt,
    /// Start of authority.
    Soa,
}

/// What a record says. Names are absolute and may end with a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Alias for another name.
    Cname(String),
    /// A host that takes mail; `.` takes none (RFC 7505).
    Mx {
        /// The lowest is tried first.
        preference: u16,
        /// The host.
        exchange: String,
    },
    /// Name server.
    Ns(String),
    /// Name of an address.
    Ptr(String),
    /// A service's host and port.
    Srv {
        /// The lowest is tried first.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        target: String,
    },
    /// Text, cut into strings of 255 octets on the wire.
    Txt(String),
    /// The text that publishes a key which signs mail (RFC 6376 §3.6), by the key's name: it is asked for when somebody looks.
    SigningKey(String),
    /// Start of authority; made from the zone.
    Soa {
        /// The primary server.
        primary: String,
        /// The mailbox of who is responsible, as a name.
        contact: String,
        /// The serial number.
        serial: u32,
    },
}

impl Data {
    /// Returns the record's type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::A(_) => Kind::A,
            Self::Aaaa(_) => Kind::Aaaa,
            Self::Cname(_) => Kind::Cname,
            Self::Mx { .. } => Kind::Mx,
            Self::Ns(_) => Kind::Ns,
            Self::Ptr(_) => Kind::Ptr,
            Self::Srv { .. } => Kind::Srv,
            Self::Txt(_) | Self::SigningKey(_) => Kind::Txt,
            Self::Soa { .. } => Kind::Soa,
        }
    }

    /// Returns the name the record points at.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Cname(name) | Self::Ns(name) | Self::Ptr(name) => Some(name),
            Self::Mx { exchange, .. } => Some(exchange),
            Self::Srv { target, .. } => Some(target),
            _ => None,
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Seconds it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// Why a record is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The name is no name of the wire format: labels of 1 to 63 octets, 253 in all, printable ASCII.
    #[error("`{0}` is no domain name")]
    Name(String),
    /// The name lies outside the zone.
    #[error("`{name}` lies outside the zone `{zone}`")]
    Outside {
        /// The name.
        name: String,
        /// The zone.
        zone: String,
    },
    /// An alias stands beside other records of its name (RFC 1034 §3.6.2).
    #[error("`{0}` is an alias and has other records")]
    Alias(String),
    /// The text is longer than a record can hold.
    #[error("the text at `{0}` is longer than 60,000 octets")]
    Text(String),
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    serial: u32,
    /// By [`key`], so that everything below a name stands right behind it.
    names: BTreeMap<String, (String, Vec<Record>)>,
}

impl Zone {
    /// Makes an empty zone.
    pub fn new(name: &str, serial: u32) -> Result<Self, ZoneError> {
        Ok(Self { name: canonical(name)?, serial, names: BTreeMap::new() })
    }

    /// Returns the zone's name in lower case without a dot at its end.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a record; one that is there already is not added twice.
    ///
    /// - `name`: absolute; `*` may be its first label (RFC 4592).
    pub fn add(&mut self, name: &str, ttl: u32, data: Data) -> Result<(), ZoneError> {
        let name = canonical(name)?;
        if !is_within(&name, &self.name) {
            return Err(ZoneError::Outside { name, zone: self.name.clone() });
        }
        if let Some(target) = data.target() {
            canonical(target)?;
        }
        if let Data::Txt(text) = &data
            && text.len() > 60_000
        {
            return Err(ZoneError::Text(name));
        }
        let (_, records) = self.names.entry(key(&name)).or_insert_with(|| (name.clone(), Vec::new()));
        if records.iter().any(|record| record.data == data) {
            return Ok(());
        }
        let alias = data.kind() == Kind::Cname || records.iter().any(|record| record.data.kind() == Kind::Cname);
        if alias && (!records.is_empty() || name == self.name) {
            return Err(ZoneError::Alias(name));
        }
        records.push(Record { ttl, data });
        Ok(())
    }

    /// Returns every name with its records, parents before children (RFC 4034 §6.1).
    pub fn records(&self) -> impl Iterator<Item = (&str, &[Record])> {
        self.names.values().map(|(name, records)| (name.as_str(), records.as_slice()))
    }

    fn own(&self, name: &str) -> Option<&[Record]> {
        self.names.get(&key(name)).map(|(_, records)| records.as_slice())
    }

    /// Tells whether a name exists, because it has records or because one below it has (RFC 8020).
    fn exists(&self, name: &str) -> bool {
        let key = key(name);
        self.names.range(key.clone()..).next().is_some_and(|(next, _)| {
            next.strip_prefix(&key).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
        })
    }

    /// Returns the zone's start of authority.
    pub fn authority(&self) -> Record {
        let server = self.own(&self.name).unwrap_or_default().iter().find_map(|record| match &record.data {
            Data::Ns(name) => Some(name.clone()),
            _ => None,
        });
        let primary = server.unwrap_or_else(|| self.name.clone());
        let contact = if self.name.is_empty() { "hostmaster".to_owned() } else { format!("hostmaster.{}", self.name) };
        Record { ttl: 300, data: Data::Soa { primary, contact, serial: self.serial } }
    }

    /// Returns the records of a name: its own, or those of the wildcard that stands for it (RFC 4592 §3.3.1).
    fn at(&self, name: &str) -> At<'_> {
        if let Some(records) = self.own(name) {
            return At::Records(records);
        }
        if name == self.name || self.exists(name) {
            return At::Empty;
        }
        // The closest name above that exists has the say.
        let mut encloser = name;
        while let Some((_, parent)) = encloser.split_once('.') {
            if let Some(records) = self.own(&format!("*.{parent}")) {
                return At::Records(records);
            }
            if parent == self.name || self.exists(parent) {
                break;
            }
            encloser = parent;
        }
        At::Missing
    }
}

enum At<'a> {
    Records(&'a [Record]),
    /// The name exists and has no records.
    Empty,
    Missing,
}

/// The zones of a world.
#[derive(Clone, Default)]
pub struct Zones {
    zones: BTreeMap<String, Zone>,
    /// The keys that are published by their names.
    keys: Option<Arc<dyn Keys>>,
}

impl std::fmt::Debug for Zones {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Zones").field("zones", &self.zones).finish_non_exhaustive()
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The aliases that were followed and the records at their end, each with its name.
    pub records: Vec<(String, Record)>,
    /// How the search ended.
    pub found: Found,
    /// The zone that was asked last, for the authority section.
    pub zone: Option<String>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// There are records.
    Records,
    /// The name has no records of that type.
    NoData,
    /// The name does not exist.
    NoName,
    /// Aliases lead in a circle, or too far.
    Loop,
}

impl Zones {
    /// Adds a zone, in the place of an older one of its name.
    pub fn add(&mut self, zone: Zone) {
        self.zones.insert(zone.name.clone(), zone);
    }

    /// Sets where the keys are that are published by their names.
    pub fn set_keys(&mut self, keys: Arc<dyn Keys>) {
        self.keys = Some(keys);
    }

    /// Returns the text that publishes a key; `None` where there is none and none can be made. Making one takes a while.
    pub fn key(&self, name: &str) -> Option<String> {
        Some(self.keys.as_ref()?.key(name)?.record())
    }

    /// Returns the text that publishes a key, where it has been made.
    pub fn made_key(&self, name: &str) -> Option<String> {
        Some(self.keys.as_ref()?.made(name)?.record())
    }

    /// Returns a zone by its name.
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.get(&canonical(name).ok()?)
    }

    /// Returns a zone by its name, to be changed.
    pub fn zone_mut(&mut self, name: &str) -> Option<&mut Zone> {
        self.zones.get_mut(&canonical(name).ok()?)
    }

    /// Removes a zone.
    pub fn remove(&mut self, name: &str) -> Option<Zone> {
        self.zones.remove(&canonical(name).ok()?)
    }

    /// Returns all zones in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.values()
    }

    /// Looks a name up, aliases followed.
    pub fn lookup(&self, name: &str, kind: Kind) -> Lookup {
        self.search(name, Some(kind))
    }

    /// Looks up everything a name has; aliases are not followed.
    pub fn everything(&self, name: &str) -> Lookup {
        self.search(name, None)
    }

    fn search(&self, name: &str, kind: Option<Kind>) -> Lookup {
        let mut lookup = Lookup { records: Vec::new(), found: Found::NoName, zone: None };
        let Ok(mut name) = canonical(name) else { return lookup };
        for _ in 0..=LINKS {
            let Some(zone) = self.holder(&name) else {
                lookup.zone = None;
                lookup.found = Found::NoName;
                return lookup;
            };
            lookup.zone = Some(zone.name.clone());
            let mut wanted: Vec<Record> = Vec::new();
            if name == zone.name && kind.is_none_or(|kind| kind == Kind::Soa) {
                wanted.push(zone.authority());
            }
            let records = match zone.at(&name) {
                At::Records(records) => records,
                At::Empty => &[],
                At::Missing => {
                    lookup.found = Found::NoName;
                    return lookup;
                }
            };
            let matches = |record: &&Record| kind.is_none_or(|kind| record.data.kind() == kind);
            wanted.extend(records.iter().filter(matches).cloned());
            if !wanted.is_empty() {
                lookup.records.extend(wanted.into_iter().map(|record| (name.clone(), record)));
                lookup.found = Found::Records;
                return lookup;
            }
            let alias = records.iter().find_map(|record| match &record.data {
                Data::Cname(target) => Some((record, canonical(target).ok()?)),
                _ => None,
            });
            let Some((record, target)) = alias else {
                lookup.found = Found::NoData;
                return lookup;
            };
            lookup.records.push((name.clone(), record.clone()));
            name = target;
        }
        lookup.found = Found::Loop;
        lookup
    }

    /// Returns the zone with the longest name that a name lies in.
    fn holder(&self, name: &str) -> Option<&Zone> {
        let mut rest = name;
        loop {
            if let Some(zone) = self.zones.get(rest) {
                return Some(zone);
            }
            rest = match rest.split_once('.') {
                Some((_, parent)) => parent,
                None if !rest.is_empty() => "",
                None => return None,
            };
        }
    }
}

/// Sorts before every character of a label.
const SEPARATOR: char = '\u{1}';

/// Returns a canonical name's labels from the last to the first.
fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for label in name.rsplit('.') {
        if !key.is_empty() {
            key.push(SEPARATOR);
        }
        key.push_str(label);
    }
    key
}

/// Returns a name in lower case without a dot at its end; the root is empty.
pub(super) fn canonical(name: &str) -> Result<String, ZoneError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let sound = bare.is_empty()
        || (bare.len() <= 253
            && bare.split('.').all(|label| {
                (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            }));
    if sound { Ok(bare.to_ascii_lowercase()) } else { Err(ZoneError::Name(name.to_owned())) }
}

fn is_within(name: &str, zone: &str) -> bool {
    zone.is_empty() || name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let mut zones = Zones::default();
        let mut zone = Zone::new("Acme.example.", 7).unwrap();
        let address = |last| Data::A(Ipv4Addr::new(192, 0, 2, last));
        for (name, data) in [
            ("acme.example", Data::Ns("ns1.acme.example".to_owned())),
            ("www.acme.example", address(1)),
            ("WWW.acme.example", address(2)),
            ("ftp.acme.example", Data::Cname("www.acme.example.".to_owned())),
            ("out.acme.example", Data::Cname("host.other.example".to_owned())),
            ("gone.acme.example", Data::Cname("nowhere.invalid".to_owned())),
            ("a.loop.acme.example", Data::Cname("b.loop.acme.example".to_owned())),
            ("b.loop.acme.example", Data::Cname("a.loop.acme.example".to_owned())),
            ("*.wild.acme.example", address(3)),
            ("x.wild.acme.example", Data::Txt("x".to_owned())),
            ("_dmarc.acme.example", Data::Txt("v=DMARC1".to_owned())),
        ] {
            zone.add(name, 60, data).unwrap();
        }
        zones.add(zone);
        let mut other = Zone::new("other.example", 1).unwrap();
        other.add("host.other.example", 60, address(9)).unwrap();
        zones.add(other);
        zones
    }

    fn check(name: &str, kind: Kind, found: Found, count: usize) {
        let lookup = zones().lookup(name, kind);
        assert_eq!((lookup.found, lookup.records.len()), (found, count), "{name} {kind:?}");
    }

    #[test]
    fn names_are_looked_up_in_any_case_and_aliases_followed() {
        check("www.ACME.example.", Kind::A, Found::Records, 2);
        check("ftp.acme.example", Kind::A, Found::Records, 3);
        check("ftp.acme.example", Kind::Cname, Found::Records, 1);
        check("out.acme.example", Kind::A, Found::Records, 2);
        check("_dmarc.acme.example", Kind::Txt, Found::Records, 1);
        check("acme.example", Kind::Soa, Found::Records, 1);
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        check("www.acme.example", Kind::Mx, Found::NoData, 0);
        check("acme.example", Kind::A, Found::NoData, 0);
        check("loop.acme.example", Kind::A, Found::NoData, 0);
        check("nope.acme.example", Kind::A, Found::NoName, 0);
        check("acme.test", Kind::A, Found::NoName, 0);
        check("gone.acme.example", Kind::A, Found::NoName, 1);
        check("a..b", Kind::A, Found::NoName, 0);
    }

    #[test]
    fn a_circle_of_aliases_ends() {
        let lookup = zones().lookup("a.loop.acme.example", Kind::A);
        assert_eq!(lookup.found, Found::Loop);
        assert!(lookup.records.len() <= LINKS + 1);
    }

    #[test]
    fn a_wildcard_stands_for_names_that_do_not_exist() {
        check("y.wild.acme.example", Kind::A, Found::Records, 1);
        check("z.y.wild.acme.example", Kind::A, Found::Records, 1);
        check("x.wild.acme.example", Kind::A, Found::NoData, 0);
        check("y.x.wild.acme.example", Kind::A, Found::NoName, 0);
    }

    #[test]
    fn records_that_cannot_be_are_refused() {
        let mut zone = Zone::new("acme.example", 1).unwrap();
        let alias = || Data::Cname("a.example".to_owned());
        zone.add("a.acme.example", 1, alias()).unwrap();
        zone.add("a.acme.example", 1, alias()).unwrap();
        for (name, data) in [
            ("a.acme.example", Data::Txt("x".to_owned())),
            ("acme.example", alias()),
            ("b.other.example", alias()),
            ("xacme.example", alias()),
            ("b..acme.example", alias()),
            ("b c.acme.example", alias()),
            ("b.acme.example", Data::Ns("a..b".to_owned())),
            ("b.acme.example", Data::Txt("x".repeat(60_001))),
        ] {
            assert!(zone.add(name, 1, data).is_err(), "{name}");
        }
        assert!(zone.add(&format!("{}.acme.example", "x".repeat(64)), 1, alias()).is_err());
    }
}
