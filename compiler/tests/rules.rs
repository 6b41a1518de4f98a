//! What the example is told when something in it is wrong: one case for each rule, with the problems it must give.
//!
//! A case in `rules/*.txt` is a name, edits of the example (`@ file`, then `- text` that stands there and the `+ text` that takes
//! its place), and what is told. `MAILWRIGHT_UPDATE_GOLDEN=1 cargo test -p compiler --test rules` writes that anew; read it.

#![expect(clippy::disallowed_methods, reason = "tests read the example and their cases from disk")]

mod northmail;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use spec::{Problem, Severity, Sources, Span};

struct Case {
    name: String,
    edits: Vec<Edit>,
    expected: String,
}

struct Edit {
    file: String,
    old: String,
    new: String,
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut file = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("--- ").and_then(|rest| rest.strip_suffix(" ---")) {
            cases.push(Case { name: name.to_owned(), edits: Vec::new(), expected: String::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(path) = line.strip_prefix("@ ") {
            path.clone_into(&mut file);
        } else if let Some(old) = line.strip_prefix("- ") {
            case.edits.push(Edit { file: file.clone(), old: old.to_owned(), new: String::new() });
        } else if let Some(new) = line.strip_prefix("+ ") {
            let edit = case.edits.last_mut().expect("a new text stands below an old one");
            if !edit.new.is_empty() {
                edit.new.push('\n');
            }
            edit.new.push_str(new);
        } else if line.starts_with("//") {
            case.expected.push_str(line);
            case.expected.push('\n');
        }
    }
    cases
}

fn sources(case: &Case) -> Sources {
    let (mut files, mut assets) = northmail::files();
    for edit in &case.edits {
        let bytes = match files.iter_mut().find(|file| file.path == edit.file) {
            Some(file) => &mut file.bytes,
            None => {
                let asset = assets.iter_mut().find(|asset| asset.path == edit.file);
                &mut asset.unwrap_or_else(|| panic!("{}: the example has no {}", case.name, edit.file)).bytes
            }
        };
        let text = String::from_utf8(bytes.clone()).expect("the example is text");
        assert!(text.contains(&edit.old), "{}: {} does not say {:?}", case.name, edit.file, edit.old);
        *bytes = text.replacen(&edit.old, &edit.new, 1).into_bytes();
    }
    Sources::new(files, assets)
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
        let _ = writeln!(text, "// {severity}: {} {}", place(sources, problem.span), problem.code);
        let _ = writeln!(text, "//   {}", problem.message);
        if !problem.label.is_empty() {
            let _ = writeln!(text, "//   Label: {}", problem.label);
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(text, "//   Help: {help}");
        }
        for related in &problem.related {
            let _ = writeln!(text, "//   {}: {}", place(sources, related.span), related.message);
        }
    }
    text
}

fn case_files() -> Vec<PathBuf> {
    let folder = northmail::root().join("compiler/tests/rules");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.expect("they can be listed").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_rule_tells_what_is_wrong_where_and_what_to_write() {
    let update = std::env::var_os("MAILWRIGHT_UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for path in case_files() {
        let text = fs::read_to_string(&path).expect("a case can be read");
        let mut written = String::new();
        for case in read(&text) {
            let sources = sources(&case);
            let problems = compiler::check_all(&sources);
            let whole = compiler::check_outlines(&sources, spec::parse(&sources), |_| None);
            assert_eq!(problems, whole, "{}: outlines tell something else than whole files", case.name);
            let now = told(&sources, &problems);
            for problem in &problems {
                assert!(
                    compiler::codes().iter().any(|code| code.code == problem.code),
                    "{}: nothing explains {}",
                    case.name,
                    problem.code
                );
            }
            let _ = writeln!(written, "--- {} ---", case.name);
            let mut file = "";
            for edit in &case.edits {
                if edit.file != file {
                    let _ = writeln!(written, "@ {}", edit.file);
                    file = &edit.file;
                }
                let _ = writeln!(written, "- {}", edit.old);
                for line in edit.new.lines() {
                    let _ = writeln!(written, "+ {line}");
                }
            }
            let _ = writeln!(written, "{now}");
            if now != case.expected {
                let _ = writeln!(wrong, "--- {} ---\nexpected\n{}told\n{now}", case.name, case.expected);
            }
        }
        if update {
            fs::write(&path, written.trim_end().to_owned() + "\n").expect("a case can be written");
        }
    }
    assert!(update || wrong.is_empty(), "{wrong}");
}

#[test]
fn the_example_itself_has_no_problem() {
    let sources = northmail::sources();
    assert_eq!(told(&sources, &compiler::check_all(&sources)), "");
}

#[test]
fn hundreds_of_lone_addresses_make_no_policy_that_receivers_would_take() {
    let told = |count: usize| {
        let (mut files, assets) = northmail::files();
        let platform = files.iter_mut().find(|file| file.path == "platform.kdl").expect("the platform");
        let text = String::from_utf8(platform.bytes.clone()).expect("text");
        // Odd ones only, so that no two are a network.
        let addresses: String = (0..count)
            .map(|number| {
                format!(
                    "\n        address \"2001:db8:20::1:{:x}\" helo=\"o{number}.northmail.example\"",
                    2 * number + 1
                )
            })
            .collect();
        let old = "outbound \"bulk\" {";
        assert!(text.contains(old));
        platform.bytes = text.replacen(old, &format!("{old}{addresses}"), 1).into_bytes();
        let sources = Sources::new(files, assets);
        compiler::check_all(&sources).iter().map(|problem| problem.code).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(100), BTreeSet::new());
    assert_eq!(told(600), ["compiler::sender-policy-too-large"].into());
}

#[test]
fn hundreds_of_brand_hosts_fit_into_no_certificate() {
    let told = |count: usize| {
        let (mut files, assets) = northmail::files();
        let platform = files.iter_mut().find(|file| file.path == "platform.kdl").expect("the platform");
        let text = String::from_utf8(platform.bytes.clone()).expect("text");
        let tls = "authority=\"acme\" directory=\"https://acme.example/directory\"";
        platform.bytes = text.replacen("authority=\"internal\"", tls, 1).into_bytes();
        let acme = files.iter_mut().find(|file| file.path == "resellers/acme/acme.kdl").expect("the reseller");
        let text = String::from_utf8(acme.bytes.clone()).expect("text");
        let brands: String = (0..count)
            .map(|number| {
                format!("brand \"b{number}\" {{ product \"B\"; hosts webmail=\"w{number}.acme.example\"; }}\n    ")
            })
            .collect();
        acme.bytes = text.replacen("brand \"acme\" {", &format!("{brands}brand \"acme\" {{"), 1).into_bytes();
        let sources = Sources::new(files, assets);
        compiler::check_all(&sources).iter().map(|problem| problem.code).collect::<BTreeSet<_>>()
    };
    // The example has eight host names of brands, and each door has three of its own.
    assert_eq!(told(89), BTreeSet::new());
    assert_eq!(told(90), ["compiler::certificate-too-large"].into());
}

#[test]
fn every_code_of_the_compiler_has_a_case() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for path in case_files() {
        for case in read(&fs::read_to_string(&path).expect("a case can be read")) {
            seen.extend(
                case.expected.lines().filter_map(|line| line.rsplit_once(' ')).map(|(_, code)| code.to_owned()),
            );
        }
    }
    let own = |code: &str| code.starts_with("compiler::") || code.starts_with("spec::unknown-");
    // These two are about form and tested where form is read; the others need hundreds of addresses and names, see above.
    let form = [
        "spec::unknown-name",
        "spec::unknown-syntax",
        "compiler::certificate-too-large",
        "compiler::sender-policy-too-large",
    ];
    let missing: Vec<&str> = compiler::codes()
        .iter()
        .map(|code| code.code)
        .filter(|code| own(code) && !form.contains(code) && !seen.contains(*code))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}
