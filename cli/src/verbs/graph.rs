//! `mailwright graph`: the platform drawn.

use std::io::Write;
use std::path::PathBuf;

use super::compiled;
use crate::failure::{Exit, Failure};
use crate::repository;

/// Draw the platform: its nodes, the hosts they sit on, the ways mail takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright graph examples/northmail --env production > northmail.svg\n  \
    mailwright graph --format mermaid")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// What to draw it in.
    #[arg(long, value_enum, default_value = "svg")]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// A picture for browsers.
    Svg,
    /// Text that code hosts draw inside documents.
    Mermaid,
    /// Graphviz's language.
    Dot,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let draw = match arguments.format {
        Format::Svg => compiler::graph::svg,
        Format::Mermaid => compiler::graph::mermaid,
        Format::Dot => compiler::graph::dot,
    };
    write!(std::io::stdout(), "{}", draw(&output.blueprint))?;
    Ok(Exit::Done)
}
