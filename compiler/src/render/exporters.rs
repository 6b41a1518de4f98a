//! What measures a node and its daemons for the monitor: the distribution's exporters, each beside the daemon that it asks.
//!
//! Daemons that tell of themselves (HAProxy, Dovecot, Rspamd, Patroni) need none. Exporters are started after everything else, and
//! nobody waits for them.
//!
//! Source: the exporters' own `--help` as bookworm ships them.

use std::collections::BTreeMap;

use blueprint::{Blueprint, File, Node, Piece, Process, Role, Tree};

use super::{postgresql, prometheus};
use crate::decide::{ports, secrets};

/// Where scripts of ours leave what the node's exporter shows.
pub const TEXTS: &str = "/var/lib/prometheus/node-exporter";

/// Where the exporter of a node answers.
pub const NODE: u16 = 9100;
/// Where that of a Postfix does.
pub const POSTFIX: u16 = 9154;
/// Where that of a Redis does.
pub const REDIS: u16 = 9121;
/// Where that of a PostgreSQL does.
pub const POSTGRESQL: u16 = 9187;
/// Where the one does that knocks at other nodes' doors, on the monitor's loopback.
pub const KNOCKER: u16 = 9115;

const REDIS_PASSWORD: &str = "/etc/prometheus/redis-password.json";
const POSTGRESQL_PASSWORD: &str = "/etc/prometheus/postgresql-password";
/// What the knocker knows to ask.
pub const KNOCKS: &str = "/etc/prometheus/blackbox.yml";

/// One exporter.
struct Exporter {
    name: &'static str,
    arguments: Vec<String>,
    variables: &'static [(&'static str, &'static str)],
    user: &'static str,
    port: u16,
    files: Vec<(&'static str, File)>,
}

/// Returns what measures a node.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    // Nobody would ask them.
    if !blueprint.nodes.iter().any(|other| other.role == Role::Monitor) {
        return Tree::default();
    }
    let mut tree = exporter(Exporter {
        name: "prometheus-node-exporter",
        arguments: vec![
            format!("--web.listen-address=:{NODE}"),
            format!("--collector.textfile.directory={TEXTS}"),
            // Whether daemons answer, the monitor finds out by asking them.
            "--no-collector.systemd".to_owned(),
        ],
        variables: &[],
        user: "prometheus",
        port: NODE,
        files: Vec::new(),
    });
    match node.role {
        Role::Mx | Role::Submission | Role::Outbound => tree.extend(exporter(Exporter {
            name: "prometheus-postfix-exporter",
            // What waits, and how long; what its log tells, the journal keeps.
            arguments: vec![
                format!("--web.listen-address=:{POSTFIX}"),
                "--postfix.showq_path=/var/spool/postfix/public/showq".to_owned(),
                "--postfix.logfile_path=/dev/null".to_owned(),
            ],
            variables: &[],
            user: "postfix",
            port: POSTFIX,
            files: Vec::new(),
        })),
        Role::Cache => tree.extend(exporter(Exporter {
            name: "prometheus-redis-exporter",
            arguments: vec![
                format!("--web.listen-address=:{REDIS}"),
                format!("--redis.addr=redis://127.0.0.1:{}", ports::REDIS),
                format!("--redis.password-file={REDIS_PASSWORD}"),
            ],
            variables: &[],
            user: "prometheus",
            port: REDIS,
            files: vec![(REDIS_PASSWORD, redis_password())],
        })),
        Role::Directory => tree.extend(exporter(Exporter {
            name: "prometheus-postgres-exporter",
            arguments: vec![format!("--web.listen-address=:{POSTGRESQL}")],
            variables: &[
                ("DATA_SOURCE_URI", "/mailwright?host=/run/postgresql&sslmode=disable"),
                ("DATA_SOURCE_USER", "monitor"),
                ("DATA_SOURCE_PASS_FILE", POSTGRESQL_PASSWORD),
            ],
            user: "prometheus",
            port: POSTGRESQL,
            files: vec![(POSTGRESQL_PASSWORD, postgresql_password())],
        })),
        Role::Monitor => tree.extend(exporter(Exporter {
            name: "prometheus-blackbox-exporter",
            arguments: vec![format!("--web.listen-address=127.0.0.1:{KNOCKER}"), format!("--config.file={KNOCKS}")],
            variables: &[],
            user: "prometheus",
            port: KNOCKER,
            files: vec![(KNOCKS, File::text(prometheus::knocks()))],
        })),
        _ => {}
    }
    tree
}

fn exporter(it: Exporter) -> Tree {
    let variables: BTreeMap<String, String> =
        it.variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    // The unit of the distribution reads its arguments and variables from this file. All of them are words of ours without blanks.
    let mut defaults = format!("ARGS=\"{}\"\n", it.arguments.join(" "));
    variables.iter().for_each(|(name, value)| defaults.push_str(&format!("{name}='{value}'\n")));
    let path = format!("/etc/default/{}", it.name);
    let mut command = vec![format!("/usr/bin/{}", it.name)];
    command.extend(it.arguments);
    let reads: Vec<String> =
        std::iter::once(path.clone()).chain(it.files.iter().map(|(path, _)| (*path).to_owned())).collect();
    let mut files: BTreeMap<String, File> = it.files.into_iter().map(|(path, file)| (path.to_owned(), file)).collect();
    files.insert(path, File::text(defaults));
    let process = Process {
        name: it.name.trim_start_matches("prometheus-").to_owned(),
        unit: format!("{}.service", it.name),
        prepare: vec![["/usr/bin/install", "-d", "-m", "0755", TEXTS].map(str::to_owned).to_vec()],
        command,
        user: it.user.to_owned(),
        variables,
        after: Vec::new(),
        ready: vec![it.port],
        reload: None,
        restart_on: Vec::new(),
        reads,
    };
    Tree { files, processes: vec![process], packages: [it.name.to_owned()].into(), ..Tree::default() }
}

fn redis_password() -> File {
    let begin = format!("{{\"redis://127.0.0.1:{}\": \"", ports::REDIS);
    let pieces = vec![
        Piece::Bytes(begin.into_bytes()),
        Piece::Secret(secrets::password("cache")),
        Piece::Bytes(b"\"}\n".to_vec()),
    ];
    File { mode: 0o640, owner: "root:prometheus".to_owned(), pieces }
}

fn postgresql_password() -> File {
    let pieces = vec![Piece::Secret(secrets::password(&format!("directory-{}", postgresql::MONITOR)))];
    File { mode: 0o640, owner: "root:prometheus".to_owned(), pieces }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn what_measures_is_started_aside_and_says_the_same_to_systemd() {
        let mut blueprint = sample::platform();
        assert_eq!(tree(&blueprint, &sample::node(Role::Mx, 1)), Tree::default(), "nobody asks");
        blueprint.nodes.push(sample::node(Role::Monitor, 1));
        for role in Role::ALL {
            let tree = tree(&blueprint, &sample::node(role, 1));
            assert!(tree.processes.iter().all(Process::is_aside));
            assert!(tree.processes.iter().any(|process| process.ready == [NODE]));
            for process in &tree.processes {
                let name = process.unit.trim_end_matches(".service");
                let text = String::from_utf8(tree.files[&format!("/etc/default/{name}")].unfilled().0).unwrap();
                assert!(process.command[1..].iter().all(|word| text.contains(word.as_str())), "{text}");
            }
        }
    }
}
