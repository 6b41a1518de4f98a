//! A mapping's key as the head of a node: kind, blank, argument.

use std::borrow::Cow;

/// A head that is split at its first blank, with places relative to the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'s> {
    /// The kind.
    pub(super) kind: Cow<'s, str>,
    /// The argument, with its place in the text.
    pub(super) argument: Option<(Cow<'s, str>, usize, usize)>,
}

/// Splits a head; blanks around the argument do not belong to it.
pub(super) fn split(text: Cow<'_, str>) -> Head<'_> {
    let Some(blank) = text.find(char::is_whitespace) else { return Head { kind: text, argument: None } };
    let rest = text.get(blank..).unwrap_or_default();
    let start = blank + (rest.len() - rest.trim_start().len());
    let end = text.trim_end().len().max(start);
    let argument = (start < end).then_some((start, end));
    match text {
        Cow::Borrowed(text) => Head {
            kind: Cow::Borrowed(text.get(..blank).unwrap_or_default()),
            argument: argument
                .map(|(start, end)| (Cow::Borrowed(text.get(start..end).unwrap_or_default()), start, end)),
        },
        Cow::Owned(text) => Head {
            argument: argument
                .map(|(start, end)| (Cow::Owned(text.get(start..end).unwrap_or_default().to_owned()), start, end)),
            kind: Cow::Owned(text.get(..blank).unwrap_or_default().to_owned()),
        },
    }
}

/// Returns the text within quotes that were written around the argument of a head.
pub(super) fn within_quotes(argument: &str) -> Option<&str> {
    let bare = |quote| argument.strip_prefix(quote)?.strip_suffix(quote);
    bare('"').or_else(|| bare('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_split_at_its_first_blank() {
        for (text, kind, argument) in [
            ("mailbox alice", "mailbox", Some(("alice", 8, 13))),
            ("mailbox", "mailbox", None),
            ("mailbox ", "mailbox", None),
            ("scenario  a virus never", "scenario", Some(("a virus never", 10, 23))),
            ("x\ty ", "x", Some(("y", 2, 3))),
            (" y", "", Some(("y", 1, 2))),
            ("", "", None),
        ] {
            for text in [Cow::Borrowed(text), Cow::Owned(text.to_owned())] {
                let head = split(text);
                assert_eq!(head.kind, kind);
                assert_eq!(head.argument.as_ref().map(|(text, start, end)| (text.as_ref(), *start, *end)), argument);
            }
        }
    }
}
