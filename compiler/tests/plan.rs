//! What changes between two revisions: nothing is forgotten, nothing that is lost is called harmless, and the numbers are right.

#![expect(clippy::disallowed_methods, reason = "tests read the example from disk")]

mod northmail;

use std::collections::BTreeMap;

use blueprint::changes::{Action, Change, Changes};
use blueprint::platform::Role;
use blueprint::roster::{MailService, Mailbox, Roster, TierKind};
use blueprint::{Blueprint, Rename, Revision, diff, effective_mailbox, first_store};
use compiler::Output;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use spec::Sources;

fn compiled(sources: &Sources, environment: &str) -> Output {
    let compiled = compiler::compile(sources, &spec::parse(sources), environment);
    compiled.output.unwrap_or_else(|| panic!("{:#?}", compiled.problems))
}

/// The example with texts replaced in all files of resellers and the operator.
fn edited(environment: &str, edits: &[(&str, &str, &str)]) -> Output {
    let (mut files, assets) = northmail::files();
    for (path, old, new) in edits {
        let file = files.iter_mut().find(|file| file.path == *path).expect("a file of the example");
        let text = String::from_utf8(file.bytes.clone()).expect("text");
        assert!(text.contains(old), "{path} does not say {old}");
        file.bytes = text.replace(old, new).into_bytes();
    }
    compiled(&Sources::new(files, assets), environment)
}

fn compare(before: (&Blueprint, &Roster), after: (&Blueprint, &Roster)) -> Changes {
    diff(
        Revision { blueprint: before.0, roster: before.1, bundle: None },
        Revision { blueprint: after.0, roster: after.1, bundle: None },
    )
}

fn between(before: &Output, after: &Output) -> Changes {
    compare((&before.blueprint, &before.roster), (&after.blueprint, &after.roster))
}

fn find<'a>(changes: &'a Changes, kind: &str, name: &str) -> &'a Change {
    let found = changes.changes.iter().find(|change| change.kind == kind && change.name == name);
    found.unwrap_or_else(|| panic!("no change of {kind} {name} in {changes:#?}"))
}

// Nothing is forgotten.

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Every place in a document that holds no object and no list with something in it; of long lists the first two entries.
fn leaves(value: &Value, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, inner) in fields {
                path.push(Step::Key(key.clone()));
                leaves(inner, path, found);
                path.pop();
            }
        }
        Value::Array(entries) if !entries.is_empty() => {
            for (index, inner) in entries.iter().enumerate().take(2) {
                path.push(Step::Index(index));
                leaves(inner, path, found);
                path.pop();
            }
        }
        _ => found.push(path.clone()),
    }
}

fn set(document: &mut Value, path: &[Step], new: Value) {
    let mut place = document;
    for step in path {
        place = match step {
            Step::Key(key) => &mut place[key.as_str()],
            Step::Index(index) => &mut place[*index],
        };
    }
    *place = new;
}

fn at<'v>(document: &'v Value, path: &[Step]) -> &'v Value {
    path.iter().fold(document, |value, step| match step {
        Step::Key(key) => &value[key.as_str()],
        Step::Index(index) => &value[*index],
    })
}

/// Values of every form that some field has.
fn candidates(old: &Value) -> Vec<Value> {
    let mut values: Vec<Value> = [
        "other",
        "other@other.example",
        "other.example",
        "7GiB",
        "77d",
        "2031-01-01",
        "7/h",
        "7.7",
        "#123456",
        "192.0.2.77",
        "10.77.0.0/16",
        "reject",
        "starttls",
        "none",
        "gateway",
        "delete",
        "filter",
        "pop3",
        "dns",
    ]
    .iter()
    .map(|text| json!(text))
    .collect();
    if let Some(text) = old.as_str() {
        // Another spelling of the same address is a change too.
        values.push(json!(text.to_uppercase()));
    }
    values.extend([
        json!(7),
        json!(77_777),
        json!(true),
        json!(false),
        json!(["other"]),
        json!(["other@other.example"]),
    ]);
    values.extend([Value::Null, json!([{ "name": "other", "size": 7, "shared": false }])]);
    values
}

