//! `mailwright reseller`: what comes from resellers: the revisions of their own git repositories, and the proof that domains are theirs.

mod judge;
mod prove;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use blueprint::lock::{self, Lock, PinnedReseller};
use serde_json::{Value, json};
use spec::{Problem, Sources};
use values::{GitRevision, Name};

use super::print_json;
use crate::failure::{Exit, Failure};
use crate::git::tree::{Tree, Trouble};
use crate::pins::{self, Declared, Reach};
use crate::problems;
use crate::repository::{self, Found};
use judge::Judge;

/// Take new revisions of resellers' own git repositories, and prove that domains are theirs.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright reseller update\n  mailwright reseller update acme --check\n  \
    mailwright reseller prove acme.net")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Fetch, check and pin the newest revisions of resellers' repositories.
    Update(UpdateArguments),
    /// Look in DNS for the records that show whose domains are.
    Prove(prove::ProveArguments),
}

const LONG: &str = "\
Fetch, check and pin the newest revisions of resellers' repositories.

A contract names the repository: `contract \"acme\" { repository \"https://git.acme.example/mail.git\" branch=\"main\" }`. Its files \
are read as if they lay in resellers/acme, with a reseller's rights and no more. The newest revision of the branch is checked \
against the whole specification and pinned in mailwright.lock when it has no errors. One that has some is told with them and not \
taken; everybody else goes on. All other verbs read the pinned revisions.

Ends with 0 when all that is new was taken, with 1 when a revision has errors, with 5 when a repository could not be fetched; with \
--check nothing is written, and it ends with 4 when there is something to take.";

/// Fetch, check and pin the newest revisions of resellers' repositories.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = "Examples:\n  mailwright reseller update\n  \
    mailwright reseller update acme globex --repository examples/northmail --json\n  \
    mailwright reseller update --check")]
pub(crate) struct UpdateArguments {
    /// The resellers; all whose contracts name a repository when none is named.
    names: Vec<String>,
    /// The folder that holds platform.kdl.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    repository: PathBuf,
    /// Write nothing; end with 4 when there is something to take.
    #[arg(long)]
    check: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::Update(arguments) => update(arguments),
        Verb::Prove(arguments) => prove::run(arguments),
    }
}

