//! The example platform on its real daemons: brought up, written to, read from, changed while it runs, ended.

#![expect(clippy::print_stdout, reason = "what was skipped is told")]
#![expect(clippy::indexing_slicing, reason = "a document that lacks something has failed the test")]

mod desk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use desk::engine::Engine;
use desk::{Desk, has, until};
use serde_json::Value;

/// Ends the environment whatever happens.
struct Platform<'a> {
    desk: &'a Desk,
    repository: PathBuf,
}

impl Platform<'_> {
    fn call(&self, verb: &str, more: &[&str]) -> Output {
        let path = self.repository.to_str().expect("a plain path");
        self.desk.command(&[&[verb, path, "--env", "qa"], more].concat()).output().expect("the program starts")
    }

    fn json(&self, verb: &str, more: &[&str]) -> Value {
        let output = self.call(verb, &[&["--json"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{verb}: {error}: {said}"))
    }
}

impl Drop for Platform<'_> {
    fn drop(&mut self) {
        let _ = self.call("down", &[]);
    }
}

fn door(up: &Value, service: &str) -> String {
    let doors = up["doors"].as_array().expect("doors");
    let door = doors.iter().find(|door| door["service"] == service).unwrap_or_else(|| panic!("no door {service}"));
    format!("{}:{}", door["host"].as_str().expect("host"), door["port"])
}

fn curl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).output();
    let output = output.expect("curl starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn send(up: &Value, letter: &Path, recipient: &str) -> (bool, String) {
    curl(&[
        &format!("smtp://{}/mx.bigmail.example", door(up, "mx")),
        // The host of the simulated internet that may send for bigmail.example.
        "--interface",
        "127.18.0.1",
        "--mail-from",
        "bob@bigmail.example",
        "--mail-rcpt",
        recipient,
        "--upload-file",
        letter.to_str().expect("a plain path"),
    ])
}

fn read(up: &Value, what: &str) -> (bool, String) {
    let accounts = up["accounts"].as_array().expect("accounts");
    let alice = accounts.iter().find(|account| account["address"] == "alice@acme.example").expect("alice");
    let password = alice["password"].as_str().expect("a password");
    curl(&[
        "--cacert",
        up["authority"].as_str().expect("the authority"),
        "--user",
        &format!("alice@acme.example:{password}"),
        &format!("imaps://{}/{what}", door(up, "imaps")),
    ])
}

