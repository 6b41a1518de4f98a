//! The engine's thread: the simulator's state machine, fed from sockets, the directory, disks and the clock.
//!
//! Nothing here waits but for the next message; everything that takes time lives elsewhere and sends one when it is done.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::{Directory, MailboxUse};
use simulator::Moment;
use simulator::directory::{Answer, Question};
use simulator::disk::{Disk, DiskError, SyncTicket};
use simulator::dns::Zones;
use simulator::engine::{
    ConnectionId, Door, Engine, Event, Input, Output, QuestionTicket, RenameTicket, Role, Topology,
};
use simulator::store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use values::MailAddress;

use super::clock::Clock;
use super::connection::{self, Instruction, Occurrence};
use super::disk::FileDisk;
use super::keys::KeyStore;
use super::seal::{self, Seal};
use super::{Order, lookups, topology};
use crate::failure::Failure;
use crate::launch::{Progress, Step};
use crate::log::{Entry, Level, Log};

/// Messages that may wait for the engine; whoever sends more waits.
const WAITING: usize = 1024;

/// Messages taken at once, before what follows from them is carried out.
const BATCH: usize = 256;

/// How long a visit to the engine may take.
const VISIT: Duration = Duration::from_secs(10);

/// How long an ending waits for syncs that were begun.
const LAST_SYNCS: Duration = Duration::from_secs(10);

/// Something that concerns the engine.
enum Message {
    Opened {
        connection: ConnectionId,
        place: usize,
        peer: IpAddr,
        tls: bool,
        instructions: mpsc::UnboundedSender<Instruction>,
    },
    Occurred {
        connection: ConnectionId,
        occurrence: Occurrence,
    },
    Answered {
        ticket: QuestionTicket,
        answer: Box<Answer>,
    },
    Synced {
        host: Arc<str>,
        role: Role,
        ticket: SyncTicket,
        result: Result<(), DiskError>,
    },
    Measure {
        mailbox: MailAddress,
        answer: SyncSender<Option<MailboxUse>>,
    },
    Rename {
        store: String,
        from: MailAddress,
        to: MailAddress,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Something is to be seen or done by who runs the platform.
    Visit(Visit),
    Stop,
    Abandon,
}

/// What is done on the engine's own thread, with the time there.
type Visit = Box<dyn FnOnce(&mut Engine, Moment) + Send>;

/// Where connections are announced.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    messages: mpsc::Sender<Message>,
    next: Arc<AtomicU64>,
}

/// A connection's end towards the engine.
pub(crate) struct Conversation {
    connection: ConnectionId,
    messages: mpsc::Sender<Message>,
    instructions: mpsc::UnboundedReceiver<Instruction>,
}

impl EngineHandle {
    /// Tells the engine of a new client; `None` when the engine has ended.
    ///
    /// - `place`: the door's place in the list the engine was started with.
    pub(crate) async fn open(&self, place: usize, peer: SocketAddr, tls: bool) -> Option<Conversation> {
        let connection = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, instructions) = mpsc::unbounded_channel();
        let opened = Message::Opened { connection, place, peer: outside(peer.ip()), tls, instructions: sender };
        self.messages.send(opened).await.ok()?;
        Some(Conversation { connection, messages: self.messages.clone(), instructions })
    }

    /// Does something with the engine, from outside its runtime; `None` when it has ended or does not answer in time.
    pub(crate) fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut Engine, Moment) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let visit: Visit = Box::new(move |engine, now| {
            // Who asked may have given up.
            let _ = answer.try_send(visit(engine, now));
        });
        self.messages.blocking_send(Message::Visit(visit)).ok()?;
        answered.recv_timeout(VISIT).ok()
    }

    /// Asks what a mailbox holds; whether the engine could take the question.
    pub(crate) fn measure(&self, mailbox: MailAddress, answer: SyncSender<Option<MailboxUse>>) -> bool {
        self.messages.try_send(Message::Measure { mailbox, answer }).is_ok()
    }

    /// Gives a mailbox another address; returns when the outcome is durable, `None` when the engine has ended.
    pub(crate) async fn rename(
        &self,
        store: String,
        from: MailAddress,
        to: MailAddress,
    ) -> Option<Result<(), StoreError>> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Rename { store, from, to, answer }).await.ok()?;
        answered.await.ok()
    }
}

