//! Reading a message's parts in one pass over its lines (RFC 2046 §5.1).

use std::collections::BTreeMap;

use super::{ContentType, Encoding, Excess, Limits, Part, Structure, header, parameters};

/// Reads a message's structure. Nothing is refused: what is no header is body, what is no structure is a leaf.
pub fn parse(message: &[u8], limits: Limits) -> Structure {
    let mut parser = Parser { message, limits, open: Vec::new(), boundaries: BTreeMap::new(), parts: 1, excess: None };
    parser.open.push(Open::new(0, ContentType::plain()));
    let mut at = 0;
    while at < message.len() {
        let rest = message.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        parser.line(at, rest.get(..length).unwrap_or_default());
        at += length;
    }
    if parser.open.last().is_some_and(|open| open.state == State::Header) {
        parser.end_header(message.len(), message.len());
    }
    parser.close_to(0, message.len());
    let excess = parser.excess;
    let root = parser.open.pop().map_or_else(|| Open::new(0, ContentType::plain()).part, |open| open.part);
    Structure { root, excess }
}

struct Parser<'a> {
    message: &'a [u8],
    limits: Limits,
    /// The part being read, below those it is in.
    open: Vec<Open>,
    /// The levels of the open multiparts by their boundaries, the innermost last.
    boundaries: BTreeMap<Vec<u8>, Vec<usize>>,
    parts: usize,
    excess: Option<Excess>,
}

struct Open {
    part: Part,
    state: State,
    /// The boundary of a multipart whose closing delimiter has not come.
    boundary: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Body,
}

impl Open {
    fn new(at: usize, content_type: ContentType) -> Self {
        let part =
            Part { header: at..at, body: at..at, content_type, encoding: Encoding::SevenBit, children: Vec::new() };
        Self { part, state: State::Header, boundary: None }
    }
}

