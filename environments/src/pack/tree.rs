//! Files of an environment's state, read into a pack and laid down from one.
//!
//! Whoever wrote a pack decides nothing outside of the folder it is unpacked in: paths consist of plain names, links are made last
//! and never followed, devices and programs that run as their owner are refused.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode};

use super::holes::{self, Parts};
use super::stream::{Header, Kind, StreamFailure};

/// What of the state goes where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    /// In the clear: nothing that is secret.
    TheClear,
    /// Encrypted: everything.
    Secret,
}

/// What belongs to this machine, or is made anew when the environment is brought up.
const LEFT_BEHIND: [&str; 5] = ["lock", "identity.json", "environment.json", "nodes.json", "version"];

/// What is secret, or is put in without its secrets by somebody else.
const SECRET: [&str; 5] = ["secrets", "authority", "directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm"];

/// What of a node is made anew when it is brought up.
const MADE_ANEW: [&str; 3] = ["tree", "mount", "work"];

/// What of a virtual machine is not.
const KEPT: &str = "state.img";

/// Files shorter than this are packed with their holes, in bytes.
const SHORT: u64 = 1 << 20;

/// Hides everything that an image has below a folder (overlayfs.rst).
const OPAQUE: &str = "trusted.overlay.opaque";

/// What no pack may ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeRefusal {
    /// A path that leads elsewhere, or is none.
    #[error("{0:?} is no place that a pack may write to")]
    Path(String),
    /// Something that stands there twice.
    #[error("{0:?} stands in it twice")]
    Twice(String),
    /// A program that runs as its owner.
    #[error("{0:?} would run as its owner")]
    SetUser(String),
    /// Files of other users, and the caller is none who may make them.
    #[error("{0:?} belongs to another user, which takes root")]
    Owner(String),
}

/// Why a record was not taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// It may not be.
    Refused(TreeRefusal),
    /// It cannot be read.
    Stream(StreamFailure),
    /// It could not be written.
    System(String, io::Error),
}

impl From<StreamFailure> for Taken {
    fn from(failure: StreamFailure) -> Self {
        Self::Stream(failure)
    }
}

