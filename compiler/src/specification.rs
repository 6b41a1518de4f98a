//! The digest of what a platform is: its specifications without the environments it runs in.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use spec::{FileId, Parsed, Sources};

/// Returns the SHA-256 of a repository's texts and assets, in lower-case hexadecimal.
///
/// Files that hold environments and nothing else are left out: they say where a platform runs, not what it is, and to change one
/// of them takes nothing away from what was proven elsewhere.
pub fn specification_digest(sources: &Sources, parsed: &Parsed) -> String {
    let spec = &parsed.spec;
    let environments: BTreeSet<FileId> = spec.environments.iter().map(|it| it.span.file).collect();
    let others: BTreeSet<FileId> = (spec.platforms.iter().map(|it| it.span.file))
        .chain(spec.resellers.iter().map(|it| it.span.file))
        .chain(spec.scenarios.iter().map(|it| it.span.file))
        .collect();
    let mut hash = Sha256::new();
    let mut add = |path: &str, bytes: &[u8]| {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (_, file) in sources.files().filter(|(id, _)| !environments.contains(id) || others.contains(id)) {
        add(&file.path, &file.bytes);
    }
    for asset in sources.assets() {
        add(&asset.path, &asset.bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