impl Parser<'_> {
    fn line(&mut self, at: usize, line: &[u8]) {
        if line.starts_with(b"--")
            && let Some((level, closing)) = self.boundary(line)
        {
            return self.delimiter(at, line.len(), level, closing);
        }
        if matches!(line, b"\r\n" | b"\n") && self.open.last().is_some_and(|open| open.state == State::Header) {
            self.end_header(at, at + line.len());
        }
    }

    /// Finds the innermost multipart whose boundary a line is, and whether it is the closing one.
    ///
    /// Looked up, not tried one by one: a message may be nothing but lines that begin like a boundary.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.get(2..)?.trim_ascii_end();
        let level = |boundary: &[u8]| self.boundaries.get(boundary).and_then(|levels| levels.last()).copied();
        let plain = level(line).map(|level| (level, false));
        let closing = line.strip_suffix(b"--").and_then(level).map(|level| (level, true));
        plain.max(closing)
    }

    /// A multipart's boundary means nothing any more.
    fn forget(&mut self, boundary: Option<Vec<u8>>) {
        if let Some(boundary) = boundary
            && let Some(levels) = self.boundaries.get_mut(&boundary)
        {
            levels.pop();
            if levels.is_empty() {
                self.boundaries.remove(&boundary);
            }
        }
    }

    fn delimiter(&mut self, at: usize, length: usize, level: usize, closing: bool) {
        // The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
        let floor = self.open.last().map_or(0, |open| match open.state {
            State::Header => open.part.header.start,
            State::Body => open.part.body.start,
        });
        let before = self.message.get(..at).unwrap_or_default();
        let end = match (before.ends_with(b"\r\n"), before.ends_with(b"\n")) {
            (true, _) => at - 2,
            (_, true) => at - 1,
            _ => at,
        };
        let end = end.max(floor);
        if level + 1 < self.open.len() {
            if self.open.last().is_some_and(|open| open.state == State::Header) {
                self.end_header(end.max(floor), end.max(floor));
            }
            self.close_to(level + 1, end);
            self.close_last(end);
        }
        if closing {
            let boundary = self.open.get_mut(level).and_then(|open| open.boundary.take());
            return self.forget(boundary);
        }
        if self.parts >= self.limits.parts {
            self.excess.get_or_insert(Excess::Parts);
            return;
        }
        self.parts += 1;
        let digest = self.open.get(level).is_some_and(|open| open.part.content_type.subtype == "digest");
        let default = if digest { ContentType::message() } else { ContentType::plain() };
        self.open.push(Open::new(at + length, default));
    }

    /// The innermost part's header ends; its body begins behind the empty line.
    fn end_header(&mut self, end: usize, body: usize) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else { return };
        open.part.header.end = end;
        open.part.body = body..body;
        open.state = State::Body;
        let mut typed = false;
        let mut encoded = false;
        let header = self.message.get(open.part.header.clone()).unwrap_or_default();
        for field in header::fields(header) {
            // The first of several counts, as with Dovecot.
            if !typed && field.is("Content-Type") {
                typed = true;
                if let Some(read) = parameters::content_type(&field.unfolded()) {
                    open.part.content_type = read;
                }
            } else if !encoded && field.is("Content-Transfer-Encoding") {
                encoded = true;
                open.part.encoding = Encoding::read(&field.unfolded());
            }
        }
        if open.part.is_multipart() {
            let boundary = open.part.content_type.parameter("boundary");
            let boundary = boundary.map(|text| text.as_bytes().trim_ascii_end().to_vec());
            let boundary = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= 1_000);
            if boundary.is_some() && depth > self.limits.depth {
                self.excess.get_or_insert(Excess::Depth);
            } else if let Some(boundary) = boundary {
                self.boundaries.entry(boundary.clone()).or_default().push(depth - 1);
                open.boundary = Some(boundary);
            }
        } else if open.part.is_message() && !open.part.encoding.is_encoded() {
            if depth > self.limits.depth {
                self.excess.get_or_insert(Excess::Depth);
            } else if self.parts >= self.limits.parts {
                self.excess.get_or_insert(Excess::Parts);
            } else {
                self.parts += 1;
                self.open.push(Open::new(body, ContentType::plain()));
                // An empty body holds an empty message.
            }
        }
    }

    /// Closes the innermost parts until so many parents and one more are open.
    fn close_to(&mut self, level: usize, end: usize) {
        while self.open.len() > level + 1 {
            self.close_last(end);
        }
        if level == 0
            && let Some(open) = self.open.last_mut()
        {
            finish(&mut open.part, open.state, end);
        }
    }

    /// Closes the innermost part and hands it to its parent.
    fn close_last(&mut self, end: usize) {
        if self.open.len() < 2 {
            return;
        }
        if let Some(mut open) = self.open.pop() {
            finish(&mut open.part, open.state, end);
            self.forget(open.boundary.take());
            if let Some(parent) = self.open.last_mut() {
                parent.part.children.push(open.part);
            }
        }
    }
}

