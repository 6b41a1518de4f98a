//! What a queue writes into its journal: a format byte, a kind byte, then fields; numbers as LEB128, texts with their length
//! before them.

use values::MailAddress;

use super::entry::{Addressee, Failure, Filing, Header, QueueId, Route, Target, TargetState, Variant};
use crate::Moment;
use crate::smtp::{Body, Enhanced, Notify, Return};

const FORMAT: u8 = 1;

/// One change of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A message is in the queue; the body is its content. Written again in full when its segment goes.
    Entry {
        id: QueueId,
        header: Header,
        targets: Vec<Target>,
        /// The delivery of another host that brought it, and for which of its recipients.
        delivery: Option<String>,
        /// The message whose failures, deliveries or delays this one reports.
        reports: Option<Reports>,
        /// The correspondents that this automatic reply answers.
        answers: Option<(String, String)>,
    },
    /// A target has got on.
    State { id: QueueId, target: usize, state: TargetState },
    /// A target was replaced by others.
    Expanded { id: QueueId, target: usize, into: Vec<Target> },
    /// A delivery was taken before, kept beyond the message.
    Remembered { delivery: String, recipient: String, at: Moment },
    /// An automatic reply was sent, kept beyond the message.
    Answered { from: String, to: String, at: Moment },
    /// The next id, kept beyond all messages.
    Next { id: QueueId },
}

