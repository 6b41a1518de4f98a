//! What a submission server adds to a message that lacks it, and takes out (RFC 6409 §8).

use sha2::{Digest, Sha256};
use values::MailAddress;

use super::date;
use crate::Moment;
use crate::mime::header;

/// Adds `From`, `Date` and `Message-ID` where they are missing, and the empty line where a header just stops.
///
/// `Bcc`, `Resent-Bcc` and `Return-Path` are taken out: the first two tell what nobody may learn, the last is written at delivery
/// (RFC 5322 §3.6.3, RFC 5321 §4.4; Postfix: `message_drop_headers`). Everything else stays as it was, byte for byte.
pub(crate) fn complete(content: Vec<u8>, sender: &MailAddress, now: Moment, hostname: &str) -> Vec<u8> {
    let block = header::block(&content);
    let mut end = 0;
    let mut dropped = Vec::new();
    let (mut from, mut date, mut identifier) = (false, false, false);
    let mut broken = false;
    for field in header::fields(block) {
        if !field.is_field() {
            broken = true;
            break;
        }
        end = field.whole.end;
        from |= field.is("From");
        date |= field.is("Date");
        identifier |= field.is("Message-ID");
        if ["Bcc", "Resent-Bcc", "Return-Path"].iter().any(|name| field.is(name)) {
            dropped.push(field.whole.clone());
        }
    }
    // A header that ends in a body line, or with the message, gets the empty line that everybody reads alike.
    let needs_separator = broken || header::split(&content).1 == block.len();
    let mut added = String::new();
    if !from {
        added.push_str(&format!("From: {sender}\r\n"));
    }
    if !date {
        added.push_str(&format!("Date: {}\r\n", date::text(now)));
    }
    if !identifier {
        added.push_str(&format!("Message-ID: <{}@{hostname}>\r\n", name(&content, sender, now)));
    }
    if needs_separator {
        added.push_str("\r\n");
    }
    if added.is_empty() && dropped.is_empty() {
        return content;
    }
    let mut whole = Vec::with_capacity(content.len() + added.len());
    let mut at = 0;
    for range in dropped {
        whole.extend_from_slice(content.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    whole.extend_from_slice(content.get(at..end).unwrap_or_default());
    whole.extend_from_slice(added.as_bytes());
    whole.extend_from_slice(content.get(end..).unwrap_or_default());
    whole
}

/// Names a message by what it is and when it came; a name tells nothing of it.
fn name(content: &[u8], sender: &MailAddress, now: Moment) -> String {
    let mut digest = Sha256::new();
    digest.update(now.0.to_be_bytes());
    digest.update(sender.to_string().as_bytes());
    digest.update(content);
    let mut text = format!("{:x}.", now.0);
    for byte in digest.finalize().iter().take(10) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let sender = "alice@acme.example".parse().unwrap();
        let output = String::from_utf8(complete(input.as_bytes().to_vec(), &sender, Moment(0), "sub.example")).unwrap();
        let start = output.find("Message-ID: <").map(|at| at + 13);
        let shown = match (input.contains("Message-ID"), start) {
            (false, Some(start)) => {
                let end = start + output[start..].find('@').unwrap();
                format!("{}ID{}", &output[..start], &output[end..])
            }
            _ => output,
        };
        assert_eq!(shown, expected);
    }

    const DATE: &str = "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n";
    const ID: &str = "Message-ID: <ID@sub.example>\r\n";

    #[test]
    fn only_what_is_missing_is_added() {
        let whole = "From: a\r\nDate: b\r\nMessage-ID: <c>\r\n\r\nbody\r\n";
        check(whole, whole);
        check("From: a\r\n\r\nbody\r\n", &format!("From: a\r\n{DATE}{ID}\r\nbody\r\n"));
        check("\r\nbody\r\n", &format!("From: alice@acme.example\r\n{DATE}{ID}\r\nbody\r\n"));
        check("", &format!("From: alice@acme.example\r\n{DATE}{ID}\r\n"));
    }

    #[test]
    fn what_nobody_may_learn_is_taken_out() {
        check(
            "Return-Path: <x>\r\nFrom: a\r\nBCC: b,\r\n c\r\nDate: b\r\nMessage-ID: <c>\r\nresent-bcc : d\r\n\r\nBcc: body\r\n",
            "From: a\r\nDate: b\r\nMessage-ID: <c>\r\n\r\nBcc: body\r\n",
        );
    }

    #[test]
    fn a_header_that_just_stops_gets_its_empty_line() {
        check("hello\r\nFrom: evil\r\n", &format!("From: alice@acme.example\r\n{DATE}{ID}\r\nhello\r\nFrom: evil\r\n"));
        check("From: a\r\n", &format!("From: a\r\n{DATE}{ID}\r\n"));
        check("From: a\r\nhello\r\n\r\nb\r\n", &format!("From: a\r\n{DATE}{ID}\r\nhello\r\n\r\nb\r\n"));
    }

    #[test]
    fn two_messages_do_not_share_a_name() {
        let sender = "alice@acme.example".parse().unwrap();
        assert_ne!(name(b"a", &sender, Moment(1)), name(b"b", &sender, Moment(1)));
        assert_ne!(name(b"a", &sender, Moment(1)), name(b"a", &sender, Moment(2)));
    }
}
