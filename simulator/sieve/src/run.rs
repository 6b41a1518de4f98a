//! Running a script.

mod conditions;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::check;
use crate::message::Message;
use crate::notify::Method;
use crate::outcome::{Action, Mark, Outcome};
use crate::program::{Command, FlagVerb, Program, Test, Vacation, What};
use crate::reply::{self, Notification, Reply};
use crate::text::{MATCHES, Piece, Text};
use crate::{ACTIONS, Options, REDIRECTS};

use values::{flag_list, modified};

/// Deepest nesting of included scripts, and most of them.
const INCLUDE_DEPTH: usize = 10;
const INCLUDES: usize = 255;
/// Work after which a script is taken to run forever: commands, and bytes that are compared.
const WORK: u64 = 200_000_000;
/// Longest value of a variable, in bytes, as the stores are set.
const VALUE_BYTES: usize = 64 << 10;
/// Seconds between answers: as many as nothing is said, at least, at most, as the stores are set.
const ANSWERS: (u64, u64, u64) = (7 * 86_400, 3_600, 60 * 86_400);
/// For how long the `duplicate` test remembers, where a script says nothing, and at most.
const DUPLICATES: (u64, u64) = (12 * 3_600, 2 * 86_400);

/// How a message came, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The reverse-path; `None` for the null one.
    pub sender: Option<&'a str>,
    /// The forward-path.
    pub recipient: &'a str,
    /// The forward-path as the sender spelled it, before aliases.
    pub original: &'a str,
    /// The mailbox's main address.
    pub user: &'a str,
    /// Seconds since 1970.
    pub now_seconds: i64,
    /// What separates a detail from the local part.
    pub separator: Option<char>,
    /// The store's name.
    pub host: &'a str,
}

/// What a script may ask about.
pub trait Surroundings {
    /// Whether a folder exists.
    fn has_mailbox(&self, name: &str) -> bool;
    /// Returns another script: of the same user, or of everybody.
    fn script(&self, global: bool, name: &str) -> Option<Vec<u8>>;
    /// Whether something is remembered.
    fn is_marked(&self, key: &str) -> bool;
}

/// Why a script goes no further.
#[derive(Debug)]
enum Stop {
    Done,
    Returned,
    Broken(Option<String>),
    Failed(u32, String),
}

type Flow = Result<(), Stop>;

/// Variables of one script; those of an included one are its own.
#[derive(Debug, Default)]
struct Scope {
    variables: BTreeMap<String, String>,
    globals: BTreeSet<String>,
}

struct Runner<'a> {
    message: Message<'a>,
    envelope: &'a Envelope<'a>,
    surroundings: &'a dyn Surroundings,
    included: BTreeMap<(bool, String), Program>,
    run: BTreeSet<(bool, String)>,
    scopes: Vec<Scope>,
    globals: BTreeMap<String, String>,
    matches: Vec<String>,
    flags: Vec<String>,
    /// The parts that loops are at.
    parts: Vec<usize>,
    actions: Vec<(u32, Action)>,
    keeps: bool,
    marks: Vec<Mark>,
    work: u64,
}

/// Runs a script over a message.
pub(crate) fn run(
    program: &Program,
    message: &[u8],
    envelope: &Envelope<'_>,
    surroundings: &dyn Surroundings,
) -> Outcome {
    let mut included = BTreeMap::new();
    if let Err((line, problem)) = gather(&program.commands, surroundings, &mut included, &mut Vec::new()) {
        return Outcome::failed(line, problem);
    }
    let mut runner = Runner {
        message: Message::read(message),
        envelope,
        surroundings,
        included,
        run: BTreeSet::new(),
        scopes: vec![Scope::default()],
        globals: BTreeMap::new(),
        matches: Vec::new(),
        flags: Vec::new(),
        parts: Vec::new(),
        actions: Vec::new(),
        keeps: true,
        marks: Vec::new(),
        work: 0,
    };
    match runner.commands(&program.commands) {
        Err(Stop::Failed(line, message)) => Outcome::failed(line, message),
        _ => Outcome {
            keep: runner.keeps.then(|| runner.flags.clone()),
            actions: runner.actions.into_iter().map(|(_, action)| action).collect(),
            failure: None,
            marks: runner.marks,
        },
    }
}

