//! Specifications that are broken in many ways at once, and resellers that try to escape: each fault is told, at its place, and
//! following the help mends it.
//!
//! A case in `hostile/*.txt` is the example with edits (`@ file`, then `- text` that stands there and the `+ text` that takes its
//! place), whole files (`@@ file`, then its text) and files that are not there (`@- file`). Behind `=> told` stands what is told; behind `=> mended` stand edits that only
//! do what the helps say, after which nothing is an error. `MAILWRIGHT_UPDATE_GOLDEN=1 cargo test -p compiler --test hostile` writes
//! what is told anew; read it.

#![expect(clippy::disallowed_methods, reason = "tests read the example and their cases from disk")]

#[expect(dead_code, reason = "a case changes the files it is made of")]
mod northmail;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use spec::{Problem, Severity, SourceFile, Sources, Span, Trust};

#[derive(Default)]
struct Case {
    name: String,
    /// The case as it is written, up to what is told.
    text: String,
    steps: Vec<Step>,
    told: String,
    mended_text: String,
    mended: Vec<Step>,
}

enum Step {
    Edit { file: String, old: String, new: String },
    Whole { file: String, text: String },
    Removed { file: String },
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Given,
    Told,
    Mended,
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let (mut part, mut file, mut whole) = (Part::Given, String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("--- ").and_then(|rest| rest.strip_suffix(" ---")) {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            (part, whole) = (Part::Given, false);
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        match line {
            "=> told" => part = Part::Told,
            "=> mended" => part = Part::Mended,
            _ if part == Part::Told => case.told += &format!("{line}\n"),
            _ => {
                let (steps, text) = match part {
                    Part::Mended => (&mut case.mended, &mut case.mended_text),
                    _ => (&mut case.steps, &mut case.text),
                };
                *text += &format!("{line}\n");
                step(line, &mut file, &mut whole, steps);
            }
        }
    }
    cases
}

fn step(line: &str, file: &mut String, whole: &mut bool, steps: &mut Vec<Step>) {
    if let Some(path) = line.strip_prefix("@- ") {
        steps.push(Step::Removed { file: path.to_owned() });
        *whole = false;
    } else if let Some(path) = line.strip_prefix("@@ ") {
        steps.push(Step::Whole { file: path.to_owned(), text: String::new() });
        *whole = true;
    } else if let Some(path) = line.strip_prefix("@ ") {
        path.clone_into(file);
        *whole = false;
    } else if let Some(Step::Whole { text, .. }) = steps.last_mut().filter(|_| *whole) {
        *text += &format!("{line}\n");
    } else if let Some(old) = line.strip_prefix("- ") {
        steps.push(Step::Edit { file: file.clone(), old: old.to_owned(), new: String::new() });
    } else if let Some(added) = line.strip_prefix("+ ")
        && let Some(Step::Edit { new, .. }) = steps.last_mut()
    {
        if !new.is_empty() {
            new.push('\n');
        }
        new.push_str(added);
    }
}

fn sources(case: &Case, steps: &[&[Step]]) -> Sources {
    let (mut files, assets) = northmail::files();
    for step in steps.iter().flat_map(|steps| steps.iter()) {
        match step {
            Step::Whole { file, text } => {
                files.retain(|known| known.path != *file);
                let owner = file.strip_prefix("resellers/").and_then(|rest| rest.split('/').next());
                let trust = owner.map_or(Trust::Operator, |owner| Trust::Reseller(owner.to_owned()));
                // `\u{…}` stands for a character that nobody could see here.
                let text = unescaped(text);
                files.push(SourceFile { path: file.clone(), bytes: text.into_bytes(), trust });
            }
            Step::Removed { file } => files.retain(|known| known.path != *file),
            Step::Edit { file, old, new } => {
                let found = files.iter_mut().find(|known| known.path == *file);
                let bytes = &mut found.unwrap_or_else(|| panic!("{}: there is no {file}", case.name)).bytes;
                let text = String::from_utf8(bytes.clone()).expect("cases are text");
                let old = unescaped(old);
                assert!(text.contains(&old), "{}: {file} does not say {old:?}", case.name);
                *bytes = text.replacen(&old, &unescaped(new), 1).into_bytes();
            }
        }
    }
    Sources::new(files, assets)
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("<U+");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('>').expect("a code point ends");
        whole.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
        whole += rest;
    }
    whole
}

