//! What can be seen of a platform, and done to it, by who runs it: queues, and messages that are held apart.

use std::collections::BTreeSet;

use values::MailAddress;

use super::storing::ONWARD;
use super::{Engine, Role};
use crate::Moment;
use crate::disk::DiskError;
use crate::queue::{Addressee, Entry, Header, NewMessage, NewTarget, Route, Variant};
use crate::smtp::Body;
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

    /// Lets what is held apart for a mailbox go to its inbox, or to the customer's own server where it is filtered for one; returns
    /// how many messages those were.
    ///
    /// - Errors: the store's; what was begun comes to its end when it is tried again.
    pub fn release(&mut self, now: Moment, address: &MailAddress) -> Result<u64, StoreError> {
        self.now = self.now.max(now);
        let at = self.now;
        let mut released = self.hand_on(address)?;
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

    /// Sends what is held apart for an address on to the customer's own server; returns how many messages those were.
    fn hand_on(&mut self, address: &MailAddress) -> Result<u64, StoreError> {
        let key = address.key();
        let Some(&outbound) = self.hosts_of(Role::Outbound, 0).front() else { return Ok(0) };
        let mut onward = Vec::new();
        for (_, office) in self.offices.iter_mut().filter(|((_, role), _)| *role == Role::Store) {
            let Some(storage) = office.storage() else { continue };
            let held = storage.mail.held().iter().filter(|held| held.address == key);
            let servers: Vec<_> = held.filter_map(|held| Some((server_of(&held.reason)?, held.content))).collect();
            for (route, content) in &servers {
                onward.push((route.clone(), storage.mail.read(storage.disk, *content)?));
            }
            if !servers.is_empty() {
                storage.mail.dismiss(storage.disk, address)?;
                office.stirred = true;
            }
        }
        let now = self.now;
        for (route, content) in &onward {
            let (sender, content) = returned(content);
            let Some((queue, disk)) =
                self.offices.get_mut(&(outbound, Role::Outbound)).and_then(super::office::Office::queue_mut)
            else {
                continue;
            };
            let header = Header {
                accepted: now,
                sender,
                addressees: vec![Addressee { address: address.clone(), notify: None, original: None }],
                returned: None,
                identifier: None,
                body: if content.is_ascii() { Body::SevenBit } else { Body::EightBit },
                internationalized: false,
                quiet: true,
            };
            let target = NewTarget {
                addressee: 0,
                address: address.clone(),
                sender: None,
                route: route.clone(),
                variant: Variant::default(),
            };
            let new = NewMessage { header, targets: vec![target], content: &[content], delivery: None, answers: None };
            queue.accept(disk, new)?;
        }
        Ok(onward.len() as u64)
    }
}

/// Reads why something is held: where it goes when it is let go, if that is a customer's own server.
fn server_of(reason: &str) -> Option<Route> {
    let (host, port) = reason.strip_prefix(ONWARD)?.rsplit_once(':')?;
    Some(Route::Server { host: host.parse().ok()?, port: port.parse().ok()? })
}

/// Takes the sender out of a stored message, above which it was put.
fn returned(content: &[u8]) -> (Option<MailAddress>, &[u8]) {
    let end = content.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
    let (first, rest) = content.split_at(end);
    let sender = std::str::from_utf8(first).ok().and_then(|line| line.trim_end().strip_prefix("Return-Path: <"));
    match sender {
        Some(sender) => (sender.strip_suffix('>').and_then(|sender| sender.parse().ok()), rest),
        None => (None, content),
    }
}
