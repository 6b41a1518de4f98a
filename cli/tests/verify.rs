//! `build --verify`: what daemons' own checkers say is told where the specification says it.

mod desk;

use std::path::Path;
use std::process::Command;

use desk::Desk;

/// A checker that finds fault with the line that names the node, where it finds one.
const GRUMBLER: &str = "#!/bin/sh\n\
    line=$(grep -n '^myhostname' /etc/postfix/main.cf | cut -d: -f1)\n\
    echo \"postconf: warning: /etc/postfix/main.cf, line $line: no such name\" >&2\n";

#[test]
fn every_checker_passes_the_example_and_a_warning_is_an_error_at_its_line() {
    let Some(root) = std::env::var_os("MAILWRIGHT_ROOT") else {
        println!("skipped: no root file system (MAILWRIGHT_ROOT names none)");
        return;
    };
    let desk = Desk::new();
    let example = desk.example("northmail");
    let out = desk.path("built");
    let call = |root: &Path, out: &Path| {
        let arguments =
            ["build", example.to_str().unwrap(), "--env", "qa", "--verify", "--root", root.to_str().unwrap()];
        desk.command(&arguments).arg("--out").arg(out).output().expect("the program starts")
    };
    let output = call(Path::new(&root), &out);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("checks on 14 nodes passed"), "{said}");
    assert!(out.join("manifest.json").is_file());

    // The same root, but for one checker that is never pleased.
    let beside = Path::new(&root).parent().unwrap();
    let other = tempfile::tempdir_in(beside).expect("a folder beside the root");
    let copy = other.path().join("root");
    let copied = Command::new("cp").arg("-al").arg(&root).arg(&copy).status().expect("cp starts");
    assert!(copied.success());
    let checker = copy.join("usr/sbin/postconf");
    std::fs::remove_file(&checker).expect("the checker is there");
    std::fs::write(&checker, GRUMBLER).expect("a file");
    std::fs::set_permissions(&checker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let nothing = desk.path("nothing");
    let output = call(&copy, &nothing);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("build::refused-by-daemon"), "{said}");
    assert!(said.contains("platform.kdl:"), "{said}");
    assert!(said.contains("the rendered line is: myhostname"), "{said}");
    assert!(!nothing.exists());
}

/// Has every checker of a release read the example's production, in which some roles have several nodes and ask the real world.
///
/// - `hookup`: how mail comes to Email Defense there.
fn production_passes(distribution: &str, hookup: &str, root: &Path) {
    let desk = Desk::new();
    let example = desk.example("northmail");
    let platform = example.join("platform.kdl");
    let text = std::fs::read_to_string(&platform).expect("the example has a platform");
    let asked = format!("distribution=\"{distribution}\"");
    let text = text.replace("distribution=\"bookworm\"", &asked);
    let text = text.replace("hookup \"milter\"", &format!("hookup \"{hookup}\""));
    // Where there are gateways, mail that none of them answers for has a way of its own.
    let text = match hookup {
        "gateway" => text.replace("on-unavailable=\"defer\"", "on-unavailable=\"accept\""),
        _ => text,
    };
    std::fs::write(&platform, text).expect("a file");
    let mut call = desk.command(&["build"]);
    call.arg(&example).args(["--env", "production", "--verify", "--root"]).arg(root);
    let output = call.arg("--out").arg(desk.path("built")).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("checks on 29 nodes passed"), "{said}");
}

#[test]
fn every_checker_passes_production_of_the_example_without_a_warning() {
    match std::env::var_os("MAILWRIGHT_ROOT") {
        Some(root) => {
            production_passes("bookworm", "milter", Path::new(&root));
            production_passes("bookworm", "gateway", Path::new(&root));
        }
        None => println!("skipped: no root file system (MAILWRIGHT_ROOT names none)"),
    }
}

#[test]
fn every_checker_of_the_next_release_passes_production_of_the_example_without_a_warning() {
    match std::env::var_os("MAILWRIGHT_ROOT_TRIXIE") {
        Some(root) => {
            production_passes("trixie", "milter", Path::new(&root));
            production_passes("trixie", "gateway", Path::new(&root));
        }
        None => println!("skipped: no root file system of trixie (MAILWRIGHT_ROOT_TRIXIE names none)"),
    }
}
