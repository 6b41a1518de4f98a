//! What the string tokens say: escapes, and the dedenting of strings in three quotes.

use super::characters::{blank_length, character_length, newline_length, space_length};
use super::lexer::Quotes;
use std::borrow::Cow;

/// What is wrong within a string, and where in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// A backslash in front of a character that makes no escape with it.
    UnknownEscape,
    /// `\u` without one to six hexadecimal digits in braces.
    MalformedUnicodeEscape,
    /// `\u{…}` of a surrogate or of something past the last character.
    NotACharacter,
    /// Text behind the opening `"""`.
    TextBehindOpening,
    /// Text in front of the closing `"""`.
    TextBeforeClosing,
    /// A line that does not start with the blanks in front of the closing `"""`.
    Indentation,
    /// `#"""#`, one quote that looks like three.
    LooksTriple,
}

/// Returns what a string token says; `start` is the token's place and `body` its text within the quotes.
pub(super) fn value<'s>(quotes: Quotes, body: &'s str, start: usize, faults: &mut Vec<Fault>) -> Cow<'s, str> {
    match quotes {
        Quotes::Single if !body.contains('\\') => Cow::Borrowed(body),
        Quotes::Single => {
            let mut out = String::with_capacity(body.len());
            unescape(body, start, true, &mut out, faults);
            Cow::Owned(out)
        }
        Quotes::RawSingle => {
            if body == "\"" {
                faults.push(Fault { start, end: start + body.len(), kind: FaultKind::LooksTriple });
            }
            Cow::Borrowed(body)
        }
        Quotes::Triple | Quotes::RawTriple => triple(body, start, quotes == Quotes::Triple, faults),
    }
}

/// Appends `text` with its escapes resolved; `start` is its place in the source.
///
/// Escaped blanks are dropped; where `blanks` is false they were dropped before.
fn unescape(text: &str, start: usize, blanks: bool, out: &mut String, faults: &mut Vec<Fault>) {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(skip) = rest.find('\\') else {
            out.push_str(rest);
            return;
        };
        out.push_str(rest.get(..skip).unwrap_or_default());
        let escape = at + skip;
        let behind = text.get(escape + 1..).unwrap_or_default();
        let mut characters = behind.chars();
        let simple = match characters.next() {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{C}'),
            Some('s') => Some(' '),
            Some(same @ ('"' | '\\')) => Some(same),
            _ => None,
        };
        if let Some(character) = simple {
            out.push(character);
            at = escape + 2;
            continue;
        }
        let mut fault = |length: usize, kind| {
            faults.push(Fault { start: start + escape, end: start + escape + length, kind });
            escape + length
        };
        at = if behind.starts_with('u') {
            match unicode_escape(behind) {
                Ok((character, length)) => {
                    out.push(character);
                    escape + 1 + length
                }
                Err((kind, length)) => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    fault(1 + length, kind)
                }
            }
        } else {
            match blank_length(behind.as_bytes()) {
                length @ 1.. if blanks => escape + 1 + length,
                _ => {
                    out.push('\\');
                    let character = behind.bytes().next().map_or(0, character_length);
                    out.push_str(behind.get(..character).unwrap_or_default());
                    fault(1 + character, FaultKind::UnknownEscape)
                }
            }
        };
    }
}

/// Reads `u{…}`; returns the character and how many bytes it takes, or what is wrong with how many bytes.
fn unicode_escape(text: &str) -> Result<(char, usize), (FaultKind, usize)> {
    let braced = text.get(1..).and_then(|rest| rest.strip_prefix('{')).ok_or((FaultKind::MalformedUnicodeEscape, 1))?;
    let digits = braced.bytes().take_while(u8::is_ascii_hexdigit).count();
    let closed = braced.as_bytes().get(digits) == Some(&b'}');
    let length = 2 + digits + usize::from(closed);
    let digits = braced.get(..digits).unwrap_or_default();
    if !closed || !(1..=6).contains(&digits.len()) {
        return Err((FaultKind::MalformedUnicodeEscape, length));
    }
    let code = u32::from_str_radix(digits, 16).map_err(|_| (FaultKind::MalformedUnicodeEscape, length))?;
    char::from_u32(code).map(|character| (character, length)).ok_or((FaultKind::NotACharacter, length))
}

/// A text whose escaped blanks are taken out, and where its pieces came from.
struct WithoutBlanks<'s> {
    text: Cow<'s, str>,
    /// Offsets in `text` from which on the source is so many bytes further, ascending.
    shifts: Vec<(usize, usize)>,
    start: usize,
}

