//! Dialogues with servers, and with our own.

use proptest::prelude::*;

use super::*;
use crate::smtp::server::{Completion, Disposition, Effect as ServerEffect, RecipientAnswer};
use crate::smtp::{Peer, Received, Recipient, Setting, server};

const NOW: Moment = Moment(1_000_000);

fn message(recipients: &[&str], content: &[u8]) -> Message {
    Message {
        envelope: Envelope {
            sender: Some("a@here.example".parse().unwrap()),
            recipients: recipients
                .iter()
                .map(|to| Recipient {
                    address: to.parse().unwrap(),
                    notify: Some(Notify::default()),
                    original: Some("rfc822;x@y.example".to_owned()),
                })
                .collect(),
            returned: Some(Return::Headers),
            identifier: Some("e1".to_owned()),
            body: Body::EightBit,
            internationalized: false,
            delivery: Some("Q1.1".to_owned()),
        },
        content: content.into(),
    }
}

fn settings(lmtp: bool, tls: Tls) -> Settings {
    Settings { helo: "out.example".to_owned(), lmtp, tls }
}

/// What a session did: the bytes it sent, its outcomes, whether it closed.
#[derive(Default)]
struct Seen {
    sent: Vec<u8>,
    outcomes: Vec<Vec<Outcome>>,
    closed: bool,
    handshakes: usize,
}

fn drain(session: &mut Session, seen: &mut Seen) {
    while let Some(effect) = session.next_effect() {
        match effect {
            Effect::Send(bytes) => seen.sent.extend(bytes),
            Effect::StartTls => seen.handshakes += 1,
            Effect::Done(outcomes) => seen.outcomes.push(outcomes),
            Effect::Close => seen.closed = true,
        }
    }
}

/// Plays a dialogue: `S: text` is said by the server, `C: text` must be the next line the client sent.
fn check(settings: Settings, message: Message, dialogue: &str) -> (Session, Seen) {
    let mut session = Session::new(settings, message, NOW);
    let mut seen = Seen::default();
    let mut at = 0;
    for step in dialogue.lines().map(str::trim).filter(|step| !step.is_empty()) {
        if let Some(text) = step.strip_prefix("S: ") {
            session.receive(NOW, format!("{text}\r\n").as_bytes());
            drain(&mut session, &mut seen);
        } else if step == "S: (tls)" {
            session.secured(NOW);
        } else if let Some(expected) = step.strip_prefix("C:").map(str::trim_start) {
            let rest = String::from_utf8_lossy(&seen.sent[at..]).into_owned();
            let line = rest.split("\r\n").next().unwrap();
            assert_eq!(line, expected, "{dialogue}");
            at += line.len() + 2;
        } else {
            panic!("what is `{step}`?");
        }
    }
    let rest = String::from_utf8_lossy(seen.sent.get(at..).unwrap_or_default()).into_owned();
    assert_eq!(rest, "", "more was sent\n{dialogue}");
    (session, seen)
}

fn shown(outcomes: &[Outcome]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Delivered { reply } => format!("delivered {}", reply.code),
            Outcome::Failed { code, enhanced, permanent, .. } => {
                format!("{} {code} {enhanced}", if *permanent { "failed" } else { "later" })
            }
        })
        .collect()
}

#[test]
fn a_message_is_sent_step_by_step_to_a_plain_server() {
    let (_, seen) = check(
        settings(false, Tls::WhenOffered),
        message(&["b@c.example", "d@e.example"], b"A: b\r\n\r\n.x\r\n"),
        "S: 220 hello
         C: EHLO out.example
         S: 500 what
         C: HELO out.example
         S: 250 hello
         C: MAIL FROM:<a@here.example>
         S: 250 ok
         C: RCPT TO:<b@c.example>
         S: 550 5.1.1 no such user
         C: RCPT TO:<d@e.example>
         S: 250 ok
         C: DATA
         S: 354 go
         C: A: b
         C: 
         C: ..x
         C: .
         S: 250 2.0.0 queued
         C: QUIT
         S: 221 bye",
    );
    assert_eq!(seen.outcomes.len(), 1);
    assert_eq!(shown(&seen.outcomes[0]), ["failed 550 5.1.1", "delivered 250"]);
    assert!(seen.closed);
}

