//! `connect`, `say`, `secure`, `close`: what is said on a connection, word for word.

use crate::scenarios::Trouble;
use crate::scenarios::answer::{self, Answer, Protocol};
use crate::scenarios::message::base64;
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::{Line, Play};

fn protocol(service: &str) -> Protocol {
    match service {
        "imap" | "imaps" | "internet-imap" => Protocol::Imap,
        "pop3" | "pop3s" => Protocol::Pop3,
        "managesieve" => Protocol::Sieve,
        _ => Protocol::Smtp,
    }
}

pub(super) fn connect(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let service = settings.argument()?;
    let name = settings.text("name").unwrap_or("main").to_owned();
    let mut line = open_under(play, service, settings.text("host"), settings.text("server-name"))?;
    let greeting = line.greet()?;
    play.happens(greeting.normal(line.protocol));
    if let Some(expected) = settings.text("reply") {
        play.expects(expected);
        if !greeting.begins(expected) {
            return Err(Trouble::Unmet(format!("`{service}` greets with `{}`", greeting.status)));
        }
    }
    holds(play, settings, &greeting.text())?;
    if let Some(user) = settings.text("sign-in") {
        let password = play.password(user)?;
        if !line.wire.is_secure() && service != "internet-imap" {
            line.start_tls(play)?;
        }
        let answer = line.sign_in(user, &password)?;
        play.happens(answer.normal(line.protocol));
        if !accepted(&answer, line.protocol) {
            return Err(Trouble::Unmet(format!("{user} cannot sign in: {}", answer.status)));
        }
        play.last = Some(answer);
    }
    play.lines.insert(name, line);
    Ok(())
}

/// Connects to a service, before its greeting.
pub(super) fn open(play: &mut Play<'_>, service: &str, from: Option<&str>) -> Result<Line, Trouble> {
    open_under(play, service, from, None)
}

fn open_under(play: &mut Play<'_>, service: &str, from: Option<&str>, name: Option<&str>) -> Result<Line, Trouble> {
    let (wire, server) = play.connect_under(service, from, name)?;
    Ok(Line { wire, protocol: protocol(service), server, commands: 0, pending: None, in_data: false })
}

/// Tells whether an answer is a yes.
pub(super) fn accepted(answer: &Answer, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Smtp => (200..300).contains(&answer.code()),
        Protocol::Imap | Protocol::Sieve => answer.begins("OK"),
        Protocol::Pop3 => answer.begins("+OK"),
    }
}

impl Line {
    /// Reads the greeting.
    pub(super) fn greet(&mut self) -> Result<Answer, Trouble> {
        let answer = answer::read(&mut self.wire, self.protocol, "*")?;
        answer.ok_or_else(|| Trouble::Unmet("the connection is closed without a greeting".to_owned()))
    }

    /// Sends a command and reads its answer.
    pub(super) fn command(&mut self, command: &str) -> Result<Answer, Trouble> {
        let line = self.tagged(command);
        self.wire.send(format!("{line}\r\n").as_bytes())?;
        let answer = answer::read(&mut self.wire, self.protocol, &line)?;
        answer.ok_or_else(|| Trouble::Unmet("the connection is closed instead of an answer".to_owned()))
    }

    fn tagged(&mut self, command: &str) -> String {
        match self.protocol {
            Protocol::Imap => {
                self.commands += 1;
                format!("t{} {command}", self.commands)
            }
            _ => command.to_owned(),
        }
    }

    /// Protects the connection.
    pub(super) fn start_tls(&mut self, play: &mut Play<'_>) -> Result<(), Trouble> {
        if self.protocol == Protocol::Smtp {
            let _ = self.command("EHLO desk.example")?;
        }
        let command = if self.protocol == Protocol::Pop3 { "STLS" } else { "STARTTLS" };
        let answer = self.command(command)?;
        if !accepted(&answer, self.protocol) {
            return Err(Trouble::Unmet(format!("`{command}` is refused: {}", answer.status)));
        }
        self.wire.secure(&play.stage.trust, self.server.clone())?;
        if self.protocol == Protocol::Sieve {
            let _ = self.greet()?;
        }
        Ok(())
    }

