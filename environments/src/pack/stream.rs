//! The form of a pack: a word that says what it is, then a compressed row of records, the last of which proves the others.
//!
//! ```text
//! "mailwright pack 1\n"
//! gzip( { u32 length, little-endian; header as JSON; content of header.size bytes }* )
//! ```
//!
//! The last record's header is of the kind `end` and holds the SHA-256 of everything before it, uncompressed. A pack without it was
//! torn off.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state::hexadecimal;

/// What a pack begins with.
const MAGIC: &[u8] = b"mailwright pack 1\n";

/// What packs of any version begin with.
const KIN: &[u8] = b"mailwright pack ";

/// The largest header, in bytes.
const LARGEST_HEADER: u32 = 64 * 1024;

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A file, with its content.
    File,
    /// A file with holes: its length, and as content what it holds ([`super::holes`]).
    Holes(u64),
    /// A folder.
    Folder,
    /// A symbolic link to this.
    Link(String),
    /// A named pipe.
    Pipe,
    /// A name that hides what an image has there (overlayfs.rst, "whiteouts and opaque directories").
    Whiteout,
    /// The last record, with the SHA-256 of all before it.
    End(String),
}

/// What is said of a record before its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Where it belongs, by parts.
    pub(super) path: Vec<String>,
    /// What it is.
    pub(super) kind: Kind,
    /// Permission bits.
    pub(super) mode: u32,
    /// The owner's number, and the group's.
    pub(super) owner: (u32, u32),
    /// When it was changed last, in seconds since 1970.
    pub(super) modified: i64,
    /// How long its content is, in bytes.
    pub(super) size: u64,
    /// Whether it hides everything that an image has below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) opaque: bool,
}

/// Why a pack cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamFailure {
    /// It is none.
    #[error("it is no pack")]
    NoPack,
    /// Another version of the program wrote it.
    #[error("it is a pack of another version than this program reads")]
    Version,
    /// It ends in the middle.
    #[error("it ends in the middle: what was copied is not whole")]
    Torn,
    /// A record is not what the program writes.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It cannot be read or written.
    #[error("it could not be read or written")]
    System(#[from] io::Error),
}

/// Counts what passes, and hashes it.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Writes a pack.
pub(super) struct Writer<W: Write>(Hashed<GzEncoder<W>>);

impl<W: Write> Writer<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self(Hashed { inner: GzEncoder::new(out, Compression::fast()), hash: Sha256::new() }))
    }

    /// Adds a record; of a file that grows or shrinks meanwhile, as many bytes as it had are taken, or it is an error.
    pub(super) fn add(&mut self, header: &Header, content: impl Read) -> io::Result<()> {
        let text = serde_json::to_vec(header)?;
        let length = u32::try_from(text.len()).ok().filter(|&length| length <= LARGEST_HEADER);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path is too long"))?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(&text)?;
        if io::copy(&mut content.take(header.size), &mut self.0)? != header.size {
            return Err(io::Error::other(format!("{} became shorter while it was read", header.path.join("/"))));
        }
        Ok(())
    }

    /// Ends the pack; returns what it was written to.
    pub(super) fn end(mut self) -> io::Result<W> {
        let digest = hexadecimal(&self.0.hash.clone().finalize());
        self.add(&plain(Vec::new(), Kind::End(digest), 0), io::empty())?;
        self.0.inner.finish()
    }
}

/// Returns a header without an owner.
pub(super) fn plain(path: Vec<String>, kind: Kind, size: u64) -> Header {
    let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
    Header { path, kind, mode, owner: (0, 0), modified: 0, size, opaque: false }
}

/// Reads a pack record by record.
pub(super) struct Reader<R: Read>(Hashed<GzDecoder<R>>);

impl<R: Read> Reader<R> {
    pub(super) fn new(mut from: R) -> Result<Self, StreamFailure> {
        let mut magic = [0; MAGIC.len()];
        let mut found = 0;
        while let Some(rest) = magic.get_mut(found..).filter(|rest| !rest.is_empty()) {
            match from.read(rest)? {
                0 => break,
                count => found += count,
            }
        }
        match magic.get(..found).unwrap_or_default() {
            magic if magic == MAGIC => {}
            other if other.starts_with(KIN) => return Err(StreamFailure::Version),
            _ => return Err(StreamFailure::NoPack),
        }
        Ok(Self(Hashed { inner: GzDecoder::new(from), hash: Sha256::new() }))
    }

