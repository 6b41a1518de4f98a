//! Tasks: one for each end of a connection that a host of the platform has, and how bytes get to and from them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

use super::access::{Backend, Client, Front, Reader};
use super::delivering::Sender;
use super::receiving::Receiver;
use super::{ConnectionId, Door, Engine, Level, Machine, Output, QuestionTicket, RenameTicket, Role, Topology};
use crate::Moment;
use crate::defense::Findings;
use crate::directory::{Answer, Question};
use crate::disk::DiskError;
use crate::journal::Position;
use crate::network::{CallId, Happening, HostId, SocketId, Unreachable};
use crate::queue::Job;
use crate::smtp::server::{Completion, Disposition};
use crate::smtp::{self, Peer, Received, Reply, Setting};
use crate::store::{MailStore, StoreError};
use crate::{imap, managesieve, pop3};

/// Milliseconds until a task whose time has come and that cannot act on it is looked at again.
const OVERDUE_MILLISECONDS: u64 = 1_000;
/// Milliseconds a refused sign-in waits for its answer.
const REFUSAL_MILLISECONDS: u64 = 2_000;

/// Names a task; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TaskId(pub(super) u64);

/// A port of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// SMTP of the simulated internet.
    Smtp,
    /// LMTP of a role.
    Lmtp(Role),
    /// Where an access host hands over a client.
    Handover,
}

/// What hosts send each other in calls.
#[derive(Debug)]
pub(super) enum Parcel {
    /// What is in this message?
    Examine {
        message: Arc<Received>,
        /// Who has taken it.
        by: HostId,
    },
    /// This is.
    Examined(Box<Findings>),
}

/// One end of a connection.
pub(super) struct Task {
    pub(super) host: HostId,
    pub(super) link: Link,
    pub(super) play: Play,
    /// What came from outside and was not looked at.
    pub(super) inbox: Option<Vec<u8>>,
    timer: Option<Moment>,
    pub(super) broken: bool,
    /// Bytes of a message under reception.
    pub(super) held: usize,
}

/// What a task is connected to.
#[derive(Debug)]
pub(super) enum Link {
    Outer { connection: ConnectionId, peer: IpAddr, unsent: usize, credited: bool },
    Inner(SocketId),
}

/// The part a task plays.
pub(super) enum Play {
    /// Takes messages.
    Receiver(Box<Receiver>),
    /// Delivers messages.
    Sender(Box<Sender>),
    /// Lets somebody sign in to a mailbox.
    Front(Box<Front>),
    /// Somebody who signed in, and the way to the store.
    Client(Client),
    Backend(Box<Backend>),
    /// On a store: somebody who has not said yet who it is.
    Arrival(Vec<u8>),
    /// On a store: somebody who signed in.
    Reader(Reader),
}

/// Who waits for something to be durable.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A session that is to say 250.
    Session { task: TaskId, dispositions: Vec<Disposition> },
    /// What is waited for on one host, and then on another.
    Chain { host: HostId, role: Role, position: Position, then: Box<Waiting> },
    /// Somebody outside who wanted a mailbox to have another address.
    Rename { ticket: RenameTicket, outcome: Result<(), StoreError> },
}

/// What goes on when a question or a call is answered.
#[derive(Debug)]
pub(super) enum Continuation {
    SignIn {
        host: HostId,
        task: TaskId,
    },
    Recipient {
        host: HostId,
        task: TaskId,
        sender: Option<MailAddress>,
        recipient: MailAddress,
    },
    Allowance {
        host: HostId,
        task: TaskId,
    },
    Front {
        host: HostId,
        task: TaskId,
    },
    Expand {
        host: HostId,
        role: Role,
        incarnation: u64,
        job: Job,
    },
    /// A defense host has looked at a message and has it signed.
    Sign {
        host: HostId,
        call: CallId,
        findings: Box<Findings>,
    },
    /// A defense host looks at a message; those are asked after it.
    Examine {
        host: HostId,
        task: TaskId,
        message: Arc<Received>,
        others: VecDeque<HostId>,
    },
}

