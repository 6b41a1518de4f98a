//! Answers of line protocols: how they are read, what of them counts.

use super::Trouble;
use super::wire::Wire;

/// A protocol that is spoken line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Smtp,
    Imap,
    Pop3,
    Sieve,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its deciding line, without a tag: `250 2.1.0 Ok`, `NO [OVERQUOTA] …`, `+OK …`.
    pub(super) status: String,
    /// All its lines, the deciding one among them; literals are lines of their own.
    pub(super) lines: Vec<Vec<u8>>,
}

impl Answer {
    /// Returns all of it as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text
    }

    /// Returns the reply code of SMTP; zero for none.
    pub(super) fn code(&self) -> u64 {
        self.status.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// Returns the enhanced status code of SMTP (RFC 2034).
    pub(super) fn enhanced(&self) -> Option<&str> {
        let word = self.status.get(4..)?.split_whitespace().next()?;
        let mut parts = word.split('.');
        let is_code = matches!(parts.next(), Some("2" | "4" | "5"))
            && parts.by_ref().take(2).filter(|part| part.parse::<u16>().is_ok()).count() == 2
            && parts.next().is_none();
        is_code.then_some(word)
    }

    /// Returns what of it does not depend on who says it.
    pub(super) fn normal(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Smtp => match self.enhanced() {
                Some(enhanced) => format!("{} {enhanced}", self.code()),
                None => self.code().to_string(),
            },
            Protocol::Imap | Protocol::Pop3 | Protocol::Sieve => {
                let mut words = self.status.splitn(2, ' ');
                let first = words.next().unwrap_or_default();
                match words.next().and_then(code_in_brackets) {
                    Some(code) => format!("{first} [{code}]"),
                    None => first.to_owned(),
                }
            }
        }
    }

    /// Tells whether it begins as expected.
    pub(super) fn begins(&self, expected: &str) -> bool {
        self.status.to_ascii_lowercase().starts_with(&expected.to_ascii_lowercase())
    }
}

/// Returns the name of a response code that is the same everywhere: numbers behind it are not.
fn code_in_brackets(rest: &str) -> Option<String> {
    let inner = rest.strip_prefix(['[', '('])?;
    let end = inner.find([']', ')', ' '])?;
    inner.get(..end).map(str::to_ascii_uppercase)
}

/// Reads an answer.
///
/// - `command`: what was said, for protocols whose answers depend on it; the tag in front for IMAP.
/// - Returns: `None` when the other side closed instead.
pub(super) fn read(wire: &mut Wire, protocol: Protocol, command: &str) -> Result<Option<Answer>, Trouble> {
    match protocol {
        Protocol::Smtp => smtp(wire),
        Protocol::Imap => imap(wire, command.split(' ').next().unwrap_or_default()),
        Protocol::Pop3 => pop3(wire, command),
        Protocol::Sieve => sieve(wire),
    }
}

fn smtp(wire: &mut Wire) -> Result<Option<Answer>, Trouble> {
    let mut answer = Answer::default();
    while let Some(line) = wire.line()? {
        let is_last = line.get(3) != Some(&b'-');
        answer.status = String::from_utf8_lossy(&line).replacen('-', " ", usize::from(!is_last));
        answer.lines.push(line);
        if is_last {
            return Ok(Some(answer));
        }
    }
    Ok((!answer.lines.is_empty()).then_some(answer))
}

/// Takes a line with the literals it announces (RFC 3501 §4.3).
fn with_literals(wire: &mut Wire, lines: &mut Vec<Vec<u8>>) -> Result<Option<String>, Trouble> {
    let Some(mut line) = wire.line()? else { return Ok(None) };
    let first = String::from_utf8_lossy(&line).into_owned();
    while let Some(length) = literal(&line) {
        lines.push(line);
        lines.push(wire.exactly(length)?);
        match wire.line()? {
            Some(next) => line = next,
            None => return Ok(None),
        }
    }
    lines.push(line);
    Ok(Some(first))
}

