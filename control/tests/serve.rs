//! `mailwright-serve` as a program: several at once on one directory, told to take changes over, told to end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and what it started ends with it"
)]

mod world;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use world::server;

struct Program {
    child: Child,
    log: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailwright-serve"))
            .args(["api", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        let mut it = Self { child, log, address: String::new() };
        it.address = it.said("ready on ").trim_start_matches("ready on ").to_owned();
        it
    }

    /// Reads the log up to a line that begins so.
    fn said(&mut self, begin: &str) -> String {
        let mut line = String::new();
        let mut before = String::new();
        while self.log.read_line(&mut line).unwrap() > 0 {
            if line.starts_with(begin) {
                return line.trim().to_owned();
            }
            before.push_str(&std::mem::take(&mut line));
        }
        panic!("ended without `{begin}`: {before}");
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    fn call(&self, method: &str, fields: &Value) -> Value {
        let body = fields.to_string();
        let answer = self.ask(&format!(
            "POST /api/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }

    fn tell(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

/// Writes what the program is given on its node.
fn given(folder: &Path, server: &control::Server) -> std::path::PathBuf {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let settings = json!({
        "version": 1, "listen": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"],
        "directory": {
            "host": server.host, "port": server.port, "database": server.database, "user": server.user,
            "password_file": write("password", "unused\n"), "authority": null
        },
        "blueprint": write("blueprint.json", &serde_json::to_string(&world::blueprint()).unwrap()),
        "roster": write("roster.json", &world::roster_value().to_string()),
        "brands": folder.join("brands"),
        "operators": ["admin@northmail.adm"],
        "passwords": { "admin@acme.adm": write("passwords/acme", "first secret\n") }
    });
    write("brands/acme/acme/acme.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    write("serve.json", &settings.to_string()).into()
}

#[test]
fn several_serve_one_directory_and_take_changes_over_when_told() {
    if !server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = server::database(folder.path()).unwrap();
    let config = given(folder.path(), &database);
    let both = [config.clone(), config].map(|config| std::thread::spawn(move || Program::start(&config)));
    let [mut one, mut other] = both.map(|program| program.join().unwrap());
    assert!(one.get("/health").ends_with("\r\n\r\nok\n"));
    assert!(one.get("/").contains("<form") && one.get("/nowhere").starts_with("HTTP/1.1 404"));
    let credentials = json!({ "user": "admin@acme.adm", "password": "first secret" });
    let made = one.call(
        "change_user",
        &json!({ "credentials": credentials, "user": "new@acme.example", "attributes": { "password": "of-his-own" } }),
    );
    assert_eq!(made["success"], true, "{made}");
    // What one has made, the other and the daemons see at once.
    let seen = other.call("get_user", &json!({ "credentials": credentials, "user": "new@acme.example" }));
    assert_eq!(seen["success"], true, "{seen}");
    let asked = "SELECT username FROM lookup.passdb('new@acme.example', 'imap')";
    assert_eq!(server::psql(&database, &database.database, asked).unwrap().trim(), "new@acme.example");

    let mut roster = world::roster_value();
    roster["mailboxes"].as_array_mut().unwrap().retain(|it| it["address"] != "pong@second.example");
    fs::write(folder.path().join("roster.json"), roster.to_string()).unwrap();
    one.tell("-HUP");
    assert_eq!(one.said("seeded"), "seeded: 0 created, 0 renamed, 0 suspended, 1 deleted");
    for program in [&mut one, &mut other] {
        program.tell("-TERM");
        program.said("ended");
        assert!(program.child.wait().unwrap().success());
    }
}