impl Continuation {
    pub(super) fn host(&self) -> HostId {
        match self {
            Self::SignIn { host, .. }
            | Self::Recipient { host, .. }
            | Self::Allowance { host, .. }
            | Self::Front { host, .. }
            | Self::Examine { host, .. }
            | Self::Sign { host, .. }
            | Self::Expand { host, .. } => *host,
        }
    }
}

/// Something for a task that is not bytes.
#[derive(Debug)]
pub(super) enum Letter {
    Smtp(Completion),
    Answer(Box<Answer>),
    /// What is in the session's message; nothing is known when nobody could look.
    Examined(Option<Box<Findings>>),
}

/// The settings of sessions, made once.
#[derive(Debug)]
pub(super) struct SessionSettings {
    smtp: BTreeMap<(HostId, Role), Arc<smtp::Settings>>,
    pub(super) imap: Arc<imap::Settings>,
    pub(super) pop3: Arc<pop3::Settings>,
    pub(super) sieve: Arc<managesieve::Settings>,
}

impl SessionSettings {
    pub(super) fn new(topology: &Topology, machines: &[Machine]) -> Self {
        let mut settings = BTreeMap::new();
        for (index, machine) in machines.iter().enumerate() {
            let roles = if machine.exchanger.is_some() { &[Role::Internet][..] } else { &machine.plan.roles };
            for &role in roles {
                let setting = match role {
                    Role::Mx | Role::Internet => Setting::Receiving,
                    Role::Submission => Setting::Submission,
                    Role::Outbound | Role::Store => Setting::Lmtp,
                    Role::Defense | Role::Access => continue,
                };
                let mut one = smtp::Settings::standard(setting, machine.plan.hostname.as_str());
                one.origin = topology.mail.origin.to_string();
                one.max_message_bytes = topology.mail.max_message_bytes;
                one.subaddress_separator = topology.mail.subaddress_separator;
                one.starttls = matches!(role, Role::Mx | Role::Submission);
                one.early_commands = setting == Setting::Lmtp;
                one.require_tls_for_auth = role == Role::Submission && !topology.plaintext_login;
                if setting == Setting::Lmtp || machine.exchanger.is_some() {
                    // The hosts before have let it in; their trace fields must not make it too large.
                    one.max_message_bytes = one.max_message_bytes.saturating_add(1 << 20);
                }
                settings.insert((HostId(index), role), Arc::new(one));
            }
        }
        let imap = imap::Settings {
            greeting: "ready".to_owned(),
            plaintext_login: topology.plaintext_login,
            max_message_bytes: topology.mail.max_message_bytes,
            refusal_delay: REFUSAL_MILLISECONDS,
        };
        let pop3 = pop3::Settings {
            greeting: "ready".to_owned(),
            plaintext_login: topology.plaintext_login,
            refusal_delay: REFUSAL_MILLISECONDS,
        };
        let sieve = managesieve::Settings {
            greeting: "ready".to_owned(),
            plaintext_login: topology.plaintext_login,
            refusal_delay: REFUSAL_MILLISECONDS,
        };
        Self { smtp: settings, imap: Arc::new(imap), pop3: Arc::new(pop3), sieve: Arc::new(sieve) }
    }

    pub(super) fn smtp(&self, host: HostId, role: Role) -> Option<Arc<smtp::Settings>> {
        self.smtp.get(&(host, role)).cloned()
    }
}

impl Task {
    pub(super) fn new(host: HostId, link: Link, play: Play) -> Self {
        Self { host, link, play, inbox: None, timer: None, broken: false, held: 0 }
    }

    /// Returns the opening of a role's queue that the task delivers for, if it does.
    pub(super) fn delivers_for(&self, host: HostId, role: Role) -> Option<u64> {
        match &self.play {
            Play::Sender(sender) if sender.host == host && sender.role == role => Some(sender.incarnation),
            _ => None,
        }
    }

    /// Whether what is now durable or new in a store concerns the task.
    pub(super) fn is_stirred_by(&self, mail: &MailStore, durable: Position) -> bool {
        matches!(&self.play, Play::Reader(reader) if reader.is_stirred_by(mail, durable))
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.play {
            Play::Receiver(receiver) => Some(receiver.session.deadline()),
            Play::Sender(sender) => sender.session.as_ref().map(smtp::client::Session::deadline),
            Play::Front(front) => front.deadline(),
            Play::Reader(reader) => reader.deadline(),
            Play::Client(_) | Play::Backend(_) | Play::Arrival(_) => None,
        }
    }
}

