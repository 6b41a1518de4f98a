//! The types that a struct's fields may have, taken from a matched node.

use std::borrow::Cow;
use std::collections::BTreeMap;

use values::quoted;

use crate::kept::{Reader, Writer};
use crate::language::{Field, FieldShape, Form, Kinded, Place, Shape, Typed, Variant, hole};
use crate::noted::Notes;
use crate::problem::Problem;
use crate::tree::{Node, Property, Rare, Scalar, Span, Spanned};

use super::matched::Entry;
use super::{Decoder, Example, Matched, a};

/// Takes the values of the next field; a flag without an argument is true.
fn take_values<T: Typed, V: Values<T>>(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Option<Taken<V>> {
    let (field, entries) = matched.next()?;
    let mut values = V::default();
    let entries = entries.as_slice();
    for entry in entries {
        match entry {
            Entry::Argument(argument) => values.take(decoder.value(matched.name(), field, argument)),
            Entry::Property(property) => values.take(decoder.value(matched.name(), field, &property.value)),
            Entry::Child(child) => child_values(matched.name(), field, child, decoder, &mut values),
        }
    }
    Some(Taken { field, values, written: !entries.is_empty() })
}

/// Where a field's values are gathered: the first of them, or all.
trait Values<T>: Default {
    fn take(&mut self, value: Option<Spanned<T>>);
}

impl<T> Values<T> for Option<Spanned<T>> {
    fn take(&mut self, value: Option<Spanned<T>>) {
        if self.is_none() {
            *self = value;
        }
    }
}

impl<T: Typed> Values<T> for Vec<Spanned<T>> {
    fn take(&mut self, value: Option<Spanned<T>>) {
        // A hole stands for what could not be read, so that nothing is called missing for its sake.
        self.push(value.unwrap_or_else(|| Spanned::new(hole(), Span::HOLE)));
    }
}

struct Taken<V> {
    field: &'static Field,
    values: V,
    written: bool,
}

/// Reads the arguments of a child that is a value, and reports all else it holds.
fn child_values<T: Typed>(
    holder: &str,
    field: &'static Field,
    child: &Node<'_>,
    decoder: &mut Decoder,
    values: &mut impl Values<T>,
) {
    let surplus = child.properties.iter().map(|property| property.name.span);
    for span in surplus.chain(child.children.iter().map(|child| child.kind.span)) {
        decoder.report(
            Problem::error("spec::unknown-name", span, format!("`{}` takes a value and no settings", field.name))
                .label("unknown here")
                .help("remove it"),
        );
    }
    if child.arguments.is_empty() {
        if T::TYPE.form == Form::Flag {
            let flag = Spanned::new(Scalar::Flag(true), child.kind.span);
            values.take(decoder.value(holder, field, &flag));
        } else {
            let example = decoder.setting_child(field.name, &T::TYPE.written(field.example));
            decoder.report(
                Problem::error("spec::missing", child.kind.span, format!("`{}` has no value", field.name))
                    .label(format!("{} is missing here", a(T::TYPE.name)))
                    .help(format!("write a value behind it, such as {example}")),
            );
        }
        return;
    }
    for (index, argument) in child.arguments.iter().enumerate() {
        if index > 0 && !field.is_many() {
            decoder.report(
                Problem::error("spec::surplus-argument", argument.span, format!("`{}` takes one value", field.name))
                    .label("this is one too many")
                    .help("remove it"),
            );
            return;
        }
        values.take(decoder.value(holder, field, argument));
    }
}

/// Reports that a field is missing, at its holder's head.
fn report_missing(field: &'static Field, matched: &Matched<'_, '_>, decoder: &mut Decoder) {
    let holder = matched.name();
    if matched.is_meant(field.name) || decoder.is_full() {
        return;
    }
    let (message, help) = match (&field.shape, field.place) {
        (Shape::Value { .. }, Place::Argument | Place::Arguments) => {
            let head = decoder.example(holder, matched.kind(), Example::Arguments);
            (format!("`{holder}` has no {}", field.name), format!("write one behind it, such as {head}"))
        }
        (Shape::Value { of, .. }, _) => {
            let setting = decoder.setting(field.name, &of.written(field.example));
            (format!("`{holder}` has no `{}`", field.name), format!("add it, such as {setting}"))
        }
        (Shape::Node { of, .. }, _) => {
            let example = match field.example {
                "" => decoder.example(field.name, of, Example::Whole),
                example => decoder.setting_child(field.name, example),
            };
            (format!("`{holder}` has no `{}`", field.name), format!("add {example} to it"))
        }
        (Shape::Either(_), _) => return,
    };
    let about = field.about.trim().trim_end_matches('.');
    let label = about.chars().take(1).flat_map(char::to_lowercase).chain(about.chars().skip(1)).collect::<String>();
    decoder
        .report(Problem::error("spec::missing", matched.head(), message).label(format!("missing: {label}")).help(help));
}

impl<T: Typed> FieldShape for Spanned<T> {
    const SHAPE: Shape = Shape::Value { of: T::TYPE, required: true, many: false };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let Some(taken) = take_values::<T, Option<Self>>(matched, decoder) else {
            return Self::new(hole(), Span::HOLE);
        };
        if let Some(value) = taken.values {
            return value;
        }
        if let Some(default) = taken.field.default.filter(|_| !taken.written)
            && let Ok(value) = T::read(default)
        {
            return Self::new(value, matched.head());
        }
        if !taken.written {
            report_missing(taken.field, matched, decoder);
        }
        Self::new(hole(), Span::HOLE)
    }

    fn spell(&self) -> Vec<String> {
        vec![self.value.spell()]
    }

    fn keep(&self, to: &mut Writer) {
        to.text(&self.value.spell());
        to.span(self.span);
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        let value = T::read(from.text()?).ok()?;
        Some(Self { value, span: from.span()? })
    }
}