/// Returns the address that a client is known by in the world: who comes from 127.18.x.y or 127.19.x.y is taken for the host
/// of the simulated internet at 198.18.x.y or 198.19.x.y (RFC 2544). Only this machine itself can come from there.
fn outside(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(address) => match address.octets() {
            [127, second @ (18 | 19), third, fourth] => IpAddr::from([198, second, third, fourth]),
            _ => peer,
        },
        IpAddr::V6(_) => peer,
    }
}

impl connection::Engine for Conversation {
    async fn tell(&mut self, occurrence: Occurrence) -> bool {
        let occurred = Message::Occurred { connection: self.connection, occurrence };
        self.messages.send(occurred).await.is_ok()
    }

    fn poll_instruction(&mut self, context: &mut Context<'_>) -> Poll<Option<Instruction>> {
        self.instructions.poll_recv(context)
    }
}

/// Whether every disk did as it was told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Whole,
    Doubtful,
}

/// The thread that owns the engine.
pub(crate) struct EngineThread {
    messages: mpsc::Sender<Message>,
    /// Folders of the disks, to be sealed after a clean end.
    folders: Vec<PathBuf>,
    thread: JoinHandle<Result<Health, String>>,
}

impl EngineThread {
    /// Ends the engine after the syncs it has begun; from outside its runtime.
    ///
    /// - Errors: what broke.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let folders = std::mem::take(&mut self.folders);
        if self.end(Message::Stop)? == Health::Doubtful {
            return Ok(());
        }
        folders.iter().try_for_each(|folder| seal::seal(folder)).map_err(|failure| failure.to_string())
    }

    /// Ends the engine at once, whatever it has begun.
    pub(crate) fn abandon(self) {
        let _ = self.end(Message::Abandon);
    }

    fn end(self, message: Message) -> Result<Health, String> {
        // A thread that has ended already says why when it is joined.
        let _ = self.messages.blocking_send(message);
        drop(self.messages);
        self.thread.join().unwrap_or_else(|_| Err("the engine's thread panicked".to_owned()))
    }
}

/// What the engine works with.
pub(crate) struct Surroundings {
    /// Where accounts are; the world outside has none.
    pub(crate) directory: Option<Arc<Directory>>,
    /// The keys that sign; the world outside has none here.
    pub(crate) keys: Option<Arc<KeyStore>>,
    /// Where questions to the directory are asked.
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    /// Told why when the engine ends by itself.
    pub(crate) broke: watch::Sender<Option<String>>,
}

