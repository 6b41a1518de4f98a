//! `plan` against real git repositories, folders and records; `up` and what it refuses to destroy.

mod desk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use desk::{Desk, has};
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Somebody", "-c", "user.email=somebody@northmail.example"])
        .args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
}

fn commit(folder: &Path, message: &str) {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", message]);
}

/// The example in a git repository, below a folder of its own beside other things.
fn repository(desk: &Desk) -> PathBuf {
    let top = desk.path("work");
    let example = desk.example("work/mail platform");
    std::fs::write(top.join("notes.kdl"), "this is not KDL {{{").expect("a file");
    git(&top, &["init", "-q"]);
    commit(&top, "Begin");
    example
}

fn edit(folder: &Path, path: &str, old: &str, new: &str) {
    let path = folder.join(path);
    let before = std::fs::read_to_string(&path).expect("text");
    assert!(before.contains(old), "{} does not say {old}", path.display());
    std::fs::write(&path, before.replace(old, new)).expect("text");
}

const GLOBEX: &str = "resellers/globex/globex.kdl";
const WEI: &str = "mailbox \"wei\"";
/// In the place of the one that is taken away, so that the edit does not depend on how the example is laid out.
const WU: &str = "mailbox \"wu\"";

fn destroyed(changes: &Value) -> Vec<String> {
    let all = changes["changes"].as_array().expect("changes");
    let lost = all.iter().filter(|change| change["destructive"] == true);
    lost.map(|change| format!("{} {}", change["kind"], change["name"]).replace('"', "")).collect()
}

