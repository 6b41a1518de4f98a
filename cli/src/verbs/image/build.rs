//! `mailwright image build`: the image of a lock, the same to the bit on every build.

use std::io::Write;

use super::super::{print_json, up};
use super::{Of, Told, failed, request};
use crate::failure::{Exit, Failure};

/// Build the image of mailwright.lock, or take the one that is there; print its digest.
///
/// A read-only root, a kernel and a small initrd, with a list of all that is in them. Two builds of one lock give the same digest. Takes
/// root, or a user who may use user namespaces (package uidmap).
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright image build\n  mailwright image build examples/northmail --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let platform = arguments.of.platform()?;
    let packages = platform.pinned()?;
    images::covers(&packages, &platform.packages).map_err(|failure| failed(&failure))?;
    let cache = up::cache()?;
    let told = Told { quiet: arguments.json };
    let image = images::build(&request(&cache, &platform.distribution, &packages), &told)
        .map_err(|failure| failed(&failure))?;
    if arguments.json {
        print_json(&serde_json::json!({
            "version": 1, "digest": image.digest, "folder": image.folder, "root": image.root(), "kernel": image.kernel(),
            "initrd": image.initrd(), "distribution": platform.distribution,
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}", image.digest)?;
    }
    Ok(Exit::Done)
}
