//! Walks a tree along the language's tables and shows every name and value with what the language says of it.

use crate::language::{Field, Kind, Place, ROOTS, Shape, Type};
use crate::tree::{Node, Property, Scalar, Span, Spanned};

/// What the walk is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The spellings of the nodes around, from the top, with `/` between them.
    pub(super) path: String,
    /// The reseller around it.
    pub(super) reseller: Option<String>,
    /// The domain around it.
    pub(super) domain: Option<String>,
}

/// Something that was seen.
pub(super) enum Seen<'n, 's> {
    /// The name of a node or of a setting.
    Name {
        span: Span,
        name: &'n str,
        /// The kind that stands at the top of a file, or the field; the kind of a node.
        field: Option<&'static Field>,
        kind: Option<&'static Kind>,
    },
    /// A value.
    Value { field: &'static Field, of: &'static Type, scalar: &'n Spanned<Scalar<'s>> },
}

/// Shows all that the language knows of a file.
pub(super) fn walk<'n, 's>(nodes: &'n [Node<'s>], see: &mut impl FnMut(&Scope, Seen<'n, 's>)) {
    for node in nodes {
        let Some(root) = ROOTS.iter().find(|root| root.name == node.kind.value) else { continue };
        let name = node.kind.value.as_ref();
        see(&Scope::default(), Seen::Name { span: node.kind.span, name, field: None, kind: Some(root.kind) });
        let mut scope = Scope { path: root.name.to_owned(), ..Scope::default() };
        if root.name == "reseller" {
            scope.reseller = first_text(node);
        }
        within(node, root.kind, &scope, see);
    }
}

fn first_text(node: &Node<'_>) -> Option<String> {
    match &node.arguments.first()?.value {
        Scalar::Text(text) | Scalar::Number(text) => Some(text.to_string()),
        Scalar::Flag(_) | Scalar::Null => None,
    }
}

fn within<'n, 's>(node: &'n Node<'s>, kind: &'static Kind, scope: &Scope, see: &mut impl FnMut(&Scope, Seen<'n, 's>)) {
    arguments(&node.arguments, kind, scope, see);
    for property in &node.properties {
        self::property(property, kind, scope, see);
    }
    for child in &node.children {
        let Some(field) = kind.fields.iter().find(|field| field.is_named(&child.kind.value)) else { continue };
        let inner = kind_of(field, &child.kind.value);
        let name = child.kind.value.as_ref();
        see(scope, Seen::Name { span: child.kind.span, name, field: Some(field), kind: inner });
        match (&field.shape, inner) {
            (Shape::Value { of, .. }, _) => {
                for scalar in &child.arguments {
                    see(scope, Seen::Value { field, of, scalar });
                }
            }
            (_, Some(inner)) => {
                let mut scope = Scope { path: format!("{}/{name}", scope.path), ..scope.clone() };
                if scope.path == "reseller/domain" {
                    scope.domain = first_text(child);
                }
                within(child, inner, &scope, see);
            }
            (_, None) => {}
        }
    }
}

fn property<'n, 's>(
    property: &'n Property<'s>,
    kind: &'static Kind,
    scope: &Scope,
    see: &mut impl FnMut(&Scope, Seen<'n, 's>),
) {
    let name = property.name.value.as_ref();
    let Some(field) = kind.fields.iter().find(|field| field.is_named(name)) else { return };
    let inner = kind_of(field, name);
    see(scope, Seen::Name { span: property.name.span, name, field: Some(field), kind: inner });
    match (&field.shape, inner) {
        (Shape::Value { of, .. }, _) => see(scope, Seen::Value { field, of, scalar: &property.value }),
        (_, Some(inner)) => {
            let scope = Scope { path: format!("{}/{name}", scope.path), ..scope.clone() };
            arguments(std::slice::from_ref(&property.value), inner, &scope, see);
        }
        (_, None) => {}
    }
}

fn arguments<'n, 's>(
    arguments: &'n [Spanned<Scalar<'s>>],
    kind: &'static Kind,
    scope: &Scope,
    see: &mut impl FnMut(&Scope, Seen<'n, 's>),
) {
    for (index, scalar) in arguments.iter().enumerate() {
        if let Some((field, of)) = argument(kind, index) {
            see(scope, Seen::Value { field, of, scalar });
        }
    }
}

/// Returns the field of a kind's argument at an index.
pub(super) fn argument(kind: &'static Kind, index: usize) -> Option<(&'static Field, &'static Type)> {
    let mut fields =
        kind.fields.iter().filter(|field| matches!(field.place, Place::Argument | Place::Arguments)).peekable();
    let mut index = index;
    loop {
        let field = fields.next()?;
        let Shape::Value { of, .. } = field.shape else { return None };
        if index == 0 || field.place == Place::Arguments {
            return Some((field, of));
        }
        index -= 1;
    }
}

/// Returns the kind of node that a field of this name is.
pub(super) fn kind_of(field: &Field, name: &str) -> Option<&'static Kind> {
    match field.shape {
        Shape::Node { of, .. } => Some(of),
        Shape::Either(variants) => variants.iter().find(|variant| variant.name == name).map(|variant| variant.kind),
        Shape::Value { .. } => None,
    }
}
