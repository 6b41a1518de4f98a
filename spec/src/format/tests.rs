//! The canonical form as a whole: how it looks, and what holds of it for any document.

use super::layout::{Comment, Item, LaidNode, Piece, comments_of, lay_out};
use super::{Formatted, format, kdl};
use crate::kdl::tests::generate;
use crate::kdl::{TokenKind, tokens};
use crate::tree::FileId;
use proptest::prelude::*;

fn check(source: &str, expected: &str) {
    assert_eq!(kdl(source), expected, "{source:?}");
    assert_eq!(kdl(expected), expected, "not stable: {source:?}");
    holds(source).unwrap_or_else(|error| panic!("{source:?}: {error}"));
}

#[test]
fn nodes_stand_one_on_a_line_and_their_parts_one_blank_apart() {
    check("a;b  1\tx = 2 ; c", "a\nb 1 x=2\nc\n");
    check("a{b{c 1;d}}", "a {\n    b {\n        c 1\n        d\n    }\n}\n");
    check("a {}\nb { }\nc {\n}", "a {}\nb {}\nc {}\n");
    check("a\r\n\u{FEFF}".trim_end_matches('\u{FEFF}'), "a\n");
    check("\u{FEFF}a", "a\n");
    check("", "");
    check("\n\n", "");
}

#[test]
fn one_empty_line_between_two_nodes_stays() {
    check("\n\na\n\n\n\nb\nc {\n\n  d\n\n\n  e\n\n}\n\n", "a\n\nb\nc {\n    d\n\n    e\n}\n");
    check("a // c\n\n// d\n\nb", "a // c\n\n// d\n\nb\n");
}

#[test]
fn texts_stand_in_quotes_and_names_do_not() {
    check("mailbox alice \"tier\"=basic", "mailbox \"alice\" tier=\"basic\"\n");
    check("\"a b\" \"c d\"=#\"e\"# 0xFF #true", "\"a b\" \"c d\"=#\"e\"# 0xFF #true\n");
    check("a \"\"\"\n   x\n    y\n   \"\"\" b", "a \"\"\"\n   x\n    y\n   \"\"\" \"b\"\n");
}

#[test]
fn a_continued_line_stays_continued() {
    check("a 1 \\\n 2 \\\n\\\n 3", "a 1 \\\n    2 \\\n    3\n");
    check("a \\\n{\n b \\\n\n}", "a {\n    b\n}\n");
    check("a \\ // c\n 1", "a \\ // c\n    1\n");
    check("a 1 \\ // c\n", "a 1 // c\n");
    check("a 1 \\ // c\n // d\nb", "a 1 // c\n// d\nb\n");
    check("a x \\\n = \\\n 1", "a x=1\n");
}

#[test]
fn comments_stay_where_they_are() {
    check("// a\n\n//b  \n", "// a\n\n//b\n");
    check("a // b\n", "a // b\n");
    check("a /* b */; /* c */ // d\n", "a /* b */ /* c */ // d\n");
    check("a; /* b */ c", "a\n/* b */ c\n");
    check(
        "a /* b */ 1 /* c */ x /* d */ = /* e */ 2 /* f */ {g} /* h */",
        "a /* b */ 1 /* c */ x /* d */ = /* e */ 2 /* f */ {\n    g\n} /* h */\n",
    );
    check("a { // b\n c // d\n // e\n} // f", "a { // b\n    c // d\n    // e\n} // f\n");
    check("a { /* b */ }", "a {\n    /* b */\n}\n");
    check("a { /* b */\n c }", "a { /* b */\n    c\n}\n");
    check("a {\n /* b\n  c */ d; }", "a {\n    /* b\n  c */ d\n}\n");
    check("a /* b\r\n c */ // d\r\n", "a /* b\n c */ // d\n");
    check("a /* b\r\r\n */", "a /* b\n\n */\n");
    check("a { b; /* c */ }\n/* d */", "a {\n    b /* c */\n}\n/* d */\n");
}

#[test]
fn what_is_taken_out_stays_taken_out() {
    check("/- a 1", "/-a 1\n");
    check("/-\n\n// c\na", "/- // c\n    a\n");
    check("a /- 1 /- x=2 /- { b } { c } /-{d}", "a /-1 /-x=2 /-{\n    b\n} {\n    c\n} /-{\n    d\n}\n");
    check("a /- /* c */ 1 /- // d\n 2", "a /- /* c */ 1 /- // d\n    2\n");
    check("/-kdl-version 2\na", "/-kdl-version 2\na\n");
}

#[test]
fn a_file_with_a_syntax_error_stays_as_it_is() {
    for source in ["a {", "a \"", "a 1 = 2", "url https://a.example", "a (t)1", "a\u{0}"] {
        let Formatted::Problems(problems) = format(FileId(3), "a.kdl", source.as_bytes()) else { panic!("{source:?}") };
        assert!(!problems.is_empty() && problems.iter().all(|problem| problem.span.file == FileId(3)));
    }
    assert!(matches!(format(FileId(0), "a.yaml", b"a: ["), Formatted::Problems(_)));
    assert!(matches!(format(FileId(0), "a.kdl", b"\xFF"), Formatted::Problems(_)));
    assert!(matches!(format(FileId(0), "a.txt", b"a"), Formatted::Problems(_)));
    assert_eq!(format(FileId(0), "a.kdl", b"a 1\n"), Formatted::Unchanged);
}

