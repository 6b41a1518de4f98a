//! The backend "namespace": the real daemons, each node in network, mount and process namespaces of its own.
//!
//! ```text
//!   client ── door on loopback ── thread inside the wire's namespace ── balancer ── …
//!   tool ── orders, tidings ── first process of each node (this program) ── daemons
//! ```
//!
//! Nothing of it has a name on the machine, and all of it ends when the tool does, however that ends: namespaces vanish with the
//! last process in them, and a node's first process ends when the tool's end of its pipe closes.

pub(crate) mod agents;
pub(crate) mod doors;
pub(crate) mod fabric;
mod faults;
mod fit;
pub(crate) mod hands;
pub(crate) mod network;
mod spoil;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use blueprint::launch::{Door, Internet};
use blueprint::{Blueprint, Bundle, Launch, Node, Process, Role, Roster, Tree};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::accounts::Passwords;
use crate::container;
use crate::embedded::{self, Authority, Bound, World};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::files;
use crate::fill::Filler;
use crate::launch::{Ended, Progress, Step};
use crate::log::{Entry, Level, Log, LogWriter};
use crate::node::Plan;
use crate::probe::probe_all;
use crate::rootfs::{self, Held, Root};
use crate::spare::Spares;
use crate::state::{Folder, OpenDoor, Record, StateFailure};

use agents::Agents;
use doors::{Doors, Way};
use fabric::Fabric;
use faults::Ground;

pub(crate) use fit::lacks;

pub use agents::{DaemonState, DaemonStatus, NodeState};

/// How long nodes have until every daemon is ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long doors have to answer once every daemon is ready.
pub(crate) const ANSWERS: Duration = Duration::from_secs(20);

/// Where the control plane's program appears in nodes.
const SERVE: &str = "/usr/lib/mailwright/mailwright-serve";

/// The node that is no node: the world outside.
pub(crate) const INTERNET: &str = "internet";

/// What makes nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker<'a> {
    /// The kernel: namespaces.
    Kernel,
    /// A container engine, by its address if one is given.
    Engine(Option<&'a str>),
}

/// What is to be started.
pub(crate) struct Order<'a> {
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) roster: &'a Roster,
    pub(crate) launch: &'a Launch,
    pub(crate) bundle: &'a Bundle,
    pub(crate) variables: &'a BTreeMap<String, String>,
    pub(crate) brands: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) passwords: &'a Passwords,
    pub(crate) seed: u64,
    pub(crate) folder: &'a Folder,
    /// The root file system that nodes stand on.
    pub(crate) root: Root,
    /// What makes the nodes.
    pub(crate) maker: Maker<'a>,
    /// This program.
    pub(crate) program: &'a Path,
    /// What was open last time.
    pub(crate) before: Option<&'a Record>,
    /// Ports that are other environments'.
    pub(crate) avoid: BTreeSet<u16>,
    /// How long nodes may take to come up, instead of [`PATIENCE`].
    pub(crate) patience: Option<Duration>,
    /// Signing keys that were made ahead.
    pub(crate) spares: Spares,
}

impl Order<'_> {
    /// Returns what a node runs.
    pub(crate) fn processes(&self, node: &Node) -> &[Process] {
        self.bundle.nodes.get(node.name.as_str()).map_or(&[], |tree| &tree.processes)
    }

    /// Returns what the world outside is made from.
    pub(crate) fn world(&self) -> embedded::Order<'_> {
        embedded::Order {
            blueprint: self.blueprint,
            roster: self.roster,
            launch: self.launch,
            brands: self.brands,
            seed: self.seed,
            folder: self.folder,
            passwords: self.passwords,
            spares: self.spares.clone(),
            before: None,
            avoid: BTreeSet::new(),
        }
    }
}

/// A platform of real daemons.
pub(crate) struct Namespace {
    // In the order in which they end.
    doors: Doors,
    faults: Faults<Ground>,
    world: Option<World>,
    runtime: Runtime,
    broke: watch::Receiver<Option<String>>,
    log: Option<Log>,
    writer: Option<LogWriter>,
    /// Where what daemons worked out is kept for others, and what they wrote.
    warm: (PathBuf, Vec<PathBuf>),
    keeping: Option<JoinHandle<()>>,
    /// What nodes stand on besides the root.
    _held: Held,
    /// Rung when nothing more is to be made ahead.
    idle: Arc<Idle>,
    shape: Shape,
    /// What runs on each node.
    processes: BTreeMap<String, Vec<Process>>,
    open: Vec<OpenDoor>,
}

