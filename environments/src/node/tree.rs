//! A node's tree: written out by the tool with its secrets filled in, taken over by the node file by file.
//!
//! The folder holds `manifest.json` and the files under `files/`, as they are to lie in the node's root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// What a tree consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Files by absolute path in the node.
    pub(crate) files: BTreeMap<String, Item>,
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// Permission bits.
    pub(crate) mode: u32,
    /// `user:group`, as the node names them.
    pub(crate) owner: String,
}

/// Why a tree could not be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeFailure {
    /// The manifest is not what the tool writes.
    #[error("the tree's manifest cannot be read: {0}")]
    Manifest(io::Error),
    /// A path that leads out of the node's root, or is none.
    #[error("{0:?} is no path of a file in a node")]
    Path(String),
    /// The image has no such user or group.
    #[error("{path} is to belong to {owner}, and the image has no such user or group")]
    Owner {
        /// The file.
        path: String,
        /// `user:group`.
        owner: String,
    },
    /// A file could not be written.
    #[error("could not write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Returns where a file of the node lies below a root.
///
/// - Errors: the path is not absolute, or climbs.
pub(crate) fn below(root: &Path, path: &str) -> Result<PathBuf, TreeFailure> {
    let refused = || TreeFailure::Path(path.to_owned());
    let relative = path.strip_prefix('/').ok_or_else(refused)?;
    let plain = Path::new(relative).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || relative.is_empty() || relative.ends_with('/') || relative.contains('\0') {
        return Err(refused());
    }
    Ok(root.join(relative))
}

/// How old a file is that appears where none was: Postfix takes a younger one for half written, and reads it until it is older (`dict_load_file_xt`
/// of Postfix 3.7). Here each is whole when it gets its name.
const SETTLED: Duration = Duration::from_secs(5);

/// Takes a tree over: writes what is another than it should be, and removes what an earlier tree brought and this one does not.
///
/// - `tree`: the folder with the manifest.
/// - `root`: the node's root.
/// - `record`: where the paths of the last tree are kept, below the root.
/// - Returns: the paths that were written or removed.
pub(crate) fn deliver(tree: &Path, root: &Path, record: &Path) -> Result<Vec<String>, TreeFailure> {
    let manifest = fs::read(tree.join("manifest.json")).map_err(TreeFailure::Manifest)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| TreeFailure::Manifest(error.into()))?;
    let accounts = Accounts::of(root);
    let mut changed = Vec::new();
    for (path, item) in &manifest.files {
        let failed = |source| TreeFailure::Write { path: path.clone(), source };
        let place = below(root, path)?;
        let owner = accounts
            .ids(&item.owner)
            .ok_or_else(|| TreeFailure::Owner { path: path.clone(), owner: item.owner.clone() })?;
        let wanted = fs::read(below(&tree.join("files"), path)?).map_err(failed)?;
        if !lies(&place, &wanted, item.mode, owner) {
            put(&place, &wanted, item.mode, owner).map_err(failed)?;
            changed.push(path.clone());
        }
    }
    let paths = manifest.files.into_keys().collect();
    changed.extend(settle(&paths, root, record)?);
    Ok(changed)
}

/// Removes what an earlier tree brought and this one does not, and notes what this one brings.
///
/// - Returns: the paths that were removed.
pub(super) fn settle(paths: &BTreeSet<String>, root: &Path, record: &Path) -> Result<Vec<String>, TreeFailure> {
    let mut removed = Vec::new();
    let before: BTreeSet<String> =
        fs::read(record).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    for gone in before.iter().filter(|path| !paths.contains(*path)) {
        let place = below(root, gone)?;
        match fs::remove_file(&place) {
            Ok(()) => removed.push(gone.clone()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(source) => return Err(TreeFailure::Write { path: gone.clone(), source }),
        }
    }
    if before != *paths {
        let bytes = serde_json::to_vec(paths).unwrap_or_default();
        let failed = |source| TreeFailure::Write { path: record.display().to_string(), source };
        put(record, &bytes, 0o600, (0, 0)).map_err(failed)?;
    }
    Ok(removed)
}

/// Whether a file is as it should be.
fn lies(place: &Path, wanted: &[u8], mode: u32, owner: (u32, u32)) -> bool {
    let Ok(about) = fs::symlink_metadata(place) else { return false };
    about.is_file()
        && about.mode() & 0o7777 == mode
        && (about.uid(), about.gid()) == owner
        && about.len() == wanted.len() as u64
        && fs::read(place).is_ok_and(|found| found == wanted)
}

/// Writes a file beside its place and moves it there, so that who reads it sees the old one or the new one.
fn put(place: &Path, bytes: &[u8], mode: u32, (user, group): (u32, u32)) -> io::Result<()> {
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".{}.mailwright", name.to_string_lossy()));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    // The owner first: a change of owner takes set-user-id bits away.
    std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    // One that takes another's place stays young: Pigeonhole compiles a script anew only where it is younger than what was compiled.
    if fs::symlink_metadata(place).is_err() {
        file.set_modified(SystemTime::now() - SETTLED)?;
    }
    fs::rename(&temporary, place)
}

