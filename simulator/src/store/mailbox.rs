//! One mailbox in memory: what is known of its messages without reading them.

use std::collections::VecDeque;

use super::flags::{FlagVerb, Flags};
use super::ranges::Ranges;
use super::record::{InternalDate, MailboxId, NewMailbox};
use super::special::SpecialUse;
use crate::journal::Location;

/// How many keywords a mailbox may have; each is a bit of [`Message::keywords`].
pub const MAX_KEYWORDS: usize = 64;

/// How many changes of flags are remembered singly; a session that is further behind looks at every message.
const REMEMBERED_CHANGES: usize = 512;

/// How many expunges are remembered for QRESYNC.
const REMEMBERED_EXPUNGES: usize = 4096;

/// How many expunged messages are remembered for sessions that have not been told.
const REMEMBERED_GHOSTS: usize = 1024;

/// What is known of a message without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The unique identifier, ascending in a mailbox.
    pub uid: u32,
    /// System flags.
    pub flags: Flags,
    /// Keywords, as bits into [`Mailbox::keywords`].
    pub keywords: u64,
    /// The modification sequence of the last change (RFC 7162).
    pub modseq: u64,
    /// When it arrived.
    pub date: InternalDate,
    /// Where its content lies; its length is the message's size in bytes.
    pub content: Location,
}

impl Message {
    /// Returns the size in bytes.
    pub fn size(&self) -> u32 {
        self.content.length
    }
}

/// One mailbox of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The mailbox's id; it stays when the mailbox is renamed.
    pub id: MailboxId,
    /// The unique identifier validity value (RFC 3501 §2.3.1.1).
    pub uid_validity: u32,
    /// The UID the next message gets; `u32::MAX` is never given.
    pub uid_next: u32,
    /// The highest modification sequence; one change is one step.
    pub highest_modseq: u64,
    /// What the mailbox is for.
    pub special: Option<SpecialUse>,
    /// UIDs from here on have not been shown as recent to any session.
    pub recent_from: u32,
    /// Names of the keywords' bits.
    pub keywords: Vec<String>,
    /// Bytes of all messages.
    pub bytes: u64,
    /// Messages without `\Seen`.
    pub unseen: u32,
    pub(super) messages: Vec<Message>,
    /// The latest changes of flags; everything after `changes_floor` is in here.
    changes: VecDeque<(u64, u32)>,
    changes_floor: u64,
    expunges: VecDeque<(u64, Ranges)>,
    expunges_floor: u64,
    /// The messages expunged last, oldest first.
    ghosts: VecDeque<Message>,
}

impl Mailbox {
    pub(super) fn new(new: &NewMailbox) -> Self {
        Self {
            id: new.id,
            uid_validity: new.uid_validity,
            uid_next: 1,
            highest_modseq: 1,
            special: new.special,
            recent_from: 1,
            keywords: Vec::new(),
            bytes: 0,
            unseen: 0,
            messages: Vec::new(),
            changes: VecDeque::new(),
            changes_floor: 1,
            expunges: VecDeque::new(),
            expunges_floor: 1,
            ghosts: VecDeque::new(),
        }
    }

