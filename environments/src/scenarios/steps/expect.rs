//! `expect`: what must hold, looked at again and again until it does or time is up.

use std::collections::BTreeMap;
use std::time::Duration;

use blueprint::Role;
use blueprint::launch::AccountKind;

use crate::scenarios::Trouble;
use crate::scenarios::imap::{Reader, Stored};
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::{Play, Stage};
use crate::scenarios::{dns, message};

pub(super) fn expect(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let within = settings.duration("within")?.unwrap_or(play.patience());
    if let Some(address) = settings.text("mailbox") {
        return mailbox(play, settings, address, within);
    }
    if let Some(address) = settings.text("quarantine") {
        return quarantine(play, settings, address, within);
    }
    if let Some(role) = settings.text("queue") {
        return queue(play, settings, role, within);
    }
    if settings.text("reply").is_some() || settings.text("enhanced").is_some() {
        return reply(play, settings);
    }
    if let Some(name) = settings.text("dns") {
        return records(play, settings, name, within);
    }
    if settings.text("page").is_some() {
        return page(play, settings);
    }
    if settings.text("lost").is_some() || settings.text("duplicated-at-most").is_some() {
        return losses(play, settings, within);
    }
    Err(wrong("`expect` is about nothing"))
}

/// How many there must be.
struct Bounds {
    least: u64,
    most: Option<u64>,
}

impl Bounds {
    fn of(settings: &Settings<'_>) -> Result<Self, Trouble> {
        let count: Option<u64> = settings.read("count")?;
        let least: Option<u64> = settings.read("at-least")?;
        let most: Option<u64> = settings.read("at-most")?;
        Ok(match count {
            Some(count) => Self { least: count, most: Some(count) },
            // Where nothing is said, there must be some.
            None => Self { least: least.unwrap_or(u64::from(most.is_none())), most },
        })
    }

    fn hold(&self, count: u64) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }

    /// Whether more could come that would break them.
    fn are_open_above(&self) -> bool {
        self.most.is_none()
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.least, self.most) {
            (least, Some(most)) if least == most => write!(formatter, "{least}"),
            (0, Some(most)) => write!(formatter, "at most {most}"),
            (least, Some(most)) => write!(formatter, "{least} to {most}"),
            (least, None) => write!(formatter, "at least {least}"),
        }
    }
}

