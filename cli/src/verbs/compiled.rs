//! What every verb that works on one environment does first: read the repository, choose the environment, compile.

use std::io::Write;

use compiler::{Compiled, Output};
use spec::{Parsed, Sources};

use super::address::choose;
use crate::failure::Failure;
use crate::problems;

/// Compiles one environment of a repository; problems are shown on stderr.
///
/// - `environment`: as the user named it; without it `dev`, else the only one there is.
pub(crate) fn compile(sources: &Sources, environment: Option<&str>) -> Result<Output, Failure> {
    Ready::of(sources, environment)?.compile().told(sources)
}

/// Compiles as [`compile`] does what is to become real: domains that nothing proves are errors, where mail is.
pub(crate) fn compile_to_carry_out(sources: &Sources, environment: Option<&str>) -> Result<Output, Failure> {
    let Ready { parsed, environment, .. } = Ready::of(sources, environment)?;
    let compiled = compiler::compile_without_origins(sources, &parsed, &environment);
    told(sources, compiled.to_carry_out())
}

/// Compiles as [`compile`] does, and says of each thing which line asked for it.
pub(crate) fn compile_with_origins(sources: &Sources, environment: Option<&str>) -> Result<Output, Failure> {
    let Ready { parsed, environment, .. } = Ready::of(sources, environment)?;
    Done(compiler::compile(sources, &parsed, &environment)).told(sources)
}

/// Compiles as [`compile_to_carry_out`] does, and says of each thing which line asked for it.
pub(crate) fn compile_to_carry_out_with_origins(
    sources: &Sources,
    environment: Option<&str>,
) -> Result<Output, Failure> {
    let Ready { parsed, environment, .. } = Ready::of(sources, environment)?;
    told(sources, compiler::compile(sources, &parsed, &environment).to_carry_out())
}

/// Every environment of a repository, compiled.
pub(crate) struct All {
    /// The one that was chosen.
    pub(crate) chosen: Output,
    /// The others.
    pub(crate) others: Vec<Output>,
}

/// Compiles every environment of a repository; the problems of each are shown on stderr.
pub(crate) fn compile_all(sources: &Sources, environment: Option<&str>) -> Result<All, Failure> {
    let parsed = spec::parse(sources);
    let names = compiler::environments(&parsed);
    let chosen = choose(&names, environment)?;
    let one = |name: &str| told(sources, compiler::compile_without_origins(sources, &parsed, name));
    let others = names.iter().filter(|name| **name != chosen).map(|name| one(name)).collect::<Result<_, _>>()?;
    Ok(All { chosen: one(&chosen)?, others })
}

/// A repository that was read, and the environment that was chosen.
pub(crate) struct Ready<'s> {
    sources: &'s Sources,
    parsed: Parsed,
    /// The environment's name.
    pub(crate) environment: String,
}

impl<'s> Ready<'s> {
    pub(crate) fn of(sources: &'s Sources, environment: Option<&str>) -> Result<Self, Failure> {
        let parsed = spec::parse(sources);
        let environment = choose(&compiler::environments(&parsed), environment)?;
        Ok(Self { sources, parsed, environment })
    }

    /// Reads another revision of the repository; files that both have are read once.
    pub(crate) fn other<'o>(&self, sources: &'o Sources) -> Result<Ready<'o>, Failure> {
        let parsed = spec::parse_like(sources, (self.sources, &self.parsed));
        let environment = choose(&compiler::environments(&parsed), Some(&self.environment))?;
        Ok(Ready { sources, parsed, environment })
    }

    pub(crate) fn compile(self) -> Done {
        Done(compiler::compile_without_origins(self.sources, &self.parsed, &self.environment))
    }
}

/// What came of a compilation, while nobody was told of its problems.
pub(crate) struct Done(Compiled);

impl Done {
    /// Shows the problems on stderr; an error among them is a failure.
    pub(crate) fn told(self, sources: &Sources) -> Result<Output, Failure> {
        let Self(compiled) = self;
        told(sources, compiled)
    }
}

fn told(sources: &Sources, compiled: Compiled) -> Result<Output, Failure> {
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
