//! `mailwright up` and `mailwright try`: bring an environment up, in the foreground or in the background.

mod kept_secrets;
pub(crate) mod shown;
mod timings;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use blueprint::changes::Change;
use blueprint::ledger::Boot;
use blueprint::lock::{Lock, PinnedPackage};
use compiler::Output;
use environments::{Description, Ended, Identity, LaunchRequest, Progress, StateRoot, Step};

use super::address::{self, from_environments};
use super::compiled::{self, say};
use super::plan;
use crate::failure::{Exit, Failure};
use crate::{folders, own_namespace, repository};

/// How long a background process may take until everything answers.
const PATIENCE: Duration = Duration::from_secs(1200);
/// How long a process that has failed may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long an environment may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// Bring an environment up and print its front doors and accounts to try.
///
/// Stays in the foreground until Ctrl-C; with --detach it returns when everything answers. Called for an environment that
/// already runs, it prints the same again, or brings it up anew where the specification has changed.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright up examples/northmail\n  \
    mailwright up examples/northmail --env qa --backend embedded --detach --json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    #[command(flatten)]
    how: How,
}

/// Bring the built-in example up, from nothing but the program itself.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright try\n  mailwright try --detach --json\n  mailwright down --try")]
pub(crate) struct TryArguments {
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
struct How {
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    #[command(flatten)]
    manner: Manner,
    /// Return when everything answers, and leave it running.
    #[arg(long)]
    detach: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Carry out what destroys: declarations that are gone, and what they hold with them.
    #[arg(long)]
    allow_destroy: bool,
    /// Tell where the time went while it came up, on stderr or in the JSON document.
    #[arg(long)]
    timings: bool,
}

/// How an environment is run, for the process that serves it.
#[derive(clap::Args)]
pub(super) struct Manner {
    /// The backend to run it with, instead of the one the environment names.
    #[arg(long)]
    pub(super) backend: Option<String>,
    /// The seed of the run, for whatever is left to chance.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// An unpacked root file system for real daemons, instead of one that is built; MAILWRIGHT_ROOT says the same.
    #[arg(long, value_name = "FOLDER")]
    pub(super) root: Option<PathBuf>,
    /// The image for virtual machines, by its folder or its digest; MAILWRIGHT_IMAGE says the same.
    /// Without it the one that the lock pins, built if need be.
    #[arg(long, value_name = "FOLDER")]
    pub(super) image: Option<PathBuf>,
    /// Go on from a snapshot of virtual machines instead of starting them.
    #[arg(long, value_name = "NAME")]
    pub(super) snapshot: Option<String>,
    /// How virtual machines boot: `stock` with systemd and its units, as production's do, or `lean`, which is quicker and vouches for
    /// no image.
    #[arg(long, value_name = "LANE", default_value = "lean")]
    pub(super) boot: Lane,
    /// How long nodes of real daemons and machines may take to be ready, instead of what their backend grants.
    #[arg(long, value_name = "SECONDS")]
    pub(super) ready_within: Option<u64>,
}

/// How virtual machines boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lane {
    /// As production's do.
    Stock,
    /// In a hurry.
    Lean,
}

impl Lane {
    fn word(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Lean => "lean",
        }
    }
}

impl From<Lane> for Boot {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Stock => Self::Stock,
            Lane::Lean => Self::Lean,
        }
    }
}

impl From<Boot> for Lane {
    fn from(boot: Boot) -> Self {
        match boot {
            Boot::Stock => Self::Stock,
            Boot::Lean => Self::Lean,
        }
    }
}

/// The process behind `--detach`.
#[derive(clap::Args)]
pub(crate) struct ServeArguments {
    repository: PathBuf,
    #[arg(long)]
    env: String,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    bring_up(&arguments.repository, &arguments.how, false)
}

pub(crate) fn run_try(arguments: &TryArguments) -> Result<Exit, Failure> {
    bring_up(&address::write_built_in()?, &arguments.how, true)
}

