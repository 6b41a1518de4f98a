//! Config disks: what makes a node of an image, as a tar that is the disk itself.
//!
//! Equal files give equal bytes. A disk writes below the paths of [`PATHS`] only; it brings no program, no set-uid file and no
//! unit that is not listed. The writer refuses what it must not hold, and the initrd looks again before it lays a disk over the
//! root, since a disk may come from elsewhere.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format".

use std::collections::BTreeMap;

/// Where a disk may write, a pattern a line: `*` stands for anything, slashes too. Relative to the root.
pub const PATHS: &str = include_str!("disk/paths");

/// Where scripts come with a node's files, since they are made of its settings; nothing else on a disk can be run.
const SCRIPTS: [&str; 2] = ["etc/mailwright/backup/", "etc/mailwright/directory/"];

/// Where a unit is switched on by a link, by what its name ends with.
const WANTS: [(&str, &str); 2] = [
    (".service", "etc/systemd/system/multi-user.target.wants/"),
    (".timer", "etc/systemd/system/timers.target.wants/"),
];

/// The unit of a tar, in octets; a virtual disk consists of as many.
const BLOCK: usize = 512;

/// When every file was changed last, as the tar says: the same on every machine and every day.
const CHANGED: u64 = 1_700_000_000;

/// One file of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Permission bits.
    pub mode: u32,
    /// `user:group`, as names of the image.
    pub owner: &'a str,
    /// What it holds.
    pub content: &'a [u8],
}

/// What must not be on a config disk, in the words of who would have it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The path is none of a file, or leads out of the root.
    #[error("{0:?} is no path of a file on a config disk")]
    Path(String),
    /// The path is not on the list.
    #[error("a config disk does not write to {0}")]
    Place(String),
    /// The name is longer than a tar can say.
    #[error("{0} is too long for a config disk")]
    Long(String),
    /// Somebody would be somebody else by it, or it is a program.
    #[error("{path} has mode {mode:o}, and a config disk brings no programs and no set-uid files")]
    Mode {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The owner is none.
    #[error("{path} is to belong to {owner:?}, which is no user and group")]
    Owner {
        /// The file.
        path: String,
        /// What was given.
        owner: String,
    },
    /// The unit is none that could be switched on.
    #[error("{0:?} is no unit to switch on")]
    Unit(String),
}

/// Returns a config disk.
///
/// - `files`: by absolute path in the node.
/// - `units`: units that systemd starts, such as `postfix@-.service`.
/// - Returns: a tar whose length is a multiple of 512, sorted by path.
/// - Errors: [`Refused`], for what must not be on it.
pub fn disk(files: &BTreeMap<&str, Item<'_>>, units: &[&str]) -> Result<Vec<u8>, Refused> {
    let mut entries: BTreeMap<String, Entry<'_>> = BTreeMap::new();
    for (path, item) in files {
        let name = path.strip_prefix('/').ok_or_else(|| Refused::Path((*path).to_owned()))?;
        allowed(name)?;
        permitted(name, item.mode)?;
        entries.insert(name.to_owned(), Entry::File(item));
    }
    for unit in units {
        let wants = wants(unit).ok_or_else(|| Refused::Unit((*unit).to_owned()))?;
        let own = files.contains_key(format!("/etc/systemd/system/{unit}").as_str());
        let folder = if own { "/etc/systemd/system" } else { "/lib/systemd/system" };
        // An instance is made of its template, `postfix@-.service` of `postfix@.service` (systemd.unit(5)).
        let file = match unit.split_once('@') {
            Some((template, instance)) => {
                format!("{template}@.{}", instance.rsplit('.').next().unwrap_or_default())
            }
            None => (*unit).to_owned(),
        };
        entries.insert(format!("{wants}{unit}"), Entry::Link(format!("{folder}/{file}")));
    }
    let mut bytes = Vec::new();
    for (name, entry) in &entries {
        entry.write(name, &mut bytes)?;
    }
    // The end is two empty blocks.
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    Ok(bytes)
}

enum Entry<'a> {
    File(&'a Item<'a>),
    Link(String),
}

