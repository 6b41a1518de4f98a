//! `mailwright test` as people call it.

mod desk;

use std::fs;

use desk::Desk;
use serde_json::Value;

#[test]
fn the_examples_scenarios_hold_on_the_embedded_backend_and_say_so_in_every_format() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let junit = desk.path("junit.xml");
    let path = repository.to_str().expect("a plain path");
    let output = desk.call(&["test", path, "--json", "--junit", junit.to_str().expect("a plain path")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!((&report["version"], &report["backend"]), (&1.into(), &"embedded".into()));
    let scenarios = report["scenarios"].as_array().expect("scenarios");
    assert_eq!(scenarios.len(), 7);
    for scenario in scenarios {
        let is = scenario["outcome"]["is"].as_str().expect("an outcome");
        let skipped = scenario["name"] == "a host dies while mail is coming in";
        assert_eq!(is, if skipped { "skipped" } else { "passed" }, "{scenario}");
    }
    let xml = fs::read_to_string(junit).expect("the report was written");
    assert!(xml.contains("tests=\"7\" failures=\"0\" errors=\"0\" skipped=\"1\""), "{xml}");
}

#[test]
fn what_does_not_hold_is_shown_at_its_line_with_evidence_and_exit_code_1() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let scenario = "language 1\n\nscenario \"nothing comes\" {\n    \
        send from=\"bob@bigmail.example\" to=\"alice@acme.example\" subject=\"here I am\" reply=250\n    \
        expect mailbox=\"alice@acme.example\" subject=\"here I am\" count=0 within=\"1s\"\n}\n";
    fs::write(repository.join("scenarios/wrong.kdl"), scenario).expect("the scenario is written");
    let evidence = desk.path("evidence");
    let path = repository.to_str().expect("a plain path");
    let output = desk.call(&["test", "wrong", path, "--evidence", evidence.to_str().expect("a plain path")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("scenarios/wrong.kdl:5:5") && said.contains("expected 0, found 1"), "{said}");
    let kept = evidence.join("embedded/nothing-comes");
    let dialogue = fs::read_to_string(kept.join("dialogue.txt")).expect("a dialogue");
    assert!(dialogue.contains("> RCPT TO:<alice@acme.example>"), "{dialogue}");
    assert!(dialogue.contains("LOGIN \"alice@acme.example\" \"…\""), "{dialogue}");
    assert!(kept.join("sent-1.eml").is_file() && evidence.join("embedded/environment.log").is_file());
}

#[test]
fn scenarios_are_named_by_title_part_or_file_and_listed() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let path = repository.to_str().expect("a plain path");
    for (names, expected) in [
        (&["smoke"][..], 3),
        (&["a message reaches its mailbox"][..], 1),
        (&["MAILBOX"][..], 3),
        (&["defense", "isolation"][..], 3),
        (&[][..], 7),
    ] {
        let arguments = [&["test"], names, &[path, "--list"]].concat();
        let output = desk.call(&arguments);
        let listed = String::from_utf8_lossy(&output.stdout).lines().count();
        assert_eq!(listed, expected, "{names:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let output = desk.call(&["test", "no such thing", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("mailwright test --list"));
    let output = desk.call(&["test", path, "--running"]);
    assert_eq!(output.status.code(), Some(2));
}
