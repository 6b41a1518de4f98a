//! Problems as workflow commands, which GitHub shows beside the lines of a pull request.

use std::fmt::Write;

use spec::{Problem, Severity, Sources};

/// Returns one line a problem.
pub(crate) fn document(sources: &Sources, problems: &[Problem]) -> String {
    let mut lines = String::new();
    for problem in problems {
        let place = sources.place(problem.span);
        let path = sources.file(problem.span.file).map_or("", |file| file.path.as_str());
        let level = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let text = match &problem.help {
            Some(help) => format!("{}\n{help}", problem.message),
            None => problem.message.clone(),
        };
        let _ = writeln!(
            lines,
            "::{level} file={},line={},endLine={},col={},endColumn={},title={}::{}",
            property(path),
            place.line,
            place.end_line,
            place.column,
            place.end_column,
            property(problem.code),
            data(&text)
        );
    }
    lines
}

/// What would end the message is percent-encoded.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What would end a property is percent-encoded as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
