//! Clients that mean no good, or cannot do better.

use proptest::prelude::*;

use super::*;

#[test]
fn nothing_is_relayed_for_strangers() {
    for recipient in [
        "victim@there.example",
        "@here.example:victim@there.example",
        "victim%there.example@here.example",
        "there.example!victim@here.example",
        "\"victim@there.example\"@here.example",
        "victim@[127.0.0.1]",
        "victim@[IPv6:::1]",
        "victim@there.example@here.example",
        "\"victim\"@there.example",
    ] {
        let mut driver = Driver::new(settings(Setting::Receiving), false);
        driver.say(b"EHLO c\r\nMAIL FROM:<x@here.example>\r\n");
        driver.log.clear();
        driver.say(format!("RCPT TO:<{recipient}>\r\n").as_bytes());
        let reply = String::from_utf8(driver.log).unwrap();
        assert!(reply.starts_with("554 5.7.1") || reply.starts_with("501 5.1.3"), "{recipient}: {reply}");
    }
}

#[test]
fn hostile_command_lines_are_refused() {
    for (line, code) in [
        (&b"MAIL FROM:<a\0@b.example>\r\n"[..], "501 5.5.2"),
        (b"MAIL FROM:<a\r@b.example>\r\n", "501 5.5.2"),
        (b"MAIL FROM:<\xff@b.example>\r\n", "500 5.5.2"),
        ("MAIL FROM:<\u{e9}@b.example>\r\n".as_bytes(), "250 2.1.0"),
        ("MAIL FROM:<\u{e9}@b.example> SMTPUTF8\r\n".as_bytes(), "250 2.1.0"),
        (b"\r\n", "500 5.5.2"),
        (b"FOO\r\n", "500 5.5.2"),
        (b"GET / HTTP/1.1\r\n", "221 2.7.0"),
        (b"POST / HTTP/1.1\r\n", "221 2.7.0"),
        (b"\x16\x03\x01\x02", "221 2.7.0"),
    ] {
        let mut driver = Driver::new(settings(Setting::Receiving), false);
        driver.say(b"EHLO c\r\n");
        driver.log.clear();
        driver.say(line);
        let reply = String::from_utf8_lossy(&driver.log).into_owned();
        assert!(reply.starts_with(code), "{line:?}: {reply}");
        assert_eq!(driver.closed, code.starts_with("221"), "{line:?}");
    }
}

#[test]
fn an_endless_line_is_answered_once_and_kept_nowhere() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.say(b"EHLO c\r\n");
    driver.log.clear();
    for _ in 0..200 {
        driver.say(&[b'A'; 65_536]);
        assert!(driver.session.pending.len() <= 65_536);
    }
    driver.say(b"\r\nNOOP\r\n");
    let reply = String::from_utf8(driver.log).unwrap();
    assert_eq!(reply.lines().map(|line| &line[..9]).collect::<Vec<_>>(), ["500 5.5.2", "250 2.0.0"]);
    assert!(!driver.closed);
}

#[test]
fn errors_and_idle_chatter_have_an_end() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    for _ in 0..100 {
        driver.say(b"FOO\r\n");
    }
    let reply = String::from_utf8(driver.log.clone()).unwrap();
    assert_eq!(reply.matches("500 5.5.2").count(), 20);
    assert!(reply.trim_end().lines().last().unwrap().starts_with("421 4.7.0"));
    assert!(driver.closed);

    let mut driver = Driver::new(settings(Setting::Receiving), false);
    for _ in 0..200 {
        driver.say(b"NOOP\r\n");
    }
    let reply = String::from_utf8(driver.log).unwrap();
    assert_eq!(reply.matches("250 2.0.0").count(), 120);
    assert!(driver.closed);
}