/// Tries every other value at every place of a document that can stand there; returns how many did.
fn every_field_counts<T: Serialize + DeserializeOwned>(
    document: &T,
    changes: &dyn Fn(&T) -> Changes,
    lists: &BTreeMap<&str, (&str, &[&str])>,
    setting: &dyn Fn(&str) -> String,
) -> usize {
    let original = serde_json::to_value(document).expect("plain data");
    let mut places = Vec::new();
    leaves(&original, &mut Vec::new(), &mut places);
    let mut tried = 0;
    for place in places {
        let mut accepted = 0;
        for candidate in candidates(at(&original, &place)) {
            let mut mutated = original.clone();
            set(&mut mutated, &place, candidate);
            let Ok(read) = serde_json::from_value::<T>(mutated) else { continue };
            let written = serde_json::to_value(&read).expect("plain data");
            if written == original {
                continue;
            }
            accepted += 1;
            tried += 1;
            let changes = changes(&read);
            assert!(!changes.is_empty(), "{place:?} is forgotten");
            let names = |kind: &str, name: &str, field: Option<&str>| {
                changes.changes.iter().any(|change| {
                    change.kind == kind
                        && change.name == name
                        && field.is_none_or(|field| {
                            change.fields.iter().any(|it| it.field.split('.').next() == Some(field))
                        })
                })
            };
            match place.as_slice() {
                // A note is a field by itself: what differs of it is told of the thing that it is said of.
                [Step::Key(list), ..] if list == "noted" => {}
                [Step::Key(list), entry @ Step::Index(_), Step::Key(field), ..]
                    if lists.contains_key(list.as_str()) =>
                {
                    let (kind, identity) = lists[list.as_str()];
                    let name = |document: &Value| {
                        let parts = identity
                            .iter()
                            .map(|part| at(document, &[Step::Key(list.clone()), entry.clone()])[part].clone());
                        parts.map(|part| part.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("/")
                    };
                    if identity.contains(&field.as_str()) && names(kind, &name(&original), None) {
                        assert!(names(kind, &name(&written), None), "{place:?} hides a thing: {changes:#?}");
                    } else {
                        assert!(names(kind, &name(&written), Some(field)), "{place:?} is not named: {changes:#?}");
                    }
                }
                [Step::Key(key), ..] => {
                    let named = names("setting", &setting(key), None)
                        || lists
                            .get(key.as_str())
                            .is_some_and(|(kind, _)| changes.changes.iter().any(|it| it.kind == *kind));
                    assert!(named, "{place:?} is not named: {changes:#?}");
                }
                _ => panic!("a document is an object"),
            }
            if accepted == 2 {
                break;
            }
        }
    }
    tried
}

#[test]
fn every_field_of_a_blueprint_that_differs_is_told_by_name() {
    let output = compiled(&northmail::sources(), "dev");
    let lists = BTreeMap::from([
        ("sites", ("site", ["name"].as_slice())),
        ("hosts", ("host", &["name"])),
        ("nodes", ("node", &["name"])),
        ("outbound", ("outbound", &["name"])),
    ]);
    let changes = |other: &Blueprint| compare((&output.blueprint, &output.roster), (other, &output.roster));
    let tried = every_field_counts(&output.blueprint, &changes, &lists, &str::to_owned);
    assert!(tried > 100, "only {tried} places could be changed");
    assert!(changes(&output.blueprint).is_empty());
}

#[test]
fn every_field_of_a_roster_that_differs_is_told_by_name() {
    let output = compiled(&northmail::sources(), "dev");
    let lists = BTreeMap::from([
        ("tiers", ("tier", ["name"].as_slice())),
        ("resellers", ("reseller", &["name"])),
        ("brands", ("brand", &["reseller", "name"])),
        ("domains", ("domain", &["name"])),
        ("mailboxes", ("mailbox", &["address"])),
        ("forwards", ("forward", &["address"])),
        ("lists", ("list", &["address"])),
    ]);
    let changes = |other: &Roster| compare((&output.blueprint, &output.roster), (&output.blueprint, other));
    let tried = every_field_counts(&output.roster, &changes, &lists, &|key| format!("roster.{key}"));
    assert!(tried > 100, "only {tried} places could be changed");
    assert!(changes(&output.roster).is_empty());
}

#[test]
fn every_byte_of_a_bundle_its_modes_and_its_secrets_count() {
    let sources = northmail::sources();
    let output = compiled(&sources, "dev");
    let bundle = compiler::render(&output, &sources);
    let changes = |other: &blueprint::Bundle| {
        let revision = |bundle| Revision { blueprint: &output.blueprint, roster: &output.roster, bundle: Some(bundle) };
        diff(revision(&bundle), revision(other))
    };
    assert!(changes(&bundle).is_empty());
    let edit = |edit: &dyn Fn(&mut blueprint::File)| {
        let mut other = bundle.clone();
        let files = other.nodes.get_mut("mx-1").expect("the mx");
        edit(files.files.values_mut().next().expect("a file"));
        changes(&other)
    };
    let field = |changes: Changes| {
        let [change] = changes.changes.as_slice() else { panic!("one file changed: {changes:#?}") };
        assert_eq!((change.action, change.kind.as_str()), (Action::Changed, "file"));
        change.fields.iter().map(|field| field.field.clone()).collect::<Vec<_>>()
    };
    assert_eq!(field(edit(&|file| file.mode ^= 0o100)), ["mode", "sha256"]);
    assert_eq!(field(edit(&|file| file.owner = "nobody:nobody".to_owned())), ["owner", "sha256"]);
    assert_eq!(field(edit(&|file| file.pieces.push(blueprint::Piece::Bytes(vec![b'#'])))), ["sha256"]);
    // Text that looks like the hole of a secret is not a secret.
    let secret =
        blueprint::platform::SecretReference { owner: "operator".parse().unwrap(), name: "key".parse().unwrap() };
    let mut holes = bundle.clone();
    let mut texts = bundle.clone();
    for (other, piece) in [
        (&mut holes, blueprint::Piece::Secret(secret)),
        (&mut texts, blueprint::Piece::Bytes(b"{{secret:operator/key}}".to_vec())),
    ] {
        other
            .nodes
            .get_mut("mx-1")
            .and_then(|files| files.files.values_mut().next())
            .expect("a file")
            .pieces
            .push(piece);
    }
    let revision = |bundle| Revision { blueprint: &output.blueprint, roster: &output.roster, bundle: Some(bundle) };
    assert_eq!(field(diff(revision(&holes), revision(&texts))), ["secrets"]);
    let mut gone = bundle.clone();
    let first = gone.nodes["mx-1"].files.keys().next().expect("a file").clone();
    gone.nodes.get_mut("mx-1").expect("the mx").files.remove(&first);
    assert_eq!(changes(&gone).summary.destroyed, 1);
}

// What is lost is said to be.

type Edit = dyn Fn(&mut Blueprint, &mut Roster);

/// What is done, the destructive change it must give if any, and how it is done.
type Row<'a> = (&'a str, Option<(&'a str, Action)>, Box<Edit>);

#[test]
fn what_destroys_needs_to_be_allowed_and_nothing_else_does() {
    let output = compiled(&northmail::sources(), "production");
    let node =
        |plan: &mut Blueprint, name: &str| plan.nodes.iter().position(|it| it.name.as_str() == name).expect("a node");
    let other_host = |plan: &Blueprint, node: usize| {
        plan.hosts.iter().map(|host| host.name.clone()).find(|host| *host != plan.nodes[node].host).expect("a host")
    };
    let local = |plan: &mut Blueprint| plan.sites[0].storages[0].shared = false;
    let table: Vec<Row<'_>> = vec![
        (
            "a mailbox is removed",
            Some(("mailbox", Action::Destroyed)),
            Box::new(|_, roster| {
                roster.mailboxes.remove(0);
            }),
        ),
        (
            "a domain is removed",
            Some(("domain", Action::Destroyed)),
            Box::new(|_, roster| {
                roster.domains.remove(0);
            }),
        ),
        (
            "a forward is removed",
            Some(("forward", Action::Destroyed)),
            Box::new(|_, roster| {
                roster.forwards.remove(0);
            }),
        ),
        (
            "a list is removed",
            Some(("list", Action::Destroyed)),
            Box::new(|_, roster| {
                roster.lists.remove(0);
            }),
        ),
        (
            "a reseller is removed",
            Some(("reseller", Action::Destroyed)),
            Box::new(|_, roster| {
                roster.resellers.remove(0);
            }),
        ),
        (
            "a brand is removed",
            None,
            Box::new(|_, roster| {
                roster.brands.remove(0);
            }),
        ),
        (
            "a tier stops keeping mail",
            Some(("tier", Action::Changed)),
            Box::new(|_, roster| {
                roster.tiers.iter_mut().find(|tier| tier.kind == TierKind::Mailbox).expect("a tier").kind =
                    TierKind::Forward;
            }),
        ),
        ("a quota is lowered", None, Box::new(|_, roster| roster.tiers[0].quota = Some("1MiB".parse().unwrap()))),
        (
            "a mailbox is new",
            None,
            Box::new(|_, roster| {
                let mut new = roster.mailboxes[0].clone();
                new.address = "brand-new@acme.example".parse().unwrap();
                roster.mailboxes.push(new);
            }),
        ),
        (
            "a store is removed",
            Some(("node", Action::Destroyed)),
            Box::new(move |plan, _| {
                let at = node(plan, "store-2");
                plan.nodes.remove(at);
            }),
        ),
        (
            "a node without state is removed",
            None,
            Box::new(move |plan, _| {
                let at = node(plan, "web-2");
                plan.nodes.remove(at);
            }),
        ),
        (
            "a store's disk shrinks",
            Some(("node", Action::Restarted)),
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].disk = "1GiB".parse().unwrap();
            }),
        ),
        (
            "a store's disk grows",
            None,
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].disk = "4TiB".parse().unwrap();
            }),
        ),
        (
            "a stateless node's disk shrinks",
            None,
            Box::new(move |plan, _| {
                let at = node(plan, "web-1");
                plan.nodes[at].disk = "64MiB".parse().unwrap();
            }),
        ),
        (
            "a store moves on shared storage",
            None,
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].host = other_host(plan, at);
            }),
        ),
        (
            "a store moves on shared storage onto a smaller disk",
            Some(("node", Action::Moved)),
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].host = other_host(plan, at);
                plan.nodes[at].disk = "1GiB".parse().unwrap();
            }),
        ),
        (
            "a store's storage is another",
            Some(("node", Action::Moved)),
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].storage = None;
            }),
        ),
        (
            "a store is in another cluster",
            Some(("node", Action::Moved)),
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].cluster = "other".parse().unwrap();
            }),
        ),
        (
            "a node gets more memory",
            None,
            Box::new(move |plan, _| {
                let at = node(plan, "store-1");
                plan.nodes[at].memory = "64GiB".parse().unwrap();
            }),
        ),
        ("a storage is removed", Some(("site", Action::Changed)), Box::new(|plan, _| plan.sites[0].storages.clear())),
        (
            "a storage shrinks",
            Some(("site", Action::Changed)),
            Box::new(|plan, _| {
                plan.sites[0].storages[0].size = "1GiB".parse().unwrap();
            }),
        ),
        (
            "deleted mailboxes are kept shorter",
            Some(("setting", Action::Changed)),
            Box::new(|plan, _| {
                plan.retention.deleted_mailbox = "1d".parse().unwrap();
            }),
        ),
        (
            "deleted mailboxes are kept longer",
            None,
            Box::new(|plan, _| {
                plan.retention.deleted_mailbox = "400d".parse().unwrap();
            }),
        ),
    ];
    for (what, expected, edit) in table {
        let (mut plan, mut roster) = (output.blueprint.clone(), output.roster.clone());
        edit(&mut plan, &mut roster);
        let changes = compare((&output.blueprint, &output.roster), (&plan, &roster));
        let found: Vec<(&str, Action)> = changes.destructive().map(|it| (it.kind.as_str(), it.action)).collect();
        assert_eq!(found, Vec::from_iter(expected), "{what}: {changes:#?}");
        assert!(!changes.is_empty(), "{what}");
        // Destructive changes stand first.
        assert!(changes.changes.is_sorted_by_key(|change| !change.destructive), "{what}");
        assert!(changes.destructive().all(|change| change.note.is_some()), "{what}: {changes:#?}");
    }
    // Without shared storage, moving leaves state behind.
    let (mut before, mut after) = (output.blueprint.clone(), output.blueprint.clone());
    local(&mut before);
    local(&mut after);
    let at = node(&mut after, "store-1");
    after.nodes[at].host = other_host(&after, at);
    let changes = compare((&before, &output.roster), (&after, &output.roster));
    assert!(find(&changes, "node", "store-1").destructive, "{changes:#?}");
}

