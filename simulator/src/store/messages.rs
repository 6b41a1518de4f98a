//! What is done to messages: appending, flagging, copying, moving, expunging.

use super::flags::{FlagList, FlagVerb, Flags};
use super::mailbox::{MAX_KEYWORDS, changed_flags};
use super::record::{InternalDate, Record};
use super::{MailStore, Mailbox, MailboxId, Ranges, StoreError, UserId};
use crate::disk::Disk;

/// A message that a client appends.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// When it arrived.
    pub date: InternalDate,
    /// Its flags and keywords.
    pub flags: &'a FlagList,
    /// The message, in parts.
    pub content: &'a [&'a [u8]],
}

/// Where an appended message is (RFC 4315's APPENDUID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: u32,
    /// UID of the message.
    pub uid: u32,
}

/// What was copied where (RFC 4315's COPYUID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: u32,
    /// UIDs in the source.
    pub source: Ranges,
    /// UIDs in the target, as many, in the same order.
    pub target: Ranges,
}

impl MailStore {
    /// Returns the first of so many UIDs that nobody has had.
    pub(super) fn next_uids(&self, user: UserId, mailbox: MailboxId, count: u64) -> Result<u32, StoreError> {
        let first = self.open_mailbox(user, mailbox)?.uid_next;
        if u64::from(first).saturating_add(count) > u64::from(u32::MAX) {
            return Err(StoreError::Limit("messages"));
        }
        Ok(first)
    }

    fn check_keywords(mailbox: &Mailbox, keywords: &[String]) -> Result<(), StoreError> {
        if mailbox.keywords.len() + mailbox.unknown_keywords(keywords) > MAX_KEYWORDS {
            return Err(StoreError::Limit("keywords"));
        }
        Ok(())
    }

    /// Adds a message to a mailbox.
    ///
    /// - Errors: [`StoreError::OverQuota`], limits, the disk's; nothing was added then.
    pub fn append(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        mailbox: MailboxId,
        message: NewMessage<'_>,
    ) -> Result<Appended, StoreError> {
        let uid = self.next_uids(user, mailbox, 1)?;
        let of = self.open_mailbox(user, mailbox)?;
        Self::check_keywords(of, &message.flags.keywords)?;
        let uid_validity = of.uid_validity;
        if self.would_exceed(user, message.content.iter().map(|part| part.len() as u64).sum()) {
            return Err(StoreError::OverQuota);
        }
        let record = Record::Added {
            user,
            mailbox,
            uid,
            date: message.date,
            flags: message.flags.flags,
            keywords: message.flags.keywords.clone(),
            delivery: None,
        };
        self.write(disk, record, message.content)?;
        Ok(Appended { uid_validity, uid })
    }

    /// Changes the flags of those messages of a set that exist; nothing is written when none comes out different.
    ///
    /// - Returns: the modification sequence of the change, when there was one.
    /// - Errors: limits, the disk's; no flag has changed then.
    pub fn change_flags(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        mailbox: MailboxId,
        uids: &Ranges,
        verb: FlagVerb,
        list: &FlagList,
    ) -> Result<Option<u64>, StoreError> {
        let of = self.open_mailbox(user, mailbox)?;
        let keywords: Vec<String> = match verb {
            FlagVerb::Remove => list.keywords.iter().filter(|name| of.keyword_bit(name).is_some()).cloned().collect(),
            _ => list.keywords.clone(),
        };
        Self::check_keywords(of, &keywords)?;
        let is_new_keyword = of.unknown_keywords(&keywords) > 0;
        let bits = keywords.iter().filter_map(|name| of.keyword_bit(name)).fold(0, |bits, bit| bits | bit);
        let different: Ranges = of
            .within(uids)
            .filter(|message| {
                is_new_keyword || changed_flags(message, verb, list.flags, bits) != (message.flags, message.keywords)
            })
            .map(|message| message.uid)
            .collect();
        if different.is_empty() {
            return Ok(None);
        }
        let record = Record::Flagged { user, mailbox, uids: different, verb, flags: list.flags, keywords };
        self.write(disk, record, &[])?;
        Ok(Some(self.open_mailbox(user, mailbox)?.highest_modseq))
    }

    /// Copies or moves those messages of a set that exist, all of them or none.
    ///
    /// - Errors: [`StoreError::OverQuota`] (a move needs no more room), limits, the disk's.
    pub fn copy(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        source: MailboxId,
        target: MailboxId,
        uids: &Ranges,
        moved: bool,
    ) -> Result<Copied, StoreError> {
        let uid_validity = self.open_mailbox(user, target)?.uid_validity;
        let mut bytes = 0_u64;
        let from = self.open_mailbox(user, source)?;
        let uids: Ranges = from
            .within(uids)
            .map(|message| {
                bytes += u64::from(message.size());
                message.uid
            })
            .collect();
        if uids.is_empty() {
            return Ok(Copied { uid_validity, source: uids.clone(), target: uids });
        }
        if !moved && self.would_exceed(user, bytes) {
            return Err(StoreError::OverQuota);
        }
        let count = uids.count();
        let first_uid = self.next_uids(user, target, count)?;
        let last_uid = first_uid.saturating_add(u32::try_from(count - 1).unwrap_or(u32::MAX));
        let record = Record::Copied { user, source, target, uids: uids.clone(), first_uid, moved };
        self.write(disk, record, &[])?;
        Ok(Copied { uid_validity, source: uids, target: Ranges::of([(first_uid, last_uid)]) })
    }

    /// Removes those messages of a set that exist.
    ///
    /// - Errors: the disk's; nothing was removed then.
    pub fn expunge(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        mailbox: MailboxId,
        uids: &Ranges,
    ) -> Result<Ranges, StoreError> {
        let uids: Ranges = self.open_mailbox(user, mailbox)?.within(uids).map(|message| message.uid).collect();
        if !uids.is_empty() {
            self.write(disk, Record::Expunged { user, mailbox, uids: uids.clone() }, &[])?;
        }
        Ok(uids)
    }

    /// Returns the UIDs of messages that are marked `\Deleted`.
    pub fn deleted(&self, user: UserId, mailbox: MailboxId) -> Ranges {
        let Ok(mailbox) = self.open_mailbox(user, mailbox) else { return Ranges::new() };
        let deleted = mailbox.messages().iter().filter(|message| message.flags.contains(Flags::DELETED));
        deleted.map(|message| message.uid).collect()
    }

    /// Takes the recent messages of a mailbox: no later session sees them as recent (RFC 3501 §2.3.2).
    ///
    /// Nothing is lost when this cannot be written: the messages are then recent for the next session too.
    ///
    /// - Returns: the first UID that was recent before.
    pub fn claim_recent(&mut self, disk: &mut dyn Disk, user: UserId, mailbox: MailboxId) -> u32 {
        let Ok(of) = self.open_mailbox(user, mailbox) else { return u32::MAX };
        let (before, next) = (of.recent_from, of.uid_next);
        if before < next && !of.messages_from(before).is_empty() {
            let _ = self.write(disk, Record::Claimed { user, mailbox, recent_from: next }, &[]);
        }
        before
    }
}
