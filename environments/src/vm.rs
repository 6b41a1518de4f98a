//! The backend "vm": the image itself on QEMU, a virtual machine per node.
//!
//! ```text
//!   client ── door on loopback ── thread in the world's namespace ── TAP ── switch ── machine ── daemons
//!   tool ── orders, tidings ── virtio port ── first process of the machine (this program) ── daemons
//! ```
//!
//! A machine consists of the image, a config disk, a state disk and a layer with this program. The world outside, its doors and
//! its name servers are those of the backend "namespace". Machines end with the tool, however that ends.

mod accelerator;
mod apart;
mod disks;
mod entry;
mod faults;
mod fit;
mod ground;
mod lane;
mod machine;
pub(crate) mod moves;
mod programs;
mod qmp;
pub(crate) mod snapshot;
mod starter;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blueprint::ledger::Boot;
use blueprint::{Node, Process, Role};
use switch::{Port, Switch, Wire};
use tappers::{Interface, Tap};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::embedded::{self, World};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::launch::{Ended, Progress, Step};
use crate::log::{Entry, Level, Log, LogWriter};
use crate::namespace::agents::{Agents, Streams};
use crate::namespace::doors::{self, Doors, Way};
use crate::namespace::fabric::Fabric;
use crate::namespace::hands::{Inside, Reach};
use crate::namespace::{self, Shape, network};
use crate::node::{Awakening, MachinePlan, Manifest, Order as NodeOrder};
use crate::scenarios::Hands;
use crate::state::{OpenDoor, StateFailure};

use ground::{Ground as Standing, Site};
use lane::Beside;
use machine::{Begins, Machine, Power};
use moves::Moved;
use snapshot::{Ground, Restoring};
use starter::Starter;

pub use apart::{Disks, disks};
pub use entry::enter;
pub(crate) use entry::run_inside;
pub(crate) use fit::lacks;
pub use machine::{ImageFiles, MachineFailure};

/// How long machines have until every daemon is ready, where nobody grants another time: under emulation everything takes its time.
fn patience(boot: Boot) -> Duration {
    match boot {
        Boot::Lean => Duration::from_secs(900),
        Boot::Stock => Duration::from_secs(2400),
    }
}

/// How long doors have to answer once every daemon is ready.
const ANSWERS: Duration = Duration::from_secs(180);

/// How long machines have to end: systemd ends what it has started, in order.
fn farewell(boot: Boot) -> Duration {
    match boot {
        Boot::Lean => Duration::from_secs(20),
        Boot::Stock => Duration::from_secs(90),
    }
}

/// How long a machine's process has to open its sockets.
const ARRIVAL: Duration = Duration::from_secs(20);

/// How long an emulated machine is given to come to rest before the next one is switched on.
const CALM: Duration = Duration::from_secs(180);

/// The address of the world's network card; the nodes' own begin otherwise.
const WORLD_CARD: &str = "52:54:01:00:00:fe";

/// What machines stand on, as the environment's folder keeps it.
const GROUND: &str = "ground.json";

/// Roles whose start others wait for, and that take longest; they are switched on first.
const FIRST: [Role; 6] = [Role::Directory, Role::Defense, Role::Control, Role::Store, Role::Cache, Role::Dns];

/// What is to be started.
pub(crate) struct Order<'a> {
    /// What is the same for all backends of real daemons.
    pub(crate) common: namespace::Order<'a>,
    /// The image that machines boot.
    pub(crate) image: ImageFiles,
    /// Where what is made once is kept.
    pub(crate) cache: &'a Path,
    /// The snapshot to go on from, by its name.
    pub(crate) snapshot: Option<&'a str>,
    /// Who runs the daemons.
    pub(crate) boot: Boot,
}

impl Order<'_> {
    fn patience(&self) -> Duration {
        self.common.patience.unwrap_or_else(|| patience(self.boot))
    }
}

/// A platform of virtual machines.
pub(crate) struct Vm {
    // In the order in which they end.
    doors: Doors,
    faults: Faults<Standing>,
    world: Option<World>,
    _fabric: Arc<Fabric>,
    runtime: Runtime,
    broke: watch::Receiver<Option<String>>,
    log: Option<Log>,
    writer: Option<LogWriter>,
    shape: Shape,
    processes: BTreeMap<String, Vec<Process>>,
    open: Vec<OpenDoor>,
    boot: Boot,
}

