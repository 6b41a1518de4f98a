//! `mailwright node`: what this program is inside a node of real daemons; nobody but itself calls it.

use std::path::PathBuf;

use crate::failure::{Exit, Failure};

/// Be the first process of a node: orders come in on stdin, tidings go out on stdout.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only hold the namespaces this process was started in.
    #[arg(long)]
    hold: bool,
    /// Be the first process of a virtual machine.
    #[arg(long, conflicts_with = "hold")]
    machine: bool,
    /// Be the first process of a container.
    #[arg(long, conflicts_with_all = ["hold", "machine"])]
    contained: bool,
    /// Run a command inside the virtual machine whose folder this is.
    #[arg(long, conflicts_with_all = ["hold", "machine"], requires = "command")]
    enter: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(machine) = &arguments.enter {
        let status = environments::enter(machine, &arguments.command).map_err(|error| {
            Failure::failed("could not run it inside the machine")
                .cause(&error)
                .help("see whether it is up by mailwright status")
        })?;
        // Its status is passed on, whatever it means.
        std::process::exit(status);
    }
    let well = match (arguments.hold, arguments.machine, arguments.contained) {
        (true, _, _) => environments::hold(),
        (_, true, _) => environments::run_machine(),
        (_, _, true) => environments::run_contained(),
        _ => environments::run_node(),
    };
    Ok(if well { Exit::Done } else { Exit::Environment })
}
