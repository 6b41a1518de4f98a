//! Packages' archives, kept by their hash: what a lock names can be built after the archive dropped it.
//!
//! ```text
//! CACHE/debs/SHA256.deb       an archive that has this hash
//! CACHE/debs/SHA256.control   what it says of itself, as a list of packages has it, below the SHA-256 of this text
//! CACHE/debs/.fetching/       what is being fetched; what is whole there is taken over by the next run
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use blueprint::lock::PinnedPackage;
use sha2::{Digest, Sha256};

use crate::apt::{self, Archive};
use crate::failure::could_not;
use crate::{ImageFailure, Progress, files, program, turn};

/// How often it is told how far fetching is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// The folder of kept archives.
pub(crate) struct Debs {
    folder: PathBuf,
}

impl Debs {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("debs") }
    }

    /// Returns where the archive of a hash is kept.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.deb"))
    }

    /// Makes sure that every pinned package is here, whole; what is lacking is fetched.
    pub(crate) fn have(
        &self,
        cache: &Path,
        distribution: &str,
        packages: &BTreeMap<String, PinnedPackage>,
        progress: &dyn Progress,
    ) -> Result<(), ImageFailure> {
        let _turn = turn::wait(&self.folder.join(".lock"), progress)?;
        self.take_over(packages)?;
        let lacking = self.lacking(packages)?;
        if lacking.is_empty() {
            return Ok(());
        }
        let archive = Archive::read(cache, distribution, progress)?;
        progress.tell(&format!("fetching {} packages", lacking.len()));
        let fetching = self.fetching();
        files::remove(&fetching)?;
        files::make_folder(&fetching)?;
        let said = watch(archive.fetch(&lacking, &fetching), &fetching, lacking.len(), progress);
        // What came whole is kept, whatever became of the rest.
        self.take_over(packages)?;
        let lacking = self.lacking(packages)?;
        match lacking.iter().next() {
            None => Ok(()),
            Some((name, package)) => Err(self.why(&fetching, name, package, &lacking, &said?)),
        }
    }

    fn fetching(&self) -> PathBuf {
        self.folder.join(".fetching")
    }

    /// Returns the pinned packages that are not here; one whose bytes are not those of its name is removed.
    fn lacking<'a>(
        &self,
        packages: &'a BTreeMap<String, PinnedPackage>,
    ) -> Result<BTreeMap<&'a str, &'a PinnedPackage>, ImageFailure> {
        let mut lacking = BTreeMap::new();
        for (name, package) in packages {
            let path = self.path(&package.sha256);
            if path.is_file() {
                if digest_of(&path)? == package.sha256 {
                    continue;
                }
                files::remove(&path)?;
            }
            lacking.insert(name.as_str(), package);
        }
        Ok(lacking)
    }

    /// Takes what was fetched into keeping, where it is what was pinned.
    fn take_over(&self, packages: &BTreeMap<String, PinnedPackage>) -> Result<(), ImageFailure> {
        let fetching = self.fetching();
        for file in files::names(&fetching)? {
            let Some((name, version)) = apt::named(&file) else { continue };
            let path = fetching.join(&file);
            let Some(package) = packages.get(&name).filter(|package| package.version == version) else { continue };
            if digest_of(&path)? == package.sha256 {
                let kept = self.path(&package.sha256);
                fs::rename(&path, &kept).map_err(could_not(format!("keep {}", kept.display())))?;
            }
        }
        Ok(())
    }

    /// Says why a package could not be had.
    fn why(
        &self,
        fetching: &Path,
        first: &str,
        package: &PinnedPackage,
        lacking: &BTreeMap<&str, &PinnedPackage>,
        said: &str,
    ) -> ImageFailure {
        for file in files::names(fetching).unwrap_or_default() {
            let Some((name, version)) = apt::named(&file) else { continue };
            let Some(package) = lacking.get(name.as_str()).filter(|package| package.version == version) else {
                continue;
            };
            let Ok(found) = digest_of(&fetching.join(&file)) else { continue };
            return ImageFailure::Changed { package: name, version, pinned: package.sha256.clone(), found };
        }
        let gone = |name: &str, version: &str| {
            said.contains(&format!("Version '{version}' for '{name}' was not found"))
                || said.contains(&format!("Unable to locate package {name}"))
                || said.contains(&format!("Can't select candidate version from package {name}"))
        };
        if let Some((name, package)) = lacking.iter().find(|(name, package)| gone(name, &package.version)) {
            return ImageFailure::Vanished { package: (*name).to_owned(), version: package.version.clone() };
        }
        if said.contains("No space left") {
            return ImageFailure::Build { reason: format!("the disk became full while {first} was fetched") };
        }
        ImageFailure::Archive {
            reason: format!("{first} {} did not come: {}", package.version, program::complaint(said.lines())),
        }
    }

    /// Lays packages out as an archive of their own, for a build: the files as they are, and a list with the hashes of the lock.
    ///
    /// The list is not signed, for its maker is this process: each file was held against the hash in the lock, and APT holds it
    /// against the same hash in the list again. What the hashes in the lock rest on is the archive's own signature.
    pub(crate) fn lay_out(
        &self,
        distribution: &str,
        packages: &BTreeMap<String, PinnedPackage>,
        folder: &Path,
    ) -> Result<(), ImageFailure> {
        let mut list = String::new();
        for (name, package) in packages {
            let from = self.path(&package.sha256);
            let file = format!("{name}_{}.deb", package.sha256);
            let to = folder.join(&file);
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).map_err(could_not(format!("copy {} to {}", from.display(), to.display())))?;
            }
            let bytes = fs::metadata(&to).map_err(could_not(format!("look at {}", to.display())))?.len();
            let control = self.control(package)?;
            list.push_str(control.trim_end());
            list.push_str(&format!("\nFilename: ./{file}\nSize: {bytes}\nSHA256: {}\n\n", package.sha256));
        }
        let release = format!(
            "Origin: mailwright\nSuite: {distribution}\nCodename: {distribution}\nSHA256:\n {} {} Packages\n",
            hexadecimal(&Sha256::digest(&list)),
            list.len()
        );
        files::write_lightly(&folder.join("Packages"), list.as_bytes(), 0o644)?;
        files::write_lightly(&folder.join("Release"), release.as_bytes(), 0o644)?;
        Ok(())
    }

    /// Returns what a kept package says of itself.
    fn control(&self, package: &PinnedPackage) -> Result<String, ImageFailure> {
        let kept = self.folder.join(format!("{}.control", package.sha256));
        if let Some(text) = files::read(&kept)?.and_then(|bytes| held(&String::from_utf8_lossy(&bytes))) {
            return Ok(text);
        }
        let said = program::run(Command::new("dpkg-deb").arg("-f").arg(self.path(&package.sha256)))?;
        if !said.well {
            return Err(ImageFailure::Build { reason: said.complaint() });
        }
        let text = format!("{}\n{}", hexadecimal(&Sha256::digest(&said.output)), said.output);
        files::write_lightly(&kept, text.as_bytes(), 0o644)?;
        Ok(said.output)
    }
}

