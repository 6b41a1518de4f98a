//! A look at what stores hold, beside whoever serves them and without changing a byte.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use simulator::disk::{Disk, DiskError, SyncTicket};
use simulator::journal::Options;
use simulator::store::MailStore;
use values::MailAddress;

/// A disk as it was at one moment; what is written to it is kept in memory and forgotten.
struct Peek {
    folder: PathBuf,
    files: BTreeMap<String, Seen>,
}

#[derive(Default)]
struct Seen {
    /// Bytes of the file that count.
    length: u64,
    /// What was appended behind them.
    more: Vec<u8>,
}

impl Peek {
    fn at(folder: &Path) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if let Ok(name) = entry.file_name().into_string()
                && about.is_file()
                && !name.starts_with('.')
            {
                files.insert(name, Seen { length: about.len(), more: Vec::new() });
            }
        }
        Ok(Self { folder: folder.to_owned(), files })
    }
}

impl Disk for Peek {
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError> {
        Ok(self.files.iter().map(|(name, seen)| (name.clone(), seen.length + seen.more.len() as u64)).collect())
    }

    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError> {
        let seen = self.files.entry(file.to_owned()).or_default();
        let offset = seen.length + seen.more.len() as u64;
        parts.iter().for_each(|part| seen.more.extend_from_slice(part));
        Ok(offset)
    }

    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let seen = self.files.get(file).ok_or(DiskError::Missing)?;
        let there = usize::try_from(seen.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        let mut bytes = vec![0; there];
        if there > 0 {
            let opened = File::open(self.folder.join(file)).map_err(|_| DiskError::Missing)?;
            opened.read_exact_at(&mut bytes, offset).map_err(|_| DiskError::Missing)?;
        }
        let start = usize::try_from(offset.saturating_sub(seen.length)).map_err(|_| DiskError::Missing)?;
        let behind = seen.more.get(start..start + (length - there)).ok_or(DiskError::Missing)?;
        bytes.extend_from_slice(behind);
        Ok(bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        let seen = self.files.get_mut(file).ok_or(DiskError::Missing)?;
        if length > seen.length + seen.more.len() as u64 {
            return Err(DiskError::Missing);
        }
        seen.more.truncate(usize::try_from(length.saturating_sub(seen.length)).unwrap_or(usize::MAX));
        seen.length = seen.length.min(length);
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.files.remove(file);
        Ok(())
    }

    fn begin_sync(&mut self, _: SyncTicket) {}
}

/// Returns how many bytes mailboxes hold on a store; those that it does not know are left out.
///
/// - `folder`: the store's disk; somebody may be writing to it.
/// - Returns: nothing where there is no disk, or what lies there cannot be read now.
pub(crate) fn used<'m>(
    folder: &Path,
    mailboxes: impl Iterator<Item = &'m MailAddress>,
) -> Option<BTreeMap<MailAddress, u64>> {
    let mut disk = Peek::at(folder).ok()?;
    let (store, _) = MailStore::open(&mut disk, Options::STANDARD).ok()?;
    let of = |address: &MailAddress| Some((address.clone(), store.usage(store.user(address)?).bytes));
    Some(mailboxes.filter_map(of).collect())
}
