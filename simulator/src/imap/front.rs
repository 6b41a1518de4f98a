//! An IMAP connection on the access host, until somebody has signed in.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::command;
use super::cursor::{Cursor, Syntax};
use super::input::{Event, Input};
use super::settings::Settings;
use crate::Moment;
use crate::directory::{Answer, Identity, Password, Service, SignInRefusal};
use crate::store::handover::Preamble;

/// Bytes of a command with its literals, before anybody has signed in.
const MAX_COMMAND: usize = 8 << 10;
/// Bytes of a refused literal that are read and thrown away.
const MAX_SKIPPED: u64 = 64 << 10;
/// Refused sign-ins after which the connection is ended.
const MAX_REFUSALS: u32 = 5;

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
    /// Waiting for a response of AUTHENTICATE.
    Exchange {
        tag: String,
        mechanism: Mechanism,
    },
    /// The directory is asked.
    Asked {
        tag: String,
    },
    /// A refusal waits to be told.
    Refusing {
        tag: String,
        text: String,
        at: Moment,
    },
    /// TLS is being begun.
    Securing,
    Ended,
}

#[derive(Debug)]
enum Mechanism {
    Plain,
    LoginUser,
    LoginPassword { user: String },
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
    /// Begins a connection with a greeting.
    pub fn new(settings: Arc<Settings>, peer: IpAddr, tls: bool, now: Moment) -> Self {
        let mut front = Self {
            settings,
            peer,
            tls,
            input: Input::new(MAX_COMMAND),
            state: State::Commands,
            effects: VecDeque::new(),
            bad: 0,
            refusals: 0,
            began: now,
        };
        let text = format!("* OK [CAPABILITY {}] {}", front.capabilities(), front.settings.greeting);
        front.line(&text);
        front
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) {
        match self.state {
            // What arrives in plain text before TLS begins is thrown away (RFC 3501 §6.2.1).
            State::Ended | State::Securing => return,
            _ => self.input.push(bytes),
        }
        self.drive(now);
    }

    /// Tells that the connection is behind TLS now.
    pub fn secured(&mut self) {
        self.tls = true;
        self.input.discard();
        if matches!(self.state, State::Securing) {
            self.state = State::Commands;
        }
    }

    /// Takes the directory's answer to a sign-in.
    pub fn complete(&mut self, now: Moment, answer: Answer) {
        let State::Asked { tag } = std::mem::replace(&mut self.state, State::Commands) else { return };
        match answer {
            Answer::SignIn(Ok(identity)) => {
                self.state = State::Ended;
                let preamble = Preamble {
                    service: Service::Imap,
                    tag,
                    tls: self.tls,
                    peer: self.peer,
                    user: identity.mailbox.clone(),
                    quota: identity.quota,
                };
                let rest = self.input.take_rest();
                self.effects.push_back(FrontEffect::HandOver { identity, preamble, rest });
            }
            Answer::SignIn(Err(SignInRefusal::Credentials)) => {
                self.refuse(now, tag, "[AUTHENTICATIONFAILED] Authentication failed.");
            }
            Answer::SignIn(Err(SignInRefusal::ServiceOff)) => {
                self.refuse(now, tag, "[CONTACTADMIN] IMAP is switched off for this mailbox.");
            }
            _ => {
                self.line(&format!("{tag} NO [UNAVAILABLE] Temporary authentication failure."));
                self.drive(now);
            }
        }
    }

    fn refuse(&mut self, now: Moment, tag: String, text: &str) {
        self.refusals += 1;
        let at = now.plus(self.settings.refusal_delay);
        self.state = State::Refusing { tag, text: text.to_owned(), at };
        self.expire(now);
    }

    /// Returns what is to be done next.
    pub fn next_effect(&mut self) -> Option<FrontEffect> {
        self.effects.pop_front()
    }

    /// Whether more bytes would be looked at now.
    pub fn wants_input(&self) -> bool {
        matches!(self.state, State::Commands | State::Exchange { .. })
    }

