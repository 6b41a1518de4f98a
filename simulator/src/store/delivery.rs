//! Delivery: a message reaches a mailbox once, however often it is handed over.

use sha2::{Digest, Sha256};
use values::MailAddress;

use super::name::MailboxName;
use super::record::{DeliveryKey, InternalDate, Record};
use super::state::HeldMessage;
use super::{FlagList, MAX_KEYWORDS, MailStore, MailboxId, StoreError, UserId};
use crate::Moment;
use crate::disk::Disk;
use crate::journal::Position;

/// A message on its way into a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct NewDelivery<'a> {
    /// Names the delivery: the same id for the same user is the same delivery, over restarts too.
    pub id: &'a str,
    /// The mailbox's main address.
    pub address: &'a MailAddress,
    /// Bytes the mailbox may hold; `None` for no limit.
    pub quota: Option<u64>,
    /// Name of the folder, made when it does not exist; a name that is none means the inbox.
    pub folder: &'a str,
    /// The message, in parts.
    pub content: &'a [&'a [u8]],
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// It may be acknowledged once this is durable.
    pub position: Position,
    /// Whether it had been delivered before; nothing was added then.
    pub repeated: bool,
}

impl MailStore {
    /// Puts a message into a user's mailbox.
    ///
    /// - Errors: [`StoreError::OverQuota`], limits, the disk's; nothing was added then.
    pub fn deliver(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        delivery: NewDelivery<'_>,
    ) -> Result<Delivered, StoreError> {
        self.deliver_flagged(disk, now, delivery, &FlagList::default())
    }

    /// Puts a message with flags into a user's mailbox; keywords beyond what the mailbox holds are left out.
    ///
    /// - Errors: [`StoreError::OverQuota`], limits, the disk's; nothing was added then.
    pub fn deliver_flagged(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        delivery: NewDelivery<'_>,
        flags: &FlagList,
    ) -> Result<Delivered, StoreError> {
        let key = key_of(delivery.id, delivery.address);
        if let Some(position) = self.state.delivered(&key) {
            return Ok(Delivered { position, repeated: true });
        }
        let user = self.enter(disk, now.0 / 1000, delivery.address, delivery.quota)?;
        let size = delivery.content.iter().map(|part| part.len() as u64).sum();
        if self.would_exceed(user, size) {
            return Err(StoreError::OverQuota);
        }
        let mailbox = self.folder(disk, now, user, delivery.folder)?;
        let uid = self.next_uids(user, mailbox, 1)?;
        let date = InternalDate { seconds: i64::try_from(now.0 / 1000).unwrap_or(i64::MAX), offset_minutes: 0 };
        let record = Record::Added {
            user,
            mailbox,
            uid,
            date,
            flags: flags.flags,
            keywords: self.keywords_for(user, mailbox, &flags.keywords),
            delivery: Some((key, now.0)),
        };
        let position = self.write(disk, record, delivery.content)?;
        Ok(Delivered { position, repeated: false })
    }

    /// Returns whether a delivery to an address has been made, and is durable; `None` while it is not.
    pub fn was_delivered(&self, id: &str, address: &MailAddress) -> Option<bool> {
        match self.state.delivered(&key_of(id, address)) {
            None => Some(false),
            Some(position) => (position <= self.durable_to()).then_some(true),
        }
    }

    fn keywords_for(&self, user: UserId, mailbox: MailboxId, keywords: &[String]) -> Vec<String> {
        let fits = self
            .open_mailbox(user, mailbox)
            .is_ok_and(|mailbox| mailbox.keywords.len() + mailbox.unknown_keywords(keywords) <= MAX_KEYWORDS);
        if fits { keywords.to_vec() } else { Vec::new() }
    }

    /// Returns whether a user has a folder of a name.
    pub fn has_folder(&self, user: UserId, folder: &str) -> bool {
        MailboxName::parse(folder).is_ok_and(|name| self.find(user, &name).is_some())
    }

    fn folder(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        user: UserId,
        folder: &str,
    ) -> Result<MailboxId, StoreError> {
        let name = MailboxName::parse(folder).unwrap_or_else(|_| MailboxName::inbox());
        if let Some(mailbox) = self.find(user, &name) {
            return Ok(mailbox);
        }
        match self.create(disk, now, user, &name, None) {
            Err(StoreError::Limit(_)) => self.find(user, &MailboxName::inbox()).ok_or(StoreError::NoMailbox),
            other => other,
        }
    }

    /// Holds a message apart, where no mailbox protocol reaches it; the folder and the quota are not used.
    ///
    /// - Errors: the disk's; nothing is held then.
    pub fn hold(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        delivery: NewDelivery<'_>,
        reason: &str,
    ) -> Result<Delivered, StoreError> {
        let key = key_of(delivery.id, delivery.address);
        if let Some(position) = self.state.delivered(&key) {
            return Ok(Delivered { position, repeated: true });
        }
        let record = Record::Held {
            address: delivery.address.key(),
            reason: reason.to_owned(),
            when: now.0,
            delivery: (key, now.0),
        };
        let position = self.write(disk, record, delivery.content)?;
        Ok(Delivered { position, repeated: false })
    }

    /// Lets everything that is held apart for an address go to its inbox, whatever its quota; returns how many messages
    /// those were.
    ///
    /// - Errors: limits, the disk's. What was begun comes to its end when it is tried again.
    pub fn release(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        address: &MailAddress,
        quota: Option<u64>,
    ) -> Result<u64, StoreError> {
        let key = address.key();
        let held: Vec<HeldMessage> = self.state.held.iter().filter(|held| held.address == key).cloned().collect();
        for (number, message) in held.iter().enumerate() {
            let content = self.read(disk, message.content)?;
            let id = format!("released {} {number}", message.when);
            let parts: [&[u8]; 1] = [&content];
            // The mailbox's own bound stands when it is entered, and a released message is let in beyond it.
            let limit = quota.map(|quota| quota.saturating_add(content.len() as u64));
            let delivery = NewDelivery { id: &id, address, quota: limit, folder: "INBOX", content: &parts };
            let _ = self.deliver(disk, now, delivery)?;
        }
        if !held.is_empty() {
            self.write(disk, Record::Released { address: key }, &[])?;
        }
        Ok(held.len() as u64)
    }

    /// Forgets everything that is held apart for an address.
    ///
    /// - Errors: the disk's; everything is still held then.
    pub fn dismiss(&mut self, disk: &mut dyn Disk, address: &MailAddress) -> Result<(), StoreError> {
        self.write(disk, Record::Released { address: address.key() }, &[])?;
        Ok(())
    }

    /// Returns every message that is held apart, oldest first.
    pub fn held(&self) -> &[HeldMessage] {
        &self.state.held
    }

    /// Returns how many messages are held apart for an address.
    pub fn held_count(&self, address: &MailAddress) -> usize {
        let key = address.key();
        self.state.held.iter().filter(|held| held.address == key).count()
    }
}

fn key_of(id: &str, address: &MailAddress) -> DeliveryKey {
    let mut digest = Sha256::new();
    digest.update((id.len() as u64).to_le_bytes());
    digest.update(id);
    digest.update(address.key());
    let digest = digest.finalize();
    let mut key = DeliveryKey::default();
    for (to, from) in key.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    key
}
