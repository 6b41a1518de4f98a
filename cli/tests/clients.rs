//! Ordinary mail programs use the example platform: Python's mail modules, curl, swaks, mbsync.

mod desk;

use std::process::Command;

use desk::{Desk, has};
use serde_json::Value;

fn door(up: &Value, service: &str) -> String {
    let doors = up["doors"].as_array().expect("doors");
    let door = doors.iter().find(|door| door["service"] == service).unwrap_or_else(|| panic!("no door {service}"));
    format!("{}:{}", door["host"].as_str().expect("host"), door["port"])
}

fn password(up: &Value, address: &str) -> String {
    let accounts = up["accounts"].as_array().expect("accounts");
    let account = accounts.iter().find(|account| account["address"] == address).expect("an account to try");
    account["password"].as_str().expect("a password").to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("an installed program starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed with {}: {text}", output.status);
    text
}

#[test]
fn pythons_mail_modules_find_the_platform_as_promised() {
    if !has("python3") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    let document = desk.path("up.json");
    std::fs::write(&document, up.to_string()).expect("a file on the desk");
    let script = desk::root().join("cli/tests/clients/desk.py");
    let text = run(Command::new("python3").arg("-B").arg(script).env("DESK", &document));
    assert!(text.contains("\nOK"), "{text}");
    println!("{text}");
}

#[test]
fn curl_sends_and_reads() {
    if !has("curl") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    let letter = "From: bob@bigmail.example\r\nTo: alice@acme.example\r\nSubject: by curl\r\n\
                  Message-ID: <curl-1@bigmail.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n";
    let file = desk.path("letter.eml");
    std::fs::write(&file, letter).expect("a file on the desk");
    run(Command::new("curl")
        .args(["--silent", "--show-error", &format!("smtp://{}/bigmail.example", door(&up, "mx"))])
        .args(["--mail-from", "bob@bigmail.example", "--mail-rcpt", "alice@acme.example", "--upload-file"])
        .arg(&file));
    let user = format!("alice@acme.example:{}", password(&up, "alice@acme.example"));
    let authority = up["authority"].as_str().expect("a path");
    let read = |url: String| {
        run(Command::new("curl").args(["--silent", "--show-error", "--cacert", authority, "--user", &user, &url]))
    };
    let mut got = String::new();
    desk::until("the letter is in the inbox", 10, || {
        got = Command::new("curl")
            .args(["--silent", "--cacert", authority, "--user", &user])
            .arg(format!("imaps://{}/INBOX;MAILINDEX=1", door(&up, "imaps")))
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        got.ends_with(letter)
    });
    assert!(read(format!("pop3s://{}/1", door(&up, "pop3s"))).ends_with(letter));
    assert!(read(format!("imaps://{}/", door(&up, "imaps"))).contains("INBOX"));
}

#[test]
fn swaks_signs_in_and_sends_in_every_way() {
    if !has("swaks") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    let secret = password(&up, "alice@acme.example");
    let supported = run(Command::new("swaks").arg("--support"));
    if !supported.lines().any(|line| line.contains("TLS supported")) {
        println!("skipped: this swaks speaks no TLS");
        return;
    }
    for (service, tls) in [("submission", "-tls"), ("submissions", "-tlsc")] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let text = run(Command::new("swaks")
                .args(["--server", &door(&up, service), tls, "--auth", mechanism])
                .args(["--auth-user", "alice@acme.example", "--auth-password", &secret])
                .args(["--from", "alice@acme.example", "--to", "office@acme.example", "--hide-all"]));
            assert!(!text.contains("***"), "{text}");
        }
    }
    let text = run(Command::new("swaks")
        .args(["--server", &door(&up, "mx"), "--from", "bob@bigmail.example", "--to", "alice@acme.example"])
        .args(["--pipeline", "--attach", "@/etc/hostname"]));
    assert!(text.contains("250 2.0.0"), "{text}");
}

#[test]
fn mbsync_copies_a_mailbox_both_ways() {
    if !has("mbsync") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    let address = door(&up, "imaps");
    let (host, port) = address.split_once(':').expect("host and port");
    let mail = desk.path("maildir");
    std::fs::create_dir_all(&mail).expect("a folder");
    let settings = desk.path("mbsyncrc");
    std::fs::write(
        &settings,
        format!(
            "IMAPAccount alice\nHost {host}\nPort {port}\nUser alice@acme.example\nPass \"{}\"\nSSLType IMAPS\n\
             CertificateFile {}\n\nIMAPStore remote\nAccount alice\n\nMaildirStore local\nPath {mail}/\n\
             Inbox {mail}/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :remote:\nNear :local:\nPatterns *\n\
             Create Both\nExpunge Both\nSyncState *\n",
            password(&up, "alice@acme.example"),
            up["authority"].as_str().expect("a path"),
            mail = mail.display(),
        ),
    )
    .expect("a file on the desk");
    let sync = || run(Command::new("mbsync").args(["--config"]).arg(&settings).arg("-V").arg("all"));
    sync();
    let new = mail.join("INBOX/cur");
    std::fs::create_dir_all(&new).expect("a folder");
    let letter = "From: alice@acme.example\nSubject: from the desk\n\nKept here first.\n";
    std::fs::write(new.join("1700000000.1_1.desk:2,S"), letter).expect("a message in the maildir");
    sync();
    let text = sync();
    assert!(!text.to_lowercase().contains("error"), "{text}");
    let other = desk.path("second");
    std::fs::create_dir_all(&other).expect("a folder");
    let again = std::fs::read_to_string(&settings)
        .expect("the settings")
        .replace(&mail.display().to_string(), &other.display().to_string());
    std::fs::write(&settings, again).expect("the settings");
    sync();
    let copies: Vec<_> = ["cur", "new"]
        .iter()
        .filter_map(|part| std::fs::read_dir(other.join("INBOX").join(part)).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .filter(|text| text.contains("Subject: from the desk"))
        .collect();
    assert_eq!(copies.len(), 1);
    assert!(copies.iter().all(|text| text.ends_with("\nKept here first.\n")), "{copies:?}");
}