impl Engine {
    /// Gives a task, which may be having its turn, another as soon as possible.
    pub(super) fn wake(&mut self, task: TaskId) {
        if self.queued.insert(task) {
            self.runnable.push_back(task);
        }
    }

    /// Leaves something for a task.
    pub(super) fn post(&mut self, task: TaskId, letter: Letter) {
        self.letters.entry(task).or_default().push_back(letter);
        self.wake(task);
    }

    pub(super) fn next_letter(&mut self, task: TaskId) -> Option<Letter> {
        self.letters.get_mut(&task)?.pop_front()
    }

    pub(super) fn add_task(&mut self, task: Task) -> TaskId {
        let id = TaskId(self.name());
        if let Link::Inner(socket) = task.link {
            self.sockets.insert(socket, id);
        }
        self.tasks.insert(id, task);
        self.wake(id);
        id
    }

    /// Gives a task its turn.
    pub(super) fn drive(&mut self, id: TaskId) {
        let Some(mut task) = self.tasks.remove(&id) else {
            self.letters.remove(&id);
            return;
        };
        let over = match task.play {
            Play::Receiver(_) => self.play_receiver(id, &mut task),
            Play::Sender(_) => self.play_sender(id, &mut task),
            Play::Front(_) => self.play_front(id, &mut task),
            Play::Client(_) => self.play_client(&mut task),
            Play::Backend(_) => self.play_backend(&mut task),
            Play::Arrival(_) => self.play_arrival(id, &mut task),
            Play::Reader(_) => self.play_reader(id, &mut task),
        };
        if over {
            self.forget(id, task);
            return;
        }
        if self.letters.get(&id).is_some_and(VecDeque::is_empty) {
            self.letters.remove(&id);
        }
        // What is past due and could not be done now is looked at again, not all the time.
        let deadline = task.deadline().map(|at| if at <= self.now { self.now.plus(OVERDUE_MILLISECONDS) } else { at });
        if deadline != task.timer {
            if let Some(at) = task.timer {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = deadline {
                self.timers.insert((at, id));
            }
            task.timer = deadline;
        }
        let wants = self.wants_input(&task) && task.inbox.is_none() && self.has_room(&task.link);
        if let Link::Outer { connection, credited, .. } = &mut task.link
            && wants
            && !*credited
        {
            *credited = true;
            self.outputs.push_back(Output::More { connection: *connection });
        }
        self.tasks.insert(id, task);
    }

    fn wants_input(&self, task: &Task) -> bool {
        match &task.play {
            Play::Receiver(receiver) => receiver.session.wants_input(),
            Play::Sender(sender) => sender.session.is_some(),
            Play::Front(front) => front.wants_input(),
            Play::Client(client) => self.client_wants_input(client),
            Play::Reader(reader) => reader.wants_input(),
            Play::Backend(_) | Play::Arrival(_) => true,
        }
    }

    /// Wakes a task that may be waiting for leave to read.
    pub(super) fn wake_uncredited(&mut self, id: TaskId) {
        let waits = |task: &Task| task.inbox.is_some() || matches!(task.link, Link::Outer { credited: false, .. });
        if self.tasks.get(&id).is_some_and(waits) {
            self.wake(id);
        }
    }

    /// Ends a task from outside its turn; its connection closes behind what was sent.
    pub(super) fn drop_gently(&mut self, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else { return };
        self.close_link(&task.link);
        self.forget(id, task);
    }

    /// Ends a task from outside its turn; its connection breaks.
    pub(super) fn drop_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else { return };
        match task.link {
            Link::Outer { connection, .. } => self.outputs.push_back(Output::Close { connection }),
            Link::Inner(socket) => self.network.reset(self.now, socket),
        }
        self.forget(id, task);
    }

