//! Equal sources give equal bytes, in any order; broken ones give problems and never a panic.

#![expect(clippy::disallowed_methods, reason = "tests read the example from disk")]

mod northmail;

use compiler::{Compiled, check_all, check_outlines, compile, environments, manifest, render};
use proptest::prelude::*;
use spec::outline::join;
use spec::{Asset, Outline, Problem, Severity, SourceFile, Sources};

/// Everything that one environment compiles to, as text.
fn bytes(sources: &Sources, environment: &str) -> Vec<String> {
    let parsed = spec::parse(sources);
    let output = compile(sources, &parsed, environment).output.expect("nothing is wrong with the example");
    let bundle = render(&output, sources);
    vec![
        json(&output.blueprint),
        json(&output.roster),
        json(&output.launch),
        json(&output.scenarios),
        json(&manifest(&output.blueprint, &bundle)),
    ]
}

/// Checks with outlines that were written as bytes and read back.
fn checked_as_kept(sources: &Sources) -> Vec<Problem> {
    let outlines = sources.files().map(|(id, file)| {
        let outline = Outline::of(id, file);
        match outline.to_bytes() {
            Some(bytes) => {
                let again = Outline::from_bytes(id, &bytes).expect("what was written is read");
                assert_eq!(again, outline, "{}", file.path);
                again
            }
            None => outline,
        }
    });
    let parsed = join(outlines);
    check_outlines(sources, parsed, |id| sources.file(id).map(|file| Outline::whole(id, file)))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data becomes JSON")
}

fn shuffled(files: Vec<SourceFile>, assets: Vec<Asset>, order: &[prop::sample::Index]) -> Sources {
    let mut mixed = Vec::new();
    let mut left = files;
    for index in order {
        if !left.is_empty() {
            mixed.push(left.remove(index.index(left.len())));
        }
    }
    mixed.extend(left);
    Sources::new(mixed, assets.into_iter().rev().collect())
}

