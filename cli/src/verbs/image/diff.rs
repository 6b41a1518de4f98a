//! `mailwright image diff`: how two images differ.

use std::io::Write;

use images::{Change, Difference};

use super::super::print_json;
use super::{failed, named};
use crate::failure::{Exit, Failure};

/// Files of one list that are told when `--files` is not given.
const TOLD: usize = 20;

/// Tell how two images differ: packages, kernel, units, ports, programs with their owner's rights, users, files.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  mailwright image diff 0fa94d 77c1e0\n  mailwright image diff 0fa94d 77c1e0 --files\n  \
    mailwright image diff 0fa94d 77c1e0 --exit-code"
)]
pub(crate) struct Arguments {
    /// The first image: its digest or the beginning of it, or its folder.
    first: String,
    /// The second image.
    second: String,
    /// Tell every file.
    #[arg(long)]
    files: bool,
    /// End with 4 when they differ.
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (first, second) = (named(&arguments.first)?, named(&arguments.second)?);
    let difference = Difference::between(&first, &second).map_err(|failure| failed(&failure))?;
    if arguments.json {
        print_json(&serde_json::json!({
            "version": 1, "first": first.digest, "second": second.digest, "difference": difference,
        }))?;
    } else {
        write(&difference, arguments.files)?;
    }
    Ok(if arguments.exit_code && !difference.is_empty() { Exit::Changes } else { Exit::Done })
}

fn write(difference: &Difference, all_files: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if difference.is_empty() {
        writeln!(out, "they have the same content")?;
        return Ok(());
    }
    if let Some((was, is)) = &difference.kernel {
        writeln!(out, "kernel  {was} → {is}")?;
    }
    let lists: [(&str, &[Change], usize); 6] = [
        ("packages", &difference.packages, usize::MAX),
        ("units", &difference.units, usize::MAX),
        ("ports", &difference.ports, usize::MAX),
        ("programs with their owner's rights", &difference.set_uid, usize::MAX),
        ("users", &difference.users, usize::MAX),
        ("files", &difference.files, if all_files { usize::MAX } else { TOLD }),
    ];
    for (title, changes, most) in lists.into_iter().filter(|(_, changes, _)| !changes.is_empty()) {
        writeln!(out, "{title}")?;
        for change in changes.iter().take(most) {
            match (&change.was, &change.is) {
                (Some(was), Some(is)) => writeln!(out, "  ~ {}  {was} → {is}", change.name)?,
                (None, Some(is)) => writeln!(out, "  + {}  {is}", change.name)?,
                (Some(was), None) => writeln!(out, "  - {}  {was}", change.name)?,
                (None, None) => {}
            }
        }
        if changes.len() > most {
            writeln!(out, "  and {} more; all of them with --files", changes.len() - most)?;
        }
    }
    Ok(())
}
