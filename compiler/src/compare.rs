//! What two environments of one platform differ in: what was declared, and what is left when that is taken away.
//!
//! An environment may have other names, addresses, counts and sizes, and nothing else. So the first is compiled once more with
//! all that the second one declares, and each file is laid beside the second's: what differs then was declared by nobody.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::{Blueprint, Bundle, Launch};
use serde::Serialize;
use spec::Parsed;
use spec::model::Environment;

/// A side of the comparison.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What runs where.
    pub blueprint: &'a Blueprint,
    /// How it is run.
    pub launch: &'a Launch,
    /// The bytes.
    pub bundle: &'a Bundle,
}

/// What two environments differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What the two declare otherwise.
    pub declared: Vec<Declared>,
    /// What differs although nobody declared it.
    pub undeclared: Vec<Undeclared>,
    /// How many files were laid beside each other.
    pub files: usize,
}

/// Something that the two declare otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// What it is, such as `backend`.
    pub what: String,
    /// As the first has it.
    pub first: String,
    /// As the second has it.
    pub second: String,
}

/// A line that only one of them has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undeclared {
    /// The node it is on.
    pub node: String,
    /// The file.
    pub file: String,
    /// Lines of the first that the second has not.
    pub first: Vec<String>,
    /// Lines of the second that the first has not.
    pub second: Vec<String>,
}

/// Compares two environments.
///
/// - `twin`: the first environment, compiled with all that the second one declares ([`twin`]).
pub fn compare(first: Side<'_>, second: Side<'_>, twin: Side<'_>) -> Comparison {
    let names = [first.blueprint.environment.as_str(), second.blueprint.environment.as_str()];
    let (left, right) = (files(twin, names), files(second, names));
    let paths: BTreeSet<&(String, String)> = left.keys().chain(right.keys()).collect();
    let none = Vec::new();
    let mut undeclared = Vec::new();
    for path in &paths {
        let (ours, theirs) = (left.get(*path).unwrap_or(&none), right.get(*path).unwrap_or(&none));
        if ours != theirs {
            let (node, file) = (path.0.clone(), path.1.clone());
            let lines = |these: &[String], those: &[String]| {
                let others: BTreeSet<&String> = those.iter().collect();
                these.iter().filter(|line| !others.contains(line)).cloned().collect()
            };
            undeclared.push(Undeclared { node, file, first: lines(ours, theirs), second: lines(theirs, ours) });
        }
    }
    Comparison { declared: declared(first, second), undeclared, files: paths.len() }
}

/// Gives an environment of a specification all that another one declares; its name stays.
///
/// Compiled, it shows whether two environments differ in anything but what stands in their declarations.
pub fn twin(parsed: &mut Parsed, first: &str, second: &str) {
    let named = |name: &str| parsed.spec.environments.iter().find(|it| it.name.value.as_str() == name).cloned();
    if let (Some(own), Some(declared)) = (named(first), named(second)) {
        // What runs is no environment's to say; where it comes from, and what comes from it, is nothing that runs.
        let twin = Environment { name: own.name, platform: own.platform, span: own.span, from: None, ..declared };
        parsed.spec.environments = vec![twin];
    }
}

/// Returns the lines of every file by node and path, the environments' names taken out.
fn files(side: Side<'_>, names: [&str; 2]) -> BTreeMap<(String, String), Vec<String>> {
    let nameless = |text: &str| names.iter().fold(text.to_owned(), |text, name| replaced(&text, name, "ENVIRONMENT"));
    let mut files = BTreeMap::new();
    for (node, tree) in &side.bundle.nodes {
        for (path, file) in &tree.files {
            let (bytes, _) = file.unfilled();
            let text = String::from_utf8_lossy(&bytes);
            let mut lines = vec![format!("mode {:04o} owner {}", file.mode, file.owner)];
            lines.extend(text.lines().map(nameless));
            files.insert((node.clone(), nameless(path)), lines);
        }
    }
    files
}

/// Replaces a text where it stands as a word of its own.
fn replaced(text: &str, from: &str, to: &str) -> String {
    if from.is_empty() || !text.contains(from) {
        return text.to_owned();
    }
    let joins = |character: Option<char>| character.is_some_and(|it| it.is_ascii_alphanumeric());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before_rest = None;
    while let Some(at) = rest.find(from) {
        let (before, found) = rest.split_at(at);
        let after = found.get(from.len()..).unwrap_or_default();
        let alone = !joins(before.chars().next_back().or(before_rest)) && !joins(after.chars().next());
        out.push_str(before);
        out.push_str(if alone { to } else { from });
        before_rest = from.chars().next_back();
        rest = after;
    }
    out + rest
}

fn declared(first: Side<'_>, second: Side<'_>) -> Vec<Declared> {
    let mut declared = Vec::new();
    let mut differ = |what: &str, first: String, second: String| {
        if first != second {
            declared.push(Declared { what: what.to_owned(), first, second });
        }
    };
    let (a, b) = (first.launch, second.launch);
    differ("backend", a.backend.clone(), b.backend.clone());
    differ("suffix", first.blueprint.service_domain.to_string(), second.blueprint.service_domain.to_string());
    let secrets = |launch: &Launch| match launch.secrets {
        blueprint::launch::Secrets::Generate => "generate",
        blueprint::launch::Secrets::File(_) => "file",
        blueprint::launch::Secrets::EnvironmentVariables => "environment-variables",
    };
    differ("secrets", secrets(a).to_owned(), secrets(b).to_owned());
    differ("doors", format!("{} {}", a.address, a.base_port), format!("{} {}", b.address, b.base_port));
    let roles = |side: Side<'_>| {
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &side.blueprint.nodes {
            *roles.entry(node.role.name()).or_default() += 1;
        }
        roles
    };
    let (ours, theirs) = (roles(first), roles(second));
    for role in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let count = |roles: &BTreeMap<&str, usize>| roles.get(role).copied().unwrap_or_default().to_string();
        differ(&format!("nodes of {role}"), count(&ours), count(&theirs));
    }
    let domains = |launch: &Launch| launch.internet.domains.len().to_string();
    differ("domains of the simulated internet", domains(a), domains(b));
    declared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_taken_out() {
        assert_eq!(replaced("mx-1 and mx-10 and amx-1", "mx-1", "N"), "N and mx-10 and amx-1");
        assert_eq!(replaced("qa.x qaqa qa", "qa", "E"), "E.x qaqa E");
    }
}
