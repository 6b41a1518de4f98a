//! `mailwright test`: carries scenarios out on an environment and says what did not hold.

mod chosen;
mod evidence;
mod junit;
mod shown;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blueprint::Scenario;
use blueprint::ledger::{Boot, Deed, Evidence};
use compiler::Output;
use environments::scenarios::{Hands, NoHands, Report, ScenarioReport, Trial};
use environments::{Description, Identity, Progress, Running, StateRoot, Step};

use super::address::from_environments;
use super::compiled::{self, say};
use super::up::{self, Manner};
use crate::failure::{Exit, Failure};
use crate::{folders, ledger, own_namespace, repository};

/// Carry scenarios out and say what does not hold.
///
/// A fresh environment is brought up for them and thrown away afterwards, beside whatever else runs; with --running they are
/// carried out on the environment that is up. What a scenario needs and the backend cannot do is skipped, with the reason.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright test examples/northmail\n  \
    mailwright test smoke \"a virus never reaches a mailbox\" examples/northmail\n  \
    mailwright test --list\n  \
    mailwright test --gate --env qa\n  \
    mailwright test --backend namespace --junit report.xml\n\n\
    Exit codes: 0 all that was tried holds, 1 something does not, 5 the environment failed.")]
pub(crate) struct Arguments {
    /// Scenarios by title, by a part of it, or by their file's name; all where none is named. The last argument may be the
    /// folder that holds platform.kdl.
    #[arg(value_name = "SCENARIO")]
    names: Vec<String>,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The backend to run it with, instead of the one the environment names.
    #[arg(long, conflicts_with = "running")]
    backend: Option<String>,
    /// Use the environment that is up, with what it holds.
    #[arg(long)]
    running: bool,
    /// Carry out the environment's gates, and write how they ended to mailwright.ledger: what `promote` asks for.
    #[arg(long, conflicts_with_all = ["running", "list"])]
    gate: bool,
    /// Write the outcome as JUnit XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Where messages, dialogues, logs and packets of what did not hold are kept.
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,
    /// A root file system to take instead of one that is built: unpacked, with every package the platform needs.
    #[arg(long, value_name = "FOLDER", conflicts_with = "running")]
    root: Option<PathBuf>,
    /// The folder of an image for virtual machines, instead of the one that is built.
    #[arg(long, value_name = "FOLDER", conflicts_with = "running")]
    image: Option<PathBuf>,
    /// How virtual machines boot: only what passed booted `stock` vouches for an image.
    #[arg(long, value_name = "LANE", default_value = "lean", conflicts_with = "running")]
    boot: up::Lane,
    /// Seconds that an answer, and an expectation without `within`, may take.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// The seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the Report as one JSON document.
    #[arg(long)]
    json: bool,
    /// Only list the scenarios.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (names, folder) = chosen::split(&arguments.names);
    let repository = repository::read(&folder)?;
    let output = compiled::compile_with_origins(&repository.sources, arguments.env.as_deref())?;
    let names = if arguments.gate { gates(&output, &names)? } else { names };
    let scenarios = chosen::choose(&output, &repository.sources, &names)?;
    if arguments.list {
        return list(&output, &repository.sources, &scenarios, arguments.json);
    }
    let files = chosen::files(&repository.sources);
    let stop = interruption()?;
    let kept = match &arguments.evidence {
        Some(folder) => folder.clone(),
        None => folders::state()?.join("evidence").join(output.launch.environment.as_str()),
    };
    let began = std::time::Instant::now();
    let plan = Plan { arguments, scenarios: &scenarios, files: &files, stop: &stop };
    let told = shown::Told::new(arguments.json, scenarios.len());
    let ran = match arguments.running {
        true => on_running(&plan, &repository, &output, &told),
        false => on_fresh(&plan, &repository, output.clone(), &told),
    };
    if ran.is_err() && stop.load(Ordering::Relaxed) {
        say(arguments.json, "ended before anything was tried: nothing of it is left");
        return Ok(Exit::Interrupted);
    }
    let Ran { report, log, boot, image } = ran?;
    let kept = evidence::write(&kept, &report, log.as_deref())?;
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit::document(&report))
            .map_err(|error| Failure::failed(format!("could not write {}", path.display())).cause(&error))?;
    }
    shown::failures(&report, &output.origins, &repository.sources)?;
    let tally = report.tally();
    if arguments.gate && !stop.load(Ordering::Relaxed) {
        let number = record(&repository, &output, &report, (boot, image))?;
        say(arguments.json, &format!("written to {} as entry {number}", blueprint::ledger::FILE));
    }
    if arguments.json {
        let document = serde_json::to_value(&report)
            .map_err(|error| Failure::fault("the report does not serialize").cause(&error))?;
        super::print_json(&document)?;
    } else {
        shown::end(&report, began.elapsed(), kept.as_deref())?;
    }
    Ok(match () {
        () if stop.load(Ordering::Relaxed) => Exit::Interrupted,
        () if tally.broken > 0 => Exit::Environment,
        () if tally.failed > 0 => Exit::Problems,
        () => Exit::Done,
    })
}

