//! What an image takes beside the tools that make one: mmdebstrap alone and mkosi, in one run, of the same packages.
//!
//! `cargo bench -p mailwright --bench image -- [--of image,mmdebstrap,mkosi,again] [--root FOLDER] [--program FILE]` as root. Packages, and their versions,
//! are those of the root that `mailwright root` keeps; their archives come from its cache, so that nothing is fetched but by mkosi, which
//! sets the system up with debootstrap and APT from this machine's own source, with a cache of packages that a first run has filled. All
//! write to the same temporary folder. The kernel is left out for the others, as are initrd, lists of contents and digests. `again`
//! takes what nothing to build and changed configuration alone take; each of the words can have a run of its own.
//! `--program` measures another `mailwright` than this build's.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use blueprint::lock::{Lock, PinnedPackage};
use images::disk::{Item, disk};

/// What every one of them is spared: a database and questions.
const SPARED: &str = r#"#!/bin/sh
set -e
mkdir -p "$1/etc/postgresql-common"
printf 'create_main_cluster = false\nstart_conf = manual\n' >"$1/etc/postgresql-common/createcluster.conf"
"#;

fn main() {
    let options = options(std::env::args().skip(1));
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the others take root");
        return;
    }
    let Some(bench) = Bench::new(options.get("root").map(PathBuf::from), options.get("program")) else {
        println!("skipped: name the root of `mailwright root` with --root or MAILWRIGHT_ROOT");
        return;
    };
    let all = "image,mmdebstrap,mkosi,again".to_owned();
    let asked = options.get("of").unwrap_or(&all);
    let asked = |name: &str| asked.split(',').any(|asked| asked == name);
    let ours = (asked("image") || asked("again")).then(|| bench.image());
    let theirs = asked("mmdebstrap").then(|| bench.mmdebstrap());
    if let (Some(Some(ours)), Some(Some(theirs))) = (ours, theirs) {
        println!("image / mmdebstrap alone: {:.2}", ours / theirs);
    }
    if asked("mkosi") {
        let mkosi = bench.mkosi();
        if let (Some(Some(ours)), Some(mkosi)) = (ours, mkosi) {
            println!("image / mkosi: {:.2}", ours / mkosi);
        }
    }
    if asked("again") {
        bench.again();
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some(argument) = arguments.next() {
        // Cargo says `--bench` by itself.
        if let Some(name) = argument.strip_prefix("--").filter(|name| *name != "bench") {
            found.insert(name.to_owned(), arguments.next().unwrap_or_default());
        }
    }
    found
}

struct Bench {
    folder: tempfile::TempDir,
    cache: PathBuf,
    distribution: String,
    packages: BTreeMap<String, PinnedPackage>,
    program: PathBuf,
}

