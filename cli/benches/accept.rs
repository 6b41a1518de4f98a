//! Messages accepted durably from ten sessions, beside Postfix on the same disk in the same run.
//!
//! `cargo bench -p mailwright --bench accept` as root, with Postfix installed. Both answer 250 only after an fsync; the
//! platform also scans each message and delivers it to a mailbox while the next ones come in, Postfix discards it after
//! accepting.
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SESSIONS: usize = 10;
const MESSAGES: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    if !Path::new("/usr/sbin/postfix").exists() {
        println!("skipped: postfix is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let postfix = Postfix::start(&folder.path().join("postfix"));
    let (first_greeting, platform) = Platform::start(folder.path());
    println!("up to the first 220: {first_greeting:.3} s (a new environment: keys, accounts and mailboxes made)");
    println!("idle memory of the process: {:.1} MiB (PSS)", platform.memory_mib());
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let theirs = rate(postfix.port);
        let ours = rate(platform.port);
        ratios.push(ours / theirs);
        println!(
            "round {round}: postfix {theirs:7.0} messages/s   mailwright {ours:7.0} messages/s   ratio {:.2}",
            ours / theirs
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "median ratio mailwright/postfix: {:.2} ({SESSIONS} sessions, {MESSAGES} messages of 4 KiB each)",
        ratios[ROUNDS / 2]
    );
}

fn rate(port: u16) -> f64 {
    let begin = Instant::now();
    let senders: Vec<_> = (0..SESSIONS).map(|_| std::thread::spawn(move || send(port))).collect();
    for sender in senders {
        sender.join().expect("a sender is answered");
    }
    (SESSIONS * MESSAGES) as f64 / begin.elapsed().as_secs_f64()
}

fn send(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut reply = |stream: &mut TcpStream, say: &str, wanted: &str| {
        stream.write_all(say.as_bytes()).expect("the server listens");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("the server answers");
            if line.as_bytes().get(3) != Some(&b'-') {
                assert!(line.starts_with(wanted), "answered {line}");
                return;
            }
        }
    };
    let letter = format!(
        "From: bob@bigmail.example\r\nTo: alice@acme.example\r\nSubject: bench\r\nMessage-ID: <bench@bigmail.example>\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n{}.\r\n",
        "A line of text that is about as long as most lines are.\r\n".repeat(70)
    );
    reply(&mut stream, "", "220");
    reply(&mut stream, "EHLO bigmail.example\r\n", "250");
    for _ in 0..MESSAGES {
        reply(&mut stream, "MAIL FROM:<bob@bigmail.example>\r\n", "250");
        reply(&mut stream, "RCPT TO:<alice@acme.example>\r\n", "250");
        reply(&mut stream, "DATA\r\n", "354");
        reply(&mut stream, &letter, "250");
    }
    reply(&mut stream, "QUIT\r\n", "221");
}

struct Platform {
    child: Child,
    port: u16,
}

impl Platform {
    fn start(folder: &Path) -> (f64, Self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let port = free_port() - 25;
        let repository = folder.join("northmail");
        assert!(
            Command::new("cp")
                .arg("-r")
                .arg(root.join("examples/northmail"))
                .arg(&repository)
                .status()
                .expect("cp")
                .success()
        );
        let dev = repository.join("environments/dev.kdl");
        let text = fs::read_to_string(&dev).expect("the environment");
        let text = text.replace("base-port=2500", &format!("base-port={port}"));
        fs::write(&dev, text).expect("the environment");
        let begin = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_mailwright"))
            .args(["up", repository.to_str().expect("a plain path"), "--backend", "embedded"])
            .env("XDG_STATE_HOME", folder.join("state"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mailwright starts");
        let port = port + 25;
        await_greeting(port);
        (begin.elapsed().as_secs_f64(), Self { child, port })
    }

    fn memory_mib(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Postfix {
    child: Child,
    config: PathBuf,
    port: u16,
}

impl Postfix {
    fn start(folder: &Path) -> Self {
        let port = free_port();
        let (config, queue, data) = (folder.join("etc"), folder.join("spool"), folder.join("data"));
        for path in [&config, &queue, &data] {
            fs::create_dir_all(path).expect("a folder");
        }
        // Its daemons run as another user and must come through the folders above.
        for path in [folder.parent().expect("a folder above"), folder] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        }
        assert!(Command::new("chown").arg("postfix").arg(&data).status().expect("chown").success());
        fs::write(
            config.join("main.cf"),
            format!(
                "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\nmaillog_file = /dev/stdout\n\
                 myhostname = bench.example\nmydestination =\ninet_interfaces = 127.0.0.1\nrelay_domains = acme.example\n\
                 relay_transport = discard:\nsmtpd_relay_restrictions = permit_auth_destination, reject\nalias_maps =\n\
                 smtpd_peername_lookup = no\nrelay_recipient_maps = inline:{{ alice@acme.example=x }}\n",
                queue.display(),
                data.display()
            ),
        )
        .expect("a file");
        fs::write(
            config.join("master.cf"),
            format!(
                "127.0.0.1:{port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n\
                 qmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
                 defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n\
                 flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\ndiscard unix - - n - - discard\n\
                 error unix - - n - - error\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
                 postlog unix-dgram n - n - 1 postlogd\n"
            ),
        )
        .expect("a file");
        let child = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(&config)
            .arg("start-fg")
            .stdout(fs::File::create(folder.join("log")).expect("a file"))
            .stderr(Stdio::null())
            .spawn()
            .expect("postfix starts");
        await_greeting(port);
        Self { child, config, port }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master is not the child but started by it; only Postfix's own verb finds it.
        let _ =
            Command::new("/usr/sbin/postfix").arg("-c").arg(&self.config).arg("stop").stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}

fn await_greeting(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220") {
                return;
            }
        }
        assert!(Instant::now() < deadline, "no greeting on port {port}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
