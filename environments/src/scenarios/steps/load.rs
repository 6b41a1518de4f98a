//! `load`: many messages, as fast as asked, to the mailboxes of a domain.

use std::time::{Duration, Instant};

use blueprint::launch::AccountKind;

use super::dialogue::open;
use crate::scenarios::Trouble;
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::{Line, Play};

/// How long a message that is not taken is tried: as long as a platform may need to do without one of its hosts.
const AGAIN: Duration = Duration::from_secs(180);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

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
    let filling = "x".repeat(size.map_or(0, |size| usize::try_from(size.as_bytes()).unwrap_or(0)).min(1 << 20));
    // Those of another scenario, or of an earlier run, are not taken for this one's.
    let run = format!("load.{}.{}", std::process::id(), jiff::Timestamp::now().as_microsecond());
    let began = Instant::now();
    let (mut accepted, mut again) = (0_u64, 0_u64);
    let mut line = None;
    for (number, to) in (0..count).zip(mailboxes.iter().cycle()) {
        let due = gap * u32::try_from(number).unwrap_or(u32::MAX);
        while began.elapsed() < due {
            std::thread::park_timeout(due.saturating_sub(began.elapsed()));
        }
        let identifier = format!("<{number}.{run}@{from}>");
        let letter = format!(
            "From: <load@{from}>\r\nTo: <{to}>\r\nSubject: load {number}\r\nMessage-ID: {identifier}\r\n\r\n{filling}\r\n."
        );
        let deadline = Instant::now() + AGAIN;
        // A host that sends mail keeps what was not taken, and comes again.
        loop {
            match hand_over(play, &mut line, from, to, &letter) {
                Ok(Taken::Yes) => {
                    accepted += 1;
                    play.loaded.push((identifier, to.clone()));
                    break;
                }
                Ok(Taken::Never) => break,
                Ok(Taken::NotNow) if Instant::now() >= deadline => break,
                Err(trouble) if Instant::now() >= deadline => return Err(trouble),
                Ok(Taken::NotNow) | Err(_) => {
                    line = None;
                    again += 1;
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
    }
    if again > 0 {
        play.happens(format!("{again} attempts repeated"));
    }
    play.happens(format!("{accepted} accepted"));
    Ok(())
}

/// Hands a message over, on the connection that is open or a new one.
fn hand_over(
    play: &mut Play<'_>,
    line: &mut Option<Line>,
    from: &str,
    to: &str,
    letter: &str,
) -> Result<Taken, Trouble> {
    if line.is_none() {
        let mut opened = open(play, "mx", None)?;
        opened.greet()?;
        opened.command("EHLO load.example")?;
        *line = Some(opened);
    }
    let Some(line) = line else { return Ok(Taken::NotNow) };
    for command in [format!("MAIL FROM:<load@{from}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
        match line.command(&command)?.code() {
            200..400 => {}
            500..600 => {
                line.command("RSET")?;
                return Ok(Taken::Never);
            }
            _ => return Ok(Taken::NotNow),
        }
    }
    Ok(match line.command(letter)?.code() {
        250 => Taken::Yes,
        500..600 => Taken::Never,
        _ => Taken::NotNow,
    })
}

/// How a message was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    NotNow,
    Never,
}
