//! A message's octets as they arrive: the end of DATA and nothing else is the end (RFC 5321 §4.5.2, §2.3.8).

/// What is wrong with a message's octets; the first is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A line feed that no carriage return stands before.
    BareLineFeed,
    /// More octets than a message may have.
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very beginning.
    LineStart,
    /// Behind a dot that stands first in its line.
    Dot,
    /// Behind that dot and a carriage return.
    DotReturn,
    /// In a line.
    Line,
    /// Behind a carriage return in a line.
    Return,
}

/// Takes a message's octets, piece by piece, and keeps them without dot-stuffing.
///
/// Only CRLF.CRLF ends a message. What looks like an end with bare line feeds (LF.LF, CRLF.LF and their kin) is a fault: the rest is
/// read up to the true end and thrown away, so that nothing of it is ever taken for a command. A carriage return alone is a
/// character like any other, as it is to Postfix.
#[derive(Clone, Debug)]
pub struct DataReader {
    at: At,
    stuffed: bool,
    content: Vec<u8>,
    received: u64,
    limit: u64,
    fault: Option<Fault>,
}

impl DataReader {
    /// Begins behind the line that said `DATA`.
    ///
    /// - `limit`: octets the message may have; no more are kept, ever.
    pub fn new(limit: u64) -> Self {
        Self { at: At::LineStart, stuffed: true, content: Vec::new(), received: 0, limit, fault: None }
    }

    /// Begins a message that comes in chunks (RFC 3030): no dot-stuffing, the end is told from outside.
    pub fn chunked(limit: u64) -> Self {
        Self { stuffed: false, ..Self::new(limit) }
    }

