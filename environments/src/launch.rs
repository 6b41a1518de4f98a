//! Bringing an environment up, and holding it while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use blueprint::ledger::Boot;
use blueprint::lock::PinnedPackage;
use blueprint::{Blueprint, Bundle, Launch, Roster};
use sha2::{Digest, Sha256};

use crate::accounts;
use crate::backend::Backend;
use crate::description::Description;
use crate::embedded::{self, Embedded};
use crate::failure::Failure;
use crate::files::FileFailure;
use crate::namespace::{self, Maker, Namespace};
use crate::rootfs::{self, Root, Wanted};
use crate::scenarios::{Hands, NoHands};
use crate::spare::Spares;
use crate::state::{Folder, Identity, Lock, OpenDoor, Phase, Record, StateFailure, StateRoot, digest, hexadecimal};
use crate::vm::moves::{Moved, Relocation};
use crate::vm::{self, ImageFiles, Vm};

/// What is to be brought up, and where its state lives.
pub struct LaunchRequest {
    /// Where state lives, such as `$XDG_STATE_HOME/mailwright`.
    pub state: StateRoot,
    /// The repository's path; with the environment's name it says which environment this is.
    pub repository: PathBuf,
    /// What runs where.
    pub blueprint: Blueprint,
    /// Who uses it.
    pub roster: Roster,
    /// How it is to be run.
    pub launch: Launch,
    /// The bytes it is made of; the embedded backend takes the brands' files only.
    pub bundle: Bundle,
    /// The backend to take instead of the launch's own.
    pub backend: Option<String>,
    /// The seed of the run.
    pub seed: u64,
    /// The process's variables, for a launch that takes its secrets from there; secrets that the repository's own folder holds, by
    /// [`crate::given_secret`]; and `DOCKER_HOST`, the container engine's address, where one is set.
    pub variables: BTreeMap<String, String>,
    /// This program, which real daemons' nodes begin with.
    pub program: PathBuf,
    /// A root file system to take instead of one that is built: unpacked, with every package the platform needs.
    pub root: Option<PathBuf>,
    /// The folder of an image for virtual machines, instead of the one the lock names.
    pub image: Option<PathBuf>,
    /// How virtual machines are booted: as production's are, or in a hurry.
    pub boot: Boot,
    /// The snapshot that virtual machines go on from, by its name.
    pub snapshot: Option<String>,
    /// Where what is built once is kept, such as `$XDG_CACHE_HOME/mailwright`.
    pub cache: PathBuf,
    /// Packages of the distribution that are pinned, by name.
    pub packages: BTreeMap<String, PinnedPackage>,
    /// How long nodes of real daemons may take to come up, instead of what their backend grants.
    pub patience: Option<Duration>,
}

/// The variable that says where a container engine is, as its own programs read it.
const ENGINE: &str = "DOCKER_HOST";

/// Something worth telling while an environment comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A node found an unfinished end of what it wrote last, and cut it off; none of it was ever promised to anybody.
    Recovered {
        /// The node.
        node: String,
        /// How much was cut off.
        cut_bytes: u64,
    },
    /// Declared accounts were made in the directory.
    Seeded {
        /// How many are new.
        created: usize,
        /// How many were suspended or deleted, since they are no longer declared.
        removed: usize,
    },
    /// Something declared could not be taken over, in a sentence.
    Conflict(String),
    /// A door was opened.
    DoorOpened(OpenDoor),
    /// A door is left out.
    DoorLeftOut {
        /// The door's service.
        service: String,
        /// Why.
        reason: String,
    },
    /// A node that runs has taken changed files over.
    Changed {
        /// The node.
        node: String,
        /// Their paths.
        files: Vec<String>,
    },
    /// How far the root file system is, in a sentence.
    Root(String),
    /// How far virtual machines are, in a sentence.
    Machine(String),
    /// How far containers are, in a sentence.
    Container(String),
    /// Every door answers.
    Ready,
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Recovered { node, cut_bytes } => {
                write!(formatter, "{node}: an unfinished end of {cut_bytes} bytes cut off, nothing that was answered")
            }
            Self::Seeded { created, removed: 0 } => write!(formatter, "directory: {created} new accounts"),
            Self::Seeded { created, removed } => {
                write!(formatter, "directory: {created} new accounts, {removed} no longer declared")
            }
            Self::Conflict(sentence) => write!(formatter, "directory: {sentence}"),
            Self::DoorOpened(door) => {
                write!(formatter, "door {} on {}", door.service, std::net::SocketAddr::new(door.host, door.port))
            }
            Self::DoorLeftOut { service, reason } => write!(formatter, "door {service} left out: {reason}"),
            Self::Changed { node, files } => write!(formatter, "{node}: {} changed", files.join(", ")),
            Self::Root(sentence) | Self::Machine(sentence) | Self::Container(sentence) => formatter.write_str(sentence),
            Self::Ready => formatter.write_str("every door answers"),
        }
    }
}

