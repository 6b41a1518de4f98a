//! Model to Blueprint, Roster and Launch.
pub mod addresses;
pub mod doors;
pub mod names;
pub mod placement;
pub mod ports;
pub mod secrets;
pub mod services;
pub mod sizes;
