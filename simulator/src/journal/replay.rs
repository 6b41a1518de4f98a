//! Reading a log from its beginning: what is whole is told to the owner, what is torn at the end is cut.

use std::collections::BTreeMap;

use super::checksum::Checksum;
use super::record::{self, BadHead, META_LIMIT, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SegmentHead};
use super::{Location, OpenError, Position, Recovery, Visit};
use crate::disk::{Disk, DiskError};

/// Bytes read at once.
const WINDOW: usize = 64 << 10;

pub(super) struct Found {
    pub(super) segments: BTreeMap<u64, u64>,
    pub(super) tail: Position,
    /// The checksum of the last head.
    pub(super) link: u32,
    pub(super) durable: Position,
    pub(super) oldest: u64,
    pub(super) recovery: Recovery,
}

pub(super) fn replay(disk: &mut dyn Disk, visit: &mut Visit<'_>) -> Result<Found, OpenError> {
    let files: BTreeMap<u64, u64> =
        disk.files()?.into_iter().filter_map(|(name, length)| Some((record::file_number(&name)?, length))).collect();
    let heads = read_heads(disk, &files)?;
    let durable = heads.values().map(|head| head.durable).max().unwrap_or_default();
    let (mut segments, cut, link) = whole_tail(disk, &files, durable)?;

    // A header that is cut counts for nothing: what it says had not begun to happen.
    let oldest = heads.range(..cut).map(|(_, head)| head.oldest).max().unwrap_or(1);
    let mut recovery = Recovery::default();
    for number in oldest..cut {
        let damaged = |offset| OpenError::Damaged { segment: number, offset };
        let checked = segments.get(&number).copied();
        let length = checked.or_else(|| files.get(&number).copied()).ok_or_else(|| damaged(0))?;
        let trusted = Position { segment: if checked.is_some() { u64::MAX } else { durable.segment }, ..durable };
        let end = replay_segment(disk, number, length, trusted, visit, &mut recovery.records)?.end;
        if end != length {
            return Err(damaged(end));
        }
        segments.insert(number, length);
    }

    for (&number, &length) in files.range(cut - 1..).rev() {
        let kept = segments.get(&number).copied().unwrap_or(0);
        recovery.cut_bytes += length - kept;
        if kept == 0 {
            disk.remove(&record::file_name(number))?;
        } else if kept < length {
            disk.truncate(&record::file_name(number), kept)?;
        }
    }
    for &number in files.range(..oldest).map(|(number, _)| number) {
        disk.remove(&record::file_name(number))?;
        recovery.stale_segments += 1;
    }
    let tail = segments.last_key_value().map(|(&segment, &offset)| Position { segment, offset }).unwrap_or_default();
    Ok(Found { segments, tail, link, durable, oldest, recovery })
}

/// Returns the header of every segment where it is whole.
fn read_heads(disk: &dyn Disk, files: &BTreeMap<u64, u64>) -> Result<BTreeMap<u64, SegmentHead>, OpenError> {
    let mut heads = BTreeMap::new();
    for (&number, _) in files.iter().filter(|&(_, &length)| length >= SEGMENT_HEAD as u64) {
        match SegmentHead::decode(&disk.read(&record::file_name(number), 0, SEGMENT_HEAD)?) {
            Ok(head) if head.number == number => {
                heads.insert(number, head);
            }
            Err(BadHead::Version(found)) => return Err(OpenError::Version { segment: number, found }),
            _ => {}
        }
    }
    Ok(heads)
}