/// How long a platform has been up, or the last thing was made ahead, before the next one is.
const IDLE: Duration = Duration::from_millis(200);

/// How much everybody else comes before a thread that makes things ahead, as nice(1) counts.
const LAST: i32 = 19;

/// Whether it is over, for a thread that has time.
#[derive(Default)]
struct Idle {
    over: Mutex<bool>,
    ended: Condvar,
}

impl Idle {
    /// Waits; returns whether it is not over yet.
    fn wait(&self, pause: Duration) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(over, pause, |over| !*over);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn end(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }
}

/// What can only be changed by bringing an environment up anew: nodes and their addresses, doors, the world outside.
#[derive(Debug, PartialEq)]
pub(crate) struct Shape {
    nodes: Vec<(String, Vec<IpAddr>, Vec<IpAddr>)>,
    networks: String,
    doors: Vec<Door>,
    address: (IpAddr, u16),
    internet: Internet,
    distribution: String,
    packages: BTreeSet<String>,
}

impl Shape {
    pub(crate) fn of(order: &Order<'_>) -> Self {
        let node = |node: &Node| (node.name.to_string(), node.addresses.clone(), node.front_addresses.clone());
        Self {
            nodes: order.blueprint.nodes.iter().map(node).collect(),
            networks: network::fabric(order.blueprint, network::BRIDGE),
            doors: order.launch.doors.clone(),
            address: (order.launch.address, order.launch.base_port),
            internet: order.launch.internet.clone(),
            distribution: order.blueprint.release.distribution.clone(),
            packages: order.bundle.nodes.values().flat_map(|tree| &tree.packages).cloned().collect(),
        }
    }
}

/// Starts a platform; returns when every door answers.
pub(crate) fn start(mut order: Order<'_>, progress: &dyn Progress) -> Result<(Namespace, Vec<OpenDoor>), Failure> {
    let folder = order.folder;
    let held = order.root.hold();
    let (log, writer) = Log::open(&folder.log()).map_err(StateFailure::from)?;
    log.write(Entry::now(Level::Info, None, "environment begins"));
    let mut bound = embedded::open_ports(order.launch, order.before, &order.avoid)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Failure::Thread { thread: "probes", source })?;
    let (broken, broke) = watch::channel(None);
    let names: Vec<&str> = order.blueprint.nodes.iter().map(|node| node.name.as_str()).collect();
    let rest: BTreeSet<String> =
        order.blueprint.nodes.iter().filter(|node| can_wait(&order, node)).map(|node| node.name.to_string()).collect();
    let (fabric, mut agents, authority, stage) = match order.maker {
        Maker::Kernel => {
            let (fabric, agents, authority) = raise(&order, &log, &broken)?;
            (fabric, agents, authority, None)
        }
        Maker::Engine(address) => {
            let (fabric, agents, authority, stage) = container::raise(&order, address, &log, &broken, progress)?;
            (fabric, agents, authority, Some(stage))
        }
    };
    agents.let_wait(&rest);
    log.write(Entry::now(Level::Info, None, "nodes are begun"));
    let plans = order.blueprint.nodes.iter().map(|node| plan(&order, node)).collect::<Result<Vec<_>, _>>()?;
    let world = World::start(&order.world(), authority, fabric.inside()?, runtime.handle(), &log, &broken, progress)?;
    fabric.ip(&network::silent(world.unreachable()))?;
    let reach = reach(&order, &agents.arrivals()?);
    let trust = embedded::trust(&folder.authority())?;
    let mut ways = Vec::new();
    for bound in bound.drain(..) {
        match target(order.blueprint, order.bundle, &bound.door) {
            Ok(target) => ways.push(Way { bound, target }),
            Err(reason) => leave_out(&bound, reason, &log, progress),
        }
    }
    let patience = order.patience.unwrap_or(PATIENCE);
    agents.await_settled_but(&rest, patience, &|| progress.goes_on())?;
    log.write(Entry::now(Level::Info, None, "every daemon behind a door is ready"));
    let open: Vec<OpenDoor> = ways.iter().map(|way| way.bound.door.clone()).collect();
    let doors = Doors::open(ways, doors::lines(&order.launch.internet), fabric.inside()?, log.clone())?;
    for door in &open {
        let entry = Entry::now(Level::Info, Some(&door.node), "door opened");
        log.write(entry.with("service", door.service.as_str()).with("port", door.port));
        progress.step(&Step::DoorOpened(door.clone()));
    }
    answering(&runtime, &open, &trust, order.patience.unwrap_or(ANSWERS))?;
    log.write(Entry::now(Level::Info, None, "every door answers"));
    if order.maker == Maker::Kernel {
        begin_rest(&order, &mut agents, &rest)?;
    }
    let states = names.iter().map(|node| folder.node(node).join("state/var")).collect();
    let warm = (order.root.warm.clone(), states);
    let idle = Arc::new(Idle::default());
    let keeping = {
        let (warm, states): (PathBuf, Vec<PathBuf>) = warm.clone();
        let (spares, idle) = (order.spares.clone(), Arc::clone(&idle));
        let keep = move || {
            // Now, since nobody knows how it ends; a failure costs time later and nothing else.
            rootfs::keep_warm(&warm, &states);
            // Only while nobody who uses the platform wants the processor; the kernel knows priorities by thread.
            let _ = rustix::process::setpriority_process(None, LAST);
            spares.fill(|| idle.wait(IDLE));
        };
        std::thread::Builder::new().name("warm".to_owned()).spawn(keep).ok()
    };
    let namespace = Namespace {
        warm,
        idle,
        keeping,
        _held: held,
        shape: Shape::of(&order),
        processes: order.bundle.nodes.iter().map(|(node, tree)| (node.clone(), tree.processes.clone())).collect(),
        open: open.clone(),
        doors,
        faults: Faults::new(
            Ground::new(order.blueprint, plans, (agents, fabric, stage), reach, log.clone()),
            log.clone(),
        ),
        world: Some(world),
        runtime,
        broke,
        log: Some(log),
        writer: Some(writer),
    };
    Ok((namespace, open))
}

