//! What every verb that works on one environment does first: read the repository, choose the environment, compile.

use std::io::Write;

use compiler::Output;
use spec::Sources;

use super::address::choose;
use crate::failure::Failure;
use crate::problems;

/// Compiles one environment of a repository; problems are shown on stderr.
///
/// - `environment`: as the user named it; without it `dev`, else the only one there is.
pub(crate) fn compile(sources: &Sources, environment: Option<&str>) -> Result<Output, Failure> {
    let parsed = spec::parse(sources);
    let names = compiler::environments(&parsed);
    let environment = choose(&names, environment)?;
    let compiled = compiler::compile(sources, &parsed, &environment);
    problems::write_human(&mut std::io::stderr().lock(), sources, &compiled.problems)?;
    if problems::any_error(&compiled.problems) {
        return Err(Failure::problems());
    }
    compiled.output.ok_or_else(|| Failure::fault("the compiler gave neither a Blueprint nor a problem"))
}

/// Says on stderr what is being done, unless a program reads along.
pub(crate) fn say(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
