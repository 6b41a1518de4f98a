//! What a reviewer reads is every line that differs, and nothing else.

mod desk;

use std::path::Path;

use desk::Desk;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn edit(folder: &Path, path: &str, old: &str, new: &str) {
    let path = folder.join(path);
    let before = std::fs::read_to_string(&path).expect("text");
    assert!(before.contains(old), "{} does not say {old}", path.display());
    std::fs::write(&path, before.replace(old, new)).expect("text");
}

#[test]
fn every_line_that_differs_is_shown_and_nothing_else() {
    let desk = Desk::new();
    let (one, two) = (desk.example("one"), desk.example("two"));
    let diff = || desk.call(&["diff", text(&one), text(&two), "--exit-code"]);
    let same = diff();
    assert_eq!((same.status.code(), same.stdout.len()), (Some(0), 0), "{}", String::from_utf8_lossy(&same.stderr));
    edit(&two, "platform.kdl", "max-message \"35MiB\"", "max-message \"40MiB\"");
    let output = diff();
    assert_eq!(output.status.code(), Some(4));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("--- a/blueprint.json\n+++ b/blueprint.json\n@@ "), "{shown}");
    assert!(
        shown.contains("-    \"max_message\": 36700160") && shown.contains("+    \"max_message\": 41943040"),
        "{shown}"
    );
    assert!(shown.contains("--- a/nodes/mx-1/etc/postfix/main.cf\n"), "{shown}");
    assert!(!shown.contains("a/roster.json"), "{shown}");
    assert_eq!(desk.call(&["diff", text(&one), text(&two)]).status.code(), Some(0), "4 only where it is asked for");
}

#[test]
fn what_build_wrote_is_compared_with_a_repository() {
    let desk = Desk::new();
    let example = desk.example("northmail");
    let built = desk.path("built");
    assert_eq!(desk.call(&["build", text(&example), "--env", "qa", "--out", text(&built)]).status.code(), Some(0));
    let diff = || desk.call(&["diff", text(&built), text(&example), "--env", "qa", "--exit-code"]);
    let same = diff();
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
    std::fs::write(built.join("nodes/mx-1/etc/extra"), b"\x00\x1b[31m").expect("a file");
    let output = diff();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Binary files a/nodes/mx-1/etc/extra and /dev/null differ\n");
}

#[test]
fn a_folder_that_is_neither_is_refused() {
    let desk = Desk::new();
    let example = desk.example("northmail");
    for other in [desk.path("nowhere"), desk.path("")] {
        let output = desk.call(&["diff", text(&example), text(&other)]);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
