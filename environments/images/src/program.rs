//! Other programs: that they are there, what they say, and how they end.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::ImageFailure;
use crate::failure::could_not;

/// Returns where a program lies that is found by the search path, or in a folder of the system's own programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&paths).chain(system).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Returns where a program lies, or says what is lacking.
pub(crate) fn need(
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
) -> Result<PathBuf, ImageFailure> {
    find(program).ok_or(ImageFailure::Missing { program, package, purpose })
}

/// What a program said, and whether it ended well.
pub(crate) struct Said {
    /// Whether it ended well.
    pub(crate) well: bool,
    /// On its output.
    pub(crate) output: String,
    /// On its error output.
    pub(crate) errors: String,
}

impl Said {
    /// Returns the lines that say what went wrong, as APT and dpkg write them.
    pub(crate) fn complaint(&self) -> String {
        complaint(self.errors.lines())
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<Said, ImageFailure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output().map_err(could_not(format!("run {name}")))?;
    Ok(Said {
        well: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Returns the errors among lines, at most four; the last line where none says to be one.
pub(crate) fn complaint<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> String {
    let errors: Vec<&str> = lines
        .clone()
        .filter_map(|line| line.strip_prefix("E: ").or_else(|| line.strip_prefix("W: GPG error: ")))
        .take(4)
        .collect();
    if errors.is_empty() {
        let last = lines.filter(|line| !line.trim().is_empty() && !line.contains("due to previous errors")).last();
        last.unwrap_or("it ended without a word").trim().to_owned()
    } else {
        errors.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_and_the_last_line_where_there_is_none() {
        let said = |text: &'static str| complaint(text.lines());
        assert_eq!(said("N: x\nE: Unable to locate package q\nE: y\n"), "Unable to locate package q; y");
        assert_eq!(said("first\nlast\n\n"), "last");
        assert_eq!(said(""), "it ended without a word");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_its_package() {
        let failure = need("no-such-program", "its-package", "building an image").unwrap_err();
        assert_eq!(failure.to_string(), "building an image takes `no-such-program`, which is not installed");
        assert_eq!(failure.help(), "install it: apt-get install its-package");
    }
}
