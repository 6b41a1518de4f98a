//! Where stations were seen last (IEEE 802.1D §7.8: the learning process).

use std::collections::BTreeMap;

use crate::core::{Moment, Port};

/// How many stations are remembered at most; who floods the switch with addresses makes it forget, not grow.
const MOST: usize = 4096;

/// How long a station is remembered that says nothing, in microseconds (IEEE 802.1D §7.9.2, table 7-5: 300 s).
const AGE: u64 = 300_000_000;

/// A station's address.
pub(crate) type Station = [u8; 6];

/// Whether an address is that of many stations: broadcast or multicast (IEEE 802 §9.2).
pub(crate) fn is_group(address: Station) -> bool {
    address.first().is_some_and(|octet| octet & 1 == 1)
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    known: BTreeMap<Station, (Port, Moment)>,
}

impl Table {
    /// Notes that a station was heard at a port.
    pub(crate) fn learn(&mut self, now: Moment, station: Station, port: Port) {
        if is_group(station) {
            return;
        }
        if self.known.len() >= MOST && !self.known.contains_key(&station) {
            self.known.retain(|_, (_, seen)| now.saturating_sub(*seen) <= AGE);
            if self.known.len() >= MOST {
                // Frames are flooded until stations are heard again, which is what a switch does that was just turned on.
                self.known.clear();
            }
        }
        self.known.insert(station, (port, now));
    }

    /// Returns the port a station was heard at, if that is not too long ago.
    pub(crate) fn port_of(&self, now: Moment, station: Station) -> Option<Port> {
        let (port, seen) = self.known.get(&station)?;
        (now.saturating_sub(*seen) <= AGE).then_some(*port)
    }

    /// Forgets everything that was heard at a port.
    pub(crate) fn forget(&mut self, port: Port) {
        self.known.retain(|_, (known, _)| *known != port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_addresses_does_not_make_the_table_grow() {
        let mut table = Table::default();
        for number in 0..(MOST as u64 * 3 + 50) {
            let [.., a, b, c] = number.to_be_bytes();
            table.learn(number, [2, 0, 0, a, b, c], Port(0));
            assert!(table.known.len() <= MOST);
        }
    }

    #[test]
    fn a_silent_station_is_forgotten_and_a_group_is_never_learnt() {
        let mut table = Table::default();
        table.learn(0, [2, 0, 0, 0, 0, 1], Port(3));
        table.learn(0, [0xff; 6], Port(3));
        assert_eq!(table.port_of(AGE, [2, 0, 0, 0, 0, 1]), Some(Port(3)));
        assert_eq!(table.port_of(AGE + 1, [2, 0, 0, 0, 0, 1]), None);
        assert_eq!(table.port_of(0, [0xff; 6]), None);
    }
}
