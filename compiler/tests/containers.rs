//! What Compose itself and Kubernetes' own schemas say of the definitions for them.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "tests read the example from disk, start the checkers, and have failed where a document lacks something"
)]

mod northmail;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use compiler::{compile, render};
use serde_json::{Value, json};

/// Validates every manifest against the API's schemas, in which nothing else may stand; prints each fault.
const SCHEMAS: &str = r#"
import functools, json, sys
import kubernetes_validate.utils as schemas

schemas.schema_contents = functools.cache(schemas.schema_contents)
faults = []
for item in json.load(sys.stdin):
    for version in ("1.28", schemas.latest_version()):
        try:
            schemas.validate(item, version, strict=True)
        except schemas.ValidationError as fault:
            faults.append("%s %s: %s" % (item["kind"], version, fault.message))
print(json.dumps(faults))
"#;

/// Returns one of the example's definitions, for each of its environments.
fn definitions(name: &str) -> Vec<Value> {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    ["dev", "horizon", "production"]
        .map(|environment| {
            let output = compile(&sources, &parsed, environment).output.expect("nothing is wrong with the example");
            let bundle = render(&output, &sources);
            serde_json::from_slice(&bundle.hypervisor[name].unfilled().0).expect("it is JSON")
        })
        .into()
}

/// Returns how Compose is started: as an engine's plugin, or as a program that lies beside Python's packages or on the path.
fn compose() -> Option<Command> {
    let mut ways = vec![vec!["docker".into(), "compose".into()], vec!["docker-compose".into()]];
    let packages = std::env::var_os("PYTHONPATH").unwrap_or_default();
    for folder in std::env::split_paths(&packages).chain([northmail::root().join("target/python-containers")]) {
        ways.push(vec![folder.join("bin/docker-compose").into_os_string()]);
    }
    ways.into_iter().find_map(|words| {
        let (program, first) = words.split_first()?;
        let version = Command::new(program).args(first).args(["version", "--short"]).output().ok()?;
        // The first edition, which is no longer made, reads another language.
        let said = String::from_utf8_lossy(&version.stdout).trim_start_matches('v').to_owned();
        let known = version.status.success() && !said.starts_with("1.") && !said.is_empty();
        known.then(|| {
            let mut command = Command::new(program);
            command.args(first);
            command
        })
    })
}

/// Returns what Compose reads in a document, or what it says of it.
fn read_back(command: &mut Command, folder: &Path, document: &Value) -> Result<Value, String> {
    let file = folder.join("compose.json");
    std::fs::write(&file, document.to_string()).expect("it can be written");
    let output = command.arg("-f").arg(&file).args(["config", "--format", "json"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() && said.is_empty() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("it prints JSON")),
        false => Err(said),
    }
}