/// Starts a platform; returns when every door answers.
pub(crate) fn start(order: &Order<'_>, progress: &dyn Progress) -> Result<(Vm, Vec<OpenDoor>), Failure> {
    let common = &order.common;
    let folder = common.folder;
    let (log, writer) = Log::open(&folder.log()).map_err(StateFailure::from)?;
    let told = |what| log.write(Entry::now(Level::Info, None, what));
    told("environment begins");
    let mut bound = embedded::open_ports(common.launch, common.before, &common.avoid)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Failure::Thread { thread: "probes", source })?;
    let (broken, broke) = watch::channel(None);
    let accelerator = accelerator::choose(order.cache, &order.image)?;
    progress.step(&Step::Machine(accelerator.told()));
    let programs = programs::layer(order.cache, common.program)?;
    let (authority, _) = namespace::lay_out(common)?;
    let nodes = in_order(&common.blueprint.nodes);
    let world = common.blueprint.world;
    let starter = Starter::new().map_err(|source| Failure::Thread { thread: "starter", source })?;
    let power = Power { image: order.image.clone(), programs, accelerator, boot: order.boot, world, starter };
    let ground = Ground::of(&power, &nodes);
    // What could be stored later; who stores it is another process.
    folder.write_document(GROUND, &ground)?;
    let restoring = order.snapshot.map(|name| Restoring::begin(folder, name, &ground)).transpose()?;
    if let Some(restoring) = &restoring {
        restoring.world(folder, &nodes)?;
    }
    let (fabric, switch) = wire(order, &nodes)?;
    let fabric = Arc::new(fabric);
    let world = World::start(&common.world(), authority, fabric.inside()?, runtime.handle(), &log, &broken, progress)?;
    fabric.ip(&network::silent(world.unreachable()))?;
    let mut agents = Agents::none_yet(folder.nodes_document());
    match &restoring {
        None => switch_on(order, &nodes, &power, &mut agents, &log, &broken, progress)?,
        Some(restoring) => go_on(order, (&nodes, &power, restoring), &mut agents, &log, &broken, progress)?,
    }
    told("nodes are begun");
    let reach = reach(order);
    let trust = embedded::trust(&folder.authority())?;
    let mut ways = Vec::new();
    for bound in bound.drain(..) {
        match namespace::target(common.blueprint, common.bundle, &bound.door) {
            Ok(target) => ways.push(Way { bound, target }),
            Err(reason) => namespace::leave_out(&bound, reason, &log, progress),
        }
    }
    let late = |failure| machine::told_of(failure, folder);
    agents.await_settled_but(&BTreeSet::new(), order.patience(), &|| progress.goes_on()).map_err(late)?;
    told("every daemon behind a door is ready");
    let open: Vec<OpenDoor> = ways.iter().map(|way| way.bound.door.clone()).collect();
    let doors = Doors::open(ways, doors::lines(&common.launch.internet), fabric.inside()?, log.clone())?;
    for door in &open {
        let entry = Entry::now(Level::Info, Some(&door.node), "door opened");
        log.write(entry.with("service", door.service.as_str()).with("port", door.port));
        progress.step(&Step::DoorOpened(door.clone()));
    }
    namespace::answering(&runtime, &open, &trust, common.patience.unwrap_or(ANSWERS))?;
    told("every door answers");
    let sites = nodes.iter().enumerate().map(|(place, node)| {
        let network = network::node(common.blueprint, node);
        // The first port is the world's.
        (node.name.to_string(), Site::new(node, Port(place + 1), network, common.processes(node)))
    });
    let standing = Standing::new(
        (common.blueprint, sites.collect()),
        (agents, (switch, Arc::clone(&fabric)), power),
        (reach, order.patience()),
        folder.clone(),
        (log.clone(), broken),
    );
    let vm = Vm {
        shape: Shape::of(common),
        processes: common.bundle.nodes.iter().map(|(node, tree)| (node.clone(), tree.processes.clone())).collect(),
        open: open.clone(),
        boot: order.boot,
        doors,
        faults: Faults::new(standing, log.clone()),
        world: Some(world),
        _fabric: fabric,
        runtime,
        broke,
        log: Some(log),
        writer: Some(writer),
    };
    Ok((vm, open))
}