/// Splits a file into its top-level node's lines below the head, and mixes those that stand alone on a line.
fn reordered_children(text: &str, turn: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (head, rest) = lines.split_at(lines.iter().position(|line| line.ends_with('{')).map_or(0, |at| at + 1));
    let Some((last, body)) = rest.split_last() else { return text.to_owned() };
    let mut blocks: Vec<String> = Vec::new();
    let mut depth = 0i32;
    for line in body {
        if depth == 0 || blocks.is_empty() {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
        depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
    }
    if !blocks.is_empty() {
        let by = turn % blocks.len();
        blocks.rotate_left(by);
    }
    format!("{}\n{}{last}\n", head.join("\n"), blocks.concat())
}

#[test]
fn the_order_of_nodes_in_a_file_has_no_meaning() {
    let (files, assets) = northmail::files();
    let expected = bytes(&northmail::sources(), "production");
    for turn in 1..9 {
        let mut mixed = files.clone();
        for file in mixed.iter_mut().filter(|file| !file.path.starts_with("scenarios/")) {
            file.bytes = reordered_children(&String::from_utf8_lossy(&file.bytes), turn).into_bytes();
        }
        assert_eq!(bytes(&Sources::new(mixed, assets.clone()), "production"), expected, "turn {turn}");
    }
}

#[test]
fn every_environment_of_the_example_has_every_role_and_fits() {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    assert_eq!(environments(&parsed), ["dev", "horizon", "production", "qa"]);
    for (environment, nodes) in [("dev", 14), ("qa", 14), ("horizon", 26), ("production", 29)] {
        let output = compile(&sources, &parsed, environment).output.expect("nothing is wrong with the example");
        assert_eq!(output.blueprint.nodes.len(), nodes, "{environment}");
        for role in blueprint::Role::ALL {
            assert!(output.blueprint.nodes.iter().any(|node| node.role == role), "{environment}: {}", role.name());
        }
        let sorted = |names: Vec<&values::Name>| names.is_sorted_by(|a, b| a < b);
        assert!(sorted(output.blueprint.nodes.iter().map(|node| &node.name).collect()));
        assert!(sorted(output.blueprint.hosts.iter().map(|host| &host.name).collect()));
        assert!(output.roster.mailboxes.is_sorted_by(|a, b| a.address < b.address));
        assert_eq!(output.launch.show_passwords, environment != "production");
        assert_eq!(output.launch.accounts.is_empty(), environment == "production");
    }
}

#[test]
fn every_thing_of_a_blueprint_has_its_place_in_the_text() {
    let sources = northmail::sources();
    let output = compile(&sources, &spec::parse(&sources), "dev").output.expect("nothing is wrong with the example");
    let line = |entity: &str, field: Option<&str>| {
        let span = output.origins.find(entity, field).unwrap_or_else(|| panic!("{entity} has no place"));
        format!("{}:{}", sources.file(span.file).map_or("", |file| &file.path), sources.place(span).line)
    };
    assert_eq!(line("mailbox alice@acme.example", Some("tier")), "resellers/acme/acme.kdl:31");
    assert_eq!(line("node mx-1", Some("no such field")), "platform.kdl:20");
    assert_eq!(line("tier basic", Some("quota")), "platform.kdl:82");
    for node in &output.blueprint.nodes {
        assert!(output.origins.find(&format!("node {}", node.name), None).is_some());
    }
    for mailbox in &output.roster.mailboxes {
        assert!(output.origins.find(&format!("mailbox {}", mailbox.address), None).is_some());
    }
}

#[test]
fn an_environment_that_nobody_declared_is_told_with_those_there_are() {
    let sources = northmail::sources();
    let Compiled { output, problems } = compile(&sources, &spec::parse(&sources), "prod");
    assert!(output.is_none());
    let help: Vec<_> = problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    assert_eq!(help, ["declared environments: dev, horizon, production, qa"]);
}

#[test]
fn nothing_at_all_is_a_problem_and_no_panic() {
    let nothing = Sources::new(Vec::new(), Vec::new());
    assert_eq!(check_all(&nothing).first().map(|problem| problem.code), Some("compiler::no-platform"));
}

/// A way to break a text.
#[derive(Clone, Debug)]
enum Damage {
    Delete(usize),
    Insert(char),
    DoubleLine,
    DropLine,
    SwapWords,
    Replace(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (1usize..30).prop_map(Damage::Delete),
        prop::sample::select(vec!['"', '{', '}', '\\', '\n', ' ', '=', '0', '\u{202e}', 'é', '#', '/', '-', '\0'])
            .prop_map(Damage::Insert),
        Just(Damage::DoubleLine),
        Just(Damage::DropLine),
        Just(Damage::SwapWords),
        prop::sample::select(vec![
            "\"0.0.0.0/0\"",
            "\"255.255.255.255/32\"",
            "\"::/0\"",
            "18446744073709551615",
            "\"0B\"",
            "\"1B\"",
            "\"16383PiB\"",
            "1000",
            "\"acme\"",
            "\"a.b\"",
            "#null",
            "\"x@y.z\"",
            "-1",
            "\"\"",
        ])
        .prop_map(Damage::Replace),
    ]
}

fn broken(text: &str, place: usize, damage: &Damage) -> String {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let at = starts.get(place % starts.len()).copied().unwrap_or(0);
    let (before, after) = text.split_at(at);
    let line = |text: &str| text.find('\n').map_or(text.len(), |end| end + 1);
    match damage {
        Damage::Delete(count) => format!("{before}{}", after.chars().skip(*count).collect::<String>()),
        Damage::Insert(character) => format!("{before}{character}{after}"),
        Damage::DoubleLine => {
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            let end = at + line(after);
            format!("{}{}{}", &text[..end], &text[start..end], &text[end..])
        }
        Damage::DropLine => {
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            format!("{}{}", &text[..start], &text[at + line(after)..])
        }
        Damage::SwapWords => {
            let mut words: Vec<&str> = text.split(' ').collect();
            let (one, other) = (place % words.len(), (place / 7) % words.len());
            words.swap(one, other);
            words.join(" ")
        }
        Damage::Replace(value) => {
            // From here the next argument or value, up to the blank behind it.
            let from = after.find([' ', '=']).map_or(0, |at| at + 1);
            let tail = after.get(from..).unwrap_or_default();
            let end = tail.find([' ', '\n', ';']).unwrap_or(tail.len());
            format!("{before}{}{value}{}", &after[..from], &tail[end..])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_order_of_files_has_no_meaning(order in prop::collection::vec(any::<prop::sample::Index>(), 14)) {
        let (files, assets) = northmail::files();
        let mixed = shuffled(files, assets, &order);
        prop_assert_eq!(bytes(&mixed, "dev"), bytes(&northmail::sources(), "dev"));
    }

    #[test]
    fn broken_sources_give_problems_or_output_and_never_a_panic(
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0usize..5000, damage()), 1..6),
    ) {
        let (mut files, assets) = northmail::files();
        for (file, place, damage) in &damages {
            let index = file.index(files.len());
            let text = String::from_utf8_lossy(&files[index].bytes).into_owned();
            if !text.is_empty() {
                files[index].bytes = broken(&text, *place, damage).into_bytes();
            }
        }
        let sources = Sources::new(files, assets);
        let problems = check_all(&sources);
        let parsed = spec::parse(&sources);
        prop_assert_eq!(&problems, &check_outlines(&sources, parsed.clone(), |_| None), "read whole");
        prop_assert_eq!(&problems, &checked_as_kept(&sources), "read from bytes");
        for environment in environments(&parsed) {
            let compiled = compile(&sources, &parsed, &environment);
            let wrong = compiled.problems.iter().any(|problem| problem.severity == Severity::Error);
            prop_assert_eq!(compiled.output.is_none(), wrong);
            if let Some(output) = &compiled.output {
                let _ = render(output, &sources);
            }
            // What stops one environment is told by `check` as well.
            for problem in compiled.problems.iter().filter(|problem| problem.severity == Severity::Error) {
                prop_assert!(
                    problems.iter().any(|told| (told.span, told.code) == (problem.span, problem.code)),
                    "{:?} is not told by check", problem
                );
            }
        }
        for problem in &problems {
            prop_assert!(!problem.message.is_empty() && !problem.span.is_hole());
            prop_assert!(!problem.message.contains('\n') && !problem.message.ends_with('.'));
        }
    }
}
