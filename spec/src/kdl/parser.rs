//! From tokens to the tree, without recursion: open blocks stand on a stack of their own.

use super::indents::Braces;
use super::lexer::{Lexer, Token, TokenKind};
use super::values::starts_entry;
use super::words;
use crate::problem::Problem;
use crate::read::{Findings, MAX_DEPTH, MAX_ENTRIES, MAX_NODES};
use crate::tree::{Node, Property, Scalar, Spanned};
use std::borrow::Cow;

/// A node that is being read.
pub(super) struct Open<'s> {
    kind: Spanned<Cow<'s, str>>,
    arguments: Vec<Spanned<Scalar<'s>>>,
    properties: Vec<Property<'s>>,
    children: Vec<Node<'s>>,
    start: usize,
    end: usize,
    /// A slashdash stands before it, or it has no kind.
    discarded: bool,
    /// A block of children was read, which ends the node.
    has_block: bool,
    /// A block with a slashdash was read, behind which only blocks may stand.
    has_dashed_block: bool,
    /// The marks between its values that were told of.
    marks: Marks,
}

/// Marks that lists have in other languages, each told once a node.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    comma: bool,
    bracket: bool,
}

/// A block of children that is being read, with the node that it belongs to.
pub(super) struct Block<'s> {
    owner: Open<'s>,
    /// The nodes that stand before it in the block around it.
    before: Vec<Node<'s>>,
    /// Where its `{` stands.
    pub(super) open: usize,
    /// How far the line is indented that it was opened on.
    pub(super) indent: usize,
    /// The line that it was opened on.
    pub(super) line: usize,
    /// A slashdash stands before it.
    discarded: bool,
}

impl<'s> Block<'s> {
    /// Returns a block whose node was taken for one without any.
    pub(super) fn of(node: Node<'s>, before: Vec<Node<'s>>, open: usize, indent: usize, line: usize) -> Self {
        let Node { kind, arguments, properties, children, span } = node;
        let owner = Open {
            kind,
            arguments,
            properties,
            children,
            start: span.start as usize,
            end: span.end as usize,
            discarded: false,
            has_block: false,
            has_dashed_block: false,
            marks: Marks::default(),
        };
        Self { owner, before, open, indent, line, discarded: false }
    }
}

/// Where the parser goes on.
pub(super) enum Step<'s> {
    /// Between two nodes.
    Between,
    /// Behind a node's kind, an entry or a block of it.
    Within(Open<'s>),
    /// At the end of the file.
    Done,
}

pub(super) struct Parser<'s> {
    pub(super) text: &'s str,
    pub(super) findings: Findings,
    /// Whether the text is all of the file; if not, its end explains nothing.
    pub(super) complete: bool,
    /// What decides where a block ends.
    pub(super) braces: Braces,
    lexer: Lexer<'s>,
    pub(super) token: Option<Token>,
    /// Whether blanks stand before the current token.
    spaced: bool,
    /// Whether only blanks stand before the current token on its line.
    pub(super) fresh: bool,
    /// How far the current line is indented, in bytes.
    pub(super) indent: usize,
    /// The lines that were ended.
    pub(super) line: usize,
    /// Where the token before the current one ends.
    pub(super) consumed: usize,
    pub(super) blocks: Vec<Block<'s>>,
    /// A block and the `}` that closed it but stood further left than its line.
    pub(super) suspect: Option<(usize, usize)>,
    /// How many blocks began with two `{`.
    doubled: usize,
    /// The nodes of the innermost block so far.
    pub(super) nodes: Vec<Node<'s>>,
    /// Room for the nodes of blocks to come, no more than there are levels.
    spare: Vec<Vec<Node<'s>>>,
    arguments: Vec<Spanned<Scalar<'s>>>,
    properties: Vec<Property<'s>>,
    node_count: usize,
    value_count: usize,
    stopped: bool,
}

