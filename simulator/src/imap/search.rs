//! SEARCH and SORT (RFC 3501 §6.4.4, RFC 4731, RFC 5182, RFC 5256, RFC 5267, RFC 7162).

use super::command::{SortKey, ThreadAlgorithm};
use super::date;
use super::search_key::{Key, Returns, SearchProgram};
use super::search_text::Content;
use super::sequence::SequenceSet;
use super::session::{Mode, Progress, Session, Work};
use super::sort::{self, SortValue};
use super::thread::{self, Threadable};
use crate::Moment;
use crate::disk::DiskError;
use crate::store::{Flags, Mailbox, Message, Ranges, Storage, StoreError};

/// Bytes that are read before others have their turn.
const SLICE_BYTES: u64 = 8 << 20;
/// Messages that are looked at before others have their turn.
const SLICE_MESSAGES: usize = 16 << 10;
/// What one search may cost: a unit for each test of a message and each byte that is looked through.
const BUDGET: u64 = 16 << 30;

/// What becomes of the messages that were found.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    Sort(Vec<(bool, SortKey)>),
    Thread(ThreadAlgorithm),
}

/// A SEARCH under way.
#[derive(Debug)]
pub(super) struct SearchWork {
    tag: String,
    uid: bool,
    order: Option<Order>,
    returns: Option<Returns>,
    has_modseq: bool,
    test: Test,
    now_seconds: i64,
    universe: Ranges,
    next: u32,
    cost: u64,
    found: Vec<u32>,
    values: Vec<(Vec<SortValue>, u32)>,
    threadables: Vec<Threadable>,
}

/// A key, read against what the session knows.
#[derive(Debug)]
enum Test {
    Key(Key),
    Uids(Ranges),
    /// A header field's name and the folded text in it.
    Header(String, String),
    Body(String),
    Text(String),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
}

impl Test {
    /// What must be read to decide: nothing, a header, everything.
    fn weight(&self) -> u8 {
        match self {
            Self::Key(Key::SentBefore(_) | Key::SentOn(_) | Key::SentSince(_)) | Self::Header(..) => 1,
            Self::Key(_) | Self::Uids(_) => 0,
            Self::Body(_) | Self::Text(_) => 2,
            Self::Not(test) => test.weight(),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(Self::weight).max().unwrap_or(0),
        }
    }
}

fn lightest_first(mut tests: Vec<Test>) -> Vec<Test> {
    tests.sort_by_key(Test::weight);
    tests
}

impl Session {
    pub(super) fn search(
        &mut self,
        now: Moment,
        tag: &str,
        uid: bool,
        order: Option<Order>,
        program: SearchProgram,
        storage: &mut Storage<'_>,
    ) {
        if !self.is_selected(tag) {
            return;
        }
        if program.bad_charset {
            return self.tagged(tag, "NO", "[BADCHARSET (US-ASCII UTF-8)] Unknown charset");
        }
        let mut has_modseq = false;
        for key in &program.keys {
            key.visit(&mut |key| has_modseq |= matches!(key, Key::ModSeq(_)));
        }
        if has_modseq {
            self.enable_condstore(storage);
        }
        let mut tests = Vec::new();
        for key in program.keys {
            match self.test(key) {
                Some(test) => tests.push(test),
                None => return self.bad(tag, "Invalid messageset"),
            }
        }
        let Some(selected) = &self.selected else { return };
        let mut universe: Ranges = selected.view.uids().iter().copied().collect();
        for test in &tests {
            if let Test::Uids(uids) = test {
                universe = selected.view.by_uid(uids).iter().filter(|uid| universe.contains(*uid)).collect();
            }
        }
        self.work_on(Work::Search(Box::new(SearchWork {
            tag: tag.to_owned(),
            uid,
            order,
            returns: program.returns,
            has_modseq,
            test: Test::And(lightest_first(tests)),
            now_seconds: i64::try_from(now.0 / 1000).unwrap_or(i64::MAX),
            universe,
            next: 0,
            cost: 0,
            found: Vec::new(),
            values: Vec::new(),
            threadables: Vec::new(),
        })));
    }

    /// Reads a key against the view; `None` when a sequence number is beyond it.
    fn test(&self, key: Key) -> Option<Test> {
        let selected = self.selected.as_ref()?;
        let view = &selected.view;
        Some(match key {
            Key::Sequence(SequenceSet::Saved) | Key::Uid(SequenceSet::Saved) => {
                Test::Uids(view.by_uid(&selected.saved))
            }
            // A number beyond the mailbox is no message's, as Dovecot has it.
            Key::Sequence(set) => Test::Uids(view.by_sequence(&set.resolve(view.len()))),
            Key::Uid(set) => Test::Uids(set.resolve(view.last_uid())),
            Key::Header { name, value } => Test::Header(name, value.to_lowercase()),
            Key::Body(text) => Test::Body(text.to_lowercase()),
            Key::Text(text) => Test::Text(text.to_lowercase()),
            Key::Not(key) => Test::Not(Box::new(self.test(*key)?)),
            Key::And(keys) => Test::And(lightest_first(self.tests(keys)?)),
            Key::Or(keys) => Test::Or(lightest_first(self.tests(keys)?)),
            other => Test::Key(other),
        })
    }

