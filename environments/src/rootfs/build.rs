//! Builds a root file system with mmdebstrap, alone in mount and process namespaces so that nothing of it stays behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use blueprint::lock::PinnedPackage;
use rustix::fs::{FlockOperation, flock};

use super::{RootFailure, sources};
use crate::files;
use crate::launch::{Progress, Step};

/// MiB that a build takes at its most: the packages, the files they bring, and room to work.
const NEEDED_MIB: u64 = 3000;

/// The stages of a build by what mmdebstrap says when each begins, with their share of the time in percent, as measured.
const STAGES: [(&str, &str, u32); 6] = [
    ("running apt-get update", "reading what packages there are", 8),
    ("downloading packages with apt", "downloading what every system needs", 6),
    ("extracting archives", "unpacking it", 4),
    ("installing essential packages", "setting it up", 12),
    ("installing remaining packages", "downloading and setting up the daemons", 65),
    ("cleaning package lists", "tidying up", 5),
];

/// Seconds a build takes on a machine of two cores with a mirror nearby.
const ABOUT_SECONDS: u32 = 150;

/// Takes the lock of a build; waits for another build to end.
pub(super) fn lock(path: &Path, progress: &dyn Progress) -> Result<File, RootFailure> {
    let failed = |source| RootFailure::System { what: format!("lock {}", path.display()), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress.step(&Step::Root("another process builds the root file system: waiting for it".to_owned()));
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    }
    Ok(file)
}

/// Builds a root file system in `folder/root`; returns every package in it.
pub(super) fn build(
    folder: &Path,
    distribution: &str,
    packages: &BTreeSet<String>,
    pinned: &BTreeMap<String, PinnedPackage>,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, PinnedPackage>, RootFailure> {
    files::make_folder(folder)?;
    room(folder)?;
    let mut mirrors = Vec::new();
    for (name, content) in sources::of(Path::new("/etc/apt"), distribution)? {
        let path = folder.join(name);
        files::write(&path, content.as_bytes(), 0o644)?;
        mirrors.push(path);
    }
    let offered = folder.join("offered");
    let include: Vec<String> = packages
        .iter()
        .map(|name| match pinned.get(name) {
            Some(package) => format!("{name}={}", package.version),
            None => name.clone(),
        })
        .collect();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"])
        .args(["mmdebstrap", "--mode=root", "--variant=minbase"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .arg("--dpkgopt=path-exclude=/usr/share/man/*")
        .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
        .arg(format!("--include={}", include.join(",")));
    if !pinned.is_empty() {
        // What was pinned is taken in its version wherever it comes from, with what it depends on.
        let preferences = folder.join("preferences");
        files::write(&preferences, preferences_of(pinned).as_bytes(), 0o644)?;
        command.arg(format!("--setup-hook=copy-in {} /etc/apt/preferences.d/", quoted(&preferences)));
        command.arg("--customize-hook=rm -f \"$1/etc/apt/preferences.d/preferences\"");
    }
    // The lists of packages are still there when this hook runs, with the hash of each.
    command
        .arg(format!(
            "--customize-hook=chroot \"$1\" dpkg-query -W -f '${{Package}}=${{Version}}\\n' \
             | APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" xargs apt-cache show > {}",
            quoted(&offered)
        ))
        .arg(distribution)
        .arg(folder.join("root"))
        .args(&mirrors)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    run(command, folder, progress)?;
    let shown = files::read(&offered)?.unwrap_or_default();
    let built = stanzas(&String::from_utf8_lossy(&shown));
    hold_to(&built, pinned)?;
    for path in mirrors.iter().chain([&offered]) {
        files::remove(path)?;
    }
    Ok(built)
}

/// Returns a path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

fn room(folder: &Path) -> Result<(), RootFailure> {
    let failed = |error: rustix::io::Errno| RootFailure::System {
        what: format!("tell how much room {} has", folder.display()),
        source: error.into(),
    };
    let about = rustix::fs::statvfs(folder).map_err(failed)?;
    let free = about.f_bavail.saturating_mul(about.f_frsize) >> 20;
    if free < NEEDED_MIB {
        return Err(RootFailure::Full { folder: folder.to_owned(), needed: NEEDED_MIB, free });
    }
    Ok(())
}

fn run(mut command: Command, folder: &Path, progress: &dyn Progress) -> Result<(), RootFailure> {
    let system = |source: std::io::Error| RootFailure::System { what: "run mmdebstrap".to_owned(), source };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&paths).any(|path| path.join("mmdebstrap").is_file()) {
        return Err(RootFailure::Missing { program: "mmdebstrap" });
    }
    let mut child = command.spawn().map_err(system)?;
    let begun = Instant::now();
    let mut last: Vec<String> = Vec::new();
    if let Some(errors) = child.stderr.take() {
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            if let Some(told) = stage(&line, begun.elapsed().as_secs()) {
                progress.step(&Step::Root(told));
            }
            if line.starts_with("E: ") || line.contains("No space left") {
                last.push(line);
            }
        }
    }
    if child.wait().map_err(system)?.success() {
        return Ok(());
    }
    if last.iter().any(|line| line.contains("No space left")) {
        return room(folder).and_then(|()| Err(RootFailure::Build { reason: "the disk became full".to_owned() }));
    }
    last.truncate(4);
    let reason = if last.is_empty() { "mmdebstrap ended without a word".to_owned() } else { last.join("; ") };
    Err(RootFailure::Build { reason })
}

/// Returns what to tell people when a line of mmdebstrap begins a stage.
fn stage(line: &str, seconds: u64) -> Option<String> {
    let place = STAGES.iter().position(|(said, _, _)| line.contains(said))?;
    let before: u32 = STAGES.iter().take(place).map(|(_, _, share)| share).sum();
    let (_, what, _) = STAGES.get(place)?;
    // What the first stages took on this machine says what the others will take.
    let whole = match (before, u32::try_from(seconds).unwrap_or(u32::MAX)) {
        (before, seconds) if before >= 10 => seconds.saturating_mul(100) / before,
        _ => ABOUT_SECONDS,
    };
    let left = whole.saturating_sub(u32::try_from(seconds).unwrap_or(u32::MAX));
    Some(format!("root file system, {} of {}: {what}; about {left} s to go", place + 1, STAGES.len()))
}

/// Returns apt's preferences that hold packages to their versions (apt_preferences(5)).
fn preferences_of(pinned: &BTreeMap<String, PinnedPackage>) -> String {
    let stanza = |(name, package): (&String, &PinnedPackage)| {
        format!("Package: {name}\nPin: version {}\nPin-Priority: 1001\n\n", package.version)
    };
    pinned.iter().map(stanza).collect()
}

/// Reads packages out of what `apt-cache show` prints.
fn stanzas(text: &str) -> BTreeMap<String, PinnedPackage> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(|value| value.trim().to_owned()))
        };
        if let (Some(name), Some(version), Some(sha256)) = (field("Package"), field("Version"), field("SHA256")) {
            found.insert(name, PinnedPackage { version, sha256 });
        }
    }
    found
}

