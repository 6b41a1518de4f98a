//! The files of a commit that are something to a specification.

use std::path::Path;
use std::time::Duration;

use super::program::{Answer, Call};
use crate::repository::Kind;

/// Bytes that the list of a commit's files may have: some hundred thousand of them.
const LONGEST_LIST: u64 = 64 * 1024 * 1024;
/// Bytes that all files of a commit may have together.
const LARGEST_CONTENT: u64 = 2 * 1024 * 1024 * 1024;
/// How long git may take to read what lies on this machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file of a commit.
pub(crate) struct Blob {
    /// What it is to the specification.
    pub(crate) kind: Kind,
    /// Its path, relative to the folder that was asked about.
    pub(crate) path: String,
    /// Its bytes, as many as the kind takes.
    pub(crate) bytes: Vec<u8>,
}

/// What a commit holds.
pub(crate) struct Tree {
    /// The files that are something to a specification, in the order of their paths.
    pub(crate) blobs: Vec<Blob>,
    /// What was passed over, as `PATH is a symbolic link`.
    pub(crate) passed_over: Vec<String>,
}

/// Why a commit could not be read.
pub(crate) enum Trouble {
    /// Git does not have it, or does not want to show it.
    Refused(String),
    /// It holds more than is read.
    TooLarge(String),
    /// Git could not be called.
    Call(std::io::Error),
}

/// Reads a commit's files.
///
/// - `place`: puts the path that git names below the repository, such as behind `resellers/acme/`.
pub(crate) fn read(folder: &Path, bare: bool, commit: &str, place: impl Fn(&str) -> String) -> Result<Tree, Trouble> {
    let ask = |arguments: &[&str], input: Option<&str>, limit: u64| match (Call {
        folder,
        bare,
        arguments,
        input,
        limit,
        patience: PATIENCE,
    })
    .run()
    {
        Ok(Answer::Done(out)) => Ok(out),
        Ok(Answer::Refused(said)) => Err(Trouble::Refused(said)),
        Ok(Answer::TooMuch) => Err(Trouble::TooLarge("the commit has too many files".to_owned())),
        Err(error) => Err(Trouble::Call(error)),
    };
    let mut list = vec!["ls-tree", "-r", "-z", "-l", commit];
    if !bare {
        list.push(".");
    }
    let listed = ask(&list, None, LONGEST_LIST)?;
    let mut tree = Tree { blobs: Vec::new(), passed_over: Vec::new() };
    let mut wanted = Vec::new();
    let mut request = String::new();
    let mut bytes: u64 = 0;
    for entry in String::from_utf8_lossy(&listed).split('\0') {
        let Some((head, path)) = entry.split_once('\t') else { continue };
        let path = place(path);
        let words: Vec<&str> = head.split_whitespace().collect();
        // Links are passed over as they are on disk, and so are repositories inside this one.
        let (object, size) = match *words.as_slice() {
            ["120000", ..] => {
                tree.passed_over.push(format!("{path} is a symbolic link"));
                continue;
            }
            ["160000", ..] => {
                tree.passed_over.push(format!("{path} is another repository"));
                continue;
            }
            [_, "blob", object, size] => (object, size),
            _ => continue,
        };
        let Some(kind) = Kind::of(&path) else { continue };
        match size.parse::<u64>() {
            Ok(size) if size < kind.limit() => {
                bytes = bytes.saturating_add(size);
                request.push_str(object);
                request.push('\n');
                wanted.push((kind, path));
            }
            _ => match kind {
                // Too large to be read, which the reader tells by itself when it is given one byte too many.
                Kind::Source(_) => {
                    let bytes = vec![b' '; usize::try_from(kind.limit()).unwrap_or(usize::MAX)];
                    tree.blobs.push(Blob { kind, path, bytes });
                }
                Kind::Asset => tree.passed_over.push(format!("{path} is larger than an asset may be")),
            },
        }
    }
    if bytes > LARGEST_CONTENT {
        return Err(Trouble::TooLarge("the commit's files have more than 2 GiB together".to_owned()));
    }
    if wanted.is_empty() {
        return Ok(tree);
    }
    let contents = ask(&["cat-file", "--batch"], Some(&request), LARGEST_CONTENT.saturating_mul(2))?;
    let mut rest = contents.as_slice();
    for (kind, path) in wanted {
        let bytes =
            next_object(&mut rest).ok_or_else(|| Trouble::Refused(format!("git gave no content for {path}")))?;
        tree.blobs.push(Blob { kind, path, bytes });
    }
    Ok(tree)
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
