//! Refusals of the API, by the numbers its clients know.

use std::collections::BTreeMap;

use crate::DirectoryError;

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) number: u16,
    pub(crate) text: &'static str,
    /// Field to reason.
    pub(crate) hints: BTreeMap<String, String>,
}

impl Fault {
    const fn new(number: u16, text: &'static str) -> Self {
        Self { number, text, hints: BTreeMap::new() }
    }

    pub(crate) const SERVER: Self = Self::new(0, "The server could not answer, the request was not at fault");
    /// Clients match on this text.
    pub(crate) const CREDENTIALS: Self = Self::new(1, "Invalid credentials supplied in request");
    /// Clients match on this text.
    pub(crate) const MISSING: Self = Self::new(2, "The requested object does not exist");
    pub(crate) const ALIAS: Self = Self::new(3, "The name is an alias, use the name it stands for");
    pub(crate) const NOT_SETTABLE: Self = Self::new(4, "One of the attributes may not be changed");
    pub(crate) const FIELD: Self = Self::new(5, "A field is missing or has the wrong type");
    pub(crate) const ATTRIBUTE: Self = Self::new(6, "An attribute is unknown or has a bad value");
    pub(crate) const TAKEN: Self = Self::new(7, "The name is taken already");
    pub(crate) const FORBIDDEN: Self = Self::new(9, "The object is not yours or the action is not allowed");
    pub(crate) const NOT_EMPTY: Self = Self::new(10, "The object is not empty");
    pub(crate) const NO_COMPANY: Self = Self::new(11, "The company does not exist");
    pub(crate) const NO_ROLE: Self = Self::new(12, "The role does not exist");
    pub(crate) const FULL: Self = Self::new(15, "The limit of users is reached");
    pub(crate) const LATER: Self = Self::new(20, "Try again later");
    pub(crate) const EXISTS: Self = Self::new(23, "The object exists and create_only was sent");
    pub(crate) const NO_FILTER_HOST: Self = Self::new(27, "The domain names no host that filtered mail goes to");
    pub(crate) const TOO_MANY_FORWARDS: Self = Self::new(38, "There are too many forward recipients");
    pub(crate) const PASSWORD_HAS_NAME: Self = Self::new(48, "The password contains the name of the user or domain");

    /// Says which field is wrong and why.
    #[must_use]
    pub(crate) fn hint(mut self, field: &str, reason: impl Into<String>) -> Self {
        self.hints.insert(field.to_owned(), reason.into());
        self
    }
}

impl From<DirectoryError> for Fault {
    fn from(_: DirectoryError) -> Self {
        // What went wrong inside is not the caller's to read.
        Self::SERVER
    }
}
