//! The reader as a whole: the tree it gives, what it says of what it refuses, and what holds for any bytes.

use super::read;
use crate::problem::Problem;
use crate::read::Read;
use crate::tree::{FileId, Node, Scalar, Span};
use proptest::prelude::*;

/// Spells a tree on one line; a property counts as a child with one argument, as it does in the language.
fn spell(nodes: &[Node<'_>]) -> String {
    let scalar = |scalar: &Scalar<'_>| match scalar {
        Scalar::Text(text) | Scalar::Number(text) => text.to_string(),
        Scalar::Flag(flag) => format!("#{flag}"),
        Scalar::Null => "#null".to_owned(),
    };
    let node = |node: &Node<'_>| {
        let mut out = node.kind.value.to_string();
        for argument in &node.arguments {
            out = format!("{out} <{}>", scalar(&argument.value));
        }
        let properties = node
            .properties
            .iter()
            .map(|property| format!("{} <{}>", property.name.value, scalar(&property.value.value)));
        let children = node.children.iter().map(|child| spell(std::slice::from_ref(child)));
        let within: Vec<String> = properties.chain(children).collect();
        if within.is_empty() { out } else { format!("{out} {{{}}}", within.join("; ")) }
    };
    nodes.iter().map(node).collect::<Vec<_>>().join("; ")
}

fn codes(read: &Read<'_>) -> Vec<String> {
    let spell = |problem: &Problem| {
        format!("{}-{} {}", problem.span.start, problem.span.end, problem.code.trim_start_matches("yaml::"))
    };
    read.problems.iter().map(spell).collect()
}

fn check(source: &str, expected: &str) {
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(codes(&read), Vec::<String>::new(), "{source:?}: {:?}", read.problems);
    assert_eq!(spell(&read.nodes), expected, "{source:?}");
}

fn refused(source: &str, problems: &[&str], expected: &str) {
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(codes(&read), problems, "{source:?}: {:#?}", read.problems);
    assert_eq!(spell(&read.nodes), expected, "{source:?}");
    assert!(read.problems.iter().all(|problem| problem.help.is_some()));
}

#[test]
fn a_key_is_split_at_its_first_blank_and_its_value_is_the_rest_of_the_node() {
    check("mailbox alice: {}", "mailbox <alice>");
    check("mailbox alice:", "mailbox <alice>");
    check("mailbox alice: x", "mailbox <alice> <x>");
    check("scenario a virus never: { expect: 1 }", "scenario <a virus never> {expect <1>}");
    check("'scenario it: works': {}", "scenario <it: works>");
    check(
        "language: 1\nmailbox bob:\n  tier: basic\n  imap: true\n",
        "language <1>; mailbox <bob> {tier <basic>; imap <#true>}",
    );
}

#[test]
fn lists_are_arguments_or_children() {
    check("types: [svg, png]", "types <svg> <png>");
    check("types:\n- svg\n- png\n", "types <svg> <png>");
    check("a: []", "a");
    check(
        "scenario x:\n  - send: now\n  - send: later\n  - advance: 1h\n",
        "scenario <x> {send <now>; send <later>; advance <1h>}",
    );
    check("- mailbox alice: { tier: premium }\n- mailbox bob:\n", "mailbox <alice> {tier <premium>}; mailbox <bob>");
    check("a:\n  - b:\n    - c: 1\n    - c: 2\n  - d: 3\n", "a {b {c <1>; c <2>}; d <3>}");
}

#[test]
fn args_are_arguments_beside_children() {
    check("price: { args: [0.38 USD], tier: basic }", "price <0.38 USD> {tier <basic>}");
    check("price: { tier: basic, args: 0.38 USD }", "price <0.38 USD> {tier <basic>}");
    check("to a: { args: [b, c] }", "to <a> <b> <c>");
    check("to:\n- args: [b, c]\n- x: 1\n", "to <b> <c> {x <1>}");
    check("args x: 1\nb: { args y: 2 }", "args <x> <1>; b {args <y> <2>}");
}