/// Waits for a count; one that could still grow too large counts only when all mail has come to rest.
fn counted(
    play: &mut Play<'_>,
    settings: &Settings<'_>,
    within: Duration,
    is_about_mail: bool,
    mut count: impl FnMut(&mut Play<'_>) -> Result<u64, Trouble>,
) -> Result<(), Trouble> {
    let bounds = Bounds::of(settings)?;
    play.expects(bounds.to_string());
    let mut last = 0;
    // Where nobody can tell whether mail is under way, what must not come is given this long to come.
    let grace = (play.patience() / 10).min(within);
    let began = std::time::Instant::now();
    let waited = play.until(within, |play| {
        let settled = !is_about_mail || bounds.are_open_above() || {
            // Asked before counting, so that nothing comes in between.
            play.stage.trial.hands.is_settled(&play.about).unwrap_or_else(|| began.elapsed() >= grace)
        };
        last = count(play)?;
        Ok(match (bounds.hold(last), settled) {
            (true, true) => None,
            (true, false) => Some(format!("{last} now, but mail is still under way")),
            (false, _) => Some(format!("expected {bounds}, found {last}")),
        })
    });
    // What waits in a queue is of all scenarios at once: how much exactly says nothing about this one. And who asks for so many or
    // more leaves the rest to chance.
    let is_left_open = settings.text("queue").is_some() || settings.text("at-least").is_some();
    play.happens(if is_left_open && bounds.hold(last) { bounds.to_string() } else { last.to_string() });
    waited
}

fn mailbox(play: &mut Play<'_>, settings: &Settings<'_>, address: &str, within: Duration) -> Result<(), Trouble> {
    let folder = settings.text("folder").unwrap_or("INBOX").to_owned();
    let is_outside = play
        .stage
        .trial
        .description
        .accounts
        .iter()
        .any(|account| account.kind == AccountKind::Internet && account.address == address);
    let password = play.password(address)?;
    let service = if is_outside { "internet-imap" } else { "imaps" };
    let mut reader = Reader::open(play, service, address, &password)?;
    let mut found: Vec<Stored> = Vec::new();
    let mut all: Vec<Stored> = Vec::new();
    let counted = counted(play, settings, within, true, |play| {
        all = reader.messages(&folder)?;
        found = all.iter().filter(|stored| fits(play, settings, stored)).cloned().collect();
        Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
    });
    if counted.is_err() {
        for stored in &all {
            play.keep(folder.to_lowercase().replace(['/', '.'], "-"), &stored.bytes);
        }
        if !all.is_empty() {
            let subjects: Vec<String> =
                all.iter().map(|stored| message::fields(&stored.bytes, "Subject").join(" ")).collect();
            let said = format!("{} messages lie there: {}", all.len(), subjects.join(" · "));
            return counted.map_err(|trouble| match trouble {
                Trouble::Unmet(why) => Trouble::Unmet(format!("{why}; {said}")),
                other => other,
            });
        }
    }
    counted
}

/// Tells whether a message is one of those that are meant.
fn fits(play: &Play<'_>, settings: &Settings<'_>, stored: &Stored) -> bool {
    let bytes = &stored.bytes;
    let subject = settings
        .text("subject")
        .is_none_or(|subject| message::fields(bytes, "Subject").iter().any(|found| found == subject));
    let text = settings.text("text").is_none_or(|text| contains(bytes, text.as_bytes()));
    let header = settings.text("header").is_none_or(|name| {
        let found = message::fields(bytes, name);
        let value = settings.text("value").unwrap_or_default().to_lowercase();
        found.iter().any(|found| found.to_lowercase().contains(&value))
    });
    let flag =
        settings.text("flag").is_none_or(|flag| stored.flags.iter().any(|found| found.eq_ignore_ascii_case(flag)));
    let as_sent = !settings.flag("as-sent") || play.sent.last().is_some_and(|sent| is_as_sent(bytes, &sent.bytes));
    subject && text && header && flag && as_sent
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && bytes.windows(text.len()).any(|window| window == text)
}

/// Tells whether a message is what was sent, below the trace fields that were put on top.
fn is_as_sent(stored: &[u8], sent: &[u8]) -> bool {
    let Some(above) = stored.strip_suffix(sent) else { return false };
    let is_trace = |line: &[u8]| {
        line.starts_with(b" ")
            || line.starts_with(b"\t")
            || line.iter().position(|byte| *byte == b':').is_some_and(|colon| colon > 0)
    };
    above.is_empty()
        || (above.ends_with(b"\r\n")
            && above.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).all(is_trace))
}

fn quarantine(play: &mut Play<'_>, settings: &Settings<'_>, address: &str, within: Duration) -> Result<(), Trouble> {
    let address = address.parse().map_err(|_| wrong("`quarantine` is no address"))?;
    counted(play, settings, within, true, |play| {
        let held = play.stage.trial.hands.held(&address)?;
        let held = held.iter().filter(|bytes| {
            settings
                .text("subject")
                .is_none_or(|subject| message::fields(bytes, "Subject").iter().any(|found| found == subject))
        });
        Ok(u64::try_from(held.count()).unwrap_or(u64::MAX))
    })
}

fn queue(play: &mut Play<'_>, settings: &Settings<'_>, role: &str, within: Duration) -> Result<(), Trouble> {
    let role = Role::ALL.into_iter().find(|known| known.name() == role);
    let role = role.ok_or_else(|| wrong("`queue` is no role"))?;
    counted(play, settings, within, false, |play| Ok(play.stage.trial.hands.queued(role)?))
}

fn reply(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let Some(answer) = play.last.clone() else { return Err(wrong("nothing was answered before this `expect`")) };
    play.happens(answer.normal(crate::scenarios::answer::Protocol::Smtp));
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
    if let Some(text) = settings.text("text")
        && !answer.text().contains(text)
    {
        return Err(Trouble::Unmet(format!("`{text}` is not in `{}`", answer.status)));
    }
    Ok(())
}

