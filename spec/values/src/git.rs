//! Repositories of the git program: where they are, which branch is followed, which revision is meant.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// Where a git repository is: an `https:`, `ssh:`, `file:` or `git:` URL, `user@host:path`, or a path on this machine.
///
/// Never a transport that starts a program (`ext::`), never an option, never a password: what is read here is handed to git.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitLocation(String);

impl GitLocation {
    /// Returns the location as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether this is a path that is relative to the folder of the specification.
    pub fn is_relative_path(&self) -> bool {
        !self.0.contains(':') && !self.0.starts_with('/')
    }
}

const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

impl FromStr for GitLocation {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let wrong =
            |help: &str| Err(ParseError::new(format!("{} is no place of a git repository", quoted(text)), help));
        if text.is_empty() || text.len() > 1000 {
            return wrong("write its address, such as `https://git.acme.example/mail.git`");
        }
        if text.contains(char::is_whitespace) {
            return wrong("write it without blanks");
        }
        if text.starts_with('-') {
            return wrong("a place never begins with `-`; write `./` before a path that does");
        }
        if text.contains("::") && !text.contains('[') {
            return wrong("write an https, ssh or file address; transports that start programs are not used");
        }
        let (authority, path) = match text.split_once("://") {
            Some((scheme, rest)) => {
                if !SCHEMES.contains(&scheme) {
                    return wrong("write an address that begins with `https://`, `ssh://` or `file://`");
                }
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                if scheme == "file" && !authority.is_empty() {
                    return wrong("write `file:///` and an absolute path");
                }
                if scheme != "file" && authority.is_empty() {
                    return wrong("write the host it is on, as in `https://git.acme.example/mail.git`");
                }
                (authority, path)
            }
            // As git itself tells the two apart: a colon before the first slash makes it a host.
            None => match text.split_once(':').filter(|(host, _)| !host.contains('/')) {
                Some((host, path)) => (host, path),
                None => ("", text),
            },
        };
        if authority.rsplit('@').next().is_some_and(|host| host.starts_with('-')) || authority.starts_with('-') {
            return wrong("a host never begins with `-`");
        }
        let short_form = !text.contains("://") && !authority.is_empty();
        if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || short_form && path.contains('@') {
            return wrong("leave the password out; git asks its credential helper for it");
        }
        if path.is_empty() {
            return wrong("write the path of the repository, too");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for GitLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

text_form!(GitLocation);

/// The name of a branch, as `git check-ref-format` wants it, and in the letters that all hosts agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitBranch(String);

impl GitBranch {
    /// Returns the name without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GitBranch {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let part_fits = |part: &str| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
        };
        let fits = text.len() <= 200
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte))
            && !text.contains("..")
            && text.split('/').all(part_fits);
        if !fits {
            return Err(ParseError::new(
                format!("{} is no name of a branch", quoted(text)),
                "write letters, digits, `-`, `_`, `.` and `/`, such as `main`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for GitBranch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

text_form!(GitBranch);

/// A commit, by its whole name: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitRevision(String);

impl GitRevision {
    /// Returns the whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its first digits, as people tell revisions apart.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl FromStr for GitRevision {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hexadecimal = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !matches!(text.len(), 40 | 64) || !hexadecimal {
            return Err(ParseError::new(
                format!("{} is no whole name of a commit", quoted(text)),
                "write its 40 or 64 digits, as `git rev-parse` prints them",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for GitRevision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

text_form!(GitRevision);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_that_git_knows_are_taken_as_they_are() {
        for text in [
            "https://git.acme.example/mail.git",
            "ssh://git@git.acme.example:2222/mail.git",
            "git@git.acme.example:acme/mail.git",
            "file:///srv/git/acme.git",
            "/srv/git/acme.git",
            "../acme",
            "./-acme",
        ] {
            assert_eq!(text.parse::<GitLocation>().map(|place| place.to_string()), Ok(text.to_owned()));
        }
        assert!("../acme".parse::<GitLocation>().is_ok_and(|place| place.is_relative_path()));
        assert!("git@host:acme".parse::<GitLocation>().is_ok_and(|place| !place.is_relative_path()));
    }

    #[test]
    fn places_that_would_do_something_else_are_refused() {
        for text in [
            "",
            "--upload-pack=touch /tmp/x",
            "-acme",
            "ext::sh -c id",
            "ext::id",
            "fd::7",
            "https://user:password@git.acme.example/mail.git",
            "user:password@host:path",
            "ssh://-oProxyCommand=id/x",
            "ssh://git@-oProxyCommand=id/x",
            "-oProxyCommand=id:path",
            "https://",
            "https:///mail.git",
            "file://host/mail.git",
            "ftp://acme.example/mail.git",
            "git@host:",
            "a\nb",
            "\u{202e}acme",
        ] {
            assert!(text.parse::<GitLocation>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn branches_and_revisions_are_no_options_and_no_expressions() {
        for text in ["main", "release/2026.11", "a+b"] {
            assert!(text.parse::<GitBranch>().is_ok(), "{text}");
        }
        for text in ["", "-f", "a..b", "a/", "/a", "a/-b", "a/.b", "x.lock", "main~1", "main^{tree}", "a b", "a:b", "*"]
        {
            assert!(text.parse::<GitBranch>().is_err(), "{text}");
        }
        assert!("a".repeat(40).parse::<GitRevision>().is_ok());
        for text in ["HEAD".to_owned(), "A".repeat(40), "a".repeat(39), format!("{}^", "a".repeat(39)), "é".repeat(20)]
        {
            assert!(text.parse::<GitRevision>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_taken_can_be_an_option_or_start_a_program(text in "[-a-z@:/.\\[\\] \n]{0,20}") {
            if let Ok(place) = text.parse::<GitLocation>() {
                prop_assert!(!place.as_str().starts_with('-') && !place.as_str().contains(char::is_whitespace));
                prop_assert!(!place.as_str().starts_with("ext:"));
            }
        }
    }
}
