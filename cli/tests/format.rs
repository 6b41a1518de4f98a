//! `fmt` and `convert` as programs use them: what they write, what they refuse, what they leave alone.

mod desk;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use desk::Desk;
use serde_json::{Value, json};

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", told(&output.stdout), told(&output.stderr)))
}

fn told(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Returns every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{} {}", told(&output.stdout), told(&output.stderr));
}

/// Writes a small repository that is badly laid out, with a file that has a syntax error.
fn untidy(desk: &Desk) -> PathBuf {
    let folder = desk.path("untidy");
    fs::create_dir_all(folder.join("environments")).expect("a folder");
    fs::create_dir_all(folder.join(".hidden")).expect("a folder");
    fs::create_dir_all(folder.join("elsewhere")).expect("a folder");
    for (path, content) in [
        ("platform.kdl", "language   1\r\nplatform northmail{ // mine\r\n tier basic{imap;}}"),
        ("environments/dev.kdl", "language 1\n\nenvironment \"dev\" {\n"),
        ("environments/qa.kdl", "language 1\n"),
        ("environments/more.yaml", "language: 1  # one\r\n"),
        (".hidden/a.kdl", "a;b"),
        ("elsewhere/a.kdl", "a;b"),
        ("notes.txt", "a;b"),
    ] {
        fs::write(folder.join(path), content).expect("a file");
    }
    folder
}

#[test]
fn fmt_writes_what_is_sound_and_tells_of_the_rest() {
    let desk = Desk::new();
    let folder = untidy(&desk);
    fs::set_permissions(folder.join("platform.kdl"), fs::Permissions::from_mode(0o640)).expect("a mode");
    let before = files(&folder);

    let check = desk.command(&["fmt", "--check"]).current_dir(&folder).output().expect("a run");
    ends_with(&check, 1);
    assert_eq!(told(&check.stdout), "environments/more.yaml\nplatform.kdl\n");
    assert!(told(&check.stderr).contains("kdl::unclosed-block"), "{}", told(&check.stderr));
    assert_eq!(files(&folder), before, "--check writes nothing");

    let output = desk.command(&["fmt", "--json"]).current_dir(&folder).output().expect("a run");
    ends_with(&output, 1);
    let document = document(&output);
    assert_eq!(document["version"], 1);
    assert_eq!(
        document["files"],
        json!([
            { "file": "environments/dev.kdl", "state": "refused" },
            { "file": "environments/more.yaml", "state": "formatted" },
            { "file": "environments/qa.kdl", "state": "unchanged" },
            { "file": "platform.kdl", "state": "formatted" },
        ])
    );
    assert_eq!(document["problems"][0]["code"], "kdl::unclosed-block");
    assert_eq!(document["problems"][0]["file"], "environments/dev.kdl");
    let mut expected = before;
    expected.insert(
        folder.join("platform.kdl"),
        b"language 1\nplatform \"northmail\" { // mine\n    tier \"basic\" {\n        imap\n    }\n}\n".to_vec(),
    );
    expected.insert(folder.join("environments/more.yaml"), b"language: 1  # one\n".to_vec());
    assert_eq!(files(&folder), expected, "and nothing else was written or left behind");
    let mode = fs::metadata(folder.join("platform.kdl")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);

    let output = desk.call(&["fmt", text(&folder.join("platform.kdl")), text(&folder.join("elsewhere"))]);
    ends_with(&output, 0);
    assert_eq!(told(&output.stdout).trim_end(), text(&folder.join("elsewhere/a.kdl")));
}

#[test]
fn fmt_refuses_what_it_cannot_name() {
    let desk = Desk::new();
    let folder = untidy(&desk);
    for path in [folder.join("nowhere"), folder.join("notes.txt")] {
        let output = desk.call(&["fmt", text(&path)]);
        ends_with(&output, 2);
        assert!(output.stdout.is_empty() && told(&output.stderr).starts_with("error: "));
    }
    fs::create_dir(folder.join("empty")).expect("a folder");
    ends_with(&desk.call(&["fmt", text(&folder.join("empty"))]), 2);
}

#[test]
fn the_example_keeps_its_meaning_when_it_is_laid_out() {
    let desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    ends_with(&desk.call(&["fmt", text(&two)]), 0);
    let check = desk.call(&["fmt", "--check", text(&two)]);
    ends_with(&check, 0);
    assert!(check.stdout.is_empty());
    for environment in ["dev", "production"] {
        let asked = |folder| desk.call(&["blueprint", text(folder), "--env", environment, "--json"]);
        let (first, second) = (asked(&one), asked(&two));
        ends_with(&first, 0);
        assert!(first.stdout == second.stdout, "the Blueprint of {environment} differs");
    }
}

