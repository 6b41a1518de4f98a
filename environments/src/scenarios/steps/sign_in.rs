//! `sign-in` and `fetch`: somebody signs in somewhere, and reads a mailbox in some way.

use serde_json::json;

use super::dialogue::{accepted, open};
use crate::scenarios::Trouble;
use crate::scenarios::answer::Protocol;
use crate::scenarios::imap::Reader;
use crate::scenarios::message;
use crate::scenarios::settings::Settings;
use crate::scenarios::stage::Play;

pub(super) fn sign_in(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let address = settings.argument()?;
    let service = settings.text("service").unwrap_or("imaps");
    let must_fail = settings.flag("refused") || settings.flag("wrong-password");
    let password = match settings.flag("wrong-password") {
        true => "not-the-password".to_owned(),
        false => play.password(address)?,
    };
    let let_in = match service {
        "api" => {
            let reply = play.call_with(address, &password, "authenticate", json!({}))?;
            let error = reply.json.get("error_number").and_then(serde_json::Value::as_u64);
            play.happens(error.map_or("signed in".to_owned(), |number| format!("error {number}")));
            reply.json.get("success") == Some(&true.into())
        }
        "console" | "webmail" => super::web::sign_in(play, service, address, &password)?.is_some(),
        _ => {
            let mut line = open(play, service, None)?;
            line.greet()?;
            if !line.wire.is_secure() {
                line.start_tls(play)?;
            }
            let answer = line.sign_in(address, &password)?;
            play.happens(answer.normal(line.protocol));
            let let_in = accepted(&answer, line.protocol);
            play.last = Some(answer);
            let_in
        }
    };
    play.expects(if must_fail { "a refusal" } else { "signed in" });
    match (must_fail, let_in) {
        (true, true) => Err(Trouble::Unmet(format!("{address} is let in"))),
        (false, false) => Err(Trouble::Unmet(format!("{address} is not let in"))),
        _ => Ok(()),
    }
}

pub(super) fn fetch(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let address = settings.needed("mailbox")?;
    let service = settings.text("protocol").unwrap_or("imaps");
    let folder = settings.text("folder").unwrap_or("INBOX");
    let password = play.password(address)?;
    let messages: Vec<Vec<u8>> = if service.starts_with("imap") {
        let mut reader = Reader::open(play, service, address, &password)?;
        reader.messages(folder)?.into_iter().map(|stored| stored.bytes).collect()
    } else {
        let mut line = open(play, service, None)?;
        line.greet()?;
        if !line.wire.is_secure() {
            line.start_tls(play)?;
        }
        let answer = line.sign_in(address, &password)?;
        if !accepted(&answer, Protocol::Pop3) {
            return Err(Trouble::Unmet(format!("{address} cannot sign in: {}", answer.status)));
        }
        let status = line.command("STAT")?.status;
        let count: u32 = status.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut messages = Vec::new();
        for number in 1..=count {
            let answer = line.command(&format!("RETR {number}"))?;
            messages.push(answer.lines.get(1..).unwrap_or_default().join(&b"\r\n"[..]));
        }
        messages
    };
    let mut subjects: Vec<String> = messages.iter().map(|bytes| message::fields(bytes, "Subject").join(" ")).collect();
    subjects.sort();
    play.happens(format!("{} messages", subjects.len()));
    for subject in subjects {
        play.happens(subject);
    }
    Ok(())
}
