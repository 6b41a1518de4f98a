//! The durable queue of one role: what was promised to be delivered, and how far it is.
//!
//! A message is in the queue when its record is in the [journal](crate::journal), and promised (250) when that is durable;
//! nothing is tried before. Each copy is a target with a state of its own. What happens to a target is written down without
//! waiting for it: after a crash the copy is made again under the same [delivery name](Queue::delivery_name), by which the
//! taker knows that it has it.
//!
//! Failures, delays and, on request, deliveries are reported to the sender in a message of this queue (RFC 3464), written in
//! one record with what it settles. The null reverse-path is never reported to.

mod entry;
mod notice;
mod record;
mod schedule;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use values::{HostName, MailAddress};

use crate::Moment;
use crate::disk::{Disk, DiskError, SyncTicket};
use crate::journal::{Journal, OpenError, Options, Position, Recovery, SyncOutcome};
use crate::smtp::Body;

pub use entry::{Addressee, Entry, Failure, Filing, Header, NewTarget, QueueId, Route, Target, TargetState, Variant};
use notice::{About, Report};
pub use notice::{Notice, NoticeKind};
pub use schedule::{Patience, expired, wait};

use record::{Record, Reports};

/// How long a delivery that was taken is remembered: longer than anybody tries.
const MEMORY_MILLISECONDS: u64 = 10 * 86_400_000;
/// Most copies in one transaction.
const COPIES: usize = 100;

/// What a queue is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the host, in delivery names.
    pub host: String,
    /// The host's name in the world, in notices.
    pub hostname: String,
    /// The domain of the notices' sender: `MAILER-DAEMON@` it.
    pub origin: String,
    /// The last line of what notices tell people: whom to ask.
    pub help: String,
    /// When to give up.
    pub patience: Patience,
    /// How the journal is kept.
    pub journal: Options,
}

/// A message to be queued.
#[derive(Debug)]
pub struct NewMessage<'a> {
    /// What it is.
    pub header: Header,
    /// Where it goes.
    pub targets: Vec<NewTarget>,
    /// The content, in parts.
    pub content: &'a [&'a [u8]],
    /// The delivery name it came under, from another host of the platform.
    pub delivery: Option<String>,
    /// For an automatic reply: who answers whom.
    pub answers: Option<(&'a MailAddress, &'a MailAddress)>,
}

/// A message that is in the queue, and promised once its position is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its name.
    pub id: QueueId,
    /// What the promise waits for.
    pub position: Position,
}

/// Something that goes to one place: the copies of one message that can travel together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The message.
    pub id: QueueId,
    /// Which of its targets.
    pub targets: Vec<usize>,
    /// Where they go.
    pub destination: Destination,
}

/// A place that jobs wait for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// The directory.
    Directory,
    /// A store host.
    Store(String),
    /// Any outbound host.
    Outbound,
    /// A domain's exchangers.
    Domain(HostName),
    /// Any outbound host, for a customer's own server.
    Filtered(HostName, u16),
    /// A customer's own server.
    Server(HostName, u16),
}

impl Destination {
    fn of(target: &Target) -> Self {
        match &target.route {
            Route::Expand => Self::Directory,
            Route::Mailbox { store } => Self::Store(store.clone()),
            Route::Outbound => Self::Outbound,
            Route::Remote => Self::Domain(target.address.domain().clone()),
            Route::Filtered { host, port } => Self::Filtered(host.clone(), *port),
            Route::Server { host, port } => Self::Server(host.clone(), *port),
        }
    }
}

/// The queue of one role on one host.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    journal: Journal,
    state: State,
    /// Written and not yet durable, in order.
    unpromised: VecDeque<(Position, QueueId)>,
    /// Targets that wait, by place and moment.
    waiting: BTreeMap<Destination, BTreeSet<(Moment, QueueId, usize)>>,
    busy: BTreeSet<(QueueId, usize)>,
    /// Messages whose sender may have to hear of something.
    unreported: BTreeSet<QueueId>,
    /// When a message may be late.
    notices: BTreeSet<(Moment, QueueId)>,
    forgotten: Moment,
    /// Where the log ended when it was last looked over for garbage.
    looked: Position,
    /// Messages before this one were there when it was opened.
    opened_at: QueueId,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<QueueId, Entry>,
    next: u64,
    /// Deliveries taken from other hosts: when, and the record that proves it.
    remembered: BTreeMap<(String, String), (Moment, Position)>,
    /// Automatic replies: when, and the record.
    answered: BTreeMap<(String, String), (Moment, Position)>,
}

