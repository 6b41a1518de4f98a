//! The example platform, read from disk as the program reads it.

use std::fs;
use std::path::{Path, PathBuf};

use spec::{Asset, SourceFile, Sources, Trust};

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of the example: specifications and assets, in the order of their paths.
pub(crate) fn files() -> (Vec<SourceFile>, Vec<Asset>) {
    let folder = root().join("examples/northmail");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    let (mut files, mut assets) = (Vec::new(), Vec::new());
    for path in paths {
        let bytes = fs::read(&path).expect("the example can be read");
        let path = path.strip_prefix(&folder).expect("it was found there").to_string_lossy().replace('\\', "/");
        let parts: Vec<&str> = path.split('/').collect();
        let trust = match parts.as_slice() {
            ["resellers", name, ..] => Trust::Reseller((*name).to_owned()),
            _ => Trust::Operator,
        };
        match path.ends_with(".kdl") || path.ends_with(".yaml") || path.ends_with(".yml") {
            true => files.push(SourceFile { path, bytes, trust }),
            false => assets.push(Asset { path, bytes }),
        }
    }
    (files, assets)
}

/// The example as sources.
pub(crate) fn sources() -> Sources {
    sources_on("bookworm")
}

/// The example as sources, on another distribution.
pub(crate) fn sources_on(distribution: &str) -> Sources {
    let (mut files, assets) = files();
    for file in &mut files {
        let text = String::from_utf8(std::mem::take(&mut file.bytes)).expect("the example is UTF-8");
        let text = text.replace("distribution=\"bookworm\"", &format!("distribution=\"{distribution}\""));
        file.bytes = text.into_bytes();
    }
    Sources::new(files, assets)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the example is there") {
        let path = entry.expect("its folders can be listed").path();
        match path.is_dir() {
            true => collect(&path, paths),
            false => paths.push(path),
        }
    }
}
