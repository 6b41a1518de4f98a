//! Promotion: gates, evidence, the ledger, the way back, and the comparison of two environments.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod desk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use blueprint::Ledger;
use blueprint::ledger::{Boot, Deed, Evidence, Promotion, Subject};
use desk::Desk;
use serde_json::Value;

struct Platform {
    desk: Desk,
    path: PathBuf,
}

impl Platform {
    fn new() -> Self {
        let desk = Desk::new();
        let path = desk.example("northmail");
        Self { desk, path }
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.desk.command(arguments).current_dir(&self.path).output().unwrap()
    }

    /// Returns what a call says on stderr, and its exit code.
    fn said(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.call(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn gate(&self, environment: &str) -> Option<i32> {
        // What is tried here is the ledger; the gates themselves hold on every backend by tests of their own.
        self.said(&["test", "--gate", "--env", environment, "--backend", "embedded"]).0
    }

    fn ledger(&self) -> Value {
        serde_json::from_slice(&self.call(&["ledger", "--json"]).stdout).unwrap()
    }

    fn rewrite(&self, file: &str, from: &str, to: &str) {
        rewrite(&self.path.join(file), from, to);
    }
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} says nothing of {from}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}

const QUOTA: (&str, &str, &str) = ("platform.kdl", "max-message \"35MiB\"", "max-message \"36MiB\"");

#[test]
fn nothing_is_promoted_before_its_gates_have_passed_with_exactly_it() {
    let platform = Platform::new();
    let (code, said) = platform.said(&["promote", "qa", "--to", "horizon"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("mailwright test --gate --env qa"), "{said}");
    assert_eq!(platform.gate("qa"), Some(0));
    let (code, said) = platform.said(&["promote", "qa", "--to", "horizon", "--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(platform.ledger()["entries"].as_array().unwrap().len(), 1);
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
    assert_eq!(platform.ledger()["current"]["horizon"]["same_specification"], true);
    // Another specification is another thing, an environment's own text is not.
    platform.rewrite(QUOTA.0, QUOTA.1, QUOTA.2);
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(5));
    platform.rewrite(QUOTA.0, QUOTA.2, QUOTA.1);
    platform.rewrite("environments/production.kdl", "accounts \"all\"", "accounts \"none\"");
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
}

#[test]
fn a_gate_that_breaks_shuts_the_way() {
    let platform = Platform::new();
    assert_eq!(platform.gate("qa"), Some(0));
    // The scenario now asks for what does not happen.
    let before = fs::read_to_string(platform.path.join("scenarios/smoke.kdl")).unwrap();
    platform.rewrite("scenarios/smoke.kdl", "count=1 within=\"30s\"", "count=2 within=\"2s\"");
    assert_eq!(platform.gate("qa"), Some(1));
    let (code, said) = platform.said(&["promote", "qa", "--to", "horizon"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("failed in qa the last time it was tried (entry 2)"), "{said}");
    fs::write(platform.path.join("scenarios/smoke.kdl"), before).unwrap();
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
}

#[test]
fn nothing_but_the_image_itself_vouches_for_the_image() {
    let platform = Platform::new();
    assert_eq!(platform.gate("horizon"), Some(0));
    let (code, said) = platform.said(&["promote", "horizon", "--to", "production"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("nothing vouches for the image"), "{said}");
    let (code, said) = platform.said(&["promote", "qa", "--to", "production"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("production is promoted from horizon"), "{said}");
}

/// What a run of machines is written down as.
fn evidence(specification: &str, image: &str, boot: Boot, gates: &Value) -> Deed {
    let passed = |gate: &Value| (gate.as_str().unwrap().to_owned(), "passed".to_owned());
    Deed::Evidence(Evidence {
        environment: "horizon".to_owned(),
        subject: Subject { specification: specification.to_owned(), image: Some(image.to_owned()), revision: None },
        backend: "vm".to_owned(),
        boot: Some(boot),
        scenarios: gates.as_array().unwrap().iter().map(passed).collect(),
    })
}

#[test]
fn a_run_with_stock_units_vouches_for_the_image_and_a_lean_one_is_refused_with_the_reason() {
    let platform = Platform::new();
    assert_eq!(platform.gate("horizon"), Some(0));
    let tried = platform.ledger()["entries"][0].clone();
    let specification = tried["subject"]["specification"].as_str().unwrap().to_owned();
    let gates = Value::from(tried["scenarios"].as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    let image = "0eb0f34c".repeat(8);
    let path = platform.path.join("mailwright.ledger");
    let add = |deed: Deed| {
        let mut bytes = fs::read(&path).unwrap();
        let line = Ledger::parse(&bytes).unwrap().add("2026-11-23T00:00:00Z", "ann", deed);
        bytes.extend_from_slice(line.as_bytes());
        fs::write(&path, bytes).unwrap();
    };
    // The image that horizon has is the one that was promoted to it.
    add(Deed::Promotion(Promotion {
        from: "qa".to_owned(),
        to: "horizon".to_owned(),
        subject: Subject { specification: specification.clone(), image: Some(image.clone()), revision: None },
        evidence: vec![1],
        image_proven: false,
        back_to: None,
        outside: std::collections::BTreeMap::new(),
    }));
    let promote = || platform.said(&["promote", "horizon", "--to", "production"]);
    let (code, said) = promote();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("not tried with these specifications and this image"), "{said}");

    add(evidence(&specification, &image, Boot::Lean, &gates));
    let (code, said) = promote();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("passed on vm booted lean") && said.contains("--boot stock"), "{said}");

    add(evidence(&specification, &"ff40f341".repeat(8), Boot::Stock, &gates));
    assert_eq!(promote().0, Some(5), "another image vouches for itself alone");

    add(evidence(&specification, &image, Boot::Stock, &gates));
    let (code, said) = promote();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the specifications and the image"), "{said}");
    let ledger = platform.ledger();
    assert_eq!(ledger["current"]["production"]["subject"]["image"], Value::from(image));
}

#[test]
fn the_way_back_is_a_promotion_of_what_was_there_before() {
    let platform = Platform::new();
    assert_eq!(platform.said(&["promote", "--to", "horizon", "--back"]).0, Some(5));
    assert_eq!(platform.gate("qa"), Some(0));
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
    let first = platform.ledger()["current"]["horizon"]["subject"].clone();
    platform.rewrite(QUOTA.0, QUOTA.1, QUOTA.2);
    assert_eq!(platform.gate("qa"), Some(0));
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
    // What it goes back to must lie here again.
    let (code, said) = platform.said(&["promote", "--to", "horizon", "--back"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("not those of entry 2"), "{said}");
    platform.rewrite(QUOTA.0, QUOTA.2, QUOTA.1);
    let (code, said) = platform.said(&["promote", "--to", "horizon", "--back"]);
    assert_eq!(code, Some(0), "{said}");
    let ledger = platform.ledger();
    assert_eq!(ledger["current"]["horizon"]["subject"]["specification"], first["specification"]);
    assert_eq!(ledger["entries"][4]["back_to"], 2);
}

#[test]
fn a_ledger_that_was_tampered_with_is_refused() {
    let platform = Platform::new();
    assert_eq!(platform.gate("qa"), Some(0));
    assert_eq!(platform.said(&["promote", "qa", "--to", "horizon"]).0, Some(0));
    let path = platform.path.join("mailwright.ledger");
    rewrite(&path, "\"embedded\"", "\"vm\"");
    let before = fs::read(&path).unwrap();
    for verb in [
        &["ledger"][..],
        &["promote", "qa", "--to", "horizon"],
        &["test", "--gate", "--env", "qa", "--backend", "embedded"],
    ] {
        let (code, said) = platform.said(verb);
        assert_eq!(code, Some(5), "{said}");
        assert!(said.contains("mailwright.ledger:2 does not follow"), "{said}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn promotions_at_the_same_time_all_stand_in_the_ledger() {
    let platform = Platform::new();
    assert_eq!(platform.gate("qa"), Some(0));
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let mut command = platform.desk.command(&["promote", "qa", "--to", "horizon"]);
            command.current_dir(&platform.path).spawn().unwrap()
        })
        .collect();
    for mut call in calls {
        assert!(call.wait().unwrap().success());
    }
    assert_eq!(platform.ledger()["entries"].as_array().unwrap().len(), 7);
}

#[test]
fn environments_differ_in_nothing_but_what_they_declare() {
    let platform = Platform::new();
    for (first, second) in [("dev", "qa"), ("qa", "horizon"), ("horizon", "production")] {
        let output = platform.call(&["compare", first, second, "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["comparison"]["undeclared"], serde_json::json!([]), "{first} and {second}");
        assert!(found["comparison"]["files"].as_u64().unwrap() > 100);
        assert_eq!(output.status.code(), Some(0));
    }
    platform.rewrite("environments/qa.kdl", "backend \"namespace\"", "backend \"embedded\"");
    let output = platform.call(&["compare", "dev", "qa", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!found["comparison"]["declared"].as_array().unwrap().iter().any(|it| it["what"] == "backend"));
}