// The numbers are right.

/// Counts by hand: every mailbox of one side is looked for in the whole other side.
fn counted(before: &Roster, after: &Roster, plan: &Blueprint) -> BTreeMap<(String, String), u64> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let domain = |roster: &Roster, it: &Mailbox| {
        roster.domains.iter().find(|domain| domain.name == *it.address.domain()).cloned()
    };
    let effective = |roster: &Roster, it: &Mailbox| {
        let domain = domain(roster, it)?;
        let name = it.tier.clone().unwrap_or_else(|| domain.tier.clone());
        let tier = roster.tiers.iter().find(|tier| tier.name == name)?;
        Some(effective_mailbox(it, &domain, tier, &plan.defense))
    };
    let mut say = |reseller: &str, what: &str| *counts.entry((reseller.to_owned(), what.to_owned())).or_default() += 1;
    for old in &before.mailboxes {
        let owner = domain(before, old).expect("a domain").reseller.to_string();
        let Some(new) = after.mailboxes.iter().find(|new| new.address == old.address) else {
            say(&owner, "are taken away");
            continue;
        };
        let (Some(had), Some(has)) = (effective(before, old), effective(after, new)) else { continue };
        if let (Some(was), Some(is)) = (had.quota, has.quota) {
            if is < was {
                say(&owner, "have their quota lowered");
            } else if is > was {
                say(&owner, "have their quota raised");
            }
        }
        for (service, text) in
            [(MailService::Pop3, "POP3"), (MailService::Sieve, "Sieve"), (MailService::Calendar, "calendars")]
        {
            match (had.services.contains(&service), has.services.contains(&service)) {
                (true, false) => say(&owner, &format!("lose {text}")),
                (false, true) => say(&owner, &format!("gain {text}")),
                _ => {}
            }
        }
        if had.send_limit != has.send_limit {
            say(&owner, "get another limit on sending");
        }
        if (had.quarantine, &had.block) != (has.quarantine, &has.block) {
            say(&owner, "are filtered by other rules");
        }
    }
    for new in &after.mailboxes {
        if !before.mailboxes.iter().any(|old| old.address == new.address) {
            say(domain(after, new).expect("a domain").reseller.as_str(), "are new");
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn impacts_are_what_counting_one_by_one_gives(
        choices in proptest::collection::vec((0..6u8, 0..6u8), 40),
        quota in prop::option::of(1u64..60),
        pop3: bool,
        quarantine in prop::option::of(1u8..12),
    ) {
        let output = base();
        let tiers = ["basic", "premium"];
        let edit = |which: fn(&(u8, u8)) -> u8| {
            let mut roster = output.roster.clone();
            let kept = roster.mailboxes.drain(..).zip(&choices).filter_map(|(mut mailbox, choice)| {
                match which(choice) {
                    0 => return None,
                    1 => mailbox.tier = Some(tiers[0].parse().unwrap()),
                    2 => mailbox.tier = Some(tiers[1].parse().unwrap()),
                    3 => mailbox.quota = Some("3GiB".parse().unwrap()),
                    4 => mailbox.defense.block = vec!["*@spam.test".to_owned()],
                    _ => {}
                }
                Some(mailbox)
            });
            roster.mailboxes = kept.collect();
            roster
        };
        let (before, mut after) = (edit(|it| it.0), edit(|it| it.1));
        let basic = after.tiers.iter_mut().find(|tier| tier.name.as_str() == "basic").expect("the tier");
        if let Some(quota) = quota {
            basic.quota = Some(format!("{quota}GiB").parse().unwrap());
        }
        if !pop3 {
            basic.services.retain(|service| *service != MailService::Pop3);
        }
        if let Some(quarantine) = quarantine {
            after.domains[0].defense.quarantine = Some(format!("{quarantine}.0").parse().unwrap());
        }
        let changes = compare((&output.blueprint, &before), (&output.blueprint, &after));
        let told: BTreeMap<(String, String), u64> = changes
            .impacts
            .iter()
            .map(|impact| ((impact.reseller.to_string(), impact.what.clone()), impact.mailboxes))
            .collect();
        prop_assert_eq!(told, counted(&before, &after, &output.blueprint));
        prop_assert!(changes.impacts.is_sorted_by(|a, b| a.mailboxes >= b.mailboxes));
        let same = compare((&output.blueprint, &before), (&output.blueprint, &before));
        prop_assert!(same.is_empty() && same.impacts.is_empty());
    }
}

fn base() -> &'static Output {
    static BASE: std::sync::LazyLock<Output> =
        std::sync::LazyLock::new(|| compiled(&northmail::sources(), "production"));
    &BASE
}

