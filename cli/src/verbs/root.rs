//! `mailwright root`: the root file system of real daemons, built once and kept.

use std::io::Write;
use std::path::PathBuf;

use super::image::{self, Platform};
use super::up::{self, Told};
use crate::failure::{Exit, Failure};

/// Build the root file system that real daemons share, and print its folder.
///
/// It is the image of `mailwright image build`, unpacked, as root; one that is there for the same packages is taken as it is. Without
/// a lock the archive's newest packages are taken. `mailwright up` does the same by itself where it is needed.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright root examples/northmail --env qa\n  \
    mailwright root --env production --json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// Pin every package with its version and hash in mailwright.lock first, as `mailwright image lock` does.
    #[arg(long)]
    lock: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let platform = Platform::read(&arguments.repository, arguments.env.as_deref())?;
    if arguments.lock {
        image::lock(&platform, arguments.json)?;
    }
    let pinned = platform.pinned()?;
    let told = Told::new(!arguments.json);
    let distribution = &platform.distribution;
    let (folder, packages) = environments::build_root(&up::cache()?, distribution, &platform.packages, &pinned, &told)
        .map_err(|failure| image::failed(&failure))?;
    if arguments.json {
        super::print_json(&serde_json::json!({
            "version": 1, "distribution": distribution, "folder": folder, "packages": packages,
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}", folder.display())?;
    }
    Ok(Exit::Done)
}
