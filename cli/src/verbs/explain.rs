//! `mailwright explain`: the page behind a problem's code, or what holds for a thing and which line says so.

use std::io::Write;
use std::path::PathBuf;

use compiler::explain::{Explained, Fact, Thing, comes_to, explain};
use compiler::resolve::nearest;
use serde_json::{Value, json};
use spec::declared::Declared;
use spec::language::Meaning;
use spec::{Sources, Span};

use super::compiled;
use super::print_json;
use super::up::shown::table;
use crate::failure::{Exit, Failure};
use crate::repository;

/// Explain a problem's code, a word of the language, or what holds for a thing and which line says so.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright explain spec::unknown-tier\n  \
    mailwright explain mailbox alice@acme.example\n  \
    mailwright explain contract acme\n  mailwright explain vouch\n  \
    mailwright explain node mx-1 examples/northmail --env production --json")]
pub(crate) struct Arguments {
    /// The code as a problem shows it, a kind of thing such as mailbox, node, contract or brand, or any word of the
    /// language; without it, all codes are listed.
    what: Option<String>,
    /// The name of the thing; without it the word is explained.
    name: Option<String>,
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.what {
        None => list(arguments.json),
        Some(what) => match Thing::ALL.into_iter().find(|thing| thing.name() == what) {
            Some(thing) => explain_thing(thing, arguments),
            None if what.contains("::") => explain_code(what, arguments),
            None => match (spec::language::meanings(what), &arguments.name) {
                (meanings, None) if !meanings.is_empty() => explain_word(what, &meanings, arguments),
                (meanings, Some(_)) if meanings.iter().any(|it| it.kind.is_some()) => explain_declared(what, arguments),
                _ => explain_code(what, arguments),
            },
        },
    }
}

fn list(json: bool) -> Result<Exit, Failure> {
    let codes = compiler::codes();
    if json {
        let codes: Vec<&str> = codes.iter().map(|entry| entry.code).collect();
        print_json(&json!({ "version": 1, "codes": codes }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    for entry in codes {
        writeln!(out, "{}", entry.code)?;
    }
    Ok(Exit::Done)
}

fn explain_code(code: &str, arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(entry) = compiler::codes().iter().find(|entry| entry.code == code) else {
        let failure = if arguments.name.is_some() {
            Failure::usage(format!("`{code}` is nothing that can be explained"))
        } else {
            Failure::usage(format!("no problem has the code `{code}`"))
        };
        let things = Thing::ALL.map(Thing::name);
        let mut words = spec::language::words();
        // Only nodes have names.
        let is_node = |word: &str| spec::language::meanings(word).iter().any(|meaning| meaning.kind.is_some());
        words.retain(|word| arguments.name.is_none() || is_node(word));
        let near = match nearest(code, things.iter().copied().chain(words)) {
            Some(word) if !code.contains("::") => Some(word),
            _ => nearest(code, compiler::codes().iter().map(|entry| entry.code)),
        };
        return Err(failure.help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("list all codes with: mailwright explain; or name a thing: {}", things.join(", ")),
        }));
    };
    if let Some(name) = &arguments.name {
        return Err(Failure::usage(format!("nothing stands behind a code, and here stands `{name}`"))
            .help(format!("write: mailwright explain {code}")));
    }
    if arguments.json {
        print_json(&json!({ "version": 1, "code": entry.code, "explanation": entry.explanation }))?;
    } else {
        writeln!(std::io::stdout(), "{}\n\n{}", entry.code, entry.explanation)?;
    }
    Ok(Exit::Done)
}

fn explain_thing(thing: Thing, arguments: &Arguments) -> Result<Exit, Failure> {
    let kind = thing.name();
    let Some(name) = &arguments.name else {
        return Err(Failure::usage(format!("which {kind} is to be explained?"))
            .help(format!("write its name: mailwright explain {kind} NAME")));
    };
    let repository = repository::read(&arguments.repository)?;
    let sources = &repository.sources;
    let output = compiled::compile_with_origins(sources, arguments.env.as_deref())?;
    let environment = &output.blueprint.environment;
    let parsed = spec::parse(sources);
    let Some(explained) = explain(sources, &parsed, &output, thing, name) else {
        return Err(none_of(kind, name, environment.as_str(), &thing.known(&output)));
    };
    if arguments.json {
        print_json(&document(sources, kind, name, environment.as_str(), &explained))?;
    } else {
        write(sources, &explained)?;
    }
    Ok(Exit::Done)
}

fn none_of(kind: &str, name: &str, environment: &str, known: &[String]) -> Failure {
    let help = match (nearest(name, known.iter().map(String::as_str)), known) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("this environment has no {kind} at all"),
        (None, known) => {
            let shown: Vec<&str> = known.iter().take(8).map(String::as_str).collect();
            let more = known.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("what there is: {}{more}", shown.join(", "))
        }
    };
    Failure::usage(format!("there is no {kind} `{name}` in the environment {environment}")).help(help)
}

