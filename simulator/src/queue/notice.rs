//! Delivery status notifications (RFC 3464, RFC 3461, RFC 6522; RFC 6533 for addresses beyond ASCII).

use values::MailAddress;

use super::Settings;
use super::entry::{Addressee, Entry, Failure, Header, QueueId, TargetState};
use crate::Moment;
use crate::mime::header;
use crate::smtp::{Enhanced, Return, date};

/// Longest message that is returned whole; of longer ones only the header goes back (Postfix's `bounce_size_limit`).
const WHOLE_BYTES: usize = 50_000;
/// Longest header that is returned.
const HEADER_BYTES: usize = 64 << 10;

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// Delivery has failed.
    Failed,
    /// Delivery is late and goes on.
    Delayed,
    /// Delivered, or handed to hosts that do not report (on request only).
    Delivered,
}

impl NoticeKind {
    /// Returns what a log says of it.
    pub fn said(self) -> &'static str {
        match self {
            Self::Failed => "sender told of a failure",
            Self::Delayed => "sender told of a delay",
            Self::Delivered => "sender told of a delivery",
        }
    }
}

/// A notice that was queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its own name in the queue.
    pub id: QueueId,
    /// The message it is about.
    pub about: QueueId,
    /// What it tells.
    pub kind: NoticeKind,
    /// Who is told.
    pub to: MailAddress,
}

/// What is told of one target.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) addressee: &'a Addressee,
    pub(super) fate: Fate<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    Failed(&'a Failure),
    Late(&'a Failure),
    Delivered,
    Relayed,
}

impl<'a> Report<'a> {
    /// Returns what there is to tell of a target, if anything.
    pub(super) fn of(entry: &'a Entry, index: usize) -> Option<Self> {
        let target = entry.targets.get(index)?;
        let fate = match &target.state {
            TargetState::Failed(failure) => Fate::Failed(failure),
            TargetState::Waiting { last: Some(failure), .. } => Fate::Late(failure),
            TargetState::Delivered { relayed: false } => Fate::Delivered,
            TargetState::Delivered { relayed: true } => Fate::Relayed,
            TargetState::Waiting { .. } | TargetState::Done => return None,
        };
        Some(Self { addressee: entry.addressee_of(index)?, fate })
    }

    fn action(&self) -> &'static str {
        match self.fate {
            Fate::Failed(_) => "failed",
            Fate::Late(_) => "delayed",
            // A store speaks LMTP without RFC 3461: to a relay such mail is handed on, not delivered (Postfix says the same).
            Fate::Delivered | Fate::Relayed => "relayed",
        }
    }

    fn status(&self) -> Enhanced {
        match self.fate {
            Fate::Failed(failure) => failure.status,
            // RFC 3464 §2.3.4: a delay is persistent and transient, class 4.
            Fate::Late(failure) => Enhanced(4, failure.status.1, failure.status.2),
            Fate::Delivered | Fate::Relayed => Enhanced(2, 0, 0),
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self.fate {
            Fate::Failed(failure) | Fate::Late(failure) => Some(failure),
            Fate::Delivered | Fate::Relayed => None,
        }
    }
}

/// What a notice is about, apart from its targets.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) id: QueueId,
    pub(super) header: &'a Header,
    pub(super) kind: NoticeKind,
    pub(super) content: &'a [u8],
}

