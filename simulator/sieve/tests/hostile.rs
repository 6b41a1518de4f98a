//! Nothing that scripts or messages hold makes them run forever, panic, or lose the message.

use proptest::prelude::*;
use sieve::{Action, Envelope, Options, Outcome, Script, Surroundings};

struct Nothing;

impl Surroundings for Nothing {
    fn has_mailbox(&self, _name: &str) -> bool {
        false
    }

    fn script(&self, _global: bool, name: &str) -> Option<Vec<u8>> {
        match name {
            "self" => Some(b"require \"include\"; include \"self\";".to_vec()),
            "once" => Some(b"require \"fileinto\"; fileinto \"included\";".to_vec()),
            "back" => Some(b"require [\"include\", \"variables\"]; global \"x\"; set \"x\" \"1\"; set \"y\" \"2\"; return; discard;".to_vec()),
            "broken" => Some(b"frop;".to_vec()),
            _ => None,
        }
    }

    fn is_marked(&self, key: &str) -> bool {
        key.ends_with("known")
    }
}

fn run(script: &str, message: &[u8]) -> Outcome {
    let script =
        Script::compile(script.as_bytes(), &Options::PERSONAL).unwrap_or_else(|problems| panic!("{problems:?}"));
    over(&script, message)
}

fn over(script: &Script, message: &[u8]) -> Outcome {
    let envelope = Envelope {
        sender: Some("bob@bigmail.example"),
        recipient: "alice@acme.example",
        original: "alice@acme.example",
        user: "alice@acme.example",
        now_seconds: 0,
        separator: Some('+'),
        host: "store.example",
    };
    script.run(message, &envelope, &Nothing)
}

/// Whether the message goes somewhere, or was meant to go nowhere.
fn is_whole(outcome: &Outcome) -> bool {
    let ends = |action: &Action| !matches!(action, Action::Vacation(_) | Action::Notify(_));
    outcome.keep.is_some() || outcome.actions.iter().any(ends)
}

const WORDS: [&str; 66] = [
    "require",
    "keep",
    "discard",
    "stop",
    "if",
    "elsif",
    "else",
    "fileinto",
    "redirect",
    "reject",
    "vacation",
    "set",
    "addflag",
    "foreverypart",
    "break",
    "extracttext",
    "include",
    "global",
    "return",
    "notify",
    "header",
    "address",
    "envelope",
    "exists",
    "size",
    "body",
    "string",
    "date",
    "currentdate",
    "hasflag",
    "duplicate",
    "ihave",
    "not",
    "allof",
    "anyof",
    "true",
    "false",
    "environment",
    "mailboxexists",
    ":is",
    ":matches",
    ":regex",
    ":contains",
    ":count",
    ":value",
    ":over",
    ":days",
    ":mime",
    ":anychild",
    ":copy",
    ":flags",
    ":comparator",
    ";",
    "{",
    "}",
    "(",
    ")",
    ",",
    "[",
    "]",
    "\"a\"",
    "\"*\"",
    "\"${1}\"",
    "\"subject\"",
    "10K",
    "text:\nx\n.\n",
];

fn extensions() -> String {
    let names: Vec<String> = sieve::offered().map(|name| format!("\"{name}\"")).collect();
    format!("require [{}];\n", names.join(", "))
}

/// Commands that are right by themselves.
const COMMANDS: [&str; 24] = [
    "keep;",
    "discard;",
    "stop;",
    "fileinto \"${1}\";",
    "fileinto :copy :flags \"\\\\Seen\" :create \"A\";",
    "redirect \"x@y.example\";",
    "reject \"no ${0}\";",
    "vacation :days 2 \"away\";",
    "set :lower :length \"a\" \"${a}${a}${1}\";",
    "set \"a\" \"${a}${a}xyz${b}\";",
    "set \"b\" \"${a}${a}${a}\";",
    "addflag \"f${a}\";",
    "notify \"mailto:a@b.example\";",
    "if header :matches \"subject\" \"*a*b*${a}*\" { fileinto \"${2}\"; }",
    "if string :regex \"${a}${b}\" \"(x|xy|y)*z+\" { set \"b\" \"${1}\"; }",
    "if body :text :contains \"x\" { discard; }",
    "if body :content \"\" :matches \"*x*y*z*\" { discard; }",
    "if address :domain :is [\"from\", \"to\"] \"x\" { keep; }",
    "if date :originalzone \"date\" \"iso8601\" \"x\" { keep; }",
    "foreverypart { if header :mime :anychild :param \"x\" :contains \"content-type\" \"y\" { break; } }",
    "foreverypart { foreverypart { foreverypart { extracttext \"a\"; } } }",
    "if size :over 10 { if true { stop; } }",
    "if duplicate :uniqueid \"${a}\" { discard; }",
    "include :optional \"back\";",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn foreign_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Err(problems) = Script::compile(&bytes, &Options::PERSONAL) {
            let lines = u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0) + 1;
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        }
    }

    #[test]
    fn words_in_any_order_are_read_to_their_end(picked in proptest::collection::vec(0..WORDS.len(), 0..60), message in ".{0,200}") {
        let words: Vec<&str> = picked.iter().map(|word| WORDS[*word]).collect();
        let text = extensions() + &words.join(" ");
        if let Ok(script) = Script::compile(text.as_bytes(), &Options::PERSONAL) {
            prop_assert!(is_whole(&over(&script, message.as_bytes())));
        }
    }

    #[test]
    fn no_script_loses_a_message(
        picked in proptest::collection::vec(0..COMMANDS.len(), 0..30),
        message in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let commands: Vec<&str> = picked.iter().map(|command| COMMANDS[*command]).collect();
        let script = extensions() + &commands.join("\n");
        for message in [message.clone(), [b"Subject: ab a b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n".to_vec(), message].concat()] {
            prop_assert!(is_whole(&run(&script, &message)));
        }
    }
}

