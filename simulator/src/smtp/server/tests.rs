//! Dialogues: what the client says (`C`), what the server says (`S`, codes before the text), what the driver sees (`E`).

mod hostile;
mod submission;

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
         S: 500 5.5.2
         C: ETRN here.example
         S: 459 <here.example>
         C: VRFY alice
         S: 502 5.5.1
         C: VRFY
         S: 502 5.5.1
         C: HELP
         S: 500 5.5.2
         C: NOOP anything
         S: 250 2.0.0
         C: LHLO c
         S: 500 5.5.2
         C: MAIL <a@b.example>
         S: 501 5.5.4
         C: MAIL FROM:<a@b.example> SIZE=2001
         S: 552 5.3.4
         C: MAIL FROM:<a@b.example> AUTH=<>
         S: 250 2.1.0",
    );
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