impl<'s> WithoutBlanks<'s> {
    fn new(body: &'s str, start: usize, escapes: bool) -> Self {
        if !escapes || !body.contains('\\') {
            return Self { text: Cow::Borrowed(body), shifts: Vec::new(), start };
        }
        let mut text = String::with_capacity(body.len());
        let mut shifts = Vec::new();
        let mut at = 0;
        while let Some(rest) = body.get(at..) {
            let Some(skip) = rest.find('\\') else {
                text.push_str(rest);
                break;
            };
            let behind = rest.as_bytes().get(skip + 1..).unwrap_or_default();
            let kept = match blank_length(behind) {
                0 => {
                    let escaped = behind.first().map_or(0, |&byte| character_length(byte));
                    text.push_str(rest.get(..skip + 1 + escaped).unwrap_or(rest));
                    skip + 1 + escaped
                }
                blanks => {
                    text.push_str(rest.get(..skip).unwrap_or_default());
                    let source = at + skip + 1 + blanks;
                    shifts.push((text.len(), source - text.len()));
                    skip + 1 + blanks
                }
            };
            at += kept;
        }
        Self { text: Cow::Owned(text), shifts, start }
    }

    fn source(&self, at: usize) -> usize {
        let shift = match self.shifts.partition_point(|&(from, _)| from <= at) {
            0 => 0,
            count => self.shifts.get(count - 1).map_or(0, |&(_, shift)| shift),
        };
        self.start + at + shift
    }
}

/// Reads a string in three quotes (KDL 2.0.0, Multi-line String).
fn triple<'s>(body: &'s str, start: usize, escapes: bool, faults: &mut Vec<Fault>) -> Cow<'s, str> {
    let first = newline_length(body.as_bytes());
    if first == 0 {
        let end = body.bytes().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(body.len());
        faults.push(Fault { start, end: start + end, kind: FaultKind::TextBehindOpening });
        return Cow::Borrowed(body);
    }
    let lines_start = start + first;
    let source = WithoutBlanks::new(body.get(first..).unwrap_or_default(), lines_start, escapes);
    let text = source.text.as_ref();
    let last_start = last_line(text);
    let prefix = text.get(last_start..).unwrap_or_default();
    let blanks = indentation(prefix);
    let broken = blanks < prefix.len();
    if broken {
        let (start, end) = (source.source(last_start + blanks), source.source(text.len()));
        faults.push(Fault { start, end, kind: FaultKind::TextBeforeClosing });
    }
    let prefix = prefix.get(..blanks).unwrap_or_default();

    let mut out = String::new();
    let mut next = 0;
    while next < last_start {
        let line_start = next;
        let (line_end, behind) = line(text, line_start);
        next = behind;
        let whole = text.get(line_start..line_end).unwrap_or_default();
        let blanks = indentation(whole);
        let content = if blanks == whole.len() {
            ""
        } else if let Some(content) = whole.strip_prefix(prefix) {
            content
        } else {
            let (start, end) = (source.source(line_start), source.source(line_start + blanks));
            faults.push(Fault { start, end, kind: FaultKind::Indentation });
            whole.get(blanks..).unwrap_or_default()
        };
        let content_start = line_end - content.len();
        let plain = !escapes || !content.contains('\\');
        if plain && !broken && line_start == 0 && next >= last_start && matches!(source.text, Cow::Borrowed(_)) {
            let within = first + content_start;
            return Cow::Borrowed(body.get(within..within + content.len()).unwrap_or_default());
        }
        if line_start > 0 {
            out.push('\n');
        }
        if plain {
            out.push_str(content);
        } else {
            unescape_in(&source, content_start, line_end, &mut out, faults);
        }
    }
    if broken {
        if last_start > 0 {
            out.push('\n');
        }
        let content = last_start + blanks;
        if escapes {
            unescape_in(&source, content, text.len(), &mut out, faults);
        } else {
            out.push_str(text.get(content..).unwrap_or_default());
        }
    }
    Cow::Owned(out)
}

fn unescape_in(source: &WithoutBlanks<'_>, start: usize, end: usize, out: &mut String, faults: &mut Vec<Fault>) {
    let known = faults.len();
    unescape(source.text.get(start..end).unwrap_or_default(), 0, false, out, faults);
    for fault in faults.iter_mut().skip(known) {
        let length = fault.end - fault.start;
        fault.start = source.source(start + fault.start);
        fault.end = fault.start + length;
    }
}

/// Returns where the line that starts at `start` ends, and where the next one starts.
fn line(text: &str, start: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match newline_length(bytes.get(at..).unwrap_or_default()) {
            0 => at += 1,
            length => return (at, at + length),
        }
    }
    (at, at)
}

/// Returns where the last line starts.
fn last_line(text: &str) -> usize {
    let mut last = 0;
    let mut at = 0;
    while at < text.len() {
        let (end, next) = line(text, at);
        if next > end {
            last = next;
        }
        at = next;
    }
    last
}

/// Returns how many bytes of blanks a line starts with.
fn indentation(line: &str) -> usize {
    let mut at = 0;
    loop {
        match space_length(line.as_bytes().get(at..).unwrap_or_default()) {
            0 => return at,
            length => at += length,
        }
    }
}
