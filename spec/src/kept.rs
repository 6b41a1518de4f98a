//! Decoded nodes as bytes and back, for a store that spares reading a file again that has not changed.
//!
//! Values are kept in their canonical spelling and read back through their types, so that bytes which somebody else
//! wrote give no node or a well-formed one. Only the program that wrote them reads them: the form has no version of its own.

use crate::tree::{FileId, Span};

/// Bytes in the making.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number > 0x7F {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    /// Writes a place without its file, which is the one that is kept.
    pub(crate) fn span(&mut self, span: Span) {
        match span.is_hole() {
            true => self.number(0),
            false => {
                self.number(u64::from(span.start) + 1);
                self.number(u64::from(span.end));
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes that are read back as nodes of a file.
pub(crate) struct Reader<'b> {
    file: FileId,
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(file: FileId, bytes: &'b [u8]) -> Self {
        Self { file, rest: bytes }
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Reads how many things follow; each takes at least a byte.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.rest.len())
    }

    pub(crate) fn text(&mut self) -> Option<&'b str> {
        let length = self.count()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn span(&mut self) -> Option<Span> {
        let Some(start) = self.number()?.checked_sub(1) else { return Some(Span::HOLE) };
        let end = u32::try_from(self.number()?).ok()?;
        let start = u32::try_from(start).ok().filter(|start| *start <= end)?;
        Some(Span { file: self.file, start, end })
    }

    /// Tells whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_read_back(number: u64, text: String, (start, length) in (0u32..1 << 24, 0u32..1 << 24)) {
            let span = Span { file: FileId(7), start, end: start + length };
            let mut writer = Writer::default();
            writer.number(number);
            writer.text(&text);
            writer.span(span);
            writer.span(Span::HOLE);
            let bytes = writer.finish();
            let mut reader = Reader::new(FileId(7), &bytes);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.text(), Some(text.as_str()));
            prop_assert_eq!(reader.span(), Some(span));
            prop_assert_eq!(reader.span(), Some(Span::HOLE));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(FileId(0), &bytes);
            while reader.text().is_some() && reader.span().is_some() && reader.count().is_some() {}
        }
    }
}
