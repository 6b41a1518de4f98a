//! Kinds of nodes and their fields, and the declaration that makes a struct and its table at once.

use crate::decode::{Decoder, Matched};
use crate::kept::{Reader, Writer};
use crate::noted::Notes;

use super::Type;

/// A kind of node: what it is and what it may hold.
#[derive(Debug)]
pub struct Kind {
    /// What it is, in a sentence.
    pub about: &'static str,
    /// What it may hold; arguments first and in their order.
    pub fields: &'static [Field],
    /// Whether anything in it or below it is only noted.
    pub holds_notes: bool,
}

/// One thing that a kind of node may hold.
#[derive(Debug)]
pub struct Field {
    /// How it is spelled; for an argument, what it is called in messages.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it holds and how often.
    pub shape: Shape,
    /// What holds where it is not written, as it would be written.
    pub default: Option<&'static str>,
    /// A value that would be right here, as it would be written.
    pub example: &'static str,
    /// The least value, as it would be written.
    pub least: Option<&'static str>,
    /// The largest value, as it would be written.
    pub most: Option<&'static str>,
    /// Whether the value names the node among its siblings of the same kind.
    pub unique: bool,
    /// Whether an environment may say something else.
    pub environment: bool,
    /// Whether it is only agreed on and checked: no file of any node is made from it, nor from what it holds.
    pub noted: bool,
    /// Whether a node that is not written stands there all the same, with the defaults of its fields.
    pub or_defaults: bool,
}

/// Where a field stands in its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The next argument.
    Argument,
    /// All arguments from here on.
    Arguments,
    /// A property or a child of that name.
    Named,
    /// Children of several kinds, in an order that has a meaning.
    Either,
}

/// What a field holds and how often.
#[derive(Debug)]
pub enum Shape {
    /// A value.
    Value {
        /// The value's type.
        of: &'static Type,
        /// Whether it must be there, unless there is a default.
        required: bool,
        /// Whether there may be several.
        many: bool,
    },
    /// A node of its own.
    Node {
        /// The node's kind.
        of: &'static Kind,
        /// Whether it must be there, unless its fields' defaults hold in its place.
        required: bool,
        /// Whether there may be several.
        many: bool,
    },
    /// Nodes of several kinds.
    Either(&'static [Variant]),
}

/// One of several kinds that may stand in a place.
#[derive(Debug)]
pub struct Variant {
    /// The kind's spelling.
    pub name: &'static str,
    /// The kind.
    pub kind: &'static Kind,
}

/// How a field is spelled and bounded: the right side of a field's declaration.
pub(crate) struct Spelled {
    name: &'static str,
    place: Place,
    default: Option<&'static str>,
    example: Option<&'static str>,
    least: Option<&'static str>,
    most: Option<&'static str>,
    unique: bool,
    environment: bool,
    noted: bool,
    required: bool,
    or_defaults: bool,
}

const fn spelled(name: &'static str, place: Place) -> Spelled {
    Spelled {
        name,
        place,
        default: None,
        example: None,
        least: None,
        most: None,
        unique: false,
        environment: false,
        noted: false,
        required: false,
        or_defaults: false,
    }
}

/// The next argument, by the name it has in messages.
pub(crate) const fn argument(name: &'static str) -> Spelled {
    spelled(name, Place::Argument)
}

/// All arguments that are left, by the name one has in messages.
pub(crate) const fn arguments(name: &'static str) -> Spelled {
    spelled(name, Place::Arguments)
}

/// A property or a child.
pub(crate) const fn named(name: &'static str) -> Spelled {
    spelled(name, Place::Named)
}

/// Children of several kinds, by the name one has in messages.
pub(crate) const fn either(name: &'static str) -> Spelled {
    spelled(name, Place::Either)
}

impl Spelled {
    /// What holds where nothing is written.
    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// A value that would be right, for messages; the default or the type's example where nothing better is said.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    /// The least value.
    pub(crate) const fn least(self, least: &'static str) -> Self {
        Self { least: Some(least), ..self }
    }

    /// The largest value.
    pub(crate) const fn most(self, most: &'static str) -> Self {
        Self { most: Some(most), ..self }
    }

    /// No two siblings of the kind may have the same.
    pub(crate) const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    /// An environment may say something else.
    pub(crate) const fn environment(self) -> Self {
        Self { environment: true, ..self }
    }

    /// Agreed on and checked, while no file of any node is made from it ([`crate::noted`]).
    pub(crate) const fn noted(self) -> Self {
        Self { noted: true, ..self }
    }

