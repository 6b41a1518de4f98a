//! The switch as a state machine: frames and times go in, frames with the ports they leave by come out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::frames::{LONGEST, SHORTEST};
use crate::table::{Station, Table, is_group};
use crate::weather::Weather;

/// A time in microseconds, from whatever the caller counts from.
pub type Moment = u64;

/// One of the switch's ports, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(pub usize);

/// Octets that wait at a port at most; what comes beyond is dropped, as a switch does.
const QUEUE: usize = 1 << 20;

/// How much later a frame leaves that is held back, beside its line's delay, in microseconds.
const HELD_BACK: u64 = 1_000;

/// What a switch has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that left by a port; a flooded one counts for each.
    pub delivered: u64,
    /// Frames lost to the weather.
    pub lost: u64,
    /// Frames that found a queue full.
    pub dropped: u64,
    /// Frames between stations that were cut off from each other.
    pub cut: u64,
    /// Frames too short or too long to be any.
    pub malformed: u64,
}

#[derive(Debug, Default)]
struct Line {
    weather: Weather,
    /// When what was sent last is through, towards the switch and away from it.
    free: [Moment; 2],
    /// Octets under way to the port.
    waiting: usize,
    /// What is kept for a station that does not take anything now; `None` while it does.
    held: Option<VecDeque<Arc<[u8]>>>,
}

/// A frame and the port it leaves by.
type Leaving = (Port, Arc<[u8]>);

/// The switch.
#[derive(Debug)]
pub struct Core {
    lines: Vec<Line>,
    table: Table,
    chance: ChaCha8Rng,
    /// Frames under way, by the time they arrive and the order they were sent in.
    under_way: BTreeMap<(Moment, u64), Leaving>,
    sent: u64,
    cut: BTreeSet<(Port, Port)>,
    counters: Counters,
}

