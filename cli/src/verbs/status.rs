//! `mailwright status`: how an environment is, every door really asked.

use std::io::Write;

use environments::{Description, State, StateRoot};
use serde_json::{Value, json};

use super::address::{Address, from_environments};
use super::up::shown;
use crate::failure::{Exit, Failure};
use crate::folders;

/// Tell how an environment is; every door is asked.
///
/// Ends with 5 when the environment failed or a door does not answer.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright status examples/northmail\n  mailwright status --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// List every environment of this user instead.
    #[arg(long, conflicts_with_all = ["repository", "env", "built_in"])]
    all: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.all {
        return list(arguments.json);
    }
    let found = arguments.address.find()?;
    let status = found.status().map_err(from_environments)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", document(&status, found.process())?)?;
    } else {
        let process = found.process().map_or_else(String::new, |process| format!(", process {process}"));
        writeln!(out, "{} is {}{process}", found.identity(), status.state.name())?;
        if let Some(reason) = &status.reason {
            writeln!(out, "{reason}")?;
        }
        if found.is_up() {
            writeln!(out, "\n{}", shown::doors(&status))?;
            let nodes = found.nodes().map_err(from_environments)?;
            let names: Vec<String> = nodes.into_iter().map(|(name, _)| name).collect();
            writeln!(out, "\nnodes in this process: {}", names.join(", "))?;
        }
    }
    Ok(match status.state {
        State::Ready | State::Stopped | State::Starting => Exit::Done,
        State::Degraded | State::Failed => Exit::Environment,
    })
}

/// The description with the process that serves it, and without passwords: those are printed by `up` alone.
fn document(status: &Description, process: Option<u32>) -> Result<Value, Failure> {
    let mut document =
        serde_json::to_value(status).map_err(|error| Failure::fault("the status does not serialize").cause(&error))?;
    if let Some(object) = document.as_object_mut() {
        object.insert("pid".to_owned(), json!(process));
        object.remove("accounts");
    }
    Ok(document)
}

fn list(as_json: bool) -> Result<Exit, Failure> {
    let root = StateRoot::new(folders::state()?);
    let mut out = std::io::stdout().lock();
    let mut rows = Vec::new();
    for (identity, found) in environments::list(&root).map_err(from_environments)? {
        let (state, process) = match found {
            Ok(found) => match found.description() {
                Ok(description) => (description.state.name().to_owned(), found.process()),
                Err(failure) => (failure.to_string(), None),
            },
            Err(failure) => (failure.to_string(), None),
        };
        rows.push((identity, state, process));
    }
    if as_json {
        let environments: Vec<Value> = rows
            .iter()
            .map(|(identity, state, process)| {
                json!({
                    "repository": identity.repository,
                    "environment": identity.environment,
                    "state": state,
                    "pid": process,
                })
            })
            .collect();
        writeln!(out, "{:#}", json!({ "version": 1, "environments": environments }))?;
        return Ok(Exit::Done);
    }
    let mut table = shown::table(&["environment", "repository", "state", "process"]);
    for (identity, state, process) in rows {
        let process = process.map_or_else(String::new, |process| process.to_string());
        table.add_row([identity.environment.clone(), identity.repository.display().to_string(), state, process]);
    }
    writeln!(out, "{table}")?;
    Ok(Exit::Done)
}
