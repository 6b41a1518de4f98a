//! `mailwright lsp`: a language server on stdin and stdout.
//!
//! One thread reads, one thinks. What a place means is [`spec::editor`]'s business; here are the protocol and the open documents.

mod answers;
mod framing;
mod server;
mod snapshot;
mod uri;
mod workspace;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use framing::Incoming;
use serde_json::Value;
use server::{Next, Server};

use crate::failure::{Exit, Failure};

/// Problems that are found so fast are told at each keystroke.
const AT_ONCE: Duration = Duration::from_millis(25);
/// Nobody waits for the others while typing; they are told when nothing was typed for so long,
const QUIET: Duration = Duration::from_millis(120);
/// and at the latest after so long.
const LATEST: Duration = Duration::from_secs(1);
/// Messages that wait while one is answered.
const WAITING: usize = 64;

/// Answer an editor's questions (Language Server Protocol 3.17, over stdin and stdout).
///
/// Ends with 0 after `shutdown` and `exit`, with 1 when the editor goes away without them.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  Helix, in languages.toml:\n  \
    [language-server.mailwright]\n  command = \"mailwright\"\n  args = [\"lsp\"]")]
pub(crate) struct Arguments {
    /// Editors pass it to say how they speak; it is the only way.
    #[arg(long)]
    stdio: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let _ = arguments.stdio;
    let (sender, receiver) = sync_channel(WAITING);
    // It waits for the editor, and ends with the process.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(incoming) = framing::read(&mut input) {
            let end = incoming == Incoming::End;
            if sender.send(incoming).is_err() || end {
                break;
            }
        }
    });
    Ok(serve(&receiver, &mut io::stdout().lock())?)
}

/// Answers until the editor is gone.
fn serve(receiver: &Receiver<Incoming>, output: &mut impl Write) -> io::Result<Exit> {
    let mut server = Server::new();
    let mut since: Option<Instant> = None;
    let mut took = Duration::ZERO;
    let diagnose = |server: &mut Server, took: &mut Duration| {
        let begin = Instant::now();
        let out = server.diagnose();
        *took = begin.elapsed();
        out
    };
    loop {
        // What waits already is taken first: only the newest text is looked at.
        let quiet = if took <= AT_ONCE { Duration::ZERO } else { QUIET };
        let incoming = match since {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => receiver.recv_timeout(quiet.min(LATEST.saturating_sub(since.elapsed()))),
        };
        let mut out: Vec<Value> = Vec::new();
        let next = match incoming {
            Ok(Incoming::Message(message)) => server.receive(&message, &mut out),
            Ok(Incoming::Malformed(reason)) => {
                out.push(Server::malformed(&reason));
                Next::Go
            }
            Ok(Incoming::End) | Err(RecvTimeoutError::Disconnected) => Next::End { announced: false },
            Err(RecvTimeoutError::Timeout) => {
                out = diagnose(&mut server, &mut took);
                Next::Go
            }
        };
        for message in &out {
            framing::write(output, message)?;
        }
        // Who types without a pause is told all the same.
        if since.is_some_and(|since| since.elapsed() >= LATEST) && server.stale && next == Next::Go {
            for message in &diagnose(&mut server, &mut took) {
                framing::write(output, message)?;
            }
        }
        if let Next::End { announced } = next {
            return Ok(if announced { Exit::Done } else { Exit::Problems });
        }
        since = if server.stale { since.or(Some(Instant::now())) } else { None };
    }
}