#[test]
fn too_many_recipients_are_put_off() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.say(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    for index in 0..1_500 {
        driver.say(format!("RCPT TO:<u{index}@here.example>\r\n").as_bytes());
    }
    let reply = String::from_utf8(driver.log).unwrap();
    assert_eq!(reply.matches("250 2.1.5").count(), 1_000);
    assert_eq!(reply.matches("452 4.5.3").count(), 500);
    assert!(!driver.closed);
}

#[test]
fn a_message_with_a_false_end_is_refused_and_nothing_in_it_is_a_command() {
    for false_end in [&b"\n.\n"[..], b"\n.\r\n", b"\r\n.\n", b"\r.\n", b"\n.\r", b"a\nb"] {
        let mut driver = Driver::new(settings(Setting::Receiving), false);
        driver.say(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n");
        driver.log.clear();
        let mut message = b"Subject: x\r\n\r\nbody".to_vec();
        message.extend_from_slice(false_end);
        message.extend_from_slice(
            b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\nevil\r\n.\r\nNOOP\r\n",
        );
        driver.say(&message);
        let reply = String::from_utf8(driver.log).unwrap();
        let codes: Vec<&str> = reply.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["550", "250"], "{false_end:?}");
        assert!(driver.accepted.is_empty() && !driver.closed, "{false_end:?}");
    }
}

#[test]
fn a_message_that_is_too_large_or_goes_in_circles_is_refused() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    let envelope = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n";
    driver.say(b"EHLO c\r\n");
    driver.log.clear();
    driver.say(envelope);
    driver.say(&[b'a'; 2_001]);
    driver.say(b"\r\n.\r\n");
    driver.say(envelope);
    driver.say(format!("{}\r\n.\r\n", "received: x\r\n".repeat(51)).as_bytes());
    driver.say(envelope);
    driver.say(format!("{}\r\n.\r\n", "Received: x\r\n".repeat(50)).as_bytes());
    let reply = String::from_utf8(driver.log).unwrap();
    let finals: Vec<&str> = reply
        .lines()
        .map(|line| &line[..9])
        .filter(|code| !["250 2.1.0", "250 2.1.5", "354 End d"].contains(code))
        .collect();
    assert_eq!(finals, ["552 5.3.4", "554 5.4.0", "250 2.0.0"]);
}

#[test]
fn a_chunk_over_the_limit_spoils_the_message_only() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.say(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@here.example>\r\n");
    driver.log.clear();
    driver.say(b"BDAT 2001\r\n");
    driver.say(&[b'\n'; 2_001]);
    driver.say(b"BDAT 4\r\nQUITBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b.example>\r\n");
    let reply = String::from_utf8(driver.log.clone()).unwrap();
    let codes: Vec<&str> = reply.lines().map(|line| &line[..9]).collect();
    assert_eq!(codes, ["552 5.3.4", "551 5.0.0", "551 5.0.0", "250 2.1.0"]);
    for (line, code) in [
        (&b"BDAT x\r\n"[..], "521 5.5.4"),
        (b"BDAT 0\r\n", "551 5.7.1"),
        (b"BDAT 99999999999999999999 LAST\r\n", "521 5.5.4"),
    ] {
        let mut driver = Driver::new(settings(Setting::Receiving), false);
        driver.log.clear();
        driver.say(line);
        assert!(String::from_utf8_lossy(&driver.log).starts_with(code));
        assert!(driver.closed);
    }
    driver.say(b"RCPT TO:<alice@here.example>\r\n");
    driver.log.clear();
    driver.say(b"BDAT 10 LAST\r\nA: b\r\n\nc\r\nNOOP\r\n");
    let reply = String::from_utf8(driver.log).unwrap();
    assert!(reply.starts_with("550 5.5.2") && reply.contains("250 2.0.0"), "{reply}");
}

