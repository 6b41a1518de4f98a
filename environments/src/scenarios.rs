//! Scenarios carried out on an environment that runs, seen from outside: clients at its front doors, and the few things that
//! only its backend can do ([`Hands`]).
//!
//! - [`Trial`]: what is tried, and where; [`Trial::run`] gives a [`Report`].
//! - [`Report`]: what came of it, without times, ports and names, so that the Reports of two backends can be compared.
//! - [`compare`]: how two Reports differ, and which differences are known.

mod answer;
mod compare;
mod dns;
mod hands;
mod https;
mod imap;
mod message;
mod report;
mod settings;
mod signature;
mod stage;
mod steps;
mod wire;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use blueprint::Scenario;
use blueprint::scenario::Step;

use crate::description::Description;

pub use compare::{Difference, Known, Unlisted, compare, judge};
pub use hands::{Cannot, Fault, Hands, NoHands, Whom};
pub use report::{Evidence, Outcome, Report, ScenarioReport, StepReport, Tally};

use settings::Settings;
use stage::{Play, Stage};

/// Verbs that change the world for everybody: scenarios with one of them have it for themselves.
const ALONE: [&str; 8] = ["advance", "fault", "heal", "migrate", "evacuate", "snapshot", "restore", "load"];

/// Why a step did not come to a good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Something did not hold.
    Unmet(String),
    /// It cannot be tried here.
    Skip(String),
    /// The environment is broken.
    Broken(String),
}

impl From<Cannot> for Trouble {
    fn from(cannot: Cannot) -> Self {
        match cannot {
            Cannot::Lacks(why) => Self::Skip(why),
            Cannot::Failed(why) => Self::Broken(why),
        }
    }
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unmet(why) => Self::Failed(why),
            Trouble::Skip(why) => Self::Skipped(why),
            Trouble::Broken(why) => Self::Broken(why),
        }
    }
}

/// What is tried, and where.
pub struct Trial<'a> {
    /// The environment.
    pub description: &'a Description,
    /// What is tried in it.
    pub scenarios: &'a [Scenario],
    /// Files of the repository that scenarios name, by path.
    pub files: &'a BTreeMap<String, Vec<u8>>,
    /// What only its backend can do.
    pub hands: &'a dyn Hands,
    /// How long an answer, and an expectation that says nothing else, may take.
    pub patience: Duration,
    /// Turns true when no further scenario is to be begun.
    pub stop: &'a AtomicBool,
}

impl Trial<'_> {
    /// Carries the scenarios out: those that mind their own business beside one another, the others one by one after them.
    ///
    /// - `tell`: told of each scenario when it has ended, from any thread.
    /// - Errors: the environment cannot be spoken to at all; in a sentence.
    pub fn run(&self, tell: &(dyn Fn(&ScenarioReport) + Sync)) -> Result<Report, String> {
        let stage = Stage::new(self)?;
        self.hands.watch();
        let is_alone = |scenario: &Scenario| scenario.steps.iter().any(|step| ALONE.contains(&step.verb.as_str()));
        let (alone, beside): (Vec<usize>, Vec<usize>) =
            (0..self.scenarios.len()).partition(|index| self.scenarios.get(*index).is_some_and(is_alone));
        let reports: Mutex<BTreeMap<usize, ScenarioReport>> = Mutex::default();
        let next = AtomicUsize::new(0);
        let try_one = |index: usize| {
            let Some(scenario) = self.scenarios.get(index) else { return };
            let report = match self.stop.load(Ordering::Relaxed) {
                true => interrupted(scenario),
                false => carry_out(&stage, scenario),
            };
            tell(&report);
            if let Ok(mut reports) = reports.lock() {
                reports.insert(index, report);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.hands.at_once().min(beside.len()) {
                scope.spawn(|| {
                    while let Some(&index) = beside.get(next.fetch_add(1, Ordering::Relaxed)) {
                        try_one(index);
                    }
                });
            }
        });
        alone.into_iter().for_each(try_one);
        let scenarios = reports.into_inner().unwrap_or_default().into_values().collect();
        Ok(Report {
            version: 1,
            environment: self.description.environment.clone(),
            backend: self.description.backend.clone(),
            scenarios,
        })
    }
}

fn interrupted(scenario: &Scenario) -> ScenarioReport {
    ScenarioReport {
        name: scenario.name.clone(),
        outcome: Outcome::Skipped("interrupted".to_owned()),
        steps: Vec::new(),
        evidence: Evidence::default(),
    }
}

fn carry_out(stage: &Stage<'_>, scenario: &Scenario) -> ScenarioReport {
    let (began, since) = (Instant::now(), SystemTime::now());
    let mut play = Play::new(stage, scenario);
    let mut steps = Vec::new();
    let mut outcome = Outcome::Passed;
    let breaks = scenario.steps.iter().any(|step| step.verb == "fault");
    if let Some(Err(cannot)) = breaks.then(|| stage.trial.hands.can_break()) {
        outcome = Outcome::from(Trouble::from(cannot));
    }
    let mut arranged = steps::Arranged::default();
    let taken = if outcome == Outcome::Passed { scenario.steps.len() } else { 0 };
    for (place, step) in scenario.steps.iter().enumerate().take(taken) {
        play.begin_step();
        let following = scenario.steps.get(place + 1..).unwrap_or_default();
        let ended = match arranged.is_arranged(place) {
            true => arranged.await_fault(place),
            // What breaks while a step goes on is arranged before it begins.
            false => arranged
                .arrange(&play, place, following)
                .and_then(|()| steps::carry_out(&mut play, step, &Settings::of(step))),
        };
        let (expected, happened) = play.end_step();
        outcome = ended.map_or_else(Outcome::from, |()| Outcome::Passed);
        let what = what(step);
        steps.push(StepReport { verb: step.verb.clone(), what, expected, happened, outcome: outcome.clone() });
        if outcome != Outcome::Passed {
            break;
        }
    }
    if breaks && taken > 0 {
        // Others come after this one; who cannot repair has broken nothing.
        if let Err(Cannot::Failed(reason)) = stage.trial.hands.heal(&Whom::All)
            && outcome == Outcome::Passed
        {
            outcome = Outcome::from(Trouble::from(Cannot::Failed(reason)));
        }
    }
    let mut evidence = play.into_evidence();
    if matches!(outcome, Outcome::Failed(_) | Outcome::Broken(_)) {
        evidence.trace = stage.trial.hands.trace(since);
    }
    evidence.took_milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    ScenarioReport { name: scenario.name.clone(), outcome, steps, evidence }
}

/// Returns a step in a line, without what was not written.
fn what(step: &Step) -> String {
    let mut words = step.arguments.clone();
    for (name, value) in &step.settings {
        let is_usual = matches!(
            (name.as_str(), value.as_str()),
            (_, "false") | ("name", "main") | ("times", "1") | ("status", "200") | ("body", "{}")
        );
        if !is_usual {
            words.push(format!("{name}={}", value.replace('\n', ",")));
        }
    }
    words.join(" ")
}
