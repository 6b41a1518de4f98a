//! The network between the hosts of one world: ordered byte streams and calls, with latency, bandwidth, refusals, partitions
//! and resets. Time is handed in; nothing happens that was not asked for or scheduled.
//!
//! A stream is reliable, as TCP is: what is lost is sent again, and so only late. It ends by a close, which comes after all
//! that was sent, or by a reset, which does not wait. Between hosts that cannot reach each other everything waits; after a
//! minute of that the stream is reset at both ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::Moment;
use crate::chance::Chance;

/// Milliseconds after which an unanswered connection attempt is given up.
const CONNECT_MILLISECONDS: u64 = 30_000;
/// Milliseconds after which a stream whose ends do not reach each other is reset.
const STALL_MILLISECONDS: u64 = 60_000;
/// Milliseconds by which a lost packet is late, at least.
const RETRANSMIT_MILLISECONDS: u64 = 200;

/// One of the world's hosts, by its index in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// One end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// A call: a question to a service of another host, answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// How packets travel to and from a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds a packet takes, each way.
    pub latency_milliseconds: u64,
    /// Bytes in a second; `None` for no limit.
    pub bytes_per_second: Option<u64>,
}

/// What the network lets happen by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// So many packets of a million are lost and come late.
    pub loss_per_million: u64,
    /// So many packets of a million reset their stream.
    pub reset_per_million: u64,
}

/// Why a connection or a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The host is there, nobody listens.
    Refused,
    /// Nobody answered in time.
    TimedOut,
}

/// What happened on the network.
#[derive(Debug)]
pub enum Happening<Port, Parcel> {
    /// Somebody wants to connect; [`Network::accept`] or [`Network::refuse`] answers.
    Incoming {
        /// The end of the called host.
        socket: SocketId,
        /// The called host.
        host: HostId,
        /// The called port.
        port: Port,
        /// The calling host.
        from: HostId,
    },
    /// A connection stands.
    Connected(SocketId),
    /// A connection came to nothing.
    Failed(SocketId, Unreachable),
    /// Bytes arrived, or the other side closed: [`Network::read`] gives them out.
    Readable(SocketId),
    /// The other side has taken what was sent; more may follow.
    Writable(SocketId),
    /// The stream broke; what was not read is gone.
    Reset(SocketId),
    /// Somebody calls a service.
    Called {
        /// The call, for [`Network::answer`].
        call: CallId,
        /// The called host.
        host: HostId,
        /// What was sent.
        parcel: Parcel,
    },
    /// A call was answered.
    Answered {
        /// The call.
        call: CallId,
        /// The answer.
        parcel: Parcel,
    },
    /// A call came to nothing.
    Lost(CallId, Unreachable),
}

#[derive(Debug)]
enum Event<Port, Parcel> {
    Arrive {
        socket: SocketId,
        port: Port,
    },
    Established(SocketId),
    ConnectFailed(SocketId, Unreachable),
    Data {
        socket: SocketId,
        bytes: Vec<u8>,
    },
    End(SocketId),
    Reset(SocketId),
    /// A stream may have been stalled for too long.
    Stalled(SocketId),
    Taken(SocketId),
    Call {
        call: CallId,
        parcel: Parcel,
    },
    Answer {
        call: CallId,
        parcel: Parcel,
    },
    CallLost(CallId, Unreachable),
}

#[derive(Debug)]
struct Socket {
    host: HostId,
    peer: SocketId,
    remote: HostId,
    established: bool,
    /// Bytes that arrived and were not read.
    inbox: VecDeque<Vec<u8>>,
    ended: bool,
    /// The other side's close has been read.
    end_seen: bool,
    /// We closed; nothing more is sent.
    closed: bool,
    /// When the last byte sent so far arrives, so that order is kept.
    arrives: Moment,
    /// Bytes sent that the other side has not read.
    backlog: usize,
    stalled_since: Option<Moment>,
}

