//! `send`: a message is handed in, from outside at the mx or by a user at submission.

use std::sync::atomic::{AtomicU64, Ordering};

use super::dialogue::{accepted, open};
use crate::scenarios::Trouble;
use crate::scenarios::answer::{Answer, Protocol};
use crate::scenarios::message::{self, Stamp};
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::signature;
use crate::scenarios::stage::{Line, Play, Sent};

/// Messages sent by this process, so that each has an identifier of its own.
static SENT: AtomicU64 = AtomicU64::new(0);

pub(super) fn send(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let from = settings.needed("from")?;
    let to = settings.list("to");
    let bytes = content(play, settings, from, &to)?;
    let mut line = match settings.text("sign-in") {
        Some(user) => by_user(play, user)?,
        None => from_outside(play, settings, from)?,
    };
    let sender = if settings.flag("null-sender") { "" } else { from };
    let answer = hand_in(play, settings, &mut line, sender, &to, &bytes)?;
    let _ = line.wire.send(b"QUIT\r\n");
    play.happens(answer.normal(Protocol::Smtp));
    if (200..300).contains(&answer.code()) {
        play.sent.push(Sent { bytes });
    } else {
        play.keep("refused", &bytes);
    }
    let reply: Option<u64> = settings.read("reply")?;
    if let Some(reply) = reply {
        play.expects(reply.to_string());
        if answer.code() != reply {
            return Err(Trouble::Unmet(format!("expected {reply}, got `{}`", answer.status)));
        }
    }
    if let Some(enhanced) = settings.text("enhanced") {
        play.expects(enhanced);
        if answer.enhanced() != Some(enhanced) {
            return Err(Trouble::Unmet(format!("expected {enhanced}, got `{}`", answer.status)));
        }
    }
    play.last = Some(answer);
    Ok(())
}

fn content(play: &mut Play<'_>, settings: &Settings<'_>, from: &str, to: &[&str]) -> Result<Vec<u8>, Trouble> {
    let bytes = match settings.text("message") {
        Some(path) => {
            let file = play.stage.trial.files.get(path);
            let file = file.ok_or_else(|| wrong(&format!("the repository holds no file {path}")))?;
            message::with_network_line_ends(file)
        }
        None => {
            let number = SENT.fetch_add(1, Ordering::Relaxed);
            let stamp = Stamp {
                author: settings.text("author").unwrap_or(from),
                to,
                identifier: format!("{}.{}.{number}", std::process::id(), jiff::Timestamp::now().as_microsecond()),
                date: jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
            };
            let size: Option<values::ByteSize> = settings.read("size")?;
            message::compose(settings, &stamp, size.map(values::ByteSize::as_bytes))
        }
    };
    let mut bytes = match settings.text("signed") {
        Some(domain) => signature::sign(&bytes, domain)
            .ok_or_else(|| Trouble::Broken("the simulated internet's key cannot be used".to_owned()))?,
        None => bytes,
    };
    if settings.flag("tampered") {
        bytes.extend_from_slice(b"And a line that was not there when it was signed.\r\n");
    }
    Ok(bytes)
}

fn by_user(play: &mut Play<'_>, user: &str) -> Result<Line, Trouble> {
    let password = play.password(user)?;
    let mut line = open(play, "submissions", None)?;
    line.greet()?;
    let answer = line.sign_in(user, &password)?;
    match accepted(&answer, Protocol::Smtp) {
        true => Ok(line),
        false => Err(Trouble::Unmet(format!("{user} cannot sign in to send: {}", answer.status))),
    }
}

fn from_outside(play: &mut Play<'_>, settings: &Settings<'_>, from: &str) -> Result<Line, Trouble> {
    let domain = from.rsplit('@').next().unwrap_or_default();
    let host = settings.text("host").unwrap_or(domain).to_owned();
    let parsed = host.parse().map_err(|_| wrong("`host` is no host name"))?;
    // From the domain's own host where the simulated internet has one; else from wherever the runner is.
    let known = play.stage.trial.hands.source_of(&parsed).is_ok();
    if !known && settings.text("host").is_some() {
        play.stage.trial.hands.source_of(&parsed)?;
    }
    let mut line = open(play, "mx", known.then_some(host.as_str()))?;
    let greeting = line.greet()?;
    if !accepted(&greeting, Protocol::Smtp) {
        return Err(Trouble::Unmet(format!("`mx` greets with `{}`", greeting.status)));
    }
    line.command(&format!("EHLO mx.{host}"))?;
    Ok(line)
}

fn hand_in(
    play: &mut Play<'_>,
    settings: &Settings<'_>,
    line: &mut Line,
    sender: &str,
    to: &[&str],
    bytes: &[u8],
) -> Result<Answer, Trouble> {
    let needs_utf8 = !sender.is_ascii() || to.iter().any(|to| !to.is_ascii());
    let smtputf8 = if needs_utf8 { " SMTPUTF8" } else { "" };
    let answer = line.command(&format!("MAIL FROM:<{sender}> BODY=8BITMIME{smtputf8}"))?;
    if !accepted(&answer, Protocol::Smtp) {
        return Ok(answer);
    }
    let notify = settings.text("notify").map(|notify| format!(" NOTIFY={}", notify.to_uppercase()));
    let notify = notify.unwrap_or_default();
    let mut last = answer;
    let mut taken = 0;
    for to in to {
        last = line.command(&format!("RCPT TO:<{to}>{notify}"))?;
        if accepted(&last, Protocol::Smtp) {
            taken += 1;
        } else {
            play.happens(format!("recipient {}", last.normal(Protocol::Smtp)));
        }
    }
    if taken == 0 {
        return Ok(last);
    }
    let answer = line.command("DATA")?;
    if answer.code() != 354 {
        return Ok(answer);
    }
    line.wire.send(&message::stuffed(bytes))?;
    let answer = crate::scenarios::answer::read(&mut line.wire, Protocol::Smtp, ".")?;
    answer.ok_or_else(|| Trouble::Unmet("the connection is closed instead of an answer to the message".to_owned()))
}
