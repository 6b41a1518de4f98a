//! What a role keeps on its disk, and who waits for that to be durable.

use std::collections::BTreeMap;

use super::tasks::{Play, TaskId, Waiting};
use super::{DiskMaker, Engine, Level, Role, StartError};
use crate::Moment;
use crate::disk::{Disk, DiskError, SyncTicket};
use crate::journal::{Options, Position, SyncOutcome};
use crate::network::HostId;
use crate::queue::{self, Destination, Queue};
use crate::store::{MailStore, Storage};

/// A role with a disk.
pub(super) struct Office {
    disk: Box<dyn Disk + Send>,
    holding: Holding,
    /// Another opening changes it; what was begun before counts for nothing.
    pub(super) incarnation: u64,
    /// Who waits for what to be durable, in order.
    waiting: BTreeMap<(Position, u64), Waiting>,
    /// Deliveries under way, by place.
    pub(super) running: BTreeMap<Destination, usize>,
    /// The store may have news for idle sessions.
    pub(super) stirred: bool,
}

enum Holding {
    Queue(Box<Queue>),
    Store(Box<MailStore>),
    /// It could not be opened again; the role is down until its host is turned off and on.
    Down,
}

impl Office {
    pub(super) fn queue(&self) -> Option<&Queue> {
        match &self.holding {
            Holding::Queue(queue) => Some(queue),
            _ => None,
        }
    }

    pub(super) fn queue_mut(&mut self) -> Option<(&mut Queue, &mut dyn Disk)> {
        match &mut self.holding {
            Holding::Queue(queue) => Some((queue, self.disk.as_mut())),
            _ => None,
        }
    }

    pub(super) fn store(&self) -> Option<(&MailStore, &dyn Disk)> {
        match &self.holding {
            Holding::Store(mail) => Some((mail, self.disk.as_ref())),
            _ => None,
        }
    }

    pub(super) fn storage(&mut self) -> Option<Storage<'_>> {
        match &mut self.holding {
            Holding::Store(mail) => Some(Storage { mail, disk: self.disk.as_mut() }),
            _ => None,
        }
    }

    pub(super) fn durable_to(&self) -> Position {
        match &self.holding {
            Holding::Queue(queue) => queue.durable_to(),
            Holding::Store(mail) => mail.durable_to(),
            Holding::Down => Position::default(),
        }
    }

    fn is_failed(&self) -> bool {
        match &self.holding {
            Holding::Queue(queue) => queue.is_failed(),
            Holding::Store(mail) => mail.is_failed(),
            Holding::Down => false,
        }
    }
}

impl Engine {
    pub(super) fn open_offices(&mut self, host: HostId, disks: &mut DiskMaker<'_>) -> Result<(), StartError> {
        let Some(machine) = self.machine(host) else { return Ok(()) };
        let plan = machine.plan.clone();
        for &role in plan.roles.iter().filter(|role| role.has_disk()) {
            let mut disk = disks(&plan.name, role);
            // Tickets of a former life never match.
            let incarnation = self.name();
            let journal = Options { first_ticket: SyncTicket(incarnation << 32), ..self.topology.journal };
            let opened = if role.has_queue() {
                let settings = queue::Settings {
                    host: plan.name.clone(),
                    hostname: plan.hostname.to_string(),
                    origin: self.topology.mail.origin.to_string(),
                    help: self.topology.mail.help.clone(),
                    patience: self.topology.mail.patience,
                    journal,
                };
                Queue::open(disk.as_mut(), settings).map(|(queue, found)| (Holding::Queue(Box::new(queue)), found))
            } else {
                MailStore::open(disk.as_mut(), journal).map(|(mail, found)| (Holding::Store(Box::new(mail)), found))
            };
            let (holding, recovery) =
                opened.map_err(|source| StartError::Open { host: plan.name.clone(), role: role.name(), source })?;
            if recovery.cut_bytes > 0 {
                let cut = recovery.cut_bytes.to_string();
                self.log(host, role.name(), Level::Notice, "cut an unfinished end off the journal", &[("bytes", cut)]);
            }
            let office = Office {
                disk,
                holding,
                incarnation,
                waiting: BTreeMap::new(),
                running: BTreeMap::new(),
                stirred: false,
            };
            self.offices.insert((host, role), office);
        }
        Ok(())
    }

    /// Lets somebody wait until a position is durable; who need not wait is told at once.
    pub(super) fn wait_for(&mut self, host: HostId, role: Role, position: Position, waiting: Waiting) {
        let name = self.name();
        let early = self.faults.answer_before_sync;
        match self.offices.get_mut(&(host, role)) {
            Some(office) if position > office.durable_to() && !early => {
                office.waiting.insert((position, name), waiting);
            }
            Some(_) => self.durable(waiting, true),
            None => self.durable(waiting, false),
        }
    }

