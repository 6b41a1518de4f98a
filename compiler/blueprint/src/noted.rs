//! What was agreed on and is no part of any file: prices, windows for work, what is promised.

use serde::{Deserialize, Serialize};

/// One value that was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Noted {
    /// What kind of thing it is said of: `contract`, `tier`, `site`, `domain`, …
    pub kind: String,
    /// The thing's name.
    pub name: String,
    /// What is said, with dots between the parts of its place.
    pub field: String,
    /// The value in its canonical spelling; of several all, sorted.
    pub value: String,
}
