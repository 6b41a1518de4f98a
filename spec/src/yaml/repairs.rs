//! What the author of a text with a syntax error may have meant, the most probable first.

use granit_parser::ErrorKind as E;

use super::probe::{Probe, line_end, line_start};

/// A place that gets other text; it holds no line break, nor does what is put there.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: String,
}

/// What is said of a repaired place, where it is not what the parser says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) code: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) message: String,
    pub(super) label: &'static str,
    pub(super) help: String,
    pub(super) related: Vec<(usize, &'static str)>,
}

/// A way to read on.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    pub(super) edits: Vec<Edit>,
    pub(super) told: Option<Said>,
    /// What may not say any more what was meant.
    pub(super) damaged: Option<(usize, usize)>,
}

/// Collections that are closed by one repair.
const MOST_CLOSED: usize = 8;
/// Lines that are moved by one repair.
const MOST_MOVED: usize = 2_000;

/// Returns the ways to read on behind an error.
///
/// - `text`: the text as it was repaired so far.
/// - `file`: the file's text, which has the same lines.
pub(super) fn repairs(text: &str, file: &str, found: &Probe) -> Vec<Repair> {
    let Some(error) = &found.error else { return Vec::new() };
    let mut ways = Ways { text, at: found.at.min(text.len()), found, repairs: Vec::new() };
    ways.swallowed();
    ways.bracket_without_colon();
    match error.kind() {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar
        | E::InvalidBlockEntryWhitespace
        | E::InvalidMappingValueWhitespace => ways.tab(file),
        E::DirectiveDisallowed | E::MissingDocumentEndBeforeDirective => ways.blank_line(ways.at),
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar | E::InvalidQuotedScalarIndent => {
            ways.unclosed_text(ways.at);
        }
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => ways.escape(),
        E::UnexpectedCharacter { .. } => ways.quote_from(ways.at),
        E::MisplacedFlowCollectionEnd | E::MismatchedFlowCollectionEnd { .. } => ways.stray_bracket(),
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => ways.comma(),
        _ => {}
    }
    ways.open_brackets();
    if found.brackets.is_empty() {
        ways.colon();
        ways.columns();
    } else {
        ways.comma();
        ways.quote_value();
    }
    ways.repairs
}

/// Returns the ways to read on where no other leads further: without what stands there.
pub(super) fn last_resorts(text: &str, found: &Probe) -> Vec<Repair> {
    let mut ways = Ways { text, at: found.at.min(text.len()), found, repairs: Vec::new() };
    ways.last_resort();
    ways.repairs
}

struct Ways<'t> {
    text: &'t str,
    at: usize,
    found: &'t Probe,
    repairs: Vec<Repair>,
}

