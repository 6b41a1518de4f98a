//! Which scenarios are meant, of which repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use blueprint::Scenario;
use compiler::Output;
use spec::Sources;

use crate::failure::Failure;

/// Tells the repository's folder, which may stand last, from the scenarios' names.
pub(super) fn split(words: &[String]) -> (Vec<String>, PathBuf) {
    match words.split_last() {
        Some((last, names)) if is_folder(last) => (names.to_vec(), PathBuf::from(last)),
        _ => (words.to_vec(), PathBuf::from(".")),
    }
}

fn is_folder(word: &str) -> bool {
    let path = Path::new(word);
    path.is_dir() && (word.contains('/') || word.starts_with('.') || path.join("platform.kdl").is_file())
}

/// Returns the file and the line that a scenario stands at.
pub(super) fn place(output: &Output, sources: &Sources, name: &str) -> Option<(String, u32)> {
    let span = output.origins.find(&format!("scenario {name}"), None)?;
    let file = sources.file(span.file)?;
    Some((file.path.clone(), sources.place(span).line))
}

/// Returns the scenarios that are named by title, by a part of it, or by the name of their file.
pub(super) fn choose(output: &Output, sources: &Sources, names: &[String]) -> Result<Vec<Scenario>, Failure> {
    if output.scenarios.is_empty() {
        return Err(Failure::usage("the repository holds no scenario")
            .help("write scenarios/NAME.kdl with a `scenario \"…\"` node"));
    }
    let stem = |scenario: &Scenario| {
        let (file, _) = place(output, sources, &scenario.name)?;
        Some(Path::new(&file).file_stem()?.to_string_lossy().into_owned())
    };
    let mut chosen = vec![names.is_empty(); output.scenarios.len()];
    for name in names {
        let exact = output.scenarios.iter().any(|scenario| scenario.name == *name);
        let by_file = !exact && output.scenarios.iter().any(|scenario| stem(scenario).as_ref() == Some(name));
        let mut found = false;
        for (scenario, chosen) in output.scenarios.iter().zip(&mut chosen) {
            let meant = match (exact, by_file) {
                (true, _) => scenario.name == *name,
                (_, true) => stem(scenario).as_ref() == Some(name),
                _ => scenario.name.to_lowercase().contains(&name.to_lowercase()),
            };
            found |= meant;
            *chosen |= meant;
        }
        if !found {
            return Err(Failure::usage(format!("there is no scenario `{name}`"))
                .help("see which there are with: mailwright test --list"));
        }
    }
    let all = output.scenarios.iter().zip(chosen);
    Ok(all.filter(|(_, chosen)| *chosen).map(|(scenario, _)| scenario.clone()).collect())
}

/// Returns the files that scenarios may name, by their path from the scenarios' folder.
pub(super) fn files(sources: &Sources) -> BTreeMap<String, Vec<u8>> {
    let below = sources.assets().iter().filter_map(|asset| Some((asset.path.strip_prefix("scenarios/")?, asset)));
    below.map(|(path, asset)| (path.to_owned(), asset.bytes.clone())).collect()
}
