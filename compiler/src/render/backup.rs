//! Copies to another place, and the way back: of mail on stores, of the database on directories, of keys on name servers.
//!
//! One script does all of it with restic, which encrypts on the node, keeps what did not change once, and reads back what it
//! wrote; systemd's timers call it, and a loop of its own where there is no systemd. Keys that are no node's own (of the authority,
//! those that sign mail) come from the operator's secrets, which are the operator's to keep.
//!
//! Source: restic's manual of 0.14, doveadm-import(1), pg_dump(1), systemd.timer(5).

use std::collections::BTreeMap;

use blueprint::platform::Copies;
use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Tree};

use super::dovecot::Version;

/// The script.
pub const RUN: &str = "/etc/mailwright/backup/run";
const SETTINGS: &str = "/etc/mailwright/backup/settings";
const PLACE: &str = "/etc/mailwright/backup/place";
const SERVICE: &str = "mailwright-backup.service";
const TIMER: &str = "mailwright-backup.timer";

/// What a node keeps, as copies are labelled.
fn kind(role: Role) -> Option<&'static str> {
    match role {
        Role::Store => Some("mail"),
        Role::Directory => Some("directory"),
        Role::Dns => Some("keys"),
        _ => None,
    }
}

/// Returns what a node's copies are of, and how they are made; `None` where nothing of it is copied.
pub fn copies(blueprint: &Blueprint, role: Role) -> Option<(&'static str, &Copies)> {
    let copies = match role {
        Role::Store => blueprint.backup.mail.as_ref(),
        _ => blueprint.backup.directory.as_ref(),
    };
    kind(role).zip(copies)
}

/// Returns what a node has whose state is copied.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let Some((kind, copies)) = copies(blueprint, node.role) else { return Tree::default() };
    let script = File { mode: 0o755, ..File::text(include_str!("backup/run.sh")) };
    let place = vec![Piece::Secret(copies.to.clone()), Piece::Bytes(b"\n".to_vec())];
    let files = BTreeMap::from([
        (RUN.to_owned(), script),
        (SETTINGS.to_owned(), File::text(settings(blueprint, node, kind, copies))),
        (PLACE.to_owned(), File::private("root:root", place)),
        (format!("/etc/systemd/system/{SERVICE}"), File::text(service())),
        (format!("/etc/systemd/system/{TIMER}"), File::text(timer(copies))),
    ]);
    let process = Process {
        name: "backup".to_owned(),
        unit: TIMER.to_owned(),
        prepare: Vec::new(),
        command: vec![RUN.to_owned(), "loop".to_owned()],
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: Vec::new(),
        reload: None,
        restart_on: Vec::new(),
        reads: vec!["/etc/mailwright/backup/".to_owned()],
    };
    let units = [SERVICE, TIMER].map(|unit| format!("/etc/systemd/system/{unit}")).to_vec();
    let verify = ["/usr/bin/systemd-analyze", "verify", "--man=no"].map(str::to_owned).into_iter().chain(units.clone());
    let check = Check { name: "systemd".to_owned(), command: verify.collect(), files: units, harmless: Vec::new() };
    Tree { files, processes: vec![process], checks: vec![check], packages: ["restic".to_owned()].into() }
}

/// Variables of the script: words of ours, names in kebab-case and numbers, which no shell reads as anything else.
fn settings(blueprint: &Blueprint, node: &Node, kind: &str, copies: &Copies) -> String {
    let hours = copies.keep.as_seconds().div_ceil(3600);
    let every = copies.every.as_seconds();
    let test = blueprint.backup.restore_test.map_or(0, values::Duration::as_seconds);
    // How doveadm is shown a mailbox that lies elsewhere.
    let from = match Version::of(blueprint) {
        Version::V2_3 => "-o mail_location=sdbox:",
        Version::V2_4 => "-o mail_driver=sdbox -o mail_path=",
    };
    format!(
        "NODE={}\nKIND={kind}\nEVERY_SECONDS={every}\nKEEP_HOURS={hours}\nTRY_SECONDS={test}\nFROM='{from}'\n",
        node.name
    )
}

fn service() -> String {
    format!(
        "[Unit]\nDescription=Copies what this node keeps\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nType=oneshot\nExecStart={RUN} due\nNice=10\nIOSchedulingClass=idle\n"
    )
}

fn timer(copies: &Copies) -> String {
    format!(
        "[Unit]\nDescription=Says when to copy what this node keeps\n\n[Timer]\nOnBootSec=2min\nOnUnitActiveSec={}s\n\
         RandomizedDelaySec={}s\n\n[Install]\nWantedBy=timers.target\n",
        copies.every.as_seconds(),
        copies.every.as_seconds() / 20
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn platform() -> Blueprint {
        let mut blueprint = sample::platform();
        let copies = |every: &str| {
            Some(Copies {
                every: every.parse().unwrap(),
                keep: "35d".parse().unwrap(),
                to: blueprint::secret::operators("offsite"),
            })
        };
        blueprint.backup.mail = copies("1h");
        blueprint.backup.directory = copies("5m");
        blueprint.backup.restore_test = Some("7d".parse().unwrap());
        blueprint
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(tree.files[path].unfilled().0).unwrap()
    }

    #[test]
    fn each_node_with_state_copies_its_own_kind_as_often_as_is_said() {
        let blueprint = platform();
        for (role, kind, every) in
            [(Role::Store, "mail", 3600), (Role::Directory, "directory", 300), (Role::Dns, "keys", 300)]
        {
            let tree = tree(&blueprint, &sample::node(role, 1));
            let settings = text(&tree, SETTINGS);
            assert!(settings.contains(&format!("KIND={kind}\nEVERY_SECONDS={every}\nKEEP_HOURS=840\n")), "{settings}");
            assert!(settings.contains("TRY_SECONDS=604800\n"), "{settings}");
            assert!(
                text(&tree, &format!("/etc/systemd/system/{TIMER}")).contains(&format!("OnUnitActiveSec={every}s"))
            );
            assert!(tree.processes.iter().all(Process::is_aside), "nobody waits for a copy");
        }
        assert_eq!(tree(&blueprint, &sample::node(Role::Mx, 1)), Tree::default());
    }

    #[test]
    fn nothing_is_copied_where_nothing_is_said() {
        let blueprint = sample::platform();
        assert_eq!(tree(&blueprint, &sample::node(Role::Store, 1)), Tree::default());
    }

    #[test]
    fn the_place_is_read_by_root_alone() {
        let tree = tree(&platform(), &sample::node(Role::Store, 1));
        assert_eq!((tree.files[PLACE].mode, tree.files[PLACE].owner.as_str()), (0o600, "root:root"));
        assert!(text(&tree, PLACE).starts_with("{{secret:operator/offsite}}"));
    }
}
