//! Where images are kept: a folder each, named by the digest of its manifest.
//!
//! ```text
//! CACHE/images/DIGEST/manifest.json   what the image is; its SHA-256 is the image's digest
//! CACHE/images/DIGEST/root.erofs      the root file system, read-only
//! CACHE/images/DIGEST/kernel          the kernel (bzImage)
//! CACHE/images/DIGEST/initrd          what finds the root and lays a node's config disk over it
//! CACHE/images/DIGEST/root.tar.zst    the same root as a tar
//! CACHE/images/DIGEST/contents.json   packages, users, units, ports, set-uid files; files.json has every file
//! CACHE/images/DIGEST/sbom.*.json     bills of materials
//! CACHE/images/DIGEST/.stamp          sizes and times of the parts when they were last found whole
//! CACHE/images/keys/KEY               the digest of the image that was built of what the key stands for
//! CACHE/images/.KEY.building          what is being built; worth nothing when its builder is gone
//! ```

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::build::tree;
use crate::contents::{Contents, FileEntry};
use crate::debs::digest_of;
use crate::failure::could_not;
use crate::files::{self, FileFailure};
use crate::manifest::{self, Manifest};
use crate::{ImageFailure, Progress};

/// The folder of all images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The SHA-256 of its manifest, 64 lower-case hexadecimal digits.
    pub digest: String,
    /// Where it lies.
    pub folder: PathBuf,
}

impl Store {
    /// Returns the store below a folder of caches.
    ///
    /// - `cache`: such as `$XDG_CACHE_HOME/mailwright`.
    pub fn new(cache: &Path) -> Self {
        Self { folder: cache.join("images") }
    }

    /// Returns the folder that images are in; it need not be there yet.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the image of a digest, or of the beginning of one where it is the only such.
    pub fn find(&self, digest: &str) -> Result<Option<Image>, FileFailure> {
        let mut found = self.list()?.into_iter().filter(|image| !digest.is_empty() && image.digest.starts_with(digest));
        Ok(found.next().filter(|_| found.next().is_none()))
    }

    /// Returns the image of a digest as [`Self::find`] does, or says that there is none.
    pub fn need(&self, digest: &str) -> Result<Image, ImageFailure> {
        self.find(digest)?.ok_or_else(|| ImageFailure::Unknown { digest: digest.to_owned() })
    }

    /// Returns the folder of what was built of what.
    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Returns the file that names the image built of what a key stands for.
    pub(crate) fn key(&self, key: &str) -> PathBuf {
        self.keys().join(key)
    }

    /// Returns every image, sorted by digest.
    pub fn list(&self) -> Result<Vec<Image>, FileFailure> {
        let names = files::names(&self.folder)?;
        let images = names.into_iter().filter(|name| is_digest(name)).map(|digest| {
            let folder = self.folder.join(&digest);
            Image { digest, folder }
        });
        Ok(images.filter(|image| image.manifest().is_file()).collect())
    }
}

impl Image {
    /// Takes a folder for the image of the digest that it is called by; `None` where it is called otherwise, or has no manifest.
    pub fn at(folder: &Path) -> Option<Self> {
        let digest = folder.file_name()?.to_string_lossy().into_owned();
        let image = Self { digest, folder: folder.to_owned() };
        (is_digest(&image.digest) && image.manifest().is_file()).then_some(image)
    }

