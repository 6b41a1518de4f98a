//! `mailwright down`: ends an environment; mail and accounts stay.

use std::time::Duration;

use environments::Stopped;

use super::address::{Address, from_environments};
use super::compiled::say;
use crate::failure::{Exit, Failure};

/// How long an environment may take to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// End an environment; mail and accounts stay.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright down examples/northmail\n  mailwright down --try")]
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
    let (word, was_running) = match stopped {
        Stopped::Ended => ("ended", true),
        Stopped::WasDown => ("did not run", false),
    };
    if arguments.json {
        super::print_json(&serde_json::json!({ "version": 1, "state": "stopped", "was_running": was_running }))?;
    } else {
        say(false, &format!("{} {word}", found.identity()));
    }
    Ok(Exit::Done)
}
