//! The ledger of a repository: read whole, added to by one process at a time, never half written.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use blueprint::ledger::{Deed, FILE, Ledger, Subject};
use spec::{Parsed, Sources};

use crate::failure::Failure;
use crate::repository::{Repository, written_by_us};

/// Reads a repository's ledger; an empty one where there is none yet.
pub(crate) fn read(repository: &Path) -> Result<Ledger, Failure> {
    match written_by_us(&repository.join(FILE))? {
        Some(bytes) => Ledger::parse(&bytes).map_err(|error| Failure::failed(error.to_string()).help(error.help())),
        None => Ok(Ledger::default()),
    }
}

/// Adds what the ledger as it is now leads to; returns the entry's number.
///
/// - `deed`: gets the ledger under lock, so that nobody adds anything between the decision and the entry.
pub(crate) fn add(repository: &Path, deed: impl FnOnce(&Ledger) -> Result<Deed, Failure>) -> Result<u64, Failure> {
    let path = repository.join(FILE);
    let failed = |error: &std::io::Error| Failure::failed(format!("could not write {}", path.display())).cause(error);
    let folder = File::open(repository).map_err(|error| failed(&error))?;
    // Held until this function returns.
    folder.lock().map_err(|error| failed(&error))?;
    let mut ledger = read(repository)?;
    let deed = deed(&ledger)?;
    let mut bytes = written_by_us(&path)?.unwrap_or_default();
    if bytes.last().is_some_and(|&last| last != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(ledger.add(&environments::timestamp(), &who(repository), deed).as_bytes());
    let beside = repository.join(format!(".{FILE}.{}", std::process::id()));
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, &path))
        .and_then(|()| folder.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(failed(&error));
    }
    Ok(ledger.entries().len() as u64)
}

/// Returns what a repository's specifications are at this moment.
pub(crate) fn subject(repository: &Repository, parsed: &Parsed, image: Option<String>) -> Subject {
    let revision = git(&repository.path, &["rev-parse", "--verify", "--quiet", "HEAD"]);
    Subject { specification: digest(&repository.sources, parsed), image, revision }
}

/// Returns the digest of the image that an environment has: the one promoted to it last.
pub(crate) fn image_of(ledger: &Ledger, environment: &str) -> Option<String> {
    ledger.current(environment).and_then(|(_, promotion)| promotion.subject.image.clone())
}

/// Returns the digest of the specifications, environments left out.
pub(crate) fn digest(sources: &Sources, parsed: &Parsed) -> String {
    compiler::specification_digest(sources, parsed)
}

/// Returns who is at work: as git knows them, else as the machine does.
fn who(repository: &Path) -> String {
    if let Some(mail) = git(repository, &["config", "user.email"]) {
        return match git(repository, &["config", "user.name"]) {
            Some(name) => format!("{name} <{mail}>"),
            None => mail,
        };
    }
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned())
}

/// Returns the one line that git answers with; none where there is no git, no repository or no answer.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
