//! `check` of a generated repository of a million mailboxes, beside the kdl crate on a part of the same text.
//!
//! `cargo bench -p mailwright --bench check [-- MAILBOXES]`. Prints whole processes' time and memory: checked cold, checked again with
//! one file changed, planned with one file changed, and the example; then how fast the kdl crate reads one of the generated files and
//! what that would mean for all of them; then every file of a platform with 20,000 mailboxes, written by `build` and, where
//! `ansible-playbook` is installed, the same accounts and as many nodes templated by it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const DOMAINS_EACH: usize = 10;
const MAILBOXES_EACH: usize = 100;

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let mailboxes: usize = asked.unwrap_or(1_000_000);
    let resellers = (mailboxes / (DOMAINS_EACH * MAILBOXES_EACH)).max(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("large");
    let bytes = generate(&repository, resellers);
    println!(
        "{resellers} resellers, {} mailboxes, {:.1} MB",
        resellers * DOMAINS_EACH * MAILBOXES_EACH,
        bytes as f64 / 1e6
    );
    let cache = folder.path().join("cache");
    let check = |how: &[&str]| measure(&cache, &["check"], &repository, how);
    println!("{:<44} {:>7} {:>7} {:>9}", "", "wall s", "cpu s", "MiB");
    for round in 1..=3 {
        row(&format!("check, cold, nothing kept, round {round}"), check(&["--no-cache"]));
    }
    row("check, cold, outlines kept", check(&[]));
    // A file system's clock is coarse: what changed a moment ago is read once more.
    std::thread::sleep(Duration::from_millis(3100));
    row("check, nothing changed since, files read", check(&[]));
    for round in 1..=3 {
        change(&repository, round);
        row(&format!("check, one file changed, round {round}"), check(&[]));
    }
    row("check, nothing changed", check(&[]));
    let before = folder.path().join("before");
    generate(&before, resellers);
    row(
        "plan, one file changed",
        measure(&cache, &["plan", "--from-folder"], &before, &[&repository.to_string_lossy()]),
    );
    example(&cache);
    peer(&repository, bytes);
    templates(folder.path(), &cache);
}

/// What a whole process took.
struct Figures {
    wall: f64,
    cpu: f64,
    mebibytes: f64,
    said: String,
}

/// Runs the program as `VERB PATH HOW`.
fn measure(cache: &Path, verb: &[&str], path: &Path, how: &[&str]) -> Figures {
    timed(env!("CARGO_BIN_EXE_mailwright"), |command| {
        command.args(verb).arg(path).args(how).env("XDG_CACHE_HOME", cache);
    })
}

/// Runs a program as a whole process.
fn timed(program: &str, arguments: impl FnOnce(&mut Command)) -> Figures {
    let mut command = match Path::new("/usr/bin/time").exists() {
        true => {
            let mut command = Command::new("/usr/bin/time");
            command.args(["-f", "%e %U %S %M", program]);
            command
        }
        false => Command::new(program),
    };
    arguments(&mut command);
    let begin = Instant::now();
    let output = command.output().expect("it starts");
    let wall = begin.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines: Vec<&str> = said.lines().collect();
    let numbers: Vec<f64> =
        lines.last().map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect()).unwrap_or_default();
    let (cpu, kibibytes) = match numbers.as_slice() {
        [_, user, system, kibibytes] => (user + system, *kibibytes),
        _ => (f64::NAN, f64::NAN),
    };
    if cpu.is_finite() {
        lines.pop();
    }
    let said = lines.last().copied().unwrap_or_default().to_owned();
    Figures { wall, cpu, mebibytes: kibibytes / 1024.0, said }
}

fn row(what: &str, figures: Figures) {
    let Figures { wall, cpu, mebibytes, said } = figures;
    println!("{what:<44} {wall:>7.3} {cpu:>7.2} {mebibytes:>9.0}  {said}");
}

/// Gives one mailbox of one reseller another name.
fn change(repository: &Path, round: usize) {
    let path = repository.join("resellers/r0/r0.kdl");
    let text = fs::read_to_string(&path).expect("a generated file");
    let (before, rest) = text.split_once("name \"User").expect("a generated mailbox");
    fs::write(path, format!("{before}name \"User {round}{rest}")).expect("it can be written");
}

