//! How the Reports of two backends differ, and whether each difference is known by name, with a reason.

use std::collections::BTreeMap;

use super::report::{Report, ScenarioReport};

/// Something that one backend did otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The scenario's name.
    pub scenario: String,
    /// The step, counted from 1; zero for the scenario as a whole.
    pub step: usize,
    /// What the first did.
    pub one: String,
    /// What the second did.
    pub other: String,
}

/// A difference that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The scenario it occurs in.
    pub scenario: String,
    /// The one step it is about; the whole scenario where none is named.
    pub step: Option<usize>,
    /// Why it is right that they differ.
    pub reason: String,
}

/// How differences and what is known of them do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// A difference that nobody knows.
    New(Difference),
    /// A known one that no longer occurs.
    Gone(Known),
}

impl std::fmt::Display for Unlisted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::New(Difference { scenario, step, one, other }) => {
                write!(formatter, "`{scenario}`, step {step}: `{one}` here, `{other}` there")
            }
            Self::Gone(Known { scenario, .. }) => {
                write!(formatter, "`{scenario}` is listed as different, and is not")
            }
        }
    }
}

/// Returns how two Reports differ; backends and environments have names of their own. Scenarios that either could not try are
/// no difference.
pub fn compare(one: &Report, other: &Report) -> Vec<Difference> {
    let by_name = |report: &'_ Report| -> BTreeMap<String, ScenarioReport> {
        report.scenarios.iter().map(|scenario| (scenario.name.clone(), scenario.clone())).collect()
    };
    let (ones, others) = (by_name(one), by_name(other));
    let mut differences = Vec::new();
    for (name, one) in &ones {
        match others.get(name) {
            Some(other) => scenarios(one, other, &mut differences),
            None => differences.push(whole(name, one.outcome.name(), "not tried")),
        }
    }
    for (name, other) in others.iter().filter(|(name, _)| !ones.contains_key(*name)) {
        differences.push(whole(name, "not tried", other.outcome.name()));
    }
    differences
}

fn whole(name: &str, one: &str, other: &str) -> Difference {
    Difference { scenario: name.to_owned(), step: 0, one: one.to_owned(), other: other.to_owned() }
}

fn scenarios(one: &ScenarioReport, other: &ScenarioReport, differences: &mut Vec<Difference>) {
    use super::Outcome::Skipped;
    if matches!(one.outcome, Skipped(_)) || matches!(other.outcome, Skipped(_)) {
        return;
    }
    for (number, (first, second)) in one.steps.iter().zip(&other.steps).enumerate() {
        if first.happened != second.happened || first.outcome.name() != second.outcome.name() {
            let shown = |step: &super::StepReport| match step.outcome.reason() {
                Some(reason) => format!("{}: {reason}", step.outcome.name()),
                None => step.happened.join(", "),
            };
            differences.push(Difference {
                scenario: one.name.clone(),
                step: number + 1,
                one: shown(first),
                other: shown(second),
            });
        }
    }
    if one.outcome.name() != other.outcome.name() && differences.last().is_none_or(|last| last.scenario != one.name) {
        differences.push(whole(&one.name, one.outcome.name(), other.outcome.name()));
    }
}

/// Returns the differences that are not known, and the known ones that are gone.
pub fn judge(differences: &[Difference], known: &[Known]) -> Vec<Unlisted> {
    let covers = |known: &Known, difference: &Difference| {
        known.scenario == difference.scenario && known.step.is_none_or(|step| step == difference.step)
    };
    let fresh = differences.iter().filter(|difference| !known.iter().any(|known| covers(known, difference)));
    let gone = known.iter().filter(|known| !differences.iter().any(|difference| covers(known, difference)));
    fresh.cloned().map(Unlisted::New).chain(gone.cloned().map(Unlisted::Gone)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{Evidence, Outcome, StepReport};

    fn report(backend: &str, happened: &str, outcome: Outcome) -> Report {
        let step = StepReport {
            verb: "send".to_owned(),
            what: String::new(),
            expected: Vec::new(),
            happened: vec![happened.to_owned()],
            outcome: outcome.clone(),
        };
        let scenario =
            ScenarioReport { name: "a".to_owned(), outcome, steps: vec![step], evidence: Evidence::default() };
        Report { version: 1, environment: "x".to_owned(), backend: backend.to_owned(), scenarios: vec![scenario] }
    }

    fn known(step: Option<usize>) -> Known {
        Known { scenario: "a".to_owned(), step, reason: "so it is".to_owned() }
    }

    #[test]
    fn equal_reports_of_two_backends_do_not_differ() {
        let (one, other) =
            (report("embedded", "250 2.0.0", Outcome::Passed), report("namespace", "250 2.0.0", Outcome::Passed));
        assert_eq!(compare(&one, &other), []);
    }

    #[test]
    fn another_code_differs_even_where_both_passed() {
        let (one, other) =
            (report("embedded", "550 5.1.1", Outcome::Passed), report("namespace", "550 5.7.1", Outcome::Passed));
        let differences = compare(&one, &other);
        assert_eq!((differences.len(), differences[0].step), (1, 1));
        assert_eq!(judge(&differences, &[known(Some(1))]), []);
        assert_eq!(judge(&differences, &[known(None)]), []);
        assert_eq!(judge(&differences, &[]), [Unlisted::New(differences[0].clone())]);
        assert_eq!(judge(&differences, &[known(Some(2))]).len(), 2);
        assert_eq!(judge(&[], &[known(None)]), [Unlisted::Gone(known(None))]);
    }

    #[test]
    fn what_was_not_tried_is_no_difference() {
        let one = report("embedded", "250", Outcome::Passed);
        let other = report("namespace", "", Outcome::Skipped("no clock".to_owned()));
        assert_eq!(compare(&one, &other), []);
    }
}
