//! The client's side of SMTP and LMTP: one message to one host, with an outcome for each recipient.
//!
//! The driver connects, then feeds bytes and carries out effects. Exactly one [`Effect::Done`] comes, whatever happens.

mod content;
mod replies;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use content::Content;
use replies::ReplyReader;

use super::{Body, Enhanced, Envelope, Notify, Reply, Return};
use crate::Moment;

/// Whether a session uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tls {
    /// Never asked for.
    Never,
    /// Used when the server offers it (RFC 7435).
    WhenOffered,
    /// Nothing is sent without it.
    Required,
}

/// How a session speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it calls itself.
    pub helo: String,
    /// Whether the server speaks LMTP: LHLO, and one reply for each recipient after the message (RFC 2033).
    pub lmtp: bool,
    /// Whether TLS is used.
    pub tls: Tls,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its envelope; recipients are tried in this order.
    pub envelope: Envelope,
    /// Its octets.
    pub content: Arc<[u8]>,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The server has promised to deliver; its last reply.
    Delivered {
        /// The reply.
        reply: Reply,
    },
    /// It has not.
    Failed {
        /// The reply's code; 0 when the server said nothing.
        code: u16,
        /// The enhanced code, the server's or our own.
        enhanced: Enhanced,
        /// The server's words, or ours when it had none.
        text: String,
        /// Whether trying again is of no use.
        permanent: bool,
    },
}

impl Outcome {
    fn of(reply: &Reply) -> Self {
        if reply.is_positive() {
            return Self::Delivered { reply: reply.clone() };
        }
        let permanent = reply.code >= 500;
        let enhanced = reply.enhanced.unwrap_or(Enhanced(if permanent { 5 } else { 4 }, 0, 0));
        Self::Failed { code: reply.code, enhanced, text: reply.text.clone(), permanent }
    }

    fn trouble(enhanced: (u8, u16, u16), text: &str) -> Self {
        let enhanced = Enhanced(enhanced.0, enhanced.1, enhanced.2);
        Self::Failed { code: 0, enhanced, text: text.to_owned(), permanent: enhanced.0 == 5 }
    }
}

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send these bytes; ask for the next effect when they are on their way, so that a long message is not held twice.
    Send(Vec<u8>),
    /// Begin the TLS handshake, then call [`Session::secured`], or [`Session::disconnected`] when it fails.
    StartTls,
    /// The outcomes, in the envelope's order of recipients.
    Done(Vec<Outcome>),
    /// Close the connection.
    Close,
}

/// A client's session with one server for one message.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    message: Message,
    phase: Phase,
    since: Moment,
    replies: ReplyReader,
    effects: VecDeque<Effect>,
    secure: bool,
    offers: Offers,
    /// What the replies to come belong to.
    expected: VecDeque<Expected>,
    next_recipient: usize,
    outcomes: Vec<Option<Outcome>>,
    /// Recipients that were accepted and wait for the message's reply.
    accepted: VecDeque<usize>,
    content: Option<Content>,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Hello,
    PlainHello,
    StartTls,
    Handshake,
    Envelope,
    Sending,
    /// The message is sent, or its lone dot where nobody takes it.
    Sent,
    Quitting,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Mail,
    Recipient(usize),
    Data,
}

#[derive(Clone, Debug, Default)]
struct Offers {
    pipelining: bool,
    starttls: bool,
    eight_bit: bool,
    utf8: bool,
    dsn: bool,
    delivery: bool,
    size: Option<u64>,
}

/// Commands that may wait for their replies at a time (RFC 2920 leaves it open; a window keeps both buffers small).
const WINDOW: usize = 100;

impl Session {
    /// Begins a session on a connection that stands.
    pub fn new(settings: Settings, message: Message, now: Moment) -> Self {
        let outcomes = vec![None; message.envelope.recipients.len()];
        Self {
            settings,
            message,
            phase: Phase::Greeting,
            since: now,
            replies: ReplyReader::default(),
            effects: VecDeque::new(),
            secure: false,
            offers: Offers::default(),
            expected: VecDeque::new(),
            next_recipient: 0,
            outcomes,
            accepted: VecDeque::new(),
            content: None,
            done: false,
        }
    }

