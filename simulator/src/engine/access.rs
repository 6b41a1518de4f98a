//! Letting users in to their mailboxes: doors on access hosts, sessions on stores, bytes passed on between the two.

use std::net::IpAddr;
use std::sync::Arc;

use super::tasks::{Continuation, Letter, Link, Play, Port, Task, TaskId};
use super::{Engine, Level, Output, Role};
use crate::Moment;
use crate::directory::{Answer, Identity, Question, Service, SignInRefusal};
use crate::journal::Position;
use crate::network::{HostId, SocketId};
use crate::store::handover::{MAX_LINE, Preamble};
use crate::store::{Effect, MailStore, Storage};
use crate::{imap, managesieve, pop3};

/// A connection that nobody has signed in on.
#[derive(Debug)]
pub(super) enum Front {
    Imap(imap::Front),
    Pop3(pop3::Front),
    Sieve(managesieve::Front),
}

impl Front {
    pub(super) fn imap(settings: Arc<imap::Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        Self::Imap(imap::Front::new(settings, peer, tls, now))
    }

    pub(super) fn pop3(settings: Arc<pop3::Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        Self::Pop3(pop3::Front::new(settings, peer, tls, now))
    }

    pub(super) fn sieve(settings: Arc<managesieve::Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        Self::Sieve(managesieve::Front::new(settings, peer, tls, now))
    }

    fn receive(&mut self, now: Moment, bytes: &[u8]) {
        match self {
            Self::Imap(front) => front.receive(now, bytes),
            Self::Pop3(front) => front.receive(now, bytes),
            Self::Sieve(front) => front.receive(now, bytes),
        }
    }

    pub(super) fn secured(&mut self) {
        match self {
            Self::Imap(front) => front.secured(),
            Self::Pop3(front) => front.secured(),
            Self::Sieve(front) => front.secured(),
        }
    }

    fn complete(&mut self, now: Moment, answer: Answer) {
        match self {
            Self::Imap(front) => front.complete(now, answer),
            Self::Pop3(front) => front.complete(now, answer),
            Self::Sieve(front) => front.complete(now, answer),
        }
    }

    fn next_effect(&mut self) -> Option<imap::FrontEffect> {
        use pop3::FrontEffect;
        let effect = match self {
            Self::Imap(front) => return front.next_effect(),
            Self::Pop3(front) => front.next_effect(),
            Self::Sieve(front) => front.next_effect(),
        };
        Some(match effect? {
            FrontEffect::Reply(bytes) => imap::FrontEffect::Reply(bytes),
            FrontEffect::StartTls => imap::FrontEffect::StartTls,
            FrontEffect::SignIn { user, password } => imap::FrontEffect::SignIn { user, password },
            FrontEffect::HandOver { identity, preamble, rest } => {
                imap::FrontEffect::HandOver { identity, preamble, rest }
            }
            FrontEffect::Close => imap::FrontEffect::Close,
        })
    }

    pub(super) fn wants_input(&self) -> bool {
        match self {
            Self::Imap(front) => front.wants_input(),
            Self::Pop3(front) => front.wants_input(),
            Self::Sieve(front) => front.wants_input(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Imap(front) => front.deadline(),
            Self::Pop3(front) => front.deadline(),
            Self::Sieve(front) => front.deadline(),
        }
    }

    pub(super) fn expire(&mut self, now: Moment) {
        match self {
            Self::Imap(front) => front.expire(now),
            Self::Pop3(front) => front.expire(now),
            Self::Sieve(front) => front.expire(now),
        }
    }

    fn service(&self) -> Service {
        match self {
            Self::Imap(_) => Service::Imap,
            Self::Pop3(_) => Service::Pop3,
            Self::Sieve(_) => Service::Sieve,
        }
    }
}

/// A signed-in connection on a store.
#[derive(Debug)]
pub(super) enum Reader {
    Imap(Box<imap::Session>),
    Pop3(Box<pop3::Session>),
    Sieve(Box<managesieve::Session>),
}

impl Reader {
    fn receive(&mut self, now: Moment, bytes: &[u8], storage: &mut Storage<'_>) {
        match self {
            Self::Imap(session) => session.receive(now, bytes, storage),
            Self::Pop3(session) => session.receive(now, bytes, storage),
            Self::Sieve(session) => session.receive(now, bytes, storage),
        }
    }

