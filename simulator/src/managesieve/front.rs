//! A ManageSieve connection on the access host, until somebody has signed in.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::input::{Command, Input, Word};
use super::{noop, offered};
use crate::Moment;
use crate::directory::{Answer, Password, Service, SignInRefusal};
use crate::pop3::FrontEffect;
use crate::store::handover::Preamble;

/// Milliseconds a client has to sign in.
const SIGN_IN_TIME: u64 = 3 * 60 * 1000;
/// Commands that make no sense before the connection is ended.
const MAX_BAD: u32 = 3;
/// Refused sign-ins before the connection is ended.
const MAX_REFUSALS: u32 = 5;

/// Settings of the ManageSieve service; one for all connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Text of the greeting.
    pub greeting: String,
    /// Whether a client may sign in without TLS.
    pub plaintext_login: bool,
    /// Milliseconds a refused sign-in waits for its answer.
    pub refusal_delay: u64,
}

#[derive(Debug)]
enum State {
    Commands,
    /// Waiting for the response of AUTHENTICATE PLAIN.
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
    input: Input,
    state: State,
    effects: VecDeque<FrontEffect>,
    bad: u32,
    refusals: u32,
    began: Moment,
}

impl Front {
    /// Begins a connection with a greeting: what is offered.
    pub fn new(settings: Arc<Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        let mut front = Self {
            settings,
            peer,
            tls,
            input: Input::default(),
            state: State::Commands,
            effects: VecDeque::new(),
            bad: 0,
            refusals: 0,
            began: now,
        };
        let greeting = front.settings.greeting.clone();
        front.capabilities(&greeting);
        front
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) {
        match self.state {
            // What arrives in plain text before TLS begins is thrown away.
            State::Ended | State::Securing => return,
            _ => self.input.push(bytes),
        }
        self.drive(now);
    }

    /// Tells that the connection is behind TLS now; what is offered is said again (RFC 5804 §2.2).
    pub fn secured(&mut self) {
        self.tls = true;
        self.input.discard();
        if matches!(self.state, State::Securing) {
            self.state = State::Commands;
            self.capabilities("TLS negotiation successful.");
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
                    service: Service::Sieve,
                    tag: String::new(),
                    tls: self.tls,
                    peer: self.peer,
                    user: identity.mailbox.clone(),
                    quota: identity.quota,
                };
                let rest = self.input.take_rest();
                self.effects.push_back(FrontEffect::HandOver { identity, preamble, rest });
            }
            Answer::SignIn(Err(SignInRefusal::Credentials)) => self.refuse(now, "Authentication failed."),
            Answer::SignIn(Err(SignInRefusal::ServiceOff)) => {
                self.refuse(now, "ManageSieve is switched off for this mailbox.");
            }
            _ => {
                self.say("NO (TRYLATER) \"Temporary authentication failure.\"\r\n");
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
                self.say(&format!("NO \"{text}\"\r\n"));
                if self.refusals >= MAX_REFUSALS {
                    return self.end();
                }
                self.drive(now);
            }
            state => {
                let is_late = now >= self.began.plus(SIGN_IN_TIME) && !matches!(state, State::Refusing { .. });
                self.state = state;
                if is_late {
                    self.say("BYE \"Disconnected for inactivity.\"\r\n");
                    self.end();
                }
            }
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(FrontEffect::Reply(bytes)) = self.effects.back_mut() {
            bytes.extend_from_slice(text.as_bytes());
        } else {
            self.effects.push_back(FrontEffect::Reply(text.as_bytes().to_vec()));
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.effects.push_back(FrontEffect::Close);
    }

    fn may_sign_in(&self) -> bool {
        self.tls || self.settings.plaintext_login
    }

    fn capabilities(&mut self, text: &str) {
        let mut lines = offered();
        lines.push_str("\"NOTIFY\" \"mailto\"\r\n");
        lines.push_str(if self.may_sign_in() { "\"SASL\" \"PLAIN\"\r\n" } else { "\"SASL\" \"\"\r\n" });
        if !self.tls {
            lines.push_str("\"STARTTLS\"\r\n");
        }
        lines.push_str(&format!("\"VERSION\" \"1.0\"\r\nOK \"{text}\"\r\n"));
        self.say(&lines);
    }

    fn bad(&mut self) {
        self.bad += 1;
        if self.bad >= MAX_BAD {
            self.say("BYE \"Too many invalid MANAGESIEVE commands.\"\r\n");
            return self.end();
        }
        self.say("NO \"Error in MANAGESIEVE command received by server.\"\r\n");
    }

    fn drive(&mut self, now: Moment) {
        while self.wants_input() {
            match self.input.next() {
                Command::Starved => return,
                Command::Broken => {
                    self.say("BYE \"Invalid input.\"\r\n");
                    self.end();
                }
                Command::Whole(words) => match std::mem::replace(&mut self.state, State::Commands) {
                    State::Exchange => match words.as_slice() {
                        [Word::Text(response)] if response == "*" => {
                            self.say("NO \"Authentication aborted by client.\"\r\n");
                        }
                        [Word::Text(response)] => self.respond(now, response),
                        _ => self.bad(),
                    },
                    _ => self.command(now, &words),
                },
            }
        }
    }

    fn command(&mut self, now: Moment, words: &[Word]) {
        let Some((Word::Atom(name), arguments)) = words.split_first() else {
            if !words.is_empty() {
                self.bad();
            }
            return;
        };
        match (name.to_ascii_uppercase().as_str(), arguments) {
            ("CAPABILITY", []) => self.capabilities("Capability completed."),
            ("NOOP", arguments) => self.say(&noop(arguments)),
            ("LOGOUT", []) => {
                self.say("OK \"Logout completed.\"\r\n");
                self.end();
            }
            ("STARTTLS", []) if self.tls => self.say("NO \"TLS is already active.\"\r\n"),
            ("STARTTLS", []) => {
                self.say("OK \"Begin TLS negotiation now.\"\r\n");
                self.state = State::Securing;
                self.input.discard();
                self.effects.push_back(FrontEffect::StartTls);
            }
            ("AUTHENTICATE", [Word::Text(_), ..]) if !self.may_sign_in() => {
                let text = "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.";
                self.say(&format!("NO (ENCRYPT-NEEDED) \"{text}\"\r\n"));
            }
            ("AUTHENTICATE", [Word::Text(mechanism), rest @ ..]) if rest.len() <= 1 => {
                if !mechanism.eq_ignore_ascii_case("PLAIN") {
                    return self.say("NO \"Unsupported authentication mechanism.\"\r\n");
                }
                match rest {
                    [Word::Text(response)] => self.respond(now, response),
                    [] => {
                        self.say("\"\"\r\n");
                        self.state = State::Exchange;
                    }
                    _ => self.bad(),
                }
            }
            _ => self.bad(),
        }
    }

    /// Takes the response of PLAIN (RFC 4616 §2).
    fn respond(&mut self, now: Moment, response: &str) {
        let Ok(bytes) = STANDARD.decode(response) else {
            return self.say("NO \"Invalid base64 data in initial response\"\r\n");
        };
        let text = String::from_utf8(bytes).unwrap_or_default();
        let parts: Vec<&str> = text.split('\0').collect();
        match parts.as_slice() {
            [authorize, user, password] if authorize.is_empty() || authorize == user => {
                self.state = State::Asked;
                let (user, password) = ((*user).to_owned(), Password((*password).to_owned()));
                self.effects.push_back(FrontEffect::SignIn { user, password });
            }
            _ => self.refuse(now, "Authentication failed."),
        }
    }
}
