//! From nothing to a message read over IMAP: the platform of real daemons, beside a stack written by hand in the same run.
//!
//! `cargo bench -p mailwright --bench platform -- [--root FOLDER] [--rounds N] [--reference DIR [--start COMMAND]
//! [--read COMMAND] [--stop COMMAND]]` as root, with python3. The root file system is the one that `mailwright root` keeps where
//! no folder is named. The commands of the other stack are carried out by a shell in its folder: `--start` begins it, `--read`
//! ends when a message that it sent was read, `--stop` ends it; `$BEGAN` is when it was begun, in seconds of the epoch. The
//! first round of the platform warms what is kept for later ones, and is told apart. What rounds leave is removed at the end:
//! ext4 without a journal makes new files slowly for a minute after many were removed.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(180);

/// What a person does: sends, and looks until it is there. Prints the seconds of each message.
const CLIENT: &str = r#"
import imaplib, json, smtplib, ssl, sys, time
up = json.load(open(sys.argv[1]))
doors = {door["service"]: door["port"] for door in up["doors"]}
account = next(one for one in up["accounts"] if one["kind"] == "mailbox")
def read(subject):
    while True:
        try:
            box = imaplib.IMAP4_SSL("127.0.0.1", doors["imaps"], ssl_context=ssl._create_unverified_context(), timeout=10)
            box.login(account["address"], account["password"])
            for _ in range(50):
                box.select("INBOX", readonly=True)
                found = box.search(None, "SUBJECT", f'"{subject}"')[1][0]
                if found:
                    box.fetch(found.split()[0], "(RFC822)")
                    return
                time.sleep(0.01)
        except (OSError, imaplib.IMAP4.error):
            time.sleep(0.05)
def send(subject):
    while True:
        try:
            with smtplib.SMTP("127.0.0.1", doors["mx"], local_hostname="mx.bigmail.example", timeout=20,
                              source_address=("127.18.0.1", 0)) as mx:
                mx.sendmail("bob@bigmail.example", [account["address"]], f"From: bob@bigmail.example\r\n"
                    f"To: {account['address']}\r\nSubject: {subject}\r\nMessage-ID: <{time.time_ns()}@bigmail.example>\r\n"
                    "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n")
            return
        except (OSError, smtplib.SMTPException):
            time.sleep(0.05)
for number in range(int(sys.argv[2])):
    begun = time.time()
    send(f"bench {number}")
    read(f"bench {number}")
    print(time.time() - begun)
"#;

fn main() {
    let options = options(std::env::args().skip(1));
    if !rustix::process::geteuid().is_root() {
        println!("skipped: namespaces take root");
        return;
    }
    if !Path::new("/usr/bin/python3").exists() {
        println!("skipped: /usr/bin/python3 is not installed");
        return;
    }
    let rounds = options.get("rounds").and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((first, _)) = platform(folder.path(), "first", &options) else { return };
    println!("first start on this root file system: {first:.2} s (what it works out is kept)");
    let (mut own, mut others, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let Some((ours, mut latency)) = platform(folder.path(), &round.to_string(), &options) else { return };
        latencies.append(&mut latency);
        own.push(ours);
        match reference(&options) {
            Some(theirs) => {
                println!(
                    "round {round}: by hand {theirs:5.2} s   mailwright {ours:5.2} s   ratio {:.2}",
                    ours / theirs
                );
                others.push(theirs);
            }
            None => println!("round {round}: mailwright {ours:5.2} s"),
        }
    }
    if !others.is_empty() {
        println!("median ratio mailwright/by hand: {:.2}", median(own.clone()) / median(others));
    }
    println!("median: {:.2} s from nothing to a message read over IMAP", median(own));
    println!("median: {:.0} ms from the first octet sent to a message read, once it is up", median(latencies) * 1e3);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn options(mut arguments: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some(argument) = arguments.next() {
        // Cargo says `--bench` by itself.
        if let Some(name) = argument.strip_prefix("--").filter(|name| *name != "bench") {
            found.insert(name.to_owned(), arguments.next().unwrap_or_default());
        }
    }
    found
}

/// Brings the example up and reads a message; returns the seconds that took, and those of more messages.
fn platform(folder: &Path, name: &str, options: &BTreeMap<String, String>) -> Option<(f64, Vec<f64>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let (state, said, client) = (folder.join(name), folder.join("up.json"), folder.join("client.py"));
    std::fs::write(&client, CLIENT).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailwright"));
    command.arg("up").arg(root.join("examples/northmail")).args(["--env", "qa", "--backend", "namespace", "--json"]);
    if let Some(root) = options.get("root") {
        command.args(["--root", root]);
    }
    let begun = Instant::now();
    let child = command
        .env("XDG_STATE_HOME", &state)
        .stdout(File::create(&said).expect("a file"))
        .stderr(File::create(folder.join("errors")).expect("a file"))
        .spawn()
        .expect("mailwright starts");
    let mut up = Up(child);
    while !std::fs::read_to_string(&said).is_ok_and(|text| text.ends_with("}\n")) {
        let ended = up.0.try_wait().expect("a process of ours");
        if ended.is_some() || begun.elapsed() > PATIENCE {
            println!("skipped: {}", std::fs::read_to_string(folder.join("errors")).unwrap_or_default().trim());
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let messages = |count: &str| -> Vec<f64> {
        let output = Command::new("python3").args([&client, &said]).arg(count).output().expect("python3 starts");
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect()
    };
    let first = messages("1");
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(first.len(), 1, "a message is read");
    let latencies = messages("21").split_off(1);
    drop(up);
    Some((took, latencies))
}

/// An environment that is up, until it is dropped.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// Brings the other stack up and reads a message; returns the seconds that took.
fn reference(options: &BTreeMap<String, String>) -> Option<f64> {
    let folder = PathBuf::from(options.get("reference")?);
    let said = |name: &str, usual: &str| options.get(name).cloned().unwrap_or_else(|| usual.to_owned());
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().to_string();
    let shell = |command: String| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command]).current_dir(&folder).env("BEGAN", &began);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    let begun = Instant::now();
    let started = shell(said("start", "python3 up.py up"));
    let read = "nsenter --net=/run/netns/ctm python3 stack/client.py $BEGAN 10.99.0.9 q";
    let ended = shell(said("read", read));
    let took = begun.elapsed().as_secs_f64();
    let stopped = shell(said("stop", "python3 up.py down"));
    for status in [started, ended, stopped] {
        assert!(status.is_ok_and(|status| status.success()), "a command of the other stack failed");
    }
    Some(took)
}
