//! What `plan` tells, held against what really differs: every file of every node, the accounts, the nodes, and who notices.
#![expect(clippy::indexing_slicing, reason = "a test that finds less than it needs has failed")]

mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use desk::Desk;
use serde_json::Value;

const PLATFORM: &str = "platform.kdl";
const ACME: &str = "resellers/acme/acme.kdl";
const GLOBEX: &str = "resellers/globex/globex.kdl";

/// A file, what it says, and what it says instead.
type Edit = (&'static str, &'static str, &'static str);
/// A reseller, how many of its mailboxes notice, and what.
type Noticed = (&'static str, u64, &'static str);

/// A change of the example.
struct Case {
    name: &'static str,
    edits: &'static [Edit],
    /// Everything that users notice; the example has two mailboxes of acme (alice: premium) and five of globex.
    noticed: &'static [Noticed],
}

const RESTART: &str = "reconnect while their store restarts; new mail for them waits in the queue";
const CASES: &[Case] = &[
    Case {
        name: "a tier's quota is lowered",
        edits: &[(PLATFORM, "quota \"2GiB\"", "quota \"1GiB\"")],
        noticed: &[("globex", 5, "have their quota lowered"), ("acme", 1, "have their quota lowered")],
    },
    Case {
        name: "a mailbox gets another tier",
        edits: &[(ACME, "mailbox \"alice\" tier=\"premium\"", "mailbox \"alice\" tier=\"basic\"")],
        noticed: &[
            ("acme", 1, "get another limit on sending"),
            ("acme", 1, "have their quota lowered"),
            ("acme", 1, "lose Sieve"),
            ("acme", 1, "lose calendars"),
        ],
    },
    Case {
        name: "the stores get less memory",
        edits: &[(PLATFORM, "store count=3 cores=2 memory=\"4GiB\"", "store count=3 cores=2 memory=\"3GiB\"")],
        noticed: &[("globex", 5, RESTART), ("acme", 2, RESTART)],
    },
    Case { name: "a node comes", edits: &[(PLATFORM, "web count=2", "web count=3")], noticed: &[] },
    Case {
        name: "a node goes",
        edits: &[(PLATFORM, "access count=2", "access count=1")],
        noticed: &[
            ("globex", 5, "may have to reconnect with IMAP and POP3"),
            ("acme", 2, "may have to reconnect with IMAP and POP3"),
        ],
    },
    Case {
        name: "a host goes, and its nodes move",
        edits: &[(PLATFORM, "hosts \"x4600\" count=5", "hosts \"x4600\" count=4")],
        noticed: &[],
    },
    Case {
        name: "a domain comes",
        edits: &[(
            GLOBEX,
            "    domain \"globex.example\"",
            "    domain \"new.example\" tier=\"basic\" cluster=\"a\" { workgroup \"w\" { mailbox \"x\"; mailbox \"y\"; }; }\n    domain \"globex.example\"",
        )],
        noticed: &[("globex", 2, "are new")],
    },
    Case {
        name: "a brand gets another colour",
        edits: &[(ACME, "primary=\"#0b5fff\"", "primary=\"#0a4fdf\"")],
        noticed: &[],
    },
    Case {
        name: "a logo is another one",
        edits: &[("resellers/acme/assets/acme.svg", "<svg", "<svg class=\"new\"")],
        noticed: &[],
    },
    Case {
        name: "a mailbox is renamed",
        edits: &[(GLOBEX, "mailbox \"dora\" {", "mailbox \"thea\" renamed-from=\"dora\" {")],
        noticed: &[("globex", 1, "get another address")],
    },
    Case {
        name: "a mailbox gets a name that nobody had",
        edits: &[(GLOBEX, "mailbox \"dora\" {", "mailbox \"thea\" {")],
        noticed: &[("globex", 1, "are new"), ("globex", 1, "are taken away")],
    },
    Case {
        name: "a record is another one",
        edits: &[(PLATFORM, "dmarc policy=\"quarantine\"", "dmarc policy=\"reject\"")],
        noticed: &[],
    },
    Case {
        name: "work is done at another time, which is only agreed on",
        edits: &[(PLATFORM, "maintenance \"Sun 02:00-04:00", "maintenance \"Mon 02:00-04:00")],
        noticed: &[],
    },
    Case { name: "a tier costs more", edits: &[(PLATFORM, "price \"2.00 USD\"", "price \"2.50 USD\"")], noticed: &[] },
    Case { name: "signing keys change sooner", edits: &[(PLATFORM, "rotate=\"90d\"", "rotate=\"60d\"")], noticed: &[] },
    Case {
        name: "a domain is filtered otherwise",
        edits: &[(ACME, "defense quarantine=6.0", "defense quarantine=5.5")],
        noticed: &[("acme", 2, "are filtered by other rules")],
    },
    Case {
        name: "everybody is filtered otherwise, but whose domain says something of its own",
        edits: &[(PLATFORM, "quarantine=8.0", "quarantine=9.0")],
        noticed: &[("globex", 5, "are filtered by other rules")],
    },
    Case {
        name: "a tier gains Sieve and loses POP3",
        edits: &[(PLATFORM, "        quota \"2GiB\"\n        pop3\n", "        quota \"2GiB\"\n        sieve\n")],
        noticed: &[
            ("globex", 5, "gain Sieve"),
            ("globex", 5, "lose POP3"),
            ("acme", 1, "gain Sieve"),
            ("acme", 1, "lose POP3"),
        ],
    },
    Case {
        name: "older programs are not spoken to",
        edits: &[(PLATFORM, "tls minimum=\"1.2\"", "tls minimum=\"1.3\"")],
        noticed: &[
            ("globex", 5, "can neither sign in nor get new mail for a moment"),
            ("acme", 2, "can neither sign in nor get new mail for a moment"),
        ],
    },
    Case {
        name: "senders are slowed down",
        edits: &[(PLATFORM, "rate-limit sender=\"100/h\"", "rate-limit sender=\"50/h\"")],
        noticed: &[],
    },
    Case {
        name: "mail is copied away less often",
        edits: &[(PLATFORM, "mail every=\"1h\"", "mail every=\"2h\"")],
        noticed: &[],
    },
    Case {
        name: "a first password is kept elsewhere",
        edits: &[(ACME, "password=\"secret:alice\"", "password=\"secret:alice-two\"")],
        noticed: &[],
    },
];

/// What says the same in other words.
const SAME: &[(&str, &[Edit])] = &[
    ("a remark", &[(PLATFORM, "language 1\n", "language 1\n// a remark\n")]),
    ("a property as a child", &[(ACME, "defense quarantine=6.0 {", "defense {\n            quarantine 6.0")]),
    (
        "another spelling",
        &[(PLATFORM, "quota \"2GiB\"", "quota \"2048MiB\""), (PLATFORM, "rotate=\"90d\"", "rotate=\"2160h\"")],
    ),
    (
        "another order",
        &[
            (GLOBEX, "            mailbox \"hank\" {\n                name \"Hank Scorpio\"\n            }\n", ""),
            (GLOBEX, "        workgroup \"plant\" {", "        workgroup \"plant\" {"),
            (
                GLOBEX,
                "            mailbox \"support\" {",
                "            mailbox \"hank\" {\n                name \"Hank Scorpio\"\n            }\n            mailbox \"support\" {",
            ),
        ],
    ),
];

/// What a specification comes to.
struct Built {
    /// Bytes and modes by path.
    files: BTreeMap<String, (Vec<u8>, u32)>,
    /// Blueprint, Roster and the rest.
    document: Value,
}

fn built(desk: &Desk, folder: &Path) -> Built {
    let path = plain(folder);
    let out = folder.with_extension("built");
    let output = desk.call(&["build", path, "--env", "production", "--out", plain(&out)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files = BTreeMap::new();
    read(&out, "", &mut files);
    files.remove("manifest.json");
    let output = desk.call(&["blueprint", path, "--env", "production", "--json"]);
    Built { files, document: serde_json::from_slice(&output.stdout).expect("one JSON document") }
}

fn read(root: &Path, below: &str, files: &mut BTreeMap<String, (Vec<u8>, u32)>) {
    for entry in std::fs::read_dir(root.join(below)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let metadata = entry.metadata().expect("its metadata");
        if metadata.is_dir() {
            read(root, &path, files);
        } else {
            files.insert(path, (std::fs::read(entry.path()).expect("its bytes"), metadata.permissions().mode()));
        }
    }
}

/// Returns what differs between two maps: its key, and whether it came, went or changed.
fn differences<'m, V: PartialEq>(
    old: &'m BTreeMap<String, V>,
    new: &'m BTreeMap<String, V>,
) -> BTreeMap<&'m str, &'static str> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let action = |key: &str| match (old.get(key), new.get(key)) {
        (None, _) => Some("created"),
        (_, None) => Some("destroyed"),
        (before, after) => (before != after).then_some("changed"),
    };
    keys.into_iter().filter_map(|key| Some((key.as_str(), action(key)?))).collect()
}

/// Returns the entries of a list by a field that names them.
fn by(document: &Value, list: &str, name: &str) -> BTreeMap<String, Value> {
    let entries = document.pointer(list).and_then(Value::as_array).unwrap_or_else(|| panic!("no {list}"));
    entries.iter().map(|entry| (entry[name].as_str().expect("a name").to_owned(), entry.clone())).collect()
}

/// Returns what a plan tells of a kind of thing, by name; a rename counts as its two halves.
fn told<'p>(plan: &'p Value, kind: &str) -> BTreeMap<&'p str, &'p str> {
    let mut told = BTreeMap::new();
    for change in plan["changes"].as_array().expect("changes").iter().filter(|change| change["kind"] == kind) {
        // What is only agreed on is in no list of a roster.
        if change["note"].as_str().is_some_and(|note| note.starts_with("no file of any node")) {
            continue;
        }
        let name = change["name"].as_str().expect("a name");
        let action = match change["action"].as_str().expect("an action") {
            "restarted" | "moved" => "changed",
            "renamed" => {
                let before = change["fields"].as_array().expect("fields").iter();
                let before = before.clone().find(|field| field["field"] == "address").expect("its address");
                told.insert(before["before"].as_str().expect("an address"), "destroyed");
                "created"
            }
            action => action,
        };
        told.insert(name, action);
    }
    told
}

