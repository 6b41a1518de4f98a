//! A complete reader of KDL 2.0.0: spans for everything, all syntax errors of a file in one run, bounded depth, linear time.
//!
//! [`read`] makes the tree; [`tokens`] loses nothing, so that a formatter and a language server can stand on it. Both use the same
//! lexer. Type annotations mean nothing in the specification language and are a problem, as is the marker of KDL 1.

mod characters;
mod codes;
mod indents;
mod lexer;
mod numbers;
mod parser;
mod recovery;
mod strings;
#[cfg(test)]
pub(crate) mod tests;
mod values;
mod words;

pub use codes::CODES;
use indents::Braces;
pub(crate) use lexer::Lexer;
pub use lexer::{Quotes, Token, TokenKind};

use crate::problem::Problem;
use crate::read::{Codes, Findings, Read};
use crate::tree::{FileId, Node};

const FORM: Codes =
    Codes { too_large: "kdl::too-large", not_utf8: "kdl::not-utf8", too_many_problems: "kdl::too-many-problems" };

/// Reads a KDL document.
///
/// - `file`: the file that the spans name.
/// - `bytes`: the file's bytes, of which texts are borrowed where they say what they spell.
/// - Returns: the nodes that could be understood, and the problems in the order of their places.
/// - Source: The KDL Document Language 2.0.0.
pub fn read(file: FileId, bytes: &[u8]) -> Read<'_> {
    read_with(file, bytes, |parse| {
        let written = parse(Braces::AsWritten);
        if !indents::are_unbalanced(written.1.problems()) {
            return Some(written);
        }
        let indented = parse(Braces::Indented);
        let better = indented.1.count() <= written.1.count() + indents::MOST_MORE;
        Some(if better { indented } else { written })
    })
    .unwrap_or_default()
}

/// Reads a KDL document whose braces disagree with its indentation, as that means it, and counts how often they do; `None` where
/// they agree.
pub(crate) fn read_by_indentation(file: FileId, bytes: &[u8]) -> Option<(Read<'_>, usize)> {
    let read = read_with(file, bytes, |parse| Some(parse(Braces::Indented)))?;
    let slips = read.problems.iter().filter(|problem| indents::is_about_braces(problem)).count();
    (slips > 0).then_some((read, slips))
}

type Parse<'s, 'p> = &'p dyn Fn(Braces) -> (Vec<Node<'s>>, Findings);

fn read_with<'s>(
    file: FileId,
    bytes: &'s [u8],
    choose: impl Fn(Parse<'s, '_>) -> Option<(Vec<Node<'s>>, Findings)>,
) -> Option<Read<'s>> {
    let mut findings = Findings::new(file, FORM);
    let Some((text, complete)) = findings.text(bytes) else {
        return Some(Read { problems: findings.finish(), ..Read::default() });
    };
    for (start, end, message) in disallowed_characters(text) {
        if findings.is_full() {
            break;
        }
        let problem = Problem::error("kdl::disallowed-character", findings.span(start, end), message);
        findings.add(problem.help("remove it; where it is meant, a string in quotes takes it as `\\u{…}`"));
    }
    if let Some((start, end)) = old_version(text) {
        let message = "the file says that it is written in KDL 1, and KDL 2 is what is read";
        let problem = Problem::error("kdl::version", findings.span(start, end), message);
        findings.add(problem.help("remove the line, and write `#true`, `#false`, `#null` and `#\"…\"#` as KDL 2 does"));
    }
    let parse = |braces| parser::Parser::new(text, Findings::new(file, FORM), complete, braces).run();
    let (nodes, found) = choose(&parse)?;
    findings.join(found);
    Some(Read { nodes, problems: findings.finish(), damaged: Vec::new() })
}

/// Returns the place of the marker of KDL 1, which may stand first in a file.
fn old_version(text: &str) -> Option<(usize, usize)> {
    let is_blank = |token: &Token| matches!(token.kind, TokenKind::Space | TokenKind::ByteOrderMark);
    let mut tokens = lexer::Lexer::new(text).filter(|token| !is_blank(token));
    let dash = tokens.next().filter(|token| token.kind == TokenKind::Slashdash)?;
    tokens.next().filter(|token| token.text(text) == "kdl-version")?;
    let version = tokens.next().filter(|token| token.text(text) == "1")?;
    tokens.next().is_none_or(|token| token.kind == TokenKind::Newline).then_some((dash.start, version.end))
}

/// Cuts a text into tokens that follow on each other and leave nothing out.
pub fn tokens(text: &str) -> Vec<Token> {
    lexer::Lexer::new(text).collect()
}

/// Says whether a text can stand without quotes.
pub(crate) fn is_bare_word(text: &str) -> bool {
    let token = lexer::Lexer::new(text).next();
    token.is_some_and(|token| token.kind == TokenKind::Word && token.end == text.len()) && words::judge(text).is_ok()
}

/// Says whether a word is a number.
pub(crate) fn is_number(word: &str) -> bool {
    numbers::is_number(word)
}

/// Returns the places of characters that may stand nowhere in a file, whatever its syntax, with what is wrong with them.
pub(crate) fn disallowed_characters(text: &str) -> impl Iterator<Item = (usize, usize, String)> {
    characters::disallowed_runs(text).map(|(start, end)| {
        let character = text.get(start..end).and_then(|run| run.chars().next()).unwrap_or_default();
        let code = u32::from(character);
        let message = match code {
            0xFEFF => "a byte order mark may only stand first in a file".to_owned(),
            0x200E..=0x2069 => {
                format!("a character that turns the direction of writing (U+{code:04X}) may not stand in a file")
            }
            _ => format!("a control character (U+{code:04X}) may not stand in a file"),
        };
        (start, end, message)
    })
}
