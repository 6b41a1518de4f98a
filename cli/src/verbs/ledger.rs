//! `mailwright ledger`: what was proven and promoted, and what each environment has now.

use std::io::Write;
use std::path::PathBuf;

use blueprint::ledger::Deed;

use crate::failure::{Exit, Failure};
use crate::{ledger, repository};

/// Print what was proven and promoted, and what each environment has.
///
/// The ledger is a chain: an entry that was changed or taken out is noticed, and named.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright ledger\n  mailwright ledger examples/northmail --json")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let ledger = ledger::read(&repository.path)?;
    let parsed = spec::parse(&repository.sources);
    let now = ledger::digest(&repository.sources, &parsed);
    let environments = compiler::environments(&parsed);
    if arguments.json {
        let current: serde_json::Map<String, serde_json::Value> = environments
            .iter()
            .filter_map(|name| {
                ledger.current(name).map(|(number, it)| {
                    let same = it.subject.specification == now;
                    (
                        name.clone(),
                        serde_json::json!({ "entry": number, "subject": it.subject, "same_specification": same }),
                    )
                })
            })
            .collect();
        super::print_json(&serde_json::json!({
            "version": 1, "specification": now, "current": current, "entries": ledger.entries(),
        }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    if ledger.entries().is_empty() {
        writeln!(out, "nothing was proven or promoted yet; begin with: mailwright test --gate --env NAME")?;
        return Ok(Exit::Done);
    }
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let image = |image: &Option<String>| image.as_deref().map_or_else(|| "none".to_owned(), short);
    let mut table = super::up::shown::table(&["entry", "when", "who", "what", "specifications", "image"]);
    for entry in ledger.entries() {
        let (what, subject) = match &entry.deed {
            Deed::Evidence(evidence) => {
                let passed = evidence.scenarios.values().filter(|outcome| *outcome == "passed").count();
                let boot = match evidence.boot {
                    Some(blueprint::ledger::Boot::Stock) => ", stock boot",
                    Some(blueprint::ledger::Boot::Lean) => ", lean boot",
                    None => "",
                };
                let (name, backend, all) = (&evidence.environment, &evidence.backend, evidence.scenarios.len());
                (format!("{name}: {passed} of {all} gates passed on {backend}{boot}"), &evidence.subject)
            }
            Deed::Promotion(it) => {
                let how = match it.back_to {
                    Some(entry) => format!("back to entry {entry}: {}", it.to),
                    None => format!("{} to {}", it.from, it.to),
                };
                (how, &it.subject)
            }
        };
        let number = entry.number.to_string();
        table.add_row([
            &number,
            &entry.when,
            &entry.who,
            &what,
            &short(&subject.specification),
            &image(&subject.image),
        ]);
    }
    writeln!(out, "{table}\n")?;
    for name in &environments {
        if let Some((number, it)) = ledger.current(name) {
            let same = if it.subject.specification == now { "those that lie here" } else { "others than lie here" };
            writeln!(out, "{name} has entry {number}: specifications {} ({same})", short(&it.subject.specification))?;
        }
    }
    Ok(Exit::Done)
}
