//! What goes wrong between an archive of packages and an image: each is told with what it is about, leaves nothing that is trusted later,
//! and the next run works.

#![expect(clippy::print_stdout, reason = "what was skipped is told")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod debian;
mod desk;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use debian::{Archive, possible, sum};
use desk::{Desk, until};

/// A platform, an archive that has what it takes, and a lock.
struct World {
    desk: Desk,
    archive: Archive,
    repository: PathBuf,
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl World {
    fn new() -> Option<Self> {
        if !possible() {
            return None;
        }
        let desk = Desk::new();
        let repository = desk.copy_of("examples/harbour", "harbour");
        // Without a lock it is told what there is to pin.
        let output = desk.call(&["image", "build", repository.to_str().unwrap()]);
        let told = said(&output);
        let names = told.split_once("pins nothing for ").unwrap().1.lines().next().unwrap();
        let names: BTreeSet<String> = names.split(", ").filter(|name| !name.contains(' ')).map(str::to_owned).collect();
        assert!(names.contains("postfix") && names.contains("busybox-static"), "{names:?}");
        let archive = Archive::new(&desk, &names);
        let world = Self { desk, archive, repository };
        let locked = world.ask("first", &["image", "lock"]);
        assert!(locked.status.success(), "{}", said(&locked));
        Some(world)
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.desk.path(name)
    }

    fn command(&self, cache: &str, words: &[&str]) -> Command {
        let mut command = self.archive.command(&self.desk, &self.cache(cache), words);
        command.current_dir(&self.repository);
        command
    }

    /// Calls the program with a cache, by the cache's name.
    fn ask(&self, cache: &str, words: &[&str]) -> Output {
        self.command(cache, words).output().unwrap()
    }

    /// Asks for what cannot be, with a cache that is empty before; nothing that could be taken for an image is left.
    #[track_caller]
    fn refused(&self, words: &[&str], code: i32, told: &[&str]) {
        let _ = fs::remove_dir_all(self.cache("refused"));
        let output = self.ask("refused", words);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(told.iter().all(|told| text.contains(told)), "{told:?} is not in {text}");
        assert_eq!(self.images("refused"), BTreeSet::new());
    }

    /// Builds, and returns the digest.
    #[track_caller]
    fn built(&self, cache: &str) -> String {
        let output = self.ask(cache, &["image", "build"]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Looks into an image that is not whole any more.
    #[track_caller]
    fn broken(&self, digest: &str, part: &str, told: &str) {
        let output = self.ask("first", &["image", "verify", digest]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{part}: {text}");
        assert!(
            text.contains(part) && text.contains(told) && text.contains("mailwright image build"),
            "{part}: {text}"
        );
    }

    /// Builds what is not whole any more, and looks into it.
    #[track_caller]
    fn mended(&self, digest: &str) {
        assert_eq!(self.built("first"), digest);
        let output = self.ask("first", &["image", "verify", digest]);
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Returns what lies among the images of a cache, but for locks of turns.
    fn images(&self, cache: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.cache(cache).join("mailwright/images"));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "keys" && !name.ends_with(".lock")).collect()
    }

    fn image(&self, cache: &str, digest: &str) -> PathBuf {
        self.cache(cache).join("mailwright/images").join(digest)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.repository.join("mailwright.lock")).unwrap()
    }
}

#[test]
fn what_the_archive_dropped_changed_or_did_not_sign_is_told_by_name_and_the_next_run_works() {
    let Some(mut world) = World::new() else { return };
    let (lock, signed) = (world.lock(), fs::read_to_string(world.archive.release()).unwrap());

    // A package is gone: told by name where nobody kept it, and not missed where somebody did.
    let kept = fs::read(world.archive.deb("rspamd")).unwrap();
    world.archive.drop_package("rspamd");
    world.refused(
        &["image", "build"],
        5,
        &["rspamd 1.0 is pinned", "not in the archive any more", "mailwright image lock"],
    );
    world.refused(&["image", "lock"], 5, &["rspamd"]);
    let digest = world.built("first");

    // It comes back with other bytes under the same version: the archive vouches for them, and the lock does not.
    world.archive.package("rspamd", "1.0", "", |root| {
        fs::create_dir_all(root.join("usr/share")).unwrap();
        fs::write(root.join("usr/share/rspamd"), "two\n").unwrap();
    });
    world.archive.publish();
    let found = sum(&world.archive.deb("rspamd"));
    world.refused(&["image", "build"], 1, &["rspamd 1.0 is pinned with the hash", &found, "why it changed"]);

    // Bytes that are not those of the signed list.
    let deb = world.archive.deb("rspamd");
    fs::write(&deb, &kept).unwrap();
    world.archive.list("rspamd", &deb);
    world.archive.publish();
    let mut bytes = kept.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(world.archive.deb("rspamd"), &bytes).unwrap();
    world.refused(&["image", "build"], 5, &["rspamd"]);
    fs::write(world.archive.deb("rspamd"), &kept).unwrap();

    // Lists that somebody else signed, that were changed after they were signed, and that nobody signed.
    let stranger = world.archive.new_key("stranger");
    world.archive.publish_as(&stranger);
    let unread = "lists of packages could not be read";
    world.refused(&["image", "build"], 5, &[unread, "apt-get update"]);
    world.refused(&["image", "lock"], 5, &[unread]);
    world.archive.publish();
    let forged = fs::read_to_string(world.archive.release()).unwrap().replace("Origin: Test", "Origin: Tost");
    fs::write(world.archive.release(), &forged).unwrap();
    world.refused(&["image", "lock"], 5, &[unread]);
    let (head, tail) = (forged.find("Origin").unwrap(), forged.find("-----BEGIN PGP SIGNATURE").unwrap());
    fs::remove_file(world.archive.release()).unwrap();
    fs::write(world.archive.release().with_file_name("Release"), forged.get(head..tail).unwrap()).unwrap();
    world.refused(&["image", "lock"], 5, &[unread]);
    fs::remove_file(world.archive.release().with_file_name("Release")).unwrap();
    world.refused(&["image", "lock"], 5, &[unread]);

    // None of that was pinned, and the archive as it was serves the same cache at once.
    assert_eq!(world.lock(), lock);
    fs::write(world.archive.release(), signed).unwrap();
    world.archive.publish();
    let again = world.ask("refused", &["image", "lock"]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(world.lock(), lock);
    assert_eq!(world.built("refused"), digest);
}

#[test]
fn what_was_killed_cut_short_exchanged_or_damaged_in_a_cache_is_not_trusted_and_is_made_again() {
    let Some(mut world) = World::new() else { return };

    // One that is killed leaves no image; what it left is no hindrance to two at once, of which one builds.
    let mut killed = world.command("first", &["image", "build"]);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(killed.stderr.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("step 2 of 6")));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(world.images("first").iter().all(|name| name.ends_with(".building")), "{:?}", world.images("first"));
    let both = [(); 2].map(|()| {
        world.command("first", &["image", "build"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let both = both.map(|child| child.wait_with_output().unwrap());
    for output in &both {
        assert!(output.status.success(), "{}", said(output));
    }
    let digest = String::from_utf8_lossy(&both[0].stdout).trim().to_owned();
    assert_eq!(both[0].stdout, both[1].stdout);
    assert_eq!(world.images("first"), BTreeSet::from([digest.clone()]));
    assert!(world.ask("first", &["image", "verify", &digest]).status.success());

    // Whatever part of it is cut short, exchanged or gone is named; and what is built then is whole.
    let image = world.image("first", &digest);
    let damaged = |part: &str, told: &str, damage: &dyn Fn(&Path)| {
        let path = image.join(part);
        let before = fs::read(&path).unwrap();
        damage(&path);
        world.broken(&digest, part, told);
        fs::write(path, before).unwrap();
    };
    damaged("kernel", "is not what its manifest says", &|path| {
        let reversed: Vec<u8> = fs::read(path).unwrap().into_iter().rev().collect();
        fs::write(path, reversed).unwrap();
    });
    damaged("contents.json", "is not there", &|path| fs::remove_file(path).unwrap());
    damaged("root.tar.zst", "is not what its manifest says", &|path| fs::write(path, "no tar").unwrap());
    damaged("manifest.json", "is not the one of this digest", &|path| {
        fs::write(path, fs::read_to_string(path).unwrap().replacen("1.0", "1.1", 1)).unwrap();
    });
    let root = fs::metadata(image.join("root.erofs")).unwrap().len();
    fs::File::options().write(true).open(image.join("root.erofs")).unwrap().set_len(root / 2).unwrap();
    world.broken(&digest, "root.erofs", "bytes, and its manifest says");
    world.mended(&digest);

    // Another image under this one's name, whole in itself and signed with the same key.
    let lock = world.lock();
    world.archive.package("rspamd", "1.1", "", |_| {});
    world.archive.publish();
    assert!(world.ask("first", &["image", "lock"]).status.success());
    let other = world.built("first");
    assert_ne!(other, digest);
    fs::write(world.repository.join("mailwright.lock"), &lock).unwrap();
    fs::remove_dir_all(&image).unwrap();
    desk::copy(&world.image("first", &other), &image);
    world.broken(&digest, "manifest.json", "is not the one of this digest");
    world.mended(&digest);
    // Its signature alone.
    fs::copy(world.image("first", &other).join("manifest.json.minisig"), image.join("manifest.json.minisig")).unwrap();
    let output = world.ask("first", &["image", "verify", &digest]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("signature does not hold"), "{}", said(&output));
    world.mended(&digest);

    // A cache whose smaller entries are damaged: packages, what they say of themselves, the way from a lock to its image, the lists.
    let cache = world.cache("first").join("mailwright");
    let images = cache.join("images");
    for key in fs::read_dir(images.join("keys")).unwrap() {
        fs::write(key.unwrap().path(), &other).unwrap();
    }
    fs::remove_dir_all(&image).unwrap();
    for entry in fs::read_dir(cache.join("debs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".deb") && *name < *"8" || name.ends_with(".control") {
            fs::write(&path, "Package: forged\nVersion: 1.0\n").unwrap();
        }
    }
    damage(&cache.join("apt"));
    // What a key's file names is whole, but not what the lock stands for.
    world.mended(&digest);
}

/// Writes nonsense into every file below a folder.
fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            fs::write(path, "nonsense").unwrap();
        }
    }
}

#[test]
fn a_build_that_is_interrupted_leaves_nothing_at_work_and_the_next_one_builds() {
    let Some(world) = World::new() else { return };
    let mut build = world.command("first", &["image", "build"]);
    let mut build = build.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(build.stderr.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("step 2 of 6")));
    // The shell that laid the sources out became the program.
    let pid = rustix::process::Pid::from_raw(i32::try_from(build.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(!build.wait().unwrap().success());
    let cache = world.cache("first").to_string_lossy().into_owned();
    let at_work = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let words = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        words.filter(|words| String::from_utf8_lossy(words).contains(&cache)).count()
    };
    until("what it has started ends with it", 60, || at_work() == 0);
    let digest = world.built("first");
    assert_eq!(world.images("first"), BTreeSet::from([digest]));
}
