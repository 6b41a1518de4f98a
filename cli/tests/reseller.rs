//! Resellers' own git repositories: pinned by revision, judged before they are taken, and no danger to anybody else.

#![allow(clippy::indexing_slicing, reason = "a document without what a test looks for has failed it")]

mod desk;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use desk::Desk;
use serde_json::Value;

/// A platform whose resellers keep their specifications in git repositories of their own.
struct Wholesale {
    desk: Desk,
    platform: PathBuf,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Test", "-c", "user.email=test@test.example", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn codes(output: &Output) -> Vec<String> {
    let document = json(output);
    let problems = document["problems"].as_array().expect("problems").clone();
    problems.iter().map(|problem| problem["code"].as_str().expect("a code").to_owned()).collect()
}

impl Wholesale {
    /// Moves the example's resellers into repositories, and has the contracts name them; nothing is pinned yet.
    fn new() -> Self {
        let desk = Desk::new();
        let platform = desk.example("platform");
        let path = platform.join("platform.kdl");
        let mut text = fs::read_to_string(&path).expect("the example");
        for (name, contract) in [("acme", "contract \"acme\" from=\"2026-12-01\" notice=\"90d\" {"), ("globex", "")] {
            let from = platform.join("resellers").join(name);
            let to = desk.path(name);
            fs::rename(&from, &to).expect("a move");
            git(&to, &["init", "-q", "-b", "main"]);
            commit(&to, "The first");
            let location = if name == "acme" { to.display().to_string() } else { format!("../{name}") };
            let head = match contract {
                "" => text.lines().find(|line| line.contains("contract \"globex\"")).expect("a contract").to_owned(),
                contract => text.lines().find(|line| line.contains(contract)).expect("a contract").to_owned(),
            };
            text = text.replacen(&head, &format!("{head}\n        repository \"{location}\""), 1);
        }
        fs::write(&path, text).expect("the platform");
        Self { desk, platform }
    }

    /// Pins the first revisions.
    fn pinned() -> Self {
        let wholesale = Self::new();
        let output = wholesale.update(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        wholesale
    }

    fn update(&self, arguments: &[&str]) -> Output {
        let platform = self.platform.to_str().expect("a plain path");
        let all: Vec<&str> =
            ["reseller", "update", "--repository", platform].into_iter().chain(arguments.iter().copied()).collect();
        self.desk.call(&all)
    }

    fn check(&self) -> Output {
        self.desk.call(&["check", self.platform.to_str().expect("a plain path"), "--json"])
    }

    fn reseller(&self, name: &str) -> PathBuf {
        self.desk.path(name)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.platform.join("mailwright.lock")).unwrap_or_default()
    }

    fn edit(&self, name: &str, old: &str, new: &str) -> String {
        let path = self.reseller(name).join(format!("{name}.kdl"));
        let text = fs::read_to_string(&path).expect("a text");
        assert!(text.contains(old), "{old}");
        fs::write(&path, text.replacen(old, new, 1)).expect("a text");
        commit(&self.reseller(name), "Something new")
    }
}

fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

fn outcome<'d>(document: &'d Value, name: &str) -> &'d Value {
    let all = document["resellers"].as_array().expect("resellers");
    all.iter().find(|update| update["name"] == name).expect("the reseller")
}

#[test]
fn a_repository_that_nobody_pinned_is_an_error_at_the_contract_until_it_is_pinned() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::new();
    let output = wholesale.check();
    assert_eq!(output.status.code(), Some(1));
    let document = json(&output);
    let first = &document["problems"][0];
    assert_eq!(first["code"], "lock::not-pinned", "{document}");
    assert_eq!(first["file"], "platform.kdl");
    assert!(first["help"].as_str().is_some_and(|help| help.contains("mailwright reseller update acme")), "{first}");
    let dry = wholesale.update(&["--check"]);
    assert_eq!(dry.status.code(), Some(4), "{}", said(&dry));
    assert_eq!(wholesale.lock(), "");
    let taken = wholesale.update(&[]);
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
    let head = git(&wholesale.reseller("acme"), &["rev-parse", "HEAD"]);
    assert!(wholesale.lock().contains(&format!("\"revision\": \"{head}\"")), "{}", wholesale.lock());
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new());
    assert_eq!(wholesale.update(&["--check"]).status.code(), Some(0));
}

