//! Spec to Blueprint, Roster and Bundle: pure and synchronous, and equal bytes for equal sources.
//!
//! This room does no IO and never acts on a backend's name; a [`blueprint::Launch`] only carries it.
//!
//! In reading order: [`compile`] is the way through, [`resolve`] turns names into things, [`check`] holds one rule a file,
//! [`decide`] makes every choice that is left, [`render`] writes what was decided as bytes, [`graph`] draws it, [`explain`] tells
//! which line says so. [`codes`] has the page behind every problem.

mod blame;
pub mod check;
mod claims;
mod codes;
pub mod compare;
mod compile;
pub mod decide;
pub mod explain;
pub mod graph;
mod origins;
pub mod render;
mod report;
pub mod resolve;
mod specification;
mod spelling;

pub use blame::blame;
pub use claims::claims;
pub use codes::{Code, codes};
pub use compile::{Compiled, Output, check_all, check_outlines, compile, compile_without_origins, environments};
pub use origins::Origins;
pub use render::{manifest, render, render_to_compare};
pub use specification::specification_digest;
