//! Images: what is the same on every machine of a platform, made once from pinned packages and kept by its digest.
//!
//! - [`lock()`]: every package with version and hash, as the archive signed it; [`covers`] tells what a lock lacks.
//! - [`build()`]: a lock made an image; the one that is there is taken.
//! - [`Store`]: where images are kept; an [`Image`] is there whole or not at all.
//! - [`contents`]: what is in an image; [`Manifest`]: what it is made of.
//! - [`Difference`]: how two images differ. [`Format`]: the forms in which others take one.
//! - [`SigningKey`], [`PublicKey`]: who vouches for an image.
//! - [`caches`]: what is kept to be quick, and what can go.
//! - [`disk`]: what makes a node of an image, as a tar.
//! - [`initrd`]: what finds the root and lays a node's disk over it.
//! - [`files`]: files that are written whole or not at all.
//! - [`ImageFailure`]: what failed, each with what to do next.

pub mod caches;
pub mod contents;
pub mod disk;
pub mod files;
pub mod initrd;

mod apt;
mod build;
mod compare;
mod debs;
mod export;
mod failure;
mod lock;
mod manifest;
mod program;
mod progress;
mod sbom;
mod sign;
mod sources;
mod store;
mod tar;
mod turn;
mod unpack;

pub use build::{Request, build, built};
pub use compare::{Change, Difference};
pub use export::Format;
pub use failure::ImageFailure;
pub use lock::{covers, lock};
pub use manifest::{Manifest, Part};
pub use progress::{Progress, Quiet};
pub use sign::{PublicKey, SigningKey, public_beside};
pub use store::{Image, Store};
pub use turn::wait as wait_for_turn;
