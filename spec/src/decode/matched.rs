//! A node sorted into the fields of its kind.

use values::quoted;

use crate::language::{Field, Form, Kind, Place, Shape, Standing, find_places};
use crate::model::Platform;
use crate::problem::Problem;
use crate::tree::{Node, Property, Scalar, Span, Spanned};

use super::nearest::nearest_with_distance;
use super::{Decoder, Example};
use crate::language::Kinded;

/// Where a field's value was found.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'n, 's> {
    Argument(&'n Spanned<Scalar<'s>>),
    Property(&'n Property<'s>),
    Child(&'n Node<'s>),
}

impl Entry<'_, '_> {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Argument(argument) => argument.span,
            Self::Property(property) => property.name.span,
            Self::Child(child) => child.kind.span,
        }
    }
}

/// What was found for a field: nearly always nothing or one thing, which needs no memory of its own.
#[derive(Clone, Default)]
pub(crate) enum Entries<'n, 's> {
    #[default]
    None,
    One(Entry<'n, 's>),
    Several(Vec<Entry<'n, 's>>),
}

impl<'n, 's> Entries<'n, 's> {
    fn push(&mut self, entry: Entry<'n, 's>) {
        match self {
            Self::None => *self = Self::One(entry),
            Self::One(first) => *self = Self::Several(vec![*first, entry]),
            Self::Several(entries) => entries.push(entry),
        }
    }

    pub(crate) fn as_slice(&self) -> &[Entry<'n, 's>] {
        match self {
            Self::None => &[],
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Several(entries) => entries,
        }
    }
}

/// A node whose arguments, properties and children are sorted into its kind's fields.
pub(crate) struct Matched<'n, 's> {
    name: &'n str,
    kind: &'static Kind,
    head: Span,
    entries: Vec<Entries<'n, 's>>,
    /// Names that were meant where something unknown was written, so that they are not called missing too.
    meant: Vec<&'static str>,
    cursor: usize,
}

impl<'n, 's> Matched<'n, 's> {
    /// Stands for a node that was not written; its values get their defaults, at the place given.
    pub(crate) fn unwritten(name: &'n str, kind: &'static Kind, head: Span) -> Self {
        let entries = vec![Entries::None; kind.fields.len()];
        Self { name, kind, head, entries, meant: Vec::new(), cursor: 0 }
    }

    /// Sorts a node, and reports what its kind does not know and what is there twice.
    pub(crate) fn of(node: &'n Node<'s>, kind: &'static Kind, decoder: &mut Decoder) -> Self {
        let name = node.kind.value.as_ref();
        let head = node.arguments.first().map_or(node.kind.span, |argument| node.kind.span.to(argument.span));
        let mut matched = Self::unwritten(name, kind, head);
        matched.sort_arguments(node, decoder);
        for property in &node.properties {
            matched.sort_named(&property.name.value, property.name.span, Entry::Property(property), decoder);
        }
        for child in &node.children {
            matched.sort_named(&child.kind.value, child.kind.span, Entry::Child(child), decoder);
        }
        matched.report_repeated(decoder);
        matched
    }

