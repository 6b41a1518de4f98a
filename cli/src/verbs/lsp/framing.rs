//! Messages on a stream: a header with the length, an empty line, a JSON document.

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// Bytes a message may have; the largest file that is read fits, spelled with escapes.
pub(super) const MAX_MESSAGE: u64 = 64 * 1024 * 1024;
/// Bytes the header of a message may have.
const MAX_HEADER: u64 = 8 * 1024;

/// What came in.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// A document.
    Message(Value),
    /// Something that is none; what came behind it can be read.
    Malformed(String),
    /// Nothing will come any more.
    End,
}

/// Reads the next message.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    let mut length = None;
    let mut seen = 0;
    loop {
        let mut line = Vec::new();
        let count = input.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(Incoming::End);
        }
        seen += count as u64;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if seen > MAX_HEADER {
            return Ok(Incoming::Malformed(format!("the header is longer than {MAX_HEADER} bytes")));
        }
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let Some(length) = length else {
        return Ok(Incoming::Malformed("the header has no Content-Length".to_owned()));
    };
    if length > MAX_MESSAGE {
        let skipped = io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
        if skipped < length {
            return Ok(Incoming::End);
        }
        return Ok(Incoming::Malformed(format!("the message has {length} bytes, more than {MAX_MESSAGE}")));
    }
    let mut body = Vec::new();
    if input.by_ref().take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(Incoming::End);
    }
    Ok(match serde_json::from_slice(&body) {
        Ok(value) => Incoming::Message(value),
        Err(error) => Incoming::Malformed(format!("the message is not JSON: {error}")),
    })
}

/// Writes a message.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all(bytes: &[u8]) -> Vec<Incoming> {
        let mut input = bytes;
        let mut found = Vec::new();
        loop {
            match read(&mut input).unwrap() {
                Incoming::End => return found,
                other => found.push(other),
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = Vec::new();
        let messages = [json!({ "jsonrpc": "2.0", "method": "ü" }), json!([1, 2])];
        for message in &messages {
            write(&mut bytes, message).unwrap();
        }
        assert_eq!(all(&bytes), messages.map(Incoming::Message));
    }

    #[test]
    fn what_is_malformed_is_told_and_the_next_message_is_read() {
        let good = "Content-Length: 2\r\n\r\n{}";
        for bad in ["Content-Length: 3\r\n\r\n{\"}", "Nothing: 1\r\n\r\n", "Content-Length: many\r\n\r\n"] {
            let found = all(format!("{bad}{good}").as_bytes());
            assert!(matches!(found.as_slice(), [Incoming::Malformed(_), Incoming::Message(_)]), "{bad}: {found:?}");
        }
        assert_eq!(all(b"Content-Length: 10\r\n\r\n{}"), []);
    }

    #[test]
    fn a_message_that_is_too_large_is_passed_over() {
        let mut bytes = format!("Content-Length: {}\r\n\r\n", MAX_MESSAGE + 1).into_bytes();
        bytes.resize(bytes.len() + MAX_MESSAGE as usize + 1, b' ');
        bytes.extend(b"Content-Length: 2\r\n\r\n{}");
        assert!(matches!(all(&bytes).as_slice(), [Incoming::Malformed(_), Incoming::Message(_)]));
        let long = vec![b'x'; 3 * MAX_HEADER as usize];
        assert!(all(&long).iter().all(|found| matches!(found, Incoming::Malformed(_))));
    }
}