#[test]
fn commands_go_ahead_where_the_server_allows() {
    let (_, seen) = check(
        settings(false, Tls::Never),
        message(&["b@c.example", "d@e.example"], b"A: b\r\n"),
        "S: 220 hello
         C: EHLO out.example
         S: 250-there
         S: 250-SIZE 1000
         S: 250-pipelining
         S: 250-8BITMIME
         S: 250-STARTTLS
         S: 250 DSN
         C: MAIL FROM:<a@here.example> SIZE=6 BODY=8BITMIME RET=HDRS ENVID=e1
         C: RCPT TO:<b@c.example> NOTIFY=NEVER ORCPT=rfc822;x@y.example
         C: RCPT TO:<d@e.example> NOTIFY=NEVER ORCPT=rfc822;x@y.example
         C: DATA
         S: 250 ok
         S: 450 4.2.0 later
         S: 250 ok
         S: 354 go
         C: A: b
         C: .
         S: 550 5.7.1 spam
         C: QUIT",
    );
    assert_eq!(shown(&seen.outcomes[0]), ["later 450 4.2.0", "failed 550 5.7.1"]);
}

#[test]
fn nobody_takes_it_and_the_server_wants_data_all_the_same() {
    let (_, seen) = check(
        settings(false, Tls::Never),
        message(&["b@c.example"], b"A: b\r\n"),
        "S: 220 hello
         C: EHLO out.example
         S: 250-there
         S: 250 PIPELINING
         C: MAIL FROM:<a@here.example>
         C: RCPT TO:<b@c.example>
         C: DATA
         S: 550 5.7.1 not you
         S: 503 5.5.1 no MAIL
         S: 354 go
         C: .
         S: 250 ok
         C: QUIT",
    );
    assert_eq!(seen.outcomes.len(), 1);
    assert_eq!(shown(&seen.outcomes[0]), ["failed 550 5.7.1"]);
}

#[test]
fn lmtp_has_an_outcome_for_each_recipient() {
    let (_, seen) = check(
        settings(true, Tls::Never),
        message(&["b@c.example", "d@e.example", "f@g.example"], b""),
        "S: 220 hello
         C: LHLO out.example
         S: 250-there
         S: 250-PIPELINING
         S: 250 XDELIVERY
         C: MAIL FROM:<a@here.example> XDELIVERY=Q1.1
         C: RCPT TO:<b@c.example>
         C: RCPT TO:<d@e.example>
         C: RCPT TO:<f@g.example>
         C: DATA
         S: 250 ok
         S: 250 ok
         S: 550 5.1.1 unknown
         S: 250 ok
         S: 354 go
         C: .
         S: 250 2.0.0 saved
         S: 552 5.2.2 full
         C: QUIT",
    );
    assert_eq!(shown(&seen.outcomes[0]), ["delivered 250", "failed 550 5.1.1", "failed 552 5.2.2"]);
}