#[test]
fn those_of_a_store_that_restarts_are_counted_by_the_rule_that_put_them_there() {
    let output = base();
    let mut plan = output.blueprint.clone();
    let store = plan.nodes.iter_mut().find(|node| node.name.as_str() == "store-2").expect("a store");
    store.memory = "9GiB".parse().unwrap();
    let changes = compare((&output.blueprint, &output.roster), (&plan, &output.roster));
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for mailbox in &output.roster.mailboxes {
        let domain = output.roster.domains.iter().find(|it| it.name == *mailbox.address.domain()).expect("a domain");
        let tier = mailbox.tier.as_ref().unwrap_or(&domain.tier);
        let keeps = output.roster.tiers.iter().any(|it| it.name == *tier && it.kind == TierKind::Mailbox);
        let store = first_store(&output.blueprint, &domain.cluster, &mailbox.address).expect("a store");
        if keeps && store.name.as_str() == "store-2" {
            *expected.entry(domain.reseller.as_str()).or_default() += 1;
        }
    }
    let told: BTreeMap<&str, u64> = changes.impacts.iter().map(|it| (it.reseller.as_str(), it.mailboxes)).collect();
    assert_eq!(told, expected);
    assert!(changes.impacts.iter().all(|it| it.what.contains("reconnect while their store restarts")), "{changes:#?}");
    // A new software set restarts every node, whatever else is the same.
    let mut plan = output.blueprint.clone();
    plan.release.name = "2027.01".to_owned();
    let changes = compare((&output.blueprint, &output.roster), (&plan, &output.roster));
    assert!(changes.impacts.iter().any(|it| it.what == "reconnect with IMAP and POP3"), "{changes:#?}");
    // One of two access nodes is not all of them.
    let mut plan = output.blueprint.clone();
    plan.nodes.iter_mut().find(|node| node.role == Role::Access).expect("access").cores += 1;
    let changes = compare((&output.blueprint, &output.roster), (&plan, &output.roster));
    assert!(changes.impacts.iter().all(|it| it.what.starts_with("may have to reconnect")), "{changes:#?}");
}

