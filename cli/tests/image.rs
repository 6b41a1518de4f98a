//! Images, built twice: the one that real daemons' root comes from, and the same again elsewhere.
#![expect(clippy::print_stderr, reason = "what was skipped is told")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

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
    take_along(&cache, &packages, &elsewhere);
    let run = |arguments: &[&str]| {
        let output = mailwright(&elsewhere, &state, arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), errors)
    };
    let place = repository.to_str().unwrap();

    // One that is killed in its middle leaves nothing that works on, and nothing that is taken for an image.
    let mut killed = begin(&elsewhere, &state, &["image", "build", place]);
    told(&mut killed, "step 2 of 6");
    killed.kill().unwrap();
    killed.wait().unwrap();
    wait_for("what a killed build has started ends with it", || at_work(&elsewhere).is_empty());
    assert_eq!(run(&["image", "verify", &digest]).0, Some(5));

    // Two at once, as somebody who is not root and ten years from now, to packages' scripts too: one builds, the other waits and takes what is there.
    let stranger = Stranger::new(world.path());
    let built: Vec<Output> = match &stranger {
        Some(stranger) => {
            let both = [(); 2].map(|()| stranger.begin(&elsewhere, &state, &["image", "build", place]));
            both.map(|child| child.wait_with_output().unwrap()).into()
        }
        None => vec![mailwright(&elsewhere, &state, &["image", "build", place])],
    };
    for output in &built {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), digest, "{errors}");
    }
    if let Some(stranger) = &stranger {
        let year: u32 = fs::read_to_string(stranger.files.join("seen/year")).unwrap().trim().parse().unwrap();
        assert!(year > 2033, "to packages it was {year}");
    }
    let waited = |output: &Output| String::from_utf8_lossy(&output.stderr).contains("waiting for it");
    assert_eq!(built.iter().filter(|output| waited(output)).count(), built.len() - 1);

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

/// Takes packages along, and nothing else: what is built of them must not come from what was built before.
fn take_along(cache: &Path, packages: &BTreeMap<String, PinnedPackage>, elsewhere: &Path) {
    let debs = elsewhere.join("mailwright/debs");
    fs::create_dir_all(&debs).unwrap();
    for package in packages.values() {
        let name = format!("{}.deb", package.sha256);
        let from = cache.join("debs").join(&name);
        fs::hard_link(&from, debs.join(&name)).or_else(|_| fs::copy(&from, debs.join(&name)).map(drop)).unwrap();
    }
}