#[test]
fn a_variable_that_doubles_ends_at_its_bound() {
    let doubling = "set \"a\" \"${a}${a}x\";\n".repeat(2_000);
    let outcome = run(
        &format!(
            "require [\"variables\", \"fileinto\"];\n{doubling} if string :matches \"${{a}}\" \"*y*y*y*y*\" {{ discard; }}"
        ),
        b"",
    );
    assert_eq!(outcome.keep, Some(Vec::new()));
}

#[test]
fn what_takes_too_long_keeps_the_message() {
    let test = "if body :raw :matches \"*a*a*a*a*a*b\" { discard; }\n".repeat(2_000);
    let body = format!("Subject: x\r\n\r\n{}", "a".repeat(200_000));
    let outcome = run(&format!("require \"body\";\n{test}"), body.as_bytes());
    assert!(outcome.failure.is_some() && outcome.keep.is_some() && outcome.actions.is_empty());
}

#[test]
fn parts_within_parts_without_end_are_cut_off() {
    let message = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n".repeat(500);
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(5_000);
    let script = "require [\"foreverypart\", \"mime\", \"body\", \"fileinto\"]; foreverypart { if header :mime :anychild :contains \"content-type\" \"none\" { discard; } } fileinto \"end\";";
    for message in [message, nested] {
        assert_eq!(run(script, message.as_bytes()).actions.len(), 1);
    }
}

#[test]
fn a_script_that_includes_itself_fails_and_keeps() {
    let outcome = run("require \"include\"; include \"self\"; discard;", b"");
    assert!(outcome.failure.is_some() && outcome.keep.is_some());
    assert!(run("require \"include\"; include \"broken\"; discard;", b"").failure.is_some());
    assert!(run("require \"include\"; include \"nowhere\"; discard;", b"").failure.is_some());
}

#[test]
fn an_included_script_shares_global_variables_and_no_others() {
    let script = "require [\"include\", \"variables\", \"fileinto\"]; global \"x\"; include \"back\"; include :once \"once\"; include :once \"once\"; fileinto \"${x}-${y}\";";
    let outcome = run(script, b"");
    let folders: Vec<String> = outcome
        .actions
        .iter()
        .map(|action| match action {
            Action::Store { folder, .. } => folder.clone(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(folders, ["included", "1-"]);
}

#[test]
fn the_duplicate_test_asks_what_is_remembered_and_tells_what_to_remember() {
    let outcome = run(
        "require [\"duplicate\", \"fileinto\"]; if duplicate :uniqueid \"known\" { fileinto \"again\"; } if duplicate :uniqueid \"new\" :seconds 60 { discard; }",
        b"",
    );
    assert_eq!(outcome.actions.len(), 1);
    let marks: Vec<(bool, u64)> = outcome.marks.iter().map(|mark| (mark.key.ends_with("new"), mark.seconds)).collect();
    assert_eq!(marks, [(true, 60)]);
}

#[test]
fn answers_go_to_people_who_wrote_to_the_mailbox() {
    let to = |message: &str| {
        let outcome =
            run("require \"vacation\"; vacation :addresses \"al@acme.example\" \"away\";", message.as_bytes());
        outcome.actions.into_iter().find_map(|action| match action {
            Action::Vacation(reply) => reply.to,
            _ => None,
        })
    };
    let bob = Some("bob@bigmail.example".to_owned());
    assert_eq!(to("To: Alice <ALICE@acme.example>\r\n\r\n"), bob);
    assert_eq!(to("Cc: x@y.example, al@acme.example\r\n\r\n"), bob);
    assert_eq!(to("To: somebody@acme.example\r\n\r\n"), None);
    for field in ["List-Id: x", "Auto-Submitted: auto-generated", "Precedence: bulk", "X-Auto-Response-Suppress: OOF"] {
        assert_eq!(to(&format!("To: alice@acme.example\r\n{field}\r\n\r\n")), None, "{field}");
    }
    assert_eq!(to("To: alice@acme.example\r\nAuto-Submitted: no\r\n\r\n"), bob);
}