/// What a notice settles in the message it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reports {
    pub(super) about: QueueId,
    /// These are done now.
    pub(super) settled: Vec<usize>,
    /// Of these the sender knows that they are late.
    pub(super) late: Vec<usize>,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![FORMAT]);
        match self {
            Self::Entry { id, header, targets, delivery, reports, answers } => {
                out.byte(1).number(id.0).header(header).targets(targets).optional_text(delivery.as_deref());
                out.flag(reports.is_some());
                if let Some(reports) = reports {
                    out.number(reports.about.0).indexes(&reports.settled).indexes(&reports.late);
                }
                out.flag(answers.is_some());
                if let Some((from, to)) = answers {
                    out.text(from).text(to);
                }
            }
            Self::State { id, target, state } => {
                out.byte(2).number(id.0).number(*target as u64).state(state);
            }
            Self::Expanded { id, target, into } => {
                out.byte(3).number(id.0).number(*target as u64).targets(into);
            }
            Self::Remembered { delivery, recipient, at } => {
                out.byte(4).text(delivery).text(recipient).number(at.0);
            }
            Self::Answered { from, to, at } => {
                out.byte(5).text(from).text(to).number(at.0);
            }
            Self::Next { id } => {
                out.byte(6).number(id.0);
            }
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut input = Reader(bytes);
        let format = input.byte().ok_or("it is empty")?;
        if format != FORMAT {
            return Err(format!("it has format {format}, this program reads format {FORMAT}"));
        }
        let record = input.record().ok_or("it is not whole")?;
        if !input.0.is_empty() {
            return Err("it is longer than it should be".to_owned());
        }
        Ok(record)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(u8::from(flag))
    }

    fn number(&mut self, mut number: u64) -> &mut Self {
        while number > 0x7F {
            self.0.push((number & 0x7F) as u8 | 0x80);
            number >>= 7;
        }
        self.byte((number & 0x7F) as u8)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
        self
    }

    fn address(&mut self, address: &MailAddress) -> &mut Self {
        self.text(&address.to_string())
    }

    fn optional_address(&mut self, address: Option<&MailAddress>) -> &mut Self {
        self.optional_text(address.map(ToString::to_string).as_deref())
    }

    fn indexes(&mut self, indexes: &[usize]) -> &mut Self {
        self.number(indexes.len() as u64);
        for &index in indexes {
            self.number(index as u64);
        }
        self
    }

    fn header(&mut self, header: &Header) -> &mut Self {
        self.number(header.accepted.0).optional_address(header.sender.as_ref()).number(header.addressees.len() as u64);
        for addressee in &header.addressees {
            let notify = addressee.notify.map_or(8, |notify| {
                u8::from(notify.success) | u8::from(notify.failure) << 1 | u8::from(notify.delay) << 2
            });
            self.address(&addressee.address).byte(notify).optional_text(addressee.original.as_deref());
        }
        let returned = match header.returned {
            None => 0,
            Some(Return::Full) => 1,
            Some(Return::Headers) => 2,
        };
        self.byte(returned)
            .optional_text(header.identifier.as_deref())
            .flag(header.body == Body::EightBit)
            .flag(header.internationalized)
            .flag(header.quiet)
    }

    fn targets(&mut self, targets: &[Target]) -> &mut Self {
        self.number(targets.len() as u64);
        for target in targets {
            self.number(target.addressee as u64).address(&target.address).optional_address(target.sender.as_ref());
            match &target.route {
                Route::Expand => self.byte(0),
                Route::Mailbox { store } => self.byte(1).text(store),
                Route::Outbound => self.byte(2),
                Route::Remote => self.byte(3),
                Route::Filtered { host, port } => self.byte(4).text(host.as_str()).number(u64::from(*port)),
                Route::Server { host, port } => self.byte(5).text(host.as_str()).number(u64::from(*port)),
            };
            let filing = match target.variant.filing {
                Filing::Inbox => 0,
                Filing::Spam => 1,
                Filing::Held => 2,
            };
            self.bytes(&target.variant.fields).text(&target.variant.subject_tag).byte(filing).state(&target.state);
        }
        self
    }

    fn state(&mut self, state: &TargetState) -> &mut Self {
        match state {
            TargetState::Waiting { next, failed, last, told } => {
                self.byte(0).number(next.0).number(u64::from(*failed)).flag(*told).flag(last.is_some());
                if let Some(last) = last {
                    self.failure(last);
                }
                self
            }
            TargetState::Done => self.byte(1),
            TargetState::Failed(failure) => self.byte(2).failure(failure),
            TargetState::Delivered { relayed } => self.byte(3).flag(*relayed),
        }
    }

    fn failure(&mut self, failure: &Failure) -> &mut Self {
        let Enhanced(class, subject, detail) = failure.status;
        self.byte(class).number(u64::from(subject)).number(u64::from(detail));
        self.text(&failure.text).optional_text(failure.host.as_deref())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7F);
            if shift == 63 && part > 1 {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn index(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.index()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn optional_text(&mut self) -> Option<Option<String>> {
        Some(if self.flag()? { Some(self.text()?) } else { None })
    }

    fn address(&mut self) -> Option<MailAddress> {
        self.text()?.parse().ok()
    }

    fn optional_address(&mut self) -> Option<Option<MailAddress>> {
        Some(if self.flag()? { Some(self.address()?) } else { None })
    }

    /// Reads a list; its length is believed only as far as there are bytes.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.index().filter(|&length| length <= self.0.len())?;
        (0..length).map(|_| one(self)).collect()
    }

    fn record(&mut self) -> Option<Record> {
        let kind = self.byte()?;
        Some(match kind {
            1 => Record::Entry {
                id: QueueId(self.number()?),
                header: self.header()?,
                targets: self.list(Self::target)?,
                delivery: self.optional_text()?,
                reports: if self.flag()? {
                    Some(Reports {
                        about: QueueId(self.number()?),
                        settled: self.list(Self::index)?,
                        late: self.list(Self::index)?,
                    })
                } else {
                    None
                },
                answers: if self.flag()? { Some((self.text()?, self.text()?)) } else { None },
            },
            2 => Record::State { id: QueueId(self.number()?), target: self.index()?, state: self.state()? },
            3 => {
                Record::Expanded { id: QueueId(self.number()?), target: self.index()?, into: self.list(Self::target)? }
            }
            4 => Record::Remembered { delivery: self.text()?, recipient: self.text()?, at: Moment(self.number()?) },
            5 => Record::Answered { from: self.text()?, to: self.text()?, at: Moment(self.number()?) },
            6 => Record::Next { id: QueueId(self.number()?) },
            _ => return None,
        })
    }

    fn header(&mut self) -> Option<Header> {
        Some(Header {
            accepted: Moment(self.number()?),
            sender: self.optional_address()?,
            addressees: self.list(|input| {
                Some(Addressee {
                    address: input.address()?,
                    notify: match input.byte()? {
                        8 => None,
                        bits @ 0..8 => {
                            Some(Notify { success: bits & 1 != 0, failure: bits & 2 != 0, delay: bits & 4 != 0 })
                        }
                        _ => return None,
                    },
                    original: input.optional_text()?,
                })
            })?,
            returned: match self.byte()? {
                0 => None,
                1 => Some(Return::Full),
                2 => Some(Return::Headers),
                _ => return None,
            },
            identifier: self.optional_text()?,
            body: if self.flag()? { Body::EightBit } else { Body::SevenBit },
            internationalized: self.flag()?,
            quiet: self.flag()?,
        })
    }

    fn target(&mut self) -> Option<Target> {
        Some(Target {
            addressee: self.index()?,
            address: self.address()?,
            sender: self.optional_address()?,
            route: match self.byte()? {
                0 => Route::Expand,
                1 => Route::Mailbox { store: self.text()? },
                2 => Route::Outbound,
                3 => Route::Remote,
                4 => Route::Filtered { host: self.text()?.parse().ok()?, port: u16::try_from(self.number()?).ok()? },
                5 => Route::Server { host: self.text()?.parse().ok()?, port: u16::try_from(self.number()?).ok()? },
                _ => return None,
            },
            variant: Variant {
                fields: self.bytes()?.to_vec(),
                subject_tag: self.text()?,
                filing: match self.byte()? {
                    0 => Filing::Inbox,
                    1 => Filing::Spam,
                    2 => Filing::Held,
                    _ => return None,
                },
            },
            state: self.state()?,
        })
    }

    fn state(&mut self) -> Option<TargetState> {
        Some(match self.byte()? {
            0 => {
                let next = Moment(self.number()?);
                let failed = u32::try_from(self.number()?).ok()?;
                let told = self.flag()?;
                let last = if self.flag()? { Some(self.failure()?) } else { None };
                TargetState::Waiting { next, failed, last, told }
            }
            1 => TargetState::Done,
            2 => TargetState::Failed(self.failure()?),
            3 => TargetState::Delivered { relayed: self.flag()? },
            _ => return None,
        })
    }

    fn failure(&mut self) -> Option<Failure> {
        let class = self.byte()?;
        let subject = u16::try_from(self.number()?).ok()?;
        let detail = u16::try_from(self.number()?).ok()?;
        Some(Failure { status: Enhanced(class, subject, detail), text: self.text()?, host: self.optional_text()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> MailAddress {
        text.parse().unwrap()
    }

    fn records() -> Vec<Record> {
        let failure = Failure {
            status: Enhanced(5, 1, 1),
            text: "550 5.1.1 no such user".to_owned(),
            host: Some("mx.bigmail.example".to_owned()),
        };
        let target = |route, state| Target {
            addressee: 1,
            address: address("\"odd one\"@acme.example"),
            sender: Some(address("srs0=x@srs.example")),
            route,
            variant: Variant {
                fields: b"X-Spam: Yes\r\n".to_vec(),
                subject_tag: "[SPAM]".into(),
                filing: Filing::Spam,
            },
            state,
        };
        let targets = vec![
            target(Route::Expand, TargetState::fresh(Moment(5))),
            target(Route::Mailbox { store: "store-1".into() }, TargetState::Done),
            target(Route::Outbound, TargetState::Failed(failure.clone())),
            target(Route::Remote, TargetState::Delivered { relayed: true }),
        ];
        let header = Header {
            accepted: Moment(u64::MAX),
            sender: Some(address("a@b.example")),
            addressees: vec![
                Addressee { address: address("x@y.example"), notify: None, original: None },
                Addressee {
                    address: address("x@y.example"),
                    notify: Some(Notify { success: true, failure: false, delay: true }),
                    original: Some("rfc822;x@y.example".into()),
                },
            ],
            returned: Some(Return::Headers),
            identifier: Some("envelope+2B1".into()),
            body: Body::EightBit,
            internationalized: true,
            quiet: true,
        };
        let id = QueueId(300);
        vec![
            Record::Entry {
                id,
                header: header.clone(),
                targets: targets.clone(),
                delivery: Some("mx-1.2A".into()),
                reports: Some(Reports { about: QueueId(7), settled: vec![0, 3], late: vec![200] }),
                answers: Some(("a".into(), "b".into())),
            },
            Record::Entry { id, header, targets: Vec::new(), delivery: None, reports: None, answers: None },
            Record::State {
                id,
                target: 3,
                state: TargetState::Waiting { next: Moment(9), failed: 4, last: Some(failure), told: true },
            },
            Record::Expanded { id, target: 0, into: targets },
            Record::Remembered { delivery: "d".into(), recipient: "r".into(), at: Moment(1) },
            Record::Answered { from: "f".into(), to: "t".into(), at: Moment(2) },
            Record::Next { id: QueueId(u64::MAX) },
        ]
    }

    #[test]
    fn every_record_is_read_back() {
        for record in records() {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn no_part_of_a_record_is_one() {
        for record in records() {
            let bytes = record.encode();
            for length in 0..bytes.len() {
                assert!(Record::decode(&bytes[..length]).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(&bytes);
            bytes.splice(0..0, [FORMAT]);
            let _ = Record::decode(&bytes);
        }
    }
}
