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

/// A place where something may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The spellings of the kinds around it, from the top of the file inwards.
    pub around: Vec<&'static str>,
    /// Whether it is a node of its own there, and not a value.
    pub node: bool,
}

/// Returns where something of this name may stand; shallow places come before deep ones.
pub fn find_places(name: &str) -> Vec<Standing> {
    let mut places = Vec::new();
    let mut level: Vec<(Vec<&'static str>, &'static Kind)> =
        ROOTS.iter().map(|root| (vec![root.name], root.kind)).collect();
    while !level.is_empty() {
        let mut below = Vec::new();
        for (path, kind) in level {
            let inside = |spelling: &'static str| path.iter().copied().chain([spelling]).collect();
            for field in kind.fields {
                if field.is_named(name) {
                    let node = !matches!(field.shape, Shape::Value { .. });
                    places.push(Standing { around: path.clone(), node });
                }
                match field.shape {
                    Shape::Node { of, .. } => below.push((inside(field.name), of)),
                    Shape::Either(variants) => {
                        below.extend(variants.iter().map(|variant| (inside(variant.name), variant.kind)));
                    }
                    Shape::Value { .. } => {}
                }
            }
        }
        level = below;
    }
    places
}
