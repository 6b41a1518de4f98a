//! Files in zip and gzip archives (APPNOTE.TXT 4.3, RFC 1952), as far as a budget goes.
//!
//! A zip file's directory is not asked: every local header is tried, since what one program passes over another one unpacks.
//! Stored files stand in the archive as they are and are found there.

use super::inflate::{self, Stop};

/// What may still be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Octets that may come out.
    pub(super) bytes: u64,
    /// Octets that may be read for it: headers may overlap, and each would read the rest anew.
    pub(super) reading: u64,
    pub(super) entries: u64,
}

/// How far an archive could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opened {
    All,
    Encrypted,
    TooMuch,
}

const ZIP: &[u8] = b"PK\x03\x04";
const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Tells whether octets begin like an archive that can be opened.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(GZIP)
}

/// Unpacks an archive's compressed files, each for itself; stored archives in archives are handed out too.
pub(super) fn each_file(bytes: &[u8], budget: &mut Budget, visit: &mut dyn FnMut(&[u8], &mut Budget)) -> Opened {
    if bytes.starts_with(GZIP) {
        return match gzip_data(bytes) {
            Some(data) => unpack(data, budget, visit).1,
            None => Opened::All,
        };
    }
    let mut opened = Opened::All;
    let mut from = 0;
    while let Some(found) = find(bytes.get(from..).unwrap_or_default(), ZIP) {
        let at = from + found;
        from = at + ZIP.len();
        let Some(entry) = Entry::read(bytes, at) else { continue };
        if entry.encrypted {
            opened = opened.max(Opened::Encrypted);
            continue;
        }
        if budget.entries == 0 || budget.reading == 0 {
            return Opened::TooMuch;
        }
        budget.entries -= 1;
        let data = bytes.get(entry.data..).unwrap_or_default();
        match entry.method {
            // A gzip in a zip, stored. A zip in a zip is met on the way.
            0 if data.starts_with(GZIP) && entry.size > 0 => {
                budget.reading = budget.reading.saturating_sub(entry.size as u64);
                visit(data.get(..entry.size).unwrap_or(data), budget);
            }
            8 => {
                let (used, outcome) = unpack(data, budget, visit);
                opened = opened.max(outcome);
                if outcome == Opened::TooMuch {
                    return Opened::TooMuch;
                }
                // What was a sound stream holds no header; what was none may.
                from = from.max(entry.data + used);
            }
            _ => {}
        }
    }
    opened
}

/// Unpacks one stream; returns how much of the input it was, nothing when it was no stream.
fn unpack(data: &[u8], budget: &mut Budget, visit: &mut dyn FnMut(&[u8], &mut Budget)) -> (usize, Opened) {
    let limit = usize::try_from(budget.bytes).unwrap_or(usize::MAX);
    let (file, used, outcome) = inflate::inflate(data, limit);
    budget.bytes = budget.bytes.saturating_sub(file.len() as u64);
    budget.reading = budget.reading.saturating_sub(used as u64);
    visit(&file, budget);
    match outcome {
        Ok(()) => (used, Opened::All),
        Err(Stop::Broken) => (0, Opened::All),
        Err(Stop::TooMuch) => (0, Opened::TooMuch),
    }
}

struct Entry {
    method: u16,
    encrypted: bool,
    size: usize,
    data: usize,
}

impl Entry {
    /// Reads a local file header (APPNOTE.TXT 4.3.7).
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let header: &[u8; 30] = bytes.get(at..)?.first_chunk()?;
        let short = |offset: usize| Some(u16::from_le_bytes([*header.get(offset)?, *header.get(offset + 1)?]));
        let size = u32::from_le_bytes(*header.get(18..22)?.first_chunk()?);
        let data = at + 30 + usize::from(short(26)?) + usize::from(short(28)?);
        (data <= bytes.len()).then_some(())?;
        Some(Self { method: short(8)?, encrypted: short(6)? & 1 == 1, size: usize::try_from(size).ok()?, data })
    }
}

/// Passes over a gzip header (RFC 1952 §2.3).
fn gzip_data(bytes: &[u8]) -> Option<&[u8]> {
    let flags = *bytes.get(3)?;
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
