//! Quotes that nothing closes on their line, although the next line is an entry of its own.
//!
//! The parser would take all up to the next quote for their text, however far down that is, and stumble there.

use super::probe::line_end;
use super::repairs::{Edit, Repair, Said, is_empty, without_comment};

/// Returns the repairs of such quotes, in the order of their places.
pub(super) fn unclosed(text: &str) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut start = 0;
    // How far the line is indented that a text on lines of its own belongs to.
    let mut block: Option<usize> = None;
    while start < text.len() {
        let end = line_end(text, start);
        let line = text.get(start..end).unwrap_or_default();
        let next = text.get(end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| end + at + 1);
        let indent = line.len() - line.trim_start_matches(' ').len();
        let in_block = block.is_some_and(|outer| line.trim().is_empty() || indent > outer);
        if !in_block {
            block = without_comment(line).ends_with(['|', '>']).then_some(indent);
            if let Some(quote) = open_quote(line) {
                if !is_entry(text, next) {
                    // It may really go over lines, and where it ends nobody knows.
                    return repairs;
                }
                repairs.push(repair(line, start, quote));
            }
        }
        start = next;
    }
    repairs
}

/// Returns the repairs of colours between brackets that were taken for comments, together with what would close the brackets.
pub(super) fn commented(text: &str) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut from = 0;
        while let Some(at) = line.get(from..).and_then(|rest| rest.find('#')).map(|at| from + at) {
            from = at + 1;
            let before = line.get(..at).unwrap_or_default();
            let digits = line.get(from..).unwrap_or_default().bytes().take_while(u8::is_ascii_hexdigit).count();
            let end = from + digits;
            let ends = line.get(end..).and_then(|rest| rest.chars().next()).is_none_or(|next| !next.is_alphanumeric());
            let is_value = before.ends_with(": ") && before.contains('{') && before.matches('"').count() % 2 == 0;
            if !(matches!(digits, 3 | 6) && ends && is_value) {
                continue;
            }
            let quote = |at: usize| Edit { start: start + at, end: start + at, with: "\"".to_owned() };
            let told = Said {
                code: "yaml::comment",
                start: start + at,
                end: start + end,
                message: "a `#` behind a blank begins a comment".to_owned(),
                label: "the value",
                help: format!("write `\"{}\"`", line.get(at..end).unwrap_or_default()),
                related: Vec::new(),
            };
            repairs.push(Repair { edits: vec![quote(at), quote(end)], told: Some(told), damaged: None });
        }
        start += line.len();
    }
    repairs
}

/// Returns where a text in quotes begins that its line does not close.
fn open_quote(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = bytes.get(..at).unwrap_or_default();
        match byte {
            b'#' if before.last().is_none_or(|byte| *byte == b' ') => return None,
            b'"' | b'\'' if begins_text(before) => match closing(bytes, at) {
                Some(closed) => at = closed,
                None => return Some(at),
            },
            _ => {}
        }
        at += 1;
    }
    None
}

/// Tells whether a text begins behind what stands before it on its line.
fn begins_text(before: &[u8]) -> bool {
    let blanks = before.iter().rev().take_while(|byte| **byte == b' ').count();
    match before.get(..before.len() - blanks).and_then(<[u8]>::last) {
        None | Some(b'[' | b'{' | b',') => true,
        Some(b':' | b'-') => blanks > 0,
        Some(_) => false,
    }
}

/// Returns where the text in quotes ends that begins at a byte, on the same line.
fn closing(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = *bytes.get(start)?;
    let mut at = start + 1;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\\', _) if quote == b'"' => at += 2,
            (b'\'', Some(b'\'')) if quote == b'\'' => at += 2,
            (byte, _) if *byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

/// Tells whether the next line with something on it is an entry; where there is none, nothing goes on there.
fn is_entry(text: &str, from: usize) -> bool {
    let mut lines = text.get(from..).unwrap_or_default().lines();
    let Some(line) = lines.find(|line| !is_empty(line)).map(str::trim_start) else { return true };
    let line = line.trim_start_matches("- ");
    let key = line.split(['"', '\'', '{', '[', ',']).next().unwrap_or_default();
    key.starts_with(|c: char| c.is_ascii_alphabetic()) && (key.contains(": ") || key.trim_end().ends_with(':'))
}

/// Returns the repair of a quote: before the next entry or the brackets that close what its line opens, or at the line's end.
fn repair(line: &str, start: usize, quote: usize) -> Repair {
    let content = without_comment(line);
    let inside = content.get(quote + 1..).unwrap_or_default();
    let before = line.get(..quote).unwrap_or_default();
    let count = |brackets: [char; 2]| before.chars().filter(|it| brackets.contains(it)).count();
    let mut open = count(['{', '[']).saturating_sub(count(['}', ']']));
    let mut body = match inside.match_indices(", ").find(|(at, _)| open > 0 && is_key(inside.get(at + 2..))) {
        Some((at, _)) => inside.get(..at).unwrap_or_default(),
        None => inside,
    };
    while open > 0
        && body.len() == inside.trim_end().len().min(body.len())
        && let Some(inner) = body.trim_end().strip_suffix(['}', ']'])
    {
        body = inner;
        open -= 1;
    }
    let end = start + quote + 1 + body.trim_end().len();
    let mark = line.get(quote..=quote).unwrap_or_default().to_owned();
    let told = Said {
        code: "yaml::unclosed-string",
        start: start + quote,
        end: start + quote + 1,
        message: "the string is not closed on its line".to_owned(),
        label: "it starts here",
        help: match body.trim_end().rsplit(' ').next().filter(|word| !word.is_empty()) {
            Some(word) => format!("write `{mark}` behind `{word}`"),
            None => format!("write `{mark}` where it ends"),
        },
        related: Vec::new(),
    };
    let edits = vec![Edit { start: end, end, with: mark }];
    Repair { edits, told: Some(told), damaged: Some((start + quote, end)) }
}

/// Tells whether an entry between brackets begins here.
fn is_key(text: Option<&str>) -> bool {
    let Some((key, _)) = text.and_then(|text| text.split_once(": ")) else { return false };
    !key.is_empty() && key.chars().all(|it| it.is_ascii_lowercase() || matches!(it, '-' | ' '))
}
