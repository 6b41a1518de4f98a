//! Reading on behind syntax errors.
//!
//! The parser gives up at its first error. So the error is told, the text is repaired at that place in the way its author most
//! probably meant, and read again: of several repairs the one with which the parser gets furthest. What was repaired is not judged.

use std::borrow::Cow;

use super::lower::{Lowered, Lowering};
use super::probe::{Probe, is_limit, line_end, probe};
use super::repairs::{Repair, Said, last_resorts, repairs};
use super::{dashes, quotes, syntax};
use crate::problem::Problem;
use crate::read::{Findings, Read};
use crate::tree::{Node, Property, Scalar, Span, Spanned};

/// Errors that are repaired in one file.
const MOST_REPAIRS: usize = 200;
/// Bytes that may be followed again for repairs, beside four times the file.
const BYTES_AGAIN: usize = 4 * 1024 * 1024;
/// A repair is good when nothing is wrong in so many bytes behind it.
const GOOD: usize = 4 * 1024;
/// Bytes that repairs may add, beside as many as the file has.
const ROOM: usize = 4 * 1024;
/// Bytes that are copied in the time that one is followed.
const COPIED: usize = 8;

/// A text under repair, which knows where each of its bytes stood.
struct Repaired {
    text: String,
    /// For each byte, and for the end, its place in the file.
    origins: Vec<u32>,
}

impl Repaired {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), origins: (0..=text.len() as u32).collect() }
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).or(self.origins.last()).map_or(0, |&at| at as usize)
    }

    /// Carries a repair out; its edits do not overlap.
    fn with(&self, repair: &Repair) -> Self {
        let mut edits: Vec<_> = repair.edits.iter().collect();
        edits.sort_by_key(|edit| edit.start);
        let mut done = Self { text: String::with_capacity(self.text.len() + 16), origins: Vec::new() };
        done.origins.reserve(self.origins.len() + 16);
        let mut from = 0;
        for edit in edits {
            done.text.push_str(self.text.get(from..edit.start).unwrap_or_default());
            done.origins.extend_from_slice(self.origins.get(from..edit.start).unwrap_or_default());
            done.text.push_str(&edit.with);
            done.origins.extend(std::iter::repeat_n(self.origin(edit.start) as u32, edit.with.len()));
            from = edit.end;
        }
        done.text.push_str(self.text.get(from..).unwrap_or_default());
        done.origins.extend_from_slice(self.origins.get(from..).unwrap_or_default());
        done
    }
}

/// Reads a text that has a syntax error.
///
/// - `text`: the file's text.
/// - `fresh`: findings of the same file with nothing in them.
/// - `findings`: what was found before; problems of the text's form are added.
/// - `complete`: whether the text is all of the file; otherwise what is not closed at its end is not told.
pub(super) fn read<'s>(text: &str, mut findings: Findings, fresh: Findings, complete: bool) -> Read<'s> {
    let mut repaired = Repaired::new(text);
    let mut damaged: Vec<Span> = Vec::new();
    let mut left = BYTES_AGAIN + 4 * text.len();
    let mut stopped = None;
    let file = findings.span(0, 0);
    let place = |start: usize, end: usize| Span { start: start as u32, end: end as u32, ..file };
    let mut plain = Repair { edits: Vec::new(), told: None, damaged: None };
    // Edits are made at once, so that none may stand where another one does.
    let commented = quotes::commented(text);
    let others = quotes::unclosed(text).into_iter().chain(dashes::misplaced(text));
    let others: Vec<Repair> = others.filter(|_| commented.is_empty()).collect();
    for repair in commented.into_iter().chain(others) {
        damaged.extend(repair.damaged.map(|(start, end)| place(start, end)));
        repair.told.iter().for_each(|said| findings.add(said_at(said, &place)));
        plain.edits.extend(repair.edits);
    }
    if !plain.edits.is_empty() {
        repaired = repaired.with(&plain);
    }
    for round in 0.. {
        let found = probe(&repaired.text, usize::MAX);
        left = left.saturating_sub(found.at);
        let Some(error) = &found.error else { break };
        let at_end = repaired.origin(found.at) >= text.len();
        if findings.is_full() || (!complete && at_end) {
            break;
        }
        let told = syntax::problem(error, &repaired.text, &findings);
        if round >= MOST_REPAIRS || left == 0 || is_limit(error) {
            stopped = Some(told);
            break;
        }
        let best = best(&repaired, text, &found, &mut left);
        let Some(best) = best else {
            stopped = Some(told);
            break;
        };
        let place = |start: usize, end: usize| findings.span(repaired.origin(start), repaired.origin(end));
        let told = match &best.told {
            Some(said) => said_at(said, &place),
            None => Problem { span: place(told.span.start as usize, told.span.end as usize), ..told },
        };
        damaged.extend(best.damaged.map(|(start, end)| place(start, end)));
        // One mistake is told once, however many repairs it takes.
        if !findings.has(told.span.start, told.code) {
            findings.add(told);
        }
        repaired = repaired.with(&best);
    }
    if let Some(told) = stopped {
        let span = findings.span(repaired.origin(told.span.start as usize), repaired.origin(told.span.end as usize));
        findings.add(Problem { span, ..told }.label("reading stops here"));
    }
    let Lowered { nodes, findings: lowered, damaged: refused, .. } = Lowering::new(&repaired.text, fresh).run();
    let span = |span: Span| findings.span(repaired.origin(span.start as usize), repaired.origin(span.end as usize));
    let nodes = nodes.into_iter().map(|node| owned(node, &span)).collect();
    let problems: Vec<Problem> = lowered
        .finish()
        .into_iter()
        .map(|mut problem| {
            problem.span = span(problem.span);
            problem.related.iter_mut().for_each(|related| related.span = span(related.span));
            problem
        })
        .filter(|problem| !lies_in(&damaged, problem.span))
        .collect();
    damaged.extend(refused.into_iter().map(span));
    problems.into_iter().for_each(|problem| findings.add(problem));
    Read { nodes, problems: findings.finish(), damaged }
}

