//! What users send leaves signed, and what comes from outside is sealed.

use super::plans::{accounts, add_team, plan};
use super::tests::{send_as, submit};
use super::*;
use crate::mime::header;
use crate::signing::tests::{ring, signing, zones};

/// Begins a world whose domains have keys.
fn world(seed: u64) -> World {
    let mut accounts = accounts();
    add_team(&mut accounts);
    accounts.keys = (*ring()).clone();
    World::new(seed, Topology { signing: signing(), zones: zones(), ..plan() }, accounts).unwrap()
}

const LETTER: &str = "From: <bob@plain.example>\r\nTo: <team@acme.example>\r\nSubject: x\r\n\r\nhello\r\n";

fn fields(message: &[u8], name: &str) -> Vec<String> {
    let fields = header::fields(header::block(message)).filter(|field| field.is(name));
    fields.map(|field| field.unfolded()).collect()
}

#[test]
fn a_users_message_is_signed_for_everybody_who_gets_it() {
    let mut world = world(1);
    assert!(submit(&mut world, &["hank@globex.example", "bob@plain.example"]).starts_with("250 "));
    world.advance(5_000);
    for (host, role, address) in
        [("store-1", Role::Store, "hank@globex.example"), ("internet", Role::Internet, "bob@plain.example")]
    {
        let messages = world.messages(host, role, address, "INBOX");
        assert_eq!(messages.len(), 1, "{:#?}", world.log);
        let signatures = fields(&messages[0], "DKIM-Signature");
        assert_eq!(signatures.len(), 2, "{signatures:?}");
        assert!(signatures.iter().all(|one| one.contains("d=acme.example;")), "{signatures:?}");
        assert_eq!(fields(&messages[0], "ARC-Seal"), [""; 0]);
        // Behind what the host that took it writes on top, and before what its author wrote.
        let names: Vec<&str> = header::fields(header::block(&messages[0])).map(|field| field.name()).collect();
        let first = names.iter().position(|name| *name == "DKIM-Signature").unwrap();
        assert_eq!(names[first - 1], "Received", "{names:?}");
    }
}

#[test]
fn a_message_from_outside_is_sealed_for_those_it_is_for_and_for_whom_it_is_sent_on_to() {
    let mut world = world(1);
    assert!(send_as(&mut world, "bob@plain.example", &["team@acme.example"], LETTER).starts_with("250 "));
    world.advance(5_000);
    for (host, role, address) in [
        ("store-1", Role::Store, "alice@acme.example"),
        ("store-2", Role::Store, "office@acme.example"),
        ("internet", Role::Internet, "bob@plain.example"),
    ] {
        let messages = world.messages(host, role, address, "INBOX");
        assert_eq!(messages.len(), 1, "{address} {:#?}", world.log);
        let seals = fields(&messages[0], "ARC-Seal");
        assert!(seals.len() == 1 && seals[0].contains("cv=none;") && seals[0].contains("d=acme.example;"), "{seals:?}");
        let results = fields(&messages[0], "ARC-Authentication-Results");
        assert!(results[0].starts_with("i=1; mx-1.northmail.example;"), "{results:?}");
        assert_eq!(fields(&messages[0], "DKIM-Signature"), [""; 0]);
    }
}

#[test]
fn a_message_goes_as_it_is_where_no_key_is_to_be_had() {
    let mut world = world(1);
    world.accounts.keys = crate::signing::Ring::default();
    assert!(submit(&mut world, &["hank@globex.example"]).starts_with("250 "));
    world.advance(5_000);
    let messages = world.messages("store-1", Role::Store, "hank@globex.example", "INBOX");
    assert_eq!(fields(&messages[0], "DKIM-Signature"), [""; 0]);
    assert!(world.log.iter().any(|event| event.message.contains("no key to sign with")), "{:#?}", world.log);
}

#[test]
fn a_defense_host_that_goes_while_it_signs_keeps_nobody_waiting() {
    let mut world = world(1);
    let mut talk = Talk::begin(&mut world, "mx-1", Door::Mx, false);
    talk.hear(&mut world);
    for line in ["EHLO x.example", "MAIL FROM:<bob@plain.example>", "RCPT TO:<alice@acme.example>", "DATA"] {
        talk.say(&mut world, line);
    }
    talk.send(&mut world, format!("{LETTER}.\r\n").as_bytes());
    let signs = |world: &World| {
        world.events.values().any(|pending| match pending {
            Pending::Answer(_, answer) => matches!(**answer, crate::directory::Answer::Signed(_)),
            _ => false,
        })
    };
    assert!(world.advance_until(60_000, signs));
    world.power_off("defense-1");
    assert!(talk.hear(&mut world).starts_with("451 4.7.1"), "{:#?}", world.log);
    world.power_on("defense-1").unwrap();
    assert!(send_as(&mut world, "bob@plain.example", &["alice@acme.example"], LETTER).starts_with("250 "));
}

#[test]
fn equal_seeds_sign_alike() {
    let run = |seed| {
        let mut world = world(seed);
        send_as(&mut world, "bob@plain.example", &["team@acme.example"], LETTER);
        submit(&mut world, &["hank@globex.example", "bob@plain.example"]);
        world.advance(60_000);
        let messages = world.messages("store-1", Role::Store, "hank@globex.example", "INBOX");
        (world.digest(), messages)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}
