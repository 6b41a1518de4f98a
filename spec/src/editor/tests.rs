//! What editors are told, place by place; `|` in a text is where the cursor stands.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::language::{Kind, Place, ROOTS, Shape};
use crate::sources::{SourceFile, Sources, Trust};
use crate::tree::FileId;

const PLATFORM: &str = r#"language 1
platform "north" {
    cluster "a" site="t" { mx count=2 }
    outbound "shared" { address "203.0.113.4" helo="out.north.example" }
    tier "basic" kind="mailbox"
    tier "premium" kind="mailbox"
    contract "acme" { tiers "basic" "premium" }
}
"#;

const ACME: &str = r#"language 1
reseller "acme" {
    brand "blue" product="Mail" { hosts imap="imap.acme.example" webmail="mail.elsewhere.example"; }
    domain "acme.example" tier="basic" brand="blue" cluster="a" {
        alias "acme-mail.example"
        catch-all "alice"
        workgroup "staff" {
            mailbox "alice" tier="premium"
            list "team" { member "alice@acme.example" "ALICE@acme-mail.example" }
        }
    }
}
"#;

fn sources(files: &[(&str, &str)]) -> Sources {
    let file = |(path, text): &(&str, &str)| SourceFile {
        path: (*path).to_owned(),
        bytes: text.as_bytes().to_vec(),
        trust: Trust::Operator,
    };
    Sources::new(files.iter().map(file).collect(), Vec::new())
}

fn repository() -> Sources {
    sources(&[("platform.kdl", PLATFORM), ("resellers/acme.kdl", ACME)])
}

fn names() -> Names {
    Names::of(&repository())
}

/// Checks the labels that are proposed at the cursor: these are among them, in any order.
fn proposes(path: &str, text: &str, wanted: &[&str], unwanted: &[&str]) {
    let offset = text.find('|').unwrap();
    let text = text.replacen('|', "", 1);
    let found = complete(path, &Trust::Operator, &text, offset, &names());
    let labels: Vec<&str> = found.iter().map(|proposal| proposal.label.as_str()).collect();
    for label in wanted {
        assert!(labels.contains(label), "{label} is not proposed in {text}: {labels:?}");
    }
    for label in unwanted {
        assert!(!labels.contains(label), "{label} is proposed in {text}: {labels:?}");
    }
}

#[test]
fn kdl_is_completed_where_it_is_written() {
    for (text, wanted, unwanted) in [
        ("|", &["language", "platform", "reseller"][..], &["mailbox"][..]),
        ("res|", &["reseller"], &[]),
        ("reseller \"x\" {\n  dom|", &["domain", "brand", "company"], &["reseller", "mailbox"]),
        ("reseller \"x\" {\n  domain \"y.example\" ti|", &["tier", "cluster"], &["workgroup"]),
        ("reseller \"x\" {\n  domain \"y.example\" tier=|", &["basic", "premium"], &["tier"]),
        ("reseller \"x\" {\n  domain \"y.example\" tier=\"pre|", &["premium"], &["tier"]),
        ("reseller \"x\" {\n  domain \"y.example\" {\n    tier \"|", &["premium"], &["tier"]),
        ("reseller \"acme\" {\n  domain \"y.example\" brand=\"|", &["blue"], &["acme"]),
        ("reseller \"other\" {\n  domain \"y.example\" brand=\"|", &[], &["blue"]),
        ("reseller \"acme\" {\n  domain \"acme.example\" catch-all=\"|", &["alice", "team"], &[]),
        ("platform \"x\" { tier \"b\" kind=|", &["mailbox", "filter"], &[]),
        ("platform \"x\" { tier \"b\" {\n imap |", &["true", "false"], &[]),
        ("platform \"x\" { tier \"b\"; contract \"acme\" { tiers \"basic\" \"|", &["premium"], &[]),
        ("environment \"x\" { gate \"|", &[], &["x"]),
        ("scenario \"s\" {\n  expect mailbox=\"|", &["alice@acme.example"], &[]),
        ("scenario \"s\" {\n  |", &["expect", "send", "fault"], &[]),
        ("scenario \"s\" {\n  fault |", &["power-off", "host"], &[]),
        ("platform \"x\" { // tier |", &[], &["site"]),
        ("platform \"x\" { /* tier */ |", &["site"], &[]),
    ] {
        proposes("a.kdl", text, wanted, unwanted);
    }
}

