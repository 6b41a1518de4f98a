//! The same scripts over the same messages, here and by Pigeonhole itself where it is installed.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an oracle is another program, asked over files"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use sieve::{Action, Envelope, Options, Outcome, Script, Surroundings};

const MESSAGES: &str = include_str!("corpus/messages.txt");
const VALID: &str = include_str!("corpus/valid.txt");
const INVALID: &str = include_str!("corpus/invalid.txt");

/// Splits a file of cases, each behind a line `=== NAME`.
fn cases(text: &str) -> Vec<(&str, String)> {
    let mut cases: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("=== ") {
            Some(name) => cases.push((name, String::new())),
            None => {
                let (_, text) = cases.last_mut().expect("a file begins with a name");
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    cases
}

struct Message {
    name: &'static str,
    sender: &'static str,
    recipient: &'static str,
    bytes: Vec<u8>,
}

fn messages() -> Vec<Message> {
    let read = |(head, text): (&'static str, String)| {
        let mut words = head.split(' ');
        let mut word = || words.next().expect("name, sender and recipient");
        let (name, sender, recipient) = (word(), word(), word());
        Message { name, sender, recipient, bytes: text.replace('\n', "\r\n").into_bytes() }
    };
    cases(MESSAGES).into_iter().map(read).collect()
}

struct Folders;

impl Surroundings for Folders {
    fn has_mailbox(&self, name: &str) -> bool {
        name == "INBOX"
    }

    fn script(&self, _global: bool, _name: &str) -> Option<Vec<u8>> {
        None
    }

    fn is_marked(&self, _key: &str) -> bool {
        false
    }
}

fn run(script: &str, message: &Message) -> Outcome {
    let script =
        Script::compile(script.as_bytes(), &Options::PERSONAL).unwrap_or_else(|problems| panic!("{problems:?}"));
    let envelope = Envelope {
        sender: Some(message.sender),
        recipient: message.recipient,
        original: message.recipient,
        user: "alice@acme.example",
        now_seconds: 1_735_689_600,
        separator: Some('+'),
        host: "store.example",
    };
    script.run(&message.bytes, &envelope, &Folders)
}

/// Writes an outcome a line an action, as far as it is compared.
fn told(outcome: &Outcome) -> Vec<String> {
    if outcome.failure.is_some() {
        return vec!["failed".to_owned()];
    }
    let mut lines = Vec::new();
    let store = |folder: &str, flags: &[String]| {
        let mut flags: Vec<String> = flags.iter().map(|flag| flag.to_lowercase()).collect();
        flags.sort();
        format!("store {folder} {flags:?}")
    };
    for action in &outcome.actions {
        lines.push(match action {
            Action::Store { folder, flags, .. } => store(folder, flags),
            Action::Redirect { to } => format!("redirect {to}"),
            Action::Reject { reason } => format!("reject {}", reason.replace("\r\n", "??")),
            Action::Discard => "discard".to_owned(),
            Action::Vacation(reply) => {
                let text = reply.reason.trim().lines().next().unwrap_or_default().to_owned();
                format!("vacation {} {text}", reply.seconds)
            }
            Action::Notify(notification) => {
                format!("notify {} {} {:?}", notification.importance, notification.subject, notification.to)
            }
        });
    }
    if let Some(flags) = &outcome.keep {
        lines.push(format!("implicit {}", store("INBOX", flags)));
    }
    lines
}

/// Reads what `sieve-test` printed in the same form.
fn heard(output: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut implicit = "";
    let mut pending: Option<(String, Vec<String>)> = None;
    let mut lines = output.lines();
    let mut notice: Option<(String, String, Vec<String>)> = None;
    let flush = |pending: &mut Option<(String, Vec<String>)>, found: &mut Vec<String>| {
        if let Some((text, mut flags)) = pending.take() {
            flags.sort();
            flags.dedup();
            found.push(format!("{text} {flags:?}"));
        }
    };
    while let Some(line) = lines.next() {
        if line.starts_with("Implicit keep:") {
            flush(&mut pending, &mut found);
            implicit = "implicit ";
        }
        if let Some(action) = line.strip_prefix(" * ") {
            flush(&mut pending, &mut found);
            if let Some(folder) = action.strip_prefix("store message in folder: ") {
                pending = Some((format!("{implicit}store {folder}"), Vec::new()));
            } else if let Some(to) = action.strip_prefix("redirect message to: ") {
                found.push(format!("redirect {}", to.trim_start_matches('<').trim_end_matches('>')));
            } else if let Some(reason) = action.strip_prefix("reject message with reason: ") {
                found.push(format!("reject {reason}"));
            } else if action == "discard" {
                found.push("discard".to_owned());
            } else if action == "send vacation message:" {
                found.push("vacation".to_owned());
            } else if action.starts_with("send notification") {
                notice = Some((String::new(), String::new(), Vec::new()));
            }
        } else if let Some(flags) = line.trim().strip_prefix("+ add IMAP flags:") {
            if let Some((_, had)) = &mut pending {
                had.extend(flags.split_whitespace().map(str::to_lowercase));
            }
        } else if let Some(seconds) = line.trim().strip_prefix("=> seconds : ") {
            if let Some(last) = found.last_mut() {
                last.push_str(&format!(" {seconds}"));
            }
        } else if line == "START MESSAGE" {
            if let (Some(last), Some(text)) = (found.last_mut(), lines.by_ref().find(|line| !line.trim().is_empty())) {
                last.push_str(&format!(" {}", text.trim_end()));
            }
        } else if let Some((importance, subject, to)) = &mut notice {
            let line = line.trim();
            if let Some(text) = line.strip_prefix("=> importance   : ") {
                *importance = text.to_owned();
            } else if let Some(text) = line.strip_prefix("=> subject      : ") {
                *subject = text.to_owned();
            } else if let Some(text) = line.strip_prefix("+ To: ") {
                to.push(text.to_owned());
            } else if line.is_empty() {
                found.push(format!("notify {importance} {subject} {to:?}"));
                notice = None;
            }
        }
    }
    flush(&mut pending, &mut found);
    found
}

/// Prepares what Pigeonhole needs; says why where it cannot be asked.
fn prepare(folder: &Path) -> Result<(), String> {
    for program in ["/usr/bin/sievec", "/usr/bin/sieve-test"] {
        if !Path::new(program).exists() {
            return Err(format!("{program} is not installed"));
        }
    }
    let id = Command::new("id").arg("-u").output().map_err(|error| error.to_string())?;
    if id.stdout.trim_ascii() != b"0" {
        return Err("sieve-test runs as another user, which takes root".to_owned());
    }
    let path = folder.display();
    let conf = format!(
        "log_path = /dev/stderr\nmail_location = maildir:{path}/mail\nmail_uid = 65534\nmail_gid = 65534\n\
         first_valid_uid = 1\npostmaster_address = postmaster@northmail.example\nhostname = store.example\n\
         namespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
         plugin {{\n  recipient_delimiter = +\n  sieve = file:{path}/sieve;active={path}/active.sieve\n\
         sieve_vacation_min_period = 1h\n  sieve_vacation_max_period = 60d\n\
         sieve_variables_max_variable_size = 64k\n  sieve_max_redirects = 25\n}}\n"
    );
    std::fs::write(folder.join("dovecot.conf"), conf).map_err(|error| error.to_string())?;
    std::fs::create_dir(folder.join("sieve")).map_err(|error| error.to_string())?;
    // The other user writes its mail there.
    let opened = Command::new("chmod").arg("0777").arg(folder).status().map_err(|error| error.to_string())?;
    opened.success().then_some(()).ok_or_else(|| "the folder cannot be opened".to_owned())
}

/// Compiles a script; `Err` holds the lines that are complained about.
fn sievec(folder: &Path, script: &str) -> Result<(), BTreeSet<u32>> {
    let path = folder.join("script.sieve");
    std::fs::write(&path, script).expect("the script is written");
    let mut command = Command::new("/usr/bin/sievec");
    let conf = folder.join("dovecot.conf");
    let output = command.arg("-c").arg(conf).arg(&path).arg(folder.join("script.svbin")).output().expect("it runs");
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.lines().filter_map(|line| line.split_once(": line ")?.1.split_once(": error")?.0.parse().ok()).collect())
}

fn sieve_test(folder: &Path, message: &Message) -> Vec<String> {
    let mail = folder.join("message.eml");
    std::fs::write(&mail, &message.bytes).expect("the message is written");
    let mut command = Command::new("/usr/bin/sieve-test");
    command.arg("-c").arg(folder.join("dovecot.conf")).args([
        "-f",
        message.sender,
        "-r",
        message.recipient,
        "-a",
        message.recipient,
    ]);
    command.env("TZ", "UTC").stdin(Stdio::null()).arg(folder.join("script.sieve")).arg(mail);
    let output = command.output().expect("it runs");
    if !output.status.success() {
        return vec!["failed".to_owned()];
    }
    heard(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn valid_scripts_do_over_each_message_what_pigeonhole_does() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Err(why) = prepare(folder.path()) {
        return println!("skipped: {why}");
    }
    let (mut compared, mut wrong) = (0, Vec::new());
    for (name, script) in cases(VALID) {
        if let Err(lines) = sievec(folder.path(), &script) {
            // What it refuses must fail here, be it when it runs.
            let runs = |message: &Message| told(&run(&script, message)) != ["failed"];
            if Script::compile(script.as_bytes(), &Options::PERSONAL).is_ok() && messages().iter().any(runs) {
                wrong.push(format!("{name}: Pigeonhole refuses lines {lines:?}"));
            }
            continue;
        }
        if let Err(problems) = Script::compile(script.as_bytes(), &Options::PERSONAL) {
            wrong.push(format!("{name}: refused here: {problems:?}"));
            continue;
        }
        let _ = std::fs::remove_file(folder.path().join("script.svbin"));
        // Behind `@` stands the only message over which a script is compared, where Pigeonhole itself fails over others.
        let only = name.split_once(" @").map(|(_, only)| only);
        for message in messages().iter().filter(|message| only.is_none_or(|only| only == message.name)) {
            compared += 1;
            let (ours, theirs) = (told(&run(&script, message)), sieve_test(folder.path(), message));
            if ours != theirs && !wrong.last().is_some_and(|last: &String| last.starts_with(&format!("{name} over "))) {
                wrong.push(format!("{name} over {}:\n   here {ours:?}\n  there {theirs:?}", message.name));
            }
        }
    }
    println!("{compared} scripts and messages compared");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 500, "{compared}");
}

#[test]
fn broken_scripts_are_refused_at_the_lines_at_which_pigeonhole_refuses_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Err(why) = prepare(folder.path()) {
        return println!("skipped: {why}");
    }
    let mut wrong = Vec::new();
    for (name, script) in cases(INVALID) {
        let theirs = sievec(folder.path(), &script);
        let ours = Script::compile(script.as_bytes(), &Options::PERSONAL)
            .map(|_| ())
            .map_err(|problems| problems.iter().map(|problem| problem.line).collect::<BTreeSet<u32>>());
        if ours != theirs {
            wrong.push(format!("{name}: here {ours:?}, there {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
