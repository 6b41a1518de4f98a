//! Images: what is the same on every machine of a platform, made once from pinned packages and kept by its digest.
//!
//! - [`Store`]: where images are kept; an [`Image`] is there whole or not at all.
//! - [`disk`]: what makes a node of an image, as a tar.
//! - [`initrd`]: what finds the root and lays a node's disk over it.
//! - [`files`]: files that are written whole or not at all.

pub mod disk;
pub mod files;
pub mod initrd;

mod store;

pub use store::{Image, Store};