impl Entry<'_> {
    fn write(&self, name: &str, to: &mut Vec<u8>) -> Result<(), Refused> {
        let (prefix, last) = split(name).ok_or_else(|| Refused::Long(name.to_owned()))?;
        let (mode, owner, content, kind, target) = match self {
            Self::File(item) => (item.mode, item.owner, item.content, b'0', ""),
            Self::Link(target) => (0o777, "root:root", &[][..], b'2', target.as_str()),
        };
        let wrong = || Refused::Owner { path: name.to_owned(), owner: owner.to_owned() };
        let (user, group) = owner.split_once(':').ok_or_else(wrong)?;
        let plain = |name: &str| {
            (1..32).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        if !plain(user) || !plain(group) {
            return Err(wrong());
        }
        let mut header = Header::default();
        header.text(0, last);
        header.octal(100, 8, u64::from(mode));
        header.octal(108, 8, 0);
        header.octal(116, 8, 0);
        header.octal(124, 12, content.len() as u64);
        header.octal(136, 12, CHANGED);
        header.text(156, std::str::from_utf8(&[kind]).unwrap_or("0"));
        header.text(157, target);
        header.text(257, "ustar\u{0}00");
        header.text(265, user);
        header.text(297, group);
        header.text(345, prefix);
        to.extend_from_slice(&header.sealed());
        to.extend_from_slice(content);
        to.resize(to.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }
}

struct Header([u8; BLOCK]);

impl Default for Header {
    fn default() -> Self {
        Self([0; BLOCK])
    }
}

impl Header {
    fn text(&mut self, at: usize, text: &str) {
        if let Some(place) = self.0.get_mut(at..at + text.len()) {
            place.copy_from_slice(text.as_bytes());
        }
    }

    fn octal(&mut self, at: usize, width: usize, number: u64) {
        let digits = width - 1;
        self.text(at, &format!("{number:0digits$o}"));
    }

    /// The sum of all octets, where its own are blanks.
    fn sealed(mut self) -> [u8; BLOCK] {
        self.text(148, "        ");
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.text(148, &format!("{sum:06o}\u{0} "));
        self.0
    }
}

/// Splits a path where a tar wants it split: at most 155 octets before a slash, at most 100 behind it.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= 100 {
        return Some(("", name));
    }
    let places = name.match_indices('/').map(|(place, _)| place);
    let place = places.filter(|place| *place <= 155).find(|place| name.len() - place - 1 <= 100)?;
    Some((name.get(..place)?, name.get(place + 1..)?))
}

/// Whether a disk may write to a path, relative to the root.
fn allowed(name: &str) -> Result<(), Refused> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-@:+=~".contains(&byte));
    let climbs = name.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if !plain || climbs {
        return Err(Refused::Path(format!("/{name}")));
    }
    let link = WANTS.iter().any(|(_, wants)| name.starts_with(wants));
    match !link && PATHS.lines().any(|pattern| matches(pattern, name)) {
        true => Ok(()),
        false => Err(Refused::Place(format!("/{name}"))),
    }
}

fn permitted(name: &str, mode: u32) -> Result<(), Refused> {
    let special = mode & !0o777 != 0;
    let program = mode & 0o111 != 0 && !is_script(name);
    match special || program {
        true => Err(Refused::Mode { path: format!("/{name}"), mode }),
        false => Ok(()),
    }
}

/// Whether a path is one where scripts come with a node's files.
fn is_script(name: &str) -> bool {
    SCRIPTS.iter().any(|folder| name.starts_with(folder))
}

/// Returns the folder of links that switches a unit on; none for what is no name of a unit (systemd.unit(5)).
fn wants(unit: &str) -> Option<&'static str> {
    let plain = unit.len() < 100
        && !unit.starts_with(['.', '-'])
        && unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    WANTS.iter().find(|(kind, _)| plain && unit.ends_with(kind)).map(|(_, wants)| *wants)
}

