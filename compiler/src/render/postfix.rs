//! Postfix: typed writers for its files, and what an mx is made of.

pub mod main_cf;
pub mod maps;
pub mod master_cf;
pub mod mx;
pub mod recipients;
