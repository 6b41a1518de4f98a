//! A tree together with its remarks, each beside the node that it is about.

use super::remarks::{Remark, line_before};
use crate::tree::Node;
use std::iter::Peekable;
use std::slice::Iter;

/// A line of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// An empty line stands before it.
    pub(super) blank_before: bool,
    /// Its text behind the mark of a comment.
    pub(super) text: String,
}

/// Nodes beside each other, and what is said below the last of them.
#[derive(Clone, Debug)]
pub(super) struct Page<'n, 's> {
    /// The nodes.
    pub(super) nodes: Vec<Noted<'n, 's>>,
    /// Comments behind the last one.
    pub(super) below: Vec<Line>,
}

/// A node with what is said about it.
#[derive(Clone, Debug)]
pub(super) struct Noted<'n, 's> {
    /// The node.
    pub(super) node: &'n Node<'s>,
    /// An empty line stands before it, behind what is said above it.
    pub(super) blank_before: bool,
    /// Comments above it.
    pub(super) above: Vec<Line>,
    /// A comment on its first line.
    pub(super) beside: Option<String>,
    /// Its children.
    pub(super) children: Page<'n, 's>,
}

impl Noted<'_, '_> {
    /// Tells whether nothing is said about the node or within it.
    pub(super) fn is_silent(&self) -> bool {
        self.above.is_empty()
            && self.beside.is_none()
            && self.children.below.is_empty()
            && self.children.nodes.iter().all(Noted::is_silent)
    }
}

/// Puts each remark to a node.
///
/// - `braces`: whether blocks end with a brace, and not where the indentation does.
pub(super) fn page<'n, 's>(text: &str, nodes: &'n [Node<'s>], remarks: &[Remark], braces: bool) -> Page<'n, 's> {
    let mut pager = Pager { text, braces, remarks: remarks.iter().peekable(), above: Vec::new() };
    let mut page = pager.nodes(nodes, text.len());
    while let Some(remark) = pager.remarks.next() {
        pager.lines(remark);
    }
    page.below.append(&mut pager.above);
    page
}

struct Pager<'t> {
    text: &'t str,
    braces: bool,
    remarks: Peekable<Iter<'t, Remark>>,
    /// What was said since the last node.
    above: Vec<Line>,
}

impl<'t> Pager<'t> {
    /// Takes the next remark if it is as asked.
    fn next_if(&mut self, asked: impl Fn(&Remark) -> bool) -> Option<&'t Remark> {
        self.remarks.next_if(|remark| asked(remark))
    }

    /// Notes a remark as lines of their own.
    fn lines(&mut self, remark: &Remark) {
        let blank_before = self.is_blank_before(remark.start);
        for (index, text) in remark.lines.iter().enumerate() {
            self.above.push(Line { blank_before: blank_before && index == 0, text: text.clone() });
        }
    }

    /// Tells whether an empty line stands before a place.
    fn is_blank_before(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        let before = before.trim_end_matches([' ', '\t']);
        let before = if self.braces { before } else { before.strip_suffix('-').unwrap_or(before) };
        let blanks = before.get(before.trim_end().len()..).unwrap_or_default();
        blanks.matches('\n').count() > 1
    }

    /// Puts remarks to nodes beside each other; `limit` is where the next node behind them starts.
    fn nodes<'n, 's>(&mut self, nodes: &'n [Node<'s>], limit: usize) -> Page<'n, 's> {
        let mut noted = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let limit = nodes.get(index + 1).map_or(limit, |next| next.span.start as usize);
            noted.push(self.node(node, limit));
        }
        Page { nodes: noted, below: Vec::new() }
    }

    fn node<'n, 's>(&mut self, node: &'n Node<'s>, limit: usize) -> Noted<'n, 's> {
        let (start, end) = (node.span.start as usize, node.span.end as usize);
        while let Some(remark) = self.next_if(|remark| remark.start < start) {
            self.lines(remark);
        }
        let blank_before = self.is_blank_before(start);
        let mut above = std::mem::take(&mut self.above);
        let mut beside: Vec<&Remark> = Vec::new();
        // What stands in the head.
        let head_end = node.children.first().map_or(end, |child| child.span.start as usize);
        let childless = node.children.is_empty();
        while let Some(remark) = self.next_if(|remark| remark.start < head_end && (childless || !remark.alone)) {
            beside.push(remark);
        }
        let children = self.children(node, limit);
        // What stands behind it on its line.
        let (text, mut last) = (self.text, end);
        while let Some(remark) = self.next_if(|remark| !remark.alone && is_behind(text, last, remark.start)) {
            last = remark.end.max(last);
            beside.push(remark);
        }
        let last_line = beside.pop_if(|remark| !remark.alone && remark.lines.len() == 1);
        for remark in beside {
            self.lines(remark);
        }
        above.append(&mut self.above);
        let beside = last_line.and_then(|remark| remark.lines.first().cloned());
        Noted { node, blank_before, above, beside, children }
    }

    fn children<'n, 's>(&mut self, node: &'n Node<'s>, limit: usize) -> Page<'n, 's> {
        let Some(first) = node.children.first() else { return Page { nodes: Vec::new(), below: Vec::new() } };
        let end = node.span.end as usize;
        let mut page = self.nodes(&node.children, if self.braces { end } else { limit });
        let (text, braces) = (self.text, self.braces);
        let column = block_column(text, first.span.start as usize);
        while let Some(remark) = self.next_if(|remark| {
            let indented = || column.is_some_and(|column| line_before(text, remark.start).len() >= column);
            remark.start < end || (!braces && remark.alone && remark.start < limit && indented())
        }) {
            self.lines(remark);
        }
        page.below = std::mem::take(&mut self.above);
        page
    }
}

/// Returns how far the block is indented whose first node starts at a place, where it starts on a line of its own.
fn block_column(text: &str, at: usize) -> Option<usize> {
    let before = line_before(text, at);
    let indent = before.len() - before.trim_start_matches(' ').len();
    before.trim_matches([' ', '-']).is_empty().then_some(indent)
}

/// Tells whether what starts at `start` stands on the line on which something ended before it, and within the same braces.
fn is_behind(text: &str, end: usize, start: usize) -> bool {
    text.get(end..start).is_some_and(|between| !between.contains(['\n', '\r', '}']))
}