/// What became of a reseller's newest revision.
enum Outcome {
    /// It has no errors, and is pinned from now on.
    Taken,
    /// It is pinned already.
    Unchanged,
    /// It has errors.
    Refused,
    /// It could not be had.
    Unreachable(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// A reseller, and what was found.
struct Update<'d> {
    reseller: &'d Declared,
    before: Option<GitRevision>,
    after: Option<GitRevision>,
    outcome: Outcome,
    /// The sources that the revision was judged in, and what is wrong with it.
    judged: Option<(Sources, Vec<Problem>)>,
    notes: Vec<String>,
}

fn update(arguments: &UpdateArguments) -> Result<Exit, Failure> {
    let (path, found) = repository::find(&arguments.repository)?;
    let declared = pins::declared(&found);
    let chosen = choose(&declared, &arguments.names)?;
    let bytes = repository::lock_of(&path)?;
    let mut lock = read(bytes.as_deref())?;
    let cache = pins::clones().ok_or_else(|| {
        Failure::usage("neither XDG_CACHE_HOME nor HOME names a folder to keep clones in")
            .help("set XDG_CACHE_HOME to an absolute path")
    })?;
    // Pins of resellers whose contract names no repository any more mean nothing.
    lock.resellers.retain(|name, _| declared.iter().any(|reseller| reseller.name == *name));
    let fetched = fetch(&chosen, &cache, &path);
    let mut updates = Vec::new();
    for (reseller, newest) in chosen.iter().zip(fetched) {
        let update = take(reseller, newest, &mut lock, &Context { path: &path, cache: &cache, found: &found })?;
        updates.push(update);
    }
    let text = lock.text();
    let differs = bytes.as_deref() != Some(text.as_bytes()) && (bytes.is_some() || !lock.resellers.is_empty());
    let written = differs && !arguments.check;
    if written {
        write(&path.join(lock::FILE), &text)?;
    }
    if arguments.json {
        let updates: Vec<Value> = updates.iter().map(document).collect();
        print_json(&json!({ "version": 1, "written": written, "resellers": updates }))?;
    } else {
        tell(&updates, arguments.check)?;
    }
    let any = |wanted: fn(&Outcome) -> bool| updates.iter().any(|update| wanted(&update.outcome));
    Ok(if any(|outcome| matches!(outcome, Outcome::Refused)) {
        Exit::Problems
    } else if any(|outcome| matches!(outcome, Outcome::Unreachable(_))) {
        Exit::Environment
    } else if arguments.check && any(|outcome| matches!(outcome, Outcome::Taken)) {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// Returns the resellers that were named, or all.
fn choose<'d>(declared: &'d [Declared], names: &[String]) -> Result<Vec<&'d Declared>, Failure> {
    let known: Vec<&str> = declared.iter().map(|reseller| reseller.name.as_str()).collect();
    if known.is_empty() {
        return Err(Failure::usage("no contract names a git repository")
            .help("write it into the contract: repository \"https://git.acme.example/mail.git\""));
    }
    for name in names {
        if !known.contains(&name.as_str()) {
            return Err(Failure::usage(format!("no contract names a git repository of `{name}`"))
                .help(format!("contracts that name one: {}", known.join(", "))));
        }
    }
    let chosen = |reseller: &&Declared| names.is_empty() || names.iter().any(|name| name == reseller.name.as_str());
    Ok(declared.iter().filter(chosen).collect())
}

/// Fetches all of them, several side by side, since most of the time somebody else is waited for.
fn fetch(chosen: &[&Declared], cache: &Path, specification: &Path) -> Vec<Result<GitRevision, String>> {
    const AT_ONCE: usize = 8;
    let mut fetched = Vec::new();
    for some in chosen.chunks(AT_ONCE) {
        fetched.extend(std::thread::scope(|scope| {
            let fetches: Vec<_> = some
                .iter()
                .map(|reseller| {
                    let clone = reseller.clone_in(cache, specification);
                    scope.spawn(move || clone.fetch())
                })
                .collect();
            fetches
                .into_iter()
                .map(|fetch| fetch.join().unwrap_or_else(|_| Err("fetching broke".to_owned())))
                .collect::<Vec<_>>()
        }));
    }
    fetched
}

struct Context<'c> {
    path: &'c Path,
    cache: &'c Path,
    found: &'c Found,
}

/// Judges a reseller's newest revision, and pins it in the lock where it may be.
fn take<'d>(
    reseller: &'d Declared,
    newest: Result<GitRevision, String>,
    lock: &mut Lock,
    context: &Context<'_>,
) -> Result<Update<'d>, Failure> {
    let pin = lock.resellers.get(&reseller.name).filter(|pin| reseller.is_pinned_by(pin)).cloned();
    let before = pin.map(|pin| pin.revision);
    let mut update =
        Update { reseller, before, after: None, outcome: Outcome::Unchanged, judged: None, notes: Vec::new() };
    let newest = match newest {
        Ok(newest) => newest,
        Err(why) => {
            if why.contains("find remote ref") {
                let branch = reseller.branch.as_str();
                update.notes.push(format!(
                    "the repository has no branch `{branch}`; the one to follow stands in the contract: repository \"…\" branch=\"NAME\""
                ));
            }
            update.outcome = Outcome::Unreachable(why);
            return Ok(update);
        }
    };
    update.after = Some(newest.clone());
    if update.before.as_ref() == Some(&newest) {
        return Ok(update);
    }
    let clone = reseller.clone_in(context.cache, context.path);
    if update.before.as_ref().is_some_and(|before| !clone.is_on_branch(before)) {
        update.notes.push("the branch was rewritten: the revision that was pinned is not on it any more".to_owned());
    }
    let tree = match clone.read(&newest, &reseller.folder()) {
        Ok(tree) => tree,
        Err(trouble) => {
            update.outcome = Outcome::Unreachable(match trouble {
                Trouble::Refused(said) | Trouble::TooLarge(said) => said,
                Trouble::Call(error) => error.to_string(),
            });
            return Ok(update);
        }
    };
    update.notes.extend(tree.passed_over.iter().map(|what| format!("{what}, and is not read")));
    let judged = judged(reseller, tree, lock, context)?;
    if problems::any_error(&judged.1) {
        update.outcome = Outcome::Refused;
    } else {
        update.outcome = Outcome::Taken;
        let pin =
            PinnedReseller { repository: reseller.location.clone(), branch: reseller.branch.clone(), revision: newest };
        lock.resellers.insert(reseller.name.clone(), pin);
    }
    update.judged = Some(judged);
    Ok(update)
}

