//! What a word of the language means wherever it may stand.

use super::{Field, Form, Kind, ROOTS, Root, Shape, Writer};

/// A meaning of a word.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// The spellings of the nodes around it, from the top of the file inwards.
    pub around: Vec<&'static str>,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Who may write it.
    pub writer: Writer,
    /// Its field; `None` for what stands at the top of a file and for one of several kinds that a place may hold.
    pub field: Option<&'static Field>,
    /// What it may hold, where it is a node.
    pub kind: Option<&'static Kind>,
    /// Whether no file of any node is made from it.
    pub noted: bool,
}

/// Returns what a word means; shallow places come before deep ones.
pub fn meanings(word: &str) -> Vec<Meaning> {
    let mut found = Vec::new();
    for root in ROOTS {
        if root.name == word {
            found.push(Meaning {
                around: Vec::new(),
                about: root.kind.about,
                writer: root.writer,
                field: None,
                kind: Some(root.kind),
                noted: false,
            });
        }
        below(root, root.kind, &[root.name], false, word, &mut found);
    }
    found.sort_by_key(|meaning| meaning.around.len());
    found
}

fn below(root: &Root, kind: &'static Kind, around: &[&'static str], noted: bool, word: &str, found: &mut Vec<Meaning>) {
    for field in kind.fields {
        let noted = noted || field.noted;
        let nodes: Vec<(&'static str, &'static Kind)> = match field.shape {
            Shape::Value { .. } => Vec::new(),
            Shape::Node { of, .. } => vec![(field.name, of)],
            Shape::Either(variants) => variants.iter().map(|variant| (variant.name, variant.kind)).collect(),
        };
        let mut mean = |about, field, kind| {
            let around = around.to_vec();
            found.push(Meaning { around, about, writer: root.writer, field, kind, noted });
        };
        match field.shape {
            Shape::Either(_) => {
                for (_, kind) in nodes.iter().filter(|(name, _)| *name == word) {
                    mean(kind.about, None, Some(kind));
                }
            }
            _ if field.is_named(word) => mean(field.about, Some(field), nodes.first().map(|(_, kind)| *kind)),
            _ => {}
        }
        for (name, kind) in nodes {
            let inside: Vec<&'static str> = around.iter().copied().chain([name]).collect();
            below(root, kind, &inside, noted, word, found);
        }
    }
}

/// Returns every word that names a node or a setting, sorted.
pub fn words() -> Vec<&'static str> {
    fn of(kind: &'static Kind, found: &mut Vec<&'static str>) {
        found.extend(kind.names());
        for field in kind.fields {
            match field.shape {
                Shape::Node { of: below, .. } => of(below, found),
                Shape::Either(variants) => variants.iter().for_each(|variant| of(variant.kind, found)),
                Shape::Value { .. } => {}
            }
        }
    }
    let mut found: Vec<&'static str> = ROOTS.iter().map(|root| root.name).collect();
    ROOTS.iter().for_each(|root| of(root.kind, &mut found));
    found.sort_unstable();
    found.dedup();
    found
}

impl Meaning {
    /// Returns what is to be known of it, each with what it is called.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        let place = match self.around.as_slice() {
            [] => "at the top of a file".to_owned(),
            around => format!("in {}", around.join(" › ")),
        };
        facts.push(("where", place));
        facts.push(("what it is", self.about.split_whitespace().collect::<Vec<_>>().join(" ")));
        if let Some(field) = self.field {
            if let Shape::Value { of, many, .. } = field.shape {
                let several = if many { ", several" } else { "" };
                let kind = match of.form {
                    Form::Choice(choices) => {
                        choices.iter().map(|choice| format!("`{}`", choice.name)).collect::<Vec<_>>().join(" or ")
                    }
                    Form::Flag => "flag: written alone it is true".to_owned(),
                    Form::Text | Form::Number => format!("{}, such as `{}`", of.name, field.example),
                };
                facts.push(("type", format!("{kind}{several}")));
            }
            let absent = match (field.default, field.is_required(), field.or_defaults) {
                (Some(default), ..) => format!("`{default}`"),
                (None, true, _) => "it must be written".to_owned(),
                (None, false, true) => "its own defaults".to_owned(),
                (None, false, false) => "nothing".to_owned(),
            };
            facts.push(("where it is not written", absent));
            for (name, bound) in [("at least", field.least), ("at most", field.most)] {
                facts.extend(bound.map(|bound| (name, format!("`{bound}`"))));
            }
        }
        if let Some(kind) = self.kind {
            let arguments =
                kind.fields.iter().filter(|field| !matches!(field.place, super::Place::Named | super::Place::Either));
            let arguments: Vec<&str> = arguments.map(|field| field.name).collect();
            if !arguments.is_empty() {
                facts.push(("behind it", arguments.join(", ")));
            }
            facts.push(("holds", kind.names().join(", ")));
        }
        let writer = match self.writer {
            Writer::Operator => "only the operator",
            Writer::Reseller => "the reseller in its own folder, or the operator",
        };
        facts.push(("who writes it", writer.to_owned()));
        if self.around.first() != Some(&"environment") {
            let overrides = match self.field {
                Some(field) if field.environment => "an environment may say something else",
                _ => "no environment changes it",
            };
            facts.push(("environments", overrides.to_owned()));
        }
        if self.noted {
            facts.push((
                "what comes of it",
                "it is checked and planned; no file of any node is made from it".to_owned(),
            ));
        }
        facts
    }
}