#[test]
fn tls_is_asked_for_and_what_came_in_plain_text_is_forgotten() {
    let mut session = Session::new(settings(false, Tls::Required), message(&["b@c.example"], b""), NOW);
    let mut seen = Seen::default();
    session.receive(NOW, b"220 hello\r\n250-there\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    session.receive(NOW, b"220 go\r\n250-injected\r\n250 SIZE 1\r\n");
    drain(&mut session, &mut seen);
    assert_eq!(seen.handshakes, 1);
    session.receive(NOW, b"250 more injected\r\n");
    session.secured(NOW);
    drain(&mut session, &mut seen);
    session.receive(NOW, b"250 there\r\n");
    drain(&mut session, &mut seen);
    let sent = String::from_utf8(seen.sent).unwrap();
    assert_eq!(sent, "EHLO out.example\r\nSTARTTLS\r\nEHLO out.example\r\nMAIL FROM:<a@here.example>\r\n");
    assert!(session.is_secure());
}

#[test]
fn without_required_tls_nothing_is_sent() {
    for replies in ["S: 250 there\nC: QUIT", "S: 250-there\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 no\nC: QUIT"] {
        let dialogue = format!("S: 220 hello\nC: EHLO out.example\n{replies}");
        let (_, seen) = check(settings(false, Tls::Required), message(&["b@c.example"], b""), &dialogue);
        assert_eq!(shown(&seen.outcomes[0]), ["later 0 4.7.4"]);
    }
}

#[test]
fn what_a_server_cannot_take_is_not_offered() {
    let mut wide = message(&["\u{e9}@c.example"], b"");
    wide.envelope.internationalized = true;
    for (message, expected) in [(message(&["b@c.example"], &[b'a'; 2_000]), "failed 0 5.3.4"), (wide, "failed 0 5.6.7")]
    {
        let (_, seen) = check(
            settings(false, Tls::Never),
            message,
            "S: 220 hello
             C: EHLO out.example
             S: 250-there
             S: 250 SIZE 1000
             C: QUIT",
        );
        assert_eq!(shown(&seen.outcomes[0]), [expected]);
    }
}

#[test]
fn every_early_end_is_a_failure_for_now() {
    for (dialogue, expected) in [
        ("", "later 0 4.4.2"),
        ("S: 554 go away\nC: QUIT", "later 554 4.3.2"),
        ("S: 421 4.3.2 closing", "later 421 4.3.2"),
        ("S: 220 hello\nC: EHLO out.example\nS: 421 4.7.0 closing", "later 421 4.7.0"),
        ("S: 220 hello\nC: EHLO out.example\nS: rubbish", "later 0 4.5.0"),
        (
            "S: 220 hello\nC: EHLO out.example\nS: 550 5.7.1 no\nC: HELO out.example\nS: 550 5.7.1 no\nC: QUIT",
            "failed 550 5.7.1",
        ),
    ] {
        let (mut session, mut seen) = check(settings(false, Tls::Never), message(&["b@c.example"], b""), dialogue);
        session.disconnected();
        drain(&mut session, &mut seen);
        assert_eq!(seen.outcomes.len(), 1, "{dialogue}");
        assert_eq!(shown(&seen.outcomes[0]), [expected], "{dialogue}");
    }
}

#[test]
fn a_silent_server_is_given_up() {
    let mut session = Session::new(settings(false, Tls::Never), message(&["b@c.example"], b""), NOW);
    session.expire(NOW.plus(299_999));
    assert!(session.next_effect().is_none());
    session.expire(NOW.plus(300_000));
    assert!(matches!(session.next_effect(), Some(Effect::Done(outcomes)) if shown(&outcomes) == ["later 0 4.4.2"]));
    assert_eq!(session.next_effect(), Some(Effect::Close));
}

#[test]
fn a_reply_before_the_message_ended_ends_the_session() {
    let mut session = Session::new(settings(false, Tls::Never), message(&["b@c.example"], &[b'a'; 200_000]), NOW);
    session.receive(NOW, b"220 hello\r\n250 there\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    let mut pieces = 0;
    while pieces < 4 && session.next_effect().is_some() {
        pieces += 1;
    }
    session.receive(NOW, b"250 thanks, that is enough\r\n");
    let mut seen = Seen::default();
    drain(&mut session, &mut seen);
    assert_eq!(shown(&seen.outcomes[0]), ["later 0 4.5.0"]);
    assert!(seen.closed);
}

/// Lets our client talk to our server, in cuts of some size.
fn together(lmtp: bool, message: Message, cut: usize) -> (Vec<Outcome>, Vec<Received>) {
    let setting = if lmtp { Setting::Lmtp } else { Setting::Receiving };
    let door = Arc::new(crate::smtp::Settings::standard(setting, "mx.example"));
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), tls: false };
    let mut server = server::Session::new(door, peer, NOW);
    let mut client = Session::new(settings(lmtp, Tls::WhenOffered), message, NOW);
    let (mut outcomes, mut accepted) = (Vec::new(), Vec::new());
    let mut moved = true;
    while moved {
        moved = false;
        while let Some(effect) = server.next_effect() {
            moved = true;
            match effect {
                ServerEffect::Reply(bytes) => bytes.chunks(cut).for_each(|piece| client.receive(NOW, piece)),
                ServerEffect::VerifyRecipient { recipient, .. } => {
                    let unknown = recipient.local().as_str().starts_with("nobody");
                    let answer = if unknown { RecipientAnswer::Unknown } else { RecipientAnswer::Known };
                    server.complete(NOW, Completion::Recipient(answer));
                }
                ServerEffect::Accept(received) => {
                    let each =
                        vec![Disposition::Accepted { name: "Q1".to_owned() }; received.envelope.recipients.len()];
                    accepted.push(*received);
                    server.complete(NOW, Completion::Accept(each));
                }
                ServerEffect::Close => client.disconnected(),
                other => panic!("no {other:?} here"),
            }
        }
        while let Some(effect) = client.next_effect() {
            moved = true;
            match effect {
                Effect::Send(bytes) => bytes.chunks(cut).for_each(|piece| server.receive(NOW, piece)),
                Effect::Done(done) => outcomes = done,
                Effect::Close => server.disconnected(),
                Effect::StartTls => panic!("no TLS here"),
            }
        }
    }
    (outcomes, accepted)
}