impl Platform<'_> {
    /// Runs a command in a node; returns whether it went well, and what it said.
    fn exec(&self, node: &str, words: &[&str]) -> (bool, String) {
        let path = self.repository.to_str().expect("a plain path");
        let mut command = self.desk.command(&["exec", node, "--repository", path, "--env", "qa", "--"]);
        let output = command.args(words).output().expect("the program starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }
}

/// Loads every node's packet filter where it belongs, and knocks.
fn filters_let_in_what_is_meant_and_nothing_else(platform: &Platform<'_>, status: &Value) {
    for node in status["nodes"].as_object().expect("nodes").keys().filter(|node| *node != "internet") {
        let (loaded, said) = platform.exec(node, &["/usr/sbin/nft", "-f", "/etc/nftables.conf"]);
        if !loaded && said.contains("Operation not supported") {
            println!("skipped: this kernel has no packet filter: {said}");
            return;
        }
        assert!(loaded, "{node}: {said}");
    }
    let store = "store-1.qa.northmail.example";
    for (from, host, port, open) in [
        ("mx-1", store, 24, true),
        ("mx-1", "directory-1.qa.northmail.example", 5432, true),
        ("monitor-1", store, 9900, true),
        ("mx-1", store, 9900, false),
        ("mx-1", store, 22, false),
        // Only outbound nodes speak SMTP to the world.
        ("outbound-1", "198.18.0.1", 25, true),
        ("mx-1", "198.18.0.1", 25, false),
        ("store-1", "198.18.0.1", 25, false),
    ] {
        let knock = format!("timeout 3 bash -c '</dev/tcp/{host}/{port}'");
        assert_eq!(platform.exec(from, &["bash", "-c", &knock]).0, open, "{from} at {host}:{port}");
    }
}

/// Loses a mailbox with all its files, then the whole database, and has both again from their copies.
fn copies_bring_everything_back(platform: &Platform<'_>, up: &Value, letter: &str) {
    const RUN: &str = "/etc/mailwright/backup/run";
    let restore = |words: &[&str]| {
        let path = platform.repository.to_str().expect("a plain path");
        let mut command = platform.desk.command(&["restore", "--repository", path, "--env", "qa"]);
        let output = command.args(words).output().expect("the program starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    const ALICE: &str = "alice@acme.example";
    if !platform.exec("store-1", &["sh", "-c", "command -v restic"]).0 {
        println!("skipped: this root file system has no restic, so that nothing is copied");
        return;
    }
    let well = |(went, said): (bool, String)| assert!(went, "{said}");
    well(restore(&["--now"]));
    let (listed, copies) = restore(&["--list"]);
    assert!(listed && copies.contains("store-1"), "{copies}");
    let lose = format!("home=$(doveadm user -f home {ALICE}) && test -d \"$home/mail\" && rm -rf \"$home\"");
    well(platform.exec("store-1", &["sh", "-c", &lose]));
    assert!(!read(up, "INBOX;MAILINDEX=1").0, "the message is gone");
    well(restore(&[ALICE]));
    let (there, again) = read(up, "INBOX;MAILINDEX=1");
    assert!(there && again == letter, "not one octet is another: {again}");
    well(restore(&[ALICE]));
    assert!(!read(up, "INBOX;MAILINDEX=2").0, "what is there is not brought back twice");
    // Beside what is there, in a folder of its own, and once, however often that is asked for.
    for _ in 0..2 {
        well(restore(&[ALICE, "--folder", "As it was"]));
        let (there, again) = read(up, "As%20it%20was/INBOX;MAILINDEX=1");
        assert!(there && again == letter, "not one octet is another: {again}");
    }
    assert!(!read(up, "As%20it%20was/INBOX;MAILINDEX=2").0, "nothing is there twice");
    let (went, said) = restore(&["nobody@acme.example"]);
    assert!(!went && said.contains("no store has a mailbox nobody@acme.example"), "{said}");
    well(platform.exec("store-1", &[RUN, "try"]));

    well(platform.exec("directory-1", &[RUN, "copy"]));
    let drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-h", "/run/postgresql"];
    well(platform.exec("directory-1", &[&drop[..], &["-c", "DROP DATABASE mailwright WITH (FORCE)"]].concat()));
    well(platform.exec("directory-1", &[RUN, "directory"]));
    well(platform.exec("directory-1", &[RUN, "try"]));
    until("daemons ask the directory again", 60, || read(up, "INBOX;MAILINDEX=1").1 == letter);
    println!("a lost mailbox and a lost database are back");
}

/// Asks doors for a host by its name (TLS server name indication), and looks at the names they answer with.
fn brands_show_certificates_of_their_own(desk: &Desk, up: &Value) {
    if !has("openssl") {
        return;
    }
    for (service, starttls, host) in [
        ("imaps", None, "imap.acme.example"),
        ("imaps", None, "imap.globex.example"),
        ("imap", Some("imap"), "imap.acme.example"),
        ("pop3s", None, "pop.acme.example"),
        ("managesieve", Some("sieve"), "imap.globex.example"),
        ("submissions", None, "smtp.acme.example"),
        ("submission", Some("smtp"), "smtp.globex.example"),
        // The web nodes' own hosts are told apart by name, at the door that all web nodes share.
        ("console", None, "webmail.acme.example"),
    ] {
        let at = door(up, service);
        let authority = up["authority"].as_str().expect("the authority");
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &at, "-servername", host, "-verify_hostname", host]);
        command.args(["-verify_return_error", "-CAfile", authority, "-showcerts"]);
        command.args(starttls.map(|protocol| ["-starttls", protocol]).into_iter().flatten());
        let output = command.stdin(Stdio::null()).output().expect("openssl starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("Verification: OK"), "{service} as {host}: {said}");
        let kept = desk.path("shown.pem");
        std::fs::write(&kept, said).expect("a file on the desk");
        let read = Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(kept).output();
        let names = String::from_utf8_lossy(&read.expect("openssl starts").stdout).into_owned();
        let other = if host.contains("acme") { "globex" } else { "acme" };
        assert!(names.contains(host) && !names.contains(other), "{service} as {host}: {names}");
    }
}

/// Reads in the platform's zone which keys its mx shows (RFC 7672), and has openssl accept no others of it.
fn the_mx_shows_the_key_that_its_zone_tells(platform: &Platform<'_>, up: &Value) {
    const HOST: &str = "mx.a.qa.northmail.example";
    if !has("openssl") {
        return;
    }
    let ask = ["kdig", "@127.0.0.1", "-p", "5353", "+dnssec", "+noall", "+answer", "TLSA", &format!("_25._tcp.{HOST}")];
    let (answered, said) = platform.exec("dns-1", &ask);
    assert!(answered && said.contains("RRSIG"), "the zone is signed: {said}");
    let told: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once("TLSA")?.1.trim())).collect();
    let told: Vec<&str> = told.into_iter().filter(|record| record.starts_with("3 1 1 ")).collect();
    assert_eq!(told.len(), 2, "the key that is shown, and the next one: {said}");
    let connects = |records: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &door(up, "mx"), "-starttls", "smtp", "-verify_return_error"]);
        command.args(["-dane_tlsa_domain", HOST, "-dane_ee_no_namechecks"]);
        for record in records {
            command.args(["-dane_tlsa_rrdata", record]);
        }
        let output = command.stdin(Stdio::null()).output().expect("openssl starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = connects(&told);
    assert!(said.contains("Verification: OK") && said.contains("DANE TLSA 3 1 1"), "{said}");
    let other = format!("3 1 1 {}", "5c".repeat(32));
    let said = connects(&[&other]);
    assert!(!said.contains("Verification: OK"), "another key is not believed: {said}");
}

