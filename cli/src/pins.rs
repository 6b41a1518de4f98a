//! What the lock adds to a repository: revisions of resellers' own git repositories in the place of their folders, and the domains
//! whose record in DNS was found.

use std::collections::BTreeMap;
use std::path::Path;

use blueprint::lock::{self, Lock, PinnedReseller};
use spec::{FileId, Problem, Proven, SourceFile, Sources, Span};
use values::{GitBranch, GitLocation, GitRevision, Name};

use crate::folders;
use crate::git::clones::Clone as BareClone;
use crate::git::tree::{Tree, Trouble};
use crate::repository::Found;

/// How far away a pinned revision may be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only in the cache.
    Cache,
    /// In its repository, too, where the cache does not have it.
    Fetch,
}

/// A reseller whose contract names a repository.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    /// The reseller.
    pub(crate) name: Name,
    /// Where its repository is.
    pub(crate) location: GitLocation,
    /// The branch that is followed.
    pub(crate) branch: GitBranch,
    /// The file that says so.
    file: String,
    /// Where in the file.
    start: u32,
    end: u32,
}

impl Declared {
    /// Returns the cached clone of its branch.
    pub(crate) fn clone_in(&self, cache: &Path, specification: &Path) -> BareClone {
        BareClone::of(cache, specification, &self.location, &self.branch)
    }

    /// Returns the folder that its files are read as, with a `/` at its end.
    pub(crate) fn folder(&self) -> String {
        format!("resellers/{}/", self.name)
    }

    /// Returns where the operator names the repository.
    pub(crate) fn place(&self, sources: &Sources) -> (FileId, u32, u32) {
        sources.find(&self.file).map_or((FileId(0), 0, 0), |file| (file, self.start, self.end))
    }

    /// Tells whether a pin is one of this repository and branch.
    pub(crate) fn is_pinned_by(&self, pin: &PinnedReseller) -> bool {
        pin.repository == self.location && pin.branch == self.branch
    }
}

/// Returns the resellers whose contracts name a repository, sorted by name.
pub(crate) fn declared(found: &Found) -> Vec<Declared> {
    // Hardly any platform has some, and then nothing is read twice.
    if !found.operators().any(says_repository) {
        return Vec::new();
    }
    let sources = Sources::new(found.operators().cloned().collect(), Vec::new());
    let parsed = spec::parse(&sources);
    let mut declared: Vec<Declared> = Vec::new();
    for contract in parsed.spec.platforms.iter().flat_map(|platform| &platform.contracts) {
        let Some(repository) = &contract.repository else { continue };
        if contract.reseller.is_hole() || repository.location.is_hole() || repository.branch.is_hole() {
            continue;
        }
        let Some(file) = sources.file(repository.span.file) else { continue };
        declared.push(Declared {
            name: contract.reseller.value.clone(),
            location: repository.location.value.clone(),
            branch: repository.branch.value.clone(),
            file: file.path.clone(),
            start: repository.span.start,
            end: repository.span.end,
        });
    }
    declared.sort_by(|a, b| a.name.cmp(&b.name));
    declared.dedup_by(|a, b| a.name == b.name);
    declared
}

/// Tells whether a contract in a file may name a repository.
pub(crate) fn says_repository(file: &SourceFile) -> bool {
    file.bytes.windows(10).any(|bytes| bytes == b"repository")
}

/// Puts the files of pinned revisions in the place of the folders, and adds which domains are proven; what cannot be had is a problem
/// at the operator's line.
///
/// - `specification`: the folder of the specification.
/// - `lock`: the bytes of its lock, where it has one.
/// - Returns: nothing where there is no text at all.
pub(crate) fn join(mut found: Found, specification: &Path, lock: Option<&[u8]>, reach: Reach) -> Option<Sources> {
    let declared = declared(&found);
    let lock = lock.map(Lock::parse).transpose();
    if declared.is_empty() {
        let sources = found.into_sources()?;
        return Some(match lock {
            Ok(lock) => with_proven(sources, lock),
            Err(error) => told_of_lock(sources, &error),
        });
    }
    let mut told: Vec<(&Declared, Problem, Option<String>)> = Vec::new();
    for reseller in &declared {
        if let Some(first) = found.take_reseller(reseller.name.as_str()) {
            told.push((reseller, folder_too(reseller), Some(first)));
        }
        let pinned = match &lock {
            Ok(lock) => lock.as_ref().and_then(|lock| lock.resellers.get(&reseller.name)),
            Err(error) => {
                told.push((reseller, unreadable(error), None));
                continue;
            }
        };
        match pinned_tree(reseller, pinned, specification, reach) {
            Ok(tree) => add(&mut found, tree),
            Err(problem) => told.push((reseller, *problem, None)),
        }
    }
    let sources = found.into_sources()?;
    let problems = told
        .into_iter()
        .filter_map(|(reseller, mut problem, other)| {
            let file = sources.find(&reseller.file)?;
            problem.span = Span { file, start: reseller.start, end: reseller.end };
            // A file that was left out has no place; its name stands in the message.
            if let Some(other) = other {
                problem.message = format!("{}, such as {other}", problem.message);
            }
            Some(problem)
        })
        .collect();
    Some(with_proven(sources.with_problems(problems), lock.ok().flatten()))
}

