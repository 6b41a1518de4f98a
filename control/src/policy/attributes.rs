//! Questions as Postfix writes them (SMTPD_POLICY_README): lines of `name=value`, an empty one at the end.

use std::collections::BTreeMap;

/// Octets of one question.
const LONGEST: usize = 64 << 10;

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request(BTreeMap<String, String>);

impl Request {
    /// Returns an attribute; what is absent is empty, as it is where Postfix does not know it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// What came is no question, or has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Puts questions together.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    pending: Vec<u8>,
}

impl Reader {
    /// Takes bytes and returns the questions that are whole.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Request>, Malformed> {
        self.pending.extend_from_slice(bytes);
        let mut requests = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let question: Vec<u8> = self.pending.drain(..end + 2).collect();
            if question.len() > LONGEST {
                return Err(Malformed);
            }
            requests.push(request(&question)?);
        }
        if self.pending.len() > LONGEST { Err(Malformed) } else { Ok(requests) }
    }
}

fn request(bytes: &[u8]) -> Result<Request, Malformed> {
    let text = String::from_utf8_lossy(bytes);
    let mut request = Request::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once('=').ok_or(Malformed)?;
        request.0.insert(name.to_owned(), value.to_owned());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_come_in_pieces_and_together() {
        let mut reader = Reader::default();
        assert_eq!(reader.receive(b"request=smtpd_access_policy\nsender=a=b@c.exa"), Ok(Vec::new()));
        let requests = reader.receive(b"mple\n\nrecipient=x\n\n").unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].get("sender"), "a=b@c.example");
        assert_eq!((requests[0].get("recipient"), requests[1].get("recipient")), ("", "x"));
        assert_eq!(reader.receive(b"no question\n\n"), Err(Malformed));
    }

    #[test]
    fn a_question_without_end_is_refused() {
        let mut reader = Reader::default();
        assert_eq!(reader.receive(&vec![b'x'; LONGEST + 1]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_questions_or_refused(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut reader = Reader::default();
            for piece in pieces {
                let _ = reader.receive(&piece);
            }
        }

        #[test]
        fn a_value_reads_back_however_it_is_cut(value in "[^\\n\\r\\x00]{0,60}", at in 0_usize..80) {
            let whole = format!("sender={value}\nrecipient=end\n\n");
            let at = at.min(whole.len());
            let mut reader = Reader::default();
            let mut requests = reader.receive(&whole.as_bytes()[..at]).unwrap();
            requests.extend(reader.receive(&whole.as_bytes()[at..]).unwrap());
            prop_assert_eq!(requests.len(), 1);
            prop_assert_eq!(requests[0].get("sender"), value);
        }
    }
}