    fn tests(&self, keys: Vec<Key>) -> Option<Vec<Test>> {
        keys.into_iter().map(|key| self.test(key)).collect()
    }

    /// Goes on with a SEARCH until others should have their turn.
    pub(super) fn search_slice(&mut self, mut work: SearchWork, storage: &mut Storage<'_>) -> Progress {
        let mut read = 0;
        for _ in 0..SLICE_MESSAGES {
            let at = work.universe.ranges().partition_point(|(_, last)| *last < work.next);
            let Some((first, _)) = work.universe.ranges().get(at) else {
                self.end_search(work, storage);
                return Progress::Done;
            };
            let uid = work.next.max(*first);
            work.next = uid.saturating_add(1);
            let Some(selected) = &self.selected else { return Progress::Done };
            let Some(mailbox) = storage.mail.mailbox(self.user, selected.mailbox) else {
                self.end_search(work, storage);
                return Progress::Done;
            };
            let Some(message) = mailbox.message(uid) else { continue };
            let mut candidate = Candidate {
                mailbox,
                message,
                recent: selected.is_recent(uid),
                now_seconds: work.now_seconds,
                content: Content::new(storage, message),
                cost: 0,
            };
            let outcome = candidate.fits(&work.test).and_then(|fits| {
                match &work.order {
                    Some(Order::Sort(keys)) if fits => {
                        work.values.push((sort::values(message, &mut candidate.content, keys)?, uid));
                    }
                    Some(Order::Thread(algorithm)) if fits => {
                        work.threadables.push(Threadable::read(message, &mut candidate.content, *algorithm)?);
                    }
                    _ => {}
                }
                Ok(fits)
            });
            read += candidate.content.read();
            work.cost += candidate.cost + candidate.content.read();
            match outcome {
                Ok(true) => work.found.push(uid),
                Ok(false) => {}
                Err(error) => {
                    self.forget_saved(&work);
                    self.refused(&work.tag, StoreError::Disk(error));
                    return Progress::Done;
                }
            }
            if work.cost > BUDGET {
                self.forget_saved(&work);
                self.tagged(&work.tag, "NO", "[LIMIT] The search costs too much.");
                return Progress::Done;
            }
            if read >= SLICE_BYTES {
                break;
            }
        }
        Progress::Unfinished(Work::Search(Box::new(work)))
    }

    /// RFC 5182 §2.1: a search that fails leaves nothing saved.
    fn forget_saved(&mut self, work: &SearchWork) {
        if let (Some(Returns { save: true, .. }), Some(selected)) = (work.returns, &mut self.selected) {
            selected.saved = Ranges::new();
        }
    }

    fn end_search(&mut self, work: SearchWork, storage: &mut Storage<'_>) {
        let SearchWork { tag, uid, order, returns, has_modseq, mut found, values, threadables, .. } = work;
        let (name, text) = match &order {
            Some(Order::Sort(keys)) => {
                found = sort::sorted(values, keys);
                ("SORT", "Sort completed.")
            }
            Some(Order::Thread(_)) => ("THREAD", "Thread completed."),
            None => ("SEARCH", "Search completed."),
        };
        let modseq = if has_modseq { self.modseq_of(&found, returns, storage) } else { None };
        if let (Some(Returns { save: true, .. }), Some(selected)) = (returns, &mut self.selected) {
            selected.saved = saved(&found, returns.unwrap_or_default());
        }
        let Some(selected) = &self.selected else { return };
        let shown = |uid_of: u32| if uid { Some(uid_of) } else { selected.view.sequence(uid_of) };
        if let Some(Order::Thread(algorithm)) = order {
            let line = format!("THREAD {}", thread::threads(&threadables, algorithm, &shown));
            self.untagged(line.trim_end());
            self.sync(storage, uid, uid);
            if !matches!(self.mode, Mode::Ended) {
                self.tagged(&tag, "OK", text);
            }
            return;
        }
        let numbers: Vec<u32> =
            if uid { found } else { found.into_iter().filter_map(|uid| selected.view.sequence(uid)).collect() };
        match returns {
            None => {
                let mut line = name.to_owned();
                for number in &numbers {
                    line.push_str(&format!(" {number}"));
                }
                if let Some(modseq) = modseq {
                    line.push_str(&format!(" (MODSEQ {modseq})"));
                }
                self.untagged(&line);
            }
            // RFC 5182 §2.1: a search that only saves says nothing.
            Some(Returns { save: true, min: false, max: false, all: false, count: false }) => {}
            Some(returns) => {
                let line = esearch(&tag, uid, &numbers, returns, modseq, order.is_some());
                self.untagged(&line);
            }
        }
        self.sync(storage, uid, uid);
        if !matches!(self.mode, Mode::Ended) {
            self.tagged(&tag, "OK", text);
        }
    }
}

