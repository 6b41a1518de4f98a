//! HAProxy: a typed writer for its file, and what a balancer is made of.

pub mod balancer;
pub mod config;
