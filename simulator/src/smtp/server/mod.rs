//! The server's side of SMTP, submission and LMTP.
//!
//! The driver feeds bytes while [`Session::wants_input`] says so, carries out effects in their order, and answers those that
//! ask something with [`Session::complete`]. What a client sent ahead (RFC 2920) waits inside meanwhile.

mod answers;
mod commands;
mod transfer;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use values::MailAddress;

pub use answers::{Completion, Disposition, RecipientAnswer, SignInAnswer};

use super::data::DataReader;
use super::{Envelope, Peer, Received, Recipient, Reply, Setting, Settings};
use crate::Moment;
use crate::directory::{Identity, Password};

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few effects live at a time, and a recipient is asked about in most of them"
)]
pub enum Effect {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Begin the TLS handshake, then call [`Session::secured`]; bytes read before it belong to the handshake.
    StartTls,
    /// Ask whether somebody may sign in; answered with [`Completion::SignIn`].
    SignIn {
        /// The authentication identity as the client spelled it.
        user: String,
        /// The password.
        password: Password,
    },
    /// Ask about a recipient; answered with [`Completion::Recipient`].
    VerifyRecipient {
        /// The reverse-path; `None` is the null one.
        sender: Option<MailAddress>,
        /// The forward-path.
        recipient: MailAddress,
        /// Who signed in, on submission.
        identity: Option<Identity>,
    },
    /// Take a message; answered with [`Completion::Accept`] once it is durable, or refused.
    Accept(Box<Received>),
    /// Close the connection once everything before is sent.
    Close,
}

/// A server's session with one client.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    peer: Peer,
    began: Moment,
    /// When the running line, chunk or message began to be waited for, or last moved on.
    waiting_since: Moment,
    phase: Phase,
    /// Bytes that arrived, and how many of them were looked at.
    pending: Vec<u8>,
    consumed: usize,
    /// How many octets of the line that has not ended are known to hold no line feed.
    scanned: usize,
    /// Whether more had arrived behind the line that is dealt with.
    more: bool,
    effects: VecDeque<Effect>,
    hello: Option<Hello>,
    identity: Option<Identity>,
    transaction: Option<Transaction>,
    errors: u32,
    junk: u32,
}

#[derive(Debug)]
enum Phase {
    /// The greeting is held back; who talks now is refused.
    Greeting,
    Command,
    /// The rest of a line that is too long is thrown away; so many octets were.
    Discarding(u64),
    Sasl(Sasl),
    /// Behind DATA, since then.
    Data(DataReader, Moment),
    /// Behind BDAT.
    Chunk(Chunk),
    AwaitingSignIn,
    AwaitingRecipient(Recipient),
    /// How many recipients the message has, and how they are called in LMTP's replies.
    AwaitingAccept(Vec<MailAddress>),
    Tls,
    Closed,
}

#[derive(Debug)]
enum Sasl {
    Plain,
    LoginUser,
    LoginPassword(Vec<u8>),
}

#[derive(Debug)]
struct Chunk {
    since: Moment,
    size: u64,
    remaining: u64,
    last: bool,
    /// What is said once the octets are read; without it they belong to the message.
    refusal: Option<Reply>,
}

#[derive(Clone, Debug)]
struct Hello {
    name: String,
    extended: bool,
}

/// A mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
struct Transaction {
    envelope: Envelope,
    /// Said to each recipient instead of asking: as Postfix does, a sender is refused at RCPT (`smtpd_delay_reject`).
    sender_refusal: Option<Reply>,
    too_many: usize,
    /// What BDAT brought so far.
    chunks: Option<DataReader>,
    chunks_failed: bool,
}

impl Session {
    /// Begins a session with a client that has connected.
    pub fn new(settings: Arc<Settings>, peer: Peer, now: Moment) -> Self {
        let mut session = Self {
            settings,
            peer,
            began: now,
            waiting_since: now,
            phase: Phase::Greeting,
            pending: Vec::new(),
            consumed: 0,
            scanned: 0,
            more: false,
            effects: VecDeque::new(),
            hello: None,
            identity: None,
            transaction: None,
            errors: 0,
            junk: 0,
        };
        if session.settings.greeting_delay_milliseconds == 0 {
            session.greet();
        }
        session
    }

