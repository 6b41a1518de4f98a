//! Commands inside a machine, as whoever wants one run sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::machine::{ENTRY, short};
use crate::node::{Answer, Ask};

/// Runs a command inside a machine and waits for its end. Whoever else has one running is waited for first.
///
/// - `machine`: the machine's folder.
/// - `input`: what it reads, if anything.
/// - `output`: told what it writes: 1 for standard output, 2 for standard error, and the bytes.
/// - Returns: its status.
pub(crate) fn run_inside(
    machine: &Path,
    command: &[String],
    input: Option<Box<dyn Read + Send>>,
    output: &mut dyn FnMut(u8, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<i32> {
    let (_held, path) = short(machine, ENTRY).map_err(std::io::Error::other)?;
    let stream = UnixStream::connect(path)?;
    let mut chance = [0; 8];
    let _ = aws_lc_rs::rand::fill(&mut chance);
    let number = u64::from_be_bytes(chance);
    let mut asks = stream.try_clone()?;
    // What a caller before may have left half-written ends here.
    asks.write_all(b"\n")?;
    say(&mut asks, &Ask::Run { call: number, command: command.to_vec() })?;
    let feed = move || {
        let mut bytes = vec![0; 16_384];
        if let Some(mut input) = input {
            while let Ok(length @ 1..) = input.read(&mut bytes) {
                let bytes = STANDARD.encode(bytes.get(..length).unwrap_or_default());
                if say(&mut asks, &Ask::Input { call: number, bytes }).is_err() {
                    return;
                }
            }
        }
        let _ = say(&mut asks, &Ask::Input { call: number, bytes: String::new() });
    };
    // It waits for input that may never come, and ends with this process.
    std::thread::Builder::new().name("input".to_owned()).spawn(feed)?;
    for line in BufReader::new(stream).split(b'\n') {
        match serde_json::from_slice(&line?) {
            Ok(Answer::Output { call, stream, bytes }) if call == number => {
                output(stream, &STANDARD.decode(bytes).unwrap_or_default())?;
            }
            Ok(Answer::Ended { call, status }) if call == number => return Ok(status),
            // Of another call, or cut short by it.
            _ => {}
        }
    }
    Err(std::io::Error::other("the machine ended"))
}

/// Runs a command inside a machine with this process's standard input and outputs.
///
/// - `machine`: the machine's folder.
/// - Returns: its status.
pub fn enter(machine: &Path, command: &[String]) -> std::io::Result<i32> {
    let mut output = |stream, bytes: &[u8]| match stream {
        1 => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        _ => std::io::stderr().write_all(bytes),
    };
    run_inside(machine, command, Some(Box::new(std::io::stdin())), &mut output)
}

fn say(to: &mut UnixStream, ask: &Ask) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    to.write_all(&line)
}
