//! From YAML's events to the tree, without recursion.

use super::head;
use crate::problem::Problem;
use crate::read::{Findings, MAX_DEPTH, MAX_ENTRIES, MAX_NODES};
use crate::tree::{Node, Scalar, Span, Spanned};
use granit_parser::{Event, Parser, ScalarStyle};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Levels of collections that the parser follows: a node in a list takes two of them.
pub(super) const MAX_COLLECTIONS: usize = 2 * MAX_DEPTH + 8;

/// A node that is being read.
struct Open<'s> {
    kind: Spanned<Cow<'s, str>>,
    arguments: Vec<Spanned<Scalar<'s>>>,
    children: Vec<Node<'s>>,
    /// It is `args`, whose arguments belong to the node around it.
    is_args: bool,
    /// Its key cannot be understood.
    discarded: bool,
    start: usize,
    end: usize,
}

/// A collection that is being read.
enum Frame<'s> {
    Mapping {
        /// The node whose key was read and whose value follows.
        pending: Option<Open<'s>>,
        heads: Heads<'s>,
        nodes_from: usize,
        in_list: bool,
        start: usize,
    },
    List {
        nodes_from: usize,
        first_scalar: Option<Span>,
        first_mapping: Option<Span>,
        /// The value and the node that stand beside each other where only one of the two may.
        mixed: Option<(Span, Span)>,
        entries: Vec<ListEntry>,
        start: usize,
    },
}

/// An entry of a list: a value, or a mapping with the nodes and arguments that it gave.
#[derive(Clone, Copy)]
struct ListEntry {
    /// The keys of a mapping; `None` of a value.
    keys: Option<usize>,
    second: Option<Span>,
    /// Where its nodes begin among all that wait for their owner, and its arguments among the owner's.
    nodes_from: usize,
    arguments_from: usize,
    start: usize,
    end: usize,
    /// What stands beside its one node belongs into that.
    is_told: bool,
}

/// The whole heads of a mapping's entries, with their places; the first costs no memory of its own.
#[derive(Default)]
struct Heads<'s> {
    count: usize,
    first: Option<(Cow<'s, str>, Span)>,
    second: Option<Span>,
    more: BTreeMap<Cow<'s, str>, Span>,
}

impl<'s> Heads<'s> {
    /// Adds a head and returns where it stood before, if it did.
    fn insert(&mut self, text: Cow<'s, str>, span: Span) -> Option<Span> {
        self.count += 1;
        let Some((first, place)) = &self.first else {
            self.first = Some((text, span));
            return None;
        };
        self.second.get_or_insert(span);
        if *first == text {
            return Some(*place);
        }
        match self.more.entry(text) {
            Entry::Vacant(vacant) => {
                vacant.insert(span);
                None
            }
            Entry::Occupied(occupied) => Some(*occupied.get()),
        }
    }
}

pub(super) struct Lowering<'s> {
    text: &'s str,
    findings: Findings,
    frames: Vec<Frame<'s>>,
    nodes: Vec<Node<'s>>,
    /// How many nodes are open, which is how deep the tree is here.
    depth: usize,
    /// How many collections are open that are skipped.
    skipped: usize,
    /// Where the last thing ends that was written, as blocks end where the next begins.
    end: usize,
    documents: usize,
    node_count: usize,
    value_count: usize,
    stopped: bool,
    /// Places that say nothing, since what stood there was refused.
    damaged: Vec<Span>,
}

/// What a text holds.
pub(super) struct Lowered<'s> {
    pub(super) nodes: Vec<Node<'s>>,
    pub(super) findings: Findings,
    pub(super) damaged: Vec<Span>,
    /// Whether the parser came to its end.
    pub(super) well_formed: bool,
}

impl<'s> Lowering<'s> {
    pub(super) fn new(text: &'s str, findings: Findings) -> Self {
        Self {
            text,
            findings,
            frames: Vec::new(),
            nodes: Vec::new(),
            depth: 0,
            skipped: 0,
            end: 0,
            documents: 0,
            node_count: 0,
            value_count: 0,
            stopped: false,
            damaged: Vec::new(),
        }
    }

