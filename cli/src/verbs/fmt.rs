//! `mailwright fmt`: lays texts out in the canonical way.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use spec::Problem;
use spec::format::{Formatted, format};

use super::print_json;
use crate::failure::{Exit, Failure};
use crate::{problems, rewrite};

const LONG: &str = "\
Lay texts out in the canonical way.

KDL: four blanks a level, one node a line, texts in quotes and names without, at most one empty line \
between two nodes. Every comment stays where it is, and so do the order of things, the spelling of numbers, \
raw strings, strings over several lines, and lines that are continued with `\\`.

YAML: blanks at the ends of lines, carriage returns, a byte order mark and empty lines at the end go away; \
all else stays as it is, since every layout of YAML is somebody's.

What a file says never changes. A file with syntax errors is left alone, its problems are told, and the other \
files are laid out all the same. The names of the files that were (or, with --check, would be) written go to stdout.

Ends with 0 when all files are laid out, with 1 when some have syntax errors or, with --check, would change.";

/// Lay texts out in the canonical way; every comment stays.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = "Examples:\n  mailwright fmt\n  mailwright fmt --check examples/northmail\n  \
    mailwright fmt platform.kdl resellers/acme")]
pub(crate) struct Arguments {
    /// Files, or folders that hold some; a repository's other files are left alone.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Write nothing, and end with 1 if anything would change.
    #[arg(long)]
    check: bool,
    /// Print what became of each file as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let texts = rewrite::find(&arguments.paths)?;
    let mut found: Vec<Problem> = Vec::new();
    let mut states: Vec<(&str, &'static str)> = Vec::new();
    for (id, file) in texts.sources.files() {
        let state = match format(id, &file.path, &file.bytes) {
            Formatted::Unchanged => "unchanged",
            Formatted::Changed(_) if arguments.check => "unformatted",
            Formatted::Changed(text) => {
                let place = texts.place(&file.path).ok_or_else(|| Failure::fault("a file has no place"))?;
                rewrite::replace(place, &text).map_err(|error| {
                    Failure::failed(format!("could not write {}", file.path)).cause(&error).help("it is as it was")
                })?;
                "formatted"
            }
            Formatted::Problems(problems) => {
                found.extend(problems);
                "refused"
            }
            Formatted::Fault => {
                return Err(Failure::fault(format!(
                    "laid out, {} would say something else, so it was left alone",
                    file.path
                ))
                .help("please report this together with the file"));
            }
        };
        states.push((&file.path, state));
    }
    let count = |wanted: &str| states.iter().filter(|(_, state)| *state == wanted).count();
    let changed = if arguments.check { "unformatted" } else { "formatted" };
    if arguments.json {
        let files: Vec<_> = states.iter().map(|(file, state)| json!({ "file": file, "state": state })).collect();
        let told = problems::json(&texts.sources, &found);
        print_json(&json!({ "version": 1, "files": files, "problems": told.get("problems") }))?;
    } else {
        let mut out = std::io::stdout().lock();
        for (file, _) in states.iter().filter(|(_, state)| *state == changed) {
            writeln!(out, "{file}")?;
        }
        let mut stderr = std::io::stderr().lock();
        problems::write_human(&mut stderr, &texts.sources, &found)?;
        let all = states.len();
        match (count(changed), arguments.check) {
            (0, _) if found.is_empty() && all == 1 => writeln!(stderr, "the file is laid out")?,
            (0, _) if found.is_empty() => writeln!(stderr, "all {all} files are laid out")?,
            (0, _) => {}
            (some, true) => writeln!(stderr, "{some} of {all} files are not laid out; to do it: mailwright fmt")?,
            (some, false) => writeln!(stderr, "laid out {some} of {all} files")?,
        }
        if count("refused") > 0 {
            writeln!(stderr, "{} of {all} files have syntax errors and were left alone", count("refused"))?;
        }
    }
    Ok(if count("refused") + count("unformatted") > 0 { Exit::Problems } else { Exit::Done })
}