/// Told what goes on while an environment comes up.
pub trait Progress: Sync {
    /// Takes a step; called from one thread at a time.
    fn step(&self, step: &Step);

    /// Whether it is still wanted; asked now and then. What was begun is ended again where it is not.
    fn goes_on(&self) -> bool {
        true
    }
}

/// Tells nobody.
impl Progress for () {
    fn step(&self, _: &Step) {}
}

/// How an environment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an environment that broke must be reported"]
pub enum Ended {
    /// The signal came.
    Asked,
    /// It broke by itself; what happened.
    Broke(String),
}

/// An environment that runs in this process. Dropped without [`Running::stop`], it ends as if the process had been killed.
pub struct Running {
    platform: Option<Platform>,
    description: Description,
    folder: Folder,
    record: Record,
    // Last, so that nobody else takes the environment before everything above is gone.
    _lock: Lock,
}

/// What runs, by backend.
enum Platform {
    Embedded(Box<Embedded>),
    Namespace(Box<Namespace>),
    Vm(Box<Vm>),
}

/// Brings an environment up; returns when every door answers.
///
/// - Errors: [`Failure`]; what was begun is ended again, and the failure stands in the environment's record.
pub fn launch(request: LaunchRequest, progress: &dyn Progress) -> Result<Running, Failure> {
    let name = request.backend.as_deref().unwrap_or(&request.launch.backend);
    let backend = Backend::named(name).ok_or_else(|| Failure::NoSuchBackend { name: name.to_owned() })?;
    let lacks = backend.fit(&request.blueprint, &request.launch);
    if !lacks.is_empty() {
        return Err(Failure::Unfit { backend: backend.name(), lacks });
    }
    let identity = Identity::new(&request.repository, request.launch.environment.as_str());
    let folder = request.state.folder(&identity);
    folder.open(&identity)?;
    let lock = folder.lock()?;
    let before = folder.record()?;
    let mut record = beginning(&request, backend, &identity, &folder)?;
    // Kept while it starts, so that a start that fails does not forget the ports.
    record.doors = before.as_ref().map(|before| before.doors.clone()).unwrap_or_default();
    folder.write_record(&record)?;
    match bring_up(&request, backend, &folder, before.as_ref(), &mut record, progress) {
        Ok((platform, description)) => {
            progress.step(&Step::Ready);
            Ok(Running { platform: Some(platform), description, folder, record, _lock: lock })
        }
        Err(failure) => {
            record.phase = Phase::Failed;
            record.reason = Some(told(&failure));
            // The failure at hand says more than one to write it down would.
            let _ = folder.write_record(&record);
            Err(failure)
        }
    }
}

/// Returns a failure with its causes in one line.
fn told(failure: &Failure) -> String {
    let mut line = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}

fn beginning(
    request: &LaunchRequest,
    backend: Backend,
    identity: &Identity,
    folder: &Folder,
) -> Result<Record, StateFailure> {
    let form = |source| FileFailure::Form { path: folder.path().join("environment.json"), source };
    Ok(Record {
        version: 1,
        environment: identity.environment.clone(),
        repository: identity.repository.to_string_lossy().into_owned(),
        backend: backend.name().to_owned(),
        phase: Phase::Starting,
        reason: None,
        process: std::process::id(),
        seed: request.seed,
        started: timestamp(),
        base_port: request.launch.base_port,
        doors: Vec::new(),
        authority: embedded::certificate_path(&folder.authority()).to_string_lossy().into_owned(),
        show_passwords: request.launch.show_passwords,
        blueprint: digest(&request.blueprint).map_err(form)?,
        roster: digest(&request.roster).map_err(form)?,
        generation: 0,
        boot: None,
        image: None,
    })
}

