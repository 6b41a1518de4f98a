//! Images, built twice: the one that real daemons' root comes from, and the same again elsewhere.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use blueprint::lock::{Lock, PinnedPackage};

fn mailwright(cache: &Path, state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailwright"))
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .env("XDG_STATE_HOME", state)
        .output()
        .unwrap()
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/northmail")
}

/// Copies the texts of the example, so that a lock can be written beside them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns the cache that `MAILWRIGHT_ROOT` was unpacked in, its image's digest, and its packages.
fn built_before() -> Option<(PathBuf, String, BTreeMap<String, PinnedPackage>)> {
    let root = PathBuf::from(std::env::var_os("MAILWRIGHT_ROOT")?);
    let unpacked = root.parent()?;
    let digest = unpacked.file_name()?.to_str()?.to_owned();
    let about: serde_json::Value = serde_json::from_slice(&fs::read(unpacked.join("root.json")).ok()?).ok()?;
    let packages = serde_json::from_value(about.get("packages")?.clone()).ok()?;
    Some((unpacked.parent()?.parent()?.to_owned(), digest, packages))
}

#[test]
fn an_image_built_again_elsewhere_has_the_same_digest_and_is_whole_signed_and_told() {
    let Some((cache, digest, packages)) = built_before() else {
        eprintln!("skipped: MAILWRIGHT_ROOT names no root that `mailwright root` unpacked");
        return;
    };
    let world = tempfile::tempdir().unwrap();
    let (elsewhere, state, repository) =
        (world.path().join("cache"), world.path().join("state"), world.path().join("nm"));
    copy(&example(), &repository);
    let mut lock = Lock::default();
    lock.packages.insert("bookworm".to_owned(), packages.clone());
    fs::write(repository.join("mailwright.lock"), lock.text()).unwrap();
    // The packages alone are taken along: what is built of them must not come from what was built before.
    let debs = elsewhere.join("mailwright/debs");
    fs::create_dir_all(&debs).unwrap();
    for package in packages.values() {
        let name = format!("{}.deb", package.sha256);
        let from = cache.join("debs").join(&name);
        fs::hard_link(&from, debs.join(&name)).or_else(|_| fs::copy(&from, debs.join(&name)).map(drop)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let output = mailwright(&elsewhere, &state, arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), errors)
    };
    let place = repository.to_str().unwrap();
    let (code, built, errors) = run(&["image", "build", place]);
    assert_eq!((code, built.as_str()), (Some(0), digest.as_str()), "{errors}");

    let begun = std::time::Instant::now();
    assert_eq!(run(&["image", "build", place]).1, digest);
    println!("nothing to be built: {:?}", begun.elapsed());
    let (code, _, errors) = run(&["image", "verify", &digest]);
    assert_eq!(code, Some(0), "{errors}");
    let (code, shown, _) = run(&["image", "show", &digest]);
    assert!(code == Some(0) && shown.contains("25/tcp  postfix.service") && shown.contains("/usr/bin/su"), "{shown}");
    assert_eq!(run(&["image", "diff", &digest, &digest, "--exit-code"]).0, Some(0));
    assert!(run(&["cache", "list"]).1.contains("packages by hash"));

    let root = elsewhere.join("mailwright/images").join(&digest).join("root.erofs");
    let length = fs::metadata(&root).unwrap().len();
    fs::File::options().write(true).open(&root).unwrap().set_len(length - 1).unwrap();
    let (code, _, errors) = run(&["image", "verify", &digest]);
    assert!(code == Some(1) && errors.contains("root.erofs"), "{errors}");
    assert!(errors.contains("mailwright image build"), "{errors}");
}

#[test]
fn an_image_that_is_not_there_and_a_platform_without_a_lock_are_told_with_the_next_step() {
    let world = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = mailwright(&world.path().join("cache"), &world.path().join("state"), arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, errors) = run(&["image", "verify", "00ff"]);
    assert!(code == Some(5) && errors.contains("there is no image 00ff") && errors.contains("image build"), "{errors}");
    let repository = world.path().join("nm");
    copy(&example(), &repository);
    let (code, errors) = run(&["image", "build", repository.to_str().unwrap()]);
    assert!(code == Some(5) && errors.contains("pins nothing for") && errors.contains("image lock"), "{errors}");
    assert_eq!(run(&["cache", "prune", "--all"]).0, Some(0));
}
