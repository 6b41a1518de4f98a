//! What SEARCH asks (RFC 3501 §6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162), read with bounds on depth and number.

use super::cursor::{Cursor, Parsed, Syntax};
use super::date;
use super::sequence::SequenceSet;
use crate::store::Flags;

/// How deep keys may nest.
const MAX_DEPTH: usize = 64;
/// How many keys one program may have.
const MAX_KEYS: usize = 4096;

/// A whole search.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SearchProgram {
    /// RETURN's options; `None` without RETURN.
    pub(super) returns: Option<Returns>,
    /// A charset that is not understood.
    pub(super) bad_charset: bool,
    /// The keys, all of which must fit.
    pub(super) keys: Vec<Key>,
}

/// ESEARCH's and SEARCHRES's result options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Returns {
    pub(super) min: bool,
    pub(super) max: bool,
    pub(super) all: bool,
    pub(super) count: bool,
    pub(super) save: bool,
}

/// One search key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    All,
    /// Whether this system flag is set.
    Flag(Flags, bool),
    Keyword(String, bool),
    Recent(bool),
    New,
    Sequence(SequenceSet),
    Uid(SequenceSet),
    Larger(u32),
    Smaller(u32),
    /// Days since 1970 of the internal date.
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    /// Seconds before now.
    Older(u32),
    Younger(u32),
    Header {
        name: String,
        value: String,
    },
    Body(String),
    Text(String),
    ModSeq(u64),
    Not(Box<Key>),
    And(Vec<Key>),
    Or(Vec<Key>),
}

impl Key {
    /// Calls for this key and every key below it.
    pub(super) fn visit(&self, each: &mut dyn FnMut(&Key)) {
        each(self);
        match self {
            Self::Not(key) => key.visit(each),
            Self::And(keys) | Self::Or(keys) => keys.iter().for_each(|key| key.visit(each)),
            _ => {}
        }
    }
}

/// Reads everything behind SEARCH's name.
pub(super) fn parse(cursor: &mut Cursor<'_>, with_return: bool) -> Parsed<SearchProgram> {
    let returns = if with_return { parse_return(cursor)? } else { None };
    let mut ahead = cursor.clone();
    if ahead.word().is_ok_and(|word| word == "CHARSET") {
        *cursor = ahead;
        cursor.space()?;
        return parse_charset_and_keys(cursor, returns);
    }
    Ok(SearchProgram { returns, bad_charset: false, keys: keys(cursor)? })
}

/// Reads `charset SP search-key …`, as SORT and THREAD have it.
pub(super) fn parse_charset_and_keys(cursor: &mut Cursor<'_>, returns: Option<Returns>) -> Parsed<SearchProgram> {
    let charset = cursor.text()?.to_ascii_uppercase();
    let bad_charset = !matches!(charset.as_str(), "US-ASCII" | "UTF-8" | "ASCII" | "UTF8");
    cursor.space()?;
    if bad_charset {
        // Keys in a charset that is not understood are not read.
        while !cursor.is_at_end() {
            cursor.until_space();
            cursor.eat(b' ');
        }
        return Ok(SearchProgram { returns, bad_charset, keys: Vec::new() });
    }
    Ok(SearchProgram { returns, bad_charset, keys: keys(cursor)? })
}

/// Reads `RETURN (…)` and the space behind it, when it is there.
pub(super) fn parse_return(cursor: &mut Cursor<'_>) -> Parsed<Option<Returns>> {
    let mut ahead = cursor.clone();
    if !ahead.word().is_ok_and(|word| word == "RETURN") {
        return Ok(None);
    }
    *cursor = ahead;
    cursor.space()?;
    let mut returns = Returns::default();
    cursor.list(|cursor| {
        match cursor.word()?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            _ => return Err(Syntax("Unknown RETURN option.")),
        }
        Ok(())
    })?;
    if returns == Returns::default() {
        returns.all = true;
    }
    cursor.space()?;
    Ok(Some(returns))
}

fn keys(cursor: &mut Cursor<'_>) -> Parsed<Vec<Key>> {
    let mut budget = MAX_KEYS;
    let mut keys = vec![key(cursor, 0, &mut budget)?];
    while cursor.eat(b' ') && !cursor.is_at_end() {
        keys.push(key(cursor, 0, &mut budget)?);
    }
    Ok(keys)
}

fn key(cursor: &mut Cursor<'_>, depth: usize, budget: &mut usize) -> Parsed<Key> {
    *budget = budget.checked_sub(1).ok_or(Syntax("Too many search keys."))?;
    if depth > MAX_DEPTH {
        return Err(Syntax("Search keys are nested too deep."));
    }
    match cursor.peek() {
        Some(b'(') => {
            let mut members = Vec::new();
            cursor.eat(b'(');
            loop {
                members.push(key(cursor, depth + 1, budget)?);
                if cursor.eat(b')') {
                    return Ok(Key::And(members));
                }
                cursor.expect(b' ', "A list has no end.")?;
            }
        }
        Some(b'0'..=b'9' | b'*' | b'$') => Ok(Key::Sequence(cursor.sequence_set()?)),
        _ => named_key(cursor, depth, budget),
    }
}

