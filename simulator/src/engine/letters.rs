//! Mail that scripts send, as Pigeonhole and Dovecot write it.

use values::MailAddress;

use super::answering::encoded;
use crate::Moment;
use crate::mime::header;
use crate::smtp::date;

/// Says who sends in whose place; the version is that of the stores' daemon.
const SIEVE: &str = "X-Sieve: Pigeonhole Sieve 0.5.19\r\n";

/// A message to be queued.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) sender: Option<MailAddress>,
    pub(super) to: Vec<MailAddress>,
    pub(super) text: Vec<u8>,
    /// Whether nobody is told where it fails.
    pub(super) quiet: bool,
}

/// What letters are written with.
pub(super) struct Desk<'a> {
    pub(super) now: Moment,
    pub(super) hostname: &'a str,
    pub(super) origin: &'a str,
    /// The mailbox's main address.
    pub(super) own: &'a str,
    /// The name of the delivery.
    pub(super) name: &'a str,
}

impl Desk<'_> {
    fn head(&self, kind: &str) -> String {
        let Self { now, hostname, name, .. } = self;
        let id = name.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        format!("Message-ID: <{kind}-{}-{id}@{hostname}>\r\nDate: {}\r\n", now.0, date::text(*now))
    }
}

/// Returns a message as it is sent on: the trace stays, the sender's line goes.
pub(super) fn redirected(own: &str, trace: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("{SIEVE}X-Sieve-Redirected-From: {own}\r\n{trace}");
    [head.as_bytes(), content].concat()
}

/// Tells a sender that a message was refused (RFC 5429 §2.2, RFC 8098).
pub(super) fn rejected(desk: &Desk<'_>, sender: &MailAddress, reason: &str, content: &[u8]) -> Letter {
    let head = header::block(content);
    let value = |name: &str| header::fields(head).find(|field| field.is(name)).map(|field| field.unfolded());
    let boundary = format!("{}/{}", desk.now.0, desk.hostname);
    let mut text = desk.head("dovecot");
    let subject = value("Subject").unwrap_or_default();
    text.push_str(&format!(
        "From: Postmaster <postmaster@{}>\r\nTo: <{sender}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary=\"{boundary}\"\r\n\
         Subject: Rejected: {}\r\nAuto-Submitted: auto-replied (rejected)\r\nPrecedence: bulk\r\n\r\n\
         This is a MIME-encapsulated message\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Disposition: inline\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Your message to <{}> was automatically rejected:\r\n{}\r\n\
         --{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n\
         Reporting-UA: {}; Dovecot Mail Delivery Agent\r\nFinal-Recipient: rfc822; {}\r\n",
        desk.origin,
        line(&subject),
        desk.own,
        lines(reason).trim_end(),
        desk.hostname,
        desk.own,
    ));
    if let Some(id) = value("Message-ID") {
        text.push_str(&format!("Original-Message-ID: {}\r\n", line(&id)));
    }
    text.push_str(&format!(
        "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n\r\n--{boundary}\r\n\
         Content-Type: message/rfc822\r\n\r\n"
    ));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(format!("\r\n\r\n--{boundary}--\r\n").as_bytes());
    Letter { sender: None, to: vec![sender.clone()], text: bytes, quiet: true }
}

/// Answers for who is away (RFC 5230 §5).
pub(super) fn away(desk: &Desk<'_>, to: &MailAddress, reply: &sieve::Reply, content: &[u8]) -> Letter {
    let head = header::block(content);
    let value = |name: &str| header::fields(head).find(|field| field.is(name)).map(|field| field.unfolded());
    let from = if reply.from == desk.own { format!("<{}>", desk.own) } else { line(&reply.from) };
    let mut text = format!("{SIEVE}{}", desk.head("dovecot-sieve"));
    text.push_str(&format!("From: {from}\r\nTo: <{to}>\r\nSubject: {}\r\n", encoded(&line(&reply.subject))));
    if let Some(id) = value("Message-ID") {
        let id = line(&id);
        let before = value("References").map(|before| format!("{} ", line(&before))).unwrap_or_default();
        text.push_str(&format!("In-Reply-To: {id}\r\nReferences: {before}{id}\r\n"));
    }
    text.push_str(
        "Auto-Submitted: auto-replied (vacation)\r\nPrecedence: bulk\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n",
    );
    if !reply.mime {
        text.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    }
    text.push_str(&lines(&reply.reason));
    Letter { sender: None, to: vec![to.clone()], text: text.into_bytes(), quiet: true }
}

/// Tells somebody of a message (RFC 5436 §2.7); `None` where nobody is told.
pub(super) fn notice(desk: &Desk<'_>, notification: &sieve::Notification) -> Option<Letter> {
    let to: Vec<MailAddress> = notification.to.iter().filter_map(|address| address.parse().ok()).collect();
    let named: Vec<String> = to.iter().map(ToString::to_string).collect();
    let postmaster = format!("postmaster@{}", desk.origin);
    let from = match &notification.from {
        Some(from) => line(from),
        None => format!("Postmaster <{postmaster}>"),
    };
    let (priority, importance) = match notification.importance {
        1 => ("1 (Highest)", "High"),
        3 => ("5 (Lowest)", "Low"),
        _ => ("3 (Normal)", "Normal"),
    };
    let body = lines(&notification.body);
    let (charset, encoding) = if body.is_ascii() { ("US-ASCII", "7bit") } else { ("utf-8", "8bit") };
    let text = format!(
        "{SIEVE}{}Subject: {}\r\nFrom: {from}\r\nTo: {}\r\nAuto-Submitted: auto-notified; owner-email=\"{}\"\r\n\
         Precedence: bulk\r\nX-Priority: {priority}\r\nImportance: {importance}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n",
        desk.head("dovecot-sieve"),
        encoded(&line(&notification.subject)),
        named.join(", "),
        desk.own,
    );
    let sender = postmaster.parse().ok();
    (!to.is_empty()).then(|| Letter { sender, to, text: text.into_bytes(), quiet: true })
}

/// Makes one line of a text.
fn line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(900)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Ends every line of a text as mail wants it.
fn lines(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        out.extend(line.chars().filter(|character| !character.is_control() || *character == '\t'));
        out.push_str("\r\n");
    }
    out
}
