//! The example repository says what it means to say, without a problem.

use spec::{Asset, SourceFile, Sources, Trust, parse};

const FILES: &[(&str, &str)] = &[
    ("platform.kdl", include_str!("../../examples/northmail/platform.kdl")),
    ("resellers/acme/acme.kdl", include_str!("../../examples/northmail/resellers/acme/acme.kdl")),
    ("resellers/globex/globex.kdl", include_str!("../../examples/northmail/resellers/globex/globex.kdl")),
    ("environments/dev.kdl", include_str!("../../examples/northmail/environments/dev.kdl")),
    ("environments/qa.kdl", include_str!("../../examples/northmail/environments/qa.kdl")),
    ("environments/horizon.kdl", include_str!("../../examples/northmail/environments/horizon.kdl")),
    ("environments/production.kdl", include_str!("../../examples/northmail/environments/production.kdl")),
    ("scenarios/smoke.kdl", include_str!("../../examples/northmail/scenarios/smoke.kdl")),
    ("scenarios/defense.kdl", include_str!("../../examples/northmail/scenarios/defense.kdl")),
    ("scenarios/isolation.kdl", include_str!("../../examples/northmail/scenarios/isolation.kdl")),
    ("scenarios/faults.kdl", include_str!("../../examples/northmail/scenarios/faults.kdl")),
];

fn sources() -> Sources {
    let files = FILES
        .iter()
        .map(|(path, text)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
            trust: match path.strip_prefix("resellers/").and_then(|rest| rest.split_once('/')) {
                Some((name, _)) => Trust::Reseller(name.to_owned()),
                None => Trust::Operator,
            },
        })
        .collect();
    Sources::new(files, Vec::<Asset>::new())
}

#[test]
fn the_example_has_no_problem() {
    let sources = sources();
    let parsed = parse(&sources);
    for problem in &parsed.problems {
        let place = sources.place(problem.span);
        let path = sources.file(problem.span.file).map_or("?", |file| &file.path);
        println!("{path}:{}:{} {} {:?}", place.line, place.column, problem.message, problem.help);
    }
    assert_eq!(parsed.problems.len(), 0);
}

#[test]
fn the_example_is_understood_whole() {
    let spec = parse(&sources()).spec;
    let platform = &spec.platforms[0];
    assert_eq!(platform.clusters[0].roles().map(|(_, nodes)| nodes.count.value).sum::<u64>(), 29);
    assert_eq!(platform.tiers.len(), 4);
    assert_eq!(platform.contracts[0].prices[0].amount.value.minor_units(), 38);
    let mailboxes = |index: usize| -> usize {
        spec.resellers[index]
            .domains
            .iter()
            .flat_map(|domain| &domain.workgroups)
            .map(|group| group.mailboxes.len())
            .sum()
    };
    assert_eq!((mailboxes(0), mailboxes(1)), (2, 5));
    assert_eq!(spec.environments.len(), 4);
    assert_eq!(spec.scenarios.iter().map(|scenario| scenario.steps.len()).sum::<usize>(), 23);
}