/// Returns the nodes in the order they are switched on.
fn in_order(nodes: &[Node]) -> Vec<&Node> {
    let mut nodes: Vec<&Node> = nodes.iter().collect();
    nodes.sort_by_key(|node| FIRST.iter().position(|role| *role == node.role).unwrap_or(FIRST.len()));
    nodes
}

/// Makes the world's end of the wire, and the switch that machines hang on.
fn wire(order: &Order<'_>, nodes: &[&Node]) -> Result<(Fabric, Switch), Failure> {
    let fabric = Fabric::make(order.common.program)?;
    let tap = fabric.within(|| Tap::new_named(Interface::new(network::WIRE)?))?;
    // Always the same, since machines that go on from a snapshot remember it.
    let named = format!("link set {} address {WORLD_CARD}\n", network::WIRE);
    fabric.ip(&(named + &network::fabric(order.common.blueprint, "")))?;
    let mut wires = vec![Wire::Tap(tap)];
    let mut folders = Vec::new();
    for node in nodes {
        let folder = machine::folder(order.common.folder, node.name.as_str())?;
        let (held, path) = machine::short(&folder, machine::NETWORK)?;
        folders.push(held);
        wires.push(Wire::Socket(path));
    }
    let switch = Switch::start(wires, order.common.seed).map_err(|failure| {
        let reason = failure.to_string();
        Failure::Network { reason, source: std::io::Error::other(failure) }
    })?;
    Ok((fabric, switch))
}

/// How many machines come up at a time.
fn together() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) * 2
}

/// Takes a machine that was just switched on, and tells it what it is.
fn introduce(
    agents: &mut Agents,
    control: (Child, UnixStream),
    plan: MachinePlan,
    log: &Log,
    broken: &watch::Sender<Option<String>>,
) -> Result<(), Failure> {
    let node = plan.node.clone();
    add(agents, &node, control, log, broken)?;
    agents.expect(&node, &plan.processes);
    agents.tell(&node, &NodeOrder::Boot(Box::new(plan)))
}

/// Switches machines on, a few at a time, and tells each what it is.
fn switch_on(
    order: &Order<'_>,
    nodes: &[&Node],
    power: &Power,
    agents: &mut Agents,
    log: &Log,
    broken: &watch::Sender<Option<String>>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let common = &order.common;
    let together = together();
    for (place, node) in nodes.iter().enumerate() {
        let name = node.name.as_str();
        let late = |failure| machine::told_of(failure, common.folder);
        agents.await_few(together - 1, order.patience(), &|| progress.goes_on()).map_err(late)?;
        if order.boot == Boot::Stock && power.accelerator.instead.is_some() {
            // All at once they would all be late for systemd.
            agents.await_calm(together / 2, CALM, &|| progress.goes_on());
        }
        let folder = machine::folder(common.folder, name)?;
        let processes = common.bundle.nodes.get(name).map(|tree| tree.processes.clone()).unwrap_or_default();
        let beside = Beside::of(order.boot, common.blueprint, node, &processes);
        let laid = disks::config(&common.folder.tree(name), &folder, name, &beside)?;
        disks::state(&folder, node)?;
        let machine = Machine { folder: &folder, node, begins: Begins::Afresh };
        let child = machine.switch_on(power)?;
        let control = connect(child, &folder, name, Begins::Afresh)?;
        let network = network::node(common.blueprint, node);
        introduce(agents, control, MachinePlan { node: name.to_owned(), network, processes, laid }, log, broken)?;
        progress.step(&Step::Machine(format!("{name} switched on ({} of {})", place + 1, nodes.len())));
    }
    Ok(())
}

