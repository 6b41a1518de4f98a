//! What HAProxy and keepalived say of the trees of balancers.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example from disk, start the daemons' checkers, and say what they skip"
)]

mod northmail;

use std::fs;
use std::path::Path;
use std::process::Command;

use compiler::render::haproxy::config::{Config, Section, Word};
use compiler::{compile, render};
use proptest::prelude::*;
use proptest::test_runner::{self, TestRunner};

/// Returns a file of a balancer.
fn file(environment: &str, path: &str) -> Option<String> {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    let output = compile(&sources, &parsed, environment).output.expect("nothing is wrong with the example");
    let bundle = render(&output, &sources);
    let tree = bundle.nodes.get("balancer-1").expect("the example has balancers");
    tree.files.get(path).map(|file| String::from_utf8(file.unfilled().0).expect("what is rendered is text"))
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("-v").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// Asks a checker about a file; any word of it counts.
fn silent(program: &str, arguments: &[&str], path: &Path) {
    let output = Command::new(program).args(arguments).arg(path).output().expect("the program is installed");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.trim().is_empty(), "{program}: {}\n{said}", output.status);
}

#[test]
fn haproxy_itself_finds_nothing_to_say() {
    if !installed("haproxy") {
        return;
    }
    for environment in ["dev", "production"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("haproxy.cfg");
        let text = file(environment, "/etc/haproxy/haproxy.cfg").expect("a balancer has it");
        // The socket's folder is made where the daemon runs.
        let socket = format!("stats socket {}/admin.sock", folder.path().display());
        fs::write(&path, text.replace("stats socket /run/haproxy/admin.sock", &socket)).expect("it can be written");
        silent("haproxy", &["-c", "-q", "-f"], &path);
    }
}

#[test]
fn keepalived_itself_finds_nothing_to_say() {
    assert_eq!(file("dev", "/etc/keepalived/keepalived.conf"), None, "a balancer that is alone has nobody to wait");
    if !installed("keepalived") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("keepalived.conf");
    let text = file("production", "/etc/keepalived/keepalived.conf").expect("two balancers share their addresses");
    // An interface of the machine the test runs on is as good.
    fs::write(&path, text.replace("eth0", "lo").replace("eth1", "lo")).expect("it can be written");
    silent("keepalived", &["-t", "-f"], &path);
}

#[test]
fn haproxy_reads_hostile_texts_as_they_were_meant() {
    if !installed("haproxy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("haproxy.cfg");
    let hostile = "[ -~]{0,30}[\\n\\r\\t $#{}%\"'\\\\,=;äß\u{2028}]{1,12}[ -~]{0,30}|x{3000}";
    TestRunner::new(test_runner::Config {
        cases: 24,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..test_runner::Config::default()
    })
    .run(&hostile, |text| {
        let mut global = Section::new("global", None);
        // The one line that HAProxy tells back while it checks.
        global.line([Word::Own(".notice"), Word::Text(format!("<{text}>"))]);
        global.own("maxconn 10");
        let mut defaults = Section::new("defaults", None);
        defaults.own("mode tcp");
        fs::write(&path, Config { sections: vec![global, defaults] }.to_string()).expect("it can be written");
        let output = Command::new("haproxy").args(["-c", "-f"]).arg(&path).output().expect("it is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let meant: String = text.chars().map(|c| if values::hostile(c) { ' ' } else { c }).collect();
        prop_assert!(said.contains(&format!("'<{meant}>'.")), "{said}\n{text:?}");
        Ok(())
    })
    .expect("every text reads back");
}
