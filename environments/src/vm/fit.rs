//! What this machine lacks to run virtual machines.

use std::path::PathBuf;

use crate::backend::Lack;

/// Programs that are called, with the package that brings each.
const PROGRAMS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mkfs.erofs", "erofs-utils"),
    ("mke2fs", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("ip", "iproute2"),
];

/// Returns what is lacking.
pub(crate) fn lacks() -> Vec<Lack> {
    let folders: Vec<PathBuf> =
        std::env::split_paths("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    judged(rustix::process::geteuid().is_root(), std::path::Path::new("/dev/net/tun").exists(), there)
}

fn judged(root: bool, tap: bool, there: impl Fn(&str) -> bool) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut lack = |what: String, help: String| lacks.push(Lack { what, help });
    if !root {
        lack(
            "the world around the machines takes a network namespace".to_owned(),
            "users may make no namespaces here: run it with sudo, or with `--backend embedded`".to_owned(),
        );
    }
    if !tap {
        lack("there is no /dev/net/tun".to_owned(), "load the module: modprobe tun".to_owned());
    }
    for (program, package) in PROGRAMS {
        if !there(program) {
            lack(format!("the program `{program}` is missing"), format!("install it: apt-get install {package}"));
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_names_the_way_out() {
        assert_eq!(judged(true, true, |_| true), []);
        let all = judged(false, false, |_| false);
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|lack| !lack.help.is_empty()));
        assert!(all.iter().any(|lack| lack.help == "install it: apt-get install qemu-system-x86"));
    }
}