/// Starts a build whose words can be followed.
fn begin(cache: &Path, state: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailwright"))
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .env("XDG_STATE_HOME", state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what a build says until it says something.
fn told(child: &mut Child, what: &str) {
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    for line in lines {
        let found = line.contains(what);
        said.push(line);
        if found {
            return;
        }
    }
    panic!("it never said {what:?}: {said:?}");
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Returns the processes that name a folder among their arguments.
fn at_work(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    processes
        .map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
        .filter(|words| words.contains(name))
        .collect()
}

/// Somebody who is not root, on a machine whose clock is ten years ahead.
///
/// A user and a clock of its own come from files laid over this machine's in a mount namespace. What packages do inside of the root that is
/// being made has its own files: the same clock is laid into them before the first package's script runs, and taken out after the last.
struct Stranger {
    files: PathBuf,
}

/// Puts whoever is started with it ten years ahead.
const LATER: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long outcome = syscall(SYS_clock_gettime, clock, now);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += 315360000;
    return (int)outcome;
}
time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}
";

/// Sets packages up with the other clock; writes down what year it was to them.
const LATER_INSIDE: &str = r#"#!/bin/sh
exec perl FILES/true-mmdebstrap --essential-hook='cp FILES/later.so "$1/later.so" && echo /later.so >"$1/etc/ld.so.preload"' \
    --essential-hook='chroot "$1" date +%Y >FILES/seen/year' "$@" --customize-hook='rm -f "$1/later.so" "$1/etc/ld.so.preload"'
"#;

impl Stranger {
    fn new(world: &Path) -> Option<Self> {
        let there = |path: &str| Path::new(path).exists();
        let files = world.join("stranger");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("later.c"), LATER).unwrap();
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-o", "later.so", "later.c"]).current_dir(&files).status();
        let compiled = compiled.is_ok_and(|status| status.success());
        if !compiled || !there("/usr/bin/newuidmap") || !rustix::process::geteuid().is_root() {
            eprintln!("skipped: building as another user and at another date takes root, newuidmap and a C compiler");
            return None;
        }
        let write = |name: &str, text: &str| fs::write(files.join(name), text).unwrap();
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        write("passwd", &format!("{passwd}stranger:x:54321:54321::/:/bin/sh\n"));
        let group = fs::read_to_string("/etc/group").unwrap();
        write("group", &format!("{group}stranger:x:54321:\n"));
        write("subuid", "stranger:600000:65536\n");
        write("subgid", "stranger:600000:65536\n");
        let seen = files.join("seen");
        fs::create_dir(&seen).unwrap();
        fs::set_permissions(&seen, fs::Permissions::from_mode(0o777)).unwrap();
        fs::copy("/usr/bin/mmdebstrap", files.join("true-mmdebstrap")).unwrap();
        write("mmdebstrap", &LATER_INSIDE.replace("FILES", files.to_str().unwrap()));
        fs::set_permissions(files.join("mmdebstrap"), fs::Permissions::from_mode(0o755)).unwrap();
        write("ld.so.preload", &format!("{}\n", files.join("later.so").display()));
        Some(Self { files })
    }

    fn begin(&self, cache: &Path, state: &Path, arguments: &[&str]) -> Child {
        let script = "set -e; cd /; mkdir -p \"$2\"; chmod 755 \"$0/..\"
            # Packages are also another cache's own.
            find \"$1\" \"$2\" ! -name '*.deb' -exec chown 54321:54321 {} +
            for file in passwd group subuid subgid ld.so.preload; do
                [ -e /etc/$file ] || : >/etc/$file
                mount --bind \"$0/$file\" /etc/$file
            done
            mount --bind \"$0/mmdebstrap\" /usr/bin/mmdebstrap
            [ \"$(date +%Y)\" -gt 2033 ] || { echo 'the clock is not moved' >&2; exit 1; }
            : >\"$0/mailwright\"; mount --bind \"$3\" \"$0/mailwright\"; program=\"$0/mailwright\"
            shift 3; exec setpriv --reuid 54321 --regid 54321 --clear-groups -- \"$program\" \"$@\"";
        // Files that this machine does not have are made in a layer of memory that nobody else sees.
        let apart = "mount -t tmpfs layer \"$1\" && mkdir \"$1/u\" \"$1/w\" && \
            mount -t overlay etc -o lowerdir=/etc,upperdir=\"$1/u\",workdir=\"$1/w\" /etc && shift && exec \"$@\"";
        let layer = self.files.join("layer");
        fs::create_dir_all(&layer).unwrap();
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", apart, "sh"])
            .arg(&layer)
            .args(["sh", "-c", script])
            .arg(&self.files)
            .args([cache, state])
            .arg(env!("CARGO_BIN_EXE_mailwright"))
            .args(arguments)
            .env("XDG_CACHE_HOME", cache)
            .env("XDG_STATE_HOME", state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

#[test]
fn a_disk_that_becomes_full_is_told_and_nothing_half_made_is_left() {
    let Some((cache, digest, packages)) = built_before() else {
        eprintln!("skipped: MAILWRIGHT_ROOT names no root that `mailwright root` unpacked");
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a disk of a certain size takes root");
        return;
    }
    let world = tempfile::tempdir().unwrap();
    let (state, repository, disk) = (world.path().join("state"), world.path().join("nm"), world.path().join("disk"));
    copy(&example(), &repository);
    let mut lock = Lock::default();
    lock.packages.insert("bookworm".to_owned(), packages.clone());
    fs::write(repository.join("mailwright.lock"), lock.text()).unwrap();
    fs::create_dir(&disk).unwrap();
    let place = repository.to_str().unwrap();
    let mount = |size: &str| {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "disk"]).arg(&disk).status().unwrap();
        assert!(mounted.success());
        Unmount(disk.clone())
    };

    // Too small from the beginning: told before anything is begun.
    let small = mount("size=64m");
    let output = mailwright(&disk, &state, &["image", "build", place]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(5) && errors.contains("1500 MiB"), "{errors}");
    drop(small);

    // Full in the middle.
    let _large = mount("size=3g");
    take_along(&cache, &packages, &disk);
    let child = begin(&disk, &state, &["image", "build", place]);
    let images = disk.join("mailwright/images");
    let inside = |name: &str| {
        let folders = fs::read_dir(&images).into_iter().flatten().flatten();
        folders.map(|folder| folder.path()).find(|path| path.join(name).exists())
    };
    wait_for("the packages are laid out", || inside("archive").is_some());
    let filler = fs::File::create(disk.join("filler")).unwrap();
    let free = rustix::fs::fstatvfs(&filler).unwrap();
    let (mut offset, mut size) = (0, free.f_bavail * free.f_frsize);
    while size >= 4096 {
        match rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), offset, size) {
            Ok(()) => offset += size,
            Err(_) => size /= 2,
        }
    }
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{errors}");
    let told = ["No space left", "became full", "make room"];
    assert!(told.iter().any(|words| errors.contains(words)), "{errors}");
    fs::remove_file(disk.join("filler")).unwrap();
    assert_eq!(mailwright(&disk, &state, &["image", "verify", &digest]).status.code(), Some(5));
    assert_eq!(inside(""), None, "what was begun is cleared away");
}

/// Takes a disk away whatever happens.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
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
