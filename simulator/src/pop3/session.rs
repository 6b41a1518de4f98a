//! A signed-in POP3 connection on the store host.

use std::collections::BTreeSet;

use super::front::CAPABILITIES;
use super::lines::{Line, Lines};
use crate::Moment;
use crate::journal::{Location, Position};
use crate::mime::header;
use crate::store::handover::Preamble;
use crate::store::{
    Effect, FlagList, FlagVerb, Flags, MailboxId, MailboxName, Outlet, Ranges, Storage, StoreError, UserId,
};

/// Milliseconds without a word after which a client is let go (RFC 1939 §3: at least ten minutes).
const AUTOLOGOUT: u64 = 10 * 60 * 1000;
/// Commands in a row that make no sense before the connection is ended.
const MAX_BAD: u32 = 20;

/// A message as it was when the session began.
#[derive(Debug)]
struct Entry {
    uid: u32,
    content: Location,
}

/// A signed-in POP3 connection.
#[derive(Debug)]
pub struct Session {
    user: UserId,
    epoch: u64,
    lines: Lines,
    /// Whether the input waits for more bytes.
    starved: bool,
    outlet: Outlet,
    mailbox: MailboxId,
    uid_validity: u32,
    entries: Vec<Entry>,
    /// Numbers of messages that go at QUIT, counted from 1.
    deleted: BTreeSet<usize>,
    bad: u32,
    ended: bool,
    last_input: Moment,
}

