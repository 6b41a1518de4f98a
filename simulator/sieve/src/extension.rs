//! What scripts may ask for beyond RFC 5228.

use std::collections::BTreeSet;

macro_rules! extensions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// An extension that the platform's stores offer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Extension { $($(#[$doc])* $variant,)* }

        impl Extension {
            pub(crate) const ALL: &[(&'static str, Self)] = &[$(($name, Self::$variant),)*];
        }
    };
}

extensions! {
    FileInto = "fileinto",
    Reject = "reject",
    Envelope = "envelope",
    EncodedCharacter = "encoded-character",
    Vacation = "vacation",
    Subaddress = "subaddress",
    AsciiNumeric = "comparator-i;ascii-numeric",
    Relational = "relational",
    Regex = "regex",
    Imap4Flags = "imap4flags",
    Copy = "copy",
    Include = "include",
    Variables = "variables",
    Body = "body",
    Notify = "enotify",
    Environment = "environment",
    Mailbox = "mailbox",
    Date = "date",
    Index = "index",
    Ihave = "ihave",
    Duplicate = "duplicate",
    Mime = "mime",
    ForEveryPart = "foreverypart",
    ExtractText = "extracttext",
    // What follows is known and not told to clients.
    Octet = "comparator-i;octet",
    AsciiCasemap = "comparator-i;ascii-casemap",
    VacationSeconds = "vacation-seconds",
}

/// What a store tells clients that it offers, in Pigeonhole's order.
pub fn offered() -> impl Iterator<Item = &'static str> {
    Extension::ALL.iter().take(24).map(|(name, _)| *name)
}

impl Extension {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, extension)| *extension)
    }

    /// Returns what is switched on along with it.
    pub(crate) fn implied(self) -> BTreeSet<Self> {
        let mut all = BTreeSet::from([self]);
        if self == Self::VacationSeconds {
            all.insert(Self::Vacation);
        }
        all
    }
}
