//! Commands inside a virtual machine, asked for on a port of their own: a line of JSON each way for everything that happens.
//!
//! One command runs at a time. Each has a number that who asks has chosen; what belongs to another number is passed over, so
//! that a caller who has left in the middle disturbs nobody.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::machine::both;
use super::supervisor::Event;

/// How long a port that is not connected is left alone, at first; looks grow rarer while nobody comes.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest: looks every [`PAUSE`] were most of what an emulated machine at rest did.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Run a command; whatever ran before is ended.
    Run {
        /// The call's number.
        call: u64,
        /// A program and its arguments.
        command: Vec<String>,
    },
    /// Bytes for its standard input, in Base64; none for its end.
    Input {
        /// The call's number.
        call: u64,
        /// The bytes.
        bytes: String,
    },
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// It wrote to standard output (1) or standard error (2).
    Output {
        /// The call's number.
        call: u64,
        /// 1 or 2.
        stream: u8,
        /// What it wrote, in Base64.
        bytes: String,
    },
    /// It ended with that status; 127 when it could not be started.
    Ended {
        /// The call's number.
        call: u64,
        /// As a shell has it.
        status: i32,
    },
}

/// A command that the supervisor is to start, since all processes of the machine are its own to reap.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) command: Command,
    /// Told the process, or why there is none.
    pub(super) started: Sender<std::io::Result<Child>>,
    /// Told how it ended.
    pub(super) ended: Sender<i32>,
}

/// Listens on a port; a machine where that fails does without.
pub(super) fn listen(port: PathBuf, events: Sender<Event>) {
    let serve = move || serve(&port, &events);
    let _ = std::thread::Builder::new().name("runs".to_owned()).spawn(serve);
}

type Out = Arc<Mutex<File>>;

fn serve(port: &Path, events: &Sender<Event>) {
    let Some((read, write)) = both(port) else { return };
    let out: Out = Arc::new(Mutex::new(write));
    let mut lines = BufReader::new(read);
    let mut line = String::new();
    let mut running: Option<(u64, u32, Option<ChildStdin>)> = None;
    let mut pause = PAUSE;
    loop {
        match lines.read_line(&mut line) {
            Ok(0) | Err(_) => {
                line.clear();
                std::thread::sleep(pause);
                pause = (pause * 5 / 4).min(LONGEST_PAUSE);
                continue;
            }
            Ok(_) => pause = PAUSE,
        }
        let ask = serde_json::from_str(&line);
        line.clear();
        match ask {
            Ok(Ask::Run { call, command }) => {
                if let Some((_, process, _)) = running.take() {
                    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
                    // It may have ended long ago, which is what is wanted.
                    let _ = process.map(|pid| rustix::process::kill_process_group(pid, rustix::process::Signal::KILL));
                }
                match begin(&command, call, &out, events) {
                    Ok((process, input)) => running = Some((call, process, input)),
                    Err(error) => {
                        let text = format!("{}: {error}\n", command.first().map_or("", String::as_str));
                        say(&out, &Answer::Output { call, stream: 2, bytes: STANDARD.encode(text) });
                        say(&out, &Answer::Ended { call, status: 127 });
                    }
                }
            }
            Ok(Ask::Input { call, bytes }) => {
                if let Some((known, _, input)) = running.as_mut()
                    && *known == call
                {
                    let bytes = STANDARD.decode(bytes).unwrap_or_default();
                    let well = input.as_mut().is_some_and(|input| input.write_all(&bytes).is_ok());
                    if bytes.is_empty() || !well {
                        *input = None;
                    }
                }
            }
            Err(_) => {}
        }
    }
}

fn begin(
    command: &[String],
    call: u64,
    out: &Out,
    events: &Sender<Event>,
) -> std::io::Result<(u32, Option<ChildStdin>)> {
    use std::os::unix::process::CommandExt as _;
    let (program, arguments) = command.split_first().ok_or_else(|| std::io::Error::other("no command is given"))?;
    // A shell's own search for programs needs a PATH in this process, which has none.
    let mut made = Command::new("/usr/bin/env");
    made.args([
        "-i",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "LANG=C.UTF-8",
    ])
    .arg(program)
    .args(arguments)
    .current_dir("/")
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .process_group(0);
    let (started, start) = std::sync::mpsc::channel();
    let (ended, end) = std::sync::mpsc::channel();
    let gone = || std::io::Error::other("the node is ending");
    events.send(Event::Asked(Box::new(Run { command: made, started, ended }))).map_err(|_| gone())?;
    let mut child = start.recv().map_err(|_| gone())??;
    let streams = [
        child.stdout.take().map(|pipe| pass(pipe, call, 1, out)),
        child.stderr.take().map(|pipe| pass(pipe, call, 2, out)),
    ];
    let out = Arc::clone(out);
    let finish = move || {
        let status = end.recv().unwrap_or(255);
        for stream in streams.into_iter().flatten().flatten() {
            let _ = stream.join();
        }
        say(&out, &Answer::Ended { call, status });
    };
    std::thread::Builder::new().name("end".to_owned()).spawn(finish)?;
    Ok((child.id(), child.stdin.take()))
}

fn pass(mut from: impl Read + Send + 'static, call: u64, stream: u8, out: &Out) -> Option<std::thread::JoinHandle<()>> {
    let out = Arc::clone(out);
    let copy = move || {
        let mut bytes = vec![0; 16_384];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let bytes = STANDARD.encode(bytes.get(..length).unwrap_or_default());
            say(&out, &Answer::Output { call, stream, bytes });
        }
    };
    std::thread::Builder::new().name("output".to_owned()).spawn(copy).ok()
}

fn say(out: &Out, answer: &Answer) {
    let Ok(mut line) = serde_json::to_vec(answer) else { return };
    line.push(b'\n');
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = out.write_all(&line);
}