impl Session {
    /// Begins a session: makes the user's mailboxes when it has none, and answers the sign-in.
    pub fn new(preamble: &Preamble, now: Moment, storage: &mut Storage<'_>) -> Self {
        let entered = storage.mail.enter(storage.disk, now.0 / 1000, &preamble.user, preamble.quota);
        let mut session = Self {
            user: entered.unwrap_or(UserId(u64::MAX)),
            epoch: storage.mail.epoch(),
            lines: Lines::default(),
            starved: true,
            outlet: Outlet::default(),
            mailbox: MailboxId(0),
            uid_validity: 0,
            entries: Vec::new(),
            deleted: BTreeSet::new(),
            bad: 0,
            ended: false,
            last_input: now,
        };
        let inbox = storage.mail.find(session.user, &MailboxName::inbox());
        match inbox.and_then(|inbox| storage.mail.mailbox(session.user, inbox)) {
            Some(inbox) => {
                session.mailbox = inbox.id;
                session.uid_validity = inbox.uid_validity;
                let messages = inbox.messages().iter();
                session.entries = messages.map(|one| Entry { uid: one.uid, content: one.content }).collect();
                session.say("+OK Logged in.");
            }
            None => session.end("-ERR [SYS/TEMP] The mailbox store is not available now."),
        }
        session.outlet.settle(session.user, storage);
        session
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8], storage: &mut Storage<'_>) {
        self.last_input = now;
        self.lines.push(bytes);
        self.starved = false;
        self.pump(now, storage);
    }

    /// Goes on with what there is to do: pipelined commands, a disk that is further.
    pub fn pump(&mut self, _now: Moment, storage: &mut Storage<'_>) {
        if !self.ended && (storage.mail.epoch() != self.epoch || storage.mail.is_failed()) {
            self.outlet.forget_waiting();
            self.end("-ERR [SYS/TEMP] The mailbox store is not available now.");
            self.outlet.release();
            return;
        }
        while !self.ended && !self.outlet.is_full() {
            match self.lines.next() {
                Line::Starved => {
                    self.starved = true;
                    break;
                }
                Line::TooLong => self.end("-ERR Line too long."),
                Line::Whole(line) => self.command(&line, storage),
            }
        }
        self.outlet.settle(self.user, storage);
    }

    /// Returns what is to be done next; `None` when nothing is, or when it waits for the disk.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.outlet.next_effect()
    }

    /// Whether [`Session::pump`] would go on by itself; asked once every effect there is was taken.
    pub fn is_busy(&self) -> bool {
        !self.ended && !self.outlet.is_full() && !self.starved
    }

    /// Whether the session would look at more bytes now; its driver reads no further while not.
    pub fn wants_input(&self) -> bool {
        !self.ended && !self.outlet.is_full()
    }

    /// Returns what the output waits for: the driver calls [`Session::pump`] when the store is that far.
    pub fn waits_for(&self) -> Option<Position> {
        self.outlet.waits_for()
    }

    /// Returns when [`Session::expire`] is to be called.
    pub fn deadline(&self) -> Option<Moment> {
        (!self.ended).then(|| self.last_input.plus(AUTOLOGOUT))
    }

    /// Ends a silent connection; no message goes.
    pub fn expire(&mut self, now: Moment, storage: &mut Storage<'_>) {
        if !self.ended && now >= self.last_input.plus(AUTOLOGOUT) {
            self.end("-ERR Disconnected for inactivity.");
        }
        self.pump(now, storage);
    }

    fn say(&mut self, line: &str) {
        self.outlet.write(line.as_bytes());
        self.outlet.write(b"\r\n");
    }

    fn end(&mut self, line: &str) {
        self.say(line);
        self.ended = true;
        self.outlet.close();
    }

    fn bad(&mut self, problem: &str) {
        self.bad += 1;
        if self.bad >= MAX_BAD {
            self.end("-ERR Too many invalid commands.");
        } else {
            self.say(&format!("-ERR {problem}"));
        }
    }

    fn command(&mut self, line: &[u8], storage: &mut Storage<'_>) {
        let before = self.bad;
        let text = std::str::from_utf8(line).unwrap_or_default();
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default().to_ascii_uppercase();
        let arguments: Vec<&str> = words.collect();
        match (name.as_str(), arguments.as_slice()) {
            ("CAPA", []) => self.say(&format!("+OK\r\n{CAPABILITIES}USER\r\nSASL PLAIN\r\n.")),
            ("NOOP", []) => self.say("+OK"),
            ("STAT", []) => {
                let (count, bytes) = self.total();
                self.say(&format!("+OK {count} {bytes}"));
            }
            ("LIST", arguments) => self.listing(arguments, |_, entry| entry.content.length.to_string()),
            ("UIDL", arguments) => {
                // The form Dovecot gives by default: what POP3 clients keep for years.
                self.listing(arguments, |validity, entry| format!("{:08x}{validity:08x}", entry.uid));
            }
            ("RETR", [number]) => self.retrieve(number, None, storage),
            ("TOP", [number, lines]) => match lines.parse::<u32>() {
                Ok(lines) => self.retrieve(number, Some(lines), storage),
                Err(_) => self.bad("Invalid number of lines."),
            },
            ("DELE", [number]) => {
                if let Some(number) = self.number(number) {
                    self.deleted.insert(number);
                    self.say("+OK Marked to be deleted.");
                }
            }
            ("RSET", []) => {
                self.deleted.clear();
                self.say("+OK");
            }
            ("QUIT", []) => self.quit(storage),
            ("CAPA" | "NOOP" | "STAT" | "RETR" | "TOP" | "DELE" | "RSET" | "QUIT", _) => {
                self.bad("Invalid arguments.");
            }
            _ => self.bad("Unknown command."),
        }
        if self.bad == before {
            self.bad = 0;
        }
    }

    fn total(&self) -> (usize, u64) {
        let left = self.entries.iter().zip(1..).filter(|(_, number)| !self.deleted.contains(number));
        left.fold((0, 0), |(count, bytes), (entry, _)| (count + 1, bytes + u64::from(entry.content.length)))
    }

    /// Reads the number of a message that is not marked; the client is told when it is none.
    fn number(&mut self, text: &str) -> Option<usize> {
        let Some(number) = text.parse::<usize>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())) else {
            self.bad("Invalid message number.");
            return None;
        };
        if number == 0 || number > self.entries.len() {
            self.bad(&format!("There's no message {number}."));
            return None;
        }
        if self.deleted.contains(&number) {
            self.bad("Message is deleted.");
            return None;
        }
        Some(number)
    }

    fn listing(&mut self, arguments: &[&str], shown: impl Fn(u32, &Entry) -> String) {
        let validity = self.uid_validity;
        match arguments {
            [] => {
                let (count, bytes) = self.total();
                let mut text = format!("+OK {count} messages ({bytes} octets)\r\n");
                for (entry, number) in self.entries.iter().zip(1..) {
                    if !self.deleted.contains(&number) {
                        text.push_str(&format!("{number} {}\r\n", shown(validity, entry)));
                    }
                }
                text.push('.');
                self.say(&text);
            }
            [number] => {
                let Some(number) = self.number(number) else { return };
                let Some(entry) = self.entries.get(number - 1) else { return };
                let line = format!("+OK {number} {}", shown(validity, entry));
                self.say(&line);
            }
            _ => self.bad("Invalid arguments."),
        }
    }

    /// RETR, or TOP with so many lines of the body.
    fn retrieve(&mut self, number: &str, lines: Option<u32>, storage: &mut Storage<'_>) {
        let Some(number) = self.number(number) else { return };
        let Some(entry) = self.entries.get(number - 1) else { return };
        let uid = entry.uid;
        let content = match storage.mail.read(storage.disk, entry.content) {
            Ok(content) => content,
            Err(_) => return self.say("-ERR [SYS/TEMP] The message could not be read, try again later."),
        };
        let shown = match lines {
            Some(lines) => top(&content, lines),
            None => &content,
        };
        let mut reply = format!("+OK {} octets\r\n", shown.len()).into_bytes();
        stuff(&mut reply, shown);
        reply.extend_from_slice(b".\r\n");
        self.outlet.write_large(reply);
        if lines.is_none() {
            // As Dovecot does; a message that cannot be marked has been read all the same.
            let seen = FlagList { flags: Flags::SEEN, keywords: Vec::new() };
            let uids = Ranges::of([(uid, uid)]);
            let _ = storage.mail.change_flags(storage.disk, self.user, self.mailbox, &uids, FlagVerb::Add, &seen);
        }
    }

    /// Lets the marked messages go (RFC 1939 §6); when that fails none of them does.
    fn quit(&mut self, storage: &mut Storage<'_>) {
        let uids: Ranges =
            self.deleted.iter().filter_map(|number| self.entries.get(number - 1)).map(|entry| entry.uid).collect();
        let is_empty = uids.is_empty();
        match storage.mail.expunge(storage.disk, self.user, self.mailbox, &uids) {
            Ok(_) if is_empty => self.end("+OK Logging out."),
            // The mailbox went with its user, and the messages with it.
            Ok(_) | Err(StoreError::NoUser | StoreError::NoMailbox) => self.end("+OK Logging out, messages deleted."),
            Err(_) => self.end("-ERR [SYS/TEMP] Logging out, the marked messages could not be deleted."),
        }
    }
}

/// Returns a message's header and so many lines of its body.
fn top(content: &[u8], lines: u32) -> &[u8] {
    let (_, body) = header::split(content);
    let mut end = body;
    for _ in 0..lines {
        let Some(rest) = content.get(end..).filter(|rest| !rest.is_empty()) else { break };
        end += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
    }
    content.get(..end).unwrap_or(content)
}

/// Writes lines with dots doubled and ends as the protocol has them (RFC 1939 §3).
fn stuff(out: &mut Vec<u8>, content: &[u8]) {
    out.reserve(content.len() + content.len() / 64 + 8);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        out.extend_from_slice(b"\r\n");
    }
}
