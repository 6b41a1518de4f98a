//! A typed writer for lookup tables in `texthash` form: what is the platform's own and nobody else's.
//!
//! Source: postmap(1). A line is a key, blanks and a value; a `#` begins a comment where a line begins, a blank there continues
//! the line before. Keys are looked up in lower case.

use std::collections::BTreeMap;
use std::fmt;

use values::{HostName, Name};

use super::main_cf::Item;

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A domain.
    Domain(HostName),
    /// The name of a pool.
    Pool(Name),
    /// An address whose local part is a word of the standards, such as `postmaster`.
    Office(&'static str, HostName),
}

/// A table: each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    entries: BTreeMap<Key, Item>,
}

impl Map {
    /// Sets what is found under a key, instead of what was.
    pub fn insert(&mut self, key: Key, found: Item) {
        self.entries.insert(key, found);
    }

    /// Tells whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|(key, found)| {
            let domain = match key {
                Key::Pool(name) => return writeln!(f, "{name} {found}"),
                Key::Office(local, domain) => return writeln!(f, "{local}@{domain} {found}"),
                Key::Domain(domain) => domain,
            };
            // Clients may spell an internationalized domain either way, and Postfix looks up what they wrote.
            let (ascii, unicode) = (domain.as_str(), domain.to_unicode());
            let spellings = [Some(ascii), Some(unicode.as_str()).filter(|unicode| *unicode != ascii)];
            spellings.into_iter().flatten().try_for_each(|domain| writeln!(f, "{domain} {found}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_spelled_in_two_ways_is_found_by_both() {
        let mut map = Map::default();
        map.insert(Key::Domain("bücher.example".parse().unwrap()), Item::Word("OK"));
        assert_eq!(map.to_string(), "xn--bcher-kva.example OK\nbücher.example OK\n");
    }

    #[test]
    fn keys_stand_in_one_order() {
        let mut map = Map::default();
        map.insert(Key::Pool("shared".parse().unwrap()), Item::Word("b"));
        map.insert(Key::Pool("bulk".parse().unwrap()), Item::Word("a"));
        map.insert(Key::Domain("z.example".parse().unwrap()), Item::Word("OK"));
        assert_eq!(map.to_string(), "z.example OK\nbulk a\nshared b\n");
    }
}