/// Has a neighbour hand more to a pool of new addresses than they may send on their first day; nothing of it is sent.
fn new_addresses_take_no_more_than_their_first_day_allows(platform: &Platform<'_>) {
    const HAND_OVER: &str = "import smtplib\n\
        pool = smtplib.SMTP('outbound-1.qa.northmail.example', 10100, timeout=60)\n\
        pool.starttls()\n\
        pool.ehlo()\n\
        pool.mail('alice@acme.example')\n\
        print(' '.join(str(pool.rcpt('r%d@bigmail.example' % number)[0]) for number in range(52)))\n";
    if !platform.exec("submission-1", &["sh", "-c", "command -v python3"]).0 {
        println!("skipped: this root file system has no python3, by which recipients would be named");
        return;
    }
    let (went, said) = platform.exec("submission-1", &["python3", "-c", HAND_OVER]);
    assert!(went, "{said}");
    let codes: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(codes, [vec!["250"; 50], vec!["450"; 2]].concat(), "fifty on the first day (`warm-up`)");
}

/// Says why real daemons cannot run here.
fn is_lacking() -> bool {
    if std::env::var_os("MAILWRIGHT_ROOT").is_none() {
        println!("skipped: MAILWRIGHT_ROOT names no root file system");
        return true;
    }
    !has("curl") || !has("unshare") || !has("ip")
}

#[test]
fn a_message_to_the_real_platform_is_read_and_a_change_is_taken_over_while_it_runs() {
    if is_lacking() {
        return;
    }
    let desk = Desk::new();
    let platform = Platform { repository: desk.example("northmail"), desk: &desk };
    everything_holds(&platform, "namespace");
}

#[test]
fn the_same_holds_in_containers_which_leave_nothing_behind() {
    if is_lacking() {
        return;
    }
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut desk = Desk::new();
    desk.engine = Some(engine.address());
    let platform = Platform { repository: desk.example("northmail"), desk: &desk };
    let other = Platform { repository: desk.example("other"), desk: &desk };
    if !everything_holds(&platform, "container") {
        return;
    }
    // The same addresses once more, beside it, from the image that the engine has.
    let output = other.call("up", &["--backend", "container", "--detach", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("giving the container engine"), "the engine has it already: {said}");
    let up: Value = serde_json::from_slice(&output.stdout).expect("up prints one JSON document");
    assert!(!read(&up, "INBOX;MAILINDEX=1").0, "mail of one environment is not in another");
    let status = other.json("status", &[]);
    assert_eq!(status["state"], "ready", "{status:#}");
    let nodes = status["nodes"].as_object().expect("nodes").len();
    assert_eq!(engine.containers(), 2 * nodes, "a container a node, and one for the world");
    assert_eq!(platform.json("status", &[])["state"], "ready");
    // Neither a node nor the world leads out, not even to the machine that the engine is on.
    for node in ["mx-1", "internet"] {
        let (_, devices) = other.exec(node, &["ip", "-brief", "link"]);
        assert_eq!(devices.lines().count(), 2, "a loop and a wire: {devices}");
    }

    // A tool that is killed takes its containers with it; what is left goes when somebody looks after it.
    let process = status["pid"].as_u64().expect("a process").to_string();
    assert!(Command::new("kill").args(["-9", &process]).status().expect("kill starts").success());
    until("the containers end by themselves", 30, || engine.containers() == nodes);
    assert_eq!(engine.networks(), 2, "its network is still there");
    assert!(other.call("down", &[]).status.success());
    assert_eq!(engine.networks(), 1);
    assert!(platform.call("down", &[]).status.success());
    assert_eq!((engine.containers(), engine.networks()), (0, 0));
}

#[test]
fn an_engine_that_does_not_answer_is_refused_by_its_socket_and_the_next_step() {
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let path = repository.to_str().expect("a plain path");
    for (address, named) in [
        ("unix:///nowhere/engine.sock", "no container engine answers at /nowhere/engine.sock"),
        ("tcp://127.0.0.1:2375", "`tcp://127.0.0.1:2375`"),
    ] {
        desk.engine = Some(address.to_owned());
        let output = desk.call(&["up", path, "--env", "qa", "--backend", "container", "--root", "/"]);
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("takes root") {
            println!("skipped: {said}");
            return;
        }
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains(named) && said.contains("DOCKER_HOST=unix:///"), "{said}");
    }
}

