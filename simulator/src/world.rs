//! A whole platform in virtual time: one clock, one source of chance, one queue of events. Equal seeds give equal worlds, down
//! to the hash over all events.
//!
//! The world plays everything that is outside an [`Engine`]: disks in memory that fail, a directory that takes its time,
//! clients that lose their connection. It ends no TLS: a handshake succeeds at once.

mod accounts;
mod talk;

#[cfg(test)]
mod load;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::Moment;
use crate::chance::Chance;
use crate::disk::{Disk, MemoryDisk};
use crate::engine::{ConnectionId, Door, Engine, Event, Input, Output, QuestionTicket, Role, StartError, Topology};
use crate::store::{MailStore, MailboxName};

pub use accounts::{Account, Accounts};
pub use talk::Talk;

/// Where virtual time begins: 2026-11-22T12:00:00Z.
pub const BEGINNING: Moment = Moment(1_795_348_800_000);

/// What the world lets go wrong by chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mishaps {
    /// So many syncs of a million fail.
    pub sync_failures_per_million: u64,
    /// So many questions of a million the directory does not answer.
    pub silence_per_million: u64,
}

/// A world.
#[derive(Debug)]
pub struct World {
    /// The platform.
    pub engine: Engine,
    /// Its directory.
    pub accounts: Accounts,
    /// The events since somebody last looked.
    pub log: Vec<Event>,
    /// What goes wrong.
    pub mishaps: Mishaps,
    now: Moment,
    chance: Chance,
    disks: BTreeMap<(String, Role), MemoryDisk>,
    /// Syncs under way, as they are scheduled.
    syncing: BTreeMap<(String, Role), usize>,
    events: BTreeMap<(Moment, u64), Pending>,
    sequence: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    digest: Sha256,
}

#[derive(Debug)]
enum Pending {
    Answer(QuestionTicket, Box<crate::directory::Answer>),
    Sync(String, Role),
    /// The platform has read our bytes, or we its.
    Deliver(ConnectionId),
    Sent(ConnectionId, usize),
    Secured(ConnectionId),
}

/// The world's end of a connection to a door.
#[derive(Debug, Default)]
struct Connection {
    /// What the platform said and nobody has read.
    received: Vec<u8>,
    to_send: Vec<u8>,
    credit: bool,
    closed: bool,
    secure: bool,
    /// Nothing that the platform sends arrives.
    stalled: bool,
}

impl World {
    /// Begins a world.
    ///
    /// - Errors: the plan's.
    pub fn new(seed: u64, topology: Topology, accounts: Accounts) -> Result<Self, StartError> {
        let mut chance = Chance::new(seed);
        let mut disks = BTreeMap::new();
        let engine_seed = chance.below(u64::MAX);
        let engine = Engine::new(
            topology,
            &mut |host, role| {
                let disk = MemoryDisk::new();
                disks.insert((host.to_owned(), role), disk.clone());
                Box::new(disk)
            },
            engine_seed,
            BEGINNING,
        )?;
        let mut world = Self {
            engine,
            accounts,
            log: Vec::new(),
            mishaps: Mishaps::default(),
            now: BEGINNING,
            chance,
            disks,
            syncing: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            connections: BTreeMap::new(),
            next_connection: 1,
            digest: Sha256::new(),
        };
        world.carry_out();
        Ok(world)
    }

    /// Returns the time.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Returns the world's source of chance.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// Returns the disk of a role.
    pub fn disk(&self, host: &str, role: Role) -> Option<&MemoryDisk> {
        self.disks.get(&(host.to_owned(), role))
    }

