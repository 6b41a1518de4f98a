//! The durable store of one store host: users, their mailboxes, their messages.
//!
//! Everything is a change in a [journal](crate::journal) first and memory second; what memory holds of a message is some
//! sixty bytes, its content stays on the disk. A change that could not be written has not happened.
//!
//! What may be told to anybody is what is durable: a change asks for a sync by itself, [`MailStore::position`] says what
//! an answer about a user has to wait for, and [`MailStore::durable_to`] how far the disk is. Answers about what others
//! changed wait too, since a UID that was shown must never be given again (RFC 3501 §2.3.1.1).
//!
//! After a sync that failed the store refuses work; its owner calls [`MailStore::reopen`], and sessions that were begun
//! before, which see another [`MailStore::epoch`], end.

mod delivery;
mod flags;
pub mod handover;
mod mailbox;
mod mailboxes;
mod messages;
mod name;
mod outlet;
mod ranges;
mod record;
mod scripts;
mod special;
mod state;
#[cfg(test)]
mod tests;

pub use delivery::{Delivered, NewDelivery};
pub use flags::{FlagList, FlagVerb, Flags};
pub use mailbox::{MAX_KEYWORDS, Mailbox, Message};
pub use messages::{Appended, Copied, NewMessage};
pub use name::{MailboxName, NameError, SEPARATOR, with_inbox_upper};
pub use outlet::Effect;
pub(crate) use outlet::Outlet;
pub use ranges::Ranges;
pub use record::{InternalDate, MailboxId, UserId};
pub use special::SpecialUse;
pub use state::HeldMessage;

use std::collections::BTreeMap;

use values::MailAddress;

use crate::disk::{Disk, DiskError, SyncTicket};
use crate::journal::{self, Journal, Location, OpenError, Options, Position, Recovery, SyncOutcome};
use record::Record;
use state::{State, User};

/// The store and its disk, as they are handed to a session with each call.
pub struct Storage<'a> {
    /// The mailboxes.
    pub mail: &'a mut MailStore,
    /// The disk they lie on; always the same.
    pub disk: &'a mut dyn Disk,
}

/// The mailboxes of one store host.
#[derive(Debug)]
pub struct MailStore {
    journal: Journal,
    state: State,
    quotas: BTreeMap<UserId, u64>,
    epoch: u64,
}

/// Why the store did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk failed; nothing has changed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The user would hold more bytes than its quota.
    #[error("quota exceeded")]
    OverQuota,
    /// There is no such user.
    #[error("no such user")]
    NoUser,
    /// There is no such mailbox.
    #[error("no such mailbox")]
    NoMailbox,
    /// There is no such script.
    #[error("no such script")]
    NoScript,
    /// A mailbox, user or script of that name exists.
    #[error("it already exists")]
    Exists,
    /// The inbox cannot be deleted, a mailbox cannot be moved below itself.
    #[error("that cannot be done to this mailbox")]
    Forbidden,
    /// The name would be no mailbox's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// One of the store's own limits: mailboxes, subscriptions, keywords, UIDs.
    #[error("too many {0}")]
    Limit(&'static str),
}

/// What a user holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all messages.
    pub bytes: u64,
    /// Number of all messages.
    pub messages: u64,
    /// Bytes that are allowed; `None` for no limit.
    pub limit: Option<u64>,
}

impl MailStore {
    /// Opens the store on a disk, replaying its journal.
    ///
    /// What was replayed is told to nobody before the sync begun here has succeeded.
    ///
    /// - Errors: the journal's; nothing is guessed.
    pub fn open(disk: &mut dyn Disk, options: Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_epoch(disk, options, 1)
    }

    fn open_epoch(disk: &mut dyn Disk, options: Options, epoch: u64) -> Result<(Self, Recovery), OpenError> {
        let mut state = State::default();
        let (mut journal, recovery) = Journal::open(disk, options, &mut |meta, body, position| {
            Record::decode(meta).and_then(|record| state.apply(record, body, position))
        })?;
        journal.request_sync(disk);
        Ok((Self { journal, state, quotas: BTreeMap::new(), epoch }, recovery))
    }

    /// Forgets what is not durable and opens again, after a sync has failed.
    ///
    /// - Errors: the disk's or the journal's; the store then stays down.
    pub fn reopen(self, disk: &mut dyn Disk, options: Options) -> Result<(Self, Recovery), OpenError> {
        let options = Options { first_ticket: self.journal.next_ticket(), ..options };
        let epoch = self.epoch + 1;
        self.journal.cut_unsynced(disk)?;
        Self::open_epoch(disk, options, epoch)
    }

    /// Returns a number that another opening of the store changes.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes the outcome of a sync that the store began.
    pub fn synced(&mut self, disk: &mut dyn Disk, ticket: SyncTicket, result: Result<(), DiskError>) -> SyncOutcome {
        self.journal.synced(disk, ticket, result)
    }

    /// Returns the position up to which everything survives a power loss.
    pub fn durable_to(&self) -> Position {
        self.journal.durable_to()
    }

    /// Returns where the last record ends.
    pub fn end(&self) -> Position {
        self.journal.tail()
    }

    /// Returns whether the store refuses all changes until it is opened again.
    pub fn is_failed(&self) -> bool {
        self.journal.is_failed()
    }

    /// Returns the bytes the store takes on its disk.
    pub fn disk_bytes(&self) -> u64 {
        self.journal.total_bytes()
    }

    /// Returns the end of the last record about a user: an answer about the user waits until this is durable.
    pub fn position(&self, user: UserId) -> Position {
        self.state.users.get(&user).map_or_else(Position::default, |user| user.position)
    }

