//! Dialogues: what the client says (`C`), what the server says (`S`, codes before the text), what the driver sees (`E`).

use proptest::prelude::*;

use super::*;
use crate::directory::SignInRefusal;

const NOW: Moment = Moment(1_000_000);

fn settings(setting: Setting) -> Settings {
    let mut settings = Settings::standard(setting, "mx.example");
    settings.max_message_bytes = 2_000;
    settings.starttls = setting != Setting::Lmtp;
    settings
}

fn peer(tls: bool) -> Peer {
    Peer { address: "192.0.2.7".parse().unwrap(), tls }
}

/// A driver that answers at once: addresses at `here.example` are known but for a few, alice's password is `secret`.
struct Driver {
    session: Session,
    log: Vec<u8>,
    accepted: Vec<Received>,
    asked: Vec<String>,
    closed: bool,
    dispositions: Vec<Disposition>,
}

impl Driver {
    fn new(settings: Settings, tls: bool) -> Self {
        let session = Session::new(Arc::new(settings), peer(tls), NOW);
        let dispositions = vec![Disposition::Accepted { name: "Q1".to_owned() }; 3];
        let mut driver =
            Self { session, log: Vec::new(), accepted: Vec::new(), asked: Vec::new(), closed: false, dispositions };
        driver.drain();
        driver
    }

    fn say(&mut self, bytes: &[u8]) {
        self.session.receive(NOW, bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Reply(bytes) => self.log.extend(bytes),
                Effect::StartTls => {
                    self.log.extend(b"(tls)\r\n");
                    self.session.secured(NOW);
                }
                Effect::SignIn { user, password } => {
                    self.asked.push(format!("sign in {user} {}", password.0));
                    let answer = match (user.as_str(), password.0.as_str()) {
                        ("alice@here.example", "secret") => SignInAnswer::Welcome(Box::new(alice())),
                        ("off@here.example", _) => SignInAnswer::Refused(SignInRefusal::ServiceOff),
                        ("later@here.example", _) => SignInAnswer::Unavailable,
                        _ => SignInAnswer::Refused(SignInRefusal::Credentials),
                    };
                    self.session.complete(NOW, Completion::SignIn(answer));
                }
                Effect::VerifyRecipient { sender, recipient, identity } => {
                    let sender = sender.map_or("<>".to_owned(), |sender| sender.to_string());
                    let user = identity.map_or(String::new(), |identity| format!(" by {}", identity.mailbox));
                    self.asked.push(format!("recipient {recipient} from {sender}{user}"));
                    let answer = match recipient.to_string().as_str() {
                        "nobody@here.example" => RecipientAnswer::Unknown,
                        "off@here.example" => RecipientAnswer::Disabled,
                        "full@here.example" => RecipientAnswer::OverQuota,
                        "team@here.example" => RecipientAnswer::SenderRefused,
                        "later@here.example" => RecipientAnswer::Unavailable,
                        "grey@here.example" => {
                            RecipientAnswer::Refused(Reply::new(450, (4, 2, 0), "Greylisted, try again later"))
                        }
                        address if address.ends_with("@here.example") || address.ends_with("@mx.example") => {
                            RecipientAnswer::Known
                        }
                        _ => RecipientAnswer::Elsewhere,
                    };
                    self.session.complete(NOW, Completion::Recipient(answer));
                }
                Effect::Accept(received) => {
                    self.accepted.push(*received);
                    self.session.complete(NOW, Completion::Accept(self.dispositions.clone()));
                }
                Effect::Close => self.closed = true,
            }
        }
    }
}

fn alice() -> Identity {
    Identity {
        mailbox: "alice@here.example".parse().unwrap(),
        store: "store-1".to_owned(),
        quota: None,
        senders: vec!["alice@here.example".parse().unwrap(), "al@here.example".parse().unwrap()],
    }
}

/// Plays a dialogue, one step a line: `C: text` is said with its line end; `S: 250 2.1.0` must be how the next reply line
/// begins (`S: 250-` a line of several). `S: close` is the end.
fn check(setting: Setting, tls: bool, dialogue: &str) -> Driver {
    play(settings(setting), tls, dialogue)
}

fn play(settings: Settings, tls: bool, dialogue: &str) -> Driver {
    let mut driver = Driver::new(settings, tls);
    let mut seen = 0;
    for step in dialogue.lines().map(str::trim).filter(|step| !step.is_empty()) {
        if let Some(text) = step.strip_prefix("C:") {
            driver.say(format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text)).as_bytes());
        } else if step == "S: close" {
            assert!(driver.closed, "the session is closed at `{step}`\n{dialogue}");
        } else if let Some(expected) = step.strip_prefix("S: ") {
            let rest = &driver.log[seen..];
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or_else(|| {
                panic!("a reply is missing at `{step}`\n{dialogue}");
            });
            let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
            assert!(line.starts_with(expected), "`{line}` where `{expected}` was expected\n{dialogue}");
            seen += end + 1;
        } else {
            panic!("what is `{step}`?");
        }
    }
    assert_eq!(String::from_utf8_lossy(&driver.log[seen..]), "", "a reply too many\n{dialogue}");
    driver
}

