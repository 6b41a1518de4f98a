//! `mailwright exec`: a command inside a node of real daemons.

use std::os::unix::process::CommandExt;

use super::address::{NamedAddress, from_environments};
use crate::failure::{Exit, Failure};

/// Run a command inside a node of real daemons, as root; its status is passed on.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright exec mx-1 --env qa -- postqueue -p\n  \
    mailwright exec store-1 --repository examples/northmail --env qa -- bash")]
pub(crate) struct Arguments {
    /// The node.
    node: String,
    #[command(flatten)]
    address: NamedAddress,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let found = arguments.address.find()?;
    let mut inside = found.inside(&arguments.node, &arguments.command).map_err(from_environments)?;
    // This process becomes the command, with its terminal, its signals and its status.
    let error = inside.exec();
    Err(Failure::failed(format!("could not enter {}", arguments.node))
        .cause(&error)
        .help("it takes nsenter: apt-get install util-linux"))
}