fn named_key(cursor: &mut Cursor<'_>, depth: usize, budget: &mut usize) -> Parsed<Key> {
    let name = cursor.word()?;
    let simple = match name.as_str() {
        "ALL" => Some(Key::All),
        "ANSWERED" => Some(Key::Flag(Flags::ANSWERED, true)),
        "DELETED" => Some(Key::Flag(Flags::DELETED, true)),
        "DRAFT" => Some(Key::Flag(Flags::DRAFT, true)),
        "FLAGGED" => Some(Key::Flag(Flags::FLAGGED, true)),
        "SEEN" => Some(Key::Flag(Flags::SEEN, true)),
        "UNANSWERED" => Some(Key::Flag(Flags::ANSWERED, false)),
        "UNDELETED" => Some(Key::Flag(Flags::DELETED, false)),
        "UNDRAFT" => Some(Key::Flag(Flags::DRAFT, false)),
        "UNFLAGGED" => Some(Key::Flag(Flags::FLAGGED, false)),
        "UNSEEN" => Some(Key::Flag(Flags::SEEN, false)),
        "NEW" => Some(Key::New),
        "OLD" => Some(Key::Recent(false)),
        "RECENT" => Some(Key::Recent(true)),
        _ => None,
    };
    if let Some(key) = simple {
        return Ok(key);
    }
    cursor.space()?;
    Ok(match name.as_str() {
        "KEYWORD" => Key::Keyword(cursor.atom()?.to_owned(), true),
        "UNKEYWORD" => Key::Keyword(cursor.atom()?.to_owned(), false),
        "UID" => Key::Uid(cursor.sequence_set()?),
        "LARGER" => Key::Larger(cursor.number()?),
        "SMALLER" => Key::Smaller(cursor.number()?),
        "BEFORE" => Key::Before(date(cursor)?),
        "ON" => Key::On(date(cursor)?),
        "SINCE" => Key::Since(date(cursor)?),
        "SENTBEFORE" => Key::SentBefore(date(cursor)?),
        "SENTON" => Key::SentOn(date(cursor)?),
        "SENTSINCE" => Key::SentSince(date(cursor)?),
        "OLDER" => Key::Older(cursor.nonzero()?),
        "YOUNGER" => Key::Younger(cursor.nonzero()?),
        "BCC" | "CC" | "FROM" | "TO" | "SUBJECT" => Key::Header { name, value: text(cursor)? },
        "HEADER" => {
            let name = cursor.text()?;
            cursor.space()?;
            Key::Header { name, value: text(cursor)? }
        }
        "BODY" => Key::Body(text(cursor)?),
        "TEXT" => Key::Text(text(cursor)?),
        "MODSEQ" => {
            if cursor.peek() == Some(b'"') {
                // An entry's name and type (RFC 7162 §3.1.5); one modseq serves all entries here.
                cursor.string()?;
                cursor.space()?;
                cursor.word()?;
                cursor.space()?;
            }
            Key::ModSeq(cursor.long_number()?)
        }
        "NOT" => Key::Not(Box::new(key(cursor, depth + 1, budget)?)),
        "OR" => {
            let mut members = vec![key(cursor, depth + 1, budget)?];
            loop {
                cursor.space()?;
                // `OR a OR b OR c d` is one list, however long; only nesting to the left is depth.
                let mut ahead = cursor.clone();
                if ahead.word().is_ok_and(|word| word == "OR") && ahead.eat(b' ') {
                    *cursor = ahead;
                    members.push(key(cursor, depth + 1, budget)?);
                    continue;
                }
                members.push(key(cursor, depth + 1, budget)?);
                break Key::Or(members);
            }
        }
        _ => return Err(Syntax("Unknown search key.")),
    })
}

fn text(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.text()
}

fn date(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    date::parse_date(&cursor.text()?).ok_or(Syntax("Invalid date."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(text: &str) -> Parsed<Vec<Key>> {
        let mut cursor = Cursor::new(text.as_bytes());
        let program = parse(&mut cursor, true)?;
        cursor.end()?;
        Ok(program.keys)
    }

    #[test]
    fn a_chain_of_alternatives_is_one_list() {
        let text = format!("{}SEEN", "OR FLAGGED ".repeat(2000));
        let keys = keys_of(&text).expect("a long chain is no deep one");
        assert!(matches!(keys.as_slice(), [Key::Or(members)] if members.len() == 2001));
    }

    #[test]
    fn floods_are_refused() {
        assert!(keys_of(&"(".repeat(60_000)).is_err());
        assert!(keys_of(&"NOT ".repeat(15_000)).is_err());
        assert!(keys_of(&format!("{}SEEN", "OR ".repeat(20_000))).is_err());
        assert!(keys_of(&vec!["ALL"; 5000].join(" ")).is_err());
    }

    #[test]
    fn keys_are_read_with_their_arguments() {
        assert_eq!(keys_of("CHARSET UTF-8 UNSEEN"), Ok(vec![Key::Flag(Flags::SEEN, false)]));
        assert_eq!(
            keys_of("NOT (FROM smith SINCE 1-Feb-1994)"),
            Ok(vec![Key::Not(Box::new(Key::And(vec![
                Key::Header { name: "FROM".to_owned(), value: "smith".to_owned() },
                Key::Since(8797),
            ])))])
        );
        assert!(keys_of("BEFORE 32-Feb-1994").is_err());
        assert!(keys_of("FROM").is_err());
        assert!(keys_of("SEEN )").is_err());
    }
}
