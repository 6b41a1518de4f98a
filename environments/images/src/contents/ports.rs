//! Ports that an image's units open as the distribution ships them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Contents, unit_name};

/// What daemons open by the distribution's own configuration, by unit: socket units say it themselves.
const DAEMONS: [(&str, &[(&str, u16)]); 18] = [
    ("chrony.service", &[("udp", 323)]),
    ("dovecot.service", &[("tcp", 110), ("tcp", 143), ("tcp", 993), ("tcp", 995), ("tcp", 4190)]),
    ("etcd.service", &[("tcp", 2379), ("tcp", 2380)]),
    ("knot.service", &[("tcp", 53), ("udp", 53)]),
    ("nginx.service", &[("tcp", 80)]),
    ("nsd.service", &[("tcp", 53), ("udp", 53)]),
    ("patroni.service", &[("tcp", 8008)]),
    ("pgbouncer.service", &[("tcp", 6432)]),
    ("postfix.service", &[("tcp", 25)]),
    ("postgresql.service", &[("tcp", 5432)]),
    ("postsrsd.service", &[("tcp", 10001), ("tcp", 10002)]),
    ("prometheus-alertmanager.service", &[("tcp", 9093), ("tcp", 9094), ("udp", 9094)]),
    ("prometheus.service", &[("tcp", 9090)]),
    ("radicale.service", &[("tcp", 5232)]),
    ("redis-sentinel.service", &[("tcp", 26379)]),
    ("redis-server.service", &[("tcp", 6379)]),
    ("rspamd.service", &[("tcp", 11332), ("tcp", 11333), ("tcp", 11334)]),
    ("unbound.service", &[("tcp", 53), ("udp", 53)]),
];

/// A port that a unit opens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The unit.
    pub unit: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// Whether something starts the unit.
    pub enabled: bool,
}

/// Returns the ports that are opened.
///
/// - `sockets`: socket units by path, as they are written.
pub(super) fn opened(contents: &Contents, sockets: &BTreeMap<String, String>) -> BTreeSet<Port> {
    let enabled = |unit: &str| contents.units.get(unit).is_some_and(|unit| unit.enabled);
    let port = |unit: &str, protocol: &str, port: u16| Port {
        unit: unit.to_owned(),
        protocol: protocol.to_owned(),
        port,
        enabled: enabled(unit),
    };
    let mut found = BTreeSet::new();
    for (unit, ports) in DAEMONS.iter().filter(|(unit, _)| contents.units.contains_key(*unit)) {
        found.extend(ports.iter().map(|(protocol, number)| port(unit, protocol, *number)));
    }
    for (path, text) in sockets {
        let Some(unit) = unit_name(path) else { continue };
        found.extend(listens(text).into_iter().map(|(protocol, number)| port(unit, protocol, number)));
    }
    found
}

/// Reads what a socket unit listens on (systemd.socket(5)); paths and names of the kernel are no ports.
fn listens(text: &str) -> Vec<(&'static str, u16)> {
    let line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let protocol = match key.trim() {
            "ListenStream" => "tcp",
            "ListenDatagram" => "udp",
            _ => return None,
        };
        let value = value.trim();
        let number = value.rsplit_once(':').map_or(value, |(_, number)| number);
        (!value.contains('/')).then(|| number.parse().ok()).flatten().map(|number| (protocol, number))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn socket_units_say_their_ports() {
        let text =
            "[Socket]\nListenStream=22\nListenStream=[::1]:19531\nListenDatagram=127.0.0.1:53\nListenStream=/run/x\n";
        assert_eq!(listens(text), [("tcp", 22), ("tcp", 19531), ("udp", 53)]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_stumble(text in any::<String>()) {
            let _ = listens(&text);
        }
    }
}
