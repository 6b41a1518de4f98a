//! What programs may rely on: verbs, exit codes, JSON documents.

mod desk;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use desk::{Desk, finish};
use serde_json::Value;

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

fn greets(door: &Value) -> bool {
    let address = format!("{}:{}", door["host"].as_str().unwrap_or_default(), door["port"]);
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && !line.is_empty()
}

/// Tells whether a process lives whose command line names the repository.
fn is_served_by(pid: u32, repository: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(text(repository))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn the_example_has_no_problems() {
    let desk = Desk::new();
    let example = desk::root().join("examples/northmail");
    let output = desk.call(&["check", text(&example), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&output), serde_json::json!({ "version": 1, "problems": [] }));
}

#[test]
fn the_example_is_laid_out_as_fmt_lays_it_out() {
    let desk = Desk::new();
    let output = desk.call(&["fmt", text(&desk::root().join("examples/northmail")), "--check"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn check_reports_faults_of_form_and_meaning_together() {
    let desk = Desk::new();
    let repository = desk.example("broken");
    let reseller = std::fs::read_dir(repository.join("resellers/globex"))
        .expect("a reseller")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "kdl"))
        .expect("a specification");
    let mut broken = std::fs::read_to_string(&reseller).expect("text");
    broken = broken.replace("tier=\"basic\"", "tier=\"bassic\"");
    broken.push_str("\nreseller \"unclosed {\n");
    std::fs::write(&reseller, broken).expect("text");
    let environment = repository.join("environments/dev.kdl");
    let dev = std::fs::read_to_string(&environment).expect("text");
    std::fs::write(&environment, dev.replace("scale \"smallest\"", "scael \"smallest\"")).expect("text");
    let output = desk.call(&["check", text(&repository), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let document = json(&output);
    let problems = document["problems"].as_array().expect("problems");
    let codes: Vec<&str> = problems.iter().filter_map(|problem| problem["code"].as_str()).collect();
    assert!(codes.contains(&"spec::unknown-tier"), "{codes:?}");
    assert!(codes.iter().any(|code| code.starts_with("kdl::")), "{codes:?}");
    let files: Vec<&str> = problems.iter().filter_map(|problem| problem["file"].as_str()).collect();
    assert!(files.contains(&"environments/dev.kdl"), "{files:?}");
    for problem in problems {
        for field in ["line", "column", "end_line", "end_column"] {
            assert!(problem[field].as_u64().is_some_and(|number| number >= 1), "{problem}");
        }
        assert!(problem["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(problem["related"].is_array());
    }
    let tier = problems.iter().find(|problem| problem["code"] == "spec::unknown-tier").expect("found above");
    assert!(tier["help"].as_str().is_some_and(|help| help.contains("basic")), "{tier}");
    let human = desk.call(&["check", text(&repository)]);
    assert_eq!(human.status.code(), Some(1));
    assert!(human.stdout.is_empty());
    let shown = String::from_utf8_lossy(&human.stderr);
    assert!(shown.contains("spec::unknown-tier") && shown.contains("bassic"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn wrong_usage_ends_with_2_and_a_next_step() {
    let desk = Desk::new();
    for arguments in [
        vec!["chek"],
        vec!["check", "/no/such/folder"],
        vec!["blueprint", text(&desk::root().join("examples/northmail")), "--env", "nowhere"],
        vec!["up", "/no/such/folder"],
        vec!["explain", "spec::no-such-code"],
    ] {
        let output = desk.call(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            shown.contains("help:") || shown.contains("tip:") || shown.contains("--help"),
            "{arguments:?}: {shown}"
        );
    }
}

#[test]
fn every_verb_has_help_with_an_example() {
    let desk = Desk::new();
    let help = desk.call(&["--help"]);
    let shown = String::from_utf8_lossy(&help.stdout).into_owned();
    let verbs: Vec<&str> = shown
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() >= 20, "{verbs:?}");
    for verb in verbs {
        let output = desk.call(&[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("Example"), "{verb}: {shown}");
    }
}

#[test]
fn the_blueprint_is_the_same_to_the_byte_wherever_the_repository_lies() {
    let desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    let first = desk.call(&["blueprint", text(&one), "--json"]);
    let second =
        desk.command(&["blueprint", ".", "--json"]).current_dir(&two).env("TZ", "Asia/Tokyo").output().expect("a run");
    assert_eq!(first.status.code(), Some(0));
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(json(&first)["version"], 1);
}

#[test]
fn build_writes_nodes_and_a_manifest_and_is_the_same_twice() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let out = desk.path("out");
    let call = || desk.call(&["build", text(&repository), "--env", "dev", "--out", text(&out), "--json"]);
    let first = call();
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(out.join("nodes/mx-1/etc/postfix/main.cf").is_file());
    for folder in ["dns", "hypervisor", "brands"] {
        assert!(out.join(folder).is_dir(), "{folder}");
    }
    let manifest = std::fs::read(out.join("manifest.json")).expect("a manifest");
    assert_eq!(manifest, first.stdout);
    assert_eq!(call().stdout, manifest);
    let foreign = desk.path("foreign");
    std::fs::create_dir_all(&foreign).expect("a folder");
    std::fs::write(foreign.join("kept"), "mine").expect("a file");
    let refused = desk.call(&["build", text(&repository), "--out", text(&foreign)]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(foreign.join("kept")).expect("still there"), "mine");
}

#[test]
fn up_prints_what_programs_rely_on() {
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let up = desk.up(&repository, "dev");
    assert_eq!(up["version"], 1);
    assert_eq!(up["environment"], "dev");
    assert_eq!(up["backend"], "embedded");
    assert_eq!(up["state"], "ready");
    assert!(up["seed"].is_u64());
    assert!(Path::new(up["authority"].as_str().expect("a path")).is_file());
    let doors = up["doors"].as_array().expect("doors");
    for (service, protocol, tls) in [
        ("mx", "smtp", "starttls"),
        ("submission", "smtp", "starttls"),
        ("submissions", "smtp", "implicit"),
        ("imap", "imap", "starttls"),
        ("imaps", "imap", "implicit"),
        ("pop3", "pop3", "starttls"),
        ("pop3s", "pop3", "implicit"),
        ("internet-imap", "imap", ""),
        ("managesieve", "managesieve", "starttls"),
    ] {
        let door = doors.iter().find(|door| door["service"] == service).unwrap_or_else(|| panic!("no door {service}"));
        assert_eq!(door["protocol"], protocol);
        if !tls.is_empty() {
            assert_eq!(door["tls"], tls);
        }
        assert_eq!(door["host"], "127.0.0.1");
        assert!(door["node"].is_string());
        if door["tls"] != "implicit" {
            assert!(greets(door), "{door}");
        }
    }
    for service in ["api", "console"] {
        let door = doors.iter().find(|door| door["service"] == service).unwrap_or_else(|| panic!("no door {service}"));
        assert!(door["url"].as_str().is_some_and(|url| url.starts_with("https://")), "{door}");
    }
    let accounts = up["accounts"].as_array().expect("accounts");
    assert!(accounts.len() <= 100);
    for wanted in
        [("alice@acme.example", "mailbox"), ("admin@acme.adm", "reseller"), ("bob@bigmail.example", "internet")]
    {
        let account = accounts.iter().find(|account| account["address"] == wanted.0).expect("an account to try");
        assert_eq!(account["kind"], wanted.1);
        assert!(account["password"].as_str().is_some_and(|password| password.len() >= 12));
    }
    let status = desk.call(&["status", text(&repository), "--json"]);
    assert_eq!(status.status.code(), Some(0));
    assert_eq!(json(&status)["state"], "ready");
    let again = desk.call(&["up", text(&repository), "--detach", "--json"]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(json(&again)["doors"], up["doors"]);
    let pid = desk.pid(&repository, "dev");
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("a command line");
    let canonical = std::fs::canonicalize(&repository).expect("a path");
    assert!(String::from_utf8_lossy(&line).contains(text(&canonical)));
    let logs = desk.call(&["logs", text(&repository)]);
    assert_eq!(logs.status.code(), Some(0));
    assert!(!logs.stdout.is_empty());
    for secret in accounts.iter().filter_map(|account| account["password"].as_str()) {
        assert!(!String::from_utf8_lossy(&logs.stdout).contains(secret), "a password in the logs");
    }
}

#[test]
fn down_stops_and_up_keeps_accounts_and_doors() {
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let first = desk.up(&repository, "dev");
    let pid = desk.pid(&repository, "dev");
    assert!(is_served_by(pid, &repository));
    let down = desk.call(&["down", text(&repository)]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    // Not asked of the doors: another test's environment may have their ports by now.
    assert!(!is_served_by(pid, &repository));
    let status = desk.call(&["status", text(&repository), "--json"]);
    assert_eq!(json(&status)["state"], "stopped");
    let second = desk.up(&repository, "dev");
    assert_eq!(first["accounts"], second["accounts"]);
    assert_eq!(first["authority"], second["authority"]);
}

#[test]
fn two_environments_run_side_by_side() {
    let mut desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    let (first, second) = (desk.up(&one, "dev"), desk.up(&two, "dev"));
    let ports = |up: &Value| -> Vec<u64> {
        up["doors"].as_array().expect("doors").iter().filter_map(|door| door["port"].as_u64()).collect()
    };
    assert!(ports(&first).iter().all(|port| !ports(&second).contains(port)));
    let password = |up: &Value| up["accounts"][0]["password"].clone();
    assert_ne!(password(&first), password(&second));
    desk.call(&["down", text(&one)]);
    assert!(greets(&second["doors"][0]));
}

#[test]
fn reset_empties_the_environment_and_keeps_its_passwords() {
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let first = desk.up(&repository, "dev");
    let reset = desk.call(&["reset", text(&repository)]);
    assert_eq!(reset.status.code(), Some(0), "{}", String::from_utf8_lossy(&reset.stderr));
    let second = desk.up(&repository, "dev");
    assert_eq!(first["accounts"], second["accounts"]);
}

#[test]
fn up_in_the_foreground_ends_cleanly_on_ctrl_c() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let mut child = desk
        .command(&["up", text(&repository), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut bytes = Vec::new();
    let mut out = child.stdout.take().expect("piped");
    let document: Value = loop {
        let mut part = [0; 4096];
        let count = out.read(&mut part).expect("readable");
        assert!(count > 0, "ended before it was ready");
        bytes.extend_from_slice(&part[..count]);
        if let Ok(document) = serde_json::from_slice(&bytes) {
            break document;
        }
    };
    assert!(greets(&document["doors"][0]));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(killed.success());
    let output = finish(child, 20);
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let status = desk.call(&["status", text(&repository), "--json"]);
    assert_eq!(json(&status)["state"], "stopped");
}

#[test]
fn try_needs_nothing_but_the_program() {
    let desk = Desk::new();
    let output = desk.command(&["try", "--detach", "--json"]).current_dir(desk.path("")).output().expect("a run");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let up = json(&output);
    assert!(greets(&up["doors"][0]));
    let down = desk.call(&["down", "--try"]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(json(&desk.call(&["status", "--try", "--json"]))["state"], "stopped");
    desk.call(&["reset", "--try"]);
}
