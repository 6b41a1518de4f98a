//! Calls of the `git` program, each with a limit on what it may say and how long it may take.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How git ended.
pub(crate) enum Answer {
    /// It did what was asked, and printed this.
    Done(Vec<u8>),
    /// It refused, and said why; perhaps in no words.
    Refused(String),
    /// It printed more than it may.
    TooMuch,
}

/// A call of git.
pub(crate) struct Call<'c> {
    /// The folder it is about: a work tree, or a bare repository.
    pub(crate) folder: &'c Path,
    /// Whether the folder is a bare repository of ours.
    pub(crate) bare: bool,
    /// What is asked.
    pub(crate) arguments: &'c [&'c str],
    /// What it reads.
    pub(crate) input: Option<&'c str>,
    /// The most bytes it may print.
    pub(crate) limit: u64,
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// Variables that git sets where it calls itself, as in a hook; the repository is the one that was named.
const SET_BY_GIT: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];
/// The largest file that git may write, in blocks of 512 bytes: a repository larger than 2 GiB holds no specification.
const LARGEST_FILE: &str = "4194304";

impl Call<'_> {
    /// Calls git and waits for its end.
    pub(crate) fn run(&self) -> std::io::Result<Answer> {
        let mut command = Command::new("sh");
        // A limit that git and what it starts inherit; there is no other way to bound what a server sends.
        command.args(["-c", "ulimit -f \"$1\" 2>/dev/null; shift; exec git \"$@\"", "git", LARGEST_FILE]);
        if self.bare {
            command.arg(OsStr::new("--git-dir")).arg(self.folder);
        } else {
            command.arg("-C").arg(self.folder);
        }
        for name in SET_BY_GIT {
            command.env_remove(name);
        }
        let mut child = command
            .args(self.arguments)
            .env("GIT_TERMINAL_PROMPT", "0")
            // Transports that start a program of the address's choice are never used.
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
            .env("LC_ALL", "C")
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Each pipe has a thread of its own, so that nobody waits for somebody else's full pipe.
        let writer = child.stdin.take().zip(self.input.map(str::to_owned)).map(|(mut pipe, text)| {
            std::thread::spawn(move || {
                // Git ending early shows in its exit code.
                let _ = pipe.write_all(text.as_bytes());
            })
        });
        let reader = |pipe: Option<Box<dyn Read + Send>>, limit: u64| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(pipe) = pipe {
                    let _ = pipe.take(limit).read_to_end(&mut bytes);
                }
                bytes
            })
        };
        let out = reader(child.stdout.take().map(|pipe| Box::new(pipe) as _), self.limit.saturating_add(1));
        let said = reader(child.stderr.take().map(|pipe| Box::new(pipe) as _), 64 * 1024);
        let deadline = Instant::now() + self.patience;
        let mut wait = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::park_timeout(wait);
            wait = (wait * 2).min(Duration::from_millis(20));
        };
        let Some(status) = status else {
            return Ok(Answer::Refused(format!("it did not answer within {} s", self.patience.as_secs())));
        };
        let (out, said) = (out.join().unwrap_or_default(), said.join().unwrap_or_default());
        if let Some(writer) = writer {
            let _ = writer.join();
        }
        if out.len() as u64 > self.limit {
            return Ok(Answer::TooMuch);
        }
        if status.success() {
            return Ok(Answer::Done(out));
        }
        let said = String::from_utf8_lossy(&said);
        // A signal 25 (SIGXFSZ) is our own limit.
        if said.contains("signal 25") || said.contains("File too large") {
            return Ok(Answer::Refused("the repository is larger than 2 GiB".to_owned()));
        }
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Ok(Answer::Refused(lines.join("; ")))
    }
}
