//! ENVELOPE: a message's header as IMAP shows it (RFC 3501 §7.4.2). Addresses are read leniently, since every message has one.

use super::response::{nstring, string};
use crate::mime::header;

/// Octets of one field that are looked at.
const MAX_FIELD: usize = 128 << 10;

/// One entry of an address list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Mailbox { name: Option<Vec<u8>>, route: Option<Vec<u8>>, local: Vec<u8>, domain: Vec<u8> },
    GroupStart(Vec<u8>),
    GroupEnd,
}

/// Writes an ENVELOPE.
///
/// - `header`: a message's header, with or without the empty line behind it.
pub(super) fn write(out: &mut Vec<u8>, header: &[u8]) {
    let text = |name: &str| field(header, name);
    let from = addresses_of(header, "From");
    let or_from = |addresses: Vec<Address>| if addresses.is_empty() { from.clone() } else { addresses };
    out.push(b'(');
    nstring(out, text("Date").as_deref());
    out.push(b' ');
    nstring(out, text("Subject").as_deref());
    for addresses in [
        from.clone(),
        or_from(addresses_of(header, "Sender")),
        or_from(addresses_of(header, "Reply-To")),
        addresses_of(header, "To"),
        addresses_of(header, "Cc"),
        addresses_of(header, "Bcc"),
    ] {
        out.push(b' ');
        write_addresses(out, &addresses);
    }
    out.push(b' ');
    nstring(out, text("In-Reply-To").as_deref());
    out.push(b' ');
    nstring(out, text("Message-ID").as_deref());
    out.push(b')');
}

/// Returns a field's value on one line, without the blanks around it.
pub(super) fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    header::fields(header).find(|field| field.is(name)).map(|field| unfold(field.raw()))
}

/// Takes out line ends; a tab behind one becomes a space, as with Dovecot.
fn unfold(raw: &[u8]) -> Vec<u8> {
    let raw = raw.get(..raw.len().min(MAX_FIELD)).unwrap_or_default();
    let mut line = Vec::with_capacity(raw.len());
    let mut is_folded = false;
    for byte in raw {
        match byte {
            b'\r' | b'\n' => is_folded = true,
            0 => {}
            b'\t' if is_folded => {
                line.push(b' ');
                is_folded = false;
            }
            other => {
                line.push(*other);
                is_folded = false;
            }
        }
    }
    line.trim_ascii().to_vec()
}

/// Returns the addresses of every field of that name.
pub(super) fn addresses_of(header: &[u8], name: &str) -> Vec<Address> {
    let mut room = MAX_FIELD;
    let mut addresses = Vec::new();
    for field in header::fields(header).filter(|field| field.is(name)) {
        let value = unfold(field.raw());
        room = room.saturating_sub(value.len());
        addresses.extend(addresses_in(&value));
        if room == 0 {
            break;
        }
    }
    addresses
}

fn write_addresses(out: &mut Vec<u8>, addresses: &[Address]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in addresses {
        out.push(b'(');
        match address {
            Address::Mailbox { name, route, local, domain } => {
                nstring(out, name.as_deref());
                out.push(b' ');
                nstring(out, route.as_deref());
                out.push(b' ');
                string(out, local);
                out.push(b' ');
                string(out, domain);
            }
            Address::GroupStart(name) => {
                out.extend_from_slice(b"NIL NIL ");
                string(out, name);
                out.extend_from_slice(b" NIL");
            }
            Address::GroupEnd => out.extend_from_slice(b"NIL NIL NIL NIL"),
        }
        out.push(b')');
    }
    out.push(b')');
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// An atom or the inside of a quoted string, and whether a blank stood before it.
    Word(Vec<u8>, bool),
    Special(u8),
    Comment(Vec<u8>),
}

