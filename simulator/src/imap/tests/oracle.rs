//! An independent codec reads what sessions say, and what it writes sessions read.

use std::num::NonZeroU32;

use imap_codec::decode::Decoder;
use imap_codec::encode::{Encoder, Fragment};
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::{AString, Vec1};
use imap_codec::imap_types::fetch::{Macro, MessageDataItemName, Part, Section};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::response::{Response, Status, StatusKind};
use imap_codec::imap_types::search::SearchKey;
use imap_codec::imap_types::status::StatusDataItemName;
use imap_codec::{CommandCodec, ResponseCodec};
use proptest::prelude::*;

use super::Host;

/// Reads everything a session said; panics when the codec cannot.
fn read(said: &[u8]) -> Vec<Response<'_>> {
    let mut rest = said;
    let mut responses = Vec::new();
    while !rest.is_empty() {
        match ResponseCodec::default().decode(rest) {
            Ok((behind, response)) => {
                responses.push(response);
                rest = behind;
            }
            Err(error) => panic!("{error:?} at {:?}", String::from_utf8_lossy(rest)),
        }
    }
    responses
}

fn message(number: usize) -> String {
    let from = ["a@b.example", "\"Q, \\\"x\\\"\" <q@b>", "=?utf-8?q?=C3=BC?= <u@b>", "grüße <g@b>", "x: y@z, w;", ""]
        [number % 6];
    let kind = [
        "text/plain; charset=\"utf-8\"; format=flowed",
        "multipart/mixed; boundary=b",
        "message/rfc822",
        "image/png; name*0=\"a\"; name*1=\"b\"",
        "multipart/alternative; boundary=c",
        "nonsense",
    ][number / 6 % 6];
    format!(
        "From: {from}\nSubject: m{number} \"quoted\" \\ back\nContent-Type: {kind}\nContent-Disposition: attachment; filename=\"ä\"\n\
         Content-Language: de, en\n\n--b\nContent-ID: <1>\n\none\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--b--\n"
    )
}

#[test]
fn every_answer_is_read_by_another_codec() {
    let mut host = Host::new();
    for number in 0..36 {
        host.deliver("INBOX", &message(number));
    }
    let mut session = host.sign_in();
    for line in [
        "a SELECT INBOX",
        "a FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE)",
        "a FETCH 1:* BODY",
        "a FETCH 1:* BODYSTRUCTURE",
        "a FETCH 1:* (BODY[] BODY[HEADER] BODY[1]<2.3> BODY[2.HEADER.FIELDS (Subject \"From\")] BODY[1.MIME])",
        "a FETCH 1:* (RFC822 RFC822.HEADER RFC822.TEXT)",
        "a FETCH 1:* FULL",
        "a LIST \"\" *",
        "a LSUB \"\" *",
        "a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)",
        "a SEARCH ALL",
        "a SORT (SUBJECT) UTF-8 ALL",
        "a THREAD REFERENCES UTF-8 ALL",
        "a STORE 1:3 +FLAGS (\\Deleted $Label)",
        "a COPY 1:2 Trash",
        "a EXPUNGE",
        "a GETQUOTAROOT INBOX",
        "a CAPABILITY",
        "a ENABLE CONDSTORE",
        "a NOSUCH",
        "a LOGOUT",
    ] {
        let said = host.say(&mut session, &format!("{line}\n")).replace("<closed>", "");
        let responses = read(said.as_bytes());
        let is_answered = matches!(responses.last(), Some(Response::Status(Status::Tagged(_))));
        assert!(is_answered, "{line}: {said}");
    }
}

/// Sends a command as the codec writes it and returns how it was answered.
fn ask(host: &mut Host, session: &mut crate::imap::Session, body: CommandBody<'_>) -> StatusKind {
    let command = Command::new("t1", body).expect("a good tag");
    let mut said = Vec::new();
    for fragment in CommandCodec::default().encode(&command) {
        let (Fragment::Line { data } | Fragment::Literal { data, .. }) = fragment;
        said.extend(host.send(session, &data).into_bytes());
    }
    let said: Vec<u8> = String::from_utf8_lossy(&said).replace("+ OK\r\n", "").into_bytes();
    let responses = read(&said);
    match responses.last() {
        Some(Response::Status(Status::Tagged(tagged))) => tagged.body.kind,
        other => panic!("{command:?}: {other:?}"),
    }
}