    /// Gives each record and its content to somebody; what of a content is not read is passed over.
    ///
    /// - Errors: it is torn or damaged. What was given before is worth nothing then.
    pub(super) fn each<E: From<StreamFailure>>(
        mut self,
        mut take: impl FnMut(Header, &mut dyn Read) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let before = self.0.hash.clone();
            let header = self.header()?;
            if let Kind::End(digest) = &header.kind {
                if *digest != hexadecimal(&before.finalize()) {
                    return Err(damaged("its content is not what was packed").into());
                }
                // Reading on makes the decoder compare the compression's own trailer, which may be torn off, too.
                if self.0.read(&mut [0]).map_err(torn)? != 0 {
                    return Err(damaged("more follows its last record").into());
                }
                return Ok(());
            }
            let mut content = Counted { inner: &mut self.0, left: header.size, failure: None };
            take(header, &mut content)?;
            io::copy(&mut content, &mut io::sink()).map_err(torn)?;
            if content.left > 0 {
                return Err(StreamFailure::Torn.into());
            }
        }
    }

    fn header(&mut self) -> Result<Header, StreamFailure> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).map_err(torn)?;
        let length = u32::from_le_bytes(length);
        if length > LARGEST_HEADER {
            return Err(damaged("a record says too much of itself"));
        }
        let mut text = vec![0; length as usize];
        self.0.read_exact(&mut text).map_err(torn)?;
        serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))
    }
}

fn damaged(what: &str) -> StreamFailure {
    StreamFailure::Damaged(what.to_owned())
}

/// Returns what an error of the decoder means.
fn torn(error: io::Error) -> StreamFailure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => StreamFailure::Torn,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => StreamFailure::Damaged(error.to_string()),
        _ => StreamFailure::System(error),
    }
}

/// The content of one record.
struct Counted<'a, R> {
    inner: &'a mut R,
    left: u64,
    failure: Option<()>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        if most == 0 || self.failure.is_some() {
            return Ok(0);
        }
        let count = self.inner.read(bytes.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            self.failure = Some(());
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(records: &[(Header, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (header, content) in records {
            writer.add(header, content.as_slice()).unwrap();
        }
        writer.end().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<(Header, Vec<u8>)>, StreamFailure> {
        let mut records = Vec::new();
        Reader::new(bytes)?.each(|header, content| -> Result<(), StreamFailure> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(torn)?;
            records.push((header, bytes));
            Ok(())
        })?;
        Ok(records)
    }

    fn record(name: &str, content: &[u8]) -> (Header, Vec<u8>) {
        (plain(vec!["state".to_owned(), name.to_owned()], Kind::File, content.len() as u64), content.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_was_packed_is_unpacked(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6)) {
            let records: Vec<_> = contents.iter().enumerate().map(|(place, it)| record(&place.to_string(), it)).collect();
            prop_assert_eq!(unpacked(&packed(&records)).unwrap(), records);
        }

        #[test]
        fn a_pack_that_is_torn_or_changed_is_never_taken(content in prop::collection::vec(any::<u8>(), 1..2000), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let bytes = packed(&[record("a", &content)]);
            let cut = at.index(bytes.len());
            prop_assert!(unpacked(&bytes[..cut]).is_err());
            let mut changed = bytes.clone();
            changed[cut] ^= flip;
            // Some bytes of the compression's own frame mean nothing; what is taken is the same then.
            if let Ok(taken) = unpacked(&changed) {
                prop_assert_eq!(taken, vec![record("a", &content)]);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_stumble(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpacked(&bytes);
            let mut after = MAGIC.to_vec();
            after.extend(bytes);
            let _ = unpacked(&after);
        }
    }

    #[test]
    fn what_is_no_pack_says_so() {
        assert!(matches!(unpacked(b"PK\x03\x04"), Err(StreamFailure::NoPack)));
        assert!(matches!(unpacked(b"mailwright pack 9\n"), Err(StreamFailure::Version)));
        assert!(matches!(unpacked(b""), Err(StreamFailure::NoPack)));
    }

    #[test]
    fn a_header_that_promises_gigabytes_takes_no_memory() {
        let mut hostile = GzEncoder::new(MAGIC.to_vec(), Compression::fast());
        hostile.write_all(&u32::MAX.to_le_bytes()).unwrap();
        let bytes = hostile.finish().unwrap();
        assert!(matches!(unpacked(&bytes), Err(StreamFailure::Damaged(_))));
    }
}
