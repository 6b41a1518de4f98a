//! The root file system that all nodes of real daemons share: the image of machines, unpacked once, kept by the image's digest, never
//! changed after.
//!
//! ```text
//! CACHE/rootfs/DIGEST/root/        the file system
//! CACHE/rootfs/DIGEST/root.json    what it is made of: packages with versions and hashes; without it nothing is trusted
//! CACHE/rootfs/DIGEST/warmed/      what daemons took long to work out and find again, as layers above it
//! CACHE/rootfs/.DIGEST.unpacking/  what is being unpacked; worth nothing when who does it is gone
//! CACHE/rootfs/wanted/KEY.json     what the archive gave for packages that no lock pins
//! ```

mod warm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use blueprint::lock::PinnedPackage;
use blueprint::{Blueprint, Bundle};
use images::{Image, ImageFailure, Request};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;
use crate::launch::{Progress, Step};
use crate::state::hexadecimal;

pub(crate) use warm::{Held, keep_warm};

/// The version of what is kept; another one is made anew.
const VERSION: u32 = 2;

/// Builds the root file system that a platform's real daemons share, or takes the one that is there.
///
/// - `cache`: the folder of all caches, such as `$XDG_CACHE_HOME/mailwright`.
/// - `packages`: what it must have, by name.
/// - `pinned`: versions and hashes its packages must have, by name; without any, the archive's newest are taken.
/// - Returns: its folder, and every package in it.
pub fn build_root(
    cache: &Path,
    distribution: &str,
    packages: &BTreeSet<String>,
    pinned: &BTreeMap<String, PinnedPackage>,
    progress: &dyn Progress,
) -> Result<(PathBuf, BTreeMap<String, PinnedPackage>), ImageFailure> {
    let wanted = Wanted { cache, distribution, packages: packages.clone(), pinned };
    let root = obtain(&wanted, progress)?;
    let packages = root.about.map(|about| about.packages).unwrap_or_default();
    Ok((root.folder, packages))
}

/// Returns the packages that a platform's nodes take, by name; what they depend on is not among them.
pub fn packages(bundle: &Bundle) -> BTreeSet<String> {
    bundle.nodes.values().flat_map(|tree| &tree.packages).cloned().collect()
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
        Self { cache, distribution: &blueprint.release.distribution, packages: packages(bundle), pinned }
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

impl Root {
    /// Returns where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the layers of what is warm that lie over it, the topmost first.
    pub(crate) fn warm_layers(&self) -> &[PathBuf] {
        self.layers.split_last().map_or(&[], |(_, warm)| warm)
    }

    /// Holds the layers of what is warm as long as what is returned lives; those that are gone meanwhile are left out.
    pub(crate) fn hold(&mut self) -> Held {
        warm::hold(&self.warm, &mut self.layers)
    }

    /// Returns what names its content: the digest of the image that it was unpacked from, or for one that somebody has unpacked where it
    /// lies and when its packages changed last.
    pub(crate) fn key(&self) -> String {
        let kept = self.folder.parent().filter(|kept| kept.join("root.json").is_file());
        let digest = kept.and_then(|kept| kept.file_name()).map(|name| name.to_string_lossy().into_owned());
        if let Some(digest) = digest.filter(|digest| digest.len() == 64) {
            return digest;
        }
        let mut hash = Sha256::new();
        hash.update(self.folder.as_os_str().as_encoded_bytes());
        if let Ok(about) = std::fs::metadata(self.folder.join("var/lib/dpkg/status")) {
            use std::os::unix::fs::MetadataExt;
            hash.update(format!("\0{} {} {}", about.len(), about.mtime(), about.mtime_nsec()));
        }
        format!("given-{}", hexadecimal(hash.finalize().get(..16).unwrap_or_default()))
    }
}

/// Takes a root file system that somebody unpacked.
pub(crate) fn given(cache: &Path, folder: &Path) -> Root {
    let key = hexadecimal(Sha256::digest(folder.as_os_str().as_encoded_bytes()).get(..8).unwrap_or_default());
    with_warm(folder.to_owned(), cache.join("rootfs").join(format!("given-{key}")).join("warmed"), None)
}

/// Returns the root file system that is wanted, built if it is not there.
pub(crate) fn obtain(wanted: &Wanted<'_>, progress: &dyn Progress) -> Result<Root, ImageFailure> {
    let told = Told(progress);
    let (image, packages) = image(wanted, progress)?;
    let all = wanted.cache.join("rootfs");
    let folder = all.join(&image.digest);
    if let Some(root) = found(&folder)? {
        return Ok(root);
    }
    let _turn = images::wait_for_turn(&all.join(format!("{}.lock", image.digest)), &told)?;
    // Whoever had the turn may have unpacked it.
    if let Some(root) = found(&folder)? {
        return Ok(root);
    }
    let unpacking = all.join(format!(".{}.unpacking", image.digest));
    progress.step(&Step::Root("unpacking the image".to_owned()));
    image.unpack(&unpacking)?;
    let about = About { version: VERSION, distribution: wanted.distribution.to_owned(), packages };
    files::write_json(&unpacking.join("root.json"), &about, 0o644)?;
    std::fs::rename(&unpacking, &folder)
        .and_then(|()| files::sync_folder(&all))
        .map_err(|source| ImageFailure::System { what: format!("move {} into place", folder.display()), source })?;
    progress.step(&Step::Root("the root file system is there".to_owned()));
    Ok(with_warm(folder.join("root"), folder.join("warmed"), Some(about)))
}

/// Returns the image that is wanted, built if it is not there, with the packages it was built of.
pub(crate) fn image(
    wanted: &Wanted<'_>,
    progress: &dyn Progress,
) -> Result<(Image, BTreeMap<String, PinnedPackage>), ImageFailure> {
    let told = Told(progress);
    let packages = match wanted.pinned.is_empty() {
        true => newest(wanted, &told)?,
        false => {
            images::covers(wanted.pinned, &wanted.packages)?;
            wanted.pinned.clone()
        }
    };
    let request = Request { cache: wanted.cache, distribution: wanted.distribution, packages: &packages };
    let image = match images::built(&request)? {
        Some(image) => image,
        None => {
            progress.step(&Step::Root("building the image that all nodes share, once".to_owned()));
            images::build(&request, &told)?
        }
    };
    Ok((image, packages))
}

/// Returns the newest packages of the archive as they were when they were first asked for.
fn newest(wanted: &Wanted<'_>, told: &Told<'_>) -> Result<BTreeMap<String, PinnedPackage>, ImageFailure> {
    let folder = wanted.cache.join("rootfs").join("wanted");
    let mut hash = Sha256::new();
    hash.update(format!("{VERSION}\n{}\n", wanted.distribution));
    for package in &wanted.packages {
        hash.update(format!("{package}\n"));
    }
    let key = hexadecimal(hash.finalize().get(..16).unwrap_or_default());
    let path = folder.join(format!("{key}.json"));
    if let Ok(Some(packages)) = files::read_json::<BTreeMap<String, PinnedPackage>>(&path)
        && images::covers(&packages, &wanted.packages).is_ok()
    {
        return Ok(packages);
    }
    let packages = images::lock(wanted.cache, wanted.distribution, &wanted.packages, told)?;
    files::make_folder(&folder)?;
    files::write_json(&path, &packages, 0o644)?;
    Ok(packages)
}

/// Tells what is done to the root as steps of bringing an environment up.
struct Told<'a>(&'a dyn Progress);