impl Bench {
    fn new(root: Option<PathBuf>, program: Option<&String>) -> Option<Self> {
        let root = root.or_else(|| std::env::var_os("MAILWRIGHT_ROOT").map(PathBuf::from))?;
        let unpacked = root.parent()?;
        let about: serde_json::Value = serde_json::from_slice(&fs::read(unpacked.join("root.json")).ok()?).ok()?;
        let packages = serde_json::from_value(about.get("packages")?.clone()).ok()?;
        let distribution = about.get("distribution")?.as_str()?.to_owned();
        let cache = unpacked.parent()?.parent()?.to_owned();
        let program = program.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_mailwright")), PathBuf::from);
        let bench = Self { folder: tempfile::tempdir().ok()?, cache, distribution, packages, program };
        bench.lay_out();
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lays a repository and a cache out that has the packages, and nothing that was built of them.
    fn lay_out(&self) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/northmail");
        let copied = Command::new("cp").arg("-r").arg(example).arg(self.path("northmail")).status().expect("cp starts");
        assert!(copied.success());
        let platform = self.path("northmail/platform.kdl");
        let text = fs::read_to_string(&platform).expect("the example has a platform");
        let own = format!("distribution=\"{}\"", self.distribution);
        fs::write(&platform, text.replace("distribution=\"bookworm\"", &own)).expect("a file");
        let mut lock = Lock::default();
        lock.packages.insert(self.distribution.clone(), self.packages.clone());
        fs::write(self.path("northmail/mailwright.lock"), lock.text()).expect("a file");
        let debs = self.path("cache/mailwright/debs");
        fs::create_dir_all(&debs).expect("a folder");
        for package in self.packages.values() {
            let name = format!("{}.deb", package.sha256);
            let (from, to) = (self.cache.join("debs").join(&name), debs.join(&name));
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).expect("the package was kept");
        }
    }

    fn mailwright(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(verb).env("XDG_CACHE_HOME", self.path("cache")).env("XDG_STATE_HOME", self.path("state"));
        command.current_dir(self.path("northmail")).stdin(Stdio::null());
        command
    }

    /// Builds the image; returns the seconds it took.
    fn image(&self) -> Option<f64> {
        let begun = Instant::now();
        let mut build = self.mailwright(&["image", "build"]);
        let mut child = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mailwright starts");
        let said = child.stderr.take().expect("a pipe");
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            println!("    {:6.2} s {line}", begun.elapsed().as_secs_f64());
        }
        let output = child.wait_with_output().expect("it ends");
        let took = begun.elapsed().as_secs_f64();
        let digest = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        told("mailwright image build", output.status.success().then_some(took), &digest)
    }

    /// The same packages from the same files, and nothing else.
    fn mmdebstrap(&self) -> Option<f64> {
        let (archive, memory) = (self.path("archive"), Memory::mount(&self.path("memory")));
        fs::create_dir_all(&archive).expect("a folder");
        for (name, package) in &self.packages {
            let from = self.cache.join("debs").join(format!("{}.deb", package.sha256));
            let to = archive.join(format!("{name}.deb"));
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).expect("the package was kept");
        }
        // The list's own hash is all that APT wants of an archive it is told to trust, and its release what mmdebstrap looks for.
        let index = "dpkg-scanpackages -m . >Packages 2>/dev/null && \
                     printf 'Suite: %s\\nCodename: %s\\nSHA256:\\n %s %s Packages\\n' \"$0\" \"$0\" \
                     \"$(sha256sum <Packages | cut -d' ' -f1)\" \"$(stat -c %s Packages)\" >Release";
        let mut indexing = Command::new("sh");
        let indexed =
            indexing.args(["-c", index, &self.distribution]).current_dir(&archive).status().expect("sh starts");
        assert!(indexed.success());
        let include: Vec<String> =
            self.installed().map(|(name, package)| format!("{name}={}", package.version)).collect();
        let hook = self.path("spared");
        fs::write(&hook, SPARED).expect("a file");
        let begun = Instant::now();
        let output = Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=minbase", "--format=tar"])
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .args(["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
            .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=force-confold"])
            .arg(format!("--essential-hook=sh {} \"$1\"", hook.display()))
            .arg(format!("--include={}", include.join(",")))
            .arg(&self.distribution)
            .arg(self.path("alone.tar"))
            .arg(format!("deb [trusted=yes] copy://{} ./", archive.display()))
            .env("TMPDIR", &memory.0)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .stdin(Stdio::null())
            .output()
            .expect("mmdebstrap starts");
        let took = begun.elapsed().as_secs_f64();
        let _ = fs::remove_file(self.path("alone.tar"));
        told("mmdebstrap alone, a tar", output.status.success().then_some(took), &last(&output.stderr))
    }

    fn installed(&self) -> impl Iterator<Item = (&String, &PinnedPackage)> {
        self.packages.iter().filter(|(name, _)| !name.starts_with("linux-image-"))
    }

    fn mkosi_command(&self, more: &[&str]) -> Option<Command> {
        let sources = fs::read_to_string("/etc/apt/sources.list.d/debian.sources").ok()?;
        let mirror = sources.lines().find_map(|line| line.strip_prefix("URIs: "))?.trim().to_owned();
        let tree = self.path("skeleton/etc/postgresql-common");
        fs::create_dir_all(&tree).ok()?;
        fs::write(tree.join("createcluster.conf"), "create_main_cluster = false\nstart_conf = manual\n").ok()?;
        let names: Vec<&str> = self.installed().map(|(name, _)| name.as_str()).collect();
        fs::create_dir_all(self.path("mkosi.cache")).ok()?;
        // Its containers want a folder for what runs that is in memory.
        let script = "mount -t tmpfs run /run && exec mkosi \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "mkosi"]);
        command.args(["-d", "debian", "-r", &self.distribution, "-m", &mirror, "--format", "tar"]);
        command.args(["--compress-output=no", "--nspawn-keep-unit=yes", "--package", &names.join(",")]);
        command.arg("--cache").arg(self.path("mkosi.cache")).arg("--skeleton-tree").arg(self.path("skeleton"));
        command.arg("--extra-tree").arg(self.path("extra")).arg("--output").arg(self.path("mkosi.tar")).args(more);
        fs::create_dir_all(self.path("extra/etc")).ok()?;
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        Some(command)
    }

    fn run_mkosi(&self, what: &str, more: &[&str]) -> Option<f64> {
        let mut command = self.mkosi_command(more)?;
        let begun = Instant::now();
        let output = command.output().ok()?;
        let took = begun.elapsed().as_secs_f64();
        told(what, output.status.success().then_some(took), &last(&output.stderr))
    }

    fn mkosi(&self) -> Option<f64> {
        if !Path::new("/usr/bin/mkosi").exists() {
            println!("skipped: mkosi is not installed");
            return None;
        }
        // The same list of packages, each as its archive has it now.
        self.run_mkosi("mkosi, a tar, its own cache cold", &["--incremental", "yes"])?;
        let took = self.run_mkosi("mkosi, a tar, packages in its cache", &["--force"])?;
        fs::write(self.path("extra/etc/changed"), "changed\n").ok()?;
        self.run_mkosi("mkosi, only a file of its extra tree changed", &["--force", "--incremental", "yes"]);
        Some(took)
    }

    /// What is asked again, with nothing changed and with configuration changed.
    fn again(&self) {
        let mut nothing = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            let output = self.mailwright(&["image", "build"]).output().expect("mailwright starts");
            assert!(output.status.success(), "{}", last(&output.stderr));
            nothing.push(begun.elapsed().as_secs_f64());
        }
        nothing.sort_by(f64::total_cmp);
        told("image build, nothing changed (median of 5)", nothing.get(2).copied(), "");
        let platform = self.path("northmail/platform.kdl");
        let text = fs::read_to_string(&platform).expect("the example has a platform");
        let mut changed = Vec::new();
        for round in 0..5 {
            let size = format!("max-message \"{}MiB\"", 36 + round);
            fs::write(&platform, text.replace("max-message \"35MiB\"", &size)).expect("a file");
            let out = self.path("out");
            let begun = Instant::now();
            let image = self.mailwright(&["image", "build"]).output().expect("mailwright starts");
            let mut build = self.mailwright(&["build", "--env", "production", "--json", "--out"]);
            let built = build.arg(&out).output().expect("mailwright starts");
            let disks = self.disks(&out, &built.stdout);
            let took = begun.elapsed().as_secs_f64();
            assert!(image.status.success() && built.status.success(), "{}", last(&built.stderr));
            changed.push(took);
            if round == 4 {
                println!("    {disks} nodes of the environment `production`");
            }
        }
        changed.sort_by(f64::total_cmp);
        told(
            "the same with configuration changed, every node's config disk (median of 5)",
            changed.get(2).copied(),
            "",
        );
    }
}

