//! What is said where the YAML parser stops.

use crate::problem::Problem;
use crate::read::Findings;
use granit_parser::{ErrorKind, ScanError};

use super::probe::place;

/// Returns the problem that a syntax error is, at its place.
pub(super) fn problem(error: &ScanError, text: &str, findings: &Findings) -> Problem {
    let (code, message, help) = told(error.kind());
    let mut start = place(error, text);
    if code == "yaml::tab" {
        // The parser may have gone past the tab.
        let line = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        start = text.get(line..start).and_then(|before| before.find('\t')).map_or(start, |at| line + at);
    }
    let length = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, |character| match character {
        '\n' | '\r' => 0,
        _ => character.len_utf8(),
    });
    Problem::error(code, findings.span(start, start + length), message).help(help)
}

fn told(kind: &ErrorKind) -> (&'static str, String, String) {
    use ErrorKind as E;
    let (code, message, help) = match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar
        | E::InvalidBlockEntryWhitespace
        | E::InvalidMappingValueWhitespace => {
            ("yaml::tab", "a tab stands where YAML wants blanks", "indent with blanks instead of tabs")
        }
        E::RecursionLimitExceeded => {
            ("yaml::too-deep", "collections nest too deep", "close some of the levels around this one")
        }
        E::DirectiveDisallowed | E::MissingDocumentEndBeforeDirective => (
            "yaml::directive",
            "directives have no meaning here",
            "remove the line that starts with `%`, or put the text in quotes",
        ),
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => (
            "yaml::unclosed-string",
            "the string is not closed",
            "write the closing quote; a quote in a text in single quotes is doubled",
        ),
        E::UnexpectedEofFlowSequence
        | E::UnexpectedEofFlowMapping
        | E::UnexpectedEofImplicitFlowMapping
        | E::UnclosedFlowCollection { .. } => {
            ("yaml::unclosed", "a `[` or `{` is not closed", "write the `]` or `}` that it lacks")
        }
        E::InvalidFlowScalarIndent | E::InvalidIndentation => (
            "yaml::unclosed",
            "the line is not indented as what it belongs to",
            "indent it, or close the `[`, `{` or quote that is still open before it",
        ),
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => (
            "yaml::separator",
            "the entries between brackets need a comma between them",
            "write a `,` here, or the bracket that ends the collection before",
        ),
        E::MisplacedFlowCollectionEnd | E::MismatchedFlowCollectionEnd { .. } => (
            "yaml::stray-bracket",
            "this bracket does not close what is open",
            "remove it, or write the one that closes; a text that holds it needs quotes",
        ),
        E::MappingValueNotAllowed | E::InvalidColonPlacement | E::InvalidSimpleKey | E::SimpleKeyExpected => (
            "yaml::colon",
            "a `:` or the lack of it makes this no entry",
            "write `key: value`, each on a line of its own and as far to the right as its neighbours; a text with `: ` in it needs quotes",
        ),
        E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::BlockSequenceEntryNotAllowed
        | E::InvalidBlockScalarIndent
        | E::InvalidQuotedScalarIndent
        | E::MappingKeyNotAllowed => (
            "yaml::indentation",
            "the line does not stand in one column with what it belongs to",
            "indent it as far as its neighbours, with blanks",
        ),
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => (
            "yaml::escape",
            "this is not an escape of a character",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        E::UnexpectedCharacter { character } => {
            return (
                "yaml::unexpected-character",
                format!("no text without quotes starts with {character:?}"),
                "put the text in quotes".to_owned(),
            );
        }
        other => {
            return (
                "yaml::syntax",
                other.to_string().to_lowercase().trim_end_matches('.').to_owned(),
                "put texts with characters like `: # & * ! % @ [ ] { }` in quotes".to_owned(),
            );
        }
    };
    (code, message.to_owned(), help.to_owned())
}
