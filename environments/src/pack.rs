//! One environment as one file: its specifications, and what it holds; brought up elsewhere it is as it was.
//!
//! ```text
//! pack.json            what it is
//! specification/…      the repository's texts and assets, its lock, its ledger
//! state/…              mail, queues, accounts without their passwords, documents of the last `up`
//! secrets.age          instead of state/…: all of the state with every secret, encrypted for those who may read it
//! ```
//!
//! What nodes of real daemons hold, databases with hashes and keys among it, cannot be parted from its secrets: without these such an
//! environment's pack has no state, and it begins anew.
//!
//! Nothing that is secret stands in a pack in the clear. What a pack says of itself is only believed when its end proves it.

mod crypt;
mod holes;
mod stream;
mod tree;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileFailure};
use crate::launch::timestamp;
use crate::state::{Folder, Identity, LockFailure, StateFailure, StateRoot};

pub use crypt::CryptFailure;
pub use stream::StreamFailure;
pub use tree::TreeRefusal;

use stream::{Header, Kind, Reader, Writer, plain};

/// The largest `pack.json`, in bytes.
const LARGEST_ABOUT: u64 = 1024 * 1024;

/// What a pack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of the form, 1.
    pub version: u32,
    /// The platform's name.
    pub platform: String,
    /// The environment's name.
    pub environment: String,
    /// The release that ran.
    pub release: String,
    /// The backend it ran on.
    pub backend: String,
    /// The digest of the specifications.
    pub specification: String,
    /// When it was packed, as RFC 3339 writes it.
    pub packed: String,
    /// Whether its secrets are in it, encrypted.
    pub secrets: bool,
    /// Whether what its nodes hold is in it: accounts, mail, queues.
    #[serde(default = "held")]
    pub state: bool,
    /// The image that its virtual machines ran, by its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The snapshot that goes along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// Packs that say nothing of it have all.
fn held() -> bool {
    true
}

/// What is to be packed.
pub struct PackRequest<'a> {
    /// Where state lives.
    pub state: StateRoot,
    /// Which environment.
    pub identity: Identity,
    /// What to say of it; `packed`, `secrets`, `state` and `backend` are filled in.
    pub about: About,
    /// The repository's files by path.
    pub specification: BTreeMap<String, Vec<u8>>,
    /// Public keys of age that may read its secrets; none leaves them behind.
    pub recipients: &'a [String],
    /// The snapshot of virtual machines that goes along: their memory, and mail in flight.
    pub snapshot: Option<&'a str>,
}

