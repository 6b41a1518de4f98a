//! What the example compiles to, kept as real files.
//!
//! `MAILWRIGHT_UPDATE_GOLDEN=1 cargo test -p compiler --test golden` writes the files anew.

#![expect(clippy::disallowed_methods, reason = "tests read the example and the golden files from disk")]

mod northmail;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use compiler::{compile, manifest, render};

/// Nodes whose whole tree is kept; those of the roles that are rendered.
const KEPT_NODES: &[&str] = &[
    "access-1", // one a line, since many are added
    "balancer-1",
    "cache-1",
    "control-1",
    "defense-1",
    "directory-1",
    "dns-1",
    "access-1",
    "calendar-1",
    "monitor-1",
    "mx-1",
    "outbound-1",
    "store-1",
    "submission-1",
    "web-1",
];

fn compiled(environment: &str) -> compiler::Output {
    compiled_on("bookworm", environment)
}

fn compiled_on(distribution: &str, environment: &str) -> compiler::Output {
    let sources = northmail::sources_on(distribution);
    let parsed = spec::parse(&sources);
    let compiled = compile(&sources, &parsed, environment);
    assert!(compiled.problems.is_empty(), "{:#?}", compiled.problems);
    compiled.output.expect("nothing is wrong with the example")
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data becomes JSON");
    text.push('\n');
    text.into_bytes()
}

/// Compares files with what is kept below `tests/golden`, or keeps them.
fn check(folder: &str, files: &BTreeMap<String, Vec<u8>>) {
    let golden = northmail::root().join("tests/golden").join(folder);
    if std::env::var_os("MAILWRIGHT_UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(&golden);
        for (path, bytes) in files {
            let path = golden.join(path);
            fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("the folder can be made");
            fs::write(path, bytes).expect("the file can be written");
        }
        return;
    }
    for (path, bytes) in files {
        let kept = fs::read(golden.join(path)).unwrap_or_default();
        assert!(
            kept == *bytes,
            "tests/golden/{folder}/{path} is not what is rendered now:\n{}",
            difference(&String::from_utf8_lossy(&kept), &String::from_utf8_lossy(bytes))
        );
    }
    let mut kept = Vec::new();
    list(&golden, &golden, &mut kept);
    let more: Vec<&String> = kept.iter().filter(|path| !files.contains_key(*path)).collect();
    assert!(more.is_empty(), "nothing renders {more:?} any more");
}

fn list(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => list(root, &path, found),
            false => found.push(path.strip_prefix(root).expect("it lies there").to_string_lossy().into_owned()),
        }
    }
}

fn difference(kept: &str, now: &str) -> String {
    let kept_lines: Vec<&str> = kept.lines().collect();
    let now_lines: Vec<&str> = now.lines().collect();
    let gone = kept_lines.iter().filter(|line| !now_lines.contains(line)).map(|line| format!("- {line}"));
    let new = now_lines.iter().filter(|line| !kept_lines.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).take(40).collect::<Vec<_>>().join("\n")
}

fn tree(environment: &str) -> BTreeMap<String, Vec<u8>> {
    let output = compiled(environment);
    let bundle = render(&output, &northmail::sources());
    let mut files = BTreeMap::new();
    files.insert("blueprint.json".to_owned(), pretty(&output.blueprint));
    files.insert("roster.json".to_owned(), pretty(&output.roster));
    files.insert("launch.json".to_owned(), pretty(&output.launch));
    files.insert("scenarios.json".to_owned(), pretty(&output.scenarios));
    files.insert("manifest.json".to_owned(), pretty(&manifest(&output.blueprint, &bundle)));
    files.extend(bundle.dns.iter().map(|(path, file)| (format!("dns/{path}"), file.unfilled().0)));
    for (path, file) in &bundle.hypervisor {
        if ["compose.json", "xen/mx-1.cfg", "libvirt/dns-1.xml", "qemu/mx-1.args"].contains(&path.as_str()) {
            files.insert(format!("hypervisor/{path}"), file.unfilled().0);
        }
    }
    for node in KEPT_NODES {
        let tree = bundle.nodes.get(*node).expect("the example has this node");
        files.extend(tree.files.iter().map(|(path, file)| (format!("nodes/{node}{path}"), file.unfilled().0)));
        files.insert(format!("nodes/{node}.processes.json"), pretty(&tree.processes));
        files.insert(format!("nodes/{node}.checks.json"), pretty(&tree.checks));
    }
    files
}

#[test]
fn the_example_on_one_desk_compiles_to_the_golden_tree() {
    check("northmail", &tree("dev"));
}

/// Nodes whose daemons' files differ from one distribution to the next.
const KEPT_DIALECTS: [&str; 2] = ["access-1", "store-1"];

#[test]
fn the_example_on_the_next_distribution_compiles_to_its_dialects() {
    let bundle = render(&compiled_on("trixie", "dev"), &northmail::sources());
    let mut files = BTreeMap::new();
    for node in KEPT_DIALECTS {
        let tree = bundle.nodes.get(node).expect("the example has this node");
        files.extend(tree.files.iter().map(|(path, file)| (format!("nodes/{node}{path}"), file.unfilled().0)));
    }
    check("northmail-trixie", &files);
}

#[test]
fn the_example_in_production_compiles_to_the_golden_blueprint() {
    let output = compiled("production");
    let files = BTreeMap::from([("blueprint.json".to_owned(), pretty(&output.blueprint))]);
    check("northmail-production", &files);
}
