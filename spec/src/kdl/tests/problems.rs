//! What is said of broken documents, and what is kept of them.

use super::{codes, spell};
use crate::kdl::read;
use crate::read::{MAX_DEPTH, MAX_NODES, MAX_PROBLEMS};
use crate::tree::FileId;

/// Checks the problems (as `start-end code`) and what is kept.
fn check(source: &str, problems: &[&str], kept: &str) {
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(codes(&read), problems, "{source:?}: {:#?}", read.problems);
    assert_eq!(spell(&read.nodes), kept, "{source:?}");
}

/// Checks that a broken document has one problem whose help holds `help`, and that `repaired` has none and the same tree.
fn repaired(source: &str, help: &str, repaired: &str) {
    let broken = read(FileId(0), source.as_bytes());
    let said: Vec<&str> = broken.problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    assert_eq!(said.len(), 1, "{source:?}: {:#?}", broken.problems);
    assert!(said.iter().all(|said| said.contains(help)), "{source:?}: {said:?}");
    let read = read(FileId(0), repaired.as_bytes());
    assert_eq!(codes(&read), Vec::<String>::new(), "{repaired:?}");
    assert_eq!(spell(&broken.nodes), spell(&read.nodes), "{source:?}");
}

#[test]
fn values_without_their_marks_say_how_they_are_written() {
    repaired("imap true", "`#true`", "imap #true");
    repaired("a b=null", "`#null`", "a b=#null");
    repaired("a -inf", "`#-inf`", "a #-inf");
    repaired("a #True", "`#true`", "a \"#True\"");
    repaired("quota 2GiB", "`\"2GiB\"`", "quota \"2GiB\"");
    repaired("above 80%", "`\"80%\"`", "above \"80%\"");
    repaired("a .5", "`0.5`", "a \".5\"");
    repaired("a 1.", "`1.0`", "a \"1.\"");
    repaired("a 0xfg", "`\"0xfg\"`", "a \"0xfg\"");
    repaired("primary #0b5fff", "`\"#0b5fff\"`", "primary \"#0b5fff\"");
    repaired("logo assets/acme.svg", "`\"assets/acme.svg\"`", "logo \"assets/acme.svg\"");
    repaired("network 10.20.0.0/16", "`\"10.20.0.0/16\"`", "network \"10.20.0.0/16\"");
    repaired("a b#c", "`\"b#c\"`", "a \"b#c\"");
    repaired("a r\"x\\d\"", "#\"…\"#", "a #\"x\\d\"#");
    repaired("a r#\"x\"y\"#", "#\"…\"#", "a #\"x\"y\"#");
    repaired("a \"b\"\"c\"", "blank", "a \"b\" \"c\"");
    repaired("a b=\"c\"d", "blank", "a b=\"c\" d");
    repaired("a = 1", "`a 1`", "a 1");
    repaired("a \"b\", \"c\"", "blank", "a \"b\" \"c\"");
    repaired("a [1, 2]", "blanks", "a 1 2");
    repaired("a b=[\"c\", d]", "blanks", "a b=\"c\" d");
}

#[test]
fn annotations_are_told_and_the_node_is_kept() {
    check(
        "(t)a (u8)1 b=(\"x y\")2 ( z )c",
        &["0-3 type-annotation", "5-9 type-annotation", "13-20 type-annotation", "22-27 type-annotation"],
        "a 1 \"c\" b=2",
    );
    check("()a", &["0-2 malformed-annotation"], "a");
    check(
        "a (1)2 (x y)3 (",
        &[
            "2-5 malformed-annotation",
            "7-12 malformed-annotation",
            "14-15 malformed-annotation",
            "14-15 malformed-annotation",
        ],
        "a 2 3",
    );
    check("(t)\nb", &["0-3 type-annotation", "0-3 malformed-annotation"], "b");
}

#[test]
fn properties_without_name_or_value_are_told() {
    check("a b=\nc", &["2-4 missing-value"], "a; c");
    check("a b= ;c", &["2-4 missing-value"], "a; c");
    check("a b={}", &["2-4 missing-value"], "a");
    check("a 1 =2 3", &["4-5 stray-equals"], "a 1 3");
    check("a b=c=d e", &["5-6 stray-equals"], "a \"e\" b=\"c\"");
    check("a 1=2", &["3-4 stray-equals"], "a 1");
    check("a b=/-1", &["2-4 missing-value", "4-4 missing-space"], "a");
    check("=a\nb", &["0-1 stray-character"], "a; b");
}

