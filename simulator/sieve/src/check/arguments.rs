//! Arguments of a command or a test: tags first, with what belongs to them, then the others by place.

use std::collections::BTreeMap;

use crate::check::Checker;
use crate::extension::Extension;
use crate::program::{AddressPart, Comparator, Index, MatchKind, Matching, Relation, Texts};
use crate::syntax::{Argument, Node, Value};
use crate::text::Text;

/// What stands behind a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Number,
    Text,
    Texts,
}

/// What is expected at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Texts,
}

/// A tag that may be given, with what it takes.
pub(crate) type Tag = (&'static str, Takes);

pub(crate) const MATCHING: [Tag; 7] = [
    ("is", Takes::Nothing),
    ("contains", Takes::Nothing),
    ("matches", Takes::Nothing),
    ("regex", Takes::Nothing),
    ("value", Takes::Text),
    ("count", Takes::Text),
    ("comparator", Takes::Text),
];
pub(crate) const PARTS: [Tag; 5] = [
    ("all", Takes::Nothing),
    ("localpart", Takes::Nothing),
    ("domain", Takes::Nothing),
    ("user", Takes::Nothing),
    ("detail", Takes::Nothing),
];
pub(crate) const INDEX: [Tag; 2] = [("index", Takes::Number), ("last", Takes::Nothing)];
pub(crate) const MIME: [Tag; 6] = [
    ("mime", Takes::Nothing),
    ("anychild", Takes::Nothing),
    ("type", Takes::Nothing),
    ("subtype", Takes::Nothing),
    ("contenttype", Takes::Nothing),
    ("param", Takes::Texts),
];

#[derive(Debug)]
pub(crate) struct Arguments {
    line: u32,
    what: String,
    tags: BTreeMap<&'static str, (u32, Option<Value>)>,
    places: Vec<Argument>,
}

impl Arguments {
    /// Sorts a node's arguments.
    ///
    /// - `what`: how problems speak of it, such as `keep command`.
    pub(crate) fn of(checker: &mut Checker<'_>, node: &Node, what: &str, known: &[Tag]) -> Self {
        let mut sorted = Self { line: node.line, what: what.to_owned(), tags: BTreeMap::new(), places: Vec::new() };
        let mut arguments = node.arguments.iter();
        while let Some(argument) = arguments.next() {
            let Value::Tag(tag) = &argument.value else {
                sorted.places.push(argument.clone());
                continue;
            };
            let Some(&(name, takes)) = known.iter().find(|(name, _)| name == tag) else {
                if checker.unknown.insert(format!("{what} :{tag}")) {
                    checker.wrong(
                        argument.line,
                        format!(
                            "unknown tagged argument ':{tag}' for the {what} (reported only once at first occurrence)"
                        ),
                    );
                }
                continue;
            };
            if !sorted.places.is_empty() {
                checker.wrong(
                    argument.line,
                    format!(
                        "encountered an unexpected tagged argument ':{tag}' behind positional arguments of the {what}"
                    ),
                );
            }
            let value = match takes {
                Takes::Nothing => None,
                _ => match arguments.next().map(|argument| &argument.value) {
                    Some(value) if fits(value, takes) => Some(value.clone()),
                    found => {
                        let said = found.map_or("no more arguments", Value::said);
                        checker.wrong(
                            argument.line,
                            format!("the :{tag} tag of the {what} has the wrong argument: {said} was found"),
                        );
                        continue;
                    }
                },
            };
            if sorted.tags.insert(name, (argument.line, value)).is_some() {
                checker.wrong(argument.line, format!("encountered duplicate tagged argument ':{tag}' for the {what}"));
            }
        }
        sorted
    }

    /// Checks what stands at the places.
    pub(crate) fn expect(&mut self, checker: &mut Checker<'_>, kinds: &[Kind]) -> bool {
        let (wanted, found) = (kinds.len(), self.places.len());
        if wanted != found {
            let what = &self.what;
            checker.wrong(
                self.line,
                format!("the {what} requires {wanted} positional argument(s), but {found} is/are specified"),
            );
            return false;
        }
        let mut fits = true;
        for (place, (kind, argument)) in kinds.iter().zip(&self.places).enumerate() {
            let (is_right, wanted) = match kind {
                Kind::Number => (matches!(argument.value, Value::Number(_)), "a number"),
                Kind::Text => (matches!(argument.value, Value::Text(_)), "a string"),
                Kind::Texts => (matches!(argument.value, Value::Text(_) | Value::Texts(_)), "a string list"),
            };
            if !is_right {
                fits = false;
                let (what, said, place) = (&self.what, argument.value.said(), place + 1);
                checker.wrong(
                    argument.line,
                    format!("the {what} expects {wanted} as argument {place}, but {said} was found"),
                );
            }
        }
        fits
    }

    pub(crate) fn has(&self, tag: &str) -> bool {
        self.tags.contains_key(tag)
    }

    pub(crate) fn line_of(&self, tag: &str) -> u32 {
        self.tags.get(tag).map_or(self.line, |(line, _)| *line)
    }

    pub(crate) fn tag_number(&self, tag: &str) -> Option<u64> {
        match self.tags.get(tag) {
            Some((_, Some(Value::Number(number)))) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn tag_text(&self, checker: &mut Checker<'_>, tag: &str) -> Option<Text> {
        match self.tags.get(tag) {
            Some((line, Some(Value::Text(text)))) => Some(checker.text(*line, text)),
            _ => None,
        }
    }

    pub(crate) fn tag_texts(&self, checker: &mut Checker<'_>, tag: &str) -> Option<Texts> {
        let (line, value) = self.tags.get(tag)?;
        Some(texts(checker, *line, value.as_ref()?))
    }

    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn place_line(&self, place: usize) -> u32 {
        self.places.get(place).map_or(self.line, |argument| argument.line)
    }

    pub(crate) fn number(&self, place: usize) -> u64 {
        match self.places.get(place).map(|argument| &argument.value) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn text(&self, checker: &mut Checker<'_>, place: usize) -> Text {
        match self.places.get(place) {
            Some(Argument { line, value: Value::Text(text) }) => checker.text(*line, text),
            _ => Text::plain(""),
        }
    }

    pub(crate) fn texts(&self, checker: &mut Checker<'_>, place: usize) -> Texts {
        self.places.get(place).map_or_else(Vec::new, |argument| texts(checker, argument.line, &argument.value))
    }

    /// Reads how values are compared (RFC 5228 §2.7, RFC 5231).
    pub(crate) fn matching(&self, checker: &mut Checker<'_>) -> Matching {
        let default = Matching {
            comparator: Comparator::AsciiCasemap,
            kind: MatchKind::Is,
            keeps: checker.has(Extension::Variables),
        };
        let named = self.tag_text(checker, "comparator");
        let comparator = match named.as_ref().map(|name| name.fixed().unwrap_or_default()) {
            None => Comparator::AsciiCasemap,
            Some("i;octet") => Comparator::Octet,
            Some("i;ascii-casemap") => Comparator::AsciiCasemap,
            Some("i;ascii-numeric") if checker.has(Extension::AsciiNumeric) => Comparator::AsciiNumeric,
            Some(other) => {
                checker
                    .wrong(self.line_of("comparator"), format!("unknown comparator '{other}' for the {}", self.what));
                return default;
            }
        };
        let kinds: Vec<&str> = ["is", "contains", "matches", "regex", "value", "count"]
            .into_iter()
            .filter(|kind| self.tags.contains_key(kind))
            .collect();
        if let [_, second, ..] = kinds.as_slice() {
            checker.wrong(self.line_of(second), "encountered a second match type tag; only one is allowed".to_owned());
        }
        let kind = kinds.first().copied().unwrap_or("is");
        let needed = match kind {
            "value" | "count" => Some(Extension::Relational),
            "regex" => Some(Extension::Regex),
            _ => None,
        };
        if needed.is_some_and(|needed| !checker.has(needed)) {
            let what = &self.what;
            checker.wrong(
                self.line_of(kind),
                format!("unknown tagged argument ':{kind}' for the {what} (reported only once at first occurrence)"),
            );
            return default;
        }
        let kind = match kind {
            "contains" => MatchKind::Contains,
            "matches" => MatchKind::Matches,
            "regex" => MatchKind::Regex,
            relational @ ("value" | "count") => {
                let text = self.tag_text(checker, relational);
                let name = text.as_ref().and_then(Text::fixed).unwrap_or_default();
                let Some(relation) = Relation::of(name) else {
                    checker.wrong(
                        self.line_of(relational),
                        format!("the :{relational} match-type requires a constant string argument being one of \"gt\", \"ge\", \"lt\", \"le\", \"eq\" or \"ne\""),
                    );
                    return default;
                };
                if relational == "value" { MatchKind::Value(relation) } else { MatchKind::Count(relation) }
            }
            _ => MatchKind::Is,
        };
        let substrings = matches!(kind, MatchKind::Contains | MatchKind::Matches | MatchKind::Regex);
        if comparator == Comparator::AsciiNumeric && substrings {
            checker.wrong(
                self.line_of("comparator"),
                "the specified i;ascii-numeric comparator does not support sub-string matching as required by the match type",
            );
        }
        Matching { comparator, kind, ..default }
    }

    /// Reads which part of an address counts (RFC 5228 §2.7.4, RFC 5233).
    pub(crate) fn part(&self, checker: &mut Checker<'_>) -> AddressPart {
        let parts: Vec<&str> =
            PARTS.iter().map(|(name, _)| *name).filter(|name| self.tags.contains_key(name)).collect();
        if let [_, second, ..] = parts.as_slice() {
            checker.wrong(self.line_of(second), "encountered a second address part tag; only one is allowed");
        }
        let part = parts.first().copied().unwrap_or("all");
        if matches!(part, "user" | "detail") && !checker.has(Extension::Subaddress) {
            let what = &self.what;
            checker.wrong(
                self.line_of(part),
                format!("unknown tagged argument ':{part}' for the {what} (reported only once at first occurrence)"),
            );
        }
        match part {
            "localpart" => AddressPart::LocalPart,
            "domain" => AddressPart::Domain,
            "user" => AddressPart::User,
            "detail" => AddressPart::Detail,
            _ => AddressPart::All,
        }
    }

    pub(crate) fn index(&self, checker: &mut Checker<'_>) -> Index {
        let number = self.tag_number("index");
        let last = self.has("last");
        if last && number.is_none() {
            checker.wrong(self.line_of("last"), "the :last tag cannot be specified without the :index tag");
        }
        if number == Some(0) {
            checker.wrong(self.line_of("index"), "the :index tag requires a number above 0");
        }
        Index { number: number.unwrap_or(0), last }
    }
}

fn fits(value: &Value, takes: Takes) -> bool {
    match takes {
        Takes::Nothing => true,
        Takes::Number => matches!(value, Value::Number(_)),
        Takes::Text => matches!(value, Value::Text(_)),
        Takes::Texts => matches!(value, Value::Text(_) | Value::Texts(_)),
    }
}

fn texts(checker: &mut Checker<'_>, line: u32, value: &Value) -> Texts {
    match value {
        Value::Text(text) => vec![checker.text(line, text)],
        Value::Texts(texts) => texts.iter().map(|text| checker.text(line, text)).collect(),
        _ => Vec::new(),
    }
}
