//! An environment packed into one file, unpacked elsewhere, and brought up as it was.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod desk;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use desk::{Desk, has, until};
use serde_json::Value;

fn curl(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).output().unwrap();
    (
        output.status.success(),
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    )
}

fn door(up: &Value, service: &str) -> String {
    let doors = up["doors"].as_array().unwrap();
    let door = doors.iter().find(|door| door["service"] == service).unwrap();
    format!("{}:{}", door["host"].as_str().unwrap(), door["port"])
}

fn password(up: &Value) -> String {
    let accounts = up["accounts"].as_array().unwrap();
    let alice = accounts.iter().find(|account| account["address"] == "alice@acme.example").unwrap();
    alice["password"].as_str().unwrap().to_owned()
}

fn read(up: &Value, password: &str) -> (bool, String) {
    curl(&[
        "--cacert",
        up["authority"].as_str().unwrap(),
        "--user",
        &format!("alice@acme.example:{password}"),
        &format!("imaps://{}/INBOX;MAILINDEX=1", door(up, "imaps")),
    ])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Brings the example up, gives it a letter, ends it.
fn with_a_letter(desk: &mut Desk) -> (std::path::PathBuf, String) {
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    let letter = desk.path("letter.eml");
    fs::write(&letter, "From: bob@bigmail.example\r\nTo: alice@acme.example\r\nSubject: packed\r\n\r\nKept words.\r\n")
        .unwrap();
    let (sent, told) = curl(&[
        &format!("smtp://{}/bigmail.example", door(&up, "mx")),
        "--interface",
        "127.18.0.1",
        "--mail-from",
        "bob@bigmail.example",
        "--mail-rcpt",
        "alice@acme.example",
        "--upload-file",
        letter.to_str().unwrap(),
    ]);
    assert!(sent, "{told}");
    let password = password(&up);
    until("the letter is there", 30, || read(&up, &password).1.contains("Kept words."));
    let ended = desk.call(&["down", repository.to_str().unwrap(), "--env", "dev"]);
    assert!(ended.status.success(), "{}", said(&ended));
    (repository, password)
}

#[test]
fn a_packed_environment_is_elsewhere_as_it_was_and_its_secrets_stay_behind() {
    if !has("curl") {
        return;
    }
    let mut here = Desk::new();
    let (repository, old) = with_a_letter(&mut here);
    let pack = here.path("northmail.mailwright");
    let packed = here.call(&["pack", repository.to_str().unwrap(), "--env", "dev", "--out", pack.to_str().unwrap()]);
    assert!(packed.status.success(), "{}", said(&packed));
    assert!(fs::metadata(&pack).unwrap().len() < 512 * 1024);

    let mut there = Desk::new();
    let into = there.path("taken/northmail");
    fs::create_dir(there.path("taken")).unwrap();
    let unpacked = there.call(&["unpack", pack.to_str().unwrap(), "--into", into.to_str().unwrap()]);
    assert!(unpacked.status.success(), "{}", said(&unpacked));
    let up = there.up(&into, "dev");
    let new = password(&up);
    assert_ne!(old, new, "a password travelled in the clear");
    assert!(read(&up, &new).1.contains("Kept words."));
    assert!(!read(&up, &old).0, "the old password still opens the mailbox");
    // A second time there is something in the way.
    let again = there.call(&["unpack", pack.to_str().unwrap(), "--into", into.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
}

#[test]
fn secrets_travel_encrypted_for_those_who_hold_the_key() {
    if !has("curl") || !has("age") || !has("age-keygen") {
        return;
    }
    let mut here = Desk::new();
    let (repository, old) = with_a_letter(&mut here);
    let key = here.path("key.txt");
    let made = Command::new("age-keygen").arg("-o").arg(&key).output().unwrap();
    assert!(made.status.success());
    let text = fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let pack = here.path("northmail.mailwright");
    let (folder, file) = (repository.to_str().unwrap(), pack.to_str().unwrap());
    let packed = here.call(&["pack", folder, "--env", "dev", "--secrets-for", &public, "--out", file]);
    assert!(packed.status.success(), "{}", said(&packed));

    let mut there = Desk::new();
    let into = there.path("northmail");
    let sealed = there.call(&["unpack", file, "--into", into.to_str().unwrap()]);
    assert_eq!(sealed.status.code(), Some(2), "{}", said(&sealed));
    assert!(!into.exists());
    let unpacked = there.call(&["unpack", file, "--into", into.to_str().unwrap(), "--identity", key.to_str().unwrap()]);
    assert!(unpacked.status.success(), "{}", said(&unpacked));
    let up = there.up(&into, "dev");
    assert_eq!(password(&up), old);
    assert!(read(&up, &old).1.contains("Kept words."));
}

#[test]
fn a_pack_that_is_not_whole_leaves_nothing_behind() {
    if !has("curl") {
        return;
    }
    let mut here = Desk::new();
    let (repository, _) = with_a_letter(&mut here);
    let pack = here.path("northmail.mailwright");
    let packed = here.call(&["pack", repository.to_str().unwrap(), "--env", "dev", "--out", pack.to_str().unwrap()]);
    assert!(packed.status.success(), "{}", said(&packed));
    let bytes = fs::read(&pack).unwrap();
    let torn = here.path("torn.mailwright");
    let there = Desk::new();
    for cut in [bytes.len() / 2, bytes.len() - 40, 30, 0] {
        fs::write(&torn, bytes.get(..cut).unwrap()).unwrap();
        let into = there.path("northmail");
        let refused = there.call(&["unpack", torn.to_str().unwrap(), "--into", into.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
        assert!(nothing_in(&there.path("")), "something was left of a torn pack");
    }
}

fn nothing_in(folder: &Path) -> bool {
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.iter().all(|name| !name.to_string_lossy().contains("northmail"))
}
