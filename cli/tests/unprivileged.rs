//! Virtual machines for somebody who is not root: brought up, entered, stored, gone on with and ended, by the words that root says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod desk;

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use desk::{Desk, has};
use serde_json::Value;

/// Whom no file of the machine belongs to.
const NOBODY: u32 = 65_534;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Returns what the first node for mail greets with at its door.
fn greeting(up: &Value) -> String {
    let mut doors = up["doors"].as_array().into_iter().flatten();
    let port = doors.find(|door| door["service"] == "mx").and_then(|door| door["port"].as_u64()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn machines_take_no_root() {
    let Some(image) = std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from) else {
        return println!("skipped: MAILWRIGHT_IMAGE names no image to boot");
    };
    if !["qemu-system-x86_64", "mkfs.erofs", "mke2fs", "setpriv", "unshare", "ip"].into_iter().all(has) {
        return;
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/net/tun").exists() {
        return println!("skipped: becoming somebody else takes root, and machines take /dev/net/tun");
    }
    let user = NOBODY.to_string();
    let mut apart = Command::new("setpriv");
    apart.args([
        &format!("--reuid={user}"),
        "--clear-groups",
        "--",
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "true",
    ]);
    if !apart.status().is_ok_and(|status| status.success()) {
        return println!("skipped: users may make no namespaces here");
    }
    let mut desk = Desk::new();
    let repository = desk.copy_of("examples/harbour", "harbour");
    // The image itself may lie where nobody else may look.
    let kept = desk.path("images").join(image.file_name().unwrap());
    desk::copy(&image, &kept);
    desk.lend_to(NOBODY);
    let (repository, kept) = (repository.to_str().unwrap().to_owned(), kept.to_str().unwrap().to_owned());

    let up = desk.up_with(Path::new(&repository), "qa", &["--backend", "vm", "--image", &kept, "--timings"]);
    assert_eq!(up["backend"], "vm");
    let events: Vec<&str> = up["timings"].as_array().unwrap().iter().filter_map(|it| it["event"].as_str()).collect();
    let whole = ["environment begins", "nodes are begun", "every daemon behind a door is ready", "every door answers"];
    assert_eq!(events.iter().copied().filter(|event| whole.contains(event)).collect::<Vec<_>>(), whole);
    let first = greeting(&up);
    assert!(first.starts_with("220 mx-1."), "{first}");
    let address = ["--repository", &repository, "--env", "qa"];
    let version = desk.call(&[&["exec", "mx-1"][..], &address, &["--", "id", "-u"]].concat());
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), "0", "{}", said(&version));

    let stored = desk.call(&[&["snapshot", "save", "one"][..], &address].concat());
    assert!(stored.status.success(), "{}", said(&stored));
    let ended = desk.call(&["down", &repository, "--env", "qa"]);
    assert!(ended.status.success(), "{}", said(&ended));
    let again = desk.call(&[&["snapshot", "restore", "one", "--image", &kept, "--json"][..], &address].concat());
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(greeting(&serde_json::from_slice(&again.stdout).unwrap()), first);
}
