//! What keeps the code a place to live in: a sign on every door, files of a size that fits a head, links that lead somewhere.

use std::path::Path;

/// Past this many lines a file wants to be two rooms.
const LONGEST_FILE: usize = 1000;

fn shown(path: &Path) -> String {
    path.strip_prefix(tests::root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for path in tests::files(&[".rs"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} has no sign on its door", shown(&path));
    }
}

#[test]
fn no_source_file_is_longer_than_a_head_can_hold() {
    for path in tests::files(&[".rs"]) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", shown(&path));
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in tests::files(&[".md"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap();
        for piece in text.split("](").skip(1) {
            let target = piece.split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with('#') || target.starts_with("mailto:") {
                continue;
            }
            let file = target.split('#').next().unwrap_or_default();
            assert!(folder.join(file).exists(), "{} links to {target}, which is not there", shown(&path));
        }
    }
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_to_be_done() {
    for path in tests::files(&[".rs"]) {
        if path.ends_with("tidiness.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for banned in ["#[ignore", concat!("todo", "!("), concat!("unimplemented", "!(")] {
            assert!(!text.contains(banned), "{} holds {banned}", shown(&path));
        }
    }
}

#[test]
fn crates_have_no_rooms_called_by_no_name() {
    for path in tests::files(&[".rs"]) {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!["utils", "util", "common", "misc", "helpers", "helper"].contains(&stem.as_str()), "{}", shown(&path));
    }
}
