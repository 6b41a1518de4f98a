//! What is said about a broken place, and what is taken for meant there.
//!
//! Each function here tells one problem with the text that repairs it; the parser decides where it reads on.

use super::lexer::{Quotes, Token};
use super::parser::Parser;
use super::strings::{Fault, FaultKind};
use super::words::{self, excerpt, quote};
use crate::problem::Problem;
use crate::tree::Scalar;
use std::borrow::Cow;

impl<'s> Parser<'s> {
    /// Tells a problem at a place of the source.
    pub(super) fn problem(
        &mut self,
        code: &'static str,
        start: usize,
        end: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::error(code, self.findings.span(start, end), message).help(help);
        self.findings.add(problem);
    }

    /// Tells that a keyword lacks its `#` and returns what it says with it.
    pub(super) fn bare_keyword(&mut self, word: &'s str, start: usize) -> Scalar<'s> {
        let (keyword, scalar) = words::with_hash(word).unwrap_or(("#null", Scalar::Null));
        self.problem(
            "kdl::bare-keyword",
            start,
            start + word.len(),
            format!("`{word}` needs a `#` to be a value and quotes to be a text"),
            format!("write `{keyword}`, or `{}` for the text", quote(word)),
        );
        scalar
    }

    /// Tells that a word cannot stand without quotes and takes it as the text it spells.
    pub(super) fn unquoted(&mut self, word: &'s str, start: usize) -> Cow<'s, str> {
        let end = start + word.len();
        let excerpt = excerpt(word);
        match word.as_bytes() {
            [b'/', ..] if word.len() == 1 => self.problem(
                "kdl::unquoted",
                start,
                end,
                "`/` means nothing here",
                "write `//` in front of a comment, `/-` in front of what is taken out, or `\"/\"` for the text",
            ),
            _ => self.problem(
                "kdl::unquoted",
                start,
                end,
                format!("`{excerpt}` has characters that only stand in quotes"),
                format!("put it in quotes: `{}`", quote(word)),
            ),
        }
        Cow::Borrowed(word)
    }

    /// Tells that a word starts as a number and is none, and takes it as a text.
    pub(super) fn almost_number(&mut self, word: &'s str, start: usize) -> Cow<'s, str> {
        self.problem(
            "kdl::malformed-number",
            start,
            start + word.len(),
            format!("`{}` starts like a number but is none", excerpt(word)),
            words::almost_number_help(word),
        );
        Cow::Borrowed(word)
    }

    /// Tells that a keyword is not known and takes it as the text that it spells.
    pub(super) fn unknown_keyword(&mut self, text: &'s str, start: usize) -> Cow<'s, str> {
        let help = match words::nearest_keyword(text) {
            Some(keyword) => format!("write `{keyword}`"),
            None => format!("put it in quotes if it is a text: `{}`", quote(text)),
        };
        self.problem(
            "kdl::unknown-keyword",
            start,
            start + text.len(),
            format!("`{}` is not one of `#true`, `#false`, `#null`, `#inf`, `#-inf` and `#nan`", excerpt(text)),
            help,
        );
        Cow::Borrowed(text)
    }

    /// Tells that a string is not closed.
    /// Skips a line that belongs to no specification: a mark that a merge left, or a remark as other languages write it.
    pub(super) fn foreign_line(&mut self, token: Token) -> bool {
        let line = self.text.get(token.start..).unwrap_or_default().lines().next().unwrap_or_default();
        let is_mark = ["<<<<<<<", "|||||||", ">>>>>>>"]
            .iter()
            .any(|mark| line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
            || line.trim_end() == "=======";
        if is_mark {
            let help =
                "keep one of the two sides and remove the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`";
            let message = "a merge left its mark here";
            self.problem("kdl::merge-mark", token.start, token.start + 7, message, help);
        } else if line.starts_with("# ") || line == "#" {
            let message = "a remark does not begin with `#`";
            self.problem("kdl::stray-character", token.start, token.start + 1, message, "write `//` in its place");
        } else {
            return false;
        }
        while !matches!(self.kind(), None | Some(super::lexer::TokenKind::Newline)) {
            self.advance();
        }
        true
    }

    pub(super) fn unclosed_string(&mut self, token: Token, quotes: Quotes, opening: usize) {
        let closing = match quotes {
            Quotes::Single => "\"".to_owned(),
            Quotes::Triple => "\"\"\"".to_owned(),
            Quotes::RawSingle => format!("\"{}", "#".repeat((opening - 1).min(20))),
            Quotes::RawTriple => format!("\"\"\"{}", "#".repeat((opening - 3).min(20))),
        };
        let line = matches!(quotes, Quotes::Single | Quotes::RawSingle);
        if line && token.text(self.text).contains('\n') {
            let last = token.text(self.text).chars().next_back().map_or(token.end, |last| token.end - last.len_utf8());
            let problem = Problem::error(
                "kdl::multi-line-string",
                self.findings.span(token.start, token.start + opening),
                "the string goes over several lines",
            )
            .label("it starts here")
            .help("write it on one line; what is meant to have several lines stands in three quotes")
            .related(self.findings.span(last, token.end), "it ends here");
            self.findings.add(problem);
            return;
        }
        let behind = self.text.get(token.end..).unwrap_or_default();
        if line && behind.starts_with([' ', ';', '}']) {
            let next = match behind.trim_start_matches(' ') {
                rest if rest.starts_with('{') => "block",
                rest if rest.starts_with(['}', ';']) => "brace",
                rest if rest.starts_with('"') => "value",
                _ => "property",
            };
            let end = self.text.get(token.start + opening..token.end).unwrap_or_default();
            let end = words::quote(end.rsplit(' ').next().unwrap_or_default());
            let problem = Problem::error(
                "kdl::unclosed-string",
                self.findings.span(token.start, token.start + opening),
                format!("the string is not closed before the next {next}"),
            )
            .label("it starts here")
            .help(format!("write `{closing}` behind `{}`", end.trim_matches('"')))
            .related(self.findings.span(token.end, token.end), "here it should end");
            self.findings.add(problem);
            return;
        }
        let (message, help) = if line {
            (
                "the string is not closed on its line".to_owned(),
                format!("write `{closing}` where it ends; a string over several lines stands in three quotes"),
            )
        } else {
            ("the string is not closed".to_owned(), format!("write `{closing}` on a line of its own behind it"))
        };
        let problem =
            Problem::error("kdl::unclosed-string", self.findings.span(token.start, token.start + opening), message)
                .label("it starts here")
                .help(help)
                .related(
                    self.findings.span(token.end, token.end),
                    if line { "the line ends here" } else { "the file ends here" },
                );
        self.findings.add(problem);
    }

    /// Tells what is wrong within a string.
    pub(super) fn string_fault(&mut self, fault: &Fault) {
        let text: &'s str = self.text.get(fault.start..fault.end).unwrap_or_default();
        let excerpt = excerpt(text);
        let (code, message, help) = match fault.kind {
            FaultKind::UnknownEscape => (
                "kdl::unknown-escape",
                format!("`{excerpt}` is not an escape"),
                format!("write `\\{excerpt}` for a backslash, or take it away"),
            ),
            FaultKind::MalformedUnicodeEscape => (
                "kdl::malformed-escape",
                format!("`{excerpt}` is not an escape of a character"),
                "write one to six hexadecimal digits in braces, such as `\\u{e9}`, or `\\\\u` for a backslash and a u"
                    .to_owned(),
            ),
            FaultKind::NotACharacter => (
                "kdl::malformed-escape",
                format!("`{excerpt}` is not a character"),
                "write a code point up to 10FFFF that is no surrogate (D800 to DFFF)".to_owned(),
            ),
            FaultKind::TextBehindOpening => (
                "kdl::multi-line-string",
                "a string in three quotes starts on the next line".to_owned(),
                "break the line behind the opening quotes, or use one quote at each end".to_owned(),
            ),
            FaultKind::TextBeforeClosing => (
                "kdl::multi-line-string",
                "the closing `\"\"\"` has to stand on a line of its own".to_owned(),
                "break the line in front of the closing quotes".to_owned(),
            ),
            FaultKind::Indentation => (
                "kdl::indentation",
                "the line does not start with the same blanks as the closing `\"\"\"`".to_owned(),
                "indent it as far as the closing quotes, with the same blanks or tabs".to_owned(),
            ),
            FaultKind::LooksTriple => (
                "kdl::multi-line-string",
                "one quote in raw quotes looks like three quotes".to_owned(),
                "write `\"\\\"\"`".to_owned(),
            ),
        };
        self.problem(code, fault.start, fault.end, message, help);
    }

    /// Tells that blocks are still open where the file ends.
    pub(super) fn unclosed_blocks(&mut self) {
        let end = self.text.len();
        let count = self.blocks.len();
        let message = match count {
            1 => "a block is not closed".to_owned(),
            _ => format!("{count} blocks are not closed"),
        };
        let mut problem = Problem::error("kdl::unclosed-block", self.findings.span(end, end), message)
            .label("the file ends here")
            .help(format!(
                "write {} where {} block ends",
                if count == 1 { "`}`" } else { "a `}`" },
                if count == 1 { "the" } else { "each" }
            ));
        if let Some((open, close)) = self.suspect {
            problem = problem
                .related(self.findings.span(open, open + 1), "this is probably the block that lacks its `}`")
                .related(
                    self.findings.span(close, close + 1),
                    "because this `}` stands further left than the line that it closes",
                );
        }
        let shown: Vec<usize> = self.blocks.iter().rev().take(8).map(|block| block.open).collect();
        for open in shown {
            // One whose `{` is missing begins behind its node.
            let end = open + usize::from(self.text.as_bytes().get(open) == Some(&b'{'));
            problem = problem.related(self.findings.span(open, end), "this block is still open");
        }
        self.findings.add(problem);
    }
}
