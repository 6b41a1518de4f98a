//! What is done to mailboxes as a whole: making, naming, deleting, subscribing.

use super::name::MailboxName;
use super::record::{NewMailbox, Record};
use super::{MailStore, Mailbox, MailboxId, Ranges, SpecialUse, StoreError, UserId};
use crate::Moment;
use crate::disk::Disk;

/// How many mailboxes a user may have.
const MAX_MAILBOXES: usize = 10_000;
/// How many names a user may subscribe.
const MAX_SUBSCRIPTIONS: usize = 20_000;

impl MailStore {
    /// Returns the mailbox of that name.
    pub fn find(&self, user: UserId, name: &MailboxName) -> Option<MailboxId> {
        self.state.users.get(&user)?.names.get(name).copied()
    }

    /// Returns a mailbox.
    pub fn mailbox(&self, user: UserId, mailbox: MailboxId) -> Option<&Mailbox> {
        self.open_mailbox(user, mailbox).ok()
    }

    /// Returns every mailbox of a user with its name, sorted by name.
    pub fn mailboxes(&self, user: UserId) -> impl Iterator<Item = (&MailboxName, &Mailbox)> + '_ {
        self.state
            .users
            .get(&user)
            .into_iter()
            .flat_map(|user| user.names.iter().filter_map(|(name, id)| Some((name, user.mailboxes.get(id)?))))
    }

    /// Returns the name of a mailbox.
    pub fn name_of(&self, user: UserId, mailbox: MailboxId) -> Option<&MailboxName> {
        self.state.users.get(&user)?.name_of(mailbox)
    }

    /// Whether a mailbox of the user lies below the name.
    pub fn has_children(&self, user: UserId, name: &MailboxName) -> bool {
        let Some(user) = self.state.users.get(&user) else { return false };
        user.names.range(name.first_below()..).next().is_some_and(|(other, _)| name.is_above(other))
    }

    /// Returns the subscribed names, sorted; not all of them are mailboxes.
    pub fn subscriptions(&self, user: UserId) -> impl Iterator<Item = &str> + '_ {
        self.state.users.get(&user).into_iter().flat_map(|user| user.subscriptions.iter().map(String::as_str))
    }

    /// Whether a name is subscribed.
    pub fn is_subscribed(&self, user: UserId, name: &str) -> bool {
        self.state.users.get(&user).is_some_and(|user| user.subscriptions.contains(name))
    }

    /// Makes a mailbox.
    ///
    /// - Errors: [`StoreError::Exists`], limits, the disk's.
    pub fn create(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        user: UserId,
        name: &MailboxName,
        special: Option<SpecialUse>,
    ) -> Result<MailboxId, StoreError> {
        let of = self.of(user)?;
        if of.names.contains_key(name) {
            return Err(StoreError::Exists);
        }
        if of.names.len() >= MAX_MAILBOXES {
            return Err(StoreError::Limit("mailboxes"));
        }
        let id = MailboxId(of.next_mailbox);
        let seconds = u32::try_from(now.0 / 1000).unwrap_or(u32::MAX);
        if of.next_validity == u32::MAX || of.next_mailbox == u32::MAX {
            return Err(StoreError::Limit("mailboxes"));
        }
        let uid_validity = of.next_validity.max(seconds.min(u32::MAX - 1));
        let mailbox = NewMailbox { id, name: name.as_str().to_owned(), uid_validity, special };
        self.write(disk, Record::MailboxMade { user, mailbox }, &[])?;
        Ok(id)
    }

    /// Renames a mailbox and every mailbox below it. Renaming the inbox moves its messages and leaves it empty
    /// (RFC 3501 §6.3.5).
    ///
    /// - Errors: [`StoreError::NoMailbox`], [`StoreError::Exists`], [`StoreError::Forbidden`] when a mailbox would get
    ///   below itself, names that become too long, the disk's.
    pub fn rename(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        user: UserId,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<(), StoreError> {
        let of = self.of(user)?;
        if of.names.contains_key(to) {
            return Err(StoreError::Exists);
        }
        if from.is_inbox() {
            let inbox = of.names.get(from).copied().ok_or(StoreError::NoMailbox)?;
            let target = self.create(disk, now, user, to, None)?;
            let uids: Ranges = self.open_mailbox(user, inbox)?.messages().iter().map(|message| message.uid).collect();
            if !uids.is_empty() {
                self.copy(disk, user, inbox, target, &uids, true)?;
            }
            return Ok(());
        }
        if from.is_above(to) || to.is_inbox() {
            return Err(StoreError::Forbidden);
        }
        let mut names = Vec::new();
        for (name, id) in &of.names {
            if name == from || from.is_above(name) {
                let renamed = name.renamed(from, to)?;
                if of.names.contains_key(&renamed) {
                    return Err(StoreError::Exists);
                }
                names.push((*id, renamed.as_str().to_owned()));
            }
        }
        if names.is_empty() {
            return Err(StoreError::NoMailbox);
        }
        self.write(disk, Record::MailboxesRenamed { user, names }, &[])?;
        Ok(())
    }

    /// Deletes a mailbox and its messages; mailboxes below it stay.
    ///
    /// - Errors: [`StoreError::Forbidden`] for the inbox, [`StoreError::NoMailbox`], the disk's.
    pub fn delete(&mut self, disk: &mut dyn Disk, user: UserId, name: &MailboxName) -> Result<(), StoreError> {
        if name.is_inbox() {
            return Err(StoreError::Forbidden);
        }
        let mailbox = self.find(user, name).ok_or(StoreError::NoMailbox)?;
        self.write(disk, Record::MailboxGone { user, mailbox }, &[])?;
        Ok(())
    }

    /// Subscribes a name or ends its subscription.
    ///
    /// - Errors: [`StoreError::Limit`], the disk's.
    pub fn subscribe(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        name: &MailboxName,
        on: bool,
    ) -> Result<(), StoreError> {
        let of = self.of(user)?;
        if of.subscriptions.contains(name.as_str()) == on {
            return Ok(());
        }
        if on && of.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(StoreError::Limit("subscriptions"));
        }
        self.write(disk, Record::Subscribed { user, name: name.as_str().to_owned(), on }, &[])?;
        Ok(())
    }
}
