//! `mailwright check`: every problem of a repository in one run.

use std::io::Write;
use std::path::PathBuf;

use crate::failure::{Exit, Failure};
use crate::{problems, repository};

/// Report every problem of a specification repository.
///
/// Ends with 0 when there is none or only warnings, with 1 when there are errors.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright check\n  mailwright check examples/northmail --format json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// How to print the problems: with their lines on stderr, or as one JSON document on stdout.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let found = compiler::check_all(&repository.sources);
    if arguments.json || arguments.format == Format::Json {
        let document = problems::json(&repository.sources, &found);
        writeln!(std::io::stdout(), "{document:#}")?;
    } else {
        problems::write_human(&mut std::io::stderr().lock(), &repository.sources, &found)?;
        if found.is_empty() {
            let files = repository.sources.files().count();
            writeln!(std::io::stderr(), "no problems in {files} files")?;
        }
    }
    Ok(if problems::any_error(&found) { Exit::Problems } else { Exit::Done })
}
