//! What an image says of itself. The SHA-256 of its text is the image's digest, so nothing in it depends on when, where or by whom
//! it was built.

use std::collections::BTreeMap;

use blueprint::lock::PinnedPackage;
use serde::{Deserialize, Serialize};

/// The version of the form.
pub(crate) const VERSION: u32 = 1;

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the form.
    pub version: u32,
    /// The distribution's name, such as `bookworm`.
    pub distribution: String,
    /// What the kernel calls itself, such as `6.1.0-56-cloud-amd64`.
    pub kernel: String,
    /// The tree of the root as a tar, unpacked: `root.tar.zst` gives exactly these bytes.
    pub tree: Part,
    /// The other parts, by the name of their file.
    pub parts: BTreeMap<String, Part>,
    /// Programs that had a part in the bytes, with their versions: another version may give other ones.
    pub tools: BTreeMap<String, String>,
    /// The packages it was built of; the kernel among them is not installed in the root.
    pub packages: BTreeMap<String, PinnedPackage>,
}

/// A part of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Returns the manifest as it is written.
    pub fn text(&self) -> String {
        // Names and numbers only: there is nothing in it that JSON could not write.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