/// Starts the first process of each node in namespaces of its own, and tells each what it is but those that can wait.
fn raise(
    order: &Order<'_>,
    log: &Log,
    broken: &watch::Sender<Option<String>>,
) -> Result<(Fabric, Agents, Authority), Failure> {
    let names: Vec<&str> = order.blueprint.nodes.iter().map(|node| node.name.as_str()).collect();
    let fabric = Fabric::make(order.program)?;
    let mut agents = Agents::start(order.program, &names, order.folder.nodes_document(), log, broken)?;
    let mut nodes: Vec<&Node> = order.blueprint.nodes.iter().filter(|node| !can_wait(order, node)).collect();
    nodes.sort_by_key(|node| urgency(node.role));
    let (authority, mut filler) = open_secrets(order)?;
    let mut nodes = nodes.into_iter();
    // The first tree while the processes come up and are hung on the wire; the others while daemons start already.
    let first = nodes.next();
    std::thread::scope(|scope| {
        let wire = || {
            fabric.ip(&network::fabric(order.blueprint, network::BRIDGE))?;
            fabric.ip(&network::hang(&agents.arrivals()?))
        };
        let wire = scope.spawn(wire);
        let laid = first.map_or(Ok(false), |node| lay_out_one(order, &mut filler, node));
        wire.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        laid
    })?;
    if let Some(node) = first {
        agents.begin(plan(order, node)?)?;
    }
    for node in nodes {
        lay_out_one(order, &mut filler, node)?;
        agents.begin(plan(order, node)?)?;
    }
    Ok((fabric, agents, authority))
}

/// Whether nobody who uses the platform through its doors needs a node: it is begun once they answer.
fn can_wait(order: &Order<'_>, node: &Node) -> bool {
    matches!(node.role, Role::Monitor | Role::Calendar | Role::Web)
        && !order.launch.doors.iter().any(|door| door.node == node.name)
}

/// Returns which nodes are begun first: those that others wait for, and those that take long.
fn urgency(role: Role) -> u8 {
    match role {
        Role::Directory => 0,
        Role::Defense => 1,
        Role::Cache | Role::Dns => 2,
        _ => 3,
    }
}

/// Begins the nodes that could wait.
fn begin_rest(order: &Order<'_>, agents: &mut Agents, rest: &BTreeSet<String>) -> Result<(), Failure> {
    let (_, mut filler) = open_secrets(order)?;
    for node in order.blueprint.nodes.iter().filter(|node| rest.contains(node.name.as_str())) {
        lay_out_one(order, &mut filler, node)?;
        agents.begin(plan(order, node)?)?;
    }
    Ok(())
}