/// Checks the example as a whole process, as CI does on each commit.
fn example(cache: &Path) {
    let northmail = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("examples/northmail");
    let mut walls: Vec<f64> = (0..21).map(|_| measure(cache, &["check"], &northmail, &[]).wall).collect();
    walls.sort_by(f64::total_cmp);
    println!(
        "check of examples/northmail: {:.1} ms, the middle of {}",
        walls.get(10).unwrap_or(&f64::NAN) * 1e3,
        walls.len()
    );
}

fn peer(repository: &Path, bytes: usize) {
    let text = fs::read_to_string(repository.join("resellers/r0/r0.kdl")).expect("a generated file");
    let begin = Instant::now();
    let parsed = kdl::KdlDocument::parse(&text).is_ok();
    let theirs = begin.elapsed().as_secs_f64();
    assert!(parsed, "the kdl crate reads what we generate");
    let begin = Instant::now();
    let ours = spec::kdl::read(spec::FileId(0), text.as_bytes());
    let own = begin.elapsed().as_secs_f64();
    assert!(ours.problems.is_empty());
    println!(
        "reading one file of {} KB: kdl crate {:.1} ms, ours {:.2} ms, ratio {:.0}; the kdl crate would need {:.0} s for all",
        text.len() / 1000,
        theirs * 1e3,
        own * 1e3,
        theirs / own,
        theirs * bytes as f64 / text.len() as f64
    );
}

/// Writes the files of a platform with 20,000 mailboxes, and has Ansible template the same accounts for as many nodes.
fn templates(folder: &Path, cache: &Path) {
    const RESELLERS: usize = 20;
    let repository = folder.join("templated");
    generate(&repository, RESELLERS);
    let out = folder.join("built");
    let own = measure(cache, &["build"], &repository, &["--out", &out.to_string_lossy()]);
    let nodes = fs::read_dir(out.join("nodes")).map_or(0, Iterator::count);
    assert!(nodes >= 14, "{}: {}", out.display(), own.said);
    let (wall, cpu) = (own.wall, own.cpu);
    row("build, 20,000 mailboxes: checked, decided, written", own);
    if Command::new("ansible-playbook").arg("--version").output().is_err() {
        return println!("skipped: the same by Ansible: no program `ansible-playbook`");
    }
    let play = folder.join("play");
    let written = play.join("written");
    let hosts: Vec<String> = (0..nodes).map(|node| format!("node-{node}")).collect();
    let mut inventory = format!(
        "[all:vars]\nansible_connection=local\nansible_python_interpreter={{{{ ansible_playbook_python }}}}\nwritten={}\n[all]\n",
        written.display()
    );
    hosts.iter().for_each(|host| inventory.push_str(&format!("{host}\n")));
    // Who routes, who keeps and who authenticates mail needs the accounts; everybody has settings.
    inventory.push_str("[accounts]\n");
    hosts.iter().take(4).for_each(|host| inventory.push_str(&format!("{host}\n")));
    put(&play.join("inventory"), &inventory);
    let domains: Vec<serde_json::Value> = (0..RESELLERS * DOMAINS_EACH)
        .map(|domain| {
            let name = format!("d{}.r{}.example", domain % DOMAINS_EACH, domain / DOMAINS_EACH);
            let mailboxes: Vec<_> = (0..MAILBOXES_EACH)
                .map(|m| serde_json::json!({"user": format!("user{m}"), "alias": format!("u{m}")}))
                .collect();
            serde_json::json!({"name": name, "mailboxes": mailboxes})
        })
        .collect();
    put(&play.join("accounts.json"), &serde_json::json!({ "domains": domains }).to_string());
    let settings: String =
        (0..120).map(|line| format!("setting_{line} = {{{{ inventory_hostname }}}}-{line}\n")).collect();
    put(&play.join("main.cf.j2"), &settings);
    put(
        &play.join("accounts.j2"),
        "{% for domain in domains %}{% for mailbox in domain.mailboxes %}\n{{ mailbox.user }}@{{ domain.name }} \
         /var/vmail/{{ domain.name }}/{{ mailbox.user }}\n{{ mailbox.alias }}@{{ domain.name }} \
         {{ mailbox.user }}@{{ domain.name }}\n{% endfor %}{% endfor %}\n",
    );
    put(
        &play.join("play.yml"),
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: \"{{ written }}/{{ inventory_hostname }}\", state: directory}\n    \
         - template: {src: main.cf.j2, dest: \"{{ written }}/{{ inventory_hostname }}/main.cf\"}\n- hosts: accounts\n  \
         gather_facts: false\n  vars_files: [accounts.json]\n  tasks:\n    - template: {src: accounts.j2, dest: \
         \"{{ written }}/{{ inventory_hostname }}/accounts\"}\n",
    );
    let theirs = timed("ansible-playbook", |command| {
        command.arg("-i").arg(play.join("inventory")).arg(play.join("play.yml")).env("ANSIBLE_NOCOWS", "1");
    });
    let accounts = fs::read_to_string(written.join("node-0/accounts")).unwrap_or_default();
    assert!(accounts.lines().count() >= 2 * RESELLERS * DOMAINS_EACH * MAILBOXES_EACH, "Ansible: {}", theirs.said);
    println!("Ansible takes {:.1} times as long, {:.1} times the processor", theirs.wall / wall, theirs.cpu / cpu);
    row("the same accounts and nodes, templated by Ansible", theirs);
}