/// The users and groups of a root file system.
pub(super) struct Accounts {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, u32>,
}

/// A line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

impl Accounts {
    /// Reads what is below a root; lines that are none are passed over.
    pub(super) fn of(root: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        Self::parse(&read("etc/passwd"), &read("etc/group"))
    }

    fn parse(passwd: &str, group: &str) -> Self {
        let users = passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
            let user = User { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: (*home).to_owned() };
            Some(((*name).to_owned(), user))
        });
        let groups = group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        });
        Self { users: users.collect(), groups: groups.collect() }
    }

    /// Returns a user by name.
    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// Returns the numbers of `user:group`, either of which may be a number already.
    fn ids(&self, owner: &str) -> Option<(u32, u32)> {
        let (user, group) = owner.split_once(':')?;
        let user = self.users.get(user).map(|user| user.uid).or_else(|| user.parse().ok())?;
        let group = self.groups.get(group).copied().or_else(|| group.parse().ok())?;
        Some((user, group))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(folder: &Path, files: &[(&str, &str, u32)]) {
        let own = fs::metadata(folder).unwrap();
        let owner = format!("{}:{}", own.uid(), own.gid());
        let mut manifest = Manifest::default();
        let _ = fs::remove_dir_all(folder.join("files"));
        for (path, content, mode) in files {
            let place = below(&folder.join("files"), path).unwrap();
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, content).unwrap();
            manifest.files.insert((*path).to_owned(), Item { mode: *mode, owner: owner.clone() });
        }
        fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    }

    #[test]
    fn only_what_differs_is_written_and_what_is_no_longer_declared_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (from, root, record) =
            (folder.path().join("tree"), folder.path().join("root"), folder.path().join("record"));
        fs::create_dir_all(&from).unwrap();
        tree(&from, &[("/etc/a", "one", 0o644), ("/etc/deep/b", "two", 0o600)]);
        assert_eq!(deliver(&from, &root, &record).unwrap(), ["/etc/a", "/etc/deep/b"]);
        assert_eq!(deliver(&from, &root, &record).unwrap(), [""; 0]);
        assert_eq!(fs::metadata(root.join("etc/deep/b")).unwrap().mode() & 0o7777, 0o600);
        tree(&from, &[("/etc/a", "one", 0o640), ("/etc/c", "three", 0o644)]);
        assert_eq!(deliver(&from, &root, &record).unwrap(), ["/etc/a", "/etc/c", "/etc/deep/b"]);
        assert!(!root.join("etc/deep/b").exists());
        fs::write(root.join("etc/c"), "changed by somebody").unwrap();
        assert_eq!(deliver(&from, &root, &record).unwrap(), ["/etc/c"]);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, root, record) =
            (folder.path().join("tree"), folder.path().join("root"), folder.path().join("record"));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(&from).unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, root.join("etc/resolv.conf")).unwrap();
        tree(&from, &[("/etc/resolv.conf", "nameserver 10.0.0.1\n", 0o644)]);
        deliver(&from, &root, &record).unwrap();
        assert_eq!(fs::read_to_string(outside).unwrap(), "mine");
        assert!(fs::symlink_metadata(root.join("etc/resolv.conf")).unwrap().is_file());
    }

    #[test]
    fn an_owner_that_the_image_lacks_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("tree");
        fs::create_dir_all(&from).unwrap();
        tree(&from, &[("/etc/a", "one", 0o644)]);
        let mut manifest: Manifest = serde_json::from_slice(&fs::read(from.join("manifest.json")).unwrap()).unwrap();
        manifest.files.get_mut("/etc/a").unwrap().owner = "nobody-here:root".to_owned();
        fs::write(from.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        let failure = deliver(&from, &folder.path().join("root"), &folder.path().join("record")).unwrap_err();
        assert!(failure.to_string().contains("/etc/a is to belong to nobody-here:root"), "{failure}");
    }

    #[test]
    fn accounts_are_read_by_their_columns() {
        let accounts = Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\nvmail:x:5000:5001::/var/vmail:/bin/false\nnonsense\n",
            "root:x:0:\nmail:x:8:a,b\n",
        );
        assert_eq!(accounts.ids("vmail:mail"), Some((5000, 8)));
        assert_eq!(accounts.ids("12:34"), Some((12, 34)));
        assert_eq!(accounts.ids("vmail"), None);
        assert_eq!(accounts.user("vmail").unwrap().home, "/var/vmail");
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_root(path in "[./a\0-]{0,12}") {
            if let Ok(place) = below(Path::new("/root"), &path) {
                prop_assert!(place.starts_with("/root") && place != Path::new("/root"));
                prop_assert!(!place.components().any(|part| part == Component::ParentDir));
            }
        }

        #[test]
        fn no_table_of_accounts_makes_the_reader_stumble(passwd in any::<String>(), group in any::<String>()) {
            let _ = Accounts::parse(&passwd, &group).ids("root:root");
        }
    }
}
