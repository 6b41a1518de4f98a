//! What an editor asks of a text: where names stand, what may be written here, what this means.
//!
//! Nothing here reads a file or knows a protocol. [`names`] finds every name that is declared or used, [`context`] tells what is
//! being written at a place even where the text is broken, [`mod@complete`] proposes what fits there, [`mod@hover`]
//! describes what stands there, [`mod@rename`] changes a name everywhere while [`mod@former`] keeps the old one in mind, and [`positions`] counts as editors count.

pub mod complete;
pub mod context;
pub mod former;
pub mod hover;
pub mod names;
pub mod positions;
pub mod rename;
#[cfg(test)]
mod tests;
mod walk;

pub use complete::{Proposal, complete};
pub use hover::{Hover, hover};
pub use names::{Class, FileNames, Names, Occurrence};
pub use positions::{Lines, Position};
pub use rename::{Edit, Refusal, rename};