/// Returns what is said of a repaired place.
fn said_at(said: &Said, place: &impl Fn(usize, usize) -> Span) -> Problem {
    let problem = Problem::error(said.code, place(said.start, said.end), said.message.clone())
        .label(said.label)
        .help(said.help.clone());
    said.related.iter().fold(problem, |problem, (at, message)| problem.related(place(*at, *at + 1), *message))
}

/// Tells whether a place lies in one of those that were repaired.
pub(crate) fn lies_in(damaged: &[Span], span: Span) -> bool {
    damaged.iter().any(|damage| damage.start <= span.start && span.start < damage.end.max(damage.start + 1))
}

/// Returns the repair with which the parser gets furthest, the first of several.
fn best(repaired: &Repaired, text: &str, found: &Probe, left: &mut usize) -> Option<Repair> {
    let line = line_end(&repaired.text, found.at);
    let here = repaired.origin(found.at);
    let mut best: Option<(usize, Repair)> = None;
    let ways = repairs(&repaired.text, text, found).into_iter();
    for (is_last, repair) in
        ways.map(|way| (false, way)).chain(last_resorts(&repaired.text, found).into_iter().map(|way| (true, way)))
    {
        if *left == 0 || (is_last && best.as_ref().is_some_and(|(furthest, _)| *furthest > here)) {
            break;
        }
        let added: usize = repair.edits.iter().map(|edit| edit.with.len()).sum();
        // Repairs of repairs could make more and more of a text.
        if repaired.text.len().saturating_add(added) > 2 * text.len() + ROOM {
            continue;
        }
        let tried = repaired.with(&repair);
        // To write a large text again takes its time, too.
        *left = left.saturating_sub(tried.text.len() / COPIED);
        let until = line.saturating_add(GOOD);
        let probed = probe(&tried.text, until);
        *left = left.saturating_sub(probed.at.min(until));
        let Some(_) = &probed.error else { return Some(repair) };
        let reached = tried.origin(probed.at);
        if best.as_ref().is_none_or(|(furthest, _)| reached > *furthest) {
            best = Some((reached, repair));
        }
    }
    best.map(|(_, repair)| repair)
}

/// Returns a node that borrows nothing, its places being those in the file.
fn owned<'s>(node: Node<'_>, span: &impl Fn(Span) -> Span) -> Node<'s> {
    fn text<'s>(text: Spanned<Cow<'_, str>>, span: &impl Fn(Span) -> Span) -> Spanned<Cow<'s, str>> {
        Spanned { value: Cow::Owned(text.value.into_owned()), span: span(text.span) }
    }
    fn scalar<'s>(scalar: Spanned<Scalar<'_>>, span: &impl Fn(Span) -> Span) -> Spanned<Scalar<'s>> {
        let value = match scalar.value {
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Number(text) => Scalar::Number(Cow::Owned(text.into_owned())),
            Scalar::Flag(flag) => Scalar::Flag(flag),
            Scalar::Null => Scalar::Null,
        };
        Spanned { value, span: span(scalar.span) }
    }
    Node {
        kind: text(node.kind, span),
        arguments: node.arguments.into_iter().map(|argument| scalar(argument, span)).collect(),
        properties: node
            .properties
            .into_iter()
            .map(|property| Property { name: text(property.name, span), value: scalar(property.value, span) })
            .collect(),
        children: node.children.into_iter().map(|child| owned(child, span)).collect(),
        span: span(node.span),
    }
}
