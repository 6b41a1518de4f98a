//! Dashes that the entries beside a line have and it has not, or the other way round.
//!
//! The parser stumbles over the next line and not over this one, and what it asks for there would move everything behind it.

use super::probe::line_end;
use super::repairs::{Edit, Repair, Said, is_empty, without_comment};

/// A line with something on it.
#[derive(Clone, Copy)]
struct Line<'t> {
    start: usize,
    indent: usize,
    content: &'t str,
}

impl Line<'_> {
    fn has_dash(&self) -> bool {
        self.content.starts_with("- ") || self.content == "-"
    }

    /// Tells whether a dash is stuck to what follows it.
    fn is_stuck(&self) -> bool {
        self.content.strip_prefix('-').is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_alphabetic()))
    }

    fn is_key(&self) -> bool {
        self.content.starts_with(|it: char| it.is_ascii_alphabetic()) && self.content.contains(':')
    }
}

/// Returns the repairs of such lines, in the order of their places.
pub(super) fn misplaced(text: &str) -> Vec<Repair> {
    let lines = lines(text);
    let mut repairs = Vec::new();
    // The lines that stand in one column, of each column that is open.
    let mut open: Vec<Vec<usize>> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let column = |group: &Vec<usize>| group.first().and_then(|&first| lines.get(first)).map_or(0, |it| it.indent);
        while open.last().is_some_and(|group| column(group) > line.indent) {
            repairs.extend(open.pop().map(|group| judge(&group, &lines)).unwrap_or_default());
        }
        match open.last_mut() {
            Some(group) if column(group) == line.indent => group.push(number),
            _ => open.push(vec![number]),
        }
    }
    repairs.extend(open.into_iter().flat_map(|group| judge(&group, &lines)));
    repairs.sort_by_key(|repair: &Repair| repair.told.as_ref().map(|told| told.start));
    repairs
}

/// Returns the lines with something on them, without texts on lines of their own.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut block: Option<usize> = None;
    while start < text.len() {
        let end = line_end(text, start);
        let line = text.get(start..end).unwrap_or_default();
        let indent = line.len() - line.trim_start_matches(' ').len();
        if !is_empty(line) && block.is_none_or(|outer| indent <= outer) {
            let content = without_comment(line);
            block = content.ends_with(['|', '>']).then_some(indent);
            lines.push(Line { start, indent, content: content.get(indent..).unwrap_or_default() });
        }
        start = text.get(end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| end + at + 1);
    }
    lines
}

/// Returns the repairs of those lines of a column that do not do as most of the others.
fn judge(group: &[usize], lines: &[Line<'_>]) -> Vec<Repair> {
    let members = || group.iter().filter_map(|&number| Some((number, *lines.get(number)?)));
    let dashes = members().filter(|(_, line)| line.has_dash()).count();
    let stuck = members().filter(|(_, line)| line.is_stuck()).count();
    let others = group.len() - dashes - stuck;
    if dashes == 0 || others + stuck == 0 {
        return Vec::new();
    }
    // A list may stand in the column of the key that it belongs to.
    let is_owner = |(number, line): (usize, Line<'_>)| {
        let next = lines.get(number + 1);
        !line.has_dash()
            && line.content.ends_with(':')
            && next.is_some_and(|next| next.indent == line.indent && next.has_dash())
    };
    if members().any(is_owner) {
        return Vec::new();
    }
    let is_list = dashes + stuck >= others;
    members()
        .filter_map(|(number, line)| match is_list {
            true if line.is_stuck() => Some(blank(line)),
            true if line.is_key() => Some(dash(number, line, lines)),
            false if line.has_dash() => Some(without(line)),
            _ => None,
        })
        .collect()
}

fn said(line: Line<'_>, message: &str, help: &str) -> Option<Said> {
    let start = line.start + line.indent;
    Some(Said {
        code: "yaml::list-entry",
        start,
        end: start + 1,
        message: message.to_owned(),
        label: "",
        help: help.to_owned(),
        related: Vec::new(),
    })
}

fn blank(line: Line<'_>) -> Repair {
    let at = line.start + line.indent + 1;
    let told = said(line, "a blank is missing behind the dash", "write `- `, with a blank");
    Repair { edits: vec![Edit { start: at, end: at, with: " ".to_owned() }], told, damaged: None }
}

fn dash(number: usize, line: Line<'_>, lines: &[Line<'_>]) -> Repair {
    let at = line.start + line.indent;
    let told =
        said(line, "the entries of this list begin with a dash, and this one does not", "write `- ` in front of it");
    let mut edits = vec![Edit { start: at, end: at, with: "- ".to_owned() }];
    // What belongs to it moves along.
    let inner = lines.iter().skip(number + 1).take_while(|inner| inner.indent > line.indent);
    edits.extend(inner.map(|inner| Edit { start: inner.start, end: inner.start, with: "  ".to_owned() }));
    Repair { edits, told, damaged: None }
}

fn without(line: Line<'_>) -> Repair {
    let start = line.start + line.indent;
    let told = said(line, "this entry begins with a dash, and those beside it do not", "remove the `- `");
    Repair { edits: vec![Edit { start, end: start + 2, with: String::new() }], told, damaged: None }
}
