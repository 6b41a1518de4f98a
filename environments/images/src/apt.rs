//! The archive as this machine's own APT sees it, turned to one distribution and asked with a configuration apart, so that nothing of
//! the machine's own changes. APT checks the archive's signature; nothing is ever taken from one that is not signed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use blueprint::lock::PinnedPackage;

use crate::files;
use crate::{ImageFailure, Progress, program, sources, turn};

/// What every system takes beside what is named, as mmdebstrap's variant `minbase` has it.
const MINBASE: [&str; 3] = ["?essential", "?priority(required)", "apt"];

/// An archive whose lists were read.
pub(crate) struct Archive {
    folder: PathBuf,
    distribution: String,
}

impl Archive {
    /// Reads the archive's lists.
    ///
    /// - `cache`: the folder of all caches.
    pub(crate) fn read(cache: &Path, distribution: &str, progress: &dyn Progress) -> Result<Self, ImageFailure> {
        program::need("apt-get", "apt", "pinning packages")?;
        let folder = cache.join("apt").join(distribution);
        for name in ["lists/partial", "archives/partial", "sources"] {
            files::make_folder(&folder.join(name))?;
        }
        let _turn = turn::wait(&cache.join("apt").join(format!("{distribution}.lock")), progress)?;
        for (name, content) in sources::of(Path::new("/etc/apt"), distribution)? {
            files::write(&folder.join("sources").join(name), content.as_bytes(), 0o644)?;
        }
        files::write(&folder.join("status"), b"", 0o644)?;
        let host = program::run(Command::new("apt-config").arg("dump"))?;
        files::write(&folder.join("apt.conf"), configuration(&folder, &host.output).as_bytes(), 0o600)?;
        let archive = Self { folder, distribution: distribution.to_owned() };
        let said = program::run(archive.apt_get().args(["update", "-q", "-o", "APT::Update::Error-Mode=any"]))?;
        if said.well { Ok(archive) } else { Err(ImageFailure::Archive { reason: said.complaint() }) }
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command
    }

    /// Returns every package that is installed where some are wanted, with version and hash.
    pub(crate) fn resolve(&self, wanted: &BTreeSet<String>) -> Result<BTreeMap<String, PinnedPackage>, ImageFailure> {
        let names = MINBASE.into_iter().chain(wanted.iter().map(String::as_str));
        self.offered(names)
    }

    /// Returns the package that holds a kernel, by the name of the one that follows the newest.
    pub(crate) fn kernel(&self, newest: &str) -> Result<(String, PinnedPackage), ImageFailure> {
        let offered = self.offered([newest])?;
        let kernel = offered.into_iter().find(|(name, _)| name != newest && crate::lock::is_kernel(name));
        kernel.ok_or_else(|| ImageFailure::Unresolved {
            distribution: self.distribution.clone(),
            reason: format!("{newest} brings no kernel"),
        })
    }

    fn offered<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, PinnedPackage>, ImageFailure> {
        let said = program::run(
            self.apt_get()
                .args(["install", "--print-uris", "-y", "-qq", "-o", "Acquire::ForceHash=SHA256", "--"])
                .args(names),
        )?;
        if said.well {
            return Ok(said.output.lines().filter_map(offered).collect());
        }
        Err(ImageFailure::Unresolved { distribution: self.distribution.clone(), reason: said.complaint() })
    }

    /// Returns a command that fetches pinned packages to a folder.
    pub(crate) fn fetch(&self, packages: &BTreeMap<&str, &PinnedPackage>, folder: &Path) -> Command {
        let mut command = self.apt_get();
        command
            .args(["download", "-q", "--"])
            .args(packages.iter().map(|(name, package)| format!("{name}={}", package.version)))
            .current_dir(folder);
        command
    }
}

/// Returns the configuration that APT is asked with.
///
/// - `host`: what `apt-config dump` says; how the archive is reached (proxies, certificates, timeouts) is taken from it.
fn configuration(folder: &Path, host: &str) -> String {
    let folder = folder.display();
    let mut text = format!(
        "Dir::State \"{folder}\";\nDir::State::lists \"{folder}/lists\";\nDir::State::status \"{folder}/status\";\n\
         Dir::Cache \"{folder}\";\nDir::Cache::archives \"{folder}/archives\";\nDir::Etc::sourcelist \"/dev/null\";\n\
         Dir::Etc::sourceparts \"{folder}/sources\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
         APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\nAcquire::AllowInsecureRepositories \"false\";\n\
         APT::Get::AllowUnauthenticated \"false\";\n",
    );
    for line in host.lines().filter(|line| line.starts_with("Acquire::")) {
        let name = line.split_whitespace().next().unwrap_or_default();
        // Whatever the machine allows itself, an image is made of what is signed.
        if !["Acquire::Allow", "Acquire::Languages", "Acquire::Check-Valid-Until"]
            .iter()
            .any(|kept| name.starts_with(kept))
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str("Acquire::Languages \"none\";\n");
    text
}

/// Reads one line of `apt-get --print-uris`: `'URI' NAME_VERSION_ARCHITECTURE.deb BYTES SHA256:HASH`.
fn offered(line: &str) -> Option<(String, PinnedPackage)> {
    let mut words = line.strip_prefix('\'')?.split_once("' ")?.1.split_whitespace();
    let (file, _bytes, hash) = (words.next()?, words.next()?, words.next()?);
    let (name, version) = named(file)?;
    let sha256 = hash.strip_prefix("SHA256:").filter(|hash| crate::store::is_digest(hash))?;
    Some((name, PinnedPackage { version, sha256: sha256.to_owned() }))
}

/// Returns name and version of a package by the name APT gives to its file; `:` in a version is written as `%3a`.
pub(crate) fn named(file: &str) -> Option<(String, String)> {
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version, _architecture) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = parts.next().is_none() && !name.is_empty() && !version.is_empty();
    plain.then(|| (name.to_owned(), version.replace("%3a", ":").replace("%3A", ":")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_offered_is_read_with_its_hash() {
        let hash = "ab".repeat(32);
        let line =
            format!("'http://m/pool/libg_10_amd64.deb' libgmp10_2%3a6.2.1+dfsg1-1.1_amd64.deb 562588 SHA256:{hash}");
        let (name, package) = offered(&line).unwrap();
        assert_eq!((name.as_str(), package.version.as_str()), ("libgmp10", "2:6.2.1+dfsg1-1.1"));
        assert_eq!(package.sha256, hash);
        assert_eq!(offered(&line.replace("SHA256", "MD5Sum")), None);
        assert_eq!(offered("Reading package lists..."), None);
    }

    #[test]
    fn the_machines_way_to_the_archive_is_taken_and_its_leniency_is_not() {
        let host = "APT \"\";\nAcquire::http::Proxy \"http://proxy:3128\";\nAcquire::AllowInsecureRepositories \"1\";\n\
                    Acquire::Languages:: \"de\";\nDPkg::Post-Invoke:: \"rm\";\n";
        let text = configuration(Path::new("/c"), host);
        assert!(text.contains("Acquire::http::Proxy \"http://proxy:3128\";\n"));
        assert!(!text.contains("\"1\"") && !text.contains("rm") && !text.contains("de\""));
        assert!(text.contains("Acquire::AllowInsecureRepositories \"false\";"));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_stumble(line in any::<String>(), rest in "' [a-z_%0-9.]{0,30}") {
            let _ = (offered(&line), offered(&format!("'x{rest} 1 SHA256:00")), named(&line));
        }
    }
}