/// Opens the disks, reads them and starts the thread.
///
/// - `topology`: what runs.
/// - `doors`: node and service of each door; clients name them by their place in this list.
/// - Returns: the thread, where clients are announced, and every name of the world.
pub(crate) fn start(
    order: &Order<'_>,
    topology: Topology,
    doors: &[(String, String)],
    around: Surroundings,
    progress: &dyn Progress,
) -> Result<(EngineThread, EngineHandle, Arc<Zones>), Failure> {
    let Surroundings { directory, keys, runtime, log, clock, broke } = around;
    let (messages, inbox) = mpsc::channel(WAITING);
    let syncing = Arc::new(AtomicUsize::new(0));
    let stores = topology::disks(&topology).into_iter().filter(|(_, role)| *role == Role::Store);
    let stores = stores.map(|(host, _)| host).collect();
    let mut disks: BTreeMap<(String, Role), Box<dyn Disk + Send>> = BTreeMap::new();
    let mut seals = BTreeMap::new();
    for (host, role) in topology::disks(&topology) {
        let (seal, disk) = open_disk(order, &host, role, &messages, &syncing)?;
        disks.insert((host.clone(), role), disk);
        seals.insert((host, role.name()), seal);
    }
    let mut maker = |host: &str, role: Role| -> Box<dyn Disk + Send> {
        // Asked for once per role; a second time there is nothing to give.
        disks.remove(&(host.to_owned(), role)).unwrap_or_else(|| Box::new(NoDisk))
    };
    let opened = Engine::new(topology, &mut maker, order.seed, clock.now());
    let engine = opened.map_err(|error| topology::failure(order, error, &seals))?;
    for ((host, _), seal) in &seals {
        seal.open().map_err(|source| Failure::Disk { node: host.clone(), source })?;
    }
    let folders = seals.keys().map(|(host, role)| order.folder.node(host).join(role)).collect();
    let world = Arc::new(engine.zones().clone());
    let mut desk = Desk {
        engine,
        doors: doors.iter().map(|(node, service)| (node.clone(), topology::door(service))).collect(),
        clients: BTreeMap::new(),
        renames: BTreeMap::new(),
        last_rename: 0,
        stores,
        directory,
        keys,
        runtime,
        messages: messages.clone(),
        log,
        clock,
        syncing,
        health: Health::Whole,
    };
    desk.tell_recovery(progress);
    // Time only: the thread waits for messages and for the engine's own deadlines.
    let waiter = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|source| Failure::Thread { thread: "engine", source })?;
    let thread = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| waiter.block_on(desk.run(inbox))));
            let ended =
                ended.unwrap_or_else(|_| Err("the engine panicked, which is a fault of this program".to_owned()));
            if let Err(reason) = &ended {
                broke.send_replace(Some(reason.clone()));
            }
            ended
        })
        .map_err(|source| Failure::Thread { thread: "engine", source })?;
    let handle = EngineHandle { messages: messages.clone(), next: Arc::new(AtomicU64::new(1)) };
    Ok((EngineThread { messages, folders, thread }, handle, world))
}

fn open_disk(
    order: &Order<'_>,
    host: &str,
    role: Role,
    messages: &mpsc::Sender<Message>,
    syncing: &Arc<AtomicUsize>,
) -> Result<(Seal, Box<dyn Disk + Send>), Failure> {
    let folder = order.folder.node(host).join(role.name());
    let failed = |source| Failure::Disk { node: host.to_owned(), source };
    let seal = Seal::read(&folder).map_err(failed)?;
    if let Some(reason) = seal.lost().map_err(failed)? {
        return Err(Failure::Recover { node: host.to_owned(), folder, reason });
    }
    // Weak, so that disks do not keep the queue open after all who could act on it are gone.
    let messages = messages.downgrade();
    let name: Arc<str> = host.into();
    let report = Box::new(move |ticket, result| {
        if let Some(messages) = messages.upgrade() {
            let _ = messages.blocking_send(Message::Synced { host: Arc::clone(&name), role, ticket, result });
        }
    });
    let disk = FileDisk::open(&folder, report).map_err(failed)?;
    let disk = seal.watch(Box::new(Counted { disk, syncing: Arc::clone(syncing) }));
    Ok((seal, disk))
}

/// A disk whose syncs under way are counted, so that an ending can wait for them.
struct Counted {
    disk: FileDisk,
    syncing: Arc<AtomicUsize>,
}

impl Disk for Counted {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        self.disk.files()
    }

    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError> {
        self.disk.append(file, parts)
    }

    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read(file, offset, length)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        self.disk.truncate(file, length)
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.disk.remove(file)
    }

    fn begin_sync(&mut self, ticket: SyncTicket) {
        self.syncing.fetch_add(1, Ordering::Relaxed);
        self.disk.begin_sync(ticket);
    }
}

/// What a role gets that has no disk: nothing works there.
struct NoDisk;

impl Disk for NoDisk {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        Err(DiskError::Broken)
    }

    fn append(&mut self, _: &str, _: &[&[u8]]) -> Result<u64, DiskError> {
        Err(DiskError::Broken)
    }

    fn read(&self, _: &str, _: u64, _: usize) -> Result<Vec<u8>, DiskError> {
        Err(DiskError::Broken)
    }

    fn truncate(&mut self, _: &str, _: u64) -> Result<(), DiskError> {
        Err(DiskError::Broken)
    }

    fn remove(&mut self, _: &str) -> Result<(), DiskError> {
        Err(DiskError::Broken)
    }

    fn begin_sync(&mut self, _: SyncTicket) {}
}

