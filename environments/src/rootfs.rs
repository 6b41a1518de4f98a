//! The root file system that all nodes of real daemons share: built once from this machine's own package sources, kept by what
//! it was built of, never changed after.
//!
//! ```text
//! CACHE/rootfs/KEY/root/        the file system
//! CACHE/rootfs/KEY/root.json    what it was built of: packages with versions and hashes; without it nothing is trusted
//! CACHE/rootfs/KEY/warm/        what daemons took long to work out and find again, a layer above it
//! CACHE/rootfs/KEY.lock         held by the process that builds it
//! CACHE/rootfs/.KEY.building/   what is being built; worth nothing when its builder is gone
//! ```

mod build;
mod sources;
mod warm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use blueprint::lock::PinnedPackage;
use blueprint::{Blueprint, Bundle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files::{self, FileFailure};
use crate::launch::{Progress, Step};
use crate::state::hexadecimal;

pub(crate) use warm::keep_warm;

/// The version of what is built; another one is built anew.
const VERSION: u32 = 1;

/// What every node needs beside its daemons' packages.
const BASE: [&str; 6] = ["ca-certificates", "iproute2", "libsasl2-modules", "openssl", "procps", "util-linux"];

/// Why there is no root file system.
#[derive(Debug, thiserror::Error)]
pub enum RootFailure {
    /// A program that builds it is not installed.
    #[error("building the root file system takes `{program}`, which is not installed")]
    Missing {
        /// The program.
        program: &'static str,
    },
    /// The packages it is made of are too much for the disk.
    #[error("there is no room for the root file system in {}: it takes {needed} MiB, and {free} MiB are free", folder.display())]
    Full {
        /// Where it is built.
        folder: PathBuf,
        /// MiB it takes.
        needed: u64,
        /// MiB there are.
        free: u64,
    },
    /// This machine names no package sources that could be taken.
    #[error("this machine has no package sources of Debian in /etc/apt")]
    NoSources,
    /// The build ended badly.
    #[error("the root file system could not be built: {reason}")]
    Build {
        /// What it said last.
        reason: String,
    },
    /// What was built is not what was pinned.
    #[error("{package} was pinned as {pinned} and would be {found}")]
    Pinned {
        /// The package.
        package: String,
        /// Version or hash in the lock.
        pinned: String,
        /// Version or hash that is offered.
        found: String,
    },
    /// A program could not be run, or the lock not taken.
    #[error("could not {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl RootFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Missing { program } => format!("install it: apt-get install {program}"),
            Self::Full { folder, .. } => {
                format!("make room, remove {} to begin anew, or set XDG_CACHE_HOME to another disk", folder.display())
            }
            Self::NoSources => "write a source of Debian's packages to /etc/apt/sources.list.d".to_owned(),
            Self::Build { .. } => {
                "see that `apt-get update` works on this machine; nothing of the build was kept".to_owned()
            }
            Self::Pinned { .. } => {
                "take the packages that are offered now by removing `packages` from mailwright.lock".to_owned()
            }
            Self::System { .. } => "look after the cache folder, and run it as root".to_owned(),
            Self::File(failure) => failure.help(),
        }
    }
}

/// Builds the root file system that a platform's real daemons share, or takes the one that is there.
///
/// - `cache`: the folder of all caches, such as `$XDG_CACHE_HOME/mailwright`.
/// - `pinned`: versions and hashes its packages must have, by name.
/// - Returns: its folder, and every package in it.
pub fn build_root(
    cache: &Path,
    blueprint: &Blueprint,
    bundle: &Bundle,
    pinned: &BTreeMap<String, PinnedPackage>,
    progress: &dyn Progress,
) -> Result<(PathBuf, BTreeMap<String, PinnedPackage>), RootFailure> {
    let root = obtain(&Wanted::by(cache, blueprint, bundle, pinned), progress)?;
    let packages = root.about.map(|about| about.packages).unwrap_or_default();
    Ok((root.folder, packages))
}

/// What is wanted.
pub(crate) struct Wanted<'a> {
    /// The folder of all caches.
    pub(crate) cache: &'a Path,
    /// The distribution's name, such as `bookworm`.
    pub(crate) distribution: &'a str,
    /// The packages of all nodes.
    pub(crate) packages: BTreeSet<String>,
    /// Versions and hashes it must have.
    pub(crate) pinned: &'a BTreeMap<String, PinnedPackage>,
}

impl<'a> Wanted<'a> {
    /// Returns what a platform wants.
    pub(crate) fn by(
        cache: &'a Path,
        blueprint: &'a Blueprint,
        bundle: &Bundle,
        pinned: &'a BTreeMap<String, PinnedPackage>,
    ) -> Self {
        let packages = bundle.nodes.values().flat_map(|tree| &tree.packages).cloned().collect();
        Self { cache, distribution: &blueprint.release.distribution, packages, pinned }
    }
}

/// What `root.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    version: u32,
    /// The distribution's name.
    pub(crate) distribution: String,
    /// Every package in it.
    pub(crate) packages: BTreeMap<String, PinnedPackage>,
}

