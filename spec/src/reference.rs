//! The language's reference page, in Markdown, made from [`crate::language`]'s tables.

use std::collections::BTreeMap;

use crate::language::{EDITION, Field, Form, Kind, Place, ROOTS, Shape, Type, Writer};

/// What is said of what is only agreed on.
const NOTED: &str = " Checked and planned; no file of any node is made from it.";

/// Types of values by name and description; several sets of words may have one name.
type Types = BTreeMap<(&'static str, &'static str), &'static Type>;

/// Returns the page: each kind with all that it may hold, then the types of values.
pub fn reference() -> String {
    let mut page = format!(
        "# The language, edition {EDITION}\n\nEach file begins with `language {EDITION}`. A property and a child with one \
         argument are the same thing. In YAML a node's key is its kind and its first argument: `domain acme.example:`.\n"
    );
    let mut types = BTreeMap::new();
    for root in ROOTS {
        let writer = match root.writer {
            Writer::Operator => "Only the operator writes it.",
            Writer::Reseller => "A reseller writes it in its own folder, or the operator.",
        };
        page += &format!("\n## {}\n\n{} {writer}\n", root.name, one_line(root.kind.about));
        table(root.kind, &mut page, &mut types);
        below(root.kind, root.name, &mut page, &mut types);
    }
    page += "\n## Types\n\n| type | what it is | example |\n|---|---|---|\n";
    for ((name, _), of) in &types {
        let mut about = one_line(of.about);
        if let Form::Choice(choices) = of.form {
            let meanings: Vec<String> =
                choices.iter().map(|choice| format!("`{}`: {}", choice.name, one_line(choice.about))).collect();
            about = format!("{about} {}", meanings.join(" "));
        }
        page += &format!("| {name} | {} | `{}` |\n", cell(&about), cell(of.example));
    }
    page
}

/// Writes a section for each kind of node that a kind may hold, and for those below them.
fn below(kind: &'static Kind, path: &str, page: &mut String, types: &mut Types) {
    let mut groups: Vec<(Vec<&'static str>, &'static Kind, &'static str)> = Vec::new();
    let mut add = |name: &'static str, of: &'static Kind, about: &'static str| {
        // Roles and the like: several names for nodes that hold the same.
        match groups.iter_mut().find(|(_, known, _)| known.about == of.about && known.names() == of.names()) {
            Some((names, ..)) => names.push(name),
            None => groups.push((vec![name], of, about)),
        }
    };
    for field in kind.fields {
        match field.shape {
            Shape::Node { of, .. } => add(field.name, of, field.about),
            Shape::Either(variants) => {
                variants.iter().for_each(|variant| add(variant.name, variant.kind, variant.kind.about));
            }
            Shape::Value { .. } => {}
        }
    }
    for (names, of, about) in groups {
        let about = if names.len() == 1 { about } else { of.about };
        page.push_str(&format!("\n### {path} › {}\n\n{}\n", names.join(", "), one_line(about)));
        table(of, page, types);
        let first = names.first().copied().unwrap_or_default();
        below(of, &format!("{path} › {first}"), page, types);
    }
}

fn table(kind: &'static Kind, page: &mut String, types: &mut Types) {
    if kind.fields.is_empty() {
        return;
    }
    page.push_str("\n| name | type | what it is | where it is not written |\n|---|---|---|---|\n");
    for field in kind.fields {
        let mut row = |name: &str, of: &str, about: &str| {
            page.push_str(&format!("| {name} | {of} | {} | {} |\n", cell(&one_line(about)), cell(&absent(field))));
        };
        match field.shape {
            Shape::Value { of, many, .. } => {
                types.insert((of.name, of.about), of);
                let mut about = one_line(field.about);
                for (what, bound) in [("At least", field.least), ("At most", field.most)] {
                    if let Some(bound) = bound {
                        about += &format!(" {what} `{bound}`.");
                    }
                }
                if field.environment {
                    about += " An environment may say something else.";
                }
                if field.noted {
                    about += NOTED;
                }
                let name = match field.place {
                    Place::Argument | Place::Arguments => format!("*{}*", field.name),
                    Place::Named | Place::Either => format!("`{}`", field.name),
                };
                let kind = match of.form {
                    Form::Choice(choices) => {
                        choices.iter().map(|choice| format!("`{}`", choice.name)).collect::<Vec<_>>().join(" ")
                    }
                    _ => of.name.to_owned(),
                };
                row(&name, &format!("{kind}{}", if many { ", several" } else { "" }), &about);
            }
            Shape::Node { many, .. } => {
                let noted = if field.noted { NOTED } else { "" };
                let about = format!("{}{noted}", one_line(field.about));
                row(&format!("`{}`", field.name), if many { "nodes" } else { "node" }, &about);
            }
            Shape::Either(variants) => {
                let names: Vec<String> = variants.iter().map(|variant| format!("`{}`", variant.name)).collect();
                row(&names.join(" "), "nodes", field.about);
            }
        }
    }
}

fn absent(field: &Field) -> String {
    match (field.default, field.is_required(), field.or_defaults) {
        (Some(default), ..) => format!("`{default}`"),
        (None, true, _) => "it must be".to_owned(),
        (None, false, true) => "its own defaults".to_owned(),
        (None, false, false) => String::new(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_section_and_every_row_its_columns() {
        let page = reference();
        for heading in
            ["## platform", "### reseller › domain › workgroup › mailbox", "### scenario › expect", "## Types"]
        {
            assert!(page.lines().any(|line| line == heading), "{heading}");
        }
        for line in page.lines().filter(|line| line.starts_with('|')) {
            assert!(matches!(line.replace("\\|", "").matches('|').count(), 4 | 5), "{line}");
        }
    }
}
