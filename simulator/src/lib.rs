//! A mail world in memory: protocols, queue, defense, DNS, network, disks, clock.
//!
//! Protocols are state machines without IO: bytes and events in, bytes and effects out. The embedded backend drives them
//! with sockets and real files, the deterministic world with a seed, virtual time, a lossy network and faulty disks. This
//! room knows no specification and no Blueprint, reads no clock, opens no socket and ends no TLS.

pub mod authentication;
pub mod chance;
pub mod defense;
pub mod directory;
pub mod disk;
pub mod dns;
pub mod engine;
pub mod imap;
pub mod journal;
pub mod managesieve;
pub mod mime;
pub mod network;
pub mod pop3;
pub mod queue;
pub mod signing;
pub mod smtp;
pub mod store;
pub mod time;
pub mod world;

pub use time::Moment;
