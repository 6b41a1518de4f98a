//! `mailwright check`: every problem of a repository in one run.

use std::io::Write;
use std::path::PathBuf;

use crate::failure::{Exit, Failure};
use crate::{checked, folders, problems};

/// Report every problem of a specification repository.
///
/// Ends with 0 when there is none or only warnings, with 1 when there are errors.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright check\n  mailwright check examples/northmail --format json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// How to print the problems.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
    /// Read every file again, and keep nothing of them for the next time.
    #[arg(long)]
    no_cache: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people, on stderr.
    Human,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit XML.
    Junit,
    /// GitHub workflow commands.
    Github,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let cache = folders::cache().filter(|_| !arguments.no_cache);
    let checked = checked::check(&arguments.repository, cache.as_deref())?;
    let (sources, found) = (&checked.sources, &checked.problems);
    let mut out = std::io::stdout().lock();
    match if arguments.json { Format::Json } else { arguments.format } {
        Format::Human => {
            problems::write_human(&mut std::io::stderr().lock(), sources, found)?;
            if found.is_empty() {
                writeln!(std::io::stderr(), "no problems in {} files", sources.files().count())?;
            }
        }
        Format::Json => writeln!(out, "{:#}", problems::json(sources, found))?,
        Format::Sarif => writeln!(out, "{:#}", problems::sarif::document(sources, found))?,
        Format::Junit => write!(out, "{}", problems::junit::document(sources, found))?,
        Format::Github => write!(out, "{}", problems::github::document(sources, found))?,
    }
    let exit = if problems::any_error(found) { Exit::Problems } else { Exit::Done };
    // The process ends here; giving a large repository back piece by piece would only take time.
    std::mem::forget(checked);
    Ok(exit)
}
