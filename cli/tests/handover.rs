//! A whole platform of virtual machines: read with an ordinary client, moved from host to host under it, stored with mail in flight,
//! packed, and gone on from on another desk.

#![expect(clippy::print_stdout, reason = "what was skipped is told, and how long things took")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod desk;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use desk::{Desk, finish, has, until};
use serde_json::Value;

const IDA: &str = "ida@harbour.example";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_str(&well(output)).unwrap()
}

fn port(up: &Value, service: &str) -> u64 {
    let doors = up["doors"].as_array().unwrap();
    doors.iter().find(|door| door["service"] == service).unwrap()["port"].as_u64().unwrap()
}

fn password<'a>(up: &'a Value, address: &str) -> &'a str {
    let accounts = up["accounts"].as_array().unwrap();
    accounts.iter().find(|account| account["address"] == address).unwrap()["password"].as_str().unwrap()
}

fn curl(arguments: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "180"])
        .args(arguments)
        .output()
        .unwrap()
}

/// Returns how many messages of a subject a mailbox holds; `None` where it cannot be asked, as while a machine is still busy.
fn count(up: &Value, service: &str, address: &str, subject: &str) -> Option<usize> {
    let scheme = if service == "imaps" { "imaps" } else { "imap" };
    let url = format!("{scheme}://127.0.0.1:{}/INBOX", port(up, service));
    let user = format!("{address}:{}", password(up, address));
    let search = format!("SEARCH SUBJECT \"{subject}\"");
    let output = curl(&["--user", &user, "--request", &search, &url]);
    if !output.status.success() {
        println!("not yet: {}", said(&output).trim());
        return None;
    }
    let text = well(&output);
    Some(text.lines().filter_map(|line| line.strip_prefix("* SEARCH")).flat_map(str::split_ascii_whitespace).count())
}

fn send(desk: &Desk, url: &str, user: Option<&str>, from: &str, to: &str, subject: &str) {
    let letter = desk.path("letter.eml");
    let text = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@test.example>\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
    );
    fs::write(&letter, text).unwrap();
    let mut arguments = vec![url, "--mail-from", from, "--mail-rcpt", to, "--upload-file", letter.to_str().unwrap()];
    match user {
        Some(user) => arguments.extend(["--user", user]),
        None => arguments.extend(["--interface", "127.18.0.1"]),
    }
    until("the message is taken", 120, || curl(&arguments).status.success());
}

/// Returns how many messages for a recipient wait on the node that sends to the outside.
fn waiting(desk: &Desk, repository: &Path, recipient: &str) -> usize {
    let path = repository.to_str().unwrap();
    let output = desk.call(&["exec", "outbound-1", "--repository", path, "--env", "qa", "--", "postqueue", "-j"]);
    well(&output).lines().filter(|line| line.contains(recipient)).count()
}

