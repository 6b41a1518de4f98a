//! Whole environments on loopback: real sockets, real files, a platform made by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls::pki_types::ServerName;

use crate::state::OpenDoor;
use crate::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn request(state: &Path, environment: &str) -> LaunchRequest {
    let (mut blueprint, roster, mut launch) = fixture::platform();
    blueprint.environment = environment.parse().unwrap();
    launch.environment = environment.parse().unwrap();
    LaunchRequest {
        state: StateRoot::new(state),
        repository: state.to_owned(),
        blueprint,
        roster,
        launch,
        bundle: Default::default(),
        backend: None,
        seed: 1,
        variables: Default::default(),
        program: Default::default(),
        root: None,
        image: None,
        snapshot: None,
        boot: blueprint::ledger::Boot::Lean,
        cache: Default::default(),
        packages: Default::default(),
        patience: None,
    }
}

fn up(state: &Path) -> Running {
    launch(request(state, "dev"), &()).unwrap_or_else(|failure| panic!("{failure:?}"))
}

fn door<'d>(description: &'d Description, service: &str) -> &'d DescribedDoor {
    description.doors.iter().find(|door| door.service == service).unwrap()
}

fn password(description: &Description, address: &str) -> String {
    let account = description.accounts.iter().find(|account| account.address == address).unwrap();
    account.password.clone().unwrap()
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A client that reads lines and gives up after a while.
struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    fn connect(description: &Description, service: &str) -> Self {
        let door = door(description, service);
        let stream = TcpStream::connect(SocketAddr::new(door.host, door.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        match door.tls {
            blueprint::platform::Tls::Implicit => {
                Self { stream: BufReader::new(Box::new(secured(stream, description))) }
            }
            _ => Self { stream: BufReader::new(Box::new(stream)) },
        }
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Sends an SMTP command and returns the last line of the reply.
    fn smtp(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n"));
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends an IMAP command and returns everything up to the tagged line, with it.
    fn imap(&mut self, command: &str) -> Vec<String> {
        self.send(&format!("t {command}\r\n"));
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            assert!(!line.starts_with("* BYE") || command == "LOGOUT", "{line}");
            let done = line.starts_with("t ");
            lines.push(line);
            if done {
                return lines;
            }
        }
    }
}

fn secured(stream: TcpStream, description: &Description) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let folder = Path::new(&description.authority).parent().unwrap();
    let trust = embedded::trust(folder).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::clone(&trust), name).unwrap(), stream)
}

/// Hands a message in at the mx, as an outside sender does, and returns the answer to the end of DATA.
fn deliver(description: &Description, to: &str, subject: &str) -> String {
    let mut client = Client::connect(description, "mx");
    assert!(client.reply().starts_with("220 "));
    assert!(client.smtp("EHLO outside.bigmail.example").starts_with("250 "));
    assert!(client.smtp("MAIL FROM:<bob@bigmail.example>").starts_with("250 "));
    let recipient = client.smtp(&format!("RCPT TO:<{to}>"));
    if !recipient.starts_with("250 ") {
        return recipient;
    }
    assert!(client.smtp("DATA").starts_with("354 "));
    client.send(&message("bob@bigmail.example", to, subject));
    let answer = client.smtp(".");
    client.smtp("QUIT");
    answer
}

fn message(from: &str, to: &str, subject: &str) -> String {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{subject}@test.example>\r\n\r\nHello, this is {subject}.\r\n"
    )
}

/// Signs in to IMAP and opens the inbox.
fn inbox(description: &Description, service: &str, address: &str) -> Client {
    let mut client = Client::connect(description, service);
    assert!(client.line().starts_with("* OK"));
    let password = password(description, address);
    let answer = client.imap(&format!("LOGIN {address} {password}"));
    assert!(answer.last().unwrap().starts_with("t OK"), "{answer:?}");
    let answer = client.imap("SELECT INBOX");
    assert!(answer.last().unwrap().starts_with("t OK"), "{answer:?}");
    client
}