    fn pump(&mut self, now: Moment, storage: &mut Storage<'_>) {
        match self {
            Self::Imap(session) => session.pump(now, storage),
            Self::Pop3(session) => session.pump(now, storage),
            Self::Sieve(session) => session.pump(now, storage),
        }
    }

    fn next_effect(&mut self) -> Option<Effect> {
        match self {
            Self::Imap(session) => session.next_effect(),
            Self::Pop3(session) => session.next_effect(),
            Self::Sieve(session) => session.next_effect(),
        }
    }

    fn is_busy(&self) -> bool {
        match self {
            Self::Imap(session) => session.is_busy(),
            Self::Pop3(session) => session.is_busy(),
            Self::Sieve(session) => session.is_busy(),
        }
    }

    pub(super) fn wants_input(&self) -> bool {
        match self {
            Self::Imap(session) => session.wants_input(),
            Self::Pop3(session) => session.wants_input(),
            Self::Sieve(session) => session.wants_input(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Imap(session) => session.deadline(),
            Self::Pop3(session) => session.deadline(),
            Self::Sieve(session) => session.deadline(),
        }
    }

    fn expire(&mut self, now: Moment, storage: &mut Storage<'_>) {
        match self {
            Self::Imap(session) => session.expire(now, storage),
            Self::Pop3(session) => session.expire(now, storage),
            Self::Sieve(session) => session.expire(now, storage),
        }
    }

    /// Whether what is now durable or new in the store concerns the session.
    pub(super) fn is_stirred_by(&self, mail: &MailStore, durable: Position) -> bool {
        let (waits, has_news) = match self {
            Self::Imap(session) => (session.waits_for(), session.has_news(mail)),
            Self::Pop3(session) => (session.waits_for(), false),
            Self::Sieve(session) => (session.waits_for(), false),
        };
        has_news || waits.is_some_and(|position| position <= durable)
    }
}

/// The client's side of a connection that was handed over.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) backend: TaskId,
    socket: SocketId,
    pub(super) connected: bool,
}

/// The store's side of it, on the access host.
#[derive(Debug)]
pub(super) struct Backend {
    client: TaskId,
    /// What the store is told first.
    first: Vec<u8>,
    preamble: Preamble,
}

impl Engine {
    /// Gives a front its turn; returns whether it is over.
    pub(super) fn play_front(&mut self, id: TaskId, task: &mut Task) -> bool {
        let Task { host, link, play, inbox, broken, .. } = task;
        let Play::Front(front) = play else { return true };
        if *broken {
            return true;
        }
        let now = self.now;
        while let Some(letter) = self.next_letter(id) {
            if let Letter::Answer(answer) = letter {
                front.complete(now, *answer);
            }
        }
        loop {
            while self.has_room(link) {
                let Some(effect) = front.next_effect() else { break };
                match effect {
                    imap::FrontEffect::Reply(bytes) => self.send(link, bytes),
                    imap::FrontEffect::StartTls => {
                        if let Link::Outer { connection, .. } = link {
                            self.outputs.push_back(Output::StartTls { connection: *connection });
                        }
                    }
                    imap::FrontEffect::SignIn { user, password } => {
                        let is_internet =
                            self.machine(*host).is_some_and(|machine| machine.plan.roles.contains(&Role::Internet));
                        if is_internet {
                            let answer = self.internet_sign_in(*host, &user, &password.0);
                            front.complete(now, answer);
                        } else {
                            let question = Question::SignIn { service: front.service(), user, password };
                            self.ask(question, Continuation::Front { host: *host, task: id });
                        }
                    }
                    imap::FrontEffect::HandOver { identity, preamble, rest } => {
                        let client = self.hand_over(id, *host, &identity, preamble, &rest);
                        *play = Play::Client(client);
                        return false;
                    }
                    imap::FrontEffect::Close => {
                        self.close_link(link);
                        return true;
                    }
                }
            }
            if !front.wants_input() || !self.has_room(link) {
                return false;
            }
            match self.read(link, inbox) {
                None => return false,
                Some(bytes) if bytes.is_empty() => return true,
                Some(bytes) => front.receive(now, &bytes),
            }
        }
    }