/// Finds how far the log is whole behind what is noted as durable.
///
/// - Returns: the whole lengths of the segments there, the number of the first that is lost, and the checksum of the last head.
fn whole_tail(
    disk: &dyn Disk,
    files: &BTreeMap<u64, u64>,
    durable: Position,
) -> Result<(BTreeMap<u64, u64>, u64, u32), OpenError> {
    let mut segments = BTreeMap::new();
    let mut number = durable.segment.max(1);
    let mut link = None;
    while let Some(&length) = files.get(&number) {
        let whole = replay_segment(disk, number, length, durable, &mut |_, _, _| Ok(()), &mut 0)?;
        if whole.end == 0 || link.is_some_and(|link| link != whole.link_before) {
            break;
        }
        segments.insert(number, whole.end);
        link = Some(whole.link);
        number += 1;
        if whole.end < length {
            break;
        }
    }
    let tail = segments.last_key_value().map(|(&segment, &offset)| Position { segment, offset }).unwrap_or_default();
    if tail < durable {
        return Err(OpenError::Damaged { segment: durable.segment, offset: tail.offset });
    }
    Ok((segments, number, link.unwrap_or(0)))
}

/// How far a segment is whole.
#[derive(Default)]
struct Whole {
    /// The offset behind the last whole record; zero when not even the header is.
    end: u64,
    /// The link that the header names.
    link_before: u32,
    /// The checksum of the last whole head.
    link: u32,
}

/// Reads a segment as far as it is whole.
fn replay_segment(
    disk: &dyn Disk,
    number: u64,
    length: u64,
    durable: Position,
    visit: &mut Visit<'_>,
    records: &mut u64,
) -> Result<Whole, OpenError> {
    let mut window = Window { disk, file: record::file_name(number), length, start: 0, bytes: Vec::new() };
    let segment = match window.get(0, SEGMENT_HEAD)?.map(SegmentHead::decode) {
        Some(Ok(head)) if head.number == number => head,
        Some(Err(BadHead::Version(found))) => return Err(OpenError::Version { segment: number, found }),
        _ => return Ok(Whole::default()),
    };
    let mut whole = Whole { end: SEGMENT_HEAD as u64, link_before: segment.link, link: segment.next_link() };
    loop {
        let offset = whole.end;
        let Some(head) = window.get(offset, RECORD_HEAD)?.and_then(RecordHead::decode) else { return Ok(whole) };
        if head.meta as usize > META_LIMIT {
            return Ok(whole);
        }
        let body = Location {
            segment: number,
            offset: offset + RECORD_HEAD as u64 + u64::from(head.meta),
            length: head.body,
            checksum: head.body_checksum,
        };
        let end = Position { segment: number, offset: body.offset + u64::from(head.body) };
        if end.offset > length {
            return Ok(whole);
        }
        // A body that was durable is checked when it is read; the others decide here whether their record counts.
        if end > durable && !window.is_whole(body)? {
            return Ok(whole);
        }
        let Some(meta) = window.get(offset + RECORD_HEAD as u64, head.meta as usize)? else { return Ok(whole) };
        if head.expected(whole.link, meta) != head.checksum {
            return Ok(whole);
        }
        visit(meta, body, end).map_err(|reason| OpenError::Meaning { segment: number, offset, reason })?;
        *records += 1;
        whole.end = end.offset;
        whole.link = head.checksum;
    }
}

/// A piece of a segment in memory.
struct Window<'a> {
    disk: &'a dyn Disk,
    file: String,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// Returns bytes of the segment, `None` when it is shorter.
    fn get(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, DiskError> {
        if offset + length as u64 > self.length {
            return Ok(None);
        }
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + length as u64 > end {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.bytes = self.disk.read(&self.file, offset, left.min(length.max(WINDOW)))?;
            self.start = offset;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from.saturating_add(length)))
    }

    /// Returns whether a body has its checksum.
    fn is_whole(&mut self, body: Location) -> Result<bool, DiskError> {
        let mut checksum = Checksum::new();
        let mut offset = body.offset;
        let end = body.offset + u64::from(body.length);
        while offset < end {
            let piece = usize::try_from(end - offset).unwrap_or(usize::MAX).min(WINDOW);
            let Some(bytes) = self.get(offset, piece)? else { return Ok(false) };
            checksum.update(bytes);
            offset += piece as u64;
        }
        Ok(checksum.value() == body.checksum)
    }
}
