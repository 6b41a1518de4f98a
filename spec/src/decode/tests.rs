//! Whatever the tree, the decoder ends, and what it tells can be read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Decoder, Syntax, document};
use crate::codes::CODES;
use crate::language::{Kind, ROOTS, Shape};
use crate::model::Spec;
use crate::problem::Problem;
use crate::sources::Trust;
use crate::tree::{FileId, Node, Property, Scalar, Span, Spanned};

/// Returns every name the language knows, and a few that it does not.
fn names() -> Vec<&'static str> {
    fn collect(kind: &'static Kind, names: &mut BTreeSet<&'static str>) {
        names.extend(kind.names());
        for field in kind.fields {
            match field.shape {
                Shape::Node { of, .. } => collect(of, names),
                Shape::Either(variants) => variants.iter().for_each(|variant| collect(variant.kind, names)),
                Shape::Value { .. } => {}
            }
        }
    }
    let mut names: BTreeSet<&'static str> =
        BTreeSet::from(["", "language", "nothing", "domian", "Mailbox", "\u{202e}"]);
    for root in ROOTS {
        names.insert(root.name);
        collect(root.kind, &mut names);
    }
    names.into_iter().collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "acme", "alice", "acme.example", "alice@acme.example", "2GiB", "5d", "100/h", "64kbit", "0.40 USD", "80%", "#0b5fff",
            "10.20.0.0/16", "203.0.113.4", "en", "UTC", "secret:x", "2026-12-01", "mailbox", "embedded", "real", "smallest",
            "assets/x.svg", "../x", "*@x.example", "https://x.example", "internal", "acme.adm", "true", "+",
        ]).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "[a-z0-9.@:/%*#\\\\\"-]{0,16}",
    ]
}

fn scalar() -> impl Strategy<Value = Scalar<'static>> {
    prop_oneof![
        4 => text().prop_map(|text| Scalar::Text(Cow::Owned(text))),
        2 => "[+-]?(0x[0-9a-f_]{1,40}|0b[01_]{0,9}|[0-9][0-9_]{0,30}(\\.[0-9]{1,5})?(e[0-9]{1,9})?|#inf|#nan)"
            .prop_map(|number| Scalar::Number(Cow::Owned(number))),
        1 => any::<bool>().prop_map(Scalar::Flag),
        1 => Just(Scalar::Null),
    ]
}

/// Spans are made distinct afterwards; here they only have to lie in the file.
fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span { file: FileId(0), start: 0, end: 1 })
}

fn node() -> impl Strategy<Value = Node<'static>> {
    let leaf = (head(), Just(Vec::new())).prop_map(make);
    leaf.prop_recursive(6, 60, 6, |inner| (head(), prop::collection::vec(inner, 0..6)).prop_map(make))
}

type Head = (&'static str, Vec<Scalar<'static>>, Vec<(&'static str, Scalar<'static>)>);

fn head() -> impl Strategy<Value = Head> {
    let name = || prop::sample::select(names());
    (name(), prop::collection::vec(scalar(), 0..3), prop::collection::vec((name(), scalar()), 0..3))
}

