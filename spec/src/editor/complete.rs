//! What may be written at a place.

use crate::convert::Syntax;
use crate::language::{EDITION, Field, Form, Kind, ROOTS, Shape, Type, Writer};
use crate::schema::told;
use crate::sources::Trust;

use super::context::{self, Context, Spot};
use super::names::{Class, Holds, Names, holds};
use super::walk::{argument, kind_of};

/// Something that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// As it is shown and filtered.
    pub label: String,
    /// What is written in place of what stands between [`Self::start`] and the cursor.
    pub insert: String,
    /// Where what is replaced begins.
    pub start: usize,
    /// What it is, in a word or two.
    pub detail: String,
    /// What it is, in sentences.
    pub about: String,
    /// What sort of thing it is.
    pub sort: Sort,
}

/// What sort of thing is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A node.
    Node,
    /// A setting with a value.
    Setting,
    /// One of a few words.
    Choice,
    /// A name that is declared somewhere.
    Name,
    /// A value as an example.
    Example,
}

/// So many names are proposed at once; who looks for another one types more of it.
pub const MOST_NAMES: usize = 500;

/// Proposes what may stand at an offset of a file.
///
/// - `names`: of the whole repository.
pub fn complete(path: &str, trust: &Trust, text: &str, offset: usize, names: &Names) -> Vec<Proposal> {
    let before = text.get(..offset).unwrap_or(text);
    let syntax = Syntax::of(path).unwrap_or(Syntax::Kdl);
    let context = match syntax {
        Syntax::Kdl => context::kdl(before),
        Syntax::Yaml => context::yaml(before),
    };
    context.map_or_else(Vec::new, |context| {
        let written = before.get(context.start..).unwrap_or_default().trim_start_matches('"').to_lowercase();
        Proposing { syntax, trust, context, names, written }.run()
    })
}

struct Proposing<'n> {
    syntax: Syntax,
    trust: &'n Trust,
    context: Context,
    names: &'n Names,
    /// What is written of it already, in small letters.
    written: String,
}

