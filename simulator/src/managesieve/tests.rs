//! Dialogues with both machines.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Effect, Front, Session, Settings};
use crate::Moment;
use crate::directory::{Answer, Identity, Service, SignInRefusal};
use crate::imap::tests::Host;
use crate::journal::Options;
use crate::pop3::FrontEffect;
use crate::store::MailStore;

fn begin(host: &mut Host) -> Session {
    let mut preamble = host.preamble("");
    preamble.service = Service::Sieve;
    let now = host.now;
    let mut session = Session::new(&preamble, now, &mut host.storage());
    assert_eq!(run(host, &mut session), "OK \"Logged in.\"\r\n");
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
fn scripts_are_kept_listed_renamed_and_deleted_as_pigeonhole_does_it() {
    let mut host = Host::new();
    let mut session = begin(&mut host);
    for (line, expected) in [
        ("LISTSCRIPTS", "OK \"Listscripts completed.\""),
        ("HAVESPACE \"x\" 100", "OK \"Putscript would succeed.\""),
        ("HAVESPACE \"x\" 10000000", "NO (QUOTA/MAXSIZE) \"Script is too large (max 1048576 bytes).\""),
        ("HAVESPACE \"a/b\" 100", "NO \"Invalid script name.\""),
        ("PUTSCRIPT \"x\" {5+}\nkeep;", "OK \"PUTSCRIPT completed.\""),
        ("PUTSCRIPT \"q\" \"keep;\"", "OK \"PUTSCRIPT completed.\""),
        ("PUTSCRIPT \"a/b\" \"keep;\"", "NO \"Invalid Sieve script name `a/b'.\""),
        (
            "PUTSCRIPT \"x\" {11+}\nfrop;\nbar;",
            "NO {197}\nx: line 1: error: unknown command 'frop' (only reported once at first occurrence).\n\
             x: line 2: error: unknown command 'bar' (only reported once at first occurrence).\nx: error: validation failed.",
        ),
        ("CHECKSCRIPT \"keep;\"", "OK \"Script checked successfully.\""),
        ("SETACTIVE \"none\"", "NO (NONEXISTENT) \"Sieve script `none' not found\""),
        ("SETACTIVE \"x\"", "OK \"Setactive completed.\""),
        ("LISTSCRIPTS", "\"q\"\n\"x\" ACTIVE\nOK \"Listscripts completed.\""),
        ("DELETESCRIPT \"x\"", "NO (ACTIVE) \"Cannot delete the active Sieve script.\""),
        ("DELETESCRIPT \"none\"", "NO (NONEXISTENT) \"Sieve script `none' not found\""),
        ("GETSCRIPT \"x\"", "{5}\nkeep;\nOK \"Getscript completed.\""),
        ("GETSCRIPT \"none\"", "NO (NONEXISTENT) \"Sieve script `none' not found\""),
        ("RENAMESCRIPT \"x\" \"q\"", "NO (ALREADYEXISTS) \"A sieve script with that name already exists.\""),
        ("RENAMESCRIPT \"x\" \"new\"", "OK \"Renamescript completed.\""),
        ("LISTSCRIPTS", "\"new\" ACTIVE\n\"q\"\nOK \"Listscripts completed.\""),
        ("SETACTIVE \"\"", "OK \"Active script is now deactivated.\""),
        ("DELETESCRIPT \"new\"", "OK \"Deletescript completed.\""),
        ("GETSCRIPT", "NO \"Error in MANAGESIEVE command GETSCRIPT: Missing arguments.\""),
        ("GETSCRIPT x", "NO \"Error in MANAGESIEVE command GETSCRIPT: Invalid arguments.\""),
        ("GETSCRIPT \"x\" \"y\"", "NO \"Error in MANAGESIEVE command GETSCRIPT: Too many arguments.\""),
        ("UNAUTHENTICATE", "NO \"Error in MANAGESIEVE command UNAUTHENTICATE: Unknown command.\""),
        ("NOOP \"hi\"", "OK (TAG \"hi\") \"Done\""),
        (
            "PUTSCRIPT \"inc\" {33+}\nrequire \"include\"; include \"non\";",
            "OK (WARNINGS) {94}\ninc: line 1: warning: included personal script 'non' does not exist (ignored during upload).",
        ),
        ("LOGOUT", "OK \"Logout completed.\"\n<closed>"),
    ] {
        check(&mut host, &mut session, line, expected);
    }
}

#[test]
fn a_script_that_is_too_large_is_refused_and_the_session_goes_on() {
    let mut host = Host::new();
    let mut session = begin(&mut host);
    let script = "#".repeat(2_000_000);
    let answer = say(&mut host, &mut session, &format!("PUTSCRIPT \"x\" {{2000000+}}\n{script}\nNOOP\n"));
    assert!(answer.starts_with("NO (QUOTA/MAXSIZE)") && answer.ends_with("OK \"NOOP Completed\"\r\n"), "{answer}");
}

#[test]
fn scripts_survive_a_crash_a_new_address_and_nothing_else() {
    let mut host = Host::new();
    let mut session = begin(&mut host);
    check(&mut host, &mut session, "PUTSCRIPT \"x\" \"stop;\"", "OK \"PUTSCRIPT completed.\"");
    check(&mut host, &mut session, "SETACTIVE \"x\"", "OK \"Setactive completed.\"");
    let mut storage = host.storage();
    let (mut mail, _) = MailStore::open(storage.disk, Options::STANDARD).unwrap();
    let from = host.preamble("").user;
    let to = "other@acme.example".parse().unwrap();
    storage = host.storage();
    mail.rename_user(storage.disk, &from, &to).unwrap();
    let user = mail.user(&to).unwrap();
    assert_eq!(mail.active_script(user), Some("x"));
    assert_eq!(mail.script(storage.disk, user, "x").unwrap().as_deref(), Some(&b"stop;"[..]));
    mail.remove_user(storage.disk, &to).unwrap();
    let user = mail.enter(storage.disk, 0, &to, None).unwrap();
    assert_eq!(mail.scripts(user), []);
}

fn front(plaintext_login: bool) -> Front {
    let settings = Settings { greeting: "ready".to_owned(), plaintext_login, refusal_delay: 0 };
    Front::new(Arc::new(settings), "192.0.2.1".parse().unwrap(), false, Moment(0))
}

fn told(front: &mut Front) -> String {
    let mut said = String::new();
    while let Some(effect) = front.next_effect() {
        match effect {
            FrontEffect::Reply(bytes) => said.push_str(&String::from_utf8_lossy(&bytes)),
            FrontEffect::StartTls => said.push_str("<tls>"),
            FrontEffect::SignIn { user, password } => said.push_str(&format!("<{user} {}>", password.0)),
            FrontEffect::HandOver { rest, .. } => said.push_str(&format!("<over {}>", String::from_utf8_lossy(&rest))),
            FrontEffect::Close => said.push_str("<closed>"),
        }
    }
    said.replace("\r\n", "\n")
}

#[test]
fn nobody_signs_in_before_tls_and_whoever_does_is_handed_over() {
    let mut front = front(false);
    let greeting = told(&mut front);
    assert!(greeting.starts_with("\"IMPLEMENTATION\"") && greeting.ends_with("\"VERSION\" \"1.0\"\nOK \"ready\"\n"));
    assert!(greeting.contains("\"SASL\" \"\"\n\"STARTTLS\"\n") && greeting.contains("fileinto reject envelope"));
    front.receive(Moment(0), b"AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n");
    assert!(told(&mut front).starts_with("NO (ENCRYPT-NEEDED)"));
    front.receive(Moment(0), b"STARTTLS\r\nCAPABILITY\r\n");
    assert_eq!(told(&mut front), "OK \"Begin TLS negotiation now.\"\n<tls>");
    front.secured();
    let again = told(&mut front);
    assert!(
        again.contains("\"SASL\" \"PLAIN\"\n\"VERSION\"") && again.ends_with("OK \"TLS negotiation successful.\"\n")
    );
    front.receive(Moment(0), b"AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg==\r\nLISTSCRIPTS\r\n");
    assert_eq!(told(&mut front), "<a b>");
    front.complete(Moment(0), Answer::SignIn(Err(SignInRefusal::ServiceOff)));
    assert!(told(&mut front).starts_with("NO \"ManageSieve is switched off for this mailbox.\"\n"));
    front.receive(Moment(0), b"AUTHENTICATE \"PLAIN\"\r\n");
    assert_eq!(told(&mut front), "\"\"\n");
    front.receive(Moment(0), b"\"AGEAYg==\"\r\nLISTSCRIPTS\r\n");
    let identity = Identity {
        mailbox: "a@acme.example".parse().unwrap(),
        store: "store-1".to_owned(),
        quota: None,
        senders: Vec::new(),
    };
    front.complete(Moment(0), Answer::SignIn(Ok(identity)));
    assert_eq!(told(&mut front), "<a b><over LISTSCRIPTS\n>");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn foreign_bytes_never_panic_and_are_answered_alike_in_any_pieces(
        bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'+'), Just(b'}'), Just(b'\r'), Just(b'\n'), Just(b'3'), Just(b' '), any::<u8>()], 0..200),
        piece in 1usize..20,
    ) {
        let answers = |piece: usize| {
            let mut front = front(true);
            for part in bytes.chunks(piece) {
                front.receive(Moment(0), part);
            }
            told(&mut front)
        };
        prop_assert_eq!(answers(piece), answers(bytes.len().max(1)));
    }

    #[test]
    fn a_session_takes_any_words(words in proptest::collection::vec(prop_oneof![
        Just("PUTSCRIPT"), Just("GETSCRIPT"), Just("SETACTIVE"), Just("RENAMESCRIPT"), Just("DELETESCRIPT"), Just("\"x\""),
        Just("\"y\""), Just("{5+}\r\nkeep;"), Just("\r\n"), Just("\"frop;\""), Just("LISTSCRIPTS"), Just("12"),
    ], 0..40)) {
        let mut host = Host::new();
        let mut session = begin(&mut host);
        let text = words.join(" ") + "\r\n";
        let now = host.now;
        session.receive(now, text.as_bytes(), &mut host.storage());
        let said = run(&mut host, &mut session);
        prop_assert!(said.is_empty() || said.ends_with("\r\n") || said.ends_with("<closed>"), "{said:?}");
    }
}