    /// Takes bytes from the client.
    ///
    /// Everything given while [`Session::wants_input`] is true is kept; what a driver pushes in besides is kept up to
    /// [`super::Limits::pending_bytes`], and ends the session beyond.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) {
        if bytes.is_empty() || matches!(self.phase, Phase::Closed | Phase::Tls) {
            return;
        }
        if matches!(self.phase, Phase::Greeting) {
            self.reply(&Reply::new(554, (5, 5, 0), "Error: the client spoke before the greeting"));
            return self.close();
        }
        let waiting = self.pending.len() - self.consumed;
        if !self.wants_input() && waiting.saturating_add(bytes.len()) > self.settings.limits.pending_bytes {
            self.reply(&Reply::new(421, (4, 7, 0), "Error: too much input ahead of replies"));
            return self.close();
        }
        if matches!(self.phase, Phase::Data(..) | Phase::Chunk(_)) {
            self.waiting_since = now;
        }
        self.pending.extend_from_slice(bytes);
        self.run(now);
    }

    /// Returns what is to be done next, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Answers the effect that asked something. An answer nobody waits for is dropped.
    pub fn complete(&mut self, now: Moment, completion: Completion) {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        match (phase, completion) {
            (Phase::AwaitingSignIn, Completion::SignIn(answer)) => self.signed_in(answer),
            (Phase::AwaitingRecipient(recipient), Completion::Recipient(answer)) => self.verified(recipient, answer),
            (Phase::AwaitingAccept(names), Completion::Accept(dispositions)) => self.accepted(&names, &dispositions),
            (phase, _) => {
                self.phase = phase;
                return;
            }
        }
        self.waiting_since = now;
        self.run(now);
    }

    /// Tells that the TLS handshake has succeeded: everything known before is forgotten (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Tls) {
            self.phase = Phase::Command;
            self.peer.tls = true;
            self.hello = None;
            self.identity = None;
            self.transaction = None;
            self.forget_input();
            self.waiting_since = now;
        }
    }

    /// Whether the driver should read from the client.
    pub fn wants_input(&self) -> bool {
        !matches!(
            self.phase,
            Phase::AwaitingSignIn | Phase::AwaitingRecipient(_) | Phase::AwaitingAccept(_) | Phase::Tls | Phase::Closed
        )
    }

    /// Returns who signed in.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the session is over; effects may still wait to be carried out.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Returns when [`Session::expire`] is due, counted with the moments the session was told.
    pub fn deadline(&self) -> Moment {
        let limits = &self.settings.limits;
        let total = self.began.plus(limits.session_milliseconds);
        let idle = self.waiting_since.plus(limits.idle_milliseconds);
        let paced = |since: Moment, received: u64| {
            let owed = received.saturating_mul(1_000) / limits.data_bytes_per_second.max(1);
            idle.min(since.plus(limits.idle_milliseconds.saturating_add(owed)))
        };
        let next = match &self.phase {
            Phase::Greeting => self.began.plus(self.settings.greeting_delay_milliseconds),
            Phase::Data(reader, since) => paced(*since, reader.received()),
            Phase::Chunk(chunk) => paced(chunk.since, chunk.size - chunk.remaining),
            _ => idle,
        };
        next.min(total)
    }

    /// Tells that the deadline has come: a held greeting is said, anything else ends with 421 (RFC 5321 §4.5.3.2).
    pub fn expire(&mut self, now: Moment) {
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::Closed => {}
            Phase::Greeting => {
                self.waiting_since = now;
                self.greet();
            }
            Phase::Tls => self.close(),
            _ => {
                let text = format!("{} Error: timeout exceeded", self.settings.hostname);
                self.reply(&Reply::new(421, (4, 4, 2), text));
                self.close();
            }
        }
    }

    /// Ends the session from our side with a reason, for a host that is shutting down (421 4.3.2).
    pub fn shut_down(&mut self) {
        if !matches!(self.phase, Phase::Closed) {
            let text = format!("{} Service shutting down", self.settings.hostname);
            self.reply(&Reply::new(421, (4, 3, 2), text));
            self.close();
        }
    }

    /// Tells that the connection is gone. A message in transit is forgotten; one whose answer is awaited is the driver's.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Closed;
        self.forget_input();
        self.effects.clear();
        self.transaction = None;
    }

    fn forget_input(&mut self) {
        self.pending = Vec::new();
        self.consumed = 0;
        self.scanned = 0;
    }

    fn greet(&mut self) {
        self.phase = Phase::Command;
        self.reply(&Reply::plain(220, format!("{} {}", self.settings.hostname, self.settings.greeting)));
    }

    /// Works through what has arrived, until something must be waited for.
    fn run(&mut self, now: Moment) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut input = pending.get(std::mem::take(&mut self.consumed)..).unwrap_or_default();
        loop {
            let scanned = std::mem::take(&mut self.scanned);
            let step = match &mut self.phase {
                Phase::Data(reader, _) => {
                    let (used, ended) = reader.take(input);
                    input = input.get(used..).unwrap_or_default();
                    if ended { Step::Ended } else { Step::Wait }
                }
                Phase::Chunk(chunk) => {
                    let used = usize::try_from(chunk.remaining).unwrap_or(usize::MAX).min(input.len());
                    let (piece, rest) = input.split_at(used);
                    input = rest;
                    chunk.remaining -= used as u64;
                    let done = chunk.remaining == 0;
                    if chunk.refusal.is_none()
                        && let Some(reader) = self.transaction.as_mut().and_then(|open| open.chunks.as_mut())
                    {
                        reader.take(piece);
                    }
                    if done { Step::Ended } else { Step::Wait }
                }
                Phase::Command | Phase::Sasl(_) | Phase::Discarding(_) => {
                    let fresh = input.get(scanned..).unwrap_or_default();
                    match fresh.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            let (line, rest) = input.split_at(scanned + end + 1);
                            input = rest;
                            self.more = !rest.is_empty();
                            Step::Line(line)
                        }
                        None => Step::Partial,
                    }
                }
                _ => Step::Wait,
            };
            match step {
                Step::Ended => {
                    self.waiting_since = now;
                    self.end_of_input(now);
                }
                Step::Line(line) => {
                    self.waiting_since = now;
                    self.line(now, line);
                }
                Step::Partial => {
                    if self.partial(input) {
                        input = &[];
                    } else {
                        self.scanned = input.len();
                    }
                    break;
                }
                Step::Wait => break,
            }
            // STARTTLS throws away what came with it in plain text (RFC 3207 §4.2).
            if matches!(self.phase, Phase::Tls | Phase::Closed) {
                input = &[];
            }
        }
        let rest = input.len();
        if rest > 0 {
            // Moved together only when that is worth its cost, or a thousand pipelined commands would be a thousand copies.
            self.consumed = pending.len() - rest;
            if self.consumed > rest {
                pending.drain(..self.consumed);
                self.consumed = 0;
            }
            self.pending = pending;
        }
    }

    /// Deals with a line whose end is not there yet; tells whether its octets are to be thrown away.
    fn partial(&mut self, input: &[u8]) -> bool {
        let longest = self.longest_line();
        match &mut self.phase {
            Phase::Discarding(discarded) => {
                *discarded = discarded.saturating_add(input.len() as u64);
                if *discarded > self.settings.limits.discarded_bytes {
                    self.reply(&Reply::new(421, (4, 7, 0), "Error: endless command line"));
                    self.close();
                }
                true
            }
            // A TLS hello has no line end; its sender would wait for ever.
            Phase::Command if input.first().is_some_and(|byte| is_foreign(*byte)) => {
                self.foreign();
                true
            }
            phase if input.len() >= longest => {
                let reply = match phase {
                    Phase::Sasl(_) => Reply::new(500, (5, 5, 6), "SASL response limit exceeded"),
                    _ => Reply::new(500, (5, 5, 2), "Error: line too long"),
                };
                self.phase = Phase::Discarding(input.len() as u64);
                self.fail(&reply);
                true
            }
            _ => false,
        }
    }

    fn longest_line(&self) -> usize {
        let limits = &self.settings.limits;
        if self.settings.setting == Setting::Submission {
            limits.command_bytes.max(limits.sasl_bytes)
        } else {
            limits.command_bytes
        }
    }

    fn reply(&mut self, reply: &Reply) {
        if let Some(Effect::Reply(bytes)) = self.effects.back_mut() {
            return reply.write_to(bytes);
        }
        self.effects.push_back(Effect::Reply(reply.to_bytes()));
    }

    /// Replies to something that counts as an error, and ends the session after too many (`smtpd_hard_error_limit`).
    fn fail(&mut self, reply: &Reply) {
        self.reply(reply);
        self.count_error();
    }

    fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
        if self.errors >= self.settings.limits.errors {
            let text = format!("{} Error: too many errors", self.settings.hostname);
            self.reply(&Reply::new(421, (4, 7, 0), text));
            self.close();
        }
    }

    fn close(&mut self) {
        if !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Closed;
            self.forget_input();
            self.transaction = None;
            self.effects.push_back(Effect::Close);
        }
    }
}

/// Tells whether no command begins with an octet, nor an empty line.
fn is_foreign(byte: u8) -> bool {
    !(byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'\t' | b'\r'))
}

enum Step<'a> {
    /// A message or chunk is complete.
    Ended,
    /// A line with its line feed.
    Line(&'a [u8]),
    /// A line without its end.
    Partial,
    /// Nothing can be done now.
    Wait,
}
