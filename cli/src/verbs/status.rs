//! `mailwright status`: how an environment is, every door really asked.

use std::collections::BTreeMap;
use std::io::Write;

use comfy_table::Table;
use environments::{Description, NodeState, State, StateRoot};
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
    let nodes = found.node_states().map_err(from_environments)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", document(&status, found.process(), &nodes)?)?;
    } else {
        let process = found.process().map_or_else(String::new, |process| format!(", process {process}"));
        writeln!(out, "{} is {}{process}", found.identity(), status.state.name())?;
        if let Some(reason) = &status.reason {
            writeln!(out, "{reason}")?;
        }
        if found.is_up() {
            writeln!(out, "\n{}", shown::doors(&status))?;
            if nodes.is_empty() {
                let nodes = found.nodes().map_err(from_environments)?;
                let names: Vec<String> = nodes.into_iter().map(|(name, _)| name).collect();
                writeln!(out, "\nnodes in this process: {}", names.join(", "))?;
            } else {
                writeln!(out, "\n{}", daemons(&nodes))?;
                let coming: Vec<&str> =
                    nodes.iter().filter(|(_, node)| node.is_coming()).map(|(name, _)| name.as_str()).collect();
                if !coming.is_empty() {
                    writeln!(out, "\nstill coming up, behind no door: {}", coming.join(", "))?;
                }
            }
        }
    }
    if status.state == State::Ready && nodes.values().any(|node| !node.settled && !node.is_coming()) {
        return Ok(Exit::Environment);
    }
    Ok(match status.state {
        State::Ready | State::Stopped | State::Starting => Exit::Done,
        State::Degraded | State::Failed => Exit::Environment,
    })
}

/// Returns the table of nodes and their daemons.
fn daemons(nodes: &BTreeMap<String, NodeState>) -> Table {
    let mut table = shown::table(&["node", "process", "daemon", "state", "ports", "fell"]);
    for (name, node) in nodes {
        let mut first = [name.clone(), node.process.to_string()];
        for (daemon, status) in &node.daemons {
            let ports: Vec<String> = status.ports.iter().map(ToString::to_string).collect();
            let fell = match (&status.how, status.failures) {
                (_, 0) => String::new(),
                (how, times) => format!("{times} times, {}", how.as_deref().unwrap_or_default()),
            };
            let [node, process] = std::mem::take(&mut first);
            table.add_row([node, process, daemon.clone(), status.state.name().to_owned(), ports.join(" "), fell]);
        }
        if node.daemons.is_empty() {
            let [node, process] = first;
            table.add_row([node, process, "-".to_owned(), String::new(), String::new(), String::new()]);
        }
    }
    table
}

/// The description with the process that serves it, and without passwords: those are printed by `up` alone.
fn document(status: &Description, process: Option<u32>, nodes: &BTreeMap<String, NodeState>) -> Result<Value, Failure> {
    let mut document =
        serde_json::to_value(status).map_err(|error| Failure::fault("the status does not serialize").cause(&error))?;
    if let Some(object) = document.as_object_mut() {
        object.insert("pid".to_owned(), json!(process));
        object.remove("accounts");
        if !nodes.is_empty() {
            object.insert("nodes".to_owned(), json!(nodes));
        }
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