/// The engine with everything it speaks through.
struct Desk {
    engine: Engine,
    /// Node and protocol of each door; doors that are not the engine's have no protocol here.
    doors: Vec<(String, Option<Door>)>,
    clients: BTreeMap<ConnectionId, mpsc::UnboundedSender<Instruction>>,
    /// Who waits for a mailbox to be renamed.
    renames: BTreeMap<RenameTicket, oneshot::Sender<Result<(), StoreError>>>,
    /// The ticket given last.
    last_rename: u64,
    /// Nodes that hold mailboxes.
    stores: Vec<String>,
    directory: Option<Arc<Directory>>,
    keys: Option<Arc<KeyStore>>,
    runtime: tokio::runtime::Handle,
    messages: mpsc::Sender<Message>,
    log: Log,
    clock: Clock,
    /// Syncs under way.
    syncing: Arc<AtomicUsize>,
    health: Health,
}

impl Desk {
    async fn run(mut self, mut inbox: mpsc::Receiver<Message>) -> Result<Health, String> {
        let mut batch = Vec::with_capacity(BATCH);
        // When the ending began, once it has.
        let mut ending: Option<Instant> = None;
        loop {
            self.carry_out();
            if let Some(since) = ending {
                if self.syncing.load(Ordering::Relaxed) == 0 {
                    return Ok(self.health);
                }
                if since.elapsed() > LAST_SYNCS {
                    return Err(format!("a disk did not finish its last sync within {} s", LAST_SYNCS.as_secs()));
                }
            }
            let wake = self.engine.next_wake().map(|at| Duration::from_millis(at.since(self.clock.now()).max(1)));
            let wake =
                if ending.is_some() { Some(wake.unwrap_or(LAST_SYNCS).min(Duration::from_millis(100))) } else { wake };
            let received = match wake {
                Some(wake) => timeout(wake, inbox.recv_many(&mut batch, BATCH)).await.unwrap_or(0),
                None => inbox.recv_many(&mut batch, BATCH).await,
            };
            if received == 0 {
                self.engine.handle(self.clock.now(), Input::Tick);
            }
            let at = self.clock.now();
            for message in batch.drain(..) {
                match message {
                    Message::Abandon => return Ok(Health::Doubtful),
                    Message::Stop => ending = Some(Instant::now()),
                    // An ending takes no new work, and lets what is under way come to its end.
                    Message::Opened { .. } if ending.is_some() => {}
                    Message::Occurred { occurrence: Occurrence::Received(_), .. } if ending.is_some() => {}
                    message => self.take(at, message),
                }
            }
        }
    }

    fn take(&mut self, at: Moment, message: Message) {
        let input = match message {
            Message::Opened { connection, place, peer, tls, instructions } => {
                let Some((host, Some(door))) = self.doors.get(place) else { return };
                self.clients.insert(connection, instructions);
                Input::Opened { connection, host: host.clone(), door: *door, peer, tls }
            }
            Message::Occurred { connection, occurrence } => match occurrence {
                Occurrence::Received(bytes) => Input::Received { connection, bytes },
                Occurrence::Secured => Input::Secured { connection },
                Occurrence::Sent(bytes) => Input::Sent { connection, bytes },
                Occurrence::Closed => {
                    self.clients.remove(&connection);
                    Input::Closed { connection }
                }
            },
            Message::Answered { ticket, answer } => Input::Answered { ticket, answer: *answer },
            Message::Synced { host, role, ticket, result } => {
                self.syncing.fetch_sub(1, Ordering::Relaxed);
                if result.is_err() {
                    self.health = Health::Doubtful;
                }
                Input::Synced { host: host.to_string(), role, ticket, result }
            }
            Message::Measure { mailbox, answer } => {
                // Who asked may have given up.
                let _ = answer.try_send(self.measure(&mailbox));
                return;
            }
            Message::Rename { store, from, to, answer } => {
                self.last_rename += 1;
                let ticket = RenameTicket(self.last_rename);
                self.renames.insert(ticket, answer);
                Input::Rename { ticket, store, from, to }
            }
            Message::Visit(visit) => {
                visit(&mut self.engine, at);
                Input::Tick
            }
            Message::Stop | Message::Abandon => return,
        };
        self.engine.handle(at, input);
    }

