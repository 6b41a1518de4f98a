//! Where rules tell what they find.

use std::collections::BTreeSet;

use spec::{FileId, Problem, Severity};

/// The problems found so far.
///
/// What would point at a hole is dropped: a value that nobody could write is the reader's problem and was told there.
#[derive(Debug, Default)]
pub struct Report {
    problems: Vec<Problem>,
    wanted: BTreeSet<FileId>,
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

    /// Asks for a whole file, since something that its outline left out may be wrong.
    ///
    /// What was found without it is not told: everything is checked again.
    pub fn want(&mut self, file: FileId) {
        self.wanted.insert(file);
    }

    /// Returns the files that are to be read whole.
    pub fn wanted(&self) -> &BTreeSet<FileId> {
        &self.wanted
    }

    /// Tells whether nothing was found and nothing more is wanted.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.wanted.is_empty()
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
