//! The `kdl` crate as oracle: where it accepts a document we accept it with an equal tree, and the other way round.

use super::generate;
use crate::kdl::read;
use crate::problem::Severity;
use crate::read::Read;
use crate::tree::{FileId, Node, Scalar};
use kdl::{KdlDocument, KdlNode, KdlValue};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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

/// Says why the two may differ over a document, if there is a reason.
///
/// All but the first are departures of kdl 6.7.1 from the grammar of KDL 2.0.0.
fn exception(text: &str, ours: &[&str], theirs: bool) -> Option<&'static str> {
    let only =
        |codes: &[&str]| theirs && ours.iter().all(|code| codes.contains(code) || *code == "kdl::type-annotation");
    if only(&[]) {
        return Some("type annotations: KDL has them, the specification language gives them no meaning");
    }
    if only(&["kdl::disallowed-character"]) {
        return Some("kdl takes control characters in comments, and U+007F in words and raw strings");
    }
    if only(&["kdl::bare-keyword"]) && text.contains("-inf") {
        return Some("kdl takes `-inf` without its `#` for a text");
    }
    if only(&["kdl::multi-line-string"]) && text.contains("#\"\"\"") {
        return Some("kdl takes a raw string that starts with three quotes but is none in three quotes");
    }
    if only(&["kdl::behind-block", "kdl::missing-space"]) && text.contains("/-") {
        return Some("kdl takes values that are taken out behind a block");
    }
    if only(&["kdl::unknown-keyword", "kdl::unquoted", "kdl::missing-space"]) && text.contains('#') {
        return Some("kdl does not look at what is stuck to a keyword");
    }
    if only(&["kdl::malformed-number"]) && ["0X", "0O", "0B"].iter().any(|prefix| text.contains(prefix)) {
        return Some("kdl takes capital letters in the prefix of a number");
    }
    let ends_with_lines = text.replace(';', "\n");
    if !theirs && text.contains("/-") && text.contains(';') && KdlDocument::parse_v2(&ends_with_lines).is_ok() {
        return Some("kdl refuses a node that is taken out and ends with `;`");
    }
    None
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
        Ok(_) if exception(text, &codes, true).is_some() => Ok(()),
        Err(_) if exception(text, &codes, false).is_some() => Ok(()),
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
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&documents(), |text| check(&text).map_err(TestCaseError::fail));
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
    compare(generate::document, 100);
}

#[test]
fn broken_documents_are_refused_where_the_oracle_refuses_them() {
    compare(generate::mutated, 100);
}

#[test]
fn heaps_of_tokens_are_judged_as_the_oracle_does() {
    compare(generate::soup, 400);
}
