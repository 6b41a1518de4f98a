//! A reader of YAML into the same tree as KDL.
//!
//! A mapping's key is a node's head, split at its first blank into kind and argument. Its value is the rest of the node: a scalar is
//! one more argument, a list of scalars are more arguments, a mapping or a list of one-key mappings are its children, and `args` in
//! a mapping are arguments beside them. A value that is left empty adds nothing, so `imap:` is `imap`. What stands as a scalar in a
//! mapping becomes a child with one argument, never a property; both mean the same.
//!
//! Scalars stay as the source spells them but for `true`, `false`, `null` and `~` without quotes. What YAML has beyond such trees
//! (anchors, aliases, merge keys, tags, directives, several documents, keys that are no scalars) is a problem.
//!
//! The parser behind this gives up at its first syntax error; [`recovery`] reads on behind it.

mod codes;
mod dashes;
mod head;
mod lower;
mod probe;
mod quotes;
mod recovery;
mod repairs;
mod syntax;
#[cfg(test)]
mod tests;

pub use codes::CODES;

use crate::kdl::disallowed_characters;
use crate::problem::Problem;
use crate::read::{Codes, Findings, Read};
use crate::tree::FileId;

pub(crate) use recovery::lies_in;

const FORM: Codes =
    Codes { too_large: "yaml::too-large", not_utf8: "yaml::not-utf8", too_many_problems: "yaml::too-many-problems" };

/// Reads a YAML document, behind syntax errors too.
///
/// - `file`: the file that the spans name.
/// - `bytes`: the file's bytes, of which texts are borrowed where they say what they spell.
/// - Returns: the nodes, and the problems in the order of their places.
/// - Source: YAML 1.2.2.
pub fn read(file: FileId, bytes: &[u8]) -> Read<'_> {
    let mut findings = Findings::new(file, FORM);
    let Some((text, complete)) = findings.text(bytes) else {
        return Read { nodes: Vec::new(), problems: findings.finish(), damaged: Vec::new() };
    };
    let mut blanked: Option<String> = None;
    for (start, end, message) in disallowed_characters(text) {
        if findings.is_full() {
            break;
        }
        let problem = Problem::error("yaml::disallowed-character", findings.span(start, end), message);
        findings.add(problem.help("remove it"));
        let text = blanked.get_or_insert_with(|| text.to_owned());
        text.replace_range(start..end, &" ".repeat(end - start));
    }
    let lowered = lower::Lowering::new(text, Findings::new(file, FORM)).run();
    if lowered.well_formed {
        findings.join(lowered.findings);
        return Read { nodes: lowered.nodes, problems: findings.finish(), damaged: lowered.damaged };
    }
    // The parser stops at most of the disallowed characters.
    recovery::read(blanked.as_deref().unwrap_or(text), findings, Findings::new(file, FORM), complete)
}

/// Returns the places of the comments of a document that the reader finds nothing wrong with, in their order.
///
/// - Returns: `None` where the parser cannot follow with the comments among the rest.
pub(crate) fn comments(text: &str) -> Option<Vec<(usize, usize)>> {
    let options = granit_parser::options! {
        emit_comments: true,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: lower::MAX_COLLECTIONS,
        block_nesting_limit: lower::MAX_COLLECTIONS,
    };
    let mut comments = Vec::new();
    for next in granit_parser::Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.ok()?;
        if let granit_parser::Event::Comment(..) = event {
            let range = span.byte_range()?;
            comments.push((range.start, range.end));
        }
    }
    comments.sort_unstable();
    Some(comments)
}
