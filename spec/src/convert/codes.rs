//! The codes of problems that conversion tells, with the page behind each.

use crate::codes::Code;

/// The codes, sorted.
pub const CODES: &[Code] = &[Code {
    code: "convert::not-expressible",
    explanation: "The two syntaxes say the same things, but for a few that no specification needs: in YAML a node's kind is one \
         word without blanks and never `args`, and the limits of depth and size are counted a little differently. Rename the \
         node, split the file, or leave it in its syntax.",
}];