impl Queue {
    /// Opens the queue on a disk. Everything in it is due once the sync begun here has succeeded.
    ///
    /// - Errors: the journal's; nothing is guessed.
    pub fn open(disk: &mut dyn Disk, settings: Settings) -> Result<(Self, Recovery), OpenError> {
        let mut state = State { next: 1, ..State::default() };
        let (mut journal, recovery) = Journal::open(disk, settings.journal, &mut |meta, content, position| {
            state.apply(Record::decode(meta)?, Some(content), position);
            Ok(())
        })?;
        journal.request_sync(disk);
        let mut queue = Self {
            settings,
            journal,
            state,
            unpromised: VecDeque::new(),
            waiting: BTreeMap::new(),
            busy: BTreeSet::new(),
            unreported: BTreeSet::new(),
            notices: BTreeSet::new(),
            forgotten: Moment::default(),
            looked: Position::default(),
            opened_at: QueueId(0),
        };
        queue.opened_at = queue.next_id();
        let mut order: Vec<(Position, QueueId)> =
            queue.state.entries.iter().map(|(&id, entry)| (entry.position, id)).collect();
        order.sort_unstable();
        queue.unpromised = order.into();
        queue.release();
        Ok((queue, recovery))
    }

    /// Forgets what is not durable and opens again, after a sync has failed. Attempts under way count for nothing.
    ///
    /// - Errors: the disk's or the journal's; the role then stays down.
    pub fn reopen(self, disk: &mut dyn Disk) -> Result<(Self, Recovery), OpenError> {
        let mut settings = self.settings;
        settings.journal.first_ticket = self.journal.next_ticket();
        self.journal.cut_unsynced(disk)?;
        Self::open(disk, settings)
    }

    /// Returns the name the next message gets, for its trace field.
    pub fn next_id(&self) -> QueueId {
        QueueId(self.state.next)
    }

    /// Returns the name under which the copies of a message are handed to other hosts, the same over attempts and restarts.
    pub fn delivery_name(&self, id: QueueId) -> String {
        format!("{}.{:X}", self.settings.host, id.0)
    }

    /// Puts a message into the queue; it may be promised when its position is durable.
    ///
    /// - Errors: the disk's; the message is not in the queue then.
    pub fn accept(&mut self, disk: &mut dyn Disk, message: NewMessage<'_>) -> Result<Queued, DiskError> {
        let now = message.header.accepted;
        let record = Record::Entry {
            id: self.next_id(),
            targets: message.targets.into_iter().map(|target| fresh(target, now)).collect(),
            header: message.header,
            delivery: message.delivery,
            reports: None,
            answers: message.answers.map(|(from, to)| (from.key(), to.key())),
        };
        self.enqueue(disk, record, message.content)
    }

    fn enqueue(&mut self, disk: &mut dyn Disk, record: Record, content: &[&[u8]]) -> Result<Queued, DiskError> {
        let id = self.next_id();
        let appended = self.journal.append(disk, &record.encode(), content)?;
        self.state.apply(record, Some(appended.body), appended.position);
        self.unpromised.push_back((appended.position, id));
        self.journal.request_sync(disk);
        Ok(Queued { id, position: appended.position })
    }

    /// Returns what a delivery by another host waits for, when this queue has taken it before.
    pub fn taken_before(&self, delivery: &str, recipient: &MailAddress) -> Option<Position> {
        self.state.remembered.get(&(delivery.to_owned(), recipient.key())).map(|&(_, position)| position)
    }

    /// Returns when an automatic reply was last sent.
    pub fn last_answered(&self, from: &MailAddress, to: &MailAddress) -> Option<Moment> {
        self.state.answered.get(&(from.key(), to.key())).map(|&(at, _)| at)
    }

