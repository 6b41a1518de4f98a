//! Names of the platform and of the simulated internet: zones as data, answers, and where mail for a domain goes.
//!
//! One set of zones plays both the authoritative servers and the resolver of a world: what is in no zone does not exist, so
//! no question ever leaves. [`answer`] speaks the wire format (RFC 1035, RFC 6891); everything else is plain lookups.

mod mail;
mod wire;
mod zone;

pub use mail::{MailHost, MailRoute, block_list_name, mail_route, reverse_name};
pub use wire::{Transport, answer};
pub use zone::{Data, Found, Kind, Lookup, Record, Zone, ZoneError, Zones};
