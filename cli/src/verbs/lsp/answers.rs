//! What is answered, as the protocol spells it.

use std::collections::BTreeMap;
use std::path::Path;

use compiler::explain::{Thing, explain};
use serde_json::{Value, json};
use spec::editor::complete::{MOST_NAMES, Sort};
use spec::editor::rename::renamable;
use spec::editor::{Class, Lines, Names, Occurrence, complete, hover, rename};
use spec::format::{Formatted, format};
use spec::{FileId, Problem, Severity, Sources, Span};

use super::snapshot::Snapshot;
use super::workspace::Workspace;
use crate::git;

/// Why there is no answer: a code of the protocol and a reason.
pub(super) type Refused = (i64, String);

/// The request was understood and cannot be carried out.
pub(super) const REQUEST_FAILED: i64 = -32803;

/// The lines of files, found once for each.
#[derive(Default)]
struct Ranges<'s> {
    lines: BTreeMap<FileId, Lines<'s>>,
}

impl<'s> Ranges<'s> {
    fn of(&mut self, sources: &'s Sources, span: Span) -> Option<Value> {
        let file = sources.file(span.file)?;
        let lines = self.lines.entry(span.file).or_insert_with(|| Lines::of(&file.bytes));
        Some(range_in(lines, span.start as usize, span.end as usize))
    }
}

/// Returns a place in a file as the protocol counts it.
fn range(sources: &Sources, span: Span) -> Value {
    let bytes = sources.file(span.file).map_or(&[][..], |file| file.bytes.as_slice());
    range_in(&Lines::of(bytes), span.start as usize, span.end as usize)
}

fn range_in(lines: &Lines<'_>, start: usize, end: usize) -> Value {
    let place = |offset| {
        let position = lines.position(offset);
        json!({ "line": position.line, "character": position.character })
    };
    json!({ "start": place(start), "end": place(end) })
}

/// Returns the problems of a repository by the names that the editor has for its files; each open file is there.
pub(super) fn diagnostics(workspace: &mut Workspace, root: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let Some(snapshot) = workspace.snapshot(root) else { return found };
    snapshot.check();
    let Some(snapshot) = workspace.known(root) else { return found };
    let sources = &snapshot.sources;
    let uri = |span: Span| sources.file(span.file).map(|file| workspace.uri(root, &file.path));
    let open = workspace.documents(root).filter(|(path, _)| sources.find(path).is_some());
    found.extend(open.map(|(_, document)| (document.uri.clone(), Vec::new())));
    let mut ranges = Ranges::default();
    for problem in snapshot.problems() {
        let related: Vec<Value> = problem
            .related
            .iter()
            .filter_map(|related| {
                let location = json!({ "uri": uri(related.span)?, "range": ranges.of(sources, related.span)? });
                Some(json!({ "location": location, "message": related.message }))
            })
            .collect();
        let (Some(uri), Some(range)) = (uri(problem.span), ranges.of(sources, problem.span)) else { continue };
        found.entry(uri).or_default().push(json!({
            "range": range,
            "severity": if problem.severity == Severity::Error { 1 } else { 2 },
            "code": problem.code,
            "source": "mailwright",
            "message": message(problem),
            "relatedInformation": related,
        }));
    }
    found
}

fn message(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{}\nhelp: {help}", problem.message),
        None => problem.message.clone(),
    }
}

/// Proposes what may be written at a place.
pub(super) fn completion(snapshot: &mut Snapshot, path: &Path, offset: usize) -> Value {
    let Some((id, _)) = snapshot.file(path) else { return Value::Null };
    let (names, sources) = snapshot.names();
    let Some(file) = sources.file(id) else { return Value::Null };
    let Ok(text) = std::str::from_utf8(&file.bytes) else { return Value::Null };
    let lines = Lines::of(&file.bytes);
    let items: Vec<Value> = complete(&file.path, &file.trust, text, offset, names)
        .into_iter()
        .enumerate()
        .map(|(index, proposal)| {
            // The protocol's numbers: Class, Property, EnumMember, Reference, Value.
            let kind = match proposal.sort {
                Sort::Node => 7,
                Sort::Setting => 10,
                Sort::Choice => 20,
                Sort::Name => 18,
                Sort::Example => 12,
            };
            json!({
                "label": proposal.label,
                "kind": kind,
                "detail": proposal.detail,
                "documentation": proposal.about,
                "sortText": format!("{index:04}"),
                "filterText": proposal.insert.trim_start_matches('"'),
                "textEdit": { "range": range_in(&lines, proposal.start, offset), "newText": proposal.insert },
            })
        })
        .collect();
    json!({ "isIncomplete": items.len() >= MOST_NAMES, "items": items })
}

/// Describes what stands at a place: what the language says, where it is declared, and what holds for it.
pub(super) fn hovered(snapshot: &mut Snapshot, path: &Path, offset: usize) -> Value {
    let Some((id, file)) = snapshot.file(path) else { return Value::Null };
    let Some(described) = hover(id, &file.path, &file.bytes, offset) else { return Value::Null };
    let mut text = described.text;
    let (names, sources) = snapshot.names();
    let named = names.at(id, offset);
    if let Some(named) = &named {
        if !named.declares
            && let Some(declared) = names.declarations(named.class, &named.key).next()
            && let Some(file) = sources.file(declared.span.file)
        {
            let line = sources.place(declared.span).line;
            text += &format!("\n\n{} `{}`, declared in {}:{line}", named.class.name(), named.key, file.path);
        }
        text += &effective(snapshot, named).unwrap_or_default();
    }
    let range = range(&snapshot.sources, described.span);
    json!({ "contents": { "kind": "markdown", "value": text }, "range": range })
}

