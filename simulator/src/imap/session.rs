//! A signed-in IMAP connection on the store host.

use std::sync::Arc;

use super::append::Appending;
use super::command::{self, Command};
use super::cursor::{Cursor, Syntax};
use super::fetch::FetchWork;
use super::input::{Announced, Event, Input};
use super::search::SearchWork;
use super::select::Selected;
use super::settings::Settings;
use crate::Moment;
use crate::journal::Position;
use crate::store::handover::Preamble;
use crate::store::{Effect, Outlet, Storage, StoreError, UserId};

/// Bytes of a command with its literals, appended messages aside.
const MAX_COMMAND: usize = 64 << 10;
/// Bytes of a refused literal that are read and thrown away; a client that sends more is let go.
const MAX_SKIPPED: u64 = 1 << 20;

#[derive(Debug)]
pub(super) enum Mode {
    Commands,
    /// Waiting for DONE (RFC 2177); holds the tag.
    Idle(String),
    Append(Box<Appending>),
    Ended,
}

#[derive(Debug)]
pub(super) enum Work {
    Fetch(Box<FetchWork>),
    Search(Box<SearchWork>),
}

/// What is left of a piece of work after a slice.
pub(super) enum Progress {
    Done,
    Unfinished(Work),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Enabled {
    pub(super) condstore: bool,
    pub(super) qresync: bool,
}

/// A signed-in IMAP connection.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) user: UserId,
    epoch: u64,
    input: Input,
    /// Whether the input waits for more bytes.
    starved: bool,
    outlet: Outlet,
    pub(super) mode: Mode,
    work: Option<Work>,
    pub(super) selected: Option<Selected>,
    pub(super) enabled: Enabled,
    bad: u32,
    last_input: Moment,
    last_sign: Moment,
}

