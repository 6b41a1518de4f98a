//! What a host's disk can do, and how it fails.
//!
//! Appending is immediate and durable only after a sync that succeeded; a sync is begun and reported later, so that one
//! sync serves everything appended before it. The embedded backend puts real files behind this, the deterministic world
//! a disk in memory that loses what was not synced.

mod memory;

pub use memory::MemoryDisk;

/// Why a disk operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// No space left (ENOSPC).
    #[error("no space left on the disk")]
    Full,
    /// Input or output error (EIO).
    #[error("input or output error on the disk")]
    Broken,
    /// The file does not exist, or is shorter than asked.
    #[error("no such data on the disk")]
    Missing,
}

/// Names one sync; the completion carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncTicket(pub u64);

/// Append-only files of one role on one host.
pub trait Disk {
    /// Returns every file with its length in bytes, sorted by name.
    fn files(&self) -> Result<Vec<(String, u64)>, DiskError>;

    /// Appends to a file, making it when it does not exist, and returns the offset of the first byte written.
    ///
    /// - Errors: after an error the file may hold a part of the bytes; the caller cuts it off with [`Disk::truncate`].
    fn append(&mut self, file: &str, parts: &[&[u8]]) -> Result<u64, DiskError>;

    /// Reads exactly `length` bytes at an offset.
    fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError>;

    /// Cuts a file to a length in bytes.
    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError>;

    /// Removes a file; removing what is not there is no error.
    fn remove(&mut self, file: &str) -> Result<(), DiskError>;

    /// Begins to make durable everything done so far. The owner of the disk reports the outcome later, with the ticket.
    fn begin_sync(&mut self, ticket: SyncTicket);
}
