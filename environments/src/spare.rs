//! RSA keys that were made ahead, since making one takes longer than starting most daemons: each signs for one environment only.
//!
//! They lie in the cache, for its owner's eyes; whoever takes one moves it away first, so that nobody else gets it.

use std::path::{Path, PathBuf};

use rcgen::{KeyPair, RsaKeySize};

use crate::files;

/// Keys that lie ready at most: two selectors of eight domains.
const MOST: usize = 16;

/// The keys that lie ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spares {
    folder: PathBuf,
}

impl Spares {
    /// - `cache`: where what is made once is kept.
    pub(crate) fn of(cache: &Path) -> Self {
        Self { folder: cache.join("keys") }
    }

    /// Takes a key, which is nobody else's from now on; `None` where there is none.
    pub(crate) fn take(&self) -> Option<KeyPair> {
        for name in files::names(&self.folder).ok()?.into_iter().filter(|name| name.ends_with(".pem")) {
            let own = self.folder.join(format!(".taken-{}-{name}", std::process::id()));
            // Somebody else may have been quicker.
            if std::fs::rename(self.folder.join(&name), &own).is_err() {
                continue;
            }
            let kept = files::read(&own).ok().flatten();
            // Only after it is gone from here it is used.
            if files::remove(&own).is_err() {
                continue;
            }
            if let Some(key) = kept.and_then(|kept| KeyPair::from_pem(&String::from_utf8_lossy(&kept)).ok()) {
                return Some(key);
            }
        }
        None
    }

    /// Makes keys until enough lie ready; a failure costs time later and nothing else.
    ///
    /// A cache that is not there yet is not begun for it: who throws it away afterwards has nothing of it.
    ///
    /// - `go_on`: asked before each.
    pub(crate) fn fill(&self, mut go_on: impl FnMut() -> bool) {
        if !self.folder.parent().is_some_and(Path::is_dir) || files::make_folder(&self.folder).is_err() {
            return;
        }
        loop {
            let there = files::names(&self.folder).unwrap_or_default();
            if there.iter().filter(|name| name.ends_with(".pem")).count() >= MOST || !go_on() {
                return;
            }
            let Ok(key) = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048) else { return };
            let name =
                crate::state::hexadecimal(&key.public_key_raw().iter().rev().take(16).copied().collect::<Vec<_>>());
            let made = self.folder.join(format!("{name}.pem"));
            if files::write(&made, key.serialize_pem().as_bytes(), 0o600).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_key_is_given_once() {
        let cache = tempfile::tempdir().unwrap();
        let spares = Spares::of(cache.path());
        assert!(spares.take().is_none());
        let mut left = 2;
        spares.fill(|| {
            left -= 1;
            left >= 0
        });
        let (first, second) = (spares.take().unwrap(), spares.take().unwrap());
        assert_ne!(first.serialize_pem(), second.serialize_pem());
        assert!(spares.take().is_none());
        assert_eq!(files::names(&cache.path().join("keys")).unwrap(), [""; 0]);
    }

    #[test]
    fn no_cache_is_begun_for_spare_keys() {
        let cache = tempfile::tempdir().unwrap();
        let absent = cache.path().join("absent");
        Spares::of(&absent).fill(|| true);
        assert!(!absent.exists());
    }
}