/// Returns the subjects in an inbox once there are so many, sorted.
fn subjects(description: &Description, service: &str, address: &str, at_least: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = inbox(description, service, address);
        let lines = client.imap("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        let mut subjects: Vec<String> =
            lines.iter().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect();
        if subjects.len() >= at_least || Instant::now() > deadline {
            subjects.sort();
            return subjects;
        }
    }
}

#[test]
fn a_message_handed_in_at_the_mx_is_read_over_imap_as_it_was_sent() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let description = running.description().clone();
    assert_eq!(description.state, State::Ready);
    let answer = deliver(&description, "alice@acme.example", "first");
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(subjects(&description, "imaps", "alice@acme.example", 1), ["first"]);
    let mut client = inbox(&description, "imaps", "alice@acme.example");
    let whole = client.imap("FETCH 1 BODY.PEEK[]").join("\r\n");
    assert!(whole.contains(message("bob@bigmail.example", "alice@acme.example", "first").trim_end()), "{whole}");
    assert!(deliver(&description, "nobody@acme.example", "second").starts_with("550 "));
    running.stop().unwrap();
}

#[test]
fn a_user_signs_in_after_starttls_and_reaches_another_tenant_and_the_simulated_internet() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let description = running.description().clone();
    let mut client = Client::connect(&description, "submission");
    assert!(client.reply().starts_with("220 "));
    client.smtp("EHLO desk.example");
    // What is injected behind STARTTLS in the same packet must never be carried out.
    client.send("STARTTLS\r\nNOOP injected\r\n");
    assert!(client.reply().starts_with("220 "));
    let injected = client.stream.buffer().to_vec();
    assert!(injected.is_empty(), "{:?}", String::from_utf8_lossy(&injected));
    // The client that injected cannot go on; one that did not can.
    let mut stream = plain(&description, "submission");
    exchange(&mut stream, "");
    exchange(&mut stream, "EHLO desk.example\r\n");
    assert!(exchange(&mut stream, "STARTTLS\r\n").starts_with("220"));
    let secure = secured(stream, &description);
    let mut client = Client { stream: BufReader::new(Box::new(secure)) };
    assert!(client.smtp("EHLO desk.example").starts_with("250 "));
    assert!(client.smtp(&plain_sign_in("alice@acme.example", "wrong")).starts_with("535 "));
    let alice = password(&description, "alice@acme.example");
    assert!(client.smtp(&plain_sign_in("alice@acme.example", &alice)).starts_with("235 "));
    for to in ["carol@globex.example", "bob@bigmail.example"] {
        assert!(client.smtp("MAIL FROM:<alice@acme.example>").starts_with("250 "));
        assert!(client.smtp(&format!("RCPT TO:<{to}>")).starts_with("250 "));
        assert!(client.smtp("DATA").starts_with("354 "));
        client.send(&message("alice@acme.example", to, "outgoing"));
        let answer = client.smtp(".");
        assert!(answer.starts_with("250 "), "{answer}");
    }
    assert_eq!(subjects(&description, "imaps", "carol@globex.example", 1), ["outgoing"]);
    assert_eq!(subjects(&description, "internet-imap", "bob@bigmail.example", 1), ["outgoing"]);
    running.stop().unwrap();
}