/// Returns the titles of the environment's gates.
fn gates(output: &Output, names: &[String]) -> Result<Vec<String>, Failure> {
    let environment = &output.launch.environment;
    if !names.is_empty() {
        return Err(Failure::usage("--gate carries out the environment's gates, all of them")
            .help("leave the scenarios' names out"));
    }
    if output.launch.gates.is_empty() {
        return Err(Failure::usage(format!("the environment {environment} has no gates"))
            .help("name scenarios in it: gate \"a message reaches its mailbox\""));
    }
    Ok(output.launch.gates.clone())
}

/// Writes to the ledger how the gates ended.
///
/// - `booted`: how, and which image, where machines were.
fn record(
    repository: &repository::Repository,
    output: &Output,
    report: &Report,
    (boot, booted): (Option<Boot>, Option<String>),
) -> Result<u64, Failure> {
    let environment = output.launch.environment.to_string();
    let parsed = spec::parse(&repository.sources);
    let built = up::locked_image(repository, &output.blueprint)?;
    ledger::add(&repository.path, |ledger| {
        // What ran counts. Where nothing was booted, the specifications were tried for the image that the environment has.
        let image = booted.or_else(|| ledger::image_of(ledger, &environment)).or(built);
        let outcomes = report.scenarios.iter().map(|it| (it.name.clone(), it.outcome.name().to_owned()));
        Ok(Deed::Evidence(Evidence {
            subject: ledger::subject(repository, &parsed, image),
            environment,
            backend: report.backend.clone(),
            boot,
            scenarios: outcomes.collect(),
        }))
    })
}

struct Plan<'a> {
    arguments: &'a Arguments,
    scenarios: &'a [Scenario],
    files: &'a BTreeMap<String, Vec<u8>>,
    stop: &'a AtomicBool,
}

impl Plan<'_> {
    fn carry_out(&self, description: &Description, hands: &dyn Hands, told: &shown::Told) -> Result<Report, Failure> {
        let trial = Trial {
            description,
            scenarios: self.scenarios,
            files: self.files,
            hands,
            patience: Duration::from_secs(self.arguments.patience),
            stop: self.stop,
        };
        trial.run(&|report: &ScenarioReport| told.ended(report)).map_err(Failure::failed)
    }
}

/// What came of it.
struct Ran {
    report: Report,
    /// The environment's log, read before the environment is thrown away.
    log: Option<Vec<u8>>,
    boot: Option<Boot>,
    image: Option<String>,
}

fn on_running(
    plan: &Plan<'_>,
    repository: &repository::Repository,
    output: &Output,
    told: &shown::Told,
) -> Result<Ran, Failure> {
    let root = StateRoot::new(folders::state()?);
    let identity = Identity::new(&repository.path, output.launch.environment.as_str());
    let found = environments::find(&root, &identity).map_err(from_environments)?;
    let Some(found) = found.filter(environments::Found::is_up) else {
        return Err(Failure::usage(format!("{identity} does not run"))
            .help("bring it up with mailwright up --detach, or leave --running out"));
    };
    let description = found.description().map_err(from_environments)?;
    let report = plan.carry_out(&description, &NoHands, told)?;
    let log = evidence::log(&found.folder().log());
    Ok(Ran { report, log, boot: description.boot, image: description.image.clone() })
}

