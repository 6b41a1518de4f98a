//! What breaks on purpose, and how it is repaired: nodes lose their power or their network, daemons die, disks and wires are bad.
//!
//! A node that loses its power is killed with everything in it, as by `kill -9`; what it has under `/var` is there when it comes
//! back. Its network is cut at its end of the wire, so that nothing of it is told to anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use blueprint::{Blueprint, Process, Role};

use super::agents::Agents;
use super::fabric::Fabric;
use super::hands::{self, Inside, Reach};
use super::spoil::Spoil;
use super::trace::Trace;
use super::{PATIENCE, network};
use crate::container::Stage;
use crate::failure::Failure;
use crate::log::{Entry, Level, Log};
use crate::node::Plan;
use crate::scenarios::{Cannot, Fault, Whom};

/// How long an attempt that has begun may take to end, and how often is looked whether it has.
const REST: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(250);

/// What can break, and what is broken.
pub(super) struct Ground {
    agents: Mutex<Agents>,
    fabric: Fabric,
    /// The engine that has the nodes, where they are containers.
    stage: Option<Stage>,
    reach: Mutex<Reach>,
    sites: Mutex<BTreeMap<String, Site>>,
    broken: Mutex<BTreeMap<String, BTreeSet<Break>>>,
    /// What was arranged for later and could not be done.
    missed: Mutex<Option<String>>,
    over: Mutex<bool>,
    ended: Condvar,
    later: Mutex<Vec<JoinHandle<()>>>,
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

/// How a node is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Break {
    PowerOff,
    CutOff,
    Spoiled(Spoil),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Breaks(Break),
    /// Every daemon of it is killed, and started again by its supervisor.
    Crash,
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
    ) -> Arc<Self> {
        let sites = blueprint.nodes.iter().zip(plans).enumerate().map(|(place, (node, plan))| {
            let site = Site { place, role: node.role, host: node.host.to_string(), plan };
            (node.name.to_string(), site)
        });
        Arc::new(Self {
            agents: Mutex::new(agents),
            fabric,
            stage,
            reach: Mutex::new(reach),
            sites: Mutex::new(sites.collect()),
            broken: Mutex::default(),
            missed: Mutex::default(),
            over: Mutex::new(false),
            ended: Condvar::new(),
            later: Mutex::default(),
            trace: Mutex::default(),
            log,
        })
    }

    pub(super) fn agents(&self) -> MutexGuard<'_, Agents> {
        held(&self.agents)
    }

    pub(super) fn reach(&self) -> MutexGuard<'_, Reach> {
        held(&self.reach)
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

    /// Lets nothing happen any more that was arranged for later.
    pub(super) fn end(&self) {
        *held(&self.over) = true;
        self.ended.notify_all();
        held(&self.trace).take();
        for thread in held(&self.later).drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    /// Waits; returns whether the environment is still there.
    fn wait(&self, pause: Duration) -> bool {
        let over = held(&self.over);
        let waited = self.ended.wait_timeout_while(over, pause, |over| !*over);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Returns the nodes that are meant.
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

    /// Breaks something, now or later.
    pub(super) fn fault(self: &Arc<Self>, fault: &Fault) -> Result<(), Cannot> {
        let what = match fault.what.as_str() {
            "power-off" => What::Breaks(Break::PowerOff),
            "cut-off" => What::Breaks(Break::CutOff),
            "crash" => What::Crash,
            word => match Spoil::named(word) {
                Some(spoil) => What::Breaks(Break::Spoiled(spoil)),
                None => return Err(Cannot::Lacks(format!("this backend cannot let `{word}` happen"))),
            },
        };
        let nodes = self.nodes(&fault.whom);
        if nodes.is_empty() {
            return Err(Cannot::Lacks(format!("this environment has nothing of {}", named(&fault.whom))));
        }
        if let What::Breaks(Break::Spoiled(spoil)) = what {
            let sites = held(&self.sites);
            nodes.iter().filter_map(|node| sites.get(node)).try_for_each(|site| spoil.fits(site.role))?;
        }
        if fault.after.is_zero() {
            nodes.iter().try_for_each(|node| self.happen(what, node))?;
        }
        if fault.after.is_zero() && fault.lasts.is_none() {
            return Ok(());
        }
        let (ground, fault) = (Arc::clone(self), fault.clone());
        let later = move || {
            let begun = if fault.after.is_zero() {
                Ok(())
            } else if ground.wait(fault.after) {
                nodes.iter().try_for_each(|node| ground.happen(what, node))
            } else {
                return;
            };
            let done = begun.and_then(|()| match fault.lasts {
                Some(lasts) if ground.wait(lasts) => ground.repair(&nodes),
                _ => Ok(()),
            });
            if let Err(Cannot::Lacks(reason) | Cannot::Failed(reason)) = done {
                *held(&ground.missed) = Some(reason);
            }
        };
        let thread = std::thread::Builder::new().name("faults".to_owned()).spawn(later);
        held(&self.later).push(thread.map_err(|error| Cannot::Failed(format!("no thread can be started: {error}")))?);
        Ok(())
    }

    fn happen(&self, what: What, node: &str) -> Result<(), Cannot> {
        let event = match what {
            What::Breaks(Break::PowerOff) => "node loses its power",
            What::Breaks(Break::CutOff) => "node is cut off",
            What::Breaks(Break::Spoiled(spoil)) => spoil.event(),
            What::Crash => "daemons of the node are killed",
        };
        self.log.write(Entry::now(Level::Warning, Some(node), event));
        let Some(place) = held(&self.sites).get(node).map(|site| site.place) else { return Ok(()) };
        match what {
            What::Breaks(Break::PowerOff) => {
                self.reach().queues.remove(node);
                self.agents().cut_power(node);
                // What else was wrong with it is gone with everything that ran.
                held(&self.broken).remove(node);
            }
            What::Breaks(Break::CutOff) => {
                self.cut(node, place, true).map_err(|failure| failed(&failure))?;
            }
            What::Breaks(how @ Break::Spoiled(spoil)) => {
                // What is spoiled stays so until it is mended, and one without power has nothing to spoil.
                if held(&self.broken).get(node).is_some_and(|broken| broken.contains(&how)) {
                    return Ok(());
                }
                let Some(process) = self.agents().process(node) else { return Ok(()) };
                spoil.begin(process)?;
            }
            What::Crash => return self.kill_all(node),
        }
        if let What::Breaks(how) = what {
            held(&self.broken).entry(node.to_owned()).or_default().insert(how);
        }
        Ok(())
    }

    /// Kills everything in a node but its first process.
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

    /// Repairs whatever of these is broken, waits until all daemons are ready, and has queues try again, as operators do then.
    ///
    /// - Errors: it could not be repaired, or something that was arranged for later could not be done.
    pub(super) fn heal(&self, whom: &Whom) -> Result<(), Cannot> {
        let nodes = self.nodes(whom);
        self.repair(&nodes)?;
        match held(&self.missed).take() {
            Some(reason) => Err(Cannot::Failed(reason)),
            None => Ok(()),
        }
    }

    fn repair(&self, nodes: &[String]) -> Result<(), Cannot> {
        for node in nodes {
            let Some(all) = held(&self.broken).remove(node) else { continue };
            self.log.write(Entry::now(Level::Info, Some(node), "node is repaired"));
            let sites = held(&self.sites);
            let Some(site) = sites.get(node) else { continue };
            for how in all {
                match how {
                    Break::CutOff => {
                        self.cut(node, site.place, false).map_err(|failure| failed(&failure))?;
                    }
                    Break::PowerOff => {
                        let process = self.power(site).map_err(|failure| failed(&failure))?;
                        if hands::has_queue(site.role, &site.plan.processes) {
                            self.reach().queues.insert(node.clone(), (site.role, Inside::Process(process)));
                        }
                    }
                    Break::Spoiled(spoil) => {
                        let Some(process) = self.agents().process(node) else { continue };
                        spoil.end(process)?;
                    }
                }
            }
        }
        self.agents().await_settled(PATIENCE).map_err(|failure| failed(&failure))?;
        self.flush();
        Ok(())
    }

    /// Has queues try again what they hold. An attempt that has begun before may yet fail of what was broken: it is waited for, and what
    /// it leaves is tried again, too.
    fn flush(&self) {
        let mut begun = self.reach().under_way();
        self.reach().flush();
        let deadline = Instant::now() + REST;
        let any = !begun.is_empty();
        while !begun.is_empty() && Instant::now() < deadline && self.wait(LOOK) {
            let now = self.reach().under_way();
            begun.retain(|message| now.contains(message));
        }
        if any {
            self.reach().flush();
        }
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
        self.end();
        self.agents().stop(farewell);
    }
}

fn named(whom: &Whom) -> String {
    match whom {
        Whom::All => "anything".to_owned(),
        Whom::Host(name) => format!("host {name}"),
        Whom::Node(name) => format!("node {name}"),
        Whom::Role(name) => format!("role {name}"),
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
