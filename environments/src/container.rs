//! The backend "container": the real daemons, a container of an engine for each node, and one for the world around them.
//!
//! ```text
//!   client ── door on loopback ── thread inside the world's container ── tunnel ── balancer ── …
//!   tool ── orders, tidings on a socket ── first process of each container (this program) ── daemons
//! ```
//!
//! The engine makes containers from the root file system's image and one internal network, with addresses of its own choosing. The
//! platform's addresses are on a wire that goes through that network in a tunnel (VXLAN), so that environments with the same ones
//! do not meet, and no filter of the engine's judges them. Everything else is as in the backend "namespace", state included.
//! Containers end with the tool, however that ends; what else it leaves is found by its label.

mod engine;
mod fit;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blueprint::Process;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType, NetworkingConfig,
};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::embedded::Authority;
use crate::failure::Failure;
use crate::files;
use crate::launch::{Progress, Step};
use crate::log::Log;
use crate::namespace::agents::{Agents, Body, NodeState, Streams};
use crate::namespace::fabric::Fabric;
use crate::namespace::{self, INTERNET, Order, network};
use crate::node::{self, ContainerPlan, Manifest, Order as NodeOrder};
use crate::state::{Folder, StateFailure};

use engine::{Engine, Wanted};

pub use engine::EngineFailure;
pub(crate) use fit::lacks;

/// Where this program appears in containers, as what they begin with and as the control plane's.
const PROGRAMS: [&str; 2] = ["/usr/lib/mailwright/mailwright", "/usr/lib/mailwright/mailwright-serve"];

/// Where layers of what is warm appear in containers.
const WARM: &str = "/run/mailwright/warm";

/// What a node's first process needs beside what engines give: its `/var`, and the platform's wire.
const RIGHTS: [&str; 2] = ["SYS_ADMIN", "NET_ADMIN"];

/// Shared memory of a container, in bytes; what is not used takes none.
const SHARED_MEMORY: i64 = 1 << 30;

/// How long a container's first process has to be there.
const ARRIVAL: Duration = Duration::from_secs(60);

/// How long the world's container has to have its network.
const WORLD: Duration = Duration::from_secs(20);

/// Where it is written which engine has an environment.
const ENGINE: &str = "engine.json";

/// What an engine has of an environment; removed when this ends.
pub(crate) struct Stage {
    engine: Engine,
    environment: String,
    places: Mutex<BTreeMap<String, Place>>,
    log: Log,
    broken: watch::Sender<Option<String>>,
}

/// A container, as it is made and was told what it is.
struct Place {
    /// Its place among the containers.
    number: usize,
    wanted: Wanted,
    listener: UnixListener,
    /// The address that the engine gave it.
    address: IpAddr,
    plan: ContainerPlan,
}

/// What `engine.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Whose {
    socket: PathBuf,
}

/// The first process of a container.
struct Contained(Option<Pid>);

impl Body for Contained {
    fn has_ended(&mut self) -> bool {
        self.0.is_none_or(|process| rustix::process::test_kill_process(process).is_err())
    }

    fn end(&mut self) {
        // With it the container ends; one that is gone already is what is wanted.
        let _ = self.0.map(|process| rustix::process::kill_process(process, Signal::KILL));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed now is when the environment is brought up or ended again.
        let _ = self.engine.sweep(&self.environment);
    }
}

/// Returns what an environment's things are called at the engine.
fn name(folder: &Folder) -> String {
    let name = folder.path().file_name().map(|name| name.to_string_lossy().into_owned());
    // The same environment may be kept in two places, which are two then.
    let place = crate::state::digest(&folder.path()).unwrap_or_default();
    format!("mailwright-{}-{}", name.unwrap_or_default(), place.get(..6).unwrap_or_default())
}

/// Removes what an environment that does not run has left at its engine, if it ever had one.
pub(crate) fn sweep(folder: &Folder) -> Result<(), Failure> {
    let Some(whose) = folder.document::<Whose>(ENGINE)? else { return Ok(()) };
    let engine = Engine::connect(Some(&format!("unix://{}", whose.socket.display())))?;
    Ok(engine.sweep(&name(folder))?)
}

