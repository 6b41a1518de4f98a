//! Flags of a message, and how a client changes them (RFC 3501 §2.3.2).

/// System flags of a message; `\Recent` is not among them, since it belongs to a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Seen`.
    pub const SEEN: Self = Self(1);
    /// `\Answered`.
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`.
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`.
    pub const DELETED: Self = Self(8);
    /// `\Draft`.
    pub const DRAFT: Self = Self(16);

    /// Every system flag with the name it has on the wire, in the order they are told.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// Returns the flag of that name; case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(flag, _)| *flag)
    }

    /// Whether all of these flags are set.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns the flags of both.
    #[must_use]
    pub fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Returns these flags without the others.
    #[must_use]
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// Returns the flags as bits, for the journal.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Reads bits from the journal; `None` when a bit means nothing.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits < 32).then_some(Self(bits))
    }
}

/// Flags and keywords as a client names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagList {
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once, as spelled first.
    pub keywords: Vec<String>,
}

impl FlagList {
    /// Adds a keyword unless it is there; keywords differ in more than case (RFC 3501 §2.3.2, as Dovecot reads it).
    pub fn add_keyword(&mut self, keyword: &str) {
        if !self.keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword)) {
            self.keywords.push(keyword.to_owned());
        }
    }
}

/// What a change does with the flags it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagVerb {
    /// `FLAGS`: these and no others.
    Replace,
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
}