impl Ways<'_> {
    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn add(&mut self, edits: Vec<Edit>, told: Option<Said>, damaged: Option<(usize, usize)>) {
        if !edits.is_empty() {
            self.repairs.push(Repair { edits, told, damaged });
        }
    }

    /// Returns the line before one that has something on it, as its start and end.
    fn line_before(&self, at: usize) -> Option<(usize, usize)> {
        let mut start = line_start(self.text, at);
        while start > 0 {
            start = line_start(self.text, start - 1);
            let end = line_end(self.text, start);
            if !is_empty(self.slice(start, end)) {
                return Some((start, end));
            }
        }
        None
    }

    /// Returns the start of the line behind one that has something on it.
    fn line_behind(&self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            at += self.text.get(at..)?.find('\n')? + 1;
            if !is_empty(self.slice(at, line_end(self.text, at))) {
                return Some(at);
            }
        }
    }

    fn indent(&self, start: usize) -> usize {
        let line = self.slice(start, line_end(self.text, start));
        line.len() - line.trim_start_matches(' ').len()
    }

    /// A text in quotes that goes over lines was meant to end on its first; the error is only where that is found out.
    fn swallowed(&mut self) {
        let before = self.slice(0, (self.at + 1).min(self.text.len()));
        let Some(end) = before.rfind(['"', '\'']) else { return };
        let quote = if before.get(end..).is_some_and(|rest| rest.starts_with('"')) { '"' } else { '\'' };
        if line_start(self.text, self.at) > end {
            return;
        }
        let inside = before.get(..end).unwrap_or_default();
        let Some(start) = inside.rfind(quote) else { return };
        let begins = inside.get(..start).is_none_or(|text| text.ends_with([' ', '[', '{', '\n', '(']));
        if begins && self.slice(start, end).contains('\n') {
            self.unclosed_text(start);
        }
    }

    /// A colon before the bracket that opens what belongs to a key.
    fn bracket_without_colon(&mut self) {
        let start = line_start(self.text, self.at);
        let lines = [self.line_before(self.at).map(|(start, _)| start), Some(start)];
        for line in lines.into_iter().flatten() {
            let content = without_comment(self.slice(line, line_end(self.text, line))).to_owned();
            let Some(bracket) = lacks_colon(&content) else { continue };
            let before = content.get(..bracket).unwrap_or_default().trim_end();
            let (at, behind) = (line + before.len(), line + bracket);
            let with = if before.ends_with(':') { " " } else { ": " };
            let told = Said {
                code: "yaml::colon",
                start: behind,
                end: behind + 1,
                message: match with {
                    " " => "a blank is missing behind the colon".to_owned(),
                    _ => "a colon is missing before this bracket".to_owned(),
                },
                label: "",
                help: "write `key: value`, with a blank behind the colon".to_owned(),
                related: Vec::new(),
            };
            self.add(vec![Edit { start: at, end: behind, with: with.to_owned() }], Some(told), None);
        }
    }

    /// Blanks instead of tabs, as many as the line's neighbours have.
    fn tab(&mut self, file: &str) {
        let mut start = line_start(self.text, self.at);
        if !self.slice(start, line_end(self.text, start)).contains('\t')
            && let Some(next) = self.line_behind(start)
        {
            // What goes over lines is told where it begins.
            start = next;
        }
        let line = self.slice(start, line_end(self.text, start)).to_owned();
        let said = |at: usize| Said {
            code: "yaml::tab",
            start: at,
            end: at + 1,
            message: "a tab stands where YAML wants blanks".to_owned(),
            label: "",
            help: "indent with blanks instead of tabs".to_owned(),
            related: Vec::new(),
        };
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        let lead = line.get(..blanks).unwrap_or_default();
        if !lead.contains('\t') {
            // The tab stands within the line.
            let tab = self.slice(start, self.at).rfind('\t').map(|at| start + at);
            let tab = tab.or_else(|| line.find('\t').map(|at| start + at));
            if let Some(tab) = tab {
                self.add(vec![Edit { start: tab, end: tab + 1, with: " ".to_owned() }], Some(said(tab)), None);
            }
            return;
        }
        let mut columns = Vec::new();
        // Lines that begin with the same blanks and tabs were meant to stand in one column.
        let number = self.slice(0, start).matches('\n').count();
        let before: Vec<&str> = file.lines().take(number).collect();
        let known = before.iter().enumerate().rev().take(200).find(|(_, line)| {
            line.strip_prefix(lead).is_some_and(|rest| !rest.starts_with([' ', '\t']) && !is_empty(rest))
        });
        if let Some((number, _)) = known {
            columns.extend(self.text.lines().nth(number).map(|line| line.len() - line.trim_start_matches(' ').len()));
        }
        if let Some((before, end)) = self.line_before(start) {
            let indent = self.indent(before);
            let opens = without_comment(self.slice(before, end)).ends_with(':');
            if opens {
                columns.extend(self.line_behind(start).map(|at| self.indent(at)).filter(|&column| column > indent));
                columns.extend([indent + 2, indent + 4]);
            }
            columns.push(indent);
        }
        let tabs = lead.matches('\t').count();
        columns.extend(self.columns_around(start));
        columns.extend([2, 4, 8].map(|wide| tabs * wide + lead.len() - tabs));
        columns.sort_by_key(|&column| !self.has_room(start, column));
        for column in columns {
            let edit = Edit { start, end: start + blanks, with: " ".repeat(column.min(1_000)) };
            let tab = start + lead.find('\t').unwrap_or_default();
            self.add(vec![edit], Some(said(tab)), Some((start + blanks, start + line.len())));
        }
    }

    /// A closing quote where the text was meant to end: at the end of its line, or before what cannot belong to it.
    fn unclosed_text(&mut self, start: usize) {
        let Some(quote) = self.slice(start, self.text.len()).chars().next().filter(|quote| matches!(quote, '"' | '\''))
        else {
            return;
        };
        let end = start + without_comment(self.slice(start, line_end(self.text, start))).len();
        let inside = self.slice(start + 1, end).to_owned();
        let mut ends = Vec::new();
        if !self.found.brackets.is_empty() || self.slice(0, start).trim_end().ends_with(['{', '[', ',']) {
            ends.extend(
                inside
                    .match_indices([',', '}', ']'])
                    .take(8)
                    .map(|(at, _)| start + 1 + inside.get(..at).map_or(at, |inside| inside.trim_end().len())),
            );
        }
        ends.push(end);
        ends.extend(inside.find(": ").map(|at| start + 1 + at));
        ends.extend(inside.ends_with(':').then(|| end - 1));
        for end in ends {
            let told = Said {
                code: "yaml::unclosed-string",
                start,
                end: start + 1,
                message: "the string is not closed on its line".to_owned(),
                label: "it starts here",
                help: format!("write `{quote}` where it ends"),
                related: Vec::new(),
            };
            let damaged = Some((start, end));
            self.add(vec![Edit { start: end, end, with: quote.to_string() }], Some(told), damaged);
        }
    }

    /// A second backslash.
    fn escape(&mut self) {
        // The parser tells where the text begins, or where in it it is.
        let line = line_start(self.text, self.at);
        let begins = match self.text.as_bytes().get(self.at) {
            Some(b'"') => self.at,
            _ => self.slice(line, self.at).find('"').map_or(line, |at| line + at),
        };
        let mut at = begins + 1;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    let next = bytes.get(at + 1).copied().unwrap_or_default();
                    let digits = match next {
                        b'x' => 2,
                        b'u' => 4,
                        b'U' => 8,
                        _ => 0,
                    };
                    let known = matches!(next, b'\\' | b'"' | b'/' | b'\n' | b'\r' | b' ' | b'\t')
                        || b"0abtnvfreN_LP".contains(&next);
                    let hexadecimal = self.text.get(at + 2..at + 2 + digits).filter(|_| digits > 0);
                    let code = hexadecimal.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    if !known && code.and_then(char::from_u32).is_none() {
                        let width = self.slice(at + 1, self.text.len()).chars().next().map_or(0, char::len_utf8);
                        let told = Said {
                            code: "yaml::escape",
                            start: at,
                            end: at + 1 + width,
                            message: "this is not an escape of a character".to_owned(),
                            label: "",
                            help: "write `\\\\` for a backslash, or use single quotes".to_owned(),
                            related: Vec::new(),
                        };
                        let edit = Edit { start: at, end: at, with: "\\".to_owned() };
                        let end = line_end(self.text, begins);
                        self.add(vec![edit], Some(told), Some((begins, end.max(at + 1))));
                        return;
                    }
                    at += 2;
                }
                _ => at += 1,
            }
        }
    }

    /// Quotes around what starts at a byte, to the end of its line or of its entry between brackets.
    fn quote_from(&mut self, start: usize) {
        let line = self.slice(start, line_end(self.text, start));
        let value = without_comment(line);
        let length = match self.found.brackets.is_empty() {
            true => value.len(),
            false => value.find([',', ']', '}']).unwrap_or(value.len()),
        };
        let value = value.get(..length).unwrap_or_default().trim_end();
        // A key keeps its colon.
        let value = value.strip_suffix(':').unwrap_or(value);
        let value = value.split_once(": ").map_or(value, |(key, _)| key).to_owned();
        for value in [self.slice(start, start + value.len()).to_owned(), line_value(line).to_owned()] {
            if !value.is_empty() {
                let end = start + value.len();
                let with = format!("'{}'", value.replace('\'', "''"));
                self.add(vec![Edit { start, end, with }], None, Some((start, end)));
            }
        }
    }

    /// The bracket that closes what is open, or none.
    fn stray_bracket(&mut self) {
        // The parser tells one bracket or the other.
        let Some((open, at)) = mismatched(self.text, self.at) else { return };
        let Some(found) = self.text.as_bytes().get(at).copied() else { return };
        let open = open.or(self.found.brackets.last().copied());
        let said = Said {
            code: "yaml::stray-bracket",
            start: at,
            end: at + 1,
            message: "this bracket does not close what is open".to_owned(),
            label: "",
            help: "remove it, or write the one that closes; a text that holds it needs quotes".to_owned(),
            related: open.map(|open| (open, "this is open")).into_iter().collect(),
        };
        if let Some(closing) = open.and_then(|open| self.text.as_bytes().get(open)).map(|byte| closing(*byte))
            && closing != char::from(found)
        {
            self.add(vec![Edit { start: at, end: at + 1, with: closing.to_string() }], Some(said.clone()), None);
            self.add(vec![Edit { start: at, end: at, with: closing.to_string() }], Some(said.clone()), None);
        }
        self.add(vec![Edit { start: at, end: at + 1, with: " ".to_owned() }], Some(said), None);
        let value = value_start(self.text, line_start(self.text, at), at);
        self.quote_from(value);
    }

    /// A comma before what was not expected.
    fn comma(&mut self) {
        let before = self.slice(0, self.at);
        let trimmed = before.trim_end().len();
        if trimmed == 0 || before.get(..trimmed).is_some_and(|text| text.ends_with(['{', '[', ',', ':'])) {
            return;
        }
        // Where a colon was not expected, the word before it is a key.
        let word = before.get(..trimmed).and_then(|text| text.rfind([' ', '\n'])).map(|at| at + 1);
        let said = |start: usize| Said {
            code: "yaml::separator",
            start,
            end: start,
            message: "the entries between brackets need a comma between them".to_owned(),
            label: "",
            help: "write a `,` here, or the bracket that ends the collection before".to_owned(),
            related: Vec::new(),
        };
        let here = self.text.as_bytes().get(self.at).copied();
        if here == Some(b':')
            && let Some(word) = word
        {
            let before = self.slice(0, word).trim_end().len();
            self.add(vec![Edit { start: before, end: before, with: ",".to_owned() }], Some(said(before)), None);
        }
        self.add(vec![Edit { start: trimmed, end: trimmed, with: ",".to_owned() }], Some(said(trimmed)), None);
    }

    /// Brackets that close what is open, at the end of the line on which it was opened or of the line before.
    fn open_brackets(&mut self) {
        let brackets = self.found.brackets.clone();
        let Some(&innermost) = brackets.last() else { return };
        let mut ends = vec![innermost];
        ends.extend(self.line_before(self.at).map(|(start, _)| start).filter(|&start| start > innermost));
        if line_start(self.text, self.at) > innermost || self.at >= self.text.len() {
            ends.push(self.at.saturating_sub(1));
        }
        for place in ends {
            let start = line_start(self.text, place);
            let end = line_end(self.text, place);
            if start > self.at {
                continue;
            }
            let end = start + without_comment(self.slice(start, end)).len();
            for count in 1..=brackets.len().min(MOST_CLOSED) {
                let closed = brackets.iter().rev().take(count);
                let with: String =
                    closed.filter_map(|at| self.text.as_bytes().get(*at)).map(|byte| closing(*byte)).collect();
                let outermost = brackets.iter().rev().nth(count - 1).copied().unwrap_or(innermost);
                for with in [with.clone(), format!("{with},")] {
                    if with.ends_with(',') && count == brackets.len() {
                        continue;
                    }
                    let opening = self.slice(innermost, innermost + 1).to_owned();
                    let related = match outermost < innermost {
                        true => vec![(outermost, "nor is this one")],
                        false => Vec::new(),
                    };
                    let told = Said {
                        code: "yaml::unclosed",
                        start: innermost,
                        end: innermost + 1,
                        message: format!("this `{opening}` is not closed"),
                        label: "it is still open where its lines end",
                        help: format!("write `{}` behind what belongs to it", with.trim_end_matches(',')),
                        related,
                    };
                    self.add(vec![Edit { start: end, end, with }], Some(told), None);
                }
            }
        }
    }

    /// A colon that is missing, or one too many.
    fn colon(&mut self) {
        let start = line_start(self.text, self.at);
        let lines = [self.line_before(self.at).map(|(start, _)| start), Some(start)];
        for line in lines.into_iter().flatten() {
            let end = line_end(self.text, line);
            let content = without_comment(self.slice(line, end)).to_owned();
            let from = content.len() - content.trim_start_matches([' ', '-']).len();
            let entry = content.get(from..).unwrap_or_default();
            if entry.is_empty() || entry.starts_with(['"', '\'', '#', '{', '[', '|', '>']) {
                continue;
            }
            if !entry.contains(": ") && !entry.ends_with(':') {
                let said = |start, end, message: &str, help: &str| Said {
                    code: "yaml::colon",
                    start,
                    end,
                    message: message.to_owned(),
                    label: "",
                    help: help.to_owned(),
                    related: Vec::new(),
                };
                let whole = (line + from, line + content.len());
                if let Some(colon) = entry.find(':') {
                    let at = line + from + colon;
                    let told = said(at, at + 1, "a blank is missing behind the colon", "write `key: value`");
                    let edit = Edit { start: at + 1, end: at + 1, with: " ".to_owned() };
                    self.add(vec![edit], Some(told), Some(whole));
                }
                let at = line + content.len();
                let help = "write `key: value`, or `key:` before the lines that belong to it";
                let told = said(line + from, at, "this entry has no colon", help);
                self.add(vec![Edit { start: at, end: at, with: ":".to_owned() }], Some(told), Some(whole));
            }
        }
        self.quote_value();
    }

    /// Quotes around the value in which the parser stopped.
    fn quote_value(&mut self) {
        let line = line_start(self.text, self.at);
        if is_empty(self.slice(line, line_end(self.text, line))) {
            return;
        }
        let value = value_start(self.text, line, self.at);
        if value > line && value <= self.at {
            self.quote_from_whole(value);
        }
    }

    fn quote_from_whole(&mut self, start: usize) {
        let value = without_comment(self.slice(start, line_end(self.text, start))).to_owned();
        if value.is_empty() {
            return;
        }
        let end = start + value.len();
        let with = format!("'{}'", value.replace('\'', "''"));
        self.add(vec![Edit { start, end, with }], None, Some((start, end)));
    }

    /// The line, and those below it, moved to a column where something is open.
    fn columns(&mut self) {
        let mut start = line_start(self.text, self.at);
        if is_empty(self.slice(start, line_end(self.text, start)))
            && let Some(behind) = self.line_behind(start)
        {
            start = behind;
        }
        let mut moved = vec![start];
        moved.extend(self.line_before(self.at).map(|(start, _)| start).filter(|_| self.indent(start) == 0));
        for start in moved {
            let indent = self.indent(start);
            let mut columns = self.columns_around(start);
            columns.retain(|&column| self.has_room(start, column));
            // The nearest; of two that are as near the inner one.
            columns.sort_by_key(|column| (column.abs_diff(indent), usize::MAX - column));
            columns.dedup();
            columns.retain(|&column| column != indent);
            for column in columns {
                self.move_to(start, indent, column);
            }
        }
    }

    /// Returns the columns of the line before and of all that it belongs to, innermost first.
    fn columns_around(&self, start: usize) -> Vec<usize> {
        let mut columns: Vec<usize> = Vec::new();
        let mut at = start;
        for _ in 0..MOST_MOVED {
            let Some((before, _)) = self.line_before(at) else { break };
            let indent = self.indent(before);
            if columns.last().is_none_or(|&column| indent < column) {
                columns.push(indent);
            }
            if indent == 0 {
                break;
            }
            at = before;
        }
        columns
    }

    /// Tells whether what belongs to a line that ends in a colon would still stand further right than it.
    fn has_room(&self, start: usize, column: usize) -> bool {
        let opens = without_comment(self.slice(start, line_end(self.text, start))).ends_with(':');
        let inner = self.line_behind(start).map(|next| self.indent(next)).filter(|&inner| inner > 0);
        !opens || inner.is_none_or(|inner| column < inner)
    }

    fn move_to(&mut self, start: usize, indent: usize, column: usize) {
        let end = line_end(self.text, start);
        let content = start + indent;
        let told = Said {
            code: "yaml::indentation",
            start: content,
            end: content + self.slice(content, end).chars().next().map_or(0, char::len_utf8),
            message: "the line does not stand in one column with what it belongs to".to_owned(),
            label: "",
            help: "indent it as far as its neighbours, with blanks".to_owned(),
            related: Vec::new(),
        };
        let shifted = |line: usize, indent: usize| {
            let with = if column >= indent { " ".repeat((column - indent).min(1_000)) } else { String::new() };
            Edit { start: line, end: line + indent.saturating_sub(column), with }
        };
        // Alone, then with all that stands as far to the right or further.
        let mut block = vec![shifted(start, indent)];
        let mut last = end;
        let mut at = start;
        while let Some(next) = self.line_behind(at).filter(|_| block.len() < MOST_MOVED) {
            if self.indent(next) < indent {
                break;
            }
            block.push(shifted(next, indent));
            last = line_end(self.text, next);
            at = next;
        }
        let alone = block.first().cloned().into_iter().collect();
        self.add(alone, Some(told.clone()), Some((content, end)));
        if block.len() > 1 {
            self.add(block, Some(told), Some((content, last)));
        }
    }

    /// Blanks where the error is: the rest of the line, the line, the line before.
    fn last_resort(&mut self) {
        self.blank(self.at, line_end(self.text, self.at));
        self.blank_line(self.at);
        if let Some((start, _)) = self.line_before(self.at) {
            self.blank_line(start);
        }
        if let Some((start, _)) = self.line_before(self.at) {
            self.blank(start, line_end(self.text, self.at));
        }
    }

    fn blank_line(&mut self, at: usize) {
        self.blank(line_start(self.text, at), line_end(self.text, at));
    }

    fn blank(&mut self, start: usize, end: usize) {
        let text = self.slice(start, end);
        if text.trim_start_matches(' ').is_empty() {
            return;
        }
        let with: String = text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }).collect();
        self.add(vec![Edit { start, end, with }], None, Some((start, end)));
    }
}

