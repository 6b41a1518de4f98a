//! What values of a type look like, as regular expressions that each value of it matches.

use crate::language::Type;

/// Patterns by the type's name; a type that is not here is left to its reader.
const PATTERNS: &[(&str, &str)] = &[
    ("amount", "^[0-9]+(\\.[0-9]+)? [A-Z]{3}$"),
    ("bandwidth", "^[0-9]+(\\.[0-9]+)?[kMGT]?bit$"),
    ("colour", "^#[0-9A-Fa-f]{6}$"),
    ("country", "^[A-Z]{2}$"),
    ("date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    ("duration", "^[0-9]+(ms|s|m|h|d)$"),
    ("mail address", "@"),
    ("name", "^[a-z0-9]+(-[a-z0-9]+)*$"),
    ("number", "^[-+]?(0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(\\.[0-9][0-9_]*)?)$"),
    ("percentage", "^[0-9]+(\\.[0-9]+)?%$"),
    ("rate", "^[0-9]+/[0-9]*(ms|s|m|h|d)$"),
    ("secret", "^secret:"),
    ("size", "^[0-9]+(\\.[0-9]+)?([kMGT]?B|[KMGT]iB)$"),
    ("whole number", "^\\+?(0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)$"),
];

/// Returns the pattern of a type; empty where it has none.
pub(super) fn of(of: &Type) -> &'static str {
    PATTERNS.iter().find(|(name, _)| *name == of.name).map_or("", |(_, pattern)| pattern)
}

/// Tells whether YAML cannot take a value of the type for a number.
pub(super) fn never_a_number(of: &Type) -> bool {
    !self::of(of).is_empty() && of.name != "name"
}

/// Returns a text as a pattern that matches just it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_alphanumeric() && character != '-' && character != '_' && character != ' ' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
