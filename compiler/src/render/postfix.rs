//! Postfix: typed writers for its files, and what the nodes that run it are made of.

pub mod bounce;
pub mod foundation;
pub mod gateway;
pub mod main_cf;
pub mod maps;
pub mod master_cf;
pub mod mx;
pub mod outbound;
pub mod pgsql;
pub mod policy;
pub mod release;
pub mod srs;
pub mod submission;
pub mod to_gateway;
pub mod ways_out;
