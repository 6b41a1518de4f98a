//! `mailwright root`: the root file system of real daemons, built once and kept.

use std::io::Write;
use std::path::PathBuf;

use blueprint::lock::{FILE, Lock};

use super::compiled::{self, say};
use super::up::{self, Told};
use crate::failure::{Exit, Failure};
use crate::repository;

/// Build the root file system that real daemons share, and print its folder.
///
/// Built from this machine's own package sources with mmdebstrap, as root; one that was built for the same packages is taken
/// as it is. `mailwright up` does the same by itself where it is needed.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright root examples/northmail --env qa\n  \
    mailwright root --env production --lock")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// Pin every package with its version and hash in mailwright.lock.
    #[arg(long)]
    lock: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let bundle = compiler::render(&output, &repository.sources);
    let distribution = output.blueprint.release.distribution.clone();
    let pinned = up::pinned_packages(&repository, &distribution)?;
    let told = Told { tell: !arguments.json };
    let (folder, packages) = environments::build_root(&up::cache()?, &output.blueprint, &bundle, &pinned, &told)
        .map_err(|failure| Failure::failed(failure.to_string()).cause(&failure).help(failure.help()))?;
    if arguments.lock {
        let path = repository.path.join(FILE);
        let bytes = repository::lock_of(&repository.path)?;
        let lock = bytes.as_deref().map(Lock::parse).transpose();
        let mut lock = lock
            .map_err(|error| {
                Failure::usage("the lock cannot be read").cause(&error).help("write it anew, or remove it")
            })?
            .unwrap_or_default();
        lock.packages.insert(distribution.clone(), packages.clone());
        std::fs::write(&path, lock.text())
            .map_err(|error| Failure::failed(format!("could not write {}", path.display())).cause(&error))?;
        say(arguments.json, &format!("pinned {} packages in {}", packages.len(), path.display()));
    }
    if arguments.json {
        super::print_json(&serde_json::json!({
            "version": 1, "distribution": distribution, "folder": folder, "packages": packages,
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}", folder.display())?;
    }
    Ok(Exit::Done)
}