    /// A list that may not be empty.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// A node that need not be written, since all that it holds has defaults.
    pub(crate) const fn or_defaults(self) -> Self {
        Self { or_defaults: true, ..self }
    }
}

impl Field {
    /// Joins a field's spelling with what its struct's type says.
    pub(crate) const fn new(spelled: Spelled, about: &'static str, shape: Shape) -> Self {
        let shape = match shape {
            Shape::Value { of, required, many } => {
                Shape::Value { of, required: (required || spelled.required) && spelled.default.is_none(), many }
            }
            Shape::Node { of, required, many } => {
                Shape::Node { of, required: (required || spelled.required) && !spelled.or_defaults, many }
            }
            Shape::Either(variants) => Shape::Either(variants),
        };
        let example = match (spelled.example, spelled.default, &shape) {
            (Some(example), _, _) | (None, Some(example), _) => example,
            (None, None, Shape::Value { of, .. }) => of.example,
            (None, None, _) => "",
        };
        Self {
            name: spelled.name,
            example,
            about,
            place: spelled.place,
            shape,
            default: spelled.default,
            least: spelled.least,
            most: spelled.most,
            unique: spelled.unique,
            environment: spelled.environment,
            noted: spelled.noted,
            or_defaults: spelled.or_defaults,
        }
    }

    /// Tells whether the field must be written.
    pub fn is_required(&self) -> bool {
        match self.shape {
            Shape::Value { required, .. } | Shape::Node { required, .. } => required,
            Shape::Either(_) => false,
        }
    }

    /// Tells whether the field may be written several times.
    pub fn is_many(&self) -> bool {
        match self.shape {
            Shape::Value { many, .. } | Shape::Node { many, .. } => many,
            Shape::Either(_) => true,
        }
    }

    /// Tells whether the field may be written under this name.
    pub fn is_named(&self, name: &str) -> bool {
        match self.shape {
            Shape::Either(variants) => variants.iter().any(|variant| variant.name == name),
            _ => self.place == Place::Named && self.name == name,
        }
    }
}

impl Kind {
    /// Describes a kind by what it may hold.
    pub(crate) const fn new(about: &'static str, fields: &'static [Field]) -> Self {
        let mut holds_notes = false;
        let mut rest = fields;
        while let [field, others @ ..] = rest {
            holds_notes = holds_notes
                || field.noted
                || match field.shape {
                    Shape::Node { of, .. } => of.holds_notes,
                    Shape::Value { .. } | Shape::Either(_) => false,
                };
            rest = others;
        }
        Self { about, fields, holds_notes }
    }

    /// Returns the names under which a node of this kind may hold something, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for field in self.fields {
            match field.shape {
                Shape::Either(variants) => names.extend(variants.iter().map(|variant| variant.name)),
                _ if field.place == Place::Named => names.push(field.name),
                _ => {}
            }
        }
        names.sort_unstable();
        names
    }

    /// Returns the fields with values that a node of this kind cannot be without, with their types.
    pub fn required_values(&self) -> impl Iterator<Item = (&'static Field, &'static Type)> {
        self.fields.iter().filter_map(|field| match field.shape {
            Shape::Value { of, required: true, .. } => Some((field, of)),
            _ => None,
        })
    }
}

/// A struct that stands for a kind of node.
pub(crate) trait Kinded: Sized {
    /// The kind's table.
    const KIND: &'static Kind;

