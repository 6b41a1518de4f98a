//! What the example compiles to, kept as real files, and what the real daemons' own checkers say of them.
//!
//! `MAILWRIGHT_UPDATE_GOLDEN=1 cargo test -p compiler --test golden` writes the files anew.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example and the golden files from disk, start the daemons' checkers, and say what they skip"
)]

mod northmail;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use compiler::{compile, manifest, render};

/// Nodes whose whole tree is kept; those of the roles that are rendered.
const KEPT_NODES: [&str; 1] = ["mx-1"];

fn compiled(environment: &str) -> compiler::Output {
    let sources = northmail::sources();
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
    for node in KEPT_NODES {
        let tree = bundle.nodes.get(node).expect("the example has this node");
        files.extend(tree.files.iter().map(|(path, file)| (format!("nodes/{node}{path}"), file.unfilled().0)));
    }
    files
}

#[test]
fn the_example_on_one_desk_compiles_to_the_golden_tree() {
    check("northmail", &tree("dev"));
}

#[test]
fn the_example_in_production_compiles_to_the_golden_blueprint() {
    let output = compiled("production");
    let files = BTreeMap::from([("blueprint.json".to_owned(), pretty(&output.blueprint))]);
    check("northmail-production", &files);
}

#[test]
fn postfix_itself_finds_nothing_to_say_about_the_tree_of_an_mx() {
    let Ok(version) = Command::new("postconf").args(["-d", "-h", "mail_version"]).output() else {
        println!("skipped: postfix is not installed");
        return;
    };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if !version.starts_with("3.7.") {
        println!("skipped: the tree is rendered for Postfix 3.7, and {version} is installed");
        return;
    }
    for environment in ["dev", "production"] {
        let output = compiled(environment);
        let bundle = render(&output, &northmail::sources());
        let trees = bundle.nodes.iter().map(|(node, tree)| (node, &tree.files));
        for (node, files) in trees.filter(|(_, files)| files.contains_key("/etc/postfix/main.cf")) {
            let copy = tempfile::tempdir().expect("a temporary folder");
            let folder = lay_out(copy.path(), files);
            for arguments in [["-n"], ["-M"], ["-P"]] {
                silent(&format!("postconf of {node}"), run("postconf", &folder, &arguments));
            }
            meant(&folder, files);
            answers(&folder, &output);
            postfix_check(node, copy.path(), &folder);
        }
    }
}

/// Copies a node's Postfix below a folder, with the paths inside pointing there.
fn lay_out(copy: &Path, files: &BTreeMap<String, blueprint::File>) -> std::path::PathBuf {
    let folder = copy.join("etc");
    for (path, file) in files {
        let Some(inside) = path.strip_prefix("/etc/postfix/") else { continue };
        let target = folder.join(inside);
        fs::create_dir_all(target.parent().expect("it lies in the folder")).expect("the folder can be made");
        let text = String::from_utf8(file.unfilled().0).expect("what is rendered is text");
        fs::write(target, text.replace("/etc/postfix/", &format!("{}/", folder.display()))).expect("it can be written");
    }
    folder
}

fn run(program: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program).arg("-c").arg(folder).args(arguments).output().expect("the program is installed")
}

/// Any word on stderr counts: `postconf` says unknown parameters there and still ends with zero.
fn silent(what: &str, output: Output) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{what}: {}\n{said}", output.status);
}

/// Postfix must read each setting as it stands in the file: as many of them, and none twice.
fn meant(folder: &Path, files: &BTreeMap<String, blueprint::File>) {
    let text = String::from_utf8(files["/etc/postfix/main.cf"].unfilled().0).expect("what is rendered is text");
    let text = text.replace("/etc/postfix/", &format!("{}/", folder.display()));
    let mut written: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let output = run("postconf", folder, &["-n"]);
    let read = String::from_utf8_lossy(&output.stdout).into_owned();
    // The folder itself is told as well, since it is not where Postfix looks by default.
    let mut read: Vec<&str> =
        read.lines().map(str::trim_end).filter(|line| !line.starts_with("config_directory")).collect();
    read.sort_unstable();
    written.sort_unstable();
    assert_eq!(read, written);
}

/// Asks the tables what an mx would ask them.
fn answers(folder: &Path, output: &compiler::Output) {
    let ask = |table: &str, key: &str| {
        let table = format!("texthash:{}", folder.join("maps").join(table).display());
        let output = Command::new("postmap").args(["-q", key, &table]).output().expect("the program is installed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(ask("domains", "acme.example"), "OK");
    assert_eq!(ask("domains", "elsewhere.example"), "");
    assert_eq!(ask("recipients", "alice@acme.example"), "OK");
    assert_eq!(ask("recipients", "ALICE@acme.example"), "OK");
    assert_eq!(ask("recipients", "nobody-at-all@acme.example"), "");
    let suffix = output.blueprint.service_domain.to_string();
    let transport = ask("transport", "alice@acme.example");
    assert!(transport.starts_with("lmtp:inet:store-") && transport.ends_with(&format!(".{suffix}:24")), "{transport}");
    assert_eq!(ask("aliases", "al@acme.example"), "alice@acme.example");
}

fn postfix_check(node: &str, copy: &Path, folder: &Path) {
    let user = Command::new("id").arg("-u").output().expect("`id` is everywhere");
    if String::from_utf8_lossy(&user.stdout).trim() != "0" {
        println!("skipped: `postfix check` takes root");
        return;
    }
    // The copy keeps its queue, its data and its log to itself.
    let main_cf = folder.join("main.cf");
    let (queue, data, log) = (copy.join("queue"), copy.join("data"), copy.join("log"));
    fs::create_dir_all(&queue).expect("the folder can be made");
    fs::create_dir_all(&data).expect("the folder can be made");
    let owned = Command::new("chown").arg("postfix").arg(&data).status().expect("`chown` is everywhere");
    assert!(owned.success());
    let mut text = fs::read_to_string(&main_cf).expect("it was just written");
    text = text.replace("maillog_file = /dev/stdout", &format!("maillog_file = {}", log.display()));
    text.push_str(&format!("maillog_file_prefixes = {}\n", copy.display()));
    text.push_str(&format!("queue_directory = {}\ndata_directory = {}\n", queue.display(), data.display()));
    fs::write(&main_cf, text).expect("it can be written");
    silent(&format!("postfix check of {node}"), run("postfix", folder, &["check"]));
    let said = fs::read_to_string(&log).unwrap_or_default();
    assert!(said.is_empty(), "postfix check of {node}: {said}");
}
