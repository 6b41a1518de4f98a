//! What `explain` says of things, and which lines it points at.
#![expect(clippy::unwrap_used, reason = "a test that finds less than it needs has failed")]

mod desk;

use desk::Desk;
use serde_json::Value;

fn explained(desk: &Desk, arguments: &[&str]) -> Value {
    let repository = desk::root().join("examples/northmail");
    let (what, options) = arguments.split_at(2);
    let all = [&["explain"], what, &[repository.to_str().unwrap()], options, &["--json"]].concat();
    let output = desk.call(&all);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks a value, what says it, and that the line it points at holds a text.
fn check(document: &Value, name: &str, value: &str, from: &str, line: &str) {
    let values = document["values"].as_array().unwrap();
    let found = values.iter().find(|found| found["name"] == name).unwrap_or_else(|| panic!("no {name}: {document:#}"));
    assert_eq!(found["value"], value, "{name}");
    assert_eq!(found["from"], from, "{name}");
    let file = desk::root().join("examples/northmail").join(found["file"].as_str().unwrap());
    let text = std::fs::read_to_string(file).unwrap();
    let number = usize::try_from(found["line"].as_u64().unwrap()).unwrap();
    let there = text.lines().nth(number - 1).unwrap();
    assert!(there.contains(line), "{name} points at {there}");
}

#[test]
fn a_mailbox_tells_each_value_and_the_line_it_comes_from() {
    let desk = Desk::new();
    let alice = explained(&desk, &["mailbox", "alice@acme.example"]);
    check(&alice, "tier", "premium", "mailbox alice@acme.example", "tier=\"premium\"");
    check(&alice, "quota", "25GiB", "tier premium", "quota \"25GiB\"");
    check(&alice, "quarantine", "6", "domain acme.example", "quarantine=6.0");
    check(&alice, "reject", "15", "defense email-defense", "reject=15.0");
    check(&alice, "brand", "acme", "domain acme.example", "brand=\"acme\"");
    let alias = explained(&desk, &["mailbox", "al@acme.example"]);
    assert_eq!(alias["values"], alice["values"], "an alias is the same mailbox");
    let office = explained(&desk, &["mailbox", "office@acme.example"]);
    check(&office, "tier", "basic", "domain acme.example", "tier=\"basic\"");
    check(&office, "time zone", "America/Toronto", "reseller acme", "time-zone \"America/Toronto\"");
    check(&office, "language", "en", "reseller acme", "language \"en\"");
    check(&office, "sieve", "off", "default, tier basic says nothing", "tier \"basic\"");
}

#[test]
fn a_node_tells_why_it_is_on_its_host() {
    let desk = Desk::new();
    let node = explained(&desk, &["node", "store-1", "--env", "production"]);
    check(&node, "memory", "4GiB", "store of cluster a", "memory=\"4GiB\"");
    let host = node["values"].as_array().unwrap().iter().find(|value| value["name"] == "host").unwrap();
    let reasons: Vec<&str> = node["reasons"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(*reasons.last().unwrap(), format!("{} has room", host["value"].as_str().unwrap()));
    let smallest = explained(&desk, &["node", "store-1", "--env", "dev"]);
    check(&smallest, "nodes of the role", "1", "environment dev", "scale \"smallest\"");
}

#[test]
fn domains_and_tiers_are_explained_and_what_is_not_there_is_told() {
    let desk = Desk::new();
    let domain = explained(&desk, &["domain", "acme.example"]);
    check(&domain, "catch-all", "office@acme.example", "domain acme.example", "catch-all \"office\"");
    check(&explained(&desk, &["tier", "basic"]), "quota", "2GiB", "tier basic", "quota \"2GiB\"");
    let example = desk::root().join("examples/northmail");
    for (arguments, help) in [
        (["tier", "premum"], "did you mean `premium`?"),
        (["mailbox", "nobody@nowhere.example"], "what there is: "),
        (["tear", "premium"], "name a thing: mailbox, domain, tier, node"),
        (["domian", "acme.example"], "did you mean `domain`?"),
    ] {
        let output = desk.call(&[&["explain"], &arguments[..], &[example.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2));
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(shown.contains(help), "{shown}");
    }
    let output = desk.call(&["explain", "spec::unknwon-tier"]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("did you mean `spec::unknown-tier`?"), "{shown}");
}

#[test]
fn whatever_is_declared_and_every_word_of_the_language_is_explained() {
    let desk = Desk::new();
    let contract = explained(&desk, &["contract", "acme"]);
    check(&contract, "availability", "99.9%", "contract acme; no file is made from it", "availability \"99.9%\"");
    check(&contract, "mailboxes", "5000", "contract acme", "mailboxes 5000");
    check(
        &explained(&desk, &["brand", "acme/acme"]),
        "colours primary",
        "#0b5fff",
        "brand acme",
        "primary=\"#0b5fff\"",
    );
    check(&explained(&desk, &["host", "x4600-2"]), "hypervisor", "xen", "host x4600-2", "hosts \"x4600\"");
    check(&explained(&desk, &["lease", "burst"]), "max", "4", "lease burst; no file is made from it", "max=4");
    for kind in ["reseller acme", "cluster a", "workgroup staff", "site toronto", "environment dev", "outbound bulk"] {
        let words: Vec<&str> = kind.split(' ').collect();
        assert!(explained(&desk, &words)["values"].as_array().unwrap().len() > 1, "{kind}");
    }
    let mut output = desk.call(&["explain", "vouch", "--json"]);
    let document: Value = serde_json::from_slice(&std::mem::take(&mut output.stdout)).unwrap();
    assert_eq!(document["meanings"][0]["who writes it"], "only the operator");
    assert_eq!(document["meanings"][0]["where"], "in platform › contract");
    let output = desk.call(&["explain", "vuoch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `vouch`?"));
}