    fn internet_sign_in(&self, host: HostId, user: &str, password: &str) -> Answer {
        let store = self.machine(host).map(|machine| machine.plan.name.clone()).unwrap_or_default();
        let address = user.parse::<values::MailAddress>().ok();
        let known = address.filter(|address| self.topology.internet_mailbox(address) == Some(password));
        Answer::SignIn(match known {
            Some(mailbox) => Ok(Identity { senders: vec![mailbox.clone()], mailbox, store, quota: None }),
            None => Err(SignInRefusal::Credentials),
        })
    }

    /// Connects a signed-in client to its store.
    fn hand_over(&mut self, id: TaskId, host: HostId, identity: &Identity, preamble: Preamble, rest: &[u8]) -> Client {
        let service = match preamble.service {
            Service::Pop3 => "pop3",
            Service::Sieve => "managesieve",
            _ => "imap",
        };
        let fields = [("user", identity.mailbox.to_string()), ("store", identity.store.clone())];
        self.log(host, service, Level::Info, "signed in", &fields);
        // A store that is not on the plan cannot be reached either.
        let to = self.host_named(&identity.store).unwrap_or(HostId(usize::MAX));
        let socket = self.network.connect(self.now, host, to, Port::Handover);
        let mut first = preamble.encode();
        first.extend_from_slice(rest);
        let play = Play::Backend(Box::new(Backend { client: id, first, preamble }));
        let backend = self.add_task(Task::new(host, Link::Inner(socket), play));
        Client { backend, socket, connected: false }
    }

    /// Passes on what the client says.
    pub(super) fn play_client(&mut self, task: &mut Task) -> bool {
        let Task { link, play, inbox, broken, .. } = task;
        let Play::Client(client) = play else { return true };
        let alive = self.tasks.contains_key(&client.backend);
        if *broken || !alive {
            self.drop_gently(client.backend);
            if !*broken {
                self.close_link(link);
            }
            return true;
        }
        if client.connected
            && self.network.backlog(client.socket) < self.topology.bounds.unsent_bytes
            && let Some(bytes) = self.read(link, inbox)
        {
            if bytes.is_empty() {
                self.drop_gently(client.backend);
                return true;
            }
            self.network.send(self.now, client.socket, bytes);
        }
        if self.network.is_readable(client.socket) && self.has_room(link) {
            self.wake(client.backend);
        }
        false
    }

    /// Whether a client may say more.
    pub(super) fn client_wants_input(&self, client: &Client) -> bool {
        client.connected && self.network.backlog(client.socket) < self.topology.bounds.unsent_bytes
    }

    /// Passes on what the store says.
    pub(super) fn play_backend(&mut self, task: &mut Task) -> bool {
        let Task { link, play, inbox, broken, .. } = task;
        let Play::Backend(backend) = play else { return true };
        let id = backend.client;
        if *broken {
            self.drop_task(id);
            return true;
        }
        loop {
            let Some(mut client) = self.tasks.remove(&id) else {
                self.close_link(link);
                return true;
            };
            let piece = if self.has_room(&client.link) { self.read(link, inbox) } else { None };
            let ended = piece.as_ref().is_some_and(Vec::is_empty);
            let moved = piece.is_some();
            if let Some(bytes) = piece.filter(|bytes| !bytes.is_empty()) {
                self.send(&mut client.link, bytes);
            }
            self.tasks.insert(id, client);
            if ended {
                self.close_link(link);
                // The client finds its other side gone and closes behind what was sent.
                self.wake(id);
                return true;
            }
            if !moved {
                break;
            }
        }
        self.wake_uncredited(id);
        false
    }

    pub(super) fn backend_connected(&mut self, backend: &mut Backend, link: &mut Link) {
        let first = std::mem::take(&mut backend.first);
        self.send(link, first);
        if let Some(Play::Client(client)) = self.tasks.get_mut(&backend.client).map(|task| &mut task.play) {
            client.connected = true;
        }
        self.wake(backend.client);
    }

