//! Types of values, as the language describes them.

use std::fmt;
use std::net::IpAddr;

use values::{
    AddressPattern, Bandwidth, ByteSize, Colour, Country, Date, Duration, GitBranch, GitLocation, HostName,
    LanguageTag, Line, LocalPart, MailAddress, Money, Name, Network, ParseError, Percentage, Rate, Release,
    RepositoryPath, Score, SecretName, TimeZone, Url, WeeklyWindow, quoted,
};

use super::Choice;

/// A type of values.
pub struct Type {
    /// What a value of it is called, without an article.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// A value as it would be written, without quotes.
    pub example: &'static str,
    /// What it is made of.
    pub form: Form,
    /// Returns a value's canonical spelling; `None` where the text is no value of the type.
    pub canonical: fn(&str) -> Option<String>,
}

/// What a type's values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A number.
    Number,
    /// `#true` or `#false`; written alone it is true.
    Flag,
    /// One of a few words.
    Choice(&'static [Choice]),
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Type").field("name", &self.name).field("form", &self.form).finish_non_exhaustive()
    }
}

impl Type {
    /// Returns a value of the type as KDL writes it.
    pub fn written(&self, value: &str) -> String {
        match self.form {
            Form::Number => value.to_owned(),
            Form::Flag => format!("#{value}"),
            Form::Text | Form::Choice(_) => format!("\"{value}\""),
        }
    }

    pub(crate) fn canonical_of<T: Typed>(text: &str) -> Option<String> {
        T::read(text).ok().map(|value| value.spell())
    }
}

/// A value that can stand in a specification.
pub trait Typed: Sized + Clone + PartialOrd {
    /// What the language says of it.
    const TYPE: &'static Type;

    /// Reads a value from its text; numbers come without underscores and in decimal.
    fn read(text: &str) -> Result<Self, ParseError>;

    /// Returns the value's canonical spelling.
    fn spell(&self) -> String;
}

/// Returns a value of the type to stand where none could be read; its place is [`crate::tree::Span::HOLE`].
pub(crate) fn hole<T: Typed>() -> T {
    T::read(T::TYPE.example).expect("a test reads each type's example")
}

macro_rules! typed {
    ($( $type:ty, $form:ident, $name:literal, $example:literal, $about:literal; )+) => {$(
        impl Typed for $type {
            const TYPE: &'static Type = &Type {
                name: $name,
                about: $about,
                example: $example,
                form: Form::$form,
                canonical: Type::canonical_of::<Self>,
            };

            fn read(text: &str) -> Result<Self, ParseError> {
                text.parse()
            }

            fn spell(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

typed! {
    AddressPattern, Text, "address pattern", "*@partner.example", "One address, or all addresses of a domain.";
    Bandwidth, Text, "bandwidth", "64kbit", "Bits a second.";
    ByteSize, Text, "size", "2GiB", "A number of bytes with its unit.";
    Colour, Text, "colour", "#0b5fff", "A colour as red, green and blue.";
    Country, Text, "country", "CA", "A country of ISO 3166.";
    Date, Text, "date", "2026-12-01", "A day.";
    Duration, Text, "duration", "30d", "A span of time with its unit.";
    GitBranch, Text, "branch", "main", "A branch of a git repository.";
    GitLocation, Text, "git repository", "https://git.acme.example/mail.git", "Where a git repository is: an address or a path.";
    HostName, Text, "host name", "mail.acme.example", "A host or domain name.";
    LanguageTag, Text, "language", "en", "A language tag of BCP 47.";
    Line, Text, "text", "Acme Mail", "One line of text.";
    LocalPart, Text, "local part", "alice", "What stands before the `@` of a mail address.";
    MailAddress, Text, "mail address", "alice@acme.example", "A mail address.";
    Money, Text, "amount", "0.50 USD", "An amount of money and its currency.";
    Name, Text, "name", "acme", "A kebab-case name.";
    Network, Text, "network", "10.20.0.0/16", "A network in CIDR notation.";
    Percentage, Text, "percentage", "80%", "A percentage.";
    Rate, Text, "rate", "100/h", "A count for each span of time.";
    Release, Text, "release", "2026.11", "A release of a set of software.";
    RepositoryPath, Text, "path", "assets/logo.svg", "A file beside the one that names it.";
    Score, Number, "number", "5.5", "A number with at most three places.";
    SecretName, Text, "secret", "secret:alice", "The name under which a secret is kept.";
    TimeZone, Text, "time zone", "America/Toronto", "A time zone of the IANA database.";
    Url, Text, "URL", "https://acme.example/help", "The address of a page.";
    WeeklyWindow, Text, "window", "Sun 02:00-04:00 America/Toronto", "A span of time in each week.";
}

impl Typed for u64 {
    const TYPE: &'static Type = &Type {
        name: "whole number",
        about: "A whole number.",
        example: "1",
        form: Form::Number,
        canonical: Type::canonical_of::<Self>,
    };

    fn read(text: &str) -> Result<Self, ParseError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| {
            ParseError::new(
                format!("{} is not a whole number of 0 or more", quoted(text)),
                "write digits only, such as `2`",
            )
        })
    }

    fn spell(&self) -> String {
        self.to_string()
    }
}

impl Typed for bool {
    const TYPE: &'static Type = &Type {
        name: "flag",
        about: "On or off.",
        example: "true",
        form: Form::Flag,
        canonical: Type::canonical_of::<Self>,
    };

    fn read(text: &str) -> Result<Self, ParseError> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(ParseError::new(format!("{} is not a flag", quoted(text)), "write `true` or `false`")),
        }
    }

    fn spell(&self) -> String {
        self.to_string()
    }
}

impl Typed for IpAddr {
    const TYPE: &'static Type = &Type {
        name: "address",
        about: "An IPv4 or IPv6 address.",
        example: "203.0.113.4",
        form: Form::Text,
        canonical: Type::canonical_of::<Self>,
    };

    fn read(text: &str) -> Result<Self, ParseError> {
        text.parse().map_err(|_| {
            let help = match text.split_once('/') {
                Some((address, _)) if address.parse::<IpAddr>().is_ok() => format!("write `{address}`"),
                _ => "write an IPv4 or IPv6 address, such as `203.0.113.4`".to_owned(),
            };
            ParseError::new(format!("{} is not an address", quoted(text)), help)
        })
    }

    fn spell(&self) -> String {
        self.to_string()
    }
}

/// The character between a local part and its detail, as in `alice+news`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Separator(char);

impl Separator {
    /// All characters that may be one.
    pub const ALL: [char; 4] = ['+', '-', '_', '='];

    /// Returns the character.
    pub const fn as_char(self) -> char {
        self.0
    }
}

impl Typed for Separator {
    const TYPE: &'static Type = &Type {
        name: "separator",
        about: "One of the characters that may stand between a local part and its detail.",
        example: "+",
        form: Form::Text,
        canonical: Type::canonical_of::<Self>,
    };

    fn read(text: &str) -> Result<Self, ParseError> {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(separator), None) if Self::ALL.contains(&separator) => Ok(Self(separator)),
            _ => {
                Err(ParseError::new(format!("{} is not a separator", quoted(text)), "write one of `+`, `-`, `_`, `=`"))
            }
        }
    }

    fn spell(&self) -> String {
        self.0.to_string()
    }
}
