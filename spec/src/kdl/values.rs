//! Values: texts, numbers and keywords, and the annotations in front of them.

use super::lexer::{Quotes, Token, TokenKind};
use super::parser::Parser;
use super::words::{self, Fault};
use super::{numbers, strings};
use crate::tree::{Scalar, Spanned};
use std::borrow::Cow;

impl<'s> Parser<'s> {
    /// Reads a value with its annotation, if one stands here.
    pub(super) fn value(&mut self) -> Option<Spanned<Scalar<'s>>> {
        if self.kind() == Some(TokenKind::OpenParenthesis) {
            let (start, _) = self.here();
            self.annotation();
            self.node_space();
            if !self.kind().is_some_and(|kind| starts_entry(kind) && kind != TokenKind::OpenParenthesis) {
                let (end, _) = self.here();
                let message = "there is no value behind the type annotation";
                self.problem("kdl::malformed-annotation", start, end, message, "remove it");
                return None;
            }
        }
        let token = self.token.filter(|token| starts_entry(token.kind))?;
        let value = match token.kind {
            TokenKind::Word | TokenKind::Number | TokenKind::Keyword | TokenKind::Stray => self.word(token),
            TokenKind::String(quotes) => Scalar::Text(self.string(token, quotes, true)),
            TokenKind::UnclosedString(quotes) => Scalar::Text(self.string(token, quotes, false)),
            TokenKind::OldRawString => Scalar::Text(self.old_raw_string(token)),
            _ => return None,
        };
        Some(Spanned { value, span: self.findings.span(token.start, self.consumed) })
    }

    /// Reads a text where only one may stand, such as a node's kind.
    pub(super) fn text_here(&mut self, token: Token, what: &str) -> Spanned<Cow<'s, str>> {
        let problems = self.findings.count();
        let scalar = self.value();
        let span = scalar.as_ref().map_or(self.findings.span(token.start, token.end), |scalar| scalar.span);
        let source = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let value = match scalar.map(|scalar| scalar.value) {
            Some(Scalar::Text(text)) => text,
            Some(Scalar::Number(_) | Scalar::Flag(_) | Scalar::Null) => {
                if self.findings.count() == problems {
                    let message = format!("{what} is a text, not a number or a keyword");
                    let help = format!("write a word, or put it in quotes: `{}`", words::quote(source));
                    self.problem("kdl::kind-not-text", span.start as usize, span.end as usize, message, help);
                }
                Cow::Borrowed(source)
            }
            None => Cow::Borrowed(source),
        };
        Spanned { value, span }
    }

    /// Reads a word: a bare text, a number or a keyword, together with what is stuck to it and should not be.
    fn word(&mut self, first: Token) -> Scalar<'s> {
        self.advance();
        let mut end = first.end;
        let mut stuck = first.kind == TokenKind::Stray;
        let mut disallowed = false;
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::Word | TokenKind::Number => {}
                TokenKind::Stray if matches!(token.text(self.text), "[" | "]") => break,
                TokenKind::Keyword | TokenKind::Stray => stuck = true,
                TokenKind::Disallowed => disallowed = true,
                _ => break,
            }
            end = token.end;
            self.advance();
        }
        let word = self.text.get(first.start..end).unwrap_or_default();
        if stuck {
            return Scalar::Text(self.unquoted(word, first.start));
        }
        if disallowed {
            // What stands between was told already.
            return Scalar::Text(Cow::Borrowed(word));
        }
        match first.kind {
            TokenKind::Number if numbers::is_number(word) => Scalar::Number(Cow::Borrowed(word)),
            TokenKind::Number => Scalar::Text(self.almost_number(word, first.start)),
            TokenKind::Keyword => match words::keyword(word) {
                Some(scalar) => scalar,
                None => Scalar::Text(self.unknown_keyword(word, first.start)),
            },
            _ => match words::judge(word) {
                Ok(()) => Scalar::Text(Cow::Borrowed(word)),
                Err(Fault::BareKeyword) => self.bare_keyword(word, first.start),
                Err(Fault::AlmostNumber) => Scalar::Text(self.almost_number(word, first.start)),
            },
        }
    }

    fn string(&mut self, token: Token, quotes: Quotes, closed: bool) -> Cow<'s, str> {
        self.advance();
        let text = token.text(self.text);
        let hashes = text.bytes().take_while(|&byte| byte == b'#').count();
        let opening = hashes + if matches!(quotes, Quotes::Triple | Quotes::RawTriple) { 3 } else { 1 };
        if !closed {
            if self.complete || self.token.is_some() {
                self.unclosed_string(token, quotes, opening);
            }
            let body = text.get(opening..).unwrap_or_default();
            return match quotes {
                // What was broken over lines is meant as one.
                Quotes::Single if body.contains('\n') => {
                    let body = body.strip_suffix('"').unwrap_or(body);
                    Cow::Owned(body.split_whitespace().collect::<Vec<_>>().join(" "))
                }
                _ => Cow::Borrowed(body),
            };
        }
        let body = text.get(opening..text.len() - opening).unwrap_or_default();
        let mut faults = Vec::new();
        let value = strings::value(quotes, body, token.start + opening, &mut faults);
        for fault in &faults {
            self.string_fault(fault);
        }
        value
    }

    fn old_raw_string(&mut self, token: Token) -> Cow<'s, str> {
        self.advance();
        let text = token.text(self.text);
        let hashes = text.bytes().skip(1).take_while(|&byte| byte == b'#').count();
        let body = text.get(hashes + 2..text.len() - hashes - 1).unwrap_or_default();
        let marks = "#".repeat(hashes.clamp(1, 20));
        let help = format!("leave out the `r` and write {marks}\"…\"{marks}");
        let message = "raw strings no longer start with `r`";
        self.problem("kdl::old-raw-string", token.start, token.start + 2 + hashes, message, help);
        Cow::Borrowed(body)
    }

    /// Reads a type annotation, which has no meaning in the specification language.
    pub(super) fn annotation(&mut self) {
        let (start, mut end) = self.here();
        self.advance();
        self.node_space();
        let mut well_formed = false;
        if let Some(token) = self.token.filter(|token| is_text(token.kind)) {
            let problems = self.findings.count();
            self.text_here(token, "a type annotation");
            self.node_space();
            well_formed = self.kind() == Some(TokenKind::CloseParenthesis);
            if self.findings.count() > problems {
                well_formed = false;
            }
        }
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::CloseParenthesis => {
                    end = token.end;
                    self.advance();
                    break;
                }
                TokenKind::Newline
                | TokenKind::Semicolon
                | TokenKind::LineComment
                | TokenKind::OpenBrace
                | TokenKind::CloseBrace => break,
                _ => {
                    well_formed = false;
                    end = token.end;
                    self.advance();
                }
            }
        }
        let annotation = self.text.get(start..end).unwrap_or_default();
        let help = format!("remove `{}`, or put it in quotes where it belongs to a text", words::excerpt(annotation));
        if well_formed {
            let message = "type annotations have no meaning here";
            self.problem("kdl::type-annotation", start, end, message, help);
        } else {
            let message = "parentheses hold a type annotation, which has no meaning here";
            self.problem("kdl::malformed-annotation", start, end, message, help);
        }
    }
}

/// Says whether a token is a text.
fn is_text(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::String(_) | TokenKind::UnclosedString(_) | TokenKind::OldRawString)
}

/// Says whether an argument or a property starts with a token.
pub(super) fn starts_entry(kind: TokenKind) -> bool {
    is_text(kind)
        || matches!(kind, TokenKind::Number | TokenKind::Keyword | TokenKind::Stray | TokenKind::OpenParenthesis)
}
