//! The reader as a whole: what it accepts, what it says of what it does not, and what holds for any bytes.

pub(crate) mod generate;
mod grammar;
mod oracle;
mod problems;
mod properties;

use crate::read::Read;
use crate::tree::{Node, Scalar};

/// Spells a tree on one line: kind, arguments, properties, children.
fn spell(nodes: &[Node<'_>]) -> String {
    let scalar = |scalar: &Scalar<'_>| match scalar {
        Scalar::Text(text) => format!("{text:?}"),
        Scalar::Number(text) => text.to_string(),
        Scalar::Flag(flag) => format!("#{flag}"),
        Scalar::Null => "#null".to_owned(),
    };
    let node = |node: &Node<'_>| {
        let mut out = node.kind.value.to_string();
        for argument in &node.arguments {
            out = format!("{out} {}", scalar(&argument.value));
        }
        for property in &node.properties {
            out = format!("{out} {}={}", property.name.value, scalar(&property.value.value));
        }
        if !node.children.is_empty() {
            out = format!("{out} {{{}}}", spell(&node.children));
        }
        out
    };
    nodes.iter().map(node).collect::<Vec<_>>().join("; ")
}

/// Spells the problems as `start-end code`.
fn codes(read: &Read<'_>) -> Vec<String> {
    let spell = |problem: &crate::Problem| {
        format!("{}-{} {}", problem.span.start, problem.span.end, problem.code.trim_start_matches("kdl::"))
    };
    read.problems.iter().map(spell).collect()
}
