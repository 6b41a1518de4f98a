//! Dialogues with both machines.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Effect, Front, FrontEffect, Session, Settings};
use crate::Moment;
use crate::directory::{Answer, Identity, Password, Service, SignInRefusal};
use crate::imap::tests::Host;
use crate::journal::Options;
use crate::store::MailStore;

const MESSAGE: &str = "Subject: one\n\n.dot\nsecond\n..\nlast";

fn begin(host: &mut Host) -> Session {
    let mut preamble = host.preamble("");
    preamble.service = Service::Pop3;
    let now = host.now;
    let mut session = Session::new(&preamble, now, &mut host.storage());
    assert_eq!(run(host, &mut session), "+OK Logged in.\r\n");
    session
}

fn run(host: &mut Host, session: &mut Session) -> String {
    let mut said = Vec::new();
    loop {
        host.sync();
        let now = host.now;
        session.pump(now, &mut host.storage());
        match session.next_effect() {
            Some(Effect::Reply(bytes)) => said.extend(bytes),
            Some(Effect::Close) => said.extend_from_slice(b"<closed>"),
            None if session.is_busy() || session.waits_for().is_some() => {}
            None => return String::from_utf8_lossy(&said).into_owned(),
        }
    }
}

fn say(host: &mut Host, session: &mut Session, text: &str) -> String {
    let now = host.now;
    session.receive(now, text.replace('\n', "\r\n").as_bytes(), &mut host.storage());
    run(host, session)
}

fn check(host: &mut Host, session: &mut Session, line: &str, expected: &str) {
    let said = say(host, session, &format!("{line}\n"));
    assert_eq!(said.replace("\r\n", "\n").trim_end(), expected, "to {line:?}");
}

#[test]
fn messages_are_listed_read_and_deleted_at_quit() {
    let mut host = Host::new();
    host.deliver("INBOX", MESSAGE);
    host.deliver("INBOX", "Subject: two\n\nb\n");
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "STAT", "+OK 2 57");
    check(&mut host, &mut session, "LIST", "+OK 2 messages (57 octets)\n1 38\n2 19\n.");
    check(&mut host, &mut session, "UIDL 2", "+OK 2 000000026b49d200");
    check(&mut host, &mut session, "RETR 1", "+OK 38 octets\nSubject: one\n\n..dot\nsecond\n...\nlast\n.");
    check(&mut host, &mut session, "TOP 1 1", "+OK 22 octets\nSubject: one\n\n..dot\n.");
    check(&mut host, &mut session, "TOP 2 0", "+OK 16 octets\nSubject: two\n\n.");
    check(&mut host, &mut session, "DELE 1", "+OK Marked to be deleted.");
    check(&mut host, &mut session, "RETR 1", "-ERR Message is deleted.");
    check(&mut host, &mut session, "LIST", "+OK 1 messages (19 octets)\n2 19\n.");
    check(&mut host, &mut session, "RSET", "+OK");
    check(&mut host, &mut session, "DELE 2", "+OK Marked to be deleted.");
    check(&mut host, &mut session, "RETR 3", "-ERR There's no message 3.");
    check(&mut host, &mut session, "DELE -1", "-ERR Invalid message number.");
    check(&mut host, &mut session, "QUIT", "+OK Logging out, messages deleted.\n<closed>");
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "UIDL", "+OK 1 messages (38 octets)\n1 000000016b49d200\n.");
}

#[test]
fn a_connection_that_drops_deletes_nothing() {
    let mut host = Host::new();
    host.deliver("INBOX", MESSAGE);
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "DELE 1", "+OK Marked to be deleted.");
    host.now = host.now.plus(600_000);
    let now = host.now;
    session.expire(now, &mut host.storage());
    assert_eq!(run(&mut host, &mut session), "-ERR Disconnected for inactivity.\r\n<closed>");
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "STAT", "+OK 1 38");
}

#[test]
fn identifiers_stay_over_a_restart() {
    let mut host = Host::new();
    host.deliver("INBOX", MESSAGE);
    let mut session = begin(&mut host);
    let before = say(&mut host, &mut session, "UIDL\n");
    host.mail = MailStore::open(&mut host.disk, Options::STANDARD).expect("it opens again").0;
    let mut session = begin(&mut host);
    assert_eq!(say(&mut host, &mut session, "UIDL\n"), before);
}

#[test]
fn a_quit_that_cannot_be_written_says_so_and_deletes_nothing() {
    let mut host = Host::new();
    host.deliver("INBOX", MESSAGE);
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "DELE 1", "+OK Marked to be deleted.");
    host.disk.limit(Some(0));
    let said = say(&mut host, &mut session, "QUIT\n");
    assert!(said.starts_with("-ERR [SYS/TEMP] "), "{said}");
    host.disk.limit(None);
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "STAT", "+OK 1 38");
}

