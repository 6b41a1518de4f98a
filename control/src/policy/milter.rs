//! The server's side of the milter protocol, version 6, as far as header fields and who signed in go.
//!
//! Source: libmilter's `mfdef.h`, Postfix's MILTER_README. A packet is its length in four octets, a command and data.

use super::questions::Answer;

/// Octets of one packet; a header field has to fit.
const LONGEST: usize = 1 << 20;
/// Octets of the fields that are looked at, in one message.
const MOST_HEADER: usize = 256 << 10;

/// Steps that are not asked for: connection, HELO, recipients, body, unknown commands, DATA.
const NOT_ASKED: u32 = 0x01 | 0x02 | 0x08 | 0x10 | 0x100 | 0x200;
/// Header fields are told without waiting for an answer.
const NO_ANSWER_TO_FIELDS: u32 = 0x80;

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Find out whether the header is the user's to send, and send [`verdict`].
    Judge {
        /// Who signed in.
        login: String,
        /// The fields that name senders, as a header with its empty line.
        header: Vec<u8>,
    },
    /// Close the connection.
    Close,
}

/// One SMTP session.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pending: Vec<u8>,
    login: String,
    header: Vec<u8>,
    too_large: bool,
    fields_unanswered: bool,
}

impl Session {
    /// Takes bytes and returns what is to be done, in order.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<Effect> {
        self.pending.extend_from_slice(bytes);
        let mut effects = Vec::new();
        loop {
            let Some((length, rest)) = self.pending.split_first_chunk::<4>() else { return effects };
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length == 0 || length > LONGEST {
                effects.push(Effect::Close);
                return effects;
            }
            let Some(packet) = rest.get(..length).map(<[u8]>::to_vec) else { return effects };
            self.pending.drain(..length + 4);
            let (command, data) = packet.split_first().map_or((b'Q', &[][..]), |(command, data)| (*command, data));
            let effect = self.packet(command, data);
            let ends = effect == Some(Effect::Close);
            effects.extend(effect);
            if ends {
                return effects;
            }
        }
    }

    fn packet(&mut self, command: u8, data: &[u8]) -> Option<Effect> {
        match command {
            b'O' => Some(self.options(data)),
            b'D' => {
                self.macros(data);
                None
            }
            b'L' => {
                self.field(data);
                (!self.fields_unanswered).then(|| Effect::Reply(reply(b'c', &[])))
            }
            b'M' => {
                self.forget();
                Some(Effect::Reply(reply(b'c', &[])))
            }
            b'E' => {
                let login = std::mem::take(&mut self.login);
                let mut header = std::mem::take(&mut self.header);
                header.extend_from_slice(b"\r\n");
                let too_large = self.too_large;
                self.forget();
                Some(match (login.as_str(), too_large) {
                    // Nobody signed in: Postfix lets none of them send anything.
                    ("", _) => Effect::Reply(reply(b'c', &[])),
                    (_, true) => Effect::Reply(verdict(&Answer::Refused(
                        "550 5.7.1 Message rejected: the From field is too long".to_owned(),
                    ))),
                    _ => Effect::Judge { login, header },
                })
            }
            // Another session over the same connection, or the message was given up.
            b'K' | b'A' => {
                self.login.clear();
                self.forget();
                None
            }
            b'Q' => Some(Effect::Close),
            _ => Some(Effect::Reply(reply(b'c', &[]))),
        }
    }

    /// Agrees on the steps that are told.
    fn options(&mut self, data: &[u8]) -> Effect {
        let number = |at: usize| {
            data.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        let (version, offered) = (number(0), number(8));
        if version < 2 {
            return Effect::Close;
        }
        let steps = offered & (NOT_ASKED | NO_ANSWER_TO_FIELDS);
        self.fields_unanswered = steps & NO_ANSWER_TO_FIELDS != 0;
        let mut agreed = Vec::new();
        for number in [version.min(6), 0, steps] {
            agreed.extend_from_slice(&number.to_be_bytes());
        }
        Effect::Reply(reply(b'O', &agreed))
    }

    /// Takes note of who signed in: a command, then names and values that end in NUL.
    fn macros(&mut self, data: &[u8]) {
        let mut words = data.get(1..).unwrap_or_default().split(|byte| *byte == 0);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if matches!(name, b"{auth_authen}" | b"auth_authen") {
                self.login = String::from_utf8_lossy(value).into_owned();
            }
        }
    }

    /// Keeps a field that names senders.
    fn field(&mut self, data: &[u8]) {
        let mut words = data.split(|byte| *byte == 0);
        let (Some(name), Some(value)) = (words.next(), words.next()) else { return };
        let names_senders = [&b"From"[..], b"Sender"].iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known));
        if !names_senders {
            return;
        }
        if self.header.len() + name.len() + value.len() > MOST_HEADER {
            self.too_large = true;
            return;
        }
        self.header.extend_from_slice(name);
        self.header.extend_from_slice(b": ");
        // Folds are told as bare line feeds.
        for byte in value {
            match byte {
                b'\n' => self.header.extend_from_slice(b"\r\n"),
                b'\r' => {}
                other => self.header.push(*other),
            }
        }
        self.header.extend_from_slice(b"\r\n");
    }

    /// Forgets the message, not who sends.
    fn forget(&mut self) {
        self.header.clear();
        self.too_large = false;
    }
}