    /// Takes the outcome of a sync that the queue began. What became durable may be promised and tried.
    pub fn synced(&mut self, disk: &mut dyn Disk, ticket: SyncTicket, result: Result<(), DiskError>) -> SyncOutcome {
        let outcome = self.journal.synced(disk, ticket, result);
        self.release();
        outcome
    }

    fn release(&mut self) {
        while let Some(&(position, id)) = self.unpromised.front() {
            if !self.journal.is_durable(position) {
                return;
            }
            self.unpromised.pop_front();
            self.schedule(id);
            if let Some(milliseconds) = self.settings.patience.notice_milliseconds
                && let Some(entry) = self.state.entries.get(&id)
                && entry.header.sender.is_some()
            {
                self.notices.insert((entry.header.accepted.plus(milliseconds), id));
            }
        }
    }

    /// Puts an entry's waiting targets where they are looked for, and notes whether its sender is to hear of something.
    fn schedule(&mut self, id: QueueId) {
        let Some(entry) = self.state.entries.get(&id) else {
            self.unreported.remove(&id);
            return;
        };
        for (index, target) in entry.targets.iter().enumerate() {
            if let TargetState::Waiting { next, .. } = target.state
                && !self.busy.contains(&(id, index))
            {
                self.waiting.entry(Destination::of(target)).or_default().insert((next, id, index));
            }
        }
        if self.is_settled(id) {
            self.unreported.insert(id);
        }
    }

    /// Returns whether a record that ends at a position is durable.
    pub fn is_durable(&self, position: Position) -> bool {
        self.journal.is_durable(position)
    }

    /// Returns the position up to which everything survives a power loss.
    pub fn durable_to(&self) -> Position {
        self.journal.durable_to()
    }

    /// Returns whether nothing of some messages is under way: whatever of them waits does so for a later moment.
    ///
    /// - `concerns`: which messages.
    pub fn is_at_rest(&self, now: Moment, concerns: &dyn Fn(&Entry) -> bool) -> bool {
        let is_due = |state: &TargetState| matches!(state, TargetState::Waiting { next, .. } if *next <= now);
        !self.entries().filter(|(_, entry)| concerns(entry)).any(|(id, entry)| {
            let mut targets = entry.targets.iter().enumerate();
            self.unreported.contains(&id)
                || targets.any(|(index, target)| self.busy.contains(&(id, index)) || is_due(&target.state))
        })
    }

    /// Returns whether the queue refuses all work until it is opened again.
    pub fn is_failed(&self) -> bool {
        self.journal.is_failed()
    }

    /// Returns the places for which something waits, with the moment the first is due.
    pub fn destinations(&self) -> impl Iterator<Item = (&Destination, Moment)> {
        self.waiting.iter().filter_map(|(place, waiting)| Some((place, waiting.first()?.0)))
    }

    /// Takes what is due for a place. It comes back through [`Queue::delivered`], [`Queue::failed`], [`Queue::expanded`] or
    /// [`Queue::returned`], each of its targets once.
    pub fn take(&mut self, now: Moment, place: &Destination) -> Option<Job> {
        let waiting = self.waiting.get_mut(place)?;
        let (id, first) = loop {
            let &(next, id, first) = waiting.first()?;
            if next > now {
                return None;
            }
            let target = self.state.entries.get(&id).and_then(|entry| entry.targets.get(first));
            match target.map(|target| &target.state) {
                Some(TargetState::Waiting { next: at, .. }) if *at == next => break (id, first),
                // It was settled otherwise.
                _ => waiting.remove(&(next, id, first)),
            };
        };
        let entry = self.state.entries.get(&id)?;
        let leader = entry.targets.get(first)?;
        let alone = match place {
            Destination::Directory => true,
            Destination::Store(_) => is_looked_up_again(self.opened_at, id, leader),
            Destination::Outbound | Destination::Domain(_) | Destination::Filtered(..) | Destination::Server(..) => {
                false
            }
        };
        let mut targets = Vec::new();
        for (index, target) in entry.targets.iter().enumerate() {
            let TargetState::Waiting { next, .. } = target.state else { continue };
            let together = index == first
                || (!alone && target.sender == leader.sender && target.variant == leader.variant && next <= now);
            if together && targets.len() < COPIES && waiting.remove(&(next, id, index)) {
                targets.push(index);
                self.busy.insert((id, index));
            }
        }
        if waiting.is_empty() {
            self.waiting.remove(place);
        }
        (!targets.is_empty()).then(|| Job { id, targets, destination: place.clone() })
    }