#[test]
fn starttls_forgets_what_was_said_before() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.say(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nSTARTTLS\r\nRCPT TO:<alice@here.example>\r\nQUIT\r\n");
    assert!(String::from_utf8_lossy(&driver.log).ends_with("220 2.0.0 Ready to start TLS\r\n(tls)\r\n"));
    assert!(!driver.closed);
    driver.log.clear();
    driver.say(b"MAIL FROM:<a@b.example>\r\nSTARTTLS\r\nEHLO c\r\n");
    let reply = String::from_utf8(driver.log).unwrap();
    assert!(reply.starts_with("503 5.5.1") && reply.contains("554 5.5.1") && !reply.contains("STARTTLS"), "{reply}");
}

#[test]
fn no_input_is_wanted_while_an_answer_is_awaited() {
    let mut session = Session::new(Arc::new(settings(Setting::Receiving)), peer(false), NOW);
    session.receive(
        NOW,
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nRCPT TO:<bob@here.example>\r\nQUIT\r\n",
    );
    assert!(!session.wants_input());
    while session.next_effect().is_some() {}
    session.complete(NOW, Completion::Accept(Vec::new()));
    assert!(!session.wants_input(), "an answer to something else changes nothing");
    session.complete(NOW, Completion::Recipient(RecipientAnswer::Known));
    assert!(matches!(session.next_effect(), Some(Effect::Reply(reply)) if reply.starts_with(b"250 2.1.5")));
    assert!(matches!(session.next_effect(), Some(Effect::VerifyRecipient { .. })));
    assert!(!session.wants_input());
    for _ in 0..20 {
        session.receive(NOW, &[b'x'; 100_000]);
    }
    assert!(session.is_closed(), "a driver that pushes on is stopped");
}

#[test]
fn silence_has_an_end() {
    let mut session = Session::new(Arc::new(settings(Setting::Receiving)), peer(false), NOW);
    while session.next_effect().is_some() {}
    assert_eq!(session.deadline(), NOW.plus(300_000));
    session.receive(NOW.plus(200_000), b"NOO");
    assert_eq!(session.deadline(), NOW.plus(300_000), "a part of a line is no line");
    session.receive(NOW.plus(250_000), b"P\r\n");
    assert_eq!(session.deadline(), NOW.plus(550_000));
    session.expire(NOW.plus(300_000));
    assert!(!session.is_closed());
    session.expire(NOW.plus(550_000));
    while let Some(effect) = session.next_effect() {
        if let Effect::Reply(reply) = effect {
            assert!(reply.starts_with(b"250") || reply.starts_with(b"421 4.4.2"));
        }
    }
    assert!(session.is_closed());
}

#[test]
fn a_message_that_only_trickles_is_given_up() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n");
    let mut now = NOW;
    while !driver.session.is_closed() {
        now = now.plus(10_000);
        driver.session.receive(now, b"a");
        driver.session.expire(now);
        assert!(now < NOW.plus(400_000), "one octet in ten seconds is too slow");
    }
}

