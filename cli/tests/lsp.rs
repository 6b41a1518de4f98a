//! The language server, driven as an editor does.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that finds less than it needs has failed")]

mod desk;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use desk::Desk;
use serde_json::{Value, json};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

struct Editor {
    child: Option<Child>,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    told: Vec<Value>,
    next: i64,
    root: PathBuf,
    /// The version of the document whose problems were told last.
    version: i64,
}

impl Editor {
    /// Starts the server without a word.
    fn start(desk: &Desk, root: &Path) -> Self {
        let mut child =
            desk.command(&["lsp", "--stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if output.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    match line.trim_end().split_once(": ") {
                        Some((_, value)) => length = value.parse().unwrap(),
                        None => break,
                    }
                }
                let mut body = vec![0; length];
                output.read_exact(&mut body).unwrap();
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let root = std::fs::canonicalize(root).unwrap();
        Self {
            input: child.stdin.take(),
            child: Some(child),
            output: receiver,
            told: Vec::new(),
            next: 0,
            root,
            version: 0,
        }
    }

    /// Starts the server and opens a folder.
    fn open(desk: &Desk, root: &Path) -> Self {
        let mut editor = Self::start(desk, root);
        let uri = format!("file://{}", editor.root.display());
        let answer = editor.ask("initialize", json!({ "processId": null, "rootUri": uri, "capabilities": {} }));
        assert_eq!(answer["result"]["capabilities"]["positionEncoding"], "utf-16");
        editor.tell("initialized", json!({}));
        editor
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        loop {
            let message = self.output.recv_timeout(LIMIT).expect("an answer in time");
            if message["id"] == id {
                return message;
            }
            self.told.push(message);
        }
    }

    /// Asks about the first place where a text stands in a file, `|` in it being the cursor.
    fn ask_at(&mut self, method: &str, file: &str, text: &str, at: &str, more: Value) -> Value {
        let found = text.find(&at.replacen('|', "", 1)).unwrap_or_else(|| panic!("no {at}"));
        let offset = found + at.find('|').unwrap();
        let line = text[..offset].matches('\n').count();
        let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let character = text[start..offset].encode_utf16().count();
        let mut parameters = json!({
            "textDocument": { "uri": self.uri(file) },
            "position": { "line": line, "character": character },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            parameters[name] = value.clone();
        }
        self.ask(method, parameters)
    }

    fn uri(&self, file: &str) -> String {
        format!("file://{}/{file}", self.root.display())
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.root.join(file)).unwrap()
    }