/// Writes the repository and returns its size in bytes.
fn generate(repository: &Path, resellers: usize) -> usize {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("examples/northmail");
    let platform = fs::read_to_string(example.join("platform.kdl")).expect("the example");
    let (before, rest) = platform.split_once("    contract \"acme\"").expect("the example has a contract");
    let _ = rest;
    let mut text = before
        .replace("hosts \"x4600\" count=5", "hosts \"x4600\" count=60")
        .replace("front \"203.0.113.0/28\"", "front \"203.0.113.0/24\"")
        .replace("mailboxes=20000", "mailboxes=2000000")
        .replace("typical=\"60MiB\"", "typical=\"1MiB\"")
        .replace("quota \"2GiB\"", "quota \"2MiB\"")
        .replace("size=\"8TiB\"", "size=\"800TiB\"")
        .replace("store count=3", "store count=40");
    for reseller in 0..resellers {
        let _ = writeln!(
            text,
            "    contract \"r{reseller}\" from=\"2026-12-01\" {{\n        mailboxes 5000\n        domains 200\n        storage \"4GiB\"\n        \
             tiers \"basic\"\n        clusters \"a\"\n        outbound \"shared\" limit=\"50000/24h\"\n    }}"
        );
    }
    text.push_str("}\n");
    let mut bytes = put(&repository.join("platform.kdl"), &text);
    let dev = "language 1\nenvironment \"dev\" {\n    platform \"northmail\" release=\"2026.11\"\n    backend \"embedded\"\n    \
               scale \"smallest\"\n    secrets \"generate\"\n    internet \"simulated\"\n}\n";
    bytes += put(&repository.join("environments/dev.kdl"), dev);
    for reseller in 0..resellers {
        let mut text = format!(
            "language 1\nreseller \"r{reseller}\" {{\n    company \"Reseller {reseller}\"\n    contact \"hostmaster@d0.r{reseller}.example\"\n    admin \"admin@r{reseller}.adm\"\n"
        );
        for domain in 0..DOMAINS_EACH {
            let _ = writeln!(
                text,
                "    domain \"d{domain}.r{reseller}.example\" tier=\"basic\" cluster=\"a\" outbound=\"shared\" {{\n        workgroup \"all\" {{"
            );
            for mailbox in 0..MAILBOXES_EACH {
                let _ = writeln!(
                    text,
                    "            mailbox \"user{mailbox}\" {{ name \"User Number {mailbox}\"; alias \"u{mailbox}\"; }}"
                );
            }
            text.push_str("        }\n    }\n");
        }
        text.push_str("}\n");
        bytes += put(&repository.join(format!("resellers/r{reseller}/r{reseller}.kdl")), &text);
    }
    bytes
}

fn put(path: &Path, text: &str) -> usize {
    fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    fs::write(path, text).expect("a file");
    text.len()
}
