//! `mailwright blueprint`: prints every choice made for one environment.

use std::io::Write;
use std::path::PathBuf;

use super::compiled;
use super::up::shown::table;
use crate::failure::{Exit, Failure};
use crate::repository;

/// Print the Blueprint: every choice made for one environment.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright blueprint examples/northmail\n  \
    mailwright blueprint examples/northmail --env production --json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// Print the whole Blueprint and Roster as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let document = serde_json::json!({
            "version": blueprint::VERSION,
            "blueprint": output.blueprint,
            "roster": output.roster,
            "launch": output.launch,
            "scenarios": output.scenarios,
        });
        writeln!(out, "{document:#}")?;
        return Ok(Exit::Done);
    }
    let plan = &output.blueprint;
    writeln!(
        out,
        "{} in {}: release {} on {}\n",
        plan.platform, plan.environment, plan.release.name, plan.release.distribution
    )?;
    let mut table = table(&["node", "role", "host", "cores", "memory", "disk", "address", "name"]);
    for node in &plan.nodes {
        let addresses: Vec<String> = node.addresses.iter().map(ToString::to_string).collect();
        table.add_row([
            node.name.to_string(),
            node.role.name().to_owned(),
            node.host.to_string(),
            node.cores.to_string(),
            node.memory.to_string(),
            node.disk.to_string(),
            addresses.first().cloned().unwrap_or_default(),
            node.hostname.to_string(),
        ]);
    }
    writeln!(out, "{table}\n")?;
    let roster = &output.roster;
    writeln!(
        out,
        "{} resellers, {} domains, {} mailboxes, {} forwards, {} lists",
        roster.resellers.len(),
        roster.domains.len(),
        roster.mailboxes.len(),
        roster.forwards.len(),
        roster.lists.len()
    )?;
    Ok(Exit::Done)
}
