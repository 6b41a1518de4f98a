//! Which problems of a specification are those of one reseller's new revision.

use std::collections::BTreeSet;

use spec::{Problem, Severity, Sources, Span, Trust};

use crate::pins::Declared;

/// A problem, told apart without the order that files happen to have.
type Mark = (String, u32, u32, &'static str, String);

/// The specification without the reseller, and what is wrong with it.
pub(super) struct Judge {
    known: BTreeSet<Mark>,
    operators: Vec<Problem>,
}

fn mark(sources: &Sources, problem: &Problem) -> Mark {
    let path = sources.file(problem.span.file).map_or("", |file| file.path.as_str());
    (path.to_owned(), problem.span.start, problem.span.end, problem.code, problem.message.clone())
}

impl Judge {
    /// Looks at the specification without the reseller.
    pub(super) fn new(without: &Sources) -> Self {
        let found = compiler::check_all(without);
        let known = found.iter().map(|problem| mark(without, problem)).collect();
        // Of form only: what else is wrong may be so for want of the reseller.
        let operators = spec::parse(without)
            .problems
            .into_iter()
            .filter(|problem| {
                let trust = without.file(problem.span.file).map(|file| &file.trust);
                // What a pin lacks is another reseller's matter.
                problem.severity == Severity::Error
                    && trust == Some(&Trust::Operator)
                    && !problem.code.starts_with("lock::")
            })
            .collect();
        Self { known, operators }
    }

    /// Returns the errors of the operator's own files, where they have some: nothing can be judged against them.
    pub(super) fn operators_fault(&self) -> Option<&[Problem]> {
        (!self.operators.is_empty()).then_some(self.operators.as_slice())
    }

    /// Returns what is wrong with the specification since the reseller's files are in it.
    pub(super) fn new_in(&self, with: &Sources, reseller: &Declared) -> Vec<Problem> {
        let folder = reseller.folder();
        let mut found = compiler::check_all(with);
        found.retain(|problem| {
            let path = with.file(problem.span.file).map_or("", |file| file.path.as_str());
            // That nothing is pinned is told of every reseller whose turn has not come.
            !problem.code.starts_with("lock::")
                && (path.starts_with(&folder) || !self.known.contains(&mark(with, problem)))
        });
        found
    }

    /// Tells of a revision without any text.
    pub(super) fn nothing_there(&self, with: &Sources, reseller: &Declared) -> Problem {
        let (file, start, end) = reseller.place(with);
        let message = format!("the newest revision of {} holds no specification", reseller.name);
        Problem::error("lock::nothing-there", Span { file, start, end }, message)
            .label("the branch is there, and has no .kdl or .yaml file that can be read")
            .help(format!("let {} put its files at the top of the repository, not links to them", reseller.name))
    }
}
