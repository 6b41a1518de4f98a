//! `mailwright-serve policy` as a program, on a directory in PostgreSQL: asked as Postfix asks it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and what it started ends with it"
)]

mod world;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::json;
use world::{World, server};

/// Asks a policy question and returns what is to be done.
fn asked(stream: &mut BufReader<TcpStream>, attributes: &[(&str, &str)]) -> String {
    let lines: String = attributes.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    stream.get_mut().write_all(format!("request=smtpd_access_policy\n{lines}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_line(&mut answer).unwrap();
    stream.read_line(&mut String::new()).unwrap();
    answer.trim().trim_start_matches("action=").to_owned()
}

fn packet(command: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = u32::try_from(data.len() + 1).unwrap().to_be_bytes().to_vec();
    packet.push(command);
    packet.extend_from_slice(data);
    packet
}

/// Sends a message's `From` as a milter is told of it, and returns the verdict.
fn judged(address: &str, login: &str, from: &str) -> String {
    let steps: [(u8, Vec<u8>); 4] = [
        (b'O', b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff".to_vec()),
        (b'D', format!("M{{auth_authen}}\0{login}\0").into_bytes()),
        (b'L', format!("From\0{from}\0").into_bytes()),
        (b'E', Vec::new()),
    ];
    let bytes: Vec<u8> = steps.iter().flat_map(|(command, data)| packet(*command, data)).collect();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut reply = || {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut packet = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut packet).unwrap();
        String::from_utf8_lossy(&packet).trim_end_matches('\0').to_owned()
    };
    assert!(reply().starts_with('O'));
    reply()
}

#[tokio::test]
async fn lists_limits_and_names_are_kept() {
    if !server::is_there() {
        return;
    }
    let world = World::with(&world::roster()).await;
    let database = server::database(world.folder.path()).unwrap();
    let password = world.folder.path().join("password");
    fs::write(&password, "unused\n").unwrap();
    let config = world.folder.path().join("policy.json");
    let settings = json!({
        "version": 1, "policy": "127.0.0.1:0", "sender_check": "127.0.0.1:0", "separator": "+",
        "directory": {
            "host": database.host, "port": database.port, "database": database.database, "user": database.user,
            "password_file": password, "authority": null
        }
    });
    fs::write(&config, settings.to_string()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailwright-serve"))
        .args(["policy", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    log.read_line(&mut ready).unwrap();
    let (policy, check) = ready.trim().trim_start_matches("ready on ").split_once(" and ").unwrap();

    let mut stream = BufReader::new(TcpStream::connect(policy).unwrap());
    for (sender, expected) in [
        ("alice@acme.example", "DUNNO"),
        ("al@acme.example", "DUNNO"),
        ("Guest@outside.example", "DUNNO"),
        ("stranger@outside.example", "550 5.7.1 Access denied"),
        ("", "550 5.7.1 Access denied"),
    ] {
        let question = [("protocol_state", "RCPT"), ("sender", sender), ("recipient", "team@acme.example")];
        assert_eq!(asked(&mut stream, &question), expected, "{sender}");
    }
    let message = |count| {
        [("protocol_state", "END-OF-MESSAGE"), ("sasl_username", "gus@globex.example"), ("recipient_count", count)]
    };
    assert_eq!(asked(&mut stream, &message("249")), "DUNNO");
    let limit = "450 4.7.1 Error: your sending limit is reached, try again later";
    assert_eq!(asked(&mut stream, &message("2")), limit);
    assert_eq!(asked(&mut stream, &message("1")), "DUNNO");
    assert_eq!(asked(&mut stream, &message("1")), limit);
    assert_eq!(asked(&mut stream, &[("protocol_state", "CONNECT")]), "DUNNO");

    for (from, passes) in [
        ("Alice <alice@acme.example>", true),
        ("al+news@acme-mail.example", true),
        ("office@acme.example", false),
        ("\"boss@globex.example\" <alice@acme.example>", false),
    ] {
        let verdict = judged(check, "alice@acme.example", from);
        let refused = verdict.starts_with("y550 5.7.1 Message rejected: ");
        assert_eq!((verdict == "c", refused), (passes, !passes), "{from}: {verdict}");
    }

    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}
