//! `mailwright plan`: what changes between two revisions of a specification, and who notices.

pub(crate) mod shown;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use blueprint::changes::{Action, Change, FieldChange};
use blueprint::{Bundle, Changes, Launch, Revision, Scenario};
use compiler::Output;
use environments::{Found, Identity, Recorded, StateRoot};
use serde_json::Value;
use sha2::{Digest, Sha256};
use spec::Sources;

use super::address::from_environments;
use super::compiled::Ready;
use crate::failure::{Exit, Failure};
use crate::repository::Repository;
use crate::{folders, git, repository};

/// Tell what changes between two revisions of a specification, and who notices.
///
/// Compares the repository as it lies on disk with a revision of its git history, with another folder, or, where neither is
/// named, with what the environment recorded when it was last brought up.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright plan --from origin/main\n  \
    mailwright plan examples/northmail --env dev\n  \
    mailwright plan examples/northmail --env production --from HEAD~1 --detail\n  \
    mailwright plan new --from-folder old --json --exit-code")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The git revision to compare with.
    #[arg(long, value_name = "REVISION", conflicts_with = "from_folder")]
    from: Option<String>,
    /// The folder to compare with.
    #[arg(long, value_name = "FOLDER")]
    from_folder: Option<PathBuf>,
    /// Show every change with every field.
    #[arg(long)]
    detail: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// End with 4 when anything changes.
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let ready = Ready::of(&repository.sources, arguments.env.as_deref())?;
    let mut unmanaged = None;
    let (changes, name) = match (&arguments.from, &arguments.from_folder) {
        (Some(revision), _) => {
            (with_sources(|| git::read(&repository.path, revision), revision, ready, &repository)?, revision.clone())
        }
        (None, Some(folder)) => {
            let name = folder.display().to_string();
            let read = || repository::read(folder).map(|repository| repository.sources);
            (with_sources(read, &name, ready, &repository)?, name)
        }
        (None, None) => {
            let after = ready.compile().told(&repository.sources)?;
            let (found, recorded) = recorded(&repository, &after)?;
            // Of real daemons the directory answers while they run; a plan is one without it, too.
            unmanaged = found.unmanaged().ok();
            let mut changes = with_record(&recorded, &after, &repository.sources);
            if is_before_notes(&recorded, &after) {
                let said = "note: the last up was by an earlier version of this program, which did not record what no file is made from: \
                            prices, proofs and the like are not compared until the next up\n";
                std::io::stderr().write_all(said.as_bytes())?;
            }
            // Only where a quota is lowered does it matter what is really used.
            if changes.impacts.iter().any(|impact| impact.what.contains("quota")) {
                let used = found.mailbox_use(&recorded);
                let below = blueprint::quotas_below_use(
                    Revision { blueprint: &recorded.blueprint, roster: &recorded.roster, bundle: None },
                    Revision { blueprint: &after.blueprint, roster: &after.roster, bundle: None },
                    &|address| used.get(address).copied(),
                );
                changes.impacts.splice(0..0, below);
            }
            (changes, "the last up".to_owned())
        }
    };
    let mut warnings = String::new();
    for rename in &changes.renamed_from_nothing {
        let _ = writeln!(
            warnings,
            "warning: the {} {} is said to have been {}, which {name} does not have; it is new",
            rename.kind, rename.to, rename.from
        );
    }
    std::io::stderr().write_all(warnings.as_bytes())?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut document = serde_json::to_value(&changes)
            .map_err(|error| Failure::fault("the changes do not serialize").cause(&error))?;
        if let (Some(object), Some(unmanaged)) = (document.as_object_mut(), &unmanaged) {
            let addresses: Vec<&str> = unmanaged.iter().map(|it| it.address.as_str()).collect();
            object.insert("unmanaged".to_owned(), serde_json::json!(addresses));
        }
        writeln!(out, "{document:#}")?;
    } else {
        out.write_all(shown::text(&changes, &name, arguments.detail).as_bytes())?;
        let count = unmanaged.map_or(0, |unmanaged| unmanaged.len());
        if count > 0 {
            let accounts = if count == 1 { "account is" } else { "accounts are" };
            writeln!(
                out,
                "unmanaged: {count} {accounts} declared nowhere and left alone (mailwright adopt lists them)"
            )?;
        }
    }
    Ok(if arguments.exit_code && !changes.is_empty() { Exit::Changes } else { Exit::Done })
}

