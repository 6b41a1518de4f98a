//! What is being written at a place, told from what stands before it alone, since what is being written is seldom whole.

use crate::read::MAX_DEPTH;

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The nodes around it, from the top of the file: kind and first argument.
    pub around: Vec<(String, String)>,
    /// What is being written.
    pub spot: Spot,
    /// Where what was written of it so far begins; quotes are left out.
    pub start: usize,
    /// Whether it is within quotes.
    pub quoted: bool,
    /// The first argument of the node on whose line it stands.
    pub line_argument: Option<String>,
}

/// What is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The kind of a node in the innermost of [`Context::around`].
    Node,
    /// An argument of a node in it, or the name of one of its settings; the argument is the `index`th.
    Entry {
        /// The node's kind.
        node: String,
        /// How many arguments stand before it.
        index: usize,
    },
    /// The value of a setting.
    Value {
        /// The node's kind, where the setting stands on a node's line.
        node: Option<String>,
        /// The setting.
        name: String,
    },
}

/// Returns what is being written at the end of a KDL text; `None` within a comment.
pub fn kdl(text: &str) -> Option<Context> {
    Kdl { text, at: 0, around: Vec::new(), line: Vec::new(), token: None }.run()
}

/// A scanner that knows no more of KDL than where its nodes begin and end.
struct Kdl<'t> {
    text: &'t str,
    at: usize,
    around: Vec<(String, String)>,
    /// The entries of the node that is being written; the first is its kind.
    line: Vec<Entry>,
    /// The token that ends where the text does: where it begins, and whether it is within quotes.
    token: Option<(usize, bool)>,
}

struct Entry {
    text: String,
    property: Option<String>,
}

impl Kdl<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(mut self) -> Option<Context> {
        while let Some(next) = self.rest().chars().next() {
            match next {
                '\n' | '\r' | ';' => {
                    self.line.clear();
                    self.at += 1;
                }
                // Nothing is read that nests deeper.
                '{' if self.around.len() >= MAX_DEPTH => return None,
                '{' => {
                    let mut entries = std::mem::take(&mut self.line).into_iter();
                    let kind = entries.next().map(|entry| entry.text).unwrap_or_default();
                    let first = entries.find(|entry| entry.property.is_none()).map(|entry| entry.text);
                    self.around.push((kind, first.unwrap_or_default()));
                    self.at += 1;
                }
                '}' => {
                    self.around.pop();
                    self.line.clear();
                    self.at += 1;
                }
                '/' if self.rest().starts_with("//") => {
                    self.at += self.rest().find(['\n', '\r'])?;
                }
                '/' if self.rest().starts_with("/*") => self.block_comment()?,
                '/' if self.rest().starts_with("/-") => self.at += 2,
                '\\' => {
                    // The line goes on behind the line's end.
                    let end = self.rest().find('\n').map_or(self.text.len(), |end| self.at + end + 1);
                    self.at = end;
                }
                blank if blank.is_whitespace() => self.at += blank.len_utf8(),
                _ => self.entry(),
            }
        }
        Some(self.finish())
    }

    fn block_comment(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else {
                self.at += rest.chars().next()?.len_utf8();
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Reads an entry: a word or a string, with `name=` before it where it is a property.
    fn entry(&mut self) {
        let (start, word, quoted) = self.scalar();
        let mut entry = Entry { text: word, property: None };
        if self.rest().starts_with('=') {
            self.at += 1;
            let (start, word, quoted) = self.scalar();
            entry = Entry { property: Some(entry.text), text: word };
            self.token = (self.at == self.text.len()).then_some((start, quoted));
        } else {
            self.token = (self.at == self.text.len()).then_some((start, quoted));
        }
        self.line.push(entry);
    }

    /// Reads a word or a string; returns where its text begins, the text, and whether its quotes are still open.
    fn scalar(&mut self) -> (usize, String, bool) {
        let begin = self.at;
        let rest = self.rest();
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        if rest.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            let marks = if rest.get(hashes..).is_some_and(|rest| rest.starts_with("\"\"\"")) { 3 } else { 1 };
            let close = format!("{}{}", "\"".repeat(marks), "#".repeat(hashes));
            let start = begin + hashes + marks;
            let inside = self.text.get(start..).unwrap_or_default();
            let mut escaped = false;
            for (at, character) in inside.char_indices() {
                if escaped {
                    escaped = false;
                    continue;
                }
                match character {
                    '\\' if hashes == 0 => escaped = true,
                    // A string on one line ends with it, closed or not.
                    '\n' if marks == 1 => {
                        self.at = start + at;
                        return (start, inside.get(..at).unwrap_or_default().to_owned(), false);
                    }
                    '"' if inside.get(at..).is_some_and(|rest| rest.starts_with(&close)) => {
                        self.at = start + at + close.len();
                        return (start, inside.get(..at).unwrap_or_default().to_owned(), false);
                    }
                    _ => {}
                }
            }
            self.at = self.text.len();
            return (start, inside.to_owned(), true);
        }
        let end = rest.find(|character: char| character.is_whitespace() || "{};=\"".contains(character));
        let mut end = end.unwrap_or(rest.len());
        if end == 0 && !rest.starts_with(char::is_whitespace) && !rest.starts_with(['{', '}', ';']) {
            end = rest.chars().next().map_or(0, char::len_utf8);
        }
        let word = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        (begin, word, false)
    }

    fn finish(mut self) -> Context {
        let end = self.text.len();
        let (start, quoted) = self.token.unwrap_or((end, false));
        // A closed string that ends here is whole; nothing is being written but what comes next.
        let whole = self.token.is_some() && !quoted && self.text.ends_with('"');
        let current = if self.token.is_some() && !whole { self.line.pop() } else { None };
        let node = self.line.first().map(|entry| entry.text.clone());
        let spot = match (current, node) {
            (Some(Entry { property: Some(name), .. }), node) => Spot::Value { node, name },
            (_, None) => Spot::Node,
            (_, Some(node)) => {
                let index = self.line.iter().skip(1).filter(|entry| entry.property.is_none()).count();
                Spot::Entry { node, index }
            }
        };
        let mut arguments = self.line.into_iter().skip(1).filter(|entry| entry.property.is_none());
        let line_argument = arguments.next().map(|entry| entry.text);
        Context { around: self.around, spot, start: if whole { end } else { start }, quoted, line_argument }
    }
}

