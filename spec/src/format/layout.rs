//! A document as its author laid it out: the nodes with all comments, slashdashes, empty lines and continued lines between them.
//!
//! The tree says what a document means; this says how it is written. It is only made of texts that the reader found nothing wrong
//! with, so that it takes each token for what it seems to be. Blocks nest no deeper than the reader allows.

use crate::kdl::{Lexer, Token, TokenKind};

/// A comment as it is written, with its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comment<'s> {
    /// The comment, from `//` or `/*` to its end.
    pub(crate) text: &'s str,
    /// Where it starts.
    pub(crate) start: usize,
}

impl Comment<'_> {
    /// Tells whether the comment ends with its line.
    pub(crate) fn is_line(&self) -> bool {
        self.text.starts_with("//")
    }
}

/// Something between two nodes or two parts of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap<'s> {
    /// A comment.
    Comment(Comment<'s>),
    /// The line is continued here.
    Break,
}

/// A line of a block: a node, comments, or both.
#[derive(Clone, Debug)]
pub(crate) struct Item<'s> {
    /// An empty line stands before it.
    pub(crate) blank_before: bool,
    /// Comments on the line, before the node if there is one.
    pub(crate) comments: Vec<Comment<'s>>,
    /// The node.
    pub(crate) node: Option<LaidNode<'s>>,
}

/// A node with all that stands within and behind it.
#[derive(Clone, Debug)]
pub(crate) struct LaidNode<'s> {
    /// The slashdash that takes it out.
    pub(crate) dash: Option<Dash<'s>>,
    /// The kind.
    pub(crate) kind: Token,
    /// What follows the kind.
    pub(crate) parts: Vec<Part<'s>>,
    /// Comments behind it on its last line.
    pub(crate) trailing: Vec<Comment<'s>>,
    /// Where it starts, its slashdash included.
    pub(crate) start: usize,
    /// Where its last part ends.
    pub(crate) end: usize,
}

/// A slashdash with the comments between it and what it takes out.
#[derive(Clone, Debug)]
pub(crate) struct Dash<'s> {
    /// Where it starts.
    pub(crate) start: usize,
    /// The comments behind it.
    pub(crate) comments: Vec<Comment<'s>>,
}

/// A part of a node behind its kind.
#[derive(Clone, Debug)]
pub(crate) struct Part<'s> {
    /// What stands before it.
    pub(crate) before: Vec<Gap<'s>>,
    /// The slashdash that takes it out.
    pub(crate) dash: Option<Dash<'s>>,
    /// What it is.
    pub(crate) piece: Piece<'s>,
    /// Where it ends.
    pub(crate) end: usize,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(crate) enum Piece<'s> {
    /// An argument.
    Argument(Token),
    /// A property.
    Property {
        /// Its name.
        name: Token,
        /// What stands before the `=`.
        before: Vec<Gap<'s>>,
        /// What stands behind the `=`.
        behind: Vec<Gap<'s>>,
        /// Its value.
        value: Token,
    },
    /// A block of children.
    Block {
        /// Comments on the line of the `{`.
        opening: Vec<Comment<'s>>,
        /// The lines of the block.
        items: Vec<Item<'s>>,
    },
}

/// Lays out a text that the reader found nothing wrong with.
pub(crate) fn lay_out(text: &str) -> Vec<Item<'_>> {
    let mut lexer = Lexer::new(text);
    let token = lexer.next();
    let mut layouter = Layouter { text, lexer, token };
    let mut items = layouter.items();
    while layouter.token.is_some() {
        // A brace too many; the reader would have told.
        layouter.advance();
        items.append(&mut layouter.items());
    }
    items
}

#[derive(Clone)]
struct Layouter<'s> {
    text: &'s str,
    lexer: Lexer<'s>,
    token: Option<Token>,
}

impl<'s> Layouter<'s> {
    fn advance(&mut self) {
        self.token = self.lexer.next();
    }

    fn kind(&self) -> Option<TokenKind> {
        self.token.map(|token| token.kind)
    }

