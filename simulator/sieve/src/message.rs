//! A message as scripts see it: fields, parts, texts (RFC 5322, 2045, 2046, 2047).

mod words;

use std::ops::Range;

pub(crate) use words::decode;

/// Most parts that are looked at.
const PARTS: usize = 1_000;
/// Deepest nesting of parts.
const DEPTH: usize = 50;

/// A message, read once.
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    /// All parts, each before those inside it; the first is the message.
    pub(crate) parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) fields: Vec<Field>,
    pub(crate) start: usize,
    pub(crate) body: Range<usize>,
    /// Main type and subtype, in small letters.
    pub(crate) kind: (String, String),
    /// Just behind the last part inside it.
    pub(crate) end: usize,
    encoding: String,
    charset: String,
}

/// A header field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// In one line, as it stands.
    pub(crate) raw: String,
}

impl Field {
    /// Returns the value for people: encoded words decoded, no blanks around it.
    pub(crate) fn value(&self) -> String {
        decode(&self.raw).trim_matches([' ', '\t', '\r', '\n']).to_owned()
    }
}

impl<'a> Message<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let mut message = Self { bytes, parts: Vec::new() };
        message.part(0..bytes.len(), 0, ("text", "plain"));
        message
    }

    /// Returns the fields of a part with a name, in their order.
    pub(crate) fn fields(&self, part: usize, name: &str) -> impl Iterator<Item = &Field> {
        let fields = self.parts.get(part).map_or(&[][..], |part| &part.fields);
        fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    /// Returns the first value of a field of the message.
    pub(crate) fn first(&self, name: &str) -> Option<String> {
        self.fields(0, name).next().map(Field::value)
    }

    /// Reads a part and what is inside it.
    fn part(&mut self, range: Range<usize>, depth: usize, default: (&str, &str)) {
        if self.parts.len() >= PARTS {
            return;
        }
        let start = range.start;
        let (fields, body) = header(self.bytes, range);
        let field = |name: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let content_type = field("Content-Type").map(|field| field.raw.as_str()).unwrap_or_default();
        let kind = kind(content_type).unwrap_or((default.0.to_owned(), default.1.to_owned()));
        let encoding = field("Content-Transfer-Encoding").map(|field| field.raw.trim().to_ascii_lowercase());
        let boundary = parameter(content_type, "boundary");
        let charset = parameter(content_type, "charset").unwrap_or_default().to_ascii_lowercase();
        let place = self.parts.len();
        let inside = body.clone();
        let is_multipart = kind.0 == "multipart";
        let is_message = kind == ("message".to_owned(), "rfc822".to_owned());
        let inner_default = if kind.1 == "digest" { ("message", "rfc822") } else { ("text", "plain") };
        let encoding = encoding.unwrap_or_default();
        self.parts.push(Part { fields, start, body, kind, end: place + 1, encoding, charset });
        if depth < DEPTH {
            if is_multipart && let Some(boundary) = boundary {
                for range in between(self.bytes, inside, boundary.as_bytes()) {
                    self.part(range, depth + 1, inner_default);
                }
            } else if is_message {
                self.part(inside, depth + 1, ("text", "plain"));
            }
        }
        let end = self.parts.len();
        if let Some(part) = self.parts.get_mut(place) {
            part.end = end;
        }
    }

    /// Returns the content of a part without its transfer encoding.
    pub(crate) fn content(&self, part: usize) -> Vec<u8> {
        let Some(part) = self.parts.get(part) else { return Vec::new() };
        let bytes = self.bytes.get(part.body.clone()).unwrap_or_default();
        match part.encoding.as_str() {
            "base64" => words::base64(bytes),
            "quoted-printable" => words::quoted_printable(bytes, false),
            _ => bytes.to_vec(),
        }
    }

    /// Returns the content of a part as text; of HTML what people read.
    pub(crate) fn text(&self, part: usize) -> String {
        let Some(found) = self.parts.get(part) else { return String::new() };
        let text = words::from_charset(&found.charset, &self.content(part));
        if found.kind == ("text".to_owned(), "html".to_owned()) { without_tags(&text) } else { text }
    }

    /// Returns what of a part is its own: of one that holds others what stands around them, of a message its header
    /// (RFC 5173 §5.2).
    pub(crate) fn own_text(&self, place: usize) -> String {
        let Some(part) = self.parts.get(place) else { return String::new() };
        let inside: Vec<&Part> = self.parts.get(place + 1..part.end).unwrap_or_default().iter().collect();
        let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
            return String::from_utf8_lossy(&self.content(place)).into_owned();
        };
        let text = |range| String::from_utf8_lossy(self.bytes.get(range).unwrap_or_default()).into_owned();
        match part.kind.0.as_str() {
            "message" => text(part.body.start..first.body.start),
            _ => text(part.body.start..first.start) + &text(last.body.end..part.body.end),
        }
    }

    /// Returns the parts that hold no others, of some types.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().enumerate().filter(|(place, part)| part.end == place + 1)
    }

    /// Returns a parameter of a structured field of a part.
    pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
        parameter(value, name)
    }

    /// Returns main type and subtype, as a field says.
    pub(crate) fn kind(value: &str) -> Option<(String, String)> {
        kind(value)
    }
}

