//! An append-only log of one role, in segments, that survives a power loss.
//!
//! Its owner keeps the truth in memory and writes every change here before acting on it. A record is a small meta (what
//! happened) and a body (a message, or nothing); it counts only when it is whole. What may be promised to anybody is what
//! lies before [`Journal::durable_to`]: this holds for an answer about something that was written *earlier* too, so a
//! repeated delivery is acknowledged only when the first one is durable.
//!
//! Syncs are grouped: one is outstanding at a time, and what is appended meanwhile goes into the next. A sync that failed
//! is never tried again: the journal refuses further work, the owner forgets its memory, cuts what was not durable
//! ([`Journal::cut_unsynced`]) and opens again.
//!
//! Garbage goes oldest first: the owner writes what is still alive in the oldest segment again at the end, in full, and
//! retires the segment. Its file is removed once the copies are durable and a new segment's header, durable too, says that
//! it is gone: so a removal that a power loss undoes, or does in part, is understood. Hence replay must let a later record of a
//! thing replace an earlier one, and ignore changes to what it does not know.

mod checksum;
mod record;
mod replay;

use std::collections::BTreeMap;

use crate::disk::{Disk, DiskError, SyncTicket};
use checksum::Checksum;
use record::{META_LIMIT, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SegmentHead};

/// A place in the log; later records have greater positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, counted from 1.
    pub segment: u64,
    /// Bytes from the segment's start.
    pub offset: u64,
}

/// Where a record's body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Number of the segment.
    pub segment: u64,
    /// Offset of the body's first byte in the segment.
    pub offset: u64,
    /// Length in bytes.
    pub length: u32,
    /// CRC-32C of the body, checked by [`Journal::read`].
    pub checksum: u32,
}

/// What an append gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The record's end; the record is durable once [`Journal::durable_to`] is not before it.
    pub position: Position,
    /// Where the body lies.
    pub body: Location,
}

/// How a journal is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes after which a new segment is begun.
    pub segment_bytes: u64,
    /// Ticket of the first sync. A role that opens again goes on above the tickets it has used ([`Journal::next_ticket`]).
    pub first_ticket: SyncTicket,
}

impl Options {
    /// Segments of 64 MiB, tickets from one.
    pub const STANDARD: Self = Self { segment_bytes: 64 << 20, first_ticket: SyncTicket(1) };
}

/// What opening found and mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that were replayed.
    pub records: u64,
    /// Bytes of a torn tail that were cut off.
    pub cut_bytes: u64,
    /// Segments whose removal had not become durable, removed again.
    pub stale_segments: u64,
}

/// Why a journal could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something that was durable is not as it was written; nothing was cut.
    #[error("journal segment {segment} is damaged at byte {offset}; restore it from a backup, or move the folder away")]
    Damaged {
        /// Number of the segment.
        segment: u64,
        /// Offset of the record.
        offset: u64,
    },
    /// The segment was written by another version of this program.
    #[error("journal segment {segment} has format {found}, this program reads format 1; use the program that wrote it")]
    Version {
        /// Number of the segment.
        segment: u64,
        /// The format found.
        found: u8,
    },
    /// The owner does not understand a record.
    #[error("journal segment {segment} holds a record at byte {offset} that cannot be understood: {reason}")]
    Meaning {
        /// Number of the segment.
        segment: u64,
        /// Offset of the record.
        offset: u64,
        /// What the owner said.
        reason: String,
    },
}

/// What became of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what waits for durability must be told"]
pub enum SyncOutcome {
    /// Everything before this position is durable.
    Durable(Position),
    /// Nothing after [`Journal::durable_to`] can be trusted; the owner opens again.
    Failed,
    /// The ticket belongs to no sync of this journal; nothing changed.
    Stale,
}

/// What gets to see a record at opening: its meta, its body's place, its position.
pub type Visit<'a> = dyn FnMut(&[u8], Location, Position) -> Result<(), String> + 'a;

/// The log of one role. The disk is handed in with each call, always the same one.
#[derive(Debug)]
pub struct Journal {
    segment_bytes: u64,
    /// Length of every segment, in bytes.
    segments: BTreeMap<u64, u64>,
    tail: Position,
    /// The checksum of the last head written.
    link: u32,
    durable: Position,
    /// Where the log ended when it was opened.
    opened: Position,
    outstanding: Option<(SyncTicket, Position)>,
    wanted: bool,
    next_ticket: u64,
    failed: bool,
    /// Segments below this number have been given up.
    oldest: u64,
    retiring: Option<Retiring>,
}

/// Segments on their way out.
#[derive(Clone, Copy, Debug)]
struct Retiring {
    /// Those below this number go…
    below: u64,
    /// …once everything before this is durable: first the copies, then the header that says so.
    by: Position,
    noted: bool,
}

