//! Helps in the syntax of the file that they are about: rules write them as KDL, and YAML says the same otherwise.

use spec::{FileId, Problem, Sources};

/// Respells what a help says to write, where the file it is to be written into is YAML.
pub(crate) fn in_syntax(problem: &mut Problem, sources: &Sources) {
    // The readers know the syntax that they read.
    let Some(help) = problem.help.as_mut().filter(|_| problem.code.starts_with("compiler::")) else { return };
    let is_yaml = |file: FileId| {
        sources.file(file).is_some_and(|file| file.path.ends_with(".yaml") || file.path.ends_with(".yml"))
    };
    // What the operator is to write stands where the line is that forbids.
    let operators = problem.related.last().map_or(problem.span.file, |related| related.span.file);
    let mut respelled = String::with_capacity(help.len());
    for (number, piece) in help.split('`').enumerate() {
        if number > 0 {
            respelled.push('`');
        }
        let file = if respelled.contains("operator") { operators } else { problem.span.file };
        match yaml(piece).filter(|_| number % 2 == 1 && is_yaml(file)) {
            Some(yaml) => respelled += &yaml,
            None => respelled += piece,
        }
    }
    *help = respelled;
}

/// Returns a setting or a node of KDL as YAML spells it; `None` for anything else.
fn yaml(kdl: &str) -> Option<String> {
    let end = kdl.find([' ', '=']).unwrap_or(kdl.len());
    let (name, rest) = kdl.split_at_checked(end)?;
    let is_name = name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if !is_name || !kdl.contains(['"', '#', '{']) {
        return None;
    }
    if let Some(value) = rest.strip_prefix('=') {
        return Some(format!("{name}: {}", scalar(value)));
    }
    let rest = rest.trim_start();
    let (argument, rest) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((argument, rest)) => (Some(argument), rest.trim()),
        None => (None, rest),
    };
    let head = argument.map_or_else(|| name.to_owned(), |argument| format!("{name} {argument}"));
    let settings: Vec<String> = match rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(block) => block.split(';').map(|child| child.trim().to_owned()).collect(),
        None => rest.split(' ').filter(|setting| !setting.is_empty()).map(str::to_owned).collect(),
    };
    let settings: Vec<String> = settings
        .iter()
        .map(|setting| match setting.split_once('=') {
            Some((name, value)) => format!("{name}: {}", scalar(value)),
            None if setting == "…" => setting.clone(),
            None => format!("{setting}: true"),
        })
        .collect();
    Some(match settings.as_slice() {
        [] => format!("{head}:"),
        settings => format!("{head}: {{ {} }}", settings.join(", ")),
    })
}

fn scalar(value: &str) -> &str {
    let bare = value.trim_matches('"');
    match bare.strip_prefix('#') {
        Some(keyword) if !value.starts_with('"') => keyword,
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::yaml;

    #[test]
    fn settings_and_nodes_are_spelled_as_yaml_does_and_words_stay() {
        for (kdl, expected) in [
            ("authority=\"internal\"", Some("authority: internal")),
            ("shared=#true", Some("shared: true")),
            ("mailbox \"office\"", Some("mailbox office:")),
            ("state on=\"STORAGE\"", Some("state: { on: STORAGE }")),
            ("defense \"email-defense\" { spam; virus }", Some("defense email-defense: { spam: true, virus: true }")),
            ("platform \"NAME\" { … }", Some("platform NAME: { … }")),
            ("dns-txt", None),
            ("acme.example", None),
            ("#000000", None),
        ] {
            assert_eq!(yaml(kdl).as_deref(), expected, "{kdl}");
        }
    }
}
