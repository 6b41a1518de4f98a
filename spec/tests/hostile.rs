//! Whatever the bytes, parsing ends with a value and problems whose places lie in the file.

use proptest::prelude::*;
use spec::{FileId, Parsed, SourceFile, Sources, Trust, parse};

const TEXTS: &[(&str, &str)] = &[
    ("platform.kdl", include_str!("../../examples/northmail/platform.kdl")),
    ("acme.kdl", include_str!("../../examples/northmail/resellers/acme/acme.kdl")),
    ("dev.kdl", include_str!("../../examples/northmail/environments/dev.kdl")),
    ("faults.kdl", include_str!("../../examples/northmail/scenarios/faults.kdl")),
    ("platform.yaml", include_str!("yaml/platform.yaml")),
    ("acme.yaml", include_str!("yaml/acme.yaml")),
    ("faults.yaml", include_str!("yaml/faults.yaml")),
];

fn parsed(path: &str, bytes: Vec<u8>) -> Parsed {
    let length = bytes.len();
    let file = SourceFile { path: path.to_owned(), bytes, trust: Trust::Operator };
    let parsed = parse(&Sources::new(vec![file], Vec::new()));
    for problem in &parsed.problems {
        for span in problem.related.iter().map(|other| other.span).chain([problem.span]) {
            assert!(span.file == FileId(0) && span.start <= span.end && span.end as usize <= length, "{problem:?}");
        }
    }
    parsed
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_specification_with_a_piece_cut_out_or_doubled_is_parsed(which in 0..TEXTS.len(), from: u16, length in 0usize..60, twice: bool) {
        let (path, text) = TEXTS[which];
        let bytes = text.as_bytes();
        let from = usize::from(from) % bytes.len();
        let to = (from + length).min(bytes.len());
        let middle = if twice { &bytes[from..to] } else { &[] };
        let broken = [&bytes[..if twice { to } else { from }], middle, &bytes[to..]].concat();
        parsed(path, broken);
    }

    #[test]
    fn a_specification_with_other_bytes_in_it_is_parsed(which in 0..TEXTS.len(), at: u16, bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let (path, text) = TEXTS[which];
        let at = usize::from(at) % text.len();
        let broken = [&text.as_bytes()[..at], &bytes, &text.as_bytes()[at..]].concat();
        parsed(path, broken);
    }

    #[test]
    fn any_words_are_parsed(words in prop::collection::vec(
        prop::sample::select(vec!["language 1\n", "platform ", "reseller ", "\"acme\" ", "{ ", "} ", "\n", "domain ", "tier=", "mail ", "#true ", "5d ", "; ", "=", "/-", "\"", "-1 ", "mailbox "]),
        0..40,
    ), yaml: bool) {
        parsed(if yaml { "a.yaml" } else { "a.kdl" }, words.concat().into_bytes());
    }
}

#[test]
fn one_bad_node_hides_no_other() {
    let broken =
        TEXTS[1].1.replace("company \"Acme Internet\"", "company 5 6").replace("tier=\"premium\"", "tier=\"Premium!\"");
    let parsed = parsed("acme.kdl", broken.into_bytes());
    assert_eq!(parsed.problems.len(), 2, "{:?}", parsed.problems);
    let domain = &parsed.spec.resellers[0].domains[0];
    assert_eq!(domain.workgroups[0].mailboxes.len(), 2);
    // The help names what is meant, and that is looked at further.
    assert_eq!(domain.workgroups[0].mailboxes[0].tier.as_ref().map(|tier| tier.value.as_str()), Some("premium"));
}

#[test]
fn a_file_full_of_mistakes_is_told_in_part_and_soon() {
    let text = format!("language 1\nplatform \"x\" {{\n{}}}\n", "mailbxo \"a\" \"b\"\n".repeat(100_000));
    let parsed = parsed("a.kdl", text.into_bytes());
    assert_eq!(parsed.problems.len(), 1001);
    assert!(parsed.problems.iter().any(|problem| problem.code == "spec::too-many-problems"));
}

#[test]
fn texts_of_any_length_are_refused_in_time_that_grows_with_them() {
    for (around, text) in [
        ("reseller", "a-".repeat(500_000)),
        ("reseller language", format!("en{}", "-abcde1".repeat(100_000))),
        ("reseller contact", format!("{}@x.example", "a.".repeat(500_000))),
        ("reseller domain", "xn--a.".repeat(200_000)),
        ("reseller domain", "ü.".repeat(200_000)),
        ("reseller time-zone", "A/".repeat(500_000)),
        ("environment backend", "vm".repeat(500_000)),
    ] {
        let (root, child) = around.split_once(' ').unwrap_or((around, "company"));
        let parsed = parsed("a.kdl", format!("language 1\n{root} \"{text}\" {{ {child} \"{text}\"; }}\n").into_bytes());
        assert!(!parsed.problems.is_empty(), "{around}");
        assert!(parsed.problems.iter().all(|problem| problem.message.len() < 400), "{around}");
    }
}

#[test]
fn the_order_of_files_and_nodes_has_no_meaning_for_problems() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
        trust: Trust::Operator,
    };
    let files = [file("b.kdl", "language 1\nplatfrom \"x\""), file("a.kdl", "reseller \"a\"")];
    let one = parse(&Sources::new(files.to_vec(), Vec::new()));
    let other = parse(&Sources::new(files.into_iter().rev().collect(), Vec::new()));
    assert_eq!(one, other);
    assert!(one.problems.is_sorted());
}
