//! STORE, EXPUNGE, COPY and MOVE (RFC 3501 §6.4, RFC 4315, RFC 6851, RFC 7162).

use super::command::{FetchItem, Store};
use super::fetch::FetchWork;
use super::sequence::SequenceSet;
use super::session::{Session, Work};
use crate::store::{MailboxId, Ranges, Storage, StoreError};

impl Session {
    /// Returns the UIDs a set means to the session; the client is told when it cannot mean any.
    pub(super) fn resolve(&mut self, tag: &str, uid: bool, set: &SequenceSet) -> Option<Ranges> {
        if !self.is_selected(tag) {
            return None;
        }
        let selected = self.selected.as_ref()?;
        let view = &selected.view;
        if *set == SequenceSet::Saved {
            return Some(view.by_uid(&selected.saved));
        }
        if uid {
            return Some(view.by_uid(&set.resolve(view.last_uid())));
        }
        if set.is_beyond(view.len()) {
            self.bad(tag, "Invalid messageset");
            return None;
        }
        Some(view.by_sequence(&set.resolve(view.len())))
    }

    /// Returns the numbers by which the client named messages: UIDs, or sequence numbers.
    fn as_named(&self, uid: bool, uids: &Ranges) -> Ranges {
        match (&self.selected, uid) {
            (Some(selected), false) => uids.iter().filter_map(|uid| selected.view.sequence(uid)).collect(),
            _ => uids.clone(),
        }
    }

    /// Returns the open mailbox for a change; where it is open for reading only the client is told, as Dovecot tells it, that
    /// nothing was done.
    fn writable(&mut self, tag: &str, verb: &str) -> Option<MailboxId> {
        let selected = self.selected.as_ref()?;
        let (mailbox, read_only) = (selected.mailbox, selected.read_only);
        if read_only {
            self.tagged(tag, "OK", &format!("{verb} ignored with read-only mailbox."));
        }
        (!read_only).then_some(mailbox)
    }

    pub(super) fn store(&mut self, tag: &str, uid: bool, set: &SequenceSet, store: &Store, storage: &mut Storage<'_>) {
        let Some(uids) = self.resolve(tag, uid, set) else { return };
        let Some(id) = self.writable(tag, "Store") else { return };
        if store.unchanged_since.is_some() {
            self.enable_condstore(storage);
        }
        if store.silent {
            // What others changed is told first: the client knows its own change and would miss theirs below it.
            self.sync(storage, false, uid);
        }
        let Some(mailbox) = storage.mail.mailbox(self.user, id) else {
            return self.refused(tag, StoreError::NoMailbox);
        };
        let limit = store.unchanged_since.unwrap_or(u64::MAX);
        let (mut fitting, mut modified) = (Ranges::new(), Ranges::new());
        for message in mailbox.within(&uids) {
            if message.modseq > limit {
                modified.push(message.uid);
            } else {
                fitting.push(message.uid);
            }
        }
        let is_missing = fitting.count() + modified.count() < uids.count();
        let changed = match storage.mail.change_flags(storage.disk, self.user, id, &fitting, store.verb, &store.flags) {
            Ok(changed) => changed,
            Err(error) => return self.refused(tag, error),
        };
        if let (Some(modseq), Some(selected)) = (changed, &mut self.selected) {
            selected.note_own(modseq);
        }
        if let Some(mailbox) = storage.mail.mailbox(self.user, id) {
            self.tell_new_keywords(mailbox);
        }
        // RFC 5530: messages that another session expunged.
        let mut code = if is_missing { "[EXPUNGEISSUED] " } else { "" }.to_owned();
        if !modified.is_empty() {
            code = format!("[MODIFIED {}] ", self.as_named(uid, &modified));
        }
        let items = match (store.silent, self.enabled.condstore, changed) {
            (false, ..) => vec![FetchItem::Flags],
            // RFC 7162 §3.1.3: the new modification sequence is told even when flags are not.
            (true, true, Some(_)) => vec![FetchItem::ModSeq],
            _ => Vec::new(),
        };
        let text = format!("{code}Store completed.");
        if items.is_empty() {
            return self.finish_number(storage, tag, &text, uid);
        }
        let work = FetchWork::told_after(tag, uid, fitting, items, self.enabled.condstore, text);
        self.work_on(Work::Fetch(Box::new(work)));
    }

    /// Ends a command of messages: by number nothing may vanish now, by UID it may.
    pub(super) fn finish_number(&mut self, storage: &mut Storage<'_>, tag: &str, text: &str, uid: bool) {
        self.sync(storage, uid, uid);
        if !matches!(self.mode, super::session::Mode::Ended) {
            self.tagged(tag, "OK", text);
        }
    }

    pub(super) fn expunge(&mut self, tag: &str, set: Option<&SequenceSet>, storage: &mut Storage<'_>) {
        let wanted = match set {
            Some(set) => self.resolve(tag, true, set),
            None if self.is_selected(tag) => {
                self.selected.as_ref().map(|selected| selected.view.uids().iter().copied().collect::<Ranges>())
            }
            None => None,
        };
        let Some(wanted) = wanted else { return };
        let Some(id) = self.writable(tag, "Expunge") else { return };
        let deleted = storage.mail.deleted(self.user, id);
        let uids: Ranges = deleted.iter().filter(|uid| wanted.contains(*uid)).collect();
        if let Err(error) = storage.mail.expunge(storage.disk, self.user, id, &uids) {
            return self.refused(tag, error);
        }
        self.sync(storage, true, true);
        let code = match storage.mail.mailbox(self.user, id) {
            Some(mailbox) if self.enabled.qresync => format!("[HIGHESTMODSEQ {}] ", mailbox.highest_modseq),
            _ => String::new(),
        };
        self.finish(storage, tag, &format!("{code}Expunge completed."), true);
    }

    /// Returns the mailbox that messages go to; the client is told when it could be made (RFC 3501 §6.3.11).
    pub(super) fn target(&mut self, tag: &str, wire: &[u8], storage: &Storage<'_>) -> Option<MailboxId> {
        match self.find(wire, storage) {
            Ok(mailbox) => Some(mailbox),
            Err(StoreError::NoMailbox) => {
                self.tagged(tag, "NO", "[TRYCREATE] Mailbox doesn't exist");
                None
            }
            Err(error) => {
                self.refused(tag, error);
                None
            }
        }
    }

    pub(super) fn copy(
        &mut self,
        tag: &str,
        uid: bool,
        set: &SequenceSet,
        wire: &[u8],
        moved: bool,
        storage: &mut Storage<'_>,
    ) {
        let Some(uids) = self.resolve(tag, uid, set) else { return };
        // Dovecot moves out of a mailbox that is open for reading only, too.
        let source = self.selected.as_ref().map(|open| open.mailbox);
        let Some(source) = source else { return };
        let Some(target) = self.target(tag, wire, storage) else { return };
        let copied = match storage.mail.copy(storage.disk, self.user, source, target, &uids, moved) {
            Ok(copied) => copied,
            Err(error) => return self.refused(tag, error),
        };
        let verb = if moved { "Move" } else { "Copy" };
        if copied.source.is_empty() {
            return self.finish(storage, tag, &format!("{verb} completed."), true);
        }
        let code = format!("[COPYUID {} {} {}]", copied.uid_validity, copied.source, copied.target);
        if moved {
            // RFC 6851 §4.3: before the messages vanish.
            self.untagged(&format!("OK {code} Moved UIDs."));
            self.finish(storage, tag, &format!("{verb} completed."), true);
        } else {
            self.finish(storage, tag, &format!("{code} {verb} completed."), true);
        }
    }
}
