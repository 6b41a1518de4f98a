//! Who starts machines: a thread that lasts as long as the environment, since a machine ends with the thread that has started it.
//!
//! Source: prctl(2), `PR_SET_PDEATHSIG`: the parent that matters is the thread.

use std::io::{Error, Result};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

/// A command, and who waits for its process.
type Wanted = (Command, Sender<Result<Child>>);

/// Starts processes that end with the environment. Dropped, it ends them.
pub(super) struct Starter(Mutex<Sender<Wanted>>);

impl Starter {
    pub(super) fn new() -> Result<Self> {
        let (wants, wanted) = channel::<Wanted>();
        let start = move || {
            for (mut command, waits) in wanted {
                let _ = waits.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("starter".to_owned()).spawn(start)?;
        Ok(Self(Mutex::new(wants)))
    }

    /// Starts a process.
    pub(super) fn start(&self, command: Command) -> Result<Child> {
        let (told, hears) = channel();
        let gone = |_| Error::other("the thread that starts machines is gone");
        let wants = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        wants.send((command, told)).map_err(|_| Error::other("the thread that starts machines is gone"))?;
        hears.recv().map_err(gone)?
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const LOOK: Duration = Duration::from_millis(5);

    /// What would not hold for a process that the thread itself had started.
    #[test]
    fn a_process_outlasts_the_thread_that_wanted_it_and_ends_with_the_starter() {
        let starter = Starter::new().unwrap();
        let wanted = || {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--", "sleep", "600"]).stdin(Stdio::null());
            starter.start(command).unwrap()
        };
        let mut child = std::thread::scope(|scope| scope.spawn(wanted).join().unwrap());
        // It has said whose end is its own before it becomes what was wanted.
        let begun = Instant::now();
        let is_there = || std::fs::read(format!("/proc/{}/comm", child.id())).is_ok_and(|name| name == b"sleep\n");
        while !is_there() {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::park_timeout(LOOK);
        }
        std::thread::park_timeout(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none());
        drop(starter);
        let begun = Instant::now();
        let ended = loop {
            match child.try_wait().unwrap() {
                None if begun.elapsed() < PATIENCE => std::thread::park_timeout(LOOK),
                ended => break ended,
            }
        };
        // One that goes on in spite of it is not left behind.
        let _ = child.kill();
        assert_eq!(ended.and_then(|status| status.signal()), Some(9));
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        assert!(Starter::new().unwrap().start(Command::new("/nowhere/at/all")).is_err());
    }
}
