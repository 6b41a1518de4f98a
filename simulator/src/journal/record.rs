//! How a segment's header and a record lie on the disk.
//!
//! ```text
//! segment: "MWJ" version, number u64, oldest u64, durable segment u64, durable offset u64, link u32, CRC-32C of all before
//! record:  meta length u32, body length u32, CRC-32C of the body, CRC-32C of link, these twelve bytes and the meta; meta; body
//! ```
//! All numbers are little-endian. A link is the CRC-32C of the head before, so that a tail which was cut and which a power
//! loss brings back is not taken for the continuation of what was written in its place.

use super::Position;
use super::checksum::Checksum;

const MAGIC: [u8; 3] = *b"MWJ";
const VERSION: u8 = 1;

/// Bytes of a segment's header.
pub(super) const SEGMENT_HEAD: usize = 44;
/// Bytes of a record before its meta.
pub(super) const RECORD_HEAD: usize = 16;
/// The longest meta that is written or believed.
pub(super) const META_LIMIT: usize = 16 << 20;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) number: u64,
    /// Segments below this number had been given up, and what replaced them was durable, when the segment was begun.
    pub(super) oldest: u64,
    /// Everything before this position was durable when the segment was begun.
    pub(super) durable: Position,
    /// The checksum of the last record of the segment before.
    pub(super) link: u32,
}

/// Why a segment's header could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    Torn,
    Version(u8),
}

impl SegmentHead {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEAD] {
        let mut bytes = [0; SEGMENT_HEAD];
        let mut rest = bytes.as_mut_slice();
        let mut put = |part: &[u8]| {
            if let Some((place, tail)) = std::mem::take(&mut rest).split_at_mut_checked(part.len()) {
                place.copy_from_slice(part);
                rest = tail;
            }
        };
        put(&MAGIC);
        put(&[VERSION]);
        put(&self.number.to_le_bytes());
        put(&self.oldest.to_le_bytes());
        put(&self.durable.segment.to_le_bytes());
        put(&self.durable.offset.to_le_bytes());
        put(&self.link.to_le_bytes());
        let (covered, sum) = bytes.split_at_mut(SEGMENT_HEAD - 4);
        sum.copy_from_slice(&Checksum::of(&[covered]).to_le_bytes());
        bytes
    }

    /// Returns the link of the segment's first record.
    pub(super) fn next_link(self) -> u32 {
        let encoded = self.encode();
        encoded.last_chunk::<4>().map_or(0, |sum| u32::from_le_bytes(*sum))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHead> {
        let (covered, sum) = bytes.split_last_chunk::<4>().ok_or(BadHead::Torn)?;
        if bytes.len() != SEGMENT_HEAD || Checksum::of(&[covered]) != u32::from_le_bytes(*sum) {
            return Err(BadHead::Torn);
        }
        let rest = covered.strip_prefix(&MAGIC).ok_or(BadHead::Torn)?;
        let (version, rest) = rest.split_first().ok_or(BadHead::Torn)?;
        if *version != VERSION {
            return Err(BadHead::Version(*version));
        }
        let (rest, link) = rest.split_last_chunk::<4>().ok_or(BadHead::Torn)?;
        let mut numbers = rest.chunks_exact(8).map(|chunk| chunk.try_into().map_or(0, u64::from_le_bytes));
        let mut next = || numbers.next().ok_or(BadHead::Torn);
        Ok(Self {
            number: next()?,
            oldest: next()?,
            durable: Position { segment: next()?, offset: next()? },
            link: u32::from_le_bytes(*link),
        })
    }
}

/// A record's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) meta: u32,
    pub(super) body: u32,
    pub(super) body_checksum: u32,
    pub(super) checksum: u32,
}

impl RecordHead {
    pub(super) fn new(link: u32, meta: &[u8], meta_length: u32, body_length: u32, body_checksum: u32) -> Self {
        let mut head = Self { meta: meta_length, body: body_length, body_checksum, checksum: 0 };
        head.checksum = head.expected(link, meta);
        head
    }

    /// Returns the checksum that the head and this meta should have behind this link.
    pub(super) fn expected(&self, link: u32, meta: &[u8]) -> u32 {
        Checksum::of(&[
            &link.to_le_bytes(),
            &self.meta.to_le_bytes(),
            &self.body.to_le_bytes(),
            &self.body_checksum.to_le_bytes(),
            meta,
        ])
    }

    pub(super) fn encode(&self) -> [u8; RECORD_HEAD] {
        let [a, b, c, d] = self.meta.to_le_bytes();
        let [e, f, g, h] = self.body.to_le_bytes();
        let [i, j, k, l] = self.body_checksum.to_le_bytes();
        let [m, n, o, p] = self.checksum.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes.first_chunk::<RECORD_HEAD>()?;
        Some(Self {
            meta: u32::from_le_bytes([a, b, c, d]),
            body: u32::from_le_bytes([e, f, g, h]),
            body_checksum: u32::from_le_bytes([i, j, k, l]),
            checksum: u32::from_le_bytes([m, n, o, p]),
        })
    }
}

/// Returns the name of a segment's file; names sort as numbers do.
pub(super) fn file_name(number: u64) -> String {
    format!("journal-{number:016x}")
}

/// Returns the number of the segment a file holds, when it is one.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back_as_they_were_written() {
        let head = SegmentHead { number: 7, oldest: 3, durable: Position { segment: 6, offset: 123_456 }, link: 77 };
        assert_eq!(SegmentHead::decode(&head.encode()), Ok(head));
        let record = RecordHead::new(5, b"meta", 4, 99, 0xDEAD_BEEF);
        assert_eq!(RecordHead::decode(&record.encode()), Some(record));
        assert_eq!(record.expected(5, b"meta"), record.checksum);
        assert_ne!(record.expected(6, b"meta"), record.checksum);
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut bytes = SegmentHead { number: 1, oldest: 1, durable: Position::default(), link: 0 }.encode();
        bytes[3] = 9;
        assert_eq!(SegmentHead::decode(&bytes), Err(BadHead::Torn));
        let sum = Checksum::of(&[&bytes[..SEGMENT_HEAD - 4]]);
        bytes[SEGMENT_HEAD - 4..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(SegmentHead::decode(&bytes), Err(BadHead::Version(9)));
    }

    #[test]
    fn file_names_are_read_back_and_others_are_not_ours() {
        assert_eq!(file_number(&file_name(0xABC)), Some(0xABC));
        assert_eq!(file_number("journal-1"), None);
        assert_eq!(file_number("lock"), None);
    }
}
