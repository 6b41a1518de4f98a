//! A disk in memory that forgets what was not synced, and fails when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskError, SyncTicket};
use crate::chance::Chance;

/// A disk in memory. Clones are handles on one disk: the role has one, whoever plays the machine has another.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    /// What a power loss leaves at least: files and how much of them.
    durable: BTreeMap<String, Vec<u8>>,
    pending: Vec<Pending>,
    capacity: Option<u64>,
    used: u64,
    failing: Failing,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// From here on a failed sync has lost the bytes, whatever later syncs say.
    lost_from: Option<usize>,
    /// Up to here the bytes are those that are durable; a cut moves it down.
    same_to: Option<usize>,
}

#[derive(Debug)]
struct Pending {
    ticket: SyncTicket,
    /// Files and their lengths when the sync began.
    lengths: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct Failing {
    /// Successful appends before the one that fails; it writes this many of its bytes.
    append: Option<(u64, usize)>,
    /// Successful reads before the one that fails.
    read: Option<u64>,
}

impl File {
    /// Returns an empty file; one of that name that was removed may still come back.
    fn recreated() -> Self {
        Self { same_to: Some(0), ..Self::default() }
    }
}

impl MemoryDisk {
    /// Returns an empty disk without limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how many bytes fit; `None` for no limit. What is there already stays.
    pub fn limit(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Returns how many bytes lie on the disk.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// Lets one append fail with an input or output error, after so many more that succeed and after writing a part of it.
    pub fn fail_append(&self, after: u64, written: usize) {
        self.state().failing.append = Some((after, written));
    }

    /// Lets one read fail with an input or output error, after so many more that succeed.
    pub fn fail_read(&self, after: u64) {
        self.state().failing.read = Some(after);
    }

    /// Returns the syncs that were begun and not yet finished, oldest first.
    pub fn pending_syncs(&self) -> Vec<SyncTicket> {
        self.state().pending.iter().map(|pending| pending.ticket).collect()
    }

    /// Ends the oldest sync. When it fails, what it should have saved is lost at the next power loss, even if a later sync
    /// succeeds, as Linux does it.
    pub fn finish_sync(&self, succeeds: bool) -> Option<(SyncTicket, Result<(), DiskError>)> {
        let mut state = self.state();
        if state.pending.is_empty() {
            return None;
        }
        let Pending { ticket, lengths } = state.pending.remove(0);
        let State { files, durable, .. } = &mut *state;
        if !succeeds {
            for (name, file) in files.iter_mut() {
                let kept = durable.get(name).map_or(0, Vec::len).min(file.bytes.len());
                if lengths.get(name).is_some_and(|&length| length > kept) {
                    file.lost_from = Some(file.lost_from.map_or(kept, |from| from.min(kept)));
                }
            }
            return Some((ticket, Err(DiskError::Broken)));
        }
        durable.retain(|name, _| files.contains_key(name));
        for (name, length) in lengths {
            let Some(file) = files.get_mut(&name) else { continue };
            let length = length.min(file.bytes.len()).min(file.lost_from.unwrap_or(usize::MAX));
            let kept = durable.entry(name).or_default();
            kept.truncate(length.min(file.same_to.take().unwrap_or(usize::MAX)));
            kept.extend_from_slice(file.bytes.get(kept.len()..length).unwrap_or_default());
        }
        Some((ticket, Ok(())))
    }

    /// Cuts the power: of what was not synced a part survives by chance, possibly with a torn end; syncs under way end with it.
    pub fn lose_power(&self, chance: &mut Chance) {
        let mut state = self.state();
        state.pending.clear();
        state.failing = Failing::default();
        let mut names: Vec<String> = state.files.keys().chain(state.durable.keys()).cloned().collect();
        names.sort();
        names.dedup();
        for name in names {
            let kept = state.durable.get(&name).cloned();
            let written = state.files.get(&name);
            let bytes = match (kept, written) {
                (Some(kept), Some(file)) => Some(survivors(kept, file, chance)),
                (None, Some(file)) => chance.one_in(2).then(|| survivors(Vec::new(), file, chance)),
                // Removed, and the removal not yet durable.
                (Some(kept), None) => chance.one_in(2).then_some(kept),
                (None, None) => None,
            };
            match bytes {
                Some(bytes) => {
                    state.durable.insert(name.clone(), bytes.clone());
                    state.files.insert(name, File { bytes, ..File::default() });
                }
                None => {
                    state.durable.remove(&name);
                    state.files.remove(&name);
                }
            }
        }
        state.used = state.files.values().map(|file| file.bytes.len() as u64).sum();
    }

    /// Returns the bytes of a file as they are now; `None` when there is none.
    pub fn contents(&self, file: &str) -> Option<Vec<u8>> {
        self.state().files.get(file).map(|file| file.bytes.clone())
    }

    /// Puts a file there as it should be found, durable.
    pub fn place(&self, file: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        state.durable.insert(file.to_owned(), bytes.clone());
        state.files.insert(file.to_owned(), File { bytes, ..File::default() });
        state.used = state.files.values().map(|file| file.bytes.len() as u64).sum();
    }
}

fn survivors(mut kept: Vec<u8>, file: &File, chance: &mut Chance) -> Vec<u8> {
    let end = file.lost_from.unwrap_or(usize::MAX).min(file.bytes.len());
    if let Some(same) = file.same_to.filter(|&same| same < kept.len()) {
        // The cut may be lost with all that was written behind it; what was there is still whole.
        if chance.one_in(2) {
            return kept;
        }
        kept.truncate(same);
    }
    let end = end.max(kept.len());
    let unsynced = file.bytes.get(kept.len()..end).unwrap_or_default();
    let survive = usize::try_from(chance.below(unsynced.len() as u64 + 1)).unwrap_or(0);
    kept.extend_from_slice(unsynced.get(..survive).unwrap_or_default());
    if survive > 0 && chance.one_in(4) {
        // The file's length was written, its last block was not.
        let torn = 1 + usize::try_from(chance.below(survive.min(512) as u64)).unwrap_or(0);
        let from = kept.len() - torn.min(survive);
        kept.truncate(from);
        kept.resize(from + torn.min(survive), 0);
    }
    kept
}

impl Disk for MemoryDisk {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        Ok(self.state().files.iter().map(|(name, file)| (name.clone(), file.bytes.len() as u64)).collect())
    }

    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError> {
        let mut state = self.state();
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        let room = state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used));
        let mut outcome = Ok(());
        let mut writable = whole;
        if room < whole as u64 {
            writable = usize::try_from(room).unwrap_or(whole);
            outcome = Err(DiskError::Full);
        }
        match state.failing.append {
            Some((0, written)) => {
                state.failing.append = None;
                writable = writable.min(written);
                outcome = Err(DiskError::Broken);
            }
            Some((after, written)) => state.failing.append = Some((after - 1, written)),
            None => {}
        }
        state.used += writable as u64;
        let file = state.files.entry(file.to_owned()).or_insert_with(File::recreated);
        let offset = file.bytes.len() as u64;
        for part in parts {
            let piece = part.get(..writable).unwrap_or(part);
            file.bytes.extend_from_slice(piece);
            writable -= piece.len();
        }
        outcome.map(|()| offset)
    }

    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let mut state = self.state();
        match state.failing.read {
            Some(0) => {
                state.failing.read = None;
                return Err(DiskError::Broken);
            }
            Some(after) => state.failing.read = Some(after - 1),
            None => {}
        }
        let bytes = &state.files.get(file).ok_or(DiskError::Missing)?.bytes;
        let from = usize::try_from(offset).map_err(|_| DiskError::Missing)?;
        let end = from.checked_add(length).ok_or(DiskError::Missing)?;
        Ok(bytes.get(from..end).ok_or(DiskError::Missing)?.to_vec())
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        let mut state = self.state();
        let State { files, pending, .. } = &mut *state;
        let name = file;
        let file = files.get_mut(name).ok_or(DiskError::Missing)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(file.bytes.len());
        for covered in pending.iter_mut().filter_map(|pending| pending.lengths.get_mut(name)) {
            *covered = length.min(*covered);
        }
        file.same_to = Some(file.same_to.unwrap_or(usize::MAX).min(length));
        let cut = file.bytes.len() - length;
        file.bytes.truncate(length);
        file.lost_from = file.lost_from.filter(|&from| from < length);
        state.used -= cut as u64;
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        let mut state = self.state();
        if let Some(file) = state.files.remove(file) {
            state.used -= file.bytes.len() as u64;
        }
        Ok(())
    }

    fn begin_sync(&mut self, ticket: SyncTicket) {
        let mut state = self.state();
        let lengths = state.files.iter().map(|(name, file)| (name.clone(), file.bytes.len())).collect();
        state.pending.push(Pending { ticket, lengths });
    }
}
