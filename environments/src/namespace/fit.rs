//! What this machine lacks to run real daemons in namespaces.

use std::path::{Path, PathBuf};

use crate::backend::Lack;

/// Programs that are called, with the package that brings each.
const PROGRAMS: [(&str, &str); 2] = [("unshare", "util-linux"), ("ip", "iproute2")];

/// Returns what is lacking.
pub(crate) fn lacks() -> Vec<Lack> {
    let file_systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    judged(rustix::process::geteuid().is_root(), Path::new("/proc/self/ns/net").exists(), &file_systems, there)
}

fn judged(root: bool, namespaces: bool, file_systems: &str, there: impl Fn(&str) -> bool) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut lack = |what: &str, help: String| lacks.push(Lack { what: what.to_owned(), help });
    if !root {
        lack(
            "real daemons in namespaces take root",
            "run it with sudo, or bring it up with `--backend embedded`".to_owned(),
        );
    }
    if !namespaces {
        lack(
            "this kernel has no network namespaces",
            "take a Linux kernel with CONFIG_NET_NS, or `--backend embedded`".to_owned(),
        );
    }
    if !file_systems.lines().any(|line| line.trim().ends_with("overlay")) {
        lack("this kernel does not know overlay file systems", "load the module: modprobe overlay".to_owned());
    }
    for (program, package) in PROGRAMS {
        if !there(program) {
            lack(&format!("the program `{program}` is missing"), format!("install it: apt-get install {package}"));
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_names_the_way_out() {
        assert_eq!(judged(true, true, "nodev\ttmpfs\nnodev\toverlay\n", |_| true), []);
        let all = judged(false, false, "nodev\ttmpfs\n", |_| false);
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|lack| !lack.help.is_empty()));
        assert!(all.iter().any(|lack| lack.help == "install it: apt-get install iproute2"));
    }
}