#[derive(Debug)]
struct Call {
    from: HostId,
    to: HostId,
}

/// The network of one world.
#[derive(Debug)]
pub struct Network<Port, Parcel> {
    lines: Vec<Line>,
    up: Vec<bool>,
    cut: BTreeSet<(HostId, HostId)>,
    weather: Weather,
    chance: Chance,
    sockets: BTreeMap<SocketId, Socket>,
    calls: BTreeMap<CallId, Call>,
    events: BTreeMap<(Moment, u64), Event<Port, Parcel>>,
    /// What waits for two hosts to reach each other again.
    held: Vec<(HostId, HostId, Event<Port, Parcel>)>,
    sequence: u64,
    names: u64,
}

impl<Port, Parcel> Network<Port, Parcel> {
    /// Returns a network of hosts that are all up and reach each other.
    #[must_use]
    pub fn new(lines: Vec<Line>, chance: Chance) -> Self {
        let up = vec![true; lines.len()];
        Self {
            lines,
            up,
            cut: BTreeSet::new(),
            weather: Weather::default(),
            chance,
            sockets: BTreeMap::new(),
            calls: BTreeMap::new(),
            events: BTreeMap::new(),
            held: Vec::new(),
            sequence: 0,
            names: 0,
        }
    }

    /// Sets what happens by chance from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Sets how packets travel to and from a host from now on.
    pub fn set_line(&mut self, host: HostId, line: Line) {
        if let Some(place) = self.lines.get_mut(host.0) {
            *place = line;
        }
    }

