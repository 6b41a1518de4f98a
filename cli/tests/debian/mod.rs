//! A small archive of packages, signed with a key of its own: what an image takes by name, with next to nothing inside, so that an image
//! is locked and built in seconds. What sets packages up in it (dpkg, tar, a shell) are this machine's own programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::desk::{Desk, has};

/// What the kernel of the archive calls itself.
const KERNEL: &str = "6.1.0-1-cloud-amd64";

/// What runs inside of a root while it is set up.
const PROGRAMS: [&str; 13] = [
    "dpkg",
    "dpkg-deb",
    "dpkg-split",
    "dpkg-query",
    "dpkg-trigger",
    "tar",
    "sh",
    "env",
    "rm",
    "cat",
    "true",
    "diff",
    "ls",
];

/// What the build calls inside of the root, and this root does not need to have.
const STUBS: [&str; 5] = ["debconf-set-selections", "depmod", "systemctl", "ldconfig", "start-stop-daemon"];

/// An archive in a folder, and the sources that name it.
pub(super) struct Archive {
    folder: PathBuf,
    key: String,
    /// What its list says of each package.
    listed: BTreeMap<String, String>,
}

/// Says what is lacking where no such archive can be made here.
pub(super) fn possible() -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: sources of a test's own are laid over this machine's by root");
        return false;
    }
    ["gpg", "apt-get", "dpkg-deb", "unshare", "mmdebstrap", "mkfs.erofs", "zstd", "busybox", "setpriv"]
        .into_iter()
        .all(has)
        && Path::new("/lib64/ld-linux-x86-64.so.2").exists()
}

