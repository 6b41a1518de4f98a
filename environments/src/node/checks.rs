//! Asks a daemon's own checker what it thinks of the files that were rendered for it.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use blueprint::{Check, Process};

/// How long a checker may think.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of what it says is kept, in bytes.
const MOST_SAID: u64 = 64 * 1024;

/// Makes the folders that a daemon finds when it is started, for its checker looks for them.
pub(super) fn make_folders(processes: &[Process]) {
    for process in processes {
        for command in &process.prepare {
            let Some((program, arguments)) = command.split_first() else { continue };
            // Preparations of others fill databases and ask other nodes.
            if program == "/usr/bin/install" || process.name.starts_with("postfix") {
                // What is lacking afterwards, the checker says.
                let _ = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
            }
        }
    }
}

/// Runs a checker; returns whether it found nothing wrong, and what it said: what it merely printed counts when it did not pass.
pub(super) fn ask(check: &Check) -> (bool, String) {
    let Some((program, arguments)) = check.command.split_first() else { return (true, String::new()) };
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return (false, format!("{program} could not be run: {error}")),
    };
    let (said, heard) = mpsc::channel();
    let outputs: [(bool, Option<Box<dyn Read + Send>>); 2] = [
        (true, child.stderr.take().map(|output| Box::new(output) as Box<dyn Read + Send>)),
        (false, child.stdout.take().map(|output| Box::new(output) as Box<dyn Read + Send>)),
    ];
    for (complains, output) in outputs.into_iter().filter_map(|(complains, output)| Some((complains, output?))) {
        let said = said.clone();
        let listen = move || {
            let mut bytes = Vec::new();
            let mut output = output;
            // What cannot be read any more is what was said.
            let _ = output.by_ref().take(MOST_SAID).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut output, &mut std::io::sink());
            let _ = said.send((complains, String::from_utf8_lossy(&bytes).into_owned()));
        };
        if std::thread::Builder::new().name("checker".to_owned()).spawn(listen).is_err() {
            return (false, "nobody could listen to it".to_owned());
        }
    }
    drop(said);
    let (mut text, mut printed) = (String::new(), String::new());
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match heard.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now())) {
            Ok((true, part)) => text.push_str(&part),
            Ok((false, part)) => printed.push_str(&part),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                return (false, format!("{text}\nit did not end within {} s", PATIENCE.as_secs()));
            }
        }
    }
    match child.wait() {
        Ok(status) if status.success() => (true, text),
        Ok(_) if text.trim().is_empty() && !printed.trim().is_empty() => (false, printed),
        Ok(status) if text.trim().is_empty() => (false, format!("{program} ended with {status} and said nothing")),
        Ok(_) => (false, text),
        Err(error) => (false, format!("{program} could not be waited for: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &[&str]) -> Check {
        Check {
            name: "x".to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            files: Vec::new(),
            harmless: Vec::new(),
        }
    }

    #[test]
    fn what_a_checker_complains_of_is_heard_wherever_it_says_it() {
        let (passed, said) = ask(&of(&["/bin/sh", "-c", "echo out; exit 3"]));
        assert!(!passed && said == "out\n", "{said}");
        // A checker that prints what it has read is not to be taken by its words.
        let (passed, said) = ask(&of(&["/bin/sh", "-c", "echo no warning; echo err >&2"]));
        assert!(passed && said == "err\n", "{said}");
        assert_eq!(ask(&of(&["/bin/true"])), (true, String::new()));
    }

    #[test]
    fn a_checker_that_is_not_there_or_says_nothing_is_told_of() {
        let (passed, said) = ask(&of(&["/nowhere/checker"]));
        assert!(!passed && said.contains("could not be run"), "{said}");
        let (passed, said) = ask(&of(&["/bin/false"]));
        assert!(!passed && said.contains("said nothing"), "{said}");
    }
}
