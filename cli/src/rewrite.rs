//! The texts that a verb rewrites: found on disk, and written back so that nobody ever reads half a file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use spec::{SourceFile, Sources, Trust};

use crate::failure::Failure;
use crate::repository::Kind;

/// Folders deeper than this are not looked into.
const DEEPEST_FOLDER: usize = 16;

/// The texts to rewrite, by the names that people are told, and where they lie.
pub(crate) struct Texts {
    /// The texts, under the names that people are told.
    pub(crate) sources: Sources,
    places: BTreeMap<String, PathBuf>,
}

impl Texts {
    /// Returns where a text lies.
    pub(crate) fn place(&self, name: &str) -> Option<&Path> {
        self.places.get(name).map(PathBuf::as_path)
    }
}

/// Finds the texts that are named, and those in the folders that are named.
///
/// A folder with a platform file is a repository, of which only what belongs to the specification is taken. Symbolic links
/// within folders are passed over, as are names that start with a dot.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Texts, Failure> {
    let mut found = BTreeMap::new();
    for path in paths {
        let canonical = fs::canonicalize(path)
            .map_err(|error| Failure::usage(format!("there is no file or folder {}", path.display())).cause(&error))?;
        let shown = if path == Path::new(".") { String::new() } else { path.to_string_lossy().replace('\\', "/") };
        let shown = shown.trim_end_matches('/').trim_start_matches("./");
        if canonical.is_dir() {
            let known = found.len();
            let names = ["platform.kdl", "platform.yaml", "platform.yml"];
            let repository = names.iter().any(|name| canonical.join(name).is_file());
            let mut names = Vec::new();
            walk(&canonical, "", repository, 0, &mut names)?;
            for name in names {
                let place = canonical.join(&name);
                found.entry(place).or_insert(if shown.is_empty() { name } else { format!("{shown}/{name}") });
            }
            if found.len() == known && paths.len() == 1 {
                return Err(Failure::usage(format!("{} holds no specification", path.display()))
                    .help("name files that end in .kdl, .yaml or .yml, or a folder that holds some"));
            }
        } else if !canonical.is_file() {
            // A pipe would be waited for, and a device never ends.
            return Err(Failure::usage(format!("{} is neither a file nor a folder", path.display()))
                .help("name files that end in .kdl, .yaml or .yml, or a folder that holds some"));
        } else if is_text(shown) {
            found.entry(canonical).or_insert_with(|| shown.to_owned());
        } else {
            return Err(Failure::usage(format!(
                "the name of {} does not say which syntax it is written in",
                path.display()
            ))
            .help("name files that end in .kdl, .yaml or .yml, or a folder that holds some"));
        }
    }
    let mut files = Vec::new();
    let mut places = BTreeMap::new();
    for (place, name) in found {
        let mut bytes = Vec::new();
        let limit = Kind::Source(Trust::Operator).limit();
        fs::File::open(&place)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|error| Failure::failed(format!("could not read {name}")).cause(&error))?;
        places.insert(name.clone(), place);
        files.push(SourceFile { path: name, bytes, trust: Trust::Operator });
    }
    Ok(Texts { sources: Sources::new(files, Vec::new()), places })
}

fn is_text(name: &str) -> bool {
    [".kdl", ".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
}

fn walk(root: &Path, below: &str, repository: bool, depth: usize, names: &mut Vec<String>) -> Result<(), Failure> {
    let folder = root.join(below);
    let unreadable = |error: &io::Error| Failure::failed(format!("could not read {}", folder.display())).cause(error);
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let kind = entry.file_type().map_err(|error| unreadable(&error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() && depth < DEEPEST_FOLDER {
            // A file that could lie there says whether the folder belongs to the specification.
            if !repository || Kind::of(&format!("{path}/a.kdl")).is_some() {
                walk(root, &path, repository, depth + 1, names)?;
            }
        } else if kind.is_file() && is_text(&name) {
            names.push(path);
        }
    }
    Ok(())
}

/// Writes a file anew; it is there as it was or as it shall be, never in between, and keeps its mode.
pub(crate) fn replace(place: &Path, text: &str) -> io::Result<()> {
    let written = beside(place);
    let outcome = write_new(&written, text)
        .and_then(|()| fs::set_permissions(&written, fs::metadata(place)?.permissions()))
        .and_then(|()| fs::rename(&written, place));
    if outcome.is_err() {
        let _ = fs::remove_file(&written);
    }
    outcome
}

/// Writes a file that is not there yet, with the mode of another; one that is there stays as it is.
///
/// - Errors: `AlreadyExists` where it is there, and whatever writing can end with.
pub(crate) fn create(place: &Path, like: &Path, text: &str) -> io::Result<()> {
    write_new(place, text)?;
    let outcome = fs::metadata(like).and_then(|metadata| fs::set_permissions(place, metadata.permissions()));
    if outcome.is_err() {
        let _ = fs::remove_file(place);
    }
    outcome
}

/// Files and folders that a verb makes, all of them or none.
#[derive(Default)]
pub(crate) struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// Makes a file that is not there yet, and the folders it lies in.
    ///
    /// - `mode`: before the umask.
    /// - Errors: `AlreadyExists` where it is there, and whatever writing can end with; [`Self::take_back`] is the caller's.
    pub(crate) fn file(&mut self, place: &Path, text: &str, mode: u32) -> io::Result<()> {
        if let Some(folder) = place.parent() {
            self.folder(folder, 0o777)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(place)?;
        self.files.push(place.to_path_buf());
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Makes a folder that is not there yet, and those it lies in.
    pub(crate) fn folder(&mut self, folder: &Path, mode: u32) -> io::Result<()> {
        let mut missing: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty()).collect();
        missing.retain(|folder| !folder.is_dir());
        for folder in missing.into_iter().rev() {
            fs::DirBuilder::new().mode(mode).create(folder)?;
            self.folders.push(folder.to_path_buf());
        }
        Ok(())
    }

    /// Removes what was made, and of folders those that are empty then.
    pub(crate) fn take_back(&mut self) {
        for file in self.files.drain(..).rev() {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn write_new(place: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(place)?;
    let outcome = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if outcome.is_err() {
        let _ = fs::remove_file(place);
    }
    outcome
}

/// Returns a name beside a file that nobody else uses, and that no walk takes for a text.
fn beside(place: &Path) -> PathBuf {
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    place.with_file_name(format!(".{name}.{}", std::process::id()))
}
