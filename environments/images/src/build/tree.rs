//! The tree of the root: set up by mmdebstrap, and while it streams by as a tar it is packed, looked into and made an erofs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use blueprint::lock::PinnedPackage;
use sha2::{Digest, Sha256};

use super::{EPOCH, apart, hooks, quoted};
use crate::contents::{Contents, FileEntry, Gathering};
use crate::debs::hexadecimal;
use crate::failure::could_not;
use crate::manifest::Part;
use crate::{ImageFailure, Progress, files, lock, program, tar};

/// The name of the packed tar.
pub(crate) const TAR: &str = "root.tar.zst";

/// The name of the read-only root.
const ROOT: &str = "root.erofs";

/// The stages of a build by what mmdebstrap says when each begins, with their share of the time in percent, as measured.
const STAGES: [(&str, &str, u32); 6] = [
    ("running apt-get update", "reading the lock", 2),
    ("extracting archives", "unpacking what every system needs", 16),
    ("installing essential packages", "setting it up", 9),
    ("installing remaining packages", "setting the daemons up", 59),
    ("cleaning package lists", "tidying up", 2),
    ("creating tarball", "writing the root", 12),
];

/// Seconds a build takes on a machine of two cores, when nothing is to be fetched.
const ABOUT_SECONDS: u32 = 75;

/// What a tree is made of, and where.
pub(super) struct Plan<'a> {
    pub(super) distribution: &'a str,
    pub(super) packages: &'a BTreeMap<String, PinnedPackage>,
    /// The folder that the packages are laid out in.
    pub(super) archive: &'a Path,
    /// The folder of the build.
    pub(super) work: &'a Path,
    /// The folder of the image.
    pub(super) out: &'a Path,
    /// What the kernel calls itself.
    pub(super) kernel: &'a str,
    /// The UUID of the read-only root.
    pub(super) identifier: &'a str,
}

/// What came of it.
pub(super) struct Built {
    pub(super) contents: Contents,
    pub(super) files: BTreeMap<String, FileEntry>,
    pub(super) tree: Part,
}

pub(super) fn build(plan: &Plan<'_>, progress: &dyn Progress) -> Result<Built, ImageFailure> {
    let mut setting_up = spawn(mmdebstrap(plan)?.stdout(Stdio::piped()), "mmdebstrap")?;
    let mut packing = spawn(
        Command::new("zstd").args(["-q", "-3", "-T0", "-f", "-o"]).arg(plan.out.join(TAR)).stdin(Stdio::piped()),
        "zstd",
    )?;
    let mut unpacking = spawn(erofs(plan)?.stdin(Stdio::piped()), "mkfs.erofs")?;
    let (Some(tree), Some(tar), Some(root), Some(said)) =
        (setting_up.stdout.take(), packing.stdin.take(), unpacking.stdin.take(), setting_up.stderr.take())
    else {
        return Err(ImageFailure::Build { reason: "a program gives no pipes".to_owned() });
    };
    let errors = [packing.stderr.take(), unpacking.stderr.take()].map(|errors| std::thread::spawn(|| all(errors)));
    let (streamed, complaint) = std::thread::scope(|scope| {
        let stream = scope.spawn(|| gather(tree, vec![tar, root]));
        let complaint = tell(said, progress);
        (stream.join().unwrap_or_else(|_| Err(io::Error::other("its reader has a fault"))), complaint)
    });
    let well = |child: &mut Child| child.wait().is_ok_and(|status| status.success());
    let outcome = well(&mut setting_up);
    let [packed, unpacked] = [&mut packing, &mut unpacking].map(well);
    let [packer, unpacker] = errors.map(|errors| errors.join().unwrap_or_default());
    let failed = |reason: String| Err(ImageFailure::Build { reason });
    if [&complaint, &packer, &unpacker].iter().any(|said| said.contains("No space left")) {
        return failed("the disk became full".to_owned());
    }
    // Whoever stops taking what is passed on is the cause, and whoever passes it on only says so.
    let taken = !matches!(&streamed, Err(error) if error.kind() == ErrorKind::BrokenPipe);
    if taken && !outcome {
        let complaint = if complaint.is_empty() { "it ended without a word".to_owned() } else { complaint };
        return failed(format!("mmdebstrap: {complaint}"));
    }
    for (well, who, said) in [(packed, "zstd", packer), (unpacked, "mkfs.erofs", unpacker)] {
        if !well {
            return failed(format!("{who}: {}", program::complaint(said.lines())));
        }
    }
    streamed.or_else(|error| failed(format!("the root could not be read: {error}")))
}

fn spawn(command: &mut Command, name: &str) -> Result<Child, ImageFailure> {
    command.stderr(Stdio::piped()).spawn().map_err(could_not(format!("run {name}")))
}

