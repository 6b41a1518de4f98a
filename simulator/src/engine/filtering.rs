//! What a user's Sieve script makes of a message, and carrying it out as Pigeonhole does.
//!
//! What a script sends goes into an mx host's queue under a name, so that a delivery that is tried again sends nothing twice.
//! Where anything cannot be done the message stays in the inbox, or the delivery is put off.

use values::MailAddress;

use super::letters::{self, Letter};
use super::{Engine, Level, Role};
use crate::Moment;
use crate::directory::Mailbox;
use crate::disk::{Disk, DiskError};
use crate::journal::Position;
use crate::mime::header;
use crate::network::HostId;
use crate::queue::{Addressee, Header, NewMessage, NewTarget, Route, Variant};
use crate::smtp::{Body, Received};
use crate::store::{FlagList, Flags, MailStore, UserId};

/// Milliseconds for which a message is not redirected to the same address again (Pigeonhole's
/// `sieve_redirect_duplicate_period`).
const REDIRECTED: u64 = 12 * 3_600 * 1_000;

/// Milliseconds for which it is remembered that a script has run over a message: longer than any queue tries.
const REMEMBERED: u64 = 14 * 86_400 * 1_000;

/// What becomes of one mailbox's copy.
#[derive(Debug, Default)]
pub(super) struct Filed {
    /// Where it goes; nowhere for one that was sent on, refused or thrown away.
    pub(super) copies: Vec<Copy>,
    /// Whether all of it was done before.
    pub(super) repeated: bool,
    /// What is remembered once it is there: keys, and milliseconds.
    pub(super) marks: Vec<(String, u64)>,
    /// Where what was sent lies, until which position.
    pub(super) sent: Option<(HostId, Position)>,
}

/// A copy in a folder.
#[derive(Debug, Default)]
pub(super) struct Copy {
    pub(super) folder: String,
    pub(super) flags: FlagList,
}

impl Copy {
    fn inbox() -> Self {
        Self { folder: "INBOX".to_owned(), flags: FlagList::default() }
    }
}

/// A message on its way to a mailbox.
pub(super) struct Arriving<'a> {
    pub(super) host: HostId,
    /// The name of the delivery.
    pub(super) name: &'a str,
    pub(super) message: &'a Received,
    /// The trace fields of this delivery, without the first, which names the sender.
    pub(super) trace: &'a str,
    /// The whole message as the mailbox gets it.
    pub(super) content: &'a [u8],
    /// The forward-path as it was accepted from outside.
    pub(super) original: Option<MailAddress>,
}

/// What a script may ask the store about.
struct Shelf<'a> {
    mail: &'a MailStore,
    disk: &'a dyn Disk,
    user: UserId,
    now: Moment,
}

impl sieve::Surroundings for Shelf<'_> {
    fn has_mailbox(&self, name: &str) -> bool {
        self.mail.has_folder(self.user, name)
    }

    fn script(&self, global: bool, name: &str) -> Option<Vec<u8>> {
        if global { None } else { self.mail.script(self.disk, self.user, name).ok().flatten() }
    }

    fn is_marked(&self, key: &str) -> bool {
        self.mail.is_marked(self.user, self.now, key)
    }
}

impl Engine {
    /// Runs the user's script over a message and sends what is to be sent.
    ///
    /// - Returns: where the message goes; `None` where no script runs.
    /// - Errors: what must be sent could not be queued; nothing was filed, and the delivery is to be tried again.
    pub(super) fn filter(&mut self, mailbox: &Mailbox, arriving: &Arriving<'_>) -> Option<Result<Filed, DiskError>> {
        if !mailbox.sieve {
            return None;
        }
        let (host, now) = (arriving.host, self.now);
        let office = self.offices.get(&(host, Role::Store))?;
        let (mail, disk) = office.store()?;
        let user = mail.user(&mailbox.address);
        let active = user.and_then(|user| mail.active_script(user));
        if user.is_some_and(|user| mail.is_marked(user, now, &filed_key(arriving.name))) {
            return Some(Ok(Filed { repeated: true, ..Filed::default() }));
        }
        let text = match (user, active) {
            (Some(user), Some(active)) => match mail.script(disk, user, active) {
                Ok(text) => text?,
                Err(error) => return Some(Err(error)),
            },
            _ => mailbox.script.as_ref()?.as_bytes().to_vec(),
        };
        let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let separator = self.topology.mail.subaddress_separator;
        let main = mailbox.address.to_string();
        let recipient = with_detail(&mailbox.address, arriving.original.as_ref(), separator);
        let original = arriving.original.as_ref().map_or_else(|| recipient.clone(), ToString::to_string);
        let sender = arriving.message.envelope.sender.as_ref().map(ToString::to_string);
        let envelope = sieve::Envelope {
            sender: sender.as_deref(),
            recipient: &recipient,
            original: &original,
            user: &main,
            now_seconds: i64::try_from(now.0 / 1_000).unwrap_or(i64::MAX),
            separator,
            host: &hostname,
        };
        let shelf = Shelf { mail, disk, user: user.unwrap_or(UserId(u64::MAX)), now };
        let outcome = match sieve::Script::compile(&text, &sieve::Options::PERSONAL) {
            Ok(script) => script.run(arriving.content, &envelope, &shelf),
            Err(problems) => {
                let first = problems.into_iter().next();
                let (line, message) = first.map_or((0, String::new()), |problem| (problem.line, problem.message));
                sieve::Outcome::failed(line, message)
            }
        };
        let fields = [("user", main.clone()), ("delivery", arriving.name.to_owned())];
        if let Some(failure) = &outcome.failure {
            let mut fields = fields.to_vec();
            fields.push(("line", failure.line.to_string()));
            fields.push(("why", failure.message.clone()));
            self.log(host, "sieve", Level::Warning, "the script failed; the message is kept", &fields);
        }
        let outcome = match self.is_doable(host, mailbox, arriving, &outcome) {
            true => outcome,
            false => {
                self.log(host, "sieve", Level::Warning, "a folder takes nothing; the message is kept", &fields);
                sieve::Outcome { keep: Some(Vec::new()), ..sieve::Outcome::default() }
            }
        };
        Some(self.carry_out(mailbox, arriving, outcome))
    }