fn plain(description: &Description, service: &str) -> TcpStream {
    let door = door(description, service);
    let stream = TcpStream::connect(SocketAddr::new(door.host, door.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a command without reading ahead, and returns the last line of the reply.
fn exchange(stream: &mut TcpStream, command: &str) -> String {
    stream.write_all(command.as_bytes()).unwrap();
    loop {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        if line.get(3) != Some(&b'-') {
            return String::from_utf8_lossy(&line).into_owned();
        }
    }
}

fn plain_sign_in(user: &str, password: &str) -> String {
    let secret = base64::prelude::BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
    format!("AUTH PLAIN {secret}")
}

#[test]
fn what_was_answered_is_there_once_after_an_end_without_warning() {
    let state = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let mut ports = Vec::new();
    let base = request(state.path(), "dev").launch.base_port;
    let up = |state: &Path| {
        let mut wanted = request(state, "dev");
        wanted.launch.base_port = base;
        launch(wanted, &()).unwrap_or_else(|failure| panic!("{failure:?}"))
    };
    for life in 0..4 {
        let running = up(state.path());
        let description = running.description().clone();
        let now: Vec<u16> = description.doors.iter().map(|door| door.port).collect();
        if life > 0 {
            assert_eq!(now, ports, "doors keep their ports");
        }
        ports = now;
        for number in 0..5 {
            let subject = format!("life-{life}-{number}");
            assert!(deliver(&description, "alice@acme.example", &subject).starts_with("250 "));
            expected.push(subject);
        }
        // Dropped, not stopped: deliveries from the queue to the store are cut off wherever they are.
        drop(running);
    }
    let running = up(state.path());
    let found = subjects(running.description(), "imaps", "alice@acme.example", expected.len());
    assert_eq!(found, expected);
    running.stop().unwrap();
}

#[test]
fn two_environments_stand_side_by_side() {
    let state = tempfile::tempdir().unwrap();
    let one = launch(request(state.path(), "dev"), &()).unwrap();
    let mut second = request(state.path(), "qa");
    second.launch.base_port = door(one.description(), "mx").port - 25;
    let other = launch(second, &()).unwrap();
    let mut ports: Vec<u16> =
        [&one, &other].iter().flat_map(|running| &running.description().doors).map(|door| door.port).collect();
    let all = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), all);
    assert!(deliver(other.description(), "alice@acme.example", "other").starts_with("250 "));
    assert!(deliver(one.description(), "alice@acme.example", "one").starts_with("250 "));
    assert_eq!(subjects(one.description(), "imaps", "alice@acme.example", 1), ["one"]);
    assert_eq!(subjects(other.description(), "imaps", "alice@acme.example", 1), ["other"]);
    assert_ne!(password(one.description(), "alice@acme.example"), password(other.description(), "alice@acme.example"));
    let listed = list(&StateRoot::new(state.path())).unwrap();
    assert_eq!(listed.len(), 2);
    one.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn others_find_an_environment_ask_after_it_and_read_its_log() {
    let state = tempfile::tempdir().unwrap();
    let root = StateRoot::new(state.path());
    let identity = Identity::new(state.path(), "dev");
    assert!(find(&root, &identity).unwrap().is_none());
    let running = up(state.path());
    let refused = launch(request(state.path(), "dev"), &()).err().unwrap();
    assert!(matches!(refused, Failure::Lock(_)), "{refused:?}");
    let found = find(&root, &identity).unwrap().unwrap();
    assert_eq!(found.process(), Some(std::process::id()));
    let status = found.status().unwrap();
    assert_eq!(status.state, State::Ready);
    assert!(status.doors.iter().all(|door| door.answers == Some(true)), "{:?}", status.doors);
    assert_eq!(&status.accounts, &running.description().accounts);
    assert!(matches!(found.reset(), Err(Failure::Lock(_))));
    let ready = await_ready(&root, &identity, std::process::id(), &mut || None, Duration::from_secs(5)).unwrap();
    assert_eq!(ready.doors, running.description().doors);
    running.stop().unwrap();
    let found = find(&root, &identity).unwrap().unwrap();
    assert_eq!(found.status().unwrap().state, State::Stopped);
    assert_eq!(found.stop(Duration::from_secs(1)).unwrap(), Stopped::WasDown);
    let mut lines = Vec::new();
    let mut each = |line: &str| {
        lines.push(line.to_owned());
        std::ops::ControlFlow::Continue(())
    };
    found.log_lines(false, &mut each).unwrap();
    assert!(lines.iter().any(|line| line.contains("door opened")), "{lines:?}");
    let secrets: Vec<String> = status.accounts.iter().filter_map(|account| account.password.clone()).collect();
    assert!(lines.iter().all(|line| secrets.iter().all(|secret| !line.contains(secret.as_str()))));
}

#[test]
fn a_reset_takes_the_mail_and_keeps_the_passwords() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let before = running.description().clone();
    assert!(deliver(&before, "alice@acme.example", "gone").starts_with("250 "));
    running.stop().unwrap();
    let found = find(&StateRoot::new(state.path()), &Identity::new(state.path(), "dev")).unwrap().unwrap();
    found.reset().unwrap();
    let running = up(state.path());
    assert_eq!(running.description().accounts, before.accounts);
    assert_eq!(running.description().authority, before.authority);
    assert!(deliver(running.description(), "alice@acme.example", "new").starts_with("250 "));
    assert_eq!(subjects(running.description(), "imaps", "alice@acme.example", 1), ["new"]);
    running.stop().unwrap();
}

#[test]
fn a_journal_that_cannot_be_understood_is_refused_by_name_and_recorded() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    for number in 0..3 {
        assert!(deliver(running.description(), "alice@acme.example", &format!("m{number}")).starts_with("250 "));
    }
    assert_eq!(subjects(running.description(), "imaps", "alice@acme.example", 3).len(), 3);
    let folder = running.folder().clone();
    running.stop().unwrap();
    let disk = folder.node("store-1").join("store");
    // Another role's journal is whole, and means nothing here.
    let segment = |disk: &Path| {
        let mut files = std::fs::read_dir(disk).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.file_name().unwrap() != ".sealed").unwrap()
    };
    std::fs::remove_file(disk.join(".sealed")).unwrap();
    std::fs::copy(segment(&folder.node("mx-1").join("mx")), segment(&disk)).unwrap();
    let failure = launch(request(state.path(), "dev"), &()).err().unwrap();
    assert!(matches!(&failure, Failure::Recover { node, .. } if node == "store-1"), "{failure:?}");
    assert!(failure.help().contains(disk.to_str().unwrap()), "{}", failure.help());
    let found = find(&StateRoot::new(state.path()), &Identity::new(state.path(), "dev")).unwrap().unwrap();
    let description = found.description().unwrap();
    assert_eq!(description.state, State::Failed);
    assert!(description.reason.unwrap().contains("store-1"));
}