/// Brings the platform up, writes to it, reads from it and changes it.
///
/// - Returns: whether it could be brought up here.
fn everything_holds(platform: &Platform<'_>, backend: &str) -> bool {
    let desk = platform.desk;
    let began = Instant::now();
    let output = platform.call("up", &["--backend", backend, "--detach", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("take root") || said.contains("takes root") {
        println!("skipped: {said}");
        return false;
    }
    assert!(output.status.success(), "{said}");
    let up: Value = serde_json::from_slice(&output.stdout).expect("up prints one JSON document");
    println!("ready after {:.1} s", began.elapsed().as_secs_f64());
    let letter = desk.path("letter.eml");
    let text = "From: bob@bigmail.example\r\nTo: alice@acme.example\r\nSubject: really\r\n\
                Message-ID: <1@bigmail.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n";
    std::fs::write(&letter, text).expect("a file on the desk");
    let (sent, said) = send(&up, &letter, "alice@acme.example");
    assert!(sent, "{said}");
    let mut found = String::new();
    until("the message is there", 60, || {
        let (there, said) = read(&up, "INBOX;MAILINDEX=1");
        found = said;
        there
    });
    println!("read after {:.1} s", began.elapsed().as_secs_f64());
    assert!(found.contains("Subject: really") && found.contains("spf=pass"), "{found}");
    assert!(!send(&up, &letter, "nobody@globex.example").0, "an unknown recipient is refused");

    // Nodes that no door leads to are begun after the doors answer.
    let mut status = Value::Null;
    until("all nodes are settled", 90, || {
        status = platform.json("status", &[]);
        let nodes = status["nodes"].as_object().expect("nodes");
        nodes.len() >= 14 && nodes.values().all(|node| node["settled"] == true)
    });
    assert_eq!(status["state"], "ready", "{status:#}");

    brands_show_certificates_of_their_own(desk, &up);
    the_mx_shows_the_key_that_its_zone_tells(platform, &up);
    new_addresses_take_no_more_than_their_first_day_allows(platform);
    copies_bring_everything_back(platform, &up, &found);
    filters_let_in_what_is_meant_and_nothing_else(platform, &status);
    assert!(read(&up, "INBOX;MAILINDEX=1").0, "the doors are open behind their filters");

    // Half of the size is half of the size, with the same processes in the same places.
    let specification = platform.repository.join("platform.kdl");
    let text = std::fs::read_to_string(&specification).expect("the example");
    std::fs::write(&specification, text.replace("max-message \"35MiB\"", "max-message \"17MiB\"")).expect("a change");
    let again = platform.json("up", &["--backend", backend, "--detach"]);
    assert_eq!(again["doors"], up["doors"]);
    let changed = platform.json("status", &[]);
    assert_eq!(changed["pid"], status["pid"], "the same process serves it");
    let process = |status: &Value| status["nodes"]["mx-1"]["process"].clone();
    assert_eq!(process(&changed), process(&status));
    until("the mx says its new limit", 30, || {
        let output = desk
            .command(&[
                "exec",
                "mx-1",
                "--repository",
                platform.repository.to_str().expect("a plain path"),
                "--env",
                "qa",
            ])
            .args(["--", "postconf", "-h", "message_size_limit"])
            .output()
            .expect("the program starts");
        String::from_utf8_lossy(&output.stdout).trim() == (17 << 20).to_string()
    });
    assert!(read(&up, "INBOX;MAILINDEX=1").0, "mail is still there");
    let logs = platform.call("logs", &["--node", "mx-1"]);
    assert!(String::from_utf8_lossy(&logs.stdout).contains("postfix"), "the node's daemons are in the log");
    true
}
