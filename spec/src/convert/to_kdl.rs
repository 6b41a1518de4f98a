//! Writes a tree that was read from YAML as KDL; `format` lays it out.
//!
//! Settings that stand on one line in YAML, or belong to a kind that holds nothing else, become properties, the rest children.

use super::page::{Line, Noted, Page};
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
    writer.page(page, Known::Root);
    writer.out
}

struct Writer<'t> {
    text: &'t str,
    out: String,
}

impl Writer<'_> {
    fn page(&mut self, page: &Page<'_, '_>, around: Known) {
        for noted in &page.nodes {
            self.lines(&noted.above);
            if noted.blank_before {
                self.out.push('\n');
            }
            self.node(noted, known(around, &noted.node.kind.value));
        }
        self.lines(&page.below);
    }

    fn node(&mut self, noted: &Noted<'_, '_>, here: Known) {
        let node = noted.node;
        self.out.push_str(&spelling::kdl_name(&node.kind.value));
        let switched_on = matches!(node.arguments.as_slice(), [Spanned { value: Scalar::Flag(true), .. }]);
        if !(here == Known::Flag && switched_on && node.children.is_empty()) {
            for argument in &node.arguments {
                self.out.push(' ');
                self.value(argument);
            }
        }
        if self.are_properties(noted, here) {
            for child in &node.children {
                self.out.push(' ');
                self.out.push_str(&spelling::kdl_name(&child.kind.value));
                self.out.push('=');
                if let [value] = child.arguments.as_slice() {
                    self.value(value);
                }
            }
            self.beside(noted);
        } else if !node.children.is_empty() || !noted.children.below.is_empty() {
            self.out.push_str(" {");
            self.beside(noted);
            self.page(&noted.children, here);
            self.out.push_str("}\n");
        } else {
            self.beside(noted);
        }
    }

    fn are_properties(&self, noted: &Noted<'_, '_>, here: Known) -> bool {
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
        before.ends_with(['{', ',']) || holds_settings(here)
    }

    fn value(&mut self, scalar: &Spanned<Scalar<'_>>) {
        let source = self.text.get(scalar.span.start as usize..scalar.span.end as usize).unwrap_or_default();
        let value = match &scalar.value {
            Scalar::Text(text) if source == text.as_ref() && is_number(text) && !self.is_title(scalar) => text.to_string(),
            Scalar::Text(text) => spelling::kdl_text(text),
            Scalar::Number(number) => number.to_string(),
            Scalar::Flag(flag) => format!("#{flag}"),
            Scalar::Null => "#null".to_owned(),
        };
        self.out.push_str(&value);
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

    fn lines(&mut self, lines: &[Line]) {
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
