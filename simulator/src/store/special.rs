//! Mailboxes with a purpose (RFC 6154).

/// What a mailbox is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecialUse {
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl SpecialUse {
    /// The mailboxes every user has beside the inbox.
    pub const STANDARD: [(&'static str, Self); 4] =
        [("Spam", Self::Junk), ("Sent", Self::Sent), ("Drafts", Self::Drafts), ("Trash", Self::Trash)];

    const ALL: [(Self, u8, &'static str); 5] = [
        (Self::Archive, 1, "\\Archive"),
        (Self::Drafts, 2, "\\Drafts"),
        (Self::Junk, 3, "\\Junk"),
        (Self::Sent, 4, "\\Sent"),
        (Self::Trash, 5, "\\Trash"),
    ];

    /// Returns the attribute that LIST shows.
    pub fn attribute(self) -> &'static str {
        Self::ALL.iter().find(|(special, ..)| *special == self).map_or("", |(.., name)| name)
    }

    /// Returns the use of that attribute; case does not matter.
    pub fn named(attribute: &str) -> Option<Self> {
        Self::ALL.iter().find(|(.., name)| name.eq_ignore_ascii_case(attribute)).map(|(special, ..)| *special)
    }

    pub(super) fn code(self) -> u8 {
        Self::ALL.iter().find(|(special, ..)| *special == self).map_or(0, |(_, code, _)| *code)
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map(|(special, ..)| *special)
    }
}
