//! The Bundle: every file of every node as bytes with typed holes for secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::platform::SecretReference;

/// The bytes an environment is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// What each node is made of, by the node's name.
    pub nodes: BTreeMap<String, Tree>,
    /// Files of zones and change lists.
    pub dns: BTreeMap<String, File>,
    /// Hypervisor definitions.
    pub hypervisor: BTreeMap<String, File>,
    /// Brand files by key, `RESELLER/BRAND/NAME`.
    pub brands: BTreeMap<String, File>,
}

/// What one node is made of, on top of the image that all nodes share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Files by absolute path in the node's root.
    pub files: BTreeMap<String, File>,
    /// Daemons, in the order they are started.
    pub processes: Vec<Process>,
    /// What the daemons' own checkers are asked about the files.
    pub checks: Vec<Check>,
    /// Packages of the distribution that the image needs for this node, beside what it needs by itself.
    pub packages: BTreeSet<String>,
}

impl Tree {
    /// Takes in what another part of the same node adds. A path that both have is a bug of the renderers.
    pub fn extend(&mut self, other: Self) {
        for (path, file) in other.files {
            let before = self.files.insert(path.clone(), file);
            debug_assert!(before.is_none(), "two renderers write {path}");
        }
        self.processes.extend(other.processes);
        self.checks.extend(other.checks);
        self.packages.extend(other.packages);
    }
}

/// A daemon of a node: how systemd starts it when the image boots, and how a supervisor without systemd does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its name, unique in the node, such as `postfix`.
    pub name: String,
    /// The systemd unit that runs it when the image boots, such as `postfix@-.service`.
    pub unit: String,
    /// Commands that are run to their end before it is started, each an absolute program and its arguments, as root.
    pub prepare: Vec<Vec<String>>,
    /// The command that runs it in the foreground and writes its log to stdout or stderr: an absolute program and its arguments.
    pub command: Vec<String>,
    /// The user it is started as; daemons that drop their rights themselves are started as root.
    pub user: String,
    /// Variables beside `PATH` and `LANG`.
    pub variables: BTreeMap<String, String>,
    /// Where something must answer before it is started, as `host:port` or the path of a socket.
    pub after: Vec<String>,
    /// TCP ports of the node that accept connections once it is ready.
    pub ready: Vec<u16>,
    /// The command that makes it take changed files over without closing connections; without one it is restarted.
    pub reload: Option<Vec<String>>,
    /// Files whose change needs a restart even where there is a reload, as paths or as folders that end in `/`.
    pub restart_on: Vec<String>,
    /// Files it reads, as paths or as folders that end in `/`; a change of others leaves it alone.
    pub reads: Vec<String>,
}

impl Process {
    /// Tells whether it is started anew when a file changes.
    ///
    /// - `path`: absolute in the node's root.
    pub fn is_restarted_by(&self, path: &str) -> bool {
        is_among(&self.restart_on, path) || (self.reload.is_none() && is_among(&self.reads, path))
    }

    /// Tells whether it takes a changed file over while it runs.
    pub fn is_reloaded_by(&self, path: &str) -> bool {
        self.reload.is_some() && is_among(&self.reads, path) && !is_among(&self.restart_on, path)
    }

    /// Tells whether it serves nobody who uses the platform: what measures the node, and what does something from time to time.
    ///
    /// Such a process is started once everything else of its node is ready, and nobody waits for it.
    pub fn is_aside(&self) -> bool {
        self.unit.ends_with("-exporter.service") || self.unit.ends_with(".timer")
    }
}

fn is_among(list: &[String], path: &str) -> bool {
    list.iter().any(|it| it == path || (it.ends_with('/') && path.starts_with(it.as_str())))
}

