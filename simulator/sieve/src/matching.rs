//! How values are compared with keys (RFC 5228 §2.7, RFC 5231, RFC 4790).

use std::cmp::Ordering;

use crate::program::{Comparator, MatchKind, Matching};
use crate::regex::Regex;

/// Compares one value with one key; what wildcards stood for goes to `found`, the whole first.
///
/// - Errors: a key that is no expression.
pub(crate) fn fits(matching: Matching, value: &str, key: &str, found: &mut Vec<String>) -> Result<bool, String> {
    let folds = matching.comparator == Comparator::AsciiCasemap;
    Ok(match matching.kind {
        MatchKind::Is => compare(matching.comparator, value, key).is_eq(),
        MatchKind::Value(relation) | MatchKind::Count(relation) => {
            relation.holds(compare(matching.comparator, value, key))
        }
        MatchKind::Contains => match folds {
            true => value.to_ascii_lowercase().contains(&key.to_ascii_lowercase()),
            false => value.contains(key),
        },
        MatchKind::Matches => match glob(value, key, folds) {
            Some(values) => {
                *found = values;
                true
            }
            None => false,
        },
        MatchKind::Regex => match Regex::parse(key, folds)?.find(value)? {
            Some(values) => {
                *found = values;
                true
            }
            None => false,
        },
    })
}

fn compare(comparator: Comparator, value: &str, key: &str) -> Ordering {
    match comparator {
        Comparator::Octet => value.as_bytes().cmp(key.as_bytes()),
        Comparator::AsciiCasemap => {
            let folded = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>();
            folded(value).cmp(&folded(key))
        }
        Comparator::AsciiNumeric => match (digits(value), digits(key)) {
            (Some(value), Some(key)) => value.len().cmp(&key.len()).then_with(|| value.cmp(key)),
            // What is no number is more than any.
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            // As Pigeonhole has it, nothing at all is like nothing.
            (None, None) if value.is_empty() != key.is_empty() => Ordering::Less,
            (None, None) => Ordering::Equal,
        },
    }
}

/// Returns the number a text begins with, without zeros in front.
fn digits(text: &str) -> Option<&str> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).filter(|digits| !digits.is_empty())?;
    Some(digits.trim_start_matches('0'))
}

#[derive(Clone, Copy)]
enum Glyph {
    Any,
    One,
    This(char),
}

/// Matches wildcards, each standing for as little as can be.
///
/// - Returns: the whole value, then what each wildcard stands for.
fn glob(value: &str, pattern: &str, folds: bool) -> Option<Vec<String>> {
    let mut glyphs = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        glyphs.push(match character {
            '*' => Glyph::Any,
            '?' => Glyph::One,
            '\\' => Glyph::This(characters.next().unwrap_or('\\')),
            other => Glyph::This(other),
        });
    }
    let value: Vec<char> = value.chars().collect();
    let same = |one: char, other: char| if folds { one.eq_ignore_ascii_case(&other) } else { one == other };
    // Ranges that wildcards stand for; the last star may grow.
    let mut found: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut glyph) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (glyphs.get(glyph), value.get(at)) {
            (Some(Glyph::Any), _) => {
                star = Some((glyph, found.len()));
                found.push((at, at));
                glyph += 1;
            }
            (Some(Glyph::One), Some(_)) => {
                found.push((at, at + 1));
                (at, glyph) = (at + 1, glyph + 1);
            }
            (Some(Glyph::This(wanted)), Some(character)) if same(*wanted, *character) => {
                (at, glyph) = (at + 1, glyph + 1);
            }
            (None, None) => break,
            _ => {
                // The last star takes one more.
                let (place, index) = star?;
                found.truncate(index + 1);
                let (_, end) = found.last_mut()?;
                if *end >= value.len() {
                    return None;
                }
                *end += 1;
                (at, glyph) = (*end, place + 1);
            }
        }
    }
    let text = |(start, end): &(usize, usize)| value.get(*start..*end).unwrap_or_default().iter().collect::<String>();
    Some(std::iter::once(value.iter().collect()).chain(found.iter().map(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_as_little_as_can_be() {
        for (value, pattern, expected) in [
            ("abc", "*", Some(vec!["abc", "abc"])),
            ("[acme-users] [fwd] ok", "[*] *", Some(vec!["[acme-users] [fwd] ok", "acme-users", "[fwd] ok"])),
            ("frop", "f?op", Some(vec!["frop", "r"])),
            ("frop", "F\\?OP", None),
            ("f?op", "F\\?OP", Some(vec!["f?op"])),
            ("", "*", Some(vec!["", ""])),
            ("aXbXc", "*X*X*", Some(vec!["aXbXc", "a", "b", "c"])),
            ("aab", "*ab", Some(vec!["aab", "a"])),
            ("abc", "", None),
        ] {
            let expected = expected.map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(glob(value, pattern, true), expected, "{value} {pattern}");
        }
    }

    #[test]
    fn what_is_no_number_is_more_than_any() {
        let check = |value, key, expected| assert_eq!(compare(Comparator::AsciiNumeric, value, key), expected);
        check("007", "7x", Ordering::Equal);
        check("10", "9", Ordering::Greater);
        check("x", "99999999999999999999999", Ordering::Greater);
        check("x", "y", Ordering::Equal);
        check("0", "", Ordering::Less);
    }
}