impl Bench {
    /// Writes the config disk of every node of what was built; returns how many.
    fn disks(&self, out: &Path, manifest: &[u8]) -> usize {
        let manifest: serde_json::Value = serde_json::from_slice(manifest).expect("a manifest");
        let mut nodes: BTreeMap<&str, BTreeMap<String, Written<'_>>> = BTreeMap::new();
        for (path, about) in manifest.get("files").and_then(|files| files.as_object()).expect("files") {
            let Some((node, file)) = path.strip_prefix("nodes/").and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let word = |name: &str| about.get(name).and_then(|value| value.as_str()).expect("a word");
            let mode = u32::from_str_radix(word("mode"), 8).expect("a mode");
            let content = fs::read(out.join(path)).expect("it was written");
            nodes.entry(node).or_default().insert(format!("/{file}"), Written { mode, owner: word("owner"), content });
        }
        let folder = self.path("disks");
        fs::create_dir_all(&folder).expect("a folder");
        for (node, files) in &nodes {
            let items = files.iter().map(|(path, file)| {
                (path.as_str(), Item { mode: file.mode, owner: file.owner, content: &file.content })
            });
            let disk = disk(&items.collect(), &[]).expect("what is rendered may be on a disk");
            fs::write(folder.join(format!("{node}.tar")), disk).expect("a file");
        }
        nodes.len()
    }
}

fn last(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

fn told(what: &str, took: Option<f64>, more: &str) -> Option<f64> {
    match took {
        Some(took) => println!("{what}: {took:.2} s {more}"),
        None => println!("{what}: it failed: {more}"),
    }
    took
}

/// A file of a node as `build` wrote it.
struct Written<'a> {
    mode: u32,
    owner: &'a str,
    content: Vec<u8>,
}

/// A file system in memory, until it is dropped.
struct Memory(PathBuf);

impl Memory {
    fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0755", "memory"]).arg(folder).status();
        assert!(mounted.is_ok_and(|status| status.success()), "root mounts");
        Self(folder.to_owned())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