    /// Returns when [`Front::expire`] is to be called.
    pub fn deadline(&self) -> Option<Moment> {
        match self.state {
            State::Ended => None,
            State::Refusing { at, .. } => Some(at),
            _ => Some(self.began.plus(Settings::SIGN_IN_TIME)),
        }
    }

    /// Does what time asks for: tells a refusal, ends a connection on which nobody signs in.
    pub fn expire(&mut self, now: Moment) {
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Ended => self.state = State::Ended,
            State::Refusing { tag, text, at } if now >= at => {
                self.line(&format!("{tag} NO {text}"));
                if self.refusals >= MAX_REFUSALS {
                    return self.end("Too many failed sign-ins.");
                }
                self.drive(now);
            }
            state => {
                let is_late = now >= self.began.plus(Settings::SIGN_IN_TIME);
                let is_refusing = matches!(state, State::Refusing { .. });
                self.state = state;
                if is_late && !is_refusing {
                    self.end("Disconnected for inactivity.");
                }
            }
        }
    }

    fn capabilities(&self) -> String {
        let mut words = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+".to_owned();
        if !self.tls {
            words.push_str(" STARTTLS");
        }
        words.push_str(if self.may_sign_in() { " AUTH=PLAIN AUTH=LOGIN" } else { " LOGINDISABLED" });
        words
    }

    fn may_sign_in(&self) -> bool {
        self.tls || self.settings.plaintext_login
    }

    fn line(&mut self, text: &str) {
        let line = format!("{text}\r\n").into_bytes();
        if let Some(FrontEffect::Reply(bytes)) = self.effects.back_mut() {
            bytes.extend(line);
        } else {
            self.effects.push_back(FrontEffect::Reply(line));
        }
    }

    fn end(&mut self, text: &str) {
        self.line(&format!("* BYE {text}"));
        self.state = State::Ended;
        self.effects.push_back(FrontEffect::Close);
    }

    fn bad(&mut self, tag: &str, problem: &str) {
        self.line(&format!("{tag} BAD Error in IMAP command: {problem}"));
        self.bad += 1;
        if self.bad >= Settings::MAX_BAD {
            self.end("Too many invalid IMAP commands.");
        }
    }

    fn drive(&mut self, now: Moment) {
        while self.wants_input() {
            match self.input.next() {
                Event::Starved => return,
                Event::LineTooLong => self.end("Too long argument."),
                Event::Streamed(_) => {}
                Event::Literal(announced) => {
                    let inside = matches!(self.state, State::Exchange { .. });
                    if !inside && self.input.accept(announced) {
                        if announced.waits {
                            self.line("+ OK");
                        }
                    } else if announced.waits || announced.size <= MAX_SKIPPED {
                        let tag = tag_of(self.input.so_far());
                        self.input.skip(announced);
                        self.state = State::Commands;
                        self.bad(&tag, "Literal size too large.");
                    } else {
                        self.end("Literal size too large.");
                    }
                }
                Event::Command(line) => match std::mem::replace(&mut self.state, State::Commands) {
                    State::Exchange { tag, mechanism } => self.respond(now, tag, mechanism, &line),
                    _ => self.command(now, &line),
                },
            }
        }
    }

    fn command(&mut self, now: Moment, line: &[u8]) {
        let mut cursor = Cursor::new(line);
        let tag = match cursor.tag() {
            Ok(tag) => tag.to_owned(),
            Err(Syntax(problem)) => return self.bad("*", problem),
        };
        let outcome =
            cursor.space().and_then(|()| cursor.word()).and_then(|name| self.named(now, &tag, &name, &mut cursor));
        match outcome {
            Ok(()) => {}
            Err(Syntax(problem)) => self.bad(&tag, problem),
        }
    }

    fn named(&mut self, now: Moment, tag: &str, name: &str, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        match name {
            "CAPABILITY" => {
                cursor.end()?;
                self.line(&format!("* CAPABILITY {}", self.capabilities()));
                self.line(&format!("{tag} OK Capability completed."));
            }
            "NOOP" => {
                cursor.end()?;
                self.line(&format!("{tag} OK NOOP completed."));
            }
            "ID" => {
                cursor.space()?;
                command::id_parameters(cursor)?;
                cursor.end()?;
                self.line("* ID (\"name\" \"Mailwright\")");
                self.line(&format!("{tag} OK ID completed."));
            }
            "LOGOUT" => {
                cursor.end()?;
                self.end("Logging out");
                // The tagged answer comes before the connection closes.
                self.effects.pop_back();
                self.line(&format!("{tag} OK Logout completed."));
                self.effects.push_back(FrontEffect::Close);
            }
            "STARTTLS" => {
                cursor.end()?;
                if self.tls {
                    return Err(Syntax("TLS is already active."));
                }
                self.line(&format!("{tag} OK Begin TLS negotiation now."));
                self.state = State::Securing;
                self.input.discard();
                self.effects.push_back(FrontEffect::StartTls);
            }
            "LOGIN" => {
                cursor.space()?;
                let user = cursor.text()?;
                cursor.space()?;
                let password = cursor.text()?;
                cursor.end()?;
                if self.is_allowed(tag) {
                    self.ask(tag.to_owned(), user, password);
                }
            }
            "AUTHENTICATE" => {
                cursor.space()?;
                let mechanism = cursor.word()?;
                let initial = if cursor.eat(b' ') { Some(cursor.until_space().to_vec()) } else { None };
                cursor.end()?;
                let mechanism = match mechanism.as_str() {
                    "PLAIN" => Mechanism::Plain,
                    "LOGIN" => Mechanism::LoginUser,
                    _ => {
                        self.line(&format!("{tag} NO [CANNOT] Unsupported authentication mechanism."));
                        return Ok(());
                    }
                };
                if !self.is_allowed(tag) {
                    return Ok(());
                }
                match initial {
                    // RFC 4959: a lone `=` is an empty response.
                    Some(response) => {
                        let response = if response == b"=" { Vec::new() } else { response };
                        self.respond(now, tag.to_owned(), mechanism, &response);
                    }
                    None => self.challenge(tag.to_owned(), mechanism),
                }
            }
            _ => return Err(Syntax("Unknown command, or not allowed before login.")),
        }
        Ok(())
    }

    fn is_allowed(&mut self, tag: &str) -> bool {
        if !self.may_sign_in() {
            self.line(&format!(
                "{tag} NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."
            ));
        }
        self.may_sign_in()
    }

    fn challenge(&mut self, tag: String, mechanism: Mechanism) {
        match mechanism {
            Mechanism::Plain => self.line("+ "),
            Mechanism::LoginUser => self.line("+ VXNlcm5hbWU6"),
            Mechanism::LoginPassword { .. } => self.line("+ UGFzc3dvcmQ6"),
        }
        self.state = State::Exchange { tag, mechanism };
    }

    fn respond(&mut self, now: Moment, tag: String, mechanism: Mechanism, line: &[u8]) {
        if line == b"*" {
            return self.bad(&tag, "Authentication aborted by client.");
        }
        let text = STANDARD.decode(line).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text else {
            return self.refuse(now, tag, "[AUTHENTICATIONFAILED] Invalid response.");
        };
        match mechanism {
            Mechanism::Plain => {
                // RFC 4616 §2: authorization identity, authentication identity, password.
                let mut parts = text.split('\0');
                let (authorize, user, password) = (parts.next(), parts.next(), parts.next());
                match (authorize, user, password, parts.next()) {
                    (Some(authorize), Some(user), Some(password), None)
                        if authorize.is_empty() || authorize == user =>
                    {
                        self.ask(tag, user.to_owned(), password.to_owned());
                    }
                    _ => self.refuse(now, tag, "[AUTHENTICATIONFAILED] Authentication failed."),
                }
            }
            Mechanism::LoginUser => self.challenge(tag, Mechanism::LoginPassword { user: text }),
            Mechanism::LoginPassword { user } => self.ask(tag, user, text),
        }
    }

    fn ask(&mut self, tag: String, user: String, password: String) {
        self.state = State::Asked { tag };
        self.effects.push_back(FrontEffect::SignIn { user, password: Password(password) });
    }
}

fn tag_of(line: &[u8]) -> String {
    Cursor::new(line).tag().map_or_else(|_| "*".to_owned(), str::to_owned)
}
