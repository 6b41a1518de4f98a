//! What is in an image: its files, packages, users, units, ports and what runs with another's rights. Gathered while the tree streams
//! by, so that nobody needs to mount anything to know it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::debs::hexadecimal;
use crate::tar::{Entry, Kind};

mod ports;

pub use ports::Port;

/// Files longer than this are not looked into.
const LARGEST_TEXT: u64 = 32 << 20;

/// What is in an image, but for its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Packages by name.
    pub packages: BTreeMap<String, Installed>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Units of systemd by name.
    pub units: BTreeMap<String, Unit>,
    /// Ports that units open as the distribution ships them; which run on a node is the config disk's choice.
    pub ports: BTreeSet<Port>,
    /// Programs that run with their owner's or group's rights, by path: mode and owner.
    pub set_uid: BTreeMap<String, FileEntry>,
}

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The source package and its version.
    pub source: String,
    /// Whoever maintains it.
    pub maintainer: String,
    /// Short names of licences that its copyright file declares in machine-readable form.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Its home.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Whether something starts it.
    pub enabled: bool,
}

/// A file, with what makes it another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// `f` file, `h` hard link, `l` symbolic link, `d` folder, `o` anything else.
    pub kind: char,
    /// Permission bits in octal.
    pub mode: String,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// SHA-256 of a file, target of a link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(size: &u64) -> bool {
    *size == 0
}

/// Gathers what is in a tree while it streams by.
#[derive(Default)]
pub(crate) struct Gathering {
    /// Files by path.
    pub(crate) files: BTreeMap<String, FileEntry>,
    contents: Contents,
    sockets: BTreeMap<String, String>,
    wanted_units: BTreeSet<String>,
    /// Files that hold what may not be in an image.
    pub(crate) secrets: Vec<String>,
}

impl Gathering {
    /// Takes an entry.
    pub(crate) fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut file = FileEntry {
            kind: match entry.kind {
                Kind::File => 'f',
                Kind::HardLink => 'h',
                Kind::SymbolicLink => 'l',
                Kind::Folder => 'd',
                Kind::Other => 'o',
            },
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            content: entry.link.clone(),
        };
        let path = entry.path.as_str();
        if entry.kind == Kind::File {
            let bytes = self.text(path, entry.size, content, &mut file)?;
            if !bytes.is_empty() {
                self.look_into(path, &bytes);
            }
            if entry.mode & 0o6000 != 0 {
                self.contents.set_uid.insert(path.to_owned(), file.clone());
            }
        }
        self.unit(path, entry);
        self.files.insert(path.to_owned(), file);
        Ok(())
    }

    /// Hashes a file, and returns its bytes where they are looked into.
    fn text(&mut self, path: &str, size: u64, content: &mut dyn Read, file: &mut FileEntry) -> io::Result<Vec<u8>> {
        let wanted = size <= LARGEST_TEXT && is_looked_into(path);
        let mut hash = Sha256::new();
        let mut kept = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = content.read(&mut buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                file.content = hexadecimal(&hash.finalize());
                return Ok(kept);
            }
            hash.update(bytes);
            if wanted {
                kept.extend_from_slice(bytes);
            }
        }
    }

    fn look_into(&mut self, path: &str, bytes: &[u8]) {
        let text = || String::from_utf8_lossy(bytes);
        match path {
            "etc/passwd" => self.contents.users = users(&text()),
            "var/lib/dpkg/status" => {
                let mut packages = packages(&text());
                for (name, package) in &mut packages {
                    // Copyright files come before: `usr` is earlier than `var` in no order that is promised.
                    if let Some(known) = self.contents.packages.get(name) {
                        package.licences.clone_from(&known.licences);
                    }
                }
                self.contents.packages = packages;
            }
            _ => {}
        }
        if let Some(package) = copyright(path) {
            let licences = licences(&text());
            let entry = self.contents.packages.entry(package.to_owned()).or_insert_with(|| Installed {
                version: String::new(),
                architecture: String::new(),
                source: String::new(),
                maintainer: String::new(),
                licences: BTreeSet::new(),
            });
            entry.licences = licences;
        }
        if path.ends_with(".socket") && unit_name(path).is_some() {
            self.sockets.insert(path.to_owned(), text().into_owned());
        }
        let begins = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        if !path.starts_with("usr/") && begins(b"PRIVATE KEY-----") {
            self.secrets.push(path.to_owned());
        }
    }

    fn unit(&mut self, path: &str, entry: &Entry) {
        if let Some(name) = unit_name(path) {
            let masked = entry.kind == Kind::SymbolicLink && entry.link == "/dev/null";
            if !masked {
                self.contents.units.entry(name.to_owned()).or_insert(Unit { enabled: false });
            }
        }
        let in_wants = |folder: &str| folder.ends_with(".wants") || folder.ends_with(".requires");
        if let Some((folder, name)) = path.rsplit_once('/')
            && path.contains("/systemd/system/")
            && in_wants(folder)
        {
            self.wanted_units.insert(name.to_owned());
        }
    }

    /// Returns what was gathered.
    pub(crate) fn finish(mut self) -> (Contents, BTreeMap<String, FileEntry>) {
        for name in &self.wanted_units {
            if let Some(unit) = self.contents.units.get_mut(name) {
                unit.enabled = true;
            }
        }
        self.contents.packages.retain(|_, package| !package.version.is_empty());
        let opened = ports::opened(&self.contents, &self.sockets);
        self.contents.ports = opened;
        (self.contents, self.files)
    }
}

