//! `mailwright snapshot`: a whole environment of virtual machines stored while it runs, and gone on from.

use std::io::Write;
use std::time::{Duration, Instant};

use environments::Snapshot;
use serde_json::json;

use super::address::{NamedAddress, from_environments};
use super::compiled::say;
use super::up::{self, shown};
use crate::failure::{Exit, Failure};

/// How long an environment may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Store an environment of virtual machines as it is, mail in flight included, and go on from there.
///
/// Memory, devices and disks of all machines are stored at one moment; connections between machines go on, those from outside
/// end. A snapshot is gone on from by the same image, program, QEMU and processor only.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright snapshot save clean --repository examples/northmail --env qa\n  \
    mailwright snapshot restore clean --repository examples/northmail --env qa\n  mailwright snapshot list --env qa --json")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Store the environment that runs; it stands still for a moment and runs on.
    Save(Named),
    /// End the environment if it runs, and go on from a snapshot.
    Restore(Named),
    /// Tell which snapshots there are.
    List(Listed),
    /// Throw a snapshot away.
    Remove(Named),
}

#[derive(clap::Args)]
struct Named {
    /// The snapshot's name.
    name: String,
    #[command(flatten)]
    address: NamedAddress,
    /// The folder of the image, as for `up`.
    #[arg(long, value_name = "FOLDER")]
    image: Option<std::path::PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Listed {
    #[command(flatten)]
    address: NamedAddress,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.what {
        What::Save(named) => save(named),
        What::Restore(named) => restore(named),
        What::List(listed) => list(listed),
        What::Remove(named) => {
            named.address.find()?.remove_snapshot(&named.name).map_err(from_environments)?;
            say(named.json, &format!("{} is gone", named.name));
            Ok(Exit::Done)
        }
    }
}

fn save(named: &Named) -> Result<Exit, Failure> {
    let found = named.address.find()?;
    let snapshot = found.save_snapshot(&named.name).map_err(from_environments)?;
    if named.json {
        super::print_json(&json!({ "version": 1, "snapshot": snapshot }))?;
    } else {
        say(
            false,
            &format!(
                "{} stored: {} machines, {} MiB; they stood still for {} ms",
                snapshot.name,
                snapshot.ground.memory.len(),
                snapshot.bytes >> 20,
                snapshot.still_milliseconds
            ),
        );
    }
    Ok(Exit::Done)
}

fn restore(named: &Named) -> Result<Exit, Failure> {
    let found = named.address.find()?;
    // Looked at first, so that nothing is ended for a snapshot that is none.
    let snapshot = found.snapshot(&named.name).map_err(from_environments)?;
    let _ = found.stop(PATIENCE).map_err(from_environments)?;
    let begun = Instant::now();
    let exit = up::go_on(&found, &named.name, named.image.clone(), snapshot.ground.boot(), named.json)?;
    say(
        named.json,
        &format!(
            "{} machines go on from {}, taken {}, after {:.1} s; their clocks are set, their chance is renewed",
            snapshot.ground.memory.len(),
            snapshot.name,
            snapshot.taken,
            begun.elapsed().as_secs_f64()
        ),
    );
    Ok(exit)
}

fn list(listed: &Listed) -> Result<Exit, Failure> {
    let snapshots: Vec<Snapshot> = listed.address.find()?.snapshots().map_err(from_environments)?;
    if listed.json {
        super::print_json(&json!({ "version": 1, "snapshots": snapshots }))?;
        return Ok(Exit::Done);
    }
    let mut table = shown::table(&["snapshot", "taken", "machines", "MiB", "QEMU", "image"]);
    for it in &snapshots {
        let image = it.ground.image.get(..12).unwrap_or(&it.ground.image);
        table.add_row([
            it.name.clone(),
            it.taken.clone(),
            it.ground.memory.len().to_string(),
            (it.bytes >> 20).to_string(),
            it.ground.qemu.clone(),
            image.to_owned(),
        ]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(Exit::Done)
}
