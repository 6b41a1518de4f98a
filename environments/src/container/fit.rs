//! What this machine lacks to run real daemons in containers; whether an engine answers is known when it is asked.

use std::path::PathBuf;

use crate::backend::Lack;

/// Programs that are called, with the package that brings each.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("tar", "tar"), ("nsenter", "util-linux")];

/// Returns what is lacking.
pub(crate) fn lacks() -> Vec<Lack> {
    let folders: Vec<PathBuf> =
        std::env::split_paths("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    judged(rustix::process::geteuid().is_root(), there)
}

fn judged(root: bool, there: impl Fn(&str) -> bool) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if !root {
        lacks.push(Lack {
            what: "the world around the containers takes root".to_owned(),
            help: "run it with sudo, or bring it up with `--backend embedded`".to_owned(),
        });
    }
    for (program, package) in PROGRAMS {
        if !there(program) {
            lacks.push(Lack {
                what: format!("the program `{program}` is missing"),
                help: format!("install it: apt-get install {package}"),
            });
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_names_the_way_out() {
        assert_eq!(judged(true, |_| true), []);
        let all = judged(false, |_| false);
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|lack| !lack.help.is_empty()));
    }
}