    fn sort_arguments(&mut self, node: &'n Node<'s>, decoder: &mut Decoder) {
        let mut places = self
            .kind
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| matches!(field.place, Place::Argument | Place::Arguments))
            .map(|(index, field)| (index, field.place))
            .peekable();
        let takes = self.kind.fields.iter().filter(|field| field.place == Place::Argument).count();
        let mut given = node.arguments.iter().peekable();
        while let Some(argument) = given.next() {
            let Some(&(index, place)) = places.peek() else {
                // A node that takes no argument may be switched on like a flag, as YAML invites to.
                if takes > 0 || argument.value != Scalar::Flag(true) {
                    if let Some((name, written)) = self.colon_setting(argument, given.peek().copied()) {
                        let value = given.next();
                        let index = self.kind.fields.iter().position(|field| field.is_named(name));
                        if let Some(entries) = index.and_then(|index| self.entries.get_mut(index))
                            && let Some(value) = value
                        {
                            entries.push(Entry::Argument(value));
                        }
                        self.report_colon(argument, name, &written, decoder);
                        continue;
                    }
                    self.report_surplus(node, argument, takes, decoder);
                }
                continue;
            };
            if let Some(entries) = self.entries.get_mut(index) {
                entries.push(Entry::Argument(argument));
            }
            if place == Place::Argument {
                places.next();
            }
        }
    }

    /// Returns the setting that two arguments are, written as other languages do: `name: value`.
    fn colon_setting(
        &self,
        argument: &Spanned<Scalar<'_>>,
        next: Option<&Spanned<Scalar<'_>>>,
    ) -> Option<(&'static str, String)> {
        let Scalar::Text(text) = &argument.value else { return None };
        let name = text.strip_suffix(':')?;
        let field = self.kind.fields.iter().find(|field| field.is_named(name) && field.place == Place::Named)?;
        let (Scalar::Text(value) | Scalar::Number(value)) = &next?.value else { return None };
        match field.shape {
            Shape::Value { of, .. } => Some((field.name, of.written(value))),
            _ => None,
        }
    }

    fn report_colon(&self, argument: &Spanned<Scalar<'_>>, name: &'static str, value: &str, decoder: &mut Decoder) {
        let message = format!("`{name}` of `{}` is written with `=`, without a colon", self.name);
        decoder.report(
            Problem::error("spec::surplus-argument", argument.span, message)
                .label("a setting")
                .help(format!("write {}", decoder.setting(name, value))),
        );
    }

    fn report_surplus(&mut self, node: &Node<'_>, argument: &Spanned<Scalar<'_>>, takes: usize, decoder: &mut Decoder) {
        if decoder.is_full() {
            return;
        }
        let takes = match takes {
            0 => "no argument".to_owned(),
            1 => "one argument".to_owned(),
            several => format!("{several} arguments"),
        };
        let named = |field: &&Field| field.place == Place::Named && field.name != "renamed-from";
        let settings = self.kind.fields.iter().filter(named).filter_map(|field| match field.shape {
            Shape::Value { of, .. } => Some((field, of)),
            _ => None,
        });
        // The argument as it was written, where it can hardly be anything but the value of something that this node may hold.
        let is_written = |name: &str| {
            node.properties.iter().any(|it| it.name.value == name)
                || node.children.iter().any(|it| it.kind.value == name)
        };
        // What is missing, and what the value can be that is too many, is the same thing.
        let missing = match &argument.value {
            Scalar::Text(text) | Scalar::Number(text) => settings
                .clone()
                .filter(|(field, of)| field.is_required() && of.name != "text" && !is_written(field.name))
                .find_map(|(field, of)| Some((field.name, of.written(&(of.canonical)(text)?)))),
            Scalar::Flag(_) | Scalar::Null => None,
        };
        let missing = missing.filter(|(name, _)| !self.meant.contains(name));
        let fitting = missing.clone().or_else(|| match &argument.value {
            Scalar::Text(text) | Scalar::Number(text) => settings
                .clone()
                .filter(|(_, of)| matches!(of.form, Form::Choice(_)) || matches!(of.name, "whole number" | "network"))
                .find_map(|(field, of)| Some((field.name, of.written(&(of.canonical)(text)?)))),
            Scalar::Flag(_) | Scalar::Null => None,
        });
        let first = settings.map(|(field, of)| (field.name, of.written(field.example))).next();
        // `name: value`, as other languages write it.
        let colon = match &argument.value {
            Scalar::Text(text) => {
                text.strip_suffix(':').filter(|name| self.kind.fields.iter().any(|it| it.is_named(name)))
            }
            _ => None,
        };
        let help = match (fitting, first) {
            _ if colon.is_some() => {
                format!("write `=` between a name and its value: `{}=…`", colon.unwrap_or_default())
            }
            (Some((name, value)), _) if node.children.is_empty() && node.properties.is_empty() => {
                format!("write {}", decoder.only_setting(name, &value))
            }
            (Some((name, value)), _) => format!("write {}", decoder.setting(name, &value)),
            (None, _) if matches!(argument.value, Scalar::Flag(_)) => "remove it".to_owned(),
            (None, Some((name, value))) => {
                format!("remove it, or write what it is in front of it, as in {}", decoder.setting(name, &value))
            }
            (None, None) => "remove it".to_owned(),
        };
        self.meant.extend(missing.map(|(name, _)| name));
        decoder.report(
            Problem::error("spec::surplus-argument", argument.span, format!("`{}` takes {takes}", self.name))
                .label("this is one too many")
                .help(help),
        );
    }

    fn sort_named(&mut self, name: &str, span: Span, entry: Entry<'n, 's>, decoder: &mut Decoder) {
        match self.kind.fields.iter().position(|field| field.is_named(name)) {
            Some(index) => {
                if let Some(entries) = self.entries.get_mut(index) {
                    entries.push(entry);
                }
            }
            None => {
                // What was meant is clear, so that what is wrong inside it is told in the same run.
                let meant = self.report_unknown(name, span, entry, decoder);
                // What a reseller may not write at all is not looked into.
                let is_told = self.name == "environment" || (in_resellers_hands(self.name) && is_operators(name));
                if let (None, Entry::Child(child), false) = (meant, entry, is_told) {
                    super::misplaced::look_into(child, decoder);
                }
                let index = meant.and_then(|meant| self.kind.fields.iter().position(|field| field.is_named(meant)));
                let is_node = |index: &usize| {
                    self.kind.fields.get(*index).is_some_and(|field| matches!(field.shape, Shape::Node { .. }))
                };
                if let (Some(index), Entry::Child(_)) = (index.filter(is_node), entry)
                    && let Some(entries) = self.entries.get_mut(index)
                    && (entries.as_slice().is_empty() || self.kind.fields.get(index).is_some_and(Field::is_many))
                {
                    entries.push(entry);
                }
            }
        }
    }

    /// Reports a name that the kind does not have; returns the one that was meant, where there is little doubt.
    fn report_unknown(
        &mut self,
        name: &str,
        span: Span,
        entry: Entry<'n, 's>,
        decoder: &mut Decoder,
    ) -> Option<&'static str> {
        if decoder.is_full() {
            return None;
        }
        let holder = self.name;
        if holder == "environment" && Platform::KIND.fields.iter().any(|field| field.is_named(name)) {
            let help = match name {
                "cluster" => "remove it here; say how many nodes there are with `scale cluster=\"a\" { store 2 }`",
                _ => "remove it here and change it in the `platform`, for all environments at once",
            };
            decoder.report(
                Problem::error("spec::environment-override", span, format!("an environment cannot change `{name}`"))
                    .label("this belongs to the platform")
                    .help(help),
            );
            return None;
        }
        let names = self.kind.names();
        let near = nearest_with_distance(name, names.iter().copied());
        let place = place_for(name, holder);
        let argument = self.kind.fields.iter().find(|field| field.place != Place::Named && field.name == name);
        let argument = argument.or_else(|| self.missing_argument(entry, near.map(|(_, near)| near)));
        // A whole node of a known kind is hardly meant as a setting that is spelled nearly so.
        let is_node = matches!(entry, Entry::Child(child) if !child.children.is_empty());
        let elsewhere = is_node && matches!(place, Some((_, true)));
        let mut meant = None;
        let (message, help) = match (near, argument, place) {
            (_, Some(argument), _) if argument.name != name => {
                self.meant.push(argument.name);
                let example = decoder.example(holder, self.kind, Example::Arguments);
                (
                    format!("`{holder}` takes its {} as an argument, without {}", argument.name, quoted(name)),
                    format!("write it directly behind `{holder}`, as in {example}"),
                )
            }
            (Some((distance, near)), _, place) if (distance <= 1 && !elsewhere) || place.is_none() => {
                self.meant.push(near);
                meant = Some(near);
                (format!("unknown {} in `{holder}`", quoted(name)), format!("write `{near}`"))
            }
            (_, Some(argument), _) => {
                self.meant.push(argument.name);
                let example = decoder.example(holder, self.kind, Example::Arguments);
                (
                    format!("`{holder}` takes its {name} as an argument"),
                    format!("write it directly behind `{holder}`, as in {example}"),
                )
            }
            (_, None, Some((_, true))) if in_resellers_hands(holder) && is_operators(name) => (
                format!("`{name}` cannot stand in `{holder}`"),
                format!("remove it; `{name}` is the operator's, in the `platform`"),
            ),
            (_, None, Some((place, true))) => (
                format!("`{name}` cannot stand in `{holder}`"),
                format!("move it into {place}, where `{name}` has a meaning"),
            ),
            (_, None, Some((place, false))) => (
                format!("`{name}` cannot stand in `{holder}`"),
                format!("`{name}` has a meaning in {place}; what `{holder}` may hold: {}", names.join(", ")),
            ),
            (_, None, None) if names.is_empty() => {
                (format!("unknown {} in `{holder}`", quoted(name)), "remove it".to_owned())
            }
            (_, None, None) => (
                format!("unknown {} in `{holder}`", quoted(name)),
                format!("what `{holder}` may hold: {}", names.join(", ")),
            ),
        };
        decoder.report(Problem::error("spec::unknown-name", span, message).label("unknown here").help(help));
        meant
    }

    /// Returns the argument that was not given and that a setting of another name holds a value for.
    fn missing_argument(&self, entry: Entry<'n, 's>, near: Option<&str>) -> Option<&'static Field> {
        let scalar = match entry {
            Entry::Property(property) => &property.value,
            Entry::Child(child) if child.children.is_empty() && child.properties.is_empty() => {
                child.arguments.first()?
            }
            _ => return None,
        };
        let (Scalar::Text(text) | Scalar::Number(text)) = &scalar.value else { return None };
        // A slip in the name of what must be written is the nearer mistake.
        let is_required = |field: &&Field| near == Some(field.name) && field.is_required();
        if self.kind.fields.iter().any(|field| is_required(&field)) {
            return None;
        }
        let mut given = self.kind.fields.iter().zip(&self.entries);
        let (field, _) = given.find(|(field, entries)| {
            matches!(field.place, Place::Argument | Place::Arguments)
                && field.is_required()
                && entries.as_slice().is_empty()
                && !self.meant.contains(&field.name)
        })?;
        match field.shape {
            // Nearly everything is a line.
            Shape::Value { of, .. } if of.name != "line" && (of.canonical)(text).is_some() => Some(field),
            _ => None,
        }
    }

    /// Reports what stands twice where it may stand once; the first counts, and the others are read for what is wrong in them.
    fn report_repeated(&self, decoder: &mut Decoder) {
        for (field, entries) in self.kind.fields.iter().zip(&self.entries) {
            if field.is_many() || field.place == Place::Arguments {
                continue;
            }
            let Entries::Several(several) = entries else { continue };
            let Some((first, surplus)) = several.split_first() else { continue };
            let first = first.span();
            for again in surplus {
                decoder.report(
                    Problem::error(
                        "spec::given-twice",
                        again.span(),
                        format!("`{}` is given twice in `{}`", field.name, self.name),
                    )
                    .label("given again here")
                    .help("remove one of the two; a property and a child of the same name are the same")
                    .related(first, "first given here"),
                );
            }
        }
    }

    /// Returns where the node's kind and first argument stand.
    pub(crate) fn head(&self) -> Span {
        self.head
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        self.kind
    }

    pub(crate) fn name(&self) -> &'n str {
        self.name
    }

    /// Tells whether a field was meant by something that was written wrongly, which has been told.
    pub(crate) fn is_meant(&self, name: &str) -> bool {
        self.meant.contains(&name)
    }

    /// Returns the next field and what was found for it; fields are taken in the order of the table.
    pub(crate) fn next(&mut self) -> Option<(&'static Field, Entries<'n, 's>)> {
        let field = self.kind.fields.get(self.cursor)?;
        let entries = self.entries.get_mut(self.cursor).map(std::mem::take).unwrap_or_default();
        self.cursor += 1;
        Some((field, entries))
    }

    /// Returns the value that names this node among its siblings, in canonical spelling, where it has one that can be read.
    pub(crate) fn unique_key(&self) -> Option<(String, Span)> {
        let (field, entries) = self.kind.fields.iter().zip(&self.entries).find(|(field, _)| field.unique)?;
        let scalar = match entries.as_slice().first()? {
            Entry::Argument(argument) => argument,
            Entry::Property(property) => &property.value,
            Entry::Child(child) => child.arguments.first()?,
        };
        let (Shape::Value { of, .. }, Scalar::Text(text) | Scalar::Number(text)) = (&field.shape, &scalar.value) else {
            return None;
        };
        Some(((of.canonical)(text)?, scalar.span))
    }
}

