//! Everything the store knows, as a function of the records alone: what a live change does to memory, replay does again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::mailbox::{Mailbox, Message};
use super::name::MailboxName;
use super::ranges::Ranges;
use super::record::{DeliveryKey, MailboxId, MarkKey, NewMailbox, Record, UserId};
use crate::journal::{Location, Position};

/// How long a delivery's id is remembered, in milliseconds: longer than any queue keeps a message.
const DELIVERIES_KEPT: u64 = 14 * 24 * 60 * 60 * 1000;

/// A message that no protocol reaches, held apart because of what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMessage {
    /// Key of the main address of the mailbox it was meant for.
    pub address: String,
    /// Why it is held.
    pub reason: String,
    /// When it was held, in milliseconds since 1970.
    pub when: u64,
    /// Where its content lies.
    pub content: Location,
}

/// A user's mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) address: String,
    pub(super) mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub(super) names: BTreeMap<MailboxName, MailboxId>,
    pub(super) subscriptions: BTreeSet<String>,
    /// Scripts by name, and where their texts lie.
    pub(super) scripts: BTreeMap<String, Location>,
    /// The script that runs.
    pub(super) active_script: Option<String>,
    /// What scripts want remembered, until when in milliseconds since 1970.
    pub(super) marks: BTreeMap<MarkKey, u64>,
    pub(super) next_mailbox: u32,
    pub(super) next_validity: u32,
    /// End of the last record about this user; what a session says of it may leave once this is durable.
    pub(super) position: Position,
    /// Counts changes, so that sessions see cheaply whether there is something to tell.
    pub(super) changes: u64,
}

impl User {
    fn new(address: String) -> Self {
        Self {
            address,
            mailboxes: BTreeMap::new(),
            names: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            scripts: BTreeMap::new(),
            active_script: None,
            marks: BTreeMap::new(),
            next_mailbox: 1,
            next_validity: 1,
            position: Position::default(),
            changes: 0,
        }
    }

    fn add_mailbox(&mut self, new: &NewMailbox) -> Result<(), String> {
        let name = MailboxName::parse(&new.name).map_err(|error| error.to_string())?;
        self.next_mailbox = self.next_mailbox.max(new.id.0.saturating_add(1));
        self.next_validity = self.next_validity.max(new.uid_validity.saturating_add(1));
        self.names.insert(name, new.id);
        self.mailboxes.insert(new.id, Mailbox::new(new));
        Ok(())
    }

    pub(super) fn name_of(&self, mailbox: MailboxId) -> Option<&MailboxName> {
        self.names.iter().find(|(_, id)| **id == mailbox).map(|(name, _)| name)
    }

    /// Returns the bytes of all messages.
    pub(super) fn bytes(&self) -> u64 {
        self.mailboxes.values().map(|mailbox| mailbox.bytes).sum()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) addresses: BTreeMap<String, UserId>,
    pub(super) held: Vec<HeldMessage>,
    pub(super) next_user: u64,
    deliveries: BTreeMap<DeliveryKey, Position>,
    delivery_order: VecDeque<(u64, DeliveryKey)>,
}

impl State {
    /// Returns where the record of a delivery ends, when it is remembered.
    pub(super) fn delivered(&self, key: &DeliveryKey) -> Option<Position> {
        self.deliveries.get(key).copied()
    }

    fn remember(&mut self, (key, when): (DeliveryKey, u64), position: Position) {
        self.deliveries.insert(key, position);
        self.delivery_order.push_back((when, key));
        while let Some((oldest, key)) = self.delivery_order.front()
            && oldest.saturating_add(DELIVERIES_KEPT) < when
        {
            self.deliveries.remove(key);
            self.delivery_order.pop_front();
        }
    }