#[test]
fn a_file_that_would_grow_past_the_limit_stays_as_it_is() {
    let source = format!("{}{}{}", "a{".repeat(100), "b;".repeat(50_000), "}".repeat(100));
    let Formatted::Problems(problems) = format(FileId(0), "a.kdl", source.as_bytes()) else {
        panic!("it was laid out")
    };
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["kdl::too-large"]);
}

#[test]
fn yaml_loses_only_what_has_no_meaning() {
    let formatted = |text: &str| format(FileId(0), "a.yaml", text.as_bytes());
    for (source, expected) in [
        ("a: 1  \r\nb: 2", "a: 1\nb: 2\n"),
        ("# c \t\na:\t\n  - x: 1 # d \n\n\n", "# c\na:\n  - x: 1 # d\n"),
        ("\u{FEFF}a: 'x  \n  y'\n", "a: 'x\n  y'\n"),
    ] {
        assert_eq!(formatted(source), Formatted::Changed(expected.to_owned()), "{source:?}");
        assert_eq!(formatted(expected), Formatted::Unchanged);
    }
    // Blanks in a block of text are text.
    assert_eq!(formatted("a: |\n  x  \n  y\n"), Formatted::Unchanged);
    assert_eq!(formatted("a: |\r\n  x  \r\n"), Formatted::Changed("a: |\n  x  \n".to_owned()));
    assert_eq!(formatted("a: |+\n  x\n\n\n"), Formatted::Unchanged);
    assert_eq!(formatted("a: \"x\\ \n  y\"\n"), Formatted::Unchanged);
}

/// Returns the comments of a document as a formatter may spell them.
fn comments(text: &str) -> Vec<String> {
    let is_comment = |kind| matches!(kind, TokenKind::LineComment | TokenKind::BlockComment);
    let comments = tokens(text).into_iter().filter(|token| is_comment(token.kind));
    let text = comments.map(|token| token.text(text).replace("\r\n", "\n").replace('\r', "\n"));
    text.map(|text| if text.starts_with("//") { text.trim_end_matches([' ', '\t']).to_owned() } else { text }).collect()
}

/// Returns how often each kind of token that carries meaning stands in a document.
fn dashes(text: &str) -> usize {
    tokens(text).into_iter().filter(|token| token.kind == TokenKind::Slashdash).count()
}

fn laid_comments(items: &[Item<'_>]) -> usize {
    items.iter().map(|item| item.comments.len() + item.node.as_ref().map_or(0, node_comments)).sum()
}

fn node_comments(node: &LaidNode<'_>) -> usize {
    let dash = |dash: Option<&super::layout::Dash<'_>>| dash.map_or(0, |dash| dash.comments.len());
    let parts = node.parts.iter().map(|part| {
        let own = match &part.piece {
            Piece::Argument(_) => 0,
            Piece::Property { before, behind, .. } => comments_of(before).count() + comments_of(behind).count(),
            Piece::Block { opening, items } => opening.len() + laid_comments(items),
        };
        comments_of(&part.before).count() + dash(part.dash.as_ref()) + own
    });
    dash(node.dash.as_ref()) + parts.sum::<usize>() + node.trailing.len()
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let outcome = format(FileId(0), "a.kdl", text.as_bytes());
    let formatted = match outcome {
        Formatted::Problems(problems) => {
            prop_assert!(!problems.is_empty());
            return Ok(());
        }
        Formatted::Changed(formatted) => formatted,
        Formatted::Unchanged => text.to_owned(),
        Formatted::Fault => return Err(TestCaseError::fail(format!("says something else: {:?}", kdl(text)))),
    };
    prop_assert_eq!(comments(&formatted), comments(text), "comments of {:?}", formatted);
    prop_assert_eq!(laid_comments(&lay_out(text)), comments(text).len());
    prop_assert_eq!(dashes(&formatted), dashes(text));
    prop_assert_eq!(kdl(&formatted), formatted.clone());
    prop_assert!(
        !formatted.contains("\r\n") && !formatted.contains("\n\n\n") || text.contains("\"\"\"") || text.contains("/*")
    );
    prop_assert!(formatted.is_empty() || formatted.ends_with('\n'));
    Ok(())
}

#[test]
fn comments_know_where_they_start() {
    let text = "a /* b */ // c\n";
    let items = lay_out(text);
    let trailing: &[Comment<'_>] = items[0].node.as_ref().map_or(&[], |node| &node.trailing);
    assert!(trailing.iter().all(|comment| text[comment.start..].starts_with(comment.text)));
    assert_eq!(trailing.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_keeps_its_meaning_and_its_comments(text in generate::document()) {
        prop_assert!(!matches!(format(FileId(0), "a.kdl", text.as_bytes()), Formatted::Problems(_)));
        holds(&text)?;
    }

    #[test]
    fn any_text_is_formatted_or_left_alone(text in prop_oneof![generate::soup(), generate::mutated()]) {
        holds(&text)?;
    }

    #[test]
    fn any_bytes_are_formatted_or_left_alone(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for path in ["a.kdl", "a.yaml", "a"] {
            prop_assert!(format(FileId(0), path, &bytes) != Formatted::Fault);
        }
    }
}