impl<T: Typed> FieldShape for Option<Spanned<T>> {
    const SHAPE: Shape = Shape::Value { of: T::TYPE, required: false, many: false };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let taken = take_values::<T, Self>(matched, decoder)?;
        taken.values.or_else(|| taken.written.then(|| Spanned::new(hole(), Span::HOLE)))
    }

    fn spell(&self) -> Vec<String> {
        self.iter().map(|value| value.value.spell()).collect()
    }

    fn keep(&self, to: &mut Writer) {
        to.number(u64::from(self.is_some()));
        if let Some(value) = self {
            FieldShape::keep(value, to);
        }
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        Some(match from.number()? {
            0 => None,
            _ => Some(FieldShape::fetch(from)?),
        })
    }
}

impl<T: Typed> FieldShape for Vec<Spanned<T>> {
    const SHAPE: Shape = Shape::Value { of: T::TYPE, required: false, many: true };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let Some(taken) = take_values::<T, Self>(matched, decoder) else { return Self::new() };
        if !taken.written && taken.field.is_required() {
            report_missing(taken.field, matched, decoder);
        }
        // One value cannot stand twice.
        if taken.values.len() < 2 {
            return taken.values;
        }
        let mut first: BTreeMap<String, Span> = BTreeMap::new();
        let mut values = Self::new();
        for value in taken.values {
            if value.is_hole() {
                values.push(value);
                continue;
            }
            let key = value.value.spell();
            match first.get(&key) {
                Some(&before) => decoder.report(
                    Problem::error(
                        "spec::given-twice",
                        value.span,
                        match taken.field.place {
                            Place::Arguments => format!("{} stands twice in `{}`", quoted(&key), matched.name()),
                            _ => format!(
                                "{} stands twice in `{}` of `{}`",
                                quoted(&key),
                                taken.field.name,
                                matched.name()
                            ),
                        },
                    )
                    .label("given again here")
                    .help("remove one of the two")
                    .related(before, "first given here"),
                ),
                None => {
                    first.insert(key, value.span);
                    values.push(value);
                }
            }
        }
        values
    }

    fn spell(&self) -> Vec<String> {
        self.iter().map(|value| value.value.spell()).collect()
    }

    fn keep(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        self.iter().for_each(|value| FieldShape::keep(value, to));
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        (0..from.count()?).map(|_| FieldShape::fetch(from)).collect()
    }
}

/// Lowers the node that an entry is; a property is a node with one argument.
fn lower_entry<K: Kinded>(entry: Entry<'_, '_>, decoder: &mut Decoder) -> (K, Option<(String, Span)>) {
    match entry {
        Entry::Child(child) => lower_node(child, decoder),
        Entry::Property(property) => lower_node(&as_node(property), decoder),
        Entry::Argument(argument) => {
            let mut matched = Matched::unwritten("", K::KIND, argument.span);
            (decoder.quietly(|decoder| K::lower(&mut matched, decoder)), None)
        }
    }
}

/// Tells what is wrong inside nodes that are too many, which are not taken.
fn look_into<K: Kinded>(surplus: &[Entry<'_, '_>], decoder: &mut Decoder) {
    for &entry in surplus {
        let _ = lower_entry::<K>(entry, decoder);
    }
}

fn lower_node<K: Kinded>(node: &Node<'_>, decoder: &mut Decoder) -> (K, Option<(String, Span)>) {
    let mut matched = Matched::of(node, K::KIND, decoder);
    let key = matched.unique_key();
    (K::lower(&mut matched, decoder), key)
}

impl<K: Kinded> FieldShape for K {
    const SHAPE: Shape = Shape::Node { of: K::KIND, required: true, many: false };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let (name, head) = match matched.next() {
            Some((field, entries)) => {
                if let Some((&entry, surplus)) = entries.as_slice().split_first() {
                    let node = lower_entry(entry, decoder).0;
                    look_into::<K>(surplus, decoder);
                    return node;
                }
                if field.is_required() {
                    report_missing(field, matched, decoder);
                    (field.name, Span::HOLE)
                } else {
                    (field.name, matched.head())
                }
            }
            None => ("", Span::HOLE),
        };
        let mut unwritten = Matched::unwritten(name, K::KIND, head);
        decoder.quietly(|decoder| K::lower(&mut unwritten, decoder))
    }

    fn spell(&self) -> Vec<String> {
        Vec::new()
    }

    fn note_below(&self, field: &'static Field, notes: &mut Notes<'_>) {
        notes.enter(field, self);
    }

    fn keep(&self, to: &mut Writer) {
        Kinded::keep(self, to);
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        Kinded::fetch(from)
    }
}