    /// Whether all folders are there or may be made, and there is room for all copies.
    fn is_doable(&self, host: HostId, mailbox: &Mailbox, arriving: &Arriving<'_>, outcome: &sieve::Outcome) -> bool {
        let Some((mail, _)) = self.offices.get(&(host, Role::Store)).and_then(super::office::Office::store) else {
            return false;
        };
        let user = mail.user(&mailbox.address);
        let standard = ["INBOX", "Spam", "Sent", "Drafts", "Trash"];
        let mut copies = u64::from(outcome.keep.is_some());
        for action in &outcome.actions {
            let sieve::Action::Store { folder, create, .. } = action else { continue };
            copies += 1;
            let is_there = match user {
                Some(user) => mail.has_folder(user, folder),
                None => standard.contains(&folder.as_str()),
            };
            let may_be_made = *create && crate::store::MailboxName::parse(folder).is_ok();
            if !is_there && !may_be_made {
                return false;
            }
        }
        let used = user.map_or(0, |user| mail.usage(user).bytes);
        let needed = (arriving.content.len() as u64).saturating_mul(copies);
        copies <= 1 || mailbox.quota.is_none_or(|quota| used.saturating_add(needed) <= quota)
    }

    fn carry_out(
        &mut self,
        mailbox: &Mailbox,
        arriving: &Arriving<'_>,
        outcome: sieve::Outcome,
    ) -> Result<Filed, DiskError> {
        let own = mailbox.address.to_string();
        let mut filed = Filed { marks: vec![(filed_key(arriving.name), REMEMBERED)], ..Filed::default() };
        let mut letters: Vec<Letter> = Vec::new();
        let mut is_settled = false;
        let mut was_skipped = false;
        let origin = self.topology.mail.origin.to_string();
        let hostname = self.machine(arriving.host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let desk =
            letters::Desk { now: self.now, hostname: &hostname, origin: &origin, own: &own, name: arriving.name };
        let message = arriving.message;
        let head = header::block(&message.content);
        let field = |name: &str| header::fields(head).find(|field| field.is(name)).map(|field| field.unfolded());
        for action in outcome.actions {
            match action {
                sieve::Action::Store { folder, flags, .. } => {
                    filed.copies.push(Copy { folder, flags: flag_list(&flags) });
                }
                sieve::Action::Discard => is_settled = true,
                sieve::Action::Redirect { to } => {
                    let key = field("Message-ID").map(|id| format!("redirect\0{id}\0{to}"));
                    let mut before = header::fields(head).filter(|field| field.is("X-Sieve-Redirected-From"));
                    let loops = before.any(|field| field.unfolded().trim().eq_ignore_ascii_case(&own));
                    if loops || key.as_ref().is_some_and(|key| self.is_marked(arriving, mailbox, key)) {
                        was_skipped = true;
                        continue;
                    }
                    let Ok(address) = to.parse::<MailAddress>() else {
                        was_skipped = true;
                        continue;
                    };
                    filed.marks.extend(key.map(|key| (key, REDIRECTED)));
                    letters.push(Letter {
                        sender: message.envelope.sender.clone(),
                        to: vec![address],
                        text: letters::redirected(&own, arriving.trace, &message.content),
                        quiet: false,
                    });
                    is_settled = true;
                }
                sieve::Action::Reject { reason } => {
                    is_settled = true;
                    if let Some(sender) = &message.envelope.sender {
                        letters.push(letters::rejected(&desk, sender, &reason, arriving.content));
                    }
                }
                sieve::Action::Vacation(reply) => {
                    let Some(to) = reply.to.as_ref().and_then(|to| to.parse::<MailAddress>().ok()) else { continue };
                    let key = format!("vacation\0{}\0{}", reply.handle, to.key());
                    if !self.is_marked(arriving, mailbox, &key) {
                        filed.marks.push((key, reply.seconds.saturating_mul(1_000)));
                        letters.push(letters::away(&desk, &to, &reply, &message.content));
                    }
                }
                sieve::Action::Notify(notification) => letters.extend(letters::notice(&desk, &notification)),
            }
        }
        filed.marks.extend(outcome.marks.into_iter().map(|mark| (mark.key, mark.seconds.saturating_mul(1_000))));
        if let Some(flags) = &outcome.keep {
            filed.copies.insert(0, Copy { folder: "INBOX".to_owned(), flags: flag_list(flags) });
        }
        // A message that would have gone on and did not stays.
        if filed.copies.is_empty() && (!is_settled || was_skipped && letters.is_empty()) {
            filed.copies.push(Copy::inbox());
        }
        for (number, letter) in letters.into_iter().enumerate() {
            let name = format!("{}.sieve{number}", arriving.name);
            filed.sent = Some(self.post_letter(arriving.host, mailbox, &name, letter, filed.sent)?);
        }
        Ok(filed)
    }

    fn is_marked(&self, arriving: &Arriving<'_>, mailbox: &Mailbox, key: &str) -> bool {
        let office = self.offices.get(&(arriving.host, Role::Store));
        office.and_then(super::office::Office::store).is_some_and(|(mail, _)| {
            mail.user(&mailbox.address).is_some_and(|user| mail.is_marked(user, self.now, key))
        })
    }

    /// Puts a letter into the queue of an mx host, once under its name.
    fn post_letter(
        &mut self,
        store: HostId,
        mailbox: &Mailbox,
        name: &str,
        letter: Letter,
        before: Option<(HostId, Position)>,
    ) -> Result<(HostId, Position), DiskError> {
        let mut hosts = self.hosts_of(Role::Mx, 0);
        // What one message leads to goes to one host, so that there is one to wait for.
        hosts.retain(|&host| before.is_none_or(|(one, _)| one == host));
        let is_up =
            |host: &HostId| self.machine(*host).is_some_and(|machine| machine.up) && self.network.reaches(store, *host);
        let host = hosts.into_iter().find(is_up).ok_or(DiskError::Missing)?;
        let now = self.now;
        let mut position = before.map(|(_, position)| position).unwrap_or_default();
        let named = format!("{name} {}", mailbox.address.key());
        let queue =
            self.offices.get(&(host, Role::Mx)).and_then(super::office::Office::queue).ok_or(DiskError::Missing)?;
        if let Some(taken) = letter.to.first().and_then(|to| queue.taken_before(&named, to)) {
            return Ok((host, position.max(taken)));
        }
        let rewriting = self.topology.mail.forwarding.as_ref().filter(|_| !letter.quiet);
        let rewritten = rewriting
            .zip(letter.sender.as_ref())
            .and_then(|(rules, sender)| super::forwarding::rewrite(rules, now, sender));
        let is_ascii = letter.to.iter().chain(&letter.sender).all(|address| address.to_string().is_ascii());
        let fields = [
            ("user", mailbox.address.to_string()),
            ("to", letter.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ];
        let office = self.offices.get_mut(&(host, Role::Mx)).ok_or(DiskError::Missing)?;
        let (queue, disk) = office.queue_mut().ok_or(DiskError::Missing)?;
        let targets = (letter.to.iter().enumerate())
            .map(|(addressee, address)| NewTarget {
                addressee,
                address: address.clone(),
                sender: rewritten.clone(),
                route: Route::Expand,
                variant: Variant::default(),
            })
            .collect();
        let queued = queue.accept(
            disk,
            NewMessage {
                header: Header {
                    accepted: now,
                    sender: letter.sender,
                    addressees: (letter.to.iter())
                        .map(|address| Addressee { address: address.clone(), notify: None, original: None })
                        .collect(),
                    returned: None,
                    identifier: None,
                    body: if letter.text.is_ascii() { Body::SevenBit } else { Body::EightBit },
                    internationalized: !is_ascii,
                    quiet: letter.quiet,
                },
                targets,
                content: &[&letter.text],
                delivery: Some(named),
                answers: None,
            },
        )?;
        position = position.max(queued.position);
        self.log(store, "sieve", Level::Info, "the script sent mail", &fields);
        Ok((host, position))
    }
}

fn filed_key(name: &str) -> String {
    format!("filed\0{name}")
}

/// Returns the forward-path as the mailbox's own address with the detail it was given.
fn with_detail(main: &MailAddress, original: Option<&MailAddress>, separator: Option<char>) -> String {
    let detail = original.zip(separator).filter(|(original, _)| *original != main).and_then(|(original, separator)| {
        let detail = original.local().as_str().split_once(separator)?.1;
        format!("{}{separator}{detail}@{}", main.local().as_str(), main.domain()).parse::<MailAddress>().ok()
    });
    detail.map_or_else(|| main.to_string(), |address| address.to_string())
}

fn flag_list(flags: &[String]) -> FlagList {
    let mut list = FlagList::default();
    for flag in flags {
        match Flags::named(flag) {
            Some(flag) => list.flags = list.flags.with(flag),
            None => list.add_keyword(flag),
        }
    }
    list
}
