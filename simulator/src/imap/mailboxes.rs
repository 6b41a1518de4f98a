//! Commands about mailboxes as a whole, save LIST (RFC 3501 §6.3, RFC 6154, RFC 8438, RFC 9208).

use super::command::StatusItem;
use super::response;
use super::select::name_of;
use super::session::Session;
use super::utf7;
use crate::Moment;
use crate::store::{Mailbox, MailboxName, NameError, SEPARATOR, SpecialUse, Storage, StoreError};

impl Session {
    fn answer(&mut self, tag: &str, outcome: Result<(), StoreError>, done: &str, storage: &mut Storage<'_>) {
        match outcome {
            Ok(()) => self.finish(storage, tag, done, true),
            Err(error) => self.refused(tag, error),
        }
    }

    pub(super) fn create(
        &mut self,
        now: Moment,
        tag: &str,
        wire: &[u8],
        special: Option<Result<SpecialUse, ()>>,
        storage: &mut Storage<'_>,
    ) {
        let special = match special {
            Some(Err(())) => {
                return self.tagged(tag, "NO", "[USEATTR] That special use is not available.");
            }
            Some(Ok(special)) => Some(special),
            None => None,
        };
        let outcome = created_name(wire)
            .map_err(StoreError::from)
            .and_then(|name| storage.mail.create(storage.disk, now, self.user, &name, special).map(|_| ()));
        self.answer(tag, outcome, "Create completed.", storage);
    }

    pub(super) fn delete(&mut self, tag: &str, wire: &[u8], storage: &mut Storage<'_>) {
        let outcome = name_of(wire).map_err(StoreError::from).and_then(|name| {
            let mailbox = storage.mail.find(self.user, &name);
            if mailbox.is_none() && storage.mail.has_children(self.user, &name) {
                // RFC 3501 §6.3.4: a name that only holds others.
                return Err(StoreError::Forbidden);
            }
            storage.mail.delete(storage.disk, self.user, &name)?;
            Ok(mailbox)
        });
        match outcome {
            Ok(mailbox) => {
                if self.selected.as_ref().map(|selected| selected.mailbox) == mailbox {
                    self.selected = None;
                }
                self.finish(storage, tag, "Delete completed.", true);
            }
            Err(error) => self.refused(tag, error),
        }
    }

    pub(super) fn rename(&mut self, now: Moment, tag: &str, from: &[u8], to: &[u8], storage: &mut Storage<'_>) {
        let outcome = name_of(from)
            .and_then(|from| Ok((from, created_name(to)?)))
            .map_err(StoreError::from)
            .and_then(|(from, to)| storage.mail.rename(storage.disk, now, self.user, &from, &to));
        self.answer(tag, outcome, "Rename completed.", storage);
    }

    pub(super) fn subscribe(&mut self, tag: &str, wire: &[u8], on: bool, storage: &mut Storage<'_>) {
        let outcome = name_of(wire).map_err(StoreError::from).and_then(|name| {
            if on && storage.mail.find(self.user, &name).is_none() && !storage.mail.has_children(self.user, &name) {
                return Err(StoreError::NoMailbox);
            }
            storage.mail.subscribe(storage.disk, self.user, &name, on)
        });
        self.answer(tag, outcome, if on { "Subscribe completed." } else { "Unsubscribe completed." }, storage);
    }

    pub(super) fn status(&mut self, tag: &str, wire: &[u8], items: &[StatusItem], storage: &mut Storage<'_>) {
        if items.contains(&StatusItem::HighestModseq) {
            self.enable_condstore(storage);
        }
        let found = name_of(wire).map_err(StoreError::from).and_then(|name| {
            let id = storage.mail.find(self.user, &name).ok_or(StoreError::NoMailbox)?;
            let mailbox = storage.mail.mailbox(self.user, id).ok_or(StoreError::NoMailbox)?;
            Ok(status_line(name.as_str(), mailbox, items))
        });
        match found {
            Ok(line) => {
                self.untagged(&line);
                self.finish(storage, tag, "Status completed.", true);
            }
            Err(error) => self.refused(tag, error),
        }
    }

    pub(super) fn get_quota(&mut self, tag: &str, root: &str, storage: &mut Storage<'_>) {
        match storage.mail.usage(self.user).limit {
            Some(limit) if root == QUOTA_ROOT => {
                self.tell_quota(limit, storage);
                self.finish(storage, tag, "Getquota completed.", true);
            }
            _ => self.tagged(tag, "NO", "Quota root doesn't exist."),
        }
    }

    /// Tells the quota root of a mailbox; a user without a limit has none.
    pub(super) fn get_quota_root(&mut self, tag: &str, wire: &[u8], storage: &mut Storage<'_>) {
        let name = match name_of(wire) {
            Ok(name) if storage.mail.find(self.user, &name).is_some() => name,
            Ok(_) => return self.refused(tag, StoreError::NoMailbox),
            Err(error) => return self.refused(tag, error.into()),
        };
        let name = response::mailbox_name(name.as_str());
        match storage.mail.usage(self.user).limit {
            Some(limit) => {
                self.untagged(&format!("QUOTAROOT {name} \"{QUOTA_ROOT}\""));
                self.tell_quota(limit, storage);
            }
            None => self.untagged(&format!("QUOTAROOT {name}")),
        }
        self.finish(storage, tag, "Getquotaroot completed.", true);
    }

    fn tell_quota(&mut self, limit: u64, storage: &Storage<'_>) {
        // RFC 9208 §5.1: STORAGE is counted in units of 1,024 octets.
        let used = storage.mail.usage(self.user).bytes.div_ceil(1024);
        self.untagged(&format!("QUOTA \"{QUOTA_ROOT}\" (STORAGE {used} {})", limit / 1024));
    }
}

/// The one quota root, named as Dovecot's usual configuration names it.
const QUOTA_ROOT: &str = "User quota";

/// Reads the name of a mailbox to be made: a separator at its end says that others will lie below it (RFC 3501 §6.3.3).
fn created_name(wire: &[u8]) -> Result<MailboxName, NameError> {
    let text = utf7::decode(wire)?;
    MailboxName::parse(text.strip_suffix(SEPARATOR).unwrap_or(&text))
}

/// Returns a STATUS response without its star.
pub(super) fn status_line(name: &str, mailbox: &Mailbox, items: &[StatusItem]) -> String {
    let recent = mailbox.messages_from(mailbox.recent_from).len();
    let values: Vec<String> = items
        .iter()
        .map(|item| match item {
            StatusItem::Messages => format!("MESSAGES {}", mailbox.messages().len()),
            StatusItem::Recent => format!("RECENT {recent}"),
            StatusItem::UidNext => format!("UIDNEXT {}", mailbox.uid_next),
            StatusItem::UidValidity => format!("UIDVALIDITY {}", mailbox.uid_validity),
            StatusItem::Unseen => format!("UNSEEN {}", mailbox.unseen),
            StatusItem::HighestModseq => format!("HIGHESTMODSEQ {}", mailbox.highest_modseq),
            StatusItem::Size => format!("SIZE {}", mailbox.bytes),
        })
        .collect();
    format!("STATUS {} ({})", response::mailbox_name(name), values.join(" "))
}
