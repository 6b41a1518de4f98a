//! Mailboxes as an IMAP client reads them.

use super::Trouble;
use super::answer::{Answer, Protocol, read};
use super::stage::Play;
use super::wire::Wire;

/// A message as it lies in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) flags: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

/// A client that is signed in.
pub(super) struct Reader {
    wire: Wire,
    commands: u32,
}

impl Reader {
    /// Connects and signs in.
    pub(super) fn open(play: &mut Play<'_>, service: &str, address: &str, password: &str) -> Result<Self, Trouble> {
        let (mut wire, server) = play.connect(service, None)?;
        let greeting = read(&mut wire, Protocol::Imap, "*")?;
        if !greeting.is_some_and(|greeting| greeting.begins("OK")) {
            return Err(Trouble::Unmet(format!("`{service}` does not greet")));
        }
        let mut reader = Self { wire, commands: 0 };
        if service == "imap" {
            reader.done("STARTTLS")?;
            reader.wire.secure(&play.stage.trust, server)?;
        }
        let answer = reader.command(&format!("LOGIN {} {}", quoted(address), quoted(password)))?;
        match answer.begins("OK") {
            true => Ok(reader),
            false => Err(Trouble::Unmet(format!("{address} cannot sign in to `{service}`: {}", answer.status))),
        }
    }

    /// Sends a command and returns the answer.
    pub(super) fn command(&mut self, command: &str) -> Result<Answer, Trouble> {
        self.commands += 1;
        let line = format!("r{} {command}", self.commands);
        self.wire.send(format!("{line}\r\n").as_bytes())?;
        let answer = read(&mut self.wire, Protocol::Imap, &line)?;
        answer.ok_or_else(|| Trouble::Unmet("IMAP closed the connection".to_owned()))
    }

    fn done(&mut self, command: &str) -> Result<Answer, Trouble> {
        let answer = self.command(command)?;
        match answer.begins("OK") {
            true => Ok(answer),
            false => Err(Trouble::Unmet(format!("IMAP refuses `{command}`: {}", answer.status))),
        }
    }

    /// Returns the messages of a folder; none where there is no such folder.
    pub(super) fn messages(&mut self, folder: &str) -> Result<Vec<Stored>, Trouble> {
        let selected = self.command(&format!("EXAMINE {}", quoted(folder)))?;
        if !selected.begins("OK") {
            return Ok(Vec::new());
        }
        let is_empty = selected.lines.iter().any(|line| line.eq_ignore_ascii_case(b"* 0 EXISTS"));
        if is_empty {
            return Ok(Vec::new());
        }
        let answer = self.done("UID FETCH 1:* (FLAGS BODY.PEEK[])")?;
        let mut messages = Vec::new();
        let mut lines = answer.lines.iter();
        while let Some(line) = lines.next() {
            let head = String::from_utf8_lossy(line).into_owned();
            if !head.contains(" FETCH (") || !head.ends_with('}') {
                continue;
            }
            let Some(bytes) = lines.next() else { break };
            // Flags may stand before the message or behind it.
            let tail = lines.clone().next().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
            let flags = flags(&head).or_else(|| flags(&tail)).unwrap_or_default();
            messages.push(Stored { flags, bytes: bytes.clone() });
        }
        Ok(messages)
    }
}

fn flags(line: &str) -> Option<Vec<String>> {
    let rest = line.split_once("FLAGS (")?.1;
    let inner = rest.split_once(')')?.0;
    Some(inner.split_whitespace().map(str::to_owned).collect())
}

/// Writes a quoted string (RFC 3501 §9).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