/// Gives every file of an environment's state to somebody, sorted by path.
///
/// - `snapshot`: the one of virtual machines that goes along, by its name; others stay behind.
pub(super) fn walk(
    state: &Path,
    part: In,
    snapshot: Option<&str>,
    add: &mut dyn FnMut(&Header, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let wanted = |path: &[String]| match path {
        [_, name] if LEFT_BEHIND.contains(&name.as_str()) || name.starts_with('.') => false,
        [_, name, ..] if part == In::TheClear && SECRET.contains(&name.as_str()) => false,
        [_, snapshots, name, ..] if snapshots == "snapshots" => Some(name.as_str()) == snapshot,
        [_, nodes, _, machine, file] if nodes == "nodes" && machine == "machine" => file == KEPT,
        [_, nodes, _, made, ..] if nodes == "nodes" && MADE_ANEW.contains(&made.as_str()) => false,
        [_, nodes, _, state, work] if nodes == "nodes" && state == "state" && work == "work" => false,
        _ => true,
    };
    below(state, &mut vec!["state".to_owned()], &wanted, add)
}

fn below(
    folder: &Path,
    path: &mut Vec<String>,
    wanted: &dyn Fn(&[String]) -> bool,
    add: &mut dyn FnMut(&Header, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string();
        names.push(name.map_err(|name| io::Error::other(format!("{} is no text", name.to_string_lossy())))?);
    }
    names.sort();
    for name in names {
        let place = folder.join(&name);
        path.push(name);
        if wanted(path) {
            one(&place, path, wanted, add)?;
        }
        path.pop();
    }
    Ok(())
}

fn one(
    place: &Path,
    path: &mut Vec<String>,
    wanted: &dyn Fn(&[String]) -> bool,
    add: &mut dyn FnMut(&Header, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let about = fs::symlink_metadata(place)?;
    let form = about.file_type();
    let kind = match () {
        () if form.is_dir() => Kind::Folder,
        () if form.is_file() => Kind::File,
        () if form.is_fifo() => Kind::Pipe,
        () if form.is_char_device() && about.rdev() == 0 => Kind::Whiteout,
        () if form.is_symlink() => {
            let to = fs::read_link(place)?.into_os_string().into_string();
            Kind::Link(to.map_err(|_| io::Error::other(format!("{} leads to what is no text", place.display())))?)
        }
        // Sockets are made by whoever listens on them.
        () => return Ok(()),
    };
    let mut parts = None;
    let (kind, size) = match kind {
        Kind::File if about.len() > SHORT && about.blocks() * 512 < about.len() => {
            let found = Parts::of(File::open(place)?)?;
            let size = found.size();
            parts = Some(found);
            (Kind::Holes(about.len()), size)
        }
        Kind::File => (Kind::File, about.len()),
        other => (other, 0),
    };
    let mut mark = [0; 1];
    let opaque = kind == Kind::Folder && rustix::fs::lgetxattr(place, OPAQUE, &mut mark[..]).is_ok() && mark == *b"y";
    let header = Header {
        path: path.clone(),
        kind: kind.clone(),
        mode: about.mode() & 0o7777,
        owner: (about.uid(), about.gid()),
        modified: about.mtime(),
        size,
        opaque,
    };
    match (kind, parts) {
        (_, Some(mut parts)) => add(&header, &mut parts),
        (Kind::File, None) => add(&header, &mut File::open(place)?),
        (Kind::Folder, None) => {
            add(&header, &mut io::empty())?;
            below(place, path, wanted, add)
        }
        _ => add(&header, &mut io::empty()),
    }
}

/// A folder that records are laid down in.
pub(super) struct Place<'a> {
    root: &'a Path,
    root_user: bool,
    own: (u32, u32),
    seen: BTreeSet<Vec<String>>,
    links: Vec<(PathBuf, String)>,
    /// Folders whose times and modes are set last, the deepest first.
    folders: Vec<(PathBuf, Header)>,
}

impl<'a> Place<'a> {
    /// - `root`: is there, and empty but for what nobody names.
    pub(super) fn new(root: &'a Path) -> Self {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let root_user = rustix::process::geteuid().is_root();
        Self { root, root_user, own, seen: BTreeSet::new(), links: Vec::new(), folders: Vec::new() }
    }

    /// Lays a record down; links wait.
    pub(super) fn take(&mut self, header: &Header, content: &mut dyn Read) -> Result<(), Taken> {
        let shown = header.path.join("/");
        let refuse = |refusal: fn(String) -> TreeRefusal| Err(Taken::Refused(refusal(shown.clone())));
        let plain = |name: &String| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if header.path.len() < 2 || !header.path.iter().all(plain) {
            return refuse(TreeRefusal::Path);
        }
        if !self.seen.insert(header.path.clone()) {
            return refuse(TreeRefusal::Twice);
        }
        if header.kind != Kind::Folder && header.mode & 0o6000 != 0 || header.mode & !0o7777 != 0 {
            return refuse(TreeRefusal::SetUser);
        }
        // What a repository holds is its finder's; state is whose it was.
        let owned = header.path.first().is_some_and(|first| first == "state");
        if owned && !self.root_user && header.owner != self.own && header.owner != (0, 0) {
            return refuse(TreeRefusal::Owner);
        }
        let place = header.path.iter().fold(self.root.to_owned(), |place, name| place.join(name));
        let failed = |source| Taken::System(format!("write {}", place.display()), source);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mode = Mode::from_raw_mode(header.mode & 0o777);
        match &header.kind {
            Kind::Folder => {
                fs::create_dir_all(&place).map_err(failed)?;
                self.folders.push((place, header.clone()));
                return Ok(());
            }
            Kind::File | Kind::Holes(_) => {
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).map_err(failed)?;
                match header.kind {
                    Kind::Holes(length) => holes::lay(content, length, &file),
                    _ => io::copy(content, &mut file).map(drop),
                }
                .map_err(failed)?;
                file.set_permissions(fs::Permissions::from_mode(header.mode)).map_err(failed)?;
                file.set_times(times(header)).map_err(failed)?;
            }
            Kind::Pipe => {
                rustix::fs::mknodat(CWD, &place, FileType::Fifo, mode, 0).map_err(|error| failed(error.into()))?;
            }
            Kind::Whiteout => {
                rustix::fs::mknodat(CWD, &place, FileType::CharacterDevice, mode, 0)
                    .map_err(|error| failed(error.into()))?;
            }
            Kind::Link(to) => self.links.push((place.clone(), to.clone())),
            Kind::End(_) => return refuse(TreeRefusal::Path),
        }
        if owned && self.root_user && !matches!(header.kind, Kind::Link(_)) {
            std::os::unix::fs::lchown(&place, Some(header.owner.0), Some(header.owner.1)).map_err(failed)?;
        }
        Ok(())
    }

    /// Makes the links, and gives the folders what they had: nothing is written through any of them afterwards.
    pub(super) fn links(mut self) -> Result<(), Taken> {
        for (place, to) in &self.links {
            symlink(to, place).map_err(|source| Taken::System(format!("make the link {}", place.display()), source))?;
        }
        while let Some((place, header)) = self.folders.pop() {
            let failed = |source| Taken::System(format!("set up {}", place.display()), source);
            if self.root_user && header.path.first().is_some_and(|first| first == "state") {
                std::os::unix::fs::lchown(&place, Some(header.owner.0), Some(header.owner.1)).map_err(failed)?;
            }
            if header.opaque {
                let set = rustix::fs::lsetxattr(&place, OPAQUE, b"y", rustix::fs::XattrFlags::empty());
                set.map_err(|error| failed(error.into()))?;
            }
            fs::set_permissions(&place, fs::Permissions::from_mode(header.mode)).map_err(failed)?;
            File::open(&place).and_then(|folder| folder.set_times(times(&header))).map_err(failed)?;
        }
        Ok(())
    }
}

