//! The verbs, one file each.

mod blueprint;
mod build;
mod check;
mod compiled;
mod explain;
mod graph;
mod init;
mod plan;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// What can be asked of the program.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Report every problem of a specification repository.
    Check(check::Arguments),
    /// Print the Blueprint: every choice made for one environment.
    Blueprint(blueprint::Arguments),
    /// Write every file of every node to a folder.
    Build(build::Arguments),
    /// Tell what changes between two revisions of a specification, and who notices.
    Plan(plan::Arguments),
    /// Draw the platform: its nodes, the hosts they sit on, the ways mail takes.
    Graph(graph::Arguments),
    /// Write a new specification repository by a few questions.
    Init(init::Arguments),
    /// Explain a problem's code.
    Explain(explain::Arguments),
}

/// Carries out a verb.
pub(crate) fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Blueprint(arguments) => blueprint::run(&arguments),
        Verb::Build(arguments) => build::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Graph(arguments) => graph::run(&arguments),
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
    }
}