#[test]
fn commands_of_another_codec_are_understood() {
    let mut host = Host::new();
    for number in 0..4 {
        host.deliver("INBOX", &message(number));
    }
    let mut session = host.sign_in();
    let part = |numbers: &[u32]| {
        let numbers: Vec<NonZeroU32> = numbers.iter().filter_map(|number| NonZeroU32::new(*number)).collect();
        Part(Vec1::try_from(numbers).expect("not empty"))
    };
    let search = vec![
        SearchKey::Not(Box::new(SearchKey::Deleted)),
        SearchKey::Or(Box::new(SearchKey::Seen), Box::new(SearchKey::Larger(1))),
        SearchKey::Text("grüße \"x\" \\".try_into().expect("a good string")),
        SearchKey::Header("x-\"y\"".try_into().expect("a good string"), "".try_into().expect("a good string")),
        SearchKey::Uid("1:*".try_into().expect("a good set")),
    ];
    let bodies = vec![
        CommandBody::create("wo(rk").expect("a good name"),
        CommandBody::select("INBOX").expect("a good name"),
        CommandBody::fetch("1:*", Macro::Full, false).expect("a good set"),
        CommandBody::fetch(
            "1",
            vec![
                MessageDataItemName::BodyExt {
                    section: Some(Section::HeaderFieldsNot(
                        Some(part(&[2])),
                        Vec1::from(AString::try_from("X (odd)").expect("a good field")),
                    )),
                    partial: Some((3, NonZeroU32::new(9).expect("nine"))),
                    peek: true,
                },
                MessageDataItemName::BodyExt {
                    section: Some(Section::Mime(part(&[1, 2]))),
                    partial: None,
                    peek: false,
                },
                MessageDataItemName::BodyExt { section: None, partial: None, peek: false },
            ],
            true,
        )
        .expect("a good set"),
        CommandBody::store(
            "2,*",
            StoreType::Add,
            StoreResponse::Silent,
            vec![Flag::Seen, Flag::try_from("kw").expect("a good flag")],
            false,
        )
        .expect("a good set"),
        CommandBody::search(None, Vec1::try_from(search).expect("not empty"), true),
        CommandBody::copy("1:2", "wo(rk", true).expect("good arguments"),
        CommandBody::status("wo(rk", vec![StatusDataItemName::Messages, StatusDataItemName::UidNext])
            .expect("a good name"),
        CommandBody::append("wo(rk", vec![Flag::Draft], None, "A: b\r\n\r\nc").expect("good arguments"),
        CommandBody::list("", "wo*").expect("good arguments"),
        CommandBody::lsub("", "%").expect("good arguments"),
        CommandBody::subscribe("wo(rk").expect("a good name"),
        CommandBody::rename("wo(rk", "{5}").expect("good names"),
        CommandBody::delete("{5}").expect("a good name"),
        CommandBody::Expunge,
        CommandBody::Check,
        CommandBody::Noop,
        CommandBody::Close,
    ];
    for body in bodies {
        let shown = format!("{body:?}");
        assert_eq!(ask(&mut host, &mut session, body), StatusKind::Ok, "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_message_holds_its_structure_is_read(
        pieces in proptest::collection::vec(prop::sample::select(vec![
            "From: ", "To: ", "Subject: ", "Content-Type: ", "multipart/mixed; boundary=b", "message/rfc822", "text/x; a=\"b\"",
            "Content-Disposition: x; y=z", "Content-Language: ", "Message-ID: ", "a@b", "\"", "\\", "<", ">", "(", ")", ",", ":",
            ";", "=?utf-8?q?x?=", "ü", "\t", " ", "\n", "\n", "\n\n", "--b\n", "--b--\n", "Content-Transfer-Encoding: base64\n",
        ]), 1..40),
    ) {
        let mut host = Host::new();
        host.deliver("INBOX", &format!("X: y\n{}", pieces.concat()));
        let mut session = host.sign_in();
        host.say(&mut session, "s SELECT INBOX\n");
        let said = host.say(&mut session, "a FETCH 1 (ENVELOPE BODYSTRUCTURE BODY BODY[1.MIME] BODY[HEADER.FIELDS (From)])\n");
        let responses = read(said.as_bytes());
        prop_assert_eq!(responses.len(), 2, "{}", said);
    }

    #[test]
    fn whatever_a_name_holds_it_is_listed_as_it_was_made(name in "[ -~ü台]{1,20}") {
        let mut host = Host::new();
        let mut session = host.sign_in();
        let body = CommandBody::create(crate::imap::utf7::encode(&name)).expect("ASCII");
        if ask(&mut host, &mut session, body) == StatusKind::Ok {
            let said = host.say(&mut session, "l LIST \"\" *\n");
            read(said.as_bytes());
            let encoded = crate::imap::utf7::encode(name.strip_suffix('/').unwrap_or(&name));
            let quoted = encoded.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert!(said.contains(&encoded) || said.contains(&quoted), "{}", said);
        }
    }
}