    /// Takes bytes from the server.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) {
        // Plain text that comes where the handshake should be was put there by somebody else.
        if matches!(self.phase, Phase::Closed | Phase::Handshake) {
            return;
        }
        self.replies.push(bytes);
        loop {
            match self.replies.next() {
                Ok(Some(reply)) => self.reply(now, &reply),
                Ok(None) => return,
                Err(_) => {
                    self.settle(&Outcome::trouble((4, 5, 0), "the server's reply cannot be understood"));
                    return self.close();
                }
            }
            match self.phase {
                Phase::Closed => return,
                Phase::Handshake => return self.replies.clear(),
                _ => {}
            }
        }
    }

    /// Returns what is to be done next, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if let Some(effect) = self.effects.pop_front() {
            return Some(effect);
        }
        let content = self.content.as_mut()?;
        let piece = content.next();
        if content.has_ended() {
            self.content = None;
            self.phase = Phase::Sent;
        }
        piece.map(Effect::Send)
    }

    /// Tells that bytes went out, so that a slow but moving transfer is not given up (RFC 5321 §4.5.3.2.5).
    pub fn progressed(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Sending | Phase::Sent) {
            self.since = now;
        }
    }

    /// Tells that the TLS handshake has succeeded; what the server offers is asked anew (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Moment) {
        if self.phase == Phase::Handshake {
            self.secure = true;
            self.replies.clear();
            self.say_hello(now);
        }
    }

    /// Returns when [`Session::expire`] is due (RFC 5321 §4.5.3.2).
    pub fn deadline(&self) -> Moment {
        let minutes = match self.phase {
            Phase::Envelope if self.expected.front() == Some(&Expected::Data) => 2,
            Phase::Sending => 3,
            Phase::Sent => 10,
            Phase::Quitting => return self.since.plus(10_000),
            Phase::Closed => return Moment(u64::MAX),
            _ => 5,
        };
        self.since.plus(minutes * 60_000)
    }

    /// Tells that the deadline has come: who has no outcome failed for now.
    pub fn expire(&mut self, now: Moment) {
        if now >= self.deadline() {
            self.settle(&Outcome::trouble((4, 4, 2), "the server took too long"));
            self.close();
        }
    }

    /// Tells that the connection is gone: who has no outcome failed for now.
    pub fn disconnected(&mut self) {
        self.settle(&Outcome::trouble((4, 4, 2), "lost the connection to the server"));
        self.phase = Phase::Closed;
        self.effects.retain(|effect| matches!(effect, Effect::Done(_)));
    }

    /// Whether the session is over; effects may still wait to be carried out.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether TLS protects the session.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    fn reply(&mut self, now: Moment, reply: &Reply) {
        self.since = now;
        // RFC 5321 §3.8: the server goes away, whatever was asked.
        if reply.code == 421 && self.phase != Phase::Quitting {
            self.settle(&Outcome::of(reply));
            return self.close();
        }
        match self.phase {
            Phase::Greeting if reply.is_positive() => self.say_hello(now),
            // As Postfix does (smtp_skip_5xx_greeting): another host of the domain may be kinder.
            Phase::Greeting => self.give_up(&match Outcome::of(reply) {
                Outcome::Failed { code, text, .. } => {
                    Outcome::Failed { code, enhanced: Enhanced(4, 3, 2), text, permanent: false }
                }
                delivered @ Outcome::Delivered { .. } => delivered,
            }),
            Phase::Hello if reply.is_positive() => self.greeted(now, &reply.text.clone()),
            Phase::Hello if reply.code >= 500 && !self.settings.lmtp => {
                self.phase = Phase::PlainHello;
                self.send(now, &format!("HELO {}\r\n", self.settings.helo.clone()));
            }
            Phase::PlainHello if reply.is_positive() => self.greeted(now, ""),
            Phase::StartTls if reply.code == 220 => {
                self.phase = Phase::Handshake;
                self.effects.push_back(Effect::StartTls);
            }
            Phase::StartTls if self.settings.tls != Tls::Required => self.begin_envelope(now),
            Phase::StartTls => self.give_up(&Outcome::trouble((4, 7, 4), "the server refused TLS, which is required")),
            Phase::Envelope => self.envelope_reply(now, reply),
            Phase::Sending => {
                // A reply before the message's end: nothing can be said any more that the server would understand.
                self.settle(&failure(reply));
                self.close();
            }
            Phase::Sent => self.final_reply(now, reply),
            Phase::Quitting => self.close(),
            Phase::Hello | Phase::PlainHello => self.give_up(&failure(reply)),
            Phase::Handshake | Phase::Closed => {}
        }
    }

    fn say_hello(&mut self, now: Moment) {
        self.phase = Phase::Hello;
        let verb = if self.settings.lmtp { "LHLO" } else { "EHLO" };
        self.send(now, &format!("{verb} {}\r\n", self.settings.helo.clone()));
    }

    fn greeted(&mut self, now: Moment, text: &str) {
        self.offers = Offers::default();
        for line in text.split('\n').skip(1) {
            let mut words = line.split(' ');
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => self.offers.pipelining = true,
                "STARTTLS" => self.offers.starttls = true,
                "8BITMIME" => self.offers.eight_bit = true,
                "SMTPUTF8" => self.offers.utf8 = true,
                "DSN" => self.offers.dsn = true,
                "XDELIVERY" => self.offers.delivery = true,
                "SIZE" => self.offers.size = words.next().and_then(|size| size.parse().ok()).filter(|size| *size > 0),
                _ => {}
            }
        }
        match self.settings.tls {
            Tls::WhenOffered | Tls::Required if self.offers.starttls && !self.secure => {
                self.phase = Phase::StartTls;
                self.send(now, "STARTTLS\r\n");
            }
            Tls::Required if !self.secure => {
                self.give_up(&Outcome::trouble((4, 7, 4), "the server offers no TLS, which is required"));
            }
            _ => self.begin_envelope(now),
        }
    }

    fn begin_envelope(&mut self, now: Moment) {
        let size = self.message.content.len() as u64;
        if self.offers.size.is_some_and(|most| size > most) {
            return self.give_up(&Outcome::trouble((5, 3, 4), "the message is larger than the server takes"));
        }
        if self.needs_utf8() && !self.offers.utf8 {
            // RFC 6531 §3.1 item 8: it must not be sent.
            return self.give_up(&Outcome::trouble((5, 6, 7), "the server takes no internationalized mail"));
        }
        self.phase = Phase::Envelope;
        let envelope = &self.message.envelope;
        let mut line = match &envelope.sender {
            Some(sender) => format!("MAIL FROM:<{sender}>"),
            None => "MAIL FROM:<>".to_owned(),
        };
        if self.offers.size.is_some() {
            line.push_str(&format!(" SIZE={size}"));
        }
        // Gap: RFC 6152 §3, eight bits go to a server without 8BITMIME as they are, undeclared; re-encoding would break
        // signatures, and no server met in the field minds.
        if self.offers.eight_bit && (envelope.body == Body::EightBit || !self.message.content.is_ascii()) {
            line.push_str(" BODY=8BITMIME");
        }
        if self.offers.utf8 && (envelope.internationalized || self.needs_utf8()) {
            line.push_str(" SMTPUTF8");
        }
        if self.offers.dsn {
            match envelope.returned {
                Some(Return::Full) => line.push_str(" RET=FULL"),
                Some(Return::Headers) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(identifier) = &envelope.identifier {
                line.push_str(&format!(" ENVID={identifier}"));
            }
        }
        if self.offers.delivery
            && let Some(delivery) = &envelope.delivery
        {
            line.push_str(&format!(" XDELIVERY={delivery}"));
        }
        line.push_str("\r\n");
        self.expected.push_back(Expected::Mail);
        self.send(now, &line);
        if self.offers.pipelining {
            self.send_recipients(now);
        }
    }

    /// Whether an address or the header is not ASCII.
    fn needs_utf8(&self) -> bool {
        let envelope = &self.message.envelope;
        let addresses = envelope.sender.iter().chain(envelope.recipients.iter().map(|to| &to.address));
        let mut locals = addresses.map(values::MailAddress::local);
        locals.any(|local| !local.is_ascii())
            || (envelope.internationalized && !crate::mime::header::block(&self.message.content).is_ascii())
    }

    /// Sends as many RCPT commands as may be under way, and DATA behind the last.
    fn send_recipients(&mut self, now: Moment) {
        let window = if self.offers.pipelining { WINDOW } else { 1 };
        let mut lines = String::new();
        while self.expected.len() < window
            && let Some(recipient) = self.message.envelope.recipients.get(self.next_recipient)
        {
            lines.push_str(&format!("RCPT TO:<{}>", recipient.address));
            if self.offers.dsn {
                if let Some(notify) = recipient.notify {
                    lines.push_str(&format!(" NOTIFY={}", notify_words(notify)));
                }
                if let Some(original) = &recipient.original {
                    lines.push_str(&format!(" ORCPT={original}"));
                }
            }
            lines.push_str("\r\n");
            self.expected.push_back(Expected::Recipient(self.next_recipient));
            self.next_recipient += 1;
        }
        let complete = self.next_recipient >= self.message.envelope.recipients.len();
        if complete && self.expected.len() < window && !self.expected.contains(&Expected::Data) {
            lines.push_str("DATA\r\n");
            self.expected.push_back(Expected::Data);
        }
        if !lines.is_empty() {
            self.send(now, &lines);
        }
    }

    fn envelope_reply(&mut self, now: Moment, reply: &Reply) {
        match self.expected.pop_front() {
            Some(Expected::Mail) if reply.is_positive() => {}
            Some(Expected::Mail) => {
                self.settle(&failure(reply));
                // Commands already sent are answered yet; without them the session is over.
                if self.expected.is_empty() {
                    return self.quit(now);
                }
            }
            Some(Expected::Recipient(index)) => {
                if let Some(slot @ None) = self.outcomes.get_mut(index) {
                    if reply.is_positive() {
                        self.accepted.push_back(index);
                    } else {
                        *slot = Some(failure(reply));
                    }
                }
            }
            Some(Expected::Data) if reply.code == 354 => {
                if self.accepted.is_empty() {
                    // RFC 2920 §3.1: nobody takes the message, so it is empty.
                    self.phase = Phase::Sent;
                    self.send(now, ".\r\n");
                } else {
                    self.content = Some(Content::new(Arc::clone(&self.message.content)));
                    self.phase = Phase::Sending;
                }
                return;
            }
            Some(Expected::Data) => {
                self.settle(&failure(reply));
                return self.quit(now);
            }
            None => return self.give_up(&Outcome::trouble((4, 5, 0), "the server replied to nothing")),
        }
        let nobody = self.accepted.is_empty() && self.next_recipient >= self.outcomes.len();
        if self.expected.is_empty() && (nobody || self.done) {
            self.settle(&Outcome::trouble((4, 5, 0), "the server left a recipient without a reply"));
            return self.quit(now);
        }
        if !self.done {
            self.send_recipients(now);
        }
    }

    /// Deals with a reply to the message itself.
    fn final_reply(&mut self, now: Moment, reply: &Reply) {
        let outcome = if reply.is_positive() { Outcome::of(reply) } else { failure(reply) };
        let each = self.settings.lmtp;
        while let Some(index) = self.accepted.pop_front() {
            if let Some(slot) = self.outcomes.get_mut(index) {
                *slot = Some(outcome.clone());
            }
            if each {
                break;
            }
        }
        if self.accepted.is_empty() && self.phase == Phase::Sent {
            self.settle(&Outcome::trouble((4, 5, 0), "the server left a recipient without a reply"));
            self.quit(now);
        }
    }

    fn send(&mut self, now: Moment, text: &str) {
        self.since = now;
        match self.effects.back_mut() {
            Some(Effect::Send(bytes)) => bytes.extend_from_slice(text.as_bytes()),
            _ => self.effects.push_back(Effect::Send(text.as_bytes().to_vec())),
        }
    }

    /// Gives every recipient without an outcome this one, and tells them all, once.
    fn settle(&mut self, outcome: &Outcome) {
        if self.done {
            return;
        }
        self.done = true;
        let outcomes = std::mem::take(&mut self.outcomes);
        let outcomes = outcomes.into_iter().map(|slot| slot.unwrap_or_else(|| outcome.clone())).collect();
        self.effects.push_back(Effect::Done(outcomes));
    }

    fn give_up(&mut self, outcome: &Outcome) {
        self.settle(outcome);
        self.quit(self.since);
    }

    fn quit(&mut self, now: Moment) {
        self.phase = Phase::Quitting;
        self.send(now, "QUIT\r\n");
    }

    fn close(&mut self) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.content = None;
            self.effects.push_back(Effect::Close);
        }
    }
}

/// Reads a reply that is no success. One that is neither that nor a failure (a 3xx) is a failure for now.
fn failure(reply: &Reply) -> Outcome {
    if reply.code >= 400 { Outcome::of(reply) } else { Outcome::trouble((4, 5, 0), "the server's reply fits nothing") }
}

fn notify_words(notify: Notify) -> String {
    let words: Vec<&str> = [("SUCCESS", notify.success), ("FAILURE", notify.failure), ("DELAY", notify.delay)]
        .into_iter()
        .filter_map(|(word, wanted)| wanted.then_some(word))
        .collect();
    if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }
}