fn bring_up(
    request: &LaunchRequest,
    backend: Backend,
    folder: &Folder,
    before: Option<&Record>,
    record: &mut Record,
    progress: &dyn Progress,
) -> Result<(Platform, Description), Failure> {
    let mut secrets = folder.secrets()?;
    let passwords = accounts::passwords(&request.launch, &request.roster, &request.variables, &mut secrets)?;
    folder.write_document("blueprint.json", &request.blueprint)?;
    folder.write_document("roster.json", &request.roster)?;
    folder.write_document("launch.json", &request.launch)?;
    let brands = brands(&request.bundle);
    folder.write_document("brands.json", &digests(&brands))?;
    let avoid = taken(request, folder);
    let (platform, doors) = match backend {
        Backend::Namespace | Backend::Container => {
            let root = root(request, progress)?;
            let mut order = order(request, folder, &brands, &passwords, root, before, avoid);
            if backend == Backend::Container {
                order.maker = Maker::Engine(request.variables.get(ENGINE).map(String::as_str));
            }
            let (namespace, doors) = namespace::start(order, progress)?;
            (Platform::Namespace(Box::new(namespace)), doors)
        }
        Backend::Vm => {
            let image = image(request, progress)?;
            (record.boot, record.image) = (Some(request.boot), Some(image.digest.clone()));
            // Machines stand on an image, not on an unpacked root.
            let root = rootfs::given(&request.cache, &request.cache);
            let common = order(request, folder, &brands, &passwords, root, before, avoid);
            let snapshot = request.snapshot.as_deref();
            let order = vm::Order { common, image, cache: &request.cache, snapshot, boot: request.boot };
            let (vm, doors) = vm::start(&order, progress)?;
            (Platform::Vm(Box::new(vm)), doors)
        }
        // The last one does not fit yet.
        Backend::Embedded | Backend::Fleet => {
            let order = embedded::Order {
                blueprint: &request.blueprint,
                roster: &request.roster,
                launch: &request.launch,
                brands: &brands,
                seed: request.seed,
                folder,
                passwords: &passwords,
                spares: Spares::of(&request.cache),
                before,
                avoid,
            };
            let (embedded, doors) = embedded::start(order, progress)?;
            (Platform::Embedded(Box::new(embedded)), doors)
        }
    };
    record.doors = doors;
    record.phase = Phase::Ready;
    folder.write_record(record)?;
    let description = Description::of(record, Some(&request.launch), &secrets);
    Ok((platform, description))
}

/// Returns the SHA-256 of each brand's file, by key.
fn digests(brands: &BTreeMap<String, Vec<u8>>) -> BTreeMap<&str, String> {
    brands.iter().map(|(key, bytes)| (key.as_str(), hexadecimal(&Sha256::digest(bytes)))).collect()
}

/// Returns what real daemons are started from.
fn order<'a>(
    request: &'a LaunchRequest,
    folder: &'a Folder,
    brands: &'a BTreeMap<String, Vec<u8>>,
    passwords: &'a accounts::Passwords,
    root: Root,
    before: Option<&'a Record>,
    avoid: BTreeSet<u16>,
) -> namespace::Order<'a> {
    namespace::Order {
        blueprint: &request.blueprint,
        roster: &request.roster,
        launch: &request.launch,
        bundle: &request.bundle,
        variables: &request.variables,
        brands,
        passwords,
        seed: request.seed,
        folder,
        root,
        maker: Maker::Kernel,
        program: &request.program,
        before,
        avoid,
        patience: request.patience,
        spares: Spares::of(&request.cache),
    }
}

