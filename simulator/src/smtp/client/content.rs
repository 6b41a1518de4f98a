//! A message's octets on their way out: dot-stuffed, every line ended by CRLF (RFC 5321 §4.5.2, §2.3.8).

use std::sync::Arc;

/// Octets of a message that one piece is made of.
const PIECE_BYTES: usize = 65_536;

/// Writes a message piece by piece.
///
/// A carriage return or line feed that stands alone becomes CRLF and a NUL is left out, so that no server can take a part of
/// the message for its end. Messages this platform took hold none of these and go out byte for byte.
// Gap: RFC 5321 §4.5.3.1.6, lines over 998 octets are sent as they are; folding them would change a body.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Arc<[u8]>,
    at: usize,
    line_start: bool,
    ended: bool,
}

impl Content {
    pub(super) fn new(bytes: Arc<[u8]>) -> Self {
        Self { bytes, at: 0, line_start: true, ended: false }
    }

    /// Whether the last piece was returned.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns the next piece; the last one ends with CRLF.CRLF, after it there is none.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut out = Vec::with_capacity(rest.len().min(PIECE_BYTES) + 1_024);
        let mut used = 0;
        while used < rest.len() && used < PIECE_BYTES {
            let tail = rest.get(used..).unwrap_or_default();
            if self.line_start && tail.first() == Some(&b'.') {
                out.push(b'.');
            }
            let most = tail.len().min(PIECE_BYTES);
            let plain = tail.iter().take(most).position(|byte| matches!(byte, b'\r' | b'\n' | 0)).unwrap_or(most);
            if plain > 0 {
                out.extend_from_slice(tail.get(..plain).unwrap_or_default());
                self.line_start = false;
                used += plain;
                continue;
            }
            if tail.first() == Some(&0) {
                used += 1;
                continue;
            }
            out.extend_from_slice(b"\r\n");
            self.line_start = true;
            used += if tail.starts_with(b"\r\n") { 2 } else { 1 };
        }
        self.at += used;
        if self.at >= self.bytes.len() {
            if !self.line_start {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b".\r\n");
            self.ended = true;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::data::DataReader;
    use proptest::prelude::*;

    fn written(bytes: &[u8]) -> Vec<u8> {
        let mut content = Content::new(bytes.into());
        std::iter::from_fn(|| content.next()).flatten().collect()
    }

    #[test]
    fn dots_are_stuffed_and_bare_line_ends_mended() {
        for (input, expected) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..a\r\nb.\r\n", b"..\r\n...a\r\nb.\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\0b\r\n\0.\r\n", b"ab\r\n..\r\n.\r\n"),
        ] {
            assert_eq!(written(input), expected, "{input:?}");
        }
    }

    #[test]
    fn a_line_longer_than_a_piece_is_whole() {
        let long = vec![b'.'; 200_000];
        let out = written(&long);
        assert_eq!(out.len(), 200_000 + 1 + 5);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_back_and_holds_one_end(pieces in proptest::collection::vec(
            prop_oneof![Just("\r"), Just("\n"), Just("."), Just("\r\n"), Just("a"), Just("\0"), Just("\r\n.\r\n")], 0..40)) {
            let input = pieces.concat();
            let out = written(input.as_bytes());
            let mut reader = DataReader::new(10_000);
            prop_assert_eq!(reader.take(&out), (out.len(), true));
            let content = reader.finish();
            prop_assert!(content.is_ok());
            let sound = !input.replace("\r\n", "").contains(['\r', '\n', '\0']);
            if sound && (input.ends_with("\r\n") || input.is_empty()) {
                prop_assert_eq!(content.unwrap(), input.as_bytes());
            }
        }
    }
}
