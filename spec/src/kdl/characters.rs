//! The classes of characters that KDL tells apart, looked up in UTF-8 bytes.
//!
//! Each function looks at the start of `bytes` and returns how many bytes the character there has, or zero where it is not of
//! the class.

/// White space that does not end a line (KDL 2.0.0, Whitespace).
pub(super) fn space_length(bytes: &[u8]) -> usize {
    match bytes {
        [b' ' | b'\t', ..] => 1,
        [0xC2, 0xA0, ..] => 2,
        [0xE1, 0x9A, 0x80, ..]
        | [0xE2, 0x80, 0x80..=0x8A | 0xAF, ..]
        | [0xE2, 0x81, 0x9F, ..]
        | [0xE3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// What ends a line; a carriage return and the line feed behind it are one (KDL 2.0.0, Newline).
pub(super) fn newline_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] | [0xC2, 0x85, ..] => 2,
        [b'\n' | b'\r' | 0x0B | 0x0C, ..] => 1,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// What may stand nowhere in a document (KDL 2.0.0, Disallowed Literal Code Points).
pub(super) fn disallowed_length(bytes: &[u8]) -> usize {
    match bytes {
        [0x00..=0x08 | 0x0E..=0x1F | 0x7F, ..] => 1,
        [0xE2, 0x80, 0x8E | 0x8F | 0xAA..=0xAE, ..] | [0xE2, 0x81, 0xA6..=0xA9, ..] | [0xEF, 0xBB, 0xBF, ..] => 3,
        _ => 0,
    }
}

/// The byte order mark.
pub(super) const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// A character by its first byte, of whatever class.
pub(super) fn character_length(first: u8) -> usize {
    match first {
        0x00..=0x7F => 1,
        0x80..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    }
}

/// Returns how many bytes at the start of `bytes` may stand in a bare word.
pub(super) fn word_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' | b'/' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b';' | b'"' | b'#' | b'=' => break,
            0x00..=0x20 | 0x7F => break,
            0x21..=0x7E => at += 1,
            _ => {
                let rest = bytes.get(at..).unwrap_or_default();
                if space_length(rest) + newline_length(rest) + disallowed_length(rest) > 0 {
                    break;
                }
                at += character_length(byte);
            }
        }
    }
    at
}

/// Returns how many bytes at the start of `bytes` are white space, line ends included.
pub(super) fn blank_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match space_length(rest) + newline_length(rest) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Returns the places of the runs of disallowed characters, with their ends; a byte order mark may stand first.
pub(super) fn disallowed_runs(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).unwrap_or_default();
        let skip = rest.iter().enumerate().position(|(index, &byte)| {
            matches!(byte, 0x00..=0x08 | 0x0E..=0x1F | 0x7F | 0xE2 | 0xEF)
                && disallowed_length(rest.get(index..).unwrap_or_default()) > 0
        })?;
        let start = at + skip;
        at = start;
        loop {
            match disallowed_length(bytes.get(at..).unwrap_or_default()) {
                0 => return Some((start, at)),
                length => at += length,
            }
        }
    })
}
