//! Builds an image from pinned packages, the same to the bit on every build.
//!
//! 1. Every package's archive is there, and has the hash of the lock ([`crate::debs`]).
//! 2. mmdebstrap sets them up in namespaces of its own; the tree streams by as a tar, is kept, looked into and unpacked ([`tree`]).
//! 3. The kernel is unpacked, never installed, and its modules give the initrd.
//! 4. The manifest is written last, and the folder gets its digest's name: half an image is never found.

mod hooks;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use blueprint::lock::PinnedPackage;
use sha2::{Digest, Sha256};

use crate::contents::Contents;
use crate::debs::{Debs, digest_of, hexadecimal};
use crate::failure::could_not;
use crate::manifest::{self, Manifest, Part};
use crate::{Image, ImageFailure, Progress, Store, files, initrd, lock, program, sbom, turn};

/// MiB that a build takes at its most, where the tree is set up in memory: the image, and packages beside it.
const NEEDED_MIB: u64 = 1500;

/// All files have this time: the second that mmdebstrap and the tools after it are told (reproducible-builds.org, SOURCE_DATE_EPOCH).
pub(crate) const EPOCH: u64 = 1_700_000_000;

/// What an image is built of.
pub struct Request<'a> {
    /// The folder of all caches, such as `$XDG_CACHE_HOME/mailwright`.
    pub cache: &'a Path,
    /// The distribution's name, such as `bookworm`.
    pub distribution: &'a str,
    /// Every package, by name, as the lock pins it.
    pub packages: &'a BTreeMap<String, PinnedPackage>,
}

/// Returns the image of a lock where it is there already, whole.
pub fn built(request: &Request<'_>) -> Result<Option<Image>, ImageFailure> {
    let store = Store::new(request.cache);
    let Some(bytes) = files::read(&store.key(&key(request)))? else { return Ok(None) };
    let digest = String::from_utf8_lossy(&bytes).trim().to_owned();
    match store.find(&digest)? {
        Some(image) if image.check_lightly().is_ok() && is_of(&image, request) => {
            image.touch();
            Ok(Some(image))
        }
        _ => Ok(None),
    }
}

/// Tells whether an image is made of what is asked for, whatever led to it: one may be whole, and another lock's.
fn is_of(image: &Image, request: &Request<'_>) -> bool {
    let made =
        |manifest: Manifest| manifest.distribution == request.distribution && manifest.packages == *request.packages;
    image.read_manifest().is_ok_and(made)
}

/// Builds the image of a lock, or takes the one that is there.
pub fn build(request: &Request<'_>, progress: &dyn Progress) -> Result<Image, ImageFailure> {
    lock::covers(request.packages, &std::collections::BTreeSet::new())?;
    if let Some(image) = built(request)? {
        return Ok(image);
    }
    let store = Store::new(request.cache);
    let key = key(request);
    let _turn = turn::wait(&store.folder().join(format!(".{key}.lock")), progress)?;
    // Whoever had the turn may have built it.
    if let Some(image) = built(request)? {
        return Ok(image);
    }
    let building = store.folder().join(format!(".{key}.building"));
    clear(&building)?;
    files::make_folder(&building)?;
    let made = Work { request, folder: &building, key: &key }.make(&store, progress);
    // What it failed at says more than what could not be cleared away after it.
    let cleared = clear(&building);
    let image = made?;
    cleared?;
    progress.tell(&format!("image {} is built", image.digest));
    Ok(image)
}

/// Returns what an image is known by before it is built: what it is built of.
fn key(request: &Request<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}\n{}\n{}\n", manifest::VERSION, hooks::VERSION, request.distribution));
    hash.update(initrd::recipe());
    for (name, package) in request.packages {
        hash.update(format!("{name}={} {}\n", package.version, package.sha256));
    }
    hexadecimal(hash.finalize().get(..16).unwrap_or_default())
}

/// A build under way.
struct Work<'a> {
    request: &'a Request<'a>,
    folder: &'a Path,
    key: &'a str,
}

