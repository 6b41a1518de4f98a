//! The proof that a domain is a reseller's: the record that is asked for, who looks for it, what is written down, and what waits for it.

#![allow(clippy::indexing_slicing, reason = "a document without what a test looks for has failed it")]

mod desk;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use desk::Desk;
use serde_json::{Value, json};

/// Zones that are changed while they are served; a name without texts is none, and one of `broken.net` is in trouble.
type Zone = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// Serves TXT records on loopback until the test ends.
fn serve(zone: &Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let zone = Arc::clone(zone);
    std::thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok((_, from)) = socket.recv_from(&mut bytes) {
            let (mut at, mut labels) = (12, Vec::new());
            while bytes[at] != 0 {
                let end = at + 1 + usize::from(bytes[at]);
                labels.push(String::from_utf8_lossy(&bytes[at + 1..end]).into_owned());
                at = end;
            }
            let name = labels.join(".");
            let texts = zone.lock().expect("nobody breaks").get(&name).cloned().unwrap_or_default();
            let code = match texts.is_empty() {
                _ if name.ends_with("broken.net") => 2,
                true => 3,
                false => 0,
            };
            let count = u8::try_from(texts.len()).expect("few");
            let mut answer = vec![bytes[0], bytes[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
            answer.extend_from_slice(&bytes[12..at + 5]);
            for text in texts {
                let length = u8::try_from(text.len()).expect("a short text");
                answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
                answer.extend_from_slice(text.as_bytes());
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

struct World {
    desk: Desk,
    repository: PathBuf,
    zone: Zone,
    server: String,
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

impl World {
    /// The example, whose reseller acme has a domain and an alias that somebody could hold.
    fn new() -> Self {
        let desk = Desk::new();
        let repository = desk.example("platform");
        let path = repository.join("resellers/acme/acme.kdl");
        let text = fs::read_to_string(&path).expect("the example");
        let more = "    domain \"acme.net\" tier=\"basic\" cluster=\"a\" { alias \"acme-mail.net\"; }\n}\n";
        let text = format!("{}{more}", text.trim_end().strip_suffix('}').expect("the reseller's end"));
        fs::write(&path, text).expect("a file");
        let zone = Zone::default();
        let server = serve(&zone).to_string();
        Self { desk, repository, zone, server }
    }

    fn call(&self, words: &[&str]) -> Output {
        self.desk.command(words).current_dir(&self.repository).output().expect("the program starts")
    }

    fn prove(&self, words: &[&str]) -> Output {
        self.call(&[&["reseller", "prove", "--resolver", &self.server, "--json"], words].concat())
    }

    /// Publishes texts at a name, in the place of those before.
    fn publish(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.zone.lock().expect("nobody breaks").insert(name.to_owned(), texts);
    }

    /// Returns which domains `check` finds no proof of, and how it ends.
    fn unproven(&self) -> (Vec<String>, Option<i32>) {
        let output = self.call(&["check", "--json"]);
        let document = json_of(&output);
        let problems = document["problems"].as_array().expect("problems");
        let found = problems.iter().map(|problem| {
            assert_eq!(
                (&problem["code"], &problem["severity"]),
                (&json!("compiler::unproven-domain"), &json!("warning"))
            );
            let message = problem["message"].as_str().expect("a message");
            message.split('`').nth(1).expect("a domain").to_owned()
        });
        (found.collect(), output.status.code())
    }

    fn lock(&self) -> Value {
        serde_json::from_slice(&fs::read(self.repository.join("mailwright.lock")).expect("a lock")).expect("JSON")
    }
}

fn outcomes(output: &Output) -> Vec<(String, String)> {
    let document = json_of(output);
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let domains = document["domains"].as_array().expect("domains");
    domains.iter().map(|domain| (word(&domain["domain"]), word(&domain["outcome"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(domain, word)| ((*domain).to_owned(), (*word).to_owned())).collect()
}

#[test]
fn a_domain_is_built_for_the_real_internet_once_its_records_were_found() {
    let world = World::new();
    assert_eq!(world.unproven(), (vec!["acme.net".to_owned(), "acme-mail.net".to_owned()], Some(0)));
    let build =
        |env: &str| world.call(&["build", "--env", env, "--out", world.desk.path(env).to_str().expect("a path")]);
    let refused = build("production");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("nothing proves that the domain `acme.net` is acme's"), "{}", said(&refused));
    assert!(!world.desk.path("production").exists(), "nothing is written");
    // Where nobody outside is reached, nothing is to be proven.
    assert_eq!(build("qa").status.code(), Some(0));
    let plan = world.call(&[
        "plan",
        "--env",
        "production",
        "--from-folder",
        desk::root().join("examples/northmail").to_str().expect("a path"),
    ]);
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    assert!(said(&plan).contains("compiler::unproven-domain"), "{}", said(&plan));

    let output = world.prove(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(outcomes(&output), pairs(&[("acme-mail.net", "missing"), ("acme.net", "missing")]));
    assert!(!world.repository.join("mailwright.lock").exists(), "there is nothing to write down");
    let record = json_of(&output)["domains"][1]["record"].clone();
    assert_eq!((&record["name"], &record["type"]), (&json!("_mailwright.acme.net"), &json!("TXT")));
    let text = record["text"].as_str().expect("a text").to_owned();
    let explained = world.call(&["explain", "domain", "acme.net"]);
    assert!(said(&explained).contains(&text), "{}", said(&explained));

    // One of the two is published, beside what else stands there.
    world.publish("_mailwright.acme.net", &["something else", &text]);
    world.publish("_mailwright.acme-mail.net", &[&text]);
    assert_eq!(world.prove(&["acme.net", "--check"]).status.code(), Some(4));
    assert!(!world.repository.join("mailwright.lock").exists());
    let output = world.prove(&[]);
    assert_eq!(
        outcomes(&output),
        pairs(&[("acme-mail.net", "missing"), ("acme.net", "proven")]),
        "a record of another name"
    );
    assert_eq!(world.lock()["domains"]["acme.net"]["reseller"], "acme");
    assert_eq!(world.unproven().0, ["acme-mail.net"]);

    let record = json_of(&output)["domains"][0]["record"]["text"].as_str().expect("a text").to_owned();
    world.publish("_mailwright.acme-mail.net", &[&record]);
    let output = world.prove(&[]);
    assert_eq!(outcomes(&output), pairs(&[("acme-mail.net", "proven")]), "what is proven is not asked for again");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(world.unproven(), (Vec::new(), Some(0)));
    let built = build("production");
    assert_eq!(built.status.code(), Some(0), "{}", said(&built));
    let explained = said(&world.call(&["explain", "domain", "acme.net"]));
    let on = world.lock()["domains"]["acme.net"]["on"].as_str().expect("a date").to_owned();
    assert!(explained.contains(&format!("its TXT record was found on {on}")), "{explained}");
}

#[test]
fn a_proof_ends_with_its_record_or_its_reseller_and_not_because_nobody_answers() {
    let world = World::new();
    let records: Vec<Value> = json_of(&world.prove(&[]))["domains"].as_array().expect("domains").clone();
    for record in &records {
        let (name, text) = (&record["record"]["name"], &record["record"]["text"]);
        world.publish(name.as_str().expect("a name"), &[text.as_str().expect("a text")]);
    }
    assert_eq!(world.prove(&[]).status.code(), Some(0));
    let proven = world.lock();

    // Nobody listens where a socket was closed.
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let output = world.call(&["reseller", "prove", "--all", "--resolver", &closed, "--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(outcomes(&output), pairs(&[("acme-mail.net", "unknown"), ("acme.net", "unknown")]));
    assert_eq!(world.lock(), proven, "what was found stays");

    world.zone.lock().expect("nobody breaks").remove("_mailwright.acme.net");
    assert_eq!(world.prove(&["acme.net"]).status.code(), Some(1));
    assert_eq!(world.unproven().0, ["acme.net"]);
    assert!(world.lock()["domains"].get("acme-mail.net").is_some());

    // Another reseller takes the domain over: what was shown for the first one shows nothing for it.
    let acme = world.repository.join("resellers/acme/acme.kdl");
    let text = fs::read_to_string(&acme).expect("a file");
    let (before, domain) = text.split_once("    domain \"acme.net\"").expect("the domain");
    fs::write(&acme, format!("{before}}}\n")).expect("a file");
    let globex = world.repository.join("resellers/globex/globex.kdl");
    let other = fs::read_to_string(&globex).expect("the example");
    let other = other.trim_end().strip_suffix('}').expect("the reseller's end");
    fs::write(&globex, format!("{other}    domain \"acme.net\"{domain}")).expect("a file");
    assert_eq!(world.unproven().0, ["acme.net", "acme-mail.net"]);
    assert_eq!(outcomes(&world.prove(&[])), pairs(&[("acme-mail.net", "missing"), ("acme.net", "missing")]));
    assert!(world.lock().get("domains").is_none(), "a proof of nobody's is not kept");
}

#[test]
fn a_zone_in_trouble_says_nothing_and_what_needs_no_proof_is_not_asked_for() {
    let world = World::new();
    let path = world.repository.join("resellers/acme/acme.kdl");
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("acme-mail.net", "broken.net")).expect("a file");
    let output = world.prove(&["broken.net"]);
    assert_eq!(outcomes(&output), pairs(&[("broken.net", "unknown")]));
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    for (name, words) in [
        ("acme.example", "nobody can hold such a name"),
        ("acme.nett", "did you mean `acme.net`?"),
        ("a b", "is no domain"),
    ] {
        let output = world.prove(&[name]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn a_lock_that_cannot_be_read_is_told_and_stays() {
    let world = World::new();
    let lock = world.repository.join("mailwright.lock");
    fs::write(&lock, "<<<<<<< HEAD\n").expect("a file");
    let output = world.call(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let document = json_of(&output);
    let codes = document["problems"].as_array().expect("problems").iter().map(|it| it["code"].as_str());
    assert!(codes.into_iter().any(|code| code == Some("lock::unreadable")), "{document:#}");
    assert_eq!(world.prove(&[]).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&lock).expect("the lock"), "<<<<<<< HEAD\n");
}
