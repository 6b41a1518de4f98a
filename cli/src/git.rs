//! Reads a specification repository as it was at a revision of its git history, by asking the `git` program.

pub(crate) mod clones;
mod program;
pub(crate) mod tree;

use std::path::Path;
use std::time::Duration;

use blueprint::lock;
use spec::Sources;

use crate::failure::Failure;
use crate::pins::{self, Reach};
use crate::repository::{Found, NOTHING_THERE};
use program::{Answer, Call};
use tree::Trouble;

/// How long git may take to name a commit.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a lock may have.
const LARGEST_LOCK: u64 = 16 * 1024 * 1024;

/// Returns the repository's sources at a revision, with the resellers' revisions that were pinned then.
///
/// - `folder`: the canonical path of the specification repository; it may be a folder inside a git work tree.
/// - `revision`: whatever `git rev-parse` takes for a commit, such as `origin/main`.
pub(crate) fn read(folder: &Path, revision: &str) -> Result<Sources, Failure> {
    let unknown = || {
        Failure::usage(format!("git knows no revision `{revision}` of {}", folder.display()))
            .help("name a commit, a branch or a tag; a shallow clone may have to fetch it first")
    };
    let wanted = format!("{revision}^{{commit}}");
    let commit =
        ask(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?.ok_or_else(unknown)?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let tree = tree::read(folder, false, &commit, str::to_owned).map_err(|trouble| match trouble {
        Trouble::Refused(said) if said.is_empty() => unknown(),
        Trouble::Refused(said) => failed(folder, &std::io::Error::other(said)),
        Trouble::TooLarge(what) => Failure::usage(format!("{revision} is too large: {what}"))
            .help("compare with a folder that holds the specification alone, with --from-folder"),
        Trouble::Call(error) => failed(folder, &error),
    })?;
    let mut found = Found::default();
    for blob in tree.blobs {
        found.add(blob.kind, blob.path, blob.bytes);
    }
    // Git refuses in words where the revision has no lock.
    let lock = ask(folder, &["cat-file", "blob", &format!("{commit}:./{}", lock::FILE)]).ok().flatten();
    pins::join(found, folder, lock.as_deref(), Reach::Fetch).ok_or_else(|| {
        Failure::usage(format!("{} {NOTHING_THERE} at {revision}", folder.display()))
            .help("name a revision that has a platform.kdl")
    })
}

fn failed(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("git could not be asked about {}", folder.display()))
        .cause(error)
        .help("compare folders with --from-folder where there is no git repository, or no git")
}

/// Returns what git printed, or nothing when it refused without a word.
fn ask(folder: &Path, arguments: &[&str]) -> Result<Option<Vec<u8>>, Failure> {
    let call = Call { folder, bare: false, arguments, input: None, limit: LARGEST_LOCK, patience: PATIENCE };
    match call.run().map_err(|error| failed(folder, &error))? {
        Answer::Done(out) => Ok(Some(out)),
        Answer::TooMuch => Ok(None),
        // Not knowing a revision is told by the exit code alone; what git says is something else.
        Answer::Refused(said) if said.is_empty() => Ok(None),
        Answer::Refused(said) if said.contains("not a git repository") => {
            Err(Failure::usage(format!("{} is in no git repository", folder.display()))
                .help("compare with another folder: --from-folder FOLDER"))
        }
        Answer::Refused(said) => Err(failed(folder, &std::io::Error::other(said))),
    }
}
