//! FETCH, one message at a time (RFC 3501 §6.4.5, RFC 3516, RFC 7162).

use super::command::FetchItem;
use super::response;
use super::section::{Section, What};
use super::select::vanished_since;
use super::sequence::SequenceSet;
use super::session::{Mode, Progress, Session, Work};
use super::{date, envelope, structure};
use crate::disk::DiskError;
use crate::mime::{self, Limits, Structure, header};
use crate::store::{FlagList, FlagVerb, Flags, MailboxId, Message, Ranges, Storage};

/// Bytes that are read from the disk before others have their turn.
const SLICE_BYTES: u64 = 8 << 20;
/// Messages that are looked at before others have their turn.
const SLICE_MESSAGES: usize = 4096;
/// Bytes of a header that are read at first, when only the header is wanted.
const HEADER_GUESS: u32 = 16 << 10;

/// A FETCH under way, or what a STORE tells.
#[derive(Debug)]
pub(super) struct FetchWork {
    tag: String,
    uid: bool,
    uids: Ranges,
    /// The next UID to tell.
    next: u32,
    items: Vec<FetchItem>,
    /// Text of the last answer.
    text: String,
    is_store: bool,
    is_missing: bool,
    /// The condition that the last answer is NO for.
    problem: Option<&'static str>,
}

impl FetchWork {
    /// Tells the flags of messages behind a STORE.
    pub(super) fn told_after(
        tag: &str,
        uid: bool,
        uids: Ranges,
        mut items: Vec<FetchItem>,
        with_modseq: bool,
        text: String,
    ) -> Self {
        if with_modseq && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        if uid {
            items.insert(0, FetchItem::Uid);
        }
        let tag = tag.to_owned();
        Self { tag, uid, uids, next: 0, items, text, is_store: true, is_missing: false, problem: None }
    }

    /// Takes the next UID.
    fn advance(&mut self) -> Option<u32> {
        let at = self.uids.ranges().partition_point(|(_, last)| *last < self.next);
        let (first, _) = self.uids.ranges().get(at)?;
        let uid = self.next.max(*first);
        // No message has the largest UID.
        self.next = uid.checked_add(1)?;
        Some(uid)
    }

    fn marks_seen(&self) -> bool {
        self.items.iter().any(|item| {
            matches!(
                item,
                FetchItem::Rfc822
                    | FetchItem::Rfc822Text
                    | FetchItem::Section { peek: false, .. }
                    | FetchItem::Binary { peek: false, .. }
            )
        })
    }
}

impl Session {
    #[expect(clippy::too_many_arguments, reason = "one for each part of the command, and the store")]
    pub(super) fn fetch(
        &mut self,
        tag: &str,
        uid: bool,
        set: &SequenceSet,
        mut items: Vec<FetchItem>,
        changed_since: Option<u64>,
        vanished: bool,
        storage: &mut Storage<'_>,
    ) {
        let Some(mut uids) = self.resolve(tag, uid, set) else { return };
        if vanished && !self.enabled.qresync {
            return self.bad(tag, "QRESYNC isn't enabled.");
        }
        if changed_since.is_some() || items.contains(&FetchItem::ModSeq) {
            self.enable_condstore(storage);
        }
        let Some(selected) = &self.selected else { return };
        let Some(mailbox) = storage.mail.mailbox(self.user, selected.mailbox) else {
            return self.refused(tag, crate::store::StoreError::NoMailbox);
        };
        if let Some(modseq) = changed_since {
            if vanished {
                let named = set.resolve(mailbox.uid_next.saturating_sub(1));
                let gone = vanished_since(mailbox, &named, modseq);
                if !gone.is_empty() {
                    self.untagged(&format!("VANISHED (EARLIER) {gone}"));
                }
            }
            uids = mailbox.changed_after(modseq).into_iter().filter(|uid| uids.contains(*uid)).collect();
            if !items.contains(&FetchItem::ModSeq) {
                items.push(FetchItem::ModSeq);
            }
        }
        if uid {
            items.retain(|item| *item != FetchItem::Uid);
            items.insert(0, FetchItem::Uid);
        }
        self.work_on(Work::Fetch(Box::new(FetchWork {
            tag: tag.to_owned(),
            uid,
            uids,
            next: 0,
            items,
            text: "Fetch completed.".to_owned(),
            is_store: false,
            is_missing: false,
            problem: None,
        })));
    }

