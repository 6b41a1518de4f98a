//! Blueprint and Bundle to something that runs: the only room where something exists outside our process.

mod embedded;
mod files;
mod log;
pub mod state;

pub use files::FileFailure;
pub use log::{Entry, Level, read_log};
