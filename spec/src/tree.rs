//! The one tree that both syntaxes become: nodes with arguments, properties and children, each with its place.
//!
//! A tree borrows its texts from the source wherever the source spells them as they are meant.

use std::borrow::Cow;
use std::ops::Deref;

/// Which file of a [`crate::Sources`] a span lies in: an index into its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A place in a source file: byte offsets, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file the place lies in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The place of a value that nobody wrote: it stands where a required one is missing or could not be read.
    ///
    /// That mistake has its own problem; a problem placed here only follows from it and is not worth telling.
    pub const HOLE: Self = Self { file: FileId(u32::MAX), start: 0, end: 0 };

    /// Tells whether this is [`Self::HOLE`].
    pub fn is_hole(self) -> bool {
        self == Self::HOLE
    }

    /// Returns the place from the beginning of this one to the end of another one behind it in the same file.
    #[must_use]
    pub fn to(self, end: Self) -> Self {
        Self { end: end.end.max(self.end), ..self }
    }
}

/// A value that knows where it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts a value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Returns where the value was written.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Tells whether nobody wrote this value, see [`Span::HOLE`].
    pub fn is_hole(&self) -> bool {
        self.span.is_hole()
    }
}

/// A value that hardly any of its many holders has, kept apart so that it does not make them all larger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rare<T>(Box<T>);

impl<T> Rare<T> {
    /// Keeps a value apart.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }
}

impl<T> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A node: `kind argument… property=value { children }` in KDL, a mapping's entry in YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'s> {
    /// The node's kind, such as `mailbox`.
    pub kind: Spanned<Cow<'s, str>>,
    /// Arguments in the order they were written.
    pub arguments: Vec<Spanned<Scalar<'s>>>,
    /// Properties in the order they were written, duplicates included.
    pub properties: Vec<Property<'s>>,
    /// Children in the order they were written.
    pub children: Vec<Node<'s>>,
    /// The whole node, its children included.
    pub span: Span,
}

/// A property, `name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Property<'s> {
    /// The property's name.
    pub name: Spanned<Cow<'s, str>>,
    /// The property's value.
    pub value: Spanned<Scalar<'s>>,
}

/// A scalar as the source spells it; it gets its type where it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'s> {
    /// A text: quoted, raw or bare in KDL; any scalar but the ones below in YAML.
    Text(Cow<'s, str>),
    /// A number as it was written (`0xFF`, `1_000`, `2.5`); only KDL tells numbers from texts.
    Number(Cow<'s, str>),
    /// `#true` or `#false`; `true` or `false` in YAML's plain style.
    Flag(bool),
    /// `#null`; `null` or `~` in YAML's plain style.
    Null,
}
