//! Trace fields (RFC 5321 §4.4).

use std::net::IpAddr;

use values::MailAddress;

use super::{Received, Setting};

/// Returns the `Received` field for a message, with its line end.
///
/// - `hostname`: the host that took it; `name`: what its queue or store calls it; `date`: as [`super::date::text`] writes it.
/// - The recipient is named only when there is one, so that nobody learns of the others (RFC 5321 §7.2).
pub fn received(received: &Received, hostname: &str, name: &str, date: &str) -> String {
    let helo: String = received.helo.chars().take(255).map(|c| if is_plain(c) { c } else { '?' }).collect();
    let address = match received.peer.address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => format!("[{address}]"),
            None => format!("[IPv6:{address}]"),
        },
    };
    let mut text =
        format!("Received: from {helo} ({address})\r\n\tby {hostname} with {} id {name}", protocol(received));
    if let [only] = received.envelope.recipients.as_slice() {
        text.push_str(&format!("\r\n\tfor <{}>", only.address));
    }
    text.push_str(&format!(";\r\n\t{date}\r\n"));
    text
}

/// Returns the protocol's name in a trace field (RFC 3848, RFC 6531 §4.3).
pub fn protocol(received: &Received) -> &'static str {
    let tls = received.peer.tls;
    let user = received.identity.is_some();
    match (received.setting, received.envelope.internationalized, tls, user) {
        (Setting::Lmtp, false, false, _) => "LMTP",
        (Setting::Lmtp, false, true, _) => "LMTPS",
        (Setting::Lmtp, true, false, _) => "UTF8LMTP",
        (Setting::Lmtp, true, true, _) => "UTF8LMTPS",
        (_, false, ..) if !received.extended => "SMTP",
        (_, false, false, false) => "ESMTP",
        (_, false, true, false) => "ESMTPS",
        (_, false, false, true) => "ESMTPA",
        (_, false, true, true) => "ESMTPSA",
        (_, true, false, false) => "UTF8SMTP",
        (_, true, true, false) => "UTF8SMTPS",
        (_, true, false, true) => "UTF8SMTPA",
        (_, true, true, true) => "UTF8SMTPSA",
    }
}

/// Returns the `Return-Path` field that final delivery puts first, with its line end.
pub fn return_path(sender: Option<&MailAddress>) -> String {
    match sender {
        Some(sender) => format!("Return-Path: <{sender}>\r\n"),
        None => "Return-Path: <>\r\n".to_owned(),
    }
}

/// Returns the `Delivered-To` field by which a delivery loop is seen, with its line end.
pub fn delivered_to(recipient: &MailAddress) -> String {
    format!("Delivered-To: {recipient}\r\n")
}

/// Returns the `X-Original-To` field, the forward-path as it was accepted before any alias, with its line end.
pub fn original_to(recipient: &MailAddress) -> String {
    format!("X-Original-To: {recipient}\r\n")
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_:[]".contains(c) || (!c.is_ascii() && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;
    use crate::smtp::{Body, Envelope, Peer, Recipient};

    fn message(recipients: &[&str], tls: bool) -> Received {
        Received {
            setting: Setting::Receiving,
            peer: Peer { address: "192.0.2.1".parse().unwrap(), tls },
            helo: "evil (x)\u{1}".to_owned(),
            extended: true,
            identity: None,
            envelope: Envelope {
                sender: None,
                recipients: recipients
                    .iter()
                    .map(|to| Recipient { address: to.parse().unwrap(), notify: None, original: None })
                    .collect(),
                returned: None,
                identifier: None,
                body: Body::SevenBit,
                internationalized: false,
                delivery: None,
            },
            content: Vec::new(),
            at: Moment(0),
        }
    }

    #[test]
    fn one_recipient_is_named_and_several_are_not() {
        assert_eq!(
            received(&message(&["a@b.example"], true), "mx.example", "Q1", "DATE"),
            "Received: from evil??x?? ([192.0.2.1])\r\n\tby mx.example with ESMTPS id Q1\r\n\tfor <a@b.example>;\r\n\tDATE\r\n"
        );
        assert_eq!(
            received(&message(&["a@b.example", "c@b.example"], false), "mx.example", "Q1", "DATE"),
            "Received: from evil??x?? ([192.0.2.1])\r\n\tby mx.example with ESMTP id Q1;\r\n\tDATE\r\n"
        );
    }

    #[test]
    fn the_return_path_may_be_null() {
        assert_eq!(return_path(None), "Return-Path: <>\r\n");
        assert_eq!(return_path(Some(&"a@b.example".parse().unwrap())), "Return-Path: <a@b.example>\r\n");
    }
}