#[test]
fn a_message_is_received() {
    let driver = check(
        Setting::Receiving,
        false,
        "S: 220 mx.example ESMTP
         C: EHLO client.example
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-VRFY
         S: 250-STARTTLS
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250 CHUNKING
         C: MAIL FROM:<bob@there.example> SIZE=100 RET=HDRS ENVID=e1 BODY=8BITMIME
         S: 250 2.1.0
         C: RCPT TO:<alice@here.example> NOTIFY=NEVER ORCPT=rfc822;alice@here.example
         S: 250 2.1.5
         C: DATA
         S: 354 
         C: Subject: hello
         C:
         C: ..stuffed
         C: .
         S: 250 2.0.0 Ok: queued as Q1
         C: QUIT
         S: 221 2.0.0
         S: close",
    );
    let [received] = driver.accepted.as_slice() else { panic!("one message") };
    assert_eq!(received.content, b"Subject: hello\r\n\r\n.stuffed\r\n");
    assert_eq!(received.helo, "client.example");
    assert_eq!(received.envelope.sender, Some("bob@there.example".parse().unwrap()));
    assert_eq!(received.envelope.returned, Some(crate::smtp::Return::Headers));
    assert_eq!(received.envelope.identifier.as_deref(), Some("e1"));
    assert_eq!(received.envelope.recipients[0].notify, Some(crate::smtp::Notify::default()));
    assert_eq!(received.envelope.recipients[0].original.as_deref(), Some("rfc822;alice@here.example"));
    assert_eq!(driver.asked, ["recipient alice@here.example from bob@there.example"]);
}

#[test]
fn recipients_are_refused_with_the_codes_of_postfix() {
    check(
        Setting::Receiving,
        false,
        "S: 220
         C: HELO client.example
         S: 250 mx.example
         C: MAIL FROM:<>
         S: 250 2.1.0
         C: RCPT TO:<nobody@here.example>
         S: 550 5.1.1
         C: RCPT TO:<off@here.example>
         S: 550 5.2.1
         C: RCPT TO:<full@here.example>
         S: 552 5.2.2
         C: RCPT TO:<team@here.example>
         S: 550 5.7.1
         C: RCPT TO:<later@here.example>
         S: 451 4.3.0
         C: RCPT TO:<grey@here.example>
         S: 450 4.2.0
         C: RCPT TO:<postmaster>
         S: 250 2.1.5
         C: RCPT TO:<>
         S: 501 5.1.3
         C: RCPT TO:<a b@here.example>
         S: 501 5.1.3
         C: RCPT TO:<alice@here.example> FOO=1
         S: 555 5.5.4",
    );
}

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
fn commands_out_of_order_are_refused() {
    check(
        Setting::Receiving,
        false,
        "S: 220
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1
         C: EHLO
         S: 501 Syntax
         C: HELO c
         S: 250 
         C: RCPT TO:<alice@here.example>
         S: 503 5.5.1
         C: DATA
         S: 503 5.5.1
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1
         C: DATA
         S: 554 5.5.1
         C: DATA x
         S: 501 5.5.4
         C: RSET x
         S: 501 5.5.4
         C: RSET
         S: 250 2.0.0
         C: AUTH PLAIN AGEAYg==
         S: 503 5.5.1
         C: EXPN list
         S: 502 5.5.1
         C: VRFY alice
         S: 252 2.0.0
         C: VRFY
         S: 501 5.5.4
         C: HELP
         S: 214 2.0.0
         C: NOOP anything
         S: 250 2.0.0
         C: LHLO c
         S: 500 5.5.2
         C: MAIL <a@b.example>
         S: 501 5.5.4
         C: MAIL FROM:<a@b.example> SIZE=2001
         S: 552 5.3.4
         C: MAIL FROM:<a@b.example> AUTH=<>
         S: 503 5.5.4",
    );
}