fn bring_up(path: &Path, how: &How, built_in: bool) -> Result<Exit, Failure> {
    let begun = jiff::Timestamp::now();
    let repository = repository::read(path)?;
    let output = compiled::compile(&repository.sources, how.env.as_deref())?;
    let root = StateRoot::new(folders::state()?);
    let identity = Identity::new(&repository.path, output.launch.environment.as_str());
    let found = environments::find(&root, &identity).map_err(from_environments)?;
    if let Some(recorded) =
        found.as_ref().map(environments::Found::recorded).transpose().map_err(from_environments)?.flatten()
        && !how.allow_destroy
    {
        refuse_losses(&recorded, &output, &repository)?;
    }
    if let Some(found) = found.filter(environments::Found::is_up) {
        if found.serves(&output.blueprint, &output.roster, &output.launch).map_err(from_environments)? {
            say(how.json, "it runs already");
            print(&found.description().map_err(from_environments)?, how.json, built_in)?;
            return Ok(Exit::Done);
        }
        if found.converges()
            && let Some(exit) = converge(&found, how, built_in)?
        {
            return Ok(exit);
        }
        if !how.detach {
            return Err(Failure::failed(format!("{identity} runs already, from an earlier specification"))
                .help("end it with mailwright down, or bring it up anew in the background with --detach"));
        }
        say(how.json, "the specification has changed: the environment is brought up anew");
        let _ = found.stop(STOP_PATIENCE).map_err(from_environments)?;
    }
    let log = how.timings.then(|| root.folder(&identity).log());
    let log = log.as_deref().map(|log| (log, begun));
    if how.detach {
        return detach(&root, &identity, how, built_in, log);
    }
    serve(&repository, output, &how.manner, !how.json, &|description| print_timed(description, how.json, built_in, log))
}

/// Brings an environment of virtual machines up from a snapshot, in the background.
pub(super) fn go_on(
    found: &environments::Found,
    snapshot: &str,
    image: Option<PathBuf>,
    boot: Boot,
    json: bool,
) -> Result<Exit, Failure> {
    let manner = Manner {
        backend: Some("vm".to_owned()),
        seed: 1,
        root: None,
        image,
        snapshot: Some(snapshot.to_owned()),
        boot: boot.into(),
        ready_within: None,
    };
    let how = How { env: None, manner, detach: true, json, allow_destroy: false, timings: false };
    detach(&StateRoot::new(folders::state()?), found.identity(), &how, false, None)
}

/// Has an environment of real daemons take the changed specification over; `None` where that takes bringing it up anew.
fn converge(found: &environments::Found, how: &How, built_in: bool) -> Result<Option<Exit>, Failure> {
    say(how.json, "the specification has changed: the environment takes it over while it runs");
    let description = found.converge(PATIENCE).map_err(from_environments)?;
    match &description.reason {
        None => {
            print(&description, how.json, built_in)?;
            Ok(Some(Exit::Done))
        }
        Some(reason) if reason.contains("bringing it up anew") => {
            say(how.json, reason);
            Ok(None)
        }
        Some(reason) => Err(Failure::failed(format!("the change could not be taken over: {reason}"))
            .help("read mailwright logs; mailwright down and up begin anew")),
    }
}

/// Refuses to bring up what would destroy something that the environment holds.
fn refuse_losses(
    recorded: &environments::Recorded,
    output: &Output,
    repository: &repository::Repository,
) -> Result<(), Failure> {
    // After a reset there is nothing to lose.
    if !recorded.holds_accounts {
        return Ok(());
    }
    let changes = plan::with_record(recorded, output, &repository.sources);
    let lost: Vec<&Change> = changes.changes.iter().filter(|change| change.destructive).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::usage(format!(
        "bringing this up would destroy what the environment holds:\n{}",
        plan::shown::losses(&lost).trim_end()
    ))
    .help("see everything with mailwright plan; if it is meant, say so with --allow-destroy");
    failure.exit = Exit::Problems;
    Err(failure)
}

/// Serves an environment for a process that waits for it elsewhere; how it went stands in the environment's record.
pub(crate) fn run_serve(arguments: &ServeArguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, Some(&arguments.env))?;
    serve(&repository, output, &arguments.manner, false, &|_| Ok(()))
}

