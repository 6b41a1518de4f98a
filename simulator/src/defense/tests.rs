//! Fixtures: what each message scores and what is done with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::Moment;
use crate::smtp::{Body, Envelope, Peer, Recipient, Setting};

fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"].concat()
}

fn gtube() -> String {
    ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE", "-TEST-EMAIL*C.34X"].concat()
}

fn policy() -> DefensePolicy {
    let score = |text: &str| text.parse().unwrap();
    DefensePolicy {
        tag: score("5"),
        quarantine: score("8"),
        reject: score("15"),
        subject_tag: "[SPAM]".to_owned(),
        spam_folder: "Spam".to_owned(),
        allow: vec!["*@friend.example".to_owned(), "bob@mixed.example".to_owned(), "nonsense".to_owned()],
        block: vec!["*@enemy.example".to_owned(), "*@mixed.example".to_owned()],
    }
}

fn received(sender: &str, content: impl Into<Vec<u8>>) -> Received {
    Received {
        setting: Setting::Receiving,
        peer: Peer { address: "192.0.2.1".parse().unwrap(), tls: false },
        helo: "there.example".to_owned(),
        extended: true,
        identity: None,
        envelope: Envelope {
            sender: sender.parse().ok(),
            recipients: vec![Recipient {
                address: "alice@here.example".parse().unwrap(),
                notify: None,
                original: None,
            }],
            returned: None,
            identifier: None,
            body: Body::SevenBit,
            internationalized: false,
            delivery: None,
        },
        content: content.into(),
        at: Moment(0),
    }
}

const HEADER: &str = "From: Bob <bob@there.example>\r\nTo: alice@here.example\r\nSubject: Lunch\r\n\
    Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@there.example>\r\n";

fn verdict(content: impl Into<Vec<u8>>) -> Verdict {
    inspect(&received("bob@there.example", content), &Facts::default(), &policy(), &Settings::STANDARD)
}

fn names(verdict: &Verdict) -> Vec<&str> {
    verdict.symbols.iter().map(|symbol| symbol.name.as_str()).collect()
}

#[test]
fn ordinary_mail_scores_nothing() {
    let verdict = verdict(format!("{HEADER}\r\nHello\r\n"));
    assert_eq!(names(&verdict), [""; 0]);
    assert_eq!((verdict.score, verdict.action), (Score::ZERO, Action::Deliver));
}

#[test]
fn each_rule_has_its_symbol() {
    for (content, expected) in [
        (
            "\r\nhello\r\n".to_owned(),
            &["MISSING_FROM", "MISSING_TO", "MISSING_DATE", "MISSING_MID", "MISSING_SUBJECT"][..],
        ),
        (HEADER.replace("Lunch", "BUY NOW, BEST PRICES"), &["SUBJ_ALL_CAPS"]),
        (HEADER.replace("Lunch", "FYI"), &[]),
        (HEADER.replace("Bob <", "ceo@bank.example <"), &["BROKEN_HEADERS", "FROM_NEQ_ENVFROM_NOT"]),
        (HEADER.replace("Bob <", "\"ceo@bank.example\" <"), &["SPOOF_DISPLAY_NAME"]),
        (HEADER.replace("bob@there.example", "bob@bank.example"), &["FROM_NEQ_ENVFROM"]),
        (HEADER.replace("bob@there.example", "bob@mail.there.example"), &[]),
        (format!("{HEADER}Subject: again\r\n"), &["MULTIPLE_UNIQUE_HEADERS"]),
        (format!("{HEADER}this is no field\r\n"), &["BROKEN_HEADERS"]),
    ] {
        let verdict = verdict(format!("{content}\r\nbody\r\n"));
        let expected: Vec<&str> = expected.iter().copied().filter(|name| !name.ends_with("_NOT")).collect();
        assert_eq!(names(&verdict), expected, "{content}");
        assert_eq!(verdict.action, Action::Deliver, "{content}");
        assert!(verdict.symbols.iter().all(|symbol| !symbol.description.is_empty()));
    }
}

