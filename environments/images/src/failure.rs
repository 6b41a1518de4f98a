//! Why there is no image, and what to do about it.

use std::path::PathBuf;

use crate::files::FileFailure;

/// What failed while an image was locked, built, checked or exported.
#[derive(Debug, thiserror::Error)]
pub enum ImageFailure {
    /// A program that this takes is not installed.
    #[error("{purpose} takes `{program}`, which is not installed")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package it is in.
        package: &'static str,
        /// What it is taken for.
        purpose: &'static str,
    },
    /// The disk has no room.
    #[error("there is no room in {}: it takes {needed} MiB, and {free} MiB are free", folder.display())]
    Full {
        /// Where room is lacking.
        folder: PathBuf,
        /// MiB it takes.
        needed: u64,
        /// MiB there are.
        free: u64,
    },
    /// This machine names no package sources that could be taken.
    #[error("this machine has no package sources of Debian in /etc/apt")]
    NoSources,
    /// The archive's lists could not be read, or their signature does not hold.
    #[error("the archive's lists of packages could not be read: {reason}")]
    Archive {
        /// What APT said.
        reason: String,
    },
    /// The archive does not have what is asked for.
    #[error("the archive of {distribution} does not have what the platform takes: {reason}")]
    Unresolved {
        /// The distribution's name.
        distribution: String,
        /// What APT said.
        reason: String,
    },
    /// A pinned package is neither in the archive any more nor kept here.
    #[error("{package} {version} is pinned, is not in the archive any more, and was not kept on this machine")]
    Vanished {
        /// The package.
        package: String,
        /// The version that is pinned.
        version: String,
    },
    /// The archive has other bytes under a pinned version.
    #[error("{package} {version} is pinned with the hash {pinned}, and the archive has {found}")]
    Changed {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The SHA-256 in the lock.
        pinned: String,
        /// The SHA-256 of what the archive gave.
        found: String,
    },
    /// The lock does not have every package that the platform takes.
    #[error("mailwright.lock pins nothing for {}", packages.join(", "))]
    Unlocked {
        /// What is lacking.
        packages: Vec<String>,
    },
    /// A tool that builds ended badly.
    #[error("the image could not be built: {reason}")]
    Build {
        /// What it said last.
        reason: String,
    },
    /// What was built is not what was pinned.
    #[error("{package} was pinned as {pinned} and would be {found}")]
    Pinned {
        /// The package.
        package: String,
        /// Version in the lock.
        pinned: String,
        /// Version that was built.
        found: String,
    },
    /// There is no such image.
    #[error("there is no image {digest}")]
    Unknown {
        /// What was asked for.
        digest: String,
    },
    /// A part of an image is not what its manifest says.
    #[error("{part} of image {digest} {why}")]
    Damaged {
        /// The image's digest.
        digest: String,
        /// The part's file.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// A signature does not hold, or a key cannot be read.
    #[error("{what}")]
    Signature {
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// A form of image cannot be made.
    #[error("the image could not be written as {format}: {reason}")]
    Export {
        /// The form.
        format: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// A program could not be run, or the system refused something.
    #[error("could not {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl ImageFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Missing { package, .. } => format!("install it: apt-get install {package}"),
            Self::Full { folder, .. } => {
                format!("make room in {}: mailwright cache prune; or set XDG_CACHE_HOME to another disk", folder.display())
            }
            Self::NoSources => "write a source of Debian's packages to /etc/apt/sources.list.d".to_owned(),
            Self::Archive { .. } => "see that `apt-get update` works on this machine; nothing was changed".to_owned(),
            Self::Unresolved { .. } => {
                "see that /etc/apt has all sources of the distribution, and that it has this package at all".to_owned()
            }
            Self::Vanished { package, .. } => {
                format!("pin what the archive has now: mailwright image lock; or copy the cache of a machine that kept {package}")
            }
            Self::Changed { .. } => {
                "ask whoever runs the archive why it changed; if it is to be trusted, pin it anew: mailwright image lock"
                    .to_owned()
            }
            Self::Unlocked { .. } => "pin what the platform takes: mailwright image lock".to_owned(),
            Self::Build { .. } => {
                "nothing half-made was kept, and what was fetched stays; build again when this is mended".to_owned()
            }
            Self::Pinned { .. } => "pin anew what the archive has now: mailwright image lock".to_owned(),
            Self::Unknown { .. } => "see which there are: mailwright cache list; or build it: mailwright image build".to_owned(),
            Self::Damaged { .. } => "build it again from its lock, which gives the same digest: mailwright image build".to_owned(),
            Self::Signature { help, .. } => help.clone(),
            Self::Export { .. } => "nothing half-written was kept; look after the folder it is to be written to".to_owned(),
            Self::System { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room: mailwright cache prune; nothing half-made was kept".to_owned()
            }
            Self::System { .. } => "look after the cache folder and the user's rights on it".to_owned(),
            Self::File(failure) => failure.help(),
        }
    }

    /// Tells whether it is the image that is not what it should be, and not the machine that could not do something.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Signature { .. } | Self::Changed { .. } | Self::Pinned { .. })
    }
}

/// Returns a closure that says what could not be done.
pub(crate) fn could_not(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ImageFailure {
    let what = what.into();
    move |source| ImageFailure::System { what, source }
}