/// A question to a daemon's own checker, asked inside the node's root with every file in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is checked, such as `postfix` or `haproxy`.
    pub name: String,
    /// An absolute program and its arguments. It must end with zero, and say nothing that reads like a warning.
    pub command: Vec<String>,
    /// The files that are checked, so that what it says is told at the lines of the specification they came from.
    pub files: Vec<String>,
    /// What it says although nothing is wrong: lines that hold one of these are no warnings.
    pub harmless: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// `user:group` as names of the node.
    pub owner: String,
    /// What it holds, in order.
    pub pieces: Vec<Piece>,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A secret, which only `environments` fills in.
    Secret(SecretReference),
    /// The public half of a signing key as the quoted strings of a DKIM record (RFC 6376 §3.6.1, RFC 8463 §3), which only
    /// `environments` knows.
    DkimRecord(SecretReference),
    /// Lines that tell the keys a server shows (RFC 6698 §2.1, RFC 7671 §8.1), which only `environments` knows: of the one it shows
    /// now, and of those before and after it.
    ServerKeys {
        /// The server's key.
        key: SecretReference,
        /// What each line begins with, in front of usage, selector, matching type and digest.
        line: String,
    },
    /// Bytes that are not at hand: [`File::digest`] of the whole file stands for them. Such a file can be compared with
    /// others, and not be written.
    Digest(String),
}

impl File {
    /// Makes a file that everybody may read.
    pub fn text(content: impl Into<String>) -> Self {
        Self { mode: 0o644, owner: "root:root".to_owned(), pieces: vec![Piece::Bytes(content.into().into_bytes())] }
    }

    /// Makes a file that only its owner may read.
    ///
    /// - `owner`: `user:group`.
    pub fn private(owner: &str, pieces: Vec<Piece>) -> Self {
        Self { mode: 0o600, owner: owner.to_owned(), pieces }
    }

    /// Makes a file without keeping its bytes, which are only digested.
    ///
    /// - `write`: writes the bytes; it cannot fail but through the document itself.
    pub fn digested(
        mode: u32,
        owner: &str,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut digest = io::BufWriter::with_capacity(64 * 1024, Digesting(begin(mode, owner)));
        write(&mut digest)?;
        let Digesting(hash) = digest.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Self { mode, owner: owner.to_owned(), pieces: vec![Piece::Digest(hexadecimal(hash))] })
    }

    /// Returns the file's bytes, with each secret as a readable hole, and whether it has holes.
    pub fn unfilled(&self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut holes = false;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(part) => bytes.extend_from_slice(part),
                Piece::Secret(reference) => {
                    holes = true;
                    bytes
                        .extend_from_slice(format!("{{{{secret:{}/{}}}}}", reference.owner, reference.name).as_bytes());
                }
                Piece::DkimRecord(reference) => {
                    holes = true;
                    bytes.extend_from_slice(format!("{{{{dkim:{}/{}}}}}", reference.owner, reference.name).as_bytes());
                }
                Piece::ServerKeys { key, line } => {
                    holes = true;
                    bytes.extend_from_slice(format!("{line}{{{{tlsa:{}/{}}}}}\n", key.owner, key.name).as_bytes());
                }
                Piece::Digest(_) => holes = true,
            }
        }
        (bytes, holes)
    }

    /// Returns the SHA-256 of mode, owner and unfilled bytes, in lower-case hexadecimal.
    pub fn digest(&self) -> String {
        if let [Piece::Digest(known)] = self.pieces.as_slice() {
            return known.clone();
        }
        let mut hash = begin(self.mode, &self.owner);
        hash.update(self.unfilled().0);
        hexadecimal(hash)
    }
}

/// Begins the digest of a file.
fn begin(mode: u32, owner: &str) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(format!("{mode:o} {owner}\n"));
    hash
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests what is written.
struct Digesting(Sha256);

impl io::Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_which_only_the_digest_is_kept_compares_as_the_whole_one() {
        let whole =
            File { mode: 0o640, owner: "root:mail".to_owned(), pieces: vec![Piece::Bytes(b"some text".to_vec())] };
        let digested = |bytes: &[u8]| File::digested(0o640, "root:mail", |out| out.write_all(bytes)).unwrap();
        assert_eq!(digested(b"some text").digest(), whole.digest());
        assert_eq!(digested(b"some text"), digested(b"some text"));
        assert_ne!(digested(b"some text"), digested(b"other text"));
    }
}