fn serve(
    repository: &repository::Repository,
    output: Output,
    manner: &Manner,
    tell: bool,
    ready: &dyn Fn(&Description) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    own_namespace::enter(manner.backend.as_ref().unwrap_or(&output.launch.backend))?;
    let state = StateRoot::new(folders::state()?);
    let environment = output.launch.environment.to_string();
    let request = request(repository, output, state, manner)?;
    let (wanted, up) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    watch_while_it_starts(&wanted, &up)?;
    let told = Told { tell, wanted: Some(Arc::clone(&wanted)) };
    let mut running = match environments::launch(request, &told) {
        Err(environments::Failure::Interrupted) => {
            say(!tell, "ended before it was up: nothing of it is left");
            return Ok(Exit::Interrupted);
        }
        launched => launched.map_err(from_environments)?,
    };
    up.store(true, Ordering::Relaxed);
    if !wanted.load(Ordering::Relaxed) {
        running.stop().map_err(from_environments)?;
        return Ok(Exit::Interrupted);
    }
    if let Err(failure) = ready(running.description()) {
        running.stop().map_err(from_environments)?;
        return Err(failure);
    }
    let ended = loop {
        let asked = Cell::new(Asked::End);
        let ended = running.wait_until_stopped(async {
            asked.set(asked_for().await);
        });
        match (ended, asked.get()) {
            (Ended::Asked, Asked::Converge) => {
                if let Err(failure) = take_over(&mut running, repository, &environment, manner, tell) {
                    say(!tell, &failure.text());
                }
            }
            (Ended::Asked, Asked::Move) => match running.relocate() {
                Ok(moved) => moved.iter().for_each(|moved| say(!tell, &super::relocate::told(moved))),
                Err(failure) => say(!tell, &from_environments(failure).text()),
            },
            (Ended::Asked, asked) => break Ok(asked),
            (Ended::Broke(reason), _) => break Err(reason),
        }
    };
    match ended {
        Ok(asked) => {
            say(!tell, "\nending: doors close, mail and accounts stay");
            running.stop().map_err(from_environments)?;
            Ok(if asked == Asked::Interrupt { Exit::Interrupted } else { Exit::Done })
        }
        Err(reason) => {
            let stopped = running.stop();
            let failure = Failure::failed(format!("the environment broke: {reason}"))
                .help("what was answered is safe; see mailwright logs, then bring it up again");
            Err(match stopped {
                Ok(()) => failure,
                Err(error) => failure.cause(&error),
            })
        }
    }
}

/// Compiles the specification as it is now, and has the environment take it over.
fn take_over(
    running: &mut environments::Running,
    repository: &repository::Repository,
    environment: &str,
    manner: &Manner,
    tell: bool,
) -> Result<(), Failure> {
    let prepared = repository::read(&repository.path).and_then(|repository| {
        let output = compiled::compile(&repository.sources, Some(environment))?;
        request(&repository, output, StateRoot::new(folders::state()?), manner)
    });
    match prepared {
        Ok(request) => {
            running.converge(&request, &Told { tell, wanted: None }).map_err(from_environments)?;
            say(!tell, "the environment serves the changed specification");
            Ok(())
        }
        Err(failure) => {
            running.refuse(&failure.text()).map_err(from_environments)?;
            Err(failure)
        }
    }
}

/// Returns what is to be brought up.
pub(super) fn request(
    repository: &repository::Repository,
    output: Output,
    state: StateRoot,
    manner: &Manner,
) -> Result<LaunchRequest, Failure> {
    let mut variables: BTreeMap<String, String> = match output.launch.secrets {
        blueprint::launch::Secrets::EnvironmentVariables => std::env::vars().collect(),
        _ => BTreeMap::new(),
    };
    variables.extend(kept_secrets::read(&repository.path)?);
    // Where a container engine is, as its own programs take it.
    variables.extend(std::env::var("DOCKER_HOST").ok().map(|address| ("DOCKER_HOST".to_owned(), address)));
    let packages = pinned_packages(repository, &output.blueprint.release.distribution)?;
    let image = match manner.image.clone().or_else(folders::image) {
        Some(image) => Some(image),
        None => promoted(repository, &output, manner)?,
    };
    Ok(LaunchRequest {
        state,
        repository: repository.path.clone(),
        bundle: compiler::render(&output, &repository.sources),
        blueprint: output.blueprint,
        roster: output.roster,
        launch: output.launch,
        backend: manner.backend.clone(),
        seed: manner.seed,
        variables,
        program: std::env::current_exe()
            .map_err(|error| Failure::failed("could not tell where this program lies").cause(&error))?,
        root: manner.root.clone().or_else(folders::root_file_system),
        image,
        snapshot: manner.snapshot.clone(),
        boot: manner.boot.into(),
        cache: cache()?,
        packages,
        patience: manner.ready_within.map(Duration::from_secs),
    })
}