    fn forget(&mut self, id: TaskId, task: Task) {
        self.letters.remove(&id);
        if let Some(at) = task.timer {
            self.timers.remove(&(at, id));
        }
        self.held = self.held.saturating_sub(task.held);
        if let Play::Sender(sender) = &task.play {
            self.carried = self.carried.saturating_sub(sender.carried);
        }
        match task.link {
            Link::Outer { connection, peer, .. } => {
                self.outer.remove(&connection);
                if let Some(count) = self.peers.get_mut(&peer) {
                    *count -= 1;
                    if *count == 0 {
                        self.peers.remove(&peer);
                    }
                }
            }
            Link::Inner(socket) => {
                self.sockets.remove(&socket);
            }
        }
    }

    pub(super) fn expire(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.timer = None;
        let now = self.now;
        match &mut task.play {
            Play::Receiver(receiver) => receiver.session.expire(now),
            Play::Sender(sender) => {
                if let Some(session) = &mut sender.session {
                    session.expire(now);
                }
            }
            Play::Front(front) => front.expire(now),
            Play::Reader(_) => {
                let Some(mut task) = self.tasks.remove(&id) else { return };
                if let Play::Reader(reader) = &mut task.play {
                    self.expire_reader(task.host, reader);
                }
                self.tasks.insert(id, task);
            }
            Play::Client(_) | Play::Backend(_) | Play::Arrival(_) => {}
        }
        self.wake(id);
    }

    /// Whether enough of what was sent has gone out that more may be done for the other side.
    pub(super) fn has_room(&self, link: &Link) -> bool {
        let most = self.topology.bounds.unsent_bytes;
        match link {
            Link::Outer { unsent, .. } => *unsent < most,
            Link::Inner(socket) => self.network.backlog(*socket) < most,
        }
    }

    pub(super) fn send(&mut self, link: &mut Link, bytes: Vec<u8>) {
        match link {
            Link::Outer { connection, unsent, .. } => {
                *unsent += bytes.len();
                self.outputs.push_back(Output::Send { connection: *connection, bytes });
            }
            Link::Inner(socket) => self.network.send(self.now, *socket, bytes),
        }
    }

    pub(super) fn close_link(&mut self, link: &Link) {
        match link {
            Link::Outer { connection, .. } => self.outputs.push_back(Output::Close { connection: *connection }),
            Link::Inner(socket) => self.network.close(self.now, *socket),
        }
    }

    /// Reads what came in; an empty piece says that the other side closed.
    pub(super) fn read(&mut self, link: &Link, inbox: &mut Option<Vec<u8>>) -> Option<Vec<u8>> {
        match link {
            Link::Outer { .. } => inbox.take(),
            Link::Inner(socket) => self.network.read(self.now, *socket),
        }
    }

    pub(super) fn opened(&mut self, connection: ConnectionId, host: &str, door: Door, peer: IpAddr, tls: bool) {
        let found = self.host_named(host).filter(|&host| {
            self.machine(host).is_some_and(|machine| {
                let exchanges = door == Door::InternetMx && machine.exchanger.is_some();
                machine.up && (exchanges || machine.plan.roles.contains(&door.role()))
            })
        });
        let Some(host) = found else {
            self.outputs.push_back(Output::Close { connection });
            return;
        };
        let bounds = &self.topology.bounds;
        let from_peer = self.peers.get(&peer).copied().unwrap_or(0);
        // The last quarter is for those who have little.
        let crowded = self.outer.len() >= bounds.connections / 4 * 3 && from_peer >= bounds.connections_per_peer / 4;
        if self.outer.len() >= bounds.connections || from_peer >= bounds.connections_per_peer || crowded {
            self.log(host, door.name(), Level::Warning, "too many connections", &[("peer", peer.to_string())]);
            let bytes = match door {
                Door::Mx | Door::Submission | Door::InternetMx => {
                    Reply::new(421, (4, 7, 0), "Error: too many connections from your address").to_bytes()
                }
                Door::Imap | Door::InternetImap => b"* BYE Too many connections.\r\n".to_vec(),
                Door::Pop3 => b"-ERR [SYS/TEMP] Too many connections.\r\n".to_vec(),
                Door::Sieve => b"BYE (TRYLATER) \"Too many connections.\"\r\n".to_vec(),
            };
            self.outputs.push_back(Output::Send { connection, bytes });
            self.outputs.push_back(Output::Close { connection });
            return;
        }
        let now = self.now;
        let play = match door {
            Door::Mx | Door::Submission | Door::InternetMx => {
                let Some(settings) = self.sessions.smtp(host, door.role()) else { return };
                let session = smtp::server::Session::new(settings, Peer { address: peer, tls }, now);
                Play::Receiver(Box::new(Receiver::new(session, door.role())))
            }
            Door::Imap | Door::InternetImap => {
                Play::Front(Box::new(Front::imap(Arc::clone(&self.sessions.imap), peer, tls, now)))
            }
            Door::Pop3 => Play::Front(Box::new(Front::pop3(Arc::clone(&self.sessions.pop3), peer, tls, now))),
            Door::Sieve => Play::Front(Box::new(Front::sieve(Arc::clone(&self.sessions.sieve), peer, tls, now))),
        };
        let task = self.add_task(Task::new(host, Link::Outer { connection, peer, unsent: 0, credited: false }, play));
        self.outer.insert(connection, task);
        *self.peers.entry(peer).or_default() += 1;
    }

