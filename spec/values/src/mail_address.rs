//! Mail addresses and their local parts (RFC 5321 §4.1.2, RFC 6531 §3.3).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::{HostName, ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// The part of a mail address before its `@`; at most 64 octets as it is written.
///
/// One rule decides which spellings are the same: they are compared in lower case and normal form C, without quotes, so
/// `Alice`, `alice` and `"alice"` are one. The spelling (in normal form C, without needless quotes) is kept beside it and is
/// what is displayed, because hosts elsewhere may tell capitals apart (RFC 5321 §2.4).
#[derive(Clone, Debug)]
pub struct LocalPart {
    /// The spelling without quotes and backslashes.
    spelling: String,
    /// The spelling in lower case, where that is another text.
    folded: Option<Box<str>>,
}

impl LocalPart {
    /// Returns the text without quotes, as it was written.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// Returns the text by which local parts are compared: in lower case, without quotes.
    pub fn key(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.spelling)
    }

    /// Tells whether it takes quotes when it is written.
    pub fn needs_quotes(&self) -> bool {
        !is_dot_string(&self.spelling)
    }

    /// Tells whether it is all ASCII, so that it needs no SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.spelling.is_ascii()
    }

    /// Returns the part before the first separator and the detail after it; `None` where either would be empty.
    pub fn split_detail(&self, separator: &str) -> Option<(Self, &str)> {
        let (base, detail) = self.spelling.split_once(separator)?;
        if base.is_empty() || detail.is_empty() || separator.is_empty() {
            return None;
        }
        Some((Self::from_content(base), detail))
    }

    fn from_content(content: &str) -> Self {
        if content.is_ascii() {
            let capitals = content.bytes().any(|byte| byte.is_ascii_uppercase());
            let folded = capitals.then(|| content.to_ascii_lowercase().into());
            return Self { spelling: content.to_owned(), folded };
        }
        let spelling: String = content.nfc().collect();
        let key: String = spelling.to_lowercase().nfc().collect();
        let folded = (key != spelling).then(|| key.into());
        Self { spelling, folded }
    }
}

/// Tells whether a character may stand in an atom (RFC 5321 `atext`, widened by RFC 6531 `UTF8-non-ascii`).
fn is_atom(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(character)
        || (!character.is_ascii() && !character.is_whitespace())
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

/// Returns what stands between the quotes of a quoted string; `None` where it is none.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut content = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => content.push(characters.next().filter(|next| (' '..='~').contains(next))?),
            _ => content.push(character),
        }
    }
    Some(content)
}

impl FromStr for LocalPart {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if is_plain(text) {
            return Ok(Self { spelling: text.to_owned(), folded: None });
        }
        Self::read(text)
    }
}

/// Tells whether a text is a local part as nearly all are, so that reading it would only copy it.
fn is_plain(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut before = b'.';
    for byte in text.bytes() {
        let inner = matches!(byte, b'.' | b'-' | b'_' | b'+');
        if !(edge(byte) || (inner && edge(before))) {
            return false;
        }
        before = byte;
    }
    edge(before) && text.len() <= 64
}

impl LocalPart {
    /// Reads any local part, and says what is wrong with it.
    fn read(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let shown = quoted(text);
        if text.is_empty() || text == "\"\"" {
            return Err(ParseError::new(
                "the part before the `@` is empty",
                "write a name before the `@`, such as `alice`",
            ));
        }
        if text.contains('@') && !text.starts_with('"') {
            return Err(ParseError::new(
                format!("{shown} is more than the part before the `@`"),
                format!("write only {}", quoted(text.split('@').next().unwrap_or(text))),
            ));
        }
        let content = if text.starts_with('"') {
            unquote(text).ok_or_else(|| {
                ParseError::new(
                    format!("the quotes of {shown} do not close"),
                    "write `\"` at both ends, and `\\\"` where one is meant inside",
                )
            })?
        } else if is_dot_string(text) {
            text.to_owned()
        } else {
            return Err(not_an_atom(text));
        };
        if content.chars().any(|character| character.is_whitespace() && character != ' ') {
            return Err(ParseError::new(format!("{shown} holds an unusual blank"), "write plain blanks, or none"));
        }
        let local = Self::from_content(&content);
        let written = if local.needs_quotes() { local.to_string().len() } else { local.spelling.len() };
        let length = written.max(local.key().len());
        if length > 64 {
            return Err(ParseError::new(
                format!("the part before the `@` has {length} octets"),
                "write at most 64 octets before the `@`",
            ));
        }
        Ok(local)
    }
}