/// Reads the scripts that a script includes, and those that they do.
fn gather(
    commands: &[Command],
    surroundings: &dyn Surroundings,
    found: &mut BTreeMap<(bool, String), Program>,
    around: &mut Vec<(bool, String)>,
) -> Result<(), (u32, String)> {
    for command in commands {
        match &command.what {
            What::If(branches) => {
                for (test, block) in branches {
                    // What can never be reached is not looked at.
                    if !matches!(test, Test::Constant(false)) {
                        gather(block, surroundings, found, around)?;
                    }
                    if matches!(test, Test::Constant(true)) {
                        break;
                    }
                }
            }
            What::EachPart { body, .. } => gather(body, surroundings, found, around)?,
            What::Include { name, global, optional, .. } => {
                let name = name.fixed().unwrap_or_default().to_owned();
                let key = (*global, name);
                if around.contains(&key) {
                    return Err((command.line, "cyclic include".to_owned()));
                }
                if around.len() >= INCLUDE_DEPTH {
                    return Err((command.line, format!("cannot nest includes deeper than {INCLUDE_DEPTH} levels")));
                }
                if found.contains_key(&key) {
                    continue;
                }
                if found.len() >= INCLUDES {
                    return Err((command.line, "too many included scripts".to_owned()));
                }
                let Some(text) = surroundings.script(key.0, &key.1) else {
                    if *optional {
                        continue;
                    }
                    return Err((command.line, format!("included script '{}' does not exist", key.1)));
                };
                let program =
                    check::check(&String::from_utf8_lossy(&text), &Options::PERSONAL).map_err(|problems| {
                        let first = problems.first().map(ToString::to_string).unwrap_or_default();
                        (command.line, format!("failed to compile included script '{}': {first}", key.1))
                    })?;
                around.push(key.clone());
                gather(&program.commands, surroundings, found, around)?;
                around.pop();
                found.insert(key, program);
            }
            _ => {}
        }
    }
    Ok(())
}