    /// Tells whether a mailbox is looked up once more before mail goes there, and each by itself: after a failure, and after
    /// the queue was opened, it may be elsewhere, have another name, or not be there any more.
    pub fn is_looked_up_again(&self, id: QueueId, target: &Target) -> bool {
        is_looked_up_again(self.opened_at, id, target)
    }

    /// Returns a message.
    pub fn entry(&self, id: QueueId) -> Option<&Entry> {
        self.state.entries.get(&id)
    }

    /// Returns every message, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (QueueId, &Entry)> {
        self.state.entries.iter().map(|(&id, entry)| (id, entry))
    }

    /// Returns how many messages there are.
    pub fn len(&self) -> usize {
        self.state.entries.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.state.entries.is_empty()
    }

    /// Reads a message's content as it was accepted.
    ///
    /// - Errors: the disk's; `Missing` when the message is not in the queue.
    pub fn content(&self, disk: &dyn Disk, id: QueueId) -> Result<Vec<u8>, DiskError> {
        let entry = self.state.entries.get(&id).ok_or(DiskError::Missing)?;
        self.journal.read(disk, entry.content)
    }

    /// A target was delivered: to its mailbox, to a host of the platform that reports further, or beyond the platform.
    pub fn delivered(&mut self, disk: &mut dyn Disk, id: QueueId, target: usize) {
        let Some(entry) = self.state.entries.get(&id) else { return };
        let Some(whole) = entry.targets.get(target) else { return };
        let wants = entry.addressee_of(target).is_some_and(Addressee::wants_success);
        let state = match whole.route {
            Route::Mailbox { .. } if wants => TargetState::Delivered { relayed: false },
            Route::Remote | Route::Server { .. } if wants => TargetState::Delivered { relayed: true },
            _ => TargetState::Done,
        };
        self.change(disk, id, target, state);
    }

    /// An attempt failed.
    ///
    /// - Returns: when the target is tried again, `None` when it is given up.
    pub fn failed(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        id: QueueId,
        target: usize,
        failure: Failure,
    ) -> Option<Moment> {
        let entry = self.state.entries.get(&id)?;
        let whole = entry.targets.get(target)?;
        let TargetState::Waiting { failed, told, .. } = whole.state else { return None };
        let patience = &self.settings.patience;
        let accepted = entry.header.accepted;
        let (state, next) = if failure.status.0 == 5 {
            (TargetState::Failed(failure), None)
        } else if expired(accepted, now, patience) {
            let text = format!("message expired in the queue; last reply: {}", failure.text);
            // RFC 3463 §3.5: X.4.7, delivery time expired.
            let last = Failure { status: crate::smtp::Enhanced(4, 4, 7), text, host: failure.host };
            (TargetState::Failed(last), None)
        } else {
            let failed = failed.saturating_add(1);
            let next = now
                .plus(wait(&whole.route, failed))
                .min(accepted.plus(patience.lifetime_milliseconds))
                .max(now.plus(1));
            (TargetState::Waiting { next, failed, last: Some(failure), told }, Some(next))
        };
        self.change(disk, id, target, state);
        next
    }

    /// An attempt never came to an end (the host was shut down, the place was busy): the target is due again.
    pub fn returned(&mut self, id: QueueId, target: usize) {
        if self.busy.remove(&(id, target)) {
            self.schedule(id);
        }
    }

    /// A target leads to others, or to nothing at all.
    ///
    /// - Errors: the disk's; the target then waits as after a failure, since what comes after must find the same numbers in
    ///   the journal as in memory.
    pub fn expanded(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        id: QueueId,
        target: usize,
        into: Vec<NewTarget>,
    ) -> Result<(), DiskError> {
        let into = into.into_iter().map(|target| fresh(target, now)).collect();
        let record = Record::Expanded { id, target, into };
        match self.journal.append(disk, &record.encode(), &[]) {
            Ok(appended) => {
                self.busy.remove(&(id, target));
                self.state.apply(record, None, appended.position);
                self.schedule(id);
                Ok(())
            }
            Err(error) => {
                self.failed(disk, now, id, target, Failure::ours((4, 3, 1), "the queue's disk takes nothing"));
                Err(error)
            }
        }
    }

    fn change(&mut self, disk: &mut dyn Disk, id: QueueId, target: usize, state: TargetState) {
        self.busy.remove(&(id, target));
        // Where it cannot be written it holds in memory: at worst something is done again under the same name after a crash.
        let record = Record::State { id, target, state };
        let position = match self.journal.append(disk, &record.encode(), &[]) {
            Ok(appended) => appended.position,
            Err(_) => self.journal.tail(),
        };
        self.state.apply(record, None, position);
        self.schedule(id);
    }

    /// Makes due what waits for a place, because it has come back; attempts that failed stay counted.
    pub fn flush(&mut self, now: Moment, place: &Destination) {
        let Some(waiting) = self.waiting.remove(place) else { return };
        let moved = waiting.into_iter().map(|(next, id, index)| {
            let sooner = next.min(now);
            if let Some(entry) = self.state.entries.get_mut(&id)
                && let Some(target) = entry.targets.get_mut(index)
                && let TargetState::Waiting { next, .. } = &mut target.state
            {
                *next = sooner;
            }
            (sooner, id, index)
        });
        let moved = moved.collect();
        self.waiting.insert(place.clone(), moved);
    }

    /// Returns when [`Queue::tick`] has something to do.
    pub fn next_tick(&self) -> Option<Moment> {
        let report = self.unreported.first().map(|_| Moment::default());
        let notice = self.notices.first().map(|&(at, _)| at);
        report.into_iter().chain(notice).min()
    }

    /// Writes the notices that are due, forgets what need not be remembered and gives up old segments.
    pub fn tick(&mut self, disk: &mut dyn Disk, now: Moment) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.journal.is_failed() {
            return notices;
        }
        for id in std::mem::take(&mut self.unreported) {
            // Without room for the notice nothing is settled; it is written when something else of the message moves, or
            // after the next opening.
            notices.extend(self.report(disk, now, id).unwrap_or_default());
        }
        while let Some(&(at, id)) = self.notices.first().filter(|(at, _)| *at <= now) {
            self.notices.remove(&(at, id));
            if let Ok(Some(notice)) = self.report_delay(disk, now, id) {
                notices.push(notice);
            }
        }
        self.forget(now);
        self.compact(disk, now);
        notices
    }

    /// Whether nothing of a message is under way or about to be, so that one notice can tell all there is.
    fn is_settled(&self, id: QueueId) -> bool {
        let Some(entry) = self.state.entries.get(&id) else { return false };
        let mut tells = false;
        for (index, target) in entry.targets.iter().enumerate() {
            match target.state {
                TargetState::Waiting { failed: 0, .. } => return false,
                TargetState::Waiting { .. } if self.busy.contains(&(id, index)) => return false,
                TargetState::Failed(_) | TargetState::Delivered { .. } => tells = true,
                _ => {}
            }
        }
        tells
    }

    fn report(&mut self, disk: &mut dyn Disk, now: Moment, id: QueueId) -> Result<Vec<Notice>, DiskError> {
        let Some(entry) = self.state.entries.get(&id) else { return Ok(Vec::new()) };
        let mut notices = Vec::new();
        for kind in [NoticeKind::Failed, NoticeKind::Delivered] {
            let settled: Vec<usize> = (entry.targets.iter().enumerate())
                .filter(|(_, target)| match target.state {
                    TargetState::Failed(_) => kind == NoticeKind::Failed,
                    TargetState::Delivered { .. } => kind == NoticeKind::Delivered,
                    _ => false,
                })
                .map(|(index, _)| index)
                .collect();
            if settled.is_empty() {
                continue;
            }
            let told: Vec<usize> = (settled.iter().copied())
                .filter(|&index| {
                    kind == NoticeKind::Delivered || entry.addressee_of(index).is_some_and(Addressee::wants_failure)
                })
                .collect();
            notices.push((kind, settled, told));
        }
        let mut sent = Vec::new();
        for (kind, settled, told) in notices {
            let reports = Reports { about: id, settled: settled.clone(), late: Vec::new() };
            if let Some(notice) = self.notify(disk, now, id, kind, &told, reports)? {
                sent.push(notice);
                continue;
            }
            for target in settled {
                self.change(disk, id, target, TargetState::Done);
            }
        }
        Ok(sent)
    }

    fn report_delay(&mut self, disk: &mut dyn Disk, now: Moment, id: QueueId) -> Result<Option<Notice>, DiskError> {
        let Some(entry) = self.state.entries.get(&id) else { return Ok(None) };
        let late: Vec<usize> = (entry.targets.iter().enumerate())
            .filter(|(index, target)| {
                matches!(target.state, TargetState::Waiting { told: false, failed: 1.., .. })
                    && entry.addressee_of(*index).is_some_and(Addressee::wants_delay)
            })
            .map(|(index, _)| index)
            .collect();
        if late.is_empty() {
            return Ok(None);
        }
        let reports = Reports { about: id, settled: Vec::new(), late: late.clone() };
        self.notify(disk, now, id, NoticeKind::Delayed, &late, reports)
    }

    /// Queues a notice about some targets; returns `None` when there is nobody or nothing to tell.
    fn notify(
        &mut self,
        disk: &mut dyn Disk,
        now: Moment,
        id: QueueId,
        kind: NoticeKind,
        told: &[usize],
        reports: Reports,
    ) -> Result<Option<Notice>, DiskError> {
        let Some(entry) = self.state.entries.get(&id) else { return Ok(None) };
        let Some(sender) = entry.header.sender.clone() else { return Ok(None) };
        if told.is_empty() || entry.header.quiet {
            return Ok(None);
        }
        let original = self.journal.read(disk, entry.content)?;
        let about: Vec<Report<'_>> = told.iter().filter_map(|&index| Report::of(entry, index)).collect();
        let notice_id = self.next_id();
        let whole = About { id, header: &entry.header, kind, content: &original };
        let text = notice::write(&self.settings, now, notice_id, whole, &about);
        let eight_bit = !text.is_ascii();
        let internationalized = !sender.to_string().is_ascii()
            || about.iter().any(|report| !report.addressee.address.to_string().is_ascii());
        let target = NewTarget {
            addressee: 0,
            address: sender.clone(),
            sender: None,
            route: Route::Expand,
            variant: Variant::default(),
        };
        let record = Record::Entry {
            id: notice_id,
            header: Header {
                accepted: now,
                sender: None,
                addressees: vec![Addressee { address: sender.clone(), notify: None, original: None }],
                returned: None,
                identifier: None,
                body: if eight_bit { Body::EightBit } else { Body::SevenBit },
                internationalized,
                quiet: true,
            },
            targets: vec![fresh(target, now)],
            delivery: None,
            reports: Some(reports),
            answers: None,
        };
        self.enqueue(disk, record, &[&text])?;
        Ok(Some(Notice { id: notice_id, about: id, kind, to: sender }))
    }

    fn forget(&mut self, now: Moment) {
        // Once an hour is often enough.
        if now.since(self.forgotten) < 3_600_000 {
            return;
        }
        self.forgotten = now;
        self.state.remembered.retain(|_, (at, _)| now.since(*at) < MEMORY_MILLISECONDS);
        self.state.answered.retain(|_, (at, _)| now.since(*at) < 10 * MEMORY_MILLISECONDS);
    }

    /// Gives up the oldest segment when little of it is alive, or when the log is much longer than what is alive in it.
    fn compact(&mut self, disk: &mut dyn Disk, now: Moment) {
        let tail = self.journal.tail();
        let step = self.settings.journal.segment_bytes / 8;
        if tail.segment == self.looked.segment && tail.offset < self.looked.offset + step {
            return;
        }
        self.looked = tail;
        let Some((segment, bytes)) = self.journal.oldest_segment() else { return };
        let alive: u64 = self.state.entries.values().map(|entry| entry.bytes() + 512).sum();
        let here: u64 = (self.state.entries.values())
            .filter(|entry| entry.content.segment <= segment)
            .map(|entry| entry.bytes() + 512)
            .sum();
        let sprawls = self.journal.total_bytes() > 4 * (alive + self.settings.journal.segment_bytes);
        if here * 2 > bytes && !sprawls {
            return;
        }
        if self.rewrite(disk, segment, now).is_ok() {
            self.journal.retire_through(disk, segment);
        }
    }

    /// Writes everything alive in the segments through one again, in full.
    fn rewrite(&mut self, disk: &mut dyn Disk, segment: u64, now: Moment) -> Result<(), DiskError> {
        let next = Record::Next { id: self.next_id() };
        self.journal.append(disk, &next.encode(), &[])?;
        let state = &mut self.state;
        for (&id, entry) in state.entries.iter_mut().filter(|(_, entry)| entry.position.segment <= segment) {
            let record = Record::Entry {
                id,
                header: entry.header.clone(),
                targets: entry.targets.clone(),
                delivery: None,
                reports: None,
                answers: None,
            };
            let appended = self.journal.copy(disk, &record.encode(), entry.content)?;
            entry.content = appended.body;
            entry.position = appended.position;
        }
        self.forgotten = now;
        for ((delivery, recipient), (at, position)) in &mut state.remembered {
            if position.segment <= segment {
                let (delivery, recipient) = (delivery.clone(), recipient.clone());
                let record = Record::Remembered { delivery, recipient, at: *at };
                *position = self.journal.append(disk, &record.encode(), &[])?.position;
            }
        }
        for ((from, to), (at, position)) in &mut state.answered {
            if position.segment <= segment {
                let record = Record::Answered { from: from.clone(), to: to.clone(), at: *at };
                *position = self.journal.append(disk, &record.encode(), &[])?.position;
            }
        }
        Ok(())
    }
}