    /// Does everything the engine has asked for.
    fn carry_out(&mut self) {
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Send { connection, bytes } => self.instruct(connection, Instruction::Send(bytes)),
                Output::StartTls { connection } => self.instruct(connection, Instruction::StartTls),
                Output::More { connection } => self.instruct(connection, Instruction::More),
                Output::Close { connection } => self.instruct(connection, Instruction::Close),
                Output::Ask { ticket, question } => self.ask(ticket, question),
                Output::Renamed { ticket, outcome } => {
                    if let Some(answer) = self.renames.remove(&ticket) {
                        // Who asked may have given up.
                        let _ = answer.send(outcome);
                    }
                }
                Output::Event(event) => {
                    if event.level == simulator::engine::Level::Error {
                        self.health = Health::Doubtful;
                    }
                    self.log.write(entry(event));
                }
            }
        }
    }

    /// Returns what a mailbox holds, whichever store holds it; nothing yet when no mail ever reached it.
    fn measure(&self, mailbox: &MailAddress) -> Option<MailboxUse> {
        let stores = self.stores.iter().filter_map(|host| self.engine.mail_store(host, Role::Store));
        let mut seen = false;
        for (store, _) in stores {
            seen = true;
            if let Some(user) = store.user(mailbox) {
                let used = store.usage(user);
                return Some(MailboxUse { bytes: used.bytes, messages: used.messages });
            }
        }
        seen.then_some(MailboxUse { bytes: 0, messages: 0 })
    }

    fn instruct(&self, connection: ConnectionId, instruction: Instruction) {
        if let Some(client) = self.clients.get(&connection) {
            // A client that is gone says so itself.
            let _ = client.send(instruction);
        }
    }

    fn ask(&self, ticket: QuestionTicket, question: Question) {
        let messages = self.messages.clone();
        let question = match question {
            Question::Sign(order) => {
                let keys = self.keys.clone();
                self.runtime.spawn_blocking(move || {
                    let answer = Box::new(Answer::Signed(keys.and_then(|keys| order.carry_out(&*keys))));
                    // An engine that has ended needs no answer.
                    let _ = messages.blocking_send(Message::Answered { ticket, answer });
                });
                return;
            }
            question => question,
        };
        let directory = self.directory.clone();
        self.runtime.spawn(async move {
            let answer = match directory {
                Some(directory) => Box::new(lookups::answer(&directory, question, None).await),
                None => Box::new(Answer::Unavailable),
            };
            let _ = messages.send(Message::Answered { ticket, answer }).await;
        });
    }

    /// Tells what opening the disks has mended.
    fn tell_recovery(&mut self, progress: &dyn Progress) {
        let mut later = Vec::new();
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Event(event) => {
                    let cut = event
                        .fields
                        .iter()
                        .find(|(name, _)| *name == "bytes")
                        .and_then(|(_, bytes)| bytes.parse().ok());
                    if let Some(cut_bytes) = cut {
                        progress.step(&Step::Recovered { node: event.host.clone(), cut_bytes });
                    }
                    self.log.write(entry(event));
                }
                other => later.push(other),
            }
        }
        for output in later {
            if let Output::Ask { ticket, question } = output {
                self.ask(ticket, question);
            }
        }
    }
}

/// Returns an event of the engine as an entry of the log.
fn entry(event: Event) -> Entry {
    let level = match event.level {
        simulator::engine::Level::Info => Level::Info,
        simulator::engine::Level::Notice => Level::Notice,
        simulator::engine::Level::Warning => Level::Warning,
        simulator::engine::Level::Error => Level::Error,
    };
    let at = i64::try_from(event.at.0).unwrap_or(i64::MAX);
    let mut entry = Entry::at(at, level, Some(&event.host), event.message).with("service", event.service);
    for (name, value) in event.fields {
        entry = entry.with(name, value);
    }
    entry
}
