//! What the author of a broken specification reads: each case holds a text and the problems it must give, in full.
//!
//! A case begins with `--- what it shows ---`; `(yaml)` before the last dashes makes it YAML, `(reseller acme)` a file of that
//! reseller's folder. `language 1` is put before a text that does not name the language itself, outside the count of lines.
//! Places are `COLUMN-COLUMN` on the first line and `LINE:COLUMN-COLUMN` or `LINE:COLUMN-LINE:COLUMN` elsewhere; columns count from 1,
//! ends are exclusive. `Error`, `Warning` and `Also` (a related place) lines come in the order of the problems.

use spec::{Severity, SourceFile, Sources, Span, Trust, parse};

struct Case<'c> {
    title: &'c str,
    path: &'static str,
    trust: Trust,
    text: String,
    added_lines: u32,
    expected: String,
}

fn cases(file: &str) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for block in file.split("\n--- ").flat_map(|block| block.strip_prefix("--- ").or(Some(block))) {
        let Some((title, body)) = block.split_once(" ---\n") else { continue };
        let yaml = title.contains("(yaml");
        let owner = title.split_once("reseller ").and_then(|(_, rest)| rest.split_once(')')).map(|(owner, _)| owner);
        let mark = if yaml { "# " } else { "// " };
        let is_expected = |line: &&str| {
            line.strip_prefix(mark).is_some_and(|rest| {
                ["Error: ", "Warning: ", "Help: ", "Also: "].iter().any(|start| rest.starts_with(start))
            })
        };
        let source: Vec<&str> = body.lines().filter(|line| !is_expected(line)).collect();
        let expected: Vec<&str> = body.lines().filter(is_expected).map(|line| &line[mark.len()..]).collect();
        let source = source.join("\n").trim_end().to_owned() + "\n";
        let named = source.contains("language");
        let text = match (named, yaml) {
            (true, _) => source,
            (false, true) => format!("language: 1\n{source}"),
            (false, false) => format!("language 1\n{source}"),
        };
        cases.push(Case {
            title,
            path: match (owner.is_some(), yaml) {
                (true, true) => "resellers/acme/a.yaml",
                (true, false) => "resellers/acme/a.kdl",
                (false, true) => "a.yaml",
                (false, false) => "a.kdl",
            },
            trust: owner.map_or(Trust::Operator, |owner| Trust::Reseller(owner.to_owned())),
            text,
            added_lines: u32::from(!named),
            expected: expected.join("\n"),
        });
    }
    cases
}

fn told(case: &Case<'_>) -> String {
    let file =
        SourceFile { path: case.path.to_owned(), bytes: case.text.clone().into_bytes(), trust: case.trust.clone() };
    let sources = Sources::new(vec![file], Vec::new());
    let place = |span: Span| {
        let place = sources.place(span);
        let (line, end_line) =
            (place.line.saturating_sub(case.added_lines), place.end_line.saturating_sub(case.added_lines));
        match (line, end_line == line) {
            (1, true) => format!("{}-{}", place.column, place.end_column),
            (_, true) => format!("{line}:{}-{}", place.column, place.end_column),
            (_, false) => format!("{line}:{}-{end_line}:{}", place.column, place.end_column),
        }
    };
    let mut lines = Vec::new();
    for problem in parse(&sources).problems {
        let severity = if problem.severity == Severity::Error { "Error" } else { "Warning" };
        lines.push(format!("{severity}: {} {}", place(problem.span), problem.message));
        lines.extend(problem.help.map(|help| format!("Help: {help}")));
        lines.extend(problem.related.iter().map(|other| format!("Also: {} {}", place(other.span), other.message)));
    }
    lines.join("\n")
}

fn check(file: &str, least: usize) {
    let cases = cases(file);
    assert!(cases.len() >= least, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let told = told(case);
        if told != case.expected {
            wrong.push(format!("--- {} ---\n{}\n", case.title, told));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases tell something else:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn form_is_told_with_its_place_and_a_way_out() {
    check(include_str!("problems/form.txt"), 20);
}

#[test]
fn values_are_told_with_their_place_and_a_way_out() {
    check(include_str!("problems/values.txt"), 20);
}

#[test]
fn contradictions_are_told_with_both_places() {
    check(include_str!("problems/contradictions.txt"), 15);
}

#[test]
fn a_resellers_folder_is_held_to_what_it_may_say() {
    check(include_str!("problems/trust.txt"), 5);
}

#[test]
fn yaml_is_told_as_kdl_is() {
    check(include_str!("problems/yaml.txt"), 5);
}

/// Returns every case of every file.
fn all_cases() -> Vec<Case<'static>> {
    let files = [
        include_str!("problems/form.txt"),
        include_str!("problems/values.txt"),
        include_str!("problems/contradictions.txt"),
        include_str!("problems/trust.txt"),
        include_str!("problems/yaml.txt"),
        include_str!("problems/many.txt"),
        include_str!("problems/people.txt"),
    ];
    files.into_iter().flat_map(cases).collect()
}

/// Returns the problems of a text and the texts at their places.
fn problems(case: &Case<'_>, text: &str) -> Vec<spec::Problem> {
    let file = SourceFile { path: case.path.to_owned(), bytes: text.as_bytes().to_vec(), trust: case.trust.clone() };
    parse(&Sources::new(vec![file], Vec::new())).problems
}

#[test]
fn help_that_names_a_spelling_corrects_the_mistake_when_it_is_followed() {
    let mut followed = 0;
    for case in all_cases() {
        for problem in problems(&case, &case.text) {
            let help = problem.help.clone().unwrap_or_default();
            let spelling = ["write `", "write only `", "write only its host: `"]
                .iter()
                .find_map(|start| help.strip_prefix(start)?.strip_suffix('`'));
            let Some(spelling) = spelling.filter(|spelling| !spelling.contains('`')) else { continue };
            let (start, end) = (problem.span.start as usize, problem.span.end as usize);
            let bare =
                spelling.starts_with(['"', '#']) || spelling.split('"').next().is_some_and(|name| name.ends_with('='));
            let quoted = case.text[start..end].starts_with('"') && !bare;
            let colour = spelling.starts_with('#') && spelling.len() == 7;
            let written = if quoted || colour { format!("\"{spelling}\"") } else { spelling.to_owned() };
            let corrected = [&case.text[..start], &written, &case.text[end..]].concat();
            let again = problems(&case, &corrected);
            let same = again.iter().find(|other| other.code == problem.code && other.span.start == problem.span.start);
            assert_eq!(same, None, "{}: {spelling} corrects nothing", case.title);
            followed += 1;
        }
    }
    assert!(followed > 40, "only {followed} spellings were followed");
}

#[test]
fn every_problem_has_a_page_and_a_help() {
    for case in all_cases() {
        for problem in problems(&case, &case.text) {
            assert!(problem.help.is_some_and(|help| !help.is_empty()), "{}: {}", case.title, problem.message);
            let known = spec::CODES.iter().any(|code| code.code == problem.code);
            assert!(known || !problem.code.starts_with("spec::"), "{} has no page", problem.code);
        }
    }
}

#[test]
fn what_people_write_is_understood_well_enough_to_help_them() {
    check(include_str!("problems/people.txt"), 2);
}

#[test]
fn a_document_broken_in_many_ways_tells_all_of_them_at_once() {
    check(include_str!("problems/many.txt"), 2);
}
