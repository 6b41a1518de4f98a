//! What is declared under a kind of node, read from the texts: each thing with all that is said of it and where.

use crate::language::{Field, Kind, Place, ROOTS, Shape};
use crate::read::read;
use crate::sources::Sources;
use crate::tree::{Node, Scalar, Span};

/// A thing that is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name; an address's local part comes with its domain.
    pub name: String,
    /// The name of what it is declared in, where that has one.
    pub scope: Option<String>,
    /// Where it is declared.
    pub span: Span,
    /// All that is said of it, and the defaults of what is not said, in the order of the language's description.
    pub said: Vec<Said>,
}

/// Something that is said of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it is called, with blanks between the parts of its place.
    pub name: String,
    /// The value as it is written; several with commas between them.
    pub value: String,
    /// Where it is written; `None` for a default.
    pub span: Option<Span>,
    /// Whether no file of any node is made from it.
    pub noted: bool,
}

impl Declared {
    /// Tells whether this is what somebody calls so: by its name, or by that of what it is in as well, as in `acme/office`.
    pub fn is_called(&self, name: &str) -> bool {
        let full = || self.scope.as_ref().map(|scope| format!("{scope}/{}", self.name));
        self.name.eq_ignore_ascii_case(name) || full().is_some_and(|full| full.eq_ignore_ascii_case(name))
    }
}

/// Returns everything that is declared under a kind, in the order of the files.
///
/// - `kind`: as the language spells it, such as `contract`.
pub fn declared(sources: &Sources, kind: &str) -> Vec<Declared> {
    let mut found = Vec::new();
    for (id, file) in sources.files() {
        let tree = read(id, &file.path, &file.bytes);
        for node in &tree.nodes {
            if let Some(root) = ROOTS.iter().find(|root| root.name == node.kind.value) {
                search(node, (root.kind, false), kind, (None, None), &mut found);
            }
        }
    }
    found
}

/// Looks for things of a kind at a node and below it.
///
/// - `of`, `noted`: its kind, and whether it is only noted.
/// - `scope`, `domain`: the name of the node around, and of the domain around.
fn search(
    node: &Node<'_>,
    (of, noted): (&'static Kind, bool),
    wanted: &str,
    (scope, domain): (Option<&str>, Option<&str>),
    found: &mut Vec<Declared>,
) {
    let name = title(node, of);
    if node.kind.value == wanted
        && let Some(name) = &name
    {
        let is_local = matches!(wanted, "mailbox" | "forward" | "list");
        let name = match domain.filter(|_| is_local) {
            Some(domain) => format!("{name}@{domain}"),
            None => name.clone(),
        };
        let mut said = Vec::new();
        tell(node, of, "", noted, &mut said);
        found.push(Declared { name, scope: scope.map(str::to_owned), span: node.kind.span, said });
    }
    let domain = if node.kind.value == "domain" { name.as_deref() } else { domain };
    let scope = name.as_deref().or(scope);
    for child in &node.children {
        if let Some(kind) = below(of, &child.kind.value) {
            let field = of.fields.iter().find(|field| field.is_named(&child.kind.value));
            let noted = noted || field.is_some_and(|field| field.noted);
            search(child, (kind, noted), wanted, (scope, domain), found);
        }
    }
}

fn below(of: &'static Kind, name: &str) -> Option<&'static Kind> {
    of.fields.iter().find_map(|field| match field.shape {
        Shape::Node { of, .. } if field.name == name => Some(of),
        Shape::Either(variants) => variants.iter().find(|variant| variant.name == name).map(|variant| variant.kind),
        _ => None,
    })
}

/// Returns what a node is told from its siblings by: what is unique in it, else its first argument.
fn title(node: &Node<'_>, of: &'static Kind) -> Option<String> {
    let unique = of.fields.iter().find(|field| field.unique && field.place == Place::Named);
    let named = unique.and_then(|field| values(node, field).into_iter().next());
    named.map(|(text, _)| text).or_else(|| node.arguments.first().map(|argument| text(&argument.value)))
}

fn text(scalar: &Scalar<'_>) -> String {
    match scalar {
        Scalar::Text(text) | Scalar::Number(text) => text.to_string(),
        Scalar::Flag(flag) => flag.to_string(),
        Scalar::Null => "null".to_owned(),
    }
}

/// Returns what is written for a field that holds values.
fn values(node: &Node<'_>, field: &Field) -> Vec<(String, Span)> {
    let properties = node.properties.iter().filter(|it| it.name.value == field.name);
    let mut found: Vec<(String, Span)> = properties.map(|it| (text(&it.value.value), it.value.span)).collect();
    for child in node.children.iter().filter(|child| child.kind.value == field.name) {
        if child.arguments.is_empty() {
            found.push(("true".to_owned(), child.kind.span));
        }
        found.extend(child.arguments.iter().map(|argument| (text(&argument.value), argument.span)));
    }
    found
}

fn tell(node: &Node<'_>, of: &'static Kind, prefix: &str, noted: bool, said: &mut Vec<Said>) {
    let mut arguments = node.arguments.iter();
    for field in of.fields {
        let noted = noted || field.noted;
        // Its name stands in front already.
        if !prefix.is_empty() && field.unique {
            if field.place == Place::Argument {
                arguments.next();
            }
            continue;
        }
        let name = format!("{prefix}{}", field.name);
        let written: Vec<(String, Span)> = match (&field.shape, field.place) {
            (Shape::Value { .. }, Place::Argument) => {
                arguments.next().map(|it| (text(&it.value), it.span)).into_iter().collect()
            }
            (Shape::Value { .. }, Place::Arguments) => {
                arguments.by_ref().map(|it| (text(&it.value), it.span)).collect()
            }
            (Shape::Value { .. }, _) => values(node, field),
            (Shape::Node { .. } | Shape::Either(_), _) => {
                for child in node.children.iter().filter(|child| field.is_named(&child.kind.value)) {
                    let Some(kind) = below(of, &child.kind.value) else { continue };
                    let name = format!("{prefix}{}", child.kind.value);
                    let title = title(child, kind);
                    // What holds things of its own is explained by itself.
                    let is_large =
                        kind.fields.iter().any(|field| matches!(field.shape, Shape::Node { many: true, .. }));
                    match title {
                        Some(title) if is_large => {
                            said.push(Said { name, value: title, span: Some(child.kind.span), noted });
                        }
                        Some(title) => tell(child, kind, &format!("{name} {title} "), noted, said),
                        None => tell(child, kind, &format!("{name} "), noted, said),
                    }
                }
                continue;
            }
        };
        match (written.first(), field.default) {
            (Some((_, span)), _) => {
                let value = written.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>().join(", ");
                said.push(Said { name, value, span: Some(*span), noted });
            }
            (None, Some(default)) => said.push(Said { name, value: default.to_owned(), span: None, noted }),
            (None, None) => {}
        }
    }
}
