//! Every corner of the grammar, and the tree that it gives.

use super::{codes, spell};
use crate::kdl::read;
use crate::tree::FileId;

fn check(source: &str, expected: &str) {
    let read = read(FileId(0), source.as_bytes());
    assert_eq!(codes(&read), Vec::<String>::new(), "{source:?}: {:?}", read.problems);
    assert_eq!(spell(&read.nodes), expected, "{source:?}");
}

#[test]
fn nodes_end_with_a_line_a_semicolon_a_comment_a_brace_or_the_file() {
    check("", "");
    check(" \n\t\n// c\n/* c */", "");
    check("a", "a");
    check("a\nb;c // c\nd", "a; b; c; d");
    check("a;b;", "a; b");
    check("a { b }; c { d; e\n}\nf {}", "a {b}; c {d; e}; f");
    check("a {b{c{d}}}", "a {b {c {d}}}");
    check("a{b}", "a {b}");
}

#[test]
fn every_kind_of_line_end_ends_a_node() {
    for newline in ["\n", "\r\n", "\r", "\u{85}", "\u{B}", "\u{C}", "\u{2028}", "\u{2029}"] {
        check(&format!("a{newline}b 1{newline}"), "a; b 1");
        check(&format!("// c{newline}a \\{newline} 1"), "a 1");
    }
}

#[test]
fn every_kind_of_blank_stands_between_values() {
    for space in "\t \u{A0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200A}\u{202F}\u{205F}\u{3000}".chars() {
        check(&format!("{space}a{space}b{space}={space}c{space}"), "a b=\"c\"");
    }
    check("a/* x */1/* /* y\n */ */2", "a 1 2");
    check("a \\\n 1 \\ /* c */ // c\n 2 \\\r\n", "a 1 2");
    check("a \\", "a");
    check("a \\\n\\\n b", "a \"b\"");
}

#[test]
fn a_byte_order_mark_and_a_version_may_stand_first() {
    check("\u{FEFF}a", "a");
    check("/- kdl-version 2\na", "a");
    check("\u{FEFF}/-kdl-version  2 \na", "a");
    check("/- kdl-version 1 2\na", "a");
    for (source, place) in [("/- kdl-version 1\na", "0-16"), ("\u{FEFF}/-kdl-version  1 \na", "3-19")] {
        let read = read(FileId(0), source.as_bytes());
        assert_eq!(codes(&read), [format!("{place} version")]);
        assert_eq!(spell(&read.nodes), "a");
    }
}

#[test]
fn words_hold_all_but_what_the_grammar_needs() {
    check(
        "a-b a.b _ - + -- --x . .. .md -. +.a <,> a:b x@y.z é 名前 🙂 1_ r",
        "a-b \"a.b\" \"_\" \"-\" \"+\" \"--\" \"--x\" \".\" \"..\" \".md\" \"-.\" \"+.a\" \"<,>\" \"a:b\" \"x@y.z\" \"é\" \"名前\" \"🙂\" 1_ \"r\"",
    );
    check("\"a b\" c", "a b \"c\"");
    check("\"\" \"\"", " \"\"");
    check("#\"a\"# b", "a \"b\"");
    check("truely nullx infinity", "truely \"nullx\" \"infinity\"");
}

#[test]
fn values_are_texts_numbers_flags_and_null() {
    check(
        "a b \"b\" #\"b\"# 1 -1.5e+3 0xFF #true #false #null #inf #-inf #nan",
        "a \"b\" \"b\" \"b\" 1 -1.5e+3 0xFF #true #false #null #inf #-inf #nan",
    );
    check("a b=1 \"c d\"=#true #\"e\"#=x b=2", "a b=1 c d=#true e=\"x\" b=2");
    check("a b = 1 c= 2 d =3", "a b=1 c=2 d=3");
    check("a b \\\n = \\\n 1", "a b=1");
    check("a 1 b=2 3", "a 1 3 b=2");
}