    /// Goes on with a FETCH until there is enough to send or others should have their turn.
    pub(super) fn fetch_slice(&mut self, mut work: FetchWork, storage: &mut Storage<'_>) -> Progress {
        let mut read = 0;
        let marks_seen = work.marks_seen();
        for _ in 0..SLICE_MESSAGES {
            let Some((id, read_only)) = self.selected.as_ref().map(|open| (open.mailbox, open.read_only)) else {
                break;
            };
            let Some(uid) = work.advance() else { break };
            let is_new_seen = marks_seen && !read_only && self.mark_seen(id, uid, storage);
            let Some(selected) = &self.selected else { break };
            let found = storage
                .mail
                .mailbox(self.user, id)
                .and_then(|mailbox| Some((mailbox, mailbox.message(uid).or_else(|| mailbox.ghost(uid))?)));
            let (Some((mailbox, message)), Some(sequence)) = (found, selected.view.sequence(uid)) else {
                work.is_missing = true;
                continue;
            };
            let mut telling = Telling {
                flags: response::flags(mailbox, message, selected.is_recent(uid)),
                message,
                storage,
                header: None,
                whole: None,
                structure: None,
                read: 0,
            };
            let mut line = format!("* {sequence} FETCH (").into_bytes();
            let mut told = telling.items(&mut line, &work.items);
            if is_new_seen && told.is_ok() && !work.items.contains(&FetchItem::Flags) {
                // RFC 3501 §6.4.5: a flag that the FETCH itself set is told with it.
                line.push(b' ');
                told = telling.item(&mut line, &FetchItem::Flags);
            }
            read += telling.read;
            match told {
                Ok(()) => {
                    line.extend_from_slice(b")\r\n");
                    self.out().write_large(line);
                }
                Err(Untold::Encoding) => work.problem = Some("[UNKNOWN-CTE] A part's encoding is not known."),
                Err(Untold::Disk) => work.problem = Some("[SERVERBUG] A message could not be read, try again later."),
            }
            if read >= SLICE_BYTES || self.is_full() {
                break;
            }
        }
        if self.selected.is_some() && work.uids.last().is_some_and(|last| last >= work.next) {
            return Progress::Unfinished(Work::Fetch(Box::new(work)));
        }
        self.sync(storage, work.uid, work.uid);
        if !matches!(self.mode, Mode::Ended) {
            match work.problem {
                Some(problem) => self.tagged(&work.tag, "NO", problem),
                None if work.is_missing && !work.is_store => {
                    self.tagged(&work.tag, "NO", "[EXPUNGEISSUED] Some of the requested messages no longer exist.");
                }
                None => self.tagged(&work.tag, "OK", &work.text),
            }
        }
        Progress::Done
    }

    /// Sets `\Seen` and returns whether it was not set; a disk that cannot take it lets the message be read all the same.
    fn mark_seen(&mut self, mailbox: MailboxId, uid: u32, storage: &mut Storage<'_>) -> bool {
        let message = storage.mail.mailbox(self.user, mailbox).and_then(|mailbox| mailbox.message(uid));
        if message.is_none_or(|message| message.flags.contains(Flags::SEEN)) {
            return false;
        }
        let uids = Ranges::of([(uid, uid)]);
        let seen = FlagList { flags: Flags::SEEN, keywords: Vec::new() };
        let changed = storage.mail.change_flags(storage.disk, self.user, mailbox, &uids, FlagVerb::Add, &seen);
        let (Ok(Some(modseq)), Some(selected)) = (changed, &mut self.selected) else { return false };
        selected.note_own(modseq);
        true
    }
}

/// Why a message could not be told.
enum Untold {
    Disk,
    Encoding,
}

impl From<DiskError> for Untold {
    fn from(_: DiskError) -> Self {
        Self::Disk
    }
}

