//! Automatic replies (RFC 3834).

use values::MailAddress;

use super::{Engine, Level, Role};
use crate::Moment;
use crate::directory::Autoreply;
use crate::mime::{address, header, words};
use crate::network::HostId;
use crate::queue::{Addressee, Header, NewMessage, NewTarget, QueueId, Route, Variant};
use crate::smtp::{Body, Received, date};

/// Octets of a line of text; longer ones are broken (RFC 5322 §2.1.1).
const LINE_BYTES: usize = 900;

impl Engine {
    /// Queues the reply of a mailbox that answers by itself, when this message is to be answered.
    pub(super) fn answer_automatically(
        &mut self,
        host: HostId,
        role: Role,
        message: &Received,
        recipient: &MailAddress,
        reply: &Autoreply,
    ) {
        let Some(sender) = message.envelope.sender.clone() else { return };
        if !may_be_answered(message, &sender, recipient, &reply.from) {
            return;
        }
        let now = self.now;
        let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let Some(office) = self.offices.get_mut(&(host, role)) else { return };
        let Some((queue, disk)) = office.queue_mut() else { return };
        let interval = reply.interval_seconds.saturating_mul(1_000);
        if queue.last_answered(&reply.from, &sender).is_some_and(|at| now.since(at) < interval.max(1)) {
            return;
        }
        let text = write(message, &sender, reply, now, queue.next_id(), &hostname);
        let is_ascii = sender.to_string().is_ascii() && reply.from.to_string().is_ascii();
        let new = NewMessage {
            header: Header {
                accepted: now,
                // RFC 3834 §3.3: nothing ever comes back to an automatic reply.
                sender: None,
                addressees: vec![Addressee { address: sender.clone(), notify: None, original: None }],
                returned: None,
                identifier: None,
                body: if text.is_ascii() { Body::SevenBit } else { Body::EightBit },
                internationalized: !is_ascii,
                quiet: true,
            },
            targets: vec![NewTarget {
                addressee: 0,
                address: sender.clone(),
                sender: None,
                route: Route::Expand,
                variant: Variant::default(),
            }],
            content: &[&text],
            delivery: None,
            answers: Some((&reply.from, &sender)),
        };
        let fields = [("from", reply.from.to_string()), ("to", sender.to_string())];
        match queue.accept(disk, new) {
            Ok(_) => self.log(host, role.name(), Level::Info, "answered automatically", &fields),
            Err(_) => self.log(host, role.name(), Level::Warning, "not answered: the disk takes nothing", &fields),
        }
    }
}

/// Whether a person wrote this to this mailbox (RFC 3834 §2, RFC 5230 §4.6).
fn may_be_answered(message: &Received, sender: &MailAddress, recipient: &MailAddress, from: &MailAddress) -> bool {
    let local = sender.local().key();
    let is_machine = ["mailer-daemon", "noreply", "no-reply", "listserv", "majordomo"].contains(&local)
        || local.starts_with("owner-")
        || local.ends_with("-request")
        || local.starts_with("srs0=");
    if is_machine || sender == from || sender == recipient {
        return false;
    }
    let mut names_us = false;
    for field in header::fields(header::block(&message.content)) {
        let name = field.name().to_ascii_lowercase();
        match name.as_str() {
            "auto-submitted" if !field.unfolded().eq_ignore_ascii_case("no") => return false,
            "precedence" => {
                let value = field.unfolded().to_ascii_lowercase();
                if ["bulk", "list", "junk"].contains(&value.as_str()) {
                    return false;
                }
            }
            "to" | "cc" | "resent-to" | "resent-cc" => {
                let named = address::read(&field.unfolded()).unwrap_or_default();
                names_us |= named.iter().any(|one| {
                    one.address.parse::<MailAddress>().is_ok_and(|address| address == *recipient || address == *from)
                });
            }
            "x-auto-response-suppress" => return false,
            name if name.starts_with("list-") => return false,
            _ => {}
        }
    }
    names_us
}

fn write(
    message: &Received,
    sender: &MailAddress,
    reply: &Autoreply,
    now: Moment,
    id: QueueId,
    hostname: &str,
) -> Vec<u8> {
    let header = header::block(&message.content);
    let value = |name: &str| header::fields(header).find(|field| field.is(name)).map(|field| field.unfolded());
    // A subject in encoded words is decoded and cut, so that the answer's is one line whatever came.
    let subject = header::fields(header).find(|field| field.is("Subject")).map(|field| words::decode(field.raw()));
    let subject: String = subject.unwrap_or_default().chars().filter(|c| !c.is_control()).take(60).collect();
    let subject = reply.subject.clone().unwrap_or_else(|| format!("Auto: {}", subject.trim()));
    let identifier = value("Message-ID").filter(|text| is_identifier(text));
    let mut text = format!(
        "Date: {}\r\nFrom: <{}>\r\nTo: <{sender}>\r\nSubject: {}\r\nMessage-ID: <{}.{id}@{hostname}>\r\n",
        date::text(now),
        reply.from,
        encoded(&subject),
        now.0,
    );
    if let Some(identifier) = identifier {
        text.push_str(&format!("In-Reply-To: {identifier}\r\nReferences: {identifier}\r\n"));
    }
    text.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
    text.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
    for line in reply.text.lines() {
        let mut length = 0;
        for character in line.chars().filter(|c| !c.is_control() || *c == '\t') {
            if length + character.len_utf8() > LINE_BYTES {
                text.push_str("\r\n");
                length = 0;
            }
            length += character.len_utf8();
            text.push(character);
        }
        text.push_str("\r\n");
    }
    text.into_bytes()
}

fn is_identifier(text: &str) -> bool {
    text.len() < 500 && text.starts_with('<') && text.ends_with('>') && text.chars().all(|c| ('!'..='~').contains(&c))
}

/// Writes a text as a header may hold it (RFC 2047 where it is not ASCII).
pub(super) fn encoded(text: &str) -> String {
    use base64::Engine as _;
    if text.is_ascii() {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let words: Vec<String> = (characters.chunks(10))
        .map(|piece| {
            let piece: String = piece.iter().collect();
            format!("=?utf-8?b?{}?=", base64::engine::general_purpose::STANDARD.encode(piece))
        })
        .collect();
    words.join("\r\n ")
}
