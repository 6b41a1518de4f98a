//! `mailwright cache`: what is kept to be quick, and what can go.

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use images::caches::{self, Entry};

use super::image::failed;
use super::{print_json, up};
use crate::failure::{Exit, Failure};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// List and prune what is kept to be quick: images, root file systems, packages, repositories.
///
/// All of it can be had again; environments and their mail lie elsewhere.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  mailwright cache list\n  mailwright cache prune\n  mailwright cache prune --all --dry-run"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked of caches.
#[derive(Subcommand)]
enum Verb {
    /// List what is kept, with size, age, and whether something uses it.
    List(ListArguments),
    /// Remove what nothing uses and is old, and what was left half-made.
    Prune(PruneArguments),
}

/// What is listed.
#[derive(clap::Args)]
struct ListArguments {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What is removed.
#[derive(clap::Args)]
struct PruneArguments {
    /// Days after which what is not used is old.
    #[arg(long, value_name = "DAYS", default_value_t = 30, conflicts_with = "all")]
    older: u64,
    /// Remove all that nothing uses.
    #[arg(long)]
    all: bool,
    /// Tell what would be removed, and leave it.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let cache = up::cache()?;
    match &arguments.verb {
        Verb::List(arguments) => {
            let entries = caches::list(&cache).map_err(|failure| failed(&failure))?;
            tell(&entries, arguments.json, "kept")?;
        }
        Verb::Prune(arguments) => {
            let old = if arguments.all { 0 } else { arguments.older.saturating_mul(DAY) };
            let removed = caches::prune(&cache, Duration::from_secs(old), arguments.dry_run)
                .map_err(|failure| failed(&failure))?;
            tell(&removed, arguments.json, if arguments.dry_run { "would be removed" } else { "removed" })?;
        }
    }
    Ok(Exit::Done)
}

fn tell(entries: &[Entry], json: bool, what: &str) -> Result<(), Failure> {
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if json {
        return print_json(&serde_json::json!({ "version": 1, "entries": entries, "bytes": bytes }));
    }
    let mut out = std::io::stdout().lock();
    for entry in entries {
        let age = match entry.age_seconds / DAY {
            0 => "today".to_owned(),
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        let state = match (entry.used, entry.unfinished) {
            (true, _) => "in use",
            (_, true) => "half-made",
            _ => "",
        };
        let name = if entry.name.len() > 24 { entry.name.get(..12).unwrap_or_default() } else { &entry.name };
        writeln!(out, "{:>8} MiB  {age:>9}  {:<24} {name:<24} {state}", entry.bytes >> 20, entry.kind)?;
    }
    writeln!(out, "{:>8} MiB {what}", bytes >> 20)?;
    Ok(())
}
