//! Names of mailboxes. A name is looked up, it never becomes a path.

use std::fmt;

/// What stands between the levels of a mailbox's name.
pub const SEPARATOR: char = '/';

const MAX_NAME_BYTES: usize = 512;
const MAX_LEVELS: usize = 16;

/// The name of a mailbox: one to sixteen levels, none of them empty; `INBOX` in any case is the inbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailboxName(String);

/// Why a text names no mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a mailbox name is not empty")]
    Empty,
    /// A level is empty: a separator at an end or two in a row.
    #[error("a mailbox name has no empty level")]
    EmptyLevel,
    /// A level is `.` or `..`, or the name begins with `~`.
    #[error("a mailbox name is no path")]
    Path,
    /// A control character or a line separator.
    #[error("a mailbox name has no control characters")]
    Character,
    /// Longer than 512 bytes or deeper than 16 levels.
    #[error("the mailbox name is too long")]
    TooLong,
    /// Not modified UTF-7 (RFC 3501 §5.1.3).
    #[error("the mailbox name is not valid mUTF-7")]
    Encoding,
}

impl MailboxName {
    /// Returns the inbox's name.
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }

    /// Reads a name whose levels are divided by `/`.
    ///
    /// - Errors: every rule of [`NameError`]; the name is never repaired.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES || text.split(SEPARATOR).count() > MAX_LEVELS {
            return Err(NameError::TooLong);
        }
        if text.starts_with('~') || text.split(SEPARATOR).any(|level| level == "." || level == "..") {
            return Err(NameError::Path);
        }
        if text.split(SEPARATOR).any(str::is_empty) {
            return Err(NameError::EmptyLevel);
        }
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(NameError::Character);
        }
        Ok(Self(with_inbox_upper(text)))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the inbox.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// Whether the other name lies below this one.
    pub fn is_above(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// Returns where names below this one begin in sorted order; itself no name.
    pub(super) fn first_below(&self) -> Self {
        Self(format!("{}{SEPARATOR}", self.0))
    }

    /// Returns the names above this one, nearest last.
    pub fn superiors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices(SEPARATOR).filter_map(|(at, _)| self.0.get(..at)).map(|above| Self(above.to_owned()))
    }

    /// Returns the name this one gets when the name above it (or itself) is renamed.
    ///
    /// - Errors: the new name is too long or too deep.
    pub fn renamed(&self, from: &Self, to: &Self) -> Result<Self, NameError> {
        let rest = self.0.strip_prefix(&from.0).unwrap_or_default();
        Self::parse(&format!("{}{rest}", to.0))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Spells a leading `INBOX` level in capitals (RFC 3501 §5.1); used for names and for LIST's patterns.
pub fn with_inbox_upper(text: &str) -> String {
    match text.get(..5) {
        Some(head) if head.eq_ignore_ascii_case("INBOX") => match text.get(5..) {
            Some(rest) if rest.is_empty() || rest.starts_with(SEPARATOR) => format!("INBOX{rest}"),
            _ => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MailboxName, NameError};

    fn check(text: &str, expected: Result<&str, NameError>) {
        assert_eq!(MailboxName::parse(text).map(|name| name.0), expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn names_that_look_like_paths_are_refused() {
        check("", Err(NameError::Empty));
        check("..", Err(NameError::Path));
        check("a/../b", Err(NameError::Path));
        check("~root", Err(NameError::Path));
        check("/etc/passwd", Err(NameError::EmptyLevel));
        check("a//b", Err(NameError::EmptyLevel));
        check("a/", Err(NameError::EmptyLevel));
        check("100% *", Ok("100% *"));
        check("a\0b", Err(NameError::Character));
        check("a\r\nb", Err(NameError::Character));
        check(&"x".repeat(513), Err(NameError::TooLong));
        check(&vec!["d"; 17].join("/"), Err(NameError::TooLong));
    }

    #[test]
    fn the_inbox_has_one_spelling() {
        check("inbox", Ok("INBOX"));
        check("InBoX/a", Ok("INBOX/a"));
        check("inboxes", Ok("inboxes"));
        check("a/inbox", Ok("a/inbox"));
        check("Entwürfe", Ok("Entwürfe"));
    }

    #[test]
    fn superiors_are_named_from_the_top() {
        let name = MailboxName::parse("a/b/c").expect("a good name");
        let above: Vec<String> = name.superiors().map(|name| name.0).collect();
        assert_eq!(above, ["a", "a/b"]);
    }
}