#[test]
fn mail_that_went_bad_after_a_clean_end_is_told_and_not_mended_away() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    assert!(deliver(running.description(), "alice@acme.example", "precious").starts_with("250 "));
    assert_eq!(subjects(running.description(), "imaps", "alice@acme.example", 1), ["precious"]);
    let disk = running.folder().node("store-1").join("store");
    running.stop().unwrap();
    let journals = || std::fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().path());
    let segment = journals().find(|path| path.file_name().unwrap() != ".sealed").unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let mut bad = whole.clone();
    bad[60] ^= 1;
    std::fs::write(&segment, &bad).unwrap();
    let failure = launch(request(state.path(), "dev"), &()).err().unwrap();
    assert!(
        matches!(&failure, Failure::Recover { node, reason, .. } if node == "store-1" && reason.contains("cleanly"))
    );
    assert_eq!(std::fs::read(&segment).unwrap(), bad, "nothing was touched");
    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let failure = launch(request(state.path(), "dev"), &()).err().unwrap();
    assert!(matches!(&failure, Failure::Recover { reason, .. } if reason.contains("has less now")), "{failure:?}");
    std::fs::write(&segment, &whole).unwrap();
    let running = up(state.path());
    assert_eq!(subjects(running.description(), "imaps", "alice@acme.example", 1), ["precious"]);
    running.stop().unwrap();
}

#[test]
fn a_backend_that_is_not_there_yet_is_refused_with_the_one_that_is() {
    let state = tempfile::tempdir().unwrap();
    let mut wanted = request(state.path(), "dev");
    wanted.backend = Some("fleet".to_owned());
    let failure = launch(wanted, &()).err().unwrap();
    assert!(failure.help().contains("--backend embedded"), "{}", failure.help());
    let mut wanted = request(state.path(), "dev");
    wanted.backend = Some("cloud".to_owned());
    assert!(launch(wanted, &()).err().unwrap().help().contains("embedded, namespace"));
    assert!(find(&StateRoot::new(state.path()), &Identity::new(state.path(), "dev")).unwrap().is_none());
}

#[test]
fn a_client_that_closes_its_half_after_talking_gets_every_reply() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let mut stream = plain(running.description(), "mx");
    let text = message("bob@bigmail.example", "alice@acme.example", "pipelined");
    exchange(&mut stream, "");
    exchange(&mut stream, "EHLO outside.example\r\n");
    let all = "MAIL FROM:<bob@bigmail.example>\r\nRCPT TO:<alice@acme.example>\r\nDATA\r\n";
    stream.write_all(all.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while !line.starts_with("354") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    stream.write_all(format!("{text}.\r\nQUIT\r\n").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("250 "), "{rest}");
    running.stop().unwrap();
}

