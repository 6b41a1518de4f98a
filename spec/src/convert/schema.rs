//! What the language says of a name where it stands, as far as it decides the spelling; an unknown name is spelled safely.

use crate::language::{Form, Kind, Place, ROOTS, Shape};

/// What is known of a place in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// The top of a file.
    Root,
    /// A node of this kind.
    Node(&'static Kind),
    /// A value that is true or false.
    Flag,
    /// Another value, or nothing that is known.
    Other,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node(one), Self::Node(other)) => std::ptr::eq(*one, *other),
            (Self::Root, Self::Root) | (Self::Flag, Self::Flag) | (Self::Other, Self::Other) => true,
            _ => false,
        }
    }
}

/// Returns what is known of a name within a place.
pub(super) fn known(around: Known, name: &str) -> Known {
    match around {
        Known::Root => ROOTS.iter().find(|root| root.name == name).map_or(Known::Other, |root| Known::Node(root.kind)),
        Known::Node(kind) => match kind.fields.iter().find(|field| field.is_named(name)).map(|field| &field.shape) {
            Some(Shape::Node { of, .. }) => Known::Node(of),
            Some(Shape::Value { of, .. }) if of.form == Form::Flag => Known::Flag,
            Some(Shape::Either(variants)) => variants
                .iter()
                .find(|variant| variant.name == name)
                .map_or(Known::Other, |variant| Known::Node(variant.kind)),
            Some(Shape::Value { .. }) | None => Known::Other,
        },
        Known::Flag | Known::Other => Known::Other,
    }
}

/// Tells whether all that a kind may hold beside its arguments are single values, as they stand in properties.
pub(super) fn holds_settings(place: Known) -> bool {
    let Known::Node(kind) = place else { return false };
    let mut named = kind.fields.iter().filter(|field| matches!(field.place, Place::Named | Place::Either));
    named.all(|field| matches!(field.shape, Shape::Value { many: false, .. }))
}
