//! What may stand at the top of a file, and where each kind may stand.

use crate::model::{Environment, Platform, Reseller, Scenario};

use super::{Kind, Kinded, Shape};

/// A kind that stands at the top of a file.
#[derive(Debug)]
pub struct Root {
    /// How it is spelled.
    pub name: &'static str,
    /// The kind.
    pub kind: &'static Kind,
    /// Who may write it.
    pub writer: Writer,
}

/// Who may write a kind and all that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Only the operator.
    Operator,
    /// A reseller, in its own folder, and the operator.
    Reseller,
}

/// All that may stand at the top of a file beside `language`.
pub const ROOTS: &[Root] = &[
    Root { name: "platform", kind: Platform::KIND, writer: Writer::Operator },
    Root { name: "reseller", kind: Reseller::KIND, writer: Writer::Reseller },
    Root { name: "environment", kind: Environment::KIND, writer: Writer::Operator },
    Root { name: "scenario", kind: Scenario::KIND, writer: Writer::Operator },
];

/// Returns the spellings of the kinds that may hold something of this name, sorted and each once.
pub fn find_parents(name: &str) -> Vec<&'static str> {
    let mut parents = Vec::new();
    for root in ROOTS {
        collect_parents(root.name, root.kind, name, &mut parents);
    }
    parents.sort_unstable();
    parents.dedup();
    parents
}

fn collect_parents(spelling: &'static str, kind: &'static Kind, name: &str, parents: &mut Vec<&'static str>) {
    for field in kind.fields {
        if field.is_named(name) {
            parents.push(spelling);
        }
        match field.shape {
            Shape::Node { of, .. } => collect_parents(field.name, of, name, parents),
            Shape::Either(variants) => {
                for variant in variants {
                    collect_parents(variant.name, variant.kind, name, parents);
                }
            }
            Shape::Value { .. } => {}
        }
    }
}
