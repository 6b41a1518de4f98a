//! Header fields by their offsets (RFC 5322 §2.2), read the way mail programs read them.
//!
//! The header ends with the first empty line. A line in it that is neither a field nor a continuation is passed over, as
//! Dovecot does, and can be seen as a field without a name.

use std::ops::Range;

/// A header field in the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    bytes: &'a [u8],
    /// Where the name stands; empty for a line that is no field.
    pub name: Range<usize>,
    /// Where the value stands: all behind the colon, line folds included, without the last line end.
    pub value: Range<usize>,
    /// The whole field with its last line end.
    pub whole: Range<usize>,
}

impl<'a> Field<'a> {
    /// Returns the name as it was spelled.
    pub fn name(&self) -> &'a str {
        self.bytes.get(self.name.clone()).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Whether the field has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Whether the line is a field at all.
    pub fn is_field(&self) -> bool {
        !self.name.is_empty()
    }

    /// Returns the value's bytes, folds included.
    pub fn raw(&self) -> &'a [u8] {
        self.bytes.get(self.value.clone()).unwrap_or_default()
    }

    /// Returns the value on one line, without blanks around it; what is not UTF-8 is replaced.
    pub fn unfolded(&self) -> String {
        let text = String::from_utf8_lossy(self.raw());
        text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect::<String>().trim_matches([' ', '\t']).to_owned()
    }
}

/// Returns a message's header: everything before the first empty line.
pub fn block(message: &[u8]) -> &[u8] {
    message.get(..split(message).0).unwrap_or_default()
}

/// Returns where a message's header ends and where its body begins; between them stands the empty line, if there is one.
pub fn split(message: &[u8]) -> (usize, usize) {
    let mut start = 0;
    loop {
        let rest = message.get(start..).unwrap_or_default();
        if rest.starts_with(b"\r\n") {
            return (start, start + 2);
        }
        if rest.starts_with(b"\n") {
            return (start, start + 1);
        }
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => start += end + 1,
            None => return (message.len(), message.len()),
        }
    }
}

/// Returns the fields of a header in their order; `header` is what [`block`] returned, or begins with it.
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { bytes: header, at: 0 }
}

/// The fields of a header.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        if rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            return None;
        }
        let first = line_length(rest);
        let name = name_length(rest.get(..first).unwrap_or_default());
        let mut end = start + first;
        while self.bytes.get(end).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            end += line_length(self.bytes.get(end..).unwrap_or_default());
        }
        self.at = end;
        let text_end = start + trimmed(self.bytes.get(start..end).unwrap_or_default());
        Some(match name {
            Some((name, colon)) => Field {
                bytes: self.bytes,
                name: start..start + name,
                value: (start + colon + 1).min(text_end)..text_end,
                whole: start..end,
            },
            None => Field { bytes: self.bytes, name: start..start, value: start..text_end, whole: start..end },
        })
    }
}

fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1)
}

fn trimmed(bytes: &[u8]) -> usize {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes).len()
}

/// Returns a field name's length and where its colon stands; blanks may stand between (RFC 5322 §4.5).
fn name_length(line: &[u8]) -> Option<(usize, usize)> {
    let name = line.iter().position(|byte| !matches!(byte, b'!'..=b'9' | b';'..=b'~'))?;
    let blanks = line.get(name..)?.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    let colon = name + blanks;
    (name > 0 && line.get(colon) == Some(&b':')).then_some((name, colon))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_found_with_their_folds() {
        let message = b"Subject: a\r\n b\r\nFrom : x\r\nno field\r\nTo:\r\n\r\nBody: no\r\n";
        let header = block(message);
        let read: Vec<(String, String)> =
            fields(header).map(|field| (field.name().to_owned(), field.unfolded())).collect();
        assert_eq!(
            read,
            [("Subject", "a b"), ("From", "x"), ("", "no field"), ("To", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(&message[split(message).1..], b"Body: no\r\n");
    }

    #[test]
    fn a_message_may_have_no_header_or_no_body() {
        assert_eq!(split(b""), (0, 0));
        assert_eq!(split(b"\r\nx"), (0, 2));
        assert_eq!(split(b"\nx"), (0, 1));
        assert_eq!(split(b"A: b"), (4, 4));
        assert_eq!(split(b"A: b\n\nx"), (5, 6));
        assert_eq!(fields(b"A: b").next().unwrap().unfolded(), "b");
    }

    proptest! {
        #[test]
        fn the_fields_cover_the_header(pieces in proptest::collection::vec(
            prop_oneof![Just("A"), Just(":"), Just(" "), Just("\r\n"), Just("\n"), Just("\r"), Just("é")], 0..40)) {
            let message = pieces.concat();
            let header = block(message.as_bytes());
            let mut at = 0;
            for field in fields(header) {
                prop_assert_eq!(field.whole.start, at);
                prop_assert!(field.value.start <= field.value.end && field.value.end <= field.whole.end);
                at = field.whole.end;
            }
            prop_assert_eq!(at, header.len());
        }
    }
}
