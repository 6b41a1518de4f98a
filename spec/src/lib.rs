//! Text to Spec: parses, types and checks locally.
//!
//! This room opens no file and decides nothing. Reading never fails: it returns a value and its problems.

pub mod kdl;
pub mod problem;
pub mod read;
pub mod sources;
pub mod tree;
pub mod yaml;

pub use problem::{Problem, Related, Severity};
pub use read::{Read, read};
pub use sources::{Asset, Place, SourceFile, Sources, Trust};
pub use tree::{FileId, Node, Property, Scalar, Span, Spanned};
