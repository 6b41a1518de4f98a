//! Reverse-paths and forward-paths (RFC 5321 §4.1.2).

use values::MailAddress;

/// What stood where a path was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `<>`.
    Null,
    /// An address with a domain.
    Address(MailAddress),
    /// A local part without a domain, such as `<postmaster>`.
    Local(String),
    /// A mailbox at an address literal (`<a@[192.0.2.1]>`); the platform has none and sends to none.
    Literal(String),
    /// Nothing that could be a path.
    Invalid,
}

impl Path {
    /// Returns the address, a domain put behind a local part that stands alone.
    pub fn into_address(self, origin: &str) -> Option<MailAddress> {
        match self {
            Self::Address(address) => Some(address),
            Self::Local(local) => format!("{local}@{origin}").parse().ok(),
            Self::Null | Self::Literal(_) | Self::Invalid => None,
        }
    }
}

/// Reads a path at the beginning of a text and returns it with what follows.
///
/// Blanks before the path and a path without angle brackets are taken, as Postfix does
/// (`strict_rfc821_envelopes = no`). A source route is read and ignored (RFC 5321 §4.1.1.3, appendix C).
pub fn read(text: &str) -> (Path, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(inner) = text.strip_prefix('<') else {
        let end = end_of(text, |c| c == ' ' || c == '\t').unwrap_or(text.len());
        let (path, rest) = text.split_at(end);
        return (if path.is_empty() { Path::Invalid } else { classify(path) }, rest);
    };
    let Some(end) = end_of(inner, |c| c == '>') else { return (Path::Invalid, "") };
    let (path, rest) = inner.split_at(end);
    let rest = rest.strip_prefix('>').unwrap_or(rest);
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return (Path::Invalid, rest);
    }
    (if path.is_empty() { Path::Null } else { classify(without_route(path)) }, rest)
}

/// Tells whether a local part could be meant for another host once this one has handed it on (`user%other`, `other!user`,
/// `"user@other"`); no door relays such mail.
pub fn routes_onward(address: &MailAddress) -> bool {
    address.local().as_str().contains(['%', '!', '@'])
}

fn without_route(path: &str) -> &str {
    if !path.starts_with('@') {
        return path;
    }
    path.split_once(':').map_or(path, |(_, rest)| rest)
}

fn classify(path: &str) -> Path {
    if path.ends_with(']') && path.contains("@[") {
        return Path::Literal(path.to_owned());
    }
    if let Ok(address) = path.parse() {
        return Path::Address(address);
    }
    match path.parse::<values::LocalPart>() {
        Ok(local) => Path::Local(local.to_string()),
        Err(_) => Path::Invalid,
    }
}

/// Returns where a character is first met outside a quoted string.
fn end_of(text: &str, is_end: impl Fn(char) -> bool) -> Option<usize> {
    let mut quoted = false;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            '"' => quoted = !quoted,
            other if !quoted && is_end(other) => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, rest: &str) {
        let (path, after) = read(text);
        let shown = match path {
            Path::Null => "null".to_owned(),
            Path::Address(address) => address.to_string(),
            Path::Local(local) => format!("local {local}"),
            Path::Literal(literal) => format!("literal {literal}"),
            Path::Invalid => "invalid".to_owned(),
        };
        assert_eq!((shown.as_str(), after), (expected, rest), "{text}");
    }

    #[test]
    fn paths_are_read_with_what_follows() {
        check("<>", "null", "");
        check("<> SIZE=1", "null", " SIZE=1");
        check(" <a@b.example> SIZE=1", "a@b.example", " SIZE=1");
        check("a@b.example SIZE=1", "a@b.example", " SIZE=1");
        check("<postmaster>", "local postmaster", "");
        check("<@x.example,@y.example:a@b.example>", "a@b.example", "");
        check("<\"a>b\"@c.example>", "\"a>b\"@c.example", "");
        check("<\"a\\\"> b\"@c.example> X", "\"a\\\"> b\"@c.example", " X");
        check("<a@[127.0.0.1]>", "literal a@[127.0.0.1]", "");
    }

    #[test]
    fn what_is_no_path_is_invalid() {
        for text in
            ["", "<", "<a@b.example", "<a@b@c.example>", "<a b@c.example>", "<<a@b.example>>", "<a..b@c.example>"]
        {
            assert_eq!(read(text).0, Path::Invalid, "{text}");
        }
        check("<a@b.example>SIZE=1", "invalid", "SIZE=1");
    }

    #[test]
    fn relay_tricks_in_local_parts_are_seen() {
        for (text, expected) in [
            ("<a%other.example@b.example>", true),
            ("<other.example!a@b.example>", true),
            ("<\"a@other.example\"@b.example>", true),
            ("<a@b.example>", false),
        ] {
            let Path::Address(address) = read(text).0 else { panic!("{text} is an address") };
            assert_eq!(routes_onward(&address), expected, "{text}");
        }
    }
}
