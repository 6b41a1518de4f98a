//! The last step: a message goes into mailboxes, on a store or in the simulated internet.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use values::MailAddress;

use super::filtering::Arriving;
use super::receiving::disk_reply;
use super::tasks::{TaskId, Waiting};
use super::{Engine, Level, Role};
use crate::Moment;
use crate::directory::{Delivery, Mailbox};
use crate::disk::DiskError;
use crate::journal::Position;
use crate::network::HostId;
use crate::smtp::server::{Disposition, RecipientAnswer};
use crate::smtp::{Received, Reply, date, trace};
use crate::store::{Delivered, NewDelivery, StoreError};

/// What a delivery's name ends with when the store is to do something else than fill the inbox.
pub(super) const SPAM: &str = ";spam";
pub(super) const HELD: &str = ";held";
/// What the customer's own server stands behind, at the end of a delivery's name, when an outbound host is to hand it there.
pub(super) const SERVER: &str = ";server:";
/// Why something is held that goes on to a customer's own server when it is let go, as `onward HOST:PORT`.
pub(super) const ONWARD: &str = "onward ";

impl Engine {
    /// Puts a message into the mailboxes of a store; each recipient is answered when its copy is durable.
    pub(super) fn store_message(
        &mut self,
        id: TaskId,
        host: HostId,
        known: &BTreeMap<String, Delivery>,
        message: &Received,
    ) {
        let given = message.envelope.delivery.clone().unwrap_or_else(|| content_name(&message.content));
        let (name, is_spam, is_held) = match (given.strip_suffix(SPAM), given.strip_suffix(HELD)) {
            (Some(name), _) => (name, true, false),
            (None, Some(name)) => (name, false, true),
            (None, None) => (given.as_str(), false, false),
        };
        let mut position = Position::default();
        let mut sent: BTreeMap<HostId, Position> = BTreeMap::new();
        let mut dispositions = Vec::new();
        for recipient in &message.envelope.recipients {
            let address = &recipient.address;
            let delivery = known.get(&address.key());
            let mailbox = delivery.and_then(|delivery| delivery.mailboxes.iter().find(|one| one.address == *address));
            let filtered = delivery.and_then(|delivery| delivery.filtered.iter().find(|one| one.address == *address));
            let reason = filtered.map(|one| format!("{ONWARD}{}:{}", one.host, one.port));
            let original = recipient.original.as_deref().and_then(original_address);
            let spam_folder = delivery.map(|delivery| delivery.policy.spam_folder.as_str());
            let order = Order {
                name,
                address,
                // What came from elsewhere than a queue of the platform says nothing, and was written to the mailbox's own.
                original: Some(original.unwrap_or_else(|| address.clone())),
                quota: mailbox.and_then(|mailbox| mailbox.quota),
                folder: spam_folder.filter(|_| is_spam).unwrap_or("INBOX"),
                is_held,
                reason: reason.as_deref().unwrap_or("virus"),
            };
            let outcome = match mailbox.filter(|_| !is_spam && !is_held) {
                Some(mailbox) => self.file(host, message, mailbox, &order, &mut sent),
                None => self.store_copy(host, (host, Role::Store), message, &order),
            };
            dispositions.push(self.told(host, "store", &order, outcome, &mut position));
        }
        // What scripts sent must be as safe as what was stored.
        let told = Waiting::Session { task: id, dispositions };
        let told = sent.into_iter().fold(told, |then, (host, position)| Waiting::Chain {
            host,
            role: Role::Mx,
            position,
            then: Box::new(then),
        });
        self.wait_for(host, Role::Store, position, told);
    }

    /// Does with one mailbox's copy what its owner's script says.
    fn file(
        &mut self,
        host: HostId,
        message: &Received,
        mailbox: &Mailbox,
        order: &Order<'_>,
        sent: &mut BTreeMap<HostId, Position>,
    ) -> Result<Delivered, StoreError> {
        let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let trace = order.trace(message, &hostname, self.now);
        let head = trace::return_path(message.envelope.sender.as_ref()) + &trace;
        let content = [head.as_bytes(), &message.content].concat();
        let original = order.original.clone();
        let arriving = Arriving { host, name: order.name, message, trace: &trace, content: &content, original };
        let Some(filed) = self.filter(mailbox, &arriving) else {
            return self.store_copy(host, (host, Role::Store), message, order);
        };
        let filed = filed?;
        if let Some((host, position)) = filed.sent {
            let known = sent.entry(host).or_default();
            *known = position.max(*known);
        }
        let now = self.now;
        let office = self.offices.get_mut(&(host, Role::Store)).ok_or(DiskError::Missing)?;
        office.stirred = true;
        let storage = office.storage().ok_or(DiskError::Missing)?;
        let parts: [&[u8]; 1] = [&content];
        for (number, copy) in filed.copies.iter().enumerate() {
            let id = if number == 0 { order.name.to_owned() } else { format!("{};{number}", order.name) };
            let delivery = NewDelivery {
                id: &id,
                address: order.address,
                quota: order.quota,
                folder: &copy.folder,
                content: &parts,
            };
            storage.mail.deliver_flagged(storage.disk, now, delivery, &copy.flags)?;
        }
        let user = storage.mail.enter(storage.disk, now.0 / 1_000, order.address, order.quota)?;
        for (key, milliseconds) in &filed.marks {
            storage.mail.mark(storage.disk, user, now, key, *milliseconds)?;
        }
        Ok(Delivered { position: storage.mail.position(user), repeated: filed.repeated })
    }

