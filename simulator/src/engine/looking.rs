//! What can be seen of a platform, and done to it, by who runs it: queues, and messages that are held apart.

use std::collections::BTreeSet;

use values::MailAddress;

use super::{Engine, Role};
use crate::Moment;
use crate::disk::DiskError;
use crate::queue::Entry;
use crate::store::StoreError;

impl Engine {
    /// Returns whether mail is where it stays for now: delivered, or waiting for its next attempt.
    ///
    /// - `about`: asks only for messages from or to one of these addresses, by their keys; for all where there are none.
    pub fn is_settled(&self, about: &BTreeSet<String>) -> bool {
        let concerns = |entry: &Entry| {
            let sender = entry.header.sender.iter();
            let addressees = entry.header.addressees.iter().map(|addressee| &addressee.address);
            let mut all = sender.chain(addressees).chain(entry.targets.iter().map(|target| &target.address));
            about.is_empty() || all.any(|address| about.contains(&address.key()))
        };
        self.offices
            .values()
            .filter_map(super::office::Office::queue)
            .all(|queue| queue.is_at_rest(self.now, &concerns))
    }

    /// Returns how many messages wait on all hosts of a role.
    pub fn queued(&self, role: Role) -> usize {
        let offices = self.offices.iter().filter(|((_, at), _)| *at == role);
        offices.filter_map(|(_, office)| office.queue()).map(crate::queue::Queue::len).sum()
    }

    /// Returns the messages that are held apart for a mailbox, oldest first.
    ///
    /// - Errors: a store's disk cannot be read.
    pub fn held(&self, address: &MailAddress) -> Result<Vec<Vec<u8>>, DiskError> {
        let key = address.key();
        let mut messages = Vec::new();
        for (_, office) in self.offices.iter().filter(|((_, role), _)| *role == Role::Store) {
            let Some((store, disk)) = office.store() else { continue };
            for held in store.held().iter().filter(|held| held.address == key) {
                messages.push(store.read(disk, held.content)?);
            }
        }
        Ok(messages)
    }

    /// Lets what is held apart for a mailbox go to its inbox; returns how many messages those were.
    ///
    /// - Errors: the store's; what was begun comes to its end when it is tried again.
    pub fn release(&mut self, now: Moment, address: &MailAddress) -> Result<u64, StoreError> {
        self.now = self.now.max(now);
        let at = self.now;
        let mut released = 0;
        for (_, office) in self.offices.iter_mut().filter(|((_, role), _)| *role == Role::Store) {
            office.stirred = true;
            let Some(storage) = office.storage() else { continue };
            let user = storage.mail.user(address);
            let quota = user.and_then(|user| storage.mail.usage(user).limit);
            released += storage.mail.release(storage.disk, at, address, quota)?;
        }
        self.settle();
        Ok(released)
    }
}
