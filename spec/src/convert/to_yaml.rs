//! Writes a tree as YAML.
//!
//! A node's first text stands in its key where it names the node among others or children follow, as in `mailbox alice:`. Children
//! are a mapping, or a list where keys would repeat or where their order has a meaning.

use super::page::{Line, Noted, Page};
use super::schema::{Known, known};
use super::spelling;
use crate::read::MAX_BYTES;
use crate::tree::{Node, Scalar, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// Characters on a line, up to which a node is written on one.
const WIDTH: usize = 100;
/// Bytes that a key may have; YAML ends them at 1,024 characters, and some are spelled with several.
const LONGEST_KEY: usize = 160;

/// Returns a page as YAML.
pub(super) fn write(page: &Page<'_, '_>) -> String {
    let mut writer = Writer { out: String::new() };
    let members: Vec<Member<'_>> = page.nodes.iter().map(Member::of_child).collect();
    writer.members(&members, &[], 0, Known::Root, false);
    writer.lines(&page.below, 0);
    writer.out
}

/// A property or a child, which are the same thing.
struct Member<'n> {
    kind: &'n str,
    arguments: Vec<&'n Scalar<'n>>,
    noted: Option<&'n Noted<'n, 'n>>,
    members: Vec<Self>,
    /// It may stand on one line: no children were written in a block, and nothing is said within.
    flows: bool,
}

impl<'n> Member<'n> {
    fn of_child(noted: &'n Noted<'n, 'n>) -> Self {
        let node: &'n Node<'n> = noted.node;
        let properties = node.properties.iter().map(|property| Self {
            kind: &property.name.value,
            arguments: vec![&property.value.value],
            noted: None,
            members: Vec::new(),
            flows: true,
        });
        let children = noted.children.nodes.iter().map(Self::of_child);
        Self {
            kind: &node.kind.value,
            arguments: node.arguments.iter().map(|Spanned { value, .. }| value).collect(),
            noted: Some(noted),
            members: properties.chain(children).collect(),
            flows: node.children.is_empty(),
        }
    }

    /// Returns the first argument if it can stand in the key.
    fn title(&self) -> Option<&'n str> {
        let Scalar::Text(text) = self.arguments.first()? else { return None };
        let strange = |c: char| c.is_control() || spelling::is_unseen(c);
        let fits = text.len() + self.kind.len() < LONGEST_KEY;
        (fits && !text.is_empty() && text.trim() == text && !text.contains(strange)).then_some(text)
    }

    /// Returns the key, and how many arguments stand in it.
    fn key(&self, several: bool) -> (String, usize) {
        match self.title() {
            Some(title) if several || !self.members.is_empty() => (format!("{} {title}", self.kind), 1),
            _ => (self.kind.to_owned(), 0),
        }
    }
}

struct Writer {
    out: String,
}

impl Writer {
    /// Writes members beside each other, behind the arguments of the node that they belong to.
    fn members(
        &mut self,
        members: &[Member<'_>],
        arguments: &[&Scalar<'_>],
        indent: usize,
        around: Known,
        ordered: bool,
    ) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members {
            *counts.entry(member.kind).or_default() += 1;
        }
        let repeats = |member: &Member<'_>| counts.get(member.kind).is_some_and(|&count| count > 1);
        let keys: Vec<(String, usize)> = members.iter().map(|member| member.key(repeats(member))).collect();
        let distinct = keys.iter().map(|(key, _)| key.as_str()).collect::<BTreeSet<&str>>();
        let list = ordered || distinct.len() < keys.len();
        if !arguments.is_empty() {
            self.start(indent, list);
            self.out.push_str("args: ");
            self.out.push_str(&flow_list(arguments));
            self.out.push('\n');
        }
        for (index, (member, (key, titles))) in members.iter().zip(&keys).enumerate() {
            if self.out.len() > MAX_BYTES {
                // Nobody could read it; whoever reads it again says so.
                return;
            }
            self.member(member, key, *titles, indent, list, around, index == 0);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a line of YAML depends on")]
    fn member(
        &mut self,
        member: &Member<'_>,
        key: &str,
        titles: usize,
        indent: usize,
        list: bool,
        around: Known,
        first: bool,
    ) {
        if let Some(noted) = member.noted {
            self.lines(&noted.above, indent);
            if noted.blank_before && !(first && noted.above.is_empty()) {
                self.blank_line();
            }
        }
        self.start(indent, list);
        self.out.push_str(&spelling::yaml_key(key));
        self.out.push(':');
        let arguments = member.arguments.get(titles..).unwrap_or_default();
        let here = known(around, member.kind);
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        let used = self.out.len() - line;
        let inline = if member.members.is_empty() {
            match arguments {
                [] if titles == 0 && here == Known::Flag => Some("true".to_owned()),
                [] => Some(String::new()),
                [one] => Some(spelling::yaml_scalar(one)),
                several => Some(flow_list(several)).filter(|list| used + list.len() < WIDTH),
            }
        } else if member.flows {
            flow_mapping(arguments, &member.members).filter(|mapping| used + mapping.len() < WIDTH)
        } else {
            None
        };
        let deeper = indent + if list { 4 } else { 2 };
        let below = member.noted.map_or(&[][..], |noted| &noted.children.below);
        match inline {
            Some(value) => {
                if !value.is_empty() {
                    self.out.push(' ');
                    self.out.push_str(&value);
                }
                self.beside(member);
            }
            None if member.members.is_empty() => {
                self.beside(member);
                for argument in arguments {
                    self.start(deeper, true);
                    self.out.push_str(&spelling::yaml_scalar(argument));
                    self.out.push('\n');
                }
            }
            None => {
                self.beside(member);
                self.members(&member.members, arguments, deeper, here, member.kind == "scenario");
            }
        }
        self.lines(below, deeper);
    }

    /// Starts a line, as an entry of a list or not.
    fn start(&mut self, indent: usize, list: bool) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        if list {
            self.out.push_str("- ");
        }
    }

    /// Ends a node's first line with what is said beside it.
    fn beside(&mut self, member: &Member<'_>) {
        if let Some(text) = member.noted.and_then(|noted| noted.beside.as_ref()) {
            self.out.push_str(" #");
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    fn lines(&mut self, lines: &[Line], indent: usize) {
        for line in lines {
            if line.blank_before {
                self.blank_line();
            }
            self.start(indent, false);
            self.out.push('#');
            self.out.push_str(&line.text);
            self.out.push('\n');
        }
    }

    /// Leaves a line empty, if that parts something.
    fn blank_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }
}

fn flow_list(scalars: &[&Scalar<'_>]) -> String {
    let spelled: Vec<String> = scalars.iter().map(|scalar| spelling::yaml_scalar(scalar)).collect();
    format!("[{}]", spelled.join(", "))
}

/// Returns properties on one line, if their names differ.
fn flow_mapping(arguments: &[&Scalar<'_>], members: &[Member<'_>]) -> Option<String> {
    let names: BTreeSet<&str> = members.iter().map(|member| member.kind).collect();
    if names.len() < members.len() {
        return None;
    }
    let mut entries = Vec::new();
    if !arguments.is_empty() {
        entries.push(format!("args: {}", flow_list(arguments)));
    }
    for member in members {
        let [value] = member.arguments.as_slice() else { return None };
        entries.push(format!("{}: {}", spelling::yaml_key(member.kind), spelling::yaml_scalar(value)));
    }
    Some(format!("{{ {} }}", entries.join(", ")))
}