    /// Says what the simulated internet thinks of a recipient.
    pub(super) fn internet_recipient(
        &mut self,
        host: HostId,
        sender: Option<&MailAddress>,
        recipient: &MailAddress,
    ) -> RecipientAnswer {
        let topology = std::sync::Arc::clone(&self.topology);
        let index = self.machine(host).and_then(|machine| machine.exchanger);
        let Some((index, domain)) = index.and_then(|index| Some((index, topology.internet.get(index)?))) else {
            return RecipientAnswer::Elsewhere;
        };
        if recipient.domain() != &domain.name && !domain.takes.contains(recipient.domain()) {
            return RecipientAnswer::Elsewhere;
        }
        if topology.internet_mailbox(&topology.outside(recipient)).is_none() {
            return RecipientAnswer::Unknown;
        }
        if let Some(delay) = domain.greylist_milliseconds {
            let key = format!("{} {recipient}", sender.map(ToString::to_string).unwrap_or_default());
            let seen = *self.greylist.entry((index, key)).or_insert(self.now);
            if self.now.since(seen) < delay {
                return RecipientAnswer::Refused(Reply::new(450, (4, 7, 1), "Greylisted, please try again later"));
            }
        }
        RecipientAnswer::Known
    }

    /// Puts a message into the simulated internet's mailboxes. Each message of a queue has a trace field of its own, so that
    /// equal bytes are the same message handed over again.
    pub(super) fn store_internet(&mut self, id: TaskId, host: HostId, message: &Received) {
        let Some(&internet) = self.hosts_of(Role::Internet, 0).front() else { return };
        let name = content_name(&message.content);
        let mut position = Position::default();
        let mut worst = Disposition::Accepted { name: "delivered".to_owned() };
        let topology = std::sync::Arc::clone(&self.topology);
        for recipient in &message.envelope.recipients {
            // Mail of a domain that is filtered for a customer lies in the mailboxes of the customer's own host.
            let address = topology.outside(&recipient.address);
            let order = Order {
                name: &name,
                address: &address,
                original: None,
                quota: None,
                folder: "INBOX",
                is_held: false,
                reason: "",
            };
            let outcome = self.store_copy(host, (internet, Role::Internet), message, &order);
            let told = self.told(host, "internet", &order, outcome, &mut position);
            if matches!(told, Disposition::Refused(_)) {
                worst = told;
            }
        }
        self.wait_for(internet, Role::Internet, position, Waiting::Session { task: id, dispositions: vec![worst] });
    }

    fn store_copy(
        &mut self,
        host: HostId,
        office: (HostId, Role),
        message: &Received,
        order: &Order<'_>,
    ) -> Result<Delivered, StoreError> {
        let now = self.now;
        let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let office = self.offices.get_mut(&office).ok_or(DiskError::Missing)?;
        office.stirred = true;
        let storage = office.storage().ok_or(DiskError::Missing)?;
        let fields = trace::return_path(message.envelope.sender.as_ref()) + &order.trace(message, &hostname, now);
        let content: [&[u8]; 2] = [fields.as_bytes(), &message.content];
        let delivery = NewDelivery {
            id: order.name,
            address: order.address,
            quota: order.quota,
            folder: order.folder,
            content: &content,
        };
        if order.is_held {
            return storage.mail.hold(storage.disk, now, delivery, order.reason);
        }
        storage.mail.deliver(storage.disk, now, delivery)
    }

    fn told(
        &mut self,
        host: HostId,
        service: &'static str,
        order: &Order<'_>,
        outcome: Result<Delivered, StoreError>,
        position: &mut Position,
    ) -> Disposition {
        let mut fields = vec![("to", order.address.to_string()), ("delivery", order.name.to_owned())];
        match outcome {
            Ok(delivered) => {
                *position = delivered.position.max(*position);
                let what = match (delivered.repeated, order.is_held) {
                    (true, _) => "delivered before",
                    (false, true) => "held apart",
                    (false, false) => "delivered",
                };
                fields.push(("folder", order.folder.to_owned()));
                self.log(host, service, Level::Info, what, &fields);
                Disposition::Accepted { name: order.name.to_owned() }
            }
            Err(error) => {
                fields.push(("why", error.to_string()));
                self.log(host, service, Level::Warning, "not delivered", &fields);
                Disposition::Refused(match error {
                    StoreError::OverQuota => Reply::new(552, (5, 2, 2), "Quota exceeded (mailbox for user is full)"),
                    StoreError::Disk(error) => disk_reply(error),
                    _ => Reply::new(451, (4, 2, 0), "The mailbox takes no mail now"),
                })
            }
        }
    }
}

/// One copy.
struct Order<'a> {
    name: &'a str,
    address: &'a MailAddress,
    /// What the platform was given for it.
    original: Option<MailAddress>,
    quota: Option<u64>,
    folder: &'a str,
    is_held: bool,
    /// Why it is held.
    reason: &'a str,
}

impl Order<'_> {
    /// Returns the trace fields of a delivery, without the first, which names the sender.
    fn trace(&self, message: &Received, hostname: &str, now: Moment) -> String {
        let received = trace::received(message, hostname, self.name, &date::text(now));
        let original = self.original.as_ref().map(trace::original_to).unwrap_or_default();
        [trace::delivered_to(self.address), received, original].concat()
    }
}

fn content_name(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads an address as `ORCPT` has it (RFC 3461 §4.2).
fn original_address(text: &str) -> Option<MailAddress> {
    let (_, xtext) = text.split_once(';')?;
    let mut bytes = Vec::new();
    let mut rest = xtext.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'+' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()?.parse().ok()
}