#[test]
fn a_revision_is_compared_with_what_lies_on_disk() {
    if !has("git") {
        return;
    }
    let desk = Desk::new();
    let example = repository(&desk);
    let plan = |more: &[&str]| desk.call(&[&["plan", text(&example), "--from", "HEAD"], more].concat());
    let same = plan(&["--exit-code"]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    assert_eq!(String::from_utf8_lossy(&same.stdout), "nothing changes since HEAD\n");
    edit(&example, GLOBEX, WEI, WU);
    edit(&example, "platform.kdl", "quota \"2GiB\"", "quota \"1GiB\"");
    let changed = plan(&[]);
    assert_eq!(changed.status.code(), Some(0), "4 only where it is asked for: {}", said(&changed));
    let shown = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert!(shown.starts_with("DESTRUCTIVE:"), "{shown}");
    assert!(
        shown.contains("mailbox wei@globex.example is destroyed: it is suspended, and destroyed after 30d"),
        "{shown}"
    );
    assert!(shown.contains("4 mailboxes of globex: have their quota lowered"), "{shown}");
    assert!(shown.contains("1 mailbox of globex: is taken away"), "{shown}");
    assert!(shown.lines().count() < 40, "{shown}");
    let document = plan(&["--json", "--exit-code"]);
    assert_eq!(document.status.code(), Some(4));
    let document = json(&document);
    assert_eq!(document["version"], 1);
    assert_eq!(destroyed(&document), ["mailbox wei@globex.example"]);
    let tier = document["changes"].as_array().expect("changes").iter().find(|change| change["kind"] == "tier");
    assert_eq!(tier.expect("the tier")["fields"][0]["field"], "quota");
    // A branch and a tag are revisions too; so is what is named from a folder below.
    git(&example, &["tag", "v1"]);
    commit(&example, "Change");
    assert_eq!(json(&desk.call(&["plan", text(&example), "--from", "v1", "--json"])), document);
    let below = desk.command(&["plan", "--from", "HEAD~1", "--json"]).current_dir(&example).output().expect("a run");
    assert_eq!(json(&below), document);
}

#[test]
fn the_variables_of_a_git_hook_do_not_turn_it_to_another_repository() {
    if !has("git") {
        return;
    }
    let desk = Desk::new();
    let example = repository(&desk);
    let other = desk.path("other");
    std::fs::create_dir_all(&other).expect("a folder");
    git(&other, &["init", "-q"]);
    let output = desk
        .command(&["plan", text(&example), "--from", "HEAD"])
        .env("GIT_DIR", other.join(".git"))
        .env("GIT_WORK_TREE", &other)
        .output()
        .expect("a run");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing changes since HEAD\n", "{}", said(&output));
}

#[test]
fn what_cannot_be_compared_with_is_refused_with_a_way_out() {
    if !has("git") {
        return;
    }
    let desk = Desk::new();
    let example = repository(&desk);
    for revision in ["no-such-branch", "--help", "HEAD:platform.kdl", "", "-n1"] {
        let output = desk.call(&["plan", text(&example), &format!("--from={revision}")]);
        assert_eq!(output.status.code(), Some(2), "{revision}: {}", said(&output));
        assert!(said(&output).contains("help:"), "{revision}: {}", said(&output));
    }
    // Not a git repository at all.
    let plain = desk.example("plain");
    let output = desk
        .command(&["plan", text(&plain), "--from", "HEAD"])
        .env("GIT_CEILING_DIRECTORIES", desk.path(""))
        .output()
        .expect("a run");
    assert_ne!(output.status.code(), Some(0));
    assert!(said(&output).contains("git") && said(&output).contains("--from-folder"), "{}", said(&output));
    // Never brought up, and nothing named.
    let output = desk.call(&["plan", text(&plain)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("never brought up") && said(&output).contains("--from"), "{}", said(&output));
    // A revision with errors is not the fault of what lies on disk.
    edit(&example, GLOBEX, "tier=\"basic\"", "tier=\"bassic\"");
    commit(&example, "Break");
    edit(&example, GLOBEX, "tier=\"bassic\"", "tier=\"basic\"");
    let output = desk.call(&["plan", text(&example), "--from", "HEAD"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("those of HEAD"), "{}", said(&output));
}

#[test]
fn two_folders_are_compared_with_every_byte_of_their_brands() {
    let desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    let plan = || desk.call(&["plan", text(&two), "--from-folder", text(&one), "--json", "--exit-code"]);
    assert_eq!(plan().status.code(), Some(0));
    edit(&two, "resellers/globex/assets/globex.svg", "</svg>", " </svg>");
    let output = plan();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let document = json(&output);
    assert_eq!(document["changes"][0]["kind"], "file");
    assert!(document["changes"][0]["name"].as_str().is_some_and(|name| name.starts_with("brands/globex/")));
}

#[test]
fn a_big_change_fits_a_screen() {
    let desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    let many: String = (0..180).map(|number| format!("mailbox \"user-{number}\"\n")).collect();
    edit(&two, GLOBEX, WEI, &format!("{many}{WEI}"));
    edit(&two, "platform.kdl", "release \"2026.11\"", "release \"2027.01\"");
    for environment in ["dev", "qa", "horizon", "production"] {
        edit(&two, &format!("environments/{environment}.kdl"), "release=\"2026.11\"", "release=\"2027.01\"");
    }
    let plan = |more: &[&str]| {
        let output =
            desk.call(&[&["plan", text(&two), "--env", "production", "--from-folder", text(&one)], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let short = plan(&[]);
    assert!(short.lines().count() <= 40, "{short}");
    assert!(
        short.contains("180 mailboxes are created") && short.contains("180 mailboxes of globex: are new"),
        "{short}"
    );
    assert!(plan(&["--detail"]).lines().filter(|line| line.contains("+ mailbox user-")).count() == 180);
}

#[test]
fn up_destroys_nothing_that_it_was_not_told_to() {
    let mut desk = Desk::new();
    let example = desk.example("northmail");
    desk.up(&example, "dev");
    let process = desk.pid(&example, "dev");
    let plan = |desk: &Desk, more: &[&str]| desk.call(&[&["plan", text(&example), "--env", "dev"], more].concat());
    let same = plan(&desk, &["--exit-code"]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    assert_eq!(String::from_utf8_lossy(&same.stdout), "nothing changes since the last up\n");
    // What only the record's digests know of.
    edit(&example, "resellers/globex/assets/globex.svg", "</svg>", " </svg>");
    let logo = json(&plan(&desk, &["--json"]));
    assert_eq!(logo["changes"].as_array().map(Vec::len), Some(1), "{logo:#}");
    assert_eq!(logo["summary"]["changed"], 1);
    edit(&example, GLOBEX, WEI, WU);
    let lost = plan(&desk, &["--json", "--exit-code"]);
    assert_eq!(lost.status.code(), Some(4));
    assert_eq!(destroyed(&json(&lost)), ["mailbox wei@globex.example"]);
    // Refused while it runs, and nothing was stopped for it.
    let up = |desk: &Desk, more: &[&str]| {
        desk.call(
            &[&["up", text(&example), "--env", "dev", "--backend", "embedded", "--detach", "--json"], more].concat(),
        )
    };
    let refused = up(&desk, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(refused.stdout.is_empty());
    assert!(said(&refused).contains("mailbox wei@globex.example is destroyed"), "{}", said(&refused));
    assert!(said(&refused).contains("--allow-destroy"), "{}", said(&refused));
    assert_eq!(desk.pid(&example, "dev"), process);
    // And so in the foreground, after it was ended.
    assert_eq!(desk.call(&["down", text(&example), "--env", "dev"]).status.code(), Some(0));
    let foreground = desk.call(&["up", text(&example), "--env", "dev", "--backend", "embedded"]);
    assert_eq!(foreground.status.code(), Some(1), "{}", said(&foreground));
    let allowed = up(&desk, &["--allow-destroy"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", said(&allowed));
    assert_eq!(plan(&desk, &["--exit-code"]).status.code(), Some(0));
    // A new name destroys nothing.
    edit(&example, GLOBEX, "mailbox \"dora\"", "mailbox \"theodora\" renamed-from=\"dora\"");
    let renamed = json(&plan(&desk, &["--json"]));
    assert_eq!(renamed["summary"]["renamed"], 1, "{renamed:#}");
    assert_eq!(destroyed(&renamed), Vec::<String>::new());
    let carried_out = up(&desk, &[]);
    assert_eq!(carried_out.status.code(), Some(0), "{}", said(&carried_out));
    // What only adds needs no leave.
    edit(&example, GLOBEX, "mailbox \"theodora\" renamed-from=\"dora\"", "mailbox \"dora\" renamed-from=\"theodora\"");
    edit(&example, GLOBEX, "mailbox \"hank\"", "mailbox \"new\"; mailbox \"hank\"");
    let added = up(&desk, &[]);
    assert_eq!(added.status.code(), Some(0), "{}", said(&added));
}

#[test]
fn after_a_reset_there_is_nothing_to_lose() {
    let mut desk = Desk::new();
    let example = desk.example("northmail");
    desk.up(&example, "dev");
    assert_eq!(desk.call(&["down", text(&example), "--env", "dev"]).status.code(), Some(0));
    edit(&example, GLOBEX, WEI, WU);
    assert_eq!(desk.call(&["reset", text(&example), "--env", "dev"]).status.code(), Some(0));
    desk.up(&example, "dev");
}

#[test]
fn a_record_of_an_earlier_version_makes_nothing_look_new() {
    let mut desk = Desk::new();
    let folder = desk.example("example");
    desk.up(&folder, "dev");
    let plan = |desk: &Desk| desk.call(&["plan", text(&folder), "--exit-code"]);
    assert_eq!(plan(&desk).status.code(), Some(0), "{}", said(&plan(&desk)));
    // Earlier versions did not write down what no file is made from.
    let mut forgotten = 0;
    for entry in walk(&desk.path("state")) {
        if entry.ends_with("blueprint.json") {
            let bytes = std::fs::read(&entry).expect("a record");
            let mut document: Value = serde_json::from_slice(&bytes).expect("a record is JSON");
            forgotten += usize::from(document.as_object_mut().expect("an object").remove("noted").is_some());
            std::fs::write(&entry, document.to_string()).expect("it can be written");
        }
    }
    assert_eq!(forgotten, 1);
    let output = plan(&desk);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(0), "{}{told}", String::from_utf8_lossy(&output.stdout));
    assert!(told.contains("note: the last up was by an earlier version"), "{told}");
    // What is not noted is compared as ever.
    edit(&folder, "platform.kdl", "queue-lifetime \"5d\"", "queue-lifetime \"4d\"");
    assert_eq!(plan(&desk).status.code(), Some(4));
}

/// Returns every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
