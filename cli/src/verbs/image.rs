//! `mailwright image`: the image that serves every environment, from its lock to its signature.

mod build;
mod diff;
mod lock;
mod show;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use blueprint::lock::PinnedPackage;
use clap::Subcommand;
use images::{Image, ImageFailure, Request, Store};

use super::compiled::{self, say};
use super::up;
use crate::failure::{Exit, Failure};
use crate::folders;
use crate::repository::{self, Repository};

/// Pin, build, look into and check the image that serves every environment.
///
/// One image per release, the same to the bit on every build: what a node is comes on a small disk of its own.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  mailwright image lock\n  mailwright image build\n  mailwright image verify 0fa94d"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked of images.
#[derive(Subcommand)]
enum Verb {
    /// Pin every package of the image, with version and hash, in mailwright.lock.
    Lock(lock::Arguments),
    /// Build the image of mailwright.lock, or take the one that is there.
    Build(build::Arguments),
    /// Tell what is in an image.
    Show(show::Arguments),
    /// Tell how two images differ.
    Diff(diff::Arguments),
    /// Hold every byte of an image against its digest and signature.
    Verify(verify::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::Lock(arguments) => lock::run(arguments),
        Verb::Build(arguments) => build::run(arguments),
        Verb::Show(arguments) => show::run(arguments),
        Verb::Diff(arguments) => diff::run(arguments),
        Verb::Verify(arguments) => verify::run(arguments),
    }
}

/// A repository's platform, as its image sees it.
pub(super) struct Platform {
    /// The repository.
    pub(super) repository: Repository,
    /// The distribution's name.
    pub(super) distribution: String,
    /// The packages that the nodes of all environments take.
    pub(super) packages: BTreeSet<String>,
}

impl Platform {
    /// Reads a repository, and what every environment of it takes: one image serves all of them.
    ///
    /// - `environment`: the one whose distribution counts; others on another distribution have an image of their own.
    pub(super) fn read(path: &Path, environment: Option<&str>) -> Result<Self, Failure> {
        let repository = repository::read(path)?;
        let all = compiled::compile_all(&repository.sources, environment)?;
        let distribution = all.chosen.blueprint.release.distribution.clone();
        let packages = [&all.chosen]
            .into_iter()
            .chain(&all.others)
            .filter(|output| output.blueprint.release.distribution == distribution)
            .flat_map(|output| environments::packages(&compiler::render(output, &repository.sources)))
            .collect();
        Ok(Self { repository, distribution, packages })
    }

    /// Returns what the repository's lock pins for the distribution.
    pub(super) fn pinned(&self) -> Result<BTreeMap<String, PinnedPackage>, Failure> {
        up::pinned_packages(&self.repository, &self.distribution)
    }
}

/// Pins every package of a platform's image in its repository's lock.
pub(super) fn lock(platform: &Platform, quiet: bool) -> Result<(), Failure> {
    lock::pin(platform, quiet).map(|_| ())
}

/// Tells a failure of images as a verb ends: what an image is not is a finding, what the machine cannot do is not.
pub(super) fn failed(failure: &ImageFailure) -> Failure {
    let exit = if failure.is_finding() { Exit::Problems } else { Exit::Environment };
    let mut told = Failure::failed(failure.to_string()).help(failure.help());
    if let Some(cause) = std::error::Error::source(failure) {
        told = told.cause(cause);
    }
    told.exit = exit;
    told
}

/// Tells on stderr what is being done.
pub(super) struct Told {
    pub(super) quiet: bool,
}

impl images::Progress for Told {
    fn tell(&self, what: &str) {
        say(self.quiet, &format!("  {what}"));
    }
}

/// Returns the image that a repository's lock stands for, built or not.
pub(super) fn request<'a>(
    cache: &'a Path,
    distribution: &'a str,
    packages: &'a BTreeMap<String, PinnedPackage>,
) -> Request<'a> {
    Request { cache, distribution, packages }
}

/// An image that was built.
#[derive(clap::Args)]
pub(super) struct Named {
    /// The image: its digest or the beginning of it, or its folder.
    image: String,
}

impl Named {
    pub(super) fn find(&self) -> Result<Image, Failure> {
        named(&self.image)
    }
}

/// Returns the image of a digest, or in a folder that is named by its digest.
pub(super) fn named(image: &str) -> Result<Image, Failure> {
    let folder = Path::new(image);
    if image.contains('/') && folder.is_dir() {
        let folder = std::fs::canonicalize(folder)?;
        let digest = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Image { digest, folder });
    }
    Store::new(&up::cache()?).need(image).map_err(|failure| failed(&failure))
}

/// Returns the file of the key that signs images.
pub(super) fn key(named: Option<&Path>) -> Result<PathBuf, Failure> {
    Ok(match named {
        Some(path) => path.to_owned(),
        None => folders::state()?.join("image.key"),
    })
}

/// Where the image's repository is.
#[derive(clap::Args)]
pub(super) struct Of {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment whose distribution counts; `dev` when it is not named. The image serves all of them.
    #[arg(long)]
    env: Option<String>,
}

impl Of {
    pub(super) fn platform(&self) -> Result<Platform, Failure> {
        Platform::read(&self.repository, self.env.as_deref())
    }
}