/// A root file system that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// Where it lies.
    folder: PathBuf,
    /// Its folders, the topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// Where what is warm is kept for it.
    pub(crate) warm: PathBuf,
    /// What it was built of; `None` for one that was given.
    pub(crate) about: Option<About>,
}

/// Takes a root file system that somebody unpacked.
pub(crate) fn given(cache: &Path, folder: &Path) -> Root {
    let key = hexadecimal(Sha256::digest(folder.as_os_str().as_encoded_bytes()).get(..8).unwrap_or_default());
    with_warm(folder.to_owned(), cache.join("rootfs").join(format!("given-{key}")).join("warm"), None)
}

/// Returns the root file system that is wanted, built if it is not there.
pub(crate) fn obtain(wanted: &Wanted<'_>, progress: &dyn Progress) -> Result<Root, RootFailure> {
    let all = wanted.cache.join("rootfs");
    let packages: BTreeSet<String> =
        BASE.iter().map(|name| (*name).to_owned()).chain(wanted.packages.iter().cloned()).collect();
    let key = key(wanted.distribution, &packages, wanted.pinned);
    let folder = all.join(&key);
    if let Some(root) = found(&folder)? {
        return Ok(root);
    }
    files::make_folder(&all)?;
    let _lock = build::lock(&all.join(format!("{key}.lock")), progress)?;
    // Whoever held it may have built what is wanted.
    if let Some(root) = found(&folder)? {
        return Ok(root);
    }
    let building = all.join(format!(".{key}.building"));
    files::remove(&building)?;
    progress.step(&Step::Root(format!("building the root file system in {}, once", folder.display())));
    let built = build::build(&building, wanted.distribution, &packages, wanted.pinned, progress);
    let packages = match built {
        Ok(packages) => packages,
        Err(failure) => {
            // What it failed at says more than what could not be cleared away after it.
            let _ = files::remove(&building);
            return Err(failure);
        }
    };
    let about = About { version: VERSION, distribution: wanted.distribution.to_owned(), packages };
    files::write_json(&building.join("root.json"), &about, 0o644)?;
    std::fs::rename(&building, &folder)
        .and_then(|()| files::sync_folder(&all))
        .map_err(|source| RootFailure::System { what: format!("move {} into place", folder.display()), source })?;
    progress.step(&Step::Root("the root file system is built".to_owned()));
    Ok(with_warm(folder.join("root"), folder.join("warm"), Some(about)))
}

/// Returns what is there already, whole.
fn found(folder: &Path) -> Result<Option<Root>, RootFailure> {
    let about: Option<About> = files::read_json(&folder.join("root.json"))?;
    Ok(about
        .filter(|about| about.version == VERSION)
        .map(|about| with_warm(folder.join("root"), folder.join("warm"), Some(about))))
}

fn with_warm(root: PathBuf, warm: PathBuf, about: Option<About>) -> Root {
    let layers = if warm.is_dir() { vec![warm.clone(), root.clone()] } else { vec![root.clone()] };
    Root { folder: root, layers, warm, about }
}

/// Returns what the root file system is known by.
fn key(distribution: &str, packages: &BTreeSet<String>, pinned: &BTreeMap<String, PinnedPackage>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{VERSION}\n{distribution}\n"));
    for package in packages {
        hash.update(format!("{package}\n"));
    }
    for (name, package) in pinned {
        hash.update(format!("{name}={} {}\n", package.version, package.sha256));
    }
    format!("{distribution}-{}", hexadecimal(hash.finalize().get(..8).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn another_package_version_or_distribution_is_another_root() {
        let none = BTreeMap::new();
        let one = key("bookworm", &packages(&["postfix"]), &none);
        assert_eq!(one, key("bookworm", &packages(&["postfix"]), &none));
        let pin = PinnedPackage { version: "3.7.11".to_owned(), sha256: "00".to_owned() };
        let pinned = BTreeMap::from([("postfix".to_owned(), pin)]);
        for other in [
            key("trixie", &packages(&["postfix"]), &none),
            key("bookworm", &packages(&["postfix", "redis"]), &none),
            key("bookworm", &packages(&["postfix"]), &pinned),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_is_built_half_is_not_there() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("bookworm-00");
        std::fs::create_dir_all(folder.join("root")).unwrap();
        assert_eq!(found(&folder).unwrap(), None);
        let about = About { version: VERSION, distribution: "bookworm".to_owned(), packages: BTreeMap::new() };
        files::write_json(&folder.join("root.json"), &about, 0o644).unwrap();
        assert_eq!(found(&folder).unwrap().unwrap().layers, [folder.join("root")]);
        std::fs::create_dir_all(folder.join("warm")).unwrap();
        assert_eq!(found(&folder).unwrap().unwrap().layers, [folder.join("warm"), folder.join("root")]);
        let later = About { version: VERSION + 1, ..about };
        files::write_json(&folder.join("root.json"), &later, 0o644).unwrap();
        assert_eq!(found(&folder).unwrap(), None);
    }
}
