//! Reading a server's replies (RFC 5321 §4.2.1), strictly and within bounds.

use crate::smtp::{Enhanced, Reply};

/// Octets of one line; RFC 5321 §4.5.3.1.5 asks for 512, the field sends more.
const LINE_BYTES: usize = 2_048;
/// Lines of one reply.
const LINES: usize = 128;
/// Octets of text kept of one reply.
const TEXT_BYTES: usize = 8_192;

/// What a server sent is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// Puts replies together from bytes.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    pending: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
    text_bytes: usize,
}

impl ReplyReader {
    /// Keeps bytes to be read; no more than a few lines wait at a time, because the caller reads all it can.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Forgets everything that was not read (RFC 3207 §4.2).
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the next whole reply.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Nonsense> {
        loop {
            let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
                return if self.pending.len() > LINE_BYTES { Err(Nonsense) } else { Ok(None) };
            };
            if end > LINE_BYTES {
                return Err(Nonsense);
            }
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            if let Some(reply) = self.line(&line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, Nonsense> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (digits, rest) = line.split_at_checked(3).ok_or(Nonsense)?;
        let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *digits else { return Err(Nonsense) };
        let code = u16::from(first - b'0') * 100 + u16::from(second - b'0') * 10 + u16::from(third - b'0');
        let (more, text) = match rest.split_first() {
            None => (false, rest),
            Some((b' ', text)) => (false, text),
            Some((b'-', text)) => (true, text),
            Some(_) => return Err(Nonsense),
        };
        if self.code.is_some_and(|before| before != code) || self.lines.len() >= LINES {
            return Err(Nonsense);
        }
        self.code = Some(code);
        let mut text: String =
            String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        if self.text_bytes + text.len() > TEXT_BYTES {
            text.clear();
        }
        self.text_bytes += text.len();
        self.lines.push(text);
        if more {
            return Ok(None);
        }
        self.code = None;
        self.text_bytes = 0;
        Ok(Some(assemble(code, &std::mem::take(&mut self.lines))))
    }
}

/// Takes the enhanced code off every line that repeats it.
fn assemble(code: u16, lines: &[String]) -> Reply {
    let class = |enhanced: &Enhanced| u16::from(enhanced.0) == code / 100;
    let enhanced = lines.first().and_then(|line| Enhanced::split(line)).map(|(enhanced, _)| enhanced).filter(class);
    let text: Vec<&str> = lines
        .iter()
        .map(|line| match (enhanced, Enhanced::split(line)) {
            (Some(expected), Some((found, rest))) if expected == found => rest,
            _ => line,
        })
        .collect();
    Reply { code, enhanced, text: text.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Reply>, Nonsense> {
        let mut reader = ReplyReader::default();
        reader.push(bytes);
        let mut replies = Vec::new();
        while let Some(reply) = reader.next()? {
            replies.push(reply);
        }
        Ok(replies)
    }

    #[test]
    fn replies_of_one_and_many_lines_are_read() {
        assert_eq!(
            read(b"220 a\r\n250-x\r\n250-SIZE 1\r\n250 y\r\n550-5.1.1 no\r\n550 5.1.1 body\r\n250\r\n354 go\r\n")
                .unwrap(),
            [
                Reply::plain(220, "a"),
                Reply::plain(250, "x\nSIZE 1\ny"),
                Reply::new(550, (5, 1, 1), "no\nbody"),
                Reply::plain(250, ""),
                Reply::plain(354, "go"),
            ]
        );
    }

    #[test]
    fn nonsense_is_told() {
        for bytes in [&b"hello\r\n"[..], b"22\r\n", b"999 x\r\n", b"250-a\r\n251 b\r\n", b"2500 a\r\n", b"\r\n"] {
            assert_eq!(read(bytes), Err(Nonsense), "{bytes:?}");
        }
        assert_eq!(read(&[b'2'; 10_000]), Err(Nonsense));
        assert_eq!(read(&b"250-x\r\n".repeat(1_000)), Err(Nonsense));
    }

    proptest! {
        #[test]
        fn any_bytes_are_replies_or_nonsense(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