#[test]
fn nonsense_is_refused_and_its_twentieth_ends_the_session() {
    let mut host = Host::new();
    let mut session = begin(&mut host);
    let said = say(&mut host, &mut session, &"LIST x y\nXYZZY\n".repeat(20));
    assert_eq!(said.matches("-ERR").count(), 20);
    assert!(said.ends_with("-ERR Too many invalid commands.\r\n<closed>"));
    let mut session = begin(&mut host);
    let said = say(&mut host, &mut session, &"A".repeat(9000));
    assert_eq!(said, "-ERR Line too long.\r\n<closed>");
}

fn front(tls: bool) -> Front {
    let settings = Settings { greeting: "ready.".to_owned(), plaintext_login: false, refusal_delay: 2000 };
    Front::new(Arc::new(settings), [192, 0, 2, 1].into(), tls, Moment(0))
}

fn effects(front: &mut Front) -> Vec<FrontEffect> {
    std::iter::from_fn(|| front.next_effect()).collect()
}

fn reply(text: &str) -> FrontEffect {
    FrontEffect::Reply(text.replace('\n', "\r\n").into_bytes())
}

#[test]
fn nobody_signs_in_without_tls_and_what_was_sent_before_it_is_forgotten() {
    let mut front = front(false);
    assert_eq!(effects(&mut front), [reply("+OK ready.\n")]);
    front.receive(Moment(0), b"USER alice\r\nSTLS\r\nUSER mallory\r\n");
    assert_eq!(
        effects(&mut front),
        [
            reply(
                "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\n+OK Begin TLS negotiation now.\n"
            ),
            FrontEffect::StartTls,
        ]
    );
    front.receive(Moment(0), b"USER eve\r\n");
    front.secured();
    front.receive(Moment(0), b"PASS x\r\n");
    assert_eq!(effects(&mut front), [reply("-ERR No username given.\n")]);
}

#[test]
fn a_sign_in_is_asked_and_handed_over_with_what_follows() {
    let mut front = front(true);
    effects(&mut front);
    front.receive(Moment(0), b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nSTAT\r\n");
    assert_eq!(
        effects(&mut front),
        [FrontEffect::SignIn { user: "alice".to_owned(), password: Password("secret".to_owned()) }]
    );
    assert!(!front.wants_input());
    let identity = Identity {
        mailbox: "alice@acme.example".parse().expect("an address"),
        store: "store-1".to_owned(),
        quota: Some(7),
        senders: Vec::new(),
    };
    front.complete(Moment(0), Answer::SignIn(Ok(identity.clone())));
    let [FrontEffect::HandOver { preamble, rest, .. }] = &effects(&mut front)[..] else { panic!("no hand-over") };
    assert_eq!((preamble.service, preamble.quota, rest.as_slice()), (Service::Pop3, Some(7), &b"STAT\r\n"[..]));
}

#[test]
fn a_refusal_comes_late_and_the_fifth_ends_the_connection() {
    let mut front = front(true);
    effects(&mut front);
    let mut now = Moment(0);
    for attempt in 1..=5 {
        front.receive(now, b"USER alice\r\nPASS wrong\r\n");
        effects(&mut front);
        front.complete(now, Answer::SignIn(Err(SignInRefusal::Credentials)));
        assert_eq!(effects(&mut front), []);
        now = front.deadline().expect("a refusal is due");
        front.expire(now);
        let told = effects(&mut front);
        assert_eq!(told.first(), Some(&reply("-ERR [AUTH] Authentication failed.\n")));
        assert_eq!(told.get(1), (attempt == 5).then_some(&FrontEffect::Close));
    }
    assert_eq!(now, Moment(10_000));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic_and_chunks_do_not_matter(
        text in "((USER|PASS|AUTH|RETR|TOP|DELE|LIST|UIDL|QUIT|STAT|x)( [0-9a]{0,3}){0,2}\r?\n){0,8}",
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        size in 1_usize..9,
    ) {
        let input = [text.as_bytes(), &bytes].concat();
        let mut host = Host::new();
        host.deliver("INBOX", MESSAGE);
        let mut session = begin(&mut host);
        let now = host.now;
        session.receive(now, &input, &mut host.storage());
        let whole = run(&mut host, &mut session);
        let mut host = Host::new();
        host.deliver("INBOX", MESSAGE);
        let mut session = begin(&mut host);
        let mut pieces = String::new();
        for chunk in input.chunks(size) {
            session.receive(now, chunk, &mut host.storage());
            pieces.push_str(&run(&mut host, &mut session));
        }
        prop_assert_eq!(whole, pieces);
        let mut front = front(true);
        front.receive(Moment(0), &input);
    }
}
