//! What `init` writes is a repository without a problem, whatever it is told, and runs.

mod desk;

use std::path::Path;
use std::process::Output;

use desk::Desk;
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_written_has_no_problem_and_is_laid_out_as_fmt_would() {
    let desk = Desk::new();
    let folder = desk.path("new");
    let output = desk.call(&["init", text(&folder), "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("mailwright up"), "the next step is named: {}", said(&output));
    let check = desk.call(&["check", text(&folder), "--format", "json"]);
    let document: Value = serde_json::from_slice(&check.stdout).expect("one JSON document");
    assert_eq!(document["problems"], serde_json::json!([]), "{document:#}");
    assert_eq!(check.status.code(), Some(0));
    let fmt = desk.call(&["fmt", text(&folder), "--check"]);
    assert_eq!(fmt.status.code(), Some(0), "{} {}", String::from_utf8_lossy(&fmt.stdout), said(&fmt));
    for environment in ["dev", "production"] {
        let blueprint = desk.call(&["blueprint", text(&folder), "--env", environment, "--json"]);
        assert_eq!(blueprint.status.code(), Some(0), "{}", said(&blueprint));
    }
    assert!(folder.join(".github/workflows/mailwright.yml").is_file());
}

#[test]
fn what_is_written_comes_up() {
    let mut desk = Desk::new();
    let folder = desk.path("new");
    assert!(desk.call(&["init", text(&folder), "--yes"]).status.success());
    let description = desk.up(&folder, "dev");
    assert_eq!(description["state"], "ready", "{description:#}");
    let accounts = description["accounts"].as_array().expect("accounts");
    assert!(accounts.iter().any(|account| account["address"] == "alice@first.example"), "{description:#}");
}

#[test]
fn strange_names_of_companies_survive() {
    let desk = Desk::new();
    for (number, name) in [
        "\"quoted\" \\back\\slash",
        "Ünïcode 株式会社 🦊",
        "{}{{x}} ${HOME} #{1} /* */ //",
        "\\u{41} \\n \"\"\"#",
        "'; DROP",
    ]
    .iter()
    .enumerate()
    {
        let folder = desk.path(&format!("new-{number}"));
        let output = desk.call(&["init", text(&folder), "--yes", "--operator", name]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        assert_eq!(desk.call(&["check", text(&folder)]).status.code(), Some(0), "{name}");
        let blueprint = desk.call(&["blueprint", text(&folder), "--json"]);
        let document: Value = serde_json::from_slice(&blueprint.stdout).expect("one JSON document");
        assert_eq!(document["blueprint"]["operator"]["name"].as_str(), Some(*name));
    }
}

#[test]
fn what_does_not_make_a_platform_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    let folder = desk.path("new");
    let refused: [&[&str]; 9] = [
        &["--operator", ""],
        &["--operator", "two\nlines"],
        &["--operator", "\u{202e}right to left"],
        &["--platform", "Not A Name"],
        &["--reseller", "../../escape"],
        &["--service-domain", "no domain"],
        &["--domain", "192.0.2.1"],
        // A customer's domain below the operator's own.
        &["--service-domain", "mail.example", "--domain", "customer.mail.example"],
        // The simulated internet's.
        &["--domain", "bigmail.example"],
    ];
    for arguments in refused {
        let output = desk.call(&[&["init", text(&folder), "--yes"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("error:"), "{arguments:?}: {}", said(&output));
        assert!(!folder.exists(), "{arguments:?} wrote something");
    }
}

#[test]
fn nothing_is_ever_written_over() {
    let desk = Desk::new();
    let folder = desk.path("mine");
    std::fs::create_dir_all(&folder).expect("a folder");
    assert_eq!(desk.call(&["init", text(&folder), "--yes"]).status.code(), Some(0), "an empty folder is taken");
    let again = desk.call(&["init", text(&folder), "--yes"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).contains("not empty") && said(&again).contains("help:"), "{}", said(&again));
    let file = desk.path("file");
    std::fs::write(&file, "mine").expect("a file");
    let onto = desk.call(&["init", text(&file), "--yes"]);
    assert_eq!(onto.status.code(), Some(2));
    assert!(said(&onto).contains("is not a folder"), "{}", said(&onto));
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "mine");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_written_unless_that_is_said() {
    let desk = Desk::new();
    let folder = desk.path("two words");
    let output = desk.call(&["init", text(&folder)]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("no terminal to ask them on") && told.contains("two words' --yes"), "{told}");
    assert!(!folder.exists(), "nothing is written");
    let output = desk.call(&["init", text(&folder), "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let next = format!("next: mailwright check '{0}', then mailwright up '{0}'", folder.display());
    assert!(said(&output).contains(&next), "{}", said(&output));
}
