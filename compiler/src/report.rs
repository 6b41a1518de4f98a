//! Where rules tell what they find.

use spec::{Problem, Severity};

/// The problems found so far.
///
/// What would point at a hole is dropped: a value that nobody could write is the reader's problem and was told there.
#[derive(Debug, Default)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Tells a problem.
    pub fn tell(&mut self, mut problem: Problem) {
        if problem.span.is_hole() {
            return;
        }
        problem.related.retain(|related| !related.span.is_hole());
        self.problems.push(problem);
    }

    /// Tells whether anything found so far forbids to compile.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Returns the problems.
    pub fn finish(self) -> Vec<Problem> {
        self.problems
    }
}
