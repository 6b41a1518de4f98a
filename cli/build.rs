//! Marks the program with the text of what reads specifications, so that what it keeps of them is never read by another build.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut hasher = DefaultHasher::new();
    for part in ["Cargo.lock", "spec/src", "spec/values/src", "cli/src/kept.rs"] {
        let path = root.join(part);
        println!("cargo:rerun-if-changed={}", path.display());
        let mut files = BTreeSet::new();
        collect(&path, &mut files);
        for file in files {
            hasher.write(file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().as_bytes());
            hasher.write(&fs::read(&file).unwrap_or_default());
        }
    }
    println!("cargo:rustc-env=MAILWRIGHT_READER={:016x}", hasher.finish());
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(path) else {
        files.insert(path.to_path_buf());
        return;
    };
    for entry in entries.flatten() {
        collect(&entry.path(), files);
    }
}