impl Journal {
    /// Opens the log on a disk, replays every whole record in order and cuts a torn tail.
    ///
    /// What is replayed may have been written and never synced (a process that died under a running machine), so the
    /// owner requests a sync before it promises anything: [`Journal::durable_to`] begins where a former journal noted it.
    /// Bodies are not loaded; those whose durability is not on record are read once, in small pieces, to be checked.
    ///
    /// - `visit`: gets a record's meta, its body's place and its position; its error ends the opening.
    /// - Errors: [`OpenError`]; nothing is cut or removed unless all of the log could be read.
    pub fn open(disk: &mut dyn Disk, options: Options, visit: &mut Visit<'_>) -> Result<(Self, Recovery), OpenError> {
        let found = replay::replay(disk, visit)?;
        Ok((
            Self {
                segment_bytes: options.segment_bytes.max(SEGMENT_HEAD as u64 + 1),
                segments: found.segments,
                tail: found.tail,
                link: found.link,
                durable: found.durable,
                opened: found.tail,
                outstanding: None,
                wanted: false,
                next_ticket: options.first_ticket.0,
                failed: false,
                oldest: found.oldest,
                retiring: None,
            },
            found.recovery,
        ))
    }

    /// Appends a record; the body may come in parts.
    ///
    /// - Errors: the disk's; a partial record is cut off again. When that fails too, the journal refuses all further work
    ///   ([`Journal::is_failed`]). `Full` too for a meta over 16 MiB or a body over 4 GiB.
    pub fn append(&mut self, disk: &mut dyn Disk, meta: &[u8], body: &[&[u8]]) -> Result<Appended, DiskError> {
        if self.failed {
            return Err(DiskError::Broken);
        }
        let body_length: u64 = body.iter().map(|part| part.len() as u64).sum();
        let (Ok(meta_length), Ok(body_length)) = (u32::try_from(meta.len()), u32::try_from(body_length)) else {
            return Err(DiskError::Full);
        };
        if meta.len() > META_LIMIT {
            return Err(DiskError::Full);
        }
        let checksum = Checksum::of(body);
        let whole = RECORD_HEAD as u64 + u64::from(meta_length) + u64::from(body_length);
        let is_full = self.tail.offset > SEGMENT_HEAD as u64 && self.tail.offset + whole > self.segment_bytes;
        if self.tail.segment == 0 || is_full {
            self.begin_segment(disk)?;
        }
        let head = RecordHead::new(self.link, meta, meta_length, body_length, checksum);
        let encoded = head.encode();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(body.len() + 2);
        parts.push(&encoded);
        parts.push(meta);
        parts.extend_from_slice(body);
        let start = self.write(disk, self.tail, &parts, whole)?;
        self.link = head.checksum;
        let location = Location {
            segment: start.segment,
            offset: start.offset + RECORD_HEAD as u64 + u64::from(meta_length),
            length: body_length,
            checksum,
        };
        Ok(Appended { position: self.tail, body: location })
    }

    fn begin_segment(&mut self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        let number = self.tail.segment + 1;
        let head = SegmentHead { number, oldest: self.oldest, durable: self.durable, link: self.link };
        self.write(disk, Position { segment: number, offset: 0 }, &[&head.encode()], SEGMENT_HEAD as u64)?;
        self.link = head.next_link();
        Ok(())
    }

