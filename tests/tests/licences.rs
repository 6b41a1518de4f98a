//! Everything we link may be linked by anybody: permissive licences only.

use std::process::Command;

const PERMISSIVE: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "CC0-1.0",
    "BSL-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
];

/// Tells whether an SPDX expression can be met with permissive licences alone.
fn is_permissive(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ").replace(" WITH LLVM-exception", "");
    // `AND` binds closer than `OR` (SPDX 2.3, annex D.4.5); taking brackets away can only make this stricter for `AND`
    // around `OR`, which the second reading below allows for.
    let one_of = |text: &str| text.split(" OR ").any(|name| PERMISSIVE.contains(&name.trim()));
    plain.split(" OR ").any(|all| all.split(" AND ").all(|name| PERMISSIVE.contains(&name.trim())))
        || expression.contains('(') && plain.split(" AND ").all(one_of)
}

#[test]
fn everything_in_the_lock_file_is_permissive() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(tests::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_permissive(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn a_copyleft_licence_would_be_seen() {
    assert!(!is_permissive("AGPL-3.0-only"));
    assert!(!is_permissive("MIT AND GPL-3.0-or-later"));
    assert!(!is_permissive(""));
    assert!(is_permissive("GPL-2.0 OR MIT"));
    assert!(is_permissive("(MIT OR Apache-2.0) AND Unicode-3.0"));
}
