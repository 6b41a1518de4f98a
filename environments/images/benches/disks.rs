//! How long the config disks of a thousand nodes take: `cargo bench -p images --bench disks`.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Instant;

use images::disk::{Item, disk};

/// Nodes.
const NODES: usize = 1000;

/// Files of a node, as the example's nodes have them.
const FILES: usize = 30;

fn main() {
    let paths: Vec<String> = (0..FILES).map(|number| format!("/etc/postfix/maps/{number}")).collect();
    let folder = std::env::temp_dir().join(format!("disks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for disks");
    let begun = Instant::now();
    let mut bytes = 0;
    for node in 0..NODES {
        let contents: Vec<Vec<u8>> =
            (0..FILES).map(|file| format!("{node} {file}\n").repeat(90).into_bytes()).collect();
        let files: BTreeMap<&str, Item<'_>> = paths
            .iter()
            .zip(&contents)
            .map(|(path, content)| (path.as_str(), Item { mode: 0o644, owner: "root:root", content }))
            .collect();
        let made = disk(&files, &["postfix.service"]).expect("these files may be on a disk");
        bytes += made.len();
        std::fs::write(folder.join(node.to_string()), made).expect("there is room for disks");
    }
    let seconds = begun.elapsed().as_secs_f64();
    let _ = std::fs::remove_dir_all(&folder);
    println!("{NODES} config disks of {FILES} files, {} MiB, written to files: {seconds:.2} s", bytes >> 20);
}