fn all(errors: Option<impl Read>) -> String {
    let mut said = Vec::new();
    if let Some(mut errors) = errors {
        // What cannot be read is not told; how it ended says enough.
        let _ = errors.read_to_end(&mut said);
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn mmdebstrap(plan: &Plan<'_>) -> Result<Command, ImageFailure> {
    let kernel = plan.packages.iter().find(|(name, _)| lock::is_kernel(name));
    let kernel = kernel.map(|(name, package)| plan.archive.join(format!("{name}_{}.deb", package.sha256)));
    let hook = |name: &str, text: &str| {
        let path = plan.work.join(name);
        files::write_lightly(&path, text.as_bytes(), 0o755)?;
        Ok::<_, ImageFailure>(format!("{} \"$1\"", quoted(&path)))
    };
    let (before, after) = (hook("before", hooks::BEFORE)?, hook("after", hooks::AFTER)?);
    let memory = plan.work.join("setting-up");
    files::make_folder(&memory)?;
    let include: Vec<String> = plan
        .packages
        .iter()
        .filter(|(name, _)| !lock::is_kernel(name))
        .map(|(name, package)| format!("{name}={}", package.version))
        .collect();
    let mut command = apart("hostname localhost && TMPDIR=\"$0\" exec \"$@\"", &memory);
    command
        .args(["mmdebstrap", "--mode=unshare", "--variant=minbase", "--format=tar"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args(["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"])
        .args(["--dpkgopt=force-unsafe-io", "--dpkgopt=force-confold"])
        .arg(format!("--include={}", include.join(",")))
        .arg(format!("--essential-hook={before}"))
        .arg(format!("--customize-hook={after}"))
        .arg(plan.distribution)
        .arg("-")
        // Unsigned, since this process made it of files that have the lock's hashes: see `Debs::lay_out`.
        .arg(format!("deb [trusted=yes] copy://{} ./", plan.archive.display()))
        .env("KERNEL_ARCHIVE", kernel.unwrap_or_default())
        .env("KERNEL_RELEASE", plan.kernel)
        .stdin(Stdio::null());
    Ok(command)
}

fn erofs(plan: &Plan<'_>) -> Result<Command, ImageFailure> {
    let memory = plan.work.join("unpacking");
    files::make_folder(&memory)?;
    // Devices are the kernel's to make at boot, and a user cannot.
    let script = "mkdir \"$0/root\" && tar -C \"$0/root\" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' -xpf - && \
                  exec \"$@\" \"$0/root\"";
    let mut command = apart(script, &memory);
    command
        .arg(program::need("mkfs.erofs", "erofs-utils", "building an image")?)
        .args(["--quiet", "-zlz4", "-T"])
        .arg(EPOCH.to_string())
        .args(["-U", plan.identifier])
        .arg(plan.out.join(ROOT))
        .stdout(Stdio::null());
    Ok(command)
}

/// Reads the tree to its end, passes it on, and gathers what is in it.
fn gather(tree: impl Read, sinks: Vec<ChildStdin>) -> io::Result<Built> {
    let mut tee = Tee { from: tree, sinks, hash: Sha256::new(), bytes: 0 };
    let mut gathering = Gathering::default();
    tar::read(&mut tee, |entry, content| gathering.take(entry, content))?;
    if let Some(path) = gathering.secrets.first() {
        return Err(io::Error::other(format!("{path} holds a private key, which no image may")));
    }
    let (contents, files) = gathering.finish();
    Ok(Built { contents, files, tree: Part { bytes: tee.bytes, sha256: hexadecimal(&tee.hash.finalize()) } })
}

/// Passes on what is read through it.
struct Tee<R> {
    from: R,
    sinks: Vec<ChildStdin>,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        for sink in &mut self.sinks {
            sink.write_all(bytes)?;
        }
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(read)
    }
}

/// Tells the stages as mmdebstrap comes to them; returns its complaints.
fn tell(said: impl Read, progress: &dyn Progress) -> String {
    let begun = Instant::now();
    let mut complaints = Vec::new();
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some(told) = stage(&line, begun.elapsed().as_secs()) {
            progress.tell(&told);
        }
        if (line.starts_with("E: ") || line.contains("No space left") || line.starts_with("dpkg: error"))
            && complaints.len() < 4
        {
            complaints.push(line.trim_start_matches("E: ").to_owned());
        }
    }
    complaints.join("; ")
}

/// Returns what to tell people when a line of mmdebstrap begins a stage.
fn stage(line: &str, seconds: u64) -> Option<String> {
    let place = STAGES.iter().position(|(said, _, _)| line.starts_with("I: ") && line.contains(said))?;
    let before: u32 = STAGES.iter().take(place).map(|(_, _, share)| share).sum();
    let (_, what, _) = STAGES.get(place)?;
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    // What the first stages took on this machine says what the others will take.
    let whole = if before >= 10 { seconds.saturating_mul(100) / before } else { ABOUT_SECONDS };
    let left = whole.saturating_sub(seconds);
    Some(format!("image, step {} of {}: {what}; about {left} s to go", place + 1, STAGES.len()))
}

/// Copies a tree's tar to its end, and returns how long it is and its hash.
pub(crate) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<Part> {
    let mut tee = Tee { from, sinks: Vec::new(), hash: Sha256::new(), bytes: 0 };
    let mut buffer = vec![0; 1 << 17];
    loop {
        let read = tee.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => break,
            Some(bytes) => to.write_all(bytes)?,
        }
    }
    Ok(Part { bytes: tee.bytes, sha256: hexadecimal(&tee.hash.finalize()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_take_all_of_the_time_and_each_is_told() {
        assert_eq!(STAGES.iter().map(|(_, _, share)| share).sum::<u32>(), 100);
        assert_eq!(
            stage("I: running apt-get update...", 0).unwrap(),
            "image, step 1 of 6: reading the lock; about 75 s to go"
        );
        let later = stage("I: installing remaining packages inside the chroot...", 27).unwrap();
        assert_eq!(later, "image, step 4 of 6: setting the daemons up; about 73 s to go");
        assert_eq!(stage("I: something else", 0), None);
        assert_eq!(stage("Get: extracting archives", 0), None);
    }
}
