//! How far the YAML parser gets, and what is open where it stops.

use granit_parser::{ErrorKind, Event, Parser, ScanError};

use super::lower;

/// Where the parser stopped.
pub(super) struct Probe {
    /// Why; `None` at the end of the text, or where the probe was told to end.
    pub(super) error: Option<ScanError>,
    /// The byte at which it stopped.
    pub(super) at: usize,
    /// The brackets that are open there, outermost first.
    pub(super) brackets: Vec<usize>,
}

/// Follows a text up to its first syntax error.
///
/// - `until`: the byte behind which nobody asks any more.
pub(super) fn probe(text: &str, until: usize) -> Probe {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: lower::MAX_COLLECTIONS,
        block_nesting_limit: lower::MAX_COLLECTIONS,
    };
    let mut probe = Probe { error: None, at: text.len(), brackets: Vec::new() };
    // Of each open collection its bracket, if it has one.
    let mut open: Vec<Option<usize>> = Vec::new();
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or_default();
                match event {
                    Event::MappingStart(..) | Event::SequenceStart(..) => {
                        let byte = text.as_bytes().get(range.start);
                        open.push(matches!(byte, Some(b'{' | b'[')).then_some(range.start));
                    }
                    Event::MappingEnd | Event::SequenceEnd => {
                        open.pop();
                    }
                    _ => {}
                }
                if range.start > until {
                    break;
                }
            }
            Err(error) => {
                probe.at = place(&error, text);
                probe.error = Some(error);
                break;
            }
        }
    }
    probe.brackets = open.into_iter().flatten().collect();
    probe
}

/// Returns the byte at which the parser stopped.
pub(super) fn place(error: &ScanError, text: &str) -> usize {
    let marker = error.marker();
    let byte = marker.byte_offset().filter(|&at| text.is_char_boundary(at));
    byte.unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at))
}

/// Tells whether an error says no more than that too much is nested.
pub(super) fn is_limit(error: &ScanError) -> bool {
    matches!(error.kind(), ErrorKind::RecursionLimitExceeded)
}

/// Returns where the line of a byte begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Returns where the line of a byte ends, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at + length);
    if end > at && text.as_bytes().get(end - 1) == Some(&b'\r') { end - 1 } else { end }
}