impl Core {
    /// Makes a switch.
    ///
    /// - `ports`: how many it has.
    /// - `seed`: decides all that is left to chance.
    pub fn new(ports: usize, seed: u64) -> Self {
        Self {
            lines: (0..ports).map(|_| Line::default()).collect(),
            table: Table::default(),
            chance: ChaCha8Rng::seed_from_u64(seed),
            under_way: BTreeMap::new(),
            sent: 0,
            cut: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// Changes how a port's line is; a port that there is none of is left alone.
    pub fn set_weather(&mut self, port: Port, weather: Weather) {
        if let Some(line) = self.lines.get_mut(port.0) {
            line.weather = weather;
        }
    }

    /// Cuts two ports off from each other, or mends that.
    pub fn set_cut(&mut self, one: Port, other: Port, cut: bool) {
        let pair = (one.min(other), one.max(other));
        if cut {
            self.cut.insert(pair);
        } else {
            self.cut.remove(&pair);
        }
    }

    /// Keeps what is for a port until it takes frames again, as while its machine moves; or hands all of it over.
    pub fn hold(&mut self, now: Moment, port: Port, hold: bool) {
        let Some(line) = self.lines.get_mut(port.0) else { return };
        if hold {
            line.held.get_or_insert_default();
        } else if let Some(held) = line.held.take() {
            for frame in held {
                self.sent += 1;
                self.under_way.insert((now, self.sent), (port, frame));
            }
        }
    }

    /// Forgets the stations of a port, for whatever hangs on it is another now.
    pub fn renewed(&mut self, port: Port) {
        self.table.forget(port);
    }

    /// Returns what it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes a frame that arrived at a port.
    pub fn receive(&mut self, now: Moment, from: Port, frame: Vec<u8>) {
        let addresses = frame.first_chunk::<6>().zip(frame.get(6..12).and_then(|source| source.first_chunk::<6>()));
        let (Some((&target, &source)), true, true) =
            (addresses, (SHORTEST..=LONGEST).contains(&frame.len()), from.0 < self.lines.len())
        else {
            self.counters.malformed += 1;
            return;
        };
        self.table.learn(now, source, from);
        let targets = self.targets(now, from, target);
        if targets.is_empty() {
            return;
        }
        let Some(arrived) = self.pass(now, from, frame.len(), 0) else { return };
        let frame: Arc<[u8]> = frame.into();
        for port in targets {
            if self.cut.contains(&(from.min(port), from.max(port))) {
                self.counters.cut += 1;
                continue;
            }
            let waiting = self.lines.get(port.0).map_or(0, |line| line.waiting);
            if waiting + frame.len() > QUEUE {
                self.counters.dropped += 1;
                continue;
            }
            let Some(leaves) = self.pass(arrived, port, frame.len(), 1) else { continue };
            if let Some(line) = self.lines.get_mut(port.0) {
                line.waiting += frame.len();
            }
            self.sent += 1;
            self.under_way.insert((leaves, self.sent), (port, Arc::clone(&frame)));
        }
    }

    fn targets(&self, now: Moment, from: Port, target: Station) -> Vec<Port> {
        let known = (!is_group(target)).then(|| self.table.port_of(now, target)).flatten();
        match known {
            Some(port) if port == from => Vec::new(),
            Some(port) => vec![port],
            None => (0..self.lines.len()).map(Port).filter(|port| *port != from).collect(),
        }
    }

    /// Sends a frame along a line; returns when it is through, if it is not lost.
    fn pass(&mut self, now: Moment, port: Port, octets: usize, direction: usize) -> Option<Moment> {
        let weather = self.lines.get(port.0)?.weather;
        if self.happens(weather.loss_per_million) {
            self.counters.lost += 1;
            return None;
        }
        let mut at = now;
        if let Some(bits) = weather.bits_per_second {
            let takes = (octets as u64).saturating_mul(8_000_000) / bits.max(1);
            let free = self.lines.get_mut(port.0)?.free.get_mut(direction)?;
            at = at.max(*free).saturating_add(takes);
            *free = at;
        }
        at = at.saturating_add(weather.delay_microseconds);
        if weather.jitter_microseconds > 0 {
            at = at.saturating_add(self.below(weather.jitter_microseconds.saturating_add(1)));
        }
        if self.happens(weather.reorder_per_million) {
            at = at.saturating_add(weather.delay_microseconds).saturating_add(HELD_BACK);
        }
        Some(at)
    }

    fn happens(&mut self, per_million: u32) -> bool {
        // Without weather nothing is drawn, so that the weather of one line does not depend on the traffic of calm ones.
        per_million > 0 && self.below(1_000_000) < u64::from(per_million)
    }

    fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.chance.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Returns when the next frame arrives, if one is under way.
    pub fn next(&self) -> Option<Moment> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Returns the next frame that has arrived by now, with the port it leaves by.
    pub fn due(&mut self, now: Moment) -> Option<(Port, Arc<[u8]>)> {
        loop {
            let first = self.under_way.first_entry()?;
            if first.key().0 > now {
                return None;
            }
            let (port, frame) = first.remove();
            let line = self.lines.get_mut(port.0)?;
            match &mut line.held {
                Some(held) => held.push_back(frame),
                None => {
                    line.waiting = line.waiting.saturating_sub(frame.len());
                    self.counters.delivered += 1;
                    return Some((port, frame));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(to: u8, from: u8, mark: u8) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
        frame.push(mark);
        if to == 0xff {
            frame.splice(0..6, [0xff; 6]);
        }
        frame
    }

    /// Returns everything that leaves, with its time.
    fn all(core: &mut Core) -> Vec<(Moment, usize, u8)> {
        let mut found = Vec::new();
        while let Some(at) = core.next() {
            while let Some((port, frame)) = core.due(at) {
                found.push((at, port.0, *frame.last().unwrap()));
            }
        }
        found
    }

    #[test]
    fn an_unknown_station_is_looked_for_everywhere_and_a_known_one_is_not() {
        let mut core = Core::new(3, 1);
        core.receive(0, Port(0), frame(2, 1, b'a'));
        core.receive(1, Port(1), frame(1, 2, b'b'));
        core.receive(2, Port(0), frame(2, 1, b'c'));
        core.receive(3, Port(0), frame(0xff, 1, b'd'));
        assert_eq!(
            all(&mut core),
            [(0, 1, b'a'), (0, 2, b'a'), (1, 0, b'b'), (2, 1, b'c'), (3, 1, b'd'), (3, 2, b'd')]
        );
    }

    #[test]
    fn a_slow_line_serializes_and_its_queue_is_bounded() {
        let mut core = Core::new(2, 1);
        core.set_weather(Port(1), Weather { bits_per_second: Some(8_000_000), ..Weather::default() });
        for _ in 0..3 {
            core.receive(0, Port(0), vec![0xff; 1000]);
        }
        let times: Vec<Moment> = all(&mut core).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(times, [1000, 2000, 3000], "a thousand octets take a millisecond each");
        for _ in 0..2000 {
            core.receive(10_000, Port(0), vec![0xff; 1000]);
        }
        assert_eq!(core.counters().dropped, 2000 - (QUEUE / 1000) as u64);
    }

    #[test]
    fn stations_that_are_cut_off_hear_nothing_until_it_is_mended() {
        let mut core = Core::new(3, 1);
        core.set_cut(Port(1), Port(0), true);
        core.receive(0, Port(0), frame(0xff, 1, b'a'));
        assert_eq!(all(&mut core), [(0, 2, b'a')]);
        core.set_cut(Port(0), Port(1), false);
        core.receive(1, Port(0), frame(0xff, 1, b'b'));
        assert_eq!(all(&mut core), [(1, 1, b'b'), (1, 2, b'b')]);
    }

    #[test]
    fn what_is_held_arrives_later_and_whole_in_its_order() {
        let mut core = Core::new(2, 1);
        core.hold(0, Port(1), true);
        for mark in 0..5 {
            core.receive(u64::from(mark), Port(0), frame(0xff, 1, mark));
        }
        assert_eq!(all(&mut core), []);
        core.hold(50, Port(1), false);
        let expected: Vec<_> = (0..5).map(|mark| (50, 1, mark)).collect();
        assert_eq!(all(&mut core), expected);
    }

    #[test]
    fn the_weather_loses_about_what_it_says_and_always_the_same() {
        let run = |seed| {
            let mut core = Core::new(2, seed);
            let weather = Weather {
                loss_per_million: 100_000,
                reorder_per_million: 50_000,
                jitter_microseconds: 300,
                delay_microseconds: 500,
                ..Weather::default()
            };
            core.set_weather(Port(1), weather);
            for number in 0..2000_u64 {
                core.receive(number * 100, Port(0), frame(0xff, 1, number.to_le_bytes()[0]));
            }
            let found = all(&mut core);
            (found, core.counters())
        };
        let (first, counters) = run(7);
        assert!((120..280).contains(&counters.lost), "{counters:?}");
        assert_eq!(first, run(7).0);
        assert_ne!(first, run(8).0);
    }

    proptest! {
        #[test]
        fn no_frame_makes_the_switch_stumble_or_comes_back_to_where_it_came_from(
            frames in prop::collection::vec((0_usize..5, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
            loss in 0_u32..1_000_000,
            bits in prop::option::of(any::<u64>()),
        ) {
            let mut core = Core::new(4, 3);
            core.set_weather(Port(2), Weather {
                loss_per_million: loss, bits_per_second: bits, delay_microseconds: u64::MAX / 2, ..Weather::default()
            });
            for (number, (port, frame)) in frames.into_iter().enumerate() {
                core.receive(number as u64, Port(port), frame);
                while let Some((to, _)) = core.due(number as u64) {
                    prop_assert!(to != Port(port));
                }
            }
            let _ = all(&mut core);
            prop_assert!(core.lines.iter().all(|line| line.waiting == 0));
        }
    }
}