    fn schedule(&mut self, at: Moment, event: Event<Port, Parcel>) {
        self.sequence += 1;
        self.events.insert((at, self.sequence), event);
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn is_up(&self, host: HostId) -> bool {
        self.up.get(host.0).copied().unwrap_or(false)
    }

    /// Whether packets go between two hosts now.
    pub fn reaches(&self, one: HostId, other: HostId) -> bool {
        self.reach(one, other)
    }

    fn reach(&self, one: HostId, other: HostId) -> bool {
        self.is_up(one) && self.is_up(other) && !self.cut.contains(&(one.min(other), one.max(other)))
    }

    fn line(&self, host: HostId) -> Line {
        self.lines.get(host.0).copied().unwrap_or_default()
    }

    fn latency(&self, one: HostId, other: HostId) -> u64 {
        self.line(one).latency_milliseconds + self.line(other).latency_milliseconds
    }

    /// Returns how long so many bytes take between two hosts, chance included.
    fn travel(&mut self, one: HostId, other: HostId, bytes: usize) -> u64 {
        let slower = [one, other].into_iter().filter_map(|host| self.line(host).bytes_per_second).min();
        let mut time = self.latency(one, other) + slower.map_or(0, |rate| (bytes as u64 * 1_000) / rate.max(1));
        while self.chance.per_million(self.weather.loss_per_million.min(500_000)) {
            time += RETRANSMIT_MILLISECONDS + self.latency(one, other);
        }
        time
    }

    /// Begins a connection; [`Happening::Connected`] or [`Happening::Failed`] tells how it went.
    pub fn connect(&mut self, now: Moment, from: HostId, to: HostId, port: Port) -> SocketId {
        let (near, far) = (SocketId(self.name()), SocketId(self.name()));
        let end = |host, remote, peer| Socket {
            host,
            peer,
            remote,
            established: false,
            inbox: VecDeque::new(),
            ended: false,
            end_seen: false,
            closed: false,
            arrives: now,
            backlog: 0,
            stalled_since: None,
        };
        self.sockets.insert(near, end(from, to, far));
        self.sockets.insert(far, end(to, from, near));
        if self.reach(from, to) {
            let time = self.travel(from, to, 0);
            self.schedule(now.plus(time), Event::Arrive { socket: far, port });
        }
        self.schedule(now.plus(CONNECT_MILLISECONDS), Event::ConnectFailed(near, Unreachable::TimedOut));
        near
    }

    /// Takes a connection that was offered.
    pub fn accept(&mut self, now: Moment, socket: SocketId) {
        let Some(end) = self.sockets.get_mut(&socket) else { return };
        end.established = true;
        let (host, remote, peer) = (end.host, end.remote, end.peer);
        let time = self.travel(host, remote, 0);
        if let Some(end) = self.sockets.get_mut(&socket) {
            end.arrives = now.plus(time);
        }
        self.deliver(now.plus(time), host, remote, Event::Established(peer));
    }

    /// Refuses a connection that was offered.
    pub fn refuse(&mut self, now: Moment, socket: SocketId) {
        let Some(end) = self.sockets.remove(&socket) else { return };
        let time = self.travel(end.host, end.remote, 0);
        self.schedule(now.plus(time), Event::ConnectFailed(end.peer, Unreachable::Refused));
    }

    /// Schedules an event that crosses between two hosts, or keeps it until they reach each other.
    fn deliver(&mut self, at: Moment, from: HostId, to: HostId, event: Event<Port, Parcel>) {
        if self.reach(from, to) {
            self.schedule(at, event);
        } else {
            self.held.push((from, to, event));
        }
    }

    /// Sends bytes; what is sent on a stream that is closed or gone is dropped.
    pub fn send(&mut self, now: Moment, socket: SocketId, bytes: Vec<u8>) {
        let Some(end) = self.sockets.get(&socket) else { return };
        if end.closed || bytes.is_empty() {
            return;
        }
        let (host, remote, peer) = (end.host, end.remote, end.peer);
        let time = self.travel(host, remote, bytes.len());
        if self.chance.per_million(self.weather.reset_per_million) {
            self.schedule(now.plus(time), Event::Reset(socket));
            self.schedule(now.plus(time), Event::Reset(peer));
            return;
        }
        let reaches = self.reach(host, remote);
        let Some(end) = self.sockets.get_mut(&socket) else { return };
        end.backlog += bytes.len();
        let at = now.plus(time).max(end.arrives);
        end.arrives = at;
        let stalls = !reaches && end.stalled_since.is_none();
        if stalls {
            end.stalled_since = Some(now);
        }
        if stalls {
            self.schedule(now.plus(STALL_MILLISECONDS), Event::Stalled(socket));
        }
        self.deliver(at, host, remote, Event::Data { socket: peer, bytes });
    }

    /// Returns how many bytes were sent that the other side has not read.
    pub fn backlog(&self, socket: SocketId) -> usize {
        self.sockets.get(&socket).map_or(0, |end| end.backlog)
    }

    /// Returns whether there is something to read.
    pub fn is_readable(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|end| !end.inbox.is_empty() || (end.ended && !end.end_seen))
    }

    /// Reads what arrived, one piece at a time; an empty piece once says that the other side closed.
    pub fn read(&mut self, now: Moment, socket: SocketId) -> Option<Vec<u8>> {
        let end = self.sockets.get_mut(&socket)?;
        let Some(bytes) = end.inbox.pop_front() else {
            if end.ended && !end.end_seen {
                end.end_seen = true;
                return Some(Vec::new());
            }
            return None;
        };
        let peer = end.peer;
        if let Some(sender) = self.sockets.get_mut(&peer) {
            sender.backlog = sender.backlog.saturating_sub(bytes.len());
            self.schedule(now, Event::Taken(peer));
        }
        Some(bytes)
    }

    /// Closes our side: everything sent arrives first. Nothing more is read here.
    pub fn close(&mut self, now: Moment, socket: SocketId) {
        let Some(end) = self.sockets.remove(&socket) else { return };
        let at = now.plus(self.latency(end.host, end.remote)).max(end.arrives);
        if self.sockets.contains_key(&end.peer) {
            self.deliver(at, end.host, end.remote, Event::End(end.peer));
        }
    }

