//! Braces as the indentation means them, for a file in which one is missing or too many.
//!
//! Taken as they stand, the braces behind such a slip close other blocks than they were meant to, and everything there seems to be in
//! the wrong place. People indent by what they mean, so the file is read again: what does not agree with its indentation is
//! told at its place.

use super::lexer::{Token, TokenKind};
use super::parser::{Block, Parser, Step};
use crate::problem::Problem;

/// What decides where a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Braces {
    /// The braces alone.
    AsWritten,
    /// The braces, where they agree with the indentation.
    Indented,
}

/// The codes that tell of braces that do not fit together.
const CODES: [&str; 4] = ["kdl::unclosed-block", "kdl::stray-brace", "kdl::missing-brace", "kdl::unclosed-comment"];

/// Problems that reading by indentation may tell more: each slip at its place, where the braces alone tell of some at the end.
pub(super) const MOST_MORE: usize = 3;

/// Tells whether braces are missing or too many.
pub(super) fn are_unbalanced(problems: &[Problem]) -> bool {
    problems.iter().any(is_about_braces)
}

/// Tells whether a problem is that of a brace.
pub(super) fn is_about_braces(problem: &Problem) -> bool {
    CODES.contains(&problem.code)
}

impl<'s> Parser<'s> {
    /// Does what the indentation asks for in front of a node or a `}`; returns `None` where that is nothing.
    pub(super) fn by_indentation(&mut self, token: Token) -> Option<Step<'s>> {
        if self.braces == Braces::AsWritten {
            return None;
        }
        let is_close = token.kind == TokenKind::CloseBrace;
        let Some(block) = self.blocks.last() else { return self.opened_by_indentation(token) };
        let same_line = block.line == self.line;
        let (open, indent) = (block.open, block.indent);
        if same_line {
            return None;
        }
        if !self.fresh {
            // Other lines than the block's own are not closed in passing.
            return is_close.then(|| self.brace_too_many(token));
        }
        match is_close {
            true if self.indent > indent => Some(self.brace_too_many(token)),
            true if self.indent == indent => None,
            false if self.indent > indent => self.opened_by_indentation(token),
            _ => {
                self.unclosed_block(open, token);
                self.end_block(token.start);
                Some(Step::Between)
            }
        }
    }

    fn brace_too_many(&mut self, token: Token) -> Step<'s> {
        let help = "remove it, or write the `{` that it belongs to";
        self.problem("kdl::stray-brace", token.start, token.end, "this `}` is one too many", help);
        self.advance();
        Step::Between
    }

    fn unclosed_block(&mut self, open: usize, token: Token) {
        let line = self.text.get(open..token.start).map_or(0, |text| text.matches('\n').count());
        let help = match line {
            0 | 1 => "write `}` at the end of the line",
            _ => "write `}` on a line of its own behind what belongs to it",
        };
        let end = open + usize::from(self.text.as_bytes().get(open) == Some(&b'{'));
        let problem = Problem::error("kdl::unclosed-block", self.findings.span(open, end), "this block is not closed")
            .label("it begins here")
            .help(help)
            .related(self.findings.span(token.start, token.end), "this stands outside of it by its indentation");
        self.findings.add(problem);
    }

    /// Ends the innermost block, and the node that it belongs to.
    fn end_block(&mut self, end: usize) {
        if let Some(block) = self.blocks.pop() {
            let owner = self.adopt(block, end);
            self.finish(owner);
        }
    }

    /// Opens a block for what is indented below a node that has none.
    fn opened_by_indentation(&mut self, token: Token) -> Option<Step<'s>> {
        if !self.fresh || token.kind == TokenKind::CloseBrace {
            return None;
        }
        let first = self.nodes.first()?;
        let last = self.nodes.last()?;
        let column = |at: u32| {
            let before = self.text.get(..at as usize).unwrap_or_default();
            let line = before.rfind('\n').map_or(before, |newline| before.get(newline + 1..).unwrap_or_default());
            line.chars().all(|it| matches!(it, ' ' | '\t')).then_some(line.len())
        };
        let sibling = column(first.span.start)?;
        if self.indent <= sibling || column(last.span.start)? != sibling || !last.children.is_empty() {
            return None;
        }
        let end = last.span.end as usize;
        let between = self.text.get(end..token.start).unwrap_or_default();
        if between.contains(['}', '{', '\\']) {
            return None;
        }
        let problem = Problem::error("kdl::missing-brace", self.findings.span(end, end), "no block begins here")
            .label("the `{` is missing")
            .help("write ` {` here")
            .related(self.findings.span(token.start, token.end), "this stands in a block by its indentation");
        self.findings.add(problem);
        let line = self.line.saturating_sub(between.matches('\n').count());
        let owner = self.reopened(sibling, end, line)?;
        self.blocks.push(owner);
        Some(Step::Between)
    }

    /// Makes the last node one whose block is being read.
    fn reopened(&mut self, indent: usize, open: usize, line: usize) -> Option<Block<'s>> {
        let node = self.nodes.pop()?;
        let before = std::mem::take(&mut self.nodes);
        Some(Block::of(node, before, open, indent, line))
    }
}