#[test]
fn strings_tell_the_place_of_each_fault() {
    check(
        "a \"x\\qy\\u{d800}\" b\nc",
        &["4-6 unknown-escape", "7-15 malformed-escape"],
        "a \"x\\\\qy\u{FFFD}\" \"b\"; c",
    );
    check(
        "a \"\\u{}\\u{1234567}\\u12\"",
        &["3-7 malformed-escape", "7-18 malformed-escape", "18-20 malformed-escape"],
        "a \"\u{FFFD}\u{FFFD}\u{FFFD}12\"",
    );
    check(
        "a \"x\nb \"y\" c\nd #\"z\ne",
        &["2-3 unclosed-string", "15-17 unclosed-string"],
        "a \"x\"; b \"y\" \"c\"; d \"z\"; e",
    );
    check("a \"\"\"\nx", &["2-5 unclosed-string"], "a \"\\nx\"");
    check("a #\"\"\"\nx\"\"\"", &["2-6 unclosed-string"], "a \"\\nx\\\"\\\"\\\"\"");
    check("a \"\"\"x\"\"\" b", &["5-6 multi-line-string"], "a \"x\" \"b\"");
    check("a #\"\"\"# b", &["4-5 multi-line-string"], "a \"\\\"\" \"b\"");
    check("a \"\"\"\n  x\n  y\"\"\" b", &["12-13 multi-line-string"], "a \"x\\ny\" \"b\"");
    check("a \"\"\"\n  x\n y\n\tz\n  \"\"\"", &["10-11 indentation", "13-14 indentation"], "a \"x\\ny\\nz\"");
    check("a \"\"\"\n  \\\n  x\\q\n y\n  \"\"\"", &["13-15 unknown-escape", "16-17 indentation"], "a \"x\\\\q\\ny\"");
    check("a \"\"\"\n  x\\\n  \"\"\"", &["8-13 multi-line-string"], "a \"x\"");
}

#[test]
fn slashdashes_take_out_something() {
    check("a /-\n/- \nb", &["2-4 dangling-slashdash"], "a");
    check("/-", &["0-2 dangling-slashdash"], "");
    check("a { /- }", &["4-6 dangling-slashdash"], "a");
    check("a /-{} 1 { b }", &["7-8 behind-block"], "a 1 {b}");
    check("a/-1 2", &["1-1 missing-space"], "a 2");
}

#[test]
fn blocks_belong_to_nodes_and_end_them() {
    check("{ a }\nb", &["0-1 missing-kind"], "b");
    check("a\n{ b }\nc", &["2-3 missing-kind"], "a; c");
    check("a { b } c", &["8-9 behind-block"], "a {b}; c");
    check("a { b } { c }", &["8-9 second-block"], "a {b; c}");
    check("a }\nb", &["2-3 stray-brace"], "a; b");
    check("a;;b", &["2-3 stray-semicolon"], "a; b");
}

#[test]
fn a_block_that_is_not_closed_points_at_its_brace_and_at_the_one_probably_meant() {
    let source = "a {\n    b {\n        c\n}\nd {\n    e\n}\n";
    let read = read(FileId(0), source.as_bytes());
    let problem = &read.problems[0];
    assert_eq!(codes(&read), ["10-11 unclosed-block"]);
    let places: Vec<u32> = problem.related.iter().map(|related| related.span.start).collect();
    assert_eq!(places, [22], "{problem:#?}");
    assert_eq!(spell(&read.nodes), "a {b {c}}; d {e}");
}

#[test]
fn braces_that_are_missing_or_too_many_are_told_where_the_indentation_shows_them() {
    check("a {\n    b {\n        c\n    }}\n    d\n}\n", &["27-28 stray-brace"], "a {b {c}; d}");
    check("a {\n    b {\n    }\n    }\n    c\n}\n", &["22-23 stray-brace"], "a {b; c}");
    check("a {\n    b\n        c\n    }\n    d\n}\n", &["9-9 missing-brace"], "a {b {c}; d}");
    check("a {\n    b { c\n    d { e; }\n}\n", &["10-11 unclosed-block"], "a {b {c}; d {e}}");
    check("a {\n    b {\n        c\n    d {\n    }\n}\n", &["10-11 unclosed-block"], "a {b {c}; d}");
}

#[test]
fn strings_end_before_what_cannot_be_meant_as_text() {
    check("a { b \"c; }\nd", &["6-7 unclosed-string"], "a {b \"c\"}; d");
    check("a { b { c \"d } }\ne", &["10-11 unclosed-string"], "a {b {c \"d\"}}; e");
    check("a \"b { c \"d\"; }\ne", &["2-3 unclosed-string"], "a \"b\" {c \"d\"}; e");
    check("a \"b \"c\"\nd", &["2-3 unclosed-string"], "a \"b\" \"c\"; d");
    check("a { b \"c\nd\"; }\ne", &["6-7 multi-line-string"], "a {b \"c d\"}; e");
    check("a \"b }\nc", &["2-3 unclosed-string"], "a \"b }\"; c");
}