impl Proposing<'_> {
    fn run(&self) -> Vec<Proposal> {
        let kind = self.kind_around();
        match (&self.context.spot, kind) {
            (Spot::Node, None) if self.context.around.is_empty() => self.roots(),
            (Spot::Node, Some(kind)) => self.nodes(kind),
            (Spot::Entry { node, index }, kind) => self.entries(kind, node, *index),
            (Spot::Value { node, name }, kind) => self.values_of(kind, node.as_deref(), name),
            (Spot::Node, None) => Vec::new(),
        }
    }

    /// Returns the kind of the innermost node around the place.
    fn kind_around(&self) -> Option<&'static Kind> {
        let mut around = self.context.around.iter();
        let first = around.next()?;
        let root = ROOTS.iter().find(|root| root.name == first.0)?;
        around.try_fold(root.kind, |kind, (name, _)| child(kind, name))
    }

    fn path(&self) -> String {
        self.context.around.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join("/")
    }

    fn proposal(&self, label: &str, insert: String, detail: &str, about: &str, sort: Sort) -> Proposal {
        Proposal {
            label: label.to_owned(),
            insert,
            start: self.context.start,
            detail: detail.to_owned(),
            about: about.trim().to_owned(),
            sort,
        }
    }

    fn roots(&self) -> Vec<Proposal> {
        let edition = match self.syntax {
            Syntax::Kdl => format!("language {EDITION}"),
            Syntax::Yaml => format!("language: {EDITION}"),
        };
        let about = "The edition of the language; it stands first in each file.";
        let mut found = vec![self.proposal("language", edition, "edition", about, Sort::Setting)];
        for root in ROOTS.iter().filter(|root| *self.trust == Trust::Operator || root.writer == Writer::Reseller) {
            found.push(self.proposal(root.name, format!("{} ", root.name), "node", root.kind.about, Sort::Node));
        }
        found
    }

    /// Proposes what a node may hold, each on a line of its own.
    fn nodes(&self, kind: &'static Kind) -> Vec<Proposal> {
        let mut found = Vec::new();
        for field in kind.fields {
            match field.shape {
                Shape::Either(variants) => {
                    for variant in variants {
                        let insert = self.child_text(variant.name, Some(variant.kind), None);
                        found.push(self.proposal(variant.name, insert, "node", variant.kind.about, Sort::Node));
                    }
                }
                Shape::Node { of, .. } => {
                    let insert = self.child_text(field.name, Some(of), None);
                    found.push(self.proposal(field.name, insert, "node", field.about, Sort::Node));
                }
                Shape::Value { of, .. } if field.is_named(field.name) => {
                    let insert = self.child_text(field.name, None, Some(of));
                    found.push(self.proposal(field.name, insert, of.name, &told(field, of), Sort::Setting));
                }
                Shape::Value { .. } => {}
            }
        }
        found
    }

    fn child_text(&self, name: &str, kind: Option<&'static Kind>, of: Option<&Type>) -> String {
        let takes_argument = kind.is_some_and(|kind| argument(kind, 0).is_some());
        match (self.syntax, of) {
            (Syntax::Kdl, Some(of)) if of.form == Form::Flag => name.to_owned(),
            (Syntax::Kdl, _) => format!("{name} "),
            (Syntax::Yaml, Some(_)) => format!("{name}: "),
            (Syntax::Yaml, None) if takes_argument => format!("{name} "),
            (Syntax::Yaml, None) => format!("{name}:"),
        }
    }

    /// Proposes what may stand on a node's line: its next argument, and its settings.
    fn entries(&self, around: Option<&'static Kind>, node: &str, index: usize) -> Vec<Proposal> {
        let inner = match around {
            None if self.context.around.is_empty() => ROOTS.iter().find(|root| root.name == node).map(|root| root.kind),
            None => None,
            Some(kind) => child(kind, node),
        };
        let path = format!("{}/{node}", self.path());
        let path = path.trim_start_matches('/');
        let Some(inner) = inner else {
            // A setting written as a child: its values are its arguments.
            let field = around.and_then(|kind| kind.fields.iter().find(|field| field.is_named(node)));
            return match field.map(|field| (field, &field.shape)) {
                Some((field, Shape::Value { of, many, .. })) if index == 0 || *many => {
                    self.values(field, of, holds(&self.path(), Some(field.name)))
                }
                _ => Vec::new(),
            };
        };
        let mut found = match argument(inner, index) {
            Some((field, of)) => self.values(field, of, holds(path, None)),
            None => Vec::new(),
        };
        if self.syntax == Syntax::Kdl && !self.context.quoted {
            for field in inner.fields {
                if let Shape::Value { of, .. } = field.shape
                    && field.is_named(field.name)
                {
                    let insert = format!("{}=", field.name);
                    found.push(self.proposal(field.name, insert, of.name, &told(field, of), Sort::Setting));
                }
            }
        }
        found
    }

    fn values_of(&self, around: Option<&'static Kind>, node: Option<&str>, name: &str) -> Vec<Proposal> {
        let (kind, path) = match node {
            None => (around, self.path()),
            Some(node) if self.context.around.is_empty() => {
                (ROOTS.iter().find(|root| root.name == node).map(|root| root.kind), node.to_owned())
            }
            Some(node) => (around.and_then(|kind| child(kind, node)), format!("{}/{node}", self.path())),
        };
        let Some(field) = kind.and_then(|kind| kind.fields.iter().find(|field| field.is_named(name))) else {
            return Vec::new();
        };
        match (&field.shape, kind_of(field, name)) {
            (Shape::Value { of, .. }, _) => self.values(field, of, holds(&path, Some(name))),
            (_, Some(inner)) => match argument(inner, 0) {
                Some((field, of)) => self.values(field, of, holds(&format!("{path}/{name}"), None)),
                None => Vec::new(),
            },
            (_, None) => Vec::new(),
        }
    }

    /// Proposes values: words, names that are declared, or an example.
    fn values(&self, field: &Field, of: &'static Type, holds: Option<Holds>) -> Vec<Proposal> {
        let mut found = Vec::new();
        let mut add = |value: &str, detail: &str, about: &str, sort| {
            let insert = match (self.syntax, self.context.quoted) {
                (Syntax::Kdl, false) => of.written(value),
                _ => value.to_owned(),
            };
            found.push(self.proposal(value, insert, detail, about, sort));
        };
        match of.form {
            Form::Choice(choices) => {
                choices.iter().for_each(|choice| add(choice.name, of.name, choice.about, Sort::Choice));
            }
            Form::Flag => {
                add("true", of.name, "On.", Sort::Choice);
                add("false", of.name, "Off.", Sort::Choice);
            }
            Form::Text | Form::Number => {
                for (class, name) in self.named(holds) {
                    add(&name, class.name(), field.about, Sort::Name);
                }
                if matches!(
                    holds,
                    None | Some(Holds::Declares(_) | Holds::DeclaresLocal | Holds::UsesHost | Holds::UsesNumbered)
                ) {
                    add(field.example, "an example", field.about, Sort::Example);
                }
            }
        }
        found
    }

    /// Returns the names that a value may use.
    fn named(&self, holds: Option<Holds>) -> Vec<(Class, String)> {
        let of = |kind: &str| {
            let around = self.context.around.iter().find(|(around, _)| around == kind).map(|(_, name)| name.as_str());
            around.or(self.context.line_argument.as_deref())
        };
        let declared = |class, before: &str, behind: &str| -> Vec<(Class, String)> {
            let part = |key: &str| {
                let part = key.strip_prefix(before)?.strip_suffix(behind)?;
                (self.written.is_empty() || part.to_lowercase().contains(&self.written)).then(|| part.to_owned())
            };
            let keys = self.names.declared(class, MOST_NAMES, |key| part(key).is_some());
            keys.into_iter().filter_map(|key| Some((class, part(key)?))).collect()
        };
        match holds {
            Some(Holds::Uses(Class::Brand)) => {
                declared(Class::Brand, &format!("{}/", of("reseller").unwrap_or_default()), "")
            }
            Some(Holds::Uses(class)) => declared(class, "", ""),
            Some(Holds::UsesLocal) => {
                declared(Class::Address, "", &format!("@{}", of("domain").unwrap_or_default().to_lowercase()))
            }
            Some(Holds::UsesAddress) => declared(Class::Address, "", ""),
            Some(Holds::Declares(_) | Holds::DeclaresLocal | Holds::UsesHost | Holds::UsesNumbered) | None => {
                Vec::new()
            }
        }
    }
}

fn child(kind: &'static Kind, name: &str) -> Option<&'static Kind> {
    kind.fields.iter().find(|field| field.is_named(name)).and_then(|field| kind_of(field, name))
}
