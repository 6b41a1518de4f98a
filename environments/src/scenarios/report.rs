//! What came of scenarios, in a form that does not depend on the backend, so that Reports can be compared.

use serde::{Deserialize, Serialize};

/// What came of a run; version 1. Times, ports, names of messages and numbers of hosts are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The document's version, 1.
    pub version: u32,
    /// The environment's name.
    pub environment: String,
    /// The backend that served it; the one thing that may differ between equal Reports.
    pub backend: String,
    /// What came of each scenario, in the order they were asked for.
    pub scenarios: Vec<ScenarioReport>,
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What came of its steps, up to the one it ended with.
    pub steps: Vec<StepReport>,
    /// What is kept for people when it did not pass; no part of the document.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// How a scenario or a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "reason")]
pub enum Outcome {
    /// All that must hold did.
    Passed,
    /// Something did not hold; what.
    Failed(String),
    /// It could not be tried here; why.
    Skipped(String),
    /// The environment did not do what every environment does; what.
    Broken(String),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The verb.
    pub verb: String,
    /// What it was to do, in a line.
    pub what: String,
    /// What had to hold.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub expected: Vec<String>,
    /// What happened: codes, counts, records.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub happened: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What is kept when a scenario did not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was said on every connection, passwords left out.
    pub dialogue: String,
    /// Messages that were sent and seen, by a name for their file.
    pub messages: Vec<(String, Vec<u8>)>,
    /// What went over the platform's wire meanwhile, as a capture file; `None` where nobody could look.
    pub trace: Option<Vec<u8>>,
    /// How long it took, in milliseconds.
    pub took_milliseconds: u64,
}

/// How many scenarios ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
    /// Broken environments.
    pub broken: usize,
}

impl Report {
    /// Counts the outcomes.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for scenario in &self.scenarios {
            match scenario.outcome {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed(_) => tally.failed += 1,
                Outcome::Skipped(_) => tally.skipped += 1,
                Outcome::Broken(_) => tally.broken += 1,
            }
        }
        tally
    }
}

impl Outcome {
    /// Returns the word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::Broken(_) => "broken",
        }
    }

    /// Returns why, where there is something to say.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) | Self::Skipped(reason) | Self::Broken(reason) => Some(reason),
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)?;
        if self.broken > 0 {
            write!(formatter, ", {} broken", self.broken)?;
        }
        Ok(())
    }
}
