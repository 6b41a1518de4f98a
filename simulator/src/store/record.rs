//! What the store writes into its journal, and how it lies there.
//!
//! A record is a format byte, a kind byte and fields: numbers as LEB128, texts with their length before them, sets as
//! distances between the ends of their ranges.

use super::flags::{FlagVerb, Flags};
use super::ranges::Ranges;
use super::special::SpecialUse;

const FORMAT: u8 = 1;

/// Names a user of the store; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(pub u64);

/// Names a mailbox of a user; never given twice to one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailboxId(pub u32);

/// When a message arrived, with the offset from UTC it was told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalDate {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}

/// The first sixteen bytes of a digest over a delivery's id and its user.
pub(super) type DeliveryKey = [u8; 16];

/// The first sixteen bytes of a digest over what a script wants remembered.
pub(super) type MarkKey = [u8; 16];

/// A mailbox that a record makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewMailbox {
    pub(super) id: MailboxId,
    pub(super) name: String,
    pub(super) uid_validity: u32,
    pub(super) special: Option<SpecialUse>,
}

/// One change of the store. A record either happens as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A user with its first mailboxes, all subscribed.
    UserMade { user: UserId, address: String, mailboxes: Vec<NewMailbox> },
    /// A user and everything it has is gone.
    UserGone { user: UserId },
    /// A user has another main address.
    UserRenamed { user: UserId, address: String },
    /// A mailbox exists.
    MailboxMade { user: UserId, mailbox: NewMailbox },
    /// Mailboxes have other names.
    MailboxesRenamed { user: UserId, names: Vec<(MailboxId, String)> },
    /// A mailbox and its messages are gone.
    MailboxGone { user: UserId, mailbox: MailboxId },
    /// A name is subscribed or no longer so.
    Subscribed { user: UserId, name: String, on: bool },
    /// A message has arrived; the body is its content.
    Added {
        user: UserId,
        mailbox: MailboxId,
        uid: u32,
        date: InternalDate,
        flags: Flags,
        keywords: Vec<String>,
        delivery: Option<(DeliveryKey, u64)>,
    },
    /// Messages were copied, in the order of their UIDs; with `moved` they left their mailbox.
    Copied { user: UserId, source: MailboxId, target: MailboxId, uids: Ranges, first_uid: u32, moved: bool },
    /// Messages are gone.
    Expunged { user: UserId, mailbox: MailboxId, uids: Ranges },
    /// Flags were changed.
    Flagged { user: UserId, mailbox: MailboxId, uids: Ranges, verb: FlagVerb, flags: Flags, keywords: Vec<String> },
    /// Messages below this UID are no longer recent for anybody.
    Claimed { user: UserId, mailbox: MailboxId, recent_from: u32 },
    /// A message is held apart; the body is its content.
    Held { address: String, reason: String, when: u64, delivery: (DeliveryKey, u64) },
    /// Nothing is held apart for an address any more.
    Released { address: String },
    /// A script is kept, in the place of one of its name; the body is its text.
    ScriptPut { user: UserId, name: String },
    /// A script is gone.
    ScriptGone { user: UserId, name: String },
    /// A script has another name.
    ScriptRenamed { user: UserId, from: String, to: String },
    /// A script runs, and no other; none at all where the name is empty.
    ScriptActive { user: UserId, name: String },
    /// Something is remembered for a script: since when, until when, in milliseconds since 1970.
    Marked { user: UserId, key: MarkKey, when: u64, until: u64 },
}

