//! Tree to Spec: walks a tree along the language's tables, collects every problem, and lowers what it can.
//!
//! Nothing stops it. Where a required value is missing or wrong, one problem says so and a hole stands in its place, so that
//! all else is still checked and nothing that refers to the broken thing is blamed for it.

mod document;
mod field;
mod matched;
mod nearest;
mod scalar;

pub(crate) use document::document;
pub(crate) use field::take_either;
pub(crate) use matched::Matched;
pub(crate) use nearest::nearest;

use crate::problem::Problem;

/// The syntax a file is written in, for messages that show what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Kdl,
    Yaml,
}

/// The problems of one file, while it is decoded.
pub(crate) struct Decoder {
    syntax: Syntax,
    problems: Vec<Problem>,
    quiet: bool,
}

impl Decoder {
    pub(crate) fn new(syntax: Syntax) -> Self {
        Self { syntax, problems: Vec::new(), quiet: false }
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        if !self.quiet && !problem.span.is_hole() {
            self.problems.push(problem);
        }
    }

    /// Runs something that reports nothing, since what it would say has been said.
    pub(crate) fn quietly<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.quiet, true);
        let result = run(self);
        self.quiet = before;
        result
    }

    pub(crate) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Returns a setting as the file's syntax writes it, `value` being written for KDL.
    fn setting(&self, name: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Kdl => format!("`{name}={value}`"),
            Syntax::Yaml => format!("`{name}: {}`", value.trim_start_matches('#')),
        }
    }

    /// Returns a node's head, written for KDL, as the file's syntax writes it.
    fn head(&self, head: &str) -> String {
        match self.syntax {
            Syntax::Kdl => format!("`{head}`"),
            Syntax::Yaml => match head.split_once(' ') {
                Some((name, rest)) => format!("`{name} {}:`", rest.trim_matches('"')),
                None => format!("`{head}:`"),
            },
        }
    }
}
