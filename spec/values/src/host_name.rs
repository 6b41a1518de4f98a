//! Host and domain names (RFC 1123 §2.1, RFC 5890 to 5893, UTS #46).

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::{ParseError, invisible, line::refuse_unseen, quoted, text_form::text_form};

/// A host or domain name as A-labels in lower case, without the dot at the end; at most 253 octets.
///
/// Two spellings of one name, in capitals, in Unicode or as `xn--` labels, are equal, since only the A-labels are kept.
/// The last label is never a number, so that a name cannot be taken for an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Returns the A-labels, as DNS and daemons take them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as people read it, in U-labels.
    pub fn to_unicode(&self) -> String {
        Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::STD3, Hyphens::Check).0.into_owned()
    }

    /// Returns the labels from left to right.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Returns the name without its first label; `None` for a single label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.to_owned()))
    }

    /// Tells whether this is the other name or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self == other || self.is_below(other)
    }

    /// Tells whether this name lies below the other, which it is not itself.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }

    /// Returns the name with labels put in front of it, such as `imap` or `mx.a`.
    ///
    /// - Errors: labels that are none, or a name that gets too long.
    pub fn below(&self, labels: &str) -> Result<Self, ParseError> {
        format!("{labels}.{}", self.0).parse()
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if is_plain(text) {
            return Ok(Self(text.to_owned()));
        }
        Self::read(text)
    }
}

/// Tells whether a text is a host name as nearly all are, in small ASCII letters, so that reading it would only copy it.
fn is_plain(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (mut before, mut label, mut letters) = (b'.', 0, false);
    for byte in text.bytes() {
        // Two hyphens in a row may begin a label of RFC 5890, which needs a closer look.
        if !(edge(byte) || (matches!(byte, b'.' | b'-') && edge(before))) {
            return false;
        }
        match byte {
            b'.' => (label, letters) = (0, false),
            _ => (label, letters) = (label + 1, letters || byte.is_ascii_lowercase()),
        }
        if label > 63 {
            return false;
        }
        before = byte;
    }
    edge(before) && letters && text.len() <= 253
}

impl HostName {
    /// Reads any host name, and says what is wrong with it.
    fn read(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        if let Some((message, help)) = plain_mistake(text) {
            return Err(ParseError::new(message, help));
        }
        let wrong = || {
            ParseError::new(
                format!("{} is not a host name", quoted(text)),
                "write labels of letters, digits and inner hyphens with dots between them, such as `mail.acme.example`",
            )
        };
        // A name of 4,096 bytes is far beyond 253 octets in any spelling; the limit bounds the work on hostile ones.
        if text.len() > 4096 {
            return Err(ParseError::new("this host name is too long", "write at most 253 octets"));
        }
        let uts46 = Uts46::new();
        let name = uts46
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
            .map_err(|_| wrong())?
            .into_owned();
        if let Some(label) = name.split('.').find(|label| label.len() > 63) {
            return Err(ParseError::new(
                format!("the label {} has {} octets", quoted(label), label.len()),
                "write labels of at most 63 octets",
            ));
        }
        if name.len() > 253 {
            return Err(ParseError::new(
                format!("this host name has {} octets", name.len()),
                "write a name of at most 253 octets",
            ));
        }
        if name.split('.').any(str::is_empty) {
            return Err(wrong());
        }
        if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(ParseError::new(
                format!("the last label of {} is a number", quoted(text)),
                "write a name and not an address, such as `mail.acme.example`",
            ));
        }
        let (unicode, outcome) = uts46.to_unicode(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if outcome.is_err() || unicode.chars().any(invisible) {
            return Err(wrong());
        }
        Ok(Self(name))
    }
}