    /// Makes one record true in memory. Changes to what is not known are ignored.
    ///
    /// - Errors: the record contradicts itself; nothing that was checked before it was written does.
    pub(super) fn apply(&mut self, record: Record, body: Location, position: Position) -> Result<(), String> {
        match record {
            Record::UserMade { user, address, mailboxes } => {
                let mut made = User::new(address.clone());
                for mailbox in &mailboxes {
                    made.add_mailbox(mailbox)?;
                    made.subscriptions.insert(mailbox.name.clone());
                }
                made.position = position;
                self.addresses.insert(address, user);
                self.users.insert(user, made);
                self.next_user = self.next_user.max(user.0 + 1);
            }
            Record::UserGone { user } => {
                if let Some(gone) = self.users.remove(&user) {
                    self.addresses.remove(&gone.address);
                }
            }
            Record::UserRenamed { user, address } => {
                if let Some(renamed) = self.touch(user, position) {
                    let before = std::mem::replace(&mut renamed.address, address.clone());
                    self.addresses.remove(&before);
                    self.addresses.insert(address, user);
                }
            }
            Record::MailboxMade { user, mailbox } => {
                if let Some(user) = self.touch(user, position) {
                    user.add_mailbox(&mailbox)?;
                }
            }
            Record::MailboxesRenamed { user, names } => {
                if let Some(user) = self.touch(user, position) {
                    let renamed: BTreeSet<MailboxId> = names.iter().map(|(id, _)| *id).collect();
                    user.names.retain(|_, id| !renamed.contains(id));
                    for (id, name) in names {
                        user.names.insert(MailboxName::parse(&name).map_err(|error| error.to_string())?, id);
                    }
                }
            }
            Record::MailboxGone { user, mailbox } => {
                if let Some(user) = self.touch(user, position) {
                    user.names.retain(|_, id| *id != mailbox);
                    user.mailboxes.remove(&mailbox);
                }
            }
            Record::Subscribed { user, name, on } => {
                if let Some(user) = self.touch(user, position) {
                    if on {
                        user.subscriptions.insert(name);
                    } else {
                        user.subscriptions.remove(&name);
                    }
                }
            }
            Record::Added { user, mailbox, uid, date, flags, keywords, delivery } => {
                if let Some(delivery) = delivery {
                    self.remember(delivery, position);
                }
                if let Some(mailbox) = self.mailbox(user, mailbox, position) {
                    let keywords = mailbox.learn(&keywords);
                    mailbox.add(vec![Message { uid, flags, keywords, modseq: 0, date, content: body }]);
                }
            }
            Record::Copied { user, source, target, uids, first_uid, moved } => {
                if let Some(user) = self.touch(user, position) {
                    copy(user, source, target, &uids, first_uid, moved);
                }
            }
            Record::Expunged { user, mailbox, uids } => {
                if let Some(mailbox) = self.mailbox(user, mailbox, position) {
                    mailbox.remove(&uids);
                }
            }
            Record::Flagged { user, mailbox, uids, verb, flags, keywords } => {
                if let Some(mailbox) = self.mailbox(user, mailbox, position) {
                    let keywords = mailbox.learn(&keywords);
                    mailbox.change(&uids, verb, flags, keywords);
                }
            }
            Record::Claimed { user, mailbox, recent_from } => {
                if let Some(mailbox) = self.mailbox(user, mailbox, position) {
                    mailbox.recent_from = mailbox.recent_from.max(recent_from);
                }
            }
            Record::Held { address, reason, when, delivery } => {
                self.remember(delivery, position);
                self.held.push(HeldMessage { address, reason, when, content: body });
            }
            Record::ScriptPut { user, name } => {
                if let Some(user) = self.touch(user, position) {
                    user.scripts.insert(name, body);
                }
            }
            Record::ScriptGone { user, name } => {
                if let Some(user) = self.touch(user, position) {
                    user.scripts.remove(&name);
                    user.active_script.take_if(|active| *active == name);
                }
            }
            Record::ScriptRenamed { user, from, to } => {
                if let Some(user) = self.touch(user, position)
                    && let Some(text) = user.scripts.remove(&from)
                {
                    user.scripts.insert(to.clone(), text);
                    if user.active_script.as_ref() == Some(&from) {
                        user.active_script = Some(to);
                    }
                }
            }
            Record::ScriptActive { user, name } => {
                if let Some(user) = self.touch(user, position) {
                    user.active_script = (!name.is_empty()).then_some(name);
                }
            }
            Record::Marked { user, key, when, until } => {
                if let Some(user) = self.touch(user, position) {
                    // What is over is forgotten.
                    user.marks.retain(|_, until| *until > when);
                    user.marks.insert(key, until);
                }
            }
            Record::Released { address } => self.held.retain(|held| held.address != address),
        }
        Ok(())
    }

    fn touch(&mut self, user: UserId, position: Position) -> Option<&mut User> {
        let user = self.users.get_mut(&user)?;
        user.position = position;
        user.changes += 1;
        Some(user)
    }

    fn mailbox(&mut self, user: UserId, mailbox: MailboxId, position: Position) -> Option<&mut Mailbox> {
        self.touch(user, position)?.mailboxes.get_mut(&mailbox)
    }
}

fn copy(user: &mut User, source: MailboxId, target: MailboxId, uids: &Ranges, first_uid: u32, moved: bool) {
    if !user.mailboxes.contains_key(&target) {
        return;
    }
    let Some(from) = user.mailboxes.get_mut(&source) else { return };
    let names = from.keywords.clone();
    let messages: Vec<Message> = if moved { from.remove(uids) } else { from.within(uids).cloned().collect() };
    let Some(into) = user.mailboxes.get_mut(&target) else { return };
    let used = messages.iter().fold(0, |used, message| used | message.keywords);
    let bits: Vec<(u64, u64)> = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| used >> bit & 1 == 1)
        .map(|(bit, name)| (1 << bit, into.learn(std::slice::from_ref(name))))
        .collect();
    let mut uid = first_uid;
    let mut copies = Vec::with_capacity(messages.len());
    for mut message in messages {
        message.uid = uid;
        message.keywords = bits
            .iter()
            .filter(|(source, _)| message.keywords & source != 0)
            .fold(0, |keywords, (_, target)| keywords | target);
        uid = uid.saturating_add(1);
        copies.push(message);
    }
    into.add(copies);
}