#[test]
fn yaml_is_completed_where_it_is_written() {
    for (text, wanted, unwanted) in [
        ("|", &["language", "platform"][..], &["mailbox"][..]),
        ("reseller x:\n  dom|", &["domain", "brand"], &["reseller"]),
        ("reseller x:\n  domain y.example:\n    tier: |", &["basic", "premium"], &["tier"]),
        ("reseller x:\n  domain y.example: { tier: pre|", &["premium"], &[]),
        ("platform x:\n  tier b:\n    kind: |", &["mailbox", "filter"], &[]),
        ("scenario s:\n  - send: { from: a@b.example }\n  - exp|", &["expect"], &[]),
        ("scenario s:\n  - expect: { mailbox: |", &["alice@acme.example"], &[]),
        ("platform x: # tier|", &[], &["site"]),
    ] {
        proposes("a.yaml", text, wanted, unwanted);
    }
}

#[test]
fn what_is_inserted_takes_the_place_of_what_is_written() {
    let text = "platform \"x\" { tier \"b\" kind=";
    let found = complete("a.kdl", &Trust::Operator, text, text.len(), &Names::default());
    let mailbox = found.iter().find(|proposal| proposal.label == "mailbox").unwrap();
    assert_eq!((mailbox.insert.as_str(), mailbox.start), ("\"mailbox\"", text.len()));
    let text = "platform \"x\" { tier \"b\" kind=\"mai";
    let found = complete("a.kdl", &Trust::Operator, text, text.len(), &Names::default());
    let mailbox = found.iter().find(|proposal| proposal.label == "mailbox").unwrap();
    assert_eq!((mailbox.insert.as_str(), mailbox.start), ("mailbox", text.len() - 3));
}

#[test]
fn a_reseller_is_not_offered_what_belongs_to_the_operator() {
    let found = complete("a.kdl", &Trust::Reseller("acme".to_owned()), "", 0, &Names::default());
    let labels: Vec<&str> = found.iter().map(|proposal| proposal.label.as_str()).collect();
    assert_eq!(labels, ["language", "reseller"]);
}

/// Returns the text after a rename at the first place where a text stands in a file.
fn renamed(file: u32, at: &str, to: &str) -> Result<(String, String), Refusal> {
    let texts = [PLATFORM, ACME];
    let offset = texts[file as usize].find(at).unwrap() + 1;
    let mut edits = rename(&names(), &repository(), (FileId(file), offset), to, &mut |_, _| None)?;
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    let mut texts = texts.map(str::to_owned);
    for edit in edits {
        let span = edit.span;
        texts[span.file.0 as usize].replace_range(span.start as usize..span.end as usize, &edit.text);
    }
    let [platform, acme] = texts;
    Ok((platform, acme))
}

#[test]
fn a_name_is_changed_everywhere_it_stands() {
    let (platform, acme) = renamed(0, "\"premium\"", "gold").unwrap();
    assert!(
        platform.contains("tier \"gold\" renamed-from=\"premium\" kind")
            && platform.contains("tiers \"basic\" \"gold\"")
    );
    assert!(acme.contains("mailbox \"alice\" tier=\"gold\""));
    let (_, acme) = renamed(1, "\"alice\" tier", "anna").unwrap();
    assert!(
        acme.contains("mailbox \"anna\" renamed-from=\"alice\" tier") && acme.contains("catch-all \"anna\""),
        "{acme}"
    );
    assert!(acme.contains("member \"anna@acme.example\" \"anna@acme-mail.example\""), "{acme}");
    let (_, acme) = renamed(1, "\"acme.example\"", "new.example").unwrap();
    assert!(
        acme.contains("domain \"new.example\" renamed-from=\"acme.example\" tier")
            && acme.contains("\"alice@new.example\""),
        "{acme}"
    );
    assert!(acme.contains("ALICE@acme-mail.example"), "an alias is another name: {acme}");
}

