//! What was asked: every kind of node as a plain struct whose values know their place.
//!
//! `Spanned<T>` is always there: where nobody wrote it, it is the documented default at its node's place, or a hole
//! ([`crate::Span::HOLE`]) beside the problem that says so. `Option` is absent where nobody wrote it. References to other things are
//! names; whether those exist is the compiler's question.

mod brand;
mod cluster;
mod defense;
mod dialogue;
mod domain;
mod environment;
mod internet;
mod mail;
mod platform;
mod reseller;
mod scenario;
mod services;
mod site;
mod tiers;
mod verbs;

pub use brand::*;
pub use cluster::*;
pub use defense::*;
pub use dialogue::*;
pub use domain::*;
pub use environment::*;
pub use internet::*;
pub use mail::*;
pub use platform::*;
pub use reseller::*;
pub use scenario::*;
pub use services::*;
pub use site::*;
pub use tiers::*;
pub use verbs::*;

use std::collections::BTreeMap;

use values::Name;

use crate::tree::Span;

/// All that a repository's files ask for, in the order of the files' paths.
///
/// Names at this level may stand twice, since only the compiler looks over several files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The operators' platforms; a repository has one.
    pub platforms: Vec<Platform>,
    /// The resellers.
    pub resellers: Vec<Reseller>,
    /// The environments.
    pub environments: Vec<Environment>,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// Mailboxes that an [`crate::Outline`] only counts, by their domain's place; none where files were read whole.
    pub left_out: BTreeMap<Span, Vec<LeftOut>>,
}

/// Mailboxes of a domain that stand in no list: nothing is said of them but their names and perhaps their tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Their tier, where it is not the domain's.
    pub tier: Option<Name>,
    /// How many they are.
    pub count: u64,
}