/// Returns the bracket of an entry, such as `hosts { count: 2 }`, before which a colon is missing.
pub(super) fn lacks_colon(entry: &str) -> Option<usize> {
    let bracket = entry.find(['{', '['])?;
    let key = entry.get(..bracket)?;
    let bare = key.trim_start_matches([' ', '-']);
    let is_key = !bare.is_empty() && !bare.starts_with(['"', '\'', '#', '|', '>', '&', '*', '!', '?']);
    let is_value = key.contains(": ") || key.trim_end() != key && key.trim_end().ends_with(':');
    let within = entry.get(bracket + 1..).is_some_and(|rest| rest.contains([']', '}']) || rest.trim_end().is_empty());
    (is_key && !is_value && !key.contains(['"', '\'']) && within).then_some(bracket)
}

/// Returns the first bracket that closes something else than what is open, and what that is.
///
/// - `at`: the bracket that closes, or the one that is open.
fn mismatched(text: &str, at: usize) -> Option<(Option<usize>, usize)> {
    let bytes = text.as_bytes();
    if matches!(bytes.get(at), Some(b']' | b'}')) {
        return Some((None, at));
    }
    let mut open: Vec<usize> = Vec::new();
    let mut quote = None;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(closing), _) if closing == *byte => quote = None,
            (None, b'{' | b'[') => open.push(place),
            (None, b'}' | b']') => {
                let opening = open.pop()?;
                if bytes.get(opening).map(|byte| closing(*byte)) != Some(char::from(*byte)) {
                    return Some((Some(opening), place));
                }
                if open.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns the bracket that closes one.
fn closing(opening: u8) -> char {
    if opening == b'[' { ']' } else { '}' }
}

/// Tells whether a line has nothing but blanks and a comment.
pub(super) fn is_empty(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Returns a line without its comment and the blanks at its end.
pub(super) fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before == ' ' || before == '\t' => return line.get(..at).unwrap_or_default().trim_end(),
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        before = character;
    }
    if quote.is_some()
        && let Some(comment) = line.find(" # ").filter(|_| !line.contains('"') || line.matches('"').count() % 2 == 1)
    {
        // The quote was never closed, so that what looks like a comment is one.
        return line.get(..comment).unwrap_or_default().trim_end();
    }
    line.trim_end()
}

fn line_value(line: &str) -> &str {
    without_comment(line)
}

/// Returns where the value of an entry begins in which a byte lies: behind the first `: ` or `- ` of its line.
fn value_start(text: &str, line: usize, at: usize) -> usize {
    let before = text.get(line..line_end(text, at)).unwrap_or_default();
    let behind = before.find(": ").map(|found| found + 2);
    let start = behind.unwrap_or_else(|| before.len() - before.trim_start_matches([' ', '-']).len());
    let blanks = before.get(start..).map_or(0, |rest| rest.len() - rest.trim_start().len());
    line + start + blanks
}