impl Session {
    /// Returns the modification sequence of a result: of the ends, when only they are told (RFC 4731 §3.2).
    fn modseq_of(&self, found: &[u32], returns: Option<Returns>, storage: &Storage<'_>) -> Option<u64> {
        let mailbox = storage.mail.mailbox(self.user, self.selected.as_ref()?.mailbox)?;
        let uids: Vec<u32> = match returns {
            Some(Returns { min, max, all: false, count: false, .. }) if min || max => {
                let first = found.first().filter(|_| min);
                first.into_iter().chain(found.last().filter(|_| max)).copied().collect()
            }
            _ => found.to_vec(),
        };
        uids.into_iter().filter_map(|uid| mailbox.message(uid)).map(|message| message.modseq).max()
    }
}

/// Returns what a search saves: all, or only the ends when only they were asked for (RFC 5182 §2.4).
fn saved(found: &[u32], returns: Returns) -> Ranges {
    if returns.all || returns.count || !(returns.min || returns.max) {
        return found.iter().copied().collect();
    }
    let min = if returns.min { found.first() } else { None };
    let max = if returns.max { found.last() } else { None };
    min.into_iter().chain(max).copied().collect()
}

/// Returns an ESEARCH response; a sorted result keeps its order (RFC 5267 §3.1).
fn esearch(tag: &str, uid: bool, numbers: &[u32], returns: Returns, modseq: Option<u64>, is_sorted: bool) -> String {
    let mut line = format!("ESEARCH (TAG \"{}\")", tag.replace('\\', "\\\\"));
    if uid {
        line.push_str(" UID");
    }
    if let (true, Some(first)) = (returns.min, numbers.first()) {
        line.push_str(&format!(" MIN {first}"));
    }
    if let (true, Some(last)) = (returns.max, numbers.last()) {
        line.push_str(&format!(" MAX {last}"));
    }
    if returns.all && !numbers.is_empty() {
        let all = if is_sorted {
            numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
        } else {
            numbers.iter().copied().collect::<Ranges>().to_string()
        };
        line.push_str(&format!(" ALL {all}"));
    }
    if returns.count {
        line.push_str(&format!(" COUNT {}", numbers.len()));
    }
    if let Some(modseq) = modseq {
        line.push_str(&format!(" MODSEQ {modseq}"));
    }
    line
}

/// A message that may be found.
struct Candidate<'a, 'b> {
    mailbox: &'a Mailbox,
    message: &'a Message,
    recent: bool,
    now_seconds: i64,
    content: Content<'a, 'b>,
    cost: u64,
}

impl Candidate<'_, '_> {
    fn fits(&mut self, test: &Test) -> Result<bool, DiskError> {
        self.cost += 1;
        Ok(match test {
            Test::Key(key) => self.fits_key(key)?,
            Test::Uids(uids) => uids.contains(self.message.uid),
            Test::Header(name, text) => self.content.header_has(name, text)?,
            Test::Body(text) => self.content.body_has(text)?,
            Test::Text(text) => self.content.text_has(text)?,
            Test::Not(test) => !self.fits(test)?,
            Test::And(tests) => {
                for test in tests {
                    if !self.fits(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(tests) => {
                for test in tests {
                    if self.fits(test)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }

    fn fits_key(&mut self, key: &Key) -> Result<bool, DiskError> {
        let message = self.message;
        let day = || date::local_day(message.date);
        let age = self.now_seconds.saturating_sub(message.date.seconds);
        Ok(match key {
            Key::All => true,
            Key::Flag(flag, wanted) => message.flags.contains(*flag) == *wanted,
            Key::Keyword(name, wanted) => {
                let bit = self.mailbox.keyword_bit(name).unwrap_or(0);
                (message.keywords & bit != 0) == *wanted
            }
            Key::Recent(wanted) => self.recent == *wanted,
            Key::New => self.recent && !message.flags.contains(Flags::SEEN),
            Key::Larger(size) => message.size() > *size,
            Key::Smaller(size) => message.size() < *size,
            Key::Before(limit) => day() < *limit,
            Key::On(limit) => day() == *limit,
            Key::Since(limit) => day() >= *limit,
            Key::SentBefore(limit) => self.content.sent_day()?.is_some_and(|day| day < *limit),
            Key::SentOn(limit) => self.content.sent_day()?.is_some_and(|day| day == *limit),
            Key::SentSince(limit) => self.content.sent_day()?.is_some_and(|day| day >= *limit),
            Key::Older(seconds) => age >= i64::from(*seconds),
            Key::Younger(seconds) => age <= i64::from(*seconds),
            Key::ModSeq(modseq) => message.modseq >= *modseq,
            // These were read against the session before.
            Key::Sequence(_)
            | Key::Uid(_)
            | Key::Header { .. }
            | Key::Body(_)
            | Key::Text(_)
            | Key::Not(_)
            | Key::And(_)
            | Key::Or(_) => false,
        })
    }
}