// A new name destroys nothing.

const GLOBEX: &str = "resellers/globex/globex.kdl";
const PLATFORM: &str = "platform.kdl";

fn only_renames(changes: &Changes, renamed: &[(&str, &str)]) {
    assert_eq!(changes.destructive().count(), 0, "{changes:#?}");
    assert_eq!(changes.summary.destroyed + changes.summary.created, 0, "{changes:#?}");
    for (kind, name) in renamed {
        assert_eq!(find(changes, kind, name).action, Action::Renamed, "{changes:#?}");
    }
    assert_eq!(changes.summary.renamed, renamed.len(), "{changes:#?}");
    assert!(changes.renamed_from_nothing.is_empty(), "{changes:#?}");
}

#[test]
fn a_renamed_mailbox_is_renamed_with_what_else_differs() {
    let edits = [
        (GLOBEX, "mailbox \"wei\"", "mailbox \"wu\" renamed-from=\"wei\""),
        (GLOBEX, "\"Wei Lindqvist\"", "\"Wei Lindqvist-Wu\""),
    ];
    let after = edited("dev", &edits);
    let before = compiled(&northmail::sources(), "dev");
    let changes = between(&before, &after);
    only_renames(&changes, &[("mailbox", "wu@globex.example")]);
    let change = find(&changes, "mailbox", "wu@globex.example");
    let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["address", "name"]);
    assert!(changes.impacts.iter().any(|it| it.what == "get another address" && it.mailboxes == 1), "{changes:#?}");
    // Written down for good, it says nothing any more.
    let later = between(&after, &after);
    assert!(later.is_empty() && later.renamed_from_nothing.is_empty());
}

