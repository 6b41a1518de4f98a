//! Opening and leaving mailboxes, and telling what changed in the open one.

use super::command::Qresync;
use super::response;
use super::sequence::View;
use super::session::{Mode, Session};
use super::utf7;
use crate::store::{Flags, Mailbox, MailboxId, MailboxName, NameError, Ranges, Storage, StoreError};

/// The mailbox a session has open, as the client knows it.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) mailbox: MailboxId,
    pub(super) view: View,
    pub(super) read_only: bool,
    /// Messages that are recent in this session.
    pub(super) recent: Ranges,
    /// The user's change count when the client was last told everything.
    pub(super) changes: u64,
    /// UIDs from here on are unknown to the client.
    uid_next: u32,
    /// Flags up to this modification sequence are told.
    flags_told: u64,
    /// Expunges up to this modification sequence are told.
    expunges_told: u64,
    /// Changes after `flags_told` that the client made itself and knows.
    own: Vec<u64>,
    keywords: usize,
    /// SEARCHRES's `$`, as UIDs.
    pub(super) saved: Ranges,
}

impl Selected {
    /// Notes a change that the client has been told already.
    pub(super) fn note_own(&mut self, modseq: u64) {
        self.own.push(modseq);
    }

    pub(super) fn is_recent(&self, uid: u32) -> bool {
        self.recent.contains(uid)
    }
}

/// Reads a mailbox's name as it came over the wire.
pub(super) fn name_of(wire: &[u8]) -> Result<MailboxName, NameError> {
    MailboxName::parse(&utf7::decode(wire)?)
}

impl Session {
    /// Returns the mailbox behind a wire name.
    pub(super) fn find(&self, wire: &[u8], storage: &Storage<'_>) -> Result<MailboxId, StoreError> {
        storage.mail.find(self.user, &name_of(wire)?).ok_or(StoreError::NoMailbox)
    }

    pub(super) fn select(
        &mut self,
        tag: &str,
        wire: &[u8],
        examine: bool,
        condstore: bool,
        qresync: Option<&Qresync>,
        storage: &mut Storage<'_>,
    ) {
        if qresync.is_some() && !self.enabled.qresync {
            return self.bad(tag, "QRESYNC isn't enabled.");
        }
        // RFC 3501 §6.3.1: the old mailbox is closed whether or not the new one can be opened.
        if self.selected.take().is_some() {
            self.untagged("OK [CLOSED] Previous mailbox closed.");
        }
        let id = match self.find(wire, storage) {
            Ok(id) => id,
            Err(error) => return self.refused(tag, error),
        };
        self.enabled.condstore |= condstore;
        let recent_from = match storage.mail.mailbox(self.user, id) {
            Some(mailbox) if examine => mailbox.recent_from,
            _ => storage.mail.claim_recent(storage.disk, self.user, id),
        };
        let changes = storage.mail.changes(self.user);
        let Some(mailbox) = storage.mail.mailbox(self.user, id) else {
            return self.refused(tag, StoreError::NoMailbox);
        };
        let view = View::new(mailbox.messages().iter().map(|message| message.uid).collect());
        let recent: Ranges = mailbox.messages_from(recent_from).iter().map(|message| message.uid).collect();
        self.tell_flags(mailbox, examine);
        self.untagged(&format!("{} EXISTS", view.len()));
        self.untagged(&format!("{} RECENT", recent.count()));
        let unseen = mailbox.messages().iter().zip(1_u32..).find(|(message, _)| !message.flags.contains(Flags::SEEN));
        if let Some((_, first)) = unseen {
            self.untagged(&format!("OK [UNSEEN {first}] First unseen."));
        }
        self.untagged(&format!("OK [UIDVALIDITY {}] UIDs valid", mailbox.uid_validity));
        self.untagged(&format!("OK [UIDNEXT {}] Predicted next UID", mailbox.uid_next));
        // Dovecot counts modifications from the moment that somebody asks for them.
        if self.enabled.condstore {
            self.untagged(&format!("OK [HIGHESTMODSEQ {}] Highest", mailbox.highest_modseq));
        }
        self.selected = Some(Selected {
            mailbox: id,
            view,
            read_only: examine,
            recent,
            changes,
            uid_next: mailbox.uid_next,
            flags_told: mailbox.highest_modseq,
            expunges_told: mailbox.highest_modseq,
            own: Vec::new(),
            keywords: mailbox.keywords.len(),
            saved: Ranges::new(),
        });
        if let Some(qresync) = qresync.filter(|qresync| qresync.uid_validity == mailbox.uid_validity) {
            self.resynchronise(mailbox, qresync);
        }
        let (mode, verb) = if examine { ("READ-ONLY", "Examine") } else { ("READ-WRITE", "Select") };
        self.tagged(tag, "OK", &format!("[{mode}] {verb} completed."));
    }

