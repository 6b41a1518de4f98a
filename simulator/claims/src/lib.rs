//! Whom a message claims to come from, and what that is read with: header fields, address lists, encoded words.
//!
//! The simulator's submission and the platform's own ask the same question here, so that they cannot answer it differently.

pub mod address;
pub mod header;
pub mod words;

use values::MailAddress;

/// Somebody who signed in, and the addresses that are theirs.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The mailbox they signed in to.
    pub mailbox: &'a MailAddress,
    /// Every address they may send as.
    pub senders: &'a [MailAddress],
    /// What separates a subaddress from the local part it extends.
    pub separator: Option<char>,
}

impl Claimant<'_> {
    /// Tells whether they may send as an address; a subaddress of an owned one is owned.
    pub fn owns(&self, address: &MailAddress) -> bool {
        let is_owned = |address: &MailAddress| self.mailbox == address || self.senders.contains(address);
        if is_owned(address) {
            return true;
        }
        let mut buffer = [0; 4];
        let Some(separator) = self.separator.map(|separator| &*separator.encode_utf8(&mut buffer)) else {
            return false;
        };
        address
            .local()
            .split_detail(separator)
            .is_some_and(|(base, _)| is_owned(&MailAddress::new(base, address.domain().clone())))
    }
}

/// Checks the header of a submitted message.
///
/// `From` and `Sender` may stand once each; every address in them must be owned, and so must every address that a display name
/// or a comment shows, since many programs show nothing else. Without `From` one is added later.
///
/// - Errors: why the message is refused, for its sender.
pub fn check(content: &[u8], claimant: &Claimant<'_>) -> Result<(), String> {
    let mut from = 0;
    let mut sender = 0;
    // What follows a line that is no field is made body when the message is completed, so it claims nothing.
    for field in header::fields(header::block(content)).take_while(header::Field::is_field) {
        let count = if field.is("From") {
            &mut from
        } else if field.is("Sender") {
            &mut sender
        } else {
            continue;
        };
        *count += 1;
        if *count > 1 {
            return Err(format!("more than one {} field", field.name()));
        }
        check_field(&field, claimant)?;
    }
    Ok(())
}

fn check_field(field: &header::Field<'_>, claimant: &Claimant<'_>) -> Result<(), String> {
    let name = field.name();
    let Ok(value) = std::str::from_utf8(field.raw()) else {
        return Err(format!("the {name} field is not UTF-8"));
    };
    let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let mailboxes = address::read(&value).map_err(|_| format!("the {name} field is no address list"))?;
    if mailboxes.is_empty() || (field.is("Sender") && mailboxes.len() > 1) {
        return Err(format!("the {name} field names nobody, or too many"));
    }
    for mailbox in mailboxes {
        let owned = mailbox.address.parse().is_ok_and(|address| claimant.owns(&address));
        if !owned {
            return Err(format!("{name} address not owned by user {}", claimant.mailbox));
        }
        for shown in [words::decode(mailbox.name.as_bytes()), words::decode(mailbox.comments.as_bytes())] {
            if shows_foreign_address(&shown, claimant) {
                return Err(format!("the {name} field shows an address not owned by user {}", claimant.mailbox));
            }
        }
    }
    Ok(())
}

