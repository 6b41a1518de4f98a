//! Shows problems of a specification: to people with the lines they are about, to programs in the formats they read.

mod excerpt;
pub(crate) mod github;
pub(crate) mod junit;
pub(crate) mod sarif;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde_json::{Value, json};
use spec::{Problem, Severity, Sources, Span};

use excerpt::Excerpt;

/// More than these nobody reads in one go.
const MOST_SHOWN: usize = 500;

/// Writes the problems for a person, then a line that counts them all.
pub(crate) fn write_human(out: &mut dyn Write, sources: &Sources, problems: &[Problem]) -> io::Result<()> {
    write_each(out, sources, problems)?;
    if problems.len() > MOST_SHOWN {
        writeln!(out, "and {} more; --format json has all of them\n", problems.len() - MOST_SHOWN)?;
    }
    if !problems.is_empty() {
        writeln!(out, "{}", count(problems))?;
    }
    Ok(())
}

/// Writes the problems for a person, the first few hundred of them.
pub(crate) fn write_each(out: &mut dyn Write, sources: &Sources, problems: &[Problem]) -> io::Result<()> {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
    for problem in problems.iter().take(MOST_SHOWN) {
        let mut text = String::new();
        let shown = Shown::problem(sources, problem);
        if handler.render_report(&mut text, &shown).is_err() {
            text = format!("{}: {}\n", problem.code, problem.message);
        }
        writeln!(out, "{}\n", text.trim_end_matches('\n'))?;
    }
    Ok(())
}

/// Returns the problems as `check --format json` prints them.
pub(crate) fn json(sources: &Sources, problems: &[Problem]) -> Value {
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| {
            let related: Vec<Value> = problem
                .related
                .iter()
                .map(|related| with_place(sources, related.span, json!({ "message": related.message })))
                .collect();
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let own = json!({
                "code": problem.code,
                "severity": severity,
                "message": problem.message,
                "help": problem.help,
                "related": related,
            });
            with_place(sources, problem.span, own)
        })
        .collect();
    json!({ "version": 1, "problems": problems })
}

/// Tells whether any of them stops a compilation.
pub(crate) fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// Says how many there are, as `2 errors, 1 warning`.
pub(crate) fn count(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (errors, problems.len() - errors) {
        (errors, 0) => plural(errors, "error"),
        (0, warnings) => plural(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

fn with_place(sources: &Sources, span: Span, mut value: Value) -> Value {
    let place = sources.place(span);
    if let Some(object) = value.as_object_mut() {
        object.insert("file".to_owned(), json!(sources.file(span.file).map(|file| file.path.as_str())));
        object.insert("line".to_owned(), json!(place.line));
        object.insert("column".to_owned(), json!(place.column));
        object.insert("end_line".to_owned(), json!(place.end_line));
        object.insert("end_column".to_owned(), json!(place.end_column));
    }
    value
}

/// A problem, or a place related to one, as miette wants it.
struct Shown {
    message: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    label: LabeledSpan,
    source: Excerpt,
    related: Vec<Self>,
}

impl Shown {
    fn problem(sources: &Sources, problem: &Problem) -> Self {
        let related = problem
            .related
            .iter()
            .map(|related| Self {
                message: related.message.clone(),
                code: None,
                severity: miette::Severity::Advice,
                help: None,
                ..Self::place(sources, related.span, String::new())
            })
            .collect();
        Self {
            message: problem.message.clone(),
            code: Some(problem.code),
            severity: match problem.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            help: problem.help.clone(),
            related,
            ..Self::place(sources, problem.span, problem.label.clone())
        }
    }

    fn place(sources: &Sources, span: Span, label: String) -> Self {
        let (source, place) = Excerpt::of(sources, span);
        let label = (!label.is_empty()).then_some(label);
        Self {
            message: String::new(),
            code: None,
            severity: miette::Severity::Error,
            help: None,
            label: LabeledSpan::new_primary_with_span(label, place),
            source,
            related: Vec::new(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        (!self.related.is_empty())
            .then(|| Box::new(self.related.iter().map(|shown| shown as &dyn Diagnostic)) as Box<dyn Iterator<Item = _>>)
    }
}