/// One message being told, its content read as far as it is needed.
struct Telling<'a, 'b> {
    flags: String,
    message: &'a Message,
    storage: &'a Storage<'b>,
    header: Option<Vec<u8>>,
    whole: Option<Vec<u8>>,
    structure: Option<Structure>,
    /// Bytes read from the disk.
    read: u64,
}

impl Telling<'_, '_> {
    fn items(&mut self, out: &mut Vec<u8>, items: &[FetchItem]) -> Result<(), Untold> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            self.item(out, item)?;
        }
        Ok(())
    }

    fn item(&mut self, out: &mut Vec<u8>, item: &FetchItem) -> Result<(), Untold> {
        let mut text = |text: String| out.extend_from_slice(text.as_bytes());
        match item {
            FetchItem::Flags => text(format!("FLAGS {}", self.flags)),
            FetchItem::Uid => text(format!("UID {}", self.message.uid)),
            FetchItem::InternalDate => text(format!("INTERNALDATE {}", date::write_date_time(self.message.date))),
            FetchItem::Size => text(format!("RFC822.SIZE {}", self.message.size())),
            FetchItem::ModSeq => text(format!("MODSEQ ({})", self.message.modseq)),
            FetchItem::Envelope => {
                text("ENVELOPE ".to_owned());
                envelope::write(out, self.header()?);
            }
            FetchItem::Body | FetchItem::BodyStructure => {
                let extended = *item == FetchItem::BodyStructure;
                text(if extended { "BODYSTRUCTURE " } else { "BODY " }.to_owned());
                let (whole, structure) = self.structured()?;
                structure::write(out, whole, &structure.root, extended);
            }
            FetchItem::Rfc822 => {
                text("RFC822 ".to_owned());
                response::literal(out, self.whole()?);
            }
            FetchItem::Rfc822Header => {
                text("RFC822.HEADER ".to_owned());
                response::literal(out, self.header()?);
            }
            FetchItem::Rfc822Text => {
                text("RFC822.TEXT ".to_owned());
                let whole = self.whole()?;
                let (_, body) = header::split(whole);
                response::literal(out, whole.get(body..).unwrap_or_default());
            }
            FetchItem::Section { section, partial, .. } => {
                let origin = partial.map_or_else(String::new, |(origin, _)| format!("<{origin}>"));
                text(format!("BODY[{section}]{origin} "));
                self.section(out, section, *partial)?;
            }
            FetchItem::Binary { part, partial, .. } => {
                let origin = partial.map_or_else(String::new, |(origin, _)| format!("<{origin}>"));
                text(format!("BINARY[{}]{origin} ", numbers(part)));
                match self.decoded(part)? {
                    Some(bytes) => {
                        let bytes = cut(&bytes, *partial);
                        if bytes.contains(&0) {
                            out.push(b'~');
                        }
                        response::literal(out, bytes);
                    }
                    None => out.extend_from_slice(b"NIL"),
                }
            }
            FetchItem::BinarySize { part } => {
                let size = self.decoded(part)?.map_or(0, |bytes| bytes.len());
                text(format!("BINARY.SIZE[{}] {size}", numbers(part)));
            }
        }
        Ok(())
    }

    fn section(&mut self, out: &mut Vec<u8>, section: &Section, partial: Option<(u32, u32)>) -> Result<(), Untold> {
        match (&section.what, section.part.as_slice()) {
            (What::Whole, []) => match partial {
                Some((origin, length)) if self.whole.is_none() => {
                    let bytes =
                        self.storage.mail.read_range(self.storage.disk, self.message.content, origin, length)?;
                    self.read += bytes.len() as u64;
                    response::literal(out, &bytes);
                }
                _ => response::literal(out, cut(self.whole()?, partial)),
            },
            (What::Header, []) => response::literal(out, cut(self.header()?, partial)),
            (What::Fields { names, not }, []) => {
                response::literal(out, cut(&fields(self.header()?, names, *not), partial));
            }
            _ => {
                let (whole, structure) = self.structured()?;
                // A part that is not there is empty, as with Dovecot.
                let bytes = part_section(whole, structure, section).unwrap_or_default();
                response::literal(out, cut(&bytes, partial));
            }
        }
        Ok(())
    }

    /// Returns the header with the empty line behind it.
    fn header(&mut self) -> Result<&[u8], Untold> {
        if self.header.is_none() {
            let mut bytes = match &self.whole {
                Some(whole) => whole.clone(),
                None => {
                    let read = &mut self.read;
                    let bytes =
                        self.storage.mail.read_range(self.storage.disk, self.message.content, 0, HEADER_GUESS)?;
                    *read += bytes.len() as u64;
                    bytes
                }
            };
            let is_whole = bytes.len() as u64 == u64::from(self.message.size());
            if header::split(&bytes).1 == bytes.len() && !is_whole {
                bytes = self.whole()?.to_vec();
            }
            bytes.truncate(header::split(&bytes).1);
            self.header = Some(bytes);
        }
        Ok(self.header.as_deref().unwrap_or_default())
    }

    fn whole(&mut self) -> Result<&[u8], Untold> {
        if self.whole.is_none() {
            let bytes = self.storage.mail.read(self.storage.disk, self.message.content)?;
            self.read += bytes.len() as u64;
            self.whole = Some(bytes);
        }
        Ok(self.whole.as_deref().unwrap_or_default())
    }

    fn structured(&mut self) -> Result<(&[u8], &Structure), Untold> {
        self.whole()?;
        let whole = self.whole.as_deref().unwrap_or_default();
        let structure = self.structure.get_or_insert_with(|| mime::parse(whole, Limits::STANDARD));
        Ok((whole, structure))
    }

    /// Returns a part's octets without their transfer encoding (RFC 3516 §4.2); of the whole message its octets.
    fn decoded(&mut self, numbers: &[u32]) -> Result<Option<Vec<u8>>, Untold> {
        if numbers.is_empty() {
            return Ok(Some(self.whole()?.to_vec()));
        }
        let (whole, structure) = self.structured()?;
        let Some(part) = structure::find(&structure.root, numbers) else { return Ok(None) };
        if matches!(part.encoding, mime::Encoding::Other(_)) {
            return Err(Untold::Encoding);
        }
        Ok(Some(part.encoding.decode(part.body_bytes(whole))))
    }
}

