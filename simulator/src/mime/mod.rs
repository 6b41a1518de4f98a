//! Messages by their offsets: header fields, address lists, parts (RFC 5322, RFC 2045, RFC 2046).
//!
//! [`parse`] reads a message once, line by line, and keeps nothing but ranges and the few words that structure needs, so its
//! work is linear in the message and its result bounded by [`Limits`].

pub mod parameters;
pub mod transfer;

mod structure;

use std::ops::Range;

pub use claims::{address, header, words};
pub use parameters::{ContentType, Disposition};
pub use structure::parse;
pub use transfer::Encoding;

/// How much structure is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parts of a message, itself among them.
    pub parts: usize,
    /// Parts inside parts.
    pub depth: usize,
}

impl Limits {
    /// Dovecot's own: 10,000 parts, 100 deep.
    pub const STANDARD: Self = Self { parts: 10_000, depth: 100 };
}

/// Where a message has more structure than the limits allow; what lies beyond is left unread in its parent's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excess {
    /// Too many parts.
    Parts,
    /// Parts too deep in parts.
    Depth,
}

/// A message's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The message itself.
    pub root: Part,
    /// What was not read, if anything.
    pub excess: Option<Excess>,
}

/// A part of a message; all ranges are offsets into the whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The header without the empty line that ends it.
    pub header: Range<usize>,
    /// The body: without the line end that belongs to the boundary behind it, of a multipart with preamble and epilogue.
    pub body: Range<usize>,
    /// `Content-Type`; where it is missing or nonsense what RFC 2045 §5.2 and RFC 2046 §5.1.5 say.
    pub content_type: ContentType,
    /// `Content-Transfer-Encoding`.
    pub encoding: Encoding,
    /// The parts of a multipart; of a `message/rfc822` the one message inside.
    pub children: Vec<Part>,
}

impl Part {
    /// Returns the first field of that name in the part's header.
    pub fn field<'a>(&self, message: &'a [u8], name: &str) -> Option<header::Field<'a>> {
        header::fields(self.header_bytes(message)).find(|field| field.is(name))
    }

    /// Returns the header's bytes, without the empty line.
    pub fn header_bytes<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.header.clone()).unwrap_or_default()
    }

    /// Returns the body's bytes, still encoded.
    pub fn body_bytes<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.body.clone()).unwrap_or_default()
    }

    /// Returns `Content-Disposition` (RFC 2183).
    pub fn disposition(&self, message: &[u8]) -> Option<Disposition> {
        parameters::disposition(&self.field(message, "Content-Disposition")?.unfolded())
    }

    /// Returns the name a file in this part goes by: from the disposition, else from the type.
    pub fn file_name(&self, message: &[u8]) -> Option<String> {
        let disposed = self.disposition(message).and_then(|found| parameters::value(&found.parameters, "filename"));
        disposed.or_else(|| parameters::value(&self.content_type.parameters, "name"))
    }

    /// Whether the part holds other parts by its type.
    pub fn is_multipart(&self) -> bool {
        self.content_type.kind == "multipart"
    }

    /// Whether the part is a message by its type.
    pub fn is_message(&self) -> bool {
        self.content_type.kind == "message" && matches!(self.content_type.subtype.as_str(), "rfc822" | "global")
    }
}
