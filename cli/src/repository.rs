//! Reads a specification repository from disk: its texts, its assets, and whom each file is to be trusted as.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use spec::{Asset, SourceFile, Sources, Trust};

use crate::failure::Failure;

/// Files larger than this are refused by the reader anyway; one byte more is enough to say so.
const LARGEST_SOURCE: u64 = 16 * 1024 * 1024 + 1;
/// An asset is a logo or a letter; more than this is not kept in memory.
const LARGEST_ASSET: u64 = 1024 * 1024;
/// Folders deeper than this are not looked into.
const DEEPEST_FOLDER: usize = 12;

/// A repository as it was found.
pub(crate) struct Repository {
    /// Its canonical path.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) sources: Sources,
}

/// Reads the repository at a path.
///
/// Symbolic links, devices and pipes are passed over, so that no file from outside the repository is ever read as its own.
pub(crate) fn read(path: &Path) -> Result<Repository, Failure> {
    let canonical = fs::canonicalize(path).map_err(|error| {
        Failure::usage(format!("there is no specification repository at {}", path.display()))
            .cause(&error)
            .help("name a folder that holds platform.kdl, or try the built-in example: mailwright try")
    })?;
    if !canonical.is_dir() {
        return Err(Failure::usage(format!("{} is not a folder", path.display()))
            .help("name the folder that holds platform.kdl"));
    }
    let mut found = Found { files: Vec::new(), assets: Vec::new() };
    walk(&canonical, "", 0, &mut found)?;
    if found.files.is_empty() {
        return Err(Failure::usage(format!("{} holds no specification", path.display()))
            .help("a repository has a platform.kdl, resellers/NAME/*.kdl and environments/*.kdl"));
    }
    Ok(Repository { path: canonical, sources: Sources::new(found.files, found.assets) })
}

struct Found {
    files: Vec<SourceFile>,
    assets: Vec<Asset>,
}

fn walk(root: &Path, below: &str, depth: usize, found: &mut Found) -> Result<(), Failure> {
    let folder = root.join(below);
    let unreadable = |error: &std::io::Error| Failure::failed(format!("could not read {}", folder.display())).cause(error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let kind = entry.file_type().map_err(|error| unreadable(&error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        entries.push((name, kind));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries {
        if name.starts_with('.') || name == "target" && below.is_empty() {
            continue;
        }
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if kind.is_dir() {
            if depth < DEEPEST_FOLDER && belongs(&path) {
                walk(root, &path, depth + 1, found)?;
            }
        } else if kind.is_file() {
            read_one(root, path, found)?;
        }
    }
    Ok(())
}

/// At the top only the folders the language knows are looked into: a repository may hold other things beside them.
fn belongs(path: &str) -> bool {
    path.contains('/') || matches!(path, "resellers" | "environments" | "scenarios" | "assets")
}

fn read_one(root: &Path, path: String, found: &mut Found) -> Result<(), Failure> {
    let is_source = [".kdl", ".yaml", ".yml"].iter().any(|ending| path.ends_with(ending));
    let is_asset = !is_source && path.contains('/');
    if !is_source && !is_asset {
        return Ok(());
    }
    let full = root.join(&path);
    let limit = if is_source { LARGEST_SOURCE } else { LARGEST_ASSET };
    let mut bytes = Vec::new();
    fs::File::open(&full)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Failure::failed(format!("could not read {}", full.display())).cause(&error))?;
    if is_source {
        let trust = match path.strip_prefix("resellers/").and_then(|rest| rest.split_once('/')) {
            Some((name, _)) => Trust::Reseller(name.to_owned()),
            None => Trust::Operator,
        };
        found.files.push(SourceFile { path, bytes, trust });
    } else {
        found.assets.push(Asset { path, bytes });
    }
    Ok(())
}