/// Tells whether a file is looked into: those that say what the system is, and those that could hold a secret.
fn is_looked_into(path: &str) -> bool {
    path == "var/lib/dpkg/status"
        || copyright(path).is_some()
        || path.ends_with(".socket")
        || ["etc/", "root/", "home/", "srv/", "var/lib/"].iter().any(|folder| path.starts_with(folder))
}

fn copyright(path: &str) -> Option<&str> {
    let package = path.strip_prefix("usr/share/doc/")?.strip_suffix("/copyright")?;
    (!package.contains('/')).then_some(package)
}

/// Returns the name of a unit that lies where systemd looks for units.
fn unit_name(path: &str) -> Option<&str> {
    let folders = ["usr/lib/systemd/system/", "lib/systemd/system/", "etc/systemd/system/"];
    let name = folders.iter().find_map(|folder| path.strip_prefix(folder))?;
    let is_unit =
        [".service", ".socket", ".timer", ".target", ".path", ".mount"].iter().any(|kind| name.ends_with(kind));
    (is_unit && !name.contains('/')).then_some(name)
}

/// Reads passwd(5).
fn users(text: &str) -> BTreeMap<String, User> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, uid, gid, _, home, shell) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let user =
            User { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.to_owned(), shell: shell.to_owned() };
        Some((name.to_owned(), user))
    };
    text.lines().filter_map(line).collect()
}

/// Reads dpkg's status; only what is installed is in it.
fn packages(text: &str) -> BTreeMap<String, Installed> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().trim().to_owned()
        };
        if field("Status") != "install ok installed" {
            continue;
        }
        let (name, version) = (field("Package"), field("Version"));
        let source = match field("Source") {
            source if source.is_empty() => format!("{name} ({version})"),
            source if source.contains('(') => source,
            source => format!("{source} ({version})"),
        };
        let package = Installed {
            version,
            architecture: field("Architecture"),
            source,
            maintainer: field("Maintainer"),
            licences: BTreeSet::new(),
        };
        found.insert(name, package);
    }
    found
}

/// Reads short names of licences out of a machine-readable copyright file (DEP-5).
fn licences(text: &str) -> BTreeSet<String> {
    if !text.lines().next().is_some_and(|line| line.starts_with("Format:")) {
        return BTreeSet::new();
    }
    let names = text.lines().filter_map(|line| line.strip_prefix("License:"));
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty() && name.len() < 100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, kind: Kind, mode: u32, link: &str, size: usize) -> Entry {
        Entry { path: path.to_owned(), kind, mode, uid: 0, gid: 0, size: size as u64, link: link.to_owned() }
    }

    fn gathered(files: &[(&str, u32, &str)], links: &[(&str, &str)]) -> Gathering {
        let mut gathering = Gathering::default();
        for (path, mode, text) in files {
            gathering.take(&entry(path, Kind::File, *mode, "", text.len()), &mut text.as_bytes()).unwrap();
        }
        for (path, link) in links {
            gathering.take(&entry(path, Kind::SymbolicLink, 0o777, link, 0), &mut io::empty()).unwrap();
        }
        gathering
    }

    #[test]
    fn packages_users_units_ports_and_set_uid_files_are_known() {
        let status = "Package: postfix\nStatus: install ok installed\nVersion: 3.7\nArchitecture: amd64\nMaintainer: M\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let gathering = gathered(
            &[
                ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/bash\nbroken\npostfix:x:101:103::/var:/bin/false\n"),
                ("var/lib/dpkg/status", 0o644, status),
                ("usr/share/doc/postfix/copyright", 0o644, "Format: x\nLicense: EPL-2.0\n"),
                ("usr/bin/su", 0o4755, "su"),
                ("usr/lib/systemd/system/ssh.socket", 0o644, "[Socket]\nListenStream=22\n"),
                ("usr/lib/systemd/system/postfix.service", 0o644, ""),
            ],
            &[("etc/systemd/system/multi-user.target.wants/postfix.service", "/lib/systemd/system/postfix.service")],
        );
        let (contents, files) = gathering.finish();
        assert_eq!(contents.packages.keys().collect::<Vec<_>>(), ["postfix"]);
        assert_eq!(contents.packages["postfix"].source, "postfix (3.7)");
        assert_eq!(contents.users["postfix"].uid, 101);
        assert!(contents.units["postfix.service"].enabled && !contents.units["ssh.socket"].enabled);
        assert_eq!(contents.set_uid["usr/bin/su"].mode, "4755");
        assert!(contents.ports.iter().any(|port| port.unit == "ssh.socket" && port.port == 22));
        assert_eq!(files["usr/bin/su"].content, hexadecimal(&Sha256::digest("su")));
    }

    #[test]
    fn a_private_key_where_configuration_lies_is_a_secret() {
        let key = "-----BEGIN PRIVATE KEY-----\n";
        let gathering = gathered(&[("etc/ssl/private/k", 0o600, key), ("usr/share/test/k", 0o644, key)], &[]);
        assert_eq!(gathering.secrets, ["etc/ssl/private/k"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_stumble(text in any::<String>()) {
            let _ = (users(&text), packages(&text), licences(&format!("Format: x\n{text}")));
        }
    }
}
