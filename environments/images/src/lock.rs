//! Pinning: every package of an image with its version and hash, as the archive signed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use blueprint::lock::PinnedPackage;

use crate::apt::Archive;
use crate::debs::Debs;
use crate::{ImageFailure, Progress, program};

/// What every machine needs beside its daemons' packages, with the reason.
const BASE: [&str; 12] = [
    "busybox-static",   // The initrd's only program.
    "ca-certificates",  // Whom daemons believe.
    "dbus",             // How systemd is asked by its own programs.
    "iproute2",         // Addresses and routes.
    "kmod",             // Modules of the kernel, and their index.
    "libsasl2-modules", // PLAIN, for the simulated internet.
    "openssl",
    "procps",
    "systemd",
    "systemd-sysv", // What the kernel starts.
    "udev",
    "util-linux",
];

/// Pins every package that an image takes, and the kernel; their archives are fetched and kept.
///
/// - `cache`: the folder of all caches, such as `$XDG_CACHE_HOME/mailwright`.
/// - `wanted`: the platform's packages by name; what they depend on is added.
/// - Returns: the packages by name. A kernel is among them that is unpacked and never installed.
pub fn lock(
    cache: &Path,
    distribution: &str,
    wanted: &BTreeSet<String>,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, PinnedPackage>, ImageFailure> {
    progress.tell(&format!("asking the archive of {distribution} what there is"));
    let archive = Archive::read(cache, distribution, progress)?;
    let wanted = BASE.iter().map(|name| (*name).to_owned()).chain(wanted.iter().cloned()).collect();
    let mut packages = archive.resolve(&wanted)?;
    let said = program::run(std::process::Command::new("dpkg").arg("--print-architecture"))?;
    let (name, kernel) = archive.kernel(&format!("linux-image-cloud-{}", said.output.trim()))?;
    packages.insert(name, kernel);
    Debs::new(cache).have(cache, distribution, &packages, progress)?;
    Ok(packages)
}

/// Tells whether a lock has what an image takes.
pub fn covers(packages: &BTreeMap<String, PinnedPackage>, wanted: &BTreeSet<String>) -> Result<(), ImageFailure> {
    let names = BASE.into_iter().chain(wanted.iter().map(String::as_str));
    let mut lacking: Vec<String> = names.filter(|name| !packages.contains_key(*name)).map(str::to_owned).collect();
    if !packages.keys().any(|name| is_kernel(name)) {
        lacking.push("a kernel".to_owned());
    }
    if lacking.is_empty() { Ok(()) } else { Err(ImageFailure::Unlocked { packages: lacking }) }
}

/// Tells whether a package is a kernel: unpacked beside the root, and never installed in it.
pub(crate) fn is_kernel(name: &str) -> bool {
    let version = name.strip_prefix("linux-image-").unwrap_or_default();
    version.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_lacks_a_package_or_the_kernel_is_told_by_name() {
        let pin = PinnedPackage { version: "1".to_owned(), sha256: "00".repeat(32) };
        let mut packages: BTreeMap<_, _> = BASE.iter().map(|name| ((*name).to_owned(), pin.clone())).collect();
        let wanted = BTreeSet::from(["postfix".to_owned()]);
        assert_eq!(
            covers(&packages, &wanted).unwrap_err().to_string(),
            "mailwright.lock pins nothing for postfix, a kernel"
        );
        packages.insert("postfix".to_owned(), pin.clone());
        packages.insert("linux-image-cloud-amd64".to_owned(), pin.clone());
        assert!(covers(&packages, &wanted).is_err());
        packages.insert("linux-image-6.1.0-56-cloud-amd64".to_owned(), pin);
        assert!(covers(&packages, &wanted).is_ok());
    }
}
