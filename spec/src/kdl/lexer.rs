//! Cuts a text into tokens without losing a byte of it; both the parser and a formatter stand on it.
//!
//! The lexer knows no grammar and finds no problem: what it cannot name is [`TokenKind::Stray`], and what the file ends in the
//! middle of says so in its kind.

use super::characters::{
    BYTE_ORDER_MARK, blank_length, character_length, disallowed_length, newline_length, space_length, word_length,
};

/// A piece of the source; the pieces of a text follow on each other and leave nothing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the piece is.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
}

impl Token {
    /// Returns the piece as the source spells it.
    pub fn text<'s>(&self, source: &'s str) -> &'s str {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The byte order mark in front of a document.
    ByteOrderMark,
    /// Blanks that do not end the line.
    Space,
    /// One end of a line.
    Newline,
    /// `//` and the rest of its line, without the line's end.
    LineComment,
    /// `/* … */`, with what is nested in it.
    BlockComment,
    /// A block comment that the file ends in.
    UnclosedComment,
    /// `\` outside of strings, which continues a line.
    Backslash,
    /// `/-`
    Slashdash,
    /// `{`
    OpenBrace,
    /// `}`
    CloseBrace,
    /// `(`
    OpenParenthesis,
    /// `)`
    CloseParenthesis,
    /// `=`
    Equals,
    /// `;`
    Semicolon,
    /// A word that does not start as a number; it may still be one that has to be quoted.
    Word,
    /// A word that starts as a number; it may still be malformed.
    Number,
    /// `#` and a word.
    Keyword,
    /// A string in quotes.
    String(Quotes),
    /// A string that its line (or the file, with three quotes) ends in.
    UnclosedString(Quotes),
    /// `r"…"`, as KDL 1 spelled raw strings.
    OldRawString,
    /// Characters that may stand nowhere.
    Disallowed,
    /// Characters that mean nothing where they stand.
    Stray,
}

/// How a string is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// `"…"`
    Single,
    /// `"""…"""`
    Triple,
    /// `#"…"#`
    RawSingle,
    /// `#"""…"""#`
    RawTriple,
}

/// Bytes of a line that are looked at for quotes, so that a long line takes no more than the time that it is long.
const MOST_BYTES: usize = 1_024;
/// Lines that a string in single quotes may have been broken over.
const MOST_LINES: usize = 8;

