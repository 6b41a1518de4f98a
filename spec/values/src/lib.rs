//! Sizes, durations, rates, addresses and host names: parsed once, right ever after.
//!
//! This room depends on nothing of ours and holds no values that could be wrong: every type has private fields, is made by
//! `FromStr` (or a constructor that checks), and prints a canonical form that reads back as the same value. Line breaks, control
//! characters and bidirectional controls are refused everywhere ([`hostile`]), since these values end up in daemons' files.

mod address_pattern;
mod bandwidth;
mod byte_size;
mod colour;
mod country;
mod date;
mod decimal;
mod duration;
mod error;
mod git;
mod host_name;
mod language_tag;
mod line;
mod mail_address;
mod money;
mod name;
mod network;
mod percentage;
mod rate;
mod registries;
mod repository_path;
mod score;
mod text_form;
mod time_zone;
mod url;
mod weekly_window;

pub use address_pattern::AddressPattern;
pub use bandwidth::Bandwidth;
pub use byte_size::ByteSize;
pub use colour::Colour;
pub use country::Country;
pub use date::Date;
pub use duration::Duration;
pub use error::{ParseError, quoted};
pub use git::{GitBranch, GitLocation, GitRevision};
pub use host_name::HostName;
pub use language_tag::LanguageTag;
pub use line::{Line, hostile, invisible};
pub use mail_address::{LocalPart, MailAddress};
pub use money::Money;
pub use name::{Name, Release, SecretName};
pub use network::Network;
pub use percentage::Percentage;
pub use rate::Rate;
pub use repository_path::RepositoryPath;
pub use score::Score;
pub use time_zone::TimeZone;
pub use url::Url;
pub use weekly_window::WeeklyWindow;