#[test]
fn escapes_stand_for_characters() {
    check(r#"a "\n\r\t\b\f\s\"\\" "#, r#"a "\n\r\t\u{8}\u{c} \"\\""#);
    check(r#"a "\u{41}\u{e9}\u{00E9}\u{1F642}\u{0}\u{10FFFF}""#, "a \"Aéé🙂\\0\\u{10ffff}\"");
    check("a \"x\\   y\" \"x\\\n  \n\t y\" \"\\\n\"", "a \"xy\" \"xy\" \"\"");
    check("a \"\\\\ x\" \"\\\\\\ x\"", "a \"\\\\ x\" \"\\\\x\"");
}

#[test]
fn raw_strings_hold_what_they_spell() {
    check(r###"a #""# #"\n"# ##"a"#b"##"###, r##"a "" "\\n" "a\"#b""##);
    check(r##"a #""x"# #"x""# "##, r#"a "\"x" "x\"""#);
}

#[test]
fn strings_in_three_quotes_lose_the_indentation_of_their_last_line() {
    check("a \"\"\"\n\"\"\"", "a \"\"");
    check("a \"\"\"\n  \"\"\"", "a \"\"");
    check("a \"\"\"\n\n\"\"\"", "a \"\"");
    check("a \"\"\"\n  x\n  \"\"\"", "a \"x\"");
    check("a \"\"\"\n    x\n\n   y\n \t \n  z  \n  \"\"\"", "a \"  x\\n\\n y\\n\\nz  \"");
    check("a \"\"\"\r\n  x\r\n  y\r  z\u{2028}  \"\"\"", "a \"x\\ny\\nz\"");
    check("a \"\"\"\n \"x\" \"\"y\n \"\"\"", "a \"\\\"x\\\" \\\"\\\"y\"");
    check("a \"\"\"\n x\\n\\ty \\\"\"\"\n \"\"\"", "a \"x\\n\\ty \\\"\\\"\\\"\"");
    check("a \"\"\"\n\tx\n\t\"\"\" b", "a \"x\" \"b\"");
    check("a #\"\"\"\n  x\\n\"\"\"\n  \"\"\"#", "a \"x\\\\n\\\"\\\"\\\"\"");
    check("a ##\"\"\"\n  \"\"\"#\n  \"\"\"##", "a \"\\\"\\\"\\\"#\"");
}

#[test]
fn escaped_blanks_are_taken_out_before_the_indentation() {
    check("a \"\"\"\n  x \\\ny\n  z\n  \"\"\"", "a \"x y\\nz\"");
    check("a \"\"\"\n  x\n  \\   \"\"\"", "a \"x\"");
    check("a \"\"\"\n  x\n \\\n  \"\"\"", "a \" x\"");
    check("a \"\"\"\n  \\\n  x\n  \"\"\"", "a \"x\"");
    check("a \"\"\"\n  x\\s\n  \"\"\"", "a \"x \"");
    check("a \"\"\"\n  \\\\   x\n  \"\"\"", "a \"\\\\   x\"");
}

#[test]
fn a_slashdash_takes_out_what_follows_it() {
    check("/-a 1 { b }\nc", "c");
    check("/- \n // c\n a\nb", "b");
    check("/-a;b", "b");
    check("a /-1 2 /-b=3 c=4 /- d", "a 2 c=4");
    check("a /-\n1 2", "a 2");
    check("a /-{ b } { c } /-{ d }", "a {c}");
    check("a /-{ b } /-{ c }", "a");
    check("a { /-b; c }", "a {c}");
    check("a { /-b }", "a");
    check("/-a { /-b { c } }\nd", "d");
    check("a /-\"\"\"\n x\n \"\"\" /-#\"y\"# 1", "a 1");
}

#[test]
fn spans_lie_on_what_they_name() {
    let source = "é  \"x\" 1 k = #true { c }\nb";
    let read = read(FileId(4), source.as_bytes());
    let at = |span: crate::Span| {
        assert_eq!(span.file, FileId(4));
        &source[span.start as usize..span.end as usize]
    };
    let node = &read.nodes[0];
    assert_eq!(at(node.span), "é  \"x\" 1 k = #true { c }");
    assert_eq!(at(node.kind.span), "é");
    assert_eq!(node.arguments.iter().map(|argument| at(argument.span)).collect::<Vec<_>>(), ["\"x\"", "1"]);
    assert_eq!(at(node.properties[0].name.span), "k");
    assert_eq!(at(node.properties[0].value.span), "#true");
    assert_eq!(at(node.children[0].span), "c");
    assert_eq!(at(read.nodes[1].span), "b");
}

#[test]
fn texts_are_borrowed_where_the_source_says_what_they_spell() {
    use crate::tree::Scalar;
    use std::borrow::Cow;
    let source = "a b \"c\" #\"d\"# \"\"\"\n  e f\n  \"\"\" \"\\n\"";
    let read = read(FileId(0), source.as_bytes());
    let borrowed: Vec<bool> = read.nodes[0]
        .arguments
        .iter()
        .map(|argument| matches!(&argument.value, Scalar::Text(Cow::Borrowed(_))))
        .collect();
    assert_eq!(borrowed, [true, true, true, true, false]);
}