/// Starts a container for each node and one for the world, and tells each what it is.
///
/// - `address`: where the engine is, as `DOCKER_HOST` says it.
pub(crate) fn raise(
    order: &Order<'_>,
    address: Option<&str>,
    log: &Log,
    broken: &watch::Sender<Option<String>>,
    progress: &dyn Progress,
) -> Result<(Fabric, Agents, Authority, Stage), Failure> {
    let folder = order.folder;
    let engine = Engine::connect(address)?;
    folder.write_document(ENGINE, &Whose { socket: engine.socket().to_owned() })?;
    let image = engine.image(&order.root, progress)?;
    wanted_still(progress)?;
    let (log, broken) = (log.clone(), broken.clone());
    let stage = Stage { engine, environment: name(folder), places: Mutex::default(), log, broken };
    stage.engine.network(&stage.environment)?;
    let (authority, _) = namespace::lay_out(order)?;
    files::make_folder(&folder.tree(INTERNET)).map_err(StateFailure::from)?;
    files::write_json(&folder.tree(INTERNET).join("manifest.json"), &Manifest::default(), 0o600)
        .map_err(StateFailure::from)?;
    let mut names: Vec<&str> = order.blueprint.nodes.iter().map(|node| node.name.as_str()).collect();
    names.push(INTERNET);
    let mut listeners = Vec::new();
    let mut wanted = Vec::new();
    for name in &names {
        listeners.push(listen(folder, name)?);
        wanted.push(contained(order, &stage.environment, &image, name)?);
    }
    let addresses = stage.engine.start(&stage.environment, wanted.clone())?;
    // The stage takes them away again.
    wanted_still(progress)?;
    progress.step(&Step::Container(format!("{} containers started", addresses.len())));
    let mut agents = Agents::none_yet(folder.nodes_document());
    let mut world = 0;
    let made = names.iter().zip(listeners).zip(wanted).zip(&addresses).enumerate();
    for (number, (((name, listener), wanted), address)) in made {
        let others = addresses.iter().filter(|other| *other != address).copied();
        let plan = plan(order, name, (number, *address), others);
        let place = Place { number, wanted, listener, address: *address, plan };
        world = stage.tell(&mut agents, name, &place)?;
        stage.places().insert((*name).to_owned(), place);
    }
    // The world's doors open once it has its addresses.
    let _ = agents.await_delivered(&[INTERNET.to_owned()], WORLD)?;
    Ok((Fabric::of(world)?, agents, authority, stage))
}

/// Ends a start that nobody wants any more.
fn wanted_still(progress: &dyn Progress) -> Result<(), Failure> {
    match progress.goes_on() {
        true => Ok(()),
        false => Err(Failure::Interrupted),
    }
}

impl Stage {
    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a container's first process and tells it what it is; returns it as this machine counts.
    fn tell(&self, agents: &mut Agents, name: &str, place: &Place) -> Result<u32, Failure> {
        let failed = |source| Failure::StartNode { node: name.to_owned(), source };
        let (control, process) = accept(&place.listener, name)?;
        let tidings = control.try_clone().map_err(failed)?;
        let state = NodeState { process, ..NodeState::default() };
        let body = Contained(i32::try_from(process).ok().and_then(Pid::from_raw));
        let streams = Streams { orders: Box::new(control), tidings, errors: std::io::empty() };
        agents.add(name, state, Box::new(body), streams, &self.log, &self.broken)?;
        agents.expect(name, &place.plan.processes);
        agents.tell(name, &NodeOrder::Join(Box::new(place.plan.clone())))?;
        Ok(process)
    }

    /// Cuts a container off from all others, or lets it back.
    ///
    /// - `process`: its first process.
    pub(crate) fn cut(&self, process: u32, off: bool) -> Result<(), Failure> {
        Fabric::outside(process)?.ip(network::cut_tunnel(off))
    }

    /// Starts the container of a node that was killed once more, and tells the others where it is now.
    ///
    /// - `processes`: what it runs from now on.
    /// - Returns: its first process.
    pub(crate) fn again(&self, agents: &mut Agents, node: &str, processes: Vec<Process>) -> Result<u32, Failure> {
        let mut places = self.places();
        let missing = || Failure::NoSuchNode { node: node.to_owned(), nodes: Vec::new() };
        let mut place = places.remove(node).ok_or_else(missing)?;
        let begun = self.engine.once_more(&self.environment, place.wanted.clone());
        if let Ok(address) = &begun {
            place.address = *address;
            place.plan.tunnel = network::tunnel(network::END, place.number, *address);
            place.plan.others = network::flood(network::END, places.values().map(|other| other.address));
            place.plan.processes = processes;
        }
        let told = begun.map_err(Failure::from).and_then(|_| self.tell(agents, node, &place));
        for name in places.keys() {
            // Who has no power himself asks anew when he is back.
            let Some(process) = agents.process(name).filter(|_| told.is_ok()) else { continue };
            let device = if name == INTERNET { network::WIRE } else { network::END };
            Fabric::of(process)?.bridge(&network::moved(device, place.number, place.address))?;
        }
        places.insert(node.to_owned(), place);
        told
    }
}

