//! What stands at a place, described.

use crate::language::{Form, ROOTS, Shape, Writer};
use crate::read::read;
use crate::schema::told;
use crate::tree::{FileId, Scalar, Span};

use super::walk::{Seen, walk};

/// A description of what stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it describes.
    pub span: Span,
    /// The description, in Markdown.
    pub text: String,
}

/// Describes what stands at an offset of a file; `None` where the language has nothing to say.
pub fn hover(file: FileId, path: &str, bytes: &[u8], offset: usize) -> Option<Hover> {
    let tree = read(file, path, bytes);
    let mut found: Option<Hover> = None;
    walk(&tree.nodes, &mut |scope, seen| {
        let (span, text) = match &seen {
            Seen::Name { span, .. } => (*span, &seen),
            Seen::Value { scalar, .. } => (scalar.span, &seen),
        };
        if (span.start as usize..=span.end as usize).contains(&offset)
            // Of two that touch, the one that begins here is meant.
            && found.as_ref().is_none_or(|before| before.span.end as usize == offset)
        {
            found = Some(Hover { span, text: describe(&scope.path, text) });
        }
    });
    found
}

fn describe(path: &str, seen: &Seen<'_, '_>) -> String {
    let mut text = match seen {
        Seen::Name { name, field, kind, .. } => {
            let about = match (field, kind) {
                (Some(field), None) => match field.shape {
                    Shape::Value { of, .. } => told(field, of),
                    _ => field.about.trim().to_owned(),
                },
                (Some(field), Some(kind)) => format!("{} {}", field.about.trim(), kind_about(field.about, kind.about)),
                (None, Some(kind)) => kind.about.trim().to_owned(),
                (None, None) => String::new(),
            };
            format!("**{name}** · {}", about.trim())
        }
        Seen::Value { field, of, scalar } => {
            let mut text = format!("**{}** · {}", field.name, told(field, of));
            text += &format!("\n\n{}: {}", of.name, of.about.trim());
            if let (Form::Choice(choices), Scalar::Text(word) | Scalar::Number(word)) = (of.form, &scalar.value)
                && let Some(choice) = choices.iter().find(|choice| choice.name == word)
            {
                text += &format!("\n\n`{word}`: {}", choice.about.trim());
            }
            text
        }
    };
    let top = path.split('/').next().filter(|top| !top.is_empty());
    let name = match seen {
        Seen::Name { name, .. } => top.unwrap_or(name),
        Seen::Value { .. } => top.unwrap_or_default(),
    };
    if let Some(root) = ROOTS.iter().find(|root| root.name == name) {
        text += match root.writer {
            Writer::Operator => "\n\nWritten by the operator.",
            Writer::Reseller => "\n\nWritten by the reseller in its own folder, or by the operator.",
        };
    }
    text
}

/// Returns what a kind says of itself, where that is more than its field says.
fn kind_about<'k>(field: &str, kind: &'k str) -> &'k str {
    if field.trim() == kind.trim() { "" } else { kind.trim() }
}