/// Returns where what is built once is kept.
pub(super) fn cache() -> Result<PathBuf, Failure> {
    folders::cache().ok_or_else(|| {
        Failure::usage("neither XDG_CACHE_HOME nor HOME names a folder to keep what is built once")
            .help("set XDG_CACHE_HOME to an absolute path")
    })
}

/// Returns the packages that the repository's lock pins for a distribution.
pub(super) fn pinned_packages(
    repository: &repository::Repository,
    distribution: &str,
) -> Result<BTreeMap<String, PinnedPackage>, Failure> {
    let bytes = repository::lock_of(&repository.path)?;
    let lock = bytes.as_deref().map(Lock::parse).transpose();
    let lock = lock
        .map_err(|error| Failure::usage("the lock cannot be read").cause(&error).help("write it anew, or remove it"))?;
    Ok(lock.and_then(|mut lock| lock.packages.remove(distribution)).unwrap_or_default())
}

/// Returns the digest of the image that a repository's lock stands for; none where nothing is pinned, or it is not built here.
pub(super) fn locked_image(
    repository: &repository::Repository,
    blueprint: &blueprint::Blueprint,
) -> Result<Option<String>, Failure> {
    let distribution = &blueprint.release.distribution;
    let packages = pinned_packages(repository, distribution)?;
    if packages.is_empty() {
        return Ok(None);
    }
    let image = images::built(&images::Request { cache: &cache()?, distribution, packages: &packages });
    Ok(image.map_err(|failure| super::image::failed(&failure))?.map(|image| image.digest))
}

/// Returns the image that machines of an environment boot where nobody names another: the one that was promoted to it.
fn promoted(repository: &repository::Repository, output: &Output, manner: &Manner) -> Result<Option<PathBuf>, Failure> {
    let backend = manner.backend.as_ref().unwrap_or(&output.launch.backend);
    if backend != "vm" {
        return Ok(None);
    }
    let ledger = crate::ledger::read(&repository.path)?;
    Ok(crate::ledger::image_of(&ledger, output.launch.environment.as_str()).map(PathBuf::from))
}

/// What a process that serves an environment is asked by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To end: SIGTERM, SIGHUP.
    End,
    /// To end: SIGINT.
    Interrupt,
    /// To take the changed specification over: SIGUSR1.
    Converge,
    /// To move machines: SIGUSR2.
    Move,
}

async fn asked_for() -> Asked {
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
        () = wait(SignalKind::interrupt()) => Asked::Interrupt,
        () = wait(SignalKind::terminate()) => Asked::End,
        () = wait(SignalKind::hangup()) => Asked::End,
        () = wait(SignalKind::user_defined1()) => Asked::Converge,
        () = wait(SignalKind::user_defined2()) => Asked::Move,
    }
}

pub(super) struct Told {
    pub(super) tell: bool,
    /// Turns false when the process is asked to end.
    wanted: Option<Arc<AtomicBool>>,
}

impl Told {
    pub(super) fn new(tell: bool) -> Self {
        Self { tell, wanted: None }
    }
}

/// Notes that the process is asked to end while an environment comes up, so that what was begun is ended in its order; where that
/// takes too long, or on a second signal, the process ends at once.
///
/// - `up`: turns true when it is up, and ending it is no longer this one's business.
fn watch_while_it_starts(wanted: &Arc<AtomicBool>, up: &Arc<AtomicBool>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed("could not wait for Ctrl-C").cause(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (wanted, up) = (Arc::clone(wanted), Arc::clone(up));
    let watch = move || {
        runtime.block_on(environments::interruption());
        wanted.store(false, Ordering::Relaxed);
        if up.load(Ordering::Relaxed) {
            return;
        }
        runtime.block_on(async {
            let _ = tokio::time::timeout(STOP_PATIENCE, environments::interruption()).await;
        });
        if !up.load(Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    };
    std::thread::Builder::new().name("interruption".to_owned()).spawn(watch).map(drop).map_err(failed)
}

impl Progress for Told {
    fn step(&self, step: &Step) {
        match step {
            Step::DoorOpened(_) | Step::Ready => {}
            _ => say(!self.tell, &format!("  {step}")),
        }
    }

    fn goes_on(&self) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.load(Ordering::Relaxed))
    }
}