    fn did_open(&mut self, file: &str, text: &str) {
        let document = json!({ "uri": self.uri(file), "languageId": "kdl", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn did_change(&mut self, file: &str, version: i64, changes: Value) {
        let document = json!({ "uri": self.uri(file), "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    /// Waits until problems of a file are told that are as they should be.
    fn until_told(&mut self, file: &str, right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = self.uri(file);
        let mut last = json!("nothing");
        loop {
            let message = match self.told.is_empty() {
                false => self.told.remove(0),
                true => self.output.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("not told in time; last: {last}")),
            };
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri {
                let problems = message["params"]["diagnostics"].as_array().unwrap().clone();
                if right(&problems) {
                    self.version = message["params"]["version"].as_i64().unwrap_or_default();
                    return problems;
                }
                last = json!(problems);
            }
        }
    }

    /// Ends the session as it should be ended.
    fn close(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        self.tell("exit", Value::Null);
        self.ends_with(0);
    }

    fn ends_with(&mut self, code: i32) {
        self.input = None;
        let output = desk::finish(self.child.take().unwrap(), 30);
        assert_eq!(output.status.code(), Some(code));
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const PLATFORM: &str = "platform.kdl";
const ACME: &str = "resellers/acme/acme.kdl";

#[test]
fn problems_are_told_while_typing_in_open_and_unopened_files() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let platform = editor.text(PLATFORM);
    editor.did_open(PLATFORM, &platform);
    editor.until_told(PLATFORM, <[Value]>::is_empty);
    // A tier gets another name in the editor; the reseller's file, which is not open, uses the old one.
    let line = platform.lines().position(|line| line.contains("tier \"premium\" {")).unwrap();
    let start = platform.lines().nth(line).unwrap().find("premium").unwrap();
    let range = json!({
        "start": { "line": line, "character": start },
        "end": { "line": line, "character": start + "premium".len() },
    });
    editor.did_change(PLATFORM, 2, json!([{ "range": range, "text": "premier" }]));
    let told = editor.until_told(ACME, |problems| !problems.is_empty());
    assert_eq!(told[0]["code"], "spec::unknown-tier");
    assert_eq!(told[0]["severity"], 1);
    assert!(told[0]["message"].as_str().unwrap().contains("help: write `premier`"), "{}", told[0]["message"]);
    let acme = editor.text(ACME);
    let line = usize::try_from(told[0]["range"]["start"]["line"].as_u64().unwrap()).unwrap();
    assert!(acme.lines().nth(line).unwrap().contains("tier=\"premium\""));
    // Back again, with the whole text, and all is well.
    editor.did_change(PLATFORM, 3, json!([{ "text": platform }]));
    editor.until_told(ACME, <[Value]>::is_empty);
    // A text that breaks off is a problem too.
    editor.did_change(PLATFORM, 4, json!([{ "text": platform.trim_end().trim_end_matches('}') }]));
    let told = editor.until_told(PLATFORM, |problems| !problems.is_empty());
    assert!(told.iter().any(|problem| problem["code"].as_str().unwrap().starts_with("kdl::")), "{told:?}");
    // What is closed is as it is on disk.
    let uri = editor.uri(PLATFORM);
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    editor.until_told(PLATFORM, <[Value]>::is_empty);
    editor.close();
}

fn labels(answer: &Value) -> Vec<&str> {
    answer["result"]["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn what_may_be_written_is_proposed() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let acme = editor.text(ACME);
    editor.did_open(ACME, &acme);
    let tiers = editor.ask_at("textDocument/completion", ACME, &acme, "mailbox \"alice\" tier=\"|", json!({}));
    assert_eq!(labels(&tiers), ["basic", "filter", "forward", "premium"]);
    let inside = editor.ask_at("textDocument/completion", ACME, &acme, "        |alias \"acme-mail", json!({}));
    assert!(labels(&inside).contains(&"workgroup"));
    // What is typed and not whole yet.
    let typed = acme.replacen("    domain \"acme.example\"", "    dom\n    domain \"acme.example\"", 1);
    editor.did_change(ACME, 2, json!([{ "text": typed }]));
    let begun = editor.ask_at("textDocument/completion", ACME, &typed, "    dom|\n", json!({}));
    let item = begun["result"]["items"].as_array().unwrap().iter().find(|item| item["label"] == "domain").unwrap();
    assert_eq!(item["textEdit"]["newText"], "domain ");
    assert_eq!(item["textEdit"]["range"]["start"]["character"], 4);
    assert!(item["documentation"].as_str().unwrap().contains("mail domain"));
    editor.close();
}

#[test]
fn a_hover_tells_what_the_language_says_and_what_holds() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let acme = editor.text(ACME);
    editor.did_open(ACME, &acme);
    let mut hover = |at: &str| {
        let answer = editor.ask_at("textDocument/hover", ACME, &acme, at, json!({}));
        answer["result"]["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    assert!(hover("company| ").contains("The company's name"));
    let tier = hover("tier=\"bas|ic\"");
    assert!(tier.contains("declared in platform.kdl:") && tier.contains("| quota | 2GiB | tier basic |"), "{tier}");
    let alice = hover("mailbox \"ali|ce\" tier");
    assert!(alice.contains("| quarantine | 6 | domain acme.example |"), "{alice}");
    assert_eq!(hover("// signs |in"), "");
    editor.close();
}

#[test]
fn a_name_leads_to_its_declaration_and_is_changed_everywhere() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let acme = editor.text(ACME);
    let platform = editor.text(PLATFORM);
    editor.did_open(ACME, &acme);
    for (at, file, line) in [
        ("tier=\"prem|ium\"", PLATFORM, "tier \"premium\""),
        ("cluster=\"|a\"", PLATFORM, "cluster \"a\""),
        ("outbound=\"sha|red\"", PLATFORM, "outbound \"shared\""),
        ("brand=\"ac|me\"", ACME, "brand \"acme\""),
        ("forward \"ali|ce@acme.example\"", ACME, "mailbox \"alice\""),
        ("forward \"alice@ac|me.example\"", ACME, "domain \"acme.example\""),
    ] {
        let answer = editor.ask_at("textDocument/definition", ACME, &acme, at, json!({}));
        let places = answer["result"].as_array().unwrap();
        assert_eq!(places.len(), 1, "{at}: {answer}");
        assert_eq!(places[0]["uri"], editor.uri(file), "{at}");
        let number = usize::try_from(places[0]["range"]["start"]["line"].as_u64().unwrap()).unwrap();
        let text = if file == ACME { &acme } else { &platform };
        assert!(text.lines().nth(number).unwrap().contains(line), "{at}");
    }
    let prepared = editor.ask_at("textDocument/prepareRename", ACME, &acme, "tier=\"prem|ium\"", json!({}));
    assert_eq!(prepared["result"]["placeholder"], "premium");
    let taken = editor.ask_at("textDocument/rename", ACME, &acme, "tier=\"prem|ium\"", json!({ "newName": "No Name" }));
    assert!(taken["error"]["message"].as_str().unwrap().contains("kebab-case"), "{taken}");
    let renamed = editor.ask_at("textDocument/rename", ACME, &acme, "tier=\"prem|ium\"", json!({ "newName": "gold" }));
    let changes = renamed["result"]["changes"].as_object().unwrap();
    assert!(changes.contains_key(&editor.uri(ACME)) && changes.contains_key(&editor.uri(PLATFORM)), "{renamed}");
    // After the changes the repository is whole again.
    carry_out(&renamed);
    let check = desk.call(&["check", editor.root.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    editor.close();
}

/// Writes the changes of a rename to the disk, as an editor does that saves all.
fn carry_out(renamed: &Value) {
    for (uri, edits) in renamed["result"]["changes"].as_object().unwrap_or_else(|| panic!("{renamed}")) {
        let path = uri.strip_prefix("file://").unwrap();
        let mut lines: Vec<String> = std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
        // Of two at the same place the later one is written first, so that the first stands before it.
        for edit in edits.as_array().unwrap().iter().rev() {
            let number = |end: &str, what: &str| usize::try_from(edit["range"][end][what].as_u64().unwrap()).unwrap();
            assert_eq!(number("start", "line"), number("end", "line"));
            let line = &mut lines[number("start", "line")];
            line.replace_range(
                number("start", "character")..number("end", "character"),
                edit["newText"].as_str().unwrap(),
            );
        }
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}

#[test]
fn nothing_is_destroyed_by_a_name_that_was_changed_in_an_editor() {
    let desk = Desk::new();
    let before = desk.example("before");
    let platform = desk.example("northmail");
    let plan = || {
        let output = desk.call(&[
            "plan",
            platform.to_str().unwrap(),
            "--from-folder",
            before.to_str().unwrap(),
            "--env",
            "production",
            "--json",
        ]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let mut editor = Editor::open(&desk, &platform);
    for (file, at, to) in [
        (ACME, "mailbox \"ali|ce\" tier", "alicia"),
        (ACME, "brand \"ac|me\" {", "azure"),
        (ACME, "domain \"acme|.example\"", "acme-north.example"),
        (PLATFORM, "tier \"prem|ium\" {", "gold"),
        (PLATFORM, "cluster \"|a\"", "east"),
        (PLATFORM, "outbound \"sha|red\"", "common"),
        (PLATFORM, "storage \"fi|ler\"", "shelf"),
        (PLATFORM, "site \"toro|nto\"", "york"),
    ] {
        let text = editor.text(file);
        editor.did_open(file, &text);
        let renamed = editor.ask_at("textDocument/rename", file, &text, at, json!({ "newName": to }));
        carry_out(&renamed);
        let uri = editor.uri(file);
        editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
        let check = desk.call(&["check", editor.root.to_str().unwrap()]);
        assert_eq!(check.status.code(), Some(0), "{at}: {}", String::from_utf8_lossy(&check.stderr));
        let plan = plan();
        // Files are named by what they are of; nothing else comes or goes, and nothing is lost.
        let lost = plan["changes"].as_array().unwrap().iter().filter(|change| {
            change["destructive"] == true
                || (change["kind"] != "file" && (change["action"] == "created" || change["action"] == "destroyed"))
        });
        assert_eq!(lost.collect::<Vec<_>>(), Vec::<&Value>::new(), "{at}");
    }
    editor.close();
}

#[test]
fn a_second_new_name_goes_by_what_was_committed() {
    if !desk::has("git") {
        return;
    }
    let desk = Desk::new();
    let platform = desk.example("northmail");
    let git = |arguments: &[&str]| {
        let status = std::process::Command::new("git")
            .arg("-C")
            .arg(&platform)
            .args(["-c", "user.name=a", "-c", "user.email=a@northmail.example", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let mut editor = Editor::open(&desk, &platform);
    let mut rename = |from: &str, to: &str| {
        let text = editor.text(ACME);
        let at = format!("mailbox \"{}|{}\" ", &from[..1], &from[1..]);
        carry_out(&editor.ask_at("textDocument/rename", ACME, &text, &at, json!({ "newName": to })));
        let text = editor.text(ACME);
        text.lines().find(|line| line.contains(&format!("mailbox \"{to}\""))).unwrap().trim().to_owned()
    };
    assert!(rename("alice", "alicia").starts_with("mailbox \"alicia\" renamed-from=\"alice\" tier"));
    assert!(rename("alicia", "ally").starts_with("mailbox \"ally\" renamed-from=\"alice\" tier"));
    git(&["commit", "--quiet", "-am", "second"]);
    assert!(rename("ally", "al-ice").starts_with("mailbox \"al-ice\" renamed-from=\"ally\" tier"));
    assert!(rename("al-ice", "ally").starts_with("mailbox \"ally\" tier"));
    editor.close();
}

#[test]
fn what_the_lock_lacks_is_told_at_the_operators_line() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let platform = editor.text(PLATFORM);
    editor.did_open(PLATFORM, &platform);
    editor.until_told(PLATFORM, <[Value]>::is_empty);
    let contract = "contract \"globex\"";
    let at = platform.find(contract).unwrap();
    let open = at + platform[at..].find('{').unwrap() + 1;
    let repository = format!("file://{}/nowhere.git", editor.root.display());
    let typed =
        format!("{}\n        repository \"{repository}\" branch=\"main\"{}", &platform[..open], &platform[open..]);
    editor.did_change(PLATFORM, 2, json!([{ "text": typed }]));
    let told = editor.until_told(PLATFORM, |problems| !problems.is_empty());
    let codes: Vec<&str> = told.iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"lock::not-pinned") && codes.contains(&"lock::folder-too"), "{codes:?}");
    let line = usize::try_from(told[0]["range"]["start"]["line"].as_u64().unwrap()).unwrap();
    assert!(typed.lines().nth(line).unwrap().contains("repository"), "{told:?}");
    // They move with the line while something is typed above it, and go with it.
    editor.did_change(PLATFORM, 3, json!([{ "text": format!("// a remark\n{typed}") }]));
    editor
        .until_told(PLATFORM, |problems| problems.iter().any(|problem| problem["range"]["start"]["line"] == line + 1));
    editor.did_change(PLATFORM, 4, json!([{ "text": platform }]));
    editor.until_told(PLATFORM, <[Value]>::is_empty);
    editor.close();
}

#[test]
fn what_changes_beside_the_editor_is_seen() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let acme = editor.text(ACME);
    editor.did_open(ACME, &acme);
    editor.until_told(ACME, <[Value]>::is_empty);
    let seen = |editor: &mut Editor| {
        let change = json!({ "changes": [{ "uri": editor.uri(PLATFORM), "type": 2 }] });
        editor.tell("workspace/didChangeWatchedFiles", change);
    };
    let platform = editor.text(PLATFORM);
    let root = editor.root.clone();
    std::fs::write(root.join(PLATFORM), platform.replace("tier \"premium\" {", "tier \"deluxe\" {")).unwrap();
    seen(&mut editor);
    editor.until_told(ACME, |problems| problems.iter().any(|problem| problem["code"] == "spec::unknown-tier"));
    std::fs::write(root.join(PLATFORM), &platform).unwrap();
    seen(&mut editor);
    editor.until_told(ACME, <[Value]>::is_empty);
    // A file that comes stands before the others, and they are still known by their places.
    std::fs::write(
        root.join("resellers/acme/a.kdl"),
        "language 1\nreseller \"acme\" {\n    domain \"globex.example\"\n}\n",
    )
    .unwrap();
    seen(&mut editor);
    editor.until_told("resellers/acme/a.kdl", |problems| !problems.is_empty());
    std::fs::remove_file(root.join("resellers/acme/a.kdl")).unwrap();
    seen(&mut editor);
    editor.until_told("resellers/acme/a.kdl", <[Value]>::is_empty);
    // A file that only the editor has yet.
    let new = "scenarios/new.kdl";
    editor.did_open(new, "language 1\nscenario \"new\" { fetsh }\n");
    editor.until_told(new, |problems| !problems.is_empty());
    let definition = editor.ask_at("textDocument/definition", ACME, &acme, "tier=\"prem|ium\"", json!({}));
    assert_eq!(definition["result"][0]["uri"], editor.uri(PLATFORM));
    editor.close();
}

#[test]
fn keystrokes_in_a_row_are_told_as_the_newest_text_is() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let acme = editor.text(ACME);
    editor.did_open(ACME, &acme);
    editor.until_told(ACME, <[Value]>::is_empty);
    for version in 2..200 {
        let typed = acme.replacen("\"Acme Internet\"", &format!("\"Acme {version}\" \"two\""), 1);
        editor.did_change(ACME, version, json!([{ "text": typed }]));
    }
    let last = acme.replacen("tier=\"premium\"", "tier=\"premum\"", 1);
    editor.did_change(ACME, 200, json!([{ "text": last }]));
    editor.until_told(ACME, |problems| problems.iter().any(|problem| problem["code"] == "spec::unknown-tier"));
    assert_eq!(editor.version, 200);
    editor.close();
}

#[test]
fn a_document_is_laid_out() {
    let desk = Desk::new();
    let mut editor = Editor::open(&desk, &desk.example("northmail"));
    let dev = "environments/dev.kdl";
    let untidy = editor.text(dev).replace("    backend", "  backend");
    editor.did_open(dev, &untidy);
    let parameters =
        json!({ "textDocument": { "uri": editor.uri(dev) }, "options": { "tabSize": 4, "insertSpaces": true } });
    let answer = editor.ask("textDocument/formatting", parameters.clone());
    let edits = answer["result"].as_array().unwrap();
    assert_eq!(edits.len(), 1);
    assert!(edits[0]["newText"].as_str().unwrap().contains("\n    backend"));
    editor.did_change(dev, 2, json!([{ "text": edits[0]["newText"] }]));
    assert_eq!(editor.ask("textDocument/formatting", parameters)["result"], json!([]));
    editor.close();
}

#[test]
fn yaml_is_understood_too() {
    let desk = Desk::new();
    let repository = desk.example("northmail");
    let file = "environments/qa.yaml";
    std::fs::remove_file(repository.join("environments/qa.kdl")).unwrap();
    let mut editor = Editor::open(&desk, &repository);
    let text = "language: 1\nenvironment qa:\n  platform: northmail\n  backend: contaner\n";
    editor.did_open(file, text);
    let told = editor.until_told(file, |problems| !problems.is_empty());
    assert!(told[0]["message"].as_str().unwrap().contains("write `container`"), "{told:?}");
    let answer = editor.ask_at("textDocument/completion", file, text, "backend: |contaner", json!({}));
    assert!(labels(&answer).contains(&"container"));
    let answer = editor.ask_at("textDocument/definition", file, text, "platform: north|mail", json!({}));
    assert_eq!(answer["result"][0]["uri"], editor.uri(PLATFORM));
    editor.close();
}

#[test]
fn what_is_no_message_gets_an_error_and_the_session_goes_on() {
    let desk = Desk::new();
    let mut editor = Editor::start(&desk, &desk.example("northmail"));
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32002);
    for (bytes, code) in [
        (&b"Content-Length: 5\r\n\r\n{nope"[..], -32700),
        (b"Content-Type: x\r\n\r\n", -32700),
        (b"Content-Length: 2\r\n\r\n{}", -32600),
        (b"Content-Length: 2\r\n\r\n[]", -32600),
        (b"Content-Length: 37\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"\"}", -32600),
    ] {
        editor.raw(bytes);
        let answer = editor.output.recv_timeout(LIMIT).unwrap();
        assert_eq!(answer["error"]["code"], code, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(answer["id"], Value::Null);
    }
    let deep = "[".repeat(100_000);
    editor.raw(format!("Content-Length: {}\r\n\r\n{deep}", deep.len()).as_bytes());
    assert_eq!(editor.output.recv_timeout(LIMIT).unwrap()["error"]["code"], -32700);
    let parameters = json!({ "rootUri": null, "capabilities": {} });
    assert!(editor.ask("initialize", parameters.clone())["result"].is_object());
    assert_eq!(editor.ask("initialize", parameters)["error"]["code"], -32600);
    assert_eq!(editor.ask("textDocument/teleport", json!({}))["error"]["code"], -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32602);
    assert_eq!(
        editor.ask("textDocument/hover", json!({ "textDocument": { "uri": "http://x" } }))["error"]["code"],
        -32602
    );
    editor.tell("workspace/unheard-of", json!({}));
    editor.did_change("never-opened.kdl", 2, json!([{ "text": 1 }, { "range": 7, "text": "x" }]));
    let nowhere = json!({
        "textDocument": { "uri": "file:///nowhere/at/all.kdl" },
        "position": { "line": 4_000_000_000_u64, "character": 0 },
    });
    assert_eq!(editor.ask("textDocument/definition", nowhere)["result"], Value::Null);
    assert_eq!(editor.ask("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32600);
    editor.tell("exit", Value::Null);
    editor.ends_with(0);
}

#[test]
fn an_editor_that_goes_away_ends_the_server() {
    let desk = Desk::new();
    let example = desk.example("northmail");
    let mut gone = Editor::open(&desk, &example);
    gone.ends_with(1);
    let mut hasty = Editor::open(&desk, &example);
    hasty.tell("exit", Value::Null);
    hasty.ends_with(1);
}