    pub(super) fn synced(&mut self, host: HostId, role: Role, ticket: SyncTicket, result: Result<(), DiskError>) {
        let Some(office) = self.offices.get_mut(&(host, role)) else { return };
        let outcome = match &mut office.holding {
            Holding::Queue(queue) => queue.synced(office.disk.as_mut(), ticket, result),
            Holding::Store(mail) => mail.synced(office.disk.as_mut(), ticket, result),
            Holding::Down => SyncOutcome::Stale,
        };
        match outcome {
            SyncOutcome::Stale => {}
            SyncOutcome::Durable(position) => {
                office.stirred = true;
                let mut ready = Vec::new();
                while let Some(entry) = office.waiting.first_entry().filter(|entry| entry.key().0 <= position) {
                    ready.push(entry.remove());
                }
                for waiting in ready {
                    self.durable(waiting, true);
                }
            }
            SyncOutcome::Failed => self.reopen(host, role),
        }
    }

    /// Opens a role again after its journal has failed: nothing of what was not durable counts.
    pub(super) fn reopen(&mut self, host: HostId, role: Role) {
        let incarnation = self.name();
        self.log(host, role.name(), Level::Error, "the disk failed; starting again from what is durable", &[]);
        let Some(office) = self.offices.get_mut(&(host, role)) else { return };
        let disappointed = std::mem::take(&mut office.waiting);
        office.incarnation = incarnation;
        office.running.clear();
        office.stirred = true;
        let disk = office.disk.as_mut();
        let opened = match std::mem::replace(&mut office.holding, Holding::Down) {
            Holding::Queue(queue) => queue.reopen(disk).map(|(queue, _)| Holding::Queue(Box::new(queue))),
            Holding::Store(mail) => {
                mail.reopen(disk, self.topology.journal).map(|(mail, _)| Holding::Store(Box::new(mail)))
            }
            Holding::Down => Ok(Holding::Down),
        };
        match opened {
            Ok(holding) => office.holding = holding,
            Err(error) => {
                let why = error.to_string();
                self.log(
                    host,
                    role.name(),
                    Level::Error,
                    "the role stays down: its disk cannot be read",
                    &[("why", why)],
                );
            }
        }
        for waiting in disappointed.into_values() {
            self.durable(waiting, false);
        }
        let stale: Vec<TaskId> = (self.tasks.iter())
            .filter(|(_, task)| task.delivers_for(host, role).is_some_and(|begun| begun != incarnation))
            .map(|(&task, _)| task)
            .collect();
        for task in stale {
            self.drop_task(task);
        }
        // Sessions find out that what they saw is no more.
        let readers: Vec<TaskId> = (self.tasks.iter())
            .filter(|(_, task)| task.host == host && matches!(task.play, Play::Reader(_)))
            .map(|(&task, _)| task)
            .collect();
        for task in readers {
            self.wake(task);
        }
    }

    /// Looks after roles whose journal failed outside a sync, and tells sessions what is durable or new.
    pub(super) fn tend_stores(&mut self) -> bool {
        let keys: Vec<(HostId, Role)> = self.offices.keys().copied().collect();
        let mut moved = false;
        for (host, role) in keys {
            let Some(office) = self.offices.get_mut(&(host, role)) else { continue };
            if office.is_failed() {
                self.reopen(host, role);
                moved = true;
                continue;
            }
            if !std::mem::take(&mut office.stirred) {
                continue;
            }
            let Some((mail, _)) = office.store() else { continue };
            let durable = mail.durable_to();
            let wakes: Vec<TaskId> = (self.tasks.iter())
                .filter(|(_, task)| task.host == host && task.is_stirred_by(mail, durable))
                .map(|(&task, _)| task)
                .collect();
            for task in wakes {
                self.wake(task);
                moved = true;
            }
        }
        moved
    }

    /// Returns the next moment at which a queue has something to do.
    pub(super) fn next_queue_wake(&self) -> Option<Moment> {
        let most = self.topology.bounds.deliveries_per_destination;
        let mut next: Option<Moment> = None;
        for office in self.offices.values() {
            let Some(queue) = office.queue() else { continue };
            let room = self.carried < self.topology.bounds.delivery_bytes;
            let free = |place: &Destination| room && office.running.get(place).copied().unwrap_or(0) < most;
            let due = queue.destinations().filter(|(place, _)| free(place)).map(|(_, at)| at).min();
            next = [next, due, queue.next_tick()].into_iter().flatten().min();
        }
        next
    }
}