/// Returns a text that is kept below its own hash; nothing where it is another one by now.
fn held(kept: &str) -> Option<String> {
    let (hash, text) = kept.split_once('\n')?;
    (hexadecimal(&Sha256::digest(text)) == hash).then(|| text.to_owned())
}

/// Runs a fetching command, tells how far it is, and returns what it said wrong.
fn watch(mut command: Command, folder: &Path, count: usize, progress: &dyn Progress) -> Result<String, ImageFailure> {
    let mut child = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(could_not("run apt-get"))?;
    let errors = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut errors) = errors {
            // What cannot be read is not told; how it ended says enough.
            let _ = errors.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let status = child.wait();
            let _ = done.send(());
            status
        });
        while ended.recv_timeout(TOLD_EVERY).is_err() {
            let here =
                files::names(folder).map_or(0, |names| names.iter().filter(|name| name.ends_with(".deb")).count());
            progress.tell(&format!("fetched {here} of {count} packages"));
        }
    });
    Ok(reader.join().unwrap_or_default())
}

/// Returns the SHA-256 of a file, in hexadecimal.
pub(crate) fn digest_of(path: &Path) -> Result<String, ImageFailure> {
    let mut file = fs::File::open(path).map_err(could_not(format!("read {}", path.display())))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer).map_err(could_not(format!("read {}", path.display())))?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(hexadecimal(&hash.finalize())),
            Some(bytes) => hash.update(bytes),
        }
    }
}

/// Writes bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    fn pinned(name: &str, version: &str, bytes: &[u8]) -> BTreeMap<String, PinnedPackage> {
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        BTreeMap::from([(name.to_owned(), PinnedPackage { version: version.to_owned(), sha256 })])
    }

    #[test]
    fn what_was_fetched_before_an_interruption_is_taken_over_and_nothing_is_asked_of_the_archive() {
        let cache = tempfile::tempdir().unwrap();
        let debs = Debs::new(cache.path());
        let packages = pinned("redis", "5:7.0", b"whole");
        files::make_folder(&debs.fetching()).unwrap();
        fs::write(debs.fetching().join("redis_5%3a7.0_amd64.deb"), "whole").unwrap();
        debs.have(cache.path(), "no-such-distribution", &packages, &Quiet).unwrap();
        assert_eq!(fs::read(debs.path(&packages["redis"].sha256)).unwrap(), b"whole");
    }

    #[test]
    fn a_kept_package_whose_bytes_changed_is_not_trusted() {
        let cache = tempfile::tempdir().unwrap();
        let debs = Debs::new(cache.path());
        let packages = pinned("redis", "7.0", b"whole");
        let path = debs.path(&packages["redis"].sha256);
        files::make_folder(&debs.folder).unwrap();
        fs::write(&path, "forged").unwrap();
        assert_eq!(debs.lacking(&packages).unwrap().len(), 1);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_lacking_is_told_by_name_and_by_reason() {
        let cache = tempfile::tempdir().unwrap();
        let debs = Debs::new(cache.path());
        let packages = pinned("redis", "7.0", b"whole");
        let lacking = debs.lacking(&packages).unwrap();
        let fetching = debs.fetching();
        files::make_folder(&fetching).unwrap();
        let why = |said: &str| debs.why(&fetching, "redis", &packages["redis"], &lacking, said);
        let gone = why("E: Version '7.0' for 'redis' was not found\n");
        assert!(matches!(&gone, ImageFailure::Vanished { package, .. } if package == "redis"), "{gone}");
        let unreachable = why("E: Failed to fetch http://m/redis.deb\n");
        assert_eq!(
            unreachable.to_string(),
            "the archive's lists of packages could not be read: redis 7.0 did not come: Failed to fetch http://m/redis.deb"
        );
        fs::write(fetching.join("redis_7.0_amd64.deb"), "forged").unwrap();
        let changed = why("");
        assert!(matches!(&changed, ImageFailure::Changed { package, .. } if package == "redis"), "{changed}");
        assert!(changed.is_finding() && changed.help().contains("image lock"));
    }
}
