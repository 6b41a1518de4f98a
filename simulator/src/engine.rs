//! All hosts of one platform as one state machine: sessions, queues, stores, the network between them.
//!
//! Whoever drives it hands in what happened outside ([`Input`]), with the time, and carries out what is asked ([`Output`]):
//! sockets, TLS, disks, the directory. Equal seeds and equal inputs give equal outputs.
//!
//! A message is answered 250 when it is durable in a queue or a mailbox, never before. The way from there on is at least
//! once, under a name by which the taker knows what it has, and so once.

mod access;
mod answering;
mod delivering;
mod events;
mod filtering;
mod forwarding;
mod judging;
mod letters;
mod looking;
mod names;
mod office;
mod receiving;
mod renaming;
mod storing;
mod tasks;
mod topology;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

use crate::Moment;
use crate::chance::Chance;
use crate::directory::{Answer, Question};
use crate::disk::{Disk, DiskError, SyncTicket};
use crate::dns::Zones;
use crate::journal::OpenError;
use crate::network::{CallId, HostId, Line, Network, SocketId};
use crate::store::StoreError;

pub use events::{Event, Level};
pub use names::VISITOR;
pub use topology::{
    BlockList, Bounds, Defense, Forwarding, Host, InternetDomain, Mail, Pools, Role, Topology, Unscanned,
};

use office::Office;
use tasks::{Port, Task, TaskId};

/// A connection from outside; the driver names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A question to the directory; the answer carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionTicket(pub u64);

/// A mailbox to be renamed; the outcome carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenameTicket(pub u64);

/// What a connection from outside wants to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// SMTP from the internet, on an mx host.
    Mx,
    /// Submission, on a submission host.
    Submission,
    /// IMAP, on an access host.
    Imap,
    /// POP3, on an access host.
    Pop3,
    /// ManageSieve, on an access host.
    Sieve,
    /// IMAP to the simulated internet's mailboxes, on its host.
    InternetImap,
    /// SMTP to a domain of the simulated internet, on the host that is called as the domain is.
    InternetMx,
}

impl Door {
    /// Returns the door's name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Submission => "submission",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Sieve => "managesieve",
            Self::InternetImap => "internet-imap",
            Self::InternetMx => "internet-mx",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Mx => Role::Mx,
            Self::Submission => Role::Submission,
            Self::Imap | Self::Pop3 | Self::Sieve => Role::Access,
            Self::InternetImap | Self::InternetMx => Role::Internet,
        }
    }
}

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// Somebody connected.
    Opened {
        /// Names the connection from now on; never given twice.
        connection: ConnectionId,
        /// Name of the host that was called.
        host: String,
        /// What the caller wants to speak.
        door: Door,
        /// The caller's address.
        peer: IpAddr,
        /// Whether TLS protects the connection already.
        tls: bool,
    },
    /// Bytes came in; only after [`Output::More`], once for each.
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The TLS handshake succeeded.
    Secured {
        /// The connection.
        connection: ConnectionId,
    },
    /// So many bytes have gone out.
    Sent {
        /// The connection.
        connection: ConnectionId,
        /// How many.
        bytes: usize,
    },
    /// The connection is gone.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// The directory answered.
    Answered {
        /// The question.
        ticket: QuestionTicket,
        /// The answer.
        answer: Answer,
    },
    /// A disk has ended a sync.
    Synced {
        /// Name of the host.
        host: String,
        /// The role whose disk it is.
        role: Role,
        /// The sync.
        ticket: SyncTicket,
        /// How it went.
        result: Result<(), DiskError>,
    },
    /// A mailbox is to get another main address, where everything in it is kept; [`Output::Renamed`] answers.
    Rename {
        /// The order.
        ticket: RenameTicket,
        /// Name of the host that keeps the mailbox.
        store: String,
        /// Its address.
        from: MailAddress,
        /// Its next address.
        to: MailAddress,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Send bytes.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Send what came before, then begin the TLS handshake.
    StartTls {
        /// The connection.
        connection: ConnectionId,
    },
    /// Read once.
    More {
        /// The connection.
        connection: ConnectionId,
    },
    /// Send what came before, then close.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Ask the directory.
    Ask {
        /// Comes back with the answer.
        ticket: QuestionTicket,
        /// The question.
        question: Question,
    },
    /// A mailbox has another address, durably, or there is a durable reason why not.
    Renamed {
        /// The order.
        ticket: RenameTicket,
        /// [`StoreError::NoUser`] when there was nothing under the old address, [`StoreError::Exists`] when there is
        /// something under the new one, else what is wrong with the store.
        outcome: Result<(), StoreError>,
    },
    /// Something to be logged.
    Event(Event),
}