#[test]
fn a_renamed_domain_takes_its_mailboxes_along() {
    let before = compiled(&northmail::sources(), "dev");
    let edits = [
        (GLOBEX, "globex.example", "globex-post.example"),
        (GLOBEX, "domain \"globex-post.example\"", "domain \"globex-post.example\" renamed-from=\"globex.example\""),
    ];
    let changes = between(&before, &edited("dev", &edits));
    assert_eq!(changes.destructive().count(), 0, "{changes:#?}");
    assert_eq!(changes.summary.destroyed + changes.summary.created, 0, "{changes:#?}");
    for (kind, name) in [("domain", "globex-post.example"), ("mailbox", "wei@globex-post.example")] {
        assert_eq!(find(&changes, kind, name).action, Action::Renamed);
    }
    assert_eq!(changes.impacts.iter().find(|it| it.what == "get another address").map(|it| it.mailboxes), Some(5));
}

#[test]
fn a_renamed_tier_is_told_once_and_not_for_every_domain_that_names_it() {
    let before = compiled(&northmail::sources(), "dev");
    let acme = "resellers/acme/acme.kdl";
    let edits = [
        (PLATFORM, "tier \"premium\"", "tier \"plus\" renamed-from=\"premium\""),
        (PLATFORM, "\"premium\"", "\"plus\""),
        (PLATFORM, "renamed-from=\"plus\"", "renamed-from=\"premium\""),
        (acme, "tier=\"premium\"", "tier=\"plus\""),
    ];
    let after = edited("dev", &edits);
    only_renames(&between(&before, &after), &[("tier", "plus")]);
}

