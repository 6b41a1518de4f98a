//! Model to Blueprint, Roster, Launch and Scenarios: every choice that the specification leaves open is made here, once.

pub mod accounts;
pub mod addresses;
pub mod defaults;
pub mod doors;
pub mod environment;
pub mod hosts;
pub mod launch;
pub mod names;
pub mod nodes;
pub mod noted;
pub mod placement;
pub mod platform;
pub mod pools;
pub mod ports;
pub mod renames;
pub mod roster;
pub mod scenarios;
pub mod secrets;
pub mod services;
pub mod sizes;