/// Compares with other sources of the same platform; both are compiled at the same time.
fn with_sources(
    read: impl Fn() -> Result<Sources, Failure>,
    name: &str,
    ready: Ready<'_>,
    repository: &Repository,
) -> Result<Changes, Failure> {
    let sources = read();
    let other = sources.as_ref().ok().map(|sources| ready.other(sources));
    let (before, after) = both(|| other.map(|other| other.map(Ready::compile)), || ready.compile());
    let after = &after.told(&repository.sources)?;
    let sources = sources?;
    let Some(before) = before else { return Err(Failure::fault("there is nothing to compare with")) };
    let before = before?;
    let before = before.told(&sources).map_err(|failure| match failure.exit {
        Exit::Problems => {
            let mut failure = Failure::usage(format!("the problems above are those of {name}"))
                .help("compare with a revision that check finds no error in");
            failure.exit = Exit::Problems;
            failure
        }
        _ => failure,
    })?;
    let (old, new) = both(
        || compiler::render_to_compare(&before, &sources),
        || compiler::render_to_compare(after, &repository.sources),
    );
    let changes = blueprint::diff(
        Revision { blueprint: &before.blueprint, roster: &before.roster, bundle: Some(&old) },
        Revision { blueprint: &after.blueprint, roster: &after.roster, bundle: Some(&new) },
    );
    let changes = with_launches(changes, (&before.launch, &before.scenarios), (&after.launch, &after.scenarios));
    // The process ends soon; giving two large repositories back piece by piece would only take time.
    std::mem::forget((before, sources, old, new));
    Ok(changes)
}

/// Adds what is different in how an environment is run and in what is tried in it.
fn with_launches(mut changes: Changes, before: (&Launch, &[Scenario]), after: (&Launch, &[Scenario])) -> Changes {
    let scenarios = blueprint::diff::scenarios(before.1, after.1);
    blueprint::diff::launches(before.0, after.0).into_iter().chain(scenarios).for_each(|it| changes.include(it));
    changes
}

/// Does two things at the same time.
fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), second)
    })
}

fn recorded(repository: &Repository, after: &Output) -> Result<(Found, Recorded), Failure> {
    let root = StateRoot::new(folders::state()?);
    let identity = Identity::new(&repository.path, after.launch.environment.as_str());
    let found = environments::find(&root, &identity).map_err(from_environments)?;
    let recorded = found.as_ref().map(Found::recorded).transpose().map_err(from_environments)?.flatten();
    found.zip(recorded).ok_or_else(|| {
        Failure::usage(format!("there is nothing to compare with: {identity} was never brought up"))
            .help("name a revision with --from, or a folder with --from-folder")
    })
}

/// Compares with what an environment recorded.
///
/// The files of its nodes are a pure function of what it recorded, and are made again; of brand files it keeps the digests.
pub(crate) fn with_record(recorded: &Recorded, after: &Output, sources: &Sources) -> Changes {
    let mut blueprint = recorded.blueprint.clone();
    if is_before_notes(recorded, after) {
        blueprint.noted.clone_from(&after.blueprint.noted);
    }
    let before = Output {
        blueprint,
        roster: recorded.roster.clone(),
        // What is not recorded is taken as it is now; that it is another one shows in its digest below.
        brand_files: after.brand_files.clone(),
        ..after.clone()
    };
    let mut old = compiler::render_to_compare(&before, sources);
    old.brands.clear();
    let mut new = compiler::render_to_compare(after, sources);
    let brands = std::mem::take(&mut new.brands);
    let mut changes = blueprint::diff(
        Revision { blueprint: &before.blueprint, roster: &before.roster, bundle: Some(&old) },
        Revision { blueprint: &after.blueprint, roster: &after.roster, bundle: Some(&new) },
    );
    if let Some(launch) = &recorded.launch {
        changes = with_launches(changes, (launch, &[]), (&after.launch, &[]));
    }
    if let Some(before) = &recorded.brands {
        let after = digests(&Bundle { brands, ..Bundle::default() });
        for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
            let (old, new) = (before.get(key), after.get(key));
            let action = match (old, new) {
                (None, _) => Action::Created,
                (_, None) => Action::Destroyed,
                (Some(old), Some(new)) if old == new => continue,
                _ => Action::Changed,
            };
            let digest = |digest: Option<&String>| digest.cloned().map_or(Value::Null, Value::String);
            let field = FieldChange { field: "sha256".to_owned(), before: digest(old), after: digest(new) };
            changes.include(Change {
                action,
                kind: "file".to_owned(),
                name: format!("brands/{key}"),
                destructive: false,
                note: None,
                fields: if action == Action::Changed { vec![field] } else { Vec::new() },
            });
        }
    }
    changes
}

/// Tells whether a record is of a version that wrote nothing down of what no file is made from. A platform always says some of it.
fn is_before_notes(recorded: &Recorded, after: &Output) -> bool {
    recorded.blueprint.noted.is_empty() && !after.blueprint.noted.is_empty()
}

/// Returns the SHA-256 of each brand file's bytes, in lower-case hexadecimal.
fn digests(bundle: &Bundle) -> BTreeMap<String, String> {
    let digest = |file: &blueprint::File| {
        Sha256::digest(file.unfilled().0).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    bundle.brands.iter().map(|(key, file)| (key.clone(), digest(file))).collect()
}