/// Waits until every door answers.
pub(crate) fn answering(
    runtime: &Runtime,
    open: &[OpenDoor],
    trust: &Arc<rustls::ClientConfig>,
    patience: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + patience;
    // One that has answered once is not asked again: asking takes its time where everything is emulated.
    let mut silent: Vec<(OpenDoor, String)> = open.iter().map(|door| (door.clone(), String::new())).collect();
    loop {
        let doors: Vec<OpenDoor> = silent.drain(..).map(|(door, _)| door).collect();
        let problems = runtime.block_on(probe_all(&doors, trust));
        silent = doors.into_iter().zip(problems).filter_map(|(door, problem)| Some((door, problem?))).collect();
        match silent.first() {
            None => return Ok(()),
            Some((door, problem)) if Instant::now() > deadline => {
                let (service, problem) = (door.service.clone(), problem.clone());
                return Err(Failure::Silent { service, port: door.port, problem });
            }
            Some(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Writes every node's tree where the node will take it from, with its secrets.
///
/// - Returns: the authority that certificates are from, and the nodes whose tree is another than before.
pub(crate) fn lay_out(order: &Order<'_>) -> Result<(Authority, BTreeSet<String>), Failure> {
    let (authority, mut filler) = open_secrets(order)?;
    let mut changed = BTreeSet::new();
    for node in &order.blueprint.nodes {
        if lay_out_one(order, &mut filler, node)? {
            changed.insert(node.name.to_string());
        }
    }
    Ok((authority, changed))
}

/// Opens the authority, and makes ready to fill trees.
fn open_secrets<'a>(order: &Order<'a>) -> Result<(Authority, Filler<'a>), Failure> {
    let folder = order.folder;
    let names = BTreeSet::from([order.blueprint.service_domain.to_string(), order.launch.address.to_string()]);
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let platform = order.blueprint.platform.as_str();
    let authority = Authority::open(
        &folder.authority(),
        platform,
        &names,
        &BTreeMap::new(),
        &order.blueprint.mail.tls_minimum,
        today,
    )?;
    let filler = Filler::new(folder, order.blueprint, order.roster, order.launch, order.variables)?;
    Ok((authority, filler.with_spares(order.spares.clone())))
}

/// Writes one node's tree; returns whether it is another than before.
fn lay_out_one(order: &Order<'_>, filler: &mut Filler<'_>, node: &Node) -> Result<bool, Failure> {
    let name = node.name.as_str();
    let nothing = Tree::default();
    let tree = order.bundle.nodes.get(name).unwrap_or(&nothing);
    Ok(filler.lay_out(name, tree, &order.folder.tree(name))?)
}

/// Returns the nodes that scenarios look into.
///
/// - `processes`: the first process of each node, in the nodes' order.
fn reach(order: &Order<'_>, processes: &[u32]) -> hands::Reach {
    let nodes = order
        .blueprint
        .nodes
        .iter()
        .zip(processes)
        .filter(|(node, _)| hands::has_queue(node.role, order.processes(node)));
    hands::Reach {
        queues: nodes
            .map(|(node, process)| (node.name.to_string(), (node.role, hands::Inside::Process(*process))))
            .collect(),
        internet: order.launch.internet.clone(),
    }
}

/// Returns what a node is made of.
fn plan(order: &Order<'_>, node: &Node) -> Result<Plan, Failure> {
    let name = node.name.as_str();
    let (state, mount) = (order.folder.node(name).join("state"), order.folder.node(name).join("mount"));
    for folder in [&state, &mount] {
        files::make_folder(folder).map_err(StateFailure::from)?;
    }
    Ok(Plan {
        node: name.to_owned(),
        layers: order.root.layers.clone(),
        state,
        mount,
        tree: order.folder.tree(name),
        programs: BTreeMap::from([(SERVE.to_owned(), order.program.to_owned())]),
        network: network::front(order.blueprint, node) + &network::node(order.blueprint, node),
        processes: order.bundle.nodes.get(name).map(|tree| tree.processes.clone()).unwrap_or_default(),
    })
}

/// Returns where a door leads: the balancer in front of its node, or the node itself.
///
/// - Errors: why it leads nowhere.
pub(crate) fn target(blueprint: &Blueprint, bundle: &Bundle, door: &OpenDoor) -> Result<SocketAddr, String> {
    if door.node == INTERNET {
        return Ok(SocketAddr::new(network::world(), 143));
    }
    let runs = |node: &Node| bundle.nodes.get(node.name.as_str()).is_some_and(|tree| !tree.processes.is_empty());
    let node = blueprint.nodes.iter().find(|node| node.name.as_str() == door.node);
    let node = node.ok_or_else(|| format!("there is no node {}", door.node))?;
    let service = node.services.iter().find(|service| service.name == door.service);
    let port = service.map(|service| service.port).ok_or_else(|| format!("{} has no such service", node.name))?;
    let in_front = |other: &&Node| other.role == Role::Balancer && other.cluster == node.cluster && runs(other);
    let balancer = blueprint.nodes.iter().find(in_front).filter(|_| node.role != Role::Dns);
    let facing = balancer.unwrap_or(node);
    if !runs(facing) {
        return Err(format!("nothing runs on {} yet", facing.name));
    }
    let addresses = || facing.front_addresses.iter().chain(&facing.addresses);
    let address = addresses().find(|address| IpAddr::is_ipv4(address)).or_else(|| addresses().next());
    let address = address.ok_or_else(|| format!("{} has no address", facing.name))?;
    Ok(SocketAddr::new(*address, port))
}

pub(crate) fn leave_out(bound: &Bound, reason: String, log: &Log, progress: &dyn Progress) {
    let door = &bound.door;
    let entry = Entry::now(Level::Warning, Some(&door.node), "door left out");
    log.write(entry.with("service", door.service.as_str()).with("reason", reason.as_str()));
    progress.step(&Step::DoorLeftOut { service: door.service.clone(), reason });
}

impl Namespace {
    /// Waits until the signal comes or a node ends by itself.
    pub(crate) fn wait(&self, signal: impl Future<Output = ()>) -> Ended {
        let mut broke = self.broke.clone();
        self.runtime.block_on(async {
            tokio::select! {
                () = signal => Ended::Asked,
                reason = async { broke.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                    Ended::Broke(reason.unwrap_or_else(|| "the nodes ended by themselves".to_owned()))
                }
            }
        })
    }

    /// Changes the platform while it runs: nodes whose tree is another take it over, daemons notice what they read.
    ///
    /// - Returns: what was changed, by node; nodes without a change are left out.
    /// - Errors: the change is one that takes bringing it up anew ([`Failure::Reshaped`], nothing is done then), or a node does
    ///   not come to rest with it.
    pub(crate) fn converge(
        &mut self,
        order: &Order<'_>,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        if self.shape != Shape::of(order) {
            return Err(Failure::Reshaped);
        }
        let (_, mut touched) = lay_out(order)?;
        for (node, tree) in &order.bundle.nodes {
            if self.processes.get(node) != Some(&tree.processes) {
                touched.insert(node.clone());
            }
        }
        let touched: Vec<String> = touched.into_iter().collect();
        for node in &touched {
            let processes = order.bundle.nodes.get(node).map(|tree| tree.processes.clone()).unwrap_or_default();
            self.processes.insert(node.clone(), processes.clone());
            self.faults.ground().runs(node, processes.clone());
            self.faults.ground().agents().converge(node, processes)?;
        }
        let mut changed = self.faults.ground().agents().await_delivered(&touched, PATIENCE)?;
        self.faults.ground().agents().await_settled(PATIENCE)?;
        changed.retain(|_, files| !files.is_empty());
        for (node, files) in &changed {
            progress.step(&Step::Changed { node: node.clone(), files: files.clone() });
        }
        let trust = embedded::trust(&order.folder.authority())?;
        answering(&self.runtime, &self.open, &trust, ANSWERS)?;
        Ok(changed)
    }

    /// Waits until the nodes that could wait are ready, too.
    pub(crate) fn await_rest(&self) -> Result<(), Failure> {
        self.faults.ground().agents().await_settled(PATIENCE)
    }

    /// Ends the platform: doors first, then the nodes, then the log.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.doors.close();
        self.faults.end();
        self.faults.ground().stop(agents::FAREWELL);
        let stopped = self.world.take().map_or(Ok(()), World::stop);
        if let Some(log) = self.log.take() {
            log.write(Entry::now(Level::Info, None, "environment stopped"));
        }
        // Whoever writes to the log is gone before it is finished.
        drop(self.faults);
        self.idle.end();
        if let Some(keeping) = self.keeping.take() {
            let _ = keeping.join();
        }
        let (warm, states) = &self.warm;
        rootfs::keep_warm(warm, states);
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
        stopped
    }
}
