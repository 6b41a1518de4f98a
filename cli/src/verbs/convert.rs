//! `mailwright convert`: writes texts in the other syntax.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use spec::Problem;
use spec::convert::{Converted, Syntax, convert, target};

use super::print_json;
use crate::failure::{Exit, Failure};
use crate::rewrite::Texts;
use crate::{problems, rewrite};

const LONG: &str = "\
Write texts in the other syntax; they ask for the same.

NAME.kdl becomes NAME.yaml beside it, or the other way round, and is removed when all files are written. \
Files that are in the wanted syntax already are passed over. Nothing is overwritten, and where anything is wrong nothing is written.

Comments come along: each stays above or beside what it stood at. In YAML, what `/-` takes out in KDL is a comment; \
comments that stand between the values of a node go above it. Texts that some reader of YAML takes for something else \
(`no`, `2026.10`) are quoted.

Ends with 0 when everything is converted, with 1 when a file has syntax errors or says what YAML cannot.";

/// Write texts in the other syntax, KDL or YAML, comments included.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = "Examples:\n  mailwright convert --to yaml examples/northmail\n  \
    mailwright convert --to kdl platform.yaml --stdout")]
pub(crate) struct Arguments {
    /// The syntax to write.
    #[arg(long, value_enum)]
    to: Target,
    /// Files, or folders that hold some; a repository's other files are left alone.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Print the text of the one file that is named, and change nothing.
    #[arg(long)]
    stdout: bool,
    /// Print what was written as one JSON document.
    #[arg(long, conflicts_with = "stdout")]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Target {
    /// YAML 1.2.
    Yaml,
    /// KDL 2.
    Kdl,
}

/// A file as it is to be written.
struct Written<'t> {
    from: &'t str,
    to: String,
    text: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let syntax = match arguments.to {
        Target::Yaml => Syntax::Yaml,
        Target::Kdl => Syntax::Kdl,
    };
    let texts = rewrite::find(&arguments.paths)?;
    let mut found: Vec<Problem> = Vec::new();
    let mut written: Vec<Written<'_>> = Vec::new();
    for (id, file) in texts.sources.files() {
        if Syntax::of(&file.path) == Some(syntax) && !arguments.stdout {
            continue;
        }
        match convert(id, &file.path, &file.bytes, syntax) {
            Converted::Text(text) => {
                written.push(Written { from: &file.path, to: target(&file.path, syntax).into_owned(), text });
            }
            Converted::Problems(problems) => found.extend(problems),
            Converted::Fault => {
                return Err(Failure::fault(format!(
                    "converted, {} would say something else; nothing was written",
                    file.path
                ))
                .help("please report this together with the file"));
            }
        }
    }
    if !found.is_empty() {
        if arguments.json {
            let told = problems::json(&texts.sources, &found);
            print_json(&document(arguments.to, &[], told.get("problems")))?;
        } else {
            problems::write_human(&mut std::io::stderr().lock(), &texts.sources, &found)?;
            writeln!(std::io::stderr(), "nothing was written")?;
        }
        return Ok(Exit::Problems);
    }
    if arguments.stdout {
        let [one] = written.as_slice() else {
            return Err(Failure::usage(format!("{} files cannot be printed as one", written.len()))
                .help("name one file together with --stdout"));
        };
        write!(std::io::stdout(), "{}", one.text)?;
        return Ok(Exit::Done);
    }
    refuse_to_overwrite(&texts, &written)?;
    carry_out(&texts, &written)?;
    if arguments.json {
        print_json(&document(arguments.to, &written, None))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    for one in &written {
        writeln!(out, "{}", one.to)?;
    }
    let (all, some) = (texts.sources.files().count(), written.len());
    match all - some {
        0 => writeln!(std::io::stderr(), "converted {some} files")?,
        others => writeln!(std::io::stderr(), "converted {some} files; {others} were in that syntax already")?,
    }
    Ok(Exit::Done)
}

fn document(to: Target, written: &[Written<'_>], problems: Option<&serde_json::Value>) -> serde_json::Value {
    let files: Vec<_> = written.iter().map(|one| json!({ "from": one.from, "to": one.to })).collect();
    let to = match to {
        Target::Yaml => "yaml",
        Target::Kdl => "kdl",
    };
    json!({ "version": 1, "to": to, "files": files, "problems": problems.cloned().unwrap_or_else(|| json!([])) })
}

/// Returns where a text lies, and where the one goes that replaces it.
fn places(texts: &Texts, one: &Written<'_>) -> Result<(PathBuf, PathBuf), Failure> {
    let from = texts.place(one.from).ok_or_else(|| Failure::fault("a file has no place"))?;
    let ending = one.to.rsplit_once('.').map_or("", |(_, ending)| ending);
    Ok((from.to_path_buf(), from.with_extension(ending)))
}

fn refuse_to_overwrite(texts: &Texts, written: &[Written<'_>]) -> Result<(), Failure> {
    let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for one in written {
        let (_, to) = places(texts, one)?;
        if fs::symlink_metadata(&to).is_ok() {
            return Err(Failure::usage(format!("{} is there already, and is not overwritten", one.to))
                .help(format!("move it away, or remove {}; nothing was written", one.from)));
        }
        if let Some(other) = taken.insert(to, one.from) {
            return Err(Failure::usage(format!("both {other} and {} would become {}", one.from, one.to))
                .help("rename one of the two; nothing was written"));
        }
    }
    Ok(())
}

/// Writes all files and then removes those that they replace; a failure leaves things as they were.
fn carry_out(texts: &Texts, written: &[Written<'_>]) -> Result<(), Failure> {
    let mut made: Vec<PathBuf> = Vec::new();
    for one in written {
        let (from, to) = places(texts, one)?;
        if let Err(error) = rewrite::create(&to, &from, &one.text) {
            for path in &made {
                let _ = fs::remove_file(path);
            }
            return Err(Failure::failed(format!("could not write {}", one.to))
                .cause(&error)
                .help("all files are as they were"));
        }
        made.push(to);
    }
    for one in written {
        let (from, _) = places(texts, one)?;
        fs::remove_file(&from).map_err(|error| {
            Failure::failed(format!("{} is written, but {} could not be removed", one.to, one.from))
                .cause(&error)
                .help("remove it by hand, and those behind it; all files are written")
        })?;
    }
    Ok(())
}