    /// Breaks a stream at once.
    pub fn reset(&mut self, now: Moment, socket: SocketId) {
        let Some(end) = self.sockets.remove(&socket) else { return };
        let at = now.plus(self.latency(end.host, end.remote));
        if self.sockets.contains_key(&end.peer) {
            self.deliver(at, end.host, end.remote, Event::Reset(end.peer));
        }
    }

    /// Calls a service of another host; [`Happening::Answered`] or [`Happening::Lost`] follows.
    pub fn call(&mut self, now: Moment, from: HostId, to: HostId, bytes: usize, parcel: Parcel) -> CallId {
        let call = CallId(self.name());
        self.calls.insert(call, Call { from, to });
        if self.reach(from, to) {
            let time = self.travel(from, to, bytes);
            self.schedule(now.plus(time), Event::Call { call, parcel });
        }
        self.schedule(now.plus(CONNECT_MILLISECONDS), Event::CallLost(call, Unreachable::TimedOut));
        call
    }

    /// Answers a call; `None` refuses it.
    pub fn answer(&mut self, now: Moment, call: CallId, parcel: Option<Parcel>) {
        let Some(&Call { from, to }) = self.calls.get(&call) else { return };
        let time = self.travel(to, from, 0);
        let event = match parcel {
            Some(parcel) => Event::Answer { call, parcel },
            None => Event::CallLost(call, Unreachable::Refused),
        };
        if self.reach(from, to) {
            self.schedule(now.plus(time), event);
        }
    }

    /// Cuts or heals the way between two hosts. What was on its way arrives after the healing.
    pub fn set_reach(&mut self, now: Moment, one: HostId, other: HostId, reach: bool) {
        let pair = (one.min(other), one.max(other));
        if !reach {
            self.cut.insert(pair);
            self.hold_back(now);
            return;
        }
        self.cut.remove(&pair);
        self.release(now);
    }

    /// Turns a host off or on. Turned off it forgets its streams and calls; the others learn of it by silence, or by a reset
    /// when it is back.
    pub fn set_power(&mut self, now: Moment, host: HostId, on: bool) {
        if let Some(up) = self.up.get_mut(host.0) {
            *up = on;
        }
        if on {
            self.release(now);
            return;
        }
        let gone: Vec<SocketId> =
            self.sockets.iter().filter(|(_, end)| end.host == host).map(|(&socket, _)| socket).collect();
        for socket in gone {
            let Some(end) = self.sockets.remove(&socket) else { continue };
            self.schedule(now.plus(STALL_MILLISECONDS), Event::Reset(end.peer));
            self.held.push((host, end.remote, Event::Reset(end.peer)));
        }
        self.calls.retain(|_, call| call.from != host);
        self.hold_back(now);
        self.held.retain(|(from, to, event)| {
            (*from != host && *to != host) || (matches!(event, Event::Reset(_)) && *from == host)
        });
    }

    /// Takes off the wire what can no longer arrive.
    fn hold_back(&mut self, now: Moment) {
        let late: Vec<(Moment, u64)> = (self.events.iter())
            .filter(|(_, event)| self.crosses(event).is_some_and(|(from, to)| !self.reach(from, to)))
            .map(|(&key, _)| key)
            .collect();
        for key in late {
            let Some(event) = self.events.remove(&key) else { continue };
            let Some((from, to)) = self.crosses(&event) else { continue };
            if let Event::Data { socket, .. } | Event::End(socket) = &event
                && let Some(sender) = self.sockets.get(socket).map(|end| end.peer)
                && let Some(end) = self.sockets.get_mut(&sender)
                && end.stalled_since.is_none()
            {
                end.stalled_since = Some(now);
                self.schedule(now.plus(STALL_MILLISECONDS), Event::Stalled(sender));
            }
            // A connection or call that did not come through runs into its time limit.
            if !matches!(event, Event::Arrive { .. } | Event::Call { .. } | Event::Answer { .. }) {
                self.held.push((from, to, event));
            }
        }
    }

