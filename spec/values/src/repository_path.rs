//! Paths inside a repository of specifications.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::is_nfc;

use crate::{ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// A path relative to the file that names it, with `/` between its parts; it never climbs and so never leaves its owner's folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPath(String);

impl RepositoryPath {
    /// Returns the path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts from left to right.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the ending after the last dot of the last part, in lower case.
    pub fn extension(&self) -> Option<String> {
        let last = self.0.rsplit('/').next()?;
        last.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending.to_ascii_lowercase())
    }

    /// Returns the path relative to the repository, given the path of the file that names it.
    pub fn beside(&self, file: &str) -> String {
        match file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{}", self.0),
            None => self.0.clone(),
        }
    }
}

impl FromStr for RepositoryPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let refuse = |what: &str, help: String| Err(ParseError::new(format!("the path {} {what}", quoted(text)), help));
        if text.is_empty() {
            return Err(ParseError::new("this path is empty", "write a path such as `assets/logo.svg`"));
        }
        if text.contains('\\') {
            return refuse("holds a backslash", format!("write {}", quoted(&text.replace('\\', "/"))));
        }
        if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
            return refuse("is absolute", "write a path relative to this file, such as `assets/logo.svg`".into());
        }
        if text.split('/').any(|part| part == "..") {
            return refuse(
                "climbs out of a folder",
                "put the file into the folder of the file that names it and write its path without `..`".into(),
            );
        }
        if text.split('/').any(|part| part.is_empty() || part == ".") {
            let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
            return refuse("has a part without a name", format!("write {}", quoted(&parts.join("/"))));
        }
        if text.starts_with('~') || text.contains(['*', '?', '"', '<', '>', '|', ':', '$', '`']) {
            return refuse(
                "holds a character with a meaning elsewhere",
                "write letters, digits, `-`, `_` and `.`".into(),
            );
        }
        if !is_nfc(text) {
            return refuse("is not in Unicode's normal form C", "rename the file with composed characters".into());
        }
        if text.len() > 1000 || text.split('/').any(|part| part.len() > 255) {
            return refuse("is too long", "write at most 255 bytes for each part and 1000 for all".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(RepositoryPath);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_leave_their_folder_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "C:/x",
            "C:x",
            "a\\..\\b",
            "~/x",
            "a//b",
            "./a",
            "a/",
            "$HOME/x",
            "a\0b",
            "a\nb",
            "a\u{200b}b",
            "cafe\u{301}.svg",
        ] {
            assert!(text.parse::<RepositoryPath>().is_err(), "{text}");
        }
        assert_eq!("assets\\acme.svg".parse::<RepositoryPath>().unwrap_err().help(), "write `assets/acme.svg`");
        assert_eq!("./assets/acme.svg".parse::<RepositoryPath>().unwrap_err().help(), "write `assets/acme.svg`");
    }

    #[test]
    fn a_path_is_taken_from_the_file_that_names_it() {
        let path: RepositoryPath = "assets/acme.SVG".parse().unwrap();
        assert_eq!(path.beside("resellers/acme/acme.kdl"), "resellers/acme/assets/acme.SVG");
        assert_eq!(path.beside("platform.kdl"), "assets/acme.SVG");
        assert_eq!(path.extension().as_deref(), Some("svg"));
        assert_eq!("a.b/.hidden".parse::<RepositoryPath>().unwrap().extension(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_that_stays_or_refused(text in "[a-z./\\\\~: -]{0,20}") {
            if let Ok(path) = text.parse::<RepositoryPath>() {
                prop_assert!(path.parts().all(|part| !part.is_empty() && part != "." && part != ".."));
                prop_assert_eq!(path.to_string().parse::<RepositoryPath>().unwrap(), path);
            }
        }
    }
}
