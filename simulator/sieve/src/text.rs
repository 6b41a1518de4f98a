//! Strings of a script: as they are, with characters spelled by number, or with the values of variables.
//!
//! Source: RFC 5228 §2.4.2.4 (`${hex:…}`, `${unicode:…}`), RFC 5229 §3, RFC 6609 §3.3 (`${global.name}`).

/// A string, in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Plain(String),
    Match(usize),
    Variable(String),
    Global(String),
}

/// Most values that a match leaves.
pub(crate) const MATCHES: usize = 32;
/// Longest name of a variable.
pub(crate) const NAME_BYTES: usize = 64;

impl Text {
    pub(crate) fn plain(text: &str) -> Self {
        Self(vec![Piece::Plain(text.to_owned())])
    }

    /// Returns the characters, where they depend on nothing.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// Reads the variables in a string.
    pub(crate) fn parse(text: &str, with_global: bool) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, from) = rest.split_at(start);
            plain.push_str(before);
            let inner = from.get(2..).unwrap_or_default();
            let reference = inner.split_once('}').and_then(|(name, after)| Some((reference(name)?, after)));
            let Some((reference, after)) = reference else {
                plain.push_str("${");
                rest = inner;
                continue;
            };
            let piece = match reference {
                Reference::Number(number) => Piece::Match(number),
                Reference::Name(name) => Piece::Variable(name),
                Reference::Spaced(space, name) if space == "global" && with_global => Piece::Global(name),
                // Pigeonhole complains of it and goes on with nothing.
                Reference::Spaced(..) => Piece::Plain(String::new()),
            };
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Self(pieces)
    }
}

enum Reference {
    Number(usize),
    Name(String),
    Spaced(String, String),
}

fn reference(name: &str) -> Option<Reference> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Reference::Number(name.parse().unwrap_or(usize::MAX)));
    }
    match name.rsplit_once('.') {
        None => is_name(name).then(|| Reference::Name(name.to_ascii_lowercase())),
        Some((space, name)) => {
            let fits = space.split('.').all(is_name)
                && (is_name(name) || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())));
            fits.then(|| Reference::Spaced(space.to_ascii_lowercase(), name.to_ascii_lowercase()))
        }
    }
}

/// Whether a text may name a variable.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Puts characters in for the numbers that spell them.
///
/// - Errors: a number that is no character.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.extend_from_slice(before.as_bytes());
        let found = from.split_once('}').and_then(|(inner, after)| {
            let (kind, numbers) = inner.get(2..)?.split_once(':')?;
            let numbers: Vec<&str> =
                numbers.split([' ', '\t', '\r', '\n']).filter(|number| !number.is_empty()).collect();
            let hex = |number: &&str| number.bytes().all(|byte| byte.is_ascii_hexdigit());
            if numbers.is_empty() || !numbers.iter().all(hex) {
                return None;
            }
            Some((kind.to_ascii_lowercase(), numbers, after))
        });
        match found {
            Some((kind, numbers, after)) if kind == "hex" && numbers.iter().all(|number| number.len() <= 2) => {
                out.extend(numbers.iter().filter_map(|number| u8::from_str_radix(number, 16).ok()));
                rest = after;
            }
            Some((kind, numbers, after)) if kind == "unicode" => {
                for number in numbers {
                    let character = u32::from_str_radix(number, 16).ok().and_then(char::from_u32);
                    let character = character.ok_or_else(|| format!("invalid unicode character {number}"))?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                rest = after;
            }
            _ => {
                out.extend_from_slice(b"${");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&out).into_owned())
}