/// Returns the values that hold for a thing, as a table.
fn effective(snapshot: &mut Snapshot, named: &Occurrence) -> Option<String> {
    let thing = match named.class {
        Class::Address => Thing::Mailbox,
        Class::Domain => Thing::Domain,
        Class::Tier => Thing::Tier,
        _ => return None,
    };
    let (sources, parsed, output) = snapshot.compiled()?;
    let explained = explain(sources, parsed, output, thing, &named.key)?;
    let mut text = format!("\n\nIn the environment {}:\n\n| | | |\n|---|---|---|\n", output.blueprint.environment);
    for fact in explained.facts {
        text += &format!("| {} | {} | {} |\n", fact.name, fact.value.replace('|', "\\|"), fact.from);
    }
    Some(text)
}

/// Returns where the name at a place is declared, or everywhere it stands.
pub(super) fn places(workspace: &mut Workspace, path: &Path, offset: usize, which: Places) -> Value {
    let Some(snapshot) = workspace.snapshot_of(path) else { return Value::Null };
    let Some((id, _)) = snapshot.file(path) else { return Value::Null };
    let (names, sources) = snapshot.names();
    let Some(named) = names.at(id, offset) else { return Value::Null };
    let places = names.all(named.class, &named.key).filter(|place| match which {
        Places::Declarations => place.declares,
        Places::All => true,
        Places::Uses => !place.declares,
    });
    let mut ranges = Ranges::default();
    let found: Vec<(String, Value)> = places
        .filter_map(|place| Some((sources.file(place.span.file)?.path.clone(), ranges.of(sources, place.span)?)))
        .collect();
    let root = snapshot.root.clone();
    found.into_iter().map(|(path, range)| json!({ "uri": workspace.uri(&root, &path), "range": range })).collect()
}

/// Which places of a name are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Where it is declared.
    Declarations,
    /// Where it is used.
    Uses,
    /// Both.
    All,
}

/// Returns the place of the name that would be changed.
pub(super) fn prepared(snapshot: &mut Snapshot, path: &Path, offset: usize) -> Result<Value, Refused> {
    let id = snapshot.file(path).map(|(id, _)| id);
    let id = id.ok_or((REQUEST_FAILED, "this file is no part of a repository".to_owned()))?;
    let (names, sources) = snapshot.names();
    let named = renamable(names, id, offset).map_err(|refusal| (REQUEST_FAILED, refusal.0))?;
    let bytes = sources.file(id).map_or(&[][..], |file| file.bytes.as_slice());
    let text = bytes.get(named.span.start as usize..named.span.end as usize).unwrap_or_default();
    let placeholder = String::from_utf8_lossy(text);
    Ok(json!({ "range": range(sources, named.span), "placeholder": placeholder }))
}

/// Returns the changes in all files that give a thing another name.
pub(super) fn renamed(workspace: &mut Workspace, path: &Path, offset: usize, to: &str) -> Result<Value, Refused> {
    let snapshot = workspace.snapshot_of(path);
    let snapshot = snapshot.ok_or((REQUEST_FAILED, "this file is no part of a repository".to_owned()))?;
    let file = snapshot.file(path).map(|(id, _)| id);
    let file = file.ok_or((REQUEST_FAILED, "this file is no part of its repository".to_owned()))?;
    let root = snapshot.root.clone();
    let (names, sources) = snapshot.names();
    // What was committed last stands for what was carried out.
    let mut committed: Option<Option<Names>> = None;
    let mut carried_out = |class, key: &str| {
        let read = || git::read(&root, "HEAD").ok().map(|sources| Names::of(&sources));
        let names = committed.get_or_insert_with(read).as_ref()?;
        Some(names.declarations(class, key).next().is_some())
    };
    let edits = rename(names, sources, (file, offset), to, &mut carried_out);
    let edits = edits.map_err(|refusal| (REQUEST_FAILED, refusal.0))?;
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut ranges = Ranges::default();
    for edit in edits {
        if let (Some(file), Some(range)) = (sources.file(edit.span.file), ranges.of(sources, edit.span)) {
            let change = json!({ "range": range, "newText": edit.text });
            found.entry(file.path.clone()).or_default().push(change);
        }
    }
    let changes: BTreeMap<String, Vec<Value>> =
        found.into_iter().map(|(path, changes)| (workspace.uri(&root, &path), changes)).collect();
    Ok(json!({ "changes": changes }))
}

/// Returns the changes that lay a document out; none where it is laid out, or has syntax errors.
pub(super) fn formatted(snapshot: &Snapshot, path: &Path) -> Value {
    let Some((id, file)) = snapshot.file(path) else { return Value::Null };
    match format(id, &file.path, &file.bytes) {
        Formatted::Changed(text) => {
            let lines = Lines::of(&file.bytes);
            json!([{ "range": range_in(&lines, 0, file.bytes.len()), "newText": text }])
        }
        Formatted::Unchanged => json!([]),
        Formatted::Problems(_) | Formatted::Fault => Value::Null,
    }
}