impl Record {
    /// Writes the record as the journal keeps it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![FORMAT]);
        match self {
            Self::UserMade { user, address, mailboxes } => {
                out.kind(1).number(user.0).text(address).number(mailboxes.len() as u64);
                for mailbox in mailboxes {
                    out.mailbox(mailbox);
                }
            }
            Self::UserGone { user } => {
                out.kind(2).number(user.0);
            }
            Self::UserRenamed { user, address } => {
                out.kind(3).number(user.0).text(address);
            }
            Self::MailboxMade { user, mailbox } => {
                out.kind(4).number(user.0).mailbox(mailbox);
            }
            Self::MailboxesRenamed { user, names } => {
                out.kind(5).number(user.0).number(names.len() as u64);
                for (mailbox, name) in names {
                    out.number(u64::from(mailbox.0)).text(name);
                }
            }
            Self::MailboxGone { user, mailbox } => {
                out.kind(6).number(user.0).number(u64::from(mailbox.0));
            }
            Self::Subscribed { user, name, on } => {
                out.kind(7).number(user.0).text(name).number(u64::from(*on));
            }
            Self::Added { user, mailbox, uid, date, flags, keywords, delivery } => {
                out.kind(8).number(user.0).number(u64::from(mailbox.0)).number(u64::from(*uid));
                out.date(*date).number(u64::from(flags.bits())).texts(keywords);
                out.number(u64::from(delivery.is_some()));
                if let Some(delivery) = delivery {
                    out.delivery(delivery);
                }
            }
            Self::Copied { user, source, target, uids, first_uid, moved } => {
                out.kind(9).number(user.0).number(u64::from(source.0)).number(u64::from(target.0));
                out.ranges(uids).number(u64::from(*first_uid)).number(u64::from(*moved));
            }
            Self::Expunged { user, mailbox, uids } => {
                out.kind(10).number(user.0).number(u64::from(mailbox.0)).ranges(uids);
            }
            Self::Flagged { user, mailbox, uids, verb, flags, keywords } => {
                let verb = match verb {
                    FlagVerb::Replace => 0,
                    FlagVerb::Add => 1,
                    FlagVerb::Remove => 2,
                };
                out.kind(11).number(user.0).number(u64::from(mailbox.0)).ranges(uids);
                out.number(verb).number(u64::from(flags.bits())).texts(keywords);
            }
            Self::Claimed { user, mailbox, recent_from } => {
                out.kind(12).number(user.0).number(u64::from(mailbox.0)).number(u64::from(*recent_from));
            }
            Self::Held { address, reason, when, delivery } => {
                out.kind(13).text(address).text(reason).number(*when).delivery(delivery);
            }
            Self::Released { address } => {
                out.kind(14).text(address);
            }
            Self::ScriptPut { user, name } => {
                out.kind(15).number(user.0).text(name);
            }
            Self::ScriptGone { user, name } => {
                out.kind(16).number(user.0).text(name);
            }
            Self::ScriptRenamed { user, from, to } => {
                out.kind(17).number(user.0).text(from).text(to);
            }
            Self::ScriptActive { user, name } => {
                out.kind(18).number(user.0).text(name);
            }
            Self::Marked { user, key, when, until } => {
                out.kind(19).number(user.0).number(*until).delivery(&(*key, *when));
            }
        }
        out.0
    }

    /// Reads a record.
    ///
    /// - Errors: what cannot be understood is said, never guessed.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut input = Reader(bytes);
        match input.byte()? {
            FORMAT => {}
            other => return Err(format!("it has store format {other}, this program reads format {FORMAT}")),
        }
        let kind = input.byte()?;
        let record = match kind {
            1 => {
                let (user, address, count) = (input.user()?, input.text()?, input.number()?);
                let mailboxes = (0..count).map(|_| input.mailbox()).collect::<Result<_, _>>()?;
                Self::UserMade { user, address, mailboxes }
            }
            2 => Self::UserGone { user: input.user()? },
            3 => Self::UserRenamed { user: input.user()?, address: input.text()? },
            4 => Self::MailboxMade { user: input.user()?, mailbox: input.mailbox()? },
            5 => {
                let (user, count) = (input.user()?, input.number()?);
                let names =
                    (0..count).map(|_| Ok((input.mailbox_id()?, input.text()?))).collect::<Result<_, String>>()?;
                Self::MailboxesRenamed { user, names }
            }
            6 => Self::MailboxGone { user: input.user()?, mailbox: input.mailbox_id()? },
            7 => Self::Subscribed { user: input.user()?, name: input.text()?, on: input.truth()? },
            8 => Self::Added {
                user: input.user()?,
                mailbox: input.mailbox_id()?,
                uid: input.small()?,
                date: input.date()?,
                flags: input.flags()?,
                keywords: input.texts()?,
                delivery: if input.truth()? { Some(input.delivery()?) } else { None },
            },
            9 => Self::Copied {
                user: input.user()?,
                source: input.mailbox_id()?,
                target: input.mailbox_id()?,
                uids: input.ranges()?,
                first_uid: input.small()?,
                moved: input.truth()?,
            },
            10 => Self::Expunged { user: input.user()?, mailbox: input.mailbox_id()?, uids: input.ranges()? },
            11 => Self::Flagged {
                user: input.user()?,
                mailbox: input.mailbox_id()?,
                uids: input.ranges()?,
                verb: match input.number()? {
                    0 => FlagVerb::Replace,
                    1 => FlagVerb::Add,
                    2 => FlagVerb::Remove,
                    other => return Err(format!("flag verb {other} is unknown")),
                },
                flags: input.flags()?,
                keywords: input.texts()?,
            },
            12 => Self::Claimed { user: input.user()?, mailbox: input.mailbox_id()?, recent_from: input.small()? },
            13 => Self::Held {
                address: input.text()?,
                reason: input.text()?,
                when: input.number()?,
                delivery: input.delivery()?,
            },
            14 => Self::Released { address: input.text()? },
            15 => Self::ScriptPut { user: input.user()?, name: input.text()? },
            16 => Self::ScriptGone { user: input.user()?, name: input.text()? },
            17 => Self::ScriptRenamed { user: input.user()?, from: input.text()?, to: input.text()? },
            18 => Self::ScriptActive { user: input.user()?, name: input.text()? },
            19 => {
                let (user, until) = (input.user()?, input.number()?);
                let (key, when) = input.delivery()?;
                Self::Marked { user, key, when, until }
            }
            other => return Err(format!("record kind {other} is unknown")),
        };
        if input.0.is_empty() { Ok(record) } else { Err(format!("record kind {kind} is longer than it should be")) }
    }
}

pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    fn kind(&mut self, kind: u8) -> &mut Self {
        self.0.push(kind);
        self
    }

    fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
        self
    }

    /// Small numbers of either sign stay short.
    fn signed(&mut self, number: i64) -> &mut Self {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
        self
    }

    fn date(&mut self, date: InternalDate) -> &mut Self {
        self.signed(date.seconds).signed(i64::from(date.offset_minutes))
    }

    fn delivery(&mut self, (key, when): &(DeliveryKey, u64)) -> &mut Self {
        self.0.extend_from_slice(key);
        self.number(*when)
    }

    fn mailbox(&mut self, mailbox: &NewMailbox) -> &mut Self {
        self.number(u64::from(mailbox.id.0)).text(&mailbox.name).number(u64::from(mailbox.uid_validity));
        self.number(mailbox.special.map_or(0, |special| u64::from(special.code())))
    }

    fn ranges(&mut self, ranges: &Ranges) -> &mut Self {
        self.number(ranges.ranges().len() as u64);
        let mut before = 0;
        for (first, last) in ranges.ranges() {
            self.number(u64::from(first - before)).number(u64::from(last - first));
            before = *last;
        }
        self
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let (first, rest) = self.0.split_first().ok_or("it ends early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, length: u64) -> Result<&[u8], String> {
        let length = usize::try_from(length).map_err(|_| "it ends early")?;
        let (head, rest) = self.0.split_at_checked(length).ok_or("it ends early")?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number does not end".to_owned())
    }

    fn signed(&mut self) -> Result<i64, String> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn small(&mut self) -> Result<u32, String> {
        u32::try_from(self.number()?).map_err(|_| "a number is too large".to_owned())
    }

    fn truth(&mut self) -> Result<bool, String> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("{other} is no truth value")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.number()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
    }

    fn texts(&mut self) -> Result<Vec<String>, String> {
        let count = self.number()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn flags(&mut self) -> Result<Flags, String> {
        let bits = self.byte()?;
        Flags::from_bits(bits).ok_or_else(|| format!("flags {bits} are unknown"))
    }

    fn date(&mut self) -> Result<InternalDate, String> {
        let seconds = self.signed()?;
        let offset_minutes = i16::try_from(self.signed()?).map_err(|_| "an offset is too large")?;
        Ok(InternalDate { seconds, offset_minutes })
    }

    fn delivery(&mut self) -> Result<(DeliveryKey, u64), String> {
        let key = self.take(16)?.try_into().map_err(|_| "it ends early")?;
        Ok((key, self.number()?))
    }

    fn user(&mut self) -> Result<UserId, String> {
        Ok(UserId(self.number()?))
    }

    fn mailbox_id(&mut self) -> Result<MailboxId, String> {
        Ok(MailboxId(self.small()?))
    }

    fn mailbox(&mut self) -> Result<NewMailbox, String> {
        let (id, name, uid_validity) = (self.mailbox_id()?, self.text()?, self.small()?);
        let special = match self.byte()? {
            0 => None,
            code => Some(SpecialUse::from_code(code).ok_or_else(|| format!("special use {code} is unknown"))?),
        };
        Ok(NewMailbox { id, name, uid_validity, special })
    }

    fn ranges(&mut self) -> Result<Ranges, String> {
        let count = self.number()?;
        let mut before = 0_u32;
        let mut ranges = Vec::new();
        for _ in 0..count {
            let first = before.checked_add(self.small()?).ok_or("a range is too large")?;
            let last = first.checked_add(self.small()?).ok_or("a range is too large")?;
            ranges.push((first, last));
            before = last;
        }
        Ok(Ranges::of(ranges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(record: &Record) {
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
        for cut in 0..bytes.len() {
            assert!(Record::decode(&bytes[..cut]).is_err(), "cut at {cut}: {record:?}");
        }
    }

    #[test]
    fn every_kind_of_record_reads_back_and_no_prefix_does() {
        let (user, mailbox) = (UserId(300), MailboxId(7));
        let new = NewMailbox {
            id: mailbox,
            name: "Entwürfe".to_owned(),
            uid_validity: 1_700_000_000,
            special: Some(SpecialUse::Drafts),
        };
        let uids = Ranges::of([(1, 3), (900, 900), (4_000_000_000, u32::MAX)]);
        check(&Record::UserMade { user, address: "a@b".to_owned(), mailboxes: vec![new.clone()] });
        check(&Record::UserGone { user });
        check(&Record::UserRenamed { user, address: "c@d".to_owned() });
        check(&Record::MailboxMade { user, mailbox: new });
        check(&Record::MailboxesRenamed { user, names: vec![(mailbox, "x/y".to_owned())] });
        check(&Record::MailboxGone { user, mailbox });
        check(&Record::Subscribed { user, name: "x".to_owned(), on: true });
        check(&Record::Added {
            user,
            mailbox,
            uid: 9,
            date: InternalDate { seconds: -5, offset_minutes: -720 },
            flags: Flags::SEEN.with(Flags::DRAFT),
            keywords: vec!["$Label1".to_owned()],
            delivery: Some(([7; 16], 12_345_678_901)),
        });
        check(&Record::Copied {
            user,
            source: mailbox,
            target: MailboxId(8),
            uids: uids.clone(),
            first_uid: 77,
            moved: true,
        });
        check(&Record::Expunged { user, mailbox, uids: uids.clone() });
        for verb in [FlagVerb::Replace, FlagVerb::Add, FlagVerb::Remove] {
            check(&Record::Flagged { user, mailbox, uids: uids.clone(), verb, flags: Flags::SEEN, keywords: vec![] });
        }
        check(&Record::Claimed { user, mailbox, recent_from: 12 });
        check(&Record::Held { address: "a@b".to_owned(), reason: "EICAR".to_owned(), when: 1, delivery: ([0; 16], 2) });
        check(&Record::Released { address: "a@b".to_owned() });
        check(&Record::ScriptPut { user, name: "main".to_owned() });
        check(&Record::ScriptGone { user, name: "main".to_owned() });
        check(&Record::ScriptRenamed { user, from: "main".to_owned(), to: "ä".to_owned() });
        check(&Record::ScriptActive { user, name: String::new() });
        check(&Record::Marked { user, key: [9; 16], when: 5, until: 1 << 40 });
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0u8..21) {
            let _ = Record::decode(&bytes);
            bytes.splice(0..0, [FORMAT, kind]);
            let _ = Record::decode(&bytes);
        }
    }
}
