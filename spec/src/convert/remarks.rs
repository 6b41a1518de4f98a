//! What an author wrote for people and not for the reader: comments, and in KDL what a slashdash takes out.

use crate::format::layout::{Comment, Dash, Gap, Item, LaidNode, Part, Piece, lay_out};
use crate::yaml;

/// Something that is kept as a comment, whatever it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// Where it starts in the source.
    pub(super) start: usize,
    /// Where it ends there.
    pub(super) end: usize,
    /// Its text, line by line, without the marks of a comment.
    pub(super) lines: Vec<String>,
    /// Nothing stands before it on its line, or it is a node of its own.
    pub(super) alone: bool,
}

/// Returns the remarks of a KDL document that the reader finds nothing wrong with, in their order.
pub(super) fn of_kdl(text: &str) -> Vec<Remark> {
    let mut gathering = Gathering { text, remarks: Vec::new() };
    gathering.items(&lay_out(text));
    gathering.remarks.sort_by_key(|remark| remark.start);
    gathering.remarks
}

/// Returns the remarks of a YAML document that the reader finds nothing wrong with, in their order, if they can be told.
pub(super) fn of_yaml(text: &str) -> Option<Vec<Remark>> {
    let remark = |(start, end): (usize, usize)| {
        let comment = text.get(start..end).unwrap_or_default();
        let line = comment.strip_prefix('#').unwrap_or(comment);
        Remark { start, end, lines: vec![line.trim_end().to_owned()], alone: stands_alone(text, start) }
    };
    Some(yaml::comments(text)?.into_iter().map(remark).collect())
}

/// Tells whether only blanks stand before a place on its line.
fn stands_alone(text: &str, at: usize) -> bool {
    line_before(text, at).trim_matches([' ', '\t', '\u{FEFF}']).is_empty()
}

/// Returns what stands before a place on its line.
pub(super) fn line_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    before.rfind(['\n', '\r']).and_then(|end| before.get(end + 1..)).unwrap_or(before)
}

struct Gathering<'s> {
    text: &'s str,
    remarks: Vec<Remark>,
}

impl Gathering<'_> {
    fn comment(&mut self, comment: &Comment<'_>) {
        let lines = match comment.text.strip_prefix("//") {
            Some(line) => vec![line.trim_end().to_owned()],
            None => {
                let within = comment.text.strip_prefix("/*").and_then(|text| text.strip_suffix("*/"));
                let lines = within.unwrap_or(comment.text).trim().split(NEWLINES);
                lines.map(|line| format!(" {}", line.trim())).map(|line| line.trim_end().to_owned()).collect()
            }
        };
        let end = comment.start + comment.text.len();
        self.remarks.push(Remark { start: comment.start, end, lines, alone: stands_alone(self.text, comment.start) });
    }

    fn comments(&mut self, comments: &[Comment<'_>]) {
        for comment in comments {
            self.comment(comment);
        }
    }

    fn gaps(&mut self, gaps: &[Gap<'_>]) {
        for gap in gaps {
            if let Gap::Comment(comment) = gap {
                self.comment(comment);
            }
        }
    }

    /// Keeps what a slashdash takes out as it is written.
    fn taken_out(&mut self, start: usize, end: usize, alone: bool) {
        let text = self.text.get(start..end).unwrap_or_default();
        let indent = line_before(self.text, start).chars().take_while(|&c| matches!(c, ' ' | '\t')).count();
        let dedented = |line: &str| {
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            format!(" {}", line.get(blanks.min(indent)..).unwrap_or_default().trim_end())
        };
        let lines = text.replace("\r\n", "\n").split(NEWLINES).map(dedented).collect();
        self.remarks.push(Remark { start, end, lines, alone });
    }

    fn items(&mut self, items: &[Item<'_>]) {
        for item in items {
            self.comments(&item.comments);
            if let Some(node) = &item.node {
                self.node(node);
            }
        }
    }

    fn node(&mut self, node: &LaidNode<'_>) {
        if node.dash.is_some() {
            self.taken_out(node.start, node.end, true);
        } else {
            for part in &node.parts {
                self.part(part);
            }
        }
        self.comments(&node.trailing);
    }

    fn part(&mut self, part: &Part<'_>) {
        self.gaps(&part.before);
        if let Some(Dash { start, .. }) = part.dash {
            return self.taken_out(start, part.end, stands_alone(self.text, start));
        }
        match &part.piece {
            Piece::Argument(_) => {}
            Piece::Property { before, behind, .. } => {
                self.gaps(before);
                self.gaps(behind);
            }
            Piece::Block { opening, items } => {
                self.comments(opening);
                self.items(items);
            }
        }
    }
}

/// What ends a line in KDL; a carriage return and a line feed end two, of which one is empty.
pub(super) const NEWLINES: [char; 7] = ['\n', '\r', '\u{85}', '\u{B}', '\u{C}', '\u{2028}', '\u{2029}'];
