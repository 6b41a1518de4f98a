//! What a specification says that no file of any node is made from: prices, windows, what is promised.
//!
//! It is checked and agreed on all the same, so whoever compares two revisions has to see it. Which fields these are the
//! language's own description says ([`crate::language::Field::noted`]).

use crate::language::{Field, FieldShape, Kinded, Place, Spelling};
use crate::model::{Environment, Platform, Reseller};

/// A value that is only agreed on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Noted {
    /// The nodes around it from the top of the file inwards: how each is spelled, and its name where it has one.
    pub around: Vec<(&'static str, Option<String>)>,
    /// What it is called.
    pub field: &'static str,
    /// The value in its canonical spelling; of several all, sorted.
    pub value: String,
}

/// Returns what a platform only notes, sorted; what is left at its default is not said.
pub fn of_platform(platform: &Platform) -> Vec<Noted> {
    collect("platform", platform)
}

/// Returns what a reseller's specification only notes, sorted.
pub fn of_reseller(reseller: &Reseller) -> Vec<Noted> {
    collect("reseller", reseller)
}

/// Returns what an environment only notes, sorted.
pub fn of_environment(environment: &Environment) -> Vec<Noted> {
    collect("environment", environment)
}

fn collect<K: Kinded>(kind: &'static str, node: &K) -> Vec<Noted> {
    let mut found = Vec::new();
    let title = || title(node);
    node.note(&mut Notes { step: Step { around: None, kind, title: &title }, noted: false, found: &mut found });
    found.sort();
    found
}

/// A collection of notes at some place of a specification.
pub(crate) struct Notes<'n> {
    step: Step<'n>,
    /// Whether everything here is only noted.
    noted: bool,
    found: &'n mut Vec<Noted>,
}

/// A node around; its name is only made where it is wanted.
#[derive(Clone, Copy)]
struct Step<'n> {
    around: Option<&'n Step<'n>>,
    kind: &'static str,
    title: &'n dyn Fn() -> Option<String>,
}

impl Notes<'_> {
    /// Takes a field of the node that this is at.
    pub(crate) fn take(&mut self, field: &'static Field, shape: &impl FieldShape) {
        if self.noted || field.noted {
            let mut values = shape.spell();
            let is_default = field.default.is_some_and(|default| values == [default]);
            if !values.is_empty() && !is_default {
                values.sort();
                let mut around = Vec::new();
                let mut step = Some(&self.step);
                while let Some(it) = step {
                    around.push((it.kind, (it.title)()));
                    step = it.around;
                }
                around.reverse();
                self.found.push(Noted { around, field: field.name, value: values.join(", ") });
            }
        }
        shape.note_below(field, self);
    }

    /// Looks into a node that a field holds.
    pub(crate) fn enter<K: Kinded>(&mut self, field: &'static Field, node: &K) {
        let noted = self.noted || field.noted;
        if noted || K::KIND.holds_notes {
            let title = || title(node);
            let step = Step { around: Some(&self.step), kind: field.name, title: &title };
            node.note(&mut Notes { step, noted, found: &mut *self.found });
        }
    }
}

/// Returns what a node is told from its siblings by: what is unique in it, else its first argument.
fn title<K: Kinded>(node: &K) -> Option<String> {
    let mut spelling = Spelling::default();
    node.spell(&mut spelling);
    let unique = K::KIND.fields.iter().find(|field| field.unique && field.place == Place::Named);
    let named = unique.and_then(|field| spelling.settings.iter().find(|(name, _)| *name == field.name));
    named.and_then(|(_, values)| values.first()).or(spelling.arguments.first()).cloned()
}
