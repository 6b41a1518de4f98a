//! Text in header fields, encoded words decoded (RFC 2047).

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

/// Longest value that is decoded, in octets; what is longer is cut.
const LONGEST: usize = 65_536;

/// Returns an unstructured value as a person reads it: unfolded, encoded words decoded, unknown bytes replaced.
pub fn decode(value: &[u8]) -> String {
    let mut bytes = value.get(..value.len().min(LONGEST)).unwrap_or_default().to_vec();
    bytes.extend_from_slice(b"\r\n");
    match MessageStream::new(&bytes).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded() {
        assert_eq!(decode(b" =?utf-8?q?caf=C3=A9?= au\r\n lait"), "café au lait");
        assert_eq!(decode(b"=?utf-8?b?Ym9zcw==?= =?utf-8?q?_x?="), "boss x");
        assert_eq!(decode(b""), "");
        decode(b"\xff\xfe=?x");
    }
}