impl Session {
    /// Begins a session: makes the user's mailboxes when it has none, and answers the sign-in.
    pub fn new(settings: Arc<Settings>, preamble: &Preamble, now: Moment, storage: &mut Storage<'_>) -> Self {
        let entered = storage.mail.enter(storage.disk, now.0 / 1000, &preamble.user, preamble.quota);
        let mut session = Self {
            settings,
            user: entered.unwrap_or(UserId(u64::MAX)),
            epoch: storage.mail.epoch(),
            input: Input::new(MAX_COMMAND),
            starved: true,
            outlet: Outlet::default(),
            mode: Mode::Commands,
            work: None,
            selected: None,
            enabled: Enabled::default(),
            bad: 0,
            last_input: now,
            last_sign: now,
        };
        match entered {
            Ok(_) => {
                let text = format!("[CAPABILITY {}] Logged in", capabilities());
                session.tagged(&preamble.tag, "OK", &text);
            }
            Err(_) => {
                session.tagged(&preamble.tag, "NO", "[UNAVAILABLE] The mailbox store is not available now.");
                session.end("[UNAVAILABLE] Try again later.");
            }
        }
        session.outlet.settle(session.user, storage);
        session
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8], storage: &mut Storage<'_>) {
        self.last_input = now;
        self.last_sign = now;
        self.input.push(bytes);
        self.starved = false;
        self.pump(now, storage);
    }

    /// Goes on with what there is to do: pipelined commands, unfinished answers, news while idle, a disk that is further.
    pub fn pump(&mut self, now: Moment, storage: &mut Storage<'_>) {
        if matches!(self.mode, Mode::Ended) {
            self.outlet.settle(self.user, storage);
            return;
        }
        if storage.mail.epoch() != self.epoch || storage.mail.is_failed() || !storage.mail.has_user(self.user) {
            self.outlet.forget_waiting();
            self.end("[UNAVAILABLE] The mailbox store is not available now.");
            self.outlet.release();
            return;
        }
        self.drive(now, storage);
        self.outlet.settle(self.user, storage);
    }

    /// Returns what is to be done next; `None` when nothing is, or when it waits for the disk.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.outlet.next_effect()
    }

    /// Whether [`Session::pump`] would go on by itself; asked once every effect there is was taken.
    pub fn is_busy(&self) -> bool {
        !matches!(self.mode, Mode::Ended) && !self.is_full() && (self.work.is_some() || !self.starved)
    }

    pub(super) fn is_full(&self) -> bool {
        self.outlet.is_full()
    }

    /// Whether the session would look at more bytes now; its driver reads no further while not.
    pub fn wants_input(&self) -> bool {
        !matches!(self.mode, Mode::Ended) && self.work.is_none() && !self.is_full()
    }

    /// Returns what the output waits for: the driver calls [`Session::pump`] when the store is that far.
    pub fn waits_for(&self) -> Option<Position> {
        self.outlet.waits_for()
    }

    /// Whether an idle client has something to be told; the driver then calls [`Session::pump`].
    pub fn has_news(&self, mail: &crate::store::MailStore) -> bool {
        matches!(self.mode, Mode::Idle(_))
            && !self.is_full()
            && self.selected.as_ref().is_some_and(|selected| selected.changes != mail.changes(self.user))
    }

    /// Returns when [`Session::expire`] is to be called.
    pub fn deadline(&self) -> Option<Moment> {
        let logout = self.last_input.plus(Settings::AUTOLOGOUT);
        match self.mode {
            Mode::Ended => None,
            Mode::Idle(_) => Some(logout.min(self.last_sign.plus(Settings::STILL_HERE))),
            _ => Some(logout),
        }
    }

    /// Does what time asks for: signs of life in IDLE, the end of a silent connection.
    pub fn expire(&mut self, now: Moment, storage: &mut Storage<'_>) {
        if matches!(self.mode, Mode::Ended) {
            return;
        }
        if now >= self.last_input.plus(Settings::AUTOLOGOUT) {
            self.end("Disconnected for inactivity.");
        } else if matches!(self.mode, Mode::Idle(_)) && now >= self.last_sign.plus(Settings::STILL_HERE) {
            self.last_sign = now;
            if self.outlet.is_empty() {
                self.untagged("OK Still here");
            }
        }
        self.pump(now, storage);
    }

    /// Ends the connection with a BYE.
    pub(super) fn end(&mut self, text: &str) {
        self.untagged(&format!("BYE {text}"));
        self.work = None;
        self.mode = Mode::Ended;
        self.outlet.close();
    }

    pub(super) fn out(&mut self) -> &mut Outlet {
        &mut self.outlet
    }

    pub(super) fn untagged(&mut self, text: &str) {
        self.outlet.write(format!("* {text}\r\n").as_bytes());
    }

    pub(super) fn tagged(&mut self, tag: &str, status: &str, text: &str) {
        self.outlet.write(format!("{tag} {status} {text}\r\n").as_bytes());
    }

    /// Answers with the condition that a store's refusal is told as (RFC 5530).
    pub(super) fn refused(&mut self, tag: &str, error: StoreError) {
        let text = match error {
            StoreError::Disk(crate::disk::DiskError::Full) => {
                "[SERVERBUG] The mailbox store's disk is full, try again later.".to_owned()
            }
            StoreError::Disk(_) => "[SERVERBUG] The mailbox store's disk failed, try again later.".to_owned(),
            StoreError::OverQuota => "[OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned(),
            StoreError::NoUser | StoreError::NoMailbox | StoreError::NoScript => "Mailbox doesn't exist".to_owned(),
            StoreError::Exists => "[ALREADYEXISTS] Mailbox already exists".to_owned(),
            StoreError::Forbidden => "[CANNOT] That cannot be done to this mailbox.".to_owned(),
            StoreError::Name(error) => format!("[CANNOT] Invalid mailbox name: {error}"),
            StoreError::Limit(what) => format!("[LIMIT] Too many {what}."),
        };
        self.tagged(tag, "NO", &text);
    }

    fn drive(&mut self, now: Moment, storage: &mut Storage<'_>) {
        while !self.is_full() {
            if let Some(work) = self.work.take() {
                let progress = match work {
                    Work::Fetch(work) => self.fetch_slice(*work, storage),
                    Work::Search(work) => self.search_slice(*work, storage),
                };
                if let Progress::Unfinished(work) = progress
                    && !matches!(self.mode, Mode::Ended)
                {
                    self.work = Some(work);
                    return;
                }
                continue;
            }
            if matches!(self.mode, Mode::Ended) {
                return;
            }
            match self.input.next() {
                Event::Starved => {
                    self.starved = true;
                    break;
                }
                Event::LineTooLong => self.bad("*", "Too long argument."),
                Event::Literal(announced) => self.literal(announced, storage),
                Event::Streamed(content) => self.append_content(content),
                Event::Command(line) => self.line(now, &line, storage),
            }
        }
        if matches!(self.mode, Mode::Idle(_)) && self.has_news(storage.mail) {
            self.sync(storage, true, false);
        }
    }

    pub(super) fn work_on(&mut self, work: Work) {
        self.work = Some(work);
    }

    /// Tells a client that its command makes no sense; the twentieth in a row is its last.
    pub(super) fn bad(&mut self, tag: &str, problem: &str) {
        self.tagged(tag, "BAD", &format!("Error in IMAP command: {problem}"));
        self.bad += 1;
        if self.bad >= Settings::MAX_BAD {
            self.end("Too many invalid IMAP commands.");
        }
    }

    fn literal(&mut self, announced: Announced, storage: &mut Storage<'_>) {
        let so_far = self.input.so_far().to_vec();
        if matches!(self.mode, Mode::Append(_)) {
            let tag = tag_of(&so_far);
            self.mode = Mode::Commands;
            self.bad(&tag, "One message an APPEND.");
            self.skip(announced);
            return;
        }
        if let Some(prefix) = super::append::prefix(&so_far) {
            match self.begin_append(prefix, announced, storage) {
                Some(appending) => {
                    self.mode = Mode::Append(Box::new(appending));
                    self.input.stream(announced);
                    self.invite(announced);
                }
                None => self.skip_up_to(announced, self.settings.max_message_bytes.saturating_mul(2)),
            }
            return;
        }
        if self.input.accept(announced) {
            self.invite(announced);
        } else {
            let tag = tag_of(&so_far);
            self.tagged(&tag, "BAD", "[TOOBIG] Error in IMAP command: Literal size too large.");
            self.bad += 1;
            self.skip(announced);
        }
    }

    fn invite(&mut self, announced: Announced) {
        if announced.waits {
            self.outlet.write(b"+ OK\r\n");
        }
    }

    fn skip(&mut self, announced: Announced) {
        self.skip_up_to(announced, MAX_SKIPPED);
    }

    fn skip_up_to(&mut self, announced: Announced, most: u64) {
        if announced.waits || announced.size <= most {
            self.input.skip(announced);
            if self.bad >= Settings::MAX_BAD && !matches!(self.mode, Mode::Ended) {
                self.end("Too many invalid IMAP commands.");
            }
        } else if !matches!(self.mode, Mode::Ended) {
            self.end("Literal size too large.");
        }
    }

    fn line(&mut self, now: Moment, line: &[u8], storage: &mut Storage<'_>) {
        match std::mem::replace(&mut self.mode, Mode::Commands) {
            Mode::Append(appending) => self.finish_append(now, *appending, line, storage),
            Mode::Idle(tag) => {
                if line.eq_ignore_ascii_case(b"DONE") {
                    self.finish(storage, &tag, "Idle completed.", true);
                } else {
                    self.bad(&tag, "Expected DONE.");
                }
            }
            Mode::Ended => self.mode = Mode::Ended,
            Mode::Commands => self.command_line(now, line, storage),
        }
    }

    fn command_line(&mut self, now: Moment, line: &[u8], storage: &mut Storage<'_>) {
        let mut cursor = Cursor::new(line);
        let tag = match cursor.tag() {
            Ok(tag) => tag.to_owned(),
            Err(Syntax(problem)) => return self.bad("*", problem),
        };
        let parsed = cursor.space().and_then(|()| cursor.word()).and_then(|name| command::parse(&name, &mut cursor));
        match parsed {
            Ok(command) => {
                let before = self.bad;
                self.command(now, &tag, command, storage);
                if self.bad == before {
                    self.bad = 0;
                }
            }
            Err(Syntax(problem)) => self.bad(&tag, problem),
        }
    }

    fn command(&mut self, now: Moment, tag: &str, command: Command, storage: &mut Storage<'_>) {
        match command {
            Command::Capability => {
                self.untagged(&format!("CAPABILITY {}", capabilities()));
                self.finish(storage, tag, "Capability completed.", true);
            }
            Command::Noop => self.finish(storage, tag, "NOOP completed.", true),
            Command::Check => {
                if self.is_selected(tag) {
                    self.finish(storage, tag, "Check completed.", true);
                }
            }
            Command::Logout => {
                self.end("Logging out");
                self.tagged(tag, "OK", "Logout completed.");
            }
            Command::SignedInAlready => self.bad(tag, "Already logged in."),
            Command::Id => {
                self.untagged("ID (\"name\" \"Mailwright\")");
                self.finish(storage, tag, "ID completed.", true);
            }
            Command::Enable(names) => self.enable(tag, &names, storage),
            Command::Namespace => {
                self.untagged("NAMESPACE ((\"\" \"/\")) NIL NIL");
                self.finish(storage, tag, "Namespace completed.", true);
            }
            Command::Idle => {
                self.outlet.write(b"+ idling\r\n");
                self.sync(storage, true, false);
                if !matches!(self.mode, Mode::Ended) {
                    self.mode = Mode::Idle(tag.to_owned());
                }
            }
            Command::Select { mailbox, examine, condstore, qresync } => {
                self.select(tag, &mailbox, examine, condstore, qresync.as_ref(), storage);
            }
            Command::Close => self.close(tag, true, storage),
            Command::Unselect => self.close(tag, false, storage),
            Command::Create { mailbox, special } => self.create(now, tag, &mailbox, special, storage),
            Command::Delete(mailbox) => self.delete(tag, &mailbox, storage),
            Command::Rename { from, to } => self.rename(now, tag, &from, &to, storage),
            Command::Subscribe { mailbox, on } => self.subscribe(tag, &mailbox, on, storage),
            Command::List(list) => self.list(tag, &list, storage),
            Command::Lsub { reference, pattern } => self.lsub(tag, &reference, &pattern, storage),
            Command::Status { mailbox, items } => self.status(tag, &mailbox, &items, storage),
            Command::GetQuota(root) => self.get_quota(tag, &root, storage),
            Command::GetQuotaRoot(mailbox) => self.get_quota_root(tag, &mailbox, storage),
            Command::SetQuota => self.tagged(tag, "NO", "[NOPERM] Permission denied"),
            Command::Expunge(set) => self.expunge(tag, set.as_ref(), storage),
            Command::Store { uid, set, store } => self.store(tag, uid, &set, &store, storage),
            Command::Copy { uid, set, mailbox, moved } => self.copy(tag, uid, &set, &mailbox, moved, storage),
            Command::Fetch { uid, set, items, changed_since, vanished } => {
                self.fetch(tag, uid, &set, items, changed_since, vanished, storage);
            }
            Command::Search { uid, program } => self.search(now, tag, uid, None, program, storage),
            Command::Sort { uid, keys, program } => {
                self.search(now, tag, uid, Some(super::search::Order::Sort(keys)), program, storage);
            }
            Command::Thread { uid, algorithm, program } => {
                self.search(now, tag, uid, Some(super::search::Order::Thread(algorithm)), program, storage);
            }
        }
    }

    /// Whether a mailbox is selected; the client is told when not.
    pub(super) fn is_selected(&mut self, tag: &str) -> bool {
        if self.selected.is_none() {
            self.bad(tag, "No mailbox selected.");
        }
        self.selected.is_some()
    }

    /// Tells what has changed, then that a command is done.
    ///
    /// - `expunges`: whether messages may vanish now (RFC 3501 §7.4.1: not while FETCH, STORE or SEARCH is answered).
    pub(super) fn finish(&mut self, storage: &mut Storage<'_>, tag: &str, text: &str, expunges: bool) {
        self.sync(storage, expunges, false);
        if !matches!(self.mode, Mode::Ended) {
            self.tagged(tag, "OK", text);
        }
    }

    fn enable(&mut self, tag: &str, names: &[String], storage: &mut Storage<'_>) {
        let mut enabled = Vec::new();
        for name in names {
            match name.as_str() {
                "CONDSTORE" => self.enable_condstore(storage),
                "QRESYNC" => {
                    self.enable_condstore(storage);
                    self.enabled.qresync = true;
                }
                _ => continue,
            }
            enabled.push(name.as_str());
        }
        let list = enabled.iter().map(|name| format!(" {name}")).collect::<String>();
        self.untagged(&format!("ENABLED{list}"));
        self.finish(storage, tag, "Enabled.", true);
    }
}

/// Returns what a signed-in client is offered.
pub(super) fn capabilities() -> &'static str {
    "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ UIDPLUS MOVE UNSELECT NAMESPACE CHILDREN SPECIAL-USE \
     CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH ESORT SORT \
     THREAD=ORDEREDSUBJECT THREAD=REFERENCES SEARCHRES WITHIN CONDSTORE QRESYNC \
     QUOTA QUOTA=RES-STORAGE"
}

fn tag_of(line: &[u8]) -> String {
    Cursor::new(line).tag().map_or_else(|_| "*".to_owned(), str::to_owned)
}