impl<'s> Parser<'s> {
    pub(super) fn new(text: &'s str, findings: Findings, complete: bool, braces: Braces) -> Self {
        let mut lexer = Lexer::new(text);
        let token = lexer.next();
        Self {
            text,
            findings,
            complete,
            braces,
            lexer,
            token,
            spaced: true,
            fresh: true,
            indent: 0,
            line: 0,
            consumed: 0,
            blocks: Vec::new(),
            suspect: None,
            doubled: 0,
            nodes: Vec::new(),
            spare: Vec::new(),
            arguments: Vec::new(),
            properties: Vec::new(),
            node_count: 0,
            value_count: 0,
            stopped: false,
        }
    }

    /// Reads the whole text.
    pub(super) fn run(mut self) -> (Vec<Node<'s>>, Findings) {
        let mut step = Step::Between;
        loop {
            if self.findings.is_full() || self.stopped {
                self.stopped = true;
                self.token = None;
            }
            step = match step {
                Step::Between => self.between(),
                Step::Within(node) => self.within(node),
                Step::Done => break,
            };
        }
        (self.nodes, self.findings)
    }

    pub(super) fn kind(&self) -> Option<TokenKind> {
        self.token.map(|token| token.kind)
    }

    /// Goes to the next token.
    pub(super) fn advance(&mut self) {
        if let Some(token) = self.token {
            self.spaced = false;
            self.consumed = token.end;
            match token.kind {
                TokenKind::Newline => {
                    self.fresh = true;
                    self.indent = 0;
                    self.line += 1;
                }
                TokenKind::Space if self.fresh => self.indent = token.end - token.start,
                _ => self.fresh = false,
            }
        }
        self.token = self.lexer.next();
    }

    /// Returns the place of the current token, or of the end.
    pub(super) fn here(&self) -> (usize, usize) {
        self.token.map_or((self.text.len(), self.text.len()), |token| (token.start, token.end))
    }