fn tokens(value: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = value;
    let mut blank = false;
    while let Some((byte, behind)) = rest.split_first() {
        match byte {
            b' ' | b'\t' => {
                blank = true;
                rest = behind;
                continue;
            }
            b'(' => {
                let (comment, behind) = comment(behind);
                tokens.push(Token::Comment(comment));
                rest = behind;
                blank = true;
                continue;
            }
            b'"' => {
                let (word, behind) = quoted(behind);
                tokens.push(Token::Word(word, blank));
                rest = behind;
            }
            b'<' | b'>' | b'@' | b',' | b':' | b';' => {
                tokens.push(Token::Special(*byte));
                rest = behind;
            }
            _ => {
                let length = rest.iter().position(|byte| b" \t(\"<>@,:;".contains(byte)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(length);
                tokens.push(Token::Word(word.to_vec(), blank));
                rest = behind;
            }
        }
        blank = false;
    }
    tokens
}

fn quoted(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => break,
            b'\\' => {
                if let Some((escaped, behind)) = rest.split_first() {
                    word.push(*escaped);
                    rest = behind;
                }
            }
            other => word.push(*other),
        }
    }
    (word, rest)
}

fn comment(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    let mut depth = 1_u32;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'\\' => {
                if let Some((escaped, behind)) = rest.split_first() {
                    text.push(*escaped);
                    rest = behind;
                }
                continue;
            }
            _ => {}
        }
        text.push(*byte);
    }
    (text.trim_ascii().to_vec(), rest)
}

/// What has been read since the last address.
#[derive(Default)]
struct Pending {
    /// Words before an at sign or an angle.
    words: Vec<(Vec<u8>, bool)>,
    /// Words behind an at sign; `None` before one.
    domain: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
}

impl Pending {
    fn phrase(&self) -> Vec<u8> {
        let mut phrase = Vec::new();
        for (index, (word, blank)) in self.words.iter().enumerate() {
            if index > 0 && *blank {
                phrase.push(b' ');
            }
            phrase.extend_from_slice(word);
        }
        phrase
    }

    /// An address without angles: `local@domain (name)`.
    fn bare(&mut self) -> Option<Address> {
        let pending = std::mem::take(self);
        if pending.words.is_empty() && pending.domain.is_none() {
            return None;
        }
        let local: Vec<u8> = pending.words.iter().flat_map(|(word, _)| word.iter().copied()).collect();
        Some(mailbox(pending.comment, None, local, pending.domain))
    }
}

fn mailbox(name: Option<Vec<u8>>, route: Option<Vec<u8>>, local: Vec<u8>, domain: Option<Vec<u8>>) -> Address {
    // What is missing is named as Dovecot names it: NIL would make a group of it.
    let local = if local.is_empty() { b"MISSING_MAILBOX".to_vec() } else { local };
    let domain = domain.filter(|domain| !domain.is_empty()).unwrap_or_else(|| b"MISSING_DOMAIN".to_vec());
    Address::Mailbox { name: name.filter(|name| !name.is_empty()), route, local, domain }
}

/// Reads an address list (RFC 5322 §3.4) as well as it can be read.
pub(super) fn addresses_in(value: &[u8]) -> Vec<Address> {
    let mut addresses = Vec::new();
    let mut pending = Pending::default();
    let mut in_group = false;
    let mut tokens = tokens(value).into_iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Comment(text) => pending.comment = Some(text),
            Token::Word(word, blank) => match &mut pending.domain {
                Some(domain) => domain.extend_from_slice(&word),
                None => pending.words.push((word, blank)),
            },
            Token::Special(b'@') => match &mut pending.domain {
                Some(domain) => domain.push(b'@'),
                None => pending.domain = Some(Vec::new()),
            },
            Token::Special(b',') => addresses.extend(pending.bare()),
            Token::Special(b'<') => {
                let name = pending.phrase();
                let comment = pending.comment.take();
                pending = Pending::default();
                let name = if name.is_empty() { comment } else { Some(name) };
                addresses.push(in_angles(&mut tokens, name));
            }
            Token::Special(b':') if !in_group && pending.domain.is_none() => {
                addresses.push(Address::GroupStart(pending.phrase()));
                pending = Pending::default();
                in_group = true;
            }
            Token::Special(b';') if in_group => {
                addresses.extend(pending.bare());
                addresses.push(Address::GroupEnd);
                in_group = false;
            }
            Token::Special(_) => {}
        }
    }
    addresses.extend(pending.bare());
    if in_group {
        addresses.push(Address::GroupEnd);
    }
    addresses
}

