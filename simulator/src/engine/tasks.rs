//! Tasks: one for each end of a connection that a host of the platform has, and how bytes get to and from them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

use super::delivering::Sender;
use super::receiving::Receiver;
use super::{ConnectionId, Door, Engine, Level, Machine, Output, QuestionTicket, Role, Topology};
use crate::Moment;
use crate::directory::{Answer, Question};
use crate::journal::Position;
use crate::network::{CallId, Happening, HostId, SocketId, Unreachable};
use crate::queue::Job;
use crate::smtp::server::{Completion, Disposition};
use crate::smtp::{self, Peer, Reply, Setting};
use crate::store::MailStore;

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
pub(super) enum Parcel {}

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
}

/// Who waits for something to be durable.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A session that is to say 250.
    Session { task: TaskId, dispositions: Vec<Disposition> },
}

/// What goes on when a question or a call is answered.
#[derive(Debug)]
pub(super) enum Continuation {
    SignIn { host: HostId, task: TaskId },
    Recipient { host: HostId, task: TaskId, sender: Option<MailAddress>, recipient: MailAddress },
    Allowance { host: HostId, task: TaskId },
    Expand { host: HostId, role: Role, incarnation: u64, job: Job },
}

impl Continuation {
    pub(super) fn host(&self) -> HostId {
        match self {
            Self::SignIn { host, .. }
            | Self::Recipient { host, .. }
            | Self::Allowance { host, .. }
            | Self::Expand { host, .. } => *host,
        }
    }
}

/// Something for a task that is not bytes.
#[derive(Debug)]
pub(super) enum Letter {
    Smtp(Completion),
}

/// The settings of sessions, made once.
#[derive(Debug)]
pub(super) struct SessionSettings {
    smtp: BTreeMap<(HostId, Role), Arc<smtp::Settings>>,
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
                one.require_tls_for_auth = role == Role::Submission && !topology.plaintext_login;
                if setting == Setting::Lmtp || machine.exchanger.is_some() {
                    // The hosts before have let it in; their trace fields must not make it too large.
                    one.max_message_bytes = one.max_message_bytes.saturating_add(1 << 20);
                }
                settings.insert((HostId(index), role), Arc::new(one));
            }
        }
        Self { smtp: settings }
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
    pub(super) fn is_stirred_by(&self, _mail: &MailStore, _durable: Position) -> bool {
        match &self.play {
            Play::Receiver(_) | Play::Sender(_) => false,
        }
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.play {
            Play::Receiver(receiver) => Some(receiver.session.deadline()),
            Play::Sender(sender) => sender.session.as_ref().map(smtp::client::Session::deadline),
        }
    }

    fn wants_input(&self) -> bool {
        match &self.play {
            Play::Receiver(receiver) => receiver.session.wants_input(),
            Play::Sender(sender) => sender.session.is_some(),
        }
    }
}

impl Engine {
    /// Gives a task its turn as soon as possible.
    pub(super) fn wake(&mut self, task: TaskId) {
        if self.tasks.contains_key(&task) && self.queued.insert(task) {
            self.runnable.push_back(task);
        }
    }

    /// Leaves something for a task, which may be having its turn.
    pub(super) fn post(&mut self, task: TaskId, letter: Letter) {
        self.letters.entry(task).or_default().push_back(letter);
        if self.queued.insert(task) {
            self.runnable.push_back(task);
        }
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
        };
        if over {
            self.forget(id, task);
            return;
        }
        if self.letters.get(&id).is_some_and(std::collections::VecDeque::is_empty) {
            self.letters.remove(&id);
        }
        let deadline = task.deadline();
        if deadline != task.timer {
            if let Some(at) = task.timer {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = deadline {
                self.timers.insert((at, id));
            }
            task.timer = deadline;
        }
        let wants = task.wants_input() && task.inbox.is_none() && self.has_room(&task.link);
        if let Link::Outer { connection, credited, .. } = &mut task.link
            && wants
            && !*credited
        {
            *credited = true;
            self.outputs.push_back(Output::More { connection: *connection });
        }
        self.tasks.insert(id, task);
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
        if let Some(at) = task.timer.take() {
            self.timers.remove(&(at, id));
        }
        let now = self.now;
        match &mut task.play {
            Play::Receiver(receiver) => receiver.session.expire(now),
            Play::Sender(sender) => {
                if let Some(session) = &mut sender.session {
                    session.expire(now);
                }
            }
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
            self.machine(host).is_some_and(|machine| machine.up && machine.plan.roles.contains(&door.role()))
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
                Door::Mx | Door::Submission => {
                    Reply::new(421, (4, 7, 0), "Error: too many connections from your address").to_bytes()
                }
                Door::Imap | Door::InternetImap => b"* BYE Too many connections.\r\n".to_vec(),
                Door::Pop3 => b"-ERR [SYS/TEMP] Too many connections.\r\n".to_vec(),
            };
            self.outputs.push_back(Output::Send { connection, bytes });
            self.outputs.push_back(Output::Close { connection });
            return;
        }
        let now = self.now;
        let play = match door {
            Door::Mx | Door::Submission => {
                let Some(settings) = self.sessions.smtp(host, door.role()) else { return };
                let session = smtp::server::Session::new(settings, Peer { address: peer, tls }, now);
                Play::Receiver(Box::new(Receiver::new(session, door.role())))
            }
            Door::Imap | Door::Pop3 | Door::InternetImap => {
                self.outputs.push_back(Output::Close { connection });
                return;
            }
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
            Play::Sender(_) => {}
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
            Happening::Called { call, parcel, .. } => self.called(call, parcel),
            Happening::Answered { call, parcel } => {
                self.calls.remove(&call);
                match parcel {}
            }
            Happening::Lost(call, _) => {
                self.calls.remove(&call);
            }
        }
    }

    fn called(&mut self, call: CallId, parcel: Parcel) {
        let _ = call;
        match parcel {}
    }

    fn incoming(&mut self, socket: SocketId, host: HostId, port: Port, from: HostId) {
        let role = match port {
            Port::Smtp => Role::Internet,
            Port::Lmtp(role) => role,
            Port::Handover => return self.network.refuse(self.now, socket),
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
        let Some(task) = self.tasks.get_mut(&id) else { return };
        match &mut task.play {
            Play::Sender(sender) => sender.connected(now),
            Play::Receiver(_) => {}
        }
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
            Play::Receiver(_) => {}
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
            Continuation::Expand { host, role, incarnation, job } => {
                self.expansion_answered(host, role, incarnation, &job, answer);
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
        }
    }
}

/// Returns what is said when the disk does not take a message.
pub(super) fn disk_trouble() -> Reply {
    Reply::new(451, (4, 3, 0), "Error: the message could not be stored, try again later")
}