/// Lets machines go on from where they were stored, each as who it is, now.
fn go_on(
    order: &Order<'_>,
    (nodes, power, restoring): (&[&Node], &Power, &Restoring),
    agents: &mut Agents,
    log: &Log,
    broken: &watch::Sender<Option<String>>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let common = &order.common;
    let (mut renewed, mut waiting) = (Vec::new(), Vec::new());
    for node in nodes {
        let name = node.name.as_str();
        let folder = machine::folder(common.folder, name)?;
        let beside = beside(order.boot, common, node);
        let laid = disks::config_bytes(&common.folder.tree(name), name, &beside)?;
        restoring.disks(&folder, name)?;
        if !disks::is_config(&folder, &laid) {
            renewed.push((name, beside));
        }
        let child = Machine { folder: &folder, node, begins: Begins::Stored }.switch_on(power)?;
        waiting.push((name, folder, child));
    }
    let mut machines = Vec::new();
    for (name, folder, child) in waiting {
        let process = child.id();
        let control = connect(child, &folder, name, Begins::Afresh)?;
        add(agents, name, control, log, broken)?;
        machines.push((name, folder, process));
    }
    // Most of it is copying, which two can do at once.
    let (some, others) = machines.split_at(machines.len() / 2);
    let fill = |part: &[(&str, std::path::PathBuf, u32)]| {
        part.iter().try_for_each(|(name, folder, process)| restoring.memory(folder, name, *process))
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| fill(some));
        let own = fill(others);
        let panicked = |_| Err(Failure::Broke { reason: "a thread that copies memory panicked".to_owned() });
        thread.join().unwrap_or_else(panicked).and(own)
    })?;
    for node in nodes {
        let name = node.name.as_str();
        let folder = machine::folder(common.folder, name)?;
        let processes = common.bundle.nodes.get(name).map(|tree| tree.processes.clone()).unwrap_or_default();
        snapshot::go_on(&folder, name)?;
        agents.expect(name, &processes);
        agents.tell(name, &NodeOrder::Awake(awakening()))?;
    }
    progress.step(&Step::Machine(format!("{} machines go on from a snapshot", nodes.len())));
    for (name, beside) in renewed {
        // What has been declared since: the machine takes it over as a running one does.
        let processes = common.bundle.nodes.get(name).map(|tree| tree.processes.clone()).unwrap_or_default();
        let folder = machine::folder(common.folder, name)?;
        let _ = disks::config(&common.folder.tree(name), &folder, name, &beside)?;
        let (manifest, files) = tree(&common.folder.tree(name))?;
        agents.tell(name, &NodeOrder::Tree { manifest, files })?;
        agents.converge(name, processes)?;
        progress.step(&Step::Machine(format!("{name} takes over what was declared since")));
    }
    Ok(())
}

/// Returns what a node's config disk needs beside its tree.
fn beside(boot: Boot, common: &namespace::Order<'_>, node: &Node) -> Beside {
    let processes = common.bundle.nodes.get(node.name.as_str()).map(|tree| tree.processes.as_slice());
    Beside::of(boot, common.blueprint, node, processes.unwrap_or_default())
}

/// Stores an environment that runs, whoever serves it.
///
/// - `machines`: each node with QEMU's process.
pub(crate) fn save(
    folder: &crate::state::Folder,
    nodes: &[Node],
    machines: &BTreeMap<String, u32>,
    name: &str,
    blueprint: String,
) -> Result<snapshot::Snapshot, Failure> {
    let refused = |reason: &str| MachineFailure::Snapshot { name: name.to_owned(), reason: reason.to_owned() };
    let ground: Ground = folder.document(GROUND)?.ok_or_else(|| refused("the environment runs no machines"))?;
    let nodes: Vec<&Node> = nodes.iter().collect();
    snapshot::save(folder, &nodes, machines, (name, ground, blueprint))
}

/// Waits for a machine's process to open its sockets, and takes the one that orders go to.
fn connect(mut child: Child, folder: &Path, name: &str, begins: Begins) -> Result<(Child, UnixStream), Failure> {
    let failed = |source| Failure::StartNode { node: name.to_owned(), source };
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let (_held, path) = machine::short(folder, &machine::socket(machine::CONTROL, begins))?;
        if let Ok(stream) = UnixStream::connect(&path) {
            return Ok((child, stream));
        }
        let ended = child.try_wait().map_err(failed)?;
        if ended.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut errors, &mut said);
            }
            let _ = child.wait();
            return Err(Failure::Node { node: name.to_owned(), reason: format!("QEMU ended: {}", said.trim()) });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn add(
    agents: &mut Agents,
    name: &str,
    (mut child, control): (Child, UnixStream),
    log: &Log,
    broken: &watch::Sender<Option<String>>,
) -> Result<(), Failure> {
    let failed = |source| Failure::StartNode { node: name.to_owned(), source };
    let tidings = control.try_clone().map_err(failed)?;
    let errors = child.stderr.take().ok_or_else(|| failed(std::io::Error::other("its process has no pipes")))?;
    agents.add_machine(name, child, Streams { orders: Box::new(control), tidings, errors }, log, broken)
}

