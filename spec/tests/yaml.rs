//! The two syntaxes say the same: files of the example, written in YAML, ask for the same thing.

use spec::{SourceFile, Sources, Trust, parse};

/// Returns what a text asks for, without its places.
fn asked(path: &str, text: &str) -> String {
    let file = SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec(), trust: Trust::Operator };
    let sources = Sources::new(vec![file], Vec::new());
    let parsed = parse(&sources);
    let told: Vec<String> = parsed
        .problems
        .iter()
        .map(|problem| {
            let place = sources.place(problem.span);
            format!("{path}:{}:{} {} {:?}", place.line, place.column, problem.message, problem.help)
        })
        .collect();
    assert!(told.is_empty(), "{told:#?}");
    let shown = format!("{:#?}", parsed.spec);
    let mut asked = String::new();
    let mut lines = shown.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("span: Span {") {
            // Its file, three lines long, its start, its end, and the closing brace.
            assert_eq!(lines.nth(5).map(str::trim), Some("},"));
        } else {
            asked += line;
            asked.push('\n');
        }
    }
    asked
}

macro_rules! same {
    ($name:ident, $kdl:literal, $yaml:literal) => {
        #[test]
        fn $name() {
            let kdl = asked("a.kdl", include_str!(concat!("../../examples/northmail/", $kdl)));
            let yaml = asked("a.yaml", include_str!(concat!("yaml/", $yaml)));
            for (number, (one, other)) in kdl.lines().zip(yaml.lines()).enumerate() {
                assert_eq!(one, other, "line {number} of what is asked");
            }
            assert_eq!(kdl.len(), yaml.len());
        }
    };
}

same!(a_platform_is_the_same_in_both_syntaxes, "platform.kdl", "platform.yaml");
same!(a_reseller_is_the_same_in_both_syntaxes, "resellers/acme/acme.kdl", "acme.yaml");
same!(an_environment_is_the_same_in_both_syntaxes, "environments/dev.kdl", "dev.yaml");
same!(a_scenario_is_the_same_in_both_syntaxes, "scenarios/faults.kdl", "faults.yaml");
