//! `mailwright init`: a new specification repository by a few questions.

mod texts;

use std::fmt::Display;
use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::str::FromStr;

use values::{HostName, Line, Name};

use crate::failure::{Exit, Failure};
use crate::problems;
use crate::repository::{Found, Kind};
use crate::rewrite::Made;

/// Write a new specification repository by a few questions.
///
/// With --yes nothing is asked, and what is not named takes its default. Without a terminal nobody can be asked, so that --yes
/// is needed there unless everything is named.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright init my-platform\n  \
    mailwright init my-platform --yes --operator \"Northwind Email\" --service-domain northmail.example")]
pub(crate) struct Arguments {
    /// The folder to write; it must be new or empty.
    folder: PathBuf,
    /// Ask nothing.
    #[arg(long)]
    yes: bool,
    /// The platform's name.
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// The operator's company.
    #[arg(long, value_name = "COMPANY")]
    operator: Option<String>,
    /// The domain that the operator's own host names live below.
    #[arg(long, value_name = "DOMAIN")]
    service_domain: Option<String>,
    /// The first reseller's name.
    #[arg(long, value_name = "NAME")]
    reseller: Option<String>,
    /// The first reseller's first domain.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
}

/// What the new repository is about.
pub(crate) struct Answers {
    platform: Name,
    operator: Line,
    service_domain: HostName,
    reseller: Name,
    domain: HostName,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::usage(format!("{} is not a folder", folder.display())).help("name a new folder"));
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::usage(format!("{} is not empty", folder.display())).help("name a new folder"));
    }
    let named =
        [&arguments.platform, &arguments.operator, &arguments.service_domain, &arguments.reseller, &arguments.domain];
    let ask = !arguments.yes && named.iter().any(|given| given.is_none());
    if ask && !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let command = format!("mailwright init {} --yes", shell_word(&folder.display().to_string()));
        return Err(Failure::usage(
            "there are questions to answer, and no terminal to ask them on; nothing was written",
        )
        .help(format!("take the defaults of all that is not named: {command}")));
    }
    let answers = Answers {
        platform: answer(ask, "platform", "The platform's name", arguments.platform.as_deref(), "mailhouse")?,
        operator: answer(ask, "operator", "The operator's company", arguments.operator.as_deref(), "Mailhouse")?,
        service_domain: answer(
            ask,
            "service-domain",
            "The domain its own host names live below",
            arguments.service_domain.as_deref(),
            "mailhouse.example",
        )?,
        reseller: answer(ask, "reseller", "The first reseller's name", arguments.reseller.as_deref(), "first")?,
        domain: answer(ask, "domain", "The reseller's first domain", arguments.domain.as_deref(), "first.example")?,
    };
    let files = texts::files(&answers);
    judge(&files)?;
    let mut made = Made::default();
    for (path, text) in &files {
        let path = folder.join(path);
        made.file(&path, text, 0o666).map_err(|error| {
            made.take_back();
            let failure = Failure::failed(format!("could not write {}", path.display())).cause(&error);
            failure.help("nothing was written; name a folder you may write")
        })?;
    }
    let mut stderr = std::io::stderr();
    for (path, _) in &files {
        writeln!(stderr, "wrote {}", folder.join(path).display())?;
    }
    let word = shell_word(&folder.display().to_string());
    writeln!(stderr, "\nnext: mailwright check {word}, then mailwright up {word}")?;
    Ok(Exit::Done)
}

/// Returns a word as a shell reads it back.
fn shell_word(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_./+:@%,=".contains(character);
    // What begins with a dash would be taken for a flag, in quotes too.
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Refuses answers that do not go together, such as a customer's domain below the operator's, before anything is written.
fn judge(files: &[(String, String)]) -> Result<(), Failure> {
    let mut found = Found::default();
    for (path, text) in files {
        if let Some(kind) = Kind::of(path) {
            found.add(kind, path.clone(), text.clone().into_bytes());
        }
    }
    let Some(sources) = found.into_sources() else { return Ok(()) };
    let problems = compiler::check_all(&sources);
    if problems.is_empty() {
        return Ok(());
    }
    problems::write_human(&mut std::io::stderr().lock(), &sources, &problems)?;
    Err(Failure::usage("these answers do not make a platform; nothing was written")
        .help("change the ones that the problems above point to"))
}

/// Takes an answer from the command line, the terminal or the default, in this order.
fn answer<T>(ask: bool, flag: &str, question: &str, given: Option<&str>, default: &str) -> Result<T, Failure>
where
    T: FromStr<Err: Display>,
{
    if let Some(given) = given {
        return given.parse().map_err(|error| Failure::usage(format!("--{flag} {given}: {error}")));
    }
    let fallback =
        || default.parse().map_err(|error| Failure::fault(format!("the default of --{flag} is wrong: {error}")));
    if !ask {
        return fallback();
    }
    loop {
        let mut stderr = std::io::stderr();
        write!(stderr, "{question} [{default}]: ")?;
        stderr.flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Failure::usage("the questions were not answered").help("answer them, or name --yes"));
        }
        let line = line.trim();
        if line.is_empty() {
            return fallback();
        }
        match line.parse() {
            Ok(value) => return Ok(value),
            Err(error) => writeln!(stderr, "  {error}")?,
        }
    }
}