/// Runs a program to its end, which must be a good one; returns its output.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn write(path: &Path, mode: u32, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl Archive {
    /// Makes an archive of packages, with all that every image takes.
    pub(super) fn new(desk: &Desk, names: &BTreeSet<String>) -> Self {
        let folder = desk.path("archive");
        fs::create_dir_all(folder.join("pool")).unwrap();
        let mut archive = Self { folder, key: String::new(), listed: BTreeMap::new() };
        archive.key = archive.new_key("archive");
        for name in names {
            archive
                .package(name, "1.0", "", |root| write(&root.join(format!("usr/share/{name}/about")), 0o644, b"one\n"));
        }
        archive.package("busybox-static", "1.0", "", |root| {
            fs::create_dir_all(root.join("usr/bin")).unwrap();
            fs::copy(program("busybox"), root.join("usr/bin/busybox")).unwrap();
        });
        archive.package("apt", "1.0", "", |_| {});
        archive.package("base-files", "1.0", "Essential: yes\nPriority: required\n", base);
        let kernel = format!("linux-image-{KERNEL}");
        archive.package("linux-image-cloud-amd64", "1.0", &format!("Depends: {kernel}\n"), |_| {});
        archive.package(&kernel, "1.0", "", |root| {
            write(&root.join(format!("boot/vmlinuz-{KERNEL}")), 0o644, b"a kernel\n");
            for module in ["virtio_blk", "erofs", "overlay"] {
                write(&root.join(format!("lib/modules/{KERNEL}/kernel/{module}.ko")), 0o644, module.as_bytes());
            }
        });
        archive.publish();
        archive
    }

    fn pool(&self) -> PathBuf {
        self.folder.join("pool")
    }

    /// Makes a package, or one with other bytes under the same name and version.
    ///
    /// - `more`: more lines of what it says of itself.
    pub(super) fn package(&mut self, name: &str, version: &str, more: &str, fill: impl FnOnce(&Path)) {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Test <test@example.org>\n{more}Description: {name}\n"
        );
        write(&root.path().join("DEBIAN/control"), 0o644, control.as_bytes());
        fill(root.path());
        let file = self.pool().join(format!("{name}_{version}_amd64.deb"));
        let mut build = Command::new("dpkg-deb");
        build.args(["-Znone", "--root-owner-group", "-b"]).arg(root.path()).arg(&file).env("SOURCE_DATE_EPOCH", "1");
        run(&mut build);
        self.list(name, &file);
    }

    /// Puts a package on the list as its file has it.
    pub(super) fn list(&mut self, name: &str, file: &Path) {
        let control = run(Command::new("dpkg-deb").arg("-f").arg(file));
        let (size, hash) = (fs::metadata(file).unwrap().len(), sum(file));
        let place = file.file_name().unwrap().to_string_lossy();
        let entry = format!("{}\nFilename: pool/{place}\nSize: {size}\nSHA256: {hash}\n\n", control.trim_end());
        self.listed.insert(name.to_owned(), entry);
    }

    /// Takes a package out of the archive.
    pub(super) fn drop_package(&mut self, name: &str) {
        fs::remove_file(self.deb(name)).unwrap();
        self.listed.remove(name);
        self.publish();
    }

    /// Returns the file of a package.
    pub(super) fn deb(&self, name: &str) -> PathBuf {
        self.pool().join(format!("{name}_1.0_amd64.deb"))
    }

    /// Returns the list that the archive's signature stands for.
    pub(super) fn release(&self) -> PathBuf {
        self.folder.join("dists/bookworm/InRelease")
    }

    /// Makes a key, and returns the name of whoever has it.
    pub(super) fn new_key(&self, name: &str) -> String {
        let home = self.folder.join("keys");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let user = format!("{name}@example.org");
        run(self.gpg().args(["--quick-generate-key", &user, "ed25519", "sign", "never"]));
        user
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        command.env("GNUPGHOME", self.folder.join("keys"));
        command
    }

    /// Writes the archive's lists, signed with its own key.
    pub(super) fn publish(&self) {
        self.publish_as(&self.key);
    }

    /// Writes the archive's lists, signed by somebody.
    pub(super) fn publish_as(&self, user: &str) {
        let lists = self.folder.join("dists/bookworm/main/binary-amd64");
        fs::create_dir_all(&lists).unwrap();
        let packages: String = self.listed.values().map(String::as_str).collect();
        fs::write(lists.join("Packages"), packages).unwrap();
        let release = format!(
            "Origin: Test\nSuite: bookworm\nCodename: bookworm\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nArchitectures: amd64\nComponents: main\n\
             SHA256:\n {} {} main/binary-amd64/Packages\n",
            sum(&lists.join("Packages")),
            fs::metadata(lists.join("Packages")).unwrap().len()
        );
        let plain = self.folder.join("Release");
        fs::write(&plain, release).unwrap();
        run(self
            .gpg()
            .args(["--yes", "--local-user", user, "--clear-sign", "--output"])
            .arg(self.release())
            .arg(&plain));
    }

    /// Returns a folder that is this machine's `/etc/apt` to whoever asks through [`Self::command`].
    fn sources(&self) -> PathBuf {
        let folder = self.folder.join("apt");
        fs::create_dir_all(&folder).unwrap();
        let keyring = folder.join("archive.gpg");
        fs::write(&keyring, self.gpg().args(["--export", &self.key]).output().unwrap().stdout).unwrap();
        let text = format!("deb [signed-by=/etc/apt/archive.gpg] copy:{} bookworm main\n", self.folder.display());
        fs::write(folder.join("sources.list"), text).unwrap();
        folder
    }

    /// Prepares a call of the program, which finds this archive as this machine's; Ctrl-C ends it, even where whoever tests does not heed it.
    pub(super) fn command(&self, desk: &Desk, cache: &Path, words: &[&str]) -> Command {
        let program = desk.command(words);
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            "mount --bind \"$0\" /etc/apt && exec env --default-signal=INT \"$@\"",
        ]);
        command.arg(self.sources()).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("XDG_CACHE_HOME", cache).stdin(Stdio::null());
        command
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // The agent that held the key.
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.folder.join("keys")).status();
    }
}

/// Returns the SHA-256 of a file.
pub(super) fn sum(path: &Path) -> String {
    run(Command::new("sha256sum").arg(path)).split_whitespace().next().unwrap().to_owned()
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let mut found = system.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    fs::canonicalize(found.find(|path| path.is_file()).unwrap()).unwrap()
}

/// Fills the package that every root has.
fn base(root: &Path) {
    let bin = root.join("usr/bin");
    for folder in [
        "usr/bin",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib64",
        "usr/sbin",
        "etc",
        "tmp",
        "dev",
        "proc",
        "sys",
        "run",
        "var/lib",
        "root",
    ] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{folder}"), root.join(folder)).unwrap();
    }
    for name in PROGRAMS {
        let from = program(name);
        fs::copy(&from, bin.join(name)).unwrap();
        for word in run(Command::new("ldd").arg(&from)).split_whitespace().filter(|word| word.starts_with('/')) {
            let to = root.join(word.trim_start_matches('/'));
            let _ = fs::create_dir_all(to.parent().unwrap());
            fs::copy(word, to).unwrap();
        }
    }
    for name in STUBS {
        write(&bin.join(name), 0o755, b"#!/bin/sh\nexit 0\n");
    }
    write(&root.join("etc/passwd"), 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    write(&root.join("etc/group"), 0o644, b"root:x:0:\n");
    write(&root.join("etc/os-release"), 0o644, b"ID=debian\nVERSION_CODENAME=bookworm\n");
}