/// Returns what is being written at the end of a YAML text; `None` within a comment.
pub fn yaml(text: &str) -> Option<Context> {
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default();
    if line.trim_start().starts_with('#') || line.contains(" #") {
        return None;
    }
    let mut around = Vec::new();
    let mut indent = margin(line);
    for above in text.get(..line_start).unwrap_or_default().lines().rev() {
        let is_key = !above.trim().is_empty() && !above.trim_start().starts_with('#');
        let (own, key) = (margin(above), item(above));
        if is_key
            && own < indent
            && let Some(key) = key.trim_end().strip_suffix(':')
        {
            around.push(head(key));
            indent = own;
        }
    }
    around.reverse();
    let mut rest = item(line);
    let end = text.len();
    // A flow mapping that is still open: each `{` is one level more.
    while let Some(open) = rest.find('{').filter(|_| !rest.ends_with('}')) {
        if around.len() >= MAX_DEPTH {
            return None;
        }
        let key = rest.get(..open).unwrap_or_default().trim_end();
        around.push(head(key.strip_suffix(':').unwrap_or(key)));
        rest = rest.get(open + 1..).unwrap_or_default();
        rest = last_entry(rest);
    }
    let (spot, written) = match rest.split_once(": ") {
        Some((key, value)) => {
            let value = value.trim_start();
            let value = value.strip_prefix('[').map_or(value, last_entry);
            (Spot::Value { node: None, name: head(key).0 }, value)
        }
        None => match rest.split_once(' ').filter(|(kind, _)| !kind.is_empty()) {
            Some((kind, argument)) => (Spot::Entry { node: kind.to_owned(), index: 0 }, argument.trim_start()),
            None => (Spot::Node, rest),
        },
    };
    let quoted = written.starts_with(['"', '\'']);
    let written = written.trim_start_matches(['"', '\'']);
    Some(Context { around, spot, start: end - written.len(), quoted, line_argument: None })
}

/// Returns how far a line is indented, the dash of a list's entry included.
fn margin(line: &str) -> usize {
    line.len() - item(line).len()
}

/// Returns a line without its indentation and the dash of a list's entry.
fn item(line: &str) -> &str {
    let line = line.trim_start();
    line.strip_prefix("- ").map_or(line, str::trim_start)
}

/// Returns what stands behind the last comma.
fn last_entry(text: &str) -> &str {
    text.rsplit(',').next().unwrap_or(text).trim_start()
}

/// Splits a key into kind and argument.
fn head(key: &str) -> (String, String) {
    let (kind, argument) = key.trim().split_once(' ').unwrap_or((key.trim(), ""));
    (kind.to_owned(), argument.trim().to_owned())
}
