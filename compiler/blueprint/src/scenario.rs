//! What is tried in an environment, as plain data that names no backend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A scenario: steps in the order they are carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name, as people read it.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The verb: `send`, `expect`, `fault`, …
    pub verb: String,
    /// Its arguments in canonical spelling.
    pub arguments: Vec<String>,
    /// Its settings in canonical spelling; several values of one setting stand on lines of their own.
    pub settings: BTreeMap<String, String>,
}
