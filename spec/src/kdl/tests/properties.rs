//! What holds for any bytes.

use super::generate;
use crate::kdl::{read, tokens};
use crate::problem::Problem;
use crate::tree::{FileId, Node, Span};
use proptest::prelude::*;

fn lies_within(text: &str, span: Span) -> bool {
    span.start <= span.end && text.is_char_boundary(span.start as usize) && text.is_char_boundary(span.end as usize)
}

fn node_lies_within(text: &str, node: &Node<'_>) -> bool {
    let spans = [node.kind.span].into_iter();
    let spans = spans.chain(node.arguments.iter().map(|argument| argument.span));
    let mut spans = spans.chain(node.properties.iter().flat_map(|property| [property.name.span, property.value.span]));
    lies_within(text, node.span)
        && spans.all(|span| lies_within(text, span) && node.span.start <= span.start && span.end <= node.span.end)
        && node.children.iter().all(|child| {
            node.span.start <= child.span.start && child.span.end <= node.span.end && node_lies_within(text, child)
        })
}

fn problem_lies_within(text: &str, problem: &Problem) -> bool {
    lies_within(text, problem.span) && problem.related.iter().all(|related| lies_within(text, related.span))
}

fn holds(bytes: &[u8]) -> Result<(), TestCaseError> {
    let read = read(FileId(7), bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        prop_assert!(read.problems.iter().any(|problem| problem.code == "kdl::not-utf8"));
        return Ok(());
    };
    prop_assert!(read.nodes.iter().all(|node| node_lies_within(text, node)), "{:?}", read.nodes);
    prop_assert!(read.problems.iter().all(|problem| problem_lies_within(text, problem)), "{:?}", read.problems);
    prop_assert!(read.problems.iter().all(|problem| problem.help.is_some() && problem.code.starts_with("kdl::")));

    let tokens = tokens(text);
    let spelled: String = tokens.iter().map(|token| token.text(text)).collect();
    prop_assert_eq!(spelled, text);
    prop_assert!(tokens.iter().all(|token| token.start < token.end));
    prop_assert!(tokens.windows(2).all(|pair| pair[0].end == pair[1].start));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes)?;
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn any_heap_of_tokens_is_read(text in generate::soup()) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn any_heap_of_tokens_that_ends_within_a_character_is_read(text in generate::soup(), end in any::<prop::sample::Index>()) {
        let bytes = text.as_bytes();
        let end = end.index(bytes.len() + 1);
        holds(&bytes[..end])?;
    }
}

#[test]
fn a_string_that_ends_with_a_wide_letter_on_another_line_is_told_where_it_ends() {
    assert!(holds("\"\\\na\u{a0}\n".as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn well_formed_documents_have_no_problem(text in generate::document()) {
        prop_assert_eq!(read(FileId(0), text.as_bytes()).problems, vec![]);
        holds(text.as_bytes())?;
    }

    #[test]
    fn broken_documents_keep_their_spans_within(text in generate::mutated()) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn a_node_before_and_a_node_behind_a_broken_line_survive_it(text in generate::soup()) {
        let text = text.replace(['{', '}', '"', '*', '\\'], "");
        let document = format!("first 1\n{text}\n\n\nlast 2\n");
        let read = read(FileId(0), document.as_bytes());
        prop_assert_eq!(read.nodes.first().map(|node| node.kind.value.to_string()), Some("first".to_owned()));
        let is_last = |node: &Node<'_>| node.kind.value == "last";
        let taken_out = text.trim_end().ends_with('-') || text.contains("/-");
        prop_assert!(taken_out || read.nodes.last().is_some_and(is_last), "{:?}", read);
    }
}