    /// Signs in as the protocol does it.
    pub(super) fn sign_in(&mut self, user: &str, password: &str) -> Result<Answer, Trouble> {
        match self.protocol {
            Protocol::Smtp => {
                let _ = self.command("EHLO desk.example")?;
                let response = self.plain(user, password);
                self.command(&format!("AUTH PLAIN {response}"))
            }
            Protocol::Imap => {
                use crate::scenarios::imap::quoted;
                self.command(&format!("LOGIN {} {}", quoted(user), quoted(password)))
            }
            Protocol::Pop3 => {
                let answer = self.command(&format!("USER {user}"))?;
                match accepted(&answer, Protocol::Pop3) {
                    true => self.command(&format!("PASS {password}")),
                    false => Ok(answer),
                }
            }
            Protocol::Sieve => {
                let response = self.plain(user, password);
                self.command(&format!("AUTHENTICATE \"PLAIN\" \"{response}\""))
            }
        }
    }

    /// Returns what signs a user in by SASL's PLAIN, which evidence does not show.
    fn plain(&self, user: &str, password: &str) -> String {
        let response = plain(user, password);
        self.wire.transcript.hide(&response);
        response
    }
}

/// Returns a response of SASL's PLAIN in Base64 (RFC 4616, 2).
fn plain(user: &str, password: &str) -> String {
    base64(format!("\0{user}\0{password}").as_bytes())
}

pub(super) fn say(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let name = settings.text("name").unwrap_or("main");
    let times: usize = settings.read("times")?.unwrap_or(1);
    let expected = settings.list("reply");
    let mut said = Vec::new();
    for line in settings.arguments() {
        said.push(filled(play, line)?);
    }
    let raw = settings.text("raw").map(|raw| filled(play, raw).map(|raw| unescaped(&raw))).transpose()?;
    let must_close = settings.flag("closed");
    let line = play.lines.get_mut(name).ok_or_else(|| wrong(&format!("there is no connection `{name}`")))?;
    let mut bytes = Vec::new();
    let mut commands = Vec::new();
    for _ in 0..times {
        match &raw {
            Some(raw) => {
                bytes.extend_from_slice(raw);
                let first = String::from_utf8_lossy(raw).into_owned();
                let count = if line.in_data { usize::from(!expected.is_empty()) } else { expected.len() };
                commands.extend(std::iter::repeat_n(first, if must_close { count } else { count.max(1) }));
            }
            None => {
                for text in &said {
                    let goes_on = line.in_data || line.pending.is_some();
                    let whole = match line.pending.clone() {
                        Some(_) => text.clone(),
                        None if line.in_data => text.clone(),
                        None => line.tagged(text),
                    };
                    bytes.extend_from_slice(whole.as_bytes());
                    bytes.extend_from_slice(b"\r\n");
                    if !goes_on {
                        commands.push(whole);
                    }
                }
                if line.in_data {
                    commands.push(".".to_owned());
                } else if let Some(pending) = line.pending.clone() {
                    commands.push(pending);
                }
            }
        }
    }
    line.wire.send(&bytes)?;
    let mut answers = Vec::new();
    for command in &commands {
        let Some(answer) = answer::read(&mut line.wire, line.protocol, command)? else { break };
        line.in_data = line.protocol == Protocol::Smtp && answer.code() == 354;
        line.pending = (answer.status.starts_with('+') && line.protocol == Protocol::Imap).then(|| command.clone());
        answers.push(answer);
    }
    let is_closed = if must_close { line.wire.line()?.is_none() } else { false };
    let protocol = line.protocol;
    for answer in &answers {
        play.happens(answer.normal(protocol));
    }
    for expected in &expected {
        play.expects(*expected);
    }
    let text: String = answers.iter().map(Answer::text).collect();
    let last = answers.last().cloned();
    check(&expected, &answers, commands.len())?;
    holds(play, settings, &text)?;
    if must_close {
        play.expects("closed");
        play.happens(if is_closed { "closed" } else { "open" });
        if !is_closed {
            return Err(Trouble::Unmet("the other side does not close the connection".to_owned()));
        }
    }
    if let Some(last) = last {
        play.last = Some(last);
    }
    Ok(())
}