fn on_fresh(
    plan: &Plan<'_>,
    repository: &repository::Repository,
    output: Output,
    told: &shown::Told,
) -> Result<Ran, Failure> {
    own_namespace::enter(plan.arguments.backend.as_ref().unwrap_or(&output.launch.backend))?;
    let state = FreshState::new()?;
    let manner = Manner {
        backend: plan.arguments.backend.clone(),
        seed: plan.arguments.seed,
        root: plan.arguments.root.clone(),
        image: plan.arguments.image.clone(),
        snapshot: None,
        boot: plan.arguments.boot,
        ready_within: None,
    };
    let mut request = up::request(repository, output, StateRoot::new(&state.0), &manner)?;
    // Scenarios sign in, and nobody knows the passwords behind hashes that another system made.
    request.variables.retain(|name, value| !name.contains('/') || !control::password::is_meant_as_hash(value));
    say(plan.arguments.json, &format!("seed {}", plan.arguments.seed));
    let running: Running = environments::launch(request, &Wanted(plan.stop)).map_err(from_environments)?;
    running.await_rest().map_err(from_environments)?;
    let (boot, image) = (running.description().boot, running.description().image.clone());
    let report = plan.carry_out(running.description(), running.hands(), told);
    let log = running.folder().log();
    let stopped = running.stop().map_err(from_environments);
    let log = evidence::log(&log);
    let report = report?;
    stopped?;
    Ok(Ran { report, log, boot, image })
}

/// Tells nobody how an environment comes up, and whether it is still wanted.
struct Wanted<'a>(&'a AtomicBool);

impl Progress for Wanted<'_> {
    fn step(&self, _: &Step) {}

    fn goes_on(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

/// A state folder that is gone afterwards.
struct FreshState(PathBuf);

impl FreshState {
    fn new() -> Result<Self, Failure> {
        let folder = folders::state()?.join("tests").join(std::process::id().to_string());
        let made = remove(&folder).and_then(|()| std::fs::create_dir_all(&folder));
        made.map_err(|error| Failure::failed(format!("could not make {}", folder.display())).cause(&error))?;
        Ok(Self(folder))
    }
}

impl Drop for FreshState {
    fn drop(&mut self) {
        // What is left lies in a folder of its own, and the next run of this process number removes it.
        let _ = remove(&self.0);
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns what turns true when the process is asked to end; running scenarios come to their end then.
fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let failed = |error: std::io::Error| Failure::failed("could not wait for Ctrl-C").cause(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let asked = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("interruption".to_owned())
        .spawn(move || {
            runtime.block_on(environments::interruption());
            asked.store(true, Ordering::Relaxed);
            let _ = writeln!(std::io::stderr(), "ending: no further scenario is begun");
        })
        .map_err(failed)?;
    Ok(stop)
}

fn list(output: &Output, sources: &spec::Sources, scenarios: &[Scenario], json: bool) -> Result<Exit, Failure> {
    let rows: Vec<(String, u32, &str)> = scenarios
        .iter()
        .map(|scenario| {
            let place = chosen::place(output, sources, &scenario.name);
            let (file, line) = place.unwrap_or_default();
            (file, line, scenario.name.as_str())
        })
        .collect();
    if json {
        let rows: Vec<serde_json::Value> = rows
            .iter()
            .map(|(file, line, name)| serde_json::json!({ "scenario": name, "file": file, "line": line }))
            .collect();
        super::print_json(&serde_json::json!({ "version": 1, "scenarios": rows }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    for (file, line, name) in &rows {
        writeln!(out, "{name}  ({file}:{line})")?;
    }
    Ok(Exit::Done)
}
