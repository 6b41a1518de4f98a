//! Types and dispositions with their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).

/// Parameters kept of one field; the rest is passed over.
const MOST: usize = 200;

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// The type in lower case, `text`.
    pub kind: String,
    /// The subtype in lower case, `plain`.
    pub subtype: String,
    /// The parameters in their order: names in lower case, still with the `*` of RFC 2231, values without quotes.
    pub parameters: Vec<(String, String)>,
}

impl ContentType {
    /// `text/plain; charset=us-ascii`, which is meant where nothing is said (RFC 2045 §5.2).
    pub fn plain() -> Self {
        Self {
            kind: "text".to_owned(),
            subtype: "plain".to_owned(),
            parameters: vec![("charset".to_owned(), "us-ascii".to_owned())],
        }
    }

    /// `message/rfc822`, which is meant in a digest (RFC 2046 §5.1.5).
    pub fn message() -> Self {
        Self { kind: "message".to_owned(), subtype: "rfc822".to_owned(), parameters: Vec::new() }
    }

    /// Returns a parameter's value, continuations put together and percent signs decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        value(&self.parameters, name)
    }
}

/// How a part wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` or another word, in lower case.
    pub kind: String,
    /// The parameters, as in [`ContentType::parameters`].
    pub parameters: Vec<(String, String)>,
}

/// Reads a `Content-Type` value; `None` where it names no type.
pub fn content_type(value: &str) -> Option<ContentType> {
    let mut reader = Reader { rest: value };
    let kind = reader.token()?;
    reader.expect('/')?;
    let subtype = reader.token()?;
    Some(ContentType { kind, subtype, parameters: reader.parameters() })
}

/// Reads a `Content-Disposition` value.
pub fn disposition(value: &str) -> Option<Disposition> {
    let mut reader = Reader { rest: value };
    let kind = reader.token()?;
    Some(Disposition { kind, parameters: reader.parameters() })
}

/// Returns a parameter's value: the plain one, else the encoded one, else its continuations in their order (RFC 2231 §3, §4).
pub fn value(parameters: &[(String, String)], name: &str) -> Option<String> {
    let find = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if let Some(plain) = find(name) {
        return Some(plain.to_owned());
    }
    if let Some(encoded) = find(&format!("{name}*")) {
        return Some(text(&percent(without_charset(encoded))));
    }
    let mut whole = Vec::new();
    for index in 0..MOST {
        if let Some(piece) = find(&format!("{name}*{index}")) {
            whole.extend_from_slice(piece.as_bytes());
        } else if let Some(piece) = find(&format!("{name}*{index}*")) {
            whole.extend(percent(if index == 0 { without_charset(piece) } else { piece }));
        } else {
            break;
        }
    }
    (!whole.is_empty()).then(|| text(&whole))
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Latin 1 is what else is met; every octet has a character there.
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Takes charset and language off an encoded value (`utf-8'en'…`).
fn without_charset(value: &str) -> &str {
    value.splitn(3, '\'').nth(2).unwrap_or(value)
}

fn percent(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        if let (b'%', [high, low, after @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high * 16 + low);
            bytes = after;
        } else {
            out.push(*first);
            bytes = rest;
        }
    }
    out
}

/// Returns the value of a hexadecimal digit.
pub(crate) fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Passes over blanks and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return;
            }
            let mut depth = 0_usize;
            let mut escaped = false;
            let end = self.rest.char_indices().find_map(|(at, c)| {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0).then_some(at + c.len_utf8())
            });
            self.rest = self.rest.get(end.unwrap_or(self.rest.len())..).unwrap_or_default();
        }
    }

    fn take_until(&mut self, ends: &str) -> String {
        let end = self.rest.find(|c: char| ends.contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    /// Reads a token in lower case.
    fn token(&mut self) -> Option<String> {
        self.skip();
        let word = self.take_until(" \t\r\n()<>@,;:\\\"/[]?=");
        (!word.is_empty()).then(|| word.to_ascii_lowercase())
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.skip();
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// Reads what stands between quotes, or a word as far as the field is in use: wider than a token.
    fn value(&mut self) -> String {
        self.skip();
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.take_until(" \t\r\n;\"(") };
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        self.rest = characters.as_str();
        value
    }

    fn parameters(&mut self) -> Vec<(String, String)> {
        let mut parameters = Vec::new();
        while parameters.len() < MOST {
            self.take_until(";");
            if self.expect(';').is_none() {
                break;
            }
            self.skip();
            let name = self.take_until(" \t\r\n;=\"(").to_ascii_lowercase();
            if name.is_empty() || self.expect('=').is_none() {
                continue;
            }
            let value = self.value();
            parameters.push((name, value));
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, kind: &str, name: &str, expected: Option<&str>) {
        let read = content_type(text).unwrap();
        assert_eq!(format!("{}/{}", read.kind, read.subtype), kind, "{text}");
        assert_eq!(read.parameter(name).as_deref(), expected, "{text}");
    }

    #[test]
    fn types_and_parameters_are_read() {
        check("text/plain", "text/plain", "charset", None);
        check("TEXT/HTML; Charset=UTF-8", "text/html", "charset", Some("UTF-8"));
        check("multipart/mixed; boundary=\"a;b\\\"c\"", "multipart/mixed", "boundary", Some("a;b\"c"));
        check("multipart/mixed (c) ; (d) boundary = x-=_y", "multipart/mixed", "boundary", Some("x-=_y"));
        check("text/plain; junk; charset=x", "text/plain", "charset", Some("x"));
        check("text/plain;;charset=x;", "text/plain", "charset", Some("x"));
        for text in ["", "text", "/plain", "text/", "(text/plain"] {
            assert_eq!(content_type(text), None, "{text}");
        }
    }

    #[test]
    fn continued_and_encoded_values_are_put_together() {
        check("a/b; name*=utf-8'en'caf%C3%A9", "a/b", "name", Some("café"));
        check("a/b; name*1=b; name*0=a", "a/b", "name", Some("ab"));
        check("a/b; name*0*=utf-8''%C3; name*1*=%A9; name*2=%", "a/b", "name", Some("é%"));
        check("a/b; name*=iso-8859-1''%E9%", "a/b", "name", Some("é%"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_type_or_none(text in "[a/;=\"\\\\()*%0 ]{0,60}") {
            if let Some(read) = content_type(&text) {
                prop_assert!(read.parameters.len() <= MOST);
                let _ = read.parameter("a");
            }
        }
    }
}
