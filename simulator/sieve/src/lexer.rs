//! Words of a script, each with its line (RFC 5228 §2, §8.1).

use crate::Problem;

/// Longest string of a script, in bytes.
const STRING_BYTES: usize = 1 << 20;
/// Longest identifier.
const IDENTIFIER_BYTES: usize = 32;

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Identifier(String),
    Tag(String),
    Number(u64),
    Text(String),
    Open(char),
    Close(char),
    Comma,
    Semicolon,
    End,
}

impl Token {
    /// Returns how a problem speaks of it.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Identifier(name) => format!("identifier '{name}'"),
            Self::Tag(name) => format!("tag ':{name}'"),
            Self::Number(_) => "a number".to_owned(),
            Self::Text(_) => "a string".to_owned(),
            Self::Open(character) | Self::Close(character) => format!("'{character}'"),
            Self::Comma => "','".to_owned(),
            Self::Semicolon => "';'".to_owned(),
            Self::End => "end of file".to_owned(),
        }
    }
}

/// Reads a whole script; the last word is [`Token::End`].
///
/// - Errors: every byte that cannot be part of a word, each string and comment that does not end.
pub(crate) fn read(text: &str) -> (Vec<(Token, u32)>, Vec<Problem>) {
    let mut lexer = Lexer { rest: text, line: 1, problems: Vec::new() };
    let mut words = Vec::new();
    while lexer.problems.len() < crate::PROBLEMS {
        lexer.blank();
        let line = lexer.line;
        let Some(first) = lexer.peek() else { break };
        if let Some(token) = lexer.word(first) {
            words.push((token, line));
        }
    }
    words.push((Token::End, lexer.line));
    (words, lexer.problems)
}

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
    problems: Vec<Problem>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    fn skip(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn wrong(&mut self, line: u32, message: impl Into<String>) {
        self.problems.push(Problem { line, message: message.into() });
    }

    /// Passes blanks and comments.
    fn blank(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r' | '\n') => {
                    self.next();
                }
                Some('#') => self.rest_of_line(),
                Some('/') if self.rest.starts_with("/*") => {
                    self.skip("/*");
                    while !self.skip("*/") {
                        if self.next().is_none() {
                            let line = self.line;
                            return self.wrong(line, "end of file before end of bracket comment ('/* ... */')");
                        }
                    }
                }
                _ => return,
            }
        }
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|character| character != '\n') {
            self.next();
        }
    }

    fn word(&mut self, first: char) -> Option<Token> {
        match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = self.identifier()?;
                if name.eq_ignore_ascii_case("text") && self.peek() == Some(':') {
                    self.next();
                    return self.lines();
                }
                Some(Token::Identifier(name))
            }
            ':' => {
                self.next();
                if !self.peek().is_some_and(|character| character.is_ascii_alphabetic() || character == '_') {
                    let line = self.line;
                    self.wrong(line, "expecting identifier, but found something else behind ':'");
                    return None;
                }
                Some(Token::Tag(self.identifier()?))
            }
            '0'..='9' => self.number(),
            '"' => self.quoted(),
            '(' | '[' | '{' => {
                self.next();
                Some(Token::Open(first))
            }
            ')' | ']' | '}' => {
                self.next();
                Some(Token::Close(first))
            }
            ',' => {
                self.next();
                Some(Token::Comma)
            }
            ';' => {
                self.next();
                Some(Token::Semicolon)
            }
            other => {
                let line = self.line;
                self.next();
                // A run of what no script holds is one problem.
                while self.peek().is_some_and(|next| next == other) {
                    self.next();
                }
                self.wrong(line, format!("unexpected character(s) starting with {}", other.escape_default()));
                None
            }
        }
    }

    fn identifier(&mut self) -> Option<String> {
        let line = self.line;
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|next| next.is_ascii_alphanumeric() || *next == '_') {
            self.next();
            name.push(character);
        }
        if name.len() > IDENTIFIER_BYTES {
            let shown: String = name.chars().take(IDENTIFIER_BYTES).collect();
            self.wrong(line, format!("encountered impossibly long identifier '{shown}...'"));
            return None;
        }
        Some(name)
    }

    fn number(&mut self) -> Option<Token> {
        let line = self.line;
        let mut number = Some(0_u64);
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
            self.next();
            number = number.and_then(|number| number.checked_mul(10)?.checked_add(u64::from(digit)));
        }
        let shift = match self.peek() {
            Some('k' | 'K') => 10,
            Some('m' | 'M') => 20,
            Some('g' | 'G') => 30,
            _ => 0,
        };
        if shift > 0 {
            self.next();
            number = number.and_then(|number| number.checked_mul(1 << shift));
        }
        match number {
            Some(number) => Some(Token::Number(number)),
            None => {
                self.wrong(line, format!("number exceeds integer limits (max {})", u64::MAX));
                None
            }
        }
    }

    fn quoted(&mut self) -> Option<Token> {
        let begun = self.line;
        self.next();
        let mut text = String::new();
        loop {
            let character = match self.next() {
                Some('"') => break,
                Some('\\') => self.next(),
                // A line ends with CRLF, whatever the script's lines end with.
                Some('\r') if self.peek() == Some('\n') => continue,
                Some('\n') => {
                    text.push('\r');
                    Some('\n')
                }
                other => other,
            };
            match character {
                Some('\0') => {
                    self.wrong(begun, "encountered NUL character in quoted string");
                    return None;
                }
                Some(character) => text.push(character),
                None => {
                    let line = self.line;
                    self.wrong(line, "end of file before end of quoted string");
                    return None;
                }
            }
        }
        self.bounded(text, begun)
    }

    /// Reads what follows `text:` (RFC 5228 §2.4.2).
    fn lines(&mut self) -> Option<Token> {
        let begun = self.line;
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
        if self.peek() == Some('#') {
            self.rest_of_line();
        }
        if self.peek() == Some('\r') {
            self.next();
        }
        if self.next() != Some('\n') {
            self.wrong(begun, "invalid character after 'text:' in multiline string");
            return None;
        }
        let mut text = String::new();
        loop {
            let (line, whole) = match self.rest.split_once('\n') {
                Some((line, rest)) => {
                    self.rest = rest;
                    self.line += 1;
                    (line.strip_suffix('\r').unwrap_or(line), true)
                }
                None => (std::mem::take(&mut self.rest), false),
            };
            if line == "." {
                break;
            }
            if !whole {
                let line = self.line;
                self.wrong(line, "end of file before end of multi-line string");
                return None;
            }
            if line.contains('\0') {
                self.wrong(begun, "encountered NUL character in multi-line string");
                return None;
            }
            let line = line.strip_prefix('.').filter(|_| line.starts_with("..")).unwrap_or(line);
            text.push_str(line);
            text.push_str("\r\n");
        }
        self.bounded(text, begun)
    }

    fn bounded(&mut self, text: String, line: u32) -> Option<Token> {
        if text.len() > STRING_BYTES {
            self.wrong(line, format!("string started at this line is too long (longer than {STRING_BYTES} bytes)"));
            return None;
        }
        Some(Token::Text(text))
    }
}
