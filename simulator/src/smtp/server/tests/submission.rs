//! Users who sign in and send.

use super::*;

#[test]
fn nothing_happens_on_submission_before_tls() {
    check(
        Setting::Submission,
        false,
        "S: 220
         C: EHLO c
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-STARTTLS
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250 CHUNKING
         C: AUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=
         S: 530 5.7.0
         C: MAIL FROM:<alice@here.example>
         S: 530 5.7.0
         C: NOOP
         S: 250
         C: STARTTLS
         S: 220 2.0.0
         S: (tls)
         C: EHLO c
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-AUTH PLAIN LOGIN
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250 CHUNKING
         C: MAIL FROM:<alice@here.example>
         S: 250 2.1.0
         C: RCPT TO:<bob@there.example>
         S: 530 5.7.0",
    );
}

#[test]
fn users_sign_in_in_either_way() {
    let hello = "S: 220
         C: EHLO c
         S: 250-
         S: 250-
         S: 250-
         S: 250-
         S: 250-
         S: 250-
         S: 250-
         S: 250-
         S: 250 \n";
    for dialogue in [
        "C: AUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=
         S: 235 2.7.0
         C: AUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=
         S: 503 5.5.1",
        "C: auth plain
         S: 334
         C: AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=
         S: 235 2.7.0",
        "C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YWxpY2VAaGVyZS5leGFtcGxl
         S: 334 UGFzc3dvcmQ6
         C: c2VjcmV0
         S: 235 2.7.0",
        "C: AUTH LOGIN YWxpY2VAaGVyZS5leGFtcGxl
         S: 334 UGFzc3dvcmQ6
         C: c2VjcmV0
         S: 235 2.7.0",
    ] {
        check(Setting::Submission, true, &format!("{hello}{dialogue}"));
    }
    for dialogue in [
        "C: AUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQB3cm9uZw==
         S: 535 5.7.8",
        "C: AUTH PLAIN
         S: 334
         C: *
         S: 501 5.7.0",
        "C: AUTH PLAIN
         S: 334
         C: not base64!
         S: 535 5.7.8",
        "C: AUTH PLAIN =
         S: 535 5.7.8",
        "C: AUTH LOGIN
         S: 334
         C: ====
         S: 535 5.7.8",
        "C: AUTH CRAM-MD5
         S: 535 5.7.8",
        "C: AUTH
         S: 501 5.5.4",
        "C: AUTH PLAIN AGE= x
         S: 501 5.5.4",
        "C: AUTH PLAIN AG9mZkBoZXJlLmV4YW1wbGUAeA==
         S: 535 5.7.8",
        "C: AUTH PLAIN AGxhdGVyQGhlcmUuZXhhbXBsZQB4
         S: 454 4.7.0",
    ] {
        let driver = check(
            Setting::Submission,
            true,
            &format!(
                "{hello}{dialogue}\nC: MAIL FROM:<alice@here.example>\nS: 250 2.1.0\nC: RCPT TO:<bob@there.example>\nS: 530 5.7.0"
            ),
        );
        assert!(driver.session.identity.is_none());
    }
}

fn submit(sender: &str, header: &str) -> Driver {
    let mut driver = Driver::new(settings(Setting::Submission), true);
    driver.say(b"EHLO c\r\nAUTH PLAIN AGFsaWNlQGhlcmUuZXhhbXBsZQBzZWNyZXQ=\r\n");
    driver.log.clear();
    driver.say(format!("MAIL FROM:<{sender}>\r\nRCPT TO:<bob@there.example>\r\nDATA\r\n").as_bytes());
    driver.say(format!("{header}\r\n\r\nbody\r\n.\r\n").as_bytes());
    driver
}

#[test]
fn users_send_as_themselves_and_nobody_else() {
    for (sender, header, code) in [
        ("alice@here.example", "From: alice@here.example", "250 2.0.0"),
        ("al@here.example", "From: Alice <alice@here.example>", "250 2.0.0"),
        ("alice+x@here.example", "From: al@here.example", "250 2.0.0"),
        ("", "From: al@here.example", "250 2.0.0"),
        ("", "From: bob@here.example", "550 5.7.1"),
        ("alice@here.example", "From: bob@here.example", "550 5.7.1"),
        ("alice@here.example", "From: alice@here.example\r\nSender: bob@here.example", "550 5.7.1"),
    ] {
        let driver = submit(sender, header);
        let reply = String::from_utf8(driver.log).unwrap();
        assert!(reply.lines().nth(3).unwrap().starts_with(code), "{sender} {header}: {reply}");
        assert_eq!(driver.accepted.len(), usize::from(code.starts_with("250")), "{sender} {header}");
    }
    for (sender, code) in
        [("bob@here.example", "553 5.7.1"), ("alice@there.example", "553 5.7.1"), ("alice", "504 5.5.2")]
    {
        let driver = submit(sender, "From: alice@here.example");
        let reply = String::from_utf8(driver.log).unwrap();
        assert!(reply.lines().nth(1).unwrap().starts_with(code), "{sender}: {reply}");
        assert!(driver.accepted.is_empty());
    }
}

#[test]
fn a_submitted_message_is_completed() {
    let driver = submit("alice@here.example", "Subject: x");
    let content = String::from_utf8(driver.accepted[0].content.clone()).unwrap();
    assert!(content.starts_with(
        "Subject: x\r\nFrom: alice@here.example\r\nDate: Thu, 1 Jan 1970 00:16:40 +0000\r\nMessage-ID: <"
    ));
    assert!(content.ends_with("@mx.example>\r\n\r\nbody\r\n"));
    assert_eq!(driver.accepted[0].identity, Some(alice()));
}
