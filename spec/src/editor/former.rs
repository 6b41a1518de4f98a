//! Has a thing that gets another name say what it was called, so that the new name destroys nothing.

use crate::convert::Syntax;
use crate::language::{Kind, ROOTS};
use crate::read::read;
use crate::sources::SourceFile;
use crate::tree::{FileId, Node, Scalar, Span};

use super::rename::Edit;
use super::walk::kind_of;

/// The setting that says what a thing was called.
const SETTING: &str = "renamed-from";

/// What stands where a thing is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Former {
    /// Things of this kind have no state to lose.
    Needless,
    /// Nothing is said of a former name; this says it.
    Unsaid(Edit),
    /// A former name is said already.
    Said {
        /// The former name.
        name: String,
        /// Says the name of now in its place.
        renewed: Edit,
        /// Takes the setting away.
        removed: Edit,
    },
    /// The text is written so that the setting has to be added by hand.
    ByHand,
}

/// Finds how the thing that is declared at a place says what it was called.
///
/// - `declared`: where its name stands.
/// - `now`: its name before the change.
pub fn former(id: FileId, file: &SourceFile, declared: Span, now: &str) -> Former {
    let tree = read(id, &file.path, &file.bytes);
    let (Some(syntax), Ok(text)) = (Syntax::of(&file.path), std::str::from_utf8(&file.bytes)) else {
        return Former::ByHand;
    };
    let roots =
        tree.nodes.iter().filter_map(|node| Some((node, ROOTS.iter().find(|root| root.name == node.kind.value)?)));
    let found =
        roots.filter(|(node, _)| around(node, declared)).find_map(|(node, root)| declaring(node, root.kind, declared));
    let Some((node, argument)) = found else { return Former::Needless };
    let place = Place { text, syntax, node, argument, id };
    place.said(now).or_else(|| place.unsaid(now).map(Former::Unsaid)).unwrap_or(Former::ByHand)
}

fn around(node: &Node<'_>, span: Span) -> bool {
    node.span.start <= span.start && span.start <= node.span.end
}

/// Returns the node whose argument stands at a place, where its kind can say what it was called.
fn declaring<'n, 's>(node: &'n Node<'s>, kind: &'static Kind, declared: Span) -> Option<(&'n Node<'s>, Span)> {
    let argument = node.arguments.first().map(|argument| argument.span);
    if let Some(argument) = argument.filter(|span| span.start <= declared.start && declared.end <= span.end) {
        return kind.fields.iter().any(|field| field.is_named(SETTING)).then_some((node, argument));
    }
    node.children.iter().filter(|child| around(child, declared)).find_map(|child| {
        let field = kind.fields.iter().find(|field| field.is_named(&child.kind.value))?;
        declaring(child, kind_of(field, &child.kind.value)?, declared)
    })
}

struct Place<'t, 's> {
    text: &'t str,
    syntax: Syntax,
    node: &'t Node<'s>,
    argument: Span,
    id: FileId,
}

impl Place<'_, '_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.id, start: start as u32, end: end as u32 }
    }

    fn said(&self, now: &str) -> Option<Former> {
        let property = self.node.properties.iter().find(|property| property.name.value == SETTING);
        let property =
            property.map(|property| (&property.value, property.name.span.start as usize, property.value.span));
        let child = self.node.children.iter().find(|child| child.kind.value == SETTING);
        let child = child.and_then(|child| Some((child.arguments.first()?, child.span.start as usize, child.span)));
        let (value, start, whole) = property.or(child)?;
        let (Scalar::Text(name) | Scalar::Number(name)) = &value.value else { return Some(Former::ByHand) };
        let before = self.text.get(..start)?;
        let blanks = before.len() - before.trim_end_matches([' ', '\t']).len();
        let end = (whole.end as usize).max(value.span.end as usize);
        let behind = self.text.get(end..)?;
        let is_alone = before.trim_end_matches([' ', '\t']).ends_with('\n') && property.is_none();
        // A line of its own goes with its end; between others on a line the comma or semicolon goes with it.
        let end = match behind.find(|character: char| character != ' ' && character != '\t') {
            Some(at) if is_alone && behind.get(at..).is_some_and(|rest| rest.starts_with('\n')) => end + at + 1,
            Some(at) if property.is_none() && behind.get(at..).is_some_and(|rest| rest.starts_with([';', ','])) => {
                end + at + 1
            }
            _ => end,
        };
        Some(Former::Said {
            name: name.to_string(),
            renewed: Edit { span: value.span, text: self.spelled(now) },
            removed: Edit { span: self.span(start - blanks, end), text: String::new() },
        })
    }

    fn spelled(&self, name: &str) -> String {
        match self.syntax {
            Syntax::Kdl => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            // Quotes keep every name a text.
            Syntax::Yaml => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }

    fn unsaid(&self, now: &str) -> Option<Edit> {
        let end = self.argument.end as usize;
        let name = self.spelled(now);
        let insert = |at: usize, text: String| Some(Edit { span: self.span(at, at), text });
        if self.syntax == Syntax::Kdl {
            return insert(end, format!(" {SETTING}={name}"));
        }
        let key_end = self.text.get(end..)?;
        let colon = end + key_end.find(|character| !matches!(character, '"' | '\'' | ' ' | '\t'))?;
        let rest = self.text.get(colon..)?.strip_prefix(':')?;
        let value = rest.trim_start_matches([' ', '\t']);
        if let Some(inside) = value.strip_prefix('{') {
            let at = self.text.len() - inside.len();
            let comma = if inside.trim_start().starts_with('}') { " " } else { "," };
            return insert(at, format!(" {SETTING}: {name}{comma}"));
        }
        let first = self.node.children.first().map(|child| child.span.start as usize);
        match first {
            // Something stands behind the key that is neither a mapping nor nothing.
            _ if !(value.is_empty() || value.starts_with(['\n', '\r', '#'])) => None,
            None => insert(colon + 1, format!(" {{ {SETTING}: {name} }}")),
            Some(first) => {
                let line = self.text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
                let margin = self.text.get(line..first)?;
                let margin = margin.trim_end_matches(['"', '\'']);
                margin.chars().all(|character| matches!(character, ' ' | '-')).then_some(())?;
                insert(line, format!("{margin}{SETTING}: {name}\n"))
            }
        }
    }
}