#[test]
fn scalars_stay_as_they_are_spelled() {
    check("release: 2026.10", "release <2026.10>");
    check(
        "a: [no, yes, on, 0755, 1e3, 12:30:45, 0x1F, .5, 1_000, +1, True, NULL]",
        "a <no> <yes> <on> <0755> <1e3> <12:30:45> <0x1F> <.5> <1_000> <+1> <True> <NULL>",
    );
    check(
        "a: [true, false, null, ~, 'true', \"null\", '', \"~\"]",
        "a <#true> <#false> <#null> <#null> <true> <null> <> <~>",
    );
    check("a: [\"x\\ty\\u00e9\", 'it''s', x y]", "a <x\ty\u{e9}> <it's> <x y>");
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "a <x\ny\n>; b <x y>");
    check("a: '#0b5fff' # comment\n", "a <#0b5fff>");
    check("a: ''", "a <>");
    check("a: {\n  b: [\n    1,\n  ],\n}\n", "a {b <1>}");
}

#[test]
fn a_file_may_be_empty_or_say_where_its_document_starts_and_ends() {
    for source in ["", "\n\n", "# c\n", "---\n", "---\n...\n", "null", "\u{FEFF}"] {
        check(source, "");
    }
    check("---\na: 1\n...\n", "a <1>");
    check("\u{FEFF}a: 1\r\nb: 2\r\n", "a <1>; b <2>");
}

#[test]
fn what_points_elsewhere_is_refused_and_the_rest_is_read() {
    refused("a: &x 1\nb: 2", &["3-5 anchor"], "a <1>; b <2>");
    refused("a: &x 1\nb: *x\nc: 3", &["3-5 anchor", "11-13 alias"], "a <1>; b; c <3>");
    refused("b: *x\nc: [*y, 1]", &["3-5 alias", "10-12 alias"], "b; c <1>");
    refused("*x : 1\nb: 2", &["0-2 alias"], "b <2>");
    refused("a:\n  <<: {x: 1}\n  b: 2", &["5-7 merge-key"], "a {b <2>}");
    refused("a: !!int 5\nb: !t {c: 1}", &["3-8 tag", "14-16 tag"], "a <5>; b {c <1>}");
}

#[test]
fn keys_are_unique_one_line_texts() {
    refused("a: 1\nb: 2\na: 3", &["10-11 duplicate-key"], "a <1>; b <2>; a <3>");
    refused(
        "mailbox a: 1\nmailbox b: 1\nmailbox a: 1",
        &["26-35 duplicate-key"],
        "mailbox <a> <1>; mailbox <b> <1>; mailbox <a> <1>",
    );
    refused("? [a, b]\n: c\nd: 1", &["2-3 complex-key"], "d <1>");
    refused("? {a: b}\n: {c: [d]}\nd: 1", &["2-3 complex-key"], "d <1>");
    refused("? |\n  a\n  b\n: c\nd: 1", &["6-12 complex-key"], "d <1>");
    refused(": 1\nb: 2", &["0-0 empty-key"], "b <2>");
    refused("'': 1\n' x': 1\nb: 2", &["0-2 empty-key", "6-10 empty-key"], "b <2>");
    refused("mailbox \"alice\": 1", &["8-15 quoted-argument"], "mailbox <\"alice\"> <1>");
    check("? a b\n: c", "a <b> <c>");
}

#[test]
fn what_is_no_node_is_refused() {
    refused("hello", &["0-5 not-a-node"], "");
    refused("- hello\n- a: 1", &["2-7 not-a-node", "2-7 mixed-list"], "a <1>");
    refused("a: [b, c: 1]", &["4-5 mixed-list"], "a <b> {c <1>}");
    refused("a: [[b], c]", &["4-5 nested-list"], "a <c>");
    refused("a:\n- name: x\n  tier: y\n- b: 1", &["15-19 list-entry"], "a {name <x>; tier <y>; b <1>}");
    refused("a: [{}]", &["4-4 list-entry"], "a");
    refused("args: [1]\nb: 2", &["0-4 args"], "b <2>");
    refused("a: { args: {b: 1}, c: 2 }", &["11-12 args"], "a {c <2>}");
    refused("a: { args: [b: 1], c: 2 }", &["12-12 args"], "a {c <2>}");
    refused("a: 1\n---\nb: 2", &["5-8 documents"], "a <1>; b <2>");
    refused("language: 1\na: 1\n---\nlanguage: 1\nb: 2", &["17-20 documents"], "language <1>; a <1>; b <2>");
}

