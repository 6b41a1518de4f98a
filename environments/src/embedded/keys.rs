//! The keys that sign the platform's mail, by the names of their secrets: those that real daemons of the same environment sign with.
//!
//! An RSA key takes longer to make than everything else that a start does, so a key is made when it is first asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use blueprint::secret;
use simulator::signing::{Keys, PrivateKey};

use crate::fill::{self, FillFailure};
use crate::log::{Entry, Level, Log};
use crate::spare::Spares;

/// The keys of one environment.
pub(crate) struct KeyStore {
    /// Where they are kept.
    folder: PathBuf,
    spares: Spares,
    log: Log,
    known: RwLock<BTreeMap<String, Arc<PrivateKey>>>,
    /// One lock for each key that is being made.
    making: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

impl KeyStore {
    pub(crate) fn new(folder: PathBuf, spares: Spares, log: Log) -> Self {
        Self { folder, spares, log, known: RwLock::default(), making: Mutex::default() }
    }

    fn known(&self, name: &str) -> Option<Arc<PrivateKey>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Remembers a key; one that others have seen already stays.
    fn remember(&self, name: &str, key: PrivateKey) -> Arc<PrivateKey> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name.to_owned()).or_insert_with(|| Arc::new(key)))
    }

    fn kept(&self, name: &str) -> Result<Option<PrivateKey>, FillFailure> {
        let reference = secret::operators(name);
        let kept = fill::kept_key(&self.folder, &reference)?;
        kept.map(|key| fill::private_key(&reference, &key)).transpose()
    }

    fn make(&self, name: &str) -> Result<PrivateKey, FillFailure> {
        let reference = secret::operators(name);
        fill::private_key(&reference, &fill::signing_key(&self.folder, &reference, Some(&self.spares))?)
    }

    fn complain(&self, name: &str, failure: &FillFailure) {
        let entry = Entry::now(Level::Error, None, "signing key not to be had");
        self.log.write(entry.with("key", name).with("problem", failure.to_string()));
    }
}

impl Keys for KeyStore {
    fn key(&self, name: &str) -> Option<Arc<PrivateKey>> {
        if let Some(known) = self.known(name) {
            return Some(known);
        }
        let turn = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(making.entry(name.to_owned()).or_default())
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known(name) {
            return Some(known);
        }
        let made = self.make(name).inspect_err(|failure| self.complain(name, failure)).ok()?;
        Some(self.remember(name, made))
    }

    fn made(&self, name: &str) -> Option<Arc<PrivateKey>> {
        if let Some(known) = self.known(name) {
            return Some(known);
        }
        let kept = self.kept(name).inspect_err(|failure| self.complain(name, failure)).ok()??;
        Some(self.remember(name, kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_when_it_is_asked_for_and_found_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = Log::open(&folder.path().join("log")).unwrap();
        let keys = folder.path().join("keys");
        let store = || KeyStore::new(keys.clone(), Spares::of(folder.path()), log.clone());
        let (first, name) = (store(), "dkim-ed25519-e1-acme--example");
        assert!(first.made(name).is_none() && !keys.exists());
        let records: Vec<String> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| first.key(name).unwrap().record())).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert!(records.iter().all(|record| *record == records[0]) && records[0].starts_with("v=DKIM1; k=ed25519; p="));
        assert_eq!(store().made(name).unwrap().record(), records[0]);
        // What cannot be kept is not signed with.
        std::fs::write(folder.path().join("file"), "").unwrap();
        let blocked = KeyStore::new(folder.path().join("file/keys"), Spares::of(folder.path()), log.clone());
        assert!(blocked.key(name).is_none());
        drop((first, blocked, log));
        writer.finish();
    }
}
