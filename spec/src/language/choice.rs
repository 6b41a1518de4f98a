//! Values of which there are only a few.

use values::{ParseError, quoted};

use crate::decode::nearest;

/// One of a few values.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// How it is written.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub about: &'static str,
}

/// Returns the first of the choices, for messages.
pub(crate) const fn first_choice(choices: &'static [Choice]) -> &'static str {
    match choices {
        [first, ..] => first.name,
        [] => "",
    }
}

/// Says that a text is none of the choices.
pub(crate) fn unknown_choice(what: &str, text: &str, choices: &'static [Choice]) -> ParseError {
    let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
    let help = match (nearest(text, names.iter().copied()), names.as_slice()) {
        (Some(near), _) => format!("write `{near}`"),
        (None, [only]) => format!("write `{only}`, the only one there is"),
        (None, names) => format!("write one of `{}`", names.join("`, `")),
    };
    ParseError::new(format!("unknown {what} {}", quoted(text)), help)
}

/// Declares an enum whose values are written as words.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident: $what:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident = $spelling:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            const CHOICES: &'static [$crate::language::Choice] =
                &[$( $crate::language::Choice { name: $spelling, about: concat!($($doc),+) } ),+];

            /// Returns how it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $spelling, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::language::Typed for $name {
            const TYPE: &'static $crate::language::Type = &$crate::language::Type {
                name: $what,
                about: concat!($($about),+),
                example: $crate::language::first_choice(Self::CHOICES),
                form: $crate::language::Form::Choice(Self::CHOICES),
                canonical: $crate::language::Type::canonical_of::<Self>,
            };

            fn read(text: &str) -> Result<Self, values::ParseError> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    $crate::language::unknown_choice($what, text, Self::CHOICES)
                })
            }

            fn spell(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}

pub(crate) use choice;
