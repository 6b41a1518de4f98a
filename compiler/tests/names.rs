//! What the real name servers' own checkers say of zones and configurations, and what they read in them.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example from disk, start the daemons' checkers, and say what they skip"
)]

mod northmail;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use blueprint::dns::{Data, Held, Record, Zone};
use blueprint::{File, Tree};
use compiler::{compile, render};
use proptest::strategy::{Strategy, ValueTree};

/// Fills holes with what an environment would: some key.
fn filled(file: &File) -> String {
    let mut text = String::new();
    for piece in &file.pieces {
        match piece {
            blueprint::Piece::Bytes(bytes) => {
                text.push_str(std::str::from_utf8(bytes).expect("what is rendered is text"))
            }
            blueprint::Piece::DkimRecord(_) => {
                text.push_str("\"v=DKIM1; k=ed25519; p=AhEMCVFQzkDd1m7wrdBSpTIc9aXPciNH0ZNd4rFfp1U=\"")
            }
            blueprint::Piece::ServerKeys { line, .. } => {
                for digit in ["5", "c"] {
                    text.push_str(&format!("{line}3 1 1 {}\n", digit.repeat(64)));
                }
            }
            blueprint::Piece::Digest(_) => {}
            blueprint::Piece::Secret(_) => text.push_str("AhEMCVFQzkDd1m7wrdBSpTIc9aXPciNH0ZNd4rFfp1U="),
        }
    }
    text
}

/// Writes a tree's files below a folder, with the paths in them and in commands pointing there.
fn lay_out(root: &Path, tree: &Tree) {
    for (path, file) in &tree.files {
        let path = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("the folder can be made");
        fs::write(path, filled(file).replace("\"/etc/", &format!("\"{}/etc/", root.display())))
            .expect("it can be written");
    }
}

fn is_installed(program: &str) -> bool {
    let found = Path::new(program).exists();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// Runs a checker; any word but the harmless ones counts.
fn ask(root: &Path, command: &[String], harmless: &[String]) {
    let (program, arguments) = command.split_first().expect("there is a program");
    if !is_installed(program) {
        return;
    }
    let arguments = arguments.iter().map(|argument| match argument.starts_with("/etc/") {
        true => format!("{}{argument}", root.display()),
        false => argument.clone(),
    });
    let output = Command::new(program).args(arguments).output().expect("the program is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = said
        .lines()
        .filter(|line| !harmless.iter().any(|part| line.contains(part)) && *line != "Configuration is valid")
        .collect();
    assert!(output.status.success() && words.is_empty(), "{command:?}: {}\n{said}", output.status);
}

#[test]
fn the_servers_themselves_find_nothing_to_say_about_names() {
    let sources = northmail::sources();
    for environment in ["dev", "production"] {
        let parsed = spec::parse(&sources);
        let output = compile(&sources, &parsed, environment).output.expect("nothing is wrong with the example");
        let bundle = render(&output, &sources);
        for (_, tree) in bundle.nodes.iter().filter(|(_, tree)| tree.files.contains_key("/etc/unbound/unbound.conf")) {
            let root = tempfile::tempdir().expect("a temporary folder");
            lay_out(root.path(), tree);
            for check in tree.checks.iter().filter(|check| check.name == "knot" || check.name.starts_with("zone")) {
                ask(root.path(), &check.command, &check.harmless);
            }
            unbound(root.path());
        }
    }
}

/// Unbound wants its root key and its user, which only nodes have.
fn unbound(root: &Path) {
    let path = root.join("etc/unbound/unbound.conf");
    let text = fs::read_to_string(&path).expect("it was just written");
    let lines = text.lines().filter(|line| !line.contains("auto-trust-anchor-file") && !line.contains("username"));
    fs::write(&path, lines.collect::<Vec<_>>().join("\n") + "\n").expect("it can be written");
    let words = ["/usr/sbin/unbound-checkconf", "/etc/unbound/unbound.conf"].map(str::to_owned);
    ask(root, &words, &["no errors in".to_owned()]);
}

/// How many texts are read back.
const TEXTS: usize = 64;

#[test]
fn a_text_is_answered_by_knot_as_it_was_meant() {
    if !is_installed("/usr/sbin/knotd") {
        return;
    }
    let host = |name: &str| name.parse().expect("a name");
    let strategy = ("\\PC{0,300}", "[\\n\\r\\x00 \\t;()@$\"'\\\\\u{2028}a0]{0,12}", "\\PC{0,300}");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts: Vec<String> = (0..TEXTS)
        .map(|_| {
            let (before, hostile, after) = strategy.new_tree(&mut runner).expect("a text").current();
            format!("{before}{hostile}{after}")
        })
        .collect();
    let text = |(number, text): (usize, &String)| Record {
        name: format!("t{number}.acme.example"),
        data: Data::Text(text.clone()),
    };
    let mut records = vec![
        Record { name: "acme.example".to_owned(), data: Data::Server(host("ns.acme.example")) },
        Record { name: "ns.acme.example".to_owned(), data: Data::Address("192.0.2.1".parse().expect("an address")) },
    ];
    records.extend(texts.iter().enumerate().map(text));
    let zone = Zone {
        name: "acme.example".to_owned(),
        held: Held::Platform,
        ttl: 60,
        authority: (host("ns.acme.example"), "a\\034b\\010.acme.example".to_owned()),
        records,
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path(), &filled(&compiler::render::zone::master::file(&zone, 7)));
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(server.text(&format!("t{number}.acme.example")), text.as_bytes(), "{text:?}");
    }
}

/// Knot with one zone on a port of its own; it ends with the value.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(folder: &Path, zone: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let here = folder.display();
        let configuration = format!(
            "server:\n    rundir: {here}\n    listen: 127.0.0.1@{port}\ndatabase:\n    storage: {here}\n\
             template:\n  - id: default\n    storage: {here}\nzone:\n  - domain: acme.example\n    file: zone\n"
        );
        fs::write(folder.join("zone"), zone).expect("it can be written");
        fs::write(folder.join("conf"), configuration).expect("it can be written");
        let process = Command::new("/usr/sbin/knotd")
            .arg("-c")
            .arg(folder.join("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is installed");
        Self { process, port }
    }

    /// Asks for the text of a name (RFC 1035 §4, over TCP, since texts are long).
    fn text(&self, name: &str) -> Vec<u8> {
        let mut question = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).expect("a label is short"));
            question.extend_from_slice(label.as_bytes());
        }
        question.extend_from_slice(&[0, 0, 16, 0, 1]);
        let mut message = u16::try_from(question.len()).expect("a question is short").to_be_bytes().to_vec();
        message.extend_from_slice(&question);
        // It loads its zone after it has its port; until then it does not know the name.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while std::time::Instant::now() < until {
            let answer = self.ask(&message).unwrap_or_default();
            if answer.get(7) == Some(&1) {
                // The record's data follows its length, ten octets behind the question.
                let (_, rest) = answer.split_at(question.len() + 12);
                let (mut text, mut rest) = (Vec::new(), rest);
                while let Some((length, after)) = rest.split_first() {
                    let (string, after) = after.split_at(usize::from(*length));
                    text.extend_from_slice(string);
                    rest = after;
                }
                return text;
            }
            std::thread::yield_now();
        }
        panic!("Knot does not answer for {name}");
    }

    fn ask(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).ok()?;
        stream.write_all(message).ok()?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).ok()?;
        Some(answer)
    }
}
