//! `load`: many messages, as fast as asked, to the mailboxes of a domain.

use std::time::{Duration, Instant};

use blueprint::launch::AccountKind;

use super::dialogue::open;
use crate::scenarios::Trouble;
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::Play;

pub(super) fn load(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let count: u64 = settings.read("messages")?.unwrap_or(1);
    let rate: values::Rate = settings.read("rate")?.ok_or_else(|| wrong("`load` says no rate"))?;
    let domain = settings.needed("to")?;
    let from = settings.text("from").unwrap_or("bigmail.example");
    let size: Option<values::ByteSize> = settings.read("size")?;
    let ending = format!("@{domain}");
    let accounts = play.stage.trial.description.accounts.iter();
    let mailboxes: Vec<String> = accounts
        .filter(|account| account.kind == AccountKind::Mailbox && account.address.ends_with(&ending))
        .map(|account| account.address.clone())
        .collect();
    if mailboxes.is_empty() {
        return Err(Trouble::Skip(format!("the environment lists no mailbox of {domain}")));
    }
    let gap = Duration::from_millis(rate.per().as_milliseconds() / rate.count().max(1));
    let mut line = open(play, "mx", None)?;
    line.greet()?;
    line.command("EHLO load.example")?;
    let began = Instant::now();
    let mut accepted = 0_u64;
    for (number, to) in (0..count).zip(mailboxes.iter().cycle()) {
        let due = gap * u32::try_from(number).unwrap_or(u32::MAX);
        while began.elapsed() < due {
            std::thread::park_timeout(due.saturating_sub(began.elapsed()));
        }
        let subject = format!("load {number}");
        let filling = "x".repeat(size.map_or(0, |size| usize::try_from(size.as_bytes()).unwrap_or(0)).min(1 << 20));
        line.command(&format!("MAIL FROM:<load@{from}>"))?;
        line.command(&format!("RCPT TO:<{to}>"))?;
        let answer = line.command("DATA")?;
        if answer.code() != 354 {
            line.command("RSET")?;
            continue;
        }
        let answer = line.command(&format!(
            "From: <load@{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <load-{number}@{from}>\r\n\r\n{filling}\r\n."
        ))?;
        if answer.code() == 250 {
            accepted += 1;
            play.loaded.push((subject, to.clone()));
        }
    }
    play.happens(format!("{accepted} accepted"));
    Ok(())
}