    /// Returns a number that every change of a user's mailboxes moves.
    pub fn changes(&self, user: UserId) -> u64 {
        self.state.users.get(&user).map_or(0, |user| user.changes)
    }

    /// Returns the user with a main address.
    pub fn user(&self, address: &MailAddress) -> Option<UserId> {
        self.state.addresses.get(&address.key()).copied()
    }

    /// Returns whether the user still exists.
    pub fn has_user(&self, user: UserId) -> bool {
        self.state.users.contains_key(&user)
    }

    /// Returns the key of every user's main address, sorted.
    pub fn addresses(&self) -> impl Iterator<Item = &str> + '_ {
        self.state.addresses.keys().map(String::as_str)
    }

    /// Returns the user with a main address, making it with its first mailboxes when there is none.
    ///
    /// - `now_seconds`: since 1970, the least UIDVALIDITY of what is made.
    /// - `quota`: bytes allowed from now on; `None` for no limit.
    pub fn enter(
        &mut self,
        disk: &mut dyn Disk,
        now_seconds: u64,
        address: &MailAddress,
        quota: Option<u64>,
    ) -> Result<UserId, StoreError> {
        let user = match self.user(address) {
            Some(user) => user,
            None => self.make_user(disk, now_seconds, address)?,
        };
        match quota {
            Some(bytes) => self.quotas.insert(user, bytes),
            None => self.quotas.remove(&user),
        };
        Ok(user)
    }

    fn make_user(
        &mut self,
        disk: &mut dyn Disk,
        now_seconds: u64,
        address: &MailAddress,
    ) -> Result<UserId, StoreError> {
        let user = UserId(self.state.next_user);
        let validity = u32::try_from(now_seconds).unwrap_or(u32::MAX - 16).max(1);
        let mut mailboxes = vec![record::NewMailbox {
            id: MailboxId(1),
            name: MailboxName::inbox().as_str().to_owned(),
            uid_validity: validity,
            special: None,
        }];
        for ((name, special), id) in SpecialUse::STANDARD.iter().zip(2_u32..) {
            mailboxes.push(record::NewMailbox {
                id: MailboxId(id),
                name: (*name).to_owned(),
                uid_validity: validity.saturating_add(id - 1),
                special: Some(*special),
            });
        }
        self.write(disk, Record::UserMade { user, address: address.key(), mailboxes }, &[])?;
        Ok(user)
    }

    /// Removes a user and everything it has; one that does not exist is no error.
    pub fn remove_user(&mut self, disk: &mut dyn Disk, address: &MailAddress) -> Result<Position, StoreError> {
        let Some(user) = self.user(address) else { return Ok(self.journal.tail()) };
        self.quotas.remove(&user);
        self.write(disk, Record::UserGone { user }, &[])
    }

    /// Gives a user another main address.
    ///
    /// - Errors: [`StoreError::NoUser`]; [`StoreError::Exists`] when the new address has mailboxes of its own.
    pub fn rename_user(
        &mut self,
        disk: &mut dyn Disk,
        from: &MailAddress,
        to: &MailAddress,
    ) -> Result<Position, StoreError> {
        let user = self.user(from).ok_or(StoreError::NoUser)?;
        if self.user(to).is_some() {
            return Err(StoreError::Exists);
        }
        self.write(disk, Record::UserRenamed { user, address: to.key() }, &[])
    }

    /// Returns what a user holds.
    pub fn usage(&self, user: UserId) -> Usage {
        let limit = self.quotas.get(&user).copied();
        let Some(user) = self.state.users.get(&user) else { return Usage::default() };
        let messages = user.mailboxes.values().map(|mailbox| mailbox.messages().len() as u64).sum();
        Usage { bytes: user.bytes(), messages, limit }
    }

    /// Whether so many more bytes would exceed the user's quota.
    pub fn would_exceed(&self, user: UserId, bytes: u64) -> bool {
        let used = self.state.users.get(&user).map_or(0, User::bytes);
        self.quotas.get(&user).is_some_and(|limit| used.saturating_add(bytes) > *limit)
    }

    /// Reads a message's content.
    ///
    /// - Errors: the disk's; `Broken` when the bytes are not those that were written.
    pub fn read(&self, disk: &dyn Disk, content: Location) -> Result<Vec<u8>, DiskError> {
        self.journal.read(disk, content)
    }

    /// Reads a part of a message's content, unchecked, as much of it as there is.
    pub fn read_range(
        &self,
        disk: &dyn Disk,
        content: Location,
        offset: u32,
        length: u32,
    ) -> Result<Vec<u8>, DiskError> {
        let offset = offset.min(content.length);
        self.journal.read_range(disk, content, offset, length.min(content.length - offset) as usize)
    }

    fn of(&self, user: UserId) -> Result<&User, StoreError> {
        self.state.users.get(&user).ok_or(StoreError::NoUser)
    }

    fn open_mailbox(&self, user: UserId, mailbox: MailboxId) -> Result<&Mailbox, StoreError> {
        self.of(user)?.mailboxes.get(&mailbox).ok_or(StoreError::NoMailbox)
    }

    /// Writes a record, makes it true in memory and asks for a sync.
    fn write(&mut self, disk: &mut dyn Disk, record: Record, body: &[&[u8]]) -> Result<Position, StoreError> {
        let journal::Appended { position, body } = self.journal.append(disk, &record.encode(), body)?;
        self.state.apply(record, body, position).expect("the record was checked before it was written");
        self.journal.request_sync(disk);
        Ok(position)
    }
}
