//! What breaks on purpose, and how it is repaired: nodes lose their power or their network, daemons die, disks and wires are bad.
//!
//! A node that loses its power is killed with everything in it, as by `kill -9`; what it has under `/var` is there when it comes
//! back. Its network is cut at its end of the wire, so that nothing of it is told to anybody.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use blueprint::{Blueprint, Process, Role};

use super::agents::Agents;
use super::fabric::Fabric;
use super::hands::{self, Inside, Reach};
use super::trace::Trace;
use super::{PATIENCE, network};
use crate::container::Stage;
use crate::failure::Failure;
use crate::faults::{Break, Breakable, Spoil};
use crate::log::{Entry, Level, Log};
use crate::node::Plan;
use crate::scenarios::{Cannot, Whom};

/// What can break.
pub(super) struct Ground {
    agents: Mutex<Agents>,
    fabric: Fabric,
    /// The engine that has the nodes, where they are containers.
    stage: Option<Stage>,
    reach: Mutex<Reach>,
    sites: Mutex<BTreeMap<String, Site>>,
    /// Looks at the wire, once somebody wants it.
    trace: Mutex<Option<Trace>>,
    log: Log,
}

/// Where a node stands, and what it is made of.
struct Site {
    /// Its place on the wire.
    place: usize,
    role: Role,
    host: String,
    plan: Plan,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(failure: &Failure) -> Cannot {
    Cannot::Failed(failure.to_string())
}

impl Ground {
    /// - `plans`: what each node is made of, in the order of their places on the wire.
    pub(super) fn new(
        blueprint: &Blueprint,
        plans: Vec<Plan>,
        (agents, fabric, stage): (Agents, Fabric, Option<Stage>),
        reach: Reach,
        log: Log,
    ) -> Self {
        let sites = blueprint.nodes.iter().zip(plans).enumerate().map(|(place, (node, plan))| {
            let site = Site { place, role: node.role, host: node.host.to_string(), plan };
            (node.name.to_string(), site)
        });
        Self {
            agents: Mutex::new(agents),
            fabric,
            stage,
            reach: Mutex::new(reach),
            sites: Mutex::new(sites.collect()),
            trace: Mutex::default(),
            log,
        }
    }

    pub(super) fn agents(&self) -> MutexGuard<'_, Agents> {
        held(&self.agents)
    }

    /// Takes note of what a node runs from now on.
    pub(super) fn runs(&self, node: &str, processes: Vec<Process>) {
        if let Some(site) = held(&self.sites).get_mut(node) {
            site.plan.processes = processes;
        }
    }

    /// Keeps what goes over the wire from now on; of containers, what the world outside sends and gets.
    pub(super) fn watch(&self) {
        let mut trace = held(&self.trace);
        if trace.is_some() {
            return;
        }
        match Trace::begin(&self.fabric) {
            Ok(begun) => *trace = Some(begun),
            // What fails is told all the same, with one thing less to look at.
            Err(failure) => {
                let entry = Entry::now(Level::Warning, None, "nobody can look at the wire");
                self.log.write(entry.with("why", failure.to_string()));
            }
        }
    }

    /// Returns what went over the wire since a moment.
    pub(super) fn trace(&self, since: SystemTime) -> Option<Vec<u8>> {
        held(&self.trace).as_ref().map(|trace| trace.since(since))
    }

    /// Cuts a node off from all others, or lets it back.
    fn cut(&self, node: &str, place: usize, off: bool) -> Result<(), Failure> {
        match (&self.stage, self.agents().process(node)) {
            (Some(stage), Some(process)) => stage.cut(process, off),
            // Without power there is nothing to cut.
            (Some(_), None) => Ok(()),
            (None, _) => self.fabric.ip(&network::cut(place, off)),
        }
    }

