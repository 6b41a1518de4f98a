//! Both ways as a whole: how the other syntax looks, and what survives the way there and back.

use super::{Converted, Syntax, convert, says_the_same, target};
use crate::format;
use crate::kdl::tests::generate;
use crate::read::read;
use crate::tree::FileId;
use proptest::prelude::*;

fn converted(path: &str, text: &str, to: Syntax) -> String {
    match convert(FileId(0), path, text.as_bytes(), to) {
        Converted::Text(text) => text,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn to_yaml(kdl: &str) -> String {
    converted("a.kdl", kdl, Syntax::Yaml)
}

fn to_kdl(yaml: &str) -> String {
    converted("a.yaml", yaml, Syntax::Kdl)
}

/// Checks both ways of what looks the same after both.
fn check(kdl: &str, yaml: &str) {
    assert_eq!(to_yaml(kdl), yaml);
    assert_eq!(to_kdl(yaml), kdl);
}

#[test]
fn a_reseller_looks_as_people_would_write_it() {
    check(
        r##"language 1

// Ours.
reseller "acme" {
    company "Acme Internet" // since 1996
    brand "acme" {
        product "Acme Mail"
        colours primary="#0b5fff" text="#1b1b1b"
        texts language="en" sign-in="Welcome back"
        texts language="fr" sign-in="Bon retour"
        welcome-message "assets/welcome.eml" language="en"
    }

    domain "acme.example" {
        defense quarantine=6.0
        mailbox "alice" {
            alias "al"
            imap

            // Nothing below.
        }
        mailbox "bob"
        forward "sales" {
            to "alice@acme.example" "bob@acme.example"
        }
    }
}
"##,
        r##"language: 1

# Ours.
reseller acme:
  company: Acme Internet # since 1996
  brand acme:
    - product: Acme Mail
    - colours: { primary: "#0b5fff", text: "#1b1b1b" }
    - texts: { language: en, sign-in: Welcome back }
    - texts: { language: fr, sign-in: Bon retour }
    - welcome-message assets/welcome.eml: { language: en }

  domain acme.example:
    defense: { quarantine: 6.0 }
    mailbox alice:
      alias: al
      imap:

      # Nothing below.
    mailbox bob:
    forward sales:
      to: [alice@acme.example, bob@acme.example]
"##,
    );
}

#[test]
fn flags_are_switched_on_by_name_or_by_value() {
    assert_eq!(
        to_yaml("platform \"a\" {\n tier \"b\" {\n imap\n webmail #true\n pop3 #false\n }\n mail { tls-rpt }\n}"),
        "platform a:\n  tier b:\n    imap: true\n    webmail: true\n    pop3: false\n  mail:\n    tls-rpt: true\n"
    );
    assert_eq!(
        to_kdl("platform a:\n  tier b: { imap: true, kind: x }\n"),
        "platform \"a\" {\n    tier \"b\" imap=#true kind=\"x\"\n}\n"
    );
    assert_eq!(
        to_kdl("platform a:\n  tier b:\n    imap: true\n"),
        "platform \"a\" {\n    tier \"b\" {\n        imap\n    }\n}\n"
    );
}

#[test]
fn steps_of_a_scenario_are_a_list() {
    check(
        "scenario \"a virus: never\" {\n    send from=\"a@b.example\" reply=250\n    advance \"1h\"\n}\n",
        "\"scenario a virus: never\":\n  - send: { from: a@b.example, reply: 250 }\n  - advance: 1h\n",
    );
}

#[test]
fn long_lines_are_continued() {
    let words: Vec<String> = (0..30).map(|number| format!("word{number}")).collect();
    let kdl = to_kdl(&format!("a:\n  gate: [{}]\n", words.join(", ")));
    assert!(kdl.lines().count() > 3 && kdl.lines().all(|line| line.len() <= 120), "{kdl}");
    assert_eq!(format::kdl(&kdl), kdl);
}

#[test]
fn values_that_look_like_something_else_are_quoted() {
    check(
        r#"a "no" "2026.10" "" " x" "x " "true" "null" "~" 2026.10 0x1F 1_000 -5 #true #null "a: b" "a #b" "- a" "'" "12:30" \
    "1e3" "fd00::"
"#,
        r#"a:
  - "no"
  - "2026.10"
  - ""
  - " x"
  - "x "
  - "true"
  - "null"
  - "~"
  - 2026.10
  - 0x1F
  - 1_000
  - -5
  - true
  - null
  - "a: b"
  - "a #b"
  - "- a"
  - "'"
  - "12:30"
  - "1e3"
  - "fd00::"
"#,
    );
    check("a \"2026-12-27\" \"10.20.0.0/16\" \"é\"\n", "a: [2026-12-27, 10.20.0.0/16, é]\n");
    check("a \"\\n\\t\\u{202e}\\\"\\\\\" 1\n", "a: [\"\\n\\t\\u202E\\\"\\\\\", 1]\n");
}

#[test]
fn arguments_beside_children_stand_in_the_key_or_as_args() {
    check("a \"b\" \"c\" {\n    d\n}\n", "a b:\n  args: [c]\n  d:\n".trim_start());
    assert_eq!(to_yaml("a 1 x=2"), "a: { args: [1], x: 2 }\n");
    assert_eq!(to_kdl("a: { args: [1], x: 2 }\n"), "a 1 x=2\n");
    assert_eq!(to_yaml("a \"\\n\" {b; b}"), "a:\n  - args: [\"\\n\"]\n  - b:\n  - b:\n");
    check("a \"x\"\na \"y\"\na\n", "a x:\na y:\na:\n");
    check("a \"5\" {\n    b\n}\n", "a 5:\n  b:\n");
}

#[test]
fn comments_of_every_kind_survive() {
    assert_eq!(
        to_yaml(
            "/* a\n * b */\nm /* c */ 1 /* d */ { // e\n  /-x 1 {\n    y\n  }\n  // f\n  z /-2 3 // g\n  // h\n} // i\n// j\n"
        ),
        "# a\n# * b\n# c\n# d\n# e\nm: # i\n  args: [1]\n  # /-x 1 {\n  #   y\n  # }\n  # f\n  # /-2\n  z: 3 # g\n  # h\n# j\n"
    );
    assert_eq!(
        to_kdl("# a\n\nn: # b\n  # c\n  x: 1 # d\n  # e\n# f\nm: { # g\n  y: 2, # h\n  # i\n}\n# j\n"),
        "// a\n\nn { // b\n    // c\n    x 1 // d\n    // e\n}\n// f\nm { // g\n    y 2 // h\n    // i\n}\n// j\n"
    );
    assert_eq!(
        to_kdl("- a: # b\n    # c\n    - d: 1\n    # e\n  # f\n# g\n- h:\n"),
        "a { // b\n    // c\n    d 1\n    // e\n}\n// f\n// g\nh\n"
    );
    assert_eq!(to_kdl("a: | # b\n  x\n# c\n"), "a \"x\\n\" // b\n// c\n");
    assert_eq!(to_kdl("# a\u{2028}b\n"), "// a b\n");
    check("a \"b\" c=1 // d\n", "a b: { c: 1 } # d\n");
}

#[test]
fn what_yaml_cannot_say_is_told() {
    for source in ["\"a b\"", "\"\"", "a \"b c\"=1", "a { args 1 }"] {
        let Converted::Problems(problems) = convert(FileId(0), "a.kdl", source.as_bytes(), Syntax::Yaml) else {
            panic!("{source}")
        };
        assert!(problems.iter().all(|problem| problem.code == "convert::not-expressible" && problem.help.is_some()));
        assert_eq!(problems.len(), 1, "{source}");
    }
    let deep = format!("{}a x=1{}", "a {".repeat(128), "}".repeat(128));
    let Converted::Problems(problems) = convert(FileId(0), "a.kdl", deep.as_bytes(), Syntax::Yaml) else { panic!() };
    assert_eq!(problems.len(), 1);
    assert!(matches!(convert(FileId(0), "a.kdl", b"a {", Syntax::Yaml), Converted::Problems(_)));
}

#[test]
fn the_ending_changes_and_the_name_stays() {
    assert_eq!(target("a.b/c.d.kdl", Syntax::Yaml), "a.b/c.d.yaml");
    assert_eq!(target("c.yml", Syntax::Kdl), "c.kdl");
    assert_eq!(target("a.kdl/b", Syntax::Yaml), "a.kdl/b");
}

/// Tells whether each remark is still there.
fn words_survive(before: &str, after: &str) -> bool {
    before.split_whitespace().filter(|word| word.starts_with("remark-")).all(|word| after.contains(word))
}

fn holds(path: &str, text: &str) -> Result<(), TestCaseError> {
    let (to, other_path) = match Syntax::of(path) {
        Some(Syntax::Kdl) => (Syntax::Yaml, "a.yaml"),
        _ => (Syntax::Kdl, "a.kdl"),
    };
    let there = match convert(FileId(0), path, text.as_bytes(), to) {
        Converted::Text(there) => there,
        Converted::Problems(problems) => {
            prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.help.is_some()));
            return Ok(());
        }
        Converted::Fault => return Err(TestCaseError::fail(format!("a fault: {text:?}"))),
    };
    let back_to = Syntax::of(path).unwrap_or(Syntax::Kdl);
    let Converted::Text(back) = convert(FileId(0), other_path, there.as_bytes(), back_to) else {
        return Err(TestCaseError::fail(format!("no way back: {there:?}")));
    };
    let (one, two) = (read(FileId(0), path, text.as_bytes()), read(FileId(0), path, back.as_bytes()));
    prop_assert!(says_the_same(&one.nodes, &two.nodes), "{:?} {:?}", there, back);
    prop_assert!(
        words_survive(text, &there) && words_survive(&there, &back),
        "{}\n---\n{}\n---\n{}",
        text,
        there,
        back
    );
    Ok(())
}