fn numbers(part: &[u32]) -> String {
    part.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// Returns the bytes that `<origin.length>` leaves.
fn cut(bytes: &[u8], partial: Option<(u32, u32)>) -> &[u8] {
    let Some((origin, length)) = partial else { return bytes };
    let origin = usize::try_from(origin).unwrap_or(usize::MAX).min(bytes.len());
    let rest = bytes.get(origin..).unwrap_or_default();
    rest.get(..usize::try_from(length).unwrap_or(usize::MAX).min(rest.len())).unwrap_or_default()
}

/// Returns those fields of a header, or all others, with an empty line behind them.
fn fields(bytes: &[u8], names: &[String], not: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in header::fields(bytes) {
        if field.is_field() && names.iter().any(|name| field.is(name)) != not {
            out.extend_from_slice(bytes.get(field.whole.clone()).unwrap_or_default());
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Returns a section below the message's own header; `None` when the message has no such part.
fn part_section(whole: &[u8], structure: &Structure, section: &Section) -> Option<Vec<u8>> {
    let range = |from: usize, to: usize| whole.get(from..to).unwrap_or_default().to_vec();
    let part = structure::find(&structure.root, &section.part)?;
    // Header and text are those of the message in the part (RFC 3501 §6.4.5).
    let inside = if section.part.is_empty() { Some(part) } else { part.children.first().filter(|_| part.is_message()) };
    match &section.what {
        What::Whole => Some(part.body_bytes(whole).to_vec()),
        What::Mime => Some(range(part.header.start, part.body.start)),
        What::Header => inside.map(|message| range(message.header.start, message.body.start)),
        What::Text => inside.map(|message| message.body_bytes(whole).to_vec()),
        What::Fields { names, not } => inside.map(|message| fields(message.header_bytes(whole), names, *not)),
    }
}
