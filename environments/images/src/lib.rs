//! Images: what is the same on every machine of a platform, made once from pinned packages and kept by its digest.
//!
//! - [`Store`]: where images are kept; an [`Image`] is there whole or not at all.
//! - [`files`]: files that are written whole or not at all.

pub mod files;

mod store;

pub use store::{Image, Store};