/// Tells whether a kind is one that resellers write.
fn in_resellers_hands(holder: &str) -> bool {
    matches!(holder, "reseller" | "brand" | "domain" | "workgroup" | "mailbox")
}

/// Tells whether a node has a meaning only in the operator's platform.
fn is_operators(name: &str) -> bool {
    Platform::KIND.fields.iter().any(|field| field.is_named(name)) && !matches!(name, "renamed-from" | "operator")
}

/// Returns the place nearest to a holder where something of this name may stand, in words, and whether it may well be meant:
/// because it is a node of its own there, or because it lies in the holder.
pub(super) fn place_for(name: &str, holder: &str) -> Option<(String, bool)> {
    let places = find_places(name);
    let is_below = |place: &&Standing| place.around.iter().rev().skip(1).any(|around| *around == holder);
    let is_elsewhere = |place: &&Standing| place.around.last().is_some_and(|last| *last != holder);
    let (place, meant) = places
        .iter()
        .filter(|place| place.node)
        .find(is_below)
        .or_else(|| places.iter().filter(|place| place.node).find(is_elsewhere))
        .or_else(|| places.iter().find(is_below))
        .map(|place| (place, true))
        .or_else(|| places.iter().find(is_elsewhere).map(|place| (place, false)))?;
    match place.around.as_slice() {
        [.., around, last] if *around != holder => Some((format!("`{last}` of `{around}`"), meant)),
        [.., last] => Some((format!("`{last}`"), meant)),
        [] => None,
    }
}
