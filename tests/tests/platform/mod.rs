//! The suite's platform, as its tests bring it up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spec::{Asset, SourceFile, Sources, Trust};

/// Returns the suite's repository.
pub(crate) fn folder() -> PathBuf {
    tests::root().join("tests/suite")
}

/// Returns where daemons keep what they worked out, so that no test waits for it twice.
pub(crate) fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Reads a repository as the program does: texts with whom to trust, everything else as assets.
pub(crate) fn sources(root: &Path) -> Sources {
    let (mut files, mut assets) = (Vec::new(), Vec::new());
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the suite's folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("the file can be read");
            match name.strip_prefix("resellers/").and_then(|rest| rest.split_once('/')) {
                _ if !name.ends_with(".kdl") => assets.push(Asset { path: name, bytes }),
                Some((reseller, _)) => {
                    let trust = Trust::Reseller(reseller.to_owned());
                    files.push(SourceFile { path: name, bytes, trust });
                }
                None => files.push(SourceFile { path: name, bytes, trust: Trust::Operator }),
            }
        }
    }
    Sources::new(files, assets)
}

/// Returns where this workspace's program lies, which nodes of real daemons begin with.
pub(crate) fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let program = own.parent()?.parent()?.join("mailwright");
    program.is_file().then_some(program)
}

/// Returns the files that scenarios name, by path.
pub(crate) fn files(sources: &Sources) -> BTreeMap<String, Vec<u8>> {
    let assets = sources.assets().iter();
    assets.filter_map(|asset| Some((asset.path.strip_prefix("scenarios/")?.to_owned(), asset.bytes.clone()))).collect()
}