    /// Returns every message, in the order of UIDs.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Returns the message with a UID.
    pub fn message(&self, uid: u32) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }

    /// Returns a message that was expunged a short while ago, for a session that still shows it (RFC 2180 §4.1.3).
    pub fn ghost(&self, uid: u32) -> Option<&Message> {
        self.ghosts.iter().rev().find(|message| message.uid == uid)
    }

    /// Returns the messages from a UID on.
    pub fn messages_from(&self, uid: u32) -> &[Message] {
        let at = self.messages.partition_point(|message| message.uid < uid);
        self.messages.get(at..).unwrap_or_default()
    }

    /// Returns the existing messages whose UID is in a set.
    pub fn within<'a>(&'a self, uids: &'a Ranges) -> impl Iterator<Item = &'a Message> + 'a {
        uids.ranges().iter().flat_map(|(first, last)| {
            let found = self.messages_from(*first);
            let end = found.partition_point(|message| message.uid <= *last);
            found.get(..end).unwrap_or_default()
        })
    }

    /// Returns the names of a message's keywords.
    pub fn keyword_names(&self, keywords: u64) -> impl Iterator<Item = &str> + '_ {
        self.keywords.iter().enumerate().filter(move |(bit, _)| keywords >> bit & 1 == 1).map(|(_, name)| name.as_str())
    }

    /// Returns the bit of a keyword that the mailbox knows; case does not matter.
    pub fn keyword_bit(&self, name: &str) -> Option<u64> {
        self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|bit| 1 << bit)
    }

    /// Returns how many of these keywords the mailbox would have to learn.
    pub(super) fn unknown_keywords(&self, names: &[String]) -> usize {
        names.iter().filter(|name| self.keyword_bit(name).is_none()).count()
    }

    /// Returns the UIDs of messages whose flags changed after a modification sequence, arrivals among them, in the order of UIDs.
    pub fn changed_after(&self, modseq: u64) -> Vec<u32> {
        if modseq >= self.highest_modseq {
            return Vec::new();
        }
        if modseq < self.changes_floor {
            return self.messages.iter().filter(|message| message.modseq > modseq).map(|message| message.uid).collect();
        }
        let from = self.changes.partition_point(|(at, _)| *at <= modseq);
        let mut uids: Vec<u32> = self.changes.range(from..).map(|(_, uid)| *uid).collect();
        uids.sort_unstable();
        uids.dedup();
        uids.retain(|uid| self.message(*uid).is_some());
        uids
    }

    /// Returns the UIDs expunged after a modification sequence; `None` when that is too long ago to know.
    pub fn expunged_after(&self, modseq: u64) -> Option<Ranges> {
        if modseq < self.expunges_floor {
            return None;
        }
        let from = self.expunges.partition_point(|(at, _)| *at <= modseq);
        let ranges = self.expunges.range(from..).flat_map(|(_, uids)| uids.ranges().iter().copied());
        Some(Ranges::of(ranges))
    }

    fn step(&mut self) -> u64 {
        self.highest_modseq += 1;
        self.highest_modseq
    }

    fn note_changes(&mut self, modseq: u64, uids: impl IntoIterator<Item = u32>) {
        for uid in uids {
            self.changes.push_back((modseq, uid));
            if self.changes.len() > REMEMBERED_CHANGES
                && let Some((dropped, _)) = self.changes.pop_front()
            {
                self.changes_floor = dropped;
            }
        }
    }

    /// Learns keywords and returns their bits; those beyond the limit are left out.
    pub(super) fn learn(&mut self, names: &[String]) -> u64 {
        let mut bits = 0;
        for name in names {
            if let Some(bit) = self.keyword_bit(name) {
                bits |= bit;
            } else if self.keywords.len() < MAX_KEYWORDS {
                bits |= 1 << self.keywords.len();
                self.keywords.push(name.clone());
            }
        }
        bits
    }

    /// Adds messages with ascending UIDs, all of them one change.
    pub(super) fn add(&mut self, messages: Vec<Message>) {
        let modseq = self.step();
        let uids: Vec<u32> = messages.iter().map(|message| message.uid).collect();
        for mut message in messages {
            message.modseq = modseq;
            self.bytes += u64::from(message.size());
            self.unseen += u32::from(!message.flags.contains(Flags::SEEN));
            self.uid_next = self.uid_next.max(message.uid.saturating_add(1));
            self.messages.push(message);
        }
        self.note_changes(modseq, uids);
    }

    /// Removes messages and returns them, in the order of UIDs.
    pub(super) fn remove(&mut self, uids: &Ranges) -> Vec<Message> {
        let modseq = self.step();
        let mut removed = Vec::new();
        self.messages.retain(|message| {
            let gone = uids.contains(message.uid);
            if gone {
                removed.push(message.clone());
            }
            !gone
        });
        for message in &removed {
            self.bytes = self.bytes.saturating_sub(u64::from(message.size()));
            self.unseen = self.unseen.saturating_sub(u32::from(!message.flags.contains(Flags::SEEN)));
        }
        let forgotten = (self.ghosts.len() + removed.len()).saturating_sub(REMEMBERED_GHOSTS).min(self.ghosts.len());
        self.ghosts.drain(..forgotten);
        self.ghosts.extend(removed.iter().rev().take(REMEMBERED_GHOSTS).rev().cloned());
        self.expunges.push_back((modseq, removed.iter().map(|message| message.uid).collect()));
        if self.expunges.len() > REMEMBERED_EXPUNGES
            && let Some((dropped, _)) = self.expunges.pop_front()
        {
            self.expunges_floor = dropped;
        }
        removed
    }

    /// Changes flags; only messages that come out different count as changed.
    pub(super) fn change(&mut self, uids: &Ranges, verb: FlagVerb, flags: Flags, keywords: u64) {
        let modseq = self.step();
        let mut changed = Vec::new();
        for (first, last) in uids.ranges() {
            let from = self.messages.partition_point(|message| message.uid < *first);
            for message in self.messages.iter_mut().skip(from).take_while(|message| message.uid <= *last) {
                let (new_flags, new_keywords) = changed_flags(message, verb, flags, keywords);
                if (new_flags, new_keywords) == (message.flags, message.keywords) {
                    continue;
                }
                match (message.flags.contains(Flags::SEEN), new_flags.contains(Flags::SEEN)) {
                    (false, true) => self.unseen = self.unseen.saturating_sub(1),
                    (true, false) => self.unseen += 1,
                    _ => {}
                }
                message.flags = new_flags;
                message.keywords = new_keywords;
                message.modseq = modseq;
                changed.push(message.uid);
            }
        }
        self.note_changes(modseq, changed);
    }
}

/// Returns what a message's flags and keywords become.
pub(super) fn changed_flags(message: &Message, verb: FlagVerb, flags: Flags, keywords: u64) -> (Flags, u64) {
    match verb {
        FlagVerb::Replace => (flags, keywords),
        FlagVerb::Add => (message.flags.with(flags), message.keywords | keywords),
        FlagVerb::Remove => (message.flags.without(flags), message.keywords & !keywords),
    }
}
