//! The embedded backend: all nodes in one process, front doors as real sockets.

mod authority;
mod connection;
mod disk;
mod ports;