fn in_angles(tokens: &mut impl Iterator<Item = Token>, name: Option<Vec<u8>>) -> Address {
    let (mut local, mut domain, mut route) = (Vec::new(), None::<Vec<u8>>, None);
    for token in tokens.by_ref() {
        match token {
            Token::Special(b'>') => break,
            Token::Special(b'@') => match &mut domain {
                Some(domain) => domain.push(b'@'),
                None => domain = Some(Vec::new()),
            },
            Token::Special(b':') => {
                // An obsolete route: `<@one,@two:local@domain>`.
                let mut text = std::mem::take(&mut local);
                if let Some(domain) = domain.take() {
                    text.push(b'@');
                    text.extend(domain);
                }
                route = Some(text);
            }
            Token::Special(other) => domain.as_mut().unwrap_or(&mut local).push(other),
            Token::Word(word, _) => domain.as_mut().unwrap_or(&mut local).extend_from_slice(&word),
            Token::Comment(_) => {}
        }
    }
    mailbox(name, route, local, domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(header: &str, expected: &str) {
        let mut out = Vec::new();
        write_addresses(&mut out, &addresses_of(header.as_bytes(), "To"));
        assert_eq!(String::from_utf8_lossy(&out), expected, "{header}");
    }

    #[test]
    fn addresses_have_their_four_fields() {
        check("To: a@b.example\r\n", r#"((NIL NIL "a" "b.example"))"#);
        check(
            "To: Joe Q. Public <j@b>, \"x, \\\"y\\\"\" <z@b>\r\n",
            r#"(("Joe Q. Public" NIL "j" "b")("x, \"y\"" NIL "z" "b"))"#,
        );
        check("To: a@b (Alice A)\r\n", r#"(("Alice A" NIL "a" "b"))"#);
        check("To: <@one,@two:a@b>\r\n", r#"((NIL "@one,@two" "a" "b"))"#);
        check("To: =?utf-8?q?=C3=BC?=\r\n <u@b>\r\n", r#"(("=?utf-8?q?=C3=BC?=" NIL "u" "b"))"#);
        check("To: \"a b\"@c\r\n", r#"((NIL NIL "a b" "c"))"#);
    }

    #[test]
    fn groups_are_framed() {
        check(
            "To: team: a@b, C <c@d>;\r\n",
            r#"((NIL NIL "team" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL))"#,
        );
        check("To: undisclosed-recipients:;\r\n", r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#);
    }

    #[test]
    fn what_is_broken_is_shown_as_well_as_it_can_be() {
        check("To: alice\r\n", r#"((NIL NIL "alice" "MISSING_DOMAIN"))"#);
        check("To: <>\r\n", r#"((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"#);
        check("To: ,,\r\n", "NIL");
        check("To: (\r\n", "NIL");
        check("To: \"open <a@b>\r\n", r#"((NIL NIL "open <a@b>" "MISSING_DOMAIN"))"#);
    }

    #[test]
    fn sender_and_reply_to_default_to_from() {
        let mut out = Vec::new();
        write(&mut out, b"From: a@b\r\nSubject: \xC3\xBC\r\nMessage-ID: <1@b>\r\n\r\n");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "(NIL {2}\r\nü ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL \"<1@b>\")"
        );
    }

    proptest! {
        #[test]
        fn foreign_headers_never_panic(text in "[Ta:o@<>,;()\"\\\\ a.\r\n]{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            write(&mut out, text.as_bytes());
            write(&mut out, &bytes);
            write(&mut out, format!("To: {text}").as_bytes());
        }
    }
}