#[test]
fn a_renamed_cluster_moves_nothing() {
    let before = compiled(&northmail::sources(), "dev");
    let edits = [
        (PLATFORM, "cluster \"a\"", "cluster \"main\" renamed-from=\"a\""),
        (PLATFORM, "clusters \"a\"", "clusters \"main\""),
        (GLOBEX, "cluster=\"a\"", "cluster=\"main\""),
        ("resellers/acme/acme.kdl", "cluster=\"a\"", "cluster=\"main\""),
    ];
    only_renames(&between(&before, &edited("dev", &edits)), &[("cluster", "main")]);
}

#[test]
fn a_rename_from_a_name_that_nothing_had_is_said_to_be_one() {
    let before = compiled(&northmail::sources(), "dev");
    let new = "mailbox \"new\" renamed-from=\"nobody\" { name \"New\"; }; mailbox \"wei\"";
    let after = edited("dev", &[(GLOBEX, "mailbox \"wei\"", new)]);
    let changes = between(&before, &after);
    assert_eq!(find(&changes, "mailbox", "new@globex.example").action, Action::Created);
    let nothing = [Rename {
        kind: "mailbox".to_owned(),
        from: "nobody@globex.example".to_owned(),
        to: "new@globex.example".to_owned(),
    }];
    assert_eq!(changes.renamed_from_nothing, nothing);
}

#[test]
fn nobody_takes_another_resellers_mailboxes_by_claiming_to_have_had_them() {
    let output = compiled(&northmail::sources(), "dev");
    let mut after = output.roster.clone();
    let stolen = after.domains.iter_mut().find(|domain| domain.name.as_str() == "acme.example").expect("a domain");
    stolen.name = "mine.example".parse().unwrap();
    stolen.reseller = "globex".parse().unwrap();
    after.mailboxes.retain(|mailbox| mailbox.address.domain().as_str() != "acme.example");
    let mut mailbox = output.roster.mailboxes[0].clone();
    mailbox.address = "alice@mine.example".parse().unwrap();
    after.mailboxes.push(mailbox);
    let rename = |kind: &str, from: &str, to: &str| Rename { kind: kind.into(), from: from.into(), to: to.into() };
    after.renames = vec![
        rename("domain", "acme.example", "mine.example"),
        rename("mailbox", "alice@acme.example", "alice@mine.example"),
    ];
    let changes = compare((&output.blueprint, &output.roster), (&output.blueprint, &after));
    assert_eq!(find(&changes, "domain", "acme.example").action, Action::Destroyed);
    assert_eq!(find(&changes, "mailbox", "alice@acme.example").action, Action::Destroyed);
    assert_eq!(changes.summary.renamed, 0);
}

#[test]
fn a_platform_without_renames_is_written_as_before() {
    let output = base();
    for document in [serde_json::to_value(&output.blueprint), serde_json::to_value(&output.roster)] {
        assert!(document.expect("plain data").get("renames").is_none());
    }
}