#[test]
fn the_score_decides_by_the_policy() {
    for (weight, expected) in
        [("4.999", "deliver"), ("5", "tag"), ("8", "spam"), ("14.9", "spam"), ("15", "refuse 554")]
    {
        let facts = Facts {
            listings: vec![Listing { list: "bl.example".to_owned(), weight: weight.parse().unwrap() }],
            ..Facts::default()
        };
        let message = received("bob@there.example", format!("{HEADER}\r\nhello\r\n"));
        let verdict = inspect(&message, &facts, &policy(), &Settings::STANDARD);
        let action = match &verdict.action {
            Action::Deliver => "deliver".to_owned(),
            Action::Tag => "tag".to_owned(),
            Action::Spam => "spam".to_owned(),
            Action::Hold => "hold".to_owned(),
            Action::Refuse(reply) => format!("refuse {}", reply.code),
        };
        assert_eq!(action, expected, "{weight}");
        assert_eq!(names(&verdict), ["DNSBL_BL_EXAMPLE"]);
    }
}

#[test]
fn the_string_for_unsolicited_mail_is_refused_wherever_it_stands() {
    for content in [
        format!("{HEADER}\r\n{}\r\n", gtube()),
        format!(
            "{HEADER}Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            STANDARD.encode(format!("hello {}", gtube()))
        ),
        format!(
            "{HEADER}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
            gtube().replace("GTUBE", "GTU=42E").replace("2IDN", "2I=\r\nDN")
        ),
    ] {
        let verdict = verdict(content.clone());
        assert_eq!(names(&verdict), ["GTUBE"], "{content}");
        assert!(matches!(verdict.action, Action::Refuse(reply) if reply.code == 554), "{content}");
    }
    // Nobody's patience and nobody's list lets it in.
    let patient = DefensePolicy { reject: "2000".parse().unwrap(), ..policy() };
    for sender in ["bob@there.example", "bob@friend.example"] {
        let message = received(sender, format!("{HEADER}\r\n{}\r\n", gtube()));
        let action = inspect(&message, &Facts::default(), &patient, &Settings::STANDARD).action;
        assert!(matches!(action, Action::Refuse(reply) if reply.text == "Gtube pattern"), "{sender}");
    }
    assert_eq!(verdict(format!("{HEADER}\r\n{}\r\n", &gtube()[1..])).action, Action::Deliver);
}

/// Packs octets with the fixed code and no repetitions (RFC 1951 §3.2.6).
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let mut code = |value: u32, length: u32| (0..length).rev().for_each(|bit| bits.push(value >> bit & 1 == 1));
    for byte in bytes {
        let value = u32::from(*byte);
        if value < 144 { code(0x30 + value, 8) } else { code(0x190 + value - 144, 9) }
    }
    code(0, 7);
    bits.chunks(8)
        .map(|eight| {
            eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)) << (8 - eight.len()) >> (8 - eight.len())
        })
        .collect()
}

fn zip(method: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut file = vec![b'P', b'K', 3, 4, 20, 0, flags, 0, method, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&[0, 0, 0, 0, 5, 0, 0, 0]);
    file.extend_from_slice(b"a.txt");
    file.extend_from_slice(data);
    file.extend_from_slice(b"PK\x01\x02 and so on");
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    file.extend_from_slice(b"name\0");
    file.extend(deflated(bytes));
    file.extend_from_slice(&[0; 8]);
    file
}

fn attached(data: &[u8]) -> String {
    let text: Vec<String> =
        STANDARD.encode(data).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\n--x y\r\n\r\nSee.\r\n--x y\r\n\
         Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x y--\r\n",
        text.join("\r\n")
    )
}

#[test]
fn a_virus_is_found_wherever_it_hides() {
    let eicar = eicar();
    let virus = eicar.as_bytes();
    let nested = attached(virus);
    let quoted = eicar.replace('$', "=24").replace("STANDARD", "STAN=\r\nDARD");
    for (place, content) in [
        ("the body", format!("{HEADER}\r\n{eicar}\r\n")),
        ("the header", format!("{HEADER}X-Test: {eicar}\r\n\r\n\r\n")),
        ("an attachment", attached(virus)),
        ("quoted-printable", format!("{HEADER}Content-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}\r\n")),
        ("a message", format!("{HEADER}Content-Type: message/rfc822\r\n\r\n{nested}")),
        (
            "an encoded message",
            format!(
                "{HEADER}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                STANDARD.encode(&nested)
            ),
        ),
        (
            "an encoded multipart",
            format!(
                "{HEADER}Content-Type: multipart/mixed; boundary=\"x y\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                STANDARD.encode(nested.split_once("\r\n\r\n").unwrap().1)
            ),
        ),
        (
            "a part with two encodings",
            attached(virus).replace(
                "Content-Transfer-Encoding: base64",
                "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64",
            ),
        ),
        ("a part with an unheard-of encoding", attached(virus).replace("Encoding: base64", "Encoding: base-64")),
        (
            "a message with two types",
            attached(virus).replace("Content-Type: multipart", "Content-Type: text/plain\r\nContent-Type: multipart"),
        ),
        ("a multipart whose boundary is nowhere", attached(virus).replace("boundary=\"x y\"", "boundary=z")),
        ("a stored zip", attached(&zip(0, 0, virus))),
        ("a zip", attached(&zip(8, 0, &deflated(virus)))),
        ("a gzip", attached(&gzip(virus))),
        ("a gzip in a zip in a gzip", attached(&gzip(&zip(8, 0, &deflated(&gzip(virus)))))),
        ("a gzip stored in a zip", attached(&zip(0, 0, &gzip(virus)))),
    ] {
        let verdict = verdict(content);
        assert_eq!(verdict.virus.as_deref(), Some("Eicar-Test-Signature"), "{place}");
        assert_eq!(verdict.action, Action::Hold, "{place}");
    }
}