/// Returns what a stored machine goes on with.
fn awakening() -> Awakening {
    let mut chance = [0; 64];
    // Without it a machine has its own alone.
    let _ = aws_lc_rs::rand::fill(&mut chance);
    let clock_milliseconds = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    Awakening { clock_milliseconds, chance: STANDARD.encode(chance) }
}

fn reach(order: &Order<'_>) -> Reach {
    let common = &order.common;
    let nodes =
        common.blueprint.nodes.iter().filter(|node| namespace::hands::has_queue(node.role, common.processes(node)));
    let inside = |node: &Node| Inside::Machine(common.folder.machine(node.name.as_str()));
    Reach {
        queues: nodes.map(|node| (node.name.to_string(), (node.role, inside(node)))).collect(),
        internet: common.launch.internet.clone(),
    }
}

impl Vm {
    /// Waits until the signal comes or a machine ends by itself.
    pub(crate) fn wait(&self, signal: impl Future<Output = ()>) -> Ended {
        let mut broke = self.broke.clone();
        self.runtime.block_on(async {
            tokio::select! {
                () = signal => Ended::Asked,
                reason = async { broke.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                    Ended::Broke(reason.unwrap_or_else(|| "the machines ended by themselves".to_owned()))
                }
            }
        })
    }

    /// Returns what scenarios can do to it.
    pub(crate) fn hands(&self) -> &dyn Hands {
        &self.faults
    }

    /// Moves a node to a host while it runs.
    pub(crate) fn relocate(&self, node: &str, to: &str) -> Result<Moved, Failure> {
        self.faults.ground().relocate(node, to)
    }

    /// Moves every node of a host to others.
    pub(crate) fn evacuate(&self, host: &str) -> Result<Vec<Moved>, Failure> {
        self.faults.ground().evacuate(host)
    }

    /// Changes the platform while it runs, as [`namespace::Namespace::converge`] does; the trees go through the machines' ports.
    pub(crate) fn converge(
        &mut self,
        order: &namespace::Order<'_>,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        if self.shape != Shape::of(order) {
            return Err(Failure::Reshaped);
        }
        let (_, mut touched) = namespace::lay_out(order)?;
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
            let folder = machine::folder(order.folder, node)?;
            // What the machine boots from next time.
            let planned = order.blueprint.nodes.iter().find(|planned| planned.name.as_str() == node);
            let beside = planned.map(|planned| beside(self.boot, order, planned)).unwrap_or_default();
            let _ = disks::config(&order.folder.tree(node), &folder, node, &beside)?;
            let (manifest, files) = tree(&order.folder.tree(node))?;
            let mut agents = self.faults.ground().agents();
            agents.tell(node, &NodeOrder::Tree { manifest, files })?;
            agents.converge(node, processes)?;
        }
        let mut changed = self.faults.ground().agents().await_delivered(&touched, patience(self.boot))?;
        self.faults.ground().agents().await_settled(patience(self.boot))?;
        changed.retain(|_, files| !files.is_empty());
        for (node, files) in &changed {
            progress.step(&Step::Changed { node: node.clone(), files: files.clone() });
        }
        let trust = embedded::trust(&order.folder.authority())?;
        namespace::answering(&self.runtime, &self.open, &trust, ANSWERS)?;
        Ok(changed)
    }

    /// Ends the platform: doors first, then the machines, then the log.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.doors.close();
        self.faults.end();
        self.faults.ground().stop(farewell(self.boot));
        let stopped = self.world.take().map_or(Ok(()), World::stop);
        if let Some(log) = self.log.take() {
            log.write(Entry::now(Level::Info, None, "environment stopped"));
        }
        drop(self.faults);
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
        stopped
    }
}

/// Returns a node's tree as it lies in its folder.
fn tree(folder: &Path) -> Result<(Manifest, BTreeMap<String, String>), Failure> {
    let manifest = disks::manifest(folder)?;
    let mut files = BTreeMap::new();
    for path in manifest.files.keys() {
        let bytes = disks::content(folder, path)?;
        files.insert(path.clone(), STANDARD.encode(bytes));
    }
    Ok((manifest, files))
}

/// The paths that a config disk has brought.
type Laid = BTreeSet<String>;
