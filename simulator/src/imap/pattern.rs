//! LIST's patterns: `*` matches anything, `%` anything within a level (RFC 3501 §6.3.8).

use std::collections::BTreeMap;

use crate::store::{SEPARATOR, with_inbox_upper};

/// Characters of the longest pattern; longer ones match nothing, as no name is that long.
const MAX_PATTERN: usize = 512;

/// A pattern, as the set of places in it that a name can have reached: one step a character, whatever the wildcards.
#[derive(Debug)]
pub(super) struct Pattern {
    words: usize,
    accept: usize,
    literals: BTreeMap<char, Vec<u64>>,
    stars: Vec<u64>,
    percents: Vec<u64>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = with_inbox_upper(text);
        let mut tokens: Vec<char> = Vec::new();
        for character in text.chars() {
            match (tokens.last(), character) {
                // Neighbouring wildcards are one, and a star is the stronger.
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    tokens.pop();
                    tokens.push('*');
                }
                (_, other) => tokens.push(other),
            }
        }
        if tokens.len() > MAX_PATTERN {
            return None;
        }
        let words = tokens.len() / 64 + 1;
        let mut pattern = Self {
            words,
            accept: tokens.len(),
            literals: BTreeMap::new(),
            stars: vec![0; words],
            percents: vec![0; words],
        };
        for (at, token) in tokens.into_iter().enumerate() {
            let bits = match token {
                '*' => &mut pattern.stars,
                '%' => &mut pattern.percents,
                other => pattern.literals.entry(other).or_insert_with(|| vec![0; words]),
            };
            if let Some(word) = bits.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
        Some(pattern)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let none = vec![0; self.words];
        let mut places = vec![0; self.words];
        if let Some(first) = places.first_mut() {
            *first = 1;
        }
        self.pass_wildcards(&mut places);
        for character in name.chars() {
            let literals = self.literals.get(&character).unwrap_or(&none);
            let mut carry = 0;
            let mut alive = 0;
            for (((place, literal), star), percent) in
                places.iter_mut().zip(literals).zip(&self.stars).zip(&self.percents)
            {
                let moved = *place & literal;
                let stays = *place & (star | if character == SEPARATOR { 0 } else { *percent });
                *place = (moved << 1) | carry | stays;
                carry = moved >> 63;
                alive |= *place;
            }
            if alive == 0 {
                return false;
            }
            self.pass_wildcards(&mut places);
        }
        places.get(self.accept / 64).is_some_and(|word| word >> (self.accept % 64) & 1 == 1)
    }

    /// A wildcard may match nothing; two are never neighbours.
    fn pass_wildcards(&self, places: &mut [u64]) {
        let mut carry = 0;
        for ((place, star), percent) in places.iter_mut().zip(&self.stars).zip(&self.percents) {
            let passing = *place & (star | percent);
            *place |= (passing << 1) | carry;
            carry = passing >> 63;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).expect("a short pattern").matches(name)
    }

    /// The definition itself, as slow as it is.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|at| naive(rest, &name[at..])),
            Some(('%', rest)) => {
                let level = name.iter().position(|c| *c == '/').unwrap_or(name.len());
                (0..=level).any(|at| naive(rest, &name[at..]))
            }
            Some((literal, rest)) => name.first() == Some(literal) && naive(rest, &name[1..]),
        }
    }

    #[test]
    fn percent_stays_within_a_level_and_star_does_not() {
        assert!(matches("*", "a/b/c") && matches("%", "a") && !matches("%", "a/b"));
        assert!(matches("a/%", "a/b") && !matches("a/%", "a/b/c") && matches("%/c", "b/c"));
        assert!(matches("inbox", "INBOX") && matches("", "") && !matches("", "a"));
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_others() {
        let pattern = Pattern::new(&"%a*".repeat(150)).expect("a short pattern");
        for _ in 0..1000 {
            assert!(!pattern.matches(&"ab".repeat(60)));
        }
        assert!(Pattern::new(&"a".repeat(513)).is_none());
    }

    proptest! {
        #[test]
        fn the_steps_find_what_the_definition_says(pattern in "[ab/*%]{0,9}", name in "[ab/]{0,9}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), naive(&p, &n));
        }

        #[test]
        fn long_patterns_cross_words(head in "[ab]{60,70}", tail in "[ab]{0,70}") {
            let pattern = format!("{head}*{tail}");
            let name = format!("{head}x/y{tail}");
            prop_assert!(matches(&pattern, &name));
        }
    }
}
