//! What people see while scenarios are carried out, and at the end.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use compiler::Origins;
use environments::scenarios::{Outcome, Report, ScenarioReport};
use spec::{Problem, Sources};

use crate::failure::Failure;
use crate::problems;

/// Tells of each scenario when it has ended.
pub(super) struct Told {
    quiet: bool,
    of: usize,
    ended: AtomicUsize,
}

impl Told {
    pub(super) fn new(quiet: bool, of: usize) -> Self {
        Self { quiet, of, ended: AtomicUsize::new(0) }
    }

    /// Says how one has ended.
    pub(super) fn ended(&self, report: &ScenarioReport) {
        let number = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if self.quiet {
            return;
        }
        let mark = match report.outcome {
            Outcome::Passed => "passed ",
            Outcome::Failed(_) => "FAILED ",
            Outcome::Skipped(_) => "skipped",
            Outcome::Broken(_) => "BROKEN ",
        };
        let reason = match &report.outcome {
            Outcome::Skipped(reason) => format!(": {reason}"),
            _ => String::new(),
        };
        let mut err = std::io::stderr().lock();
        let width = self.of.to_string().len();
        let _ = writeln!(
            err,
            "{number:>width$}/{} {mark} {:>6} ms  {}{reason}",
            self.of, report.evidence.took_milliseconds, report.name
        );
    }
}

/// Shows each step that did not hold at its line.
pub(super) fn failures(report: &Report, origins: &Origins, sources: &Sources) -> Result<(), Failure> {
    let mut shown = Vec::new();
    for scenario in &report.scenarios {
        let code = match scenario.outcome {
            Outcome::Failed(_) => "scenario::unmet",
            Outcome::Broken(_) => "scenario::broken",
            _ => continue,
        };
        let reason = scenario.outcome.reason().unwrap_or_default();
        let entity = format!("scenario {}", scenario.name);
        let step = format!("step {}", scenario.steps.len());
        let Some(span) = origins.find(&entity, Some(&step)) else { continue };
        let mut problem = Problem::error(code, span, format!("{}: {reason}", scenario.name)).label("this did not hold");
        if let Some(step) = scenario.steps.last().filter(|step| !step.happened.is_empty()) {
            problem = problem.help(format!("what happened: {}", step.happened.join(", ")));
        }
        shown.push(problem);
    }
    problems::write_each(&mut std::io::stderr().lock(), sources, &shown)?;
    Ok(())
}

/// Says how many ended how.
pub(super) fn end(report: &Report, took: Duration, kept: Option<&Path>) -> Result<(), Failure> {
    if let Some(kept) = kept {
        writeln!(std::io::stderr(), "evidence: {}", kept.display())?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} on {} in {:.1} s", report.tally(), report.backend, took.as_secs_f64())?;
    Ok(())
}
