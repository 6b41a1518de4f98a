//! Faults written into good YAML: each is told on its line, and nothing else is.

use spec::{SourceFile, Sources, Trust, parse};

const PLATFORM: &str = include_str!("yaml/platform.yaml");
const RESELLER: &str = include_str!("yaml/acme.yaml");
const ENVIRONMENT: &str = include_str!("yaml/dev.yaml");
const SCENARIOS: &str = include_str!("yaml/faults.yaml");

/// Returns what is wrong with a text: lines and codes.
fn told(text: &str) -> Vec<(usize, &'static str, String)> {
    let file = SourceFile { path: "a.yaml".to_owned(), bytes: text.as_bytes().to_vec(), trust: Trust::Operator };
    let sources = Sources::new(vec![file], Vec::new());
    let parsed = parse(&sources);
    parsed
        .problems
        .iter()
        .map(|problem| (sources.place(problem.span).line as usize, problem.code, problem.message.clone()))
        .collect()
}

/// A way to break a line, which gives `None` where it does not apply.
type Fault = (&'static str, fn(&str) -> Option<String>);

fn split(line: &str) -> (&str, &str) {
    line.split_at(line.len() - line.trim_start().len())
}

const FAULTS: &[Fault] = &[
    ("a tab before the line", |line| {
        let (blanks, rest) = split(line);
        (!blanks.is_empty() && !rest.is_empty()).then(|| format!("\t{rest}"))
    }),
    ("one blank more", |line| (!line.trim().is_empty() && !line.starts_with('#')).then(|| format!(" {line}"))),
    ("one blank less", |line| line.strip_prefix(' ').map(str::to_owned)),
    ("no colon", |line| {
        let at = line.find(':')?;
        (!line[..at].contains(['{', '#', '"', '\''])).then(|| format!("{}{}", &line[..at], &line[at + 1..]))
    }),
    ("no blank behind the colon", |line| {
        let at = line.find(": ")?;
        (!line[..at].contains(['{', '#', '"', '\''])).then(|| format!("{}:{}", &line[..at], &line[at + 2..]))
    }),
    ("two colons", |line| {
        let at = line.find(": ")?;
        (!line[..at].contains(['{', '#']) && !line[at + 2..].starts_with(['{', '[', '"', '\'']))
            .then(|| format!("{}: x: {}", &line[..at], &line[at + 2..]))
    }),
    ("no closing quote", |line| {
        let at = line.rfind(['"', '\''])?;
        Some(format!("{}{}", &line[..at], &line[at + 1..]))
    }),
    ("an opening quote alone", |line| {
        let at = line.find(": ")?;
        (!line[at..].contains(['{', '[', '"', '\'', '#'])).then(|| format!("{}: \"{}", &line[..at], &line[at + 2..]))
    }),
    ("no closing bracket", |line| {
        let at = line.rfind(['}', ']'])?;
        Some(format!("{}{}", &line[..at], &line[at + 1..]))
    }),
    ("no opening bracket", |line| {
        let at = line.find(['{', '['])?;
        Some(format!("{}{}", &line[..at], &line[at + 1..]))
    }),
    ("the other closing bracket", |line| {
        let at = line.rfind(['}', ']'])?;
        let other = if &line[at..=at] == "}" { "]" } else { "}" };
        Some(format!("{}{other}{}", &line[..at], &line[at + 1..]))
    }),
    ("no comma", |line| {
        let open = line.find(['{', '['])?;
        let at = open + line[open..].find(", ")?;
        Some(format!("{}{}", &line[..at], &line[at + 1..]))
    }),
    ("a value with a sign", |line| {
        let at = line.find(": ")?;
        (!line[at..].contains(['{', '[', '"', '\'', '#'])).then(|| format!("{}: @{}", &line[..at], &line[at + 2..]))
    }),
    ("an unknown escape", |line| {
        let at = line.find(": ")?;
        (!line[at..].contains(['{', '[', '"', '\'', '#']))
            .then(|| format!("{}: \"\\q{}\"", &line[..at], &line[at + 2..]))
    }),
    ("an anchor", |line| {
        let at = line.find(": ")?;
        (!line[..at].contains(['{', '#'])).then(|| format!("{}: &x {}", &line[..at], &line[at + 2..]))
    }),
    ("an unknown alias", |line| {
        let at = line.find(": ")?;
        (!line[..at].contains(['{', '#']) && !line[at..].contains(['{', '[', '"', '\'', '#']))
            .then(|| format!("{}: *x", &line[..at]))
    }),
    ("no dash", |line| line.contains(": ").then(|| line.replacen("- ", "", 1)).filter(|broken| broken != line)),
    ("no blank behind the dash", |line| {
        line.contains(": ").then(|| line.replacen("- ", "-", 1)).filter(|broken| broken != line)
    }),
    ("a stray bracket", |line| (line.contains(": ") && !line.contains('#')).then(|| format!("{line} ]"))),
    ("a control character", |line| (line.contains(": ") && !line.contains('#')).then(|| format!("{line}\u{7}"))),
];

/// Returns the texts with each line broken in each way: the fault's name, the line from 1, the lines.
fn broken(text: &str) -> impl Iterator<Item = (&'static str, usize, Vec<String>)> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let places = FAULTS.iter().flat_map(move |fault| (0..lines.len()).map(move |index| (fault, index)));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    places.filter_map(move |((name, fault), index)| {
        let mut broken = lines.clone();
        let line = broken.get_mut(index)?;
        *line = fault(line)?;
        Some((*name, index + 1, broken))
    })
}

