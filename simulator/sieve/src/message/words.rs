//! Encoded words, transfer encodings and character sets (RFC 2045 §6, RFC 2047).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes the encoded words of a field; what cannot be decoded stays.
pub(crate) fn decode(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        match word(from) {
            Some((decoded, used)) => {
                // Blanks between two encoded words are nothing.
                if !(after_word && before.chars().all(|character| character.is_ascii_whitespace())) {
                    out.push_str(before);
                }
                out.push_str(&decoded);
                rest = from.get(used..).unwrap_or_default();
                after_word = true;
            }
            None => {
                out.push_str(before);
                out.push_str("=?");
                rest = from.get(2..).unwrap_or_default();
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

fn word(text: &str) -> Option<(String, usize)> {
    let inner = text.get(2..)?;
    let (charset, after) = inner.split_once('?')?;
    let (encoding, after) = after.split_once('?')?;
    let (content, _) = after.split_once("?=")?;
    let charset_name = charset.split('*').next().unwrap_or_default();
    if charset_name.is_empty() || content.contains([' ', '\t']) {
        return None;
    }
    let bytes = match encoding {
        "b" | "B" => base64(content.as_bytes()),
        "q" | "Q" => quoted_printable(content.as_bytes(), true),
        _ => return None,
    };
    let used = 2 + charset.len() + 1 + encoding.len() + 1 + content.len() + 2;
    Some((from_charset(&charset_name.to_ascii_lowercase(), &bytes), used))
}

pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> =
        bytes.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).collect();
    let whole = clean.len() - usize::from(clean.len() % 4 == 1);
    BASE64.decode(clean.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// - `is_word`: whether `_` is a blank, as in encoded words.
pub(crate) fn quoted_printable(bytes: &[u8], is_word: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'=' => {
                let soft = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n"));
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                match (soft, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
                    (Some(after), _) => rest = after,
                    (None, Some(byte)) => {
                        out.push(byte);
                        rest = after.get(2..).unwrap_or_default();
                    }
                    (None, None) => out.push(b'='),
                }
            }
            b'_' if is_word => out.push(b' '),
            other => out.push(other),
        }
    }
    out
}

pub(crate) fn from_charset(charset: &str, bytes: &[u8]) -> String {
    match charset {
        "iso-8859-1" | "latin1" | "windows-1252" | "iso-8859-15" => {
            bytes.iter().map(|byte| char::from(*byte)).collect()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded_and_others_stay() {
        for (text, expected) in [
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("a =?ISO-8859-1?Q?caf=E9_au?= =?utf-8?b?bGFpdA==?= b", "a café aulait b"),
            ("=?utf-8?x?no?= =?", "=?utf-8?x?no?= =?"),
            ("=?utf-8?b?SGVsbG8?=", "Hello"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}
