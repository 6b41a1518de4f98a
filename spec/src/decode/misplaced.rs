//! Nodes in a place where they have no meaning but are well known: they are read all the same, so that what is wrong inside them
//! is told in the same run.

use std::borrow::Cow;

use crate::language::Kinded;
use crate::model::{Brand, Cluster, Contract, Domain, Mailbox, OutboundPool, Reseller, Site, Tier, Workgroup};
use crate::problem::Problem;
use crate::tree::{Node, Scalar, Spanned};

use super::{Decoder, Matched, Syntax};

/// What stands in a workgroup and is sometimes written straight into its domain.
const IN_WORKGROUPS: [&str; 3] = ["mailbox", "forward", "list"];

/// Returns a reseller whose domains have their mailboxes, forwards and lists in workgroups, after telling of those that had not.
pub(super) fn into_workgroups<'n, 's>(reseller: &'n Node<'s>, decoder: &mut Decoder) -> Cow<'n, Node<'s>> {
    let is_misplaced = |node: &Node<'_>| IN_WORKGROUPS.contains(&node.kind.value.as_ref());
    let is_domain = |node: &Node<'_>| node.kind.value == "domain";
    let mut domains = reseller.children.iter().filter(|child| is_domain(child));
    if !domains.any(|domain| domain.children.iter().any(is_misplaced)) {
        return Cow::Borrowed(reseller);
    }
    let mut reseller = reseller.clone();
    for domain in reseller.children.iter_mut().filter(|child| is_domain(child)) {
        let (misplaced, mut rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut domain.children).into_iter().partition(is_misplaced);
        let Some(first) = misplaced.first() else {
            domain.children = rest;
            continue;
        };
        for node in &misplaced {
            decoder.report(into_workgroup(node, &rest, decoder));
        }
        match rest.iter_mut().find(|child| child.kind.value == "workgroup") {
            Some(group) => group.children.extend(misplaced),
            None => rest.push(Node {
                kind: Spanned::new(Cow::Borrowed("workgroup"), first.kind.span),
                arguments: vec![Spanned::new(Scalar::Text(Cow::Borrowed("all")), first.kind.span)],
                properties: Vec::new(),
                span: first.span,
                children: misplaced,
            }),
        }
        domain.children = rest;
    }
    Cow::Owned(reseller)
}

fn into_workgroup(node: &Node<'_>, beside: &[Node<'_>], decoder: &Decoder) -> Problem {
    let name = &node.kind.value;
    let group = beside.iter().find(|child| child.kind.value == "workgroup").and_then(|group| group.arguments.first());
    let help = match (group.map(|name| &name.value), decoder.syntax) {
        (Some(Scalar::Text(group)), _) => format!("move it into the workgroup `{group}`"),
        (_, Syntax::Kdl) => format!("put it into a workgroup: `workgroup \"all\" {{ {name} … }}`"),
        (_, Syntax::Yaml) => format!("put it below a workgroup: `workgroup all:`, and `{name} …` in it"),
    };
    Problem::error("spec::unknown-name", node.kind.span, format!("`{name}` cannot stand in `domain`"))
        .label("stands in a workgroup")
        .help(help)
}

/// Tells what is wrong inside a node that stands where it has no meaning and has one elsewhere.
pub(super) fn look_into(node: &Node<'_>, decoder: &mut Decoder) {
    match node.kind.value.as_ref() {
        "reseller" => look::<Reseller>(node, decoder),
        "site" => look::<Site>(node, decoder),
        "cluster" => look::<Cluster>(node, decoder),
        "outbound" => look::<OutboundPool>(node, decoder),
        "tier" => look::<Tier>(node, decoder),
        "contract" => look::<Contract>(node, decoder),
        "brand" => look::<Brand>(node, decoder),
        "domain" => look::<Domain>(node, decoder),
        "workgroup" => look::<Workgroup>(node, decoder),
        "mailbox" => look::<Mailbox>(node, decoder),
        _ => {}
    }
}

fn look<K: Kinded>(node: &Node<'_>, decoder: &mut Decoder) {
    let mut matched = Matched::of(node, K::KIND, decoder);
    let _ = K::lower(&mut matched, decoder);
}
