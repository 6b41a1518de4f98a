//! `mailwright move` and `mailwright evacuate`: machines change their host while they run.

use std::io::Write;
use std::time::Duration;

use environments::{Moved, Relocation};
use serde_json::json;

use super::address::{NamedAddress, from_environments};
use super::compiled::say;
use super::up::shown;
use crate::failure::{Exit, Failure};

/// How long machines may take to move.
const PATIENCE: Duration = Duration::from_secs(900);

/// Move a virtual machine to another host while it runs.
///
/// Its memory goes over while it works on; it stands still for the last of it only, and whoever is connected stays so. Hosts are
/// those of the specification; on this desk each is a process of this machine. The next `up` begins on the hosts it was placed on.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright move store-1 --to x4600-2 --repository examples/northmail --env qa")]
pub(crate) struct MoveArguments {
    /// The node.
    node: String,
    /// The host it goes to.
    #[arg(long, value_name = "HOST")]
    to: String,
    #[command(flatten)]
    address: NamedAddress,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Move every virtual machine of a host to others while they run, as before a host is switched off.
///
/// One after the other, each to the host with the fewest machines.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright evacuate x4600-1 --repository examples/northmail --env qa --json")]
pub(crate) struct EvacuateArguments {
    /// The host.
    host: String,
    #[command(flatten)]
    address: NamedAddress,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &MoveArguments) -> Result<Exit, Failure> {
    let what = Relocation::Node { node: arguments.node.clone(), to: arguments.to.clone() };
    carry_over(&what, &arguments.address, arguments.json)
}

pub(crate) fn run_evacuate(arguments: &EvacuateArguments) -> Result<Exit, Failure> {
    carry_over(&Relocation::Host { host: arguments.host.clone() }, &arguments.address, arguments.json)
}

fn carry_over(what: &Relocation, address: &NamedAddress, json: bool) -> Result<Exit, Failure> {
    let moved = address.find()?.relocate(what, PATIENCE).map_err(from_environments)?;
    if json {
        super::print_json(&json!({ "version": 1, "moved": moved }))?;
        return Ok(Exit::Done);
    }
    if moved.is_empty() {
        say(false, "nothing stands on it");
        return Ok(Exit::Done);
    }
    let mut table = shown::table(&["node", "from", "to", "took", "stood still", "memory sent"]);
    for it in &moved {
        table.add_row([
            it.node.clone(),
            it.from.clone(),
            it.to.clone(),
            format!("{} ms", it.milliseconds),
            format!("{} ms", it.still_milliseconds),
            format!("{} MiB", it.bytes >> 20),
        ]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(Exit::Done)
}

/// Returns what a move is told as by who serves the environment.
pub(super) fn told(moved: &Moved) -> String {
    format!(
        "  {} moved from {} to {}, and stood still for {} ms",
        moved.node, moved.from, moved.to, moved.still_milliseconds
    )
}