#[test]
fn behind_a_syntax_error_the_rest_is_read() {
    refused("a: 1\nb: {c: 1, d: [2\ne: 3\n", &["18-19 unclosed"], "a <1>; b {c <1>; d <2>}; e <3>");
    refused("a: 1\nb:\n\t- c: 1\n\t- d: 1\n", &["8-9 tab", "16-17 tab"], "a <1>; b {c <1>; d <1>}");
    refused("a: 1\nb: \"x\nc: 1", &["8-9 unclosed-string"], "a <1>; b <x>; c <1>");
    refused("a: \"x\nb: \"y\"\nc: 1", &["3-4 unclosed-string"], "a <x>; b <y>; c <1>");
    refused("a: {b: \"x }\nc: \"y\"", &["7-8 unclosed-string"], "a {b <x>}; c <y>");
    refused("a: b: c\nd: 1", &["4-5 colon"], "a <b: c>; d <1>");
    refused("a:1\nb: 2", &["1-2 colon"], "a <1>; b <2>");
    refused("a x\nb: 2", &["0-3 colon"], "a <x>; b <2>");
    refused("a { b: 1 }\nc: 2", &["2-3 colon"], "c <2>");
    refused("%YAML 1.2\n---\na: 1", &["0-1 directive"], "a <1>");
    refused("a: @x # c\nb: 1", &["3-4 unexpected-character"], "a <@x>; b <1>");
    refused("a: \"\\q\"\nb: 1", &["4-6 escape"], "a <\\q>; b <1>");
    refused("a: 1\n b: 2\nc: 3", &["6-7 indentation"], "a <1>; b <2>; c <3>");
    refused("a:\n    b: 1\n  c: 2\nd: 3", &["14-15 indentation"], "a {b <1>; c <2>}; d <3>");
    refused("a: [1, 2\nb: 1", &["3-4 unclosed"], "a <1> <2>; b <1>");
    refused("a: [1, 2", &["3-4 unclosed"], "a <1> <2>");
    refused("a: [1, 2}\nb: 1", &["8-9 stray-bracket"], "a <1> <2>; b <1>");
    refused("a: {b: 1 c: 2}\nd: 1", &["8-8 separator"], "a {b <1>; c <2>}; d <1>");
    refused("a: x\u{202E}y", &["4-7 disallowed-character"], "a <x\u{202E}y>");
    refused("a: \u{7}x\nb: [", &["3-4 disallowed-character", "9-10 unclosed"], "a <x>; b");
}

#[test]
fn too_many_syntax_errors_end_the_reading() {
    let text = "a: @x\n".repeat(500);
    let read = read(FileId(0), text.as_bytes());
    let syntax = read.problems.iter().filter(|problem| problem.code == "yaml::unexpected-character");
    assert_eq!(syntax.clone().count(), 201);
    assert_eq!(syntax.filter(|problem| problem.label == "reading stops here").count(), 1);
}

#[test]
fn spans_lie_on_what_they_name() {
    let source = "# c\nmailbox é:\n  name: 'Alice E'\n  to: [a, b]\nz: 1\n";
    let read = read(FileId(9), source.as_bytes());
    let at = |span: Span| {
        assert_eq!(span.file, FileId(9));
        &source[span.start as usize..span.end as usize]
    };
    let node = &read.nodes[0];
    assert_eq!(at(node.kind.span), "mailbox");
    assert_eq!(at(node.arguments[0].span), "é");
    assert_eq!(at(node.span), "mailbox é:\n  name: 'Alice E'\n  to: [a, b]");
    assert_eq!(at(node.children[0].span), "name: 'Alice E'");
    assert_eq!(at(node.children[0].arguments[0].span), "'Alice E'");
    assert_eq!(at(node.children[1].arguments[1].span), "b");
}

#[test]
fn both_syntaxes_give_the_same_tree() {
    for (yaml, kdl) in [
        (
            "language: 1\nplatform northmail:\n  operator Northwind Email: { postmaster: p@x.example }\n  tls-rpt: true\n",
            "language 1\nplatform \"northmail\" { operator \"Northwind Email\" postmaster=\"p@x.example\"; tls-rpt #true }",
        ),
        (
            "contract acme:\n  tiers: [basic, premium]\n  price: { args: [0.38 USD], tier: basic, minimum: 2000 }\n",
            "contract \"acme\" { tiers \"basic\" \"premium\"; price \"0.38 USD\" tier=\"basic\" minimum=2000 }",
        ),
        (
            "scenario a virus:\n- send: { from: m@b.example, attach: eicar }\n- expect: { count: 0 }\n- expect: { count: 1, within: 30s }\n",
            "scenario \"a virus\" { send from=\"m@b.example\" attach=eicar; expect count=0; expect count=1 within=\"30s\" }",
        ),
        (
            "- mailbox alice: { imap: }\n- mailbox bob: { quota: ~ }\n",
            "mailbox alice { imap }\nmailbox bob quota=#null",
        ),
    ] {
        let from_yaml = read(FileId(0), yaml.as_bytes());
        let from_kdl = crate::kdl::read(FileId(0), kdl.as_bytes());
        assert_eq!(from_yaml.problems, vec![], "{yaml}");
        assert_eq!(from_kdl.problems, vec![], "{kdl}");
        assert_eq!(spell(&from_yaml.nodes), spell(&from_kdl.nodes));
    }
}