fn fresh(target: NewTarget, now: Moment) -> Target {
    let NewTarget { addressee, address, sender, route, variant } = target;
    Target { addressee, address, sender, route, variant, state: TargetState::fresh(now) }
}

impl State {
    /// Makes a record true. What it says of messages that are gone changes nothing.
    fn apply(&mut self, record: Record, content: Option<crate::journal::Location>, position: Position) {
        match record {
            Record::Entry { id, header, targets, delivery, reports, answers } => {
                self.next = self.next.max(id.0 + 1);
                let at = header.accepted;
                if let Some(delivery) = delivery {
                    for addressee in &header.addressees {
                        self.remembered.insert((delivery.clone(), addressee.address.key()), (at, position));
                    }
                }
                if let Some(answers) = answers {
                    self.answered.insert(answers, (at, position));
                }
                if let Some(reports) = reports {
                    for index in reports.settled {
                        self.set(reports.about, index, TargetState::Done);
                    }
                    for index in reports.late {
                        self.tell(reports.about, index);
                    }
                }
                if let Some(content) = content {
                    self.entries.insert(id, Entry { header, targets, content, position });
                    self.drop_done(id);
                }
            }
            Record::State { id, target, state } => self.set(id, target, state),
            Record::Expanded { id, target, into } => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.targets.extend(into);
                }
                self.set(id, target, TargetState::Done);
            }
            Record::Remembered { delivery, recipient, at } => {
                self.remembered.insert((delivery, recipient), (at, position));
            }
            Record::Answered { from, to, at } => {
                self.answered.insert((from, to), (at, position));
            }
            Record::Next { id } => self.next = self.next.max(id.0),
        }
    }

    fn set(&mut self, id: QueueId, target: usize, state: TargetState) {
        if let Some(target) = self.entries.get_mut(&id).and_then(|entry| entry.targets.get_mut(target)) {
            target.state = state;
        }
        self.drop_done(id);
    }

    fn tell(&mut self, id: QueueId, target: usize) {
        let target = self.entries.get_mut(&id).and_then(|entry| entry.targets.get_mut(target));
        if let Some(TargetState::Waiting { told, .. }) = target.map(|target| &mut target.state) {
            *told = true;
        }
    }

    fn drop_done(&mut self, id: QueueId) {
        let done = |entry: &Entry| entry.targets.iter().all(|target| target.state == TargetState::Done);
        if self.entries.get(&id).is_some_and(done) {
            self.entries.remove(&id);
        }
    }
}

fn is_looked_up_again(opened_at: QueueId, id: QueueId, target: &Target) -> bool {
    id < opened_at || matches!(target.state, TargetState::Waiting { failed: 1.., .. })
}