impl images::Progress for Told<'_> {
    fn tell(&self, what: &str) {
        self.0.step(&Step::Root(what.to_owned()));
    }
}

/// Returns what is there already, whole.
fn found(folder: &Path) -> Result<Option<Root>, ImageFailure> {
    let about: Option<About> = files::read_json(&folder.join("root.json"))?;
    Ok(about
        .filter(|about| about.version == VERSION)
        .map(|about| with_warm(folder.join("root"), folder.join("warmed"), Some(about))))
}

fn with_warm(root: PathBuf, warm: PathBuf, about: Option<About>) -> Root {
    let mut layers = warm::layers(&warm);
    layers.push(root.clone());
    Root { folder: root, layers, warm, about }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_half_is_not_there() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("00");
        std::fs::create_dir_all(folder.join("root")).unwrap();
        assert_eq!(found(&folder).unwrap(), None);
        let about = About { version: VERSION, distribution: "bookworm".to_owned(), packages: BTreeMap::new() };
        files::write_json(&folder.join("root.json"), &about, 0o644).unwrap();
        assert_eq!(found(&folder).unwrap().unwrap().layers, [folder.join("root")]);
        let layer = folder.join("warmed/layer-00");
        std::fs::create_dir_all(layer.join("var")).unwrap();
        assert_eq!(found(&folder).unwrap().unwrap().layers, [layer, folder.join("root")]);
        let later = About { version: VERSION + 1, ..about };
        files::write_json(&folder.join("root.json"), &later, 0o644).unwrap();
        assert_eq!(found(&folder).unwrap(), None);
    }

    #[test]
    fn a_lock_that_lacks_what_is_wanted_is_refused_by_name() {
        let cache = tempfile::tempdir().unwrap();
        let pin = PinnedPackage { version: "1".to_owned(), sha256: "00".repeat(32) };
        let pinned = BTreeMap::from([("postfix".to_owned(), pin)]);
        let wanted = Wanted {
            cache: cache.path(),
            distribution: "bookworm",
            packages: ["redis-server".to_owned()].into(),
            pinned: &pinned,
        };
        struct Nobody;
        impl Progress for Nobody {
            fn step(&self, _: &Step) {}
        }
        let failure = obtain(&wanted, &Nobody).unwrap_err();
        assert!(failure.to_string().contains("redis-server"), "{failure}");
        assert!(failure.help().contains("mailwright image lock"));
    }
}