/// Names the mistakes that people make most, with the spelling that was meant.
fn plain_mistake(text: &str) -> Option<(String, String)> {
    let shown = quoted(text);
    let mistake = |what: &str, help: String| Some((format!("the host name {shown} {what}"), help));
    if text.is_empty() {
        return Some(("this host name is empty".into(), "write a name such as `mail.acme.example`".into()));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or(rest);
        return mistake("is a URL", format!("write only its host: {}", quoted(host)));
    }
    if let Some((_, domain)) = text.rsplit_once('@') {
        return mistake("is a mail address", format!("write only its domain: {}", quoted(domain)));
    }
    if let Some(rest) = text.strip_suffix('.') {
        return mistake("ends in a dot", format!("write {}", quoted(rest)));
    }
    if text.starts_with('.') || text.contains("..") {
        return mistake("has an empty label", "write exactly one dot between two labels".into());
    }
    if text.contains(char::is_whitespace) {
        return mistake("holds a blank", "remove the blank".into());
    }
    if text.contains('_') {
        return mistake("holds an underscore", format!("write {}", quoted(&text.replace('_', "-"))));
    }
    if text.starts_with("*.") {
        return mistake("is a pattern", "write one name without `*`".into());
    }
    if text.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
        return mistake("has a label with a hyphen at its edge", "write hyphens only inside a label".into());
    }
    None
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(HostName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn all_spellings_of_a_name_are_one() {
        assert_eq!(name("BÜCHER.Example"), name("xn--bcher-kva.example"));
        assert_eq!(name("bücher.example").to_string(), "xn--bcher-kva.example");
        assert_eq!(name("xn--bcher-kva.example").to_unicode(), "bücher.example");
        assert_eq!(name("bu\u{308}cher.example"), name("bücher.example"));
        assert_eq!(name("faß.example").to_string(), "xn--fa-hia.example");
    }

    #[test]
    fn below_and_within_go_by_labels() {
        let acme = name("acme.example");
        assert!(name("imap.acme.example").is_below(&acme) && acme.is_within(&acme) && !acme.is_below(&acme));
        assert!(!name("notacme.example").is_within(&acme));
        assert_eq!(acme.below("imap").unwrap(), name("imap.acme.example"));
        assert_eq!(acme.parent(), Some(name("example")));
        assert_eq!(name("example").parent(), None);
    }

    #[test]
    fn what_is_no_host_name_says_what_to_write() {
        for (text, help) in [
            ("acme.example.", "write `acme.example`"),
            ("https://acme.example/x", "write only its host: `acme.example`"),
            ("bob@acme.example", "write only its domain: `acme.example`"),
            ("my_host.example", "write `my-host.example`"),
            ("a..b", "write exactly one dot between two labels"),
            ("203.0.113.4", "write a name and not an address, such as `mail.acme.example`"),
            ("-a.example", "write hyphens only inside a label"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap_err().help(), help, "{text}");
        }
        let long = "a".repeat(64);
        for text in
            ["", "a b.example", "a\u{202e}b.example", "a\u{200d}b.example", "xn--zzzzzz.example", "a/b", "a\nb", &long]
        {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        assert!(format!("{}example", "abcdefg.".repeat(31)).parse::<HostName>().is_err());
    }

    proptest! {
        #[test]
        fn a_plain_name_is_read_as_any_other(text in "[a-z0-9xn-]{1,64}(\\.[a-z0-9xn-]{0,64}){0,4}") {
            if is_plain(&text) {
                let read = HostName::read(&text).unwrap();
                prop_assert_eq!(read.as_str(), text.as_str());
            }
        }

        #[test]
        fn a_name_reads_back_in_both_forms(text in "[a-z0-9äßéñ漢字-]{1,12}(\\.[a-zA-Z0-9ü-]{1,9}){0,3}") {
            if let Ok(host) = text.parse::<HostName>() {
                prop_assert_eq!(host.to_string().parse::<HostName>().unwrap(), host.clone());
                prop_assert_eq!(host.to_unicode().parse::<HostName>().unwrap(), host);
            }
        }

        #[test]
        fn any_text_is_a_name_or_refused(text in ".*") {
            if let Ok(host) = text.parse::<HostName>() {
                prop_assert!(host.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)));
                prop_assert_eq!(host.to_string().parse::<HostName>().unwrap(), host);
            }
        }
    }
}