    fn comment(&self, token: Token) -> Comment<'s> {
        Comment { text: token.text(self.text), start: token.start }
    }

    /// Reads the lines of a block up to its `}` or the file's end.
    fn items(&mut self) -> Vec<Item<'s>> {
        let mut items = Vec::new();
        let mut comments = Vec::new();
        let mut newlines = 0_usize;
        let mut blank_before = false;
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::CloseBrace => break,
                TokenKind::Newline => {
                    self.advance();
                    if comments.is_empty() {
                        newlines += 1;
                        blank_before |= newlines > 1 && !items.is_empty();
                    } else {
                        items.push(Item { blank_before, comments: std::mem::take(&mut comments), node: None });
                        (newlines, blank_before) = (1, false);
                    }
                }
                TokenKind::LineComment | TokenKind::BlockComment | TokenKind::UnclosedComment => {
                    comments.push(self.comment(token));
                    self.advance();
                }
                kind if kind == TokenKind::Slashdash || starts_value(kind) => {
                    let node = self.node(token);
                    items.push(Item { blank_before, comments: std::mem::take(&mut comments), node: Some(node) });
                    (newlines, blank_before) = (0, false);
                }
                _ => self.advance(),
            }
        }
        if !comments.is_empty() {
            items.push(Item { blank_before, comments, node: None });
        }
        items.shrink_to_fit();
        items
    }

    fn node(&mut self, first: Token) -> LaidNode<'s> {
        let mut node = self.node_with_room(first);
        // Most nodes have few parts, and there may be many nodes.
        node.parts.shrink_to_fit();
        node
    }

    fn node_with_room(&mut self, first: Token) -> LaidNode<'s> {
        let dash = self.dash();
        let kind = self.token.unwrap_or(first);
        self.advance();
        let mut node =
            LaidNode { dash, kind, parts: Vec::new(), trailing: Vec::new(), start: first.start, end: kind.end };
        loop {
            let before = self.gaps();
            match self.kind() {
                Some(TokenKind::Semicolon) => {
                    self.advance();
                    node.trailing.extend(comments_of(&before));
                    node.trailing.append(&mut self.rest_of_line(true));
                    return node;
                }
                Some(TokenKind::LineComment) => {
                    node.trailing.extend(comments_of(&before));
                    node.trailing.append(&mut self.rest_of_line(true));
                    return node;
                }
                Some(kind) if matches!(kind, TokenKind::Slashdash | TokenKind::OpenBrace) || starts_value(kind) => {
                    let dash = self.dash();
                    let Some(part) = self.part(before, dash) else { return node };
                    node.end = part.end;
                    node.parts.push(part);
                }
                _ => {
                    node.trailing.extend(comments_of(&before));
                    return node;
                }
            }
        }
    }

    fn part(&mut self, before: Vec<Gap<'s>>, dash: Option<Dash<'s>>) -> Option<Part<'s>> {
        let token = self.token?;
        self.advance();
        if token.kind == TokenKind::OpenBrace {
            let opening = self.rest_of_line(false);
            let items = self.items();
            let end = self.token.map_or(self.text.len(), |token| token.end);
            self.advance();
            return Some(Part { before, dash, piece: Piece::Block { opening, items }, end });
        }
        let behind_name = self.clone();
        let gaps = self.gaps();
        if self.kind() == Some(TokenKind::Equals) {
            self.advance();
            let behind = self.gaps();
            let value = self.token?;
            self.advance();
            let piece = Piece::Property { name: token, before: gaps, behind, value };
            return Some(Part { before, dash, piece, end: value.end });
        }
        *self = behind_name;
        Some(Part { before, dash, piece: Piece::Argument(token), end: token.end })
    }

    /// Reads a slashdash and the comments behind it.
    fn dash(&mut self) -> Option<Dash<'s>> {
        let dash = self.token.filter(|token| token.kind == TokenKind::Slashdash)?;
        self.advance();
        let mut comments = Vec::new();
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::LineComment | TokenKind::BlockComment => comments.push(self.comment(token)),
                TokenKind::Space | TokenKind::Newline | TokenKind::Backslash => {}
                _ => break,
            }
            self.advance();
        }
        Some(Dash { start: dash.start, comments })
    }

    /// Reads blanks, comments and continued lines within a node.
    fn gaps(&mut self) -> Vec<Gap<'s>> {
        let mut gaps = Vec::new();
        let mut continued = false;
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::BlockComment => gaps.push(Gap::Comment(self.comment(token))),
                TokenKind::Backslash => {
                    gaps.push(Gap::Break);
                    continued = true;
                }
                TokenKind::LineComment if continued => gaps.push(Gap::Comment(self.comment(token))),
                TokenKind::Newline if continued => continued = false,
                _ => break,
            }
            self.advance();
        }
        gaps
    }

    /// Takes the comments up to the line's end, if nothing else stands there; `or_brace` says whether a `}` ends the line too.
    fn rest_of_line(&mut self, or_brace: bool) -> Vec<Comment<'s>> {
        let before = self.clone();
        let mut comments = Vec::new();
        while let Some(token) = self.token {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::BlockComment => comments.push(self.comment(token)),
                TokenKind::LineComment => {
                    comments.push(self.comment(token));
                    self.advance();
                    break;
                }
                TokenKind::Newline => break,
                TokenKind::CloseBrace if or_brace => break,
                _ => {
                    *self = before;
                    return Vec::new();
                }
            }
            self.advance();
        }
        comments
    }
}

/// Returns the comments among what stands between two parts.
pub(crate) fn comments_of<'g, 's>(gaps: &'g [Gap<'s>]) -> impl Iterator<Item = Comment<'s>> + use<'g, 's> {
    gaps.iter().filter_map(|gap| match gap {
        Gap::Comment(comment) => Some(*comment),
        Gap::Break => None,
    })
}

fn starts_value(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::Number | TokenKind::Keyword | TokenKind::String(_))
}