fn place(sources: &Sources, span: Span) -> String {
    let place = sources.place(span);
    let path = sources.file(span.file).map_or("?", |file| file.path.as_str());
    let end = match place.line == place.end_line {
        true => place.end_column.to_string(),
        false => format!("{}:{}", place.end_line, place.end_column),
    };
    format!("{path}:{}:{}-{end}", place.line, place.column)
}

fn told(sources: &Sources, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let severity = if problem.severity == Severity::Error { "Error" } else { "Warning" };
        let _ = writeln!(text, "{severity}: {} {}", place(sources, problem.span), problem.code);
        let marked = sources
            .file(problem.span.file)
            .and_then(|file| file.bytes.get(problem.span.start as usize..problem.span.end as usize))
            .map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned());
        if !marked.contains('\n') && !marked.is_empty() {
            let _ = writeln!(text, "  At: {}", marked.escape_debug());
        }
        let _ = writeln!(text, "  {}", problem.message);
        if !problem.label.is_empty() {
            let _ = writeln!(text, "  Label: {}", problem.label);
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(text, "  Help: {help}");
        }
        for related in &problem.related {
            let _ = writeln!(text, "  {}: {}", place(sources, related.span), related.message);
        }
    }
    text
}

fn case_files() -> Vec<PathBuf> {
    let folder = northmail::root().join("compiler/tests/hostile");
    let listed = fs::read_dir(folder).expect("the cases are there");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("they can be listed").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_fault_is_told_at_its_place_and_its_help_mends_it() {
    let update = std::env::var_os("MAILWRIGHT_UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    let mut count = 0;
    for path in case_files() {
        let text = fs::read_to_string(&path).expect("a case can be read");
        let mut written = String::new();
        for case in read(&text) {
            count += 1;
            let sources = sources(&case, &[&case.steps]);
            let problems = compiler::check_all(&sources);
            let whole = compiler::check_outlines(&sources, spec::parse(&sources), |_| None);
            assert_eq!(problems, whole, "{}: outlines tell something else than whole files", case.name);
            let now = told(&sources, &problems) + "\n";
            let unexplained: BTreeSet<&str> = problems
                .iter()
                .map(|problem| problem.code)
                .filter(|code| compiler::codes().iter().all(|known| known.code != *code))
                .collect();
            assert!(unexplained.is_empty(), "{}: nothing explains {unexplained:?}", case.name);
            let without: Vec<&str> = problems.iter().filter(|it| it.help.is_none()).map(|it| it.code).collect();
            assert!(without.is_empty(), "{}: no help for {without:?}", case.name);
            if !case.mended.is_empty() {
                let mended = self::sources(&case, &[&case.steps, &case.mended]);
                let left: Vec<Problem> = compiler::check_all(&mended)
                    .into_iter()
                    .filter(|problem| problem.severity == Severity::Error)
                    .collect();
                if !left.is_empty() {
                    let _ = writeln!(wrong, "--- {} ---\nafter the helps\n{}", case.name, told(&mended, &left));
                }
            }
            let _ = write!(written, "--- {} ---\n{}=> told\n{}\n", case.name, case.text, now.trim_start_matches('\n'));
            if !case.mended.is_empty() {
                written.truncate(written.trim_end().len());
                let _ = write!(written, "\n=> mended\n{}\n\n", case.mended_text.trim_end());
            } else {
                written.truncate(written.trim_end().len());
                written += "\n\n";
            }
            if now.trim() != case.told.trim() {
                let _ = writeln!(wrong, "--- {} ---\nexpected\n{}told\n{now}", case.name, case.told);
            }
        }
        if update {
            fs::write(&path, written.trim_end().to_owned() + "\n").expect("a case can be written");
        }
    }
    assert!(count >= 40, "only {count} cases");
    assert!(update || wrong.is_empty(), "{wrong}");
    if update && wrong.contains("after the helps") {
        let left: String = wrong.split("--- ").filter(|part| part.contains("after the helps")).collect();
        panic!("{left}");
    }
}
