//! Tree to Spec: walks a tree along the language's tables, collects every problem, and lowers what it can.
//!
//! Nothing stops it. Where a required value is missing or wrong, one problem says so and a hole stands in its place, so that
//! all else is still checked and nothing that refers to the broken thing is blamed for it.

mod document;
mod field;
mod matched;
mod misplaced;
mod nearest;
mod scalar;
#[cfg(test)]
mod tests;

pub(crate) use document::document;
pub(crate) use field::take_either;
pub(crate) use matched::Matched;
pub(crate) use nearest::nearest;

use crate::language::{Kind, Place};
use crate::problem::Problem;
use crate::read::MAX_PROBLEMS;

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

    pub(crate) fn report(&mut self, mut problem: Problem) {
        // What a help names in place of a wrong value is looked at, too, and one problem at its place is enough.
        let is_told = |told: &Problem| told.code == "spec::wrong-value" && told.span == problem.span;
        if !self.is_full() && !problem.span.is_hole() && !self.problems.iter().any(is_told) {
            problem.related.retain(|other| !other.span.is_hole());
            self.problems.push(problem);
        }
    }

    /// Says whether more problems would not be kept, so that nobody needs to look for what was meant.
    pub(crate) fn is_full(&self) -> bool {
        self.quiet || self.problems.len() >= MAX_PROBLEMS
    }

    /// Runs something that reports nothing, since what it would say has been said.
    pub(crate) fn quietly<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.quiet, true);
        let result = run(self);
        self.quiet = before;
        result
    }

    /// Returns the problems; where there are too many, the last says so.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if let Some(last) = self.problems.last().filter(|_| self.problems.len() >= MAX_PROBLEMS) {
            let message = format!("this file has more than {MAX_PROBLEMS} problems, the others are not told");
            let problem = Problem::error("spec::too-many-problems", last.span, message);
            self.problems.push(problem.help("correct these first and check again"));
        }
        self.problems
    }

    /// Returns a setting as the file's syntax writes it, `value` being written for KDL.
    pub(crate) fn setting(&self, name: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Kdl => format!("`{name}={value}`"),
            Syntax::Yaml => format!("`{name}: {}`", value.trim_start_matches('#')),
        }
    }

    /// Returns a setting that takes the place of a value, as the file's syntax writes it where nothing else is said of the node.
    pub(crate) fn only_setting(&self, name: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Kdl => self.setting(name, value),
            Syntax::Yaml => format!("`{{ {name}: {} }}`", value.trim_start_matches('#')),
        }
    }

    /// Returns a setting written as a child, as the file's syntax writes it.
    pub(crate) fn setting_child(&self, name: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Kdl => format!("`{name} {value}`"),
            Syntax::Yaml => self.setting(name, value),
        }
    }

    /// Returns a node of a kind with all values it cannot be without, or only its arguments, as the file's syntax writes it.
    pub(crate) fn example(&self, name: &str, kind: &Kind, what: Example) -> String {
        let mut head = name.to_owned();
        let mut settings = Vec::new();
        for (field, of) in kind.required_values() {
            match (field.place, self.syntax) {
                (Place::Argument | Place::Arguments, Syntax::Kdl) => head += &format!(" {}", of.written(field.example)),
                (Place::Argument | Place::Arguments, Syntax::Yaml) => head += &format!(" {}", field.example),
                (Place::Named | Place::Either, Syntax::Kdl) => {
                    settings.push(format!("{}={}", field.name, of.written(field.example)));
                }
                (Place::Named | Place::Either, Syntax::Yaml) => {
                    settings.push(format!("{}: {}", field.name, of.written(field.example)));
                }
            }
        }
        if what == Example::Arguments {
            settings.clear();
        }
        match self.syntax {
            Syntax::Kdl => format!("`{}`", [vec![head], settings].concat().join(" ")),
            Syntax::Yaml if settings.is_empty() => format!("`{head}:`"),
            Syntax::Yaml => format!("`{head}: {{ {} }}`", settings.join(", ")),
        }
    }
}

/// How much of a node an example shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Example {
    /// Its kind and arguments.
    Arguments,
    /// All that it cannot be without.
    Whole,
}

/// Puts the indefinite article before a type's name.
fn a(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}
