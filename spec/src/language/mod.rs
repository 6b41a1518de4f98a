//! The language's own description, as data.
//!
//! Each kind of node is declared once, in [`crate::model`]: its documentation, its fields, their types, defaults and bounds. The
//! declaration makes both the struct that the compiler sees and the static table here, which the decoder walks and from
//! which editors' completion, schemas and the reference pages are derived. Nothing here reads a file.

mod choice;
mod kinds;
mod shape;
mod typed;
mod words;

pub use choice::Choice;
pub use kinds::{ROOTS, Root, Standing, Writer, find_places};
pub use shape::{Field, Kind, Place, Shape, Variant};
pub use typed::{Form, Separator, Type, Typed};
pub use words::{Meaning, meanings, words};

pub(crate) use typed::hole;

pub(crate) use choice::{choice, first_choice, unknown_choice};
pub(crate) use shape::{FieldShape, Kinded, Spelling, argument, arguments, either, kind, named, variants};

/// The edition of the language that this program reads: the number after `language`.
pub const EDITION: u64 = 1;
