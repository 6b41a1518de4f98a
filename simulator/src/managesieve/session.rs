//! A signed-in ManageSieve connection on the store host.

use super::input::{Command, Input, Word};
use super::{noop, offered, string};
use crate::Moment;
use crate::journal::Position;
use crate::store::handover::Preamble;
use crate::store::{Effect, Outlet, Storage, StoreError, UserId};

/// Milliseconds without a word after which a client is let go (RFC 5804 §1.2: at least thirty minutes).
const AUTOLOGOUT: u64 = 30 * 60 * 1000;
/// Commands in a row that make no sense before the connection is ended.
const MAX_BAD: u32 = 20;

/// A signed-in ManageSieve connection.
#[derive(Debug)]
pub struct Session {
    user: UserId,
    epoch: u64,
    input: Input,
    /// Whether the input waits for more bytes.
    starved: bool,
    outlet: Outlet,
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
            input: Input::default(),
            starved: true,
            outlet: Outlet::default(),
            bad: 0,
            ended: false,
            last_input: now,
        };
        match storage.mail.has_user(session.user) {
            true => session.say("OK \"Logged in.\"\r\n"),
            false => session.end("NO (TRYLATER) \"The mailbox store is not available now.\"\r\n"),
        }
        session.outlet.settle(session.user, storage);
        session
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, now: Moment, bytes: &[u8], storage: &mut Storage<'_>) {
        self.last_input = now;
        self.input.push(bytes);
        self.starved = false;
        self.pump(now, storage);
    }

    /// Goes on with what there is to do: pipelined commands, a disk that is further.
    pub fn pump(&mut self, _now: Moment, storage: &mut Storage<'_>) {
        let is_gone =
            storage.mail.epoch() != self.epoch || storage.mail.is_failed() || !storage.mail.has_user(self.user);
        if !self.ended && is_gone {
            self.outlet.forget_waiting();
            self.end("BYE (TRYLATER) \"The mailbox store is not available now.\"\r\n");
            self.outlet.release();
            return;
        }
        while !self.ended && !self.outlet.is_full() {
            match self.input.next() {
                Command::Starved => {
                    self.starved = true;
                    break;
                }
                Command::Broken => self.end("BYE \"Invalid input.\"\r\n"),
                Command::Whole(words) => self.command(&words, storage),
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

    /// Returns how far the disk must be for what waits to be told.
    pub fn waits_for(&self) -> Option<Position> {
        self.outlet.waits_for()
    }

    /// Returns when [`Session::expire`] is to be called.
    pub fn deadline(&self) -> Option<Moment> {
        (!self.ended).then(|| self.last_input.plus(AUTOLOGOUT))
    }

    /// Ends a session on which nobody says anything.
    pub fn expire(&mut self, now: Moment, storage: &mut Storage<'_>) {
        if !self.ended && now >= self.last_input.plus(AUTOLOGOUT) {
            self.end("BYE \"Disconnected for inactivity.\"\r\n");
            self.outlet.settle(self.user, storage);
        }
    }

    fn say(&mut self, text: &str) {
        self.outlet.write(text.as_bytes());
    }

    fn end(&mut self, text: &str) {
        self.say(text);
        self.ended = true;
        self.outlet.close();
    }

    fn no(&mut self, text: &str) {
        let text = string(text);
        self.say(&format!("NO {text}\r\n"));
    }

    fn bad(&mut self, name: &str, problem: &str) {
        self.bad += 1;
        if self.bad >= MAX_BAD {
            return self.end("BYE \"Too many invalid MANAGESIEVE commands.\"\r\n");
        }
        self.no(&format!("Error in MANAGESIEVE command {name}: {problem}"));
    }

    fn command(&mut self, words: &[Word], storage: &mut Storage<'_>) {
        let Some((Word::Atom(name), arguments)) = words.split_first() else {
            if !words.is_empty() {
                self.bad("", "Unknown command.");
            }
            return;
        };
        let name = name.to_ascii_uppercase();
        let wanted: &[Kind] = match name.as_str() {
            "CAPABILITY" | "LOGOUT" | "LISTSCRIPTS" => &[],
            "NOOP" => return self.say(&noop(arguments)),
            "HAVESPACE" => &[Kind::Text, Kind::Number],
            "CHECKSCRIPT" => &[Kind::Script],
            "PUTSCRIPT" => &[Kind::Text, Kind::Script],
            "SETACTIVE" | "GETSCRIPT" | "DELETESCRIPT" => &[Kind::Text],
            "RENAMESCRIPT" => &[Kind::Text, Kind::Text],
            _ => return self.bad(&name, "Unknown command."),
        };
        // Of a script that is too large nothing but its size is known.
        let is_script = matches!(wanted.last(), Some(Kind::Script));
        if is_script && arguments.iter().any(|argument| matches!(argument, Word::TooLarge(_))) {
            return self.too_large();
        }
        if arguments.len() > wanted.len() {
            return self.bad(&name, "Too many arguments.");
        }
        if arguments.len() < wanted.len() {
            // Where a script is awaited, a missing one is found while it is read.
            return self.bad(&name, if is_script { "Invalid arguments." } else { "Missing arguments." });
        }
        let fits = |(kind, word): (&Kind, &Word)| match kind {
            Kind::Text | Kind::Script => matches!(word, Word::Text(_)),
            Kind::Number => matches!(word, Word::Number(_)),
        };
        if !wanted.iter().zip(arguments).all(fits) {
            return self.bad(&name, "Invalid arguments.");
        }
        self.bad = 0;
        match (name.as_str(), arguments) {
            ("CAPABILITY", _) => {
                let redirects = sieve::REDIRECTS;
                self.say(&format!(
                    "{}\"MAXREDIRECTS\" \"{redirects}\"\r\n\"NOTIFY\" \"mailto\"\r\n\"VERSION\" \"1.0\"\r\nOK \"Capability completed.\"\r\n",
                    offered()
                ));
            }
            ("LOGOUT", _) => self.end("OK \"Logout completed.\"\r\n"),
            ("LISTSCRIPTS", _) => {
                for (name, is_active) in storage.mail.scripts(self.user) {
                    let active = if is_active { " ACTIVE" } else { "" };
                    self.say(&format!("{}{active}\r\n", string(&name)));
                }
                self.say("OK \"Listscripts completed.\"\r\n");
            }
            ("HAVESPACE", [Word::Text(name), Word::Number(size)]) => {
                if !sieve::is_script_name(name) {
                    self.no("Invalid script name.");
                } else if *size > sieve::SCRIPT_BYTES as u64 {
                    self.too_large();
                } else {
                    self.say("OK \"Putscript would succeed.\"\r\n");
                }
            }
            ("CHECKSCRIPT", [Word::Text(script)]) => {
                if self.check(None, script, storage) {
                    self.say("OK \"Script checked successfully.\"\r\n");
                }
            }
            ("PUTSCRIPT", [Word::Text(name), Word::Text(script)]) => self.put(name, script, storage),
            ("SETACTIVE", [Word::Text(name)]) if name.is_empty() => {
                let done = storage.mail.activate_script(storage.disk, self.user, None);
                self.tell(done, name, "Active script is now deactivated.");
            }
            ("SETACTIVE", [Word::Text(name)]) => {
                if let Some(problems) = self.missing(name, storage) {
                    return self.no(&problems);
                }
                let done = storage.mail.activate_script(storage.disk, self.user, Some(name));
                self.tell(done, name, "Setactive completed.");
            }
            ("GETSCRIPT", [Word::Text(name)]) => match storage.mail.script(storage.disk, self.user, name) {
                Ok(Some(text)) => {
                    self.say(&format!("{{{}}}\r\n", text.len()));
                    self.outlet.write(&text);
                    self.say("\r\nOK \"Getscript completed.\"\r\n");
                }
                Ok(None) => self.tell(Err(StoreError::NoScript), name, ""),
                Err(error) => self.tell(Err(error.into()), name, ""),
            },
            ("DELETESCRIPT", [Word::Text(name)]) => {
                let done = storage.mail.delete_script(storage.disk, self.user, name);
                self.tell(done, name, "Deletescript completed.");
            }
            ("RENAMESCRIPT", [Word::Text(from), Word::Text(to)]) => {
                if !sieve::is_script_name(to) {
                    return self.no(&format!("Invalid Sieve script name `{to}'."));
                }
                let done = storage.mail.rename_script(storage.disk, self.user, from, to);
                self.tell(done, from, "Renamescript completed.");
            }
            _ => self.bad(&name, "Invalid arguments."),
        }
    }

    fn too_large(&mut self) {
        let most = sieve::SCRIPT_BYTES;
        self.say(&format!("NO (QUOTA/MAXSIZE) \"Script is too large (max {most} bytes).\"\r\n"));
    }

    /// Says what is wrong with a script, or that something of it is missing; returns whether nothing was said.
    fn check(&mut self, name: Option<&str>, text: &str, storage: &Storage<'_>) -> bool {
        if text.len() > sieve::SCRIPT_BYTES {
            self.too_large();
            return false;
        }
        let before = name.map(|name| format!("{name}: ")).unwrap_or_default();
        match sieve::Script::compile(text.as_bytes(), &sieve::Options::PERSONAL) {
            Err(problems) => {
                let mut said = String::new();
                for problem in problems {
                    said.push_str(&format!("{before}{problem}.\r\n"));
                }
                said.push_str(&format!("{before}error: validation failed.\r\n"));
                self.no(&said);
                false
            }
            Ok(script) => {
                let known = storage.mail.scripts(self.user);
                let mut said = String::new();
                for (line, missing) in script.includes() {
                    if !known.iter().any(|(name, _)| name == missing) {
                        said.push_str(&format!(
                            "{before}line {line}: warning: included personal script '{missing}' does not exist (ignored during upload).\r\n"
                        ));
                    }
                }
                if said.is_empty() {
                    return true;
                }
                let said = string(&said);
                self.say(&format!("OK (WARNINGS) {said}\r\n"));
                // What is only warned of is kept all the same, and was answered.
                false
            }
        }
    }

    /// Says which scripts a script includes that are not there; one that runs needs them all.
    fn missing(&self, name: &str, storage: &Storage<'_>) -> Option<String> {
        let text = storage.mail.script(storage.disk, self.user, name).ok().flatten()?;
        let script = sieve::Script::compile(&text, &sieve::Options::PERSONAL).ok()?;
        let known = storage.mail.scripts(self.user);
        let mut said = String::new();
        for (line, missing) in script.includes() {
            if !known.iter().any(|(name, _)| name == missing) {
                said.push_str(&format!(
                    "{name}: line {line}: error: included personal script '{missing}' does not exist.\r\n"
                ));
            }
        }
        (!said.is_empty()).then(|| format!("{said}{name}: error: validation failed.\r\n"))
    }

    fn put(&mut self, name: &str, text: &str, storage: &mut Storage<'_>) {
        if !sieve::is_script_name(name) {
            return self.no(&format!("Invalid Sieve script name `{name}'."));
        }
        let is_whole = text.len() <= sieve::SCRIPT_BYTES
            && sieve::Script::compile(text.as_bytes(), &sieve::Options::PERSONAL).is_ok();
        if is_whole && let Err(error) = storage.mail.put_script(storage.disk, self.user, name, text.as_bytes()) {
            return self.tell(Err(error), name, "");
        }
        if self.check(Some(name), text, storage) {
            self.say("OK \"PUTSCRIPT completed.\"\r\n");
        }
    }

    fn tell(&mut self, outcome: Result<(), StoreError>, name: &str, done: &str) {
        let text = match outcome {
            Ok(()) => format!("OK \"{done}\"\r\n"),
            Err(StoreError::NoScript) => {
                format!("NO (NONEXISTENT) {}\r\n", string(&format!("Sieve script `{name}' not found")))
            }
            Err(StoreError::Exists) => {
                "NO (ALREADYEXISTS) \"A sieve script with that name already exists.\"\r\n".to_owned()
            }
            Err(StoreError::Forbidden) => "NO (ACTIVE) \"Cannot delete the active Sieve script.\"\r\n".to_owned(),
            Err(StoreError::Limit(_)) => "NO (QUOTA/MAXSCRIPTS) \"Too many scripts.\"\r\n".to_owned(),
            Err(_) => "NO (TRYLATER) \"The scripts cannot be reached now.\"\r\n".to_owned(),
        };
        self.say(&text);
    }
}

/// What a command wants at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Script,
    Number,
}