#[test]
fn hostile_command_lines_are_refused() {
    for (line, code) in [
        (&b"MAIL FROM:<a\0@b.example>\r\n"[..], "501 5.5.2"),
        (b"MAIL FROM:<a\r@b.example>\r\n", "501 5.5.2"),
        (b"MAIL FROM:<\xff@b.example>\r\n", "500 5.5.2"),
        ("MAIL FROM:<\u{e9}@b.example>\r\n".as_bytes(), "553 5.6.7"),
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
    for false_end in [
        &b"\n.\n"[..],
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r.\n",
        b"\n.\r",
        b"\r\r.\r\r",
        b"\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\0",
        b"a\nb",
        b"a\rb",
    ] {
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
    assert_eq!(finals, ["552 5.3.4", "554 5.4.6", "250 2.0.0"]);
}

#[test]
fn eight_bits_and_long_lines_stay_as_they_are() {
    let mut wide = settings(Setting::Receiving);
    wide.max_message_bytes = 10_000_000;
    let mut driver = Driver::new(wide, false);
    driver.say(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n");
    let mut body = b"Subject: \xff\xfe\r\n\r\n".to_vec();
    body.extend(std::iter::repeat_n(0xe9, 1_000_000));
    body.extend_from_slice(b"\r\n");
    driver.say(&body);
    driver.say(b".\r\n");
    assert_eq!(driver.accepted[0].content, body);
}

#[test]
fn chunks_are_put_together() {
    let driver = check(
        Setting::Receiving,
        false,
        "S: 220
         C: HELO c
         S: 250
         C: BDAT 5 LAST
         C: abc
         S: 503 5.5.1
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0
         C: BDAT 5 LAST
         C: abc
         S: 554 5.5.1
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0
         C: RCPT TO:<alice@here.example>
         S: 250 2.1.5
         C: BDAT 7
         C: A: b.
         S: 250 2.0.0 Ok: 7 bytes
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1
         C: RCPT TO:<alice@here.example>
         S: 503 5.5.1
         C: DATA
         S: 503 5.5.1
         C: BDAT 3
         C: .
         S: 250 2.0.0 Ok: 3 bytes
         C: BDAT 0 LAST
         S: 250 2.0.0 Ok: queued as Q1
         C: NOOP
         S: 250",
    );
    assert_eq!(driver.accepted[0].content, b"A: b.\r\n.\r\n");
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
fn nothing_happens_on_submission_before_tls() {
    check(
        Setting::Submission,
        false,
        "S: 220
         C: EHLO c
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-VRFY
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
         S: 250-VRFY
         S: 250-AUTH PLAIN LOGIN
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250 CHUNKING
         C: MAIL FROM:<alice@here.example>
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
         S: 525 5.7.13",
        "C: AUTH PLAIN AGxhdGVyQGhlcmUuZXhhbXBsZQB4
         S: 454 4.7.0",
    ] {
        let driver = check(
            Setting::Submission,
            true,
            &format!("{hello}{dialogue}\nC: MAIL FROM:<alice@here.example>\nS: 530 5.7.0"),
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
    for sender in ["bob@here.example", "alice@there.example", "alice"] {
        let driver = submit(sender, "From: alice@here.example");
        let reply = String::from_utf8(driver.log).unwrap();
        assert!(reply.lines().nth(1).unwrap().starts_with("553 5.7.1"), "{sender}: {reply}");
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

#[test]
fn lmtp_answers_for_each_recipient() {
    let mut driver = check(
        Setting::Lmtp,
        false,
        "S: 220 mx.example LMTP
         C: EHLO c
         S: 500 5.5.2
         C: LHLO c
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250 XDELIVERY
         C: MAIL FROM:<a@b.example> XDELIVERY=Q7.1
         S: 250
         C: DATA
         S: 503 5.5.1
         C: RCPT TO:<alice@here.example>
         S: 250
         C: RCPT TO:<nobody@here.example>
         S: 550 5.1.1
         C: RCPT TO:<bob@here.example>
         S: 250",
    );
    driver.dispositions = vec![
        Disposition::Accepted { name: "S1".to_owned() },
        Disposition::Refused(Reply::new(552, (5, 2, 2), "Mailbox is full")),
    ];
    driver.log.clear();
    driver.say(b"DATA\r\nhello\r\n.\r\n");
    let reply = String::from_utf8(driver.log.clone()).unwrap();
    assert_eq!(
        reply,
        "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 <alice@here.example> S1 Saved\r\n552 5.2.2 Mailbox is full\r\n"
    );
    assert_eq!(driver.accepted[0].envelope.delivery.as_deref(), Some("Q7.1"));
    driver.log.clear();
    driver.say(b"MAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\na\nb\r\n.\r\n");
    let reply = String::from_utf8(driver.log).unwrap();
    assert_eq!(reply.matches("550 5.5.2").count(), 2);
}

#[test]
fn an_answer_that_is_missing_is_no_promise() {
    let mut driver = Driver::new(settings(Setting::Receiving), false);
    driver.dispositions.clear();
    driver.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n");
    driver.log.clear();
    driver.say(b"a\r\n.\r\n");
    assert!(driver.log.starts_with(b"451 4.3.0"));
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
