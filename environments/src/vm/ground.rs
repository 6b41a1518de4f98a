//! What machines stand on while they run, and what can be done to them there: they are moved from host to host.
//!
//! A host is a name here: all machines are processes of this machine, and a node that moves goes on in another one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blueprint::{Blueprint, Node, Role};
use switch::{Port, Switch};
use tokio::sync::watch;
use values::{HostName, MailAddress};

use super::machine::{Begins, Machine, MachineFailure, Power};
use super::moves::{self, Moved};
use crate::failure::Failure;
use crate::log::{Entry, Level, Log};
use crate::namespace::agents::{Agents, Streams};
use crate::namespace::hands::Reach;
use crate::scenarios::{Cannot, Hands};
use crate::state::Folder;

/// What machines stand on.
pub(super) struct Ground {
    agents: Mutex<Agents>,
    switch: Switch,
    /// Where each node hangs on the switch.
    ports: BTreeMap<String, Port>,
    nodes: BTreeMap<String, Node>,
    /// Every host, and whatever stands on it.
    hosts: BTreeSet<String>,
    /// The host of each node.
    places: Mutex<BTreeMap<String, String>>,
    power: Power,
    reach: Reach,
    folder: Folder,
    log: Log,
    broke: watch::Sender<Option<String>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ground {
    /// - `nodes`: in the order of their ports, the first of which is not theirs.
    pub(super) fn new(
        (blueprint, nodes): (&Blueprint, &[&Node]),
        (agents, switch, power): (Agents, Switch, Power),
        reach: Reach,
        folder: Folder,
        (log, broke): (Log, watch::Sender<Option<String>>),
    ) -> Self {
        let name = |node: &Node| node.name.to_string();
        Self {
            agents: Mutex::new(agents),
            switch,
            ports: nodes.iter().enumerate().map(|(place, node)| (name(node), Port(place + 1))).collect(),
            nodes: nodes.iter().map(|node| (name(node), (*node).clone())).collect(),
            hosts: blueprint.hosts.iter().map(|host| host.name.to_string()).collect(),
            places: Mutex::new(nodes.iter().map(|node| (name(node), node.host.to_string())).collect()),
            power,
            reach,
            folder,
            log,
            broke,
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
        let (Some(planned), Some(port)) = (self.nodes.get(node), self.ports.get(node)) else {
            return Err(Failure::NoSuchNode { node: node.to_owned(), nodes: self.nodes.keys().cloned().collect() });
        };
        let refused = |reason: String| MachineFailure::Move { node: node.to_owned(), reason };
        if !self.hosts.contains(to) {
            let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            return Err(refused(format!("there is no host {to}; there are {}", hosts.join(", "))).into());
        }
        let from = held(&self.places).get(node).cloned().unwrap_or_default();
        if from == to {
            return Err(refused(format!("it is on {to} already")).into());
        }
        let folder = super::machine::folder(&self.folder, node)?;
        let machine = Machine { folder: &folder, node: planned, begins: Begins::Beside };
        let arrived = moves::go(&machine, &self.power, &self.switch, *port)?;
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
        held(&self.places).insert(node.to_owned(), to.to_owned());
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
        let places = held(&self.places).clone();
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

fn cannot(failure: &Failure) -> Cannot {
    Cannot::Failed(failure.to_string())
}

/// Scenarios at a time on emulated machines, where a lookup of a tenth of a second takes one.
const EMULATED_AT_ONCE: usize = 2;

impl Hands for Ground {
    fn at_once(&self) -> usize {
        match self.power.accelerator.instead {
            Some(_) => EMULATED_AT_ONCE,
            None => self.reach.at_once(),
        }
    }

    fn migrate(&self, node: &str, to: &str) -> Result<(), Cannot> {
        self.relocate(node, to).map(drop).map_err(|failure| cannot(&failure))
    }

    fn evacuate(&self, host: &str) -> Result<(), Cannot> {
        Ground::evacuate(self, host).map(drop).map_err(|failure| cannot(&failure))
    }

    fn advance(&self, by: Duration) -> Result<(), Cannot> {
        self.reach.advance(by)
    }

    fn held(&self, mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        Hands::held(&self.reach, mailbox)
    }

    fn release(&self, mailbox: &MailAddress) -> Result<u64, Cannot> {
        self.reach.release(mailbox)
    }

    fn queued(&self, role: Role) -> Result<u64, Cannot> {
        self.reach.queued(role)
    }

    fn is_settled(&self, about: &BTreeSet<String>) -> Option<bool> {
        self.reach.is_settled(about)
    }

    fn source_of(&self, domain: &HostName) -> Result<IpAddr, Cannot> {
        self.reach.source_of(domain)
    }
}