/// Cuts a text into tokens, in time linear in its length.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'s> {
    text: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(text: &'s str) -> Self {
        Self { text, at: 0 }
    }

    fn from(&self, at: usize) -> &'s [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// Returns the kind of the token at `start` and where it ends.
    fn cut(&self, start: usize) -> Option<(TokenKind, usize)> {
        let rest = self.from(start);
        let first = *rest.first()?;
        let one = |kind| Some((kind, start + 1));
        match first {
            b' ' | b'\t' => Some((TokenKind::Space, start + run(rest, space_length))),
            b'\n' | b'\r' => Some((TokenKind::Newline, start + newline_length(rest))),
            b'{' => one(TokenKind::OpenBrace),
            b'}' => one(TokenKind::CloseBrace),
            b'(' => one(TokenKind::OpenParenthesis),
            b')' => one(TokenKind::CloseParenthesis),
            b'=' => one(TokenKind::Equals),
            b';' => one(TokenKind::Semicolon),
            b'\\' => one(TokenKind::Backslash),
            b'[' | b']' => one(TokenKind::Stray),
            b'"' => Some(self.quoted(start)),
            b'#' => Some(self.hashes(start)),
            b'/' => Some(match rest {
                [_, b'/', ..] => (TokenKind::LineComment, start + line_length(rest)),
                [_, b'*', ..] => self.block_comment(start),
                [_, b'-', ..] => (TokenKind::Slashdash, start + 2),
                _ => (TokenKind::Stray, start + 1),
            }),
            _ => Some(self.other(start, rest)),
        }
    }

    fn other(&self, start: usize, rest: &[u8]) -> (TokenKind, usize) {
        match word_length(rest) {
            0 => {}
            length => {
                let word = rest.get(..length).unwrap_or_default();
                let behind = rest.get(length..).unwrap_or_default();
                return match word {
                    [b'r'] if matches!(behind, [b'"', ..] | [b'#', ..]) => {
                        self.old_raw_string(start).unwrap_or((TokenKind::Word, start + length))
                    }
                    [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => (TokenKind::Number, start + length),
                    _ => (TokenKind::Word, start + length),
                };
            }
        }
        if space_length(rest) > 0 {
            return (TokenKind::Space, start + run(rest, space_length));
        }
        match newline_length(rest) {
            0 => {}
            length => return (TokenKind::Newline, start + length),
        }
        if start == 0 && rest.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            return (TokenKind::ByteOrderMark, BYTE_ORDER_MARK.len());
        }
        // Whatever is left is disallowed, since words hold all else.
        (
            TokenKind::Disallowed,
            start + run(rest, disallowed_length).max(rest.first().map_or(1, |&b| character_length(b))),
        )
    }

    fn block_comment(&self, start: usize) -> (TokenKind, usize) {
        let mut depth = 1_usize;
        let mut at = start + 2;
        loop {
            match self.from(at) {
                [b'/', b'*', ..] => {
                    depth += 1;
                    at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return (TokenKind::BlockComment, at);
                    }
                }
                [_, ..] => at += 1,
                [] => return (TokenKind::UnclosedComment, at),
            }
        }
    }

    fn quoted(&self, start: usize) -> (TokenKind, usize) {
        if self.from(start).starts_with(br#"""""#) {
            return self.triple_quoted(start);
        }
        let mut at = start + 1;
        loop {
            let rest = self.from(at);
            match rest {
                [b'"', behind @ ..] if word_length(behind) > 0 => {
                    return match self.forgotten_quote(start, at) {
                        Some(end) => (TokenKind::UnclosedString(Quotes::Single), end),
                        None => (TokenKind::String(Quotes::Single), at + 1),
                    };
                }
                [b'"', ..] => return (TokenKind::String(Quotes::Single), at + 1),
                [b'\\', behind @ ..] => at += 1 + escaped_length(behind),
                [0x00..=0x0D | 0xC2 | 0xE2, ..] if newline_length(rest) > 0 => break,
                [_, ..] => at += 1,
                [] => break,
            }
        }
        let end = self.closed_further_down(at).unwrap_or_else(|| self.before_braces(start, at));
        (TokenKind::UnclosedString(Quotes::Single), end)
    }

    /// Returns where a string was meant to end that a word follows without a blank: before the property whose value's quote closed
    /// it, as in `"Acme Mail logo="acme.svg"`, before the node behind a semicolon, as in `"Acme Mail; logo "acme.svg"`, or before
    /// the block or the blank in front of the next string's quote.
    fn forgotten_quote(&self, start: usize, closing: usize) -> Option<usize> {
        let body = self.text.get(start + 1..closing)?;
        let before = match body.strip_suffix('=') {
            Some(body) => {
                let (before, name) = body.rsplit_once(' ')?;
                let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
                is_name.then_some(before)?
            }
            None if !body.ends_with(' ') => return None,
            // Of an even number of quotes two are meant as text.
            None => {
                let rest = self.from(closing);
                let rest = rest.get(..rest.len().min(MOST_BYTES))?;
                let quotes = rest.get(..line_length(rest))?.iter().filter(|&&byte| byte == b'"').count();
                // A word behind a semicolon begins the next node.
                let node = |(before, word): (&'s str, &'s str)| {
                    let word = word.trim();
                    let is_word =
                        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                    is_word.then_some(before)
                };
                let before_node = body.rsplit_once(';').and_then(node);
                (quotes % 2 == 0)
                    .then(|| before_node.unwrap_or_else(|| body.split_once(" {").map_or(body, |(before, _)| before)))?
            }
        };
        let before = before.trim_end_matches(' ');
        (!before.is_empty()).then_some(start + 1 + before.len())
    }

    /// Returns where a string ends that was broken over a few lines, as three quotes allow.
    ///
    /// - `end`: where its first line ends.
    fn closed_further_down(&self, end: usize) -> Option<usize> {
        let mut at = end;
        for _ in 0..MOST_LINES {
            at += newline_length(self.from(at));
            let rest = self.from(at);
            let line = rest.get(..line_length(rest))?;
            let Some(quote) = line.iter().position(|&byte| byte == b'"') else {
                let is_text = !line.iter().any(|byte| matches!(byte, b'{' | b'}')) && line.len() < rest.len();
                is_text.then_some(())?;
                at += line.len();
                continue;
            };
            let (before, behind) = (line.get(..quote)?, line.get(quote + 1..)?);
            let closes = before.last().is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'=' | b'{' | b'\\' | b'#'))
                && matches!(behind.first(), None | Some(b' ' | b';' | b'}'))
                && behind.iter().filter(|&&byte| byte == b'"').count() % 2 == 0;
            return closes.then_some(at + quote + 1);
        }
        None
    }

    /// Returns where a string ends that nothing closes on its line: before the braces that close what was opened on the same line.
    fn before_braces(&self, start: usize, end: usize) -> usize {
        let line = self.text.get(..start).unwrap_or_default();
        let line = line.rfind('\n').and_then(|at| line.get(at + 1..)).unwrap_or(line);
        let count = |brace: u8| line.bytes().filter(|&byte| byte == brace).count();
        let mut open = count(b'{').saturating_sub(count(b'}'));
        let mut body = self.text.get(start + 1..end).unwrap_or_default();
        while open > 0 {
            let Some(inner) = body.trim_end_matches([' ', ';']).strip_suffix('}') else { break };
            body = inner;
            open -= 1;
            if open == 0 || !inner.trim_end_matches([' ', ';']).ends_with('}') {
                body = inner.trim_end_matches([' ', ';']);
            }
        }
        start + 1 + body.len()
    }

    fn triple_quoted(&self, start: usize) -> (TokenKind, usize) {
        let mut at = start + 3;
        loop {
            match self.from(at) {
                [b'"', b'"', b'"', ..] => return (TokenKind::String(Quotes::Triple), at + 3),
                [b'\\', behind @ ..] => at += 1 + escaped_length(behind),
                [_, ..] => at += 1,
                [] => return (TokenKind::UnclosedString(Quotes::Triple), at),
            }
        }
    }

    /// Cuts what starts with `#`: a raw string, a keyword or nothing known.
    fn hashes(&self, start: usize) -> (TokenKind, usize) {
        let hashes = count(self.from(start), b'#');
        let behind = self.from(start + hashes);
        let quotes = count(behind, b'"');
        if quotes >= 3 {
            // `#"""#` is one quote in raw quotes that look as if there were three; the parser says so.
            if quotes == 3 && count(self.from(start + hashes + 3), b'#') >= hashes {
                return (TokenKind::String(Quotes::RawSingle), start + hashes + 3 + hashes);
            }
            return self.raw_triple_quoted(start + hashes + 3, hashes);
        }
        if quotes > 0 {
            return match self.raw_end(start + hashes + 1, hashes) {
                Ok(end) => (TokenKind::String(Quotes::RawSingle), end),
                Err(end) => (TokenKind::UnclosedString(Quotes::RawSingle), end),
            };
        }
        match (hashes, word_length(behind)) {
            (1, length @ 1..) => (TokenKind::Keyword, start + 1 + length),
            _ => (TokenKind::Stray, start + hashes),
        }
    }

    fn raw_triple_quoted(&self, from: usize, hashes: usize) -> (TokenKind, usize) {
        let mut at = from;
        loop {
            match self.from(at) {
                rest @ [b'"', ..] => {
                    let quotes = count(rest, b'"');
                    at += quotes;
                    let closing = count(self.from(at), b'#');
                    if quotes >= 3 && closing >= hashes {
                        return (TokenKind::String(Quotes::RawTriple), at + hashes);
                    }
                    at += closing;
                }
                [_, ..] => at += 1,
                [] => return (TokenKind::UnclosedString(Quotes::RawTriple), at),
            }
        }
    }

    /// Returns where the raw string ends whose text starts at `from`, or where its line ends.
    fn raw_end(&self, from: usize, hashes: usize) -> Result<usize, usize> {
        let mut at = from;
        loop {
            let rest = self.from(at);
            match rest {
                [b'"', ..] => {
                    let closing = count(self.from(at + 1), b'#');
                    if closing >= hashes {
                        return Ok(at + 1 + hashes);
                    }
                    at += 1 + closing;
                }
                [0x00..=0x0D | 0xC2 | 0xE2, ..] if newline_length(rest) > 0 => return Err(at),
                [_, ..] => at += 1,
                [] => return Err(at),
            }
        }
    }

    fn old_raw_string(&self, start: usize) -> Option<(TokenKind, usize)> {
        let hashes = count(self.from(start + 1), b'#');
        self.from(start + 1 + hashes).starts_with(b"\"").then_some(())?;
        let end = self.raw_end(start + 2 + hashes, hashes).ok()?;
        Some((TokenKind::OldRawString, end))
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let (kind, end) = self.cut(start)?;
        self.at = end;
        Some(Token { kind, start, end })
    }
}

/// Returns the length of a run of characters of one class.
fn run(bytes: &[u8], length_of: fn(&[u8]) -> usize) -> usize {
    let mut at = 0;
    loop {
        match length_of(bytes.get(at..).unwrap_or_default()) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Returns how many bytes of `bytes` stand before the line's end.
fn line_length(bytes: &[u8]) -> usize {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..).unwrap_or_default();
        let Some(skip) = rest.iter().position(|byte| matches!(byte, 0x0A..=0x0D | 0xC2 | 0xE2)) else {
            return bytes.len();
        };
        from += skip;
        if newline_length(bytes.get(from..).unwrap_or_default()) > 0 {
            return from;
        }
        from += 1;
    }
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().take_while(|&&byte| byte == wanted).count()
}

/// Returns how many bytes belong to the backslash that stands before `behind`.
fn escaped_length(behind: &[u8]) -> usize {
    match blank_length(behind) {
        0 => behind.first().map_or(0, |&byte| character_length(byte)),
        blanks => blanks,
    }
}
