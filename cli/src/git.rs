//! Reads a specification repository as it was at a revision of its git history, by asking the `git` program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use spec::Sources;

use crate::failure::Failure;
use crate::repository::{Found, Kind};

/// Returns the repository's sources at a revision.
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
        ask(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted], None)?.ok_or_else(unknown)?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let tree = ask(folder, &["ls-tree", "-r", "-z", "-l", &commit, "."], None)?.ok_or_else(unknown)?;
    let mut wanted = Vec::new();
    let mut request = String::new();
    for entry in String::from_utf8_lossy(&tree).split('\0') {
        let Some((head, path)) = entry.split_once('\t') else { continue };
        let words: Vec<&str> = head.split_whitespace().collect();
        let &[mode, "blob", object, size] = words.as_slice() else { continue };
        // A symbolic link is passed over, as it is on disk.
        if mode == "120000" {
            continue;
        }
        let Some(kind) = Kind::of(path) else { continue };
        if size.parse::<u64>().is_ok_and(|size| size < kind.limit()) {
            request.push_str(object);
            request.push('\n');
            wanted.push((kind, path.to_owned()));
        }
    }
    let contents = ask(folder, &["cat-file", "--batch"], Some(&request))?.ok_or_else(unknown)?;
    let mut rest = contents.as_slice();
    let mut found = Found::default();
    for (kind, path) in wanted {
        let bytes = next_object(&mut rest)
            .ok_or_else(|| Failure::failed(format!("git gave no content for {path} at {revision}")))?;
        found.add(kind, path, bytes);
    }
    found.into_sources().ok_or_else(|| {
        Failure::usage(format!("{} holds no specification at {revision}", folder.display()))
            .help("name a revision that has a platform.kdl")
    })
}

/// Takes one `OBJECT blob SIZE\nBYTES\n` off the front.
fn next_object(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let line = rest.iter().position(|&byte| byte == b'\n')?;
    let head = std::str::from_utf8(rest.get(..line)?).ok()?;
    let size: usize = head.rsplit(' ').next()?.parse().ok()?;
    let begin = line.checked_add(1)?;
    let end = begin.checked_add(size)?;
    let bytes = rest.get(begin..end)?.to_vec();
    *rest = rest.get(end.checked_add(1)?..)?;
    Some(bytes)
}

/// Returns what git printed, or nothing when it refused.
fn ask(folder: &Path, arguments: &[&str], input: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::failed(format!("git could not be asked about {}", folder.display()))
            .cause(error)
            .help("compare folders with --from-folder where there is no git repository, or no git")
    };
    let mut child = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        // Set where git itself calls, as in a hook; the repository is the one that was named.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    // Written beside the reading, so that neither side waits for the other with a full pipe.
    let writer = child.stdin.take().zip(input.map(str::to_owned)).map(|(mut pipe, text)| {
        std::thread::spawn(move || {
            // Git ending early shows in its exit code.
            let _ = pipe.write_all(text.as_bytes());
        })
    });
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    // Not knowing a revision is told by the exit code alone; what git says is something else.
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim() {
        "" => Ok(None),
        said => Err(failed(&std::io::Error::other(said.to_owned()))),
    }
}