/// Holds what was built to what was pinned.
fn hold_to(
    built: &BTreeMap<String, PinnedPackage>,
    pinned: &BTreeMap<String, PinnedPackage>,
) -> Result<(), RootFailure> {
    for (name, package) in built {
        let Some(pin) = pinned.get(name).filter(|pin| *pin != package) else { continue };
        let (pinned, found) = match pin.version == package.version {
            true => (pin.sha256.clone(), package.sha256.clone()),
            false => (pin.version.clone(), package.version.clone()),
        };
        return Err(RootFailure::Pinned { package: name.clone(), pinned, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pin(version: &str, sha256: &str) -> PinnedPackage {
        PinnedPackage { version: version.to_owned(), sha256: sha256.to_owned() }
    }

    #[test]
    fn packages_are_read_with_version_and_hash() {
        let shown = "Package: postfix\nVersion: 3.7.11-0+deb12u1\nDescription: x\n Version: 9\nSHA256: ab12\n\n\
                     Package: virtual\nVersion: 1\n\nPackage: redis\nVersion: 5:7.0\nSHA256: cd\n";
        let found = stanzas(shown);
        assert_eq!(found.len(), 2);
        assert_eq!(found["postfix"], pin("3.7.11-0+deb12u1", "ab12"));
    }

    #[test]
    fn what_differs_from_the_lock_is_named() {
        let built = BTreeMap::from([("postfix".to_owned(), pin("3.7.11", "aa"))]);
        assert!(hold_to(&built, &BTreeMap::new()).is_ok());
        assert!(hold_to(&built, &built).is_ok());
        let other = BTreeMap::from([("postfix".to_owned(), pin("3.7.10", "aa"))]);
        assert_eq!(
            hold_to(&built, &other).unwrap_err().to_string(),
            "postfix was pinned as 3.7.10 and would be 3.7.11"
        );
        let forged = BTreeMap::from([("postfix".to_owned(), pin("3.7.11", "bb"))]);
        assert_eq!(hold_to(&built, &forged).unwrap_err().to_string(), "postfix was pinned as bb and would be aa");
    }

    #[test]
    fn the_stages_take_all_of_the_time_and_each_is_told() {
        assert_eq!(STAGES.iter().map(|(_, _, share)| share).sum::<u32>(), 100);
        assert_eq!(
            stage("I: running apt-get update...", 0).unwrap(),
            "root file system, 1 of 6: reading what packages there are; about 150 s to go"
        );
        let later = stage("I: installing remaining packages inside the chroot...", 60).unwrap();
        assert_eq!(later, "root file system, 5 of 6: downloading and setting up the daemons; about 140 s to go");
        assert_eq!(stage("I: something else", 0), None);
    }

    #[test]
    fn a_disk_without_room_is_told_before_anything_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        match room(folder.path()) {
            Ok(()) => {}
            Err(failure) => assert!(failure.to_string().contains("there is no room"), "{failure}"),
        }
        let full = RootFailure::Full { folder: folder.path().to_owned(), needed: 3000, free: 1 };
        assert!(full.help().contains("XDG_CACHE_HOME"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_stumble(text in any::<String>()) {
            let _ = (stanzas(&text), stage(&text, 1));
        }
    }
}
