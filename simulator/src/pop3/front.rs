//! A POP3 connection on the access host, until somebody has signed in.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::lines::{Line, Lines};
use crate::Moment;
use crate::directory::{Answer, Identity, Password, Service, SignInRefusal};
use crate::store::handover::Preamble;

/// Milliseconds a client has to sign in.
const SIGN_IN_TIME: u64 = 3 * 60 * 1000;
/// Commands that make no sense before the connection is ended.
const MAX_BAD: u32 = 20;
/// Refused sign-ins before the connection is ended.
const MAX_REFUSALS: u32 = 5;

/// Settings of the POP3 service; one for all connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Text of the greeting behind `+OK`.
    pub greeting: String,
    /// Whether a client may sign in without TLS.
    pub plaintext_login: bool,
    /// Milliseconds a refused sign-in waits for its answer.
    pub refusal_delay: u64,
}

/// What a connection that is not signed in wants done.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the largest comes once a connection and is passed on at once")]
pub enum FrontEffect {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Send what was replied, then begin TLS and call [`Front::secured`].
    StartTls,
    /// Ask the directory, and call [`Front::complete`] with its answer.
    SignIn {
        /// The authentication identity as the client spelled it.
        user: String,
        /// The password as the client spelled it.
        password: Password,
    },
    /// The connection goes to the store host: send it the preamble and these bytes, then pass on what both sides say.
    HandOver {
        /// Who signed in, and on which store.
        identity: Identity,
        /// What the store host is told first.
        preamble: Preamble,
        /// What the client sent behind its sign-in.
        rest: Vec<u8>,
    },
    /// Send what was replied, then close the connection; nothing follows.
    Close,
}

#[derive(Debug)]
enum State {
    Commands,
    /// Waiting for AUTH PLAIN's response.
    Exchange,
    Asked,
    /// A refusal waits to be told.
    Refusing {
        text: String,
        at: Moment,
    },
    Securing,
    Ended,
}

/// A connection that nobody has signed in on.
#[derive(Debug)]
pub struct Front {
    settings: Arc<Settings>,
    peer: IpAddr,
    tls: bool,
    lines: Lines,
    state: State,
    user: Option<String>,
    effects: VecDeque<FrontEffect>,
    bad: u32,
    refusals: u32,
    began: Moment,
}

impl Front {
    /// Begins a connection with a greeting.
    pub fn new(settings: Arc<Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        let mut front = Self {
            settings,
            peer,
            tls,
            lines: Lines::default(),
            state: State::Commands,
            user: None,
            effects: VecDeque::new(),
            bad: 0,
            refusals: 0,
            began: now,
        };
        let greeting = format!("+OK {}", front.settings.greeting);
        front.line(&greeting);
        front
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) {
        match self.state {
            // What arrives in plain text before TLS begins is thrown away (RFC 2595 §4).
            State::Ended | State::Securing => return,
            _ => self.lines.push(bytes),
        }
        self.drive(now);
    }

    /// Tells that the connection is behind TLS now.
    pub fn secured(&mut self) {
        self.tls = true;
        self.lines.discard();
        if matches!(self.state, State::Securing) {
            self.state = State::Commands;
        }
    }

    /// Takes the directory's answer to a sign-in.
    pub fn complete(&mut self, now: Moment, answer: Answer) {
        if !matches!(self.state, State::Asked) {
            return;
        }
        self.state = State::Commands;
        match answer {
            Answer::SignIn(Ok(identity)) => {
                self.state = State::Ended;
                let preamble = Preamble {
                    service: Service::Pop3,
                    tag: String::new(),
                    tls: self.tls,
                    peer: self.peer,
                    user: identity.mailbox.clone(),
                    quota: identity.quota,
                };
                let rest = self.lines.take_rest();
                self.effects.push_back(FrontEffect::HandOver { identity, preamble, rest });
            }
            Answer::SignIn(Err(SignInRefusal::Credentials)) => self.refuse(now, "[AUTH] Authentication failed."),
            Answer::SignIn(Err(SignInRefusal::ServiceOff)) => {
                self.refuse(now, "[AUTH] POP3 is switched off for this mailbox.");
            }
            _ => {
                self.line("-ERR [SYS/TEMP] Temporary authentication failure.");
                self.drive(now);
            }
        }
    }

    fn refuse(&mut self, now: Moment, text: &str) {
        self.refusals += 1;
        self.state = State::Refusing { text: text.to_owned(), at: now.plus(self.settings.refusal_delay) };
        self.expire(now);
    }

    /// Returns what is to be done next.
    pub fn next_effect(&mut self) -> Option<FrontEffect> {
        self.effects.pop_front()
    }

    /// Whether more bytes would be looked at now.
    pub fn wants_input(&self) -> bool {
        matches!(self.state, State::Commands | State::Exchange)
    }

