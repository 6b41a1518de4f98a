//! The texts a specification is read from, as the program found them on disk or carries them in itself.

use std::collections::BTreeMap;

use values::{Date, HostName, Name};

use crate::problem::Problem;
use crate::tree::{FileId, Span};

/// Who wrote a file, and so what it may say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The operator's own file.
    Operator,
    /// A file below `resellers/NAME/`: input from another company.
    Reseller(String),
}

/// One file of a specification repository.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path relative to the repository, with `/` between its parts. Its ending chooses the syntax: `.kdl`, `.yaml`, `.yml`.
    pub path: String,
    /// The file's bytes; they may not be UTF-8, which is a problem and not an error.
    pub bytes: Vec<u8>,
    /// Who wrote it.
    pub trust: Trust,
}

/// A file that a specification points to, such as a logo.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Path relative to the repository.
    pub path: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// What is recorded of a domain whose record in DNS was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The reseller whose record it was.
    pub reseller: Name,
    /// The day on which it was found.
    pub on: Date,
}

/// All texts of one repository, sorted by path.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<SourceFile>,
    assets: Vec<Asset>,
    problems: Vec<Problem>,
    proven: BTreeMap<HostName, Proven>,
}

/// A place as people count it: lines and columns from 1, columns in Unicode scalars, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line of the first character.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column of the end.
    pub end_column: u32,
}

impl Sources {
    /// Takes files in any order and sorts them, so that order has no meaning.
    pub fn new(mut files: Vec<SourceFile>, mut assets: Vec<Asset>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assets.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files, assets, problems: Vec::new(), proven: BTreeMap::new() }
    }

    /// Adds what went wrong while the files were gathered; it is told with all that is wrong in them.
    #[must_use]
    pub fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems.extend(problems);
        self
    }

    /// Adds what is recorded of domains and their aliases.
    #[must_use]
    pub fn with_proven(mut self, proven: BTreeMap<HostName, Proven>) -> Self {
        self.proven = proven;
        self
    }

    /// Returns what is recorded of a domain that was shown to be a reseller's.
    pub fn proven(&self, domain: &HostName, reseller: &Name) -> Option<&Proven> {
        self.proven.get(domain).filter(|proven| proven.reseller == *reseller)
    }

    /// Returns what went wrong while the files were gathered.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the id of the file at a path relative to the repository.
    pub fn find(&self, path: &str) -> Option<FileId> {
        let found = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(FileId(found as u32))
    }

    /// Gives a file its bytes, where they were not read at first.
    pub fn fill(&mut self, id: FileId, bytes: Vec<u8>) {
        if let Some(file) = self.files.get_mut(id.0 as usize) {
            file.bytes = bytes;
        }
    }

    /// Returns the files with their ids, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// Returns the file behind an id.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Returns the asset at a path relative to the repository.
    pub fn asset(&self, path: &str) -> Option<&Asset> {
        let found = self.assets.binary_search_by(|asset| asset.path.as_str().cmp(path)).ok()?;
        self.assets.get(found)
    }

    /// Returns all assets, sorted by path.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// Returns a span as lines and columns; offsets past the end count as the end.
    pub fn place(&self, span: Span) -> Place {
        let bytes = self.file(span.file).map_or(&[][..], |file| file.bytes.as_slice());
        let (line, column) = line_and_column(bytes, span.start as usize);
        let (end_line, end_column) = line_and_column(bytes, span.end as usize);
        Place { line, column, end_line, end_column }
    }
}

fn line_and_column(bytes: &[u8], offset: usize) -> (u32, u32) {
    let before = bytes.get(..offset.min(bytes.len())).unwrap_or_default();
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() as u32 + 1;
    let column = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().count() as u32 + 1;
    (line, column)
}
