//! What machines stand on while they run, and what can be done to them there: they are moved from host to host, and broken on purpose.
//!
//! A host is a name here: all machines are processes of this machine, and a node that moves goes on in another one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blueprint::{Blueprint, Node, Process, Role};
use switch::{Port, Switch};
use tokio::sync::watch;
use values::{HostName, MailAddress};

use super::faults::Ailing;
use super::machine::{Begins, Machine, MachineFailure, Power};
use super::moves::{self, Moved};
use crate::failure::Failure;
use crate::faults::{Breakable, Faults};
use crate::log::{Entry, Level, Log};
use crate::namespace::agents::{Agents, Streams};
use crate::namespace::fabric::Fabric;
use crate::namespace::hands::{Reach, advance};
use crate::scenarios::{Cannot, Fault, Hands, Whom};
use crate::state::Folder;

/// What machines stand on.
pub(super) struct Ground {
    pub(super) agents: Mutex<Agents>,
    pub(super) switch: Switch,
    /// The world's end of the wire.
    pub(super) fabric: Arc<Fabric>,
    pub(super) sites: Mutex<BTreeMap<String, Site>>,
    /// Every host, and whatever stands on it.
    hosts: BTreeSet<String>,
    pub(super) power: Power,
    pub(super) reach: Mutex<Reach>,
    /// How long machines may take to come up.
    pub(super) patience: Duration,
    pub(super) folder: Folder,
    pub(super) log: Log,
    pub(super) broke: watch::Sender<Option<String>>,
    /// Held while a machine gets another process, or none.
    pub(super) changing: Mutex<()>,
    pub(super) ailing: Mutex<Ailing>,
}

/// Where a machine stands, and what it is made of.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) node: Node,
    /// Where it hangs on the switch.
    pub(super) port: Port,
    /// The host that it is on now.
    pub(super) host: String,
    /// Commands for `ip -batch`, which give it its addresses.
    pub(super) network: String,
    /// What runs on it.
    pub(super) processes: Vec<Process>,
}

impl Site {
    pub(super) fn new(node: &Node, port: Port, network: String, processes: &[Process]) -> Self {
        Self { node: node.clone(), port, host: node.host.to_string(), network, processes: processes.to_vec() }
    }
}

pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ground {
    /// - `patience`: how long machines may take to come up.
    pub(super) fn new(
        (blueprint, sites): (&Blueprint, BTreeMap<String, Site>),
        (agents, (switch, fabric), power): (Agents, (Switch, Arc<Fabric>), Power),
        (reach, patience): (Reach, Duration),
        folder: Folder,
        (log, broke): (Log, watch::Sender<Option<String>>),
    ) -> Self {
        Self {
            agents: Mutex::new(agents),
            switch,
            fabric,
            sites: Mutex::new(sites),
            hosts: blueprint.hosts.iter().map(|host| host.name.to_string()).collect(),
            power,
            reach: Mutex::new(reach),
            patience,
            folder,
            log,
            broke,
            changing: Mutex::default(),
            ailing: Mutex::default(),
        }
    }

    /// Takes note of what a node runs from now on.
    pub(super) fn runs(&self, node: &str, processes: Vec<Process>) {
        if let Some(site) = held(&self.sites).get_mut(node) {
            site.processes = processes;
        }
    }

    pub(super) fn agents(&self) -> MutexGuard<'_, Agents> {
        held(&self.agents)
    }

    /// Ends the machines, and waits for them.
    pub(super) fn stop(&self, farewell: Duration) {
        self.agents().stop(farewell);
    }

    /// Moves a node to a host while it runs.
    ///
    /// - Errors: there is no such node or host, or it could not; it goes on where it was.
    pub(super) fn relocate(&self, node: &str, to: &str) -> Result<Moved, Failure> {
        // Nobody takes its power away meanwhile.
        let _changing = held(&self.changing);
        let Some(site) = self.site(node) else {
            let nodes = held(&self.sites).keys().cloned().collect();
            return Err(Failure::NoSuchNode { node: node.to_owned(), nodes });
        };
        let refused = |reason: String| MachineFailure::Move { node: node.to_owned(), reason };
        if !self.hosts.contains(to) {
            let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            return Err(refused(format!("there is no host {to}; there are {}", hosts.join(", "))).into());
        }
        let from = site.host.clone();
        if from == to {
            return Err(refused(format!("it is on {to} already")).into());
        }
        if self.agents().process(node).is_none() {
            return Err(refused("it has no power; heal it first".to_owned()).into());
        }
        let folder = super::machine::folder(&self.folder, node)?;
        let machine = Machine { folder: &folder, node: &site.node, begins: Begins::Beside };
        let arrived = moves::go(&machine, &self.power, &self.switch, site.port)?;
        let moved = Moved {
            node: node.to_owned(),
            from: from.clone(),
            to: to.to_owned(),
            milliseconds: arrived.milliseconds,
            still_milliseconds: arrived.still_milliseconds,
            bytes: arrived.bytes,
        };
        let failed = |source| Failure::StartNode { node: node.to_owned(), source };
        let mut process = arrived.process;
        let tidings = arrived.control.try_clone().map_err(failed)?;
        let errors = process.stderr.take().ok_or_else(|| failed(std::io::Error::other("its process has no pipes")))?;
        let streams = Streams { orders: Box::new(arrived.control), tidings, errors };
        let mut agents = self.agents();
        agents.replace_machine(node, process, streams, &self.log, &self.broke)?;
        agents.stands_on(node, to);
        drop(agents);
        if let Some(site) = held(&self.sites).get_mut(node) {
            to.clone_into(&mut site.host);
        }
        if held(&self.ailing).failing.contains(node) {
            // Its disk has not become a better one.
            self.fail_disk(node)?;
        }
        let entry = Entry::now(Level::Info, Some(node), "machine moved").with("from", from).with("to", to);
        self.log.write(entry.with("still_milliseconds", moved.still_milliseconds));
        Ok(moved)
    }

    /// Moves every node of a host to whichever other host has the fewest, one after the other.
    ///
    /// - Errors: there is no such host, nowhere to go, or one could not; those before it have moved.
    pub(super) fn evacuate(&self, host: &str) -> Result<Vec<Moved>, Failure> {
        let refused = |reason: String| MachineFailure::Move { node: format!("what stands on {host}"), reason };
        if !self.hosts.contains(host) {
            return Err(refused("there is no such host".to_owned()).into());
        }
        let places: BTreeMap<String, String> =
            held(&self.sites).iter().map(|(node, site)| (node.clone(), site.host.clone())).collect();
        let mut count: BTreeMap<&str, usize> =
            self.hosts.iter().filter(|other| *other != host).map(|other| (other.as_str(), 0)).collect();
        for place in places.values() {
            if let Some(count) = count.get_mut(place.as_str()) {
                *count += 1;
            }
        }
        let mut moved = Vec::new();
        for (node, _) in places.iter().filter(|(_, place)| *place == host) {
            let Some(to) = count.iter().min_by_key(|(_, count)| **count).map(|(host, _)| *host) else {
                return Err(refused("there is no other host".to_owned()).into());
            };
            moved.push(self.relocate(node, to)?);
            count.entry(to).and_modify(|count| *count += 1);
        }
        Ok(moved)
    }
}

pub(super) fn cannot(failure: &Failure) -> Cannot {
    Cannot::Failed(failure.to_string())
}

/// Scenarios at a time on emulated machines, where a lookup of a tenth of a second takes one.
const EMULATED_AT_ONCE: usize = 2;

impl Hands for Faults<Ground> {
    fn at_once(&self) -> usize {
        match self.ground().power.accelerator.instead {
            Some(_) => EMULATED_AT_ONCE,
            None => self.ground().reach().at_once(),
        }
    }

    fn can_break(&self) -> Result<(), Cannot> {
        Ok(())
    }

    fn fault(&self, fault: &Fault) -> Result<(), Cannot> {
        Self::fault(self, fault)
    }

    fn heal(&self, whom: &Whom) -> Result<(), Cannot> {
        Self::heal(self, whom)
    }

    fn migrate(&self, node: &str, to: &str) -> Result<(), Cannot> {
        self.ground().relocate(node, to).map(drop).map_err(|failure| cannot(&failure))
    }

    fn evacuate(&self, host: &str) -> Result<(), Cannot> {
        self.ground().evacuate(host).map(drop).map_err(|failure| cannot(&failure))
    }

    fn advance(&self, by: Duration) -> Result<(), Cannot> {
        // Nobody else waits for it meanwhile.
        advance(by)
    }

    fn held(&self, mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        Hands::held(&*self.ground().reach(), mailbox)
    }

    fn release(&self, mailbox: &MailAddress) -> Result<u64, Cannot> {
        self.ground().reach().release(mailbox)
    }

    fn queued(&self, role: Role) -> Result<u64, Cannot> {
        self.ground().reach().queued(role)
    }

    fn is_settled(&self, about: &BTreeSet<String>) -> Option<bool> {
        self.ground().reach().is_settled(about)
    }

    fn source_of(&self, domain: &HostName) -> Result<IpAddr, Cannot> {
        self.ground().reach().source_of(domain)
    }
}
