//! What a validator that nobody here wrote says of YAML files, and what the program says of the same.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that finds less than it needs has failed, and one that cannot run says so"
)]

mod desk;

use std::io::Write;
use std::process::{Command, Stdio};

use desk::Desk;
use serde_json::{Value, json};

/// Validates documents against a schema with Python's jsonschema; prints a list of the first error of each, or null.
const VALIDATOR: &str = r#"
import json, re, sys
import jsonschema, yaml

class Core(yaml.SafeLoader):
    pass

# YAML 1.2's core schema; the loader's own is 1.1, where `on` is true and days are no texts.
Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), "tf")
Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^(~|null|)$"), ["~", "n", ""])
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?[0-9]+$"), "-+0123456789")
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+\.[0-9]+$"), "-+0123456789")
Core.yaml_constructors = dict(Core.yaml_constructors)
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
asked = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(asked["schema"])
validator = jsonschema.Draft202012Validator(asked["schema"])
told = []
for text in asked["texts"]:
    try:
        document = yaml.load(text, Loader=Core)
    except yaml.YAMLError as error:
        told.append("yaml: " + str(error))
        continue
    error = next(validator.iter_errors(document), None)
    told.append(error and error.message[:200])
json.dump(told, sys.stdout)
"#;

/// Returns what the validator says of each text; `None` where there is no validator.
fn validate(schema: &Value, texts: &[String]) -> Option<Vec<Option<String>>> {
    let there = Command::new("python3").args(["-c", "import jsonschema, yaml"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: python3 has no jsonschema and yaml");
        return None;
    }
    let mut python = Command::new("python3")
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let asked = json!({ "schema": schema, "texts": texts });
    python.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = desk::finish(python, 240);
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn schema(desk: &Desk, arguments: &[&str]) -> Value {
    let output = desk.call(&[&["schema"], arguments].concat());
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

const FILES: [(&str, &str); 4] = [
    ("platform", include_str!("../../spec/tests/yaml/platform.yaml")),
    ("reseller", include_str!("../../spec/tests/yaml/acme.yaml")),
    ("environment", include_str!("../../spec/tests/yaml/dev.yaml")),
    ("scenario", include_str!("../../spec/tests/yaml/faults.yaml")),
];

#[test]
fn what_the_reader_takes_is_valid() {
    let desk = Desk::new();
    let mut texts: Vec<String> = FILES.iter().map(|(_, text)| (*text).to_owned()).collect();
    texts.push("- language: 1\n- environment dev:\n    - platform: northmail\n    - backend: embedded\n".to_owned());
    texts.push("language: 1\nenvironment: { args: [dev], platform: northmail, backend: embedded }\n".to_owned());
    texts.push(
        "language: 1\nenvironment dev:\n  platform northmail:\n  backend: embedded\n  gate: [smoke, other]\n"
            .to_owned(),
    );
    texts.push(
        "language: 1\nplatform x:\n  operator N: { postmaster: p@n.example, abuse: a@n.example }\n  \
         service-domain: n.example\n  release: 2026.11\n  cluster a:\n    site: t\n    mx: { count: 0x2, cores: 1_000 }\n"
            .to_owned(),
    );
    // What the example is written to in YAML.
    let output = desk.call(&["convert", "--to", "yaml", desk.example("northmail").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut folders = vec![desk.path("northmail")];
    let before = texts.len();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yaml") => texts.push(std::fs::read_to_string(path).unwrap()),
                _ => {}
            }
        }
    }
    assert!(texts.len() > before + 5, "the example has more files");
    let Some(told) = validate(&schema(&desk, &[]), &texts) else { return };
    for (text, told) in texts.iter().zip(told) {
        match told {
            // A reader of YAML 1.1 does not take all that 1.2 lets stand without quotes.
            Some(told) if told.starts_with("yaml: ") => println!("skipped: python3 cannot read a text: {told}"),
            told => assert_eq!(told, None, "{text}"),
        }
    }
    for (kind, text) in FILES {
        let own = schema(&desk, &["--kind", kind]);
        let told = validate(&own, &FILES.map(|(_, text)| text.to_owned())).unwrap();
        for ((other, _), told) in FILES.iter().zip(told) {
            assert_eq!(told.is_none(), *other == kind, "{other} under the schema of {kind}: {told:?}\n{text}");
        }
    }
}

#[test]
fn what_is_broken_is_not_valid() {
    let desk = Desk::new();
    let broken = [
        (0, "service-domain:", "service-domian:"),
        (0, "hypervisor: xen, ", "hypervisor: xen, colour: red, "),
        (0, "quota: 2GiB", "quota: 2 gigs"),
        (0, "pop3: true", "pop3: perhaps"),
        (0, "kind: mailbox", "kind: postbox"),
        (0, "mx: { count: 2,", "mx: { count: 0,"),
        (0, "minimum: 1.2", "minimum: 1.1"),
        (0, "  release 2026.11: { distribution: bookworm }\n", ""),
        (0, "every: 1h", "every: hourly"),
        (0, "above: 80%", "above: 80"),
        (1, "  company: Acme Internet\n", ""),
        (1, "tier: basic\n", "tier: [basic, premium]\n"),
        (1, "primary: \"#0b5fff\"", "primary: blue"),
        (1, "admin: admin@acme.adm", "admin: admin"),
        (1, "list team: {", "lists team: {"),
        (1, "password: \"secret:alice\"", "password: swordfish"),
        (2, "backend: embedded", "backend: docker"),
        (2, "base-port: 2500", "base-port: 99999"),
        (2, "language: 1\n", ""),
        (2, "language: 1\n", "language: 2\n"),
        (3, "fault power-off:", "fault power-of:"),
        (3, "- expect: { lost: 0 }", "- expects: { lost: 0 }"),
        (3, "- advance: 1h", "- advance: an hour"),
    ];
    let texts: Vec<String> = broken
        .iter()
        .map(|&(file, from, to)| {
            assert!(FILES[file].1.contains(from), "{from}");
            FILES[file].1.replacen(from, to, 1)
        })
        .collect();
    let Some(told) = validate(&schema(&desk, &[]), &texts) else { return };
    for ((_, from, to), told) in broken.iter().zip(told) {
        assert!(told.is_some_and(|told| !told.starts_with("yaml: ")), "{from} → {to}");
    }
}

#[test]
fn the_reference_page_names_every_kind() {
    let desk = Desk::new();
    let output = desk.call(&["reference"]);
    assert_eq!(output.status.code(), Some(0));
    let page = String::from_utf8(output.stdout).unwrap();
    for heading in ["## platform", "## reseller", "## environment", "## scenario", "## Types"] {
        assert!(page.lines().any(|line| line == heading), "{heading}");
    }
}