    /// Switches a node on; returns its first process.
    fn power(&self, site: &Site) -> Result<u32, Failure> {
        let node = site.plan.node.as_str();
        let mut agents = self.agents();
        if let Some(stage) = &self.stage {
            agents.is_back(node);
            return stage.again(&mut agents, node, site.plan.processes.clone());
        }
        agents.again(node)?;
        agents.arrivals()?;
        let process = agents.process(node).unwrap_or_default();
        self.fabric.ip(&network::hang_at(site.place, process))?;
        agents.begin(site.plan.clone())?;
        Ok(process)
    }

    /// Waits until nodes that were told to end are gone.
    pub(super) fn stop(&self, farewell: Duration) {
        held(&self.trace).take();
        self.agents().stop(farewell);
    }
}

impl Breakable for Ground {
    const REST: Duration = Duration::from_secs(20);

    fn nodes(&self, whom: &Whom) -> Vec<String> {
        let sites = held(&self.sites);
        let meant = |name: &str, site: &Site| match whom {
            Whom::All => true,
            Whom::Node(node) => node == name,
            Whom::Host(host) => *host == site.host,
            Whom::Role(role) => *role == site.role.name(),
        };
        sites.iter().filter(|(name, site)| meant(name, site)).map(|(name, _)| name.clone()).collect()
    }

    fn fits(&self, spoil: Spoil, node: &str) -> Result<(), Cannot> {
        held(&self.sites).get(node).map_or(Ok(()), |site| spoil.fits(site.role))
    }

    fn break_so(&self, how: Break, node: &str) -> Result<bool, Cannot> {
        let Some(place) = held(&self.sites).get(node).map(|site| site.place) else { return Ok(false) };
        match how {
            Break::PowerOff => {
                self.reach().queues.remove(node);
                self.agents().cut_power(node);
            }
            Break::CutOff => {
                self.cut(node, place, true).map_err(|failure| failed(&failure))?;
            }
            Break::Spoiled(spoil) => {
                // One without power has nothing to spoil.
                let Some(process) = self.agents().process(node) else { return Ok(false) };
                spoil.begin(process)?;
            }
        }
        Ok(true)
    }

    fn mend(&self, how: Break, node: &str) -> Result<(), Cannot> {
        let sites = held(&self.sites);
        let Some(site) = sites.get(node) else { return Ok(()) };
        match how {
            Break::CutOff => self.cut(node, site.place, false).map_err(|failure| failed(&failure)),
            Break::PowerOff => {
                let process = self.power(site).map_err(|failure| failed(&failure))?;
                if hands::has_queue(site.role, &site.plan.processes) {
                    self.reach().queues.insert(node.to_owned(), (site.role, Inside::Process(process)));
                }
                Ok(())
            }
            Break::Spoiled(spoil) => {
                let Some(process) = self.agents().process(node) else { return Ok(()) };
                spoil.end(process)
            }
        }
    }

    fn kill_all(&self, node: &str) -> Result<(), Cannot> {
        let Some(process) = self.agents().process(node) else { return Ok(()) };
        let said = Command::new("nsenter")
            .args(["--target", &process.to_string(), "--mount", "--pid", "--root", "--wd=/", "--"])
            .args(["/bin/sh", "-c", "kill -9 -1"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Cannot::Failed(format!("nsenter cannot be started: {error}")))?;
        match said.status.success() {
            true => Ok(()),
            false => Err(Cannot::Failed(format!("nsenter: {}", String::from_utf8_lossy(&said.stderr).trim()))),
        }
    }

    fn settle(&self, _: &dyn Fn() -> bool) -> Result<(), Cannot> {
        self.agents().await_settled(PATIENCE).map_err(|failure| failed(&failure))
    }

    fn reach(&self) -> MutexGuard<'_, Reach> {
        held(&self.reach)
    }
}

/// How long the kernel has to clear a killed node away.
pub(super) const CLEARED: Duration = Duration::from_secs(5);

/// Waits until a process is gone from the machine.
pub(super) fn await_gone(process: u32) {
    let begun = Instant::now();
    let path = format!("/proc/{process}");
    while std::path::Path::new(&path).exists() && begun.elapsed() < CLEARED {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
