//! Spec to Blueprint, Roster and Bundle.

pub mod check;
pub mod decide;
pub mod graph;
pub mod render;