    /// The store could not be reached: the sign-in is answered, and the connection ends.
    pub(super) fn backend_failed(&mut self, host: HostId, backend: &Backend) {
        let fields = [("user", backend.preamble.user.to_string())];
        self.log(host, "access", Level::Warning, "the store cannot be reached", &fields);
        let Some(mut client) = self.tasks.remove(&backend.client) else { return };
        let text = match backend.preamble.service {
            Service::Pop3 => "-ERR [SYS/TEMP] The mailbox store is not available now.\r\n".to_owned(),
            Service::Sieve => "NO (TRYLATER) \"The mailbox store is not available now.\"\r\n".to_owned(),
            _ => format!(
                "{} NO [UNAVAILABLE] The mailbox store is not available now.\r\n* BYE Try again later.\r\n",
                backend.preamble.tag
            ),
        };
        self.send(&mut client.link, text.into_bytes());
        self.tasks.insert(backend.client, client);
        self.wake(backend.client);
    }

    /// Waits, on a store, for the line that says whose connection it is.
    pub(super) fn play_arrival(&mut self, id: TaskId, task: &mut Task) -> bool {
        let Task { host, link, play, inbox, broken, .. } = task;
        let Play::Arrival(heard) = play else { return true };
        if *broken {
            return true;
        }
        match self.read(link, inbox) {
            None => return false,
            Some(bytes) if bytes.is_empty() => {
                self.close_link(link);
                return true;
            }
            Some(bytes) => heard.extend_from_slice(&bytes),
        }
        let (preamble, used) = match Preamble::decode(heard) {
            Ok(None) if heard.len() < MAX_LINE => return false,
            Ok(Some(found)) => found,
            Ok(None) | Err(_) => {
                self.close_link(link);
                return true;
            }
        };
        let rest = heard.split_off(used);
        let (now, settings) = (self.now, Arc::clone(&self.sessions.imap));
        let Some(mut storage) = self.store_office(*host).and_then(super::office::Office::storage) else {
            self.close_link(link);
            return true;
        };
        let mut reader = match preamble.service {
            Service::Pop3 => Reader::Pop3(Box::new(pop3::Session::new(&preamble, now, &mut storage))),
            Service::Sieve => Reader::Sieve(Box::new(managesieve::Session::new(&preamble, now, &mut storage))),
            _ => Reader::Imap(Box::new(imap::Session::new(settings, &preamble, now, &mut storage))),
        };
        if !rest.is_empty() {
            reader.receive(now, &rest, &mut storage);
        }
        *play = Play::Reader(reader);
        self.wake(id);
        false
    }

    fn store_office(&mut self, host: HostId) -> Option<&mut super::office::Office> {
        let role = if self.offices.contains_key(&(host, Role::Store)) { Role::Store } else { Role::Internet };
        self.offices.get_mut(&(host, role))
    }

    /// Gives a signed-in session its turn; returns whether it is over.
    pub(super) fn play_reader(&mut self, id: TaskId, task: &mut Task) -> bool {
        let Task { host, link, play, inbox, broken, .. } = task;
        let Play::Reader(reader) = play else { return true };
        if *broken {
            return true;
        }
        let now = self.now;
        let mut pumped = false;
        loop {
            let Some(mut storage) = self.store_office(*host).and_then(super::office::Office::storage) else {
                self.close_link(link);
                return true;
            };
            if !std::mem::replace(&mut pumped, true) {
                reader.pump(now, &mut storage);
            }
            while self.has_room(link) {
                match reader.next_effect() {
                    None => break,
                    Some(Effect::Reply(bytes)) => self.send(link, bytes),
                    Some(Effect::Close) => {
                        self.close_link(link);
                        return true;
                    }
                }
            }
            if !self.has_room(link) {
                return false;
            }
            if reader.is_busy() {
                // The others have their turn first.
                self.wake(id);
                return false;
            }
            if !reader.wants_input() {
                return false;
            }
            match self.read(link, inbox) {
                None => return false,
                Some(bytes) if bytes.is_empty() => {
                    self.close_link(link);
                    return true;
                }
                Some(bytes) => {
                    let Some(office) = self.store_office(*host) else { return true };
                    office.stirred = true;
                    if let Some(mut storage) = office.storage() {
                        reader.receive(now, &bytes, &mut storage);
                    }
                }
            }
        }
    }

    pub(super) fn expire_reader(&mut self, host: HostId, reader: &mut Reader) {
        let now = self.now;
        if let Some(mut storage) = self.store_office(host).and_then(super::office::Office::storage) {
            reader.expire(now, &mut storage);
        }
    }
}