/// Whether a path fits a pattern, as `case` of a shell has it.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path
            .strip_prefix(start)
            .is_some_and(|path| (0..=path.len()).filter_map(|cut| path.get(cut..)).any(|tail| matches(rest, tail))),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn item(mode: u32, content: &[u8]) -> Item<'_> {
        Item { mode, owner: "root:root", content }
    }

    fn alone(path: &str, mode: u32) -> Result<Vec<u8>, Refused> {
        disk(&BTreeMap::from([(path, item(mode, b"x"))]), &[])
    }

    /// Returns what tar(1) reads from a disk: names with their content.
    fn read(disk: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        std::fs::write(&file, disk).unwrap();
        let tar = |arguments: &[&str]| {
            let output =
                Command::new("tar").args(arguments).arg("-f").arg(&file).stderr(Stdio::inherit()).output().unwrap();
            assert!(output.status.success());
            output.stdout
        };
        let names = String::from_utf8(tar(&["-t"])).unwrap();
        let content =
            |name: &str| Command::new("tar").args(["-xO", "-f"]).arg(&file).arg(name).output().unwrap().stdout;
        names.lines().map(|name| (name.to_owned(), content(name))).collect()
    }

    #[test]
    fn tar_reads_what_was_written() {
        let long = format!("/etc/knot/zones/{}.zone", "0.".repeat(40));
        let longest = format!("/etc/knot/{}/{}", "a".repeat(90), "b".repeat(100));
        let files = BTreeMap::from([
            ("/etc/hosts", item(0o644, b"127.0.0.1 localhost\n")),
            (long.as_str(), item(0o600, &[7; 512])),
            (longest.as_str(), item(0o600, b"")),
            ("/etc/mailwright/directory/run", item(0o755, b"#!/bin/sh\n")),
        ]);
        let bytes = disk(&files, &["postfix@-.service", "mailwright-backup.timer"]).unwrap();
        assert_eq!(bytes.len() % 512, 0);
        assert_eq!(bytes, disk(&files, &["mailwright-backup.timer", "postfix@-.service"]).unwrap());
        let found = read(&bytes);
        for (path, item) in &files {
            assert_eq!(found.get(path.trim_start_matches('/')).map(Vec::as_slice), Some(item.content), "{path}");
        }
        assert!(found.contains_key("etc/systemd/system/multi-user.target.wants/postfix@-.service"));
        assert!(found.contains_key("etc/systemd/system/timers.target.wants/mailwright-backup.timer"));
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn a_disk_brings_no_program_no_foreign_unit_and_nothing_elsewhere() {
        for path in [
            "/etc/passwd",
            "/etc/shadow",
            "/etc/ld.so.preload",
            "/etc/cron.d/x",
            "/etc/systemd/system/sshd.service",
            "/etc/systemd/system/multi-user.target.wants/evil.service",
            "/etc/systemd/system/timers.target.wants/evil.timer",
            "/etc/systemd/network/evil.network",
            "/etc/systemd/system-generators/x",
            "/usr/bin/true",
            "/usr/lib/mailwright/mailwright-serve",
            "/root/.ssh/authorized_keys",
            "/lib/systemd/system/x.service",
        ] {
            assert_eq!(alone(path, 0o644), Err(Refused::Place(path.to_owned())), "{path}");
        }
        for path in [
            "etc/hosts",
            "/",
            "/etc/../usr/bin/true",
            "/etc/postfix/",
            "/etc//hosts",
            "/etc/postfix/a b",
            "/etc/postfix/a\nb",
        ] {
            assert!(matches!(alone(path, 0o644), Err(Refused::Path(_))), "{path}");
        }
        for mode in [0o4755, 0o2755, 0o1777, 0o755, 0o711, 0o100644] {
            assert!(matches!(alone("/etc/postfix/main.cf", mode), Err(Refused::Mode { .. })), "{mode:o}");
        }
        assert!(matches!(alone("/etc/mailwright/directory/run", 0o4755), Err(Refused::Mode { .. })));
        for unit in ["../x.service", "x.target", "", "-.service", "a b.service"] {
            assert_eq!(disk(&BTreeMap::new(), &[unit]), Err(Refused::Unit(unit.to_owned())));
        }
    }

    /// Returns the nodes' files below a folder of rendered trees, relative to the nodes' roots.
    fn rendered(folder: &std::path::Path, inside: Option<&str>, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let deeper = match (inside, folder.file_name().is_some_and(|parent| parent == "nodes")) {
                (None, true) => Some(String::new()),
                (None, false) => None,
                (Some(""), _) => Some(name),
                (Some(above), _) => Some(format!("{above}/{name}")),
            };
            match (entry.path().is_dir(), deeper) {
                (true, deeper) => rendered(&entry.path(), deeper.as_deref(), found),
                (false, Some(file)) if !file.is_empty() => found.push(file),
                (false, _) => {}
            }
        }
    }

    #[test]
    fn every_file_that_is_rendered_may_be_on_a_disk() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        let mut found = Vec::new();
        rendered(&golden, None, &mut found);
        assert!(found.len() > 100, "{found:?}");
        let refused: Vec<&String> = found.iter().filter(|name| allowed(name).is_err()).collect();
        assert!(refused.is_empty(), "list them in disk/paths: {refused:?}");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_lies_below_the_listed_paths(
            path in "/(etc|usr|var|\\.\\.|)/[a-z./@*-]{0,24}",
            mode in 0_u32..0o10000,
            owner in "[a-z:0-9 ]{0,9}",
        ) {
            let taken = disk(&BTreeMap::from([(path.as_str(), Item { mode, owner: &owner, content: b"x" })]), &[]);
            if let Ok(bytes) = taken {
                let name = path.trim_start_matches('/');
                prop_assert!(PATHS.lines().any(|pattern| matches(pattern, name)));
                prop_assert!(!name.split('/').any(|part| part == ".." || part.is_empty()));
                prop_assert!(mode & 0o7111 == 0 || is_script(name));
                prop_assert!(bytes.starts_with(name.as_bytes()));
                prop_assert_eq!(bytes.len() % 512, 0);
            }
        }

        #[test]
        fn patterns_match_as_a_shells_do(pattern in "[ab/*]{0,8}", path in "[ab/]{0,8}") {
            let script = "case $2 in $1) exit 0;; esac; exit 1";
            let shell = Command::new("sh").args(["-c", script, "sh", &pattern, &path]).status().unwrap();
            prop_assert_eq!(matches(&pattern, &path), shell.success());
        }
    }
}
