//! Virtual machines: from nothing to a message read over IMAP, the same from a snapshot, the memory of a node, and every node's config
//! disk made anew; beside machines of another stack in the same run.
//!
//! `cargo bench -p mailwright --bench machines -- --image FOLDER [--repository FOLDER] [--env NAME] [--boot lean|stock] [--rounds N]
//! [--program FILE] [--reference DIR --start COMMAND [--stop COMMAND]]` as root, with python3 and QEMU. The image is a folder that `mailwright image
//! build` made, the repository `examples/harbour` where none is named. `--start` is carried out by a shell in the other stack's
//! folder and ends when its first message was read. Figures are those of whole processes, and the first round is not told
//! apart: what a machine reads is in the page cache or it is not. `--program` measures another `mailwright` than this build's.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long machines are left alone before their memory is looked at.
const REST: Duration = Duration::from_secs(20);

/// Sends a message from outside where one is wanted, and reads one.
const CLIENT: &str = r#"
import imaplib, json, smtplib, ssl, sys, time
up = json.load(open(sys.argv[1]))
doors = {door["service"]: door["port"] for door in up["doors"]}
account = next(one for one in up["accounts"] if one["kind"] == "mailbox")
def patiently(deed):
    while True:
        try:
            return deed()
        except (OSError, imaplib.IMAP4.error, smtplib.SMTPException):
            time.sleep(0.05)
def send():
    with smtplib.SMTP("127.0.0.1", doors["mx"], local_hostname="mx.bigmail.example", timeout=60, source_address=("127.18.0.1", 0)) as mx:
        mx.sendmail("bob@bigmail.example", [account["address"]], f"From: bob@bigmail.example\r\nTo: {account['address']}\r\n"
            f"Subject: bench\r\nMessage-ID: <{time.time_ns()}@bigmail.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n")
def read():
    box = imaplib.IMAP4_SSL("127.0.0.1", doors["imaps"], ssl_context=ssl._create_unverified_context(), timeout=60)
    box.login(account["address"], account["password"])
    box.select("INBOX", readonly=True)
    found = box.search(None, "SUBJECT", "bench")[1][0].split()
    if not found:
        raise imaplib.IMAP4.error("not yet")
    box.fetch(found[0], "(RFC822)")
if sys.argv[2] == "send":
    patiently(send)
patiently(read)
"#;

struct Bench {
    folder: tempfile::TempDir,
    options: BTreeMap<String, String>,
}

fn main() {
    let mut options = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        // Cargo says `--bench` by itself.
        if let Some(name) = argument.strip_prefix("--").filter(|name| *name != "bench") {
            options.insert(name.to_owned(), arguments.next().unwrap_or_default());
        }
    }
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: the world around machines takes root");
    }
    let bench = Bench { folder: tempfile::tempdir().expect("a temporary folder"), options };
    if bench.option("image").is_none_or(|image| !Path::new(image).join("kernel").exists()) {
        return println!("skipped: --image names no folder of an image");
    }
    std::fs::write(bench.path("client.py"), CLIENT).expect("a file");
    println!("{:<60} {:>10}", "what", "figure");
    let disks = bench.disks();
    row("every node's files rendered and written, nothing built", &format!("{disks:.2} s"));
    let rounds = bench.option("rounds").and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for round in 1..=rounds {
        bench.round(round);
    }
}

fn row(what: &str, figure: &str) {
    println!("{what:<60} {figure:>10}");
}

