//! The initrd: busybox, the modules that find the root, and the script that lays a node's config disk over it.
//!
//! Source: cpio "newc" as in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Equal inputs give equal
//! bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::PATHS;

/// The script that is the machine's first program.
const INIT: &str = include_str!("initrd/init");

/// Where a busybox without libraries is, by the package busybox-static.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// Modules in the order they are loaded; those that a kernel has built in, or lacks, are passed over.
const MODULES: [&str; 22] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "xen-blkfront",
    "failover",
    "net_failover",
    "virtio_net",
    "xen-netfront",
    "virtio_console",
    "rng-core",
    "virtio-rng",
    "libcrc32c",
    "crc32c_generic",
    "lz4_decompress",
    "erofs",
    "overlay",
    "virtio_balloon",
    "af_packet",
];

/// Returns what is in every initrd, whatever the kernel: another one is another image.
pub(crate) fn recipe() -> String {
    format!("{INIT}\n{PATHS}\n{}\n", MODULES.join(" "))
}

/// Why an initrd could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitrdFailure {
    /// There is no busybox on this machine.
    #[error("there is no busybox without libraries on this machine")]
    NoBusybox,
    /// A module the root cannot be found without is missing.
    #[error("the kernel's modules in {} lack {module}", folder.display())]
    Lacks {
        /// The folder that was searched.
        folder: PathBuf,
        /// The module.
        module: &'static str,
    },
    /// A file could not be read or written.
    #[error("could not use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl InitrdFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::NoBusybox => "install it: apt-get install busybox-static".to_owned(),
            Self::Lacks { .. } => "take the kernel of the distribution, linux-image-cloud-amd64".to_owned(),
            Self::File { path, .. } => format!("look after {}", path.display()),
        }
    }
}

/// Writes an initrd.
///
/// - `modules`: the folder of one kernel's modules, such as `lib/modules/6.1.0-56-cloud-amd64`; those compressed by xz are not read.
/// - `to`: the file to write.
/// - Returns: the modules it brings.
/// - Errors: [`InitrdFailure`].
pub fn write(modules: &Path, to: &Path) -> Result<Vec<String>, InitrdFailure> {
    let busybox = BUSYBOX.iter().map(Path::new).find(|path| is_static(path)).ok_or(InitrdFailure::NoBusybox)?;
    write_with(busybox, modules, to)
}

/// Unpacks those modules of a kernel that an initrd takes, where they are compressed by xz.
pub(crate) fn unpack(modules: &Path) -> Result<(), crate::ImageFailure> {
    let mut files = Vec::new();
    find(&modules.join("kernel"), &mut files);
    let is_wanted = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".ko.xz"));
        name.is_some_and(|name| MODULES.iter().any(|module| module.replace('_', "-") == name.replace('_', "-")))
    };
    let wanted: Vec<&PathBuf> = files.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let xz = crate::program::need("xz", "xz-utils", "unpacking the kernel's modules")?;
    let said = crate::program::run(std::process::Command::new(xz).arg("-d").args(wanted))?;
    if said.well { Ok(()) } else { Err(crate::ImageFailure::Build { reason: said.complaint() }) }
}

/// Writes an initrd as [`write`] does.
///
/// - `busybox`: the program, without libraries.
pub fn write_with(busybox: &Path, modules: &Path, to: &Path) -> Result<Vec<String>, InitrdFailure> {
    if !is_static(busybox) {
        return Err(InitrdFailure::NoBusybox);
    }
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "modules", "proc", "sys"] {
        archive.folder(folder);
    }
    archive.file("bin/busybox", 0o755, &read(busybox)?);
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("paths", 0o644, PATHS.as_bytes());
    let mut files = Vec::new();
    find(&modules.join("kernel"), &mut files);
    let mut brought = Vec::new();
    for module in MODULES {
        let spelled = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_suffix(".ko").is_some_and(|name| name.replace('_', "-") == module.replace('_', "-"))
        };
        if let Some(path) = files.iter().find(spelled) {
            let name = format!("{module}.ko");
            archive.file(&format!("modules/{name}"), 0o644, &read(path)?);
            brought.push(name);
        }
    }
    for module in ["virtio_blk", "erofs", "overlay"] {
        if !brought.iter().any(|name| name.trim_end_matches(".ko") == module) && !is_built_in(modules, module) {
            return Err(InitrdFailure::Lacks { folder: modules.to_owned(), module });
        }
    }
    archive.file("modules/order", 0o644, (brought.join("\n") + "\n").as_bytes());
    let bytes = archive.finish();
    fs::write(to, bytes).map_err(|source| InitrdFailure::File { path: to.to_owned(), source })?;
    Ok(brought)
}

fn read(path: &Path) -> Result<Vec<u8>, InitrdFailure> {
    fs::read(path).map_err(|source| InitrdFailure::File { path: path.to_owned(), source })
}

/// Whether a program needs no libraries: it names no interpreter (ELF, program header PT_INTERP, which is text in the file).
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let start = bytes.get(..4096.min(bytes.len())).unwrap_or_default();
    start.starts_with(b"\x7fELF") && !start.windows(8).any(|window| window == b"ld-linux")
}

/// Whether the kernel brings a module in itself, as its own list says.
fn is_built_in(modules: &Path, module: &str) -> bool {
    let list = fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    list.lines().any(|line| line.ends_with(&format!("/{module}.ko")))
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let paths: BTreeSet<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    for path in paths {
        if path.is_dir() {
            find(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// An archive under way.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    number: u32,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, 0o100_000 | mode, content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.number += 1;
        let links = if mode & 0o040_000 != 0 { 2 } else { 1 };
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(b"070701");
        for field in [self.number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, length, 0] {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.number = 0;
        self.entry("TRAILER!!!", 0, &[]);
        self.pad(512);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_archive_is_one_that_cpio_reads() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/a", 0o755, b"odd");
        archive.file("init", 0o644, b"");
        let bytes = archive.finish();
        let cpio = Command::new("cpio").args(["-t", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut cpio) = cpio else {
            eprintln!("skipped: cpio is not installed");
            return;
        };
        std::io::Write::write_all(&mut cpio.stdin.take().unwrap(), &bytes).unwrap();
        let output = cpio.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "bin\nbin/a\ninit\n");
    }

    #[test]
    fn equal_modules_give_equal_bytes_and_a_lack_is_named() {
        if !BUSYBOX.iter().any(|path| is_static(Path::new(path))) {
            eprintln!("skipped: busybox-static is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("6.1");
        let drivers = modules.join("kernel/drivers");
        fs::create_dir_all(&drivers).unwrap();
        for name in ["virtio_blk.ko", "erofs.ko", "unneeded.ko"] {
            fs::write(drivers.join(name), name).unwrap();
        }
        let out = |name: &str| folder.path().join(name);
        assert!(matches!(write(&modules, &out("a")), Err(InitrdFailure::Lacks { module: "overlay", .. })));
        fs::write(modules.join("modules.builtin"), "kernel/fs/overlayfs/overlay.ko\n").unwrap();
        assert_eq!(write(&modules, &out("a")).unwrap(), ["virtio_blk.ko", "erofs.ko"]);
        write(&modules, &out("b")).unwrap();
        assert_eq!(fs::read(out("a")).unwrap(), fs::read(out("b")).unwrap());
    }

    #[test]
    fn the_script_is_one_that_a_shell_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init");
        fs::write(&path, INIT).unwrap();
        assert!(Command::new("sh").arg("-n").arg(&path).status().unwrap().success());
    }
}