/// One test, since machines are emulated where CI runs and every boot counts.
#[test]
fn a_platform_of_machines_moves_is_stored_with_mail_in_flight_and_goes_on_elsewhere_as_it_was() {
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        return println!("skipped: nine machines take minutes where they are emulated (MAILWRIGHT_ALL)");
    }
    let Some(image) = std::env::var("MAILWRIGHT_IMAGE").ok().filter(|image| Path::new(image).join("kernel").exists())
    else {
        return println!("skipped: MAILWRIGHT_IMAGE names no image to boot");
    };
    if !["qemu-system-x86_64", "mkfs.erofs", "mke2fs", "setpriv", "ip", "curl", "python3", "age", "age-keygen"]
        .into_iter()
        .all(has)
    {
        return;
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/net/tun").exists() {
        return println!("skipped: the world around machines takes root and /dev/net/tun");
    }
    let begun = Instant::now();
    let told = |what: &str| println!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
    let mut here = Desk::new();
    let repository = here.copy_of("examples/harbour", "harbour");
    let path = repository.to_str().unwrap().to_owned();
    let address = ["--repository", &path, "--env", "qa"];
    let call = |desk: &Desk, words: &[&str]| desk.call(&[words, &address].concat());
    let machines = ["--backend", "vm", "--image", &image];
    let up = here.up_with(&repository, "qa", &machines);
    told("nine machines are up");
    let mx = format!("smtp://127.0.0.1:{}/bigmail.example", port(&up, "mx"));
    send(&here, &mx, None, "bob@bigmail.example", IDA, "first");
    until("the first message is there", 120, || count(&up, "imaps", IDA, "first") == Some(1));
    told("a message was read over IMAP");

    // Somebody reads while everything moves.
    let (written, enough) = (here.path("up.json"), here.path("enough"));
    fs::write(&written, up.to_string()).unwrap();
    let mut reader = Command::new("python3")
        .arg("-B")
        .arg(desk::root().join("cli/tests/handover/reader.py"))
        .args([written.as_os_str(), IDA.as_ref(), enough.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "signed in");
    let moved = document(&call(&here, &["evacuate", "quay-1", "--json"]));
    let moved = moved["moved"].as_array().unwrap().clone();
    assert!(!moved.is_empty());
    let nodes: Vec<String> = moved.iter().map(|it| it["node"].as_str().unwrap().to_owned()).collect();
    let back = nodes.iter().find(|node| node.starts_with("store") || node.starts_with("access")).unwrap_or(&nodes[0]);
    let again = document(&call(&here, &["move", back, "--to", "quay-1", "--json"]));
    assert_eq!(again["moved"][0]["from"], "quay-2");
    fs::write(&enough, "").unwrap();
    let read: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(finish(reader, 60).status.success());
    let still: Vec<u64> = moved.iter().map(|it| it["still_milliseconds"].as_u64().unwrap()).collect();
    told(&format!("{} moved, standing still for {still:?} ms; the reader: {read}", nodes.join(", ")));
    let refused = call(&here, &["move", back, "--to", "nowhere"]);
    assert!(!refused.status.success() && said(&refused).contains("quay-2"), "{}", said(&refused));

    // A message waits in a queue while all is stored; what comes later is not in it.
    let submission = format!("smtps://127.0.0.1:{}", port(&up, "submissions"));
    let user = format!("{IDA}:{}", password(&up, IDA));
    send(&here, &submission, Some(&user), IDA, "gus@grey.example", "flight");
    until("the message waits", 120, || waiting(&here, &repository, "gus@grey.example") == 1);
    let stored = document(&call(&here, &["snapshot", "save", "evening", "--json"]));
    told(&format!("stored: {} MiB", stored["snapshot"]["bytes"].as_u64().unwrap() >> 20));
    send(&here, &mx, None, "bob@bigmail.example", IDA, "later");
    until("the later message is there", 120, || count(&up, "imaps", IDA, "later") == Some(1));
    well(&here.call(&["down", &path, "--env", "qa"]));

    // Handed over: to whom the key belongs, in one file.
    let key = here.path("key.txt");
    assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
    let text = fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let pack = here.path("harbour.mailwright");
    let file = pack.to_str().unwrap();
    let bare = here.call(&["pack", &path, "--env", "qa", "--out", file]);
    assert_eq!(bare.status.code(), Some(5), "{}", said(&bare));
    let words = ["pack", &path, "--env", "qa", "--secrets-for", public, "--snapshot", "evening", "--out", file];
    well(&here.call(&words));
    told(&format!("packed into {} MiB", fs::metadata(&pack).unwrap().len() >> 20));
    let mut there = Desk::new();
    let into = there.path("taken");
    let words = ["unpack", file, "--into", into.to_str().unwrap(), "--identity", key.to_str().unwrap()];
    let unpacked = there.call(&words);
    assert!(said(&unpacked).contains("--snapshot evening"), "{}", said(&unpacked));
    drop(here);
    let up = there.up_with(&into, "qa", &[&machines[..], &["--snapshot", "evening"]].concat());
    told("it goes on elsewhere");
    until("the mailbox is as it was", 120, || count(&up, "imaps", IDA, "first") == Some(1));
    assert_eq!(count(&up, "imaps", IDA, "later"), Some(0), "that came after it was stored");
    told("the mailbox is as it was");

    // What was in flight arrives, once.
    assert_eq!(waiting(&there, &into, "gus@grey.example"), 1);
    let taken = into.to_str().unwrap();
    let arrived = || count(&up, "internet-imap", "gus@grey.example", "flight");
    until("the message that waited arrives", 240, || {
        let flush = ["exec", "outbound-1", "--repository", taken, "--env", "qa", "--", "postqueue", "-f"];
        well(&there.call(&flush));
        std::thread::park_timeout(std::time::Duration::from_secs(2));
        arrived() > Some(0)
    });
    until("its queue is empty", 120, || waiting(&there, &into, "gus@grey.example") == 0);
    assert_eq!(arrived(), Some(1));
    told("what was in flight has arrived, once");
    well(&there.call(&["down", taken, "--env", "qa"]));

    // What was stored and is not whole any more is refused, and said so.
    let state = there.path("state/mailwright/environments");
    let environment = fs::read_dir(state).unwrap().next().unwrap().unwrap().path();
    let stored = environment.join("snapshots/evening/nodes/mx-1");
    let tear = |name: &str| {
        let file = fs::File::options().write(true).open(stored.join(name)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 2).unwrap();
        file.set_len(if name == "device" { length / 2 } else { length }).unwrap();
    };
    for name in ["device", "memory"] {
        tear(name);
        let refused =
            there.call(&[&["up", taken, "--env", "qa", "--detach", "--snapshot", "evening"], &machines[..]].concat());
        assert!(!refused.status.success());
        assert!(said(&refused).contains("not what was written"), "{}", said(&refused));
    }
    told("what was torn is refused");
}