/// Returns the whole specification with a revision in it, and what is wrong with the revision.
fn judged(
    reseller: &Declared,
    tree: Tree,
    lock: &Lock,
    context: &Context<'_>,
) -> Result<(Sources, Vec<Problem>), Failure> {
    // What is wrong without it is not its fault.
    let mut others = context.found.clone();
    let folder = others.take_reseller(reseller.name.as_str());
    let join = |found: Found, name: &Name| {
        let mut lock = lock.clone();
        lock.resellers.remove(name);
        pins::join(found, context.path, Some(lock.text().as_bytes()), Reach::Fetch)
    };
    let nothing = || Failure::usage("there is no specification to check the revisions against");
    let without = join(others.clone(), &reseller.name).ok_or_else(nothing)?;
    let judge = Judge::new(&without);
    if let Some(own) = judge.operators_fault() {
        problems::write_human(&mut std::io::stderr().lock(), &without, own)?;
        let mut failure = Failure::usage("the operator's own files have errors, so no revision can be judged")
            .help("correct them, see mailwright check, and update again");
        failure.exit = Exit::Problems;
        return Err(failure);
    }
    let empty = tree.blobs.iter().all(|blob| !matches!(blob.kind, repository::Kind::Source(_)));
    let with = match join(others, &reseller.name) {
        Some(base) => with_files(&base, tree),
        None => return Err(nothing()),
    };
    let mut found = judge.new_in(&with, reseller);
    if empty {
        found.push(judge.nothing_there(&with, reseller));
    }
    if let Some(first) = folder {
        // Told by check, too; here it would be easy to miss.
        let _ = writeln!(std::io::stderr(), "note: {first} lies in this repository as well, and is not read");
    }
    Ok((with, found))
}

/// Returns sources with the files of a revision among them.
fn with_files(base: &Sources, tree: Tree) -> Sources {
    let mut found = Found::default();
    for (_, file) in base.files() {
        found.add(repository::Kind::Source(file.trust.clone()), file.path.clone(), file.bytes.clone());
    }
    for asset in base.assets() {
        found.add(repository::Kind::Asset, asset.path.clone(), asset.bytes.clone());
    }
    pins::add(&mut found, tree);
    found.into_sources().unwrap_or_else(|| base.clone())
}

/// Reads a lock that is to be changed; an empty one where there is none.
fn read(bytes: Option<&[u8]>) -> Result<Lock, Failure> {
    bytes.map(Lock::parse).transpose().map(Option::unwrap_or_default).map_err(|error| {
        Failure::usage("the lock cannot be read")
            .cause(&error)
            .help("bring it back with: git checkout -- mailwright.lock; or remove it to pin everything anew")
    })
}

/// Replaces the lock as a whole, so that nobody ever reads half of it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("lock.new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new);
        Failure::failed(format!("could not write {}", path.display())).cause(&error).help("nothing was pinned")
    })
}

fn document(update: &Update<'_>) -> Value {
    let problems = update.judged.as_ref().map_or(json!([]), |(sources, found)| {
        problems::json(sources, found).get("problems").cloned().unwrap_or_default()
    });
    let why = match &update.outcome {
        Outcome::Unreachable(why) => Some(why.as_str()),
        _ => None,
    };
    json!({
        "name": update.reseller.name.as_str(),
        "repository": update.reseller.location.as_str(),
        "branch": update.reseller.branch.as_str(),
        "before": update.before.as_ref().map(GitRevision::as_str),
        "after": update.after.as_ref().map(GitRevision::as_str),
        "outcome": update.outcome.word(),
        "reason": why,
        "problems": problems,
        "notes": update.notes,
    })
}

fn tell(updates: &[Update<'_>], check: bool) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    for update in updates {
        if let Some((sources, found)) = &update.judged
            && !found.is_empty()
        {
            writeln!(
                stderr,
                "{} at {}:\n",
                update.reseller.name,
                update.after.as_ref().map_or("?", GitRevision::short)
            )?;
            problems::write_human(&mut stderr, sources, found)?;
            writeln!(stderr)?;
        }
    }
    let mut text = String::new();
    for update in updates {
        let name = &update.reseller.name;
        let before = update.before.as_ref().map_or("nothing", GitRevision::short);
        let after = update.after.as_ref().map_or("nothing", GitRevision::short);
        let _ = match &update.outcome {
            Outcome::Unchanged => writeln!(text, "{name}: nothing new, {after} is pinned"),
            Outcome::Taken if check => writeln!(text, "{name}: {after} would be taken, in place of {before}"),
            Outcome::Taken => writeln!(text, "{name}: {after} is taken, in place of {before}"),
            Outcome::Refused => writeln!(text, "{name}: {after} has errors and is not taken; {before} stays pinned"),
            Outcome::Unreachable(why) => {
                writeln!(text, "{name}: could not be fetched, {before} stays pinned: {why}")
            }
        };
        for note in &update.notes {
            let _ = writeln!(text, "  note: {note}");
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