fn not_an_atom(text: &str) -> ParseError {
    let shown = quoted(text);
    if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
        let parts: Vec<&str> = text.split('.').filter(|part| !part.is_empty()).collect();
        let help = match parts.is_empty() {
            true => "write letters or digits around each dot".to_owned(),
            false => format!("write {}", quoted(&parts.join("."))),
        };
        return ParseError::new(format!("{shown} has a dot at its edge or two dots in a row"), help);
    }
    let wrong = text.chars().find(|&character| character != '.' && !is_atom(character)).unwrap_or(' ');
    ParseError::new(
        format!("the character {} cannot stand before the `@`", quoted(&wrong.to_string())),
        format!(
            "leave it out: {}",
            quoted(&text.chars().filter(|&kept| kept == '.' || is_atom(kept)).collect::<String>())
        ),
    )
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.needs_quotes() {
            return f.write_str(&self.spelling);
        }
        f.write_str("\"")?;
        for character in self.spelling.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

impl PartialEq for LocalPart {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for LocalPart {}

impl PartialOrd for LocalPart {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LocalPart {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl Hash for LocalPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// A mail address: a local part and a domain name, at most 254 octets.
///
/// Addresses are equal where their local parts are by the rule of [`LocalPart`] and their domains' A-labels are. Address
/// literals (`user@[192.0.2.1]`), routes and display names are no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailAddress {
    domain: HostName,
    local: LocalPart,
}

impl MailAddress {
    /// Puts an address together; whether it is too long is checked only where text is read.
    pub fn new(local: LocalPart, domain: HostName) -> Self {
        Self { domain, local }
    }

    /// Returns the part before the `@`.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// Returns the domain.
    pub fn domain(&self) -> &HostName {
        &self.domain
    }

