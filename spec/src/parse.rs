//! The whole way from texts to what they ask for.

use crate::decode::{Decoder, Syntax, document};
use crate::model::Spec;
use crate::problem::Problem;
use crate::read::read;
use crate::sources::Sources;

/// What the texts ask for, and all that is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// As much as could be understood.
    pub spec: Spec,
    /// What is wrong, sorted by place.
    pub problems: Vec<Problem>,
}

/// Reads all files of a repository.
///
/// - Returns: a specification and its problems; it may only be compiled further where none of them is an error.
pub fn parse(sources: &Sources) -> Parsed {
    let mut parsed = Parsed::default();
    for (id, file) in sources.files() {
        let tree = read(id, &file.path, &file.bytes);
        // Whether the file's beginning was understood; what is wrong further down hides nothing there.
        let first = tree.nodes.first().map_or(u32::MAX, |node| node.kind.span.end);
        let whole = tree.problems.iter().all(|problem| problem.span.start >= first);
        let yaml = file.path.ends_with(".yaml") || file.path.ends_with(".yml");
        let mut decoder = Decoder::new(if yaml { Syntax::Yaml } else { Syntax::Kdl });
        document(id, &tree.nodes, whole, &file.trust, &mut parsed.spec, &mut decoder);
        parsed.problems.extend(tree.problems);
        parsed.problems.extend(decoder.finish());
    }
    parsed.problems.sort();
    parsed.problems.dedup();
    parsed
}
