//! A stream of messages, the program killed in the middle of it: what was answered 250 is there, once.

mod desk;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use desk::{Desk, has, until};
use serde_json::Value;

const SENDERS: usize = 6;
const ROUNDS: usize = 3;

fn port(up: &Value, service: &str) -> u16 {
    let doors = up["doors"].as_array().expect("doors");
    let door = doors.iter().find(|door| door["service"] == service).expect("the door");
    u16::try_from(door["port"].as_u64().expect("a port")).expect("a port")
}

/// Sends until the connection dies; every subject that was answered 250 after DATA is noted.
fn send_until_it_dies(port: u16, name: String, answered: &Mutex<Vec<String>>) {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    let mut reply = |stream: &mut TcpStream, say: &str| -> Option<String> {
        stream.write_all(say.as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line);
            }
        }
    };
    if reply(&mut stream, "").is_none() || reply(&mut stream, "EHLO bigmail.example\r\n").is_none() {
        return;
    }
    for number in 0.. {
        let subject = format!("{name}-{number}");
        let letter = format!(
            "From: bob@bigmail.example\r\nTo: alice@acme.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@bigmail.example>\r\n\
             Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n{}\r\n.\r\n",
            "text ".repeat(400)
        );
        for command in ["MAIL FROM:<bob@bigmail.example>\r\n", "RCPT TO:<alice@acme.example>\r\n", "DATA\r\n"] {
            match reply(&mut stream, command) {
                Some(answer) if answer.starts_with('2') || answer.starts_with('3') => {}
                _ => return,
            }
        }
        match reply(&mut stream, &letter) {
            Some(answer) if answer.starts_with("250") => answered.lock().expect("no panic").push(subject),
            _ => return,
        }
    }
}

/// Returns how often each subject stands in the user's folders.
fn subjects(up: &Value, desk: &Desk) -> BTreeMap<String, usize> {
    let document = desk.path("up.json");
    std::fs::write(&document, up.to_string()).expect("a file on the desk");
    let script = "import json,os,sys\nsys.path.insert(0, os.environ['CLIENTS'])\nimport desk\n\
        c=desk.imap('alice@acme.example')\nfor f in ('INBOX','Spam'):\n  if c.select(f,readonly=True)[0]!='OK': continue\n  \
        for p in c.fetch('1:*','(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[1]:\n    \
        if isinstance(p,tuple): print(p[1].decode().split(':',1)[1].strip().replace('[SPAM] ',''))\n";
    let output = Command::new("python3")
        .args(["-B", "-c", script])
        .env("DESK", &document)
        .env("CLIENTS", desk::root().join("cli/tests/clients"))
        .output()
        .expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        *found.entry(line.to_owned()).or_default() += 1;
    }
    found
}

fn kill(desk: &Desk, repository: &Path) {
    let pid = desk.pid(repository, "dev");
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill starts");
    assert!(killed.success());
    until("the killed process is gone", 10, || !Path::new(&format!("/proc/{pid}")).exists() || is_zombie(pid));
}

fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn what_was_answered_250_is_there_once_after_kill_9() {
    if !has("python3") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut up = desk.up(&repository, "dev");
    for round in 0..ROUNDS {
        let port = port(&up, "mx");
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let answered = Arc::clone(&answered);
                std::thread::spawn(move || send_until_it_dies(port, format!("r{round}s{sender}"), &answered))
            })
            .collect();
        let wanted = (round + 1) * 60;
        until("messages are answered", 60, || answered.lock().expect("no panic").len() >= wanted);
        kill(&desk, &repository);
        for sender in senders {
            sender.join().expect("a sender never panics");
        }
        up = desk.up(&repository, "dev");
    }
    let answered = answered.lock().expect("no panic").clone();
    let mut found = BTreeMap::new();
    until("every answered message is in the mailbox", 60, || {
        found = subjects(&up, &desk);
        answered.iter().all(|subject| found.contains_key(subject))
    });
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered more than once: {twice:?}");
    println!("{} messages answered 250 over {ROUNDS} kills; all there, once", answered.len());
}