/// Why an engine could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// What a role keeps on its disk could not be opened.
    #[error("the {role} role of host `{host}` cannot be opened")]
    Open {
        /// Name of the host.
        host: String,
        /// Name of the role.
        role: &'static str,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// The plan makes no sense.
    #[error("{0}")]
    Plan(&'static str),
}

/// Makes the disk of a role: name of the host, role.
pub type DiskMaker<'a> = dyn FnMut(&str, Role) -> Box<dyn Disk + Send> + 'a;

/// A host as it is now.
#[derive(Debug)]
struct Machine {
    plan: Host,
    up: bool,
    /// For a host that takes mail for a domain of the simulated internet: that domain.
    exchanger: Option<usize>,
}

/// The platform.
pub struct Engine {
    topology: Arc<Topology>,
    sessions: Arc<tasks::SessionSettings>,
    now: Moment,
    network: Network<Port, tasks::Parcel>,
    machines: Vec<Machine>,
    offices: BTreeMap<(HostId, Role), Office>,
    tasks: BTreeMap<TaskId, Task>,
    outer: BTreeMap<ConnectionId, TaskId>,
    peers: BTreeMap<IpAddr, usize>,
    sockets: BTreeMap<SocketId, TaskId>,
    calls: BTreeMap<CallId, tasks::Continuation>,
    questions: BTreeMap<QuestionTicket, tasks::Continuation>,
    timers: BTreeSet<(Moment, TaskId)>,
    /// Tasks that have something to do.
    runnable: VecDeque<TaskId>,
    queued: BTreeSet<TaskId>,
    /// What tasks were sent that is not bytes.
    letters: BTreeMap<TaskId, VecDeque<tasks::Letter>>,
    outputs: VecDeque<Output>,
    names: u64,
    /// Bytes of messages under reception.
    held: usize,
    /// Bytes of messages on their way to the next host.
    carried: usize,
    /// When the simulated internet's domains first saw somebody.
    greylist: BTreeMap<(usize, String), Moment>,
    /// When the platform first saw somebody suspicious.
    suspects: BTreeMap<String, Moment>,
    zones: Zones,
    faults: Faults,
}

/// Mistakes that tests make on purpose, to see that they are noticed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Messages are answered before they are durable.
    pub(crate) answer_before_sync: bool,
    /// Copies are handed over under another name each time.
    pub(crate) rename_deliveries: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (formatter.debug_struct("Engine"))
            .field("now", &self.now)
            .field("tasks", &self.tasks.len())
            .field("offices", &self.offices.keys())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts a platform: opens every journal, begins to deliver what waits in the queues.
    ///
    /// - `disks`: called once for each role that keeps something.
    /// - Errors: [`StartError`]; what cannot be read is never guessed.
    pub fn new(topology: Topology, disks: &mut DiskMaker<'_>, seed: u64, now: Moment) -> Result<Self, StartError> {
        let mut machines: Vec<Machine> =
            topology.hosts.iter().map(|plan| Machine { plan: plan.clone(), up: true, exchanger: None }).collect();
        let internet = topology.hosts.iter().position(|host| host.roles.contains(&Role::Internet));
        if internet.is_none() && !topology.internet.is_empty() {
            return Err(StartError::Plan("the simulated internet's domains need a host of the role `internet`"));
        }
        for (index, domain) in topology.internet.iter().enumerate() {
            let hostname = domain.name.below("mx").unwrap_or_else(|_| domain.name.clone());
            let last = u8::try_from(index % 250).unwrap_or(0) + 1;
            let address = IpAddr::from([198, 18, u8::try_from(index / 250 % 256).unwrap_or(0), last]);
            let plan = Host {
                name: domain.name.to_string(),
                hostname,
                address,
                fronts: Vec::new(),
                roles: Vec::new(),
                line: domain.line,
            };
            machines.push(Machine { plan, up: true, exchanger: Some(index) });
        }
        let lines: Vec<Line> = machines.iter().map(|machine| machine.plan.line).collect();
        let mut chance = Chance::new(seed);
        let mut network = Network::new(lines, chance.branch());
        for (index, machine) in machines.iter().enumerate() {
            let unreachable = machine.exchanger.and_then(|domain| topology.internet.get(domain));
            if unreachable.is_some_and(|domain| domain.unreachable) {
                network.set_power(now, HostId(index), false);
            }
        }
        let zones = names::zones(&topology, &machines);
        let sessions = Arc::new(tasks::SessionSettings::new(&topology, &machines));
        let mut engine = Self {
            topology: Arc::new(topology),
            sessions,
            now,
            network,
            machines,
            offices: BTreeMap::new(),
            tasks: BTreeMap::new(),
            outer: BTreeMap::new(),
            peers: BTreeMap::new(),
            sockets: BTreeMap::new(),
            calls: BTreeMap::new(),
            questions: BTreeMap::new(),
            timers: BTreeSet::new(),
            runnable: VecDeque::new(),
            queued: BTreeSet::new(),
            letters: BTreeMap::new(),
            outputs: VecDeque::new(),
            names: 0,
            held: 0,
            carried: 0,
            greylist: BTreeMap::new(),
            suspects: BTreeMap::new(),
            zones,
            faults: Faults::default(),
        };
        for host in 0..engine.topology.hosts.len() {
            engine.open_offices(HostId(host), disks)?;
        }
        engine.settle();
        Ok(engine)
    }

    /// Takes what happened outside and does what follows from it.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Opened { connection, host, door, peer, tls } => self.opened(connection, &host, door, peer, tls),
            Input::Received { connection, bytes } => self.received(connection, &bytes),
            Input::Secured { connection } => self.secured(connection),
            Input::Sent { connection, bytes } => self.sent(connection, bytes),
            Input::Closed { connection } => self.closed(connection),
            Input::Answered { ticket, answer } => {
                if let Some(continuation) = self.questions.remove(&ticket) {
                    self.answered(continuation, answer);
                }
            }
            Input::Synced { host, role, ticket, result } => {
                if let Some(host) = self.host_named(&host) {
                    self.synced(host, role, ticket, result);
                }
            }
            Input::Rename { ticket, store, from, to } => self.rename(ticket, &store, &from, &to),
            Input::Tick => {}
        }
        self.settle();
    }

    /// Returns what is to be done outside next, in order.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when the engine is to be told the time at the latest; `None` when it waits for others only.
    pub fn next_wake(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|&(at, _)| at);
        [self.network.wake(), timer, self.next_queue_wake()].into_iter().flatten().min()
    }

    /// Returns the queue of a role, `None` when it has none or is off.
    pub fn queue(&self, host: &str, role: Role) -> Option<&crate::queue::Queue> {
        self.offices.get(&(self.host_named(host)?, role))?.queue()
    }

    /// Removes a mailbox and everything in it from a store; one that is not there is no error.
    ///
    /// - Errors: the disk's; `Missing` when there is no such store or it is off.
    pub fn remove_mailbox(&mut self, now: Moment, store: &str, address: &MailAddress) -> Result<(), StoreError> {
        self.with_store(now, store, |storage| storage.mail.remove_user(storage.disk, address).map(|_| ()))
    }

    fn with_store(
        &mut self,
        now: Moment,
        store: &str,
        change: impl FnOnce(&mut crate::store::Storage<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.now = self.now.max(now);
        let host = self.host_named(store).ok_or(DiskError::Missing)?;
        let office = self.offices.get_mut(&(host, Role::Store)).ok_or(DiskError::Missing)?;
        office.stirred = true;
        let outcome = change(&mut office.storage().ok_or(DiskError::Missing)?);
        self.settle();
        outcome
    }

    /// Returns how many messages wait in the queue of a role, `None` when it has none or is off.
    pub fn queue_length(&self, host: &str, role: Role) -> Option<usize> {
        self.offices.get(&(self.host_named(host)?, role))?.queue().map(crate::queue::Queue::len)
    }

    /// Returns the store of a role, `None` when it has none or is off.
    pub fn mail_store(&self, host: &str, role: Role) -> Option<(&crate::store::MailStore, &dyn Disk)> {
        self.offices.get(&(self.host_named(host)?, role))?.store()
    }

    /// Returns the world's names: the plan's zones and those of the simulated internet.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Returns the world's names, to be changed as the platform's own are.
    pub fn zones_mut(&mut self) -> &mut Zones {
        &mut self.zones
    }

    fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(happening) = self.network.next(self.now) {
                self.happened(happening);
                moved = true;
            }
            while let Some((at, task)) = self.timers.first().copied().filter(|(at, _)| *at <= self.now) {
                self.timers.remove(&(at, task));
                self.expire(task);
                moved = true;
            }
            // What is runnable now has its turn before what it makes runnable.
            for _ in 0..self.runnable.len() {
                let Some(task) = self.runnable.pop_front() else { break };
                self.queued.remove(&task);
                self.drive(task);
                moved = true;
            }
            moved |= self.tend_stores();
            moved |= self.tend_queues();
            if !moved {
                return;
            }
        }
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn host_named(&self, name: &str) -> Option<HostId> {
        self.machines.iter().position(|machine| machine.plan.name == name).map(HostId)
    }

    fn machine(&self, host: HostId) -> Option<&Machine> {
        self.machines.get(host.0)
    }

    /// Returns the hosts of a role, the one to begin with first.
    fn hosts_of(&self, role: Role, turn: u64) -> VecDeque<HostId> {
        let mut hosts: VecDeque<HostId> = (self.machines.iter().enumerate())
            .filter(|(_, machine)| machine.plan.roles.contains(&role))
            .map(|(index, _)| HostId(index))
            .collect();
        if !hosts.is_empty() {
            let first = usize::try_from(turn % hosts.len() as u64).unwrap_or(0);
            hosts.rotate_left(first);
        }
        hosts
    }

    /// Turns a host off: what is in its memory is gone, its connections break.
    pub fn power_off(&mut self, now: Moment, host: &str) {
        self.now = self.now.max(now);
        let Some(host) = self.host_named(host) else { return };
        if let Some(machine) = self.machines.get_mut(host.0) {
            machine.up = false;
        }
        self.network.set_power(self.now, host, false);
        let gone: Vec<TaskId> =
            self.tasks.iter().filter(|(_, task)| task.host == host).map(|(&task, _)| task).collect();
        for task in gone {
            self.drop_task(task);
        }
        self.questions.retain(|_, continuation| continuation.host() != host);
        self.calls.retain(|_, continuation| continuation.host() != host);
        self.offices.retain(|(at, _), _| *at != host);
        self.log(host, "host", Level::Warning, "powered off", &[]);
        self.settle();
    }

    /// Turns a host on again and opens what lies on its disks.
    ///
    /// - Errors: [`StartError`]; the host is then off.
    pub fn power_on(&mut self, now: Moment, host: &str, disks: &mut DiskMaker<'_>) -> Result<(), StartError> {
        self.now = self.now.max(now);
        let Some(host) = self.host_named(host) else { return Ok(()) };
        self.open_offices(host, disks)?;
        if let Some(machine) = self.machines.get_mut(host.0) {
            machine.up = true;
        }
        self.network.set_power(self.now, host, true);
        self.log(host, "host", Level::Notice, "powered on", &[]);
        self.settle();
        Ok(())
    }

    /// Cuts or heals the way between two hosts.
    pub fn set_reach(&mut self, now: Moment, one: &str, other: &str, reach: bool) {
        self.now = self.now.max(now);
        if let (Some(one), Some(other)) = (self.host_named(one), self.host_named(other)) {
            self.network.set_reach(self.now, one, other, reach);
            self.settle();
        }
    }

    /// Sets what the network lets happen by chance.
    pub fn set_weather(&mut self, weather: crate::network::Weather) {
        self.network.set_weather(weather);
    }

    #[cfg(test)]
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }
}