#[test]
fn stray_characters_are_told_once_each() {
    check("a [1, 2]\nb", &["2-3 list"], "a 1 2; b");
    check("a ) b", &["2-3 stray-character"], "a \"b\"");
    check("a \\ b", &["2-3 stray-backslash"], "a \"b\"");
    check(
        "a \u{0}\u{1} b\u{202E}\nc /* \u{7F} */",
        &["2-4 disallowed-character", "6-9 disallowed-character", "15-16 disallowed-character"],
        "a \"b\\u{202e}\"; c",
    );
    check("a \u{FEFF}b", &["2-5 disallowed-character"], "a \"b\"");
    check("1 2\n#true", &["0-1 kind-not-text", "4-9 kind-not-text"], "1 2; #true");
    check("true {\n}", &["0-4 bare-keyword"], "true");
    check("a /* b", &["2-4 unclosed-comment"], "a");
    check("url https://x.example", &["10-21 comment-in-word"], "url \"https:\"");
}

#[test]
fn all_errors_of_a_file_are_told_in_one_run() {
    let source = "a true\nb {\n  c 2GiB\n  d e=\n}\nf \"x\ng [\nh 1\n";
    check(
        source,
        &["2-6 bare-keyword", "15-19 malformed-number", "24-26 missing-value", "31-32 unclosed-string", "36-37 list"],
        "a #true; b {c \"2GiB\"; d}; f \"x\"; g; h 1",
    );
}

#[test]
fn nesting_ends_at_its_limit_and_what_follows_is_read() {
    let nested = |depth: usize| format!("{}x{}\nlast", "a {".repeat(depth), "}".repeat(depth));
    let at_limit = nested(MAX_DEPTH);
    assert_eq!(read(FileId(0), at_limit.as_bytes()).problems, vec![]);
    for depth in [MAX_DEPTH + 1, 100_000] {
        let deeper = nested(depth);
        let read = read(FileId(0), deeper.as_bytes());
        assert_eq!(codes(&read), [format!("{}-{} too-deep", MAX_DEPTH * 3 + 2, MAX_DEPTH * 3 + 3)]);
        assert_eq!(read.nodes.iter().map(|node| node.kind.value.as_ref()).collect::<Vec<_>>(), ["a", "last"]);
    }
}

#[test]
fn bombs_are_read_in_bounded_time() {
    let pieces = [
        "{",
        "}",
        "a{",
        "a {\n",
        "/*",
        "*/",
        "(",
        ")",
        "a (",
        "\"",
        "\"\"\"",
        "#",
        "#\"",
        "#\"\"\"",
        "##\"\"\"#",
        "r#\"",
        "r\"",
        "/-",
        "/-{",
        "a /-{",
        "\\",
        "\\\n",
        "\\\"\"\"",
        "\"\"\"a\n\\",
        "=",
        "a=",
        "a =",
        "[",
        "/",
        ";",
        "a;",
        "a\n",
        "a ",
        "a=b ",
        "1",
        "#true",
        "\u{0}",
        "\u{FEFF}a",
        "\u{2028}",
        "\"\\q\" ",
        "\"\\",
        "\"\"\"\n",
        "a {}/-{}",
        "}a{",
        "//",
        "a//\n",
        "\n",
    ];
    for piece in pieces {
        let bomb = piece.repeat(300_000 / piece.len());
        let read = read(FileId(0), bomb.as_bytes());
        assert!(read.problems.len() <= MAX_PROBLEMS + 1, "{piece:?}");
    }
    for (opening, piece, closing) in [
        ("a \"\"\"\n", "\\ x\\q\n", "\"\"\""),
        ("a \"\"\"\n", " \n", " \"\"\""),
        ("a #\"", "\"", "\"#"),
        ("a ##\"\"\"\n", "\"\"\"#", "\n\"\"\"##"),
    ] {
        let bomb = format!("{opening}{}{closing}", piece.repeat(300_000 / piece.len()));
        assert!(read(FileId(0), bomb.as_bytes()).problems.len() <= MAX_PROBLEMS + 1);
    }
}

#[test]
fn a_file_of_too_many_nodes_is_read_up_to_the_limit() {
    let source = "a\n".repeat(MAX_NODES + 10);
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(read.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["kdl::too-many-nodes"]);
    assert_eq!(read.nodes.len(), MAX_NODES + 1);
}

#[test]
fn problems_end_at_their_limit() {
    let source = "a true\n".repeat(MAX_PROBLEMS * 2);
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(read.problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(read.problems.last().map(|problem| problem.code), Some("kdl::too-many-problems"));
}
