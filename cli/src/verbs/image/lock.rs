//! `mailwright image lock`: every package with version and hash, as the archive signed it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use blueprint::lock::{FILE, Lock, PinnedPackage};

use super::super::compiled::say;
use super::super::{print_json, up};
use super::{Of, Platform, Told, failed};
use crate::failure::{Exit, Failure};
use crate::repository;

/// Pin every package of the image, with version and hash, in mailwright.lock.
///
/// Taken from this machine's own package sources, whose signature is checked. The packages are kept by their hash below
/// $XDG_CACHE_HOME/mailwright/debs, so that the lock still builds after the archive has dropped a version.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright image lock\n  mailwright image lock examples/northmail --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let platform = arguments.of.platform()?;
    let pinned = pin(&platform, arguments.json)?;
    if arguments.json {
        let changed: Vec<_> = pinned
            .changed
            .iter()
            .map(|(name, was, is)| serde_json::json!({ "package": name, "was": was, "is": is }))
            .collect();
        print_json(&serde_json::json!({
            "version": 1, "distribution": platform.distribution, "lock": pinned.path, "packages": pinned.packages,
            "changed": changed,
        }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    if !pinned.first {
        for (name, was, is) in &pinned.changed {
            let shown = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
            writeln!(out, "{name}  {} → {}", shown(was), shown(is))?;
        }
    }
    Ok(Exit::Done)
}

/// What was pinned.
pub(super) struct Pinned {
    path: PathBuf,
    packages: BTreeMap<String, PinnedPackage>,
    /// Whether nothing was pinned before.
    first: bool,
    /// Each package that is pinned otherwise than before: its version then and now.
    changed: Vec<(String, Option<String>, Option<String>)>,
}

/// Pins every package of a platform's image.
pub(super) fn pin(platform: &Platform, quiet: bool) -> Result<Pinned, Failure> {
    let path = platform.repository.path.join(FILE);
    let bytes = repository::lock_of(&platform.repository.path)?;
    let lock =
        bytes.as_deref().map(Lock::parse).transpose().map_err(|error| {
            Failure::usage("the lock cannot be read").cause(&error).help("write it anew, or remove it")
        })?;
    let mut lock = lock.unwrap_or_default();
    let packages = images::lock(&up::cache()?, &platform.distribution, &platform.packages, &Told { quiet })
        .map_err(|failure| failed(&failure))?;
    let before = lock.packages.insert(platform.distribution.clone(), packages.clone()).unwrap_or_default();
    images::files::write(&path, lock.text().as_bytes(), 0o644)
        .map_err(|failure| Failure::failed(failure.to_string()).help(failure.help()))?;
    let names: BTreeSet<&String> = before.keys().chain(packages.keys()).collect();
    let version = |packages: &BTreeMap<String, PinnedPackage>, name: &String| {
        packages.get(name).map(|package| package.version.clone())
    };
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != packages.get(*name))
        .map(|name| (name.clone(), version(&before, name), version(&packages, name)))
        .collect();
    say(quiet, &format!("pinned {} packages of {} in {}", packages.len(), platform.distribution, path.display()));
    Ok(Pinned { path, packages, first: before.is_empty(), changed })
}