impl Work<'_> {
    fn make(&self, store: &Store, progress: &dyn Progress) -> Result<Image, ImageFailure> {
        let request = self.request;
        let tools = tools()?;
        room(self.folder)?;
        let debs = Debs::new(request.cache);
        debs.have(request.cache, request.distribution, request.packages, progress)?;
        let archive = self.folder.join("archive");
        files::make_folder(&archive)?;
        debs.lay_out(request.distribution, request.packages, &archive)?;

        let out = self.folder.join("image");
        files::make_folder(&out)?;
        let kernel = self.kernel(&debs, &out)?;
        let built = tree::build(
            &tree::Plan {
                distribution: request.distribution,
                packages: request.packages,
                archive: &archive,
                work: self.folder,
                out: &out,
                kernel: &kernel,
                identifier: &identifier(self.key),
            },
            progress,
        )?;
        hold_to(&built.contents, request.packages)?;
        progress.tell("image, last step: telling what is in it");
        files::write_json_lightly(&out.join("files.json"), &built.files)?;
        files::write_json_lightly(&out.join("contents.json"), &built.contents)?;
        let about = sbom::About {
            distribution: request.distribution,
            kernel: request.packages.iter().find(|(name, _)| lock::is_kernel(name)),
            tree: &built.tree.sha256,
            packages: request.packages,
        };
        files::write_json_lightly(&out.join("sbom.cdx.json"), &sbom::cyclonedx(&built.contents, &about))?;
        files::write_json_lightly(&out.join("sbom.spdx.json"), &sbom::spdx(&built.contents, &about))?;
        let mut parts = BTreeMap::new();
        for name in files::names(&out)? {
            // How the tar is packed is no part of the image: its bytes are named unpacked.
            if name != tree::TAR {
                parts.insert(name.clone(), part(&out.join(name))?);
            }
        }
        let manifest = Manifest {
            version: manifest::VERSION,
            distribution: request.distribution.to_owned(),
            kernel,
            tree: built.tree,
            parts,
            tools,
            packages: request.packages.clone(),
        };
        self.keep(store, &out, &manifest)
    }

    /// Gives the image its name, durably.
    fn keep(&self, store: &Store, out: &Path, manifest: &Manifest) -> Result<Image, ImageFailure> {
        let text = manifest.text();
        files::write(&out.join("manifest.json"), text.as_bytes(), 0o644)?;
        for name in files::names(out)? {
            let path = out.join(name);
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(could_not(format!("keep {}", path.display())))?;
        }
        let digest = hexadecimal(&Sha256::digest(&text));
        let folder = store.folder().join(&digest);
        // One that was there and did not hold is replaced.
        files::remove(&folder)?;
        fs::rename(out, &folder)
            .and_then(|()| files::sync_folder(store.folder()))
            .map_err(could_not(format!("move the image to {}", folder.display())))?;
        let image = Image { digest, folder };
        image.stamp()?;
        files::make_folder(&store.keys())?;
        files::write(&store.key(self.key), image.digest.as_bytes(), 0o644)?;
        Ok(image)
    }

    /// Unpacks the kernel, and makes the initrd of its modules; returns what the kernel calls itself.
    fn kernel(&self, debs: &Debs, out: &Path) -> Result<String, ImageFailure> {
        let of = |name: &str| self.request.packages.get(name).map(|package| debs.path(&package.sha256));
        let name = self.request.packages.keys().find(|name| lock::is_kernel(name));
        let (Some(kernel), Some(busybox)) = (name.and_then(|name| of(name)), of("busybox-static")) else {
            return Err(ImageFailure::Unlocked { packages: vec!["a kernel".to_owned(), "busybox-static".to_owned()] });
        };
        let staging = self.folder.join("kernel");
        for (deb, folder) in [(kernel, "kernel"), (busybox, "busybox")] {
            let folder = staging.join(folder);
            files::make_folder(&folder)?;
            let said = program::run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&folder))?;
            if !said.well {
                return Err(ImageFailure::Build { reason: said.complaint() });
            }
        }
        let boot = staging.join("kernel/boot");
        let lacking = || ImageFailure::Build { reason: "the kernel's package brings no kernel".to_owned() };
        let names = files::names(&boot)?;
        let release = names.iter().find_map(|name| name.strip_prefix("vmlinuz-")).ok_or_else(lacking)?;
        fs::copy(boot.join(format!("vmlinuz-{release}")), out.join("kernel")).map_err(could_not("keep the kernel"))?;
        let modules = ["lib", "usr/lib"].map(|lib| staging.join("kernel").join(lib).join("modules").join(release));
        let modules = modules.iter().find(|folder| folder.is_dir()).ok_or_else(lacking)?;
        initrd::unpack(modules)?;
        let busybox = ["bin", "usr/bin"].map(|bin| staging.join("busybox").join(bin).join("busybox"));
        let busybox = busybox.iter().find(|path| path.is_file()).ok_or_else(lacking)?;
        initrd::write_with(busybox, modules, &out.join("initrd"))
            .map_err(|failure| ImageFailure::Build { reason: failure.to_string() })?;
        files::remove(&staging)?;
        Ok(release.to_owned())
    }
}

