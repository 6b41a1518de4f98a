//! `mailwright schema` and `mailwright reference`: the language as editors and people read it.

use std::io::Write;

use spec::language::{ROOTS, Root};

use super::print_json;
use crate::failure::{Exit, Failure};

/// Print the JSON Schema of the YAML form.
///
/// The schema (2020-12) goes to stdout. It never refuses what `check` takes, as long as single values are written
/// `name: value`; names that nobody declared, sums and places are left to `check`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright schema > mailwright.schema.json\n  \
    mailwright schema --kind reseller > reseller.schema.json\n\n\
    An editor with the YAML language server takes it from the first line of a file:\n  \
    # yaml-language-server: $schema=../mailwright.schema.json")]
pub(crate) struct Arguments {
    /// The kind that stands at the top of the files; without it, all of them.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// The operator's platform.
    Platform,
    /// A reseller.
    Reseller,
    /// An environment.
    Environment,
    /// A scenario.
    Scenario,
}

impl Kind {
    fn root(self) -> Option<&'static Root> {
        let name = match self {
            Self::Platform => "platform",
            Self::Reseller => "reseller",
            Self::Environment => "environment",
            Self::Scenario => "scenario",
        };
        ROOTS.iter().find(|root| root.name == name)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    print_json(&spec::schema::schema(arguments.kind.and_then(Kind::root)))?;
    Ok(Exit::Done)
}

/// Print the language's reference page.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  mailwright reference > reference.md")]
pub(crate) struct ReferenceArguments {}

pub(crate) fn run_reference() -> Result<Exit, Failure> {
    write!(std::io::stdout(), "{}", spec::reference::reference())?;
    Ok(Exit::Done)
}
