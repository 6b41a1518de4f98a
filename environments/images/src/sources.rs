//! This machine's package sources, as a build for one distribution takes them.

use std::path::Path;

use crate::ImageFailure;

/// Returns the sources of Debian's packages on this machine, turned to a distribution, as files for APT.
///
/// - `folder`: `/etc/apt`, but for tests.
/// - Returns: name and content of each file: `*.list` or `*.sources` (sources.list(5)).
pub(crate) fn of(folder: &Path, distribution: &str) -> Result<Vec<(String, String)>, ImageFailure> {
    let mut found = Vec::new();
    let parts = folder.join("sources.list.d");
    let mut paths = vec![folder.join("sources.list")];
    paths.extend(crate::files::names(&parts)?.into_iter().map(|name| parts.join(name)));
    for path in paths {
        let Some(text) = crate::files::read(&path)? else { continue };
        let text = String::from_utf8_lossy(&text);
        let content = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines(&text, distribution),
            Some("sources") => paragraphs(&text, distribution),
            _ => continue,
        };
        if !content.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, content));
        }
    }
    if found.is_empty() { Err(ImageFailure::NoSources) } else { Ok(found) }
}

/// Releases of Debian by name, which sources name with or without a suffix such as `-security`.
const RELEASES: [&str; 9] =
    ["bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "oldstable", "unstable"];

/// Returns a suite of Debian turned to another release; `None` for suites of others.
fn suite(suite: &str, distribution: &str) -> Option<String> {
    let release = RELEASES.into_iter().find(|release| {
        suite.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
    })?;
    let rest = suite.strip_prefix(release).unwrap_or_default();
    // Backports replace what the release has; nothing asks for them.
    (!rest.starts_with("-backports")).then(|| format!("{distribution}{rest}"))
}

/// One source a line: `deb [options] URI SUITE COMPONENT…`.
fn lines(text: &str, distribution: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if words.first().map(String::as_str) != Some("deb") {
            continue;
        }
        let options = words.iter().position(|word| word.ends_with(']')).filter(|_| line.contains('['));
        let place = options.unwrap_or(0) + 2;
        let Some(turned) = words.get(place).and_then(|word| suite(word, distribution)) else { continue };
        if let Some(word) = words.get_mut(place) {
            *word = turned;
        }
        kept.push_str(&words.join(" "));
        kept.push('\n');
    }
    kept
}

/// One source a paragraph, in fields (deb822(5)).
fn paragraphs(text: &str, distribution: &str) -> String {
    let mut kept = String::new();
    for paragraph in text.split("\n\n") {
        let lines: Vec<&str> = paragraph.lines().filter(|line| !line.starts_with('#')).collect();
        let field = |name: &str| {
            lines.iter().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"))
            || !field("Types").is_some_and(|types| types.split_whitespace().any(|kind| kind == "deb"))
        {
            continue;
        }
        let suites = field("Suites").unwrap_or_default();
        let mut turned: Vec<String> = suites.split_whitespace().filter_map(|name| suite(name, distribution)).collect();
        turned.dedup();
        if turned.is_empty() {
            continue;
        }
        for line in lines {
            match line.split_once(':') {
                Some((key, _)) if key.eq_ignore_ascii_case("Suites") => {
                    kept.push_str(&format!("Suites: {}\n", turned.join(" ")));
                }
                Some((key, _)) if key.eq_ignore_ascii_case("Types") => kept.push_str("Types: deb\n"),
                _ => {
                    kept.push_str(line);
                    kept.push('\n');
                }
            }
        }
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_of_debian_are_turned_and_those_of_others_left_out() {
        let list = "# deb http://x bookworm main\n\
                    deb [arch=amd64 signed-by=/k] http://mirror/debian bookworm-updates main contrib\n\
                    deb http://other.example/apt cloud-sdk-bookworm main\n\
                    deb-src http://mirror/debian bookworm main\n\
                    deb http://mirror/debian bookworm-backports main\n";
        assert_eq!(
            lines(list, "trixie"),
            "deb [arch=amd64 signed-by=/k] http://mirror/debian trixie-updates main contrib\n"
        );
        let sources = "Types: deb deb-src\n# a word\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n\
                       Components: main\nSigned-By: /usr/share/keyrings/k.gpg\n\n\
                       Types: deb\nURIs: http://other\nSuites: nodistro\nComponents: main\n\n\
                       Types: deb\nEnabled: no\nURIs: http://mirror/debian\nSuites: bookworm\nComponents: main\n";
        assert_eq!(
            paragraphs(sources, "bookworm"),
            "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\
             Signed-By: /usr/share/keyrings/k.gpg\n\n"
        );
    }

    #[test]
    fn a_machine_without_sources_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(of(folder.path(), "bookworm"), Err(ImageFailure::NoSources)));
        std::fs::write(folder.path().join("sources.list"), "deb http://m/debian bookworm main\n").unwrap();
        let found = of(folder.path(), "trixie").unwrap();
        assert_eq!(found, [("sources.list".to_owned(), "deb http://m/debian trixie main\n".to_owned())]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_stumble(text in any::<String>()) {
            let _ = (lines(&text, "bookworm"), paragraphs(&text, "bookworm"));
        }
    }
}
