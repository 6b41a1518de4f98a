//! Problems as JUnit XML: a test case a file, a failure a problem.

use std::fmt::Write;

use spec::{Problem, Severity, Sources};

/// Returns one test suite; a file without errors is a test case that passed.
pub(crate) fn document(sources: &Sources, problems: &[Problem]) -> String {
    let failures = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let tests = sources.files().count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites>\n  <testsuite name=\"mailwright check\" tests=\"{tests}\" failures=\"{failures}\">"
    );
    for (id, file) in sources.files() {
        let _ = writeln!(xml, "    <testcase classname=\"check\" name=\"{}\">", escaped(&file.path));
        for problem in problems.iter().filter(|problem| problem.span.file == id) {
            let place = sources.place(problem.span);
            let text = format!(
                "{}:{}:{}: {}\n{}",
                file.path,
                place.line,
                place.column,
                problem.message,
                problem.help.as_deref().unwrap_or_default()
            );
            let _ = match problem.severity {
                Severity::Error => writeln!(
                    xml,
                    "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                    escaped(problem.code),
                    escaped(&problem.message),
                    escaped(text.trim_end())
                ),
                Severity::Warning => writeln!(xml, "      <system-out>{}</system-out>", escaped(text.trim_end())),
            };
        }
        let _ = writeln!(xml, "    </testcase>");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// XML 1.0 has no way to write most control characters; they become the replacement character.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control < ' ' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