#[test]
fn the_web_doors_speak_http_over_tls() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    for service in ["api", "console"] {
        let door = door(running.description(), service);
        assert_eq!(door.url.as_deref(), Some(format!("https://127.0.0.1:{}/", door.port).as_str()));
        let mut client = Client::connect(running.description(), service);
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(client.line().starts_with("HTTP/1.1 "));
    }
    running.stop().unwrap();
}

#[test]
fn the_dns_door_answers_by_datagram_and_by_stream() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let door = door(running.description(), "dns");
    let address = SocketAddr::new(door.host, door.port);
    // RFC 1035 §4.1: one question for the MX of acme.example.
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["acme", "example"] {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 15, 0, 1]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&question, address).unwrap();
    let mut answer = [0; 1500];
    let (length, _) = socket.recv_from(&mut answer).unwrap();
    let datagram = &answer[..length];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut streamed = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut streamed).unwrap();
    assert_eq!(streamed, datagram);
    assert_eq!(datagram[..2], [0x12, 0x34]);
    assert!(datagram.windows(5).any(|window| window == b"\x02mx\x01a"));
    running.stop().unwrap();
}

#[test]
fn the_api_knows_what_a_mailbox_holds() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let description = running.description();
    assert!(deliver(description, "alice@acme.example", "counted").starts_with("250 "));
    assert_eq!(subjects(description, "imaps", "alice@acme.example", 1), ["counted"]);
    let answer = oma(description, "get_user", r#""user":"alice@acme.example""#);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["metadata"]["quota"]["messages_used"], 1, "{answer}");
    running.stop().unwrap();
}