/// Opens the socket that a container's first process comes to.
fn listen(folder: &Folder, name: &str) -> Result<UnixListener, Failure> {
    let failed = |source| Failure::StartNode { node: name.to_owned(), source };
    let place = tool(folder, name);
    files::remove(&place).map_err(StateFailure::from)?;
    files::make_folder(&place).map_err(StateFailure::from)?;
    // A path that is short enough for the kernel (unix(7): 108 octets).
    let held = std::fs::File::open(&place).map_err(failed)?;
    let short = format!("/proc/self/fd/{}/orders", std::os::fd::AsRawFd::as_raw_fd(&held));
    let listener = UnixListener::bind(short).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Returns the folder with the socket that a container sees.
fn tool(folder: &Folder, name: &str) -> PathBuf {
    folder.node(name).join("tool")
}

/// Waits for a container's first process; returns it as this machine counts.
fn accept(listener: &UnixListener, name: &str) -> Result<(UnixStream, u32), Failure> {
    let failed = |source| Failure::StartNode { node: name.to_owned(), source };
    let elsewhere = |reason: &str| EngineFailure::Elsewhere { node: name.to_owned(), reason: reason.to_owned() };
    let deadline = Instant::now() + ARRIVAL;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(failed)?;
                let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(|error| failed(error.into()))?;
                let process = u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or(0);
                if process == 0 || !Path::new("/proc").join(process.to_string()).exists() {
                    return Err(elsewhere("its processes are not seen from here").into());
                }
                return Ok((stream, process));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if Instant::now() > deadline {
                    return Err(elsewhere("its first process did not come").into());
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Returns what a container is to be.
fn plan(
    order: &Order<'_>,
    name: &str,
    (number, own): (usize, IpAddr),
    others: impl Iterator<Item = IpAddr>,
) -> ContainerPlan {
    let node = order.blueprint.nodes.iter().find(|node| node.name.as_str() == name);
    let device = if node.is_some() { network::END } else { network::WIRE };
    ContainerPlan {
        tunnel: network::tunnel(device, number, own),
        others: network::flood(device, others),
        network: match node {
            Some(node) => network::front(order.blueprint, node) + &network::node(order.blueprint, node),
            None => network::fabric(order.blueprint, ""),
        },
        refuses: node.is_none(),
        warm: (0..order.root.warm_layers().len()).map(warm).collect(),
        processes: order.bundle.nodes.get(name).map(|tree| tree.processes.clone()).unwrap_or_default(),
    }
}

fn warm(place: usize) -> PathBuf {
    Path::new(WARM).join(place.to_string())
}

/// Returns the container of a node as the engine is asked for it.
fn contained(order: &Order<'_>, environment: &str, image: &str, node: &str) -> Result<Wanted, Failure> {
    let folder = order.folder;
    let state = folder.node(node).join("state");
    files::make_folder(&state).map_err(StateFailure::from)?;
    let mount = |source: &Path, target: &str, read_only: bool| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    };
    let mut mounts = vec![
        mount(&state, node::STATE, false),
        mount(&folder.tree(node), node::TREE, true),
        mount(&tool(folder, node), parent(node::SOCKET), true),
    ];
    mounts.extend(PROGRAMS.iter().map(|place| mount(order.program, place, true)));
    let layers = order.root.warm_layers().iter().enumerate();
    mounts.extend(layers.map(|(place, layer)| mount(layer, &warm(place).to_string_lossy(), true)));
    let memory = |mode: &str| format!("rw,exec,nosuid,mode={mode}");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let endpoint = EndpointSettings { aliases: Some(vec![node.to_owned()]), ..EndpointSettings::default() };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some(node.to_owned()),
        cmd: Some(words(&[PROGRAMS[0], "node", "--contained"])),
        labels: Some(engine::labels(environment)),
        host_config: Some(HostConfig {
            network_mode: Some(environment.to_owned()),
            auto_remove: Some(true),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            mounts: Some(mounts),
            tmpfs: Some(HashMap::from([("/run".to_owned(), memory("755")), ("/tmp".to_owned(), memory("1777"))])),
            cap_add: Some(words(&RIGHTS)),
            security_opt: Some(words(&["apparmor=unconfined", "label=disable"])),
            // Which of the kernel's switches a daemon may turn, its network namespace says.
            masked_paths: Some(Vec::new()),
            readonly_paths: Some(Vec::new()),
            shm_size: Some(SHARED_MEMORY),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(environment.to_owned(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    };
    Ok(Wanted { name: format!("{environment}-{node}"), body })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}
