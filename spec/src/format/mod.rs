//! The canonical form of a file: what `fmt` writes.
//!
//! KDL is laid out anew, every comment in its place: four blanks a level, one node a line, texts in quotes, and no more than one empty
//! line between two nodes. A line that its author continued with `\` stays continued. Of YAML only what surely has no meaning is
//! changed: blanks at the ends of lines, carriage returns, and empty lines at the file's end. Neither ever changes what a
//! file says, which is made sure of each time by reading the result.

pub(crate) mod layout;
mod print;
mod spelling;
#[cfg(test)]
mod tests;
mod yaml;

use crate::problem::Problem;
use crate::read::{Read, read};
use crate::tree::FileId;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formatted {
    /// It has its canonical form.
    Unchanged,
    /// This is its canonical form.
    Changed(String),
    /// There is something wrong with its syntax, so that it stays as it is.
    Problems(Vec<Problem>),
    /// Its canonical form would say something else, which is a fault of this program.
    Fault,
}

/// Returns the canonical form of a file; the ending of its path chooses the syntax.
pub fn format(file: FileId, path: &str, bytes: &[u8]) -> Formatted {
    let Read { nodes, problems } = read(file, path, bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if problems.is_empty() => text,
        _ => return Formatted::Problems(problems),
    };
    let candidates = if path.ends_with(".kdl") { vec![kdl(text)] } else { yaml::candidates(text) };
    for candidate in candidates {
        if candidate == text {
            return Formatted::Unchanged;
        }
        let again = read(file, path, candidate.as_bytes());
        if again.problems.is_empty() && says_the_same(&nodes, &again.nodes) {
            return Formatted::Changed(candidate);
        }
    }
    Formatted::Fault
}

/// Returns the canonical form of a KDL document that the reader finds nothing wrong with.
pub(crate) fn kdl(text: &str) -> String {
    print::print(text, &layout::lay_out(text))
}

/// Tells whether two trees are the same but for their places.
fn says_the_same(one: &[crate::tree::Node<'_>], other: &[crate::tree::Node<'_>]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.kind.value == other.kind.value
                && one.arguments.len() == other.arguments.len()
                && one.properties.len() == other.properties.len()
                && one.arguments.iter().zip(&other.arguments).all(|(one, other)| one.value == other.value)
                && one
                    .properties
                    .iter()
                    .zip(&other.properties)
                    .all(|(one, other)| one.name.value == other.name.value && one.value.value == other.value.value)
                && says_the_same(&one.children, &other.children)
        })
}
