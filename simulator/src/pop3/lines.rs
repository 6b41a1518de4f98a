//! Cuts a client's bytes into lines.

/// Bytes of the longest line: a SASL response (RFC 4616 with base64) is the longest thing a client says.
const MAX_LINE: usize = 8 << 10;

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// More bytes are needed.
    Starved,
    TooLong,
}

/// Bytes on their way to becoming lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    waiting: Vec<u8>,
    taken: usize,
    /// Bytes behind `taken` that are known to hold no line end.
    scanned: usize,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.taken);
        self.taken = 0;
        self.waiting.extend_from_slice(bytes);
    }

    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.waiting.split_off(self.taken.min(self.waiting.len()));
        self.discard();
        rest
    }

    /// Takes the next line, without its end; a lone LF ends a line too.
    pub(super) fn next(&mut self) -> Line {
        let rest = self.waiting.get(self.taken..).unwrap_or_default();
        let fresh = rest.get(self.scanned..).unwrap_or_default();
        match fresh.iter().position(|byte| *byte == b'\n') {
            Some(end) if self.scanned + end <= MAX_LINE => {
                let line = rest.get(..self.scanned + end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.taken += self.scanned + end + 1;
                self.scanned = 0;
                Line::Whole(line)
            }
            None if rest.len() <= MAX_LINE => {
                self.scanned = rest.len();
                Line::Starved
            }
            _ => Line::TooLong,
        }
    }
}
