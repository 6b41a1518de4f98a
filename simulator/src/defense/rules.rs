//! Rules about a message's envelope and header.
//!
//! The scores are low on purpose: hand-made test mail that lacks every field stays below any threshold in use, and only several
//! signs together make spam.

use values::MailAddress;

use super::{Findings, Symbol};
use crate::mime::{address, header, words};
use crate::smtp::Received;

/// Recipients of one message from which it looks like a circular.
const MANY_RECIPIENTS: usize = 50;
/// Letters a subject must have before their case means anything.
const LOUD_LETTERS: usize = 10;

pub(super) fn header(received: &Received, findings: &mut Findings) {
    let block = header::block(&received.content);
    let mut counts = [0_usize; 6];
    let names = ["From", "To", "Date", "Message-ID", "Subject", "Content-Type"];
    let mut authors = Vec::new();
    let mut shows_another = false;
    let mut broken = false;
    let mut loud = false;
    for field in header::fields(block) {
        broken |= !field.is_field();
        let Some(index) = names.iter().position(|name| field.is(name)) else {
            if (field.is("Cc") || field.is("Bcc"))
                && let Some(count) = counts.get_mut(1)
            {
                *count += 1;
            }
            continue;
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
        if field.is("From") && authors.is_empty() {
            match address::read(&field.unfolded()) {
                Ok(mailboxes) => {
                    shows_another = mailboxes.iter().any(shows_another_address);
                    authors = mailboxes.iter().filter_map(|mailbox| mailbox.address.parse().ok()).collect();
                }
                Err(_) => broken = true,
            }
        }
        if field.is("Subject") {
            loud |= is_loud(&words::decode(field.raw()));
        }
    }
    let [from, to, date, identifier, subject, content_type] = counts;
    let mut met = |condition: bool, name: &str, thousandths: i64, description: &str| {
        if condition {
            findings.symbols.push(Symbol::new(name, thousandths, description));
        }
    };
    met(from == 0, "MISSING_FROM", 1_000, "there is no From field");
    met(to == 0, "MISSING_TO", 500, "there is no To, Cc or Bcc field");
    met(date == 0, "MISSING_DATE", 500, "there is no Date field");
    met(identifier == 0, "MISSING_MID", 500, "there is no Message-ID field");
    met(subject == 0, "MISSING_SUBJECT", 500, "there is no Subject field");
    let several = from > 1 || date > 1 || identifier > 1 || subject > 1 || content_type > 1;
    met(several, "MULTIPLE_UNIQUE_HEADERS", 2_500, "a field that may stand once stands more often");
    met(broken, "BROKEN_HEADERS", 1_000, "the header or its From field is malformed");
    met(loud, "SUBJ_ALL_CAPS", 2_000, "the subject is all capitals");
    met(shows_another, "SPOOF_DISPLAY_NAME", 3_000, "the From field's name shows another address than its own");
    met(
        received.envelope.recipients.len() >= MANY_RECIPIENTS,
        "RCPT_COUNT_MANY",
        1_000,
        "it goes to fifty recipients or more",
    );
    let differs = |sender: &MailAddress| {
        !authors.is_empty()
            && !authors.iter().any(|author: &MailAddress| {
                author.domain().is_within(sender.domain()) || sender.domain().is_within(author.domain())
            })
    };
    met(
        received.envelope.sender.as_ref().is_some_and(differs),
        "FROM_NEQ_ENVFROM",
        500,
        "the From field's domain is not the reverse-path's",
    );
    findings.authors = authors;
}

fn shows_another_address(mailbox: &address::Mailbox) -> bool {
    let name = words::decode(mailbox.name.as_bytes());
    let own = mailbox.address.parse::<MailAddress>().ok();
    name.split(|c: char| c.is_whitespace() || "<>()[]\",;'".contains(c))
        .filter_map(|word| word.parse::<MailAddress>().ok())
        .any(|shown| shown.domain().as_str().contains('.') && own.as_ref() != Some(&shown))
}

fn is_loud(subject: &str) -> bool {
    let letters = subject.chars().filter(|c| c.is_alphabetic()).count();
    letters >= LOUD_LETTERS && !subject.chars().any(char::is_lowercase) && subject.chars().any(char::is_uppercase)
}