    /// Returns the hash over everything that has happened.
    pub fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn schedule(&mut self, milliseconds: u64, pending: Pending) {
        self.sequence += 1;
        self.events.insert((self.now.plus(milliseconds), self.sequence), pending);
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Send { connection, bytes } => {
                    let Some(open) = self.connections.get_mut(&connection) else { continue };
                    open.received.extend_from_slice(&bytes);
                    if !open.stalled {
                        self.schedule(1, Pending::Sent(connection, bytes.len()));
                    }
                }
                Output::More { connection } => {
                    if let Some(open) = self.connections.get_mut(&connection) {
                        open.credit = true;
                    }
                    self.schedule(1, Pending::Deliver(connection));
                }
                Output::StartTls { connection } => self.schedule(1, Pending::Secured(connection)),
                Output::Close { connection } => {
                    if let Some(open) = self.connections.get_mut(&connection) {
                        open.closed = true;
                    }
                }
                Output::Ask { ticket, question } => {
                    let answer = if self.chance.per_million(self.mishaps.silence_per_million) {
                        crate::directory::Answer::Unavailable
                    } else {
                        self.accounts.answer(&question)
                    };
                    let time = self.chance.between(1, 5);
                    self.schedule(time, Pending::Answer(ticket, Box::new(answer)));
                }
                // Nothing in this world renames mailboxes.
                Output::Renamed { .. } => {}
                Output::Event(event) => {
                    self.digest.update(format!("{event:?}\n"));
                    self.log.push(event);
                }
            }
        }
        let begun: Vec<((String, Role), usize)> =
            self.disks.iter().map(|(key, disk)| (key.clone(), disk.pending_syncs().len())).collect();
        for (key, pending) in begun {
            while self.syncing.get(&key).copied().unwrap_or(0) < pending {
                *self.syncing.entry(key.clone()).or_default() += 1;
                let time = self.chance.between(1, 12);
                self.schedule(time, Pending::Sync(key.0.clone(), key.1));
            }
        }
    }

    /// Goes to the next thing that happens, if anything does until then.
    ///
    /// - Returns: whether anything happened; without, it is then.
    pub fn step(&mut self, until: Moment) -> bool {
        let own = self.events.first_key_value().map(|(&(at, _), _)| at);
        let engine = self.engine.next_wake();
        let Some(at) = [own, engine].into_iter().flatten().min().filter(|&at| at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(at);
        match self.events.first_entry().filter(|entry| entry.key().0 <= at) {
            Some(entry) => {
                let pending = entry.remove();
                self.happen(pending);
            }
            None => self.input(Input::Tick),
        }
        true
    }

    fn happen(&mut self, pending: Pending) {
        match pending {
            Pending::Answer(ticket, answer) => self.input(Input::Answered { ticket, answer: *answer }),
            Pending::Sync(host, role) => {
                let key = (host, role);
                let succeeds = !self.chance.per_million(self.mishaps.sync_failures_per_million);
                if let Some(count) = self.syncing.get_mut(&key) {
                    *count = count.saturating_sub(1);
                }
                if let Some((ticket, result)) = self.disks.get(&key).and_then(|disk| disk.finish_sync(succeeds)) {
                    let (host, role) = key;
                    self.input(Input::Synced { host, role, ticket, result });
                }
            }
            Pending::Deliver(connection) => self.deliver(connection),
            Pending::Sent(connection, bytes) => self.input(Input::Sent { connection, bytes }),
            Pending::Secured(connection) => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.secure = true;
                    self.input(Input::Secured { connection });
                }
            }
        }
    }

    fn deliver(&mut self, connection: ConnectionId) {
        let Some(open) = self.connections.get_mut(&connection) else { return };
        if !open.credit || open.to_send.is_empty() || open.closed {
            return;
        }
        open.credit = false;
        let length = open.to_send.len().min(64 << 10);
        let bytes = open.to_send.drain(..length).collect();
        self.input(Input::Received { connection, bytes });
    }

    /// Lets time pass; everything that is due until then happens.
    pub fn advance(&mut self, milliseconds: u64) {
        let until = self.now.plus(milliseconds);
        while self.step(until) {}
    }

    /// Lets time pass until something holds, at most so long.
    ///
    /// - Returns: whether it holds.
    pub fn advance_until(&mut self, milliseconds: u64, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now.plus(milliseconds);
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(until) {
                return holds(self);
            }
        }
    }

    /// Connects to a door.
    pub fn connect(&mut self, host: &str, door: Door, peer: IpAddr, tls: bool) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(connection, Connection { secure: tls, ..Connection::default() });
        self.input(Input::Opened { connection, host: host.to_owned(), door, peer, tls });
        connection
    }

    /// Sends bytes to a door.
    pub fn write(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.to_send.extend_from_slice(bytes);
            self.schedule(1, Pending::Deliver(connection));
        }
    }

    /// Lets a client take nothing more of what is sent to it.
    pub fn stall(&mut self, connection: ConnectionId) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.stalled = true;
        }
    }

    /// Returns what the platform has said since the last reading.
    pub fn read(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.connections.get_mut(&connection).map(|open| std::mem::take(&mut open.received)).unwrap_or_default()
    }

    /// Returns whether the platform has closed the connection.
    pub fn is_closed(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_none_or(|open| open.closed)
    }

    /// Returns whether the platform has something to be read.
    pub fn has_said(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|open| !open.received.is_empty())
    }

    /// Breaks a connection from our side.
    pub fn hang_up(&mut self, connection: ConnectionId) {
        if self.connections.remove(&connection).is_some() {
            self.input(Input::Closed { connection });
        }
    }

    /// Cuts a host's power: what its disks had not made durable may be lost.
    pub fn power_off(&mut self, host: &str) {
        self.engine.power_off(self.now, host);
        for ((name, role), disk) in &self.disks {
            if name == host {
                disk.lose_power(&mut self.chance);
                self.syncing.remove(&(name.clone(), *role));
            }
        }
        let lost = |pending: &Pending| matches!(pending, Pending::Sync(name, _) if name == host);
        self.events.retain(|_, pending| !lost(pending));
        self.carry_out();
    }

    /// Turns a host on again.
    ///
    /// - Errors: a journal cannot be opened; the host stays off.
    pub fn power_on(&mut self, host: &str) -> Result<(), StartError> {
        let disks = &self.disks;
        let powered = self.engine.power_on(self.now, host, &mut |host, role| {
            Box::new(disks.get(&(host.to_owned(), role)).cloned().unwrap_or_default())
        });
        self.carry_out();
        powered
    }

    /// Cuts or heals the way between two hosts.
    pub fn set_reach(&mut self, one: &str, other: &str, reach: bool) {
        self.engine.set_reach(self.now, one, other, reach);
        self.carry_out();
    }

    /// Returns every message of a mailbox, as its store has it.
    pub fn messages(&self, host: &str, role: Role, address: &str, folder: &str) -> Vec<Vec<u8>> {
        let Some((mail, disk)) = self.engine.mail_store(host, role) else { return Vec::new() };
        messages_in(mail, disk, address, folder).unwrap_or_default()
    }

    /// Returns how many messages wait in all queues.
    pub fn queued(&self) -> usize {
        let roles = [Role::Mx, Role::Submission, Role::Outbound];
        let hosts: std::collections::BTreeSet<&str> = self.disks.keys().map(|(host, _)| host.as_str()).collect();
        (hosts.into_iter())
            .flat_map(|host| roles.iter().filter_map(move |&role| self.engine.queue_length(host, role)))
            .sum()
    }
}

fn messages_in(mail: &MailStore, disk: &dyn Disk, address: &str, folder: &str) -> Option<Vec<Vec<u8>>> {
    let user = mail.user(&address.parse().ok()?)?;
    let mailbox = mail.mailbox(user, mail.find(user, &MailboxName::parse(folder).ok()?)?)?;
    Some(mailbox.messages().iter().filter_map(|message| mail.read(disk, message.content).ok()).collect())
}