/// Returns the texts of all comments of the repository's files, sorted.
fn comments(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (path, bytes) in files(folder) {
        let mark = match path.extension().and_then(|ending| ending.to_str()) {
            Some("kdl") => "// ",
            Some("yaml") => "# ",
            _ => continue,
        };
        for line in told(&bytes).lines() {
            if let Some((before, comment)) = line.split_once(mark)
                && (before.is_empty() || before.ends_with(' '))
            {
                found.push(comment.to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_example_says_the_same_in_yaml_and_back_in_kdl() {
    let desk = Desk::new();
    let (kdl, other) = (desk.example("kdl"), desk.example("other"));
    let environments = ["dev", "qa", "horizon", "production"];
    let asked = |folder: &Path, environment| {
        let output = desk.call(&["blueprint", text(folder), "--env", environment, "--json"]);
        ends_with(&output, 0);
        output.stdout
    };
    let expected: Vec<Vec<u8>> = environments.iter().map(|environment| asked(&kdl, environment)).collect();
    for (to, gone) in [("yaml", "kdl"), ("kdl", "yaml")] {
        let output = desk.call(&["convert", "--to", to, text(&other), "--json"]);
        ends_with(&output, 0);
        let document = document(&output);
        assert_eq!((&document["version"], &document["to"], &document["problems"]), (&json!(1), &json!(to), &json!([])));
        assert_eq!(document["files"].as_array().map(Vec::len), Some(11));
        assert!(files(&other).keys().all(|path| path.extension().is_none_or(|ending| ending != gone)));
        ends_with(&desk.call(&["check", text(&other)]), 0);
        ends_with(&desk.call(&["fmt", "--check", text(&other)]), 0);
        for (environment, expected) in environments.iter().zip(&expected) {
            assert!(asked(&other, environment) == *expected, "the Blueprint of {environment} differs in {to}");
        }
        assert_eq!(comments(&other), comments(&kdl), "comments in {to}");
    }
    let again = desk.call(&["convert", "--to", "kdl", text(&other)]);
    ends_with(&again, 0);
    assert!(again.stdout.is_empty());
}

#[test]
fn convert_overwrites_nothing_and_writes_all_or_nothing() {
    let desk = Desk::new();
    let folder = untidy(&desk);
    let before = files(&folder);
    let output = desk.call(&["convert", "--to", "yaml", text(&folder)]);
    ends_with(&output, 1);
    assert!(output.stdout.is_empty() && told(&output.stderr).contains("kdl::unclosed-block"));
    assert_eq!(files(&folder), before, "a syntax error in one file holds all back");

    fs::remove_file(folder.join("environments/dev.kdl")).expect("a file");
    fs::write(folder.join("platform.yaml"), "language: 1\n").expect("a file");
    let before = files(&folder);
    let output = desk.call(&["convert", "--to", "yaml", text(&folder)]);
    ends_with(&output, 2);
    assert!(told(&output.stderr).contains("platform.yaml is there already"), "{}", told(&output.stderr));
    assert_eq!(files(&folder), before);

    fs::remove_file(folder.join("platform.yaml")).expect("a file");
    fs::write(folder.join("environments/more.yml"), "language: 1\n").expect("a file");
    let before = files(&folder);
    let output = desk.call(&["convert", "--to", "kdl", text(&folder)]);
    ends_with(&output, 2);
    assert!(told(&output.stderr).contains("would become"), "{}", told(&output.stderr));
    assert_eq!(files(&folder), before);
}

#[test]
fn convert_prints_one_file_and_changes_nothing() {
    let desk = Desk::new();
    let folder = untidy(&desk);
    let before = files(&folder);
    let output = desk.call(&["convert", "--to", "yaml", "--stdout", text(&folder.join("platform.kdl"))]);
    ends_with(&output, 0);
    assert_eq!(told(&output.stdout), "language: 1\nplatform northmail: # mine\n  tier basic:\n    imap: true\n");
    assert_eq!(files(&folder), before);
    let several = desk.call(&[
        "convert",
        "--to",
        "yaml",
        "--stdout",
        text(&folder.join("elsewhere")),
        text(&folder.join("platform.kdl")),
    ]);
    ends_with(&several, 2);
    ends_with(&desk.call(&["convert", text(&folder)]), 2);
    for verb in ["fmt", "convert"] {
        let help = desk.call(&[verb, "--help"]);
        ends_with(&help, 0);
        assert!(told(&help.stdout).contains("Example"));
    }
}
