//! Writes a layout in the one canonical way.

use super::layout::{Comment, Dash, Gap, Item, LaidNode, Piece};
use super::spelling;
use crate::read::MAX_BYTES;
use std::borrow::Cow;

/// Blanks of one level.
const INDENT: &str = "    ";

/// Returns a document in its canonical form.
pub(super) fn print(text: &str, items: &[Item<'_>]) -> String {
    let mut printer = Printer { text, out: String::with_capacity(text.len() + text.len() / 8), fresh: true };
    printer.items(items, 0);
    printer.out
}

struct Printer<'s> {
    text: &'s str,
    out: String,
    /// Whether only indentation stands on the line so far.
    fresh: bool,
}

impl Printer<'_> {
    fn items(&mut self, items: &[Item<'_>], depth: usize) {
        for (index, item) in items.iter().enumerate() {
            if self.out.len() > MAX_BYTES {
                // Nobody could read it; deep blocks grow most by their indentation.
                return;
            }
            if item.blank_before && index > 0 {
                self.out.push('\n');
            }
            self.indent(depth);
            for comment in &item.comments {
                self.blank();
                self.comment(comment);
            }
            if let Some(node) = &item.node {
                self.node(node, depth);
            }
            self.out.push('\n');
        }
    }

    fn node(&mut self, node: &LaidNode<'_>, depth: usize) {
        self.blank();
        self.dash(node.dash.as_ref(), depth);
        self.word(&spelling::name(self.text, node.kind));
        for part in &node.parts {
            let is_block = matches!(part.piece, Piece::Block { .. });
            self.gaps(&part.before, depth, !is_block);
            self.blank();
            self.dash(part.dash.as_ref(), depth);
            match &part.piece {
                Piece::Argument(token) => self.word(&spelling::value(self.text, *token)),
                Piece::Property { name, before, behind, value } => {
                    self.word(&spelling::name(self.text, *name));
                    self.gaps(before, depth, false);
                    if !before.is_empty() && super::layout::comments_of(before).next().is_some() {
                        self.blank();
                    }
                    self.word("=");
                    self.gaps(behind, depth, false);
                    if super::layout::comments_of(behind).next().is_some() {
                        self.blank();
                    }
                    self.word(&spelling::value(self.text, *value));
                }
                Piece::Block { opening, items } => self.block(opening, items, depth),
            }
        }
        self.trailing(&node.trailing, depth);
    }

    fn block(&mut self, opening: &[Comment<'_>], items: &[Item<'_>], depth: usize) {
        self.word("{");
        if opening.is_empty() && items.is_empty() {
            self.word("}");
            return;
        }
        for comment in opening {
            self.blank();
            self.comment(comment);
        }
        self.out.push('\n');
        self.items(items, depth + 1);
        self.indent(depth);
        self.word("}");
    }

    /// Writes the comments behind a node; those behind the first that ends its line get lines of their own.
    fn trailing(&mut self, comments: &[Comment<'_>], depth: usize) {
        for (index, comment) in comments.iter().enumerate() {
            self.blank();
            self.comment(comment);
            if comment.is_line() && index + 1 < comments.len() {
                self.out.push('\n');
                self.indent(depth);
            }
        }
    }

    fn dash(&mut self, dash: Option<&Dash<'_>>, depth: usize) {
        let Some(dash) = dash else { return };
        self.word("/-");
        for comment in &dash.comments {
            self.blank();
            self.comment(comment);
            if comment.is_line() {
                self.out.push('\n');
                self.indent(depth + 1);
            }
        }
        if !dash.comments.is_empty() {
            self.blank();
        }
    }

    /// Writes what stands between two parts; a line is only continued where `may_break`, or behind a comment that ends it.
    fn gaps(&mut self, gaps: &[Gap<'_>], depth: usize, may_break: bool) {
        let mut gaps = gaps.iter().peekable();
        while let Some(gap) = gaps.next() {
            match gap {
                Gap::Comment(comment) => {
                    self.blank();
                    if comment.is_line() {
                        self.word("\\ ");
                        self.comment(comment);
                        self.out.push('\n');
                        self.indent(depth + 1);
                    } else {
                        self.comment(comment);
                    }
                }
                Gap::Break if !may_break || self.fresh => {}
                Gap::Break => {
                    if !matches!(gaps.peek(), Some(Gap::Comment(comment)) if comment.is_line()) {
                        self.out.push_str(" \\\n");
                        self.indent(depth + 1);
                    }
                }
            }
        }
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str(INDENT);
        }
        self.fresh = true;
    }

    /// Parts what is written next from what stands before it on the line.
    fn blank(&mut self) {
        if !self.fresh {
            self.out.push(' ');
        }
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
        self.fresh = false;
    }

    fn comment(&mut self, comment: &Comment<'_>) {
        let text = match comment.is_line() {
            true => Cow::Borrowed(comment.text.trim_end_matches([' ', '\t'])),
            false => spelling::with_line_feeds(comment.text),
        };
        self.word(&text);
    }
}
