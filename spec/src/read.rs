//! Reading one file into a tree, whichever of the two syntaxes it is written in.

use crate::problem::{Problem, Related};
use crate::tree::{FileId, Node, Span};
use crate::{kdl, yaml};

/// Bytes a file may have; a larger one is refused unread.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Nodes a file may have.
pub const MAX_NODES: usize = 1_000_000;
/// Nodes, arguments and properties a file may have together, so that its tree takes no more than 256 MiB.
pub const MAX_ENTRIES: usize = 1_500_000;
/// Levels a file may nest; the top level is none.
pub const MAX_DEPTH: usize = 128;
/// Problems that are told of one file; reading stops behind them.
pub const MAX_PROBLEMS: usize = 1_000;

/// What was read from a file: as much of its tree as could be understood, and all that is wrong with its form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read<'s> {
    /// The top-level nodes in the order they were written.
    pub nodes: Vec<Node<'s>>,
    /// What is wrong, in the order of the places.
    pub problems: Vec<Problem>,
    /// Places that may not say any more what was meant, since they were repaired to read on; what is wrong with their
    /// values follows from problems that are told.
    pub damaged: Vec<Span>,
}

/// Reads a file in the syntax that its path's ending names: `.kdl`, `.yaml` or `.yml`.
pub fn read<'s>(file: FileId, path: &str, bytes: &'s [u8]) -> Read<'s> {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending);
    match ending {
        "kdl" => kdl::read(file, bytes),
        "yaml" | "yml" => yaml::read(file, bytes),
        _ => {
            let problem = Problem::error(
                "spec::unknown-syntax",
                Span { file, start: 0, end: 0 },
                "the file's name does not say which syntax it is written in",
            )
            .help("let the name end in `.kdl`, `.yaml` or `.yml`");
            Read { nodes: Vec::new(), problems: vec![problem], damaged: Vec::new() }
        }
    }
}

/// The codes under which a syntax tells what both syntaxes check.
pub(crate) struct Codes {
    pub(crate) too_large: &'static str,
    pub(crate) not_utf8: &'static str,
    pub(crate) too_many_problems: &'static str,
}

/// The problems of one file while it is read.
pub(crate) struct Findings {
    file: FileId,
    codes: Codes,
    problems: Vec<Problem>,
}

impl Findings {
    pub(crate) fn new(file: FileId, codes: Codes) -> Self {
        Self { file, codes, problems: Vec::new() }
    }

    /// Returns a span of this file; files are small enough for 32 bits.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        if !self.is_full() {
            self.problems.push(problem);
        }
    }

    /// Adds what others found in the same file.
    pub(crate) fn join(&mut self, other: Self) {
        other.problems.into_iter().for_each(|problem| self.add(problem));
    }

    /// Tells whether a problem of a code was told of a place.
    pub(crate) fn has(&self, start: u32, code: &str) -> bool {
        self.problems.iter().any(|problem| problem.span.start == start && problem.code == code)
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Says whether reading should stop, since nobody reads more problems than these.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Returns the problems in the order of their places.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        if self.is_full() {
            let span = self.problems.last().map_or(self.span(0, 0), |problem| problem.span);
            self.problems.push(
                Problem::error(
                    self.codes.too_many_problems,
                    span,
                    format!("the file has more than {MAX_PROBLEMS} problems, the others are not told"),
                )
                .help("correct these first and check again"),
            );
        }
        self.problems
    }

    /// Returns the file's text up to the line with the first bytes that are not UTF-8, and whether that is all of it.
    pub(crate) fn text<'s>(&mut self, bytes: &'s [u8]) -> Option<(&'s str, bool)> {
        if bytes.len() > MAX_BYTES {
            let problem = Problem::error(
                self.codes.too_large,
                self.span(0, 0),
                // Whoever reads files from a disk stops behind the limit, so that the whole length is not known here.
                format!("the file has more than the {MAX_BYTES} bytes that are read"),
            );
            self.add(problem.help("split the file; the order and number of files have no meaning"));
            return None;
        }
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Some((text, true)),
            Err(error) => error,
        };
        let wide = matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
        let valid = error.valid_up_to();
        let end = valid + error.error_len().unwrap_or(bytes.len() - valid);
        let mut problem = Problem::error(
            self.codes.not_utf8,
            self.span(valid, end),
            if wide { "the file is written in UTF-16" } else { "the file is not UTF-8 here" },
        )
        .label("reading stops at these bytes")
        .help("save the file as UTF-8");
        if error.error_len().is_none() {
            problem.related.push(Related {
                span: self.span(bytes.len(), bytes.len()),
                message: "the file ends within a character".to_owned(),
            });
        }
        self.add(problem);
        // Half a line may say something else than the whole one.
        let line =
            bytes.get(..valid).unwrap_or_default().iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = bytes.get(..line).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        Some((text, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_the_path_chooses_the_syntax() {
        let file = FileId(0);
        assert_eq!(read(file, "a/b.kdl", b"mailbox alice").nodes.len(), 1);
        for path in ["b.yaml", "a.kdl/b.yml"] {
            let read = read(file, path, b"mailbox: alice");
            assert_eq!(read.nodes.first().map(|node| node.kind.value.as_ref()), Some("mailbox"), "{path}");
        }
        for path in ["", "kdl", "a.kdl/b", "a.KDL", "a.json", "a.kdl.txt"] {
            let read = read(file, path, b"mailbox alice");
            assert_eq!(read.problems.first().map(|problem| problem.code), Some("spec::unknown-syntax"), "{path}");
            assert!(read.nodes.is_empty());
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_unread() {
        let bytes = vec![b' '; MAX_BYTES + 1];
        for path in ["a.kdl", "a.yaml"] {
            let read = read(FileId(3), path, &bytes);
            assert_eq!(read.problems.len(), 1);
            assert!(read.problems.iter().all(|problem| problem.code.ends_with("::too-large")));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_with_their_place_and_what_stands_before_them_is_kept() {
        for (path, before) in
            [("a.kdl", "mailbox alice\nmailbox bob\n"), ("a.yaml", "- mailbox: alice\n- mailbox: bob\n")]
        {
            let mut bytes = before.as_bytes().to_vec();
            bytes.extend(b"x\xFFy");
            let read = read(FileId(0), path, &bytes);
            assert_eq!(read.nodes.len(), 2, "{path}");
            assert_eq!(read.problems.len(), 1, "{path}: {:?}", read.problems);
            let at = before.len() as u32 + 1;
            assert!(read.problems.iter().all(|problem| (problem.span.start, problem.span.end) == (at, at + 1)));
        }
    }
}