    /// Returns the root file system (erofs).
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.erofs")
    }

    /// Returns the kernel.
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    /// Returns the initrd.
    pub fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }

    /// Returns what the image is made of.
    pub fn manifest(&self) -> PathBuf {
        self.folder.join("manifest.json")
    }

    /// Returns the signature of the manifest.
    pub fn signature(&self) -> PathBuf {
        self.folder.join("manifest.json.minisig")
    }

    /// Returns the root as a packed tar.
    pub fn tar(&self) -> PathBuf {
        self.folder.join(tree::TAR)
    }

    /// Reads what the image is made of, held against its digest.
    pub fn read_manifest(&self) -> Result<Manifest, ImageFailure> {
        let path = self.manifest();
        if digest_of(&path)? != self.digest {
            return Err(self.damaged("manifest.json", "is not the one of this digest"));
        }
        let manifest: Manifest = self.read(&path)?;
        if manifest.version == manifest::VERSION {
            Ok(manifest)
        } else {
            Err(self.damaged(
                "manifest.json",
                &format!("has version {}, which this program does not read", manifest.version),
            ))
        }
    }

    /// Reads what is in the image, but for its files.
    pub fn contents(&self) -> Result<Contents, ImageFailure> {
        self.read(&self.folder.join("contents.json"))
    }

    /// Reads every file of the image, by path.
    pub fn files(&self) -> Result<BTreeMap<String, FileEntry>, ImageFailure> {
        self.read(&self.folder.join("files.json"))
    }

    fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ImageFailure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files::read_json(path)?.ok_or_else(|| self.damaged(&name, "is not there"))
    }

    /// Holds every part against the manifest, byte by byte.
    pub fn check(&self, progress: &dyn Progress) -> Result<Manifest, ImageFailure> {
        let manifest = self.read_manifest()?;
        for (name, part) in &manifest.parts {
            progress.tell(&format!("reading {name}"));
            let path = self.folder.join(name);
            let bytes = std::fs::metadata(&path).map(|about| about.size());
            match bytes {
                Err(_) => return Err(self.damaged(name, "is not there")),
                Ok(bytes) if bytes != part.bytes => {
                    return Err(self.damaged(name, &format!("has {bytes} bytes, and its manifest says {}", part.bytes)));
                }
                Ok(_) if digest_of(&path)? != part.sha256 => {
                    return Err(self.damaged(name, "is not what its manifest says"));
                }
                Ok(_) => {}
            }
        }
        progress.tell(&format!("reading {}", tree::TAR));
        let (mut unpacker, mut out) = self.unpacked()?;
        let tree = tree::copy(&mut out, &mut std::io::sink());
        drop(out);
        let well = unpacker.wait().is_ok_and(|status| status.success());
        if !well || !tree.is_ok_and(|tree| tree == manifest.tree) {
            return Err(self.damaged(tree::TAR, "is not what its manifest says"));
        }
        self.stamp()?;
        Ok(manifest)
    }

    /// Tells whether every part is as it was when it was last found whole, by sizes and times; where that cannot be told, every byte
    /// is read.
    pub fn check_lightly(&self) -> Result<(), ImageFailure> {
        let kept = files::read(&self.folder.join(STAMP))?;
        if kept.is_some_and(|kept| self.state().is_ok_and(|state| state.as_bytes() == kept)) {
            return Ok(());
        }
        self.check(&crate::Quiet).map(|_| ())
    }

    /// Writes down that every part is whole.
    pub(crate) fn stamp(&self) -> Result<(), ImageFailure> {
        let state = self.state()?;
        // An image that cannot be written to is read whole each time.
        let _ = files::write_lightly(&self.folder.join(STAMP), state.as_bytes(), 0o644);
        Ok(())
    }

    /// Notes that the image was asked for, so that it is not taken for forgotten.
    pub(crate) fn touch(&self) {
        // One that cannot be noted only seems older than it is.
        let _ = std::fs::File::options()
            .append(true)
            .open(self.folder.join(STAMP))
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    }

    fn state(&self) -> Result<String, ImageFailure> {
        let mut state = String::new();
        for name in
            files::names(&self.folder)?.iter().filter(|name| !name.starts_with('.') && !name.ends_with(".minisig"))
        {
            let path = self.folder.join(name);
            let about = std::fs::metadata(&path).map_err(could_not(format!("look at {}", path.display())))?;
            state.push_str(&format!(
                "{name} {} {}.{:09} {}\n",
                about.size(),
                about.mtime(),
                about.mtime_nsec(),
                about.ino()
            ));
        }
        Ok(state)
    }

    pub(crate) fn damaged(&self, part: &str, why: &str) -> ImageFailure {
        ImageFailure::Damaged { digest: self.digest.clone(), part: part.to_owned(), why: why.to_owned() }
    }
}

/// Where it is written down that every part was found whole.
const STAMP: &str = ".stamp";

/// Tells whether a text is a SHA-256 as digests are written.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_the_beginning_of_its_digest_where_that_is_one_only() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::new(cache.path());
        assert_eq!(store.list().unwrap(), []);
        let digests = ["aa", "ab", "cd"].map(|start| format!("{start}{}", "0".repeat(62)));
        for digest in &digests {
            let folder = store.folder().join(digest);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("manifest.json"), "{}").unwrap();
        }
        std::fs::create_dir_all(store.folder().join("ef".repeat(32))).unwrap();
        std::fs::create_dir_all(store.folder().join(".half")).unwrap();
        assert_eq!(store.list().unwrap().len(), 3);
        assert_eq!(store.find("cd").unwrap().unwrap().digest, digests[2]);
        assert_eq!(store.find("a").unwrap(), None);
        assert_eq!(store.find("").unwrap(), None);
        assert_eq!(store.find("ef").unwrap(), None);
    }
}