/// Returns the image that virtual machines boot.
fn image(request: &LaunchRequest, progress: &dyn Progress) -> Result<ImageFiles, Failure> {
    let store = images::Store::new(&request.cache);
    let stored = |failure: FileFailure| Failure::from(StateFailure::from(failure));
    let named = match &request.image {
        Some(folder) if folder.is_dir() => {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            // What is called by a digest must be what the digest says: evidence names it.
            if let Some(image) = images::Image::at(&folder) {
                image.check_lightly()?;
            }
            return Ok(ImageFiles::of(&folder)?);
        }
        Some(digest) => store.find(&digest.to_string_lossy()).map_err(stored)?,
        None => {
            let wanted = Wanted::by(&request.cache, &request.blueprint, &request.bundle, &request.packages);
            Some(rootfs::image(&wanted, progress)?.0)
        }
    };
    let missing = || vm::MachineFailure::NoImage { folder: store.folder().to_owned(), file: "image of that digest" };
    let image = named.ok_or_else(missing)?;
    image.check_lightly()?;
    Ok(ImageFiles::of(&image.folder)?)
}

/// Returns the root file system of real daemons' nodes.
pub(crate) fn root(request: &LaunchRequest, progress: &dyn Progress) -> Result<Root, Failure> {
    if let Some(folder) = &request.root {
        return Ok(rootfs::given(&request.cache, folder));
    }
    let wanted = Wanted::by(&request.cache, &request.blueprint, &request.bundle, &request.packages);
    Ok(rootfs::obtain(&wanted, progress)?)
}

/// Returns the brands' files as bytes, by key.
fn brands(bundle: &Bundle) -> BTreeMap<String, Vec<u8>> {
    bundle.brands.iter().map(|(key, file)| (key.clone(), file.unfilled().0)).collect()
}

/// Returns the ports that other environments which run now have on record; one that cannot be read holds none.
fn taken(request: &LaunchRequest, own: &Folder) -> BTreeSet<u16> {
    let others = request.state.list().unwrap_or_default().into_iter().filter_map(|(_, folder)| folder.ok());
    let running = others.filter(|folder| folder.path() != own.path() && matches!(folder.holder(), Ok(Some(_))));
    let records = running.filter_map(|folder| folder.record().ok().flatten());
    records.flat_map(|record| record.doors.into_iter().map(|door| door.port)).collect()
}

impl Running {
    /// Returns what the environment tells programs.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns the environment's folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Waits until the signal comes or the environment breaks. The environment still runs when the signal has come;
    /// [`Running::stop`] ends it.
    ///
    /// - `signal`: runs on the environment's own runtime, so that `tokio::signal` works in it; [`interruption`] is one.
    pub fn wait_until_stopped(&self, signal: impl Future<Output = ()>) -> Ended {
        match &self.platform {
            Some(Platform::Embedded(embedded)) => embedded.wait(signal),
            Some(Platform::Namespace(namespace)) => namespace.wait(signal),
            Some(Platform::Vm(vm)) => vm.wait(signal),
            None => Ended::Asked,
        }
    }

    /// Waits until what nobody's door leads to is ready, too: monitors, calendars.
    ///
    /// - Errors: a node failed or did not come up in time.
    pub fn await_rest(&self) -> Result<(), Failure> {
        match &self.platform {
            Some(Platform::Namespace(namespace)) => namespace.await_rest(),
            _ => Ok(()),
        }
    }

    /// Returns what only who runs the environment can do.
    pub fn hands(&self) -> &dyn Hands {
        match &self.platform {
            Some(Platform::Embedded(embedded)) => embedded.as_ref(),
            Some(Platform::Namespace(namespace)) => namespace.as_ref(),
            Some(Platform::Vm(vm)) => vm.hands(),
            None => &NoHands,
        }
    }

    /// Changes the environment while it runs, so that it serves another specification; clients stay connected.
    ///
    /// - Returns: the files that were changed, by node.
    /// - Errors: [`Failure::Reshaped`] where that takes bringing it up anew, and for every backend whose nodes are no systems of
    ///   their own; whatever went wrong stands in the environment's record, too.
    pub fn converge(
        &mut self,
        request: &LaunchRequest,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let outcome = self.change(request, progress);
        self.record.generation += 1;
        self.record.reason = outcome.as_ref().err().map(told);
        self.folder.write_record(&self.record)?;
        outcome
    }