fn times(header: &Header) -> FileTimes {
    let modified = u64::try_from(header.modified).unwrap_or_default();
    FileTimes::new().set_modified(UNIX_EPOCH.checked_add(Duration::from_secs(modified)).unwrap_or(UNIX_EPOCH))
}

/// Moves a folder, onto another file system where it has to be.
pub(super) fn carry(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let copied = std::process::Command::new("cp")
                .args(["--archive", "--no-target-directory", "--"])
                .arg(from)
                .arg(to)
                .status()?;
            if copied.success() { Ok(()) } else { Err(io::Error::other("cp did not copy all of it")) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::plain;
    use super::*;

    fn header(path: &[&str], kind: Kind, mode: u32) -> Header {
        let mut header = plain(path.iter().map(|&part| part.to_owned()).collect(), kind, 0);
        header.mode = mode;
        header
    }

    #[test]
    fn a_pack_writes_nowhere_but_below_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Place::new(folder.path());
        for path in [
            &["state"][..],
            &[],
            &["state", ".."],
            &["state", "a/b"],
            &["state", ""],
            &["state", ".", "x"],
            &["state", "a\0"],
        ] {
            let taken = place.take(&header(path, Kind::File, 0o600), &mut io::empty());
            assert!(matches!(taken, Err(Taken::Refused(TreeRefusal::Path(_)))), "{path:?}");
        }
        for mode in [0o4755, 0o2755, 0o1_000_755] {
            let taken = place.take(&header(&["state", "x"], Kind::File, mode), &mut io::empty());
            assert!(matches!(taken, Err(Taken::Refused(TreeRefusal::SetUser(_) | TreeRefusal::Twice(_)))), "{mode:o}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut place = Place::new(folder.path());
        let link = Kind::Link(outside.path().to_str().unwrap().to_owned());
        place.take(&header(&["state", "link"], link, 0o777), &mut io::empty()).unwrap();
        place.take(&header(&["state", "link", "file"], Kind::File, 0o600), &mut b"x".as_slice()).unwrap();
        // The folder is in the link's way, and the link is refused, not followed.
        assert!(place.links().is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_belongs_to_this_machine_or_is_secret_stays_behind() {
        let state = tempfile::tempdir().unwrap();
        for path in [
            "secrets/passwords.json",
            "authority/authority.json",
            "lock",
            "nodes/mx-1/tree/files/key",
            "nodes/mx-1/mx/mail",
        ] {
            let place = state.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, b"x").unwrap();
        }
        let files = |part| {
            let mut files = Vec::new();
            walk(state.path(), part, None, &mut |header, _| {
                if header.kind == Kind::File {
                    files.push(header.path.join("/"));
                }
                Ok(())
            })
            .unwrap();
            files
        };
        assert_eq!(files(In::TheClear), ["state/nodes/mx-1/mx/mail"]);
        assert_eq!(
            files(In::Secret),
            ["state/authority/authority.json", "state/nodes/mx-1/mx/mail", "state/secrets/passwords.json"]
        );
    }
}