#[test]
fn a_fault_is_told_on_its_line_and_nothing_follows_from_it() {
    let mut bad: Vec<String> = Vec::new();
    let (mut total, mut exact) = (0, 0);
    for text in [PLATFORM, RESELLER, ENVIRONMENT, SCENARIOS] {
        assert_eq!(told(text), vec![]);
        for (name, number, lines) in broken(text) {
            let found = told(&lines.join("\n"));
            if found.is_empty() {
                // The same said otherwise, such as a top-level node one blank further in.
                continue;
            }
            total += 1;
            match found.as_slice() {
                [(line, ..)] if line.abs_diff(number) <= 1 => exact += 1,
                _ => bad.push(format!("{name} in line {number}: {found:?}")),
            }
        }
    }
    println!("{exact} of {total} faults are told once and on their line; the others:\n{}", bad.join("\n"));
    // A line moved to where nothing else stands can only be told when the next one does not fit to it.
    assert!(total > 1_900 && bad.len() <= 5, "{}", bad.join("\n"));
}

#[test]
fn several_faults_in_one_file_are_all_told_at_once() {
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut faults, mut missed, mut surplus) = (0, Vec::new(), Vec::new());
    for _ in 0..300 {
        let mut lines: Vec<String> = PLATFORM.lines().map(str::to_owned).collect();
        // One fault in each tenth of the file, and a value that is wrong in itself at its end.
        let mut places = Vec::new();
        for part in 0..8 {
            let (name, fault) = FAULTS[random(FAULTS.len())];
            let number = part * 13 + 3 + random(8);
            if let Some(broken) = lines.get(number).and_then(|line| fault(line)) {
                let mut alone: Vec<String> = PLATFORM.lines().map(str::to_owned).collect();
                alone[number] = broken.clone();
                let found = told(&alone.join("\n"));
                if found.len() == 1 && found.iter().all(|(line, ..)| line.abs_diff(number + 1) <= 1) {
                    lines[number] = broken;
                    places.push((number + 1, name));
                }
            }
        }
        let last = lines.len();
        lines.push("  teir wrong: { kind: mailbox }".to_owned());
        places.push((last + 1, "an unknown name"));
        let text = lines.join("\n");
        let found = told(&text);
        faults += places.len();
        for (number, name) in &places {
            if !found.iter().any(|(line, ..)| line.abs_diff(*number) <= 1) {
                missed.push(format!("{name} in line {number} of\n{places:?}: {found:?}"));
            }
        }
        for (line, code, message) in &found {
            if !places.iter().any(|(number, _)| line.abs_diff(*number) <= 1) {
                surplus.push(format!("{line} {code} {message} with {places:?}"));
            }
        }
    }
    println!("{faults} faults, {} missed, {} told of other lines", missed.len(), surplus.len());
    let most = faults / 50;
    assert!(missed.len() <= most, "{}", missed.join("\n"));
    assert!(surplus.len() <= most, "{}", surplus.join("\n"));
}
