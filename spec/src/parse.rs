//! The whole way from texts to what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::decode::{Decoder, Syntax, document};
use crate::model::{Reseller, Spec};
use crate::problem::Problem;
use crate::read::{Read, read};
use crate::sources::{SourceFile, Sources};
use crate::tree::{FileId, Node, Span};

/// What the texts ask for, and all that is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// As much as could be understood.
    pub spec: Spec,
    /// What is wrong, sorted by place.
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// Takes what another file says, behind what is there.
    pub(crate) fn take(&mut self, other: Self) {
        let Spec { platforms, resellers, environments, scenarios, left_out } = other.spec;
        self.spec.platforms.extend(platforms);
        self.spec.resellers.extend(resellers);
        self.spec.environments.extend(environments);
        self.spec.scenarios.extend(scenarios);
        self.spec.left_out.extend(left_out);
        self.problems.extend(other.problems);
    }
}

/// Below this many bytes a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 512 * 1024;

/// Reads all files of a repository, large ones side by side.
///
/// - Returns: a specification and its problems; it may only be compiled further where none of them is an error.
pub fn parse(sources: &Sources) -> Parsed {
    let mut parsed = Parsed::default();
    for part in side_by_side(sources, parse_file) {
        parsed.take(part);
    }
    parsed.problems.extend(sources.problems().iter().cloned());
    parsed.problems.sort();
    parsed.problems.dedup();
    parsed
}

/// Reads all files of a repository, but takes over what another one was read as where it has the same file of resellers.
///
/// - `known`: the other repository, and what it was read as, whole.
pub fn parse_like(sources: &Sources, (others, known): (&Sources, &Parsed)) -> Parsed {
    let Spec { platforms, resellers, environments, scenarios, left_out } = &known.spec;
    let mut read_again: BTreeSet<FileId> = (platforms.iter().map(|it| it.span.file))
        .chain(environments.iter().map(|it| it.span.file))
        .chain(scenarios.iter().map(|it| it.span.file))
        .chain(known.problems.iter().map(|it| it.span.file))
        .collect();
    if !left_out.is_empty() {
        return parse(sources);
    }
    let mut of_file: BTreeMap<FileId, Vec<&Reseller>> = BTreeMap::new();
    for reseller in resellers {
        of_file.entry(reseller.span.file).or_default().push(reseller);
    }
    // Places know their file by its number; and a file of nothing at all may be anything.
    read_again.extend(sources.files().filter_map(|(id, file)| {
        let same = others
            .file(id)
            .is_some_and(|other| other.path == file.path && other.trust == file.trust && other.bytes == file.bytes);
        (!same || !of_file.contains_key(&id)).then_some(id)
    }));
    let mut parsed = Parsed::default();
    for part in side_by_side(sources, |id, file| match of_file.get(&id).filter(|_| !read_again.contains(&id)) {
        Some(resellers) => {
            let resellers = resellers.iter().map(|reseller| (*reseller).clone()).collect();
            Parsed { spec: Spec { resellers, ..Spec::default() }, problems: Vec::new() }
        }
        None => parse_file(id, file),
    }) {
        parsed.take(part);
    }
    parsed.problems.extend(sources.problems().iter().cloned());
    parsed.problems.sort();
    parsed.problems.dedup();
    parsed
}

