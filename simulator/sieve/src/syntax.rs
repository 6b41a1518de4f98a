//! The shape of a script: commands with arguments, tests and blocks (RFC 5228 §8.2).

use crate::Problem;
use crate::lexer::{self, Token};

/// Deepest nesting of blocks.
const BLOCKS: usize = 32;
/// Deepest nesting of tests.
const TESTS: usize = 32;

/// A command or a test as it stands, whatever its name.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) tests: Vec<Node>,
    /// Whether the tests stand in parentheses.
    pub(crate) is_list: bool,
    pub(crate) block: Option<Vec<Node>>,
}

/// An argument.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) line: u32,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(u64),
    Text(String),
    Texts(Vec<String>),
    Tag(String),
}

impl Value {
    pub(crate) fn said(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Texts(_) => "a string list",
            Self::Tag(_) => "a tag",
        }
    }
}

/// Reads a script.
///
/// - Errors: all places that are no Sieve; what is between them is read.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, Vec<Problem>> {
    let (words, problems) = lexer::read(text);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut parser = Parser { words, at: 0, problems };
    let commands = parser.commands(0);
    if parser.problems.is_empty() && *parser.token() != Token::End {
        let (said, line) = (parser.token().said(), parser.line());
        parser.wrong(line, format!("unexpected {said} found at (the presumed) end of file"));
    }
    if parser.problems.is_empty() { Ok(commands) } else { Err(parser.problems) }
}

struct Parser {
    words: Vec<(Token, u32)>,
    at: usize,
    problems: Vec<Problem>,
}

impl Parser {
    fn token(&self) -> &Token {
        self.words.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn line(&self) -> u32 {
        self.words.get(self.at).or_else(|| self.words.last()).map_or(1, |(_, line)| *line)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.words.len());
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.token() == token;
        if found {
            self.advance();
        }
        found
    }

    fn wrong(&mut self, line: u32, message: impl Into<String>) {
        if self.problems.len() < crate::PROBLEMS {
            self.problems.push(Problem { line, message: message.into() });
        }
    }

    fn commands(&mut self, depth: usize) -> Vec<Node> {
        let mut commands = Vec::new();
        while !matches!(self.token(), Token::End | Token::Close('}')) && self.problems.len() < crate::PROBLEMS {
            let before = self.at;
            match self.command(depth) {
                Ok(command) => commands.push(command),
                Err(()) => self.recover(before),
            }
        }
        if depth == 0 && self.token() == &Token::Close('}') && self.problems.is_empty() {
            let line = self.line();
            self.wrong(line, "unexpected '}' found at (the presumed) end of file");
        }
        commands
    }

    /// Goes on behind what could not be read.
    fn recover(&mut self, before: usize) {
        if self.at == before {
            self.advance();
        }
        let mut depth = 0_usize;
        loop {
            match self.token() {
                Token::End => return,
                Token::Open('{') => depth += 1,
                Token::Close('}') if depth <= 1 => {
                    if depth == 1 {
                        self.advance();
                    }
                    return;
                }
                Token::Close('}') => depth -= 1,
                Token::Semicolon if depth == 0 => return self.advance(),
                _ => {}
            }
            self.advance();
        }
    }

    fn command(&mut self, depth: usize) -> Result<Node, ()> {
        let line = self.line();
        let Token::Identifier(name) = self.token().clone() else {
            let said = self.token().said();
            self.wrong(line, format!("expected command, but found {said}"));
            return Err(());
        };
        self.advance();
        let mut node = self.inside(line, name, 0)?;
        match self.token() {
            Token::Semicolon => self.advance(),
            Token::Open('{') => {
                self.advance();
                if depth >= BLOCKS {
                    let line = self.line();
                    self.wrong(line, format!("reached the maximum block nesting depth ({BLOCKS})"));
                    return Err(());
                }
                let block = self.commands(depth + 1);
                if !self.takes(&Token::Close('}')) {
                    let (said, line) = (self.token().said(), self.line());
                    self.wrong(line, format!("expected end of block '}}', but found {said}"));
                    return Err(());
                }
                node.block = Some(block);
            }
            other => {
                let said = other.said();
                let line = self.line();
                self.wrong(
                    line,
                    format!("expected end of command ';' or the beginning of a compound block '{{', but found {said}"),
                );
                return Err(());
            }
        }
        Ok(node)
    }

    /// Reads arguments and tests behind a name.
    fn inside(&mut self, line: u32, name: String, depth: usize) -> Result<Node, ()> {
        let mut node = Node { line, name, arguments: Vec::new(), tests: Vec::new(), is_list: false, block: None };
        loop {
            let line = self.line();
            let value = match self.token().clone() {
                Token::Number(number) => Value::Number(number),
                Token::Text(text) => Value::Text(text),
                Token::Tag(tag) => Value::Tag(tag.to_ascii_lowercase()),
                Token::Open('[') => {
                    let texts = self.list()?;
                    node.arguments.push(Argument { line, value: Value::Texts(texts) });
                    continue;
                }
                _ => break,
            };
            self.advance();
            node.arguments.push(Argument { line, value });
        }
        match self.token() {
            Token::Identifier(_) => node.tests.push(self.test(depth + 1)?),
            Token::Open('(') => {
                self.advance();
                node.is_list = true;
                loop {
                    node.tests.push(self.test(depth + 1)?);
                    if self.takes(&Token::Close(')')) {
                        break;
                    }
                    if !self.takes(&Token::Comma) {
                        let (said, line) = (self.token().said(), self.line());
                        self.wrong(line, format!("expected ',' or end of test list ')', but found {said}"));
                        return Err(());
                    }
                }
            }
            _ => {}
        }
        Ok(node)
    }

    fn test(&mut self, depth: usize) -> Result<Node, ()> {
        let line = self.line();
        let Token::Identifier(name) = self.token().clone() else {
            let said = self.token().said();
            self.wrong(line, format!("expected test name, but found {said}"));
            return Err(());
        };
        if depth > TESTS {
            self.wrong(line, format!("reached the maximum test nesting depth ({TESTS})"));
            return Err(());
        }
        self.advance();
        self.inside(line, name, depth)
    }

    fn list(&mut self) -> Result<Vec<String>, ()> {
        self.advance();
        let mut texts = Vec::new();
        loop {
            let Token::Text(text) = self.token().clone() else {
                let (said, line) = (self.token().said(), self.line());
                self.wrong(line, format!("expected string after ',' in string list, but found {said}"));
                return Err(());
            };
            self.advance();
            texts.push(text);
            if self.takes(&Token::Close(']')) {
                return Ok(texts);
            }
            if !self.takes(&Token::Comma) {
                let (said, line) = (self.token().said(), self.line());
                self.wrong(line, format!("expected end of string list ']', but found {said}"));
                return Err(());
            }
        }
    }
}
