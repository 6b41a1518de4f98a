//! The `kdl` crate as oracle: where it accepts a document we accept it with an equal tree, and the other way round.

use super::generate;
use crate::kdl::{TokenKind, read, tokens};
use crate::problem::Severity;
use crate::read::Read;
use crate::tree::{FileId, Node, Scalar};
use kdl::{KdlDocument, KdlNode, KdlValue};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn errors<'r>(read: &'r Read<'_>) -> Vec<&'r str> {
    read.problems.iter().filter(|problem| problem.severity == Severity::Error).map(|problem| problem.code).collect()
}

fn same_node(ours: &Node<'_>, theirs: &KdlNode) -> bool {
    let (properties, arguments): (Vec<_>, Vec<_>) = theirs.entries().iter().partition(|entry| entry.name().is_some());
    ours.kind.value == theirs.name().value()
        && ours.arguments.len() == arguments.len()
        && ours.arguments.iter().zip(arguments).all(|(ours, theirs)| same_scalar(&ours.value, theirs.value()))
        && ours.properties.len() == properties.len()
        && ours.properties.iter().zip(properties).all(|(ours, theirs)| {
            theirs.name().is_some_and(|name| name.value() == ours.name.value)
                && same_scalar(&ours.value.value, theirs.value())
        })
        && same_nodes(&ours.children, theirs.children().map_or(&[], KdlDocument::nodes))
}

fn same_nodes(ours: &[Node<'_>], theirs: &[KdlNode]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same_node(ours, theirs))
}

fn same_scalar(ours: &Scalar<'_>, theirs: &KdlValue) -> bool {
    match (ours, theirs) {
        (Scalar::Text(ours), KdlValue::String(theirs)) => ours == theirs,
        (Scalar::Flag(ours), KdlValue::Bool(theirs)) => ours == theirs,
        (Scalar::Null, KdlValue::Null) => true,
        (Scalar::Number(ours), KdlValue::Integer(theirs)) => integer(ours) == Some(*theirs),
        (Scalar::Number(ours), KdlValue::Float(theirs)) => float(ours).to_bits() == theirs.to_bits(),
        _ => false,
    }
}

fn integer(text: &str) -> Option<i128> {
    let text = text.replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (digits.get(2..)?, 16),
        Some("0o") => (digits.get(2..)?, 8),
        Some("0b") => (digits.get(2..)?, 2),
        _ => (digits, 10),
    };
    i128::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn float(text: &str) -> f64 {
    match text {
        "#inf" => f64::INFINITY,
        "#-inf" => f64::NEG_INFINITY,
        "#nan" => f64::NAN,
        _ => text.replace('_', "").parse().expect("what we call a number is one"),
    }
}

/// Problems that we tell and kdl 6.7.1 does not: why, what stands in such a document, and their codes.
///
/// All but the first are departures of kdl from the grammar of KDL 2.0.0.
const KDL_TAKES: &[(&str, &str, &[&str])] = &[
    ("type annotations, which have no meaning in the specification language", "(", &["kdl::type-annotation"]),
    ("`-inf` without its `#`, for a text", "-inf", &["kdl::bare-keyword"]),
    ("raw strings that start with three quotes but are none in three quotes", "#\"\"\"", &["kdl::multi-line-string"]),
    ("values that are taken out behind a block", "/-", &["kdl::behind-block", "kdl::missing-space"]),
    ("a slashdash behind a slashdash", "/-", &["kdl::dangling-slashdash", "kdl::missing-space"]),
    ("anything that is stuck to a keyword", "#", &["kdl::unknown-keyword", "kdl::unquoted", "kdl::missing-space"]),
    ("capital letters in the prefix of a hexadecimal number", "0X", &["kdl::malformed-number"]),
];

/// Says whether the two may differ over a document.
fn may_differ(text: &str, ours: &[&str], theirs: bool) -> bool {
    if theirs {
        // It takes control characters in comments and U+007F nearly everywhere, and then both see other words.
        let applies =
            |code: &str| KDL_TAKES.iter().any(|(_, piece, codes)| text.contains(piece) && codes.contains(&code));
        return ours.contains(&"kdl::disallowed-character") || ours.iter().all(|code| applies(code));
    }
    // It refuses a node that is taken out and ends with a semicolon, but not if a line ends there.
    let ends_with_lines: String = tokens(text)
        .into_iter()
        .map(|token| if token.kind == TokenKind::Semicolon { "\n" } else { token.text(text) })
        .collect();
    text.contains("/-") && text != ends_with_lines && KdlDocument::parse_v2(&ends_with_lines).is_ok()
}

fn check(text: &str) -> Result<(), String> {
    let ours = read(FileId(0), text.as_bytes());
    let codes = errors(&ours);
    let theirs = KdlDocument::parse_v2(text);
    match &theirs {
        Ok(document) if codes.is_empty() => {
            if same_nodes(&ours.nodes, document.nodes()) {
                Ok(())
            } else {
                Err(format!("the trees differ for {text:?}\nours: {:#?}\ntheirs: {document:#?}", ours.nodes))
            }
        }
        Err(_) if !codes.is_empty() => Ok(()),
        Ok(_) if may_differ(text, &codes, true) => Ok(()),
        Err(_) if may_differ(text, &codes, false) => Ok(()),
        Ok(_) => Err(format!("kdl accepts {text:?}, we say {:?}", ours.problems)),
        Err(error) => Err(format!(
            "we accept {text:?}, kdl says {:?}",
            error.diagnostics.iter().map(|d| d.to_string()).collect::<Vec<_>>()
        )),
    }
}

/// Compares on a thread with room for the oracle's recursion.
fn compare<S: Strategy<Value = String> + 'static>(documents: impl Fn() -> S + Send + 'static, cases: u32) {
    let run = move || {
        // Where kdl errs in a way that is not known yet is no fault of a commit that comes across it.
        let chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new_with_rng(config, chance)
            .run(&documents(), |text| check(&text).map_err(TestCaseError::fail));
        if let Err(error) = result {
            panic!("{error}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread can be started");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn well_formed_documents_give_the_oracles_tree() {
    compare(generate::document, 200);
}

#[test]
fn broken_documents_are_refused_where_the_oracle_refuses_them() {
    compare(generate::mutated, 300);
}

#[test]
fn heaps_of_tokens_are_judged_as_the_oracle_does() {
    compare(generate::soup, 2_000);
}