    /// Skips blanks within a node: white space, block comments and continued lines.
    pub(super) fn node_space(&mut self) {
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::Space | TokenKind::BlockComment => self.advance(),
                TokenKind::UnclosedComment => self.unclosed_comment(token),
                TokenKind::Backslash => self.continuation(token),
                _ => return,
            }
            self.spaced = true;
            if self.findings.is_full() {
                self.token = None;
            }
        }
    }

    /// Skips blanks between nodes.
    fn line_space(&mut self) {
        loop {
            self.node_space();
            match self.kind() {
                Some(
                    TokenKind::Newline | TokenKind::LineComment | TokenKind::ByteOrderMark | TokenKind::Disallowed,
                ) => self.advance(),
                _ => return,
            }
            self.spaced = true;
        }
    }

    fn unclosed_comment(&mut self, token: Token) {
        if self.complete {
            let (start, end) = (token.start, token.start + 2);
            let help = "write `*/` where it ends; comments nest, so each `/*` needs its own";
            self.problem("kdl::unclosed-comment", start, end, "the comment is not closed", help);
        }
        self.advance();
    }

    /// Reads a backslash that should continue the line.
    fn continuation(&mut self, backslash: Token) {
        self.advance();
        while let Some(TokenKind::Space | TokenKind::BlockComment) = self.kind() {
            self.advance();
        }
        if self.kind() == Some(TokenKind::LineComment) {
            self.advance();
        }
        match self.kind() {
            Some(TokenKind::Newline) => self.advance(),
            None => {}
            Some(_) => self.problem(
                "kdl::stray-backslash",
                backslash.start,
                backslash.end,
                "a `\\` outside of quotes continues a line, so nothing but a comment may follow it",
                "break the line behind it, or put the text that it belongs to in quotes and write `\\\\`",
            ),
        }
    }

    fn between(&mut self) -> Step<'s> {
        self.line_space();
        let Some(token) = self.token else { return self.end() };
        if let Some(step) = self.by_indentation(token) {
            return step;
        }
        match token.kind {
            TokenKind::CloseBrace => self.close_block(token),
            TokenKind::Semicolon => {
                self.problem(
                    "kdl::stray-semicolon",
                    token.start,
                    token.end,
                    "there is no node before this `;`",
                    "remove it",
                );
                self.advance();
                Step::Between
            }
            TokenKind::Slashdash => {
                self.advance();
                self.line_space();
                match self.kind() {
                    Some(TokenKind::CloseBrace | TokenKind::Semicolon | TokenKind::Slashdash) | None => {
                        self.dangling_slashdash(token);
                        Step::Between
                    }
                    Some(_) => self.node(true),
                }
            }
            _ if self.foreign_line(token) => Step::Between,
            _ => self.node(false),
        }
    }

    fn dangling_slashdash(&mut self, dash: Token) {
        if self.token.is_none() && !self.complete {
            return;
        }
        let message = "`/-` takes out what follows it, and nothing does";
        let help = "remove it, or write it in front of a node, a value, a property or a block";
        self.problem("kdl::dangling-slashdash", dash.start, dash.end, message, help);
    }

    /// Reads the head of a node: its kind.
    fn node(&mut self, discarded: bool) -> Step<'s> {
        let (start, _) = self.here();
        if self.kind() == Some(TokenKind::OpenParenthesis) {
            self.annotation();
            self.node_space();
        }
        let Some(token) = self.token else { return Step::Between };
        let node = |kind: Spanned<Cow<'s, str>>, discarded| Open {
            start,
            end: kind.span.end as usize,
            kind,
            arguments: Vec::new(),
            properties: Vec::new(),
            children: Vec::new(),
            discarded,
            has_block: false,
            has_dashed_block: false,
            marks: Marks::default(),
        };
        match token.kind {
            TokenKind::OpenBrace if self.is_doubled(token) => {
                let message = "this `{` stands behind another one, and a block begins with one";
                let help = "remove it, and its `}` where there is one";
                self.problem("kdl::missing-kind", token.start, token.end, message, help);
                self.doubled += 1;
                self.advance();
                Step::Between
            }
            TokenKind::OpenBrace => {
                let message = "a block of children without a node to belong to";
                let help = "write the node's kind in front of the `{`, on the same line";
                self.problem("kdl::missing-kind", token.start, token.end, message, help);
                let kind = Spanned { value: Cow::Borrowed(""), span: self.findings.span(token.start, token.start) };
                self.open_block(node(kind, true), token, true)
            }
            TokenKind::Word
            | TokenKind::Number
            | TokenKind::Keyword
            | TokenKind::String(_)
            | TokenKind::UnclosedString(_)
            | TokenKind::OldRawString
            | TokenKind::Stray => {
                let kind = self.text_here(token, "a node's kind");
                self.count_node(token);
                Step::Within(node(kind, discarded))
            }
            TokenKind::Newline | TokenKind::Semicolon | TokenKind::LineComment | TokenKind::CloseBrace => {
                // Only an annotation leads here.
                let message = "there is no node behind the type annotation";
                self.problem("kdl::malformed-annotation", start, token.start, message, "remove it");
                Step::Between
            }
            _ => {
                self.stray(token);
                Step::Between
            }
        }
    }

    fn count_node(&mut self, token: Token) {
        self.node_count += 1;
        if self.node_count > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} nodes");
            self.too_many(token, message);
        }
        self.count_entry(token);
    }

    fn count_entry(&mut self, token: Token) {
        if self.node_count + self.value_count > MAX_ENTRIES {
            let message = format!("the file has more than {MAX_ENTRIES} nodes, arguments and properties");
            self.too_many(token, message);
        }
    }

    fn count_value(&mut self, token: Token) {
        self.value_count += 1;
        self.count_entry(token);
    }

    fn too_many(&mut self, token: Token, message: String) {
        if !self.stopped {
            let help = "split the file; the order and number of files have no meaning";
            self.problem("kdl::too-many-nodes", token.start, token.end, message, help);
            self.stopped = true;
            self.token = None;
        }
    }

    /// Reads what may follow a node's kind until the node ends or a block opens.
    fn within(&mut self, mut node: Open<'s>) -> Step<'s> {
        loop {
            self.node_space();
            let Some(token) = self.token else {
                self.finish(node);
                return Step::Between;
            };
            match token.kind {
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::LineComment => {
                    self.suspect_swallowed(token);
                    self.advance();
                    self.finish(node);
                    return Step::Between;
                }
                TokenKind::CloseBrace => {
                    self.finish(node);
                    return Step::Between;
                }
                TokenKind::OpenBrace => {
                    if node.has_block {
                        let message = "the node has a block of children already";
                        self.problem(
                            "kdl::second-block",
                            token.start,
                            token.end,
                            message,
                            "put all children in one block",
                        );
                    }
                    return self.open_block(node, token, false);
                }
                TokenKind::Slashdash => {
                    if !self.spaced && !node.has_block {
                        self.missing_space(token);
                    }
                    self.advance();
                    self.line_space();
                    let Some(behind) = self.token else {
                        self.dangling_slashdash(token);
                        continue;
                    };
                    match behind.kind {
                        TokenKind::OpenBrace => return self.open_block(node, behind, true),
                        kind if starts_entry(kind) => {
                            if !self.may_have_entry(&mut node, behind) {
                                self.finish(node);
                                return Step::Between;
                            }
                            self.entry(&mut node, true);
                        }
                        _ => self.dangling_slashdash(token),
                    }
                }
                _ if self.list_mark(&mut node, token) => {}
                kind if starts_entry(kind) => {
                    if !self.may_have_entry(&mut node, token) {
                        self.finish(node);
                        return Step::Between;
                    }
                    if !self.spaced {
                        self.missing_space(token);
                    }
                    self.entry(&mut node, false);
                }
                TokenKind::Equals => self.stray_equals(&mut node, token),
                TokenKind::Disallowed | TokenKind::ByteOrderMark => {
                    self.advance();
                    self.spaced = true;
                }
                _ => self.stray(token),
            }
        }
    }

    /// Skips a bracket, or a comma that is stuck to a string, as lists have in other languages.
    fn list_mark(&mut self, node: &mut Open<'s>, token: Token) -> bool {
        let text = token.text(self.text);
        let is_bracket = token.kind == TokenKind::Stray && matches!(text, "[" | "]");
        // A comma by itself is a word.
        let is_comma = (!self.spaced || node.marks.bracket)
            && token.kind == TokenKind::Word
            && text.bytes().all(|byte| byte == b',');
        if is_bracket && !std::mem::replace(&mut node.marks.bracket, true) {
            let message = format!("`{text}`: there are no lists in square brackets");
            let help = "write the values one after the other, with blanks between them and nothing around them";
            self.problem("kdl::list", token.start, token.end, message, help);
            // What stands between its values goes with it.
            node.marks.comma = true;
        }
        if is_comma {
            self.comma(node, token.start);
        }
        if is_bracket || is_comma {
            self.advance();
            self.spaced = true;
        }
        is_bracket || is_comma
    }

    /// Reads a word between brackets that a comma is stuck to.
    fn listed(&mut self, node: &Open<'s>, token: Token) -> Option<Spanned<Scalar<'s>>> {
        let is_word = matches!(token.kind, TokenKind::Word | TokenKind::Number);
        let word = token.text(self.text).strip_suffix(',').filter(|_| is_word && node.marks.bracket)?;
        self.advance();
        let value = match super::is_number(word) {
            true => Scalar::Number(Cow::Borrowed(word)),
            false => Scalar::Text(Cow::Borrowed(word)),
        };
        Some(Spanned { value, span: self.findings.span(token.start, token.end - 1) })
    }

    /// Tells of the first comma between the values of a node.
    fn comma(&mut self, node: &mut Open<'s>, at: usize) {
        if !std::mem::replace(&mut node.marks.comma, true) {
            let help = "write a blank in its place, and in place of those behind it";
            self.problem("kdl::comma", at, at + 1, "values stand behind each other without commas", help);
        }
    }

    fn missing_space(&mut self, token: Token) {
        let message = "two values need a blank between them";
        self.problem("kdl::missing-space", token.start, token.start, message, "write a blank here");
    }

    /// Says whether the node may still have entries; tells the problem if not.
    fn may_have_entry(&mut self, node: &mut Open<'s>, token: Token) -> bool {
        if node.has_block {
            let message = "a node ends with its block of children";
            let help = "start a new line or write `;` before the next node; values stand before the block";
            self.problem("kdl::behind-block", token.start, token.end, message, help);
            return false;
        }
        if node.has_dashed_block {
            let message = "behind a block that is taken out only other blocks may stand";
            let help = "write the values before the `/-`";
            self.problem("kdl::behind-block", token.start, token.end, message, help);
            node.has_dashed_block = false;
        }
        true
    }

    /// Warns of a URL without quotes, half of which is a comment.
    fn suspect_swallowed(&mut self, token: Token) {
        let before = self.text.get(..token.start).unwrap_or_default();
        if token.kind == TokenKind::LineComment && !self.spaced && before.ends_with(':') {
            let span = self.findings.span(token.start, token.end);
            let problem = Problem::warning("kdl::comment-in-word", span, "from here on this is a comment");
            self.findings.add(problem.help("put the address in quotes, or write a blank before the comment"));
        }
    }

    fn stray(&mut self, token: Token) {
        let text = token.text(self.text);
        let help = if token.kind == TokenKind::CloseParenthesis {
            "remove it, or put the text that it belongs to in quotes"
        } else {
            "remove it, or put the text that it belongs to in quotes; a property is `name=value`"
        };
        let message = format!("`{text}` means nothing here");
        self.problem("kdl::stray-character", token.start, token.end, message, help);
        self.advance();
    }

    /// Reads an `=` that has no name before it.
    fn stray_equals(&mut self, node: &mut Open<'s>, token: Token) {
        let first = self.arguments.is_empty() && self.properties.is_empty() && !node.has_block;
        if first && !node.has_dashed_block {
            let kind = words::excerpt(&node.kind.value).into_owned();
            let behind = Lexer::new(self.text.get(token.end..).unwrap_or_default())
                .find(|token| token.kind != TokenKind::Space)
                .map(|found| found.text(self.text.get(token.end..).unwrap_or_default()))
                .filter(|text| text.len() <= 64 && !text.contains('\n'));
            let message = "a node's kind is followed by its values, without `=`";
            let help =
                format!("write `{kind} {}`; only a property of a node is `name=value`", behind.unwrap_or("value"));
            self.problem("kdl::node-with-equals", token.start, token.end, message, help);
        } else if self.spaced {
            let message = "there is no name before this `=`";
            self.problem("kdl::stray-equals", token.start, token.end, message, "write the property as `name=value`");
        } else {
            let message = "a value ends before this `=`";
            let help =
                "put the value in quotes if the `=` belongs to it; a property's name may not be a number or a keyword";
            self.problem("kdl::stray-equals", token.start, token.end, message, help);
        }
        self.advance();
        self.node_space();
        if let Some(value) = self.value() {
            node.end = value.span.end as usize;
            if first {
                self.arguments.push(value);
            }
        }
    }

    /// Reads an argument or a property.
    fn entry(&mut self, node: &mut Open<'s>, discarded: bool) {
        let Some(token) = self.token else { return };
        self.count_value(token);
        let scalar = match self.listed(node, token).or_else(|| self.value()) {
            Some(scalar) => scalar,
            None => return,
        };
        let is_name = matches!(scalar.value, Scalar::Text(_)) && token.kind != TokenKind::OpenParenthesis;
        self.node_space();
        let equals = match self.token {
            Some(equals) if equals.kind == TokenKind::Equals && is_name => equals,
            _ => {
                if !discarded {
                    node.end = scalar.span.end as usize;
                    self.arguments.push(scalar);
                }
                return;
            }
        };
        self.advance();
        self.node_space();
        while let Some(bracket) = self.token.filter(|token| matches!(token.text(self.text), "[")) {
            self.list_mark(node, bracket);
            self.node_space();
        }
        let Some(value) = self.value() else {
            let name = token.text(self.text);
            let message = format!("the property `{}` has no value", words::excerpt(name));
            let help = format!("write the value behind the `=`, such as `{}=\"…\"`", words::excerpt(name));
            if self.token.is_some() || self.complete {
                self.problem("kdl::missing-value", token.start, equals.end, message, help);
            }
            return;
        };
        if let (Scalar::Text(name), false) = (scalar.value, discarded) {
            node.end = value.span.end as usize;
            self.properties.push(Property { name: Spanned { value: name, span: scalar.span }, value });
        }
    }

    fn open_block(&mut self, mut owner: Open<'s>, token: Token, discarded: bool) -> Step<'s> {
        self.seal(&mut owner);
        let (indent, line) = (self.indent, self.line);
        self.advance();
        if self.blocks.len() >= MAX_DEPTH {
            self.skip_block(token);
            owner.has_block |= !discarded;
            owner.has_dashed_block |= discarded;
            return Step::Within(owner);
        }
        let before = std::mem::replace(&mut self.nodes, self.spare.pop().unwrap_or_default());
        self.blocks.push(Block { owner, before, open: token.start, indent, line, discarded });
        Step::Between
    }

    /// Skips a block that lies too deep.
    fn skip_block(&mut self, open: Token) {
        let message = format!("blocks nest deeper than {MAX_DEPTH} levels");
        let help = "what lies deeper is not read; close some of the blocks around it";
        self.problem("kdl::too-deep", open.start, open.end, message, help);
        let mut depth = 1_usize;
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::OpenBrace => depth += 1,
                TokenKind::CloseBrace => depth -= 1,
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return;
            }
        }
    }

    /// Tells whether nothing but blanks stands between a `{` and that of the block around it.
    fn is_doubled(&self, token: Token) -> bool {
        let between = self.blocks.last().and_then(|block| self.text.get(block.open + 1..token.start));
        self.nodes.is_empty() && between.is_some_and(|between| between.chars().all(|it| matches!(it, ' ' | '\t')))
    }

    fn close_block(&mut self, token: Token) -> Step<'s> {
        let Some(block) = self.blocks.pop() else {
            if self.doubled > 0 {
                self.doubled -= 1;
                self.advance();
                return Step::Between;
            }
            let message = "this `}` closes nothing";
            self.problem(
                "kdl::stray-brace",
                token.start,
                token.end,
                message,
                "remove it, or write the `{` that it belongs to",
            );
            self.advance();
            return Step::Between;
        };
        if self.fresh && self.suspect.is_none() && self.indent < block.indent {
            self.suspect = Some((block.open, token.start));
        }
        self.advance();
        Step::Within(self.adopt(block, token.end))
    }

    /// Gives the nodes of a block to the node that it belongs to.
    pub(super) fn adopt(&mut self, block: Block<'s>, end: usize) -> Open<'s> {
        let mut owner = block.owner;
        let mut nodes = std::mem::replace(&mut self.nodes, block.before);
        if block.discarded {
            nodes.clear();
            owner.has_dashed_block = true;
        } else {
            move_all(&mut nodes, &mut owner.children);
            owner.has_block = true;
            owner.end = end;
        }
        self.spare.push(nodes);
        owner
    }

    /// Moves the entries that were read to their node.
    fn seal(&mut self, node: &mut Open<'s>) {
        move_all(&mut self.arguments, &mut node.arguments);
        move_all(&mut self.properties, &mut node.properties);
    }

    pub(super) fn finish(&mut self, mut node: Open<'s>) {
        self.seal(&mut node);
        if !node.discarded {
            let span = self.findings.span(node.start, node.end);
            let Open { kind, arguments, properties, children, .. } = node;
            self.nodes.push(Node { kind, arguments, properties, children, span });
        }
    }

    /// Ends the file, and the blocks that are still open.
    fn end(&mut self) -> Step<'s> {
        // A comment that goes to the end of the file hides what would close them.
        let hidden = self.findings.problems().iter().any(|problem| problem.code == "kdl::unclosed-comment");
        if !self.blocks.is_empty() && self.complete && !self.stopped && !hidden {
            self.unclosed_blocks();
        }
        let end = self.text.len();
        while let Some(block) = self.blocks.pop() {
            let owner = self.adopt(block, end);
            self.finish(owner);
        }
        Step::Done
    }
}

/// Moves what was collected to where it belongs, without room that is not needed.
fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if from.is_empty() {
        return;
    }
    if !to.is_empty() {
        to.append(from);
    } else if from.len() > 1_024 {
        // Copying these would take as much room again for a moment.
        *to = std::mem::take(from);
    } else {
        to.reserve_exact(from.len());
        to.append(from);
    }
}
