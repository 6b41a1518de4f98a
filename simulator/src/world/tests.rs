use super::plans::world;
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

#[test]
fn a_user_signs_in_and_reads_over_imap() {
    let mut world = world(1);
    send(&mut world, &["alice@acme.example"]);
    world.advance(1_000);
    let mut talk = Talk::begin(&mut world, "access-1", Door::Imap, false);
    assert!(talk.hear(&mut world).starts_with("* OK"));
    let reply = talk.say(&mut world, "a LOGIN alice@acme.example \"alice's\"");
    assert!(reply.starts_with("a OK"), "{reply} {} {:#?}", world.is_closed(talk.connection()), world.log);
    talk.send(&mut world, b"b SELECT INBOX\r\n");
    assert!(talk.hear_until(&mut world, "b OK").contains("* 1 EXISTS"));
    talk.send(&mut world, b"c FETCH 1 BODY[TEXT]\r\n");
    assert!(talk.hear_until(&mut world, "c OK").contains("..a line\r\nbye"));
    talk.send(&mut world, b"d IDLE\r\n");
    talk.hear_until(&mut world, "+ idling");
    send(&mut world, &["alice@acme.example"]);
    assert!(talk.hear_until(&mut world, "EXISTS").contains("* 2 EXISTS"));
    talk.send(&mut world, b"DONE\r\ne LOGOUT\r\n");
    assert!(talk.hear_until(&mut world, "e OK").contains("* BYE"));
}

#[test]
fn a_wrong_password_and_a_store_that_is_off_are_told_apart() {
    let mut world = world(1);
    let mut talk = Talk::begin(&mut world, "access-1", Door::Imap, false);
    talk.hear(&mut world);
    assert!(talk.say(&mut world, "a LOGIN alice@acme.example wrong").starts_with("a NO [AUTHENTICATIONFAILED]"));
    world.power_off("store-1");
    let reply = talk.say(&mut world, "b LOGIN alice@acme.example \"alice's\"");
    assert!(reply.starts_with("b NO [UNAVAILABLE]"), "{reply}");
    world.power_on("store-1").unwrap();
    let mut talk = Talk::begin(&mut world, "access-1", Door::Pop3, false);
    assert!(talk.hear(&mut world).starts_with("+OK"));
    assert!(talk.say(&mut world, "USER alice@acme.example").starts_with("+OK"));
    assert!(talk.say(&mut world, "PASS alice's").starts_with("+OK"));
    assert!(talk.say(&mut world, "STAT").starts_with("+OK 0 0"));
}

fn submit(world: &mut World, recipients: &[&str]) -> String {
    let mut talk = Talk::begin(world, "submission-1", Door::Submission, true);
    talk.hear(world);
    talk.say(world, "EHLO client.example");
    let reply = talk.say(world, "AUTH PLAIN AGFsaWNlQGFjbWUuZXhhbXBsZQBhbGljZSdz");
    assert!(reply.starts_with("235 "), "{reply}");
    assert!(talk.say(world, "MAIL FROM:<alice@acme.example>").starts_with("250 "));
    for to in recipients {
        assert!(talk.say(world, &format!("RCPT TO:<{to}>")).starts_with("250 "));
    }
    talk.say(world, "DATA");
    talk.say(world, "From: alice@acme.example\r\nSubject: out\r\n\r\nhello\r\n.")
}

#[test]
fn a_users_message_reaches_users_and_the_simulated_internet() {
    let mut world = world(1);
    let reply = submit(&mut world, &["hank@globex.example", "bob@plain.example", "bob@bigmail.example"]);
    assert!(reply.starts_with("250 "), "{reply}");
    world.advance(5_000);
    assert_eq!(world.messages("store-1", Role::Store, "hank@globex.example", "INBOX").len(), 1);
    assert_eq!(world.messages("internet", Role::Internet, "bob@plain.example", "INBOX").len(), 1);
    // Greylisted, and tried again after half an hour.
    assert_eq!(world.messages("internet", Role::Internet, "bob@bigmail.example", "INBOX").len(), 0);
    world.advance(1_800_000);
    assert_eq!(world.messages("internet", Role::Internet, "bob@bigmail.example", "INBOX").len(), 1);
    assert_eq!(world.queued(), 0);
    let mut talk = Talk::begin(&mut world, "internet", Door::InternetImap, false);
    talk.hear(&mut world);
    assert!(talk.say(&mut world, "a LOGIN bob@plain.example \"bob's\"").starts_with("a OK"));
    talk.send(&mut world, b"b SELECT INBOX\r\n");
    assert!(talk.hear_until(&mut world, "b OK").contains("* 1 EXISTS"));
}

#[test]
fn what_cannot_be_delivered_comes_back_to_its_sender() {
    let mut world = world(1);
    submit(&mut world, &["nobody@plain.example", "x@nowhere.example", "bob@down.example"]);
    // The host that is down is waited for first, so that one notice tells of both failures.
    world.advance(60_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(notices.len(), 1, "{:#?}", world.log);
    let text = String::from_utf8_lossy(&notices[0]);
    assert!(
        text.contains("Final-Recipient: rfc822; x@nowhere.example\r\nAction: failed\r\nStatus: 5.1.2\r\n"),
        "{text}"
    );
    assert!(
        text.contains("Final-Recipient: rfc822; nobody@plain.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
        "{text}"
    );
    world.advance(5 * 3_600_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert!(String::from_utf8_lossy(&notices[1]).contains("Action: delayed\r\n"));
    world.advance(5 * 86_400_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(notices.len(), 3);
    let text = String::from_utf8_lossy(&notices[2]);
    assert!(
        text.contains("Final-Recipient: rfc822; bob@down.example\r\nAction: failed\r\nStatus: 4.4.7\r\n"),
        "{text}"
    );
    assert_eq!(world.queued(), 0);
}
