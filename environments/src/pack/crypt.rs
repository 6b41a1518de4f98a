//! Secrets of a pack, encrypted by `age` for those who may read them. The program is called: what it writes, its users' own tools
//! read.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Why secrets could not be encrypted or read.
#[derive(Debug, thiserror::Error)]
pub enum CryptFailure {
    /// The program is not installed.
    #[error("encrypting and reading secrets takes `age`, which is not installed")]
    Missing,
    /// What is given as a public key is none.
    #[error("{0:?} is no public key of age")]
    NoRecipient(String),
    /// It could not be done.
    #[error("age said: {0}")]
    Said(String),
    /// It could not be talked to.
    #[error("age could not be talked to")]
    System(#[source] io::Error),
}

impl CryptFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Missing => "install it: apt-get install age".to_owned(),
            Self::NoRecipient(_) => {
                "make a pair of keys with age-keygen, and give the one that begins with age1".to_owned()
            }
            Self::Said(_) => "name the key that the pack was encrypted for with --identity".to_owned(),
            Self::System(_) => "see that there is room on the disk".to_owned(),
        }
    }
}

/// Encrypts what somebody writes.
///
/// - `recipients`: public keys, `age1…`.
pub(super) fn encrypt(
    recipients: &[String],
    out: &Path,
    write: impl FnOnce(BufWriter<std::process::ChildStdin>) -> io::Result<()>,
) -> Result<(), CryptFailure> {
    let plain = |key: &String| key.starts_with("age1") && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(odd) = recipients.iter().find(|key| !plain(key)) {
        return Err(CryptFailure::NoRecipient(odd.clone()));
    }
    let file = File::create(out).map_err(CryptFailure::System)?;
    let mut command = Command::new("age");
    command.arg("--encrypt").args(recipients.iter().flat_map(|key| ["--recipient", key]));
    let mut child = start(command.stdin(Stdio::piped()).stdout(file))?;
    let Some(input) = child.stdin.take() else { return Err(CryptFailure::System(io::ErrorKind::BrokenPipe.into())) };
    let written = write(BufWriter::new(input));
    // What it says explains why nothing could be written.
    end(child)?;
    written.map_err(CryptFailure::System)
}

/// Gives what was encrypted to somebody who reads it.
pub(super) fn decrypt<T>(
    key: &Path,
    sealed: &Path,
    read: impl FnOnce(BufReader<Box<dyn Read>>) -> T,
) -> Result<T, CryptFailure> {
    let file = File::open(sealed).map_err(CryptFailure::System)?;
    let mut command = Command::new("age");
    command.arg("--decrypt").arg("--identity").arg(key);
    let mut child = start(command.stdin(file).stdout(Stdio::piped()))?;
    let Some(output) = child.stdout.take() else { return Err(CryptFailure::System(io::ErrorKind::BrokenPipe.into())) };
    let taken = read(BufReader::new(Box::new(output)));
    end(child)?;
    Ok(taken)
}

fn start(command: &mut Command) -> Result<Child, CryptFailure> {
    command.stderr(Stdio::piped()).spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CryptFailure::Missing,
        _ => CryptFailure::System(error),
    })
}

fn end(child: Child) -> Result<(), CryptFailure> {
    let output = child.wait_with_output().map_err(CryptFailure::System)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(CryptFailure::Said(said.lines().next().unwrap_or("nothing").trim_start_matches("age: ").to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_no_public_key_never_becomes_an_option() {
        let out = tempfile::tempdir().unwrap();
        for odd in ["--output", "age1x --output y", "/etc/passwd", ""] {
            let refused = encrypt(&[odd.to_owned()], &out.path().join("x"), |mut to| to.flush());
            assert!(matches!(refused, Err(CryptFailure::NoRecipient(_))), "{odd}");
        }
    }
}
