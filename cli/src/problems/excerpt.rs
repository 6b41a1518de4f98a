//! The part of a text that a person is shown around a place, however large the text and however long its lines are.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use spec::{Sources, Span};

/// Bytes that are shown before a place and behind its beginning at most.
const WIDEST: usize = 1_000;
/// Lines around a place; more are never shown.
const LINES: usize = 3;

/// Some lines of a text, which know where they stand in it.
pub(super) struct Excerpt {
    path: String,
    text: String,
    /// Lines before the first one, and characters before it on its line.
    before: (usize, usize),
}

impl Excerpt {
    /// Takes what stands around a place.
    ///
    /// - Returns: the excerpt, and the place in it: where it begins, and its length in bytes.
    pub(super) fn of(sources: &Sources, span: Span) -> (Self, (usize, usize)) {
        let file = sources.file(span.file);
        let (path, bytes) = file.map_or(("", &[][..]), |file| (file.path.as_str(), file.bytes.as_slice()));
        let end = (span.end as usize).min(bytes.len());
        let start = (span.start as usize).min(end);
        let is_boundary = |at: usize| bytes.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
        let from = |at: usize| (at..=at + 3).find(|&at| is_boundary(at)).unwrap_or(at).min(start);
        let least = from(start.saturating_sub(WIDEST));
        let most = (start + WIDEST).min(bytes.len());
        let most = (most.saturating_sub(3)..=most).rev().find(|&at| is_boundary(at)).unwrap_or(most).max(start);
        let head = bytes.get(least..start).unwrap_or_default();
        let mut breaks =
            head.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| least + at + 1);
        let first = breaks.nth(LINES).unwrap_or(least);
        let tail = bytes.get(start..most).unwrap_or_default();
        let mut breaks = tail.iter().enumerate().filter(|(at, byte)| start + at >= end && **byte == b'\n');
        let last = breaks.nth(LINES).map_or(most, |(at, _)| start + at);
        // Invalid UTF-8 keeps its length, so that offsets still point where they should.
        let shown = bytes.get(first..last).unwrap_or_default();
        let text = match std::str::from_utf8(shown) {
            Ok(text) => text.to_owned(),
            Err(_) => shown.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect(),
        };
        let place = sources.place(span);
        let lines = bytes.get(first..start).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        let line = (place.line as usize).saturating_sub(1).saturating_sub(lines);
        let begun = bytes.get(..first).unwrap_or_default().iter().rev().take_while(|byte| **byte != b'\n');
        let column = begun.filter(|byte| **byte & 0xC0 != 0x80).count();
        let length = end.min(last).saturating_sub(start);
        (Self { path: path.to_owned(), text, before: (line, column) }, (start - first, length))
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        let (lines, columns) = self.before;
        let column = if inner.line() == 0 { inner.column() + columns } else { inner.column() };
        Ok(Box::new(MietteSpanContents::new_named(
            self.path.clone(),
            inner.data(),
            *inner.span(),
            inner.line() + lines,
            column,
            inner.line_count(),
        )))
    }
}