impl<K: Kinded> FieldShape for Option<K> {
    const SHAPE: Shape = Shape::Node { of: K::KIND, required: false, many: false };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let (_, entries) = matched.next()?;
        let (&entry, surplus) = entries.as_slice().split_first()?;
        let node = lower_entry(entry, decoder).0;
        look_into::<K>(surplus, decoder);
        Some(node)
    }

    fn spell(&self) -> Vec<String> {
        Vec::new()
    }

    fn note_below(&self, field: &'static Field, notes: &mut Notes<'_>) {
        self.iter().for_each(|node| notes.enter(field, node));
    }

    fn keep(&self, to: &mut Writer) {
        to.number(u64::from(self.is_some()));
        if let Some(node) = self {
            Kinded::keep(node, to);
        }
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        Some(match from.number()? {
            0 => None,
            _ => Some(Kinded::fetch(from)?),
        })
    }
}

impl<K: Kinded> FieldShape for Option<Rare<K>> {
    const SHAPE: Shape = <Option<K> as FieldShape>::SHAPE;

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        <Option<K> as FieldShape>::take(matched, decoder).map(Rare::new)
    }

    fn spell(&self) -> Vec<String> {
        Vec::new()
    }

    fn note_below(&self, field: &'static Field, notes: &mut Notes<'_>) {
        self.iter().for_each(|node| notes.enter(field, &**node));
    }

    fn keep(&self, to: &mut Writer) {
        to.number(u64::from(self.is_some()));
        if let Some(node) = self {
            Kinded::keep(&**node, to);
        }
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        Some(<Option<K> as FieldShape>::fetch(from)?.map(Rare::new))
    }
}

impl<K: Kinded> FieldShape for Vec<K> {
    const SHAPE: Shape = Shape::Node { of: K::KIND, required: false, many: true };

    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self {
        let Some((field, entries)) = matched.next() else { return Self::new() };
        let entries = entries.as_slice();
        if entries.is_empty() && field.is_required() {
            report_missing(field, matched, decoder);
        }
        let what = K::KIND.fields.iter().find(|field| field.unique).map_or("name", |field| field.name);
        let mut first: BTreeMap<String, Span> = BTreeMap::new();
        let mut nodes = Self::with_capacity(entries.len());
        for &entry in entries {
            let (node, key) = lower_entry(entry, decoder);
            nodes.push(node);
            let Some((key, span)) = key else { continue };
            match first.get(&key) {
                Some(&before) => decoder.report(
                    Problem::error(
                        "spec::duplicate-name",
                        span,
                        format!("two `{}` nodes have the {what} {}", field.name, quoted(&key)),
                    )
                    .label("declared again here")
                    .help(format!("give one of them another {what}, or remove it"))
                    .related(before, "first declared here"),
                ),
                None => {
                    first.insert(key, span);
                }
            }
        }
        nodes
    }

    fn spell(&self) -> Vec<String> {
        Vec::new()
    }

    fn note_below(&self, field: &'static Field, notes: &mut Notes<'_>) {
        self.iter().for_each(|node| notes.enter(field, node));
    }

    fn keep(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        self.iter().for_each(|node| Kinded::keep(node, to));
    }

    fn fetch(from: &mut Reader<'_>) -> Option<Self> {
        (0..from.count()?).map(|_| Kinded::fetch(from)).collect()
    }
}

/// Takes nodes of several kinds in the order they were written.
pub(crate) fn take_either<V>(
    variants: &'static [Variant],
    lower: impl Fn(usize, &mut Matched<'_, '_>, &mut Decoder) -> Option<V>,
    matched: &mut Matched<'_, '_>,
    decoder: &mut Decoder,
) -> Vec<V> {
    let Some((_, entries)) = matched.next() else { return Vec::new() };
    let mut entries = entries.as_slice().to_vec();
    // A step that is written as a property has a place in the order too.
    entries.sort_by_key(|entry| entry.span().start);
    let mut nodes = Vec::new();
    for entry in entries {
        let node = match entry {
            Entry::Child(child) => Cow::Borrowed(child),
            Entry::Property(property) => Cow::Owned(as_node(property)),
            Entry::Argument(_) => continue,
        };
        let found = variants.iter().enumerate().find(|(_, variant)| variant.name == node.kind.value);
        if let Some((index, variant)) = found {
            let mut matched = Matched::of(&node, variant.kind, decoder);
            nodes.extend(lower(index, &mut matched, decoder));
        }
    }
    nodes
}

/// Returns the node with one argument that a property is.
fn as_node<'s>(property: &Property<'s>) -> Node<'s> {
    Node {
        kind: property.name.clone(),
        arguments: vec![property.value.clone()],
        properties: Vec::new(),
        children: Vec::new(),
        span: property.name.span.to(property.value.span),
    }
}