/// A text that is easily taken for something else.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "a",
            "é",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "#",
            " #",
            ":",
            ": ",
            "- ",
            "? ",
            "\"",
            "'",
            "\\",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&",
            "*",
            "!",
            "|",
            ">",
            "%",
            "@",
            "`",
            "//",
            "/*",
            "*/",
            "/-",
            "=",
            ";",
            "(",
            ")",
            "no",
            "true",
            "null",
            "~",
            "2026.10",
            "0x1F",
            "1_000",
            "-",
            "--- ",
            "...",
            "<<",
            "args",
            "\u{0}",
            "\u{7f}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\u{202e}",
            "\u{feff}",
            "\u{fffe}",
            "\u{1f600}",
            "\u{e000}",
            "名",
            "+1 416",
            "12:30",
            ".inf",
            "1e3",
        ][..],
    );
    prop_oneof![3 => prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()), 1 => any::<String>()]
}

fn quoted(text: &str) -> String {
    super::spelling::kdl_text(text)
}

/// A node of KDL with such texts in it, and remarks all over.
fn node() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(
        &["a", "b", "mailbox", "imap", "scenario", "tier", "\"#x\"", "\"-\"", "\"x:\"", "\"'\""][..],
    );
    let value = prop_oneof![
        4 => text().prop_map(|text| quoted(&text)),
        1 => prop::sample::select(&["1", "-2.5", "0x1F", "1_000", "#true", "#false", "#null", "#inf", "bare", "+1"][..]).prop_map(str::to_owned),
    ];
    let name = prop::sample::select(&["x", "y", "name", "\"z:\"", "\"<<\""][..]);
    let entry = prop_oneof![value.clone(), (name, value).prop_map(|(name, value)| format!("{name}={value}"))];
    let remark = || prop::sample::select(&["", "", "", "", " /* remark-{} */", " /*\n remark-{}\n */"][..]);
    let line = || {
        prop::sample::select(
            &["\n", "\n", "\n", " // remark-{}\n", "\n\n// remark-{}\n", "\n/-gone remark-{} {\n  x\n}\n", ";"][..],
        )
    };
    let head = (kind, remark(), prop::collection::vec((entry, remark()), 0..4)).prop_map(|(kind, remark, entries)| {
        let entries: String = entries.into_iter().map(|(entry, remark)| format!(" {entry}{remark}")).collect();
        format!("{kind}{remark}{entries}")
    });
    let around = head.clone().boxed();
    let leaf = (head, line()).prop_map(|(head, line)| (head, line.to_owned()));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (around.clone(), line(), prop::collection::vec(inner, 0..4), prop::sample::select(&["", " // remark-{}"][..]))
            .prop_map(|(head, line, children, opening)| {
                let children: String = children.into_iter().map(|(head, line)| head + &line).collect();
                (format!("{head} {{{opening}\n{children}}}"), line.to_owned())
            })
    })
    .prop_map(|(head, line)| head + &line)
}

