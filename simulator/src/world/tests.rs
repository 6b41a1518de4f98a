use super::load::world;
use super::*;

const BODY: &str =
    "From: <bob@bigmail.example>\r\nTo: <alice@acme.example>\r\nSubject: hello\r\n\r\n..a line\r\nbye\r\n";

fn send(world: &mut World, recipients: &[&str]) -> String {
    let mut talk = Talk::begin(world, "mx-1", Door::Mx, false);
    assert!(talk.hear(world).starts_with("220 "));
    assert!(talk.say(world, "EHLO client.example").starts_with("250-"));
    assert!(talk.say(world, "MAIL FROM:<bob@bigmail.example>").starts_with("250 "));
    for to in recipients {
        let reply = talk.say(world, &format!("RCPT TO:<{to}>"));
        if !reply.starts_with("250 ") {
            return reply;
        }
    }
    assert!(talk.say(world, "DATA").starts_with("354 "));
    talk.send(world, BODY.replace("\r\n..", "\r\n...").as_bytes());
    talk.say(world, ".")
}

#[test]
fn a_message_from_outside_reaches_its_mailbox_byte_for_byte() {
    let mut world = world(1);
    let reply = send(&mut world, &["alice@acme.example"]);
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    world.advance(1_000);
    let messages = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(messages.len(), 1, "{:#?}", world.log);
    let text = String::from_utf8(messages[0].clone()).unwrap();
    assert!(text.starts_with("Return-Path: <bob@bigmail.example>\r\n"), "{text}");
    assert!(text.ends_with(BODY), "{text}");
    assert_eq!(world.queued(), 0);
}

#[test]
fn an_unknown_recipient_is_refused_at_once() {
    let mut world = world(1);
    assert!(send(&mut world, &["nobody@acme.example"]).starts_with("550 5.1.1"));
    assert!(send(&mut world, &["x@elsewhere.example"]).starts_with("554 5.7.1"));
}
