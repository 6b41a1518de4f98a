//! Pipes, loops, sockets and folders where files are expected, and disks that take nothing: each is told, and nothing is half done.

#![expect(clippy::print_stdout, reason = "a test that cannot run here says so")]

mod desk;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use desk::{Desk, finish, has};

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo starts");
    assert!(made.success(), "{}", path.display());
}

/// Calls the program, which is to end by itself, with an exit code and a message.
fn check(desk: &Desk, arguments: &[&str], code: i32, message: &str) -> String {
    let child = desk.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = finish(child.expect("the program starts"), 60);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(message), "{arguments:?} does not say `{message}`: {said}");
    said
}

/// Returns every file and folder below a folder; of files the content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, Some(bytes));
        }
    }
    found
}

#[test]
fn what_is_no_file_is_passed_over_with_a_note_and_never_waited_for() {
    let desk = Desk::new();
    let folder = desk.example("odd");
    pipe(&folder.join("resellers/acme/pipe.kdl"));
    std::os::unix::fs::symlink("/nonexistent", folder.join("scenarios/dangling.kdl")).expect("a link");
    std::os::unix::fs::symlink("loop.kdl", folder.join("loop.kdl")).expect("a link");
    fs::create_dir(folder.join("more.kdl")).expect("a folder");
    let _socket = UnixListener::bind(folder.join("environments/socket.kdl")).expect("a socket");
    let said = check(&desk, &["check", text(&folder)], 0, "no problems in 11 files");
    for note in [
        "note: resellers/acme/pipe.kdl is neither a file nor a folder, and is not read",
        "note: environments/socket.kdl is neither a file nor a folder, and is not read",
        "note: scenarios/dangling.kdl is a symbolic link, and is not read",
        "note: loop.kdl is a symbolic link, and is not read",
        "note: more.kdl is a folder, and is not read",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    check(&desk, &["fmt", "--check", text(&folder)], 0, "all 11 files are laid out");
    for (name, message) in [
        ("resellers/acme/pipe.kdl", "is neither a file nor a folder"),
        ("environments/socket.kdl", "is neither a file nor a folder"),
        ("scenarios/dangling.kdl", "there is no file or folder"),
        ("loop.kdl", "there is no file or folder"),
        ("more.kdl", "holds no specification"),
    ] {
        let path = folder.join(name);
        check(&desk, &["fmt", text(&path)], 2, message);
        check(&desk, &["convert", "--to", "yaml", text(&path)], 2, message);
    }
    check(&desk, &["import", text(&folder), "--reseller", "new", "--repository", text(&folder)], 2, "could not read");
}

#[test]
fn files_that_the_program_writes_itself_are_files_or_refused() {
    let desk = Desk::new();
    let folder = desk.example("odd");
    for name in ["mailwright.lock", "mailwright.ledger"] {
        let path = folder.join(name);
        let verb = if name.ends_with("lock") { "check" } else { "ledger" };
        fs::create_dir(&path).expect("a folder");
        check(&desk, &[verb, text(&folder)], 2, "is not a file");
        fs::remove_dir(&path).expect("it is empty");
        pipe(&path);
        check(&desk, &[verb, text(&folder)], 2, "is not a file");
        fs::remove_file(&path).expect("it is there");
    }
    // A platform that is no file is told as one that is missing.
    fs::remove_file(folder.join("platform.kdl")).expect("it is there");
    pipe(&folder.join("platform.kdl"));
    let said = check(&desk, &["check", text(&folder)], 1, "note: platform.kdl is neither a file nor a folder");
    assert!(said.contains("no file declares a platform"), "{said}");
}

#[test]
fn a_folder_without_a_git_repository_is_no_failure_of_an_environment() {
    if !has("git") {
        return;
    }
    let desk = Desk::new();
    let folder = desk.example("loose");
    check(&desk, &["plan", text(&folder), "--from", "HEAD"], 2, "is in no git repository");
}

/// Calls the program where some folders cannot be written: mounted again for reading, or as a disk with room for next to nothing.
///
/// - Returns: nothing where this machine does not let itself be changed so.
fn mounted(desk: &Desk, mount: &str, arguments: &[&str]) -> Option<Output> {
    let script = format!("({mount}) 2>/dev/null || exit 99; exec \"$@\"");
    let program = desk.command(arguments);
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.code() == Some(99) || told(&output).starts_with("unshare:") => {
            println!("skipped: nothing can be mounted here");
            None
        }
        Ok(output) => Some(output),
        Err(_) => {
            println!("skipped: unshare is not installed");
            None
        }
    }
}

