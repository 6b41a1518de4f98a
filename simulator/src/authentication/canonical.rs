//! Fields and bodies as they are signed (RFC 6376 §3.4), for who checks signatures and who makes them.

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::mime::header::Field;

pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::prelude::BASE64_STANDARD.decode(plain).ok()
}

/// Writes the named fields as they are signed: of several of a name the last first, each once (RFC 6376 §5.4.2); a name without a
/// field, or once more than there are fields, says that there is none.
pub(crate) fn named_fields<'n>(
    content: &[u8],
    fields: &[Field<'_>],
    names: impl IntoIterator<Item = &'n str>,
    relaxed: bool,
) -> Vec<u8> {
    let mut left: BTreeMap<String, Vec<&Field<'_>>> = BTreeMap::new();
    for field in fields.iter().filter(|field| field.is_field()) {
        left.entry(field.name().to_ascii_lowercase()).or_default().push(field);
    }
    let mut input = Vec::new();
    for name in names {
        if let Some(field) = left.get_mut(&name.to_ascii_lowercase()).and_then(Vec::pop) {
            input.extend_from_slice(&canonical_field(content, field, relaxed));
        }
    }
    input
}

/// Writes a field as it is signed (RFC 6376 §3.4.1, §3.4.2), with its line end.
pub(crate) fn canonical_field(content: &[u8], field: &Field<'_>, relaxed: bool) -> Vec<u8> {
    if !relaxed {
        return content.get(field.whole.clone()).unwrap_or_default().to_vec();
    }
    let mut out = field.name().to_ascii_lowercase().into_bytes();
    out.push(b':');
    let start = out.len();
    for &byte in field.raw() {
        match byte {
            b'\r' | b'\n' => {}
            b' ' | b'\t' if out.len() == start || out.ends_with(b" ") => {}
            b' ' | b'\t' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    while out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes a body as it is signed (RFC 6376 §3.4.3, §3.4.4).
pub(crate) fn canonical_body(body: &[u8], relaxed: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if relaxed {
            let start = out.len();
            for &byte in bare {
                match byte {
                    b' ' | b'\t' if out.len() > start && out.ends_with(b" ") => {}
                    b' ' | b'\t' => out.push(b' '),
                    byte => out.push(byte),
                }
            }
            while out.len() > start && out.ends_with(b" ") {
                out.pop();
            }
        } else {
            out.extend_from_slice(bare);
        }
        out.extend_from_slice(b"\r\n");
    }
    while out.ends_with(b"\r\n\r\n") {
        out.truncate(out.len() - 2);
    }
    if out == b"\r\n" && relaxed {
        out.clear();
    }
    if out.is_empty() && !relaxed {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Returns the signature's own field with nothing in its `b=`.
pub(crate) fn without_signature(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let colon = field.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
    out.extend_from_slice(field.get(..colon).unwrap_or_default());
    let rest = field.get(colon..).unwrap_or_default();
    let end = rest.strip_suffix(b"\r\n").map_or(rest.len(), <[u8]>::len);
    let (value, line_end) = rest.split_at_checked(end).unwrap_or((rest, b""));
    for (index, part) in value.split(|byte| *byte == b';').enumerate() {
        if index > 0 {
            out.push(b';');
        }
        let equals = part.iter().position(|byte| *byte == b'=');
        let name = equals.and_then(|at| part.get(..at)).unwrap_or_default();
        match equals {
            Some(at) if name.trim_ascii() == b"b" => out.extend_from_slice(part.get(..=at).unwrap_or_default()),
            _ => out.extend_from_slice(part),
        }
    }
    out.extend_from_slice(line_end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::header;

    #[test]
    fn bodies_are_written_as_they_are_signed() {
        for (body, simple, relaxed) in [
            ("", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"),
            ("no end", "no end\r\n", "no end\r\n"),
        ] {
            let text = |relaxed| String::from_utf8(canonical_body(body.as_bytes(), relaxed)).unwrap();
            assert_eq!((text(false).as_str(), text(true).as_str()), (simple, relaxed), "{body:?}");
        }
    }

    #[test]
    fn a_field_is_written_as_it_is_signed() {
        let content = b"SUBJect :  AbC \r\n\t def\t\r\n\r\n";
        let field = header::fields(header::block(content)).next().unwrap();
        assert_eq!(canonical_field(content, &field, true), b"subject:AbC def\r\n");
    }

    #[test]
    fn only_the_signature_itself_is_left_out_of_its_field() {
        assert_eq!(
            without_signature(b"dkim-signature:v=1; bh=abc=; b=xyz==; s=b\r\n"),
            b"dkim-signature:v=1; bh=abc=; b=; s=b\r\n"
        );
    }
}
