//! The rooms' borders, read from the manifests: who may depend on whom, and which rooms do no IO.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the workspace has failed")]

use std::collections::BTreeMap;

const ROOMS: [(&str, &str, &[&str]); 13] = [
    ("values", "spec/values", &[]),
    ("blueprint", "compiler/blueprint", &["values"]),
    ("spec", "spec", &["values"]),
    ("claims", "simulator/claims", &["values"]),
    ("sieve", "simulator/sieve", &[]),
    ("simulator", "simulator", &["claims", "sieve", "values"]),
    ("compiler", "compiler", &["spec", "blueprint", "values"]),
    ("control", "control", &["blueprint", "claims", "values"]),
    ("switch", "environments/switch", &[]),
    ("images", "environments/images", &["blueprint", "values"]),
    ("environments", "environments", &["blueprint", "control", "images", "simulator", "switch", "values"]),
    (
        "mailwright",
        "cli",
        &["values", "spec", "blueprint", "compiler", "control", "simulator", "images", "environments"],
    ),
    ("tests", "tests", &[]),
];

const PURE: [&str; 7] =
    ["spec/values", "spec", "compiler/blueprint", "compiler", "simulator/claims", "simulator/sieve", "simulator"];

/// What a pure room may not link: runtimes, sockets, TLS, databases, clocks of the machine.
const IO_CRATES: [&str; 9] =
    ["tokio", "rustls", "tokio-rustls", "sqlx", "axum", "hyper", "rustix", "rcgen", "tempfile"];

fn manifest(folder: &str) -> toml::Table {
    let path = tests::root().join(folder).join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).parse().unwrap()
}

fn dependencies(folder: &str) -> Vec<String> {
    let table = manifest(folder);
    let section = table.get("dependencies").and_then(toml::Value::as_table);
    section.map_or_else(Vec::new, |section| section.keys().cloned().collect())
}

#[test]
fn each_room_depends_only_on_the_rooms_it_may() {
    let ours: BTreeMap<&str, &[&str]> = ROOMS.iter().map(|(name, _, allowed)| (*name, *allowed)).collect();
    for (room, folder, allowed) in ROOMS {
        for dependency in dependencies(folder) {
            if ours.contains_key(dependency.as_str()) {
                assert!(allowed.contains(&dependency.as_str()), "{room} may not depend on {dependency}");
            }
        }
    }
}

#[test]
fn the_workspace_has_exactly_these_rooms() {
    let table = manifest(".");
    let members = table.get("workspace").and_then(|workspace| workspace.get("members")).unwrap().as_array().unwrap();
    let mut members: Vec<&str> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let mut rooms: Vec<&str> = ROOMS.iter().map(|(_, folder, _)| *folder).collect();
    members.sort_unstable();
    rooms.sort_unstable();
    assert_eq!(members, rooms);
}

#[test]
fn pure_rooms_link_nothing_that_does_io() {
    for room in PURE {
        for dependency in dependencies(room) {
            assert!(!IO_CRATES.contains(&dependency.as_str()), "{room} may not link {dependency}");
        }
    }
}

#[test]
fn pure_rooms_ban_io_in_their_lints() {
    for room in PURE {
        let path = tests::root().join(room).join("clippy.toml");
        let table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let banned = |key: &str, wanted: &str| {
            let list = table.get(key).and_then(toml::Value::as_array).unwrap();
            list.iter().any(|entry| entry.get("path").and_then(toml::Value::as_str) == Some(wanted))
        };
        assert!(banned("disallowed-types", "std::fs::File"), "{room}");
        assert!(banned("disallowed-types", "std::net::TcpStream"), "{room}");
        assert!(banned("disallowed-types", "std::time::SystemTime"), "{room}");
        assert!(banned("disallowed-types", "std::time::Instant"), "{room}");
        assert!(banned("disallowed-methods", "std::fs::read"), "{room}");
        assert!(banned("disallowed-methods", "std::env::var"), "{room}");
    }
}

#[test]
fn every_room_keeps_the_workspace_lints() {
    for (room, folder, _) in ROOMS {
        let table = manifest(folder);
        let kept = table.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(kept, Some(true), "{room}");
    }
}