    /// Moves machines to other hosts while they run, as [`crate::Found::relocate`] asks for it; who is connected stays so.
    ///
    /// - Errors: the backend runs no machines, or one could not move and goes on where it was; those before it have moved. It stands
    ///   in the environment's record, too.
    pub fn relocate(&mut self) -> Result<Vec<Moved>, Failure> {
        let outcome = self.carry_over();
        self.record.generation += 1;
        self.record.reason = outcome.as_ref().err().map(told);
        self.folder.write_record(&self.record)?;
        outcome
    }

    fn carry_over(&self) -> Result<Vec<Moved>, Failure> {
        let none: Vec<Moved> = Vec::new();
        self.folder.write_document(vm::moves::MOVED, &none)?;
        let refused = |reason: &str| vm::MachineFailure::Move {
            node: "what was asked for".to_owned(),
            reason: reason.to_owned(),
        };
        let asked: Option<Relocation> = self.folder.document(vm::moves::ASKED)?;
        let Some(Platform::Vm(vm)) = &self.platform else {
            return Err(refused("the environment runs no virtual machines").into());
        };
        let moved = match asked.ok_or_else(|| refused("nobody says what is to move"))? {
            Relocation::Node { node, to } => vec![vm.relocate(&node, &to)?],
            Relocation::Host { host } => vm.evacuate(&host)?,
        };
        self.folder.write_document(vm::moves::MOVED, &moved)?;
        Ok(moved)
    }

    /// Notes that a change was asked for and could not even be tried.
    pub fn refuse(&mut self, reason: &str) -> Result<(), Failure> {
        self.record.generation += 1;
        self.record.reason = Some(reason.to_owned());
        Ok(self.folder.write_record(&self.record)?)
    }

    fn change(
        &mut self,
        request: &LaunchRequest,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        if !matches!(self.platform, Some(Platform::Namespace(_) | Platform::Vm(_))) {
            return Err(Failure::Reshaped);
        }
        let mut secrets = self.folder.secrets()?;
        let passwords = accounts::passwords(&request.launch, &request.roster, &request.variables, &mut secrets)?;
        let brands = brands(&request.bundle);
        // The root file system is the one the nodes stand on; another one is another shape.
        let root = rootfs::given(&request.cache, &request.cache);
        let order = order(request, &self.folder, &brands, &passwords, root, None, BTreeSet::new());
        let changed = match &mut self.platform {
            Some(Platform::Namespace(namespace)) => namespace.converge(&order, progress)?,
            Some(Platform::Vm(vm)) => vm.converge(&order, progress)?,
            _ => return Err(Failure::Reshaped),
        };
        self.folder.write_document("blueprint.json", &request.blueprint)?;
        self.folder.write_document("roster.json", &request.roster)?;
        self.folder.write_document("launch.json", &request.launch)?;
        self.folder.write_document("brands.json", &digests(&brands))?;
        let form = |source| {
            StateFailure::from(FileFailure::Form { path: self.folder.path().join("environment.json"), source })
        };
        self.record.blueprint = digest(&request.blueprint).map_err(form)?;
        self.record.roster = digest(&request.roster).map_err(form)?;
        self.description = Description::of(&self.record, Some(&request.launch), &secrets);
        Ok(changed)
    }

    /// Ends the environment: doors close, what was begun is written, files are closed.
    ///
    /// - Errors: something could not be written any more; everything that was answered is safe nevertheless.
    pub fn stop(mut self) -> Result<(), Failure> {
        let stopped = match self.platform.take() {
            Some(Platform::Embedded(embedded)) => embedded.stop(),
            Some(Platform::Namespace(namespace)) => namespace.stop(),
            Some(Platform::Vm(vm)) => vm.stop(),
            None => Ok(()),
        };
        match &stopped {
            Ok(()) => self.record.phase = Phase::Stopped,
            Err(failure) => {
                self.record.phase = Phase::Failed;
                self.record.reason = Some(told(failure));
            }
        }
        self.folder.write_record(&self.record)?;
        stopped
    }
}

/// Returns the time of this machine as RFC 3339 writes it, in whole seconds.
pub fn timestamp() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

/// Completes when the process is asked to end: SIGINT (Ctrl-C), SIGTERM or SIGHUP.
pub async fn interruption() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