/// Writes what is said of a message.
pub(super) fn verdict(answer: &Answer) -> Vec<u8> {
    match answer {
        Answer::Passes => reply(b'c', &[]),
        Answer::Refused(text) | Answer::Later(text) => {
            let mut data: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_control()).collect();
            data.push(0);
            reply(b'y', &data)
        }
    }
}

fn reply(command: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap_or(1);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(command);
    packet.extend_from_slice(data);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(list: &[(u8, &[u8])]) -> Vec<u8> {
        list.iter().flat_map(|(command, data)| reply(*command, data)).collect()
    }

    const OFFER: &[u8] = b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";

    #[test]
    fn only_what_names_senders_is_asked_for_and_kept() {
        let mut session = Session::default();
        let effects = session.receive(&packets(&[
            (b'O', OFFER),
            (b'D', b"M{auth_authen}\0alice@acme.example\0i\x001\0"),
            (b'M', b"<alice@acme.example>\0"),
            (b'L', b"Subject\0x\0"),
            (b'L', b"From\0Alice\n <alice@acme.example>\0"),
            (b'L', b"sender \0bob@acme.example\0"),
            (b'N', b""),
            (b'E', b""),
            (b'Q', b""),
        ]));
        let header = b"From: Alice\r\n <alice@acme.example>\r\nsender : bob@acme.example\r\n\r\n".to_vec();
        assert_eq!(
            effects,
            [
                Effect::Reply(reply(b'O', b"\0\0\0\x06\0\0\0\0\0\0\x03\x9b")),
                Effect::Reply(reply(b'c', b"")),
                Effect::Reply(reply(b'c', b"")),
                Effect::Judge { login: "alice@acme.example".to_owned(), header },
                Effect::Close,
            ]
        );
    }

    #[test]
    fn a_second_message_is_looked_at_by_itself() {
        let mut session = Session::default();
        session.receive(&packets(&[
            (b'O', OFFER),
            (b'D', b"M{auth_authen}\0a\0"),
            (b'M', b"x\0"),
            (b'L', b"From\0x\0"),
        ]));
        session.receive(&packets(&[(b'A', b"")]));
        let effects = session.receive(&packets(&[
            (b'D', b"M{auth_authen}\0b\0"),
            (b'M', b"x\0"),
            (b'L', b"From\0y\0"),
            (b'E', b""),
        ]));
        let judged = effects.last().unwrap();
        assert_eq!(*judged, Effect::Judge { login: "b".to_owned(), header: b"From: y\r\n\r\n".to_vec() });
    }

    #[test]
    fn a_verdict_is_one_line() {
        let refused = Answer::Refused("550 5.7.1 a\r\nb\0".to_owned());
        assert_eq!(verdict(&refused), b"\0\0\0\x0ey550 5.7.1 ab\0");
    }

    proptest! {
        #[test]
        fn any_bytes_are_packets_or_end_the_session(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let mut session = Session::default();
            for piece in pieces {
                session.receive(&piece);
            }
        }

        #[test]
        fn packets_read_the_same_however_they_are_cut(at in 0_usize..90) {
            let whole = packets(&[(b'O', OFFER), (b'D', b"M{auth_authen}\0a\0"), (b'M', b"x\0"), (b'L', b"From\0x\0"), (b'E', b"")]);
            let at = at.min(whole.len());
            let expected = Session::default().receive(&whole);
            let mut session = Session::default();
            let mut effects = session.receive(&whole[..at]);
            effects.extend(session.receive(&whole[at..]));
            prop_assert_eq!(effects, expected);
        }
    }
}
