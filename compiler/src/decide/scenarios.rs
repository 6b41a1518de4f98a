//! Scenarios as plain data, sorted by title; their steps keep their order.

use blueprint::Scenario;
use blueprint::scenario::Step;

use crate::resolve::Model;

/// Returns the scenarios of a repository.
pub fn scenarios(model: &Model<'_>) -> Vec<Scenario> {
    model
        .scenarios
        .values()
        .map(|spec| Scenario {
            name: spec.title.value.to_string(),
            steps: spec
                .steps
                .iter()
                .map(|step| {
                    let (arguments, settings) = step.plain();
                    let settings =
                        settings.into_iter().map(|(name, values)| (name.to_owned(), values.join("\n"))).collect();
                    Step { verb: step.name().to_owned(), arguments, settings }
                })
                .collect(),
        })
        .collect()
}
