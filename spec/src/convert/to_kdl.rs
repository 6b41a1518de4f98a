//! Writes a tree that was read from YAML as KDL; `format` lays it out.
//!
//! Settings that stand on one line in YAML, belong to a step of a scenario, or to a kind that holds nothing else, become
//! properties, the rest children.

use super::page::{self, Noted, Page};
use super::remarks::NEWLINES;
use super::schema::{Known, holds_settings, known};
use super::spelling;
use crate::kdl::is_number;
use crate::tree::{Scalar, Spanned};
use std::collections::BTreeSet;

/// Returns a page as KDL.
///
/// - `text`: the YAML that the page was read from.
pub(super) fn write(text: &str, page: &Page<'_, '_>) -> String {
    let mut writer = Writer { text, out: String::new() };
    writer.page(page, Known::Root, 0, false);
    writer.out
}

/// Characters on a line, behind which it is continued on the next.
const WIDTH: usize = 118;
/// Blanks of one level, once the text is laid out.
const INDENT: usize = 4;

/// The line that is being written: where it starts, how far it will be indented, and how far the one that continues it.
struct Line {
    start: usize,
    indent: usize,
    deeper: usize,
}

struct Writer<'t> {
    text: &'t str,
    out: String,
}

impl Writer<'_> {
    /// Writes nodes beside each other; `steps` says that they are the steps of a scenario.
    fn page(&mut self, page: &Page<'_, '_>, around: Known, depth: usize, steps: bool) {
        for noted in &page.nodes {
            self.lines(&noted.above);
            if noted.blank_before {
                self.out.push('\n');
            }
            self.node(noted, known(around, &noted.node.kind.value), depth, steps);
        }
        self.lines(&page.below);
    }

    fn node(&mut self, noted: &Noted<'_, '_>, here: Known, depth: usize, step: bool) {
        let node = noted.node;
        let mut line = Line { start: self.out.len(), indent: INDENT * depth, deeper: INDENT * (depth + 1) };
        self.out.push_str(&spelling::kdl_name(&node.kind.value));
        let switched_on = matches!(node.arguments.as_slice(), [Spanned { value: Scalar::Flag(true), .. }]);
        if !(here == Known::Flag && switched_on && node.children.is_empty()) {
            for argument in &node.arguments {
                let part = self.value(argument);
                self.part(&mut line, &part);
            }
        }
        if self.are_properties(noted, here, step) {
            for child in &node.children {
                if let [value] = child.arguments.as_slice() {
                    let part = format!("{}={}", spelling::kdl_name(&child.kind.value), self.value(value));
                    self.part(&mut line, &part);
                }
            }
            self.beside(noted);
        } else if !node.children.is_empty() || !noted.children.below.is_empty() {
            self.out.push_str(" {");
            self.beside(noted);
            self.page(&noted.children, here, depth + 1, node.kind.value == "scenario");
            self.out.push_str("}\n");
        } else {
            self.beside(noted);
        }
    }

    /// Writes a part of a node, on a new line where it would end too far to the right.
    fn part(&mut self, line: &mut Line, part: &str) {
        let width = line.indent + self.out.len() - line.start + 1 + part.chars().count();
        if width > WIDTH {
            self.out.push_str(" \\\n");
            *line = Line { start: self.out.len(), indent: line.deeper, ..*line };
        } else {
            self.out.push(' ');
        }
        self.out.push_str(part);
    }

    fn are_properties(&self, noted: &Noted<'_, '_>, here: Known, step: bool) -> bool {
        let (node, children) = (noted.node, &noted.children);
        let Some(first) = node.children.first() else { return false };
        let simple = |noted: &Noted<'_, '_>| {
            noted.is_silent() && noted.node.children.is_empty() && noted.node.arguments.len() == 1
        };
        let names: BTreeSet<&str> = node.children.iter().map(|child| child.kind.value.as_ref()).collect();
        if names.len() < node.children.len() || !children.below.is_empty() || !children.nodes.iter().all(simple) {
            return false;
        }
        let before = self.text.get(node.kind.span.end as usize..first.kind.span.start as usize).unwrap_or_default();
        let before = before.trim_end_matches(['"', '\'']).trim_end();
        step || before.ends_with(['{', ',']) || holds_settings(here)
    }

    fn value(&self, scalar: &Spanned<Scalar<'_>>) -> String {
        let source = self.text.get(scalar.span.start as usize..scalar.span.end as usize).unwrap_or_default();
        match &scalar.value {
            Scalar::Text(text) if source == text.as_ref() && is_number(text) && !self.is_title(scalar) => {
                text.to_string()
            }
            Scalar::Text(text) => spelling::kdl_text(text),
            Scalar::Number(number) => number.to_string(),
            Scalar::Flag(flag) => format!("#{flag}"),
            Scalar::Null => "#null".to_owned(),
        }
    }

    /// Tells whether a value stands in a key, where all values are texts.
    fn is_title(&self, scalar: &Spanned<Scalar<'_>>) -> bool {
        let behind = self.text.get(scalar.span.end as usize..).unwrap_or_default();
        let behind = behind.trim_start_matches(['"', '\'', ' ', '\t']);
        behind.starts_with(':')
    }

    fn beside(&mut self, noted: &Noted<'_, '_>) {
        if let Some(text) = &noted.beside {
            self.out.push_str(" //");
            self.out.push_str(&text.replace(NEWLINES, " "));
        }
        self.out.push('\n');
    }

    fn lines(&mut self, lines: &[page::Line]) {
        for line in lines {
            if line.blank_before {
                self.out.push('\n');
            }
            self.out.push_str("//");
            self.out.push_str(&line.text.replace(NEWLINES, " "));
            self.out.push('\n');
        }
    }
}