fn document() -> impl Strategy<Value = String> {
    prop::collection::vec(node(), 0..4).prop_map(|nodes| {
        let mut numbered = String::new();
        for (number, piece) in nodes.concat().split("remark-{}").enumerate() {
            if number > 0 {
                numbered += &format!("remark-{number}.");
            }
            numbered += piece;
        }
        numbered
    })
}

const YAML: &[&str] = &[
    "a",
    "b c",
    ": ",
    ":",
    "1",
    "true",
    "'x'",
    "\"y\"",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "{ ",
    " }",
    "[",
    "]",
    ", ",
    " # remark-",
    "\n# remark-",
    "\n  # remark-",
    "\n    # remark-",
    "args: ",
    "|\n  ",
    "0x1F",
    "~",
    "a: ",
    "b: ",
    "c:\n  ",
    "d:\n    ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_survives_the_way_to_yaml_and_back(text in document()) {
        prop_assert!(!matches!(convert(FileId(0), "a.kdl", text.as_bytes(), Syntax::Yaml), Converted::Problems(_)), "{}", text);
        holds("a.kdl", &text)?;
    }

    #[test]
    fn any_document_is_converted_or_refused(text in prop_oneof![generate::document(), generate::mutated()]) {
        holds("a.kdl", &text)?;
    }

    #[test]
    fn any_heap_of_yaml_is_converted_or_refused(pieces in prop::collection::vec(prop::sample::select(YAML), 0..16)) {
        let text: String = pieces.into_iter().enumerate().map(|(number, piece)| {
            if piece.ends_with("remark-") { format!("{piece}{number}.\n") } else { piece.to_owned() }
        }).collect();
        holds("a.yaml", &text)?;
    }
}
