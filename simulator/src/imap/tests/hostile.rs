//! What is said to clients that mean no good, and what they cost.

use std::sync::Arc;

use proptest::prelude::*;

use super::Host;
use crate::Moment;
use crate::directory::{Answer, Identity, Password, SignInRefusal};
use crate::imap::{Front, FrontEffect, Settings};

fn front(tls: bool) -> Front {
    let settings = Settings {
        greeting: "ready.".to_owned(),
        plaintext_login: false,
        max_message_bytes: 1000,
        refusal_delay: 2000,
    };
    let mut front = Front::new(Arc::new(settings), [192, 0, 2, 1].into(), tls, Moment(0));
    front.next_effect();
    front
}

/// Gives a front bytes and returns everything it wants, replies as text.
fn tell(front: &mut Front, bytes: &[u8]) -> Vec<String> {
    front.receive(Moment(0), bytes);
    std::iter::from_fn(|| front.next_effect())
        .map(|effect| match effect {
            FrontEffect::Reply(bytes) => String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn nobody_signs_in_without_tls_and_what_was_sent_before_it_is_forgotten() {
    let mut front = front(false);
    let said = tell(&mut front, b"a LOGIN alice secret\r\nb STARTTLS\r\nc LOGIN mallory x\r\n");
    assert_eq!(
        said,
        [
            "a NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\n\
             b OK Begin TLS negotiation now.\n",
            "StartTls",
        ]
    );
    assert_eq!(tell(&mut front, b"d NOOP\r\n"), Vec::<String>::new());
    front.secured();
    let said = tell(&mut front, b"e CAPABILITY\r\n");
    assert_eq!(
        said,
        [
            "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN\ne OK Capability completed.\n"
        ]
    );
}

#[test]
fn every_way_to_sign_in_asks_the_same() {
    let expected = FrontEffect::SignIn { user: "alice".to_owned(), password: Password("secret".to_owned()) };
    for lines in [
        &["a LOGIN alice secret\r\n"][..],
        &["a LOGIN \"alice\" {6}\r\n", "secret\r\n"],
        &["a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"],
        &["a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"],
        &["a authenticate plain\r\n", "AGFsaWNlAHNlY3JldA==\r\n"],
        &["a AUTHENTICATE LOGIN\r\n", "YWxpY2U=\r\n", "c2VjcmV0\r\n"],
        &["a AUTHENTICATE LOGIN YWxpY2U=\r\n", "c2VjcmV0\r\n"],
    ] {
        let mut front = front(true);
        let mut last = None;
        for line in lines {
            front.receive(Moment(0), line.as_bytes());
            while let Some(effect) = front.next_effect() {
                last = Some(effect);
            }
        }
        assert_eq!(last.as_ref(), Some(&expected), "{lines:?}");
    }
}

#[test]
fn a_sign_in_is_handed_over_with_what_follows_and_a_refusal_comes_late() {
    let mut front = front(true);
    tell(&mut front, b"a LOGIN alice wrong\r\nb LOGIN alice secret\r\nc SELECT INBOX\r\n");
    front.complete(Moment(0), Answer::SignIn(Err(SignInRefusal::Credentials)));
    assert_eq!(front.next_effect(), None);
    assert_eq!(front.deadline(), Some(Moment(2000)));
    front.expire(Moment(2000));
    let Some(FrontEffect::Reply(said)) = front.next_effect() else { panic!("no refusal") };
    assert_eq!(said, b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n");
    assert!(matches!(front.next_effect(), Some(FrontEffect::SignIn { .. })));
    let identity = Identity {
        mailbox: "alice@acme.example".parse().expect("an address"),
        store: "store-1".to_owned(),
        quota: None,
        senders: Vec::new(),
    };
    front.complete(Moment(2000), Answer::SignIn(Ok(identity)));
    let Some(FrontEffect::HandOver { preamble, rest, .. }) = front.next_effect() else { panic!("no hand-over") };
    assert_eq!((preamble.tag.as_str(), rest.as_slice()), ("b", &b"c SELECT INBOX\r\n"[..]));
}

#[test]
fn floods_before_the_sign_in_are_cut_short() {
    for (bytes, end) in [
        (b"a LOGIN {2147483647+}\r\n".to_vec(), "* BYE Literal size too large.\n"),
        (vec![b'('; 20_000], "* BYE Too long argument.\n"),
        (b"x\r\n".repeat(30), "* BYE Too many invalid IMAP commands.\n"),
        (b"a LOGIN {99999999999999999999+}\r\n".to_vec(), "* BYE Literal size too large.\n"),
    ] {
        let said = tell(&mut front(true), &bytes).concat();
        assert!(said.ends_with(&format!("{end}Close")), "{said}");
    }
    let said = tell(&mut front(true), b"a LOGIN {2147483647}\r\nb NOOP\r\n").concat();
    assert_eq!(said, "a BAD Error in IMAP command: Literal size too large.\nb OK NOOP completed.\n");
}

#[test]
fn floods_of_the_signed_in_are_refused_with_bounded_memory() {
    let mut host = Host::new();
    for _ in 0..3 {
        host.deliver("INBOX", "Subject: x\n\ny\n");
    }
    let mut session = host.sign_in();
    host.say(&mut session, "s SELECT INBOX\n");
    let bad = "BAD Error in IMAP command: ";
    let too_long = vec!["1"; 40_000].join(",");
    for (line, expected) in [
        (format!("a SEARCH {}", "(".repeat(5000)), format!("a {bad}Search keys are nested too deep.")),
        (format!("a SEARCH {}ALL", "NOT ".repeat(10_000)), format!("a {bad}Search keys are nested too deep.")),
        (format!("a FETCH {} UID", "1:4294967295,".repeat(4000) + "1"), String::new()),
        (format!("a FETCH {too_long} UID"), format!("* {bad}Too long argument.")),
        ("a FETCH 1:99999999999 UID".to_owned(), format!("a {bad}Invalid message set.")),
        ("a FETCH 0 UID".to_owned(), format!("a {bad}Invalid message set.")),
        ("a FETCH 1 BODY[]<0.0>".to_owned(), format!("a {bad}A number must not be zero.")),
        ("a FETCH 1 BODY[1.1.1.0]".to_owned(), format!("a {bad}A number must not be zero.")),
        (format!("a FETCH 1 BODY[{}1]", "1.".repeat(2000)), format!("a {bad}A section is too deep.")),
        ("a SELECT \"x".to_owned(), format!("a {bad}A quoted string has no end.")),
        ("a STORE 1 FLAGS (\\Wild)".to_owned(), format!("a {bad}Unknown system flag.")),
        ("a LIST (RECURSIVEMATCH) \"\" *".to_owned(), format!("a {bad}RECURSIVEMATCH needs another selection.")),
        ("a ID (".to_owned() + &"\"k\" \"v\" ".repeat(31) + ")", format!("a {bad}Too many ID fields.")),
        ("".to_owned(), format!("* {bad}Invalid tag.")),
        ("+ NOOP".to_owned(), format!("* {bad}Invalid tag.")),
        ("a".to_owned(), format!("a {bad}Missing space or argument.")),
        ("a NOOP x".to_owned(), format!("a {bad}Unexpected argument.")),
        ("a AUTHENTICATE PLAIN".to_owned(), format!("a {bad}Already logged in.")),
    ] {
        let said = host.say(&mut session, &format!("{line}\n"));
        if expected.is_empty() {
            assert!(said.ends_with("a OK Fetch completed.\r\n"), "{said}");
        } else {
            assert_eq!(said, format!("{expected}\r\n"), "to {:.60}", line);
        }
    }
    host.check(&mut session, "b NOOP", "b OK NOOP completed.");
    let said = host.say(&mut session, "c LOGIN {2147483647+}\n");
    assert!(said.ends_with("* BYE Literal size too large.\r\n<closed>"), "{said}");
}

#[test]
fn a_slow_reader_stops_the_work_and_holds_one_message() {
    let mut host = Host::new();
    let body = "x".repeat(70_000);
    for _ in 0..20 {
        host.deliver("INBOX", &format!("Subject: big\n\n{body}\n"));
    }
    let mut session = host.sign_in();
    host.say(&mut session, "s EXAMINE INBOX\n");
    let now = host.now;
    session.receive(now, b"a FETCH 1:* BODY[]\r\nb NOOP\r\n", &mut host.storage());
    for _ in 0..10 {
        session.pump(now, &mut host.storage());
    }
    assert!(!session.wants_input() && !session.is_busy(), "nobody has taken what was said");
    let mut largest = 0;
    let mut said = Vec::new();
    loop {
        match session.next_effect() {
            Some(crate::imap::Effect::Reply(bytes)) => {
                largest = largest.max(bytes.len());
                said.extend(bytes);
            }
            Some(crate::imap::Effect::Close) => panic!("nobody said goodbye"),
            None if session.is_busy() => session.pump(now, &mut host.storage()),
            None => break,
        }
    }
    assert!(largest < 140_000, "{largest}");
    let said = String::from_utf8(said).expect("ASCII in, ASCII out");
    assert_eq!(said.matches("Subject: big").count(), 20);
    assert!(said.ends_with("a OK Fetch completed.\r\nb OK NOOP completed.\r\n"));
}

/// Words from which lines are made that reach far into the commands.
fn line() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "SELECT",
        "EXAMINE",
        "INBOX",
        "Trash",
        "FETCH",
        "STORE",
        "SEARCH",
        "SORT",
        "COPY",
        "MOVE",
        "UID",
        "1:*",
        "2",
        "*:1",
        "(FLAGS UID)",
        "BODY[]",
        "BODY.PEEK[1.HEADER]",
        "BODYSTRUCTURE",
        "ENVELOPE",
        "+FLAGS",
        "-FLAGS.SILENT",
        "(\\Seen kw)",
        "\\Deleted",
        "EXPUNGE",
        "CLOSE",
        "UNSELECT",
        "NOOP",
        "ALL",
        "UNSEEN",
        "NOT",
        "OR",
        "(",
        ")",
        "TEXT",
        "\"m\"",
        "{1+}\r\nx",
        "{3}\r\nabc",
        "{2+}\r\n",
        "APPEND",
        "{9+}\r\nA: b\r\n\r\nc",
        "LIST",
        "\"\"",
        "%",
        "STATUS",
        "(MESSAGES UNSEEN)",
        "CREATE",
        "DELETE",
        "RENAME",
        "a/b",
        "RETURN",
        "(SAVE COUNT)",
        "$",
        "MODSEQ",
        "IDLE",
        "DONE",
        "ENABLE",
        "QRESYNC",
        "CONDSTORE",
        "(CHANGEDSINCE 1)",
        "THREAD",
        "REFERENCES",
        "UTF-8",
        "(SUBJECT)",
        "LSUB",
        "ID",
        "NIL",
    ]);
    (0_usize..3, proptest::collection::vec(word, 0..6)).prop_map(|(tag, words)| {
        let tag = ["a", "b1", ""][tag];
        let space = if words.is_empty() { "" } else { " " };
        format!("{tag}{space}{}\r\n", words.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_bytes_panic_and_chunks_do_not_matter(
        lines in proptest::collection::vec(line(), 0..14),
        noise in proptest::collection::vec(any::<u8>(), 0..40),
        cuts in proptest::collection::vec(1_usize..30, 1..6),
    ) {
        let mut input = b"s SELECT INBOX\r\n".to_vec();
        input.extend(lines.concat().into_bytes());
        input.extend(noise);
        let mut answers = Vec::new();
        for whole in [true, false] {
            let mut host = Host::new();
            for number in 0..3 {
                host.deliver("INBOX", &format!("Subject: m{number}\nFrom: a@b\n\nbody\n"));
            }
            let mut session = host.sign_in();
            let mut said = Vec::new();
            let mut rest = input.as_slice();
            let mut sizes = cuts.iter().cycle();
            while !rest.is_empty() {
                let size = if whole { rest.len() } else { *sizes.next().expect("a cycle has no end") };
                let (chunk, behind) = rest.split_at(size.min(rest.len()));
                rest = behind;
                let now = host.now;
                session.receive(now, chunk, &mut host.storage());
                said.extend(host.run_bytes(&mut session));
            }
            answers.push((String::from_utf8_lossy(&said).into_owned(), host.mail.disk_bytes()));
        }
        prop_assert_eq!(&answers[0], &answers[1]);
        let mut front = front(true);
        front.receive(Moment(0), &input);
    }
}