fn check(expected: &[&str], answers: &[Answer], awaited: usize) -> Result<(), Trouble> {
    let unmet = |expected: &str, found: Option<&Answer>| {
        Trouble::Unmet(match found {
            Some(answer) => format!("expected `{expected}`, got `{}`", answer.status),
            None => format!("expected `{expected}`, but the connection was closed"),
        })
    };
    match expected {
        [] => Ok(()),
        [one] => match answers.last() {
            Some(answer) if answers.len() == awaited && answer.begins(one) => Ok(()),
            // A refusal that closes comes before the answers that are then missing.
            Some(answer) if answer.begins(one) => Ok(()),
            found => Err(unmet(one, found)),
        },
        several if several.len() != awaited => {
            Err(wrong(&format!("{awaited} answers are awaited, and {} expected", several.len())))
        }
        several => {
            for (place, expected) in several.iter().enumerate() {
                match answers.get(place) {
                    Some(answer) if answer.begins(expected) => {}
                    found => return Err(unmet(expected, found)),
                }
            }
            Ok(())
        }
    }
}

/// Checks `has` and `lacks` against what was answered.
pub(super) fn holds(play: &mut Play<'_>, settings: &Settings<'_>, text: &str) -> Result<(), Trouble> {
    let folded = text.to_lowercase();
    for wanted in settings.list("has") {
        play.expects(format!("has {wanted}"));
        let wanted_text = filled(play, wanted)?;
        if !folded.contains(&wanted_text.to_lowercase()) {
            return Err(Trouble::Unmet(format!("`{wanted}` is not in the answer: {}", shortened(text))));
        }
    }
    for unwanted in settings.list("lacks") {
        play.expects(format!("lacks {unwanted}"));
        if folded.contains(&unwanted.to_lowercase()) {
            return Err(Trouble::Unmet(format!("`{unwanted}` is in the answer: {}", shortened(text))));
        }
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    let line = text.trim().replace(['\r', '\n'], " ⏎ ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// Puts passwords and the like in for what stands for them.
fn filled(play: &mut Play<'_>, text: &str) -> Result<String, Trouble> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some((inner, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
            out.push_str(from);
            return Ok(out);
        };
        match inner.split_once(' ') {
            Some(("password", address)) => out.push_str(&play.password(address)?),
            Some(("plain", address)) => {
                let password = play.password(address)?;
                let plain = plain(address, &password);
                play.transcript.hide(&plain);
                out.push_str(&plain);
            }
            Some(("base64", text)) => {
                let text = match text.strip_prefix("password ") {
                    Some(address) => play.password(address)?,
                    None => text.to_owned(),
                };
                out.push_str(&base64(text.as_bytes()));
            }
            None if inner.is_empty() => {}
            // Literals and the like.
            _ => {
                out.push('{');
                out.push_str(inner);
                out.push('}');
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match characters.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('0') => out.push(0),
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            Some(other) => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.push(b'\\'),
        }
    }
    out
}

pub(super) fn secure(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let name = settings.text("name").unwrap_or("main");
    let mut line = play.lines.remove(name).ok_or_else(|| wrong(&format!("there is no connection `{name}`")))?;
    let secured = line.start_tls(play);
    play.lines.insert(name.to_owned(), line);
    play.happens(if secured.is_ok() { "TLS" } else { "no TLS" });
    secured
}

pub(super) fn close(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let name = settings.text("name").unwrap_or("main");
    play.lines.remove(name).map(|_| ()).ok_or_else(|| wrong(&format!("there is no connection `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_written_as_in_rust() {
        assert_eq!(unescaped(r"a\r\n\0\x80\\"), b"a\r\n\0\x80\\");
        assert_eq!(unescaped("plain"), b"plain");
        assert_eq!(unescaped("\\"), b"\\");
    }
}
