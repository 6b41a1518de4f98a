//! Secrets that the operator keeps beside the specification: `secrets/OWNER.env`, lines of `NAME=VALUE`, which git ignores.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::Failure;

/// Reads every secret of a repository's folder `secrets`, as a launch takes them.
///
/// - Errors: a file that others than its owner can read, and a line that is no `NAME=VALUE`; a value is never repeated.
pub(super) fn read(repository: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(repository.join("secrets")) else { return Ok(found) };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "env")) {
        let Some(owner) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let failed = |error: &std::io::Error| Failure::usage(format!("could not read {}", path.display())).cause(error);
        let mode = fs::metadata(path).map_err(|error| failed(&error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::usage(format!("{} can be read by others than its owner", path.display()))
                .help(format!("run `chmod go= {}` and think about who has read it", path.display())));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(Failure::usage(format!("{}:{}: no `=` stands here", path.display(), index + 1))
                    .help("write lines of NAME=VALUE"));
            };
            found.insert(environments::given_secret(owner, name.trim()), value.to_owned());
        }
    }
    Ok(found)
}