#[test]
fn compose_reads_what_was_meant() {
    if compose().is_none() {
        println!("skipped: there is no Compose of the second edition or later");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |document: &Value| read_back(&mut compose().expect("it is there"), folder.path(), document);
    for document in definitions("compose.json") {
        let understood = read(&document).expect("nothing is wrong with it");
        let services = document["services"].as_object().expect("services");
        for (name, service) in services {
            let back = &understood["services"][name];
            for field in ["image", "hostname", "restart", "init", "tmpfs", "cap_add"] {
                assert_eq!(back[field], service[field], "{name}: {field}");
            }
            for field in ["mem_limit", "cpus"] {
                let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
                assert_eq!(number(&back[field]), number(&service[field]), "{name}: {field}");
            }
            assert_eq!(back["networks"], service["networks"], "{name}");
            let mounts = |service: &Value| -> Vec<String> {
                let volumes = service["volumes"].as_array().expect("volumes");
                volumes.iter().map(|volume| format!("{}:{}", volume["type"], volume["target"])).collect()
            };
            assert_eq!(mounts(back), mounts(service), "{name}");
        }
        assert_eq!(understood["services"].as_object().map(|all| all.len()), Some(services.len()));
        for network in ["inner", "front"] {
            assert_eq!(understood["networks"][network]["ipam"], document["networks"][network]["ipam"], "{network}");
        }

        let mut misspelt = document.clone();
        misspelt["services"]["mx-1"]["mem_limits"] = json!(1);
        assert!(read(&misspelt).is_err_and(|said| said.contains("mem_limits")), "a misspelt word is noticed");
    }
}

#[test]
fn kubernetes_schemas_find_nothing_to_say() {
    let Some(python) = python() else {
        println!("skipped: Python's kubernetes-validate is not installed");
        return;
    };
    let mut items: Vec<Value> = Vec::new();
    for document in definitions("kubernetes.json") {
        assert_eq!((&document["kind"], &document["apiVersion"]), (&json!("List"), &json!("v1")));
        items.extend(document["items"].as_array().expect("items").iter().cloned());
    }
    assert_eq!(faults(&python, &items), Vec::<String>::new());

    let set = items.iter().find(|item| item["kind"] == "StatefulSet").expect("a stateful set");
    let mut misspelt = set.clone();
    misspelt["spec"]["replica"] = json!(1);
    let mut mistyped = set.clone();
    mistyped["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = json!("much");
    assert_eq!(faults(&python, &[misspelt, mistyped]).len(), 4, "a schema notices both, in both versions");
}

/// Returns the folders of Python's packages with which manifests can be validated.
fn python() -> Option<std::ffi::OsString> {
    let ours: PathBuf = northmail::root().join("target/python-containers");
    let packages = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let all = std::env::join_paths(std::env::split_paths(&packages).chain([ours])).ok()?;
    let found = Command::new("python3").args(["-c", "import kubernetes_validate"]).env("PYTHONPATH", &all).output();
    found.is_ok_and(|output| output.status.success()).then_some(all)
}

fn faults(python: &std::ffi::OsStr, items: &[Value]) -> Vec<String> {
    let mut command = Command::new("python3");
    command.args(["-c", SCHEMAS]).env("PYTHONPATH", python).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut validator = command.stderr(Stdio::inherit()).spawn().expect("it was found");
    let asked = serde_json::to_vec(items).expect("plain data becomes JSON");
    validator.stdin.take().expect("it has an input").write_all(&asked).expect("it reads");
    let output = validator.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("it prints a list")
}

/// Rules that the API's server holds and no schema tells.
///
/// - Source: Kubernetes, "Object Names and IDs" and "Services": names of services are labels as RFC 1035 §2.3.1 has them, a port's name is one
///   of RFC 6335 §5.1, and no two ports of a service share a name, or a number with a protocol.
#[test]
fn names_in_manifests_are_such_as_the_server_takes() {
    let label = |text: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        bytes.len() <= 63
            && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
            && edge(bytes.first())
            && edge(bytes.last())
    };
    let starts_with_letter = |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase());
    for document in definitions("kubernetes.json") {
        let mut named = BTreeSet::new();
        for item in document["items"].as_array().expect("items") {
            let name = item["metadata"]["name"].as_str().expect("a name");
            assert!(label(name), "{name}");
            assert!(named.insert((item["kind"].to_string(), name.to_owned())), "{name} is there twice");
            let spec = &item["spec"];
            if item["kind"] == "Service" {
                assert!(starts_with_letter(name), "{name}");
                let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
                for port in spec["ports"].as_array().expect("ports") {
                    let word = port["name"].as_str().expect("a name");
                    assert!(label(word) && word.len() <= 15 && !word.contains("--"), "{name}: {word}");
                    assert!(word.bytes().any(|byte| byte.is_ascii_lowercase()), "{name}: {word}");
                    assert!(names.insert(word), "{name}: two ports are named {word}");
                    let protocol = port["protocol"].as_str().unwrap_or("TCP");
                    assert!(numbers.insert((port["port"].as_u64(), protocol)), "{name}: {port}");
                }
            }
            if item["kind"] == "StatefulSet" {
                let pod = &spec["template"];
                assert_eq!(spec["selector"]["matchLabels"], document_labels(pod), "{name} finds its own pods");
                let declared = |list: &Value| -> BTreeSet<String> {
                    let list = list.as_array().expect("a list");
                    list.iter().map(|one| one["name"].to_string()).collect()
                };
                let mut volumes = declared(&pod["spec"]["volumes"]);
                let claims = spec["volumeClaimTemplates"].as_array().expect("claims");
                volumes.extend(claims.iter().map(|claim| claim["metadata"]["name"].to_string()));
                assert_eq!(declared(&pod["spec"]["containers"][0]["volumeMounts"]), volumes, "{name}");
            }
        }
    }
}

/// The label of a pod by which its set and its service find it.
fn document_labels(pod: &Value) -> Value {
    json!({ "app.kubernetes.io/name": pod["metadata"]["labels"]["app.kubernetes.io/name"] })
}
