//! A checked script.

use crate::text::Text;

pub(crate) type Texts = Vec<Text>;

/// What is to be done, with the line it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) line: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The first whose test holds; `else` has a test that always does.
    If(Vec<(Test, Vec<Command>)>),
    Stop,
    Return,
    Keep {
        flags: Option<Texts>,
    },
    Discard,
    FileInto {
        folder: Text,
        flags: Option<Texts>,
        copy: bool,
        create: bool,
    },
    Redirect {
        address: Text,
        copy: bool,
    },
    Reject {
        reason: Text,
    },
    Vacation(Box<Vacation>),
    Notify(Box<Notify>),
    Set {
        variable: Place,
        value: Text,
        modifiers: Vec<Modifier>,
    },
    Flags {
        verb: FlagVerb,
        variable: Option<Text>,
        flags: Texts,
    },
    Include {
        name: Text,
        global: bool,
        once: bool,
        optional: bool,
    },
    Global(Vec<String>),
    EachPart {
        name: Option<String>,
        body: Vec<Command>,
    },
    Break {
        name: Option<String>,
    },
    ExtractText {
        variable: Place,
        first: Option<u64>,
        modifiers: Vec<Modifier>,
    },
    Error {
        message: Text,
    },
}

/// A variable to write to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) global: bool,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagVerb {
    Set,
    Add,
    Remove,
}

/// What is done to a value, the most urgent first (RFC 5229 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    Lower,
    Upper,
    LowerFirst,
    UpperFirst,
    QuoteWildcard,
    EncodeUrl,
    Length,
}

impl Modifier {
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Lower | Self::Upper => 40,
            Self::LowerFirst | Self::UpperFirst => 30,
            Self::QuoteWildcard => 20,
            Self::EncodeUrl => 15,
            Self::Length => 10,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Vacation {
    pub(crate) seconds: Option<u64>,
    pub(crate) subject: Option<Text>,
    pub(crate) from: Option<Text>,
    pub(crate) addresses: Texts,
    pub(crate) mime: bool,
    pub(crate) handle: Option<Text>,
    pub(crate) reason: Text,
}

#[derive(Clone, Debug)]
pub(crate) struct Notify {
    pub(crate) from: Option<Text>,
    pub(crate) importance: Option<Text>,
    pub(crate) message: Option<Text>,
    pub(crate) method: Text,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Constant(bool),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Header { names: Texts, keys: Texts, matching: Matching, index: Index, mime: Mime },
    Address { part: AddressPart, names: Texts, keys: Texts, matching: Matching, index: Index, mime: Mime },
    Exists { names: Texts, mime: Mime },
    Envelope { part: AddressPart, fields: Texts, keys: Texts, matching: Matching },
    Size { over: bool, limit: u64 },
    Body { of: BodyOf, keys: Texts, matching: Matching },
    Environment { name: Text, keys: Texts, matching: Matching },
    MailboxExists(Texts),
    Date { header: Option<Text>, zone: Zone, part: Text, keys: Texts, matching: Matching, index: Index },
    HasFlag { variables: Option<Texts>, keys: Texts, matching: Matching },
    Text { sources: Texts, keys: Texts, matching: Matching },
    Duplicate { handle: Option<Text>, by: DuplicateBy, seconds: Option<u64>, last: bool },
    NotifyMethods(Texts),
    NotifyCapability { uri: Text, capability: Text, keys: Texts, matching: Matching },
}

#[derive(Clone, Debug)]
pub(crate) enum DuplicateBy {
    MessageId,
    Header(Text),
    Value(Text),
}

#[derive(Clone, Debug)]
pub(crate) enum BodyOf {
    Raw,
    Text,
    Content(Texts),
}

#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Local,
    Original,
    Given(Text),
}

/// Which occurrence of a field (RFC 5260 §6).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Index {
    /// Counted from 1; zero for all.
    pub(crate) number: u64,
    pub(crate) last: bool,
}

/// What of a message's parts is looked at (RFC 5703).
#[derive(Clone, Debug, Default)]
pub(crate) struct Mime {
    pub(crate) on: bool,
    pub(crate) any_child: bool,
    pub(crate) only: MimeOnly,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum MimeOnly {
    #[default]
    Whole,
    Type,
    Subtype,
    ContentType,
    Parameters(Texts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressPart {
    All,
    LocalPart,
    Domain,
    User,
    Detail,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Matching {
    pub(crate) comparator: Comparator,
    pub(crate) kind: MatchKind,
    /// Whether what matched is kept for `${1}` and the like.
    pub(crate) keeps: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Octet,
    AsciiCasemap,
    AsciiNumeric,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchKind {
    Is,
    Contains,
    Matches,
    Regex,
    Value(Relation),
    Count(Relation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Gt,
    Ge,
    Lt,
    Le,
    Eq,
    Ne,
}

impl Relation {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            _ => return None,
        })
    }

    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
        }
    }
}

/// A whole script.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) commands: Vec<Command>,
}

impl Program {
    /// Gathers the personal scripts that are included and must be there.
    pub(crate) fn includes<'a>(&'a self, found: &mut Vec<(u32, &'a str)>) {
        gather(&self.commands, found);
    }
}

fn gather<'a>(commands: &'a [Command], found: &mut Vec<(u32, &'a str)>) {
    for command in commands {
        match &command.what {
            What::If(branches) => branches.iter().for_each(|(_, block)| gather(block, found)),
            What::EachPart { body, .. } => gather(body, found),
            What::Include { name, global: false, optional: false, .. } => {
                found.extend(name.fixed().map(|name| (command.line, name)));
            }
            _ => {}
        }
    }
}