    fn outer_task(&mut self, connection: ConnectionId) -> Option<(TaskId, &mut Task)> {
        let id = *self.outer.get(&connection)?;
        Some((id, self.tasks.get_mut(&id)?))
    }

    pub(super) fn received(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some((id, task)) = self.outer_task(connection) else { return };
        if let Link::Outer { credited, .. } = &mut task.link {
            *credited = false;
        }
        task.inbox.get_or_insert_default().extend_from_slice(bytes);
        self.wake(id);
    }

    pub(super) fn secured(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some((id, task)) = self.outer_task(connection) else { return };
        task.inbox = None;
        match &mut task.play {
            Play::Receiver(receiver) => receiver.session.secured(now),
            Play::Front(front) => front.secured(),
            _ => {}
        }
        self.wake(id);
    }

    pub(super) fn sent(&mut self, connection: ConnectionId, bytes: usize) {
        let Some((id, task)) = self.outer_task(connection) else { return };
        if let Link::Outer { unsent, .. } = &mut task.link {
            *unsent = unsent.saturating_sub(bytes);
        }
        self.wake(id);
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        let Some(id) = self.outer.remove(&connection) else { return };
        if let Some(task) = self.tasks.get_mut(&id) {
            task.broken = true;
            self.wake(id);
        }
    }

    pub(super) fn happened(&mut self, happening: Happening<Port, Parcel>) {
        match happening {
            Happening::Incoming { socket, host, port, from } => self.incoming(socket, host, port, from),
            Happening::Connected(socket) => {
                if let Some(&task) = self.sockets.get(&socket) {
                    self.connected(task);
                }
            }
            Happening::Failed(socket, why) => {
                if let Some(task) = self.sockets.remove(&socket) {
                    self.not_connected(task, why);
                }
            }
            Happening::Readable(socket) | Happening::Writable(socket) => {
                if let Some(&task) = self.sockets.get(&socket) {
                    self.wake(task);
                }
            }
            Happening::Reset(socket) => {
                if let Some(&id) = self.sockets.get(&socket)
                    && let Some(task) = self.tasks.get_mut(&id)
                {
                    task.broken = true;
                    self.wake(id);
                }
            }
            Happening::Called { call, host, parcel } => self.called(host, call, &parcel),
            Happening::Answered { call, parcel } => {
                if let (Some(Continuation::Examine { task, .. }), Parcel::Examined(findings)) =
                    (self.calls.remove(&call), parcel)
                {
                    self.post(task, Letter::Examined(Some(findings)));
                }
            }
            Happening::Lost(call, _) => {
                if let Some(Continuation::Examine { host, task, message, others }) = self.calls.remove(&call) {
                    self.examine(host, task, message, others);
                }
            }
        }
    }