    /// Makes the struct from what was found in a node.
    fn lower(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self;

    /// Collects the canonical spelling of the struct's values.
    fn spell(&self, spelling: &mut Spelling);

    /// Collects what is only noted of the struct and of all that it holds.
    fn note(&self, notes: &mut Notes<'_>);

    /// Writes the struct as bytes.
    fn keep(&self, to: &mut Writer);

    /// Reads what [`Self::keep`] wrote.
    fn fetch(from: &mut Reader<'_>) -> Option<Self>;
}

/// What a node says in canonical spelling; nodes inside it are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) arguments: Vec<String>,
    pub(crate) settings: Vec<(&'static str, Vec<String>)>,
}

impl Spelling {
    /// Takes a field's values under its name.
    pub(crate) fn take(&mut self, field: Option<&'static Field>, values: Vec<String>) {
        match field {
            Some(field) if field.place == Place::Named && !values.is_empty() => {
                self.settings.push((field.name, values));
            }
            Some(field) if matches!(field.place, Place::Argument | Place::Arguments) => self.arguments.extend(values),
            _ => {}
        }
    }
}

/// A type that a field of a struct may have.
pub(crate) trait FieldShape: Sized {
    /// What it holds and how often.
    const SHAPE: Shape;

    /// Takes the field from a node.
    fn take(matched: &mut Matched<'_, '_>, decoder: &mut Decoder) -> Self;

    /// Returns the field's values as they were meant to be written.
    fn spell(&self) -> Vec<String>;

    /// Collects what is only noted in the nodes that the field holds.
    fn note_below(&self, _field: &'static Field, _notes: &mut Notes<'_>) {}

    /// Writes the field as bytes.
    fn keep(&self, to: &mut Writer);

    /// Reads what [`Self::keep`] wrote.
    fn fetch(from: &mut Reader<'_>) -> Option<Self>;
}

/// Declares a kind of node: a struct and its table.
macro_rules! kind {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $spelled:expr; )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            /// The node's kind and first argument in the text.
            pub span: $crate::tree::Span,
        }

        impl $crate::language::Kinded for $name {
            const KIND: &'static $crate::language::Kind = &$crate::language::Kind::new(
                concat!($($about),+),
                &[$(
                    $crate::language::Field::new(
                        $spelled,
                        concat!($($doc),+),
                        <$type as $crate::language::FieldShape>::SHAPE,
                    )
                ),*],
            );

            fn lower(
                matched: &mut $crate::decode::Matched<'_, '_>,
                decoder: &mut $crate::decode::Decoder,
            ) -> Self {
                let span = matched.head();
                Self { $( $field: $crate::language::FieldShape::take(matched, decoder), )* span }
            }

            fn spell(&self, spelling: &mut $crate::language::Spelling) {
                let mut fields = Self::KIND.fields.iter();
                $( spelling.take(fields.next(), $crate::language::FieldShape::spell(&self.$field)); )*
            }

            fn note(&self, notes: &mut $crate::noted::Notes<'_>) {
                let mut fields = Self::KIND.fields.iter();
                $( if let Some(field) = fields.next() {
                    notes.take(field, &self.$field);
                } )*
            }

            fn keep(&self, to: &mut $crate::kept::Writer) {
                $( $crate::language::FieldShape::keep(&self.$field, to); )*
                to.span(self.span);
            }

            fn fetch(from: &mut $crate::kept::Reader<'_>) -> Option<Self> {
                Some(Self { $( $field: $crate::language::FieldShape::fetch(from)?, )* span: from.span()? })
            }
        }
    };
}

/// Declares an enum over several kinds of nodes.
macro_rules! variants {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $spelling:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant($variant), )+
        }

        impl $name {
            const VARIANTS: &'static [$crate::language::Variant] = &[$(
                $crate::language::Variant {
                    name: $spelling,
                    kind: <$variant as $crate::language::Kinded>::KIND,
                }
            ),+];

            fn lower(
                index: usize,
                matched: &mut $crate::decode::Matched<'_, '_>,
                decoder: &mut $crate::decode::Decoder,
            ) -> Option<Self> {
                let name = Self::VARIANTS.get(index)?.name;
                $( if name == $spelling {
                    return Some(Self::$variant($crate::language::Kinded::lower(matched, decoder)));
                } )+
                None
            }
        }

        impl $crate::language::FieldShape for Vec<$name> {
            const SHAPE: $crate::language::Shape = $crate::language::Shape::Either($name::VARIANTS);

            fn take(
                matched: &mut $crate::decode::Matched<'_, '_>,
                decoder: &mut $crate::decode::Decoder,
            ) -> Self {
                $crate::decode::take_either($name::VARIANTS, $name::lower, matched, decoder)
            }

            fn spell(&self) -> Vec<String> {
                Vec::new()
            }

            fn keep(&self, to: &mut $crate::kept::Writer) {
                to.number(self.len() as u64);
                for node in self {
                    to.text(node.name());
                    match node { $( $name::$variant(node) => $crate::language::Kinded::keep(node, to), )+ }
                }
            }

            fn fetch(from: &mut $crate::kept::Reader<'_>) -> Option<Self> {
                let count = from.count()?;
                let mut nodes = Self::new();
                for _ in 0..count {
                    nodes.push(match from.text()? {
                        $( $spelling => $name::$variant($crate::language::Kinded::fetch(from)?), )+
                        _ => return None,
                    });
                }
                Some(nodes)
            }
        }

        impl $name {
            /// Returns how the node's kind is spelled.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $spelling, )+ }
            }

            /// Returns where the node's kind and first argument stand.
            pub fn span(&self) -> $crate::tree::Span {
                match self { $( Self::$variant(node) => node.span, )+ }
            }

            fn spelling(&self) -> $crate::language::Spelling {
                let mut spelling = $crate::language::Spelling::default();
                match self { $( Self::$variant(node) => $crate::language::Kinded::spell(node, &mut spelling), )+ }
                spelling
            }
        }
    };
}

pub(crate) use {kind, variants};
