//! One file: the edition it is written in, who may write what in it, and its nodes.

use values::quoted;

use crate::check;
use crate::language::{EDITION, Kinded, ROOTS, Root, Writer};
use crate::model::{Environment, Platform, Reseller, Scenario, Spec};
use crate::problem::Problem;
use crate::sources::Trust;
use crate::tree::{FileId, Node, Scalar, Span};

use super::matched::place_for;
use super::misplaced::{into_workgroups, look_into};
use super::nearest::nearest_with_distance;
use super::{Decoder, Matched};

/// Decodes the nodes of one file into the specification.
///
/// - `whole`: whether the file's form was read without a problem, so that what is missing is really missing.
pub(crate) fn document(
    file: FileId,
    nodes: &[Node<'_>],
    whole: bool,
    trust: &Trust,
    spec: &mut Spec,
    decoder: &mut Decoder,
) {
    if !edition(file, nodes, whole, decoder) {
        return;
    }
    for node in nodes.iter().filter(|node| node.kind.value != "language") {
        let name = node.kind.value.as_ref();
        let Some(root) = ROOTS.iter().find(|root| root.name == name) else {
            report_unknown_root(node, trust, decoder);
            continue;
        };
        if let Trust::Reseller(owner) = trust
            && !may_write(root, owner, node, decoder)
        {
            // What speaks for somebody else is not taken, but what else is wrong with it is told in the same run.
            if let Some(meant) = misspelt_owner(node, owner) {
                let meant = &*into_workgroups(&meant, decoder);
                let reseller = lower::<Reseller>(meant, decoder);
                check::reseller(&reseller, decoder);
                spec.resellers.push(reseller);
            } else if root.writer == Writer::Reseller {
                check::reseller(&lower::<Reseller>(node, decoder), decoder);
            }
            continue;
        }
        match name {
            "platform" => {
                let platform = lower::<Platform>(node, decoder);
                check::platform(&platform, decoder);
                spec.platforms.push(platform);
            }
            "reseller" => {
                let node = &*into_workgroups(node, decoder);
                let reseller = lower::<Reseller>(node, decoder);
                check::reseller(&reseller, decoder);
                spec.resellers.push(reseller);
            }
            "environment" => {
                let environment = lower::<Environment>(node, decoder);
                check::environment(&environment, decoder);
                spec.environments.push(environment);
            }
            "scenario" => {
                let scenario = lower::<Scenario>(node, decoder);
                check::scenario(&scenario, decoder);
                spec.scenarios.push(scenario);
            }
            _ => {}
        }
    }
}

fn lower<K: Kinded>(node: &Node<'_>, decoder: &mut Decoder) -> K {
    let mut matched = Matched::of(node, K::KIND, decoder);
    K::lower(&mut matched, decoder)
}

/// Checks `language 1`; returns whether the rest of the file can be understood.
fn edition(file: FileId, nodes: &[Node<'_>], whole: bool, decoder: &mut Decoder) -> bool {
    let mut statements = nodes.iter().enumerate().filter(|(_, node)| node.kind.value == "language");
    let Some((position, statement)) = statements.next() else {
        // One that is misspelt is told as that.
        let misspelt = nodes.first().is_some_and(|node| is_nearly_language(&node.kind.value));
        if whole && !misspelt {
            let place = nodes.first().map_or(Span { file, start: 0, end: 0 }, |node| node.kind.span);
            let written = if decoder.syntax == super::Syntax::Kdl { "language 1" } else { "language: 1" };
            decoder.report(
                Problem::error(
                    "spec::language",
                    place,
                    "the file does not say which edition of the language it is written in",
                )
                .label("the edition stands before everything else")
                .help(format!("write `{written}` as the first line")),
            );
        }
        return true;
    };
    if position > 0 {
        decoder.report(
            Problem::error("spec::language", statement.kind.span, "`language` does not stand first")
                .label("something stands before it")
                .help("move this line to the beginning of the file"),
        );
    }
    for (_, again) in statements {
        decoder.report(
            Problem::error("spec::given-twice", again.kind.span, "`language` is given twice")
                .label("given again here")
                .help("remove one of the two")
                .related(statement.kind.span, "first given here"),
        );
    }
    let written = match statement.arguments.as_slice() {
        [edition] => match &edition.value {
            Scalar::Number(text) | Scalar::Text(text) => text.parse::<u64>().ok().map(|number| (number, edition.span)),
            Scalar::Flag(_) | Scalar::Null => None,
        },
        _ => None,
    };
    let plain = statement.properties.is_empty() && statement.children.is_empty();
    match written.filter(|_| plain) {
        Some((EDITION, _)) => true,
        Some((edition, span)) => {
            decoder.report(
                Problem::error(
                    "spec::language",
                    span,
                    format!("this program does not know edition {edition} of the language"),
                )
                .label("nothing else in this file was checked")
                .help(format!("write `{EDITION}`, or use a newer mailwright")),
            );
            false
        }
        None => {
            decoder.report(
                Problem::error(
                    "spec::language",
                    statement.span,
                    "`language` takes the number of an edition and nothing else",
                )
                .label("not an edition")
                .help(format!("write `language {EDITION}`, in YAML `language: {EDITION}`")),
            );
            true
        }
    }
}

/// Tells whether a word is `language` with a slip of the pen in it.
fn is_nearly_language(word: &str) -> bool {
    nearest_with_distance(word, std::iter::once("language")).is_some_and(|(distance, _)| (1..=2).contains(&distance))
}

fn report_unknown_root(node: &Node<'_>, trust: &Trust, decoder: &mut Decoder) {
    if decoder.is_full() {
        return;
    }
    let name = node.kind.value.as_ref();
    let known = ROOTS.iter().filter(|root| *trust == Trust::Operator || root.writer == Writer::Reseller);
    let known: Vec<&str> = known.map(|root| root.name).collect();
    let near = nearest_with_distance(name, known.iter().copied());
    let (message, help) = match (near, place_for(name, "")) {
        _ if is_nearly_language(name) => {
            (format!("unknown {} at the top of a file", quoted(name)), "write `language`".to_owned())
        }
        (Some((distance, near)), place) if distance <= 1 || place.is_none() => {
            (format!("unknown {} at the top of a file", quoted(name)), format!("write `{near}`"))
        }
        (_, Some((place, _))) => {
            let help = match place.ends_with("`platform`") && *trust != Trust::Operator {
                true => {
                    format!("remove it; `{name}` is the operator's, and only the operator writes it, in the `platform`")
                }
                false => format!("move it into {place}, where `{name}` has a meaning"),
            };
            (format!("`{name}` cannot stand at the top of a file"), help)
        }
        (_, None) => (
            format!("unknown {} at the top of a file", quoted(name)),
            format!("what this file may hold: language, {}", known.join(", ")),
        ),
    };
    decoder.report(Problem::error("spec::unknown-name", node.kind.span, message).label("unknown here").help(help));
    if near.is_none() {
        look_into(node, decoder);
    }
}

/// Returns a reseller's node under its folder's name where its own is that one with a slip of the pen in it.
fn misspelt_owner<'s>(node: &Node<'s>, owner: &str) -> Option<Node<'s>> {
    let (Scalar::Text(name) | Scalar::Number(name)) = &node.arguments.first()?.value else { return None };
    nearest_with_distance(name, std::iter::once(owner)).filter(|_| node.kind.value == "reseller")?;
    let mut meant = node.clone();
    meant.arguments.first_mut()?.value = Scalar::Text(owner.to_owned().into());
    Some(meant)
}

/// Refuses what a reseller's folder may not hold.
fn may_write(root: &Root, owner: &str, node: &Node<'_>, decoder: &mut Decoder) -> bool {
    let owner = quoted(owner);
    if root.writer == Writer::Operator {
        decoder.report(
            Problem::error(
                "spec::not-for-resellers",
                node.kind.span,
                format!("a reseller's folder cannot hold `{}`", root.name),
            )
            .label(format!("this folder belongs to the reseller {owner}"))
            .help("remove it; only the operator writes it, outside the folder `resellers`"),
        );
        return false;
    }
    let Some(argument) = node.arguments.first() else { return true };
    let named = match &argument.value {
        Scalar::Text(text) | Scalar::Number(text) => quoted(text),
        Scalar::Flag(_) | Scalar::Null => return true,
    };
    if named != owner {
        decoder.report(
            Problem::error(
                "spec::not-for-resellers",
                argument.span,
                format!("the folder of the reseller {owner} cannot speak for {named}"),
            )
            .label("another reseller's name")
            .help(format!("write {owner}, or move the file into the folder `resellers/{}`", named.trim_matches('`'))),
        );
    }
    named == owner
}
