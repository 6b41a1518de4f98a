//! `mailwright node`: what this program is inside a node of real daemons; nobody but itself calls it.

use crate::failure::Exit;

/// Be the first process of a node: orders come in on stdin, tidings go out on stdout.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only hold the namespaces this process was started in.
    #[arg(long)]
    hold: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let well = if arguments.hold { environments::hold() } else { environments::run_node() };
    if well { Exit::Done } else { Exit::Environment }
}