#[test]
fn an_honest_update_is_taken_and_shows_in_plan_and_build() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let platform = wholesale.platform.to_str().expect("a plain path");
    git(&wholesale.platform, &["init", "-q", "-b", "main"]);
    commit(&wholesale.platform, "Before");
    let before = wholesale.lock();
    let revision = wholesale.edit("globex", "mailbox \"hank\"", "mailbox \"zoe\"\n            mailbox \"hank\"");
    // What is not pinned is not read.
    let unpinned = wholesale.desk.call(&["explain", "mailbox", "zoe@globex.example", platform]);
    assert_ne!(unpinned.status.code(), Some(0));
    let output = wholesale.update(&["globex", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let document = json(&output);
    assert_eq!(outcome(&document, "globex")["outcome"], "taken");
    assert_eq!(outcome(&document, "globex")["after"], revision.as_str());
    assert!(before.lines().zip(wholesale.lock().lines()).filter(|(old, new)| old != new).count() == 1);
    let plan = wholesale.desk.call(&["plan", platform, "--from", "HEAD"]);
    assert!(said(&plan).contains("mailbox zoe@globex.example is created"), "{}", said(&plan));
    let out = wholesale.desk.path("out");
    let build = wholesale.desk.call(&["build", platform, "--out", out.to_str().expect("a plain path")]);
    assert_eq!(build.status.code(), Some(0), "{}", said(&build));
    assert!(out.join("brands").is_dir(), "the reseller's assets come from its repository");
}

#[test]
fn a_revision_with_errors_is_told_and_not_taken_and_nobody_waits_for_it() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let good = wholesale.edit("globex", "mailbox \"hank\"", "mailbox \"zoe\"\n            mailbox \"hank\"");
    wholesale.edit("acme", "tier=\"basic\"", "tier=\"bassic\"");
    let output = wholesale.update(&["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let document = json(&output);
    assert_eq!(outcome(&document, "acme")["outcome"], "refused");
    assert_eq!(outcome(&document, "globex")["outcome"], "taken");
    let problem = &outcome(&document, "acme")["problems"][0];
    assert_eq!(problem["code"], "spec::unknown-tier");
    assert_eq!(problem["file"], "resellers/acme/acme.kdl");
    assert!(wholesale.lock().contains(&good));
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new(), "the pinned revisions are sound");
    let people = wholesale.update(&[]);
    assert!(said(&people).contains("is not taken") && said(&people).contains("bassic"), "{}", said(&people));
}

#[test]
fn a_repository_says_no_more_than_its_reseller_may() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let acme = wholesale.reseller("acme");
    fs::write(acme.join("more.kdl"), "language 1\nplatform \"mine\" {\n}\n").expect("a file");
    commit(&acme, "A platform of my own");
    let output = wholesale.update(&["acme", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    fs::remove_file(acme.join("more.kdl")).expect("a file");
    // Another company's domain, and more than the contract holds: both places are shown.
    wholesale.edit("acme", "alias \"acme-mail.example\"", "alias \"globex.example\"");
    let output = wholesale.update(&["acme", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let document = json(&output);
    let problem = &outcome(&document, "acme")["problems"][0];
    assert_eq!(problem["code"], "compiler::domain-claimed-twice", "{document}");
}

#[test]
fn two_that_want_the_same_domain_do_not_both_get_it() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    wholesale.edit("acme", "alias \"acme-mail.example\"", "alias \"shared.example\"");
    wholesale.edit(
        "globex",
        "    domain \"globex.example\"",
        "    domain \"shared.example\" tier=\"basic\" cluster=\"a\" proof=\"dns-txt\"\n    domain \"globex.example\"",
    );
    let output = wholesale.update(&["--json"]);
    let document = json(&output);
    assert_eq!(outcome(&document, "acme")["outcome"], "taken", "{document}");
    assert_eq!(outcome(&document, "globex")["outcome"], "refused", "{document}");
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new());
}

#[test]
fn a_lock_that_was_tampered_with_takes_nothing_from_elsewhere() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let acme = wholesale.reseller("acme");
    let path = wholesale.platform.join("mailwright.lock");
    let lock = wholesale.lock();
    let pinned = git(&acme, &["rev-parse", "HEAD"]);
    // A commit that is in the repository, and not on the branch.
    git(&acme, &["checkout", "-q", "-b", "other"]);
    let other = commit(&acme, "Elsewhere");
    git(&acme, &["checkout", "-q", "main"]);
    fs::write(&path, lock.replace(&pinned, &other)).expect("a lock");
    assert_eq!(codes(&wholesale.check()), ["lock::revision-gone"]);
    fs::write(&path, lock.replace("../globex", "../acme")).expect("a lock");
    assert_eq!(codes(&wholesale.check()), ["lock::other-repository"]);
    for bad in ["HEAD", "--output=/tmp/x", "refs/heads/main"] {
        fs::write(&path, lock.replace(&pinned, bad)).expect("a lock");
        assert_eq!(codes(&wholesale.check()), ["lock::unreadable", "lock::unreadable"], "{bad}");
    }
    fs::write(&path, lock.replace("\"version\": 1", "\"version\": 2")).expect("a lock");
    let output = wholesale.check();
    assert!(said(&output).contains("has version 2"), "{}", said(&output));
    assert_eq!(wholesale.update(&[]).status.code(), Some(2));
    // Who writes a folder beside its repository is told that nobody reads it.
    fs::write(&path, &lock).expect("a lock");
    fs::create_dir_all(wholesale.platform.join("resellers/acme")).expect("a folder");
    fs::write(wholesale.platform.join("resellers/acme/x.kdl"), "language 1\n").expect("a file");
    assert_eq!(codes(&wholesale.check()), ["lock::folder-too"]);
}

#[test]
fn a_revision_that_vanished_is_told_with_the_way_out() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let acme = wholesale.reseller("acme");
    // The branch is rewritten: as long as the cache has the old revision, nothing is lost.
    git(&acme, &["commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten"]);
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new());
    fs::remove_dir_all(wholesale.desk.path("cache")).expect("the cache");
    let output = wholesale.check();
    assert_eq!(codes(&output), ["lock::revision-gone"]);
    assert!(said(&output).contains("mailwright reseller update acme"), "{}", said(&output));
    let output = wholesale.update(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new());
    // While both revisions are in the cache, the rewriting itself is told.
    git(&acme, &["commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten again"]);
    assert!(said(&wholesale.update(&[])).contains("the branch was rewritten"));
    // Without repository and cache there is nothing to go on, and everybody else's is still checked.
    fs::remove_dir_all(wholesale.desk.path("cache")).expect("the cache");
    fs::rename(&acme, wholesale.desk.path("gone")).expect("a move");
    let output = wholesale.check();
    assert_eq!(codes(&output), ["lock::unreachable"]);
    assert!(said(&output).contains("git ls-remote"), "{}", said(&output));
    let output = wholesale.update(&["--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(outcome(&json(&output), "acme")["outcome"], "unreachable");
    assert_eq!(outcome(&json(&output), "globex")["outcome"], "unchanged");
}

#[test]
fn links_large_files_and_paths_that_climb_bring_nothing_in() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let acme = wholesale.reseller("acme");
    let secret = wholesale.desk.path("secret.kdl");
    fs::write(&secret, "language 1\nreseller \"acme\" {\n    company \"Stolen\"\n}\n").expect("a file");
    symlink(&secret, acme.join("linked.kdl")).expect("a link");
    symlink("..", acme.join("loop")).expect("a link");
    commit(&acme, "Links");
    let output = wholesale.update(&["acme"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("linked.kdl is a symbolic link, and is not read"), "{}", said(&output));
    assert!(!said(&output).contains("Stolen"));
    // A text that is larger than any text may be.
    let large = fs::File::create(acme.join("large.kdl")).expect("a file");
    large.set_len(100 * 1024 * 1024).expect("a large file");
    commit(&acme, "Large");
    let output = wholesale.update(&["acme", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(outcome(&json(&output), "acme")["problems"][0]["code"], "kdl::too-large");
    fs::remove_file(acme.join("large.kdl")).expect("a file");
    // A tree that git itself would never write: a folder of the name `..`.
    commit(&acme, "Small again");
    let empty = git(&acme, &["hash-object", "-w", "--stdin"]);
    let entry = format!("100644 blob {empty}\tevil.kdl");
    let inner = piped(&acme, &["mktree"], &entry);
    let outer = piped(&acme, &["mktree"], &format!("040000 tree {inner}\t.."));
    let climbing = git(&acme, &["commit-tree", &outer, "-p", "HEAD", "-m", "Climbs"]);
    git(&acme, &["update-ref", "refs/heads/main", &climbing]);
    let output = wholesale.update(&["acme", "--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(outcome(&json(&output), "acme")["outcome"], "unreachable");
    assert!(said(&output).contains(".."), "git says why: {}", said(&output));
    assert_eq!(codes(&wholesale.check()), Vec::<String>::new());
}

fn piped(folder: &Path, arguments: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("git starts");
    child.stdin.take().expect("a pipe").write_all(format!("{input}\n").as_bytes()).expect("a pipe");
    let output = child.wait_with_output().expect("git ends");
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn who_is_not_known_is_wrong_usage_with_the_known_ones() {
    let wholesale = Desk::new();
    let platform = wholesale.example("plain");
    let path = platform.to_str().expect("a plain path");
    let output = wholesale.call(&["reseller", "update", "--repository", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("repository \"https://"), "{}", said(&output));
}

#[test]
fn links_and_pipes_among_the_files_are_named_and_not_read() {
    let desk = Desk::new();
    let platform = desk.example("linked");
    let folder = platform.join("resellers/acme");
    symlink("/etc/passwd", folder.join("passwd.kdl")).expect("a link");
    symlink("..", folder.join("loop")).expect("a link");
    let output = desk.call(&["check", platform.to_str().expect("a plain path"), "--no-cache"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for path in ["resellers/acme/passwd.kdl", "resellers/acme/loop"] {
        let told = said(&output).matches(&format!("note: {path} is a symbolic link, and is not read")).count();
        assert_eq!(told, 1, "{}", said(&output));
    }
}

#[test]
fn a_branch_that_is_not_there_is_told_with_where_to_name_another() {
    if !desk::has("git") {
        return;
    }
    let wholesale = Wholesale::pinned();
    let again = wholesale.update(&["--json"]);
    assert_eq!(json(&again)["written"], false, "nothing was new");
    git(&wholesale.reseller("acme"), &["branch", "-m", "main", "trunk"]);
    let output = wholesale.update(&["acme"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), said(&output));
    assert!(told.contains("the repository has no branch `main`"), "{told}");
}
