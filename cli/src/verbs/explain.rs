//! `mailwright explain`: the page behind a problem's code.

use std::io::Write;

use crate::failure::{Exit, Failure};

/// Explain a problem's code.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  mailwright explain spec::unknown-tier")]
pub(crate) struct Arguments {
    /// The code as a problem shows it; without it, all codes are listed.
    code: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let codes = compiler::codes();
    match &arguments.code {
        None => {
            for entry in codes {
                writeln!(out, "{}", entry.code)?;
            }
        }
        Some(code) => match codes.iter().find(|entry| entry.code == code) {
            Some(entry) => writeln!(out, "{}\n\n{}", entry.code, entry.explanation)?,
            None => {
                return Err(Failure::usage(format!("no problem has the code `{code}`"))
                    .help("list all codes with: mailwright explain"));
            }
        },
    }
    Ok(Exit::Done)
}
