//! `mailwright adopt`: accounts that were made through the API or the console become specification.

mod text;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use control::Unmanaged;
use environments::{Identity, StateRoot};
use spec::Sources;
use spec::convert::Syntax;

use super::address::from_environments;
use super::compiled::{self, say};
use crate::failure::{Exit, Failure};
use crate::{folders, problems, repository, rewrite};

/// Write accounts that no specification declares down as specification; without an address, list them.
///
/// What is made through the API or the console is left alone until somebody adopts it: then it stands in its domain's workgroup,
/// in the reseller's own file, and is managed like everything there. Passwords stay where they are.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright adopt --repository examples/northmail\n  \
    mailwright adopt dora@acme.example\n  mailwright adopt --all --env qa --dry-run")]
pub(crate) struct Arguments {
    /// Addresses of accounts to adopt.
    #[arg(value_name = "ADDRESS", conflicts_with = "all")]
    addresses: Vec<String>,
    /// The folder that holds platform.kdl.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    repository: PathBuf,
    /// The environment they live in; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// Adopt all of them.
    #[arg(long)]
    all: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let environment = output.launch.environment.to_string();
    let state = StateRoot::new(folders::state()?);
    let identity = Identity::new(&repository.path, &environment);
    let found = environments::find(&state, &identity).map_err(from_environments)?;
    let found = found.ok_or_else(|| {
        Failure::usage(format!("{identity} was never brought up, so that nobody made anything in it"))
            .help("bring it up with: mailwright up")
    })?;
    let unmanaged = found.unmanaged().map_err(from_environments)?;
    if arguments.addresses.is_empty() && !arguments.all {
        return list(arguments, &unmanaged);
    }
    let chosen = choose(arguments, &unmanaged)?;
    let parsed = spec::parse(&repository.sources);
    let mut texts: BTreeMap<String, Vec<&Unmanaged>> = BTreeMap::new();
    for account in &chosen {
        texts.entry(text::file(&repository.sources, &parsed, account)?).or_default().push(account);
    }
    let mut written = Vec::new();
    for (path, accounts) in &texts {
        let id = repository.sources.find(path).ok_or_else(|| Failure::fault("a text was there and is gone"))?;
        let bytes = repository.sources.file(id).map(|file| file.bytes.as_slice()).unwrap_or_default();
        written.push((path.clone(), text::with(path, bytes, accounts)?));
    }
    refuse_faults(&repository.sources, &written)?;
    for (path, text) in &written {
        let place = repository.path.join(path);
        if !place.is_file() {
            return Err(Failure::usage(format!("{path} comes from a repository of the reseller's own"))
                .help("adopt it there, or ask the reseller to"));
        }
        if !arguments.dry_run {
            rewrite::replace(&place, text)
                .map_err(|error| Failure::failed(format!("could not write {}", place.display())).cause(&error))?;
        }
    }
    tell(arguments, &chosen, &written)
}

fn list(arguments: &Arguments, unmanaged: &[Unmanaged]) -> Result<Exit, Failure> {
    if arguments.json {
        super::print_json(&serde_json::json!({ "version": 1, "unmanaged": unmanaged }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    if unmanaged.is_empty() {
        writeln!(out, "everything in the environment is declared")?;
        return Ok(Exit::Done);
    }
    let mut table = super::up::shown::table(&["unmanaged", "kind", "reseller", "tier"]);
    for it in unmanaged {
        table.add_row([&it.address, &it.kind, &it.reseller, it.tier.as_deref().unwrap_or("its domain's")]);
    }
    writeln!(out, "{table}\n\nadopt them by address, or with --all")?;
    Ok(Exit::Done)
}

fn choose<'a>(arguments: &Arguments, unmanaged: &'a [Unmanaged]) -> Result<Vec<&'a Unmanaged>, Failure> {
    if arguments.all {
        return Ok(unmanaged.iter().collect());
    }
    arguments
        .addresses
        .iter()
        .map(|address| {
            unmanaged.iter().find(|it| it.address.eq_ignore_ascii_case(address)).ok_or_else(|| {
                Failure::usage(format!("{address} is no account that nobody declares"))
                    .help("list them with: mailwright adopt")
            })
        })
        .collect()
}

/// Refuses to write what the specification could not hold: a tier that is gone, more than a contract allows.
fn refuse_faults(sources: &Sources, written: &[(String, String)]) -> Result<(), Failure> {
    let mut changed = sources.clone();
    for (path, text) in written {
        if let Some(id) = changed.find(path) {
            changed.fill(id, text.clone().into_bytes());
        }
    }
    let found = compiler::check_all(&changed);
    if problems::any_error(&found) {
        problems::write_human(&mut std::io::stderr().lock(), &changed, &found)?;
        return Err(Failure::problems());
    }
    Ok(())
}

fn tell(arguments: &Arguments, chosen: &[&Unmanaged], written: &[(String, String)]) -> Result<Exit, Failure> {
    if arguments.json {
        let adopted: Vec<&str> = chosen.iter().map(|it| it.address.as_str()).collect();
        let files: BTreeMap<&str, &str> = written.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        super::print_json(&serde_json::json!({
            "version": 1, "adopted": adopted, "written": !arguments.dry_run, "files": files,
        }))?;
        return Ok(Exit::Done);
    }
    for it in chosen.iter().filter(|it| !it.beyond.is_empty()) {
        say(
            false,
            &format!("{}: {} stays as it was set, and is not in the specification", it.address, it.beyond.join(", ")),
        );
    }
    for (path, text) in written {
        if arguments.dry_run {
            write!(std::io::stdout(), "{text}")?;
        }
        let verb = if arguments.dry_run { "would be written" } else { "written" };
        say(false, &format!("{path} {verb}"));
    }
    let count = chosen.len();
    say(false, &format!("{count} account{} adopted; see it with git diff", if count == 1 { "" } else { "s" }));
    Ok(Exit::Done)
}

/// Returns the syntax of a text.
fn syntax(path: &str) -> Syntax {
    Syntax::of(path).unwrap_or(Syntax::Kdl)
}