fn records(play: &mut Play<'_>, settings: &Settings<'_>, name: &str, within: Duration) -> Result<(), Trouble> {
    let kind = settings.text("record").unwrap_or("A");
    let server = Stage::address(play.stage.door("dns")?);
    let patience = play.patience();
    let mut last: Vec<String> = Vec::new();
    let mut code = "";
    if let Some(value) = settings.text("value") {
        play.expects(format!("{kind} {value}"));
    }
    let counted = counted(play, settings, within, false, |_| {
        let found = dns::ask(server, name, kind, patience)?;
        code = found.code;
        last = found.records;
        let value = settings.text("value").unwrap_or_default().to_lowercase();
        let meant = last.iter().filter(|record| record.to_lowercase().contains(&value));
        Ok(u64::try_from(meant.count()).unwrap_or(u64::MAX))
    });
    play.happens(code);
    counted.map_err(|trouble| match trouble {
        Trouble::Unmet(why) => Trouble::Unmet(format!("{why}; the answer: {code} {}", last.join(" | "))),
        other => other,
    })
}

fn page(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let Some((status, text)) = play.page.clone() else { return Err(wrong("no page was opened before this `expect`")) };
    let expected: u64 = settings.read("page")?.unwrap_or(200);
    play.expects(expected.to_string());
    play.happens(status.to_string());
    if status != expected {
        return Err(Trouble::Unmet(format!("expected {expected}, got {status}")));
    }
    match settings.text("text") {
        Some(wanted) if !text.contains(wanted) => Err(Trouble::Unmet(format!("`{wanted}` is not on the page"))),
        _ => Ok(()),
    }
}

/// Counts what became of the messages of `load`.
fn losses(play: &mut Play<'_>, settings: &Settings<'_>, within: Duration) -> Result<(), Trouble> {
    if play.loaded.is_empty() {
        return Err(Trouble::Unmet("nothing was accepted before this `expect`".to_owned()));
    }
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (identifier, to) in play.loaded.clone() {
        wanted.entry(to).or_default().push(identifier);
    }
    let mut readers = Vec::new();
    for (address, identifiers) in wanted {
        let password = play.password(&address)?;
        readers.push((Reader::open(play, "imaps", &address, &password)?, identifiers));
    }
    let most_lost: Option<u64> = settings.read("lost")?;
    let most_twice: Option<u64> = settings.read("duplicated-at-most")?;
    let (mut lost, mut twice) = (0, 0);
    let waited = play.until(within, |_| {
        (lost, twice) = (0, 0);
        for (reader, identifiers) in &mut readers {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for stored in reader.messages("INBOX")? {
                *counts.entry(message::fields(&stored.bytes, "Message-ID").join(" ")).or_default() += 1;
            }
            for identifier in identifiers.iter() {
                match counts.get(identifier) {
                    None => lost += 1,
                    Some(count) => twice = twice.max(count - 1),
                }
            }
        }
        let is_lost = most_lost.is_some_and(|most| lost != most);
        let is_twice = most_twice.is_some_and(|most| twice > most);
        Ok((is_lost || is_twice).then(|| format!("{lost} lost, a message {twice} times too often")))
    });
    if most_lost.is_some() {
        play.happens(format!("{lost} lost"));
    }
    waited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_as_sent_has_trace_fields_above_and_nothing_else_changed() {
        let sent = b"Subject: x\r\n\r\nbody\r\n";
        let with = |above: &str| [above.as_bytes(), sent].concat();
        assert!(is_as_sent(&with(""), sent));
        assert!(is_as_sent(&with("Return-Path: <>\r\nReceived: from a\r\n\tby b\r\n"), sent));
        assert!(!is_as_sent(&with("not a field\r\n"), sent));
        assert!(!is_as_sent(&with("X: y\r\n\r\nbody first\r\n"), sent));
        assert!(!is_as_sent(b"Subject: x\r\n\r\nBody\r\n", sent));
    }
}
