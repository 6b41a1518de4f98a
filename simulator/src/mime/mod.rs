//! Messages by their offsets: header fields, address lists, parts (RFC 5322, RFC 2045, RFC 2046).

pub mod address;
pub mod header;
pub mod words;