/// Explains a word of the language: what it means wherever it may stand.
fn explain_word(word: &str, meanings: &[Meaning], arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.json {
        let meaning = |meaning: &Meaning| {
            let facts = meaning.facts().into_iter().map(|(name, value)| (name.to_owned(), Value::String(value)));
            Value::Object(facts.collect())
        };
        let meanings: Vec<Value> = meanings.iter().map(meaning).collect();
        print_json(&json!({ "version": 1, "word": word, "meanings": meanings }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    for (number, meaning) in meanings.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{word}")?;
        for (name, value) in meaning.facts() {
            writeln!(out, "  {name}: {value}")?;
        }
    }
    Ok(Exit::Done)
}

/// Explains a thing that is declared, by what the texts say of it.
fn explain_declared(kind: &str, arguments: &Arguments) -> Result<Exit, Failure> {
    let name = arguments.name.as_deref().unwrap_or_default();
    let repository = repository::read(&arguments.repository)?;
    let sources = &repository.sources;
    let output = compiled::compile_with_origins(sources, arguments.env.as_deref())?;
    let environment = output.blueprint.environment.as_str();
    let declared = spec::declared::declared(sources, kind);
    let called: Vec<&Declared> = declared.iter().filter(|it| it.is_called(name)).collect();
    if called.is_empty() {
        let known: Vec<String> = declared.iter().map(|it| it.name.clone()).collect();
        return Err(none_of(kind, name, environment, &known));
    }
    let mut explained = Explained::default();
    for thing in called {
        let within = thing.scope.as_ref().map_or(String::new(), |scope| format!(" in {scope}"));
        explained.facts.push(Fact {
            name: kind.to_owned().into(),
            value: thing.name.clone(),
            from: format!("{kind} {}{within}", thing.name),
            span: Some(thing.span),
        });
        // The first is the name again.
        explained.facts.extend(thing.said.iter().filter(|said| said.value != thing.name).map(|said| Fact {
            name: said.name.clone().into(),
            value: said.value.clone(),
            from: match (said.span, said.noted) {
                (None, _) => format!("default, {kind} {} says nothing", thing.name),
                (Some(_), true) => format!("{kind} {}; no file is made from it", thing.name),
                (Some(_), false) => format!("{kind} {}", thing.name),
            },
            span: said.span,
        }));
        explained.reasons.extend(comes_to(&output, kind, &thing.name));
    }
    if arguments.json {
        print_json(&document(sources, kind, name, environment, &explained))?;
    } else {
        write(sources, &explained)?;
    }
    Ok(Exit::Done)
}

/// Returns a place as people write it: `platform.kdl:68:5`.
fn place(sources: &Sources, span: Option<Span>) -> String {
    let place = span.and_then(|span| Some((sources.file(span.file)?, sources.place(span))));
    place.map_or(String::new(), |(file, place)| format!("{}:{}:{}", file.path, place.line, place.column))
}

fn document(sources: &Sources, kind: &str, name: &str, environment: &str, explained: &Explained) -> Value {
    let values: Vec<Value> = explained
        .facts
        .iter()
        .map(|fact| {
            let place = fact.span.map(|span| sources.place(span));
            json!({
                "name": fact.name,
                "value": fact.value,
                "from": fact.from,
                "file": fact.span.and_then(|span| Some(sources.file(span.file)?.path.as_str())),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
            })
        })
        .collect();
    json!({
        "version": 1,
        "kind": kind,
        "name": name,
        "environment": environment,
        "values": values,
        "reasons": explained.reasons,
    })
}

fn write(sources: &Sources, explained: &Explained) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut table = table(&["what", "value", "said by", "at"]);
    for fact in &explained.facts {
        table.add_row([fact.name.as_ref(), &fact.value, &fact.from, &place(sources, fact.span)]);
    }
    writeln!(out, "{table}")?;
    if !explained.reasons.is_empty() {
        writeln!(out)?;
    }
    for reason in &explained.reasons {
        writeln!(out, "* {reason}")?;
    }
    Ok(())
}
