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
use crate::read::{MAX_BYTES, Read, read};
use crate::tree::{FileId, Node, Scalar, Span};
use std::hash::{DefaultHasher, Hash, Hasher};

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
    let Read { nodes, problems, .. } = read(file, path, bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if problems.is_empty() => text,
        _ => return Formatted::Problems(problems),
    };
    let meant = digest(&nodes);
    drop(nodes);
    let candidates = if path.ends_with(".kdl") { vec![kdl(text)] } else { yaml::candidates(text) };
    for candidate in candidates {
        if candidate == text {
            return Formatted::Unchanged;
        }
        if candidate.len() > MAX_BYTES {
            let message = format!(
                "laid out, the file would have {} bytes, more than the {MAX_BYTES} that are read",
                candidate.len()
            );
            let problem = Problem::error("kdl::too-large", Span { file, start: 0, end: 0 }, message);
            return Formatted::Problems(vec![
                problem.help("split the file; the order and number of files have no meaning"),
            ]);
        }
        let again = read(file, path, candidate.as_bytes());
        if again.problems.is_empty() && digest(&again.nodes) == meant {
            return Formatted::Changed(candidate);
        }
    }
    Formatted::Fault
}

/// Returns the canonical form of a KDL document that the reader finds nothing wrong with.
pub(crate) fn kdl(text: &str) -> String {
    print::print(text, &layout::lay_out(text))
}

/// Returns a number that two trees share if they are the same but for their places; it stands for a tree that need not be kept.
fn digest(nodes: &[Node<'_>]) -> (u64, u64) {
    let mut hashers = (DefaultHasher::new(), DefaultHasher::new());
    1_u8.hash(&mut hashers.1);
    feed(nodes, &mut hashers.0);
    feed(nodes, &mut hashers.1);
    (hashers.0.finish(), hashers.1.finish())
}

fn feed(nodes: &[Node<'_>], hasher: &mut DefaultHasher) {
    nodes.len().hash(hasher);
    for node in nodes {
        node.kind.value.hash(hasher);
        node.arguments.len().hash(hasher);
        for argument in &node.arguments {
            feed_scalar(&argument.value, hasher);
        }
        node.properties.len().hash(hasher);
        for property in &node.properties {
            property.name.value.hash(hasher);
            feed_scalar(&property.value.value, hasher);
        }
        feed(&node.children, hasher);
    }
}

fn feed_scalar(scalar: &Scalar<'_>, hasher: &mut DefaultHasher) {
    match scalar {
        Scalar::Text(text) => (0_u8, text).hash(hasher),
        Scalar::Number(number) => (1_u8, number).hash(hasher),
        Scalar::Flag(flag) => (2_u8, flag).hash(hasher),
        Scalar::Null => 3_u8.hash(hasher),
    }
}