#[test]
fn who_does_not_wait_for_an_answer_that_ends_a_group_is_cut_off() {
    let mut strict = settings(Setting::Receiving);
    strict.early_commands = false;
    let cases: [(&[u8], &str, bool); 8] = [
        (b"EHLO c\r\nMAIL FROM:<>\r\n", "554 5.5.0", true),
        (b"HELO c\r\nNOOP\r\n", "554 5.5.0", true),
        (b"NOOP\r\nRSET\r\n", "554 5.5.0", true),
        (b"VRFY a\r\nRSET\r\n", "554 5.5.0", true),
        (b"DATA\r\nSubject: x\r\n", "554 5.5.0", true),
        (b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n", "354", false),
        (b"MAIL FROM:<>\r\nNOOP\r\n", "250", false),
        (b"QUIT\r\nNOOP\r\n", "221", true),
    ];
    for (said, last, closed) in cases {
        let mut driver = Driver::new(strict.clone(), false);
        driver.say(b"EHLO c\r\n");
        driver.say(said);
        let log = String::from_utf8_lossy(&driver.log).into_owned();
        assert!(log.lines().last().is_some_and(|line| line.starts_with(last)), "{said:?}: {log}");
        assert_eq!(driver.closed, closed, "{said:?}: {log}");
    }
    // Who greeted with HELO waits for every answer.
    let mut driver = Driver::new(strict, false);
    driver.say(b"HELO c\r\n");
    driver.say(b"RSET\r\nRSET\r\n");
    assert!(driver.closed);
}

#[test]
fn who_talks_before_the_greeting_is_refused() {
    let mut slow = settings(Setting::Receiving);
    slow.greeting_delay_milliseconds = 2_000;
    let mut driver = Driver::new(slow.clone(), false);
    assert!(driver.log.is_empty());
    assert_eq!(driver.session.deadline(), NOW.plus(2_000));
    driver.say(b"EHLO c\r\n");
    assert!(driver.log.starts_with(b"554 5.5.0") && driver.closed);
    let mut driver = Driver::new(slow, false);
    driver.session.expire(NOW.plus(2_000));
    driver.drain();
    assert!(driver.log.starts_with(b"220 "));
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        Just("EHLO c\r\n".to_owned()),
        Just("LHLO c\r\n".to_owned()),
        Just("HELO c\n".to_owned()),
        Just("MAIL FROM:<alice@here.example>\r\n".to_owned()),
        Just("RCPT TO:<alice@here.example>\r\n".to_owned()),
        Just("RCPT TO:<nobody@here.example>\r\n".to_owned()),
        Just("RCPT TO:<x@there.example>\r\n".to_owned()),
        Just("DATA\r\n".to_owned()),
        Just("From: alice@here.example\r\n\r\nbody\r\n".to_owned()),
        Just(".\r\n".to_owned()),
        Just("\r\n.\n".to_owned()),
        Just("BDAT 5\r\n".to_owned()),
        Just("BDAT 12 LAST\r\n".to_owned()),
        Just("AUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=\r\n".to_owned()),
        Just("AUTH LOGIN\r\n".to_owned()),
        Just("*\r\n".to_owned()),
        Just("RSET\r\n".to_owned()),
        Just("NOOP\r\n".to_owned()),
        Just("A".repeat(2_047) + "\r\n"),
        Just("A".repeat(2_049)),
        Just(":".to_owned()),
        Just(format!("\r{}\r\n", "A".repeat(2_100))),
        Just("A".repeat(13_000) + "\r\n"),
        "[ -~\r\n]{0,20}",
    ];
    proptest::collection::vec(line, 0..30)
}

type Seen = (Vec<u8>, Vec<Received>, Vec<String>, bool);

fn seen(setting: Setting, input: &[u8], cuts: &[usize]) -> Seen {
    let mut driver = Driver::new(settings(setting), setting == Setting::Submission);
    let mut at = 0;
    let mut cuts = cuts.iter().copied().cycle();
    while at < input.len() {
        let end = cuts.next().map_or(input.len(), |cut| at + cut + 1).min(input.len());
        driver.say(&input[at..end]);
        at = end;
    }
    (driver.log, driver.accepted, driver.asked, driver.closed)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_dialogue(
        lines in lines(),
        cuts in proptest::collection::vec(0..3_000usize, 1..20),
        setting in prop_oneof![Just(Setting::Receiving), Just(Setting::Submission), Just(Setting::Lmtp)],
    ) {
        let input = lines.concat().into_bytes();
        let whole = seen(setting, &input, &[]);
        prop_assert_eq!(&seen(setting, &input, &cuts), &whole);
        prop_assert_eq!(&seen(setting, &input, &[0]), &whole);
    }

    #[test]
    fn any_bytes_are_answered_or_closed(input in proptest::collection::vec(any::<u8>(), 0..600), data in any::<bool>()) {
        let mut driver = Driver::new(settings(Setting::Receiving), false);
        if data {
            driver.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n");
        }
        driver.say(&input);
        for line in driver.log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(line.len() > 4 && line[..3].iter().all(u8::is_ascii_digit) && line.ends_with(b"\r"));
        }
    }
}