    fn incoming(&mut self, socket: SocketId, host: HostId, port: Port, from: HostId) {
        let role = match port {
            Port::Smtp => Role::Internet,
            Port::Lmtp(role) => role,
            Port::Handover => {
                let keeps = self.machine(host).is_some_and(|machine| {
                    machine.plan.roles.iter().any(|role| matches!(role, Role::Store | Role::Internet))
                });
                if !keeps {
                    return self.network.refuse(self.now, socket);
                }
                self.network.accept(self.now, socket);
                self.add_task(Task::new(host, Link::Inner(socket), Play::Arrival(Vec::new())));
                return;
            }
        };
        let peer = self.machine(from).map(|machine| machine.plan.address);
        let (Some(settings), Some(address)) = (self.sessions.smtp(host, role), peer) else {
            return self.network.refuse(self.now, socket);
        };
        self.network.accept(self.now, socket);
        let session = smtp::server::Session::new(settings, Peer { address, tls: false }, self.now);
        let play = Play::Receiver(Box::new(Receiver::new(session, role)));
        self.add_task(Task::new(host, Link::Inner(socket), play));
    }

    fn connected(&mut self, id: TaskId) {
        let now = self.now;
        let Some(mut task) = self.tasks.remove(&id) else { return };
        match &mut task.play {
            Play::Sender(sender) => sender.connected(now),
            Play::Backend(backend) => self.backend_connected(backend, &mut task.link),
            _ => {}
        }
        self.tasks.insert(id, task);
        self.wake(id);
    }

    fn not_connected(&mut self, id: TaskId, why: Unreachable) {
        let Some(mut task) = self.tasks.remove(&id) else { return };
        match &mut task.play {
            Play::Sender(sender) => {
                if let Some(socket) = self.try_next_host(sender, why) {
                    self.sockets.insert(socket, id);
                    task.link = Link::Inner(socket);
                    self.tasks.insert(id, task);
                    return;
                }
            }
            Play::Backend(backend) => self.backend_failed(task.host, backend),
            _ => {}
        }
        self.forget(id, task);
    }

    pub(super) fn ask(&mut self, question: Question, continuation: Continuation) {
        let ticket = QuestionTicket(self.name());
        self.questions.insert(ticket, continuation);
        self.outputs.push_back(Output::Ask { ticket, question });
    }

    pub(super) fn answered(&mut self, continuation: Continuation, answer: Answer) {
        match continuation {
            Continuation::SignIn { task, .. } => self.post(task, Letter::Smtp(Completion::SignIn(answer.into()))),
            Continuation::Recipient { host, task, sender, recipient } => {
                self.recipient_answered(host, task, sender.as_ref(), &recipient, answer);
            }
            Continuation::Allowance { task, .. } => self.allowance_answered(task, &answer),
            Continuation::Front { task, .. } => self.post(task, Letter::Answer(Box::new(answer))),
            Continuation::Examine { .. } => {}
            Continuation::Sign { host, call, findings } => self.signed(host, call, findings, answer),
            Continuation::Expand { host, role, incarnation, job } => {
                self.expansion_answered(host, role, incarnation, job, answer);
            }
        }
    }

    /// Something that somebody waited for is durable, or never will be.
    pub(super) fn durable(&mut self, waiting: Waiting, is_durable: bool) {
        match waiting {
            Waiting::Session { task, mut dispositions } => {
                if !is_durable {
                    for disposition in &mut dispositions {
                        if matches!(disposition, Disposition::Accepted { .. }) {
                            *disposition = Disposition::Refused(disk_trouble());
                        }
                    }
                }
                self.post(task, Letter::Smtp(Completion::Accept(dispositions)));
            }
            Waiting::Chain { host, role, position, then } if is_durable => self.wait_for(host, role, position, *then),
            Waiting::Chain { then, .. } => self.durable(*then, false),
            Waiting::Rename { ticket, outcome } => {
                // Why it was refused counts as little as the deed, when it is not durable.
                let outcome = if is_durable { outcome } else { Err(DiskError::Broken.into()) };
                self.outputs.push_back(Output::Renamed { ticket, outcome });
            }
        }
    }
}

/// Returns what is said when the disk does not take a message.
pub(super) fn disk_trouble() -> Reply {
    Reply::new(451, (4, 3, 0), "Error: the message could not be stored, try again later")
}