fn nested(depth: usize) -> String {
    "{a: ".repeat(depth) + "1" + &"}".repeat(depth)
}

#[test]
fn nesting_ends_at_its_limit() {
    let depth = crate::read::MAX_DEPTH;
    check(&format!("a: {}", nested(depth)), &("a {".repeat(depth) + "a <1>" + &"}".repeat(depth)));
    let deeper = nested(depth + 2);
    let source = format!("a: {deeper}\nb: 1\n");
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(read.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["yaml::too-deep"]);
    assert_eq!(read.nodes.len(), 2);
}

#[test]
fn bombs_are_refused_in_bounded_time() {
    let aliases: String =
        (0..60).map(|level| format!("a{level}: &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(9))).collect();
    let mut bombs = vec![aliases];
    for piece in [
        "[", "{", "]", "[[],", "{a: ", "- ", "? ", "a: ", "! ", "&a ", "*a ", "\"", "'", "\t", "%\n", "---\n", "|\n",
        "{a: 1}, ", "- - a\n", "a:\n", "\n",
    ] {
        bombs.push(piece.repeat(200_000 / piece.len()));
    }
    bombs.push((0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect());
    for bomb in bombs {
        let read = read(FileId(0), bomb.as_bytes());
        assert!(read.problems.len() <= crate::read::MAX_PROBLEMS + 1);
    }
}

fn lies_within(text: &str, span: Span) -> bool {
    span.start <= span.end && text.is_char_boundary(span.start as usize) && text.is_char_boundary(span.end as usize)
}

fn node_lies_within(text: &str, node: &Node<'_>) -> bool {
    lies_within(text, node.span)
        && lies_within(text, node.kind.span)
        && node.arguments.iter().all(|argument| lies_within(text, argument.span))
        && node.children.iter().all(|child| {
            node.span.start <= child.span.start && child.span.end <= node.span.end && node_lies_within(text, child)
        })
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let read = read(FileId(1), text.as_bytes());
    prop_assert!(read.nodes.iter().all(|node| node_lies_within(text, node)), "{:?}", read);
    for problem in &read.problems {
        prop_assert!(lies_within(text, problem.span), "{:?}", problem);
        prop_assert!(problem.related.iter().all(|related| lies_within(text, related.span)), "{:?}", problem);
        prop_assert!(problem.help.is_some() && problem.code.starts_with("yaml::"));
    }
    Ok(())
}

const PIECES: &[&str] = &[
    "a",
    "b c",
    "é",
    "名",
    "1",
    "true",
    "~",
    "null",
    "''",
    "'x y'",
    "\"x\"",
    "\"\\u00e9\"",
    "\"",
    "'",
    ": ",
    ":",
    ":\n",
    ":\n  ",
    "- ",
    "-",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\t",
    " ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "? ",
    "| \n",
    ">-\n ",
    "#c\n",
    " # c",
    "&a ",
    "*a",
    "!t ",
    "!!str ",
    "<<: ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "args: ",
    "\u{FEFF}",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "@",
    "`",
    "%",
    "\\",
];

#[test]
fn a_bracket_in_a_key_over_several_lines_is_pointed_at_where_it_stands() {
    holds("? aa\n  \u{85}{").unwrap();
    let text = "a é\n  {b: 1\n";
    let read = read(FileId(0), text.as_bytes());
    assert!(read.problems.iter().all(|problem| lies_within(text, problem.span)), "{:?}", read.problems);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let read = read(FileId(0), &bytes);
        let length = bytes.len() as u32;
        prop_assert!(read.problems.iter().all(|problem| problem.span.start <= problem.span.end && problem.span.end <= length));
        if let Ok(text) = std::str::from_utf8(&bytes) {
            holds(text)?;
        }
    }

    #[test]
    fn any_heap_of_tokens_is_read(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        holds(&pieces.concat())?;
    }
}
