//! What is kept of scenarios that did not pass: dialogues, messages, what went over the wire, the environment's log.

use std::path::{Path, PathBuf};

use environments::scenarios::{Outcome, Report};

use crate::failure::Failure;

/// Lines of the log that are kept.
const LOG_LINES: usize = 20_000;

/// Reads all files of a folder of logs, in the order of their names.
pub(super) fn log(folder: &Path) -> Option<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Some(files.into_iter().filter_map(|file| std::fs::read(file).ok()).flatten().collect())
}

/// Writes the evidence; returns the folder where there is any.
pub(super) fn write(folder: &Path, report: &Report, log: Option<&[u8]>) -> Result<Option<PathBuf>, Failure> {
    let folder = folder.join(&report.backend);
    let failed = |error: std::io::Error| {
        Failure::failed(format!("could not write evidence to {}", folder.display())).cause(&error)
    };
    // That of the last run would only mislead.
    if let Err(error) = std::fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    let worth_keeping = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Broken(_));
    let mut any = false;
    for scenario in report.scenarios.iter().filter(|scenario| worth_keeping(&scenario.outcome)) {
        any = true;
        let own = folder.join(slug(&scenario.name));
        std::fs::create_dir_all(&own).map_err(failed)?;
        std::fs::write(own.join("dialogue.txt"), &scenario.evidence.dialogue).map_err(failed)?;
        let steps = serde_json::to_vec_pretty(&scenario).unwrap_or_default();
        std::fs::write(own.join("report.json"), steps).map_err(failed)?;
        if let Some(trace) = &scenario.evidence.trace {
            std::fs::write(own.join("wire.pcap"), trace).map_err(failed)?;
        }
        for (name, bytes) in &scenario.evidence.messages {
            std::fs::write(own.join(slug(name)), bytes).map_err(failed)?;
        }
    }
    if let Some(log) = log.filter(|_| any) {
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        let kept = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().concat();
        std::fs::write(folder.join("environment.log"), kept).map_err(failed)?;
    }
    Ok(any.then_some(folder))
}

/// Returns a name as a file system likes it.
fn slug(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' });
    let text: String = plain.take(80).collect();
    text.trim_matches(['-', '.']).to_owned()
}
