//! Where images are kept: a folder each, named by the digest of its manifest.
//!
//! ```text
//! CACHE/images/DIGEST/manifest.json   what the image is; its SHA-256 is the image's digest
//! CACHE/images/DIGEST/root.erofs      the root file system, read-only
//! CACHE/images/DIGEST/kernel          the kernel (bzImage)
//! CACHE/images/DIGEST/initrd          what finds the root and lays a node's config disk over it
//! ```

use std::path::{Path, PathBuf};

use crate::files::{self, FileFailure};

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
}

/// Tells whether a text is a SHA-256 as digests are written.
fn is_digest(text: &str) -> bool {
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