    /// Tells a client that knows the mailbox what has changed since (RFC 7162 §3.2.5).
    fn resynchronise(&mut self, mailbox: &Mailbox, qresync: &Qresync) {
        let known = match &qresync.known {
            Some(known) => known.clone(),
            None if mailbox.uid_next > 1 => Ranges::of([(1, mailbox.uid_next - 1)]),
            None => Ranges::new(),
        };
        let vanished = vanished_since(mailbox, &known, qresync.modseq);
        if !vanished.is_empty() {
            self.untagged(&format!("VANISHED (EARLIER) {vanished}"));
        }
        let changed = mailbox.changed_after(qresync.modseq);
        self.tell_changes(mailbox, changed.into_iter().filter(|uid| known.contains(*uid)), true);
    }

    fn tell_flags(&mut self, mailbox: &Mailbox, read_only: bool) {
        let mut names: Vec<&str> = Flags::NAMED.iter().map(|(_, name)| *name).collect();
        names.extend(mailbox.keywords.iter().map(String::as_str));
        let names = names.join(" ");
        self.untagged(&format!("FLAGS ({names})"));
        if read_only {
            self.untagged("OK [PERMANENTFLAGS ()] Read-only mailbox.");
        } else if mailbox.keywords.len() < crate::store::MAX_KEYWORDS {
            self.untagged(&format!("OK [PERMANENTFLAGS ({names} \\*)] Flags permitted."));
        } else {
            self.untagged(&format!("OK [PERMANENTFLAGS ({names})] Flags permitted."));
        }
    }

    /// Tells the mailbox's flags again when it has learnt keywords, before any message is shown with them.
    pub(super) fn tell_new_keywords(&mut self, mailbox: &Mailbox) {
        let Some(selected) = &mut self.selected else { return };
        let knew = std::mem::replace(&mut selected.keywords, mailbox.keywords.len());
        let read_only = selected.read_only;
        if mailbox.keywords.len() > knew {
            self.tell_flags(mailbox, read_only);
        }
    }

    /// Tells flags of messages in FETCH responses nobody asked for.
    fn tell_changes(&mut self, mailbox: &Mailbox, uids: impl Iterator<Item = u32>, with_uid: bool) {
        let Some(selected) = &self.selected else { return };
        let mut out = Vec::new();
        for uid in uids {
            let (Some(message), Some(sequence)) = (mailbox.message(uid), selected.view.sequence(uid)) else { continue };
            let flags = response::flags(mailbox, message, selected.is_recent(uid));
            let mut line = format!("* {sequence} FETCH (");
            if with_uid || self.enabled.qresync {
                line.push_str(&format!("UID {uid} "));
            }
            if self.enabled.condstore {
                line.push_str(&format!("MODSEQ ({}) ", message.modseq));
            }
            line.push_str(&format!("FLAGS {flags})\r\n"));
            out.extend_from_slice(line.as_bytes());
        }
        self.out().write(&out);
    }

    /// Tells the client everything that changed in its mailbox since it was last told.
    ///
    /// - `expunges`: whether messages may vanish now.
    /// - `with_uid`: whether flags are told with UIDs, as after UID commands.
    pub(super) fn sync(&mut self, storage: &mut Storage<'_>, expunges: bool, with_uid: bool) {
        let changes = storage.mail.changes(self.user);
        let Some(selected) = &mut self.selected else { return };
        if selected.changes == changes {
            return;
        }
        let id = selected.mailbox;
        let recent_from = match storage.mail.mailbox(self.user, id) {
            Some(mailbox) if selected.read_only || mailbox.uid_next == selected.uid_next => u32::MAX,
            Some(_) => storage.mail.claim_recent(storage.disk, self.user, id),
            None => {
                // RFC 2180 §3.3: the mailbox is gone, its client is too.
                self.selected = None;
                if !matches!(self.mode, Mode::Ended) {
                    self.end("Selected mailbox was deleted, have to disconnect.");
                }
                return;
            }
        };
        let changes = storage.mail.changes(self.user);
        let Some(mailbox) = storage.mail.mailbox(self.user, id) else { return };
        let mut told_all = true;
        let mut lost_recent = false;
        if expunges {
            let gone = match mailbox.expunged_after(selected.expunges_told) {
                Some(gone) => gone,
                None => selected.view.uids().iter().copied().filter(|uid| mailbox.message(*uid).is_none()).collect(),
            };
            selected.expunges_told = mailbox.highest_modseq;
            let uids: Ranges = selected.view.by_uid(&gone);
            let sequences = if uids.is_empty() { Vec::new() } else { selected.view.remove(&uids) };
            let recent: Ranges = selected.view.by_uid(&selected.recent);
            lost_recent = recent.count() < selected.recent.count();
            selected.recent = recent;
            if self.enabled.qresync && !uids.is_empty() {
                self.untagged(&format!("VANISHED {uids}"));
            } else {
                // From the end, so that no number moves before it is told.
                for sequence in sequences.iter().rev() {
                    self.untagged(&format!("{sequence} EXPUNGE"));
                }
            }
        } else {
            told_all = mailbox.expunged_after(selected.expunges_told).is_some_and(|gone| gone.is_empty());
        }
        let Some(selected) = &mut self.selected else { return };
        let first_new = selected.uid_next;
        if mailbox.uid_next > first_new {
            let mut recent = selected.recent.ranges().to_vec();
            for message in mailbox.messages_from(first_new) {
                selected.view.push(message.uid);
                if message.uid >= recent_from {
                    recent.push((message.uid, message.uid));
                }
            }
            selected.recent = Ranges::of(recent);
            selected.uid_next = mailbox.uid_next;
            let (exists, recent) = (selected.view.len(), selected.view.by_uid(&selected.recent).count());
            self.untagged(&format!("{exists} EXISTS"));
            self.untagged(&format!("{recent} RECENT"));
        } else if lost_recent {
            let recent = selected.recent.count();
            self.untagged(&format!("{recent} RECENT"));
        }
        let Some(selected) = &mut self.selected else { return };
        let (flags_told, own) = (selected.flags_told, std::mem::take(&mut selected.own));
        selected.flags_told = mailbox.highest_modseq;
        if told_all {
            selected.changes = changes;
        }
        self.tell_new_keywords(mailbox);
        let changed = mailbox.changed_after(flags_told).into_iter().filter(|uid| {
            *uid < first_new && mailbox.message(*uid).is_some_and(|message| !own.contains(&message.modseq))
        });
        let changed: Vec<u32> = changed.collect();
        self.tell_changes(mailbox, changed.into_iter(), with_uid);
    }

