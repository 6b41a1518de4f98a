//! `mailwright compare`: what two environments of a platform differ in, and whether somebody declared it.

use std::io::Write;
use std::path::PathBuf;

use compiler::compare::{Comparison, Side, compare, twin};

use super::compiled;
use crate::failure::{Exit, Failure};
use crate::{ledger, problems, repository};

/// Lines of one file that are shown.
const MOST_LINES: usize = 6;

/// Tell what two environments differ in.
///
/// The first is compiled once more with all that the second one declares, and every file is laid beside the second's. What differs
/// then was declared by nobody, and is an error: what is tried in one would not be what runs in the other. Where both were
/// promoted to, other specifications or another image are an error, too.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  mailwright compare qa horizon\n  mailwright compare horizon production --json\n\n\
    Exit codes: 0 nothing but what is declared, 1 something that is not."
)]
pub(crate) struct Arguments {
    /// An environment.
    first: String,
    /// Another one.
    second: String,
    /// The folder that holds platform.kdl.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    repository: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let first = compiled::compile(&repository.sources, Some(&arguments.first))?;
    let second = compiled::compile(&repository.sources, Some(&arguments.second))?;
    let (ours, theirs) =
        (compiler::render(&first, &repository.sources), compiler::render(&second, &repository.sources));
    let mut parsed = spec::parse(&repository.sources);
    twin(&mut parsed, &arguments.first, &arguments.second);
    let compiled = compiler::compile_without_origins(&repository.sources, &parsed, &arguments.first);
    let Some(twin) = compiled.output else {
        problems::write_human(&mut std::io::stderr().lock(), &repository.sources, &compiled.problems)?;
        return Err(told(format!("{} cannot be what {} declares", arguments.first, arguments.second)));
    };
    let other = compiler::render(&twin, &repository.sources);
    let found = compare(side(&first, &ours), side(&second, &theirs), side(&twin, &other));
    let ledger = ledger::read(&repository.path)?;
    let promoted = |name: &str| ledger.current(name).map(|(_, promotion)| promotion.subject.clone());
    let (mine, yours) = (promoted(&arguments.first), promoted(&arguments.second));
    if arguments.json {
        super::print_json(&serde_json::json!({
            "version": 1, "first": arguments.first, "second": arguments.second, "comparison": found,
            "promoted": { "first": mine, "second": yours },
        }))?;
    } else {
        show(arguments, &found)?;
        if let (Some(mine), Some(yours)) = (&mine, &yours) {
            let same = if mine.is(yours) {
                "the same specifications and image"
            } else {
                "other specifications or another image"
            };
            writeln!(std::io::stdout(), "promoted to both: {same}")?;
        }
    }
    Ok(if found.undeclared.is_empty() { Exit::Done } else { Exit::Problems })
}

fn side<'a>(output: &'a compiler::Output, bundle: &'a blueprint::Bundle) -> Side<'a> {
    Side { blueprint: &output.blueprint, launch: &output.launch, bundle }
}

fn told(message: String) -> Failure {
    let mut failure = Failure::usage(message).help("see what each is with: mailwright check");
    failure.exit = Exit::Problems;
    failure
}

fn show(arguments: &Arguments, found: &Comparison) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut table = super::up::shown::table(&["declared otherwise", &arguments.first, &arguments.second]);
    for it in &found.declared {
        table.add_row([&it.what, &it.first, &it.second]);
    }
    writeln!(out, "{table}\n")?;
    if found.undeclared.is_empty() {
        writeln!(out, "{} files: nothing differs but by what is declared", found.files)?;
        return Ok(());
    }
    writeln!(out, "{} of {} files differ in what nobody declared:", found.undeclared.len(), found.files)?;
    for it in &found.undeclared {
        writeln!(out, "\n{} {}", it.node, it.file)?;
        for (sign, lines) in [('-', &it.first), ('+', &it.second)] {
            for line in lines.iter().take(MOST_LINES) {
                writeln!(out, "  {sign} {line}")?;
            }
            if lines.len() > MOST_LINES {
                writeln!(out, "  {sign} … {} more", lines.len() - MOST_LINES)?;
            }
        }
    }
    Ok(())
}
