//! Blueprint and Bundle to something that runs: the only room where something exists outside our process.
//!
//! Sockets, files, TLS, threads and clocks are here and nowhere else but in the control plane's own program. It never sees a
//! specification and never calls the compiler: [`launch`] gets decisions and carries them out.
//!
//! - [`state`]: where an environment keeps what must survive it.
//! - [`Backend`]: what could run a platform, and what it lacks ([`Backend::fit`]).
//! - [`launch`]: brings an environment up in this process and gives a [`Running`].
//! - [`find`], [`list`]: environments as other processes see them; a [`Found`] has `status`, `log_lines`, `stop`, `reset`.
//! - [`await_ready`]: waits for an environment that another process brings up.
//! - [`build_root`]: the root file system that real daemons share.
//! - [`pack`]: an environment as one file, and back.
//! - [`verify`]: what the daemons' own checkers say of what was rendered for them.
//! - [`disks`]: config disks of machines that somebody else switches on.
//! - [`Resolver`]: asks for TXT records outside, within bounds.
//! - [`run_node`], [`run_contained`], [`run_machine`], [`hold`]: what this program is inside a node of real daemons, and around them.
//! - [`scenarios`]: scenarios carried out on an environment that runs, and what came of them.
//! - [`Failure`]: what failed, each with what to do next.

pub mod state;

mod accounts;
mod backend;
mod container;
mod description;
mod embedded;
mod failure;
mod faults;
mod fill;
#[cfg(test)]
mod fixture;
mod found;
mod launch;
mod line;
mod log;
mod namespace;
mod node;
pub mod pack;
mod probe;
mod resolver;
mod rootfs;
pub mod scenarios;
mod spare;
#[cfg(test)]
mod tests;
mod verify;
mod vm;

use images::files;

pub use accounts::given_secret;
pub use backend::{Abilities, Backend, Lack};
pub use container::EngineFailure;
pub use description::{DescribedAccount, DescribedDoor, Description, State};
pub use embedded::{AuthorityFailure, DoorFailure};
pub use failure::Failure;
pub use fill::FillFailure;
pub use found::{Found, Recorded, Stopped, await_ready, find, list};
pub use images::files::FileFailure;
pub use launch::{Ended, LaunchRequest, Progress, Running, Step, interruption, launch, timestamp};
pub use log::{Entry, Level, read_log};
pub use namespace::{DaemonState, DaemonStatus, NodeState};
pub use node::{hold, run_contained, run_machine, run_node};
pub use resolver::{Resolver, ResolverFailure};
pub use rootfs::{build_root, packages};
pub use state::{Identity, StateRoot};
pub use verify::{Complaint, Verdict, verify};
pub use vm::moves::{Moved, Relocation};
pub use vm::snapshot::{Ground, Snapshot};
pub use vm::{Disks, ImageFiles, MachineFailure, disks, enter};
