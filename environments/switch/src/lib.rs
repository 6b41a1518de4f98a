//! An Ethernet switch in user space: virtual machines hang on it by stream sockets, a network namespace by a TAP device.
//!
//! It learns where stations are, as any switch does, and its lines have weather: delay, loss, a bandwidth, frames that overtake
//! each other, stations that do not reach each other, all by a seed. It knows nothing of nodes, mail or QEMU's other affairs.
//!
//! - [`frames`]: the frames of a stream.
//! - [`Core`]: the switch itself, a state machine that is told the time.
//! - [`Weather`]: how a line is.
//! - [`Switch`]: the core with real sockets on its ports, in a thread of its own.

pub mod frames;

mod core;
mod table;
mod weather;
mod wires;

pub use core::{Core, Counters, Moment, Port};
pub use weather::Weather;
pub use wires::{Switch, SwitchFailure, Wire, beside};
