//! From one syntax to the other, with all that was said in comments.
//!
//! The tree stays the same, but that a property and a child with one argument are one thing, and that YAML does not tell numbers from
//! texts. What KDL takes out with a slashdash is a comment in YAML. Made sure of each time by reading the result.

mod codes;
mod page;
mod remarks;
mod schema;
mod spelling;
#[cfg(test)]
mod tests;
mod to_kdl;
mod to_yaml;

pub use codes::CODES;

use crate::format;
use crate::problem::Problem;
use crate::read::{Read, read};
use crate::tree::{FileId, Node, Property, Scalar, Span, Spanned};
use std::borrow::Cow;

/// Bytes that a kind may have to stand in a key of YAML.
const LONGEST_KIND: usize = 80;

/// A syntax of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// KDL 2.
    Kdl,
    /// YAML 1.2.
    Yaml,
}

impl Syntax {
    /// Returns the syntax that the ending of a path names.
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next()?.rsplit_once('.')?.1 {
            "kdl" => Some(Self::Kdl),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Returns the ending of files that are written in it.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Kdl => "kdl",
            Self::Yaml => "yaml",
        }
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted {
    /// This says the same in the other syntax.
    Text(String),
    /// There is something wrong with its syntax, or the other syntax cannot say it.
    Problems(Vec<Problem>),
    /// The result would say something else, which is a fault of this program.
    Fault,
}

/// Writes a file in another syntax; the ending of its path names the one that it is written in.
pub fn convert(file: FileId, path: &str, bytes: &[u8], to: Syntax) -> Converted {
    let Read { nodes, problems, .. } = read(file, path, bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if problems.is_empty() => text,
        _ => return Converted::Problems(problems),
    };
    let from_kdl = Syntax::of(path) == Some(Syntax::Kdl);
    let Some(remarks) = (if from_kdl { Some(remarks::of_kdl(text)) } else { remarks::of_yaml(text) }) else {
        return Converted::Fault;
    };
    let mut problems = Vec::new();
    if to == Syntax::Yaml {
        unspeakable(&nodes, &mut problems);
    }
    if !problems.is_empty() {
        return Converted::Problems(problems);
    }
    let page = page::page(text, &nodes, &remarks, from_kdl);
    let written = match to {
        Syntax::Yaml => to_yaml::write(&page),
        Syntax::Kdl => format::kdl(&if from_kdl { text.to_owned() } else { to_kdl::write(text, &page) }),
    };
    let again = read(file, if to == Syntax::Yaml { "a.yaml" } else { "a.kdl" }, written.as_bytes());
    if let Some(problem) = again.problems.first() {
        // The limits of the two syntaxes differ a little.
        let span = Span { file, start: 0, end: 0 };
        let message = format!("the file cannot be written in the other syntax: {}", problem.message);
        let told = Problem::error("convert::not-expressible", span, message);
        return Converted::Problems(vec![told.help("split the file, or leave it in its syntax")]);
    }
    if says_the_same(&nodes, &again.nodes) { Converted::Text(written) } else { Converted::Fault }
}

/// Finds what YAML has no way to say: a kind with blanks in it, or none, and a kind that would be taken for a list of arguments.
fn unspeakable(nodes: &[Node<'_>], problems: &mut Vec<Problem>) {
    let mut judge = |name: &str, span: Span| {
        let help = match name {
            "args" => "in YAML `args` holds the arguments of the node around it; give it another name",
            _ if name.is_empty() || name.len() > LONGEST_KIND || name.contains(char::is_whitespace) => {
                "a kind is one short word; write it without blanks"
            }
            _ => return,
        };
        let message = format!("{} cannot be the kind of a node in YAML", values::quoted(name));
        problems.push(Problem::error("convert::not-expressible", span, message).help(help));
    };
    for node in nodes {
        judge(&node.kind.value, node.kind.span);
        for property in &node.properties {
            judge(&property.name.value, property.name.span);
        }
    }
    for node in nodes {
        unspeakable(&node.children, problems);
    }
}

/// A property or a child, which say the same.
#[derive(Clone, Copy)]
enum Member<'a, 's> {
    Property(&'a Property<'s>),
    Child(&'a Node<'s>),
}

impl<'a, 's> Member<'a, 's> {
    fn kind(self) -> &'a str {
        match self {
            Self::Property(property) => &property.name.value,
            Self::Child(node) => &node.kind.value,
        }
    }

    fn values(self) -> &'a [Spanned<Scalar<'s>>] {
        match self {
            Self::Property(property) => std::slice::from_ref(&property.value),
            Self::Child(node) => &node.arguments,
        }
    }

    fn members(self) -> impl Iterator<Item = Member<'a, 's>> {
        let (properties, children) = match self {
            Self::Property(_) => (&[][..], &[][..]),
            Self::Child(node) => (node.properties.as_slice(), node.children.as_slice()),
        };
        properties.iter().map(Member::Property).chain(children.iter().map(Member::Child))
    }

    /// Tells whether it is a flag that is switched on: `imap`, or `imap #true`.
    fn switches_on(self) -> bool {
        let on = match self.values() {
            [] => true,
            [one] => one.value == Scalar::Flag(true),
            _ => false,
        };
        on && self.members().next().is_none()
    }

    /// Tells whether another one says the same: numbers count as texts, since YAML does not tell them apart.
    fn says_the_same(self, other: Member<'_, '_>) -> bool {
        let same = |(one, other): (&Spanned<Scalar<'_>>, &Spanned<Scalar<'_>>)| match (&one.value, &other.value) {
            (Scalar::Text(one) | Scalar::Number(one), Scalar::Text(other) | Scalar::Number(other)) => one == other,
            (one, other) => one == other,
        };
        let (values, others) = (self.values(), other.values());
        let same_values = values.len() == others.len() && values.iter().zip(others).all(same);
        self.kind() == other.kind()
            && (same_values || (self.switches_on() && other.switches_on()))
            && all_the_same(self.members(), other.members())
    }
}

fn all_the_same<'a, 'b, 's: 'a, 't: 'b>(
    mut one: impl Iterator<Item = Member<'a, 's>>,
    mut other: impl Iterator<Item = Member<'b, 't>>,
) -> bool {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.says_the_same(other) => {}
            _ => return false,
        }
    }
}

/// Tells whether two trees say the same.
fn says_the_same(one: &[Node<'_>], other: &[Node<'_>]) -> bool {
    all_the_same(one.iter().map(Member::Child), other.iter().map(Member::Child))
}

/// Returns the path of the file that a conversion writes.
pub fn target(path: &str, to: Syntax) -> Cow<'_, str> {
    match path.rsplit_once('.') {
        Some((stem, _)) if Syntax::of(path).is_some() => Cow::Owned(format!("{stem}.{}", to.ending())),
        _ => Cow::Borrowed(path),
    }
}