fn make(((kind, arguments, properties), children): (Head, Vec<Node<'static>>)) -> Node<'static> {
    Node {
        kind: spanned(Cow::Borrowed(kind)),
        arguments: arguments.into_iter().map(spanned).collect(),
        properties: properties
            .into_iter()
            .map(|(name, value)| Property { name: spanned(Cow::Borrowed(name)), value: spanned(value) })
            .collect(),
        children,
        span: Span { file: FileId(0), start: 0, end: 1 },
    }
}

fn decode(nodes: &[Node<'_>], syntax: Syntax, trust: &Trust) -> (Spec, Vec<Problem>) {
    let mut spec = Spec::default();
    let mut decoder = Decoder::new(syntax);
    document(FileId(0), nodes, true, trust, &mut spec, &mut decoder);
    (spec, decoder.finish())
}

fn readable(problem: &Problem) {
    let help = problem.help.as_deref().unwrap_or_default();
    assert!(!help.is_empty(), "no help: {problem:?}");
    assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
    assert!(CODES.iter().any(|code| code.code == problem.code), "{problem:?}");
    assert!(!problem.span.is_hole() && problem.related.iter().all(|other| !other.span.is_hole()), "{problem:?}");
    for text in [&problem.message, &problem.label, help]
        .into_iter()
        .chain(problem.related.iter().map(|other| other.message.as_str()))
    {
        assert!(!text.chars().any(values::hostile), "{problem:?}");
        assert!(text.chars().count() < 1_000, "{problem:?}");
    }
}

/// Returns a tree that follows the tables at every step but fills them with anything.
fn guided(kind: &'static Kind, name: &'static str, depth: u32) -> BoxedStrategy<Node<'static>> {
    let mut children: Vec<BoxedStrategy<Vec<Node<'static>>>> = Vec::new();
    for field in kind.fields {
        let each = match field.shape {
            Shape::Node { of, .. } if depth > 0 => guided(of, field.name, depth - 1),
            Shape::Either(variants) if depth > 0 => {
                let variants: Vec<_> =
                    variants.iter().map(|variant| guided(variant.kind, variant.name, depth - 1)).collect();
                prop::strategy::Union::new(variants).boxed()
            }
            Shape::Value { .. } if field.is_named(field.name) => {
                let example = field.example;
                let name = field.name;
                prop_oneof![3 => Just(Scalar::Text(Cow::Borrowed(example))), 1 => scalar()]
                    .prop_map(move |value| make(((name, vec![value], Vec::new()), Vec::new())))
                    .boxed()
            }
            _ => continue,
        };
        children.push(prop::collection::vec(each, 0..3).boxed());
    }
    (prop::collection::vec(scalar(), 0..3), children)
        .prop_map(move |(arguments, children)| make(((name, arguments, Vec::new()), children.concat())))
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_tree_is_decoded_and_told_about_readably(nodes in prop::collection::vec(node(), 0..5), yaml: bool, reseller: bool) {
        let syntax = if yaml { Syntax::Yaml } else { Syntax::Kdl };
        let trust = if reseller { Trust::Reseller("acme".to_owned()) } else { Trust::Operator };
        let (spec, problems) = decode(&nodes, syntax, &trust);
        problems.iter().for_each(readable);
        if reseller {
            prop_assert!(spec.platforms.is_empty() && spec.environments.is_empty() && spec.scenarios.is_empty());
        }
        prop_assert_eq!(decode(&nodes, syntax, &trust), (spec, problems));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_tree_along_the_tables_is_decoded_and_told_about_readably(
        node in prop::strategy::Union::new(ROOTS.iter().map(|root| guided(root.kind, root.name, 4)).collect::<Vec<_>>())
    ) {
        let (_, problems) = decode(&[node], Syntax::Kdl, &Trust::Operator);
        problems.iter().for_each(readable);
    }
}

/// Returns a node with everything it cannot be without, as its own examples say.
fn exemplary(kind: &'static Kind, name: &'static str) -> Node<'static> {
    let mut arguments = Vec::new();
    let mut children = Vec::new();
    for field in kind.fields {
        match field.shape {
            Shape::Value { required: true, .. } if field.is_named(field.name) => {
                let value = Scalar::Text(Cow::Borrowed(field.example));
                children.push(make(((field.name, vec![value], Vec::new()), Vec::new())));
            }
            Shape::Value { required: true, .. } => arguments.push(Scalar::Text(Cow::Borrowed(field.example))),
            Shape::Node { of, required: true, .. } => children.push(exemplary(of, field.name)),
            _ => {}
        }
    }
    make(((name, arguments, Vec::new()), children))
}

#[test]
fn a_node_made_of_the_examples_in_the_help_is_right() {
    for root in ROOTS {
        let language = make((("language", vec![Scalar::Number(Cow::Borrowed("1"))], Vec::new()), Vec::new()));
        let nodes = [language, exemplary(root.kind, root.name)];
        let (_, problems) = decode(&nodes, Syntax::Kdl, &Trust::Operator);
        let problems: Vec<_> =
            problems.iter().filter(|problem| problem.message != "the scenario has no steps").collect();
        assert!(problems.is_empty(), "{}: {problems:?}", root.name);
    }
}