#[test]
fn a_virus_comes_before_every_list_and_policy() {
    let message = received("bob@friend.example", attached(eicar().as_bytes()));
    let findings = examine(&message, &Facts::default(), &Settings::STANDARD);
    assert_eq!(findings.verdict(&policy(), &Settings::STANDARD).action, Action::Hold);
    for (action, code) in [(VirusAction::Refuse, 554), (VirusAction::Defer, 451)] {
        let settings = Settings { virus: action, ..Settings::STANDARD };
        assert!(matches!(findings.verdict(&policy(), &settings).action, Action::Refuse(reply) if reply.code == code));
    }
}

#[test]
fn what_cannot_be_read_to_its_end_never_passes_in_silence() {
    let mut deep = String::new();
    for level in 0..200 {
        deep.push_str(&format!("Content-Type: multipart/a; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    let many = format!("{HEADER}Content-Type: multipart/a; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(10_001));
    let mut encoded = format!("{HEADER}\r\nhi\r\n");
    for _ in 0..20 {
        encoded = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            STANDARD.encode(&encoded)
        );
    }
    let mut archives = b"hi".to_vec();
    for _ in 0..20 {
        archives = gzip(&archives);
    }
    let empty = zip(8, 0, &deflated(b"")).repeat(10_001);
    for (why, content) in [
        ("deep parts", deep),
        ("many parts", many),
        ("deep encoded messages", encoded),
        ("deep archives", attached(&archives)),
        ("many files", attached(&empty)),
    ] {
        let verdict = verdict(content);
        assert!(matches!(&verdict.action, Action::Refuse(reply) if reply.code == 554), "{why}");
        assert!(names(&verdict).contains(&"UNSCANNABLE"), "{why}");
    }
    let small = Settings { limits: Limits { unpacked_bytes: 10, ..Limits::STANDARD }, ..Settings::STANDARD };
    let message = received("bob@there.example", attached(&gzip(b"more than ten octets")));
    assert!(matches!(inspect(&message, &Facts::default(), &policy(), &small).action, Action::Refuse(_)));
    let verdict = verdict(attached(&zip(8, 1, b"secret")));
    assert_eq!((names(&verdict), &verdict.action), (vec!["ENCRYPTED_ARCHIVE"], &Action::Deliver));
}

#[test]
fn overlapping_archive_entries_cost_no_more_than_their_budget() {
    // Each header begins a stream of empty stored blocks that runs to the end of the file.
    let mut file = Vec::new();
    for _ in 0..2_000 {
        file.extend_from_slice(&zip(8, 0, b"")[..35]);
    }
    file.extend_from_slice(&[0, 0, 0, 0xff, 0xff].repeat(100_000));
    let small = Settings { limits: Limits { decoded_bytes: 5_000_000, ..Limits::STANDARD }, ..Settings::STANDARD };
    let message = received("bob@there.example", attached(&file));
    // The headers are no stream themselves, so only the last reads on; whatever happens, it ends soon and is told.
    let verdict = inspect(&message, &Facts::default(), &policy(), &small);
    assert!(matches!(verdict.action, Action::Refuse(_) | Action::Deliver));
}

#[test]
fn an_attachment_that_runs_is_told() {
    let content = attached(b"MZ").replace("a.bin", "\"invoice.pdf.EXE\"");
    assert_eq!(names(&verdict(content)), ["EXECUTABLE_ATTACHMENT"]);
}

#[test]
fn lists_decide_by_the_pattern_that_says_more() {
    let loud = |from: &str| HEADER.replace("bob@there.example", from).replace("Lunch", "BUY BUY BUY BUY");
    for (sender, from, expected) in [
        ("bob@friend.example", "bob@friend.example", Some("SENDER_ALLOWED")),
        ("eve@enemy.example", "eve@there.example", Some("SENDER_BLOCKED")),
        ("eve@there.example", "eve@enemy.example", Some("SENDER_BLOCKED")),
        ("bob@mixed.example", "bob@mixed.example", Some("SENDER_ALLOWED")),
        ("eve@mixed.example", "eve@mixed.example", Some("SENDER_BLOCKED")),
        ("eve@there.example", "bob@friend.example", None),
        ("<>", "bob@friend.example", None),
    ] {
        let message = received(sender, format!("{}\r\nhello\r\n", loud(from)));
        let facts = Facts {
            listings: vec![Listing { list: "bl.example".to_owned(), weight: "100".parse().unwrap() }],
            ..Facts::default()
        };
        let verdict = inspect(&message, &facts, &policy(), &Settings::STANDARD);
        let listed = names(&verdict).into_iter().find(|name| name.starts_with("SENDER_")).map(str::to_owned);
        assert_eq!(listed.as_deref(), expected, "{sender} {from}");
        assert_eq!(verdict.action == Action::Deliver, expected == Some("SENDER_ALLOWED"), "{sender} {from}");
    }
}

#[test]
fn a_message_is_marked_and_otherwise_left_alone() {
    let content = format!("{HEADER}\r\nHello\r\n");
    let clean = verdict(content.clone());
    assert_eq!(
        String::from_utf8(mark(content.as_bytes(), &clean, &policy())).unwrap(),
        format!("X-Spam-Score: 0\r\nX-Spam-Status: No, score=0 required=5\r\n{content}")
    );
    let tagged = Verdict { action: Action::Tag, ..clean.clone() };
    let marked = String::from_utf8(mark(content.as_bytes(), &tagged, &policy())).unwrap();
    assert_eq!(
        marked,
        format!("{}{}", spam_fields(&tagged, &policy()), content.replace("Subject: Lunch", "Subject: [SPAM] Lunch"))
    );
    assert!(marked.contains("X-Spam: Yes\r\n"));
    for (subject, expected) in [
        ("Subject:Lunch\r\n\r\n", "Subject: [SPAM] Lunch\r\n\r\n"),
        ("Subject:\r\n Lunch\r\n\r\n", "Subject: [SPAM]\r\n Lunch\r\n\r\n"),
        ("Subject:\r\n\r\n", "Subject: [SPAM]\r\n\r\n"),
        ("\r\nbody", "Subject: [SPAM]\r\n\r\nbody"),
    ] {
        let marked = String::from_utf8(mark(subject.as_bytes(), &tagged, &policy())).unwrap();
        assert!(marked.ends_with(&format!("X-Spam: Yes\r\n{expected}")), "{marked}");
    }
    let foreign = DefensePolicy { subject_tag: "[Müll]\r\nX: y".to_owned(), ..policy() };
    let marked = String::from_utf8(mark(b"Subject: x\r\n\r\n", &tagged, &foreign)).unwrap();
    assert!(marked.contains("Subject: =?utf-8?b?") && !marked.contains("\r\nX: y"), "{marked}");
}

#[test]
fn the_time_to_scan_grows_with_the_size_alone() {
    // No clock here: what is checked is that the worst inputs known end at all, in a test's time.
    let dashes = format!("{HEADER}Content-Type: multipart/a; boundary=b\r\n\r\n{}", "--\r\n".repeat(300_000));
    let stars = format!("{HEADER}\r\n{}\r\n", "*$".repeat(500_000));
    let escapes = format!("{HEADER}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n", "= ".repeat(300_000));
    let addresses = format!("{HEADER}Cc: {}\r\n\r\n", "a@b.example,\r\n ".repeat(50_000));
    for content in [dashes, stars, escapes, addresses] {
        assert_eq!(verdict(content).virus, None);
    }
}

proptest! {
    #[test]
    fn any_bytes_have_a_verdict(content in proptest::collection::vec(any::<u8>(), 0..500)) {
        let verdict = verdict(content.clone());
        let marked = mark(&content, &verdict, &policy());
        prop_assert!(marked.len() > content.len());
    }

    #[test]
    fn an_attachment_of_any_kind_has_a_verdict(data in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..3u8) {
        let data = match kind { 0 => zip(8, 0, &data), 1 => gzip(&data), _ => data };
        let _ = verdict(attached(&data));
    }
}