const LIST: &str = "domain,user,hash,quota,forwards\nnew.example,bob,{SHA512-CRYPT}$6$a$b,1GiB,\n";

#[test]
fn a_folder_that_cannot_be_written_stays_as_it_was() {
    let desk = Desk::new();
    let folder = desk.example("fixed");
    let platform = folder.join("platform.kdl");
    let untidy = fs::read_to_string(&platform).expect("text").replace("    site \"", "  site  \"");
    fs::write(&platform, untidy).expect("it can be written");
    let list = desk.path("list.csv");
    fs::write(&list, LIST).expect("it can be written");
    let before = contents(&folder);
    let at = text(&folder);
    let mount = format!("mount --bind '{at}' '{at}' && mount -o remount,bind,ro '{at}'");
    let new = folder.join("new");
    for (arguments, help) in [
        (vec!["fmt", at], "it is as it was"),
        (vec!["convert", "--to", "yaml", at], "all files are as they were"),
        (vec!["init", text(&new), "--yes"], "nothing was written; name a folder you may write"),
        (vec!["import", text(&list), "--reseller", "new", "--repository", at], "no account was written"),
    ] {
        let Some(output) = mounted(&desk, &mount, &arguments) else { return };
        let said = told(&output);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {said}");
        for part in ["error: could not write ", "because: Read-only file system", help] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    assert_eq!(contents(&folder), before);
}

#[test]
fn a_disk_that_fills_up_leaves_nothing_half_written() {
    let desk = Desk::new();
    let folder = desk.example("full");
    let list = desk.path("list.csv");
    fs::write(&list, LIST).expect("it can be written");
    let at = text(&folder);
    // What is on the small disk is looked at through a copy, since the disk goes with the program.
    let seen = desk.path("seen");
    let look = format!("ls -AR small > {}", text(&seen));
    let small = |size: &str| format!("cd '{at}' && mkdir -p small && mount -t tmpfs -o size={size} none small");
    let shell = |mount: &str, call: &str| {
        let script = format!("({mount}) || exit 99; cd '{at}'; {call}; code=$?; {look}; exit $code");
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .env("MAILWRIGHT", env!("CARGO_BIN_EXE_mailwright"))
            .stdin(Stdio::null())
            .output();
        let output = output.ok().filter(|it| it.status.code() != Some(99) && !told(it).starts_with("unshare:"));
        if output.is_none() {
            println!("skipped: nothing can be mounted here");
        }
        output
    };
    let Some(output) = shell(&small("8k"), "\"$MAILWRIGHT\" init small/new --yes") else { return };
    let said = told(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("because: No space left on device"), "{said}");
    assert_eq!(fs::read_to_string(&seen).expect("a list").trim(), "small:", "nothing is left");
    // The hashes fit, the reseller does not.
    let copy = "cp -r platform.kdl environments resellers small/ && dd if=/dev/zero of=small/rest 2>/dev/null";
    let call = format!("{copy}; \"$MAILWRIGHT\" import {} --reseller new --repository small", text(&list));
    let Some(output) = shell(&small("128k"), &call) else { return };
    let said = told(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    let left = fs::read_to_string(&seen).expect("a list");
    assert!(!left.contains("new"), "{left}");
    assert!(said.contains("no account was written"), "{said}");
}