fn finish(part: &mut Part, state: State, end: usize) {
    if state == State::Header {
        part.header.end = end.max(part.header.start);
        part.body = part.header.end..part.header.end;
    } else {
        part.body.end = end.max(part.body.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Shows a structure as `type/subtype"body"[children]`.
    fn shown(message: &[u8], part: &Part) -> String {
        let kind = format!("{}/{}", part.content_type.kind, part.content_type.subtype);
        if part.children.is_empty() {
            return format!("{kind}{:?}", String::from_utf8_lossy(part.body_bytes(message)));
        }
        let children: Vec<String> = part.children.iter().map(|child| shown(message, child)).collect();
        format!("{kind}[{}]", children.join(" "))
    }

    fn check(message: &str, expected: &str) {
        let message = message.replace('\n', "\r\n");
        let read = parse(message.as_bytes(), Limits::STANDARD);
        assert_eq!(read.excess, None);
        assert_eq!(shown(message.as_bytes(), &read.root), expected);
    }

    #[test]
    fn a_plain_message_is_one_part() {
        check("Subject: x\n\nbody\n", "text/plain\"body\\r\\n\"");
        check("", "text/plain\"\"");
        check("Subject: x", "text/plain\"\"");
        check("\nonly body", "text/plain\"only body\"");
        check("Content-Type: nonsense\n\nb", "text/plain\"b\"");
    }

    #[test]
    fn multiparts_are_taken_apart() {
        check(
            "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n\n--b--\nepilogue\n--b\nno part\n",
            "multipart/mixed[text/plain\"one\" text/html\"two\\r\\n\"]",
        );
        check(
            "Content-Type: multipart/a; boundary=out\n\n--out\nContent-Type: multipart/b; boundary=in\n\n--in\n\nx\n--in--\n--out\n\ny\n--out--\n",
            "multipart/a[multipart/b[text/plain\"x\"] text/plain\"y\"]",
        );
    }

    #[test]
    fn a_missing_end_ends_with_the_parent() {
        check(
            "Content-Type: multipart/a; boundary=out\n\n--out\nContent-Type: multipart/b; boundary=in\n\n--in\n\nx\n--out\n\ny",
            "multipart/a[multipart/b[text/plain\"x\"] text/plain\"y\"]",
        );
        check("Content-Type: multipart/a; boundary=b\n\n--b\nA: b\n--b--\n", "multipart/a[text/plain\"\"]");
        check("Content-Type: multipart/a; boundary=b\n\nnone\n", "multipart/a\"none\\r\\n\"");
    }

    #[test]
    fn a_boundary_is_a_whole_line() {
        check(
            "Content-Type: multipart/a; boundary=b\n\n--b  \n\n--bx\n --b\nx--b\n--b--trailing\n--b-- \n",
            "multipart/a[text/plain\"--bx\\r\\n --b\\r\\nx--b\\r\\n--b--trailing\"]",
        );
    }

    #[test]
    fn messages_hold_messages() {
        check(
            "Content-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/x; boundary=b\n\n--b\n\ny\n--b--\n",
            "message/rfc822[multipart/x[text/plain\"y\"]]",
        );
        check(
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nfirst\n--b\n\nSubject: two\n\nsecond\n--b--\n",
            "multipart/digest[message/rfc822[text/plain\"first\"] message/rfc822[text/plain\"second\"]]",
        );
        check(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n",
            "message/rfc822\"QQ==\\r\\n\"",
        );
    }

    #[test]
    fn limits_hold_and_are_told() {
        let mut deep = String::new();
        for level in 0..1_000 {
            deep.push_str(&format!("Content-Type: multipart/a; boundary=b{level}\r\n\r\n--b{level}\r\n"));
        }
        assert_eq!(parse(deep.as_bytes(), Limits::STANDARD).excess, Some(Excess::Depth));
        let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
        assert_eq!(parse(deep.as_bytes(), Limits::STANDARD).excess, Some(Excess::Depth));
        let many = format!("Content-Type: multipart/a; boundary=b\r\n\r\n{}", "--b\r\n\r\n\r\n".repeat(20_000));
        let read = parse(many.as_bytes(), Limits::STANDARD);
        assert_eq!(read.excess, Some(Excess::Parts));
        assert_eq!(read.root.children.len(), 9_999);
    }

    fn sound(part: &Part, end: usize) {
        assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= end, "{part:?} in {end}");
        let mut before = part.body.start;
        for child in &part.children {
            assert!(child.header.start >= before, "{child:?} after {before}");
            sound(child, part.body.end);
            before = child.body.end;
        }
    }

    proptest! {
        #[test]
        fn parts_lie_in_their_parents_in_order(pieces in proptest::collection::vec(prop_oneof![
            Just("Content-Type: multipart/mixed; boundary=b"), Just("Content-Type: multipart/mixed; boundary=c"),
            Just("Content-Type: message/rfc822"), Just("\r\n"), Just("\r\n"), Just("\n"), Just("--b"), Just("--c"), Just("--b--"),
            Just("--c--"), Just("x")], 0..60)) {
            let message = pieces.concat();
            let read = parse(message.as_bytes(), Limits { parts: 10, depth: 5 });
            sound(&read.root, message.len());
        }

        #[test]
        fn any_bytes_are_a_message(message in proptest::collection::vec(any::<u8>(), 0..300)) {
            sound(&parse(&message, Limits::STANDARD).root, message.len());
        }
    }
}