fn with_proven(sources: Sources, lock: Option<Lock>) -> Sources {
    let domains = lock.map_or(BTreeMap::new(), |lock| lock.domains);
    let proven = |(name, domain): (_, lock::ProvenDomain)| (name, Proven { reseller: domain.reseller, on: domain.on });
    sources.with_proven(domains.into_iter().map(proven).collect())
}

/// Tells of a lock that cannot be read where no line of the operator leads to it: at the top of the first file.
fn told_of_lock(sources: Sources, error: &lock::LockError) -> Sources {
    let first = sources.files().find(|(_, file)| file.trust == spec::Trust::Operator).map(|(id, _)| id);
    let mut problem = unreadable(error);
    problem.span.file = first.unwrap_or(FileId(0));
    sources.with_problems(vec![problem])
}

/// Adds the files of a revision.
pub(crate) fn add(found: &mut Found, tree: Tree) {
    for blob in tree.blobs {
        found.add(blob.kind, blob.path, blob.bytes);
    }
}

fn pinned_tree(
    reseller: &Declared,
    pin: Option<&PinnedReseller>,
    specification: &Path,
    reach: Reach,
) -> Result<Tree, Box<Problem>> {
    let name = &reseller.name;
    let update = format!("take one that has no problems with: mailwright reseller update {name}");
    let problem = |code: &'static str, message: String, help: &str| Box::new(error(code, message).help(help));
    let Some(pin) = pin else {
        let message =
            format!("the specification of {name} comes from this repository, and no revision of it is pinned");
        return Err(problem("lock::not-pinned", message, &update));
    };
    if !reseller.is_pinned_by(pin) {
        let message = format!(
            "the lock pins {name} from branch {} of {}, and the contract names another one",
            pin.branch, pin.repository
        );
        return Err(problem("lock::other-repository", message, &update));
    }
    let Some(cache) = clones() else {
        let message = "neither XDG_CACHE_HOME nor HOME names a folder to keep clones in".to_owned();
        return Err(problem("lock::unreachable", message, "set XDG_CACHE_HOME to an absolute path"));
    };
    let clone = reseller.clone_in(&cache, specification);
    let revision = &pin.revision;
    let read = || match clone.read(revision, &reseller.folder()) {
        Ok(tree) => Ok(Some(tree)),
        Err(Trouble::Refused(_)) => Ok(None),
        Err(trouble) => Err(trouble_with(reseller, revision, trouble)),
    };
    if let Some(tree) = read()? {
        return Ok(tree);
    }
    let again = format!("see why with: git ls-remote {} {}; then check again", reseller.location, reseller.branch);
    if reach == Reach::Cache {
        let message = format!("the pinned revision {} of {name} was not fetched yet", revision.short());
        return Err(problem("lock::unreachable", message, "fetch it with: mailwright check"));
    }
    if let Err(why) = clone.fetch() {
        let message = format!(
            "the pinned revision {} of {name} is not in the cache, and its repository cannot be fetched: {why}",
            revision.short()
        );
        return Err(problem("lock::unreachable", message, &again));
    }
    read()?.ok_or_else(|| {
        let message =
            format!("the pinned revision {} of {name} is not on branch {} any more", revision.short(), reseller.branch);
        let help = format!("take a newer one with: mailwright reseller update {name}; or ask {name} to bring it back");
        problem("lock::revision-gone", message, &help)
    })
}

/// Returns the folder that clones are kept in.
pub(crate) fn clones() -> Option<std::path::PathBuf> {
    folders::cache().map(|cache| cache.join("repositories"))
}

fn error(code: &'static str, message: impl Into<String>) -> Problem {
    // The place is put in when all files are known.
    Problem::error(code, Span { file: FileId(0), start: 0, end: 0 }, message)
}

fn folder_too(reseller: &Declared) -> Problem {
    let name = &reseller.name;
    error(
        "lock::folder-too",
        format!(
            "the specification of {name} comes from this repository, and the folder resellers/{name} holds files too"
        ),
    )
    .label("the files in the folder are not read")
    .help(format!("remove the folder resellers/{name}, or this line"))
}

fn unreadable(why: &lock::LockError) -> Problem {
    error("lock::unreadable", why.to_string()).label("which revisions are taken and which domains are proven stands in the lock").help(
        "bring it back with: git checkout -- mailwright.lock; or remove it, and pin and prove anew with: mailwright reseller update, \
         mailwright reseller prove",
    )
}

fn trouble_with(reseller: &Declared, revision: &GitRevision, trouble: Trouble) -> Box<Problem> {
    let name = &reseller.name;
    let (code, why, help) = match trouble {
        Trouble::Refused(said) => ("lock::unreachable", said, "see that the cache of mailwright can be read"),
        Trouble::TooLarge(what) => ("lock::too-large", what, "let the reseller keep its specification alone in it"),
        Trouble::Call(error) => {
            ("lock::unreachable", format!("git could not be called: {error}"), "install git and check again")
        }
    };
    Box::new(
        error(code, format!("the pinned revision {} of {name} cannot be read: {why}", revision.short())).help(help),
    )
}