/// Why an environment could not be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackFailure {
    /// It runs.
    #[error("the environment {0} runs")]
    Runs(Identity),
    /// It was never brought up.
    #[error("the environment {0} was never brought up, so that there is nothing to pack")]
    NeverUp(Identity),
    /// The pack cannot be read.
    #[error("{} cannot be unpacked", path.display())]
    Pack {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: StreamFailure,
    },
    /// It asks for something that no pack may have.
    #[error("{} cannot be unpacked: {reason}", path.display())]
    Refused {
        /// The pack.
        path: PathBuf,
        /// What it asks for.
        reason: TreeRefusal,
    },
    /// There is no such snapshot.
    #[error("the environment has no snapshot {0} that could go along")]
    NoSnapshot(String),
    /// Its secrets are encrypted, and nobody said with what they are read.
    #[error("the secrets of this pack are encrypted")]
    Sealed,
    /// Secrets could not be encrypted or read.
    #[error(transparent)]
    Crypt(#[from] CryptFailure),
    /// There is something already where it is to be unpacked.
    #[error("{} is there already", .0.display())]
    There(PathBuf),
    /// The accounts could not be parted from their passwords.
    #[error("the passwords could not be taken out of the accounts")]
    Accounts(#[source] control::DirectoryError),
    /// A file could not be written or read.
    #[error("could not {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The environment's state cannot be used.
    #[error(transparent)]
    State(#[from] StateFailure),
    /// The environment is taken.
    #[error(transparent)]
    Lock(#[from] LockFailure),
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl PackFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Runs(_) => "end it first, so that nothing changes meanwhile: mailwright down".to_owned(),
            Self::NeverUp(_) => "bring it up first: mailwright up".to_owned(),
            Self::Pack { .. } | Self::Refused { .. } => "fetch the pack again; nothing of it was kept".to_owned(),
            Self::NoSnapshot(_) => "see which there are: mailwright snapshot list".to_owned(),
            Self::Sealed => "name the key that reads them: --identity FILE, as age-keygen wrote it".to_owned(),
            Self::Crypt(failure) => failure.help(),
            Self::There(_) => "name another folder with --into".to_owned(),
            Self::Accounts(_) => "look after the environment's directory.sqlite".to_owned(),
            Self::System { .. } => "see that there is room, and that the folder can be written".to_owned(),
            Self::State(failure) => failure.help(),
            Self::Lock(failure) => failure.help(),
            Self::File(failure) => failure.help(),
        }
    }
}

/// What was in a pack, and where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// What the pack said of itself.
    pub about: About,
    /// The folder of the specifications.
    pub repository: PathBuf,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> PackFailure {
    let what = what.into();
    move |source| PackFailure::System { what, source }
}

/// Packs an environment that does not run into one file, which is there whole or not at all.
///
/// - Returns: what the pack says of itself.
pub fn pack(request: PackRequest<'_>, out: &Path) -> Result<About, PackFailure> {
    let folder = request.state.folder(&request.identity);
    if !folder.exists()? {
        return Err(PackFailure::NeverUp(request.identity));
    }
    let Ok(_lock) = folder.lock() else { return Err(PackFailure::Runs(request.identity)) };
    let Some(record) = folder.record()? else { return Err(PackFailure::NeverUp(request.identity)) };
    let secrets = !request.recipients.is_empty();
    let state = secrets || record.backend == "embedded";
    let snapshot = request.snapshot.map(str::to_owned);
    if let Some(name) = &snapshot
        && crate::vm::snapshot::read(&folder, name).is_err()
    {
        return Err(PackFailure::NoSnapshot(name.clone()));
    }
    let (backend, image) = (record.backend, record.image);
    let about = About { packed: timestamp(), secrets, state, backend, image, snapshot, ..request.about };
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let partial = out.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = write(&folder, &about, &request.specification, request.recipients, &partial)
        .and_then(|()| std::fs::rename(&partial, out).map_err(failed(format!("write {}", out.display()))));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written.map(|()| about)
}

fn write(
    folder: &Folder,
    about: &About,
    specification: &BTreeMap<String, Vec<u8>>,
    recipients: &[String],
    place: &Path,
) -> Result<(), PackFailure> {
    let write = |error| failed(format!("write {}", place.display()))(error);
    let mut writer = Writer::new(BufWriter::new(File::create(place).map_err(write)?)).map_err(write)?;
    let text = serde_json::to_vec(about).map_err(io::Error::from).map_err(write)?;
    writer.add(&plain(vec!["pack.json".to_owned()], Kind::File, text.len() as u64), text.as_slice()).map_err(write)?;
    for (path, bytes) in specification {
        let parts = std::iter::once("specification").chain(path.split('/')).map(str::to_owned).collect();
        writer.add(&plain(parts, Kind::File, bytes.len() as u64), bytes.as_slice()).map_err(write)?;
    }
    if !about.state {
        // It begins anew, with other secrets.
    } else if recipients.is_empty() {
        let accounts = without_passwords(folder)?;
        let mut add = |header: &Header, content: &mut dyn Read| writer.add(header, content);
        tree::walk(folder.path(), tree::In::TheClear, None, &mut add)
            .map_err(failed("read the environment's state"))?;
        if let Some(bytes) = accounts {
            let path = ["state", "directory.sqlite"].map(str::to_owned).to_vec();
            let header = Header { mode: 0o600, ..plain(path, Kind::File, bytes.len() as u64) };
            writer.add(&header, bytes.as_slice()).map_err(write)?;
        }
    } else {
        let sealed = place.with_extension("sealed");
        let outcome = crypt::encrypt(recipients, &sealed, |to| {
            let mut inner = Writer::new(to)?;
            tree::walk(folder.path(), tree::In::Secret, about.snapshot.as_deref(), &mut |header, content| {
                inner.add(header, content)
            })?;
            inner.end()?.flush()
        });
        let added = outcome.map_err(PackFailure::from).and_then(|()| {
            let file = File::open(&sealed).map_err(write)?;
            let size = file.metadata().map_err(write)?.len();
            writer.add(&plain(vec!["secrets.age".to_owned()], Kind::File, size), BufReader::new(file)).map_err(write)
        });
        let _ = std::fs::remove_file(&sealed);
        added?;
    }
    let file = writer.end().map_err(write)?.into_inner().map_err(|error| write(error.into_error()))?;
    file.sync_all().map_err(write)
}

/// Returns the accounts of an environment without a password, token or hash in them; `None` where it has none.
fn without_passwords(folder: &Folder) -> Result<Option<Vec<u8>>, PackFailure> {
    if !folder.directory().exists() {
        return Ok(None);
    }
    let copy = folder.path().join(format!(".directory-{}.sqlite", std::process::id()));
    let copied = std::fs::copy(folder.directory(), &copy).map_err(failed("copy the accounts"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("copy the accounts"));
    let bytes = copied.and(runtime).and_then(|runtime| {
        runtime.block_on(control::forget_secrets(&copy)).map_err(PackFailure::Accounts)?;
        std::fs::read(&copy).map_err(failed("read the accounts"))
    });
    for ending in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(copy.with_extension(ending));
    }
    bytes.map(Some)
}

/// Reads what a pack says of itself; the rest of it is not looked at.
pub fn about(pack: &Path) -> Result<About, PackFailure> {
    let trouble = |source| PackFailure::Pack { path: pack.to_owned(), source };
    let file = File::open(pack).map_err(failed(format!("open {}", pack.display())))?;
    let mut found = None;
    let read = Reader::new(BufReader::new(file)).map_err(trouble)?.each(|header, content| {
        found = Some(about_in(&header, content)?);
        // It is the first record, and enough of it.
        Err(StreamFailure::NoPack)
    });
    match (found, read) {
        (Some(about), _) => Ok(about),
        (None, Err(failure)) => Err(trouble(failure)),
        (None, Ok(())) => Err(trouble(StreamFailure::NoPack)),
    }
}

fn about_in(header: &Header, content: &mut dyn Read) -> Result<About, StreamFailure> {
    if header.path != ["pack.json"] || header.size > LARGEST_ABOUT {
        return Err(StreamFailure::NoPack);
    }
    let mut text = Vec::new();
    content.read_to_end(&mut text)?;
    let about: About = serde_json::from_slice(&text).map_err(|error| StreamFailure::Damaged(error.to_string()))?;
    if about.version != 1 {
        return Err(StreamFailure::Version);
    }
    Ok(about)
}

/// Unpacks an environment: its specifications into a new folder, its state where environments' state lives.
///
/// - `into`: must not be there yet.
/// - `key`: the file that reads the pack's secrets, where it has any.
pub fn unpack(pack: &Path, into: &Path, state: &StateRoot, key: Option<&Path>) -> Result<Unpacked, PackFailure> {
    if into.symlink_metadata().is_ok() {
        return Err(PackFailure::There(into.to_owned()));
    }
    let about = about(pack)?;
    if about.secrets && key.is_none() {
        return Err(PackFailure::Sealed);
    }
    let name = into.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = into.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let outcome = unpack_beside(pack, &beside, key).and_then(|()| settle(&about, &beside, into, state));
    // What is left of it is nobody's any more.
    let _ = std::fs::remove_dir_all(&beside);
    outcome?;
    Ok(Unpacked { about, repository: into.to_owned() })
}

fn unpack_beside(pack: &Path, beside: &Path, key: Option<&Path>) -> Result<(), PackFailure> {
    let trouble = |source| PackFailure::Pack { path: pack.to_owned(), source };
    let refused = |failure| match failure {
        tree::Taken::Refused(reason) => PackFailure::Refused { path: pack.to_owned(), reason },
        tree::Taken::Stream(source) => PackFailure::Pack { path: pack.to_owned(), source },
        tree::Taken::System(what, source) => PackFailure::System { what, source },
    };
    let open = || File::open(pack).map_err(failed(format!("open {}", pack.display())));
    files::make_folder(beside)?;
    let sealed = beside.join("sealed");
    let mut place = tree::Place::new(beside);
    Reader::new(BufReader::new(open()?))
        .map_err(trouble)?
        .each(|header, content| -> Result<(), tree::Taken> {
            match header.path.first().map(String::as_str) {
                Some("pack.json") if header.path.len() == 1 => Ok(()),
                Some("secrets.age") if header.path.len() == 1 => {
                    let kept = File::create(&sealed).and_then(|mut file| io::copy(content, &mut file));
                    kept.map(drop).map_err(|error| tree::Taken::System("keep the pack's secrets".to_owned(), error))
                }
                Some("specification" | "state") => place.take(&header, content),
                _ => Err(tree::Taken::Refused(TreeRefusal::Path(header.path.join("/")))),
            }
        })
        .map_err(refused)?;
    place.links().map_err(refused)?;
    if let Some(key) = key.filter(|_| sealed.exists()) {
        let mut place = tree::Place::new(beside);
        let read = crypt::decrypt(key, &sealed, |from| {
            Reader::new(from).map_err(tree::Taken::from).and_then(|reader| {
                reader.each(|header, content| match header.path.first().map(String::as_str) {
                    Some("state") => place.take(&header, content),
                    _ => Err(tree::Taken::Refused(TreeRefusal::Path(header.path.join("/")))),
                })
            })
        })?;
        read.and_then(|()| place.links()).map_err(refused)?;
    }
    Ok(())
}

/// Moves what was unpacked to where it belongs.
fn settle(about: &About, beside: &Path, into: &Path, state: &StateRoot) -> Result<(), PackFailure> {
    let specification = beside.join("specification");
    std::fs::rename(&specification, into).map_err(failed(format!("move the specifications to {}", into.display())))?;
    let identity = Identity::new(into, &about.environment);
    let folder = state.folder(&identity);
    let moved = settle_state(&identity, &folder, &beside.join("state"));
    if moved.is_err() {
        let _ = std::fs::remove_dir_all(into);
    }
    moved
}

fn settle_state(identity: &Identity, folder: &Folder, unpacked: &Path) -> Result<(), PackFailure> {
    if folder.path().exists() {
        return Err(PackFailure::There(folder.path().to_owned()));
    }
    if let Some(parent) = folder.path().parent() {
        files::make_folder(parent)?;
    }
    if unpacked.is_dir() {
        let partial = folder.path().with_extension("partial");
        files::remove(&partial)?;
        tree::carry(unpacked, &partial)
            .and_then(|()| std::fs::rename(&partial, folder.path()))
            .map_err(failed("move the environment's state to its place"))?;
    }
    folder.open(identity)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Phase, Record};

    fn record(backend: &str) -> Record {
        Record {
            version: 1,
            environment: "qa".to_owned(),
            repository: "/repository".to_owned(),
            backend: backend.to_owned(),
            phase: Phase::Stopped,
            reason: None,
            process: 1,
            seed: 1,
            started: "2026-11-02T08:00:00Z".to_owned(),
            base_port: 0,
            doors: Vec::new(),
            authority: String::new(),
            show_passwords: true,
            blueprint: String::new(),
            roster: String::new(),
            generation: 0,
            boot: None,
            image: Some("0fa94d".to_owned()),
        }
    }

    #[test]
    fn what_machines_hold_stays_behind_with_their_secrets_and_the_rest_is_packed() {
        let desk = tempfile::tempdir().unwrap();
        let state = StateRoot::new(desk.path().join("here"));
        let identity = Identity::new(Path::new("/repository"), "qa");
        let folder = state.folder(&identity);
        folder.open(&identity).unwrap();
        folder.write_record(&record("vm")).unwrap();
        for path in ["nodes/mx-1/machine/state.img", "nodes/mx-1/machine/config.tar", "secrets/passwords.json"] {
            let place = folder.path().join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, "a hash of a password").unwrap();
        }
        let about = About {
            version: 1,
            platform: "northmail".to_owned(),
            environment: "qa".to_owned(),
            release: "2026.11".to_owned(),
            backend: String::new(),
            specification: String::new(),
            packed: String::new(),
            secrets: false,
            state: true,
            image: None,
            snapshot: None,
        };
        let out = desk.path().join("qa.mailwright");
        let request = PackRequest {
            state,
            identity,
            about,
            specification: BTreeMap::from([("platform.kdl".to_owned(), b"platform".to_vec())]),
            recipients: &[],
            snapshot: None,
        };
        let told = pack(request, &out).unwrap();
        assert!(!told.secrets && !told.state && told.backend == "vm" && told.image.as_deref() == Some("0fa94d"));
        assert!(!std::fs::read(&out).unwrap().windows(4).any(|part| part == b"hash"), "a secret is in the clear");

        let (there, into) = (StateRoot::new(desk.path().join("there")), desk.path().join("taken"));
        let unpacked = unpack(&out, &into, &there, None).unwrap();
        assert_eq!(unpacked.about, told);
        assert_eq!(std::fs::read(into.join("platform.kdl")).unwrap(), b"platform");
        let folder = there.folder(&Identity::new(&into, "qa"));
        assert!(folder.exists().unwrap() && !folder.path().join("nodes").exists());
    }
}
