//! Text to Spec: parses, types and checks locally.
//!
//! This room opens no file and decides nothing. Reading never fails: it returns a value and its problems.
//!
//! In reading order: [`sources`] are the texts, [`kdl`] and [`yaml`] read them into the one [`tree`], [`language`] describes what a tree may
//! say, the decoder walks the two together, and [`model`] is what comes out. What needs more than one file is the
//! compiler's to check.

mod check;
mod codes;
pub mod convert;
pub mod declared;
mod decode;
pub mod editor;
pub mod format;
pub mod kdl;
mod kept;
pub mod language;
pub mod model;
pub mod noted;
pub mod outline;
mod parse;
pub mod problem;
pub mod read;
pub mod reference;
pub mod schema;
pub mod sources;
pub mod tree;
pub mod yaml;

pub use codes::{CODES, Code};
pub use model::Spec;
pub use outline::Outline;
pub use parse::{Parsed, parse, parse_like};
pub use problem::{Problem, Related, Severity};
pub use read::{Read, read};
pub use sources::{Asset, Place, Proven, SourceFile, Sources, Trust};
pub use tree::{FileId, Node, Property, Rare, Scalar, Span, Spanned};