#[test]
fn client_and_server_understand_each_other() {
    for lmtp in [false, true] {
        for cut in [1, 7, 100_000] {
            let many: Vec<String> = (0..250)
                .map(|index| format!("{}{index}@here.example", if index % 5 == 0 { "nobody" } else { "u" }))
                .collect();
            let many: Vec<&str> = many.iter().map(String::as_str).collect();
            let mut content = b"Subject: x\r\n\r\n.\r\n..\r\nbody\r\n".repeat(3);
            content.extend_from_slice(&[0xff; 1_500]);
            content.extend_from_slice(b"\r\n");
            let (outcomes, accepted) = together(lmtp, message(&many, &content), cut);
            assert_eq!(outcomes.len(), 250);
            for (index, shown) in shown(&outcomes).iter().enumerate() {
                // A door to strangers gives up on who asks for twenty that do not exist.
                let expected = match index {
                    96.. if !lmtp => "later 421 4.7.0",
                    _ if index % 5 == 0 => "failed 550 5.1.1",
                    _ if lmtp => "delivered 250",
                    _ => "later 421 4.7.0",
                };
                assert_eq!(shown, expected, "{index}");
            }
            assert_eq!(accepted.len(), usize::from(lmtp));
            let few = ["u1@here.example", "nobody@here.example", "u2@here.example"];
            let (outcomes, accepted) = together(lmtp, message(&few, &content), cut);
            assert_eq!(shown(&outcomes), ["delivered 250", "failed 550 5.1.1", "delivered 250"]);
            assert_eq!(accepted[0].content, content);
            assert_eq!(accepted[0].envelope.identifier.as_deref(), Some("e1"));
            assert_eq!(accepted[0].envelope.delivery.is_some(), lmtp);
        }
    }
}

proptest! {
    #[test]
    fn any_content_arrives_as_one_message(content in proptest::collection::vec(prop_oneof![
        Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0), any::<u8>()], 0..200)) {
        let (outcomes, accepted) = together(false, message(&["u@here.example"], &content), 50);
        prop_assert_eq!(shown(&outcomes), ["delivered 250"]);
        prop_assert_eq!(accepted.len(), 1);
    }

    #[test]
    fn whatever_a_server_says_there_is_one_result(
        pieces in proptest::collection::vec(prop_oneof![
            Just("220 x\r\n".to_owned()), Just("250 ok\r\n".to_owned()), Just("250-PIPELINING\r\n".to_owned()), Just("354 go\r\n".to_owned()),
            Just("550 5.1.1 no\r\n".to_owned()), Just("421 x\r\n".to_owned()), Just("250 STARTTLS\r\n".to_owned()), ".{0,9}"], 0..30),
        cut in 1..30usize,
    ) {
        let input = pieces.concat().into_bytes();
        let mut session = Session::new(settings(false, Tls::WhenOffered), message(&["b@c.example", "d@e.example"], b"x"), NOW);
        let mut seen = Seen::default();
        for piece in input.chunks(cut) {
            session.receive(NOW, piece);
            drain(&mut session, &mut seen);
        }
        session.disconnected();
        drain(&mut session, &mut seen);
        prop_assert_eq!(seen.outcomes.len(), 1);
        prop_assert_eq!(seen.outcomes[0].len(), 2);
    }
}
