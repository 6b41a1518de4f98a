//! The whole way from texts to what they ask for.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::decode::{Decoder, Syntax, document};
use crate::model::Spec;
use crate::problem::Problem;
use crate::read::read;
use crate::sources::{SourceFile, Sources};
use crate::tree::FileId;

/// What the texts ask for, and all that is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// As much as could be understood.
    pub spec: Spec,
    /// What is wrong, sorted by place.
    pub problems: Vec<Problem>,
}

/// Below this many bytes a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 512 * 1024;

/// Reads all files of a repository, large ones side by side.
///
/// - Returns: a specification and its problems; it may only be compiled further where none of them is an error.
pub fn parse(sources: &Sources) -> Parsed {
    let files: Vec<(FileId, &SourceFile)> = sources.files().collect();
    let bytes: usize = files.iter().map(|(_, file)| file.bytes.len()).sum();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(bytes / WORTH_A_THREAD + 1);
    let mut parts: Vec<(FileId, Parsed)> = if threads < 2 {
        files.iter().map(|(id, file)| (*id, parse_file(*id, file))).collect()
    } else {
        // Each thread takes the next file that nobody has taken; the order is put right afterwards.
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((id, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((*id, parse_file(*id, file)));
            }
            done
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut parts = work();
            for other in others {
                match other.join() {
                    Ok(done) => parts.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            parts
        })
    };
    parts.sort_by_key(|(id, _)| *id);
    let mut parsed = Parsed::default();
    for (_, part) in parts {
        parsed.spec.platforms.extend(part.spec.platforms);
        parsed.spec.resellers.extend(part.spec.resellers);
        parsed.spec.environments.extend(part.spec.environments);
        parsed.spec.scenarios.extend(part.spec.scenarios);
        parsed.problems.extend(part.problems);
    }
    parsed.problems.extend(sources.problems().iter().cloned());
    parsed.problems.sort();
    parsed.problems.dedup();
    parsed
}

fn parse_file(id: FileId, file: &SourceFile) -> Parsed {
    let mut parsed = Parsed::default();
    let tree = read(id, &file.path, &file.bytes);
    // Whether the file's beginning was understood; what is wrong further down hides nothing there.
    let first = tree.nodes.first().map_or(u32::MAX, |node| node.kind.span.end);
    let whole = tree.problems.iter().all(|problem| problem.span.start >= first);
    let yaml = file.path.ends_with(".yaml") || file.path.ends_with(".yml");
    let mut decoder = Decoder::new(if yaml { Syntax::Yaml } else { Syntax::Kdl });
    document(id, &tree.nodes, whole, &file.trust, &mut parsed.spec, &mut decoder);
    parsed.problems.extend(tree.problems);
    parsed.problems.extend(decoder.finish());
    parsed
}
