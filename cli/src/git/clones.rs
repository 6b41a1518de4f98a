//! Bare clones of resellers' repositories in the cache: one for each place and branch, so that all that is in one was on that branch.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use values::{GitBranch, GitLocation, GitRevision};

use super::program::{Answer, Call};
use super::tree::{self, Tree, Trouble};

/// How long a server may take to hand a branch over.
const FETCH_PATIENCE: Duration = Duration::from_secs(300);
/// How long git may take for what lies on this machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the branch's newest revision stands in a clone.
const NEWEST: &str = "refs/mailwright/newest";

/// A clone of one branch.
pub(crate) struct Clone {
    folder: PathBuf,
    source: String,
    branch: String,
}

impl Clone {
    /// Names the clone of a branch; nothing is made or fetched yet.
    ///
    /// - `cache`: the folder that clones are kept in.
    /// - `specification`: the folder that a relative path begins at.
    pub(crate) fn of(cache: &Path, specification: &Path, location: &GitLocation, branch: &GitBranch) -> Self {
        let source = match location.is_relative_path() {
            true => specification.join(location.as_str()).to_string_lossy().into_owned(),
            false => location.as_str().to_owned(),
        };
        let digest = Sha256::digest(format!("{source}\0{branch}"));
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { folder: cache.join(format!("{name}.git")), source, branch: branch.as_str().to_owned() }
    }

    /// Returns the files of a revision, as far as the clone has it.
    ///
    /// - `below`: the folder of the specification that they are put into, with a `/` at its end.
    pub(crate) fn read(&self, revision: &GitRevision, below: &str) -> Result<Tree, Trouble> {
        if !self.folder.is_dir() {
            return Err(Trouble::Refused(String::new()));
        }
        tree::read(&self.folder, true, &format!("{revision}^{{commit}}"), |path| format!("{below}{path}"))
    }

    /// Fetches the branch and returns its newest revision, or why it could not be had.
    pub(crate) fn fetch(&self) -> Result<GitRevision, String> {
        fs::create_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        if !self.folder.join("HEAD").is_file() {
            self.ask(&["init", "--quiet", "--bare"], PATIENCE)?;
        }
        let what = format!("+refs/heads/{}:{NEWEST}", self.branch);
        let fetch = [
            // What a server sends is looked over before it is kept; nothing in a clone of ours is ever run or thrown away.
            "-c",
            "fetch.fsckObjects=true",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
            "-c",
            "maintenance.auto=false",
            "-c",
            "http.lowSpeedLimit=100",
            "-c",
            "http.lowSpeedTime=60",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--end-of-options",
            &self.source,
            &what,
        ];
        self.ask(&fetch, FETCH_PATIENCE)?;
        let newest = self.ask(&["rev-parse", "--verify", "--quiet", &format!("{NEWEST}^{{commit}}")], PATIENCE)?;
        newest.trim().parse().map_err(|_| format!("the branch {} is no commit", self.branch))
    }

    /// Tells whether a revision is the branch's newest or one before it.
    pub(crate) fn is_on_branch(&self, revision: &GitRevision) -> bool {
        self.ask(&["merge-base", "--is-ancestor", revision.as_str(), NEWEST], PATIENCE).is_ok()
    }

    fn ask(&self, arguments: &[&str], patience: Duration) -> Result<String, String> {
        let call = Call { folder: &self.folder, bare: true, arguments, input: None, limit: 1024 * 1024, patience };
        match call.run() {
            Ok(Answer::Done(out)) => Ok(String::from_utf8_lossy(&out).into_owned()),
            Ok(Answer::Refused(said)) => Err(said),
            Ok(Answer::TooMuch) => Err("git says more than is read".to_owned()),
            Err(error) => Err(format!("git could not be started: {error}")),
        }
    }
}
