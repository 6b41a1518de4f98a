//! What Postfix's own programs say of the trees of nodes that run it.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example from disk, start Postfix's programs, and say what they skip"
)]

mod northmail;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use blueprint::File;
use compiler::render::postfix::main_cf::{Item, MainCf, Part, Value};
use compiler::render::postfix::release::{KNOWN, Version};
use compiler::{compile, render};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Tells whether the installed Postfix is the one the example is rendered for.
fn installed() -> bool {
    let Ok(version) = Command::new("postconf").args(["-d", "-h", "mail_version"]).output() else {
        println!("skipped: postfix is not installed");
        return false;
    };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if !version.starts_with("3.7.") {
        println!("skipped: the trees are rendered for Postfix 3.7, and {version} is installed");
        return false;
    }
    true
}

fn bundle(environment: &str) -> blueprint::Bundle {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    let compiled = compile(&sources, &parsed, environment);
    assert!(compiled.problems.is_empty(), "{:#?}", compiled.problems);
    render(&compiled.output.expect("nothing is wrong with the example"), &sources)
}

#[test]
fn postfix_itself_finds_nothing_to_say_about_the_trees() {
    if !installed() {
        return;
    }
    let mut seen = 0;
    for environment in ["dev", "production"] {
        for (node, tree) in bundle(environment).nodes {
            for folder in folders(&tree.files) {
                let what = format!("{folder} of {node}");
                let copy = tempfile::tempdir().expect("a temporary folder");
                let files = lay_out(copy.path(), &tree.files);
                let here = copy.path().join(folder.trim_start_matches('/'));
                for arguments in [["-n"], ["-M"], ["-P"], ["-b"]] {
                    silent(&format!("postconf of {what}"), run("postconf", &here, &arguments));
                }
                meant(&here, &files[&format!("{folder}/main.cf")]);
                tables(&files, copy.path());
                // It looks at every file of the installation, and differs by role alone.
                if environment == "dev" {
                    postfix_check(&what, copy.path(), &here);
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "only {seen} were looked at");
}

#[test]
fn postfix_knows_every_parameter_that_may_be_written() {
    if !installed() {
        return;
    }
    let output = Command::new("postconf").arg("-d").output().expect("the program is installed");
    let known = String::from_utf8_lossy(&output.stdout).into_owned();
    let known: BTreeSet<&str> = known.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name).collect();
    for (name, since) in KNOWN {
        assert_eq!(known.contains(name), *since == Version::V3_7, "{name}");
    }
}

#[test]
fn postfix_reads_hostile_texts_as_they_were_meant() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("master.cf"), "").expect("it can be written");
    let hostile = "[ -~]{0,30}[\\n\\r\\t $#{}%\"'\\\\,=;äß\u{2028}]{1,12}[ -~]{0,30}|x{3000}";
    TestRunner::new(Config { cases: 16, max_shrink_iters: 40, failure_persistence: None, ..Config::default() })
        .run(&hostile, |text| {
            let mut file = MainCf::new(Version::V3_7);
            file.set("compatibility_level", Item::Word("3.6"));
            file.set("smtpd_banner", Value::Text(vec![Part::Literal(format!("| {text} |"))]));
            // Without a name of its own it would ask DNS for one.
            file.set("myhostname", Item::Word("h.end.example"));
            file.set("mydomain", Item::Word("end.example"));
            fs::write(folder.path().join("main.cf"), file.to_string()).expect("it can be written");
            // It looks for tables in every text, and wonders about braces; what it reads is right all the same.
            let output = run("postconf", folder.path(), &["-h", "-x", "smtpd_banner", "mydomain"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let read = String::from_utf8_lossy(&output.stdout).into_owned();
            let (banner, domain) = read.trim_end().rsplit_once('\n').expect("two values were asked for");
            // What is shown has its blanks drawn together.
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
            let meant: String = text.chars().map(|c| if values::hostile(c) { ' ' } else { c }).collect();
            prop_assert_eq!(words(banner), words(&format!("| {meant} |")));
            prop_assert_eq!(domain, "end.example");
            Ok(())
        })
        .expect("every text reads back");
}

/// Returns the folders that hold a Postfix.
fn folders(files: &BTreeMap<String, File>) -> Vec<String> {
    files.keys().filter_map(|path| path.strip_suffix("/main.cf")).map(str::to_owned).collect()
}

/// Copies a node's Postfix below a folder, with the paths inside pointing there. Returns what was written, by path.
fn lay_out(copy: &Path, files: &BTreeMap<String, File>) -> BTreeMap<String, String> {
    let mut written = BTreeMap::new();
    for (path, file) in files.iter().filter(|(path, _)| path.starts_with("/etc/postfix")) {
        let target = copy.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("it lies in the folder")).expect("the folder can be made");
        let text = String::from_utf8(file.unfilled().0).expect("what is rendered is text");
        let text = text.replace("/etc/postfix", &format!("{}/etc/postfix", copy.display()));
        fs::write(target, &text).expect("it can be written");
        written.insert(path.clone(), text);
    }
    written
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
fn meant(folder: &Path, text: &str) {
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

/// Every entry of a table of ours must be found under its key.
fn tables(files: &BTreeMap<String, String>, copy: &Path) {
    let tables = files.iter().filter(|(path, _)| path.contains("/maps/") || path.ends_with("/destinations"));
    for (path, text) in tables {
        let table = format!("texthash:{}{path}", copy.display());
        for line in text.lines() {
            let (key, found) = line.split_once(' ').expect("a line is a key and what is found");
            let output = Command::new("postmap").args(["-q", key, &table]).output().expect("the program is installed");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), found, "{key} in {table}");
        }
    }
}

fn postfix_check(what: &str, copy: &Path, folder: &Path) {
    let user = Command::new("id").arg("-u").output().expect("`id` is everywhere");
    if String::from_utf8_lossy(&user.stdout).trim() != "0" {
        println!("skipped: `postfix check` takes root");
        return;
    }
    // The copy keeps its queue, its data and its log to itself.
    let main_cf = folder.join("main.cf");
    let (queue, data, log): (PathBuf, PathBuf, PathBuf) = (copy.join("queue"), copy.join("data"), copy.join("log"));
    fs::create_dir_all(&queue).expect("the folder can be made");
    fs::create_dir_all(&data).expect("the folder can be made");
    let owned = Command::new("chown").arg("postfix").arg(&data).status().expect("`chown` is everywhere");
    assert!(owned.success());
    let text = fs::read_to_string(&main_cf).expect("it was just written");
    let kept = text.lines().filter(|line| !line.starts_with("queue_directory") && !line.starts_with("data_directory"));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    text = text.replace("maillog_file = /dev/stdout", &format!("maillog_file = {}", log.display()));
    text.push_str(&format!("maillog_file_prefixes = {}\n", copy.display()));
    text.push_str(&format!("queue_directory = {}\ndata_directory = {}\n", queue.display(), data.display()));
    fs::write(&main_cf, text).expect("it can be written");
    silent(&format!("postfix check of {what}"), run("postfix", folder, &["check"]));
    let said = fs::read_to_string(&log).unwrap_or_default();
    assert!(said.is_empty(), "postfix check of {what}: {said}");
}