/// Reads each file of a repository on as many threads as their size is worth; returns what was read in the order of the files.
pub(crate) fn side_by_side<T: Send>(sources: &Sources, read: impl Fn(FileId, &SourceFile) -> T + Sync) -> Vec<T> {
    let files: Vec<(FileId, &SourceFile)> = sources.files().collect();
    let bytes: usize = files.iter().map(|(_, file)| file.bytes.len()).sum();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(bytes / WORTH_A_THREAD + 1);
    if threads < 2 {
        return files.iter().map(|(id, file)| read(*id, file)).collect();
    }
    // Each thread takes the next file that nobody has taken; the order is put right afterwards.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((id, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*id, read(*id, file)));
        }
        done
    };
    let mut parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = work();
        for other in others {
            match other.join() {
                Ok(done) => parts.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    parts.sort_by_key(|(id, _)| *id);
    parts.into_iter().map(|(_, part)| part).collect()
}

pub(crate) fn parse_file(id: FileId, file: &SourceFile) -> Parsed {
    let parsed = parse_tree(id, file, read(id, &file.path, &file.bytes));
    let is_misplaced = |it: &Problem| it.code == "spec::unknown-name" && it.message.contains("cannot stand in");
    let count = |parsed: &Parsed| parsed.problems.iter().filter(|it| is_misplaced(it)).count();
    let misplaced = count(&parsed);
    if !file.path.ends_with(".kdl") || misplaced == 0 {
        return parsed;
    }
    // Braces of which one is missing and another one too many agree, and put all between the two into the wrong place.
    let Some((tree, slips)) = crate::kdl::read_by_indentation(id, &file.bytes) else { return parsed };
    let indented = parse_tree(id, file, tree);
    if count(&indented) < misplaced && slips <= 2 * misplaced { indented } else { parsed }
}

fn parse_tree(id: FileId, file: &SourceFile, tree: Read<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    // Whether the file's beginning was understood; what is wrong further down hides nothing there.
    let first = tree.nodes.first().map_or(u32::MAX, |node| node.kind.span.end);
    let whole = tree.problems.iter().all(|problem| problem.span.start >= first);
    let yaml = file.path.ends_with(".yaml") || file.path.ends_with(".yml");
    let mut decoder = Decoder::new(if yaml { Syntax::Yaml } else { Syntax::Kdl });
    document(id, &tree.nodes, whole, &file.trust, &mut parsed.spec, &mut decoder);
    let damaged = &match yaml {
        true => tree.damaged,
        false => damage(&tree.problems, &file.bytes),
    };
    // What a repaired place says, and what seems to be missing around it, may be the repair's fault.
    let follows = |problem: &Problem| {
        crate::yaml::lies_in(damaged, problem.span)
            || (problem.code == "spec::wrong-value"
                && damaged.iter().any(|it| problem.span.start <= it.start && it.start < problem.span.end))
            || (matches!(problem.code, "spec::missing" | "spec::language")
                && holds_damage(&tree.nodes, problem.span, damaged))
    };
    // A text that is not closed holds what stands behind it on its line, and that is not missing.
    let swallowed: Vec<(Span, &str)> = tree
        .problems
        .iter()
        .filter(|problem| problem.code == "kdl::unclosed-string")
        .filter_map(|problem| {
            let rest = std::str::from_utf8(file.bytes.get(problem.span.start as usize..)?).ok()?;
            Some((problem.span, rest.lines().next()?))
        })
        .collect();
    let is_swallowed = |problem: &Problem| {
        let name = problem.message.rsplit('`').nth(1).unwrap_or_default();
        let held = |text: &str| text.split([' ', ';', '=', '{', '}']).any(|word| word == name);
        let is_its_value =
            |(span, _): &(Span, &str)| problem.code == "spec::wrong-value" && problem.span.start == span.start;
        swallowed.iter().any(is_its_value)
            || problem.code == "spec::missing"
                && swallowed.iter().any(|(span, text)| held(text) && holds_damage(&tree.nodes, problem.span, &[*span]))
    };
    let told = decoder.finish();
    let misspelt: Vec<(Span, String)> = told.iter().filter_map(misspelt).collect();
    // Of two keys that are one, the second one's place.
    let again: Vec<Span> =
        tree.problems.iter().filter(|it| it.code == "yaml::duplicate-key").map(|it| it.span).collect();
    let is_told = |problem: &Problem| {
        let echoes = problem.code == "spec::duplicate-local-part"
            && again.iter().any(|key| key.start <= problem.span.start && problem.span.start < key.end);
        !echoes
            && !is_swallowed(problem)
            && (damaged.is_empty() || !follows(problem))
            && (misspelt.is_empty() || !is_misspelt(&tree.nodes, problem, &misspelt))
    };
    let told: Vec<Problem> = told.iter().filter(|problem| is_told(problem)).cloned().collect();
    parsed.problems.extend(tree.problems);
    parsed.problems.extend(told);
    parsed
}

/// Returns the places of a KDL file that may not say what was meant: the property before an `=` that belongs to nothing, and
/// characters that are not read.
fn damage(problems: &[Problem], bytes: &[u8]) -> Vec<Span> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'{' | b';');
    let before = |problem: &Problem| {
        let line = bytes.get(..problem.span.start as usize)?;
        let named =
            line.iter().rposition(|&byte| byte == b'=' || byte == b'\n').filter(|&at| line.get(at) == Some(&b'='));
        let mut start = named?;
        while start > 0 && line.get(start - 1).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            start -= 1;
        }
        let word = line.get(..start)?.iter().rposition(blank).map_or(0, |at| at + 1);
        Some(Span { start: word as u32, ..problem.span })
    };
    let places = problems.iter().filter_map(|problem| match problem.code {
        "kdl::stray-equals" => Some(before(problem).unwrap_or(problem.span)),
        "kdl::disallowed-character" => Some(problem.span),
        _ => None,
    });
    places.collect()
}

/// Returns where something has a name that is nearly a known one, and that one.
fn misspelt(problem: &Problem) -> Option<(Span, String)> {
    let meant = problem.help.as_deref()?.strip_prefix("write `")?.strip_suffix('`')?;
    (problem.code == "spec::unknown-name").then(|| (problem.span, format!("`{meant}`")))
}

/// Tells whether what is missing in a node stands there, misspelt, which is told already.
fn is_misspelt(nodes: &[Node<'_>], problem: &Problem, misspelt: &[(Span, String)]) -> bool {
    problem.code == "spec::missing"
        && nodes.iter().any(|node| {
            let within = |span: Span| node.span.start <= span.start && span.start < node.span.end;
            let is_its = node.kind.span.start == problem.span.start
                && misspelt.iter().any(|(span, meant)| within(*span) && problem.message.contains(meant.as_str()));
            is_its || (within(problem.span) && is_misspelt(&node.children, problem, misspelt))
        })
}

/// Tells whether the node at whose head a place lies holds a damaged place.
fn holds_damage(nodes: &[Node<'_>], head: Span, damaged: &[Span]) -> bool {
    nodes
        .iter()
        .filter(|node| node.span.start <= head.start && head.start < node.span.end.max(node.span.start + 1))
        .any(|node| {
            let holds = |damage: &Span| node.span.start <= damage.start && damage.start <= node.span.end;
            (node.kind.span.start == head.start && damaged.iter().any(holds))
                || holds_damage(&node.children, head, damaged)
        })
}