fn literal(line: &[u8]) -> Option<usize> {
    let text = line.strip_suffix(b"}")?;
    let start = text.iter().rposition(|byte| *byte == b'{')?;
    let digits = text.get(start + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn imap(wire: &mut Wire, tag: &str) -> Result<Option<Answer>, Trouble> {
    let mut answer = Answer::default();
    loop {
        let Some(line) = with_literals(wire, &mut answer.lines)? else {
            return Ok((!answer.lines.is_empty()).then_some(answer));
        };
        let mut words = line.splitn(2, ' ');
        let first = words.next().unwrap_or_default();
        if first == tag && tag != "*" {
            answer.status = words.next().unwrap_or_default().to_owned();
            return Ok(Some(answer));
        }
        let is_greeting = tag == "*" && first == "*";
        if is_greeting {
            answer.status = words.next().unwrap_or_default().to_owned();
            return Ok(Some(answer));
        }
        if first == "+" {
            answer.status = line;
            return Ok(Some(answer));
        }
        if line.to_ascii_uppercase().starts_with("* BYE") {
            answer.status = "BYE".to_owned();
        }
    }
}

fn pop3(wire: &mut Wire, command: &str) -> Result<Option<Answer>, Trouble> {
    let mut answer = Answer::default();
    let Some(line) = wire.line()? else { return Ok(None) };
    answer.status = String::from_utf8_lossy(&line).into_owned();
    answer.lines.push(line);
    let mut words = command.split_whitespace();
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    let has_argument = words.next().is_some();
    let is_long = match verb.as_str() {
        "CAPA" | "RETR" | "TOP" => true,
        "LIST" | "UIDL" => !has_argument,
        _ => false,
    };
    if is_long && answer.status.starts_with("+OK") {
        while let Some(line) = wire.line()? {
            if line == b"." {
                break;
            }
            answer.lines.push(line.strip_prefix(b".").map(<[u8]>::to_vec).unwrap_or(line));
        }
    }
    Ok(Some(answer))
}

fn sieve(wire: &mut Wire) -> Result<Option<Answer>, Trouble> {
    let mut answer = Answer::default();
    loop {
        let Some(line) = with_literals(wire, &mut answer.lines)? else {
            return Ok((!answer.lines.is_empty()).then_some(answer));
        };
        let first = line.split([' ', '(']).next().unwrap_or_default().to_ascii_uppercase();
        if matches!(first.as_str(), "OK" | "NO" | "BYE") {
            answer.status = line;
            return Ok(Some(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str) -> Answer {
        Answer { status: status.to_owned(), lines: Vec::new() }
    }

    #[test]
    fn only_what_is_the_same_everywhere_is_kept_of_an_answer() {
        for (protocol, status, expected) in [
            (Protocol::Smtp, "250 2.0.0 Ok: queued as 4F1", "250 2.0.0"),
            (Protocol::Smtp, "354 End data with <CR><LF>.<CR><LF>", "354"),
            (Protocol::Smtp, "220 mx-1.example ESMTP", "220"),
            (Protocol::Smtp, "250 2.x", "250"),
            (Protocol::Imap, "OK [READ-ONLY] done", "OK [READ-ONLY]"),
            (Protocol::Imap, "OK [APPENDUID 17 3] done", "OK [APPENDUID]"),
            (Protocol::Imap, "BAD what", "BAD"),
            (Protocol::Pop3, "-ERR [AUTH] no", "-ERR [AUTH]"),
            (Protocol::Sieve, "NO (QUOTA/MAXSIZE) \"x\"", "NO [QUOTA/MAXSIZE]"),
        ] {
            assert_eq!(answer(status).normal(protocol), expected, "{status}");
        }
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {42}"), Some(42));
        assert_eq!(literal(b"\"x\" {7+}"), Some(7));
        assert_eq!(literal(b"* OK {x}"), None);
        assert_eq!(literal(b"* OK"), None);
    }
}
