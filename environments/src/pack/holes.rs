//! A file with holes, as a disk or a machine's memory is, in a pack: what it holds and where, and nothing of the rest.
//!
//! ```text
//! { u64 place, u64 length, little-endian; that many bytes }*      places rise, and nothing lies on anything else
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;

/// The longest file that is laid down, in bytes: a file of holes takes no room, and its length should be no surprise.
const LONGEST: u64 = 1 << 42;

/// How much is written at once.
const PIECE: usize = 64 * 1024;

/// Octets before each part.
const HEAD: u64 = 16;

/// What a file holds, part by part.
pub(super) struct Parts {
    file: File,
    /// Place and length of what was not read yet.
    left: std::vec::IntoIter<(u64, u64)>,
    head: Vec<u8>,
    now: (u64, u64),
    size: u64,
}

impl Parts {
    /// Finds out what a file holds; it must not change until it is read.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let mut parts = Vec::new();
        let mut at = 0;
        loop {
            let start = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                Ok(start) => start,
                // Nothing but a hole is left.
                Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let end = rustix::fs::seek(&file, SeekFrom::Hole(start))?;
            parts.push((start, end - start));
            at = end;
        }
        let size = parts.iter().map(|(_, length)| length + HEAD).sum();
        Ok(Self { file, left: parts.into_iter(), head: Vec::new(), now: (0, 0), size })
    }

    /// Returns how many bytes are read from this.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Read for Parts {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() && self.now.1 == 0 {
            let Some((place, length)) = self.left.next() else { return Ok(0) };
            self.head = [place.to_le_bytes(), length.to_le_bytes()].concat();
            self.now = (place, length);
        }
        if !self.head.is_empty() {
            let count = self.head.as_slice().read(bytes)?;
            self.head.drain(..count);
            return Ok(count);
        }
        let most = usize::try_from(self.now.1).unwrap_or(usize::MAX).min(bytes.len());
        let count = self.file.read_at(bytes.get_mut(..most).unwrap_or_default(), self.now.0)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.now = (self.now.0 + count as u64, self.now.1 - count as u64);
        Ok(count)
    }
}

/// Lays down what [`Parts`] gave, in a file that holds nothing.
///
/// - `length`: the file's, in bytes.
/// - Errors: the parts are not in order or lie outside of the file (`InvalidData`), or end too early.
pub(super) fn lay(content: &mut dyn Read, length: u64, file: &File) -> io::Result<()> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    if length > LONGEST {
        return Err(damaged("a file with holes is too long"));
    }
    file.set_len(length)?;
    let mut bytes = vec![0; PIECE];
    let mut end = 0;
    loop {
        let mut head = [0; HEAD as usize];
        match content.read(&mut head)? {
            0 => return Ok(()),
            count => content.read_exact(head.get_mut(count..).unwrap_or_default())?,
        }
        let number = |part: Option<&[u8; 8]>| part.map_or(0, |part| u64::from_le_bytes(*part));
        let (mut place, mut left) = (number(head.first_chunk()), number(head.last_chunk()));
        let after = place.checked_add(left).filter(|after| place >= end && *after <= length);
        end = after.ok_or_else(|| damaged("a part of a file with holes lies outside of it"))?;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = bytes.get_mut(..room).unwrap_or_default();
            content.read_exact(piece)?;
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, place)?;
            }
            (place, left) = (place + room as u64, left - room as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_file_comes_out_as_it_went_in_and_takes_no_more_room(
            pieces in prop::collection::vec((0_u64..200, any::<u8>(), 1_usize..9000), 0..6),
            length in 0_u64..1_000_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("from");
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            for (place, byte, count) in &pieces {
                file.write_all_at(&vec![*byte; *count], place * 4096).unwrap();
            }
            let length = file.metadata().unwrap().len();
            let mut parts = Parts::of(file).unwrap();
            let mut content = Vec::new();
            let size = parts.size();
            parts.read_to_end(&mut content).unwrap();
            prop_assert_eq!(content.len() as u64, size);
            let to = folder.path().join("to");
            let copy = File::options().write(true).create_new(true).open(&to).unwrap();
            lay(&mut content.as_slice(), length, &copy).unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == std::fs::read(&to).unwrap());
            let blocks = |path| std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap());
            prop_assert!(blocks(&to) <= blocks(&path) + 8);
        }

        #[test]
        fn no_bytes_are_written_outside_of_the_file(bytes in prop::collection::vec(any::<u8>(), 0..200), length in any::<u64>()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("to");
            let file = File::create(&path).unwrap();
            let _ = lay(&mut bytes.as_slice(), length, &file);
            prop_assert!(file.metadata().unwrap().len() <= length);
        }
    }

    #[test]
    fn parts_that_lie_on_each_other_are_refused() {
        let file = tempfile::tempfile().unwrap();
        let part =
            |place: u64, bytes: &[u8]| [&place.to_le_bytes()[..], &(bytes.len() as u64).to_le_bytes(), bytes].concat();
        let content = [part(10, b"abc"), part(12, b"x")].concat();
        let failure = lay(&mut content.as_slice(), 100, &file).unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::InvalidData);
    }
}
