//! Whether a signed-in user owns what a message claims to come from: envelope, `From` and `Sender` (RFC 6409 §6.1).

use values::MailAddress;

use super::Reply;
use crate::directory::Identity;
use crate::mime::{address, header, words};

/// Tells whether a user may send as an address; a subaddress of an owned one is owned.
pub(crate) fn owns(identity: &Identity, separator: Option<char>, address: &MailAddress) -> bool {
    let is_owned = |address: &MailAddress| identity.mailbox == *address || identity.senders.contains(address);
    if is_owned(address) {
        return true;
    }
    let mut buffer = [0; 4];
    let Some(separator) = separator.map(|separator| &*separator.encode_utf8(&mut buffer)) else { return false };
    address
        .local()
        .split_detail(separator)
        .is_some_and(|(base, _)| is_owned(&MailAddress::new(base, address.domain().clone())))
}

/// Checks the header of a submitted message.
///
/// `From` and `Sender` may stand once each; every address in them must be owned, and so must every address that a display name
/// or a comment shows, since many programs show nothing else. Without `From` one is added later.
///
/// - Errors: the reply that refuses the message.
pub(crate) fn check(content: &[u8], identity: &Identity, separator: Option<char>) -> Result<(), Reply> {
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
            return Err(refusal(&format!("more than one {} field", field.name())));
        }
        check_field(&field, identity, separator)?;
    }
    Ok(())
}

fn check_field(field: &header::Field<'_>, identity: &Identity, separator: Option<char>) -> Result<(), Reply> {
    let name = field.name();
    let Ok(value) = std::str::from_utf8(field.raw()) else {
        return Err(refusal(&format!("the {name} field is not UTF-8")));
    };
    let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let mailboxes = address::read(&value).map_err(|_| refusal(&format!("the {name} field is no address list")))?;
    if mailboxes.is_empty() || (field.is("Sender") && mailboxes.len() > 1) {
        return Err(refusal(&format!("the {name} field names nobody, or too many")));
    }
    for mailbox in mailboxes {
        let owned = mailbox.address.parse().is_ok_and(|address| owns(identity, separator, &address));
        if !owned {
            return Err(refusal(&format!("{name} address not owned by user {}", identity.mailbox)));
        }
        for shown in [words::decode(mailbox.name.as_bytes()), words::decode(mailbox.comments.as_bytes())] {
            if shows_foreign_address(&shown, identity, separator) {
                return Err(refusal(&format!(
                    "the {name} field shows an address not owned by user {}",
                    identity.mailbox
                )));
            }
        }
    }
    Ok(())
}

fn refusal(why: &str) -> Reply {
    Reply::new(550, (5, 7, 1), format!("Message rejected: {why}"))
}

/// Tells whether a text for people shows an address that is not the user's. Look-alikes of `@` and `.` are read as these
/// (their NFKC form), and what is invisible as nothing.
fn shows_foreign_address(text: &str, identity: &Identity, separator: Option<char>) -> bool {
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
                !word.parse().is_ok_and(|address| owns(identity, separator, &address))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            mailbox: "alice@acme.example".parse().unwrap(),
            store: "store-1".to_owned(),
            quota: None,
            senders: ["alice@acme.example", "al@acme.example", "alice@bücher.example"]
                .map(|a| a.parse().unwrap())
                .to_vec(),
        }
    }

    #[test]
    fn a_user_owns_addresses_aliases_and_subaddresses() {
        let owned = |address: &str| owns(&identity(), Some('+'), &address.parse().unwrap());
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
        assert!(!owns(&identity(), None, &"al+x@acme.example".parse().unwrap()));
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
            let outcome = check(message.as_bytes(), &identity(), Some('+'));
            assert_eq!(outcome.is_ok(), passes, "{header:?}: {outcome:?}");
            if let Err(reply) = outcome {
                assert_eq!((reply.code, reply.enhanced.map(|e| (e.0, e.1, e.2))), (550, Some((5, 7, 1))));
            }
        }
    }
}