/// Tells whether a text for people shows an address that is not the user's. Look-alikes of `@` and `.` are read as these
/// (their NFKC form), and what is invisible as nothing.
fn shows_foreign_address(text: &str, claimant: &Claimant<'_>) -> bool {
    let plain: String = text
        .chars()
        .filter(|c| !values::invisible(*c) && !values::hostile(*c))
        .map(|c| match c {
            '\u{ff20}' | '\u{fe6b}' => '@',
            '\u{ff0e}' | '\u{fe52}' | '\u{2024}' | '\u{3002}' | '\u{ff61}' => '.',
            other => other,
        })
        .collect();
    let ends_word = |c: char| c.is_whitespace() || "<>()[]\",;:'".contains(c);
    plain.split(ends_word).filter(|word| word.contains('@')).any(|word| {
        let word = word.trim_matches(['.', '!', '?']);
        match word.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && domain.contains('.') => {
                !word.parse().is_ok_and(|address| claimant.owns(&address))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> MailAddress {
        "alice@acme.example".parse().unwrap()
    }

    fn senders() -> Vec<MailAddress> {
        ["alice@acme.example", "al@acme.example", "alice@bücher.example"].map(|a| a.parse().unwrap()).to_vec()
    }

    fn with_claimant<T>(separator: Option<char>, ask: impl FnOnce(&Claimant<'_>) -> T) -> T {
        ask(&Claimant { mailbox: &mailbox(), senders: &senders(), separator })
    }

    #[test]
    fn a_user_owns_addresses_aliases_and_subaddresses() {
        let owned = |address: &str| with_claimant(Some('+'), |claimant| claimant.owns(&address.parse().unwrap()));
        for address in [
            "alice@acme.example",
            "Alice@ACME.example",
            "\"alice\"@acme.example",
            "al+x@acme.example",
            "alice@xn--bcher-kva.example",
        ] {
            assert!(owned(address), "{address}");
        }
        for address in [
            "bob@acme.example",
            "alice@globex.example",
            "alice+@acme.example",
            "\"alice \"@acme.example",
            "alice-x@acme.example",
        ] {
            assert!(!owned(address), "{address}");
        }
        assert!(!with_claimant(None, |claimant| claimant.owns(&"al+x@acme.example".parse().unwrap())));
    }

    #[test]
    fn the_header_must_claim_only_what_is_owned() {
        for (header, passes) in [
            ("From: alice@acme.example", true),
            ("From: Alice <alice@acme.example>", true),
            ("From: Alice <al@acme.example>\r\nSender: alice@acme.example", true),
            ("From: \"alice\"@acme.example", true),
            ("From: Alice <\"alice\"@acme.example>", true),
            ("From: ALICE@ACME.EXAMPLE", true),
            ("From: alice@b\u{fc}cher.example", true),
            ("From: \"alice@acme.example\" <al@acme.example>", true),
            ("From: =?utf-8?q?Alice_=C3=89?= <al@acme.example>", true),
            ("From: alice@acme.example, al@acme.example", true),
            ("From: a team: alice@acme.example, al@acme.example;", true),
            ("From:\r\n alice@acme.example", true),
            ("Subject: no From at all", true),
            ("Subject: x\r\n\r\nFrom: bob@acme.example", true),
            ("From: bob@acme.example", false),
            ("From: alice@globex.example", false),
            ("From: alice@acme.example, bob@acme.example", false),
            ("From: a team: alice@acme.example, bob@acme.example;", false),
            ("From: nobody:;", false),
            ("From:", false),
            ("From: alice@acme.example\r\nFrom: bob@acme.example", false),
            ("From: bob@acme.example\r\nFrom: alice@acme.example", false),
            ("From: alice@acme.example\r\nfrom : bob@acme.example", false),
            ("From: alice@acme.example\r\nSender: bob@acme.example", false),
            ("From: alice@acme.example\r\nSender: alice@acme.example\r\nSender: al@acme.example", false),
            ("From: \"bob@globex.example\" <alice@acme.example>", false),
            ("From: bob@globex.example <alice@acme.example>", false),
            ("From: =?utf-8?q?bob=40globex=2Eexample?= <alice@acme.example>", false),
            ("From: =?utf-8?b?Ym9iQGdsb2JleC5leGFtcGxl?= <alice@acme.example>", false),
            ("From: alice@acme.example (bob@globex.example)", false),
            ("From: \"bob\u{ff20}globex.example\" <alice@acme.example>", false),
            ("From: \"bob\u{200b}@globex.example\" <alice@acme.example>", false),
            ("From: <bob@globex.example> alice@acme.example", false),
            ("From: <@acme.example:bob@globex.example>", false),
            ("From: \"alice@acme.example\"@globex.example", false),
            ("From: alice@acme.example@globex.example", false),
            ("From: alice@[192.0.2.1]", false),
            ("From: =?utf-8?q?alice=40acme=2Eexample?=", false),
            ("From: alice@acme.example\0", false),
        ] {
            let message = format!("{header}\r\n\r\nbody\r\n");
            let outcome = with_claimant(Some('+'), |claimant| check(message.as_bytes(), claimant));
            assert_eq!(outcome.is_ok(), passes, "{header:?}: {outcome:?}");
        }
    }
}