    /// Returns between which hosts an event is on its way.
    fn crosses(&self, event: &Event<Port, Parcel>) -> Option<(HostId, HostId)> {
        match event {
            Event::Arrive { socket, .. }
            | Event::Established(socket)
            | Event::Data { socket, .. }
            | Event::End(socket) => self.sockets.get(socket).map(|end| (end.remote, end.host)),
            Event::Call { call, .. } => self.calls.get(call).map(|call| (call.from, call.to)),
            Event::Answer { call, .. } => self.calls.get(call).map(|call| (call.to, call.from)),
            Event::ConnectFailed(..) | Event::Reset(_) | Event::Stalled(_) | Event::Taken(_) | Event::CallLost(..) => {
                None
            }
        }
    }

    fn release(&mut self, now: Moment) {
        for (from, to, event) in std::mem::take(&mut self.held) {
            if self.reach(from, to) {
                let latency = self.latency(from, to);
                self.schedule(now.plus(latency), event);
            } else {
                self.held.push((from, to, event));
            }
        }
        for end in self.sockets.values_mut() {
            end.stalled_since = None;
        }
    }

    /// Returns when [`Network::next`] has something.
    pub fn wake(&self) -> Option<Moment> {
        self.events.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Returns what happens next up to a moment.
    pub fn next(&mut self, now: Moment) -> Option<Happening<Port, Parcel>> {
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= now) {
            let event = entry.remove();
            let happening = self.happen(now, event);
            if happening.is_some() {
                return happening;
            }
        }
        None
    }

    fn happen(&mut self, now: Moment, event: Event<Port, Parcel>) -> Option<Happening<Port, Parcel>> {
        match event {
            Event::Arrive { socket, port } => {
                let end = self.sockets.get(&socket)?;
                if !self.sockets.contains_key(&end.peer) {
                    self.sockets.remove(&socket);
                    return None;
                }
                Some(Happening::Incoming { socket, host: end.host, port, from: end.remote })
            }
            Event::Established(socket) => {
                let end = self.sockets.get_mut(&socket)?;
                end.established = true;
                Some(Happening::Connected(socket))
            }
            Event::ConnectFailed(socket, why) => {
                if self.sockets.get(&socket)?.established {
                    return None;
                }
                let end = self.sockets.remove(&socket)?;
                // Who has accepted in vain is told as if the stream had broken.
                if self.sockets.get(&end.peer).is_some_and(|peer| peer.established) {
                    self.schedule(now, Event::Reset(end.peer));
                } else {
                    self.sockets.remove(&end.peer);
                }
                Some(Happening::Failed(socket, why))
            }
            Event::Data { socket, bytes } => {
                let end = self.sockets.get_mut(&socket)?;
                end.inbox.push_back(bytes);
                Some(Happening::Readable(socket))
            }
            Event::End(socket) => {
                let end = self.sockets.get_mut(&socket)?;
                end.ended = true;
                Some(Happening::Readable(socket))
            }
            Event::Reset(socket) => {
                let end = self.sockets.remove(&socket)?;
                if self.sockets.contains_key(&end.peer) {
                    self.schedule(now, Event::Reset(end.peer));
                }
                Some(Happening::Reset(socket))
            }
            Event::Stalled(socket) => {
                let since = self.sockets.get(&socket)?.stalled_since?;
                (now.since(since) >= STALL_MILLISECONDS).then(|| self.happen(now, Event::Reset(socket)))?
            }
            Event::Taken(socket) => self.sockets.contains_key(&socket).then_some(Happening::Writable(socket)),
            Event::Call { call, parcel } => {
                let host = self.calls.get(&call)?.to;
                Some(Happening::Called { call, host, parcel })
            }
            Event::Answer { call, parcel } => {
                self.calls.remove(&call)?;
                Some(Happening::Answered { call, parcel })
            }
            Event::CallLost(call, why) => {
                self.calls.remove(&call)?;
                Some(Happening::Lost(call, why))
            }
        }
    }
}

#[cfg(test)]
mod tests;
