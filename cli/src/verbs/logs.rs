//! `mailwright logs`: what happened in an environment.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::Value;

use super::address::{Address, from_environments};
use crate::failure::{Exit, Failure};

/// Print what happened in an environment, oldest first.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright logs examples/northmail --follow\n  \
    mailwright logs examples/northmail --node mx-1 --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Go on printing until the environment ends.
    #[arg(long, short)]
    follow: bool,
    /// Only what happened on this node.
    #[arg(long)]
    node: Option<String>,
    /// Print lines of JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let found = arguments.address.find()?;
    if let Some(node) = &arguments.node {
        let nodes = found.nodes().map_err(from_environments)?;
        if !nodes.iter().any(|(name, _)| name == node) && node != "internet" {
            let names: Vec<String> = nodes.into_iter().map(|(name, _)| name).collect();
            return Err(
                Failure::usage(format!("there is no node `{node}`")).help(format!("nodes: {}", names.join(", ")))
            );
        }
    }
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    found
        .log_lines(arguments.follow, &mut |line| {
            written = one(&mut out, line, arguments);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(from_environments)?;
    written?;
    Ok(Exit::Done)
}

fn one(out: &mut dyn Write, line: &str, arguments: &Arguments) -> std::io::Result<()> {
    // A line that a crash cut short is shown as it is.
    let Ok(Value::Object(entry)) = serde_json::from_str::<Value>(line) else {
        return if arguments.node.is_none() { writeln!(out, "{line}") } else { Ok(()) };
    };
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    if arguments.node.as_deref().is_some_and(|node| node != text("node")) {
        return Ok(());
    }
    if arguments.json {
        return writeln!(out, "{line}");
    }
    write!(out, "{} {:<12} {:<7} {}", text("time"), text("node"), text("level"), text("event"))?;
    for (key, value) in &entry {
        if ["time", "node", "level", "event"].contains(&key.as_str()) {
            continue;
        }
        match value {
            Value::String(text) => write!(out, " {key}={text:?}")?,
            other => write!(out, " {key}={other}")?,
        }
    }
    writeln!(out)?;
    out.flush()
}