impl Bench {
    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn repository(&self) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        self.option("repository").map_or_else(|| root.join("examples/harbour"), PathBuf::from)
    }

    /// Calls the program, and returns how long it took.
    fn call(&self, words: &[&str]) -> (f64, Output) {
        let begun = Instant::now();
        let output = Command::new(self.option("program").unwrap_or(env!("CARGO_BIN_EXE_mailwright")))
            .args(words)
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null())
            .output()
            .expect("mailwright starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (begun.elapsed().as_secs_f64(), output)
    }

    fn disks(&self) -> f64 {
        let (repository, out) = (self.repository(), self.path("built"));
        let environment = self.option("env").unwrap_or("qa");
        let words = ["build", text(&repository), "--env", environment, "--out", text(&out)];
        let _ = self.call(&words);
        self.call(&words).0
    }

    fn client(&self, what: &str) {
        let script = self.path("client.py");
        let status = Command::new("python3").arg(script).arg(self.path("up.json")).arg(what).status();
        assert!(status.expect("python3 starts").success(), "a message is read");
    }

    fn round(&self, round: u32) {
        let repository = self.repository();
        let (repository, environment) = (text(&repository), self.option("env").unwrap_or("qa"));
        let (image, boot) = (self.option("image").unwrap_or_default(), self.option("boot").unwrap_or("lean"));
        let _ = std::fs::remove_dir_all(self.path("state"));
        let begun = Instant::now();
        let words = ["up", repository, "--env", environment, "--backend", "vm", "--image", image, "--boot", boot];
        let (_, said) = self.call(&[&words[..], &["--detach", "--json"]].concat());
        std::fs::write(self.path("up.json"), said.stdout).expect("a file");
        self.client("send");
        let cold = begun.elapsed().as_secs_f64();
        row(&format!("round {round}: cold ({boot}), nothing to a message read over IMAP"), &format!("{cold:.1} s"));
        Memory::at_rest(&self.path("state")).told(&format!("round {round}"));
        let address = ["--repository", repository, "--env", environment];
        let (saved, _) = self.call(&[&["snapshot", "save", "bench"][..], &address].concat());
        row(&format!("round {round}: stored while it runs"), &format!("{saved:.1} s"));
        self.call(&["down", repository, "--env", environment]);
        let begun = Instant::now();
        let (restored, said) = self.call(&[&words[..], &["--snapshot", "bench", "--detach", "--json"]].concat());
        std::fs::write(self.path("up.json"), said.stdout).expect("a file");
        row(&format!("round {round}: from the snapshot, every door answers"), &format!("{restored:.1} s"));
        self.client("read");
        let read = begun.elapsed().as_secs_f64();
        row(&format!("round {round}: from the snapshot to a message read over IMAP"), &format!("{read:.1} s"));
        Memory::at_rest(&self.path("state")).told(&format!("round {round}, after that"));
        self.call(&["down", repository, "--env", environment]);
        self.reference(round);
    }

    /// Has the other stack brought up.
    fn reference(&self, round: u32) {
        let (Some(folder), Some(start)) = (self.option("reference"), self.option("start")) else { return };
        let shell = |command: &str| {
            let begun = Instant::now();
            let status =
                Command::new("/bin/sh").args(["-c", command]).current_dir(folder).stdin(Stdio::null()).status();
            assert!(status.is_ok_and(|status| status.success()), "{command} failed");
            begun.elapsed().as_secs_f64()
        };
        row(&format!("round {round}: the other stack, nothing to a message read"), &format!("{:.1} s", shell(start)));
        if let Some(stop) = self.option("stop") {
            let _ = shell(stop);
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// What machines take here, in MiB; what they share is counted once.
struct Memory {
    machines: u64,
    /// What the guests use as theirs.
    guests: u64,
    /// QEMU itself, with what it translates.
    emulators: u64,
    /// What guests' memory takes whether QEMU has looked at it or not: it has not at most of what a snapshot gave back.
    held: u64,
}

impl Memory {
    /// Waits until machines have given back what they no longer need, which they do some seconds after they have come up.
    ///
    /// - `state`: the folder that they run below.
    fn at_rest(state: &Path) -> Self {
        std::thread::sleep(REST);
        let (mut machines, mut guests, mut emulators, mut held) = (0, 0, 0, 0);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let is_ours = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(state));
            if !name.starts_with("qemu-system-x86") || !is_ours {
                continue;
            }
            machines += 1;
            for file in std::fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
                let is_memory = |target: PathBuf| target.to_string_lossy().starts_with("/memfd:memory");
                if std::fs::read_link(file.path()).is_ok_and(is_memory) {
                    held += std::fs::metadata(file.path()).map_or(0, |about| about.blocks() * 512);
                    break;
                }
            }
            let mut guest = false;
            for line in std::fs::read_to_string(entry.path().join("smaps")).unwrap_or_default().lines() {
                let mut words = line.split_ascii_whitespace();
                let first = words.next().unwrap_or_default();
                if first == "Pss:" {
                    let kibibytes: u64 = words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
                    *(if guest { &mut guests } else { &mut emulators }) += kibibytes;
                } else if first.contains('-') {
                    guest = line.contains("memfd:");
                }
            }
        }
        Self { machines, guests: guests >> 10, emulators: emulators >> 10, held: held >> 20 }
    }

    fn told(&self, when: &str) {
        let each = |whole: u64| whole / self.machines.max(1);
        let (guest, emulator) = (each(self.guests), each(self.emulators));
        row(&format!("{when}: memory a node (PSS, {} nodes)", self.machines), &format!("{} MiB", guest + emulator));
        row(&format!("{when}: of it the guest's, and QEMU's own"), &format!("{guest} + {emulator}"));
        row(&format!("{when}: a guest's memory, touched since or not"), &format!("{} MiB", each(self.held)));
    }
}