/// Calls a method of the provisioning API as the admin of `acme`.
fn oma(description: &Description, method: &str, fields: &str) -> serde_json::Value {
    let password = password(description, "admin@acme.adm");
    let body = format!(r#"{{"credentials":{{"user":"admin@acme.adm","password":"{password}"}},{fields}}}"#);
    let mut client = Client::connect(description, "api");
    client.send(&format!(
        "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let mut answer = Vec::new();
    // The end of TLS may come without a farewell.
    let _ = client.stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_mailbox_made_through_the_api_can_be_used_at_once_and_a_deleted_one_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let running = up(state.path());
    let description = running.description();
    assert!(deliver(description, "dora@acme.example", "early").starts_with("550 "));
    let made =
        oma(description, "change_user", r#""user":"dora@acme.example","attributes":{"password":"open-sesame-1"}"#);
    assert_eq!(made["success"], true, "{made}");
    assert!(deliver(description, "dora@acme.example", "welcome").starts_with("250 "));
    let mut client = Client::connect(description, "imaps");
    client.line();
    let answer = client.imap("LOGIN dora@acme.example \"open-sesame-1\"");
    assert!(answer.last().unwrap().starts_with("t OK"), "{answer:?}");
    let gone = oma(description, "delete_user", r#""user":"dora@acme.example""#);
    assert_eq!(gone["success"], true, "{gone}");
    assert!(deliver(description, "dora@acme.example", "late").starts_with("550 "));
    running.stop().unwrap();
}

/// Returns the subjects in an inbox made through the API, for one who signs in with `open-sesame-1`.
fn made_inbox(description: &Description, address: &str) -> Vec<String> {
    let mut client = Client::connect(description, "imaps");
    client.line();
    let answer = client.imap(&format!("LOGIN {address} \"open-sesame-1\""));
    assert!(answer.last().unwrap().starts_with("t OK"), "{answer:?}");
    client.imap("SELECT INBOX");
    let found = client.imap("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    found.iter().filter_map(|line| line.strip_prefix("Subject: ")).map(|it| it.trim().to_owned()).collect()
}

#[test]
fn a_mailbox_made_again_is_empty_and_a_restored_one_has_its_mail() {
    let state = tempfile::tempdir().unwrap();
    let call = |description: &Description, method: &str, more: &str| {
        let answer = oma(description, method, &format!(r#""user":"dora@acme.example"{more}"#));
        assert_eq!(answer["success"], true, "{method}: {answer}");
    };
    let create = r#","attributes":{"password":"open-sesame-1"},"create_only":true"#;
    // A letter that was taken is delivered a little later.
    let filled = |description: &Description, expected: &[&str]| {
        let begun = Instant::now();
        while made_inbox(description, "dora@acme.example") != expected {
            assert!(begun.elapsed() < PATIENCE, "{:?}", made_inbox(description, "dora@acme.example"));
        }
    };
    let running = up(state.path());
    let description = running.description().clone();
    call(&description, "change_user", create);
    assert!(deliver(&description, "dora@acme.example", "to the first").starts_with("250 "));
    filled(&description, &["to the first"]);
    call(&description, "delete_user", "");
    call(&description, "change_user", create);
    assert_eq!(made_inbox(&description, "dora@acme.example"), Vec::<String>::new());
    assert!(deliver(&description, "dora@acme.example", "to the second").starts_with("250 "));
    filled(&description, &["to the second"]);
    call(&description, "delete_user", "");
    let search = r#""criteria":{"domain":"acme.example","deleted":true}"#;
    let found = oma(&description, "search_users", search);
    let mut ids: Vec<i64> = found["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["id"].as_i64().or_else(|| user["id"].as_str()?.parse().ok()).unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids.len(), 2, "{found}");
    call(&description, "restore_user", &format!(r#","id":{}"#, ids[0]));
    assert_eq!(made_inbox(&description, "dora@acme.example"), ["to the first"]);
    // All of it is durable, whatever happens next.
    drop(running);
    let running = up(state.path());
    let description = running.description().clone();
    assert_eq!(made_inbox(&description, "dora@acme.example"), ["to the first"]);
    call(&description, "delete_user", "");
    call(&description, "restore_user", &format!(r#","id":{}"#, ids[1]));
    assert_eq!(made_inbox(&description, "dora@acme.example"), ["to the second"]);
    running.stop().unwrap();
}

#[test]
fn a_door_that_leads_nowhere_is_left_out_with_a_reason_and_disturbs_no_other() {
    struct Told(std::sync::Mutex<Vec<Step>>);
    impl Progress for Told {
        fn step(&self, step: &Step) {
            self.0.lock().unwrap().push(step.clone());
        }
    }
    let state = tempfile::tempdir().unwrap();
    let mut wanted = request(state.path(), "dev");
    let mut nowhere = wanted.launch.doors[0].clone();
    nowhere.service = "telnet".to_owned();
    nowhere.protocol = "telnet".to_owned();
    nowhere.port = 4190;
    wanted.launch.doors.insert(0, nowhere);
    let told = Told(std::sync::Mutex::default());
    let running = launch(wanted, &told).unwrap_or_else(|failure| panic!("{failure:?}"));
    let left_out = |step: &Step| matches!(step, Step::DoorLeftOut { service, .. } if service == "telnet");
    let steps = told.0.lock().unwrap().clone();
    assert!(steps.iter().any(left_out), "{steps:?}");
    assert_eq!(steps.last(), Some(&Step::Ready));
    assert!(running.description().doors.iter().all(|door| door.service != "telnet"));
    assert!(deliver(running.description(), "alice@acme.example", "straight").starts_with("250 "));
    running.stop().unwrap();
}

#[test]
fn an_open_door_has_the_form_that_programs_rely_on() {
    let open = OpenDoor {
        service: "mx".to_owned(),
        protocol: "smtp".to_owned(),
        tls: blueprint::platform::Tls::Starttls,
        host: "127.0.0.1".parse().unwrap(),
        port: 2525,
        node: "mx-1".to_owned(),
        url: None,
    };
    let described = serde_json::to_string(&DescribedDoor::from(open)).unwrap();
    assert_eq!(
        described,
        r#"{"service":"mx","protocol":"smtp","tls":"starttls","host":"127.0.0.1","port":2525,"node":"mx-1"}"#
    );
}