/// Reads the fields at the beginning of a range.
fn header(bytes: &[u8], range: Range<usize>) -> (Vec<Field>, Range<usize>) {
    let mut fields: Vec<Field> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = bytes.get(at..range.end).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return (fields, at + length..range.end);
        }
        let text = String::from_utf8_lossy(line);
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some(field) = fields.last_mut() {
                // A line end with one blank is one blank.
                field.raw.push(' ');
                field.raw.push_str(text.get(1..).unwrap_or_default());
            }
        } else if let Some((name, value)) = text.split_once(':') {
            fields.push(Field { name: name.trim_end().to_owned(), raw: value.to_owned() });
        }
        at += length;
    }
    (fields, range.end..range.end)
}

/// Returns the ranges between the lines of a boundary (RFC 2046 §5.1.1).
fn between(bytes: &[u8], range: Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut begun: Option<usize> = None;
    let mut at = range.start;
    while at < range.end && ranges.len() < PARTS {
        let rest = bytes.get(at..range.end).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        if let Some(behind) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) {
            let last = behind.starts_with(b"--");
            let tail = if last { behind.get(2..).unwrap_or_default() } else { behind };
            if tail.iter().all(|byte| byte.is_ascii_whitespace()) {
                if let Some(start) = begun.take() {
                    // The line end before a boundary belongs to the boundary.
                    let mut end = at;
                    if end > start && bytes.get(end - 1) == Some(&b'\n') {
                        end -= 1;
                    }
                    if end > start && bytes.get(end - 1) == Some(&b'\r') {
                        end -= 1;
                    }
                    ranges.push(start..end);
                }
                if last {
                    return ranges;
                }
                begun = Some(at + length);
            }
        }
        at += length;
    }
    if let Some(start) = begun {
        ranges.push(start..range.end);
    }
    ranges
}

fn kind(value: &str) -> Option<(String, String)> {
    let (main, rest) = value.split_once('/')?;
    let token = |text: &str| {
        let text = text.trim_matches([' ', '\t']).to_ascii_lowercase();
        let fits = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte));
        fits.then_some(text)
    };
    let subtype = rest.split([';', '(']).next().unwrap_or_default();
    Some((token(main)?, token(subtype)?))
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (found, next) = if let Some(quoted) = after.strip_prefix('"') {
            let mut text = String::new();
            let mut end = quoted.len();
            let mut characters = quoted.char_indices();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => text.extend(characters.next().map(|(_, character)| character)),
                    other => text.push(other),
                }
            }
            (text, quoted.get(end..).unwrap_or_default())
        } else {
            let end = after.find([';', ' ', '\t']).unwrap_or(after.len());
            let (text, next) = after.split_at(end);
            (text.to_owned(), next)
        };
        if key.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = next.split_once(';').map_or("", |(_, rest)| rest);
        if rest.is_empty() {
            return None;
        }
    }
}

/// Returns what people read of HTML.
fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let folded: String = after.chars().take(8).collect::<String>().to_ascii_lowercase();
        let skipped = ["style", "script"].into_iter().find(|name| folded.starts_with(name));
        rest = match skipped {
            Some(name) => {
                let end = format!("</{name}");
                let at = after.to_ascii_lowercase().find(&end);
                at.and_then(|at| after.get(at..)).and_then(|tail| tail.split_once('>')).map_or("", |(_, rest)| rest)
            }
            None => after.split_once('>').map_or("", |(_, rest)| rest),
        };
    }
    out.push_str(rest);
    for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&nbsp;", " "), ("&amp;", "&")] {
        out = out.replace(entity, character);
    }
    out
}