    /// Reads the whole text, up to its first syntax error.
    pub(super) fn run(mut self) -> Lowered<'s> {
        let mut well_formed = true;
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            emit_comments: false,
            flow_nesting_limit: MAX_COLLECTIONS,
            block_nesting_limit: MAX_COLLECTIONS,
        };
        for next in Parser::new_from_str_with_options(self.text, options) {
            match next {
                Ok((event, span)) => {
                    let range = span.byte_range().unwrap_or(self.end..self.end);
                    if let Some(tag) = span.tag_span().and_then(|tag| tag.byte_range()) {
                        let help = "remove the tag; values get their type where they are used";
                        self.problem("yaml::tag", tag, "tags have no meaning here", help);
                    }
                    self.event(event, range.start, range.end);
                }
                Err(_) => {
                    well_formed = false;
                    break;
                }
            }
            if self.stopped || self.findings.is_full() {
                break;
            }
        }
        while let Some(frame) = self.frames.pop() {
            self.close(frame, false);
        }
        let Self { nodes, findings, damaged, .. } = self;
        Lowered { nodes, findings, damaged, well_formed }
    }

    fn problem(
        &mut self,
        code: &'static str,
        range: std::ops::Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::error(code, self.findings.span(range.start, range.end), message).help(help);
        self.findings.add(problem);
    }

    fn event(&mut self, event: Event<'s>, start: usize, end: usize) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "put what follows in a file of its own; the order and number of files have no meaning";
                    self.problem("yaml::documents", start..end, "a file holds one document", help);
                }
            }
            Event::Anchor(..) => {
                let help = "remove the anchor and write the value out where it is used";
                self.problem("yaml::anchor", start..end, "anchors are not allowed", help);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let help = "write the value out here; nothing is said twice by reference";
                self.problem("yaml::alias", start..end, "aliases are not allowed", help);
                self.damaged.push(self.findings.span(start, end));
                self.end = end;
                if self.skipped == 0 {
                    self.without_value(start, end);
                }
            }
            Event::Scalar(text, style, ..) => {
                if end > start {
                    self.end = end;
                }
                if self.skipped == 0 {
                    self.scalar(text, style, start, end);
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) if self.skipped > 0 => self.skipped += 1,
            Event::MappingStart(..) => self.open_mapping(start, end),
            Event::SequenceStart(..) => self.open_list(start, end),
            Event::MappingEnd | Event::SequenceEnd => {
                if matches!(self.text.as_bytes().get(start..end), Some(b"}" | b"]")) {
                    self.end = end;
                }
                if self.skipped > 0 {
                    self.skipped -= 1;
                } else if let Some(frame) = self.frames.pop() {
                    self.close(frame, true);
                }
            }
            _ => {}
        }
    }

    /// Reads an alias, which stands where a key or a value does.
    fn without_value(&mut self, start: usize, end: usize) {
        match self.frames.last_mut() {
            Some(Frame::Mapping { pending, .. }) if pending.is_none() => self.unknown_key(start, end),
            Some(Frame::Mapping { .. }) => self.finish_pending(),
            Some(Frame::List { .. }) | None => {}
        }
    }

    /// Stands for a node whose key cannot be understood, so that its value is passed over.
    fn unknown_key(&mut self, start: usize, end: usize) {
        let span = self.findings.span(start, end);
        if let Some(Frame::Mapping { pending, heads, .. }) = self.frames.last_mut() {
            heads.count += 1;
            *pending = Some(Open {
                kind: Spanned { value: Cow::Borrowed(""), span },
                arguments: Vec::new(),
                children: Vec::new(),
                is_args: false,
                discarded: true,
                start,
                end,
            });
            self.depth += 1;
        }
    }

    fn scalar(&mut self, text: Cow<'s, str>, style: ScalarStyle, start: usize, end: usize) {
        let span = self.findings.span(start, end);
        match self.frames.last_mut() {
            None => {
                if typed(text, style) != Scalar::Null {
                    let help = "write nodes as `kind name: value`";
                    self.problem("yaml::not-a-node", start..end, "a text stands where nodes should be", help);
                }
            }
            Some(Frame::Mapping { pending: pending @ None, .. }) => {
                let _ = pending;
                self.key(text, style, span);
            }
            Some(Frame::Mapping { .. }) => {
                // A value that is left out adds nothing; `~` and `null` are written on purpose.
                if start < end {
                    self.argument(Spanned { value: typed(text, style), span });
                } else if let Some(colour) =
                    self.pending().map(|open| open.end).and_then(|at| self.commented_colour(at))
                {
                    let range = colour.span.start as usize..colour.span.end as usize;
                    let help = format!("write `\"{}\"`", self.source(colour.span));
                    self.problem("yaml::comment", range, "a `#` behind a blank begins a comment", help);
                    self.argument(colour);
                }
                self.finish_pending();
            }
            Some(Frame::List { first_mapping, .. }) => {
                let is_mixed = first_mapping.is_some();
                let is_top = self.frames.len() == 1;
                if is_mixed && style == ScalarStyle::Plain && self.colonless(&text, span) {
                    return;
                }
                let arguments_from = self.pending().map_or(0, |open| open.arguments.len());
                let nodes_from = self.nodes.len();
                if let Some(Frame::List { first_scalar, first_mapping, mixed, entries, .. }) = self.frames.last_mut() {
                    first_scalar.get_or_insert(span);
                    let entry =
                        ListEntry { keys: None, second: None, nodes_from, arguments_from, start, end, is_told: false };
                    entries.push(entry);
                    *mixed = mixed.or(first_mapping.map(|first| (span, first)));
                }
                if is_top && !is_mixed {
                    let help = "write each entry of the list as `- kind name: value`";
                    self.problem("yaml::not-a-node", start..end, "a text stands where nodes should be", help);
                } else {
                    self.argument(Spanned { value: typed(text, style), span });
                }
            }
        }
    }

    /// Reads an entry of a list of nodes that has no colon, such as `- mailbox alice`.
    fn colonless(&mut self, text: &str, span: Span) -> bool {
        let bare = text.split('{').next().unwrap_or_default().trim_end();
        let is_head = bare.starts_with(|it: char| it.is_ascii_lowercase()) && bare.contains(' ') && !bare.contains(':');
        if !is_head {
            return false;
        }
        let (start, end) = (span.start as usize, span.end as usize);
        let rest = text.get(bare.len()..).unwrap_or_default().trim_start();
        let help = format!("write `{}:{}{}`", short(bare), if rest.is_empty() { "" } else { " " }, short(rest));
        self.problem("yaml::colon", start..end, "this entry of the list has no colon", help.trim_end());
        let head = head::split(Cow::Owned(bare.to_owned()));
        let argument = head.argument.map(|(text, ..)| Spanned { value: Scalar::Text(text), span });
        self.depth += 1;
        self.finish(Open {
            kind: Spanned { value: head.kind, span },
            arguments: argument.into_iter().collect(),
            children: Vec::new(),
            is_args: false,
            discarded: false,
            start,
            end,
        });
        true
    }

    fn mixed_list(&mut self, value: Span, node: Span) {
        self.damaged.push(value);
        let text = self.text.get(value.start as usize..value.end as usize).unwrap_or_default();
        if text.contains(' ')
            && text.starts_with(|it: char| it.is_ascii_lowercase())
            && !text.contains(['"', '\'', ':'])
        {
            let help = format!("write `{}:`", short(text));
            let problem = Problem::error("yaml::colon", value, "this entry of the list has no colon").help(help);
            return self.findings.add(problem.related(node, "as this one has"));
        }
        let problem = Problem::error("yaml::mixed-list", value, "a list holds either values or nodes, not both")
            .label("a value")
            .help("write `kind: value` in each entry, and the node's own values as `args: […]`")
            .related(node, "a node");
        self.findings.add(problem);
    }

    /// Reads the head of a node.
    fn key(&mut self, text: Cow<'s, str>, style: ScalarStyle, span: Span) {
        let (start, end) = (span.start as usize, span.end as usize);
        if text == "<<" && style == ScalarStyle::Plain {
            let help = "write the entries out here";
            self.problem("yaml::merge-key", start..end, "merge keys are not allowed", help);
            return self.unknown_key(start, end);
        }
        if text.contains(['\n', '\r']) {
            let help = "write the key on one line: `kind name: value`";
            self.problem("yaml::complex-key", start..end, "a key stands on one line", help);
            return self.unknown_key(start, end);
        }
        if style == ScalarStyle::Plain
            && text.matches('{').count() != text.matches('}').count()
            // In the file, since a text over several lines is put together otherwise than it is written.
            && let Some(bracket) = self.text.get(start..end).and_then(|written| written.find('{'))
        {
            // The parser takes `node { setting` for a key.
            let at = start + bracket;
            let help = "write `key: { … }`, with a blank behind the colon";
            self.problem("yaml::colon", at..end.min(at + 1), "`: ` is missing before this bracket", help);
            self.damaged.push(span);
            return self.unknown_key(start, end);
        }
        if start == end || text.is_empty() || text.starts_with(char::is_whitespace) {
            let help = "write the node's kind before the colon: `kind name: value`";
            self.problem("yaml::empty-key", start..end, "the key does not start with a kind", help);
            return self.unknown_key(start, end);
        }
        if self.continues_number(&text, style, span) {
            return self.unknown_key(start, end);
        }
        self.node_count += 1;
        if self.node_count > MAX_NODES {
            return self.too_many(start..end, format!("the file has more than {MAX_NODES} nodes"));
        }
        if self.node_count + self.value_count > MAX_ENTRIES {
            return self.too_many(start..end, format!("the file has more than {MAX_ENTRIES} nodes and values"));
        }
        let Some(Frame::Mapping { heads, .. }) = self.frames.last_mut() else { return };
        let first = heads.insert(text.clone(), span);
        if let Some(first) = first {
            let problem =
                Problem::error("yaml::duplicate-key", span, format!("the key `{}` stands here twice", short(&text)))
                    .help("remove one of them; nodes that repeat are a list, with `- ` before each")
                    .related(first, "it stands here first");
            self.findings.add(problem);
        }
        let within = self.offset_within(&text, start, end);
        let head = head::split(text);
        let place = |from: usize, to: usize| match within {
            Some(offset) => self.findings.span(offset + from, offset + to),
            None => span,
        };
        let kind = Spanned { span: place(0, head.kind.len()), value: head.kind };
        let argument = head.argument.map(|(text, from, to)| Spanned { value: text, span: place(from, to) });
        if let Some(argument) = &argument
            && style == ScalarStyle::Plain
            && let Some(bare) = head::within_quotes(&argument.value)
        {
            let (start, end) = (argument.span.start as usize, argument.span.end as usize);
            let help = format!("leave the quotes out: `{} {}`", short(&kind.value), short(bare));
            self.problem("yaml::quoted-argument", start..end, "the quotes would belong to the name", help);
        }
        let (kind, stuck) = self.without_stuck_value(kind);
        let is_args = kind.value == "args" && argument.is_none();
        if is_args && self.depth == 0 {
            let help = "write `args` in the mapping of the node whose arguments they are";
            self.problem("yaml::args", start..end, "`args` belongs to no node here", help);
            return self.unknown_key(start, end);
        }
        let arguments = stuck.into_iter().chain(argument);
        let arguments = arguments.map(|Spanned { value, span }| Spanned { value: Scalar::Text(value), span }).collect();
        let open = Open { kind, arguments, children: Vec::new(), is_args, discarded: false, start, end };
        if let Some(Frame::Mapping { pending, .. }) = self.frames.last_mut() {
            *pending = Some(open);
            self.depth += 1;
        }
    }

    /// Takes what stands behind a comma in a number for the rest of it, as in `{ price: 1,20 EUR }`, and tells so.
    fn continues_number(&mut self, text: &str, style: ScalarStyle, span: Span) -> bool {
        let start = span.start as usize;
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let bytes = self.text.as_bytes();
        let stuck = style == ScalarStyle::Plain
            && is_digit(bytes.get(start))
            && start >= 2
            && bytes.get(start - 1) == Some(&b',')
            && is_digit(bytes.get(start - 2));
        if !stuck {
            return false;
        }
        let file = span.file;
        let Some(value) = self.nodes.last_mut().and_then(|node| node.arguments.last_mut()) else { return false };
        let Scalar::Text(number) = &value.value else { return false };
        if value.span.end as usize != start - 1 {
            return false;
        }
        // Three digits are thousands as a rule, and anything else is a fraction.
        let is_whole = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let meant = format!("{number}{}{text}", if is_whole { "" } else { "." });
        let place = Span { start: value.span.start, end: span.end, file };
        *value = Spanned { value: Scalar::Text(Cow::Owned(meant.clone())), span: place };
        let help = format!("write `{}`", short(&meant));
        let range = place.start as usize..place.end as usize;
        self.problem("yaml::decimal-comma", range, "a comma between brackets ends a value", help);
        true
    }

    /// Returns the colour behind a key that was taken for a comment, as in `primary: #0b5fff`, with its place.
    fn commented_colour(&self, from: usize) -> Option<Spanned<Scalar<'s>>> {
        let rest = self.text.get(from..)?;
        let behind = rest.trim_start_matches([':', ' ']);
        let digits = behind.strip_prefix('#')?.bytes().take_while(u8::is_ascii_hexdigit).count();
        let colour = behind.get(..=digits).filter(|_| matches!(digits, 3 | 6))?;
        let ends = behind.get(digits + 1..)?.chars().next().is_none_or(|next| !next.is_alphanumeric());
        let start = from + rest.len() - behind.len();
        let is_value = rest.starts_with(':') && ends;
        is_value.then(|| Spanned {
            value: Scalar::Text(Cow::Borrowed(colour)),
            span: self.findings.span(start, start + colour.len()),
        })
    }

    /// Takes a value off the kind that it is stuck to, as in `tier:basic`.
    fn without_stuck_value(
        &mut self,
        kind: Spanned<Cow<'s, str>>,
    ) -> (Spanned<Cow<'s, str>>, Option<Spanned<Cow<'s, str>>>) {
        let Some((name, value)) = kind.value.split_once(':') else { return (kind, None) };
        if name.is_empty() || value.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return (kind, None);
        }
        let (start, end) = (kind.span.start as usize, kind.span.end as usize);
        let colon = (start + name.len()).min(end);
        let help = format!("write `{}: {}`", short(name), short(value));
        self.problem("yaml::colon", colon..end.min(colon + 1), "a blank is missing behind the colon", &help);
        let value = Spanned { value: Cow::Owned(value.to_owned()), span: self.findings.span(end.min(colon + 1), end) };
        (Spanned { value: Cow::Owned(name.to_owned()), span: self.findings.span(start, colon) }, Some(value))
    }

    /// Returns where a scalar's text starts in the source, if it is spelled there as it is.
    fn offset_within(&self, text: &str, start: usize, end: usize) -> Option<usize> {
        let source = self.text.get(start..end)?;
        if source == text {
            return Some(start);
        }
        (source.get(1..source.len().checked_sub(1)?)? == text).then_some(start + 1)
    }

    /// Gives an argument to the node that waits for its value.
    fn argument(&mut self, argument: Spanned<Scalar<'s>>) {
        self.value_count += 1;
        if self.node_count + self.value_count > MAX_ENTRIES {
            let range = argument.span.start as usize..argument.span.end as usize;
            return self.too_many(range, format!("the file has more than {MAX_ENTRIES} nodes and values"));
        }
        if let Some(open) = self.pending() {
            if open.arguments.is_empty() {
                open.arguments.reserve_exact(1);
            }
            open.arguments.push(argument);
        }
    }

    /// Returns the innermost node that waits for its value.
    fn pending(&mut self) -> Option<&mut Open<'s>> {
        self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Mapping { pending, .. } => pending.as_mut(),
            Frame::List { .. } => None,
        })
    }

    fn too_many(&mut self, range: std::ops::Range<usize>, message: String) {
        if !self.stopped {
            self.problem(
                "yaml::too-many-nodes",
                range,
                message,
                "split the file; the order and number of files have no meaning",
            );
            self.stopped = true;
        }
    }

    fn open_mapping(&mut self, start: usize, end: usize) {
        let span = self.findings.span(start, end);
        let mut in_list = false;
        match self.frames.last_mut() {
            Some(Frame::Mapping { pending: None, .. }) => return self.complex_key(start, end),
            Some(Frame::Mapping { pending: Some(open), .. }) if open.is_args => {
                self.skipped = 1;
                return self.args_are_values(start, end);
            }
            Some(Frame::Mapping { .. }) | None => {}
            Some(Frame::List { first_scalar, first_mapping, mixed, .. }) => {
                in_list = true;
                first_mapping.get_or_insert(span);
                *mixed = mixed.or(first_scalar.map(|first| (first, span)));
                if self.pending().is_some_and(|open| open.is_args) {
                    self.skipped = 1;
                    return self.args_are_values(start, end);
                }
            }
        }
        if self.depth > MAX_DEPTH {
            let message = format!("nodes nest deeper than {MAX_DEPTH} levels");
            self.problem(
                "yaml::too-deep",
                start..end,
                message,
                "what lies deeper is not read; close some of the levels around it",
            );
            self.skipped = 1;
            return;
        }
        let (nodes_from, heads) = (self.nodes.len(), Heads::default());
        if in_list {
            let arguments_from = self.pending().map_or(0, |open| open.arguments.len());
            if let Some(Frame::List { entries, .. }) = self.frames.last_mut() {
                let entry =
                    ListEntry { keys: Some(0), second: None, nodes_from, arguments_from, start, end, is_told: false };
                entries.push(entry);
            }
        }
        self.frames.push(Frame::Mapping { pending: None, heads, nodes_from, in_list, start });
    }

    fn args_are_values(&mut self, start: usize, end: usize) {
        let help = "write them as a list: `args: [one, two]`";
        self.problem("yaml::args", start..end, "`args` holds values, not nodes", help);
        if matches!(self.frames.last(), Some(Frame::Mapping { .. })) {
            self.finish_pending();
        }
    }

    fn open_list(&mut self, start: usize, end: usize) {
        match self.frames.last() {
            Some(Frame::Mapping { pending: None, .. }) => self.complex_key(start, end),
            Some(Frame::List { .. }) => {
                let help = "write each entry as a value or as `kind name: value`";
                self.problem("yaml::nested-list", start..end, "a list in a list has no meaning", help);
                self.skipped = 1;
            }
            Some(Frame::Mapping { .. }) | None => {
                let nodes_from = self.nodes.len();
                self.frames.push(Frame::List {
                    nodes_from,
                    first_scalar: None,
                    first_mapping: None,
                    mixed: None,
                    entries: Vec::new(),
                    start,
                });
            }
        }
    }

    fn complex_key(&mut self, start: usize, end: usize) {
        let help = "write the key as `kind name`; text with `{`, `[` or `? ` at its start needs quotes";
        self.problem("yaml::complex-key", start..end, "a key is a text, not a list or a mapping", help);
        self.unknown_key(start, end);
        self.skipped = 1;
    }

    /// Ends a collection; `told` is false where the file broke off in it.
    fn close(&mut self, frame: Frame<'s>, complete: bool) {
        let mut made = false;
        let nodes_from = match frame {
            Frame::Mapping { pending, heads, nodes_from, in_list, start } => {
                if let Some(open) = pending {
                    self.finish(open);
                }
                if in_list && complete {
                    let is_told = heads.count >= 2 && self.settings_go_in(nodes_from, heads.count);
                    let last = self.end;
                    if let Some(Frame::List { entries, .. }) = self.frames.last_mut()
                        && let Some(entry) = entries.last_mut()
                    {
                        *entry = ListEntry {
                            keys: Some(heads.count),
                            second: heads.second,
                            start,
                            end: last.max(start),
                            is_told,
                            ..*entry
                        };
                    }
                }
                nodes_from
            }
            Frame::List { nodes_from, mixed, entries, start, .. } => {
                if complete {
                    made = self.judge_list(nodes_from, mixed, &entries, start);
                } else if let Some((value, node)) = mixed {
                    self.mixed_list(value, node);
                }
                nodes_from
            }
        };
        // What a collection in a list holds is its node's when the list ends.
        if matches!(self.frames.last(), Some(Frame::Mapping { .. })) {
            if !made {
                let nodes: Vec<Node<'s>> = self.nodes.drain(nodes_from..).collect();
                if let Some(open) = self.pending() {
                    open.children = nodes;
                }
            }
            self.finish_pending();
        }
    }

    /// Moves settings that stand beside the one node of a list's entry into it; returns whether there are any.
    fn settings_go_in(&mut self, nodes_from: usize, count: usize) -> bool {
        let is_setting =
            |node: &Node<'s>| node.arguments.len() + node.properties.len() <= 1 && node.children.is_empty();
        let all_there = self.nodes.len() == nodes_from + count;
        if count < 2 || !all_there || !self.nodes.iter().skip(nodes_from + 1).all(is_setting) {
            return false;
        }
        // Only of a node with a name in its key it is sure that the others are its own.
        if !self.nodes.get(nodes_from).is_some_and(|node| self.is_named(node)) {
            return false;
        }
        let kind = self.nodes.get(nodes_from).map(|node| node.kind.value.clone());
        if self.nodes.iter().skip(nodes_from + 1).any(|node| Some(&node.kind.value) == kind.as_ref()) {
            return false;
        }
        let settings: Vec<Node<'s>> = self.nodes.drain(nodes_from + 1..).collect();
        if let (Some(first), Some(last)) = (self.nodes.last_mut(), settings.last()) {
            first.span.end = first.span.end.max(last.span.end);
            first.children.extend(settings);
        }
        true
    }

    /// Tells whether a node has its first argument in its key.
    fn is_named(&self, node: &Node<'s>) -> bool {
        let between = node.arguments.first().map(|name| (node.kind.span.end as usize, name.span.start as usize));
        let between = between.and_then(|(from, to)| self.text.get(from..to));
        between.is_some_and(|between| between.bytes().all(|byte| byte == b' '))
    }

    /// Tells of the entries of a list that are not nodes; returns whether each of them was made a node beside the others.
    fn judge_list(
        &mut self,
        nodes_from: usize,
        mixed: Option<(Span, Span)>,
        entries: &[ListEntry],
        start: usize,
    ) -> bool {
        let is_settings = |entry: &&ListEntry| entry.keys.is_some_and(|keys| keys > 1) && !entry.is_told;
        if let Some(settings) = entries.iter().find(is_settings).copied()
            && self.pending().is_some_and(|owner| !owner.is_args)
        {
            if let [only] = entries {
                let help = match self.text.as_bytes().get(start) {
                    Some(b'[') => "leave the `[` and `]` around them out",
                    _ => "write a blank in place of the dash",
                };
                let key = self.text.get(only.start..).and_then(|rest| rest.find(':')).unwrap_or(0);
                let range = only.start..only.start + key;
                self.problem("yaml::list-entry", range, "settings of one node stand in no list", help);
                return false;
            }
            if self.are_alike(&settings, entries) {
                self.one_node_each(nodes_from, entries);
                return true;
            }
        }
        if let Some((value, node)) = mixed {
            self.mixed_list(value, node);
        }
        for entry in entries {
            let (message, help) = match entry.keys {
                None | Some(1) => continue,
                Some(0) => ("this entry of the list has no key".to_owned(), None),
                Some(count) => (
                    format!("this entry of the list has {count} keys, and a node has one"),
                    entry.second.filter(|_| !entry.is_told),
                ),
            };
            let help = match help.and_then(|key| self.text.get(key.start as usize..key.end as usize)) {
                Some(key) => format!("write it as an entry of its own: `- {}: …`", short(key)),
                None => "write each node as `- kind name: { … }`, with what belongs to it inside".to_owned(),
            };
            let range = entry.second.map_or(entry.start..entry.start, |span| span.start as usize..span.end as usize);
            self.problem("yaml::list-entry", range, message, help);
        }
        false
    }

    /// Returns the nodes that an entry of a list gave, before its list's owner has them.
    fn nodes_of(&self, entry: &ListEntry, entries: &[ListEntry]) -> &[Node<'s>] {
        let next = entries.iter().find(|other| other.start > entry.start);
        let end = next.map_or(self.nodes.len(), |next| next.nodes_from);
        self.nodes.get(entry.nodes_from..end).unwrap_or_default()
    }

    /// Tells whether all entries of a list say the same of several nodes of the kind that the list is named by.
    fn are_alike(&mut self, settings: &ListEntry, entries: &[ListEntry]) -> bool {
        let is_nameless = entries.first().is_some_and(|first| first.arguments_from == 0);
        if !is_nameless || self.pending().is_none_or(|owner| owner.discarded) {
            return false;
        }
        let nodes = self.nodes_of(settings, entries);
        let is_bare = nodes.first().is_none_or(|node| !self.is_named(node));
        let said = |node: &Node<'s>| nodes.iter().any(|other| other.kind.value == node.kind.value);
        let is_alike = |entry: &ListEntry| {
            entry.keys.is_none()
                || entry.start == settings.start
                || self.nodes_of(entry, entries).iter().any(said)
                || (self.nodes_of(entry, entries).is_empty() && entry.keys.is_some_and(|keys| keys > 0))
        };
        is_bare && entries.iter().all(is_alike)
    }

    /// Makes a node of each entry of a list, all of the kind that the list is named by.
    fn one_node_each(&mut self, nodes_from: usize, entries: &[ListEntry]) {
        let Some(owner) = self.pending() else { return };
        owner.discarded = true;
        let kind = owner.kind.clone();
        let mut arguments = std::mem::take(&mut owner.arguments);
        let mut nodes: Vec<Node<'s>> = self.nodes.drain(nodes_from..).collect();
        let mut made = Vec::with_capacity(entries.len());
        for entry in entries.iter().rev() {
            let mut children = nodes.split_off((entry.nodes_from - nodes_from).min(nodes.len()));
            let mut own = arguments.split_off(entry.arguments_from.min(arguments.len()));
            // What other languages write as a setting is the node's argument here.
            if own.is_empty() && children.first().is_some_and(|child| child.kind.value == "name") {
                own = children.remove(0).arguments;
            }
            let span = self.findings.span(entry.start, entry.end);
            made.push(Node { kind: kind.clone(), arguments: own, properties: Vec::new(), children, span });
        }
        made.reverse();
        let shown = |node: &Node<'s>| {
            let argument = node.arguments.first().map(|argument| self.source(argument.span));
            let settings: Vec<&str> = node.children.iter().map(|child| self.source(child.span)).collect();
            let settings = settings.join(", ");
            let settings = if settings.contains('\n') || settings.len() > 80 { "…" } else { settings.as_str() };
            match argument {
                Some(argument) if node.children.is_empty() => format!("{} {argument}:", kind.value),
                Some(argument) => format!("{} {argument}: {{ {settings} }}", kind.value),
                None => format!("- {}: {{ {settings} }}", kind.value),
            }
        };
        let example =
            made.iter().find(|node| !node.children.is_empty()).or(made.first()).map(shown).unwrap_or_default();
        let help = match example.starts_with('-') {
            true => format!(
                "write `{example}` for each, as entries of a list in which all that stands beside `{}` begins with a dash, too",
                kind.value
            ),
            false => format!("write each as a key of its own, as in `{example}`"),
        };
        let message = format!("each `{}` is a node of its own, not an entry of a list", short(&kind.value));
        let (start, end) = (kind.span.start as usize, kind.span.end as usize);
        self.problem("yaml::list-entry", start..end, message, help);
        self.nodes.extend(made);
    }

    /// Returns what is written at a place.
    fn source(&self, span: Span) -> &'s str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default().trim_end()
    }

    fn finish_pending(&mut self) {
        if let Some(Frame::Mapping { pending, .. }) = self.frames.last_mut()
            && let Some(open) = pending.take()
        {
            self.finish(open);
        }
    }

    fn finish(&mut self, mut open: Open<'s>) {
        self.depth -= 1;
        if open.discarded {
            return;
        }
        open.end = open.end.max(self.end);
        self.end = open.end;
        if open.is_args {
            // The node around it waits for its value below this mapping.
            if let Some(around) = self.pending() {
                around.arguments.append(&mut open.arguments);
            }
            return;
        }
        // What is said of the next file's edition is part of the problem that there is one.
        if self.documents > 1 && self.depth == 0 && open.kind.value == "language" {
            return;
        }
        open.arguments.shrink_to_fit();
        let span = self.findings.span(open.start, open.end);
        let Open { kind, arguments, children, .. } = open;
        self.nodes.push(Node { kind, arguments, properties: Vec::new(), children, span });
    }
}

/// Returns what a scalar says: only plain ones can be flags or null, and numbers stay texts.
fn typed(text: Cow<'_, str>, style: ScalarStyle) -> Scalar<'_> {
    match text.as_ref() {
        "true" if style == ScalarStyle::Plain => Scalar::Flag(true),
        "false" if style == ScalarStyle::Plain => Scalar::Flag(false),
        "" | "~" | "null" if style == ScalarStyle::Plain => Scalar::Null,
        _ => Scalar::Text(text),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