    /// Octets taken so far, stuffing and all.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes octets up to the end of the message.
    ///
    /// - Returns: how many were taken, and whether the end was among them.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if self.at == At::Line {
                let rest = bytes.get(used..).unwrap_or_default();
                let plain = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)).unwrap_or(rest.len());
                if plain > 0 {
                    self.keep(rest.get(..plain).unwrap_or_default());
                    used += plain;
                    continue;
                }
            }
            used += 1;
            if self.step(byte) {
                self.received = self.received.saturating_add(used as u64);
                return (used, true);
            }
        }
        self.received = self.received.saturating_add(used as u64);
        (used, false)
    }

    /// Ends the message.
    ///
    /// - Returns: the content, ended by CRLF when chunks did not end so, or what was wrong with it.
    pub fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if !self.stuffed {
            match self.at {
                At::Return => self.keep(b"\r\r\n"),
                At::Line => self.keep(b"\r\n"),
                _ => {}
            }
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.content),
        }
    }

    fn step(&mut self, byte: u8) -> bool {
        let after = match (self.at, byte) {
            // Dovecot shows a NUL as this (RFC 3501 §9 has none in a literal).
            (_, 0) if self.at != At::Return && self.at != At::DotReturn => {
                self.keep(&[0x80]);
                At::Line
            }
            (At::LineStart, b'.') if self.stuffed => At::Dot,
            (At::Dot, b'\r') => At::DotReturn,
            (At::DotReturn, b'\n') => return true,
            (At::DotReturn, _) => {
                self.keep(b"\r");
                return self.again(byte);
            }
            (At::Return, b'\n') => {
                self.keep(b"\r\n");
                At::LineStart
            }
            (At::Return, b'\r') => {
                self.keep(b"\r");
                At::Return
            }
            (At::Return, _) => {
                self.keep(b"\r");
                return self.again(byte);
            }
            (_, b'\r') => At::Return,
            (_, b'\n') => {
                self.blame(Fault::BareLineFeed);
                At::Line
            }
            (_, other) => {
                self.keep(&[other]);
                At::Line
            }
        };
        self.at = after;
        false
    }

    /// Looks at an octet once more as one in a line, behind a carriage return that stood alone.
    fn again(&mut self, byte: u8) -> bool {
        self.at = At::Line;
        self.step(byte)
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.content.len() as u64 + bytes.len() as u64 > self.limit {
            return self.blame(Fault::TooLarge);
        }
        self.content.extend_from_slice(bytes);
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.content = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &[u8], expected: Result<&[u8], Fault>, rest: &[u8]) {
        let mut reader = DataReader::new(1_000);
        let (used, ended) = reader.take(input);
        assert!(ended, "{input:?} ends");
        assert_eq!(&input[used..], rest, "{input:?}");
        assert_eq!(reader.finish().as_deref().map_err(|fault| *fault), expected, "{input:?}");
    }

    #[test]
    fn dots_are_unstuffed_and_the_end_is_found() {
        check(b".\r\n", Ok(b""), b"");
        check(b"a\r\n.\r\nQUIT\r\n", Ok(b"a\r\n"), b"QUIT\r\n");
        check(b"..\r\n.a\r\n...b\r\na.\r\n.\r\n", Ok(b".\r\na\r\n..b\r\na.\r\n"), b"");
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_is_an_end() {
        use Fault::BareLineFeed;
        for (false_end, fault) in [
            (&b"\n.\n"[..], BareLineFeed),
            (b"\n.\r\n", BareLineFeed),
            (b"\r\n.\n", BareLineFeed),
            (b"\n.\r", BareLineFeed),
            (b"\r.\n", BareLineFeed),
            (b"\r\0\n.\r\n", BareLineFeed),
        ] {
            let mut input = b"a".to_vec();
            input.extend_from_slice(false_end);
            input.extend_from_slice(b"MAIL FROM:<evil@a.example>\r\nDATA\r\n\r\n.\r\nQUIT\r\n");
            check(&input, Err(fault), b"QUIT\r\n");
        }
    }

    #[test]
    fn a_carriage_return_alone_is_a_character_and_ends_nothing() {
        for (kept, input) in [
            (&b"a\r.\rMAIL\r\n"[..], &b"a\r.\rMAIL\r\n.\r\n"[..]),
            (b"a\r.\r\n", b"a\r.\r\n.\r\n"),
            (b"a\r\n\rMAIL\r\n", b"a\r\n.\rMAIL\r\n.\r\n"),
            (b"a\r\r.\r\r\n", b"a\r\r.\r\r\n.\r\n"),
            (b"a\r\n\x80.\r\n", b"a\r\n\0.\r\n.\r\n"),
        ] {
            check(input, Ok(kept), b"");
        }
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut reader = DataReader::new(10);
        for _ in 0..1_000 {
            assert_eq!(reader.take(b"0123456789"), (10, false));
            assert!(reader.content.len() <= 10);
        }
        assert_eq!(reader.take(b"\r\n.\r\n"), (5, true));
        assert_eq!(reader.finish(), Err(Fault::TooLarge));
    }

    #[test]
    fn chunks_keep_their_dots_and_get_a_last_line_end() {
        let mut reader = DataReader::chunked(100);
        assert_eq!(reader.take(b".\r"), (2, false));
        assert_eq!(reader.take(b"\n.\r\n..a"), (7, false));
        assert_eq!(reader.finish().unwrap(), b".\r\n.\r\n..a\r\n");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_message(
            pieces in proptest::collection::vec(
                prop_oneof![Just("\r"), Just("\n"), Just("."), Just("\r\n"), Just("\r\n.\r\n"), Just("a"), Just("\0")], 0..40),
            cuts in proptest::collection::vec(0..8usize, 0..40),
        ) {
            let input: Vec<u8> = pieces.concat().into_bytes();
            let mut whole = DataReader::new(50);
            let (used, ended) = whole.take(&input);
            let mut parts = DataReader::new(50);
            let mut at = 0;
            let mut parts_ended = false;
            let mut cuts = cuts.into_iter().cycle();
            while at < input.len() && !parts_ended {
                let end = (at + cuts.next().unwrap_or(1).max(1)).min(input.len());
                let (taken, over) = parts.take(&input[at..end]);
                at += taken;
                parts_ended = over;
            }
            prop_assert_eq!((at, parts_ended), (used, ended));
            prop_assert_eq!(parts.received(), whole.received());
            prop_assert_eq!(parts.finish(), whole.finish());
        }

        #[test]
        fn what_is_kept_has_no_bare_line_feeds(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = DataReader::new(1_000);
            reader.take(&input);
            reader.take(b"\r\n.\r\n");
            if let Ok(content) = reader.finish() {
                let text = content.iter().map(|b| *b as char).collect::<String>().replace("\r\n", "");
                prop_assert!(!text.contains(['\n', '\0']));
            }
        }
    }
}
