//! A typed writer for lookup tables in `texthash` form.
//!
//! Source: postmap(1) of Postfix 3.7. A line is a key, blanks and a value; a `#` begins a comment where a line begins, a
//! blank there continues the line before. A key that begins with a quote runs to its closing quote (RFC 5322 quoting).
//! Keys are looked up in lower case.

use std::collections::BTreeMap;
use std::fmt;

use values::{HostName, LocalPart, MailAddress};

use super::main_cf::{Endpoint, Parameter};

/// What is looked up. Ordered as the file is: by domain, then local part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A domain.
    Domain(HostName),
    /// Every address of a domain that has no entry of its own.
    Everyone(HostName),
    /// One address.
    Address(MailAddress),
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// That there is something.
    Present,
    /// Addresses to write to instead.
    Addresses(Vec<MailAddress>),
    /// Where to hand it over by LMTP.
    Lmtp(Endpoint),
    /// Restriction classes to ask.
    Classes(Vec<Parameter>),
}

/// A table: each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    entries: BTreeMap<Key, Found>,
}

impl Map {
    /// Sets what is found under a key, instead of what was.
    pub fn insert(&mut self, key: Key, found: Found) {
        self.entries.insert(key, found);
    }

    /// Tells whether a key has an entry.
    pub fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns the longest list of addresses.
    pub fn longest(&self) -> usize {
        self.entries
            .values()
            .map(|found| if let Found::Addresses(list) = found { list.len() } else { 0 })
            .max()
            .unwrap_or(0)
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|(key, found)| {
            let (domain, local) = match key {
                Key::Domain(domain) => (domain, None),
                Key::Everyone(domain) => (domain, Some(String::new())),
                Key::Address(address) => (address.domain(), Some(local_part(address.local()))),
            };
            let found = found.to_string();
            // Clients may spell an internationalized domain either way, and Postfix looks up what they wrote.
            let (ascii, unicode) = (domain.as_str(), domain.to_unicode());
            let spellings = [Some(ascii), Some(unicode.as_str()).filter(|unicode| *unicode != ascii)];
            spellings.into_iter().flatten().try_for_each(|domain| match &local {
                None => writeln!(f, "{domain} {found}"),
                Some(local) => writeln!(f, "{local}@{domain} {found}"),
            })
        })
    }
}

/// Returns a local part as a key is compared, quoted where it has to be (RFC 5321 §4.1.2).
///
/// Gap: `#` may begin an atom, but in this file it would begin a comment. Such a local part is quoted, which keeps the
/// file right, and Postfix finds it only where the client writes quotes too.
fn local_part(local: &LocalPart) -> String {
    if !local.needs_quotes() && !local.key().starts_with('#') {
        return local.key().to_owned();
    }
    let mut quoted = String::from('"');
    for character in local.key().chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("OK"),
            Self::Addresses(list) => list.iter().enumerate().try_for_each(|(index, address)| {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{address}")
            }),
            Self::Lmtp(at) => write!(f, "lmtp:inet:{}:{}", at.host, at.port),
            Self::Classes(classes) => classes.iter().enumerate().try_for_each(|(index, class)| {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{class}")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a table as postmap(1) says.
    fn read(text: &str) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        for line in text.split('\n') {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            assert!(!line.starts_with(char::is_whitespace), "a line continues another: {line:?}");
            let mut quoted = false;
            let mut escaped = false;
            let end = line
                .char_indices()
                .find(|(_, character)| {
                    match character {
                        _ if escaped => escaped = false,
                        '\\' if quoted => escaped = true,
                        '"' => quoted = !quoted,
                        _ => return character.is_whitespace() && !quoted,
                    }
                    false
                })
                .map(|(at, _)| at)
                .unwrap();
            entries.push((line[..end].to_owned(), line[end..].trim().to_owned()));
        }
        entries
    }

    #[test]
    fn a_domain_that_is_spelled_in_two_ways_is_found_by_both() {
        let mut map = Map::default();
        map.insert(Key::Domain("bücher.example".parse().unwrap()), Found::Present);
        assert_eq!(map.to_string(), "xn--bcher-kva.example OK\nbücher.example OK\n");
    }

    #[test]
    fn the_addresses_of_a_domain_stand_together_in_one_order() {
        let mut map = Map::default();
        for address in ["bob@b.example", "Alice@a.example", "\"a b\"@b.example"] {
            map.insert(Key::Address(address.parse().unwrap()), Found::Present);
        }
        map.insert(Key::Everyone("a.example".parse().unwrap()), Found::Present);
        assert_eq!(map.to_string(), "@a.example OK\nalice@a.example OK\n\"a b\"@b.example OK\nbob@b.example OK\n");
    }

    proptest! {
        #[test]
        fn every_address_is_one_entry_that_reads_back(local in "\"[ -!#-\\[\\]-~ä]{1,20}\"|[a-z#!$%&'*+/=?^_`{|}~-]{1,20}") {
            if let Ok(address) = format!("{local}@acme.example").parse::<MailAddress>() {
                let mut map = Map::default();
                map.insert(Key::Address(address.clone()), Found::Addresses(vec![address.clone()]));
                map.insert(Key::Domain("acme.example".parse().unwrap()), Found::Present);
                let text = map.to_string();
                let entries = read(&text);
                prop_assert_eq!(entries.len(), 2, "{}", text);
                prop_assert_eq!(entries[1].0.parse::<MailAddress>().unwrap(), address.clone());
                prop_assert_eq!(entries[1].1.parse::<MailAddress>().unwrap(), address);
            }
        }
    }
}