/// Writes a notice: what happened for people, then for programs, then the message's header or the message.
pub(super) fn write(
    settings: &Settings,
    now: Moment,
    notice: QueueId,
    about: About<'_>,
    reports: &[Report<'_>],
) -> Vec<u8> {
    let returned = returned(about);
    let global = !returned.content.is_ascii()
        || !settings.help.is_ascii()
        || reports.iter().any(|report| !report.addressee.address.to_string().is_ascii());
    let boundary = boundary(settings, now, notice, returned.content);
    let encoding = if global { "8bit" } else { "7bit" };
    let to = about.header.sender.as_ref().map(ToString::to_string).unwrap_or_default();
    let (subject, words) = match about.kind {
        NoticeKind::Failed => ("Undelivered Mail Returned to Sender", "Your message could not be delivered to:"),
        NoticeKind::Delayed => (
            "Delayed Mail (still being retried)",
            "Your message could not be delivered yet. Nothing needs to be done: delivery is tried again to:",
        ),
        NoticeKind::Delivered => ("Successful Mail Delivery Report", "Your message was delivered, or handed on, to:"),
    };
    let date = date::text(now);
    let Settings { hostname, origin, .. } = settings;
    let mut out = Vec::with_capacity(returned.content.len() + 4_096);
    let mut line = |text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    };

    line(&format!("Date: {date}"));
    line(&format!("From: Mail Delivery System <MAILER-DAEMON@{origin}>"));
    line(&format!("To: <{to}>"));
    line(&format!("Subject: {subject}"));
    line(&format!("Message-ID: <{}.{notice}@{hostname}>", now.0));
    // RFC 3834 §5: nobody answers this.
    line("Auto-Submitted: auto-replied");
    line("MIME-Version: 1.0");
    line("Content-Type: multipart/report; report-type=delivery-status;");
    line(&format!("\tboundary=\"{boundary}\""));
    line(&format!("Content-Transfer-Encoding: {encoding}"));
    line("");
    line("This is a MIME-encapsulated message.");

    line("");
    line(&format!("--{boundary}"));
    line("Content-Description: Notification");
    line("Content-Type: text/plain; charset=utf-8");
    line(&format!("Content-Transfer-Encoding: {encoding}"));
    line("");
    line(&format!("This is the mail system at host {hostname}."));
    line("");
    line(words);
    for report in reports {
        line("");
        line(&format!("<{}>", report.addressee.address));
        if let Some(failure) = report.failure() {
            match &failure.host {
                Some(host) => line(&format!("    host {host} said: {}", clean(&failure.text, global))),
                None => line(&format!("    {}", clean(&failure.text, global))),
            }
        }
    }

    line("");
    line(&settings.help);

    line("");
    line(&format!("--{boundary}"));
    line("Content-Description: Delivery report");
    line(&format!("Content-Type: message/{}delivery-status", if global { "global-" } else { "" }));
    line(&format!("Content-Transfer-Encoding: {encoding}"));
    line("");
    line(&format!("Reporting-MTA: dns; {hostname}"));
    if let Some(identifier) = &about.header.identifier {
        line(&format!("Original-Envelope-Id: {}", from_xtext(identifier)));
    }
    line(&format!("X-Queue-ID: {}", about.id));
    line(&format!("Arrival-Date: {}", date::text(about.header.accepted)));
    for report in reports {
        line("");
        if let Some(original) = report.addressee.original.as_deref().and_then(|text| text.split_once(';')) {
            line(&format!("Original-Recipient: {}; {}", original.0, from_xtext(original.1)));
        }
        // The address the sender knows: where an alias leads is nobody's business.
        let address = &report.addressee.address;
        let kind = if address.to_string().is_ascii() { "rfc822" } else { "utf-8" };
        line(&format!("Final-Recipient: {kind}; {address}"));
        line(&format!("Action: {}", report.action()));
        line(&format!("Status: {}", report.status()));
        if let Some(failure) = report.failure() {
            match &failure.host {
                Some(host) => {
                    line(&format!("Remote-MTA: dns; {host}"));
                    line(&format!("Diagnostic-Code: smtp; {}", clean(&failure.text, global)));
                }
                None => line(&format!("Diagnostic-Code: x-mailwright; {}", clean(&failure.text, global))),
            }
        }
        line(&format!("Last-Attempt-Date: {date}"));
    }

    line("");
    line(&format!("--{boundary}"));
    line(&format!("Content-Description: {}", returned.description));
    line(&format!("Content-Type: {}", returned.kind));
    line(&format!("Content-Transfer-Encoding: {}", if returned.content.is_ascii() { "7bit" } else { "8bit" }));
    line("");
    out.extend_from_slice(returned.content);
    if !returned.content.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

struct Returned<'a> {
    kind: &'static str,
    description: &'static str,
    content: &'a [u8],
}

/// Returns what goes back of the message: all of it only when a failure is told, that was asked for and it is short.
fn returned(about: About<'_>) -> Returned<'_> {
    let internationalized = about.header.internationalized;
    if about.kind == NoticeKind::Failed
        && about.header.returned == Some(Return::Full)
        && about.content.len() <= WHOLE_BYTES
    {
        let kind = if internationalized { "message/global" } else { "message/rfc822" };
        return Returned { kind, description: "Undelivered Message", content: about.content };
    }
    let block = header::block(about.content);
    let mut end = block.len();
    if end > HEADER_BYTES {
        let shown = block.get(..HEADER_BYTES).unwrap_or(block);
        end = shown.windows(2).rposition(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
    }
    Returned {
        kind: if internationalized { "message/global-headers" } else { "text/rfc822-headers" },
        description: "Undelivered Message Headers",
        content: block.get(..end).unwrap_or(block),
    }
}

/// Returns a boundary that does not stand in what it must bound.
fn boundary(settings: &Settings, now: Moment, notice: QueueId, content: &[u8]) -> String {
    let mut number = 0_u32;
    loop {
        let boundary = format!("{notice}.{}.{number}/{}", now.0, settings.hostname);
        if !content.windows(boundary.len().max(1)).any(|window| window == boundary.as_bytes()) {
            return boundary;
        }
        number += 1;
    }
}

/// Returns text as one line without control characters, in ASCII unless more is allowed, and not endless.
fn clean(text: &str, global: bool) -> String {
    (text.chars().take(900))
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || (!global && !c.is_ascii()) => '?',
            c => c,
        })
        .collect()
}

/// Reads xtext (RFC 3461 §4); what is no printable ASCII becomes `?`.
fn from_xtext(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '+' => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).map_or('?', char::from)
            }
            other => other,
        };
        out.push(if (' '..='~').contains(&plain) { plain } else { '?' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_read_and_holds_no_line_break() {
        assert_eq!(from_xtext("a+2Bb+3Dc"), "a+b=c");
        assert_eq!(from_xtext("a+0D+0Ab+"), "a??b?");
    }

    #[test]
    fn a_reply_becomes_one_harmless_line() {
        assert_eq!(clean("550 a\r\nBcc: x\u{1b}é", false), "550 a  Bcc: x??");
        assert_eq!(clean("550 é", true), "550 é");
        assert!(clean(&"x".repeat(5_000), false).len() <= 900);
    }
}