fn edit(folder: &Path, (path, old, new): Edit) {
    let path = folder.join(path);
    let before = std::fs::read_to_string(&path).expect("text");
    assert!(before.contains(old), "{} does not say {old}", path.display());
    std::fs::write(&path, before.replacen(old, new, 1)).expect("text");
}

/// A copy of the example with some edits, under a name.
fn edited(desk: &Desk, name: &str, edits: &[Edit]) -> PathBuf {
    let after = desk.example(name);
    edits.iter().for_each(|&one| edit(&after, one));
    after
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn a_plan_tells_what_really_changes_and_who_notices() {
    let desk = Desk::new();
    let before = desk.example("before");
    let old = built(&desk, &before);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
            let after = edited(&desk, case.name, case.edits);
            let new = built(&desk, &after);
            holds(&desk, case.name, (&before, &old), (&after, &new), case.noticed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
}

/// Holds what a plan from one folder to another tells against what both come to.
fn holds(desk: &Desk, name: &str, (before, old): (&Path, &Built), (after, new): (&Path, &Built), noticed: &[Noticed]) {
    let arguments = ["plan", plain(after), "--from-folder", plain(before), "--env", "production"];
    let output = desk.call(&[&arguments[..], &["--json", "--exit-code"]].concat());
    assert_eq!(output.status.code(), Some(4), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(told(&plan, "file"), differences(&old.files, &new.files), "{name}: files");
    for (kind, list, key) in [
        ("mailbox", "/roster/mailboxes", "address"),
        ("domain", "/roster/domains", "name"),
        ("tier", "/roster/tiers", "name"),
        ("brand", "/roster/brands", "name"),
        ("node", "/blueprint/nodes", "name"),
    ] {
        let (old, new) = (by(&old.document, list, key), by(&new.document, list, key));
        let said = told(&plan, kind);
        // A brand is known by its reseller, too.
        let said: BTreeMap<&str, &str> =
            said.into_iter().map(|(name, action)| (name.rsplit('/').next().unwrap_or(name), action)).collect();
        assert_eq!(said, differences(&old, &new), "{name}: {kind}");
    }
    let text = |value: &Value, field: &str| value[field].as_str().expect("text").to_owned();
    let impacts: BTreeSet<(String, u64, String)> = plan["impacts"]
        .as_array()
        .expect("impacts")
        .iter()
        .map(|it| (text(it, "reseller"), it["mailboxes"].as_u64().expect("a number"), text(it, "what")))
        .collect();
    let expected = noticed.iter().map(|(reseller, count, what)| ((*reseller).to_owned(), *count, (*what).to_owned()));
    assert_eq!(impacts, expected.collect(), "{name}: who notices");
    // What people read tells the same numbers, on a screen.
    let shown = String::from_utf8_lossy(&desk.call(&arguments).stdout).into_owned();
    assert!(shown.lines().count() <= 40, "{name}: longer than a screen\n{shown}");
    for (reseller, count, what) in noticed {
        let plural = if *count == 1 { "mailbox" } else { "mailboxes" };
        assert!(shown.contains(&format!("{count} {plural} of {reseller}: ")), "{name}: {what}\n{shown}");
    }
}

#[test]
fn a_domain_that_goes_and_a_reseller_with_another_name_are_told_as_they_are() {
    let desk = Desk::new();
    let example = desk.example("before");
    let old = built(&desk, &example);
    let domain = CASES.iter().find(|case| case.name == "a domain comes").expect("a case");
    let more = edited(&desk, "more", domain.edits);
    let two = built(&desk, &more);
    holds(&desk, "a domain goes", (&more, &two), (&example, &old), &[("globex", 2, "are taken away")]);

    let other = edited(
        &desk,
        "other",
        &[
            (PLATFORM, "contract \"globex\"", "contract \"initech\""),
            (GLOBEX, "reseller \"globex\" {", "reseller \"initech\" renamed-from=\"globex\" {"),
            (GLOBEX, "admin@globex.adm", "admin@initech.adm"),
            ("scenarios/isolation.kdl", "by=\"admin@globex.adm\"", "by=\"admin@initech.adm\""),
            ("scenarios/isolation.kdl", "sign-in \"admin@globex.adm\"", "sign-in \"admin@initech.adm\""),
            ("scenarios/smoke.kdl", "by=\"admin@globex.adm\"", "by=\"admin@initech.adm\""),
            ("scenarios/smoke.kdl", "by=\"admin@globex.adm\"", "by=\"admin@initech.adm\""),
        ],
    );
    std::fs::rename(other.join("resellers/globex"), other.join("resellers/initech")).expect("another folder");
    let renamed = built(&desk, &other);
    let arguments = ["plan", plain(&other), "--from-folder", plain(&example), "--env", "production", "--json"];
    let plan: Value = serde_json::from_slice(&desk.call(&arguments).stdout).expect("one JSON document");
    assert_eq!(told(&plan, "file"), differences(&old.files, &renamed.files), "files");
    // It is the same reseller: nothing is lost, no mailbox, domain or brand comes or goes, and nobody notices.
    let changes = plan["changes"].as_array().expect("changes");
    let of_reseller: Vec<(&Value, &Value)> = changes
        .iter()
        .filter(|change| change["kind"] == "reseller")
        .map(|change| (&change["action"], &change["name"]))
        .collect();
    assert_eq!(of_reseller, [(&Value::from("renamed"), &Value::from("initech"))]);
    let lost = changes.iter().filter(|change| {
        let comes_or_goes = change["action"] == "created" || change["action"] == "destroyed";
        change["destructive"] == true || (comes_or_goes && change["kind"] != "file")
    });
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&Value>::new());
    assert_eq!(plan["impacts"], Value::Array(Vec::new()));
}

#[test]
fn the_same_in_other_words_is_no_change() {
    let desk = Desk::new();
    let before = desk.example("before");
    let old = built(&desk, &before);
    for (name, edits) in SAME {
        let after = edited(&desk, name, edits);
        let arguments = ["plan", plain(&after), "--from-folder", plain(&before)];
        let output = desk.call(&[&arguments[..], &["--env", "production", "--exit-code", "--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        let new = built(&desk, &after);
        assert!(old.files == new.files && old.document == new.document, "{name}: it is another platform");
    }
}