    pub(super) fn enable_condstore(&mut self, storage: &Storage<'_>) {
        if self.enabled.condstore {
            return;
        }
        self.enabled.condstore = true;
        let mailbox = self.selected.as_ref().and_then(|selected| storage.mail.mailbox(self.user, selected.mailbox));
        if let Some(mailbox) = mailbox {
            // RFC 7162 §3.1: what the client learns from here on counts from this.
            self.untagged(&format!("OK [HIGHESTMODSEQ {}] Highest", mailbox.highest_modseq));
        }
    }

    /// CLOSE, which expunges, or UNSELECT, which does not (RFC 3691).
    pub(super) fn close(&mut self, tag: &str, expunge: bool, storage: &mut Storage<'_>) {
        if !self.is_selected(tag) {
            return;
        }
        let Some(selected) = self.selected.take() else { return };
        if expunge && !selected.read_only {
            let deleted = storage.mail.deleted(self.user, selected.mailbox);
            let uids = selected.view.by_uid(&deleted);
            if let Err(error) = storage.mail.expunge(storage.disk, self.user, selected.mailbox, &uids) {
                self.selected = Some(selected);
                return self.refused(tag, error);
            }
        }
        self.tagged(tag, "OK", if expunge { "Close completed." } else { "Unselect completed." });
    }
}

/// Returns the UIDs of a set that have vanished since a modification sequence; all that do not exist when that is too long ago.
pub(super) fn vanished_since(mailbox: &Mailbox, known: &Ranges, modseq: u64) -> Ranges {
    match mailbox.expunged_after(modseq) {
        Some(gone) => intersection(&gone, known),
        None => {
            let existing: Vec<u32> = mailbox.within(known).map(|message| message.uid).collect();
            let below = Ranges::of([(1, mailbox.uid_next.saturating_sub(1).max(1))]);
            without(&intersection(known, &below), &existing)
        }
    }
}

fn intersection(one: &Ranges, other: &Ranges) -> Ranges {
    let (mut left, mut right) = (one.ranges().iter().peekable(), other.ranges().iter().peekable());
    let mut both = Vec::new();
    while let (Some((a, b)), Some((c, d))) = (left.peek(), right.peek()) {
        let (first, last) = (*a.max(c), *b.min(d));
        if first <= last {
            both.push((first, last));
        }
        if b < d {
            left.next();
        } else {
            right.next();
        }
    }
    Ranges::of(both)
}

/// Returns a set without some of its numbers, which come sorted.
fn without(set: &Ranges, numbers: &[u32]) -> Ranges {
    let mut rest = Vec::new();
    let mut numbers = numbers.iter().copied().peekable();
    for (first, last) in set.ranges() {
        let mut from = *first;
        while let Some(number) = numbers.next_if(|number| number <= last) {
            if number > from {
                rest.push((from, number - 1));
            }
            from = from.max(number.saturating_add(1));
        }
        if from <= *last {
            rest.push((from, *last));
        }
    }
    Ranges::of(rest)
}
