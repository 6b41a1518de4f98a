//! Where an environment keeps what must survive it: one folder for each, known by repository and name.
//!
//! ```text
//! ROOT/environments/NAME-HASH/
//!     version             the layout's version; any other is refused
//!     identity.json       whose folder it is
//!     lock                held by the process that serves it, which writes its number there
//!     environment.json    what runs there now, or ran last: backend, doors, seed, digests
//!     blueprint.json, roster.json, launch.json, brands.json    as of the last `up`
//!     secrets/            passwords that were made up, readable by the owner only
//!     authority/          the internal CA and the certificate of the doors
//!     directory.sqlite    accounts
//!     nodes/NODE/         disks of the nodes, and of real daemons' nodes the tree they were given
//!     nodes.json          how real daemons' nodes are
//!     log/                events as lines of JSON
//! ```

mod lock;
mod record;
mod secrets;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files::{self, FileFailure};

pub use lock::{Holder, Lock, LockFailure};
pub use record::{OpenDoor, Phase, Record};
pub use secrets::{SecretFailure, Secrets};

/// The version of the folder's layout.
const LAYOUT: &str = "1";

/// Which environment: a repository and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The repository's canonical path.
    pub repository: PathBuf,
    /// The environment's name.
    pub environment: String,
}

impl Identity {
    /// Makes the identity of an environment of a repository, by the repository's canonical path.
    ///
    /// - A repository that is no longer there keeps the path it is given, made absolute, so that its environments can
    ///   still be found and thrown away.
    pub fn new(repository: &Path, environment: &str) -> Self {
        let repository = repository
            .canonicalize()
            .or_else(|_| std::path::absolute(repository))
            .unwrap_or_else(|_| repository.to_owned());
        Self { repository, environment: environment.to_owned() }
    }

    /// Returns the name of its folder: the environment's name for people, a hash for uniqueness.
    fn folder_name(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.repository.as_os_str().as_bytes());
        hash.update([0]);
        hash.update(self.environment.as_bytes());
        let readable: String = self
            .environment
            .chars()
            .take(40)
            .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' })
            .collect();
        format!("{readable}-{}", hexadecimal(hash.finalize().get(..8).unwrap_or_default()))
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.environment, self.repository.display())
    }
}

/// Returns bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of a file, in lower-case hexadecimal.
pub(crate) fn digest_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match std::io::Read::read(&mut file, &mut bytes)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            count => hash.update(bytes.get(..count).unwrap_or_default()),
        }
    }
}

/// Returns the SHA-256 of a document as it is written, in lower-case hexadecimal.
pub(crate) fn digest<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    Ok(hexadecimal(&Sha256::digest(serde_json::to_vec(document)?)))
}

/// What `identity.json` holds. The path is for people; what counts is the hash in the folder's name.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    version: u32,
    repository: String,
    environment: String,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFailure {
    /// It was written by a program that knows more or less than this one.
    #[error("{} holds state of version {found:?}, this program reads version {LAYOUT}", path.display())]
    Version {
        /// The folder.
        path: PathBuf,
        /// What its version file says.
        found: String,
    },
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl StateFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Version { path, .. } => format!(
                "use the version of mailwright that wrote it, or throw the environment away by removing {}",
                path.display()
            ),
            Self::File(failure) => failure.help(),
        }
    }
}

/// The folder that holds all environments of a user.
#[derive(Clone, Debug)]
pub struct StateRoot(PathBuf);

impl StateRoot {
    /// Takes `$XDG_STATE_HOME/mailwright` or whatever the caller keeps state in; nothing is made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns where an environment's folder is, or would be.
    pub fn folder(&self, identity: &Identity) -> Folder {
        Folder { path: self.0.join("environments").join(identity.folder_name()) }
    }

