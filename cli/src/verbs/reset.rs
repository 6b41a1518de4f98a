//! `mailwright reset`: the environment as it was on its first day; passwords and certificates stay.

use std::time::Duration;

use environments::Stopped;

use super::address::{Address, from_environments};
use super::compiled::say;
use crate::failure::{Exit, Failure};

/// How long an environment may take to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Empty an environment: mail, accounts, queues and logs go; passwords and certificates stay.
///
/// An environment that runs is ended first; bring it up again with `up`.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  mailwright reset examples/northmail && mailwright up examples/northmail --detach")]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let found = arguments.address.find()?;
    let stopped = found.stop(PATIENCE).map_err(from_environments)?;
    found.reset().map_err(from_environments)?;
    if arguments.json {
        let was_running = stopped == Stopped::Ended;
        super::print_json(&serde_json::json!({ "version": 1, "state": "stopped", "was_running": was_running }))?;
    } else {
        let ended = if stopped == Stopped::Ended { "ended and " } else { "" };
        say(false, &format!("{} {ended}emptied; bring it up with: mailwright up", found.identity()));
    }
    Ok(Exit::Done)
}
