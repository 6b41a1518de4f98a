//! A message's texts as SEARCH compares them: decoded, in lower case, read once and only when asked for.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::date;
use super::envelope::{self, Address};
use crate::disk::DiskError;
use crate::mime::{self, Limits, Part, header, words};
use crate::store::{InternalDate, Message, Storage};

const HEADER_GUESS: u32 = 16 << 10;

/// The content of one message.
pub(super) struct Content<'a, 'b> {
    storage: &'a Storage<'b>,
    message: &'a Message,
    header: Option<Vec<u8>>,
    /// All header fields, folded.
    header_text: Option<String>,
    /// The text of all bodies, folded, and the headers of all parts below the message.
    body_text: Option<(String, String)>,
    read: u64,
}

impl<'a, 'b> Content<'a, 'b> {
    pub(super) fn new(storage: &'a Storage<'b>, message: &'a Message) -> Self {
        Self { storage, message, header: None, header_text: None, body_text: None, read: 0 }
    }

    /// Returns the bytes that were read or looked through.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Returns the header.
    pub(super) fn header(&mut self) -> Result<&[u8], DiskError> {
        if self.header.is_none() {
            let size = self.message.size();
            let mut bytes =
                self.storage.mail.read_range(self.storage.disk, self.message.content, 0, HEADER_GUESS.min(size))?;
            if header::split(&bytes).1 == bytes.len() && size > HEADER_GUESS {
                bytes = self.storage.mail.read(self.storage.disk, self.message.content)?;
            }
            self.read += bytes.len() as u64;
            bytes.truncate(header::split(&bytes).1);
            self.header = Some(bytes);
        }
        Ok(self.header.as_deref().unwrap_or_default())
    }

    /// Whether a field of that name holds a text that is folded already.
    pub(super) fn header_has(&mut self, name: &str, text: &str) -> Result<bool, DiskError> {
        let header = self.header()?;
        let found = header::fields(header)
            .filter(|field| field.is(name))
            .any(|field| text.is_empty() || words::decode(field.raw()).to_lowercase().contains(text))
            || (ADDRESSES.iter().any(|known| known.eq_ignore_ascii_case(name)) && address_has(header, name, text));
        self.read += self.header.as_ref().map_or(0, |header| header.len() as u64);
        Ok(found)
    }

    /// Returns the day the message says it was sent on, in its own zone.
    pub(super) fn sent_day(&mut self) -> Result<Option<i64>, DiskError> {
        Ok(self.sent()?.map(date::local_day))
    }

    /// Returns when the message says it was sent.
    pub(super) fn sent(&mut self) -> Result<Option<InternalDate>, DiskError> {
        let value = envelope::field(self.header()?, "Date");
        Ok(value.and_then(|value| date::parse_header_date(&String::from_utf8_lossy(&value))))
    }

    /// Whether a body's text holds a text; headers of parts are not looked through, as with Dovecot.
    pub(super) fn body_has(&mut self, text: &str) -> Result<bool, DiskError> {
        let (body, _) = self.body()?;
        let (found, length) = (body.contains(text), body.len());
        self.read += length as u64;
        Ok(found)
    }

    fn body(&mut self) -> Result<(&str, &str), DiskError> {
        if self.body_text.is_none() {
            let bytes = self.storage.mail.read(self.storage.disk, self.message.content)?;
            let structure = mime::parse(&bytes, Limits::STANDARD);
            let (mut body, mut headers) = (String::new(), String::new());
            collect(&mut body, &mut headers, &bytes, &structure.root);
            self.body_text = Some((body.to_lowercase(), headers.to_lowercase()));
            self.read += bytes.len() as u64;
        }
        Ok(self.body_text.as_ref().map_or(("", ""), |(body, headers)| (body, headers)))
    }

    /// Whether the message holds a text anywhere: in its header, a part's header or a body.
    pub(super) fn text_has(&mut self, text: &str) -> Result<bool, DiskError> {
        if self.header_text.is_none() {
            let mut all = String::new();
            header_words(&mut all, self.header()?);
            self.header_text = Some(all.to_lowercase());
        }
        let header = self.header_text.as_deref().unwrap_or_default();
        self.read += header.len() as u64;
        if header.contains(text) || self.body_has(text)? {
            return Ok(true);
        }
        let (_, headers) = self.body()?;
        let (found, length) = (headers.contains(text), headers.len());
        self.read += length as u64;
        Ok(found)
    }
}

/// Fields whose addresses are compared without the comments and blanks that may stand in them.
const ADDRESSES: [&str; 6] = ["From", "To", "Cc", "Bcc", "Sender", "Reply-To"];

fn address_has(header: &[u8], name: &str, text: &str) -> bool {
    envelope::addresses_of(header, name).into_iter().any(|address| match address {
        Address::Mailbox { local, domain, .. } => {
            let local = String::from_utf8_lossy(&local).into_owned();
            format!("{local}@{}", String::from_utf8_lossy(&domain)).to_lowercase().contains(text)
        }
        _ => false,
    })
}

fn header_words(out: &mut String, bytes: &[u8]) {
    for field in header::fields(bytes) {
        out.push_str(field.name());
        out.push_str(": ");
        out.push_str(&words::decode(field.raw()));
        out.push('\n');
    }
}

/// Gathers the text bodies below a part, and the headers of the parts below it.
fn collect(out: &mut String, headers: &mut String, message: &[u8], part: &Part) {
    if part.is_multipart() || part.is_message() {
        for child in &part.children {
            header_words(headers, child.header_bytes(message));
            collect(out, headers, message, child);
        }
        return;
    }
    if part.content_type.kind != "text" {
        return;
    }
    let bytes = part.encoding.decode(part.body_bytes(message));
    let charset = part.content_type.parameter("charset").unwrap_or_default().to_ascii_lowercase();
    let decoder = match charset.as_str() {
        "" | "utf-8" | "us-ascii" => None,
        other => charset_decoder(other.as_bytes()),
    };
    match decoder {
        Some(decode) => out.push_str(&decode(&bytes)),
        None => out.push_str(&String::from_utf8_lossy(&bytes)),
    }
    out.push('\n');
}