    /// Returns when [`Front::expire`] is to be called.
    pub fn deadline(&self) -> Option<Moment> {
        match self.state {
            State::Ended => None,
            State::Refusing { at, .. } => Some(at),
            _ => Some(self.began.plus(SIGN_IN_TIME)),
        }
    }

    /// Does what time asks for: tells a refusal, ends a connection on which nobody signs in.
    pub fn expire(&mut self, now: Moment) {
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Ended => self.state = State::Ended,
            State::Refusing { text, at } if now >= at => {
                self.line(&format!("-ERR {text}"));
                if self.refusals >= MAX_REFUSALS {
                    return self.end();
                }
                self.drive(now);
            }
            state => {
                let is_late = now >= self.began.plus(SIGN_IN_TIME) && !matches!(state, State::Refusing { .. });
                self.state = state;
                if is_late {
                    self.line("-ERR Disconnected for inactivity.");
                    self.end();
                }
            }
        }
    }

    fn line(&mut self, text: &str) {
        let line = format!("{text}\r\n").into_bytes();
        if let Some(FrontEffect::Reply(bytes)) = self.effects.back_mut() {
            bytes.extend(line);
        } else {
            self.effects.push_back(FrontEffect::Reply(line));
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.effects.push_back(FrontEffect::Close);
    }

    fn bad(&mut self, problem: &str) {
        self.line(&format!("-ERR {problem}"));
        self.bad += 1;
        if self.bad >= MAX_BAD {
            self.end();
        }
    }

    fn may_sign_in(&self) -> bool {
        self.tls || self.settings.plaintext_login
    }

    fn drive(&mut self, now: Moment) {
        while self.wants_input() {
            match self.lines.next() {
                Line::Starved => return,
                Line::TooLong => {
                    self.line("-ERR Line too long.");
                    self.end();
                }
                Line::Whole(line) => match std::mem::replace(&mut self.state, State::Commands) {
                    State::Exchange if line == b"*" => self.bad("Authentication aborted by client."),
                    State::Exchange => self.respond(now, &line),
                    _ => self.command(now, &line),
                },
            }
        }
    }

    fn command(&mut self, now: Moment, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return self.bad("Unknown command.") };
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        match name.to_ascii_uppercase().as_str() {
            "CAPA" => {
                let mut words = String::from(CAPABILITIES);
                if !self.tls {
                    words.push_str("STLS\r\n");
                }
                if self.may_sign_in() {
                    words.push_str("USER\r\nSASL PLAIN\r\n");
                }
                self.line(&format!("+OK\r\n{words}."));
            }
            "QUIT" => {
                self.line("+OK Logging out");
                self.end();
            }
            "STLS" if self.tls => self.bad("TLS is already active."),
            "STLS" => {
                self.line("+OK Begin TLS negotiation now.");
                self.state = State::Securing;
                self.lines.discard();
                self.user = None;
                self.effects.push_back(FrontEffect::StartTls);
            }
            "USER" | "PASS" | "AUTH" if !self.may_sign_in() => {
                self.bad("[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
            }
            "USER" if argument.is_empty() => self.bad("[AUTH] A name is missing."),
            "USER" => {
                self.user = Some(argument.to_owned());
                self.line("+OK");
            }
            "PASS" => match self.user.take() {
                Some(user) => self.ask(user, argument.to_owned()),
                None => self.bad("No username given."),
            },
            "AUTH" => {
                let (mechanism, response) = argument.split_once(' ').unwrap_or((argument, ""));
                match (mechanism.to_ascii_uppercase().as_str(), response) {
                    // The oldest form lists the mechanisms.
                    ("", _) => self.line(if self.may_sign_in() { "+OK\r\nPLAIN\r\n." } else { "+OK\r\n." }),
                    ("PLAIN", "") => {
                        self.line("+ ");
                        self.state = State::Exchange;
                    }
                    ("PLAIN", response) => self.respond(now, response.as_bytes()),
                    _ => self.bad("Unsupported authentication mechanism."),
                }
            }
            _ => self.bad("Unknown command."),
        }
    }

    /// Takes AUTH PLAIN's response (RFC 4616 §2).
    fn respond(&mut self, now: Moment, response: &[u8]) {
        let text = STANDARD.decode(response).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.unwrap_or_default();
        let parts: Vec<&str> = text.split('\0').collect();
        match parts.as_slice() {
            [authorize, user, password] if authorize.is_empty() || authorize == user => {
                self.ask((*user).to_owned(), (*password).to_owned());
            }
            _ => self.refuse(now, "[AUTH] Authentication failed."),
        }
    }

    fn ask(&mut self, user: String, password: String) {
        self.state = State::Asked;
        self.effects.push_back(FrontEffect::SignIn { user, password: Password(password) });
    }
}

/// What both hosts offer, a line each.
pub(super) const CAPABILITIES: &str =
    "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nIMPLEMENTATION Mailwright\r\n";