impl Runner<'_> {
    fn works(&mut self, line: u32, work: usize) -> Flow {
        self.work = self.work.saturating_add(work as u64);
        match self.work > WORK {
            true => Err(Stop::Failed(line, "execution exceeded the limit of work".to_owned())),
            false => Ok(()),
        }
    }

    fn commands(&mut self, commands: &[Command]) -> Flow {
        for command in commands {
            self.works(command.line, 1)?;
            self.command(command)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command) -> Flow {
        let line = command.line;
        match &command.what {
            What::If(branches) => {
                for (test, block) in branches {
                    if self.test(line, test)? {
                        return self.commands(block);
                    }
                }
                Ok(())
            }
            What::Stop => Err(Stop::Done),
            What::Return => Err(Stop::Returned),
            What::Keep { flags } => {
                let flags = self.flags_for(flags.as_deref());
                self.store(line, "INBOX".to_owned(), flags, false)?;
                self.keeps = false;
                Ok(())
            }
            What::Discard => {
                self.keeps = false;
                self.add(line, Action::Discard)
            }
            What::FileInto { folder, flags, copy, create } => {
                let folder = self.value(folder);
                let flags = self.flags_for(flags.as_deref());
                self.store(line, folder, flags, *create)?;
                self.keeps &= copy;
                Ok(())
            }
            What::Redirect { address, copy } => {
                let text = self.value(address);
                let Some(to) = address::one(&text) else {
                    return Err(Stop::Failed(line, format!("specified redirect address '{text}' is invalid")));
                };
                self.redirect(line, to.to_string())?;
                self.keeps &= copy;
                Ok(())
            }
            What::Reject { reason } => {
                let reason = self.value(reason);
                self.add(line, Action::Reject { reason })?;
                self.keeps = false;
                Ok(())
            }
            What::Vacation(vacation) => self.vacation(line, vacation),
            What::Notify(notify) => self.notify(line, notify),
            What::Set { variable, value, modifiers } => {
                let value = modified(self.value(value), modifiers);
                self.set(variable.global, &variable.name, value);
                Ok(())
            }
            What::Flags { verb, variable, flags } => {
                let given = flag_list(flags.iter().map(|flag| self.value(flag)));
                let name = variable.as_ref().map(|name| self.value(name).to_ascii_lowercase());
                let before = match &name {
                    None => self.flags.clone(),
                    Some(name) => flag_list([self.variable(name)]),
                };
                let is_given = |flag: &String| given.iter().any(|other| other.eq_ignore_ascii_case(flag));
                let after = match verb {
                    FlagVerb::Set => given.clone(),
                    FlagVerb::Add => flag_list(before.into_iter().chain(given.clone())),
                    FlagVerb::Remove => before.into_iter().filter(|flag| !is_given(flag)).collect(),
                };
                match name {
                    None => self.flags = after,
                    Some(name) => self.set(false, &name, after.join(" ")),
                }
                Ok(())
            }
            What::Include { name, global, once, .. } => {
                let key = (*global, name.fixed().unwrap_or_default().to_owned());
                let was_run = !self.run.insert(key.clone());
                if was_run && *once {
                    return Ok(());
                }
                let Some(program) = self.included.get(&key).cloned() else { return Ok(()) };
                self.works(line, 1_000)?;
                self.scopes.push(Scope::default());
                let flow = self.commands(&program.commands);
                self.scopes.pop();
                match flow {
                    Err(Stop::Returned) => Ok(()),
                    other => other,
                }
            }
            What::Global(names) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.globals.extend(names.iter().cloned());
                }
                Ok(())
            }
            What::EachPart { name, body } => self.each_part(name.as_deref(), body),
            What::Break { name } => Err(Stop::Broken(name.clone())),
            What::ExtractText { variable, first, modifiers } => {
                let part = self.parts.last().copied().unwrap_or_default();
                let is_text = self.message.parts.get(part).is_some_and(|part| part.kind.0 == "text");
                let mut text = if is_text { self.message.text(part) } else { String::new() };
                if let Some(first) = first {
                    let mut end = usize::try_from(*first).unwrap_or(usize::MAX).min(text.len());
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.truncate(end);
                }
                self.works(line, text.len())?;
                self.set(variable.global, &variable.name, modified(text, modifiers));
                Ok(())
            }
            What::Error { message } => {
                let message = self.value(message);
                Err(Stop::Failed(line, message))
            }
        }
    }

    fn each_part(&mut self, name: Option<&str>, body: &[Command]) -> Flow {
        let (first, end) = match self.parts.last() {
            None => (0, self.message.parts.len()),
            Some(&around) => (around + 1, self.message.parts.get(around).map_or(0, |part| part.end)),
        };
        for part in first..end {
            self.parts.push(part);
            let flow = self.commands(body);
            self.parts.pop();
            match flow {
                Err(Stop::Broken(broken)) if broken.is_none() || broken.as_deref() == name => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// Notes an action, unless it contradicts another.
    fn add(&mut self, line: u32, action: Action) -> Flow {
        let fails = |message: String| Err(Stop::Failed(line, message));
        for (before, other) in &self.actions {
            match (&action, other) {
                (Action::Reject { .. }, Action::Reject { .. }) => {
                    return fails(format!(
                        "duplicate reject/ereject action not allowed (previously triggered one was line {before})"
                    ));
                }
                (Action::Vacation(_), Action::Vacation(_)) => {
                    return fails(format!(
                        "duplicate vacation action not allowed (previously triggered one was line {before})"
                    ));
                }
                (Action::Reject { .. }, Action::Store { .. } | Action::Redirect { .. })
                | (Action::Store { .. } | Action::Redirect { .. }, Action::Reject { .. }) => {
                    return fails(format!(
                        "reject/ereject action conflicts with other action (line {before}): it tries to deliver the message"
                    ));
                }
                (Action::Reject { .. }, Action::Vacation(_)) | (Action::Vacation(_), Action::Reject { .. }) => {
                    return fails(format!(
                        "reject/ereject action conflicts with other action (line {before}): it also sends a response to the sender"
                    ));
                }
                (Action::Discard, Action::Discard) => return Ok(()),
                _ => {}
            }
        }
        if self.actions.len() >= ACTIONS {
            return fails(format!("total number of actions exceeds policy limit (> {ACTIONS})"));
        }
        self.actions.push((line, action));
        Ok(())
    }

    fn store(&mut self, line: u32, folder: String, flags: Vec<String>, create: bool) -> Flow {
        let same = |name: &str| name == folder || (name == "INBOX" && folder.eq_ignore_ascii_case("INBOX"));
        for (_, action) in &mut self.actions {
            if let Action::Store { folder: before, flags: had, create: made } = action
                && same(before)
            {
                // What is said last counts.
                *had = flags;
                *made |= create;
                return Ok(());
            }
        }
        let folder = if folder.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { folder };
        self.add(line, Action::Store { folder, flags, create })
    }

    fn redirect(&mut self, line: u32, to: String) -> Flow {
        let redirects = || {
            self.actions.iter().filter_map(|(_, action)| match action {
                Action::Redirect { to } => Some(to),
                _ => None,
            })
        };
        if redirects().any(|before| *before == to) {
            return Ok(());
        }
        if redirects().count() >= REDIRECTS {
            return Err(Stop::Failed(line, format!("number of redirect actions exceeds policy limit (> {REDIRECTS})")));
        }
        self.add(line, Action::Redirect { to })
    }

    fn vacation(&mut self, line: u32, vacation: &Vacation) -> Flow {
        let own: Vec<String> = vacation.addresses.iter().map(|address| self.value(address)).collect();
        let to = reply::addressee(&self.message, self.envelope, &own);
        let reason = self.value(&vacation.reason);
        let given = vacation.subject.as_ref().map(|subject| self.value(subject));
        let from = vacation.from.as_ref().map(|from| self.value(from));
        let (default, least, most) = ANSWERS;
        let handle = match &vacation.handle {
            Some(handle) => self.value(handle),
            None => format!(
                "{reason}{}{}{}",
                given.as_deref().unwrap_or("<default-subject>"),
                from.as_deref().unwrap_or("<default-from>"),
                if vacation.mime { "<MIME>" } else { "<NO-MIME>" },
            ),
        };
        let subject = given.unwrap_or_else(|| match self.message.first("Subject") {
            Some(subject) => format!("Auto: {subject}"),
            None => "Automated reply".to_owned(),
        });
        self.add(
            line,
            Action::Vacation(Reply {
                to,
                from: from.unwrap_or_else(|| self.envelope.user.to_owned()),
                subject,
                reason,
                mime: vacation.mime,
                handle,
                seconds: vacation.seconds.unwrap_or(default).clamp(least, most),
            }),
        )
    }

    fn notify(&mut self, line: u32, notify: &crate::program::Notify) -> Flow {
        let uri = self.value(&notify.method);
        let method = Method::parse(&uri).map_err(|problem| Stop::Failed(line, format!("notify command: {problem}")))?;
        let message = notify.message.as_ref().map(|message| self.value(message));
        let from = notify.from.as_ref().map(|from| self.value(from));
        let importance = notify.importance.as_ref().map(|importance| self.value(importance));
        let subject = match (&message, method.subject) {
            (Some(message), _) => message.clone(),
            (None, Some(subject)) => subject,
            (None, None) => match self.message.first("Subject") {
                Some(subject) => format!("Notification: {subject}"),
                None => "Notification: (no subject)".to_owned(),
            },
        };
        self.add(
            line,
            Action::Notify(Notification {
                from,
                to: method.to,
                subject: subject.lines().next().unwrap_or_default().to_owned(),
                body: method.body.unwrap_or_else(|| "Notification of new message.".to_owned()),
                importance: importance.and_then(|text| text.parse().ok()).filter(|n| (1..=3).contains(n)).unwrap_or(2),
            }),
        )
    }

    fn flags_for(&self, given: Option<&[Text]>) -> Vec<String> {
        match given {
            None => self.flags.clone(),
            Some(given) => flag_list(given.iter().map(|flag| self.value(flag))),
        }
    }

    fn is_global(&self, name: &str) -> bool {
        self.scopes.last().is_some_and(|scope| scope.globals.contains(name))
    }

    fn variable(&self, name: &str) -> String {
        let found = match self.is_global(name) {
            true => self.globals.get(name),
            false => self.scopes.last().and_then(|scope| scope.variables.get(name)),
        };
        found.cloned().unwrap_or_default()
    }

    fn set(&mut self, global: bool, name: &str, mut value: String) {
        let mut end = VALUE_BYTES.min(value.len());
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        value.truncate(end);
        if global || self.is_global(name) {
            self.globals.insert(name.to_owned(), value);
        } else if let Some(scope) = self.scopes.last_mut() {
            scope.variables.insert(name.to_owned(), value);
        }
    }

    /// Puts the values of variables in.
    fn value(&self, text: &Text) -> String {
        let mut out = String::new();
        for piece in &text.0 {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Match(number) => out.push_str(self.matches.get(*number).map(String::as_str).unwrap_or_default()),
                Piece::Variable(name) => out.push_str(&self.variable(name)),
                Piece::Global(name) => out.push_str(self.globals.get(name).map(String::as_str).unwrap_or_default()),
            }
            // No string of a script is longer than a script may be.
            if out.len() > crate::SCRIPT_BYTES {
                let mut end = crate::SCRIPT_BYTES;
                while !out.is_char_boundary(end) {
                    end -= 1;
                }
                out.truncate(end);
            }
        }
        out
    }

    fn keep_matches(&mut self, mut found: Vec<String>) {
        found.truncate(MATCHES);
        self.matches = found;
    }
}