/// Renames the first `old` of a file whose domain is `d.example`, and returns the file's text.
fn remembered(path: &str, text: &str, to: &str, carried_out: Option<bool>) -> Result<String, Refusal> {
    let sources = sources(&[(path, text)]);
    let offset = text.find("old").unwrap();
    let edits = rename(&Names::of(&sources), &sources, (FileId(0), offset), to, &mut |_, _| carried_out)?;
    let mut text = text.to_owned();
    for edit in edits.iter().rev() {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    Ok(text)
}

#[test]
fn what_is_renamed_says_what_it_was_called() {
    let kdl = |mailbox: &str| {
        format!(
            "language 1\nreseller \"r\" {{\n domain \"d.example\" {{\n  workgroup \"w\" {{\n   {mailbox}\n  }}\n }}\n}}\n"
        )
    };
    for (before, carried_out, after) in [
        ("mailbox \"old\"", None, "mailbox \"new\" renamed-from=\"old\""),
        ("mailbox old { name \"x\"; }", None, "mailbox new renamed-from=\"old\" { name \"x\"; }"),
        ("mailbox #\"old\"# // why", None, "mailbox #\"new\"# renamed-from=\"old\" // why"),
        ("list \"old\" renamed-from=\"elder\"", Some(true), "list \"new\" renamed-from=\"old\""),
        ("list \"old\" renamed-from=\"elder\"", None, "list \"new\" renamed-from=\"old\""),
        ("list \"old\" renamed-from=\"elder\"", Some(false), "list \"new\" renamed-from=\"elder\""),
        ("list \"old\" renamed-from=\"new\" { }", Some(false), "list \"new\" { }"),
        ("list \"old\" { renamed-from \"new\"; restricted; }", Some(false), "list \"new\" { restricted; }"),
        (
            "list \"old\" {\n    renamed-from \"new\"\n    restricted\n   }",
            Some(false),
            "list \"new\" {\n    restricted\n   }",
        ),
        ("list \"old\" { renamed-from \"elder\"; }", Some(true), "list \"new\" { renamed-from \"old\"; }"),
        ("mailbox \"a\" { alias \"old\"; }", None, "mailbox \"a\" { alias \"new\"; }"),
    ] {
        assert_eq!(remembered("a.kdl", &kdl(before), "new", carried_out).unwrap(), kdl(after), "{before}");
    }
    let yaml = |mailbox: &str| format!("language: 1\nreseller r:\n  domain d.example:\n    workgroup w:\n{mailbox}\n");
    for (before, carried_out, after) in [
        ("      mailbox old:", None, "      mailbox new: { renamed-from: \"old\" }"),
        ("      mailbox old: # why", None, "      mailbox new: { renamed-from: \"old\" } # why"),
        ("      mailbox old: {}", None, "      mailbox new: { renamed-from: \"old\" }"),
        ("      mailbox old: { tier: b }", None, "      mailbox new: { renamed-from: \"old\", tier: b }"),
        (
            "      mailbox old:\n        tier: b",
            None,
            "      mailbox new:\n        renamed-from: \"old\"\n        tier: b",
        ),
        (
            "      \"mailbox old\":\n        tier: b",
            None,
            "      \"mailbox new\":\n        renamed-from: \"old\"\n        tier: b",
        ),
        (
            "      - mailbox old:\n          tier: b",
            None,
            "      - mailbox new:\n          renamed-from: \"old\"\n          tier: b",
        ),
        (
            "      mailbox old:\n        - tier: b",
            None,
            "      mailbox new:\n        - renamed-from: \"old\"\n        - tier: b",
        ),
        ("      list old: { renamed-from: elder }", Some(true), "      list new: { renamed-from: \"old\" }"),
        (
            "      list old: { renamed-from: new, restricted: true }",
            Some(false),
            "      list new: { restricted: true }",
        ),
        (
            "      list old:\n        renamed-from: new\n        restricted: true",
            Some(false),
            "      list new:\n        restricted: true",
        ),
    ] {
        assert_eq!(remembered("a.yaml", &yaml(before), "new", carried_out).unwrap(), yaml(after), "{before}");
    }
    let refused = remembered("a.yaml", &yaml("      mailbox old: [x]"), "new", None).unwrap_err();
    assert!(refused.0.contains("by hand"), "{}", refused.0);
}

#[test]
fn a_rename_that_cannot_be_is_refused_with_a_reason() {
    for (file, at, to, why) in [
        (0, "\"premium\"", "basic", "already"),
        (0, "\"premium\"", "Gold Plan", "kebab-case"),
        (1, "\"acme\"", "other", "folder"),
        (1, "\"alice\" tier", "anna@elsewhere.example", "stays in its domain"),
        (0, "language", "x", "no name stands here"),
    ] {
        let refused = renamed(file, at, to).unwrap_err();
        assert!(refused.0.contains(why), "{}", refused.0);
    }
}

#[test]
fn a_use_leads_to_its_declaration() {
    let names = names();
    for (at, class, key) in [
        ("premium", Class::Tier, "premium"),
        ("blue\" cluster", Class::Brand, "acme/blue"),
        ("a\" {\n        alias", Class::Cluster, "a"),
        ("ALICE@", Class::Address, "alice@acme.example"),
        ("acme-mail.example\" }", Class::Domain, "acme-mail.example"),
    ] {
        let found = names.at(FileId(1), ACME.find(at).unwrap()).unwrap();
        assert_eq!((found.class, found.key.as_str(), found.declares), (class, key, false), "{at}");
        assert_eq!(names.declarations(class, key).count(), 1, "{at}");
    }
}

/// Collects the places of all values, as the table of names spells them, with the types of the values.
fn values(kind: &'static Kind, path: &str, found: &mut BTreeMap<String, &'static str>) {
    for field in kind.fields {
        match field.shape {
            Shape::Value { of, .. } if field.place == Place::Named => {
                found.insert(format!("{path}/{}", field.name), of.name);
            }
            Shape::Value { of, .. } => {
                found.insert(format!("{path}#"), of.name);
            }
            Shape::Node { of, .. } => values(of, &format!("{path}/{}", field.name), found),
            Shape::Either(variants) => {
                variants.iter().for_each(|variant| values(variant.kind, &format!("{path}/{}", variant.name), found));
            }
        }
    }
}

#[test]
fn the_table_of_names_speaks_of_values_that_are_in_the_language() {
    let mut found = BTreeMap::new();
    ROOTS.iter().for_each(|root| values(root.kind, root.name, &mut found));
    for (place, holds) in names::HOLDERS {
        let of = found.get(*place).unwrap_or_else(|| panic!("the language has no {place}"));
        let fits = match holds {
            names::Holds::Declares(Class::Domain) | names::Holds::Uses(Class::Domain) => *of == "host name",
            names::Holds::Declares(Class::Scenario) | names::Holds::Uses(Class::Scenario) => *of == "text",
            names::Holds::Declares(_) | names::Holds::Uses(_) => *of == "name",
            names::Holds::DeclaresLocal | names::Holds::UsesLocal => *of == "local part",
            names::Holds::UsesAddress => *of == "mail address",
            names::Holds::UsesHost => *of == "host name",
            names::Holds::UsesNumbered => *of == "name",
        };
        assert!(fits, "{place} is a {of}");
    }
    // What names something and is not in the table, so that a new reference is not forgotten.
    let silent: Vec<&str> = found
        .iter()
        .filter(|(place, of)| **of == "name" && !place.ends_with("/renamed-from") && !place.ends_with('#'))
        .map(|(place, _)| place.as_str())
        .filter(|place| !names::HOLDERS.iter().any(|(known, _)| known == place))
        .collect();
    assert_eq!(
        silent,
        ["scenario/fault/node", "scenario/heal/node", "scenario/migrate/node", "scenario/migrate/to",],
        "nodes are counted, not declared; what else is named belongs into the table"
    );
    let silent: Vec<&str> = found
        .iter()
        .filter(|(place, of)| matches!(**of, "mail address" | "host name") && !place.ends_with("/renamed-from"))
        .map(|(place, _)| place.as_str())
        .filter(|place| !names::HOLDERS.iter().any(|(known, _)| known == place))
        .collect();
    assert_eq!(
        silent,
        [
            "environment/internet/domain#",
            "environment/internet/sender#",
            "environment/internet/sender/listed-on",
            "environment/suffix",
            "platform/defense/dnsbl#",
            "platform/mail/forwarding/srs",
            "platform/operator/abuse",
            "platform/operator/postmaster",
            "platform/outbound/address/helo",
            "platform/outbound/destination#",
            "platform/service-domain",
            "reseller/admin#",
            "reseller/domain/filter-mx#",
            "reseller/domain/migrate/from#",
            "scenario/provision/by",
        ],
        "these are the operator's, the internet's and the admins'; what else may lie in a domain belongs into the table"
    );
}

#[test]
fn a_hover_says_what_the_language_says() {
    let at = |text: &str| hover(FileId(0), "a.kdl", ACME.as_bytes(), ACME.find(text).unwrap() + 1).unwrap().text;
    assert!(at("tier=\"basic\"").contains("The tier of its mailboxes"));
    assert!(at("mailbox \"alice\"").contains("A mailbox."));
    assert!(at("domain \"acme").contains("reseller in its own folder"));
    let text = "platform \"x\" {\n  tier \"b\" kind=\"filter\"\n}\n";
    let found = hover(FileId(0), "a.kdl", text.as_bytes(), text.find("filter").unwrap()).unwrap();
    assert!(found.text.contains("`filter`: It is cleaned"), "{}", found.text);
    assert_eq!(hover(FileId(0), "a.kdl", text.as_bytes(), text.len()), None);
}

#[test]
fn positions_count_units_of_utf16() {
    let text = "a\u{1F600}b\r\nü\n";
    let lines = Lines::of(text.as_bytes());
    for (offset, line, character) in [(0, 0, 0), (1, 0, 1), (5, 0, 3), (6, 0, 4), (8, 1, 0), (10, 1, 1), (11, 2, 0)] {
        let position = Position { line, character };
        assert_eq!(lines.position(offset), position, "{offset}");
        assert_eq!(lines.offset(position), offset, "{offset}");
    }
    assert_eq!(lines.offset(Position { line: 0, character: 2 }), 1, "within a character");
    assert_eq!(lines.offset(Position { line: 0, character: 99 }), 6, "behind the line");
    assert_eq!(lines.offset(Position { line: 99, character: 0 }), text.len(), "behind the text");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(
            prop::sample::select(vec![
                "reseller",
                "domain",
                "tier",
                "\"",
                "{",
                "}",
                "=",
                " ",
                "\n",
                "#",
                "\\",
                "//",
                "/*",
                "- ",
                ": ",
                "é",
                "\u{1F600}",
                "\r\n",
                "alice@acme.example",
                ",",
                "[",
                "\"\"\"",
                ";",
            ]),
            0..40
        )
        .prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn positions_there_and_back_are_the_same(text in any_text()) {
        let lines = Lines::of(text.as_bytes());
        for (offset, _) in text.char_indices() {
            // Between `\r` and `\n` a line is over already.
            if !(text[..offset].ends_with('\r') && text[offset..].starts_with('\n')) {
                prop_assert_eq!(lines.offset(lines.position(offset)), offset);
            }
        }
    }

    #[test]
    fn nothing_an_editor_asks_panics_and_what_is_replaced_lies_before_the_cursor(text in any_text(), at in 0usize..200) {
        let offset = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        for path in ["a.kdl", "a.yaml"] {
            for proposal in complete(path, &Trust::Operator, &text, offset, &names()) {
                prop_assert!(proposal.start <= offset && text.is_char_boundary(proposal.start));
            }
            let _ = hover(FileId(0), path, text.as_bytes(), offset);
            let sources = sources(&[(path, &text)]);
            let _ = rename(&Names::of(&sources), &sources, (FileId(0), offset), "other", &mut |_, _| Some(false));
        }
    }
}

#[test]
fn hosts_leases_and_workgroups_are_renamed_wherever_they_are_named() {
    let platform = "language 1\nplatform \"p\" {\n    site \"s\" {\n        hosts \"x4600\" count=2\n        lease \"burst\" max=1\n    }\n}\n";
    let scenario = "language 1\nscenario \"t\" { fault \"power-off\" host=\"x4600-2\"; }\n";
    let reseller = "language 1\nreseller \"r\" {\n    domain \"d.example\" { workgroup \"staff\" { }; }\n}\n";
    let file = |path: &str, text: &str| crate::SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
        trust: crate::Trust::Operator,
    };
    let files = vec![file("a.kdl", platform), file("b.kdl", scenario), file("c.kdl", reseller)];
    let sources = crate::Sources::new(files, Vec::new());
    let names = names::Names::of(&sources);
    let edits = |id: u32, text: &str, at: &str, to: &str| {
        let offset = text.find(at).expect("it stands there") + 1;
        let edits =
            super::rename::rename(&names, &sources, (FileId(id), offset), to, &mut |_, _| None).expect("it can be");
        edits.into_iter().map(|edit| (edit.span.file.0, edit.text)).collect::<Vec<_>>()
    };
    let text = |file: u32, text: &str| (file, text.to_owned());
    let hosts = [text(0, "r740"), text(0, " renamed-from=\"x4600\""), text(1, "r740")];
    assert_eq!(edits(0, platform, "x4600", "r740"), hosts);
    assert_eq!(edits(1, scenario, "x4600-2", "r740"), hosts, "from where it is used, too");
    assert_eq!(edits(0, platform, "burst", "peak"), [text(0, "peak"), text(0, " renamed-from=\"burst\"")]);
    assert_eq!(edits(2, reseller, "staff", "team"), [text(2, "team"), text(2, " renamed-from=\"staff\"")]);
}
