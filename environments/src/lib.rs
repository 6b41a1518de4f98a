//! Blueprint and Bundle to something that runs: the only room where something exists outside our process.

mod accounts;
mod backend;
mod description;
mod embedded;
mod files;
#[cfg(test)]
mod fixture;
mod log;
pub mod state;

pub use backend::{Abilities, Backend, Lack};
pub use description::{DescribedAccount, DescribedDoor, Description, State};
pub use files::FileFailure;
pub use log::{Entry, Level, read_log};