    /// Returns every environment there is, sorted by folder; folders that are not ours are left out.
    ///
    /// - Errors: the list cannot be read. A folder of another version is listed with its failure.
    pub fn list(&self) -> Result<Listed<Folder, StateFailure>, StateFailure> {
        let all = self.0.join("environments");
        let mut listed = Vec::new();
        for name in files::names(&all)? {
            let folder = Folder { path: all.join(name) };
            let Ok(Some(recorded)) = files::read_json::<Recorded>(&folder.path.join("identity.json")) else {
                continue;
            };
            let identity = Identity { repository: recorded.repository.into(), environment: recorded.environment };
            let checked = folder.check_version().map(|_| folder);
            listed.push((identity, checked));
        }
        Ok(listed)
    }
}

/// Environments with what is known of each, or why nothing is.
pub type Listed<T, E> = Vec<(Identity, Result<T, E>)>;

/// One environment's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, or takes the one that is there.
    ///
    /// - Errors: another version wrote it; a file cannot be written.
    pub fn open(&self, identity: &Identity) -> Result<(), StateFailure> {
        files::make_folder(&self.path)?;
        if !self.check_version()? {
            let recorded = Recorded {
                version: 1,
                repository: identity.repository.to_string_lossy().into_owned(),
                environment: identity.environment.clone(),
            };
            files::write_json(&self.path.join("identity.json"), &recorded, 0o600)?;
            files::write(&self.path.join("version"), format!("{LAYOUT}\n").as_bytes(), 0o600)?;
        }
        Ok(())
    }

    /// Returns whether the folder is there, and of the version this program reads.
    pub fn exists(&self) -> Result<bool, StateFailure> {
        self.check_version()
    }

    fn check_version(&self) -> Result<bool, StateFailure> {
        match files::read(&self.path.join("version"))? {
            None => Ok(false),
            Some(found) if found.trim_ascii() == LAYOUT.as_bytes() => Ok(true),
            Some(found) => Err(StateFailure::Version {
                path: self.path.clone(),
                found: String::from_utf8_lossy(found.trim_ascii()).chars().take(40).collect(),
            }),
        }
    }

    /// Takes the environment for this process until the lock is dropped.
    pub fn lock(&self) -> Result<Lock, LockFailure> {
        Lock::take(&self.path.join("lock"))
    }

    /// Returns who serves the environment now.
    pub fn holder(&self) -> Result<Option<Holder>, LockFailure> {
        lock::holder(&self.path.join("lock"))
    }

    /// Returns what runs here now or ran last.
    pub fn record(&self) -> Result<Option<Record>, StateFailure> {
        Ok(files::read_json(&self.path.join("environment.json"))?)
    }

    /// Writes down what runs here.
    pub fn write_record(&self, record: &Record) -> Result<(), StateFailure> {
        Ok(files::write_json(&self.path.join("environment.json"), record, 0o600)?)
    }

    /// Writes down a document beside the record, such as the Blueprint of the last `up`, if it differs from the one there.
    pub fn write_document<T: Serialize>(&self, name: &str, document: &T) -> Result<(), StateFailure> {
        let path = self.path.join(name);
        let mut bytes =
            serde_json::to_vec(document).map_err(|source| FileFailure::Form { path: path.clone(), source })?;
        bytes.push(b'\n');
        if files::read(&path)?.as_deref() != Some(&bytes) {
            files::write(&path, &bytes, 0o600)?;
        }
        Ok(())
    }

    /// Reads a document that [`Folder::write_document`] wrote; `None` when there is none.
    pub fn document<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateFailure> {
        Ok(files::read_json(&self.path.join(name))?)
    }

    /// Returns where a node's disk is.
    pub fn node(&self, node: &str) -> PathBuf {
        self.path.join("nodes").join(node)
    }

    /// Returns where a node's tree lies, with its secrets.
    pub(crate) fn tree(&self, node: &str) -> PathBuf {
        self.node(node).join("tree")
    }

    /// Returns where a node's disks and sockets are, where it is a virtual machine.
    pub(crate) fn machine(&self, node: &str) -> PathBuf {
        self.node(node).join("machine")
    }

    /// Returns where it is written how real daemons' nodes are.
    pub(crate) fn nodes_document(&self) -> PathBuf {
        self.path.join("nodes.json")
    }

    /// Returns where the logs are.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Returns where the CA and the doors' certificate are.
    pub fn authority(&self) -> PathBuf {
        self.path.join("authority")
    }

    /// Returns where the accounts are.
    pub fn directory(&self) -> PathBuf {
        self.path.join("directory.sqlite")
    }

    /// Returns where keys that sign mail are.
    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("secrets").join("keys")
    }

    /// Returns the passwords that were made up for this environment.
    pub fn secrets(&self) -> Result<Secrets, SecretFailure> {
        Secrets::open(&self.path.join("secrets"))
    }

    /// Throws away mail, accounts, queues and logs; the authority and the secrets stay, so that passwords stay the same.
    ///
    /// - The caller holds the lock.
    pub fn reset(&self, _held: &Lock) -> Result<(), StateFailure> {
        // Accounts first: mail without accounts is unreachable, accounts without mail would look like loss.
        for name in ["directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm", "nodes", "log"] {
            files::remove(&self.path.join(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_repositories_with_the_same_environment_have_two_folders() {
        let root = StateRoot::new("/state");
        let one = root.folder(&Identity { repository: "/a".into(), environment: "dev".into() });
        let other = root.folder(&Identity { repository: "/b".into(), environment: "dev".into() });
        assert_ne!(one.path(), other.path());
        assert!(one.path().starts_with("/state/environments"));
        assert!(one.path().file_name().unwrap().to_str().unwrap().starts_with("dev-"));
    }

    #[test]
    fn a_name_from_outside_cannot_leave_the_folder_of_environments() {
        let root = StateRoot::new("/state");
        for name in ["../../etc", "/", "a/b", "..", "é\n"] {
            let folder = root.folder(&Identity { repository: "/a".into(), environment: name.into() });
            assert_eq!(folder.path().parent().unwrap(), Path::new("/state/environments"), "{name}");
        }
    }

    #[test]
    fn a_link_to_a_repository_is_the_same_repository() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("repository");
        std::fs::create_dir(&repository).unwrap();
        std::os::unix::fs::symlink(&repository, folder.path().join("link")).unwrap();
        assert_eq!(Identity::new(&repository, "dev"), Identity::new(&folder.path().join("link"), "dev"));
    }

    #[test]
    fn state_of_another_version_is_refused_with_the_way_out() {
        let state = tempfile::tempdir().unwrap();
        let root = StateRoot::new(state.path());
        let identity = Identity::new(state.path(), "dev");
        let folder = root.folder(&identity);
        assert!(!folder.exists().unwrap());
        folder.open(&identity).unwrap();
        assert!(folder.exists().unwrap());
        std::fs::write(folder.path().join("version"), "7\n").unwrap();
        let failure = folder.open(&identity).unwrap_err();
        assert!(failure.to_string().contains("version \"7\""), "{failure}");
        assert!(failure.help().contains(folder.path().to_str().unwrap()));
        let listed = root.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert!(matches!(listed[0], (ref found, Err(StateFailure::Version { .. })) if *found == identity));
    }

    #[test]
    fn a_reset_keeps_authority_and_secrets() {
        let state = tempfile::tempdir().unwrap();
        let identity = Identity::new(state.path(), "dev");
        let folder = StateRoot::new(state.path()).folder(&identity);
        folder.open(&identity).unwrap();
        files::make_folder(&folder.node("mx-1")).unwrap();
        files::make_folder(&folder.authority()).unwrap();
        std::fs::write(folder.directory(), b"x").unwrap();
        let lock = folder.lock().unwrap();
        folder.reset(&lock).unwrap();
        assert!(!folder.directory().exists() && !folder.node("mx-1").exists());
        assert!(folder.authority().exists() && folder.exists().unwrap());
    }
}
