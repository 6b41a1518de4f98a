//! Problems as SARIF 2.1.0, for code scanning services.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spec::{Problem, Severity, Sources, Span};

/// Returns one run with every problem as a result.
pub(crate) fn document(sources: &Sources, problems: &[Problem]) -> Value {
    let codes: BTreeSet<&str> = problems.iter().map(|problem| problem.code).collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            let explanation = compiler::codes().iter().find(|entry| entry.code == *code).map(|entry| entry.explanation);
            let mut rule = json!({ "id": code });
            if let (Some(object), Some(explanation)) = (rule.as_object_mut(), explanation) {
                object.insert("fullDescription".to_owned(), json!({ "text": explanation }));
            }
            rule
        })
        .collect();
    let results: Vec<Value> = problems.iter().map(|problem| result(sources, problem)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "mailwright", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(sources: &Sources, problem: &Problem) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = match &problem.help {
        Some(help) => format!("{}\n{help}", problem.message),
        None => problem.message.clone(),
    };
    let related: Vec<Value> = problem
        .related
        .iter()
        .map(|related| {
            json!({
                "message": { "text": related.message },
                "physicalLocation": location(sources, related.span),
            })
        })
        .collect();
    json!({
        "ruleId": problem.code,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": location(sources, problem.span) }],
        "relatedLocations": related,
    })
}

fn location(sources: &Sources, span: Span) -> Value {
    let place = sources.place(span);
    let path = sources.file(span.file).map_or("", |file| file.path.as_str());
    json!({
        "artifactLocation": { "uri": uri(path) },
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        },
    })
}

/// A relative path as a URI reference: everything but the unreserved characters and `/` is percent-encoded (RFC 3986 §2).
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