/// Holds what is installed to what is pinned.
fn hold_to(contents: &Contents, pinned: &BTreeMap<String, PinnedPackage>) -> Result<(), ImageFailure> {
    let nothing = "nothing";
    let differs = |package: &str, pinned: &str, found: &str| {
        Err(ImageFailure::Pinned { package: package.to_owned(), pinned: pinned.to_owned(), found: found.to_owned() })
    };
    for (name, package) in &contents.packages {
        match pinned.get(name) {
            Some(pin) if pin.version == package.version => {}
            Some(pin) => return differs(name, &pin.version, &package.version),
            None => return differs(name, nothing, &package.version),
        }
    }
    match pinned.iter().find(|(name, _)| !lock::is_kernel(name) && !contents.packages.contains_key(*name)) {
        Some((name, pin)) => differs(name, &pin.version, nothing),
        None => Ok(()),
    }
}

/// Returns the versions of the programs that have a part in the bytes, and says which is lacking.
fn tools() -> Result<BTreeMap<String, String>, ImageFailure> {
    let purpose = "building an image";
    let mut versions = BTreeMap::new();
    for (name, package, flag) in [
        ("mmdebstrap", "mmdebstrap", "--version"),
        ("mkfs.erofs", "erofs-utils", "-V"),
        ("dpkg-deb", "dpkg", "--version"),
        ("tar", "tar", "--version"),
    ] {
        let said = program::run(Command::new(program::need(name, package, purpose)?).arg(flag))?;
        let words = said.output + &said.errors;
        let number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        let version = words.split_whitespace().map(|word| word.trim_matches(['(', ')', ','])).find(number);
        versions.insert(name.to_owned(), version.unwrap_or("unknown").to_owned());
    }
    for (name, package) in [("zstd", "zstd"), ("unshare", "util-linux")] {
        program::need(name, package, purpose)?;
    }
    if !rustix::process::geteuid().is_root() {
        program::need("newuidmap", "uidmap", "building an image without being root")?;
    }
    Ok(versions)
}

fn part(path: &Path) -> Result<Part, ImageFailure> {
    let bytes = fs::metadata(path).map_err(could_not(format!("look at {}", path.display())))?.size();
    Ok(Part { bytes, sha256: digest_of(path)? })
}