    /// Writes at a place that must be the end of its file, and moves the tail behind it.
    fn write(
        &mut self,
        disk: &mut dyn Disk,
        place: Position,
        parts: &[&[u8]],
        length: u64,
    ) -> Result<Position, DiskError> {
        let file = record::file_name(place.segment);
        let outcome = match disk.append(&file, parts) {
            Ok(offset) if offset == place.offset => Ok(()),
            // The file is not as long as it was left: somebody else writes here.
            Ok(_) => {
                self.failed = true;
                return Err(DiskError::Broken);
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            let mended = if place.offset == 0 { disk.remove(&file) } else { disk.truncate(&file, place.offset) };
            self.failed |= mended.is_err();
            return Err(error);
        }
        self.tail = Position { segment: place.segment, offset: place.offset + length };
        self.segments.insert(place.segment, self.tail.offset);
        Ok(place)
    }

    /// Reads a whole body and checks it.
    ///
    /// - Errors: the disk's; `Broken` when the bytes are not those that were written.
    pub fn read(&self, disk: &dyn Disk, body: Location) -> Result<Vec<u8>, DiskError> {
        let bytes = self.read_range(disk, body, 0, body.length as usize)?;
        if Checksum::of(&[&bytes]) != body.checksum {
            return Err(DiskError::Broken);
        }
        Ok(bytes)
    }

    /// Reads a part of a body, unchecked.
    ///
    /// - Errors: `Missing` when the part reaches beyond the body; the disk's.
    pub fn read_range(
        &self,
        disk: &dyn Disk,
        body: Location,
        offset: u32,
        length: usize,
    ) -> Result<Vec<u8>, DiskError> {
        if u64::from(offset) + length as u64 > u64::from(body.length) {
            return Err(DiskError::Missing);
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        disk.read(&record::file_name(body.segment), body.offset + u64::from(offset), length)
    }

    /// Asks that everything appended so far becomes durable: begins a sync, or lets the outstanding one be followed by another.
    pub fn request_sync(&mut self, disk: &mut dyn Disk) {
        if self.failed || self.tail <= self.durable {
            return;
        }
        match self.outstanding {
            Some((_, covered)) => self.wanted |= self.tail > covered,
            None => self.begin_sync(disk),
        }
    }

    fn begin_sync(&mut self, disk: &mut dyn Disk) {
        let ticket = SyncTicket(self.next_ticket);
        self.next_ticket += 1;
        self.outstanding = Some((ticket, self.tail));
        self.wanted = false;
        disk.begin_sync(ticket);
    }

    /// Takes the outcome of a sync, removes segments that were waiting for it and begins the next sync when one is wanted.
    pub fn synced(&mut self, disk: &mut dyn Disk, ticket: SyncTicket, result: Result<(), DiskError>) -> SyncOutcome {
        let Some((expected, covered)) = self.outstanding else { return SyncOutcome::Stale };
        if expected != ticket {
            return SyncOutcome::Stale;
        }
        self.outstanding = None;
        if result.is_err() || self.failed {
            self.failed = true;
            return SyncOutcome::Failed;
        }
        self.durable = self.durable.max(covered);
        self.go_on_retiring(disk);
        if self.wanted {
            self.begin_sync(disk);
        }
        SyncOutcome::Durable(self.durable)
    }

    /// Returns the position up to which everything survives a power loss.
    pub fn durable_to(&self) -> Position {
        self.durable
    }

    /// Returns whether a record that ends at a position is durable.
    pub fn is_durable(&self, position: Position) -> bool {
        position <= self.durable
    }

    /// Returns the position behind the last record.
    pub fn tail(&self) -> Position {
        self.tail
    }

    /// Returns whether the journal refuses all work, because a sync or the mending of an append failed.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Returns the ticket that a journal opened after this one begins with.
    pub fn next_ticket(&self) -> SyncTicket {
        SyncTicket(self.next_ticket)
    }

    /// Cuts everything that was appended since opening and is not durable, so that the log can be opened again after a
    /// failed sync. What was there at opening stays: most of it was promised by a former owner of this log.
    ///
    /// - Errors: the disk's; the role then stays down.
    pub fn cut_unsynced(self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        let kept = self.durable.max(self.opened);
        for (&number, &length) in self.segments.iter().rev() {
            let file = record::file_name(number);
            if number > kept.segment {
                disk.remove(&file)?;
            } else if number == kept.segment && length > kept.offset {
                disk.truncate(&file, kept.offset)?;
            }
        }
        Ok(())
    }

    /// Returns the bytes of all segments.
    pub fn total_bytes(&self) -> u64 {
        self.segments.values().sum()
    }

    /// Returns number and bytes of the oldest segment that is neither the current one nor already retired.
    pub fn oldest_segment(&self) -> Option<(u64, u64)> {
        let from = self.retiring.map_or(self.oldest, |retiring| retiring.below);
        let (&number, &bytes) = self.segments.range(from..).next()?;
        (number < self.tail.segment).then_some((number, bytes))
    }

    /// Appends a record whose body is already in this log.
    ///
    /// - Errors: as [`Journal::read`] and [`Journal::append`].
    pub fn copy(&mut self, disk: &mut dyn Disk, meta: &[u8], body: Location) -> Result<Appended, DiskError> {
        let bytes = self.read(disk, body)?;
        self.append(disk, meta, &[&bytes])
    }

    /// Gives up the oldest segments through the given one. Everything alive in them must have been appended again; their
    /// files are removed after the syncs that make this safe. The current segment stays whatever the caller says.
    pub fn retire_through(&mut self, disk: &mut dyn Disk, segment: u64) {
        let below = (segment + 1).min(self.tail.segment);
        if self.segments.range(..below).next().is_none() {
            return;
        }
        self.retiring = Some(Retiring { below, by: self.tail, noted: false });
        self.go_on_retiring(disk);
        self.request_sync(disk);
    }

    fn go_on_retiring(&mut self, disk: &mut dyn Disk) {
        let Some(retiring) = self.retiring.filter(|retiring| retiring.by <= self.durable) else { return };
        if retiring.noted {
            self.retiring = None;
            return self.remove_below(disk, retiring.below);
        }
        let before = std::mem::replace(&mut self.oldest, retiring.below);
        if self.begin_segment(disk).is_err() {
            // A full disk: the next retirement tries again.
            self.oldest = before;
            self.retiring = None;
            return;
        }
        self.retiring = Some(Retiring { by: self.tail, noted: true, ..retiring });
        self.wanted = true;
    }

    fn remove_below(&mut self, disk: &mut dyn Disk, below: u64) {
        while let Some((&number, _)) = self.segments.range(..below).next() {
            // A file that cannot be removed costs space until the next opening.
            if disk.remove(&record::file_name(number)).is_err() {
                return;
            }
            self.segments.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests;