    /// Returns the text by which addresses are compared: local part in lower case, domain as A-labels.
    pub fn key(&self) -> String {
        let folded = LocalPart { spelling: self.local.key().to_owned(), folded: None };
        format!("{folded}@{}", self.domain)
    }
}

impl FromStr for MailAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        if let Some(inner) = text.strip_suffix('>').and_then(|text| text.split_once('<')).map(|(_, inner)| inner) {
            return Err(ParseError::new(
                format!("{} is more than an address", quoted(text)),
                format!("write only {}", quoted(inner)),
            ));
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            let help = match text.parse::<LocalPart>() {
                Ok(local) => {
                    format!("write `@` and a domain behind it, such as {}", quoted(&format!("{local}@acme.example")))
                }
                Err(_) => "write a local part, `@` and a domain, such as `alice@acme.example`".to_owned(),
            };
            return Err(ParseError::new(format!("the mail address {} has no `@`", quoted(text)), help));
        };
        if domain.starts_with('[') {
            return Err(ParseError::new(
                format!("the mail address {} ends in an address literal", quoted(text)),
                "write a domain name after the `@`",
            ));
        }
        if local.contains('@') && !local.starts_with('"') {
            let first = local.split('@').next().unwrap_or(local);
            return Err(ParseError::new(
                format!("the mail address {} has more than one `@`", quoted(text)),
                format!("write {}", quoted(&format!("{first}@{domain}"))),
            ));
        }
        let address = Self { local: local.parse()?, domain: domain.parse()? };
        let length = address.to_string().len();
        if length > 254 {
            return Err(ParseError::new(format!("this mail address has {length} octets"), "write at most 254 octets"));
        }
        Ok(address)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl PartialOrd for MailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MailAddress {
    /// Orders by domain first, so that a domain's addresses stand together.
    fn cmp(&self, other: &Self) -> Ordering {
        self.domain.cmp(&other.domain).then_with(|| self.local.cmp(&other.local))
    }
}

text_form!(LocalPart, MailAddress);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> MailAddress {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_address_are_equal_and_kept() {
        assert_eq!(address("Alice.E@ACME.example"), address("\"alice.e\"@acme.example"));
        assert_eq!(address("Alice.E@ACME.example").to_string(), "Alice.E@acme.example");
        assert_eq!(address("Alice.E@ACME.example").key(), "alice.e@acme.example");
        assert_eq!(address("josé@bücher.example"), address("JOSE\u{301}@xn--bcher-kva.example"));
    }

    #[test]
    fn quotes_are_written_only_where_they_are_needed() {
        for (text, shown) in [
            ("\"alice\"@a.example", "alice@a.example"),
            ("\"a b\"@a.example", "\"a b\"@a.example"),
            ("\"a\\\"b\\\\c\"@a.example", "\"a\\\"b\\\\c\"@a.example"),
            ("\"a@b\"@a.example", "\"a@b\"@a.example"),
            ("\"a\\b\"@a.example", "ab@a.example"),
            ("o'brien+x@a.example", "o'brien+x@a.example"),
        ] {
            assert_eq!(address(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        for (text, help) in [
            ("bob", "write `@` and a domain behind it, such as `bob@acme.example`"),
            ("", "write a local part, `@` and a domain, such as `alice@acme.example`"),
            ("Alice <alice@a.example>", "write only `alice@a.example`"),
            ("@a.example", "write a name before the `@`, such as `alice`"),
            ("a..b@a.example", "write `a.b`"),
            ("a b@a.example", "leave it out: `ab`"),
            ("a@b@a.example", "write `a@a.example`"),
            ("a@[192.0.2.1]", "write a domain name after the `@`"),
            ("\"a@a.example", "write `\"` at both ends, and `\\\"` where one is meant inside"),
        ] {
            assert_eq!(text.parse::<MailAddress>().unwrap_err().help(), help, "{text}");
        }
        let long = format!("{}@a.example", "x".repeat(65));
        for text in
            ["a\r\nRCPT TO:<b>@a.example", "\"a\nb\"@a.example", "a\u{202e}@a.example", "\"a\0\"@a.example", &long]
        {
            assert!(text.parse::<MailAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_detail_is_split_off_at_the_first_separator() {
        let local: LocalPart = "alice+news+x".parse().unwrap();
        let (base, detail) = local.split_detail("+").unwrap();
        assert_eq!((base.as_str(), detail), ("alice", "news+x"));
        assert!("+x".parse::<LocalPart>().unwrap().split_detail("+").is_none());
    }

    proptest! {
        #[test]
        fn an_address_reads_back(local in "[a-zA-Z0-9.!#+é\"\\\\ @]{1,20}", domain in "[a-z]{1,9}\\.example") {
            for text in [format!("{local}@{domain}"), format!("\"{local}\"@{domain}")] {
                if let Ok(address) = text.parse::<MailAddress>() {
                    let again = address.to_string().parse::<MailAddress>().unwrap();
                    prop_assert_eq!(&again, &address);
                    prop_assert_eq!(again.to_string(), address.to_string());
                    prop_assert_eq!(address.key().parse::<MailAddress>().unwrap(), address);
                }
            }
        }

        #[test]
        fn a_plain_local_part_is_read_as_any_other(text in "[a-z0-9.+_A-]{0,66}") {
            if is_plain(&text) {
                let read = LocalPart::read(&text).unwrap();
                prop_assert_eq!((read.as_str(), read.key()), (text.as_str(), text.as_str()));
            }
        }

        #[test]
        fn any_text_is_an_address_or_refused(text in ".*") {
            let _ = text.parse::<MailAddress>();
            if let Ok(local) = text.parse::<LocalPart>() {
                prop_assert_eq!(local.to_string().parse::<LocalPart>().unwrap(), local.clone());
                prop_assert_eq!(local.key().to_lowercase(), local.key());
            }
        }
    }
}