/// Starts a process of its own that serves the environment, and waits until everything answers.
///
/// - `log`: where the environment's log is and when the verb began, to tell where the time went.
fn detach(
    states: &StateRoot,
    identity: &Identity,
    how: &How,
    built_in: bool,
    log: Option<(&Path, jiff::Timestamp)>,
) -> Result<Exit, Failure> {
    let failed = |error: &std::io::Error| Failure::failed("could not start a process for the environment").cause(error);
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let errors = errors_file(&folders::state()?).map_err(|error| failed(&error))?;
    let mut command = std::process::Command::new(program);
    // Absolute, since the process works elsewhere.
    let absolute = |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
    let root = absolute(&how.manner.root).map_err(|error| failed(&error))?;
    // A digest is no path.
    let image = how.manner.image.clone();
    let image = match image.as_ref().is_some_and(|image| image.is_dir()) {
        true => absolute(&image).map_err(|error| failed(&error))?,
        false => image,
    };
    command
        .arg("serve")
        .arg(&identity.repository)
        .args(["--env", &identity.environment, "--seed", &how.manner.seed.to_string()])
        .args(how.manner.backend.iter().flat_map(|backend| ["--backend", backend]))
        .args(root.iter().flat_map(|root| [std::ffi::OsStr::new("--root"), root.as_os_str()]))
        .args(image.iter().flat_map(|image| [std::ffi::OsStr::new("--image"), image.as_os_str()]))
        .args(["--boot", how.manner.boot.word()])
        .args(how.manner.snapshot.iter().flat_map(|snapshot| ["--snapshot", snapshot]))
        .args(how.manner.ready_within.iter().flat_map(|seconds| ["--ready-within".to_owned(), seconds.to_string()]))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.1)
        // Out of the terminal's group, so that Ctrl-C there does not reach it.
        .process_group(0);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let process = child.id();
    let mut ended = || match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(format!("its process ended with {status}")),
        Err(error) => Some(error.to_string()),
    };
    // It says itself when it has waited long enough, and this one only waits for that.
    let patience = how.manner.ready_within.map_or(PATIENCE, |seconds| PATIENCE + Duration::from_secs(seconds));
    let waited = environments::await_ready(states, identity, process, &mut ended, patience);
    if waited.is_err() {
        // It says more before it ends than stands on record.
        let deadline = Instant::now() + LAST_WORDS;
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let said = std::fs::read_to_string(&errors.0).unwrap_or_default();
    let _ = std::fs::remove_file(&errors.0);
    match waited {
        Ok(description) => {
            print_timed(&description, how.json, built_in, log)?;
            Ok(Exit::Done)
        }
        Err(failure) => {
            // What is not ready is not left behind: it clears away itself, where it can.
            if let Ok(Some(found)) = environments::find(states, identity) {
                let _ = found.stop(STOP_PATIENCE);
            }
            let _ = child.kill();
            let _ = child.wait();
            let failure = from_environments(failure);
            Err(match said.trim() {
                "" => failure,
                said => failure.help(format!("it said: {said}")),
            })
        }
    }
}

/// Makes a file for what the process says before it is ready.
fn errors_file(state: &Path) -> std::io::Result<(PathBuf, std::fs::File)> {
    std::fs::create_dir_all(state)?;
    let path = state.join(format!(".start-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    Ok((path, file))
}

fn print(description: &Description, json: bool, built_in: bool) -> Result<(), Failure> {
    print_timed(description, json, built_in, None)
}

fn print_timed(
    description: &Description,
    json: bool,
    built_in: bool,
    log: Option<(&Path, jiff::Timestamp)>,
) -> Result<(), Failure> {
    let moments = log.map(|(log, begun)| timings::read(log, begun));
    let mut out = std::io::stdout().lock();
    if json {
        let mut document = serde_json::to_value(description)
            .map_err(|error| Failure::fault("the description does not serialize").cause(&error))?;
        if let (Some(object), Some(moments)) = (document.as_object_mut(), moments) {
            object.insert("timings".to_owned(), serde_json::json!(moments));
        }
        writeln!(out, "{document:#}")?;
    } else {
        shown::write(&mut out, description, built_in)?;
        if let Some(moments) = moments {
            let (stretches, daemons) = timings::tables(&moments);
            say(false, &format!("\n{stretches}\n\n{daemons}"));
        }
    }
    out.flush()?;
    Ok(())
}