fn room(folder: &Path) -> Result<(), ImageFailure> {
    let about = rustix::fs::statvfs(folder)
        .map_err(|error| could_not(format!("tell how much room {} has", folder.display()))(error.into()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize) >> 20;
    if free < NEEDED_MIB {
        return Err(ImageFailure::Full { folder: folder.to_owned(), needed: NEEDED_MIB, free });
    }
    Ok(())
}

/// Returns a UUID (RFC 9562, version 8) that depends on what is built alone.
fn identifier(key: &str) -> String {
    let digits = hexadecimal(&Sha256::digest(key));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Removes a folder of a build, also where its files belong to the numbers that a user may lend to namespaces.
pub(crate) fn clear(folder: &Path) -> Result<(), ImageFailure> {
    match files::remove(folder) {
        Err(failure) if rustix::process::geteuid().is_root() => Err(failure.into()),
        Err(_) => {
            let mut command = Command::new("unshare");
            command.args(NAMESPACES).args(["--", "rm", "-rf", "--"]).arg(folder).stderr(Stdio::null());
            program::run(&mut command)?;
            Ok(files::remove(folder)?)
        }
        Ok(()) => Ok(()),
    }
}

/// What makes a user root of namespaces of its own.
const NAMESPACES: [&str; 3] = ["--user", "--map-root-user", "--map-auto"];

/// Returns a command that runs a script as root of a mount namespace of its own, in which all that it starts ends with it.
///
/// - `memory`: a folder to lay a file system in memory over, where there is memory to spare.
fn apart(script: &str, memory: &Path) -> Command {
    // It ends with the thread that starts it, which waits for it: nothing works on for a build that was killed. Becoming root of
    // a namespace takes that back, and then it ends when it has nobody to write to.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare"]);
    if !rustix::process::geteuid().is_root() {
        command.args(NAMESPACES);
    }
    command.args([
        "--mount",
        "--pid",
        "--uts",
        "--net",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "--",
        "sh",
        "-c",
    ]);
    let over = if memory_to_spare() { "mount -t tmpfs -o mode=0755,size=75% mailwright \"$0\" && " } else { "" };
    command.arg(format!("umask 022 && {over}{script}")).arg(memory);
    // Nothing of whoever builds comes in: no locale, no proxy, no library that is loaded before others.
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    command
}

/// KiB of memory that two copies of the tree take, with as much again for everything else.
const MEMORY_KIB: u64 = 5 << 20;

fn memory_to_spare() -> bool {
    let about = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = about.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).is_some_and(|free| free > MEMORY_KIB)
}

/// Returns a path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// Where what is built lies until it is whole.
pub(crate) fn is_building(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".building")
}

/// Returns the folder of a build by its key's name.
pub(crate) fn lock_of_building(store: &Store, name: &str) -> PathBuf {
    store.folder().join(format!("{}.lock", name.trim_end_matches(".building")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(version: &str, sha256: &str) -> PinnedPackage {
        PinnedPackage { version: version.to_owned(), sha256: sha256.to_owned() }
    }

    #[test]
    fn another_package_version_hash_or_distribution_is_another_image() {
        let cache = Path::new("/c");
        let one = BTreeMap::from([("postfix".to_owned(), pin("3.7", "aa"))]);
        let keyed = |distribution: &str, packages: &BTreeMap<String, PinnedPackage>| {
            key(&Request { cache, distribution, packages })
        };
        let first = keyed("bookworm", &one);
        assert_eq!(first, key(&Request { cache: Path::new("/other"), distribution: "bookworm", packages: &one }));
        assert_ne!(first, keyed("trixie", &one));
        for other in [pin("3.8", "aa"), pin("3.7", "bb")] {
            assert_ne!(first, keyed("bookworm", &BTreeMap::from([("postfix".to_owned(), other)])));
        }
        assert_eq!(identifier(&first).len(), 36);
    }

    #[test]
    fn what_is_installed_is_held_to_what_is_pinned() {
        let installed = |version: &str| crate::contents::Installed {
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            source: String::new(),
            maintainer: String::new(),
            licences: Default::default(),
        };
        let contents = |packages: &[(&str, &str)]| Contents {
            packages: packages.iter().map(|(name, version)| ((*name).to_owned(), installed(version))).collect(),
            ..Contents::default()
        };
        let pinned = BTreeMap::from([
            ("postfix".to_owned(), pin("3.7", "aa")),
            ("linux-image-6.1.0-56-cloud-amd64".to_owned(), pin("6.1", "bb")),
        ]);
        assert!(hold_to(&contents(&[("postfix", "3.7")]), &pinned).is_ok());
        let told = |packages: &[(&str, &str)]| hold_to(&contents(packages), &pinned).unwrap_err().to_string();
        assert_eq!(told(&[("postfix", "3.8")]), "postfix was pinned as 3.7 and would be 3.8");
        assert_eq!(told(&[]), "postfix was pinned as 3.7 and would be nothing");
        assert_eq!(told(&[("postfix", "3.7"), ("x", "1")]), "x was pinned as nothing and would be 1");
    }
}
